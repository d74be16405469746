//! Firewall, connection tracking, DHCP, the page.

use std::net::{IpAddr, SocketAddr};

use ntp::config::PAGE_PORT;

use super::super::facts::{Facts, Place};
use super::super::finding::Finding;
use super::super::nft;
use super::super::uci::Section;
use super::{Check, check, config};
use crate::operators::is_private;
use crate::setup::plan::Profile;

pub const CHECKS: &[Check] = &[
    check("firewall", "the firewall lets requests in", firewall),
    check("notrack-rule", "no rule breaks the time of the neighbours", notrack_rule),
    check("conntrack-ntp", "requests are not followed as connections", conntrack_ntp),
    check("conntrack-table", "the table of connections has room", conntrack_table),
    check("dhcp", "neighbours are told of this server", dhcp),
    check("as-set-up", "files are as set-up left them", as_set_up),
    check("dashboard", "the page is not open to the Internet", dashboard),
];

/// Part of the table in use from which on it is a warning, and a fault.
const FULL_SOON: f64 = 0.6;
const FULL: f64 = 0.85;
/// What set-up does about each.
const OPEN: &str = "timeball setup --only firewall";
const UNTRACK: &str = "timeball setup --only notrack";

/// The zones that lead outside: those that rewrite addresses, or are called wan.
fn outside(sections: &[Section]) -> Vec<&Section> {
    let zones = sections.iter().filter(|section| section.kind == "zone");
    zones.filter(|zone| zone.is_on("masq") || zone.get("name").starts_with("wan")).collect()
}

/// The rule of OpenWrt that lets a port in from a zone, for both families.
fn opened(sections: &[Section], zone: &str, protocol: &str, port: u16) -> (bool, bool) {
    let on = |rule: &&Section| {
        let ports = |word: &str| {
            word.parse() == Ok(port)
                || word.split_once(['-', ':']).is_some_and(|(low, high)| {
                    low.parse().is_ok_and(|low: u16| low <= port)
                        && high.parse().is_ok_and(|high: u16| high >= port)
                })
        };
        let protocols: Vec<&str> = rule.words("proto").collect();
        rule.kind == "rule"
            && (rule.get("enabled").is_empty() || rule.is_on("enabled"))
            && matches!(rule.get("src"), src if src == zone || src == "*")
            && rule.get("dest").is_empty()
            && rule.get("target").eq_ignore_ascii_case("ACCEPT")
            && rule.words("dest_port").any(ports)
            && (protocols.is_empty()
                || protocols.iter().any(|word| [protocol, "tcpudp", "all"].contains(word)))
            && ["src_ip", "dest_ip"].iter().all(|name| rule.get(name).is_empty())
    };
    let rules: Vec<&Section> = sections.iter().filter(on).collect();
    let family = |name: &str| {
        rules.iter().any(|rule| matches!(rule.get("family"), f if f.is_empty() || f == "any" || f == name))
    };
    (family("ipv4"), family("ipv6"))
}

/// Does a zone let everything in?
fn is_open(sections: &[Section], zone: &Section) -> bool {
    let defaults =
        sections.iter().find(|section| section.kind == "defaults").map_or("", |section| section.get("input"));
    let input = if zone.get("input").is_empty() { defaults } else { zone.get("input") };
    input.eq_ignore_ascii_case("ACCEPT")
}

fn firewall(facts: &Facts) -> Finding {
    let port = match config(facts) {
        Ok(config) => config.server.port,
        Err(skipped) => return skipped,
    };
    if !facts.is_public() {
        return Finding::skipped("this server is not public");
    }
    if let (Place::OpenWrt, Some(sections)) = (facts.place, &facts.firewall) {
        let mut seen = Vec::new();
        for zone in outside(sections).into_iter().filter(|zone| !is_open(sections, zone)) {
            let name = zone.get("name");
            match opened(sections, name, "udp", port) {
                (true, true) => {}
                (false, false) => seen.push(format!("zone {name}: UDP port {port} is closed")),
                (v4, _) => seen.push(format!(
                    "zone {name}: UDP port {port} is closed for IPv{}",
                    if v4 { 6 } else { 4 }
                )),
            }
        }
        return if seen.is_empty() {
            Finding::ok("requests are let in from outside")
        } else {
            Finding::fault("the firewall keeps requests out").seen(seen).mend(OPEN)
        };
    }
    match facts.chains.as_ref().map(|chains| nft::lets_in(chains, "udp", port)) {
        None => Finding::skipped("the rules of nftables cannot be read; try as root"),
        Some(None) => Finding::ok("no rule of nftables keeps requests out"),
        Some(Some(true)) => Finding::ok(format!("a rule lets UDP port {port} in")),
        Some(Some(false)) => Finding::fault("the firewall keeps requests out")
            .seen([format!("input is filtered, and no rule accepts UDP port {port}")])
            .mend(OPEN),
    }
}

