//! NTP past the table of connections, without harm to those behind the router.
//!
//! A server sees more clients in a minute than the table holds. Rules that say `notrack` keep them out. The rules that
//! circulate take *all* packets to and from port 123; a router with such rules forwards the requests of the machines
//! behind it with their private addresses, because what is not tracked is not translated, and they get no answer. So:
//! what comes in only if it is for this machine (`fib daddr type local`) and no reply (mode 2 or 4: one behind us who asks from
//! port 123, as Windows does, gets it at our address and that port), what goes out only if it is one, and towards the world
//! (`oifname`). [`breaks_forwarding`] recognises the others.

use super::firewall::is_world;
use super::{Planner, Profile};
use crate::doctor::nft;
use crate::setup::parts::Part;
use crate::setup::place::Firewall;
use crate::setup::tree::{Node, Tree};

/// Our rules, where firewall4 includes them.
pub const FW4_FILE: &str = "/etc/nftables.d/10-timeball-notrack.nft";
const FW4_FOLDER: &str = "/etc/nftables.d";
/// Our rules, elsewhere.
const OWN_FILE: &str = "/etc/timeball/notrack.nft";
const DROP_IN: &str = "/etc/systemd/system/timeball.service.d/notrack.conf";
const SYSCTL_FILE: &str = "/etc/sysctl.d/20-timeball-conntrack.conf";
const WHY: &str =
    "thousands of clients do not fill the table of connections, and those behind the router keep their time";
/// Bytes that the kernel needs for a connection.
const CONNECTION: u64 = 320;

/// The first rule of an nft file that keeps the NTP of machines behind this one from being translated, and its line.
pub fn breaks_forwarding(text: &str) -> Option<(usize, String)> {
    nft::breaking(&nft::read(text)).next().map(|(line, rule)| (line, rule.to_owned()))
}

pub(super) fn plan(planner: &mut Planner<'_>) {
    if planner.wish.profile != Profile::Public {
        return;
    }
    match planner.place.firewall {
        Firewall::Fw4 => fw4(planner),
        Firewall::Fw3 => {}
        _ if planner.is_openwrt() => {}
        _ => own_table(planner),
    }
}

/// The two chains; `devices` are those of the way out, all if empty.
pub fn rules(devices: &[String], indent: &str) -> String {
    let out = match devices {
        [] => String::new(),
        names => {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            format!("oifname {{ {} }} ", quoted.join(", "))
        }
    };
    [
        "# Timeball: requests for the time to this machine and its replies (modes 2, 4) are not tracked; what it forwards is."
            .to_owned(),
        "chain timeball_prerouting {".to_owned(),
        "\ttype filter hook prerouting priority raw; policy accept;".to_owned(),
        "\tudp dport 123 fib daddr type local @th,69,3 != { 2, 4 } counter notrack comment \"NTP in\""
            .to_owned(),
        "}".to_owned(),
        "chain timeball_output {".to_owned(),
        "\ttype filter hook output priority raw; policy accept;".to_owned(),
        format!("\t{out}udp sport 123 @th,69,3 {{ 2, 4 }} counter notrack comment \"NTP out\""),
        "}".to_owned(),
    ]
    .map(|line| format!("{indent}{line}\n"))
    .concat()
}

fn fw4(planner: &mut Planner<'_>) {
    let firewall = planner.uci("firewall");
    let networks: Vec<&str> =
        firewall.of_kind("zone").filter(is_world).flat_map(|zone| zone.list("network")).collect();
    let mut devices: Vec<String> = firewall
        .of_kind("zone")
        .filter(is_world)
        .flat_map(|zone| zone.list("device"))
        .map(str::to_owned)
        .collect();
    for network in networks {
        let known = planner.interfaces.iter().filter(|interface| interface.name == network);
        for device in known.flat_map(|interface| &interface.devices) {
            if !devices.contains(device) {
                devices.push(device.clone());
            }
        }
    }
    if devices.is_empty() {
        return planner
            .note("No device leads to a zone of the world, so NTP stays in the table of connections");
    }
    planner.followed_by(Part::Notrack, &["fw4", "-q", "reload"], "the rules come into force", |planner| {
        for name in planner.tree.list(FW4_FOLDER) {
            let path = format!("{FW4_FOLDER}/{name}");
            let text = planner.text(&path).unwrap_or_default();
            if name.ends_with(".nft") && path != FW4_FILE && breaks_forwarding(&text).is_some() {
                let why = "it keeps machines behind the router from getting the time, and ours takes its place";
                if is_only_ntp(&text) {
                    planner.put(Part::Notrack, &path, Node::Absent, why);
                } else {
                    let (line, rule) = breaks_forwarding(&text).unwrap_or_default();
                    planner.note(format!(
                        "{path}:{line}: \"{rule}\" keeps machines behind the router from getting the time; remove it by hand"
                    ));
                }
            }
        }
        let text = rules(&devices, "");
        // Whoever has changed the counters' rules meant it.
        if planner.text(FW4_FILE).is_none_or(|old| old != text) {
            planner.put_text(Part::Notrack, FW4_FILE, &text, WHY);
        }
    });
}

