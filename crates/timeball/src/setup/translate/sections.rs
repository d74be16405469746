//! What each type of section becomes: one table. `/etc/config/chrony` and `/etc/config/timeball` know the same ones.

use super::{Found, Interface, Section, Translated, one_word};
use crate::setup::uci::truth;

/// A type of section.
pub(super) struct Known {
    pub kind: &'static str,
    pub translate: fn(&Found<'_>, &mut Translated),
}

pub(super) const SECTIONS: &[Known] = &[
    Known { kind: "server", translate: source },
    Known { kind: "pool", translate: source },
    Known { kind: "peer", translate: source },
    Known { kind: "dhcp_ntp_server", translate: dhcp },
    Known { kind: "allow", translate: allow },
    Known { kind: "makestep", translate: makestep },
    Known { kind: "nts", translate: nts },
    Known { kind: "smoothtime", translate: smoothtime },
    Known { kind: "systemclock", translate: systemclock },
    Known { kind: "logging", translate: logging },
];

/// Options of sources that are there or not, and those with a value.
const FLAGS: &[&str] = &[
    "iburst",
    "nts",
    "prefer",
    "xleave",
    "burst",
    "trust",
    "require",
    "noselect",
    "offline",
    "auto_offline",
    "copy",
    "ipv4",
    "ipv6",
];
const VALUES: &[&str] = &[
    "minpoll",
    "maxpoll",
    "maxdelay",
    "mindelay",
    "maxsamples",
    "minsamples",
    "port",
    "ntsport",
    "maxsources",
    "key",
    "offset",
    "asymmetry",
    "filter",
    "polltarget",
    "presend",
    "minstratum",
    "version",
    "maxdelayratio",
    "maxdelaydevratio",
    "maxdelayquant",
    "maxunreach",
    "certset",
    "extfield",
];

fn source(found: &Found<'_>, out: &mut Translated) {
    let kind = found.section.kind;
    strangers(found, out);
    if found.flag("disabled", false, out) {
        return;
    }
    let place = found.from(found.section.line);
    if found.section.get("hostname").is_none() {
        return out.errors.push(format!("{place}: this {kind} has no hostname"));
    }
    let Some(name) = found.word("hostname", out) else { return };
    let options = options(found, kind == "pool", out);
    out.push(format!("{kind} {name}{options}"), &place);
}

fn strangers(found: &Found<'_>, out: &mut Translated) {
    let known: Vec<&str> = [&["hostname", "disabled"], FLAGS, VALUES].concat();
    found.strangers(&known, out);
}

/// The options behind a name, each with a blank before.
fn options(found: &Found<'_>, is_pool: bool, out: &mut Translated) -> String {
    let mut text = String::new();
    for key in FLAGS {
        if found.flag(key, false, out) {
            text = format!("{text} {key}");
        }
    }
    for key in VALUES.iter().filter(|key| is_pool || **key != "maxsources") {
        if let Some(value) = found.word(key, out) {
            text = format!("{text} {key} {value}");
        }
    }
    text
}

fn dhcp(found: &Found<'_>, out: &mut Translated) {
    strangers(found, out);
    out.dhcp_options = match found.flag("disabled", false, out) {
        true => None,
        false => Some(options(found, false, out)),
    };
}

fn allow(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["interface", "subnet"], out);
    let place = found.from(found.section.line);
    for name in found.section.list("interface") {
        allow_interface(name, found.interfaces, &place, out);
    }
    for subnet in found.section.list("subnet") {
        if let Some(subnet) = one_word(subnet, "subnet", &place, out) {
            out.push(format!("allow {subnet}"), &place);
        }
    }
}

/// The interface to the world means the world, any other its own networks.
pub(super) fn allow_interface(name: &str, interfaces: &[Interface], place: &str, out: &mut Translated) {
    match name {
        "wan" => out.push("allow 0/0", place),
        // PPPoE makes `wan_6` beside `wan`.
        "wan6" | "wan_6" => out.push("allow ::/0", place),
        _ => {
            let subnets = interfaces.iter().filter(|known| known.name == name).flat_map(Interface::subnets);
            let subnets: Vec<String> = subnets.collect();
            if subnets.is_empty() {
                out.notes
                    .push(format!("{place}: interface \"{name}\" has no address yet, so it allows nobody"));
            }
            for subnet in subnets {
                out.push(format!("allow {subnet}"), place);
            }
        }
    }
}