/// Are there neighbours whose addresses are rewritten?
fn has_neighbours(facts: &Facts) -> bool {
    facts.chains.as_ref().is_some_and(|chains| nft::masquerades(chains))
        || facts
            .firewall
            .as_ref()
            .is_some_and(|sections| sections.iter().any(|section| section.is_on("masq")))
}

fn notrack_rule(facts: &Facts) -> Finding {
    let Some(chains) = &facts.chains else {
        return Finding::skipped("the rules of nftables cannot be read; try as root");
    };
    let rules: Vec<&str> = nft::untracking(chains, "prerouting", "dport").collect();
    let bad: Vec<String> = nft::breaking(chains).map(|(_, rule)| rule.to_owned()).collect();
    if bad.is_empty() {
        return Finding::ok(if rules.is_empty() {
            "no rule exempts NTP from being followed"
        } else {
            "the rule is for this machine only"
        });
    }
    let right = "right: udp dport 123 fib daddr type local notrack".to_owned();
    let finding = if has_neighbours(facts) {
        Finding::fault(
            "a notrack rule also meets what neighbours send to servers outside: their requests leave with private addresses and get no answer",
        )
    } else {
        Finding::warning(
            "a notrack rule also meets what only passes through; behind masquerade it would break that",
        )
    };
    finding.seen(bad).seen([right]).mend(UNTRACK)
}

fn conntrack_ntp(facts: &Facts) -> Finding {
    if !facts.is_public() {
        return Finding::skipped("this server is not public");
    }
    if facts.conntrack.is_none() && facts.running {
        return Finding::ok("the kernel follows no connections");
    }
    if let Some(tracked) = facts.tracked {
        return if tracked == 0 {
            Finding::ok("no request for time is in the table of connections")
        } else {
            Finding::warning("the kernel follows requests for time as connections, an entry for each client")
                .seen([format!("{tracked} entries are of NTP to this machine")])
                .mend(UNTRACK)
        };
    }
    let Some(chains) = &facts.chains else {
        return Finding::skipped("neither connections nor rules can be read; try as root");
    };
    let there = nft::untracking(chains, "prerouting", "dport").next().is_some();
    let back = nft::untracking(chains, "output", "sport").next().is_some();
    match (there, back) {
        (true, true) => Finding::ok("rules exempt NTP from being followed"),
        (true, false) => {
            Finding::warning("requests are exempt from being followed, replies are not").mend(UNTRACK)
        }
        _ => {
            Finding::warning("the kernel follows requests for time as connections, an entry for each client")
                .seen(["no notrack rule for NTP"])
                .mend(UNTRACK)
        }
    }
}

fn conntrack_table(facts: &Facts) -> Finding {
    let Some((count, most)) = facts.conntrack else {
        return if facts.running {
            Finding::ok("the kernel follows no connections")
        } else {
            Finding::skipped("only a running machine has connections")
        };
    };
    let part = count / most.max(1.0);
    let seen = [format!("{count:.0} of {most:.0} entries in use")];
    let words = format!("{:.0} % of the table of connections is in use", part * 100.0);
    match part {
        part if part >= FULL => Finding::fault(format!("{words}; when it is full, nobody gets through")),
        part if part >= FULL_SOON => Finding::warning(words),
        _ => return Finding::ok(words).seen(seen),
    }
    .seen(seen)
    .mend(if facts.is_public() {
        UNTRACK.to_owned()
    } else {
        format!("sysctl -w net.netfilter.nf_conntrack_max={:.0}", most * 4.0)
    })
}