/// Is a file about nothing but NTP?
fn is_only_ntp(text: &str) -> bool {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).all(|line| {
        line.is_empty()
            || line == "}"
            || line.starts_with("chain ")
            || line.starts_with("type ")
            || line.contains(" 123 ")
    })
}

/// A table of our own, as long as the service runs; no other program's rules are touched.
fn own_table(planner: &mut Planner<'_>) {
    let table = format!(
        "# Loaded and removed with the service.\ntable inet timeball\ndelete table inet timeball\ntable inet timeball {{\n{}}}\n",
        rules(&[], "\t")
    );
    let nft = ["/usr/sbin/nft", "/sbin/nft"].into_iter().find(|path| planner.tree.exists(path));
    let Some(nft) = nft else {
        return planner.note(
            "nft is not installed: with a firewall that tracks connections, its table may become full",
        );
    };
    planner.followed_by(Part::Notrack, &["systemctl", "daemon-reload"], "systemd reads its files", |planner| {
        planner.put(Part::Notrack, OWN_FILE, Node::file(table, 0o644), WHY);
        let text = format!(
            "[Service]\nExecStartPre=-+{nft} -f {OWN_FILE}\nExecStopPost=-+{nft} delete table inet timeball\n"
        );
        planner.put(Part::Notrack, DROP_IN, Node::file(text, 0o644), "the rules live as long as the service");
    });
}

/// A larger table, where NTP cannot be kept out of it (or if asked for).
pub(super) fn conntrack(planner: &mut Planner<'_>) {
    let is_asked = planner.wish.only.contains(&Part::Conntrack);
    let is_needed = planner.wish.profile == Profile::Public && planner.place.firewall == Firewall::Fw3;
    if !is_asked && !is_needed {
        return;
    }
    // A sixteenth of the memory, and not less than what the kernel takes by itself.
    let entries =
        planner.wish.memory.map_or(65_536, |memory| (memory / 16 / CONNECTION).clamp(65_536, 262_144));
    let entries = entries.max(connections_wished(planner.tree));
    let text = format!(
        "# Timeball: room for the clients of a time server, which come once and are forgotten soon.\n\
         net.netfilter.nf_conntrack_max={entries}\nnet.netfilter.nf_conntrack_udp_timeout=30\n"
    );
    let why = "thousands of clients do not fill the table of connections";
    planner.followed_by(Part::Conntrack, &["sysctl", "-q", "-p", SYSCTL_FILE], why, |planner| {
        planner.put(Part::Conntrack, SYSCTL_FILE, Node::file(text, 0o644), why);
    });
}

/// The largest table that other files want: ours is read after them, and never makes it smaller.
fn connections_wished(tree: &Tree) -> u64 {
    let folder = "/etc/sysctl.d";
    let names = tree.list(folder).into_iter().map(|name| format!("{folder}/{name}"));
    let said = |text: String| {
        let value = |line: &str| {
            let (key, value) = line.split_once('=')?;
            let known = matches!(
                key.trim().trim_start_matches('-').replace('/', ".").as_str(),
                "net.netfilter.nf_conntrack_max" | "net.nf_conntrack_max"
            );
            value.trim().parse().ok().filter(|_| known)
        };
        text.lines().filter_map(value).max()
    };
    let files = names.chain(["/etc/sysctl.conf".to_owned()]).filter(|path| path != SYSCTL_FILE);
    files.filter_map(|path| tree.text(&path).and_then(said)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_break_forwarding_are_recognised() {
        let circulating = "chain raw_prerouting {\n   type filter hook prerouting priority raw;\n   udp dport 123 notrack counter\n}\n\
            chain raw_output {\n   type filter hook output priority raw;\n   udp sport 123 notrack counter\n}";
        assert_eq!(breaks_forwarding(circulating), Some((3, "udp dport 123 notrack counter".into())));
        for good in [
            rules(&["eth1".to_owned()], ""),
            rules(&[], "\t"),
            "chain x { type filter hook prerouting priority raw; ip daddr 192.0.2.1 udp dport 123 notrack }"
                .to_owned(),
            "# udp dport 123 notrack\n".to_owned(),
            "chain x {\n udp dport 53 notrack\n}".to_owned(),
        ] {
            assert_eq!(breaks_forwarding(&good), None, "{good}");
        }
        for bad in [
            "chain p { type filter hook prerouting priority -300; udp dport { 123 } notrack; }",
            "chain p {\n iifname \"br-lan\" udp sport 123 counter notrack\n}",
        ] {
            assert!(breaks_forwarding(bad).is_some(), "{bad}");
        }
        assert!(is_only_ntp(circulating) && !is_only_ntp("chain a {\n udp dport 53 drop\n}"));
    }

    #[test]
    fn the_way_out_is_named() {
        let text = rules(&["pppoe-wan".to_owned(), "eth1".to_owned()], "");
        assert!(
            text.contains(
                "\toifname { \"pppoe-wan\", \"eth1\" } udp sport 123 @th,69,3 { 2, 4 } counter notrack"
            ),
            "{text}"
        );
        assert!(
            text.contains("\tudp dport 123 fib daddr type local @th,69,3 != { 2, 4 } counter notrack"),
            "{text}"
        );
    }
}
