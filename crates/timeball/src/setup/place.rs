//! Where are we? What kind of system a root file system is, and which programs look after what on it.
//!
//! Read from files alone, so that a copy tells as much as a running machine.

use super::tree::{Node, Tree};
use super::uci::Document;

/// What kind of system it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum System {
    /// OpenWrt, with its release (empty if it does not say) and board family (`mediatek/filogic`).
    OpenWrt {
        /// `24.10.2`.
        release: String,
        /// `mediatek/filogic`.
        target: String,
    },
    /// A distribution with systemd, and its name.
    Systemd(String),
    /// Something else; set-up tells what to do by hand.
    Other(String),
}

/// Who filters packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// OpenWrt's firewall4: `/etc/config/firewall`, and `/etc/nftables.d` inside its table.
    Fw4,
    /// OpenWrt's older one (iptables).
    Fw3,
    /// Ubuntu's.
    Ufw,
    /// firewalld.
    Firewalld,
    /// `/etc/nftables.conf`.
    Nftables,
    /// Nobody that we know.
    None,
}

/// Another program that keeps the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rival {
    /// The service's name, without `.service`.
    pub service: &'static str,
    /// What people call it.
    pub name: &'static str,
}

/// Those that set-up knows, of OpenWrt and of systemd's distributions.
const OPENWRT_RIVALS: &[Rival] = &[
    Rival { service: "sysntpd", name: "busybox ntpd" },
    Rival { service: "chronyd", name: "chrony" },
    Rival { service: "ntpd", name: "ntpd" },
    Rival { service: "ntpsec", name: "NTPsec" },
    Rival { service: "ntpclient", name: "ntpclient" },
    Rival { service: "openntpd", name: "OpenNTPD" },
];
const SYSTEMD_RIVALS: &[Rival] = &[
    Rival { service: "systemd-timesyncd", name: "systemd-timesyncd" },
    Rival { service: "chrony", name: "chrony" },
    Rival { service: "chronyd", name: "chrony" },
    Rival { service: "ntp", name: "ntpd" },
    Rival { service: "ntpd", name: "ntpd" },
    Rival { service: "ntpsec", name: "NTPsec" },
    Rival { service: "ntpd-rs", name: "ntpd-rs" },
    Rival { service: "openntpd", name: "OpenNTPD" },
];

/// Folders in which systemd looks for units.
const UNIT_FOLDERS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// What was found out.
#[derive(Clone, Debug)]
pub struct Place {
    /// The kind of system.
    pub system: System,
    /// Who filters packets.
    pub firewall: Firewall,
    /// Is there dnsmasq's section in `/etc/config/dhcp`?
    pub has_dnsmasq: bool,
    /// Is there odhcpd's?
    pub has_odhcpd: bool,
    /// Other programs that keep the time and are installed.
    pub rivals: Vec<Rival>,
}

impl Place {
    /// Looks around.
    pub fn find(tree: &Tree) -> Self {
        let system = system(tree);
        let dhcp = uci(tree, "dhcp").unwrap_or_default();
        let has = |kind: &str| dhcp.of_kind(kind).next().is_some();
        Self {
            firewall: firewall(tree, &system),
            has_dnsmasq: matches!(system, System::OpenWrt { .. }) && has("dnsmasq"),
            has_odhcpd: matches!(system, System::OpenWrt { .. }) && has("odhcpd"),
            rivals: rivals(tree, &system),
            system,
        }
    }

    /// What to call it.
    pub fn describe(&self) -> String {
        let system = match &self.system {
            System::OpenWrt { release, target } => format!("OpenWrt {release} {target}"),
            System::Systemd(name) => format!("{name} with systemd"),
            System::Other(name) => name.clone(),
        };
        let firewall = match self.firewall {
            Firewall::Fw4 => "firewall4",
            Firewall::Fw3 => "firewall3",
            Firewall::Ufw => "ufw",
            Firewall::Firewalld => "firewalld",
            Firewall::Nftables => "nftables",
            Firewall::None => "no firewall that is known",
        };
        let dhcp = match (self.has_dnsmasq, self.has_odhcpd) {
            (true, true) => ", dnsmasq and odhcpd",
            (true, false) => ", dnsmasq",
            (false, true) => ", odhcpd",
            (false, false) => "",
        };
        format!("{}, {firewall}{dhcp}", system.trim_end())
    }
}