fn dhcp(facts: &Facts) -> Finding {
    let Some(sections) = &facts.dhcp else {
        return Finding::skipped("no DHCP server of OpenWrt here");
    };
    if let Err(skipped) = config(facts) {
        return skipped;
    }
    if !facts.serves_others() {
        return Finding::skipped("this machine serves no neighbours");
    }
    const MEND: &str = "timeball setup --only dhcp";
    let is_ntp4 = |value: &str| value.starts_with("42,") || value.starts_with("option:ntp-server,");
    let without_effect =
        |section: &&Section| section.all("dhcp_option").any(|value| value.starts_with("ntp,"));
    let served: Vec<&Section> =
        sections.iter().filter(|section| section.kind == "dhcp" && !section.is_on("ignore")).collect();
    if let Some(section) = sections.iter().find(without_effect) {
        return Finding::warning("dhcp_option 'ntp,…' has no effect: dnsmasq knows no option of that name")
            .seen([format!("section {} {}", section.kind, section.name)])
            .mend(MEND);
    }
    if served.is_empty() {
        return Finding::ok("no interface gives out addresses");
    }
    let v6 = |section: &&&Section| matches!(section.get("dhcpv6"), "server" | "hybrid");
    let mut seen: Vec<String> = Vec::new();
    for section in &served {
        if !section.all("dhcp_option").any(is_ntp4) {
            seen.push(format!("{}: no option 42 (IPv4)", section.name));
        }
    }
    for section in served.iter().filter(v6) {
        if section.all("ntp").next().is_none() {
            seen.push(format!("{}: no list ntp (IPv6)", section.name));
        }
    }
    if seen.is_empty() {
        Finding::ok("neighbours are told to ask this server")
    } else if facts.set_up.as_ref().is_some_and(|set_up| set_up.profile == Profile::Client.name()) {
        Finding::ok("set up as a client: neighbours are not told of it")
    } else {
        Finding::warning("neighbours are not told of this server").seen(seen).mend(MEND)
    }
}

fn as_set_up(facts: &Facts) -> Finding {
    let Some(set_up) = &facts.set_up else {
        return Finding::skipped("timeball setup has changed nothing here");
    };
    if let Some(why) = &set_up.unfinished {
        return Finding::fault(format!("set-up is not finished: {why}"))
            .mend("timeball setup")
            .advise("timeball setup completes it, timeball undo takes it back");
    }
    if let Some((_, part)) = set_up.changed.first() {
        let seen = set_up.changed.iter().map(|(path, part)| format!("{path} ({part})"));
        return Finding::warning(format!(
            "{} of {} paths were changed since set-up",
            set_up.changed.len(),
            set_up.paths
        ))
        .seen(seen)
        .advise(format!("To see what set-up would change back: timeball setup --only {part} --dry-run"));
    }
    Finding::ok(format!("{} paths are as set-up left them", set_up.paths))
}

fn dashboard(facts: &Facts) -> Finding {
    let observe = match config(facts) {
        Ok(config) => &config.observe,
        Err(skipped) => return skipped,
    };
    let default = [SocketAddr::from(([127, 0, 0, 1], PAGE_PORT))];
    let places: &[SocketAddr] = if observe.listen.is_empty() { &default } else { &observe.listen };
    // What really listens, where that is known: a port of the page with another address than loopback.
    let listening = facts.tcp.iter().map(|listener| listener.address).filter(|address| {
        places.iter().any(|place| place.port() == address.port())
            && facts.tcp.iter().any(|l| l.address == *address)
    });
    let mut open: Vec<SocketAddr> = if facts.running && !facts.tcp.is_empty() {
        listening.collect()
    } else if observe.web != Some(false) {
        places.to_vec()
    } else {
        Vec::new()
    };
    open.retain(|address| is_open_to_world(address.ip()));
    open.dedup();
    if open.is_empty() {
        return Finding::ok("the page is for this machine or its neighbours only");
    }
    let seen: Vec<String> = open.iter().map(|address| format!("listens at {address}")).collect();
    if observe.public {
        return Finding::ok("the page is open to the world, without addresses, as it was told (web public)")
            .seen(seen);
    }
    let port = open.first().map_or(PAGE_PORT, |address| address.port());
    let closed = match (&facts.firewall, &facts.chains) {
        (Some(sections), _) if facts.place == Place::OpenWrt => outside(sections).into_iter().all(|zone| {
            let (v4, v6) = opened(sections, zone.get("name"), "tcp", port);
            !is_open(sections, zone) && !v4 && !v6
        }),
        (_, Some(chains)) => nft::lets_in(chains, "tcp", port) == Some(false),
        _ => false,
    };
    if closed {
        return Finding::ok("the page listens everywhere, and the firewall keeps the Internet out")
            .seen(seen);
    }
    Finding::fault("the page with the addresses of all clients is open to the Internet").seen(seen).advise(
        "Write web public (a page without addresses), or web with an address of your own network only",
    )
}

/// An address of the Internet, or all addresses.
fn is_open_to_world(address: IpAddr) -> bool {
    !is_private(address)
}