/// A directive of a section's options, all of which must be there.
fn directive(found: &Found<'_>, name: &str, keys: &[&str], out: &mut Translated) {
    let given: Vec<String> = keys.iter().filter_map(|key| found.word(key, out)).collect();
    let place = found.from(found.section.line);
    if given.len() == keys.len() {
        out.push(format!("{name} {}", given.join(" ")), &place);
    } else if !given.is_empty() {
        out.errors.push(format!("{place}: {} wants {}", found.section.kind, keys.join(" and ")));
    }
}

fn makestep(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["threshold", "limit"], out);
    directive(found, "makestep", &["threshold", "limit"], out);
}

fn nts(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["rtccheck", "systemcerts", "trustedcerts"], out);
    let place = found.from(found.section.line);
    // Without a clock that runs without power, the time is wrong when certificates are looked at for the first time.
    if found.flag("rtccheck", false, out) && !found.has_rtc {
        out.push("nocerttimecheck 1", &place);
    }
    if !found.flag("systemcerts", true, out) {
        out.push("nosystemcert", &place);
    }
    for path in found.section.list("trustedcerts") {
        if let Some(path) = one_word(path, "trustedcerts", &place, out) {
            out.push(format!("ntstrustedcerts {path}"), &place);
        }
    }
}

fn smoothtime(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["maxppm", "maxwander", "leaponly"], out);
    let leap_only = found.flag("leaponly", false, out);
    let before = out.lines.len();
    directive(found, "smoothtime", &["maxppm", "maxwander"], out);
    if let Some(line) = out.lines.get_mut(before).filter(|_| leap_only) {
        line.text.push_str(" leaponly");
    }
}

fn systemclock(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["precision", "leapsecmode"], out);
    directive(found, "clockprecision", &["precision"], out);
    directive(found, "leapsecmode", &["leapsecmode"], out);
}

fn logging(found: &Found<'_>, out: &mut Translated) {
    found.strangers(&["logchange"], out);
    directive(found, "logchange", &["logchange"], out);
}

/// Options of `config timeball` that become a directive with their value, unless they are off.
const DIRECTIVES: &[(&str, &str)] = &[
    ("driftfile", "driftfile"),
    ("dumpdir", "dumpdir"),
    ("clientloglimit", "clientloglimit"),
    ("trafficlimit", "trafficlimit"),
    ("threads", "serverthreads"),
    ("priority", "sched_priority"),
    ("ratelimit", "ratelimit"),
    ("stats", "stats"),
    ("web", "web"),
];
/// Those for which 1 and 0 are enough.
const SWITCHES: &[&str] = &["stats", "web"];

/// `config timeball`.
pub(super) fn main(section: &Section<'_>, out: &mut Translated) {
    let found = Found { section: *section, path: "/etc/config/timeball", interfaces: &[], has_rtc: true };
    let own = ["enabled", "jail", "subnet", "directive"];
    let known: Vec<&str> = own.into_iter().chain(DIRECTIVES.iter().map(|(key, _)| *key)).collect();
    found.strangers(&known, out);
    for entry in section.entries() {
        let place = found.from(entry.line);
        let value = entry.value.trim();
        if value.contains(char::is_control) {
            out.errors.push(format!("{place}: {} must be one line", entry.key));
            continue;
        }
        match entry.key {
            "subnet" => {
                for subnet in value.split_whitespace() {
                    out.push(format!("allow {subnet}"), &place);
                }
            }
            "directive" => out.push(value, &place),
            key => {
                let Some((_, directive)) = DIRECTIVES.iter().find(|(known, _)| *known == key) else {
                    continue;
                };
                let switch = SWITCHES.contains(&key);
                match truth(value) {
                    _ if value.is_empty() => {}
                    Some(true) if switch => out.push(format!("{directive} on"), &place),
                    Some(false) if switch => out.push(format!("{directive} off"), &place),
                    // chrony's limit with its own numbers, or none.
                    Some(true) if key == "ratelimit" => out.push("ratelimit", &place),
                    Some(false) if key == "ratelimit" => {}
                    _ if value == "0" && key != "threads" => {}
                    _ => out.push(format!("{directive} {value}"), &place),
                }
            }
        }
    }
}