/// A file of `/etc/config`; `None` if there is none or it cannot be read (whoever needs it says why).
pub fn uci(tree: &Tree, name: &str) -> Option<Document> {
    Document::parse(&tree.text(&format!("/etc/config/{name}"))?).ok()
}

/// Is this service started at boot? The names of the links that say so.
pub fn start_links(tree: &Tree, system: &System, service: &str) -> Vec<String> {
    match system {
        System::OpenWrt { .. } => {
            let is_its = |name: &String| {
                let number = name.strip_prefix(['S', 'K']).unwrap_or_default();
                number.trim_start_matches(|c: char| c.is_ascii_digit()) == service
                    && number.starts_with(|c: char| c.is_ascii_digit())
            };
            let links = tree.list("/etc/rc.d").into_iter().filter(is_its);
            links.map(|name| format!("/etc/rc.d/{name}")).collect()
        }
        System::Systemd(_) => {
            let unit = format!("{service}.service");
            let mut links = Vec::new();
            for name in tree.list("/etc/systemd/system") {
                let path = format!("/etc/systemd/system/{name}");
                if name.ends_with(".wants") || name.ends_with(".requires") {
                    links.extend(
                        tree.list(&path).into_iter().filter(|n| *n == unit).map(|n| format!("{path}/{n}")),
                    );
                } else if name != unit && points_at(tree, &path, &unit) {
                    // An alias, such as the one by which D-Bus starts it.
                    links.push(path);
                }
            }
            links
        }
        System::Other(_) => Vec::new(),
    }
}

fn points_at(tree: &Tree, path: &str, unit: &str) -> bool {
    matches!(tree.node(path), Ok(Node::Link(target)) if target.rsplit('/').next() == Some(unit))
}

fn system(tree: &Tree) -> System {
    if let Some(text) = tree.text("/etc/openwrt_release") {
        let word = |key| assignment(&text, key).unwrap_or_default();
        return System::OpenWrt { release: word("DISTRIB_RELEASE"), target: word("DISTRIB_TARGET") };
    }
    let text = tree.text("/etc/os-release").or_else(|| tree.text("/usr/lib/os-release")).unwrap_or_default();
    let name = assignment(&text, "PRETTY_NAME").or_else(|| assignment(&text, "ID"));
    let name = name.unwrap_or_else(|| "an unknown system".to_owned());
    let systemd = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/run/systemd/system"];
    // A container may have the files without running it.
    let runs = !tree.is_live() || tree.exists("/run/systemd/system");
    if runs && systemd.iter().any(|path| tree.exists(path)) {
        System::Systemd(name)
    } else {
        System::Other(name)
    }
}

/// The value of `KEY=value`, `KEY='value'`, `KEY="value"`.
fn assignment(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['\'', '"']).to_owned())
}

fn firewall(tree: &Tree, system: &System) -> Firewall {
    let enabled = |service: &str| !start_links(tree, system, service).is_empty();
    match system {
        System::OpenWrt { release, .. } if tree.exists("/etc/config/firewall") => {
            // 22.03 was the first with firewall4; snapshots have no number.
            let year: Option<u32> = release.split('.').next().and_then(|year| year.parse().ok());
            let old = tree.exists("/sbin/fw3") || year.is_some_and(|year| year < 22);
            if tree.exists("/sbin/fw4") || !old { Firewall::Fw4 } else { Firewall::Fw3 }
        }
        System::OpenWrt { .. } => Firewall::None,
        _ => {
            let ufw = tree.text("/etc/ufw/ufw.conf").and_then(|text| assignment(&text, "ENABLED"));
            if ufw.is_some_and(|word| word.eq_ignore_ascii_case("yes")) {
                Firewall::Ufw
            } else if enabled("firewalld") {
                Firewall::Firewalld
            } else if enabled("nftables") {
                Firewall::Nftables
            } else {
                Firewall::None
            }
        }
    }
}

