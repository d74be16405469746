//! UDP port 123, IPv4 and IPv6, for those who are served.

use super::config::PRIVATE;
use super::{Planner, Profile};
use crate::setup::parts::Part;
use crate::setup::place::Firewall;
use crate::setup::uci::{Document, Section};

const WHY: &str = "requests for the time reach the daemon, by IPv4 and IPv6";

pub(super) fn plan(planner: &mut Planner<'_>) {
    if planner.wish.profile == Profile::Client {
        return;
    }
    match planner.place.firewall {
        Firewall::Fw4 | Firewall::Fw3 => openwrt(planner),
        Firewall::Ufw => ufw(planner),
        Firewall::Firewalld => firewalld(planner),
        Firewall::Nftables => nftables(planner),
        Firewall::None => {}
    }
}

/// Does a zone lead to the world?
pub(super) fn is_world(zone: &Section<'_>) -> bool {
    zone.is_on("masq", false) || zone.get("name").is_some_and(|name| name.starts_with("wan"))
}

/// The zones that have to let requests in and do not by themselves.
fn closed_zones(firewall: &Document, profile: Profile) -> Vec<String> {
    let default = firewall.of_kind("defaults").find_map(|section| section.get("input")).unwrap_or("REJECT");
    let zones = firewall.of_kind("zone").filter(|zone| {
        !zone.get("input").unwrap_or(default).eq_ignore_ascii_case("ACCEPT")
            && (profile == Profile::Public || !is_world(zone))
    });
    zones.filter_map(|zone| zone.get("name")).map(str::to_owned).collect()
}

/// Is there a rule that lets NTP in from this zone already?
fn is_open(firewall: &Document, zone: &str) -> bool {
    firewall.of_kind("rule").any(|rule| {
        let protocols = rule.list("proto");
        rule.get("src") == Some(zone)
            && rule.get("dest").is_none()
            && rule.is_on("enabled", true)
            && rule.get("target").is_some_and(|target| target.eq_ignore_ascii_case("ACCEPT"))
            && rule.list("dest_port").contains(&"123")
            && protocols.iter().any(|protocol| matches!(*protocol, "udp" | "tcpudp" | "all" | "any"))
            && rule.get("src_ip").is_none()
            && rule.get("family").is_none_or(|family| family == "any")
    })
}

fn openwrt(planner: &mut Planner<'_>) {
    let command: &[&str] = match planner.place.firewall {
        Firewall::Fw4 => &["fw4", "-q", "reload"],
        _ => &["fw3", "-q", "reload"],
    };
    planner.followed_by(Part::Firewall, command, "the rules come into force", |planner| {
        let firewall = planner.uci("firewall");
        for zone in closed_zones(&firewall, planner.wish.profile) {
            if is_open(&firewall, &zone) {
                continue;
            }
            let why = format!("zone {zone}: {WHY}");
            planner.edit(Part::Firewall, "firewall", &why, |firewall| {
                let name: String =
                    zone.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                let options = [
                    ("name", format!("Allow-NTP-{zone}")),
                    ("src", zone.clone()),
                    ("proto", "udp".to_owned()),
                    ("dest_port", "123".to_owned()),
                    ("target", "ACCEPT".to_owned()),
                ];
                let options = options.each_ref().map(|(key, value)| (*key, value.as_str()));
                firewall.add_section("rule", Some(&format!("timeball_ntp_{name}")), &options);
            });
        }
    });
}

fn ufw(planner: &mut Planner<'_>) {
    let rules = ["/etc/ufw/user.rules", "/etc/ufw/user6.rules"]
        .map(|path| planner.tree.text(path).unwrap_or_default());
    if rules
        .iter()
        .all(|text| text.lines().any(|line| line.contains("--dport 123 ") && line.contains("ACCEPT")))
    {
        return;
    }
    if planner.wish.profile == Profile::Public {
        return planner.run(
            Part::Firewall,
            &["ufw", "allow", "123/udp"],
            &["ufw", "delete", "allow", "123/udp"],
            WHY,
        );
    }
    for network in PRIVATE {
        let rule = ["allow", "from", network, "to", "any", "port", "123", "proto", "udp"];
        let apply: Vec<&str> = [&["ufw"][..], &rule].concat();
        let revert: Vec<&str> = [&["ufw", "delete"][..], &rule].concat();
        planner.run(Part::Firewall, &apply, &revert, WHY);
    }
}

fn firewalld(planner: &mut Planner<'_>) {
    let zones = planner.tree.list("/etc/firewalld/zones");
    let has_ntp = |name: &String| {
        planner
            .tree
            .text(&format!("/etc/firewalld/zones/{name}"))
            .is_some_and(|text| text.contains("<service name=\"ntp\"/>"))
    };
    if zones.iter().any(has_ntp) {
        return;
    }
    for last in [&["--permanent"][..], &[]] {
        let words = |verb| [&["firewall-cmd", verb][..], last].concat();
        planner.run(Part::Firewall, &words("--add-service=ntp"), &words("--remove-service=ntp"), WHY);
    }
}

/// A rule right behind the head of the chain that looks at what comes in.
fn nftables(planner: &mut Planner<'_>) {
    const FILE: &str = "/etc/nftables.conf";
    let Some(text) = planner.text(FILE) else { return };
    if text.lines().any(|line| line.contains("timeball") || is_ntp_rule(line)) {
        return;
    }
    let heads: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.contains("hook input") && !line.trim_start().starts_with('#'))
        .map(|(at, _)| at)
        .collect();
    let [head] = heads.as_slice() else {
        if !heads.is_empty() {
            planner.note(format!(
                "{FILE} has {} input chains: let UDP port 123 in by hand (udp dport 123 accept)",
                heads.len()
            ));
        }
        return;
    };
    let rules = match planner.wish.profile {
        Profile::Public => "\t\tudp dport 123 accept comment \"timeball\"\n".to_owned(),
        _ => {
            let (v6, v4): (Vec<&str>, Vec<&str>) =
                PRIVATE.into_iter().partition(|network| network.contains(':'));
            format!(
                "\t\tip saddr {{ {} }} udp dport 123 accept comment \"timeball\"\n\t\tip6 saddr {{ {} }} udp dport 123 accept comment \"timeball\"\n",
                v4.join(", "),
                v6.join(", ")
            )
        }
    };
    let mut new = String::new();
    for (at, line) in text.split_inclusive('\n').enumerate() {
        new.push_str(line);
        if at == *head {
            if !line.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(&rules);
        }
    }
    planner.followed_by(Part::Firewall, &["nft", "-f", FILE], "the rules come into force", |planner| {
        planner.put_text(Part::Firewall, FILE, &new, WHY);
    });
}

fn is_ntp_rule(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    words.windows(3).any(|words| words == ["udp", "dport", "123"]) && words.contains(&"accept")
}
