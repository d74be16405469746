//! Those around: clients that DHCP tells where the time is, programs that wait for it, networks that come and go, and
//! the upgrade that must not forget.

use super::service::with_program;
use super::{Planner, Profile};
use crate::setup::parts::Part;
use crate::setup::tree::Node;
use crate::setup::uci::Document;

const SYNCED: &str = include_str!("../../../../../packaging/openwrt/timeball.synced");
const IFACE: &str = include_str!("../../../../../packaging/openwrt/timeball.iface");
const KEEP: &str = include_str!("../../../../../packaging/openwrt/timeball.keep");
const NETWORK_MANAGER: &str = include_str!("../../../../../packaging/network/NetworkManager");
const DISPATCHER: &str = include_str!("../../../../../packaging/network/networkd-dispatcher");
const DHCLIENT: &str = include_str!("../../../../../packaging/network/dhclient");

/// Option 42 of DHCP by dnsmasq, and the one of DHCPv6 by odhcpd, in each network that is served by either.
pub(super) fn dhcp(planner: &mut Planner<'_>) {
    if !planner.is_openwrt() || planner.wish.profile == Profile::Client {
        return;
    }
    let locals = planner.local_interfaces();
    if planner.place.has_dnsmasq {
        let command = ["/etc/init.d/dnsmasq", "reload"];
        planner.followed_by(Part::Dhcp, &command, "dnsmasq reads its file", |planner| {
            for interface in &locals {
                let Some(address) = interface.v4() else { continue };
                let why =
                    format!("DHCP names this router as the time server of {} (option 42)", interface.name);
                planner.edit(Part::Dhcp, "dhcp", &why, |dhcp| {
                    let has_one =
                        |option: &&str| option.starts_with("42,") || option.starts_with("option:ntp-server,");
                    for (id, has) in pools(dhcp, &interface.name, "dhcp_option", has_one) {
                        if !has {
                            dhcp.add_list(id, "dhcp_option", &format!("42,{address}"));
                        }
                    }
                });
            }
        });
    }
    if planner.place.has_odhcpd {
        let command = ["/etc/init.d/odhcpd", "reload"];
        planner.followed_by(Part::Dhcp, &command, "odhcpd reads its file", |planner| {
            for interface in &locals {
                let Some(address) = interface.unique_local() else { continue };
                let why = format!("DHCPv6 names this router as the time server of {}", interface.name);
                planner.edit(Part::Dhcp, "dhcp", &why, |dhcp| {
                    for (id, has) in pools(dhcp, &interface.name, "ntp", |_| true) {
                        if !has {
                            dhcp.add_list(id, "ntp", &address.to_string());
                        }
                    }
                });
            }
        });
    }
}

/// The sections that serve an interface, and whether each has such an entry under `key`.
fn pools(
    dhcp: &Document,
    interface: &str,
    key: &str,
    is_such: impl Fn(&&str) -> bool,
) -> Vec<(crate::setup::uci::SectionId, bool)> {
    let sections = dhcp.of_kind("dhcp").filter(|section| {
        section.get("interface").or(section.name) == Some(interface) && !section.is_on("ignore", false)
    });
    let mut found: Vec<_> =
        sections.map(|section| (section.id, section.list(key).iter().any(&is_such))).collect();
    // From the last on, so that numbers of sections hold while lines are added.
    found.reverse();
    found
}

/// DNSSEC waits for the first synchronisation.
pub(super) fn hotplug(planner: &mut Planner<'_>) {
    if planner.is_openwrt() {
        let node = Node::file(SYNCED, 0o755);
        let why = "dnsmasq checks signatures only once the time is right";
        planner.put(Part::Hotplug, "/usr/lib/timeball/synced", node, why);
    }
}

/// What an upgrade of the system keeps.
pub(super) fn keep(planner: &mut Planner<'_>) {
    if !planner.is_openwrt() {
        return;
    }
    let mut text = KEEP.to_owned();
    for path in [
        super::notrack::FW4_FILE,
        "/usr/lib/timeball/",
        "/etc/init.d/timeball",
        "/etc/hotplug.d/iface/90-timeball",
    ] {
        text.push_str(&format!("{path}\n"));
    }
    let old = planner.text("/lib/upgrade/keep.d/timeball").unwrap_or_default();
    if text.lines().any(|line| !old.lines().any(|known| known == line)) {
        planner.put_text(
            Part::Keep,
            "/lib/upgrade/keep.d/timeball",
            &text,
            "an upgrade of the system keeps all this",
        );
    }
}

/// DHCP's servers, and sources that can be reached again.
pub(super) fn network(planner: &mut Planner<'_>) {
    let why = "servers that DHCP names are followed, and sources are asked again when a network is back";
    if planner.is_openwrt() {
        let path = "/etc/hotplug.d/iface/90-timeball";
        return planner.put(Part::Network, path, Node::file(IFACE, 0o755), why);
    }
    let scripts = [
        ("/etc/NetworkManager", "/etc/NetworkManager/dispatcher.d/20-timeball", NETWORK_MANAGER, 0o755),
        ("/etc/networkd-dispatcher", "/etc/networkd-dispatcher/routable.d/timeball", DISPATCHER, 0o755),
        ("/etc/networkd-dispatcher", "/etc/networkd-dispatcher/off.d/timeball", DISPATCHER, 0o755),
        ("/etc/dhcp/dhclient-exit-hooks.d", "/etc/dhcp/dhclient-exit-hooks.d/timeball", DHCLIENT, 0o644),
    ];
    for (folder, path, text, mode) in scripts {
        if planner.tree.exists(folder) {
            let text = with_program(text, planner);
            planner.put(Part::Network, path, Node::file(text, mode), why);
        }
    }
}

impl Planner<'_> {
    /// Is there anybody who writes what DHCP named?
    pub(super) fn place_has_dhcp_folder(&self) -> bool {
        ["/etc/NetworkManager", "/etc/networkd-dispatcher", "/etc/dhcp/dhclient-exit-hooks.d"]
            .iter()
            .any(|folder| self.tree.exists(folder))
    }
}