fn rivals(tree: &Tree, system: &System) -> Vec<Rival> {
    let (known, folders, end): (_, &[&str], _) = match system {
        System::OpenWrt { .. } => (OPENWRT_RIVALS, &["/etc/init.d"], ""),
        System::Systemd(_) => (SYSTEMD_RIVALS, &UNIT_FOLDERS, ".service"),
        System::Other(_) => return Vec::new(),
    };
    let installed = |rival: &&Rival| {
        // A name that only points at another unit is the same program again.
        let here = |folder: &str| {
            let path = format!("{folder}/{}{end}", rival.service);
            tree.exists(&path) && tree.resolve(&path).ends_with(&format!("/{}{end}", rival.service))
        };
        folders.iter().any(|folder| here(folder))
    };
    known.iter().filter(installed).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Scratch;
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_router_is_recognised() {
        let scratch = Scratch::new("place-openwrt");
        let tree = scratch.tree(&[
            (
                "/etc/openwrt_release",
                "DISTRIB_ID='OpenWrt'\nDISTRIB_RELEASE='24.10.2'\nDISTRIB_TARGET='mediatek/filogic'\n",
            ),
            ("/etc/config/firewall", "config defaults\n"),
            ("/etc/config/dhcp", "config dnsmasq\nconfig odhcpd 'odhcpd'\n"),
            ("/etc/init.d/sysntpd", "#!/bin/sh\n"),
            ("/etc/rc.d/.keep", ""),
        ]);
        symlink("../init.d/sysntpd", scratch.0.join("etc/rc.d/S98sysntpd")).unwrap();
        symlink("../init.d/other", scratch.0.join("etc/rc.d/S98othersysntpd")).unwrap();
        let place = Place::find(&tree);
        assert_eq!(place.describe(), "OpenWrt 24.10.2 mediatek/filogic, firewall4, dnsmasq and odhcpd");
        assert_eq!(place.rivals.iter().map(|rival| rival.service).collect::<Vec<_>>(), ["sysntpd"]);
        assert_eq!(start_links(&tree, &place.system, "sysntpd"), ["/etc/rc.d/S98sysntpd"]);
        let old = Scratch::new("place-old");
        let tree = old.tree(&[
            ("/etc/openwrt_release", "DISTRIB_RELEASE='21.02.7'\n"),
            ("/etc/config/firewall", "config defaults\n"),
            ("/sbin/fw3", ""),
        ]);
        assert_eq!(Place::find(&tree).firewall, Firewall::Fw3);
    }

    #[test]
    fn a_debian_is_recognised_with_its_firewalls() {
        let unit = "/usr/lib/systemd/system/chrony.service";
        let base = [
            ("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"),
            ("/usr/lib/systemd/systemd", ""),
            (unit, ""),
        ];
        let scratch = Scratch::new("place-debian");
        let tree = scratch.tree(&base);
        std::fs::create_dir_all(scratch.0.join("etc/systemd/system/multi-user.target.wants")).unwrap();
        let wants = |service: &str| {
            let link = format!("etc/systemd/system/multi-user.target.wants/{service}.service");
            symlink(format!("/usr/lib/systemd/system/{service}.service"), scratch.0.join(link)).unwrap();
        };
        wants("chrony");
        symlink(unit, scratch.0.join("etc/systemd/system/chronyd.service")).unwrap();
        let place = Place::find(&tree);
        assert_eq!(place.describe(), "Debian GNU/Linux 12 with systemd, no firewall that is known");
        assert_eq!(place.rivals.len(), 1, "chronyd.service is another name of chrony.service");
        assert_eq!(
            start_links(&tree, &place.system, "chrony"),
            [
                "/etc/systemd/system/chronyd.service",
                "/etc/systemd/system/multi-user.target.wants/chrony.service"
            ]
        );
        wants("nftables");
        assert_eq!(Place::find(&tree).firewall, Firewall::Nftables);
        wants("firewalld");
        assert_eq!(Place::find(&tree).firewall, Firewall::Firewalld);
        let tree = scratch.tree(&[("/etc/ufw/ufw.conf", "# x\nENABLED=yes\n")]);
        assert_eq!(Place::find(&tree).firewall, Firewall::Ufw);
        let other = Scratch::new("place-other");
        let tree = other.tree(&[("/etc/os-release", "ID=alpine\n")]);
        assert_eq!(Place::find(&tree).system, System::Other("alpine".into()));
        assert!(Place::find(&tree).rivals.is_empty());
    }
}
