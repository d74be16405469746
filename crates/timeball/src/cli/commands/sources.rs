//! Where time comes from: adding, removing, and tuning sources.

use ntp::config::{Family, SourceConfig, SourceKind};
use ntp::ids::RefId;
use ntp::report::Address;

use super::super::arguments::{self, NoAddress, scan_float, scan_integer};
use super::super::client::{Request, resolve};
use super::super::config;
use super::super::requests::{Body, order};
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// A command that changes one option of one source.
macro_rules! tuning {
    ($name:literal, $value:literal, $what:literal, $example:literal, $tune:ident, $number:literal) => {
        Command {
            name: $name,
            forms: &[form(concat!("ADDRESS ", $value), $what)],
            doc: "Changes one option of one source until the daemon ends; see the option of the same name of the \
                  server directive.",
            example: concat!($name, " 192.0.2.1 ", $example),
            group: Group::Sources,
            run: |session, words| $tune(session, words, $number),
        }
    };
}

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "add",
        forms: &[
            form("server NAME [OPTION]...", "use another server"),
            form("pool NAME [OPTION]...", "use servers of another pool"),
            form("peer NAME [OPTION]...", "use another peer"),
        ],
        doc: "Adds a source, with the options of the server, pool and peer directives. The source is forgotten when \
              the daemon ends.",
        example: "add server ntp.example.net iburst",
        group: Group::Sources,
        run: add,
    },
    Command {
        name: "delete",
        forms: &[form("ADDRESS", "stop using a source")],
        doc: "Removes a server or peer. A member of a pool is replaced by another while others of the pool remain. A \
              source whose name is not resolved yet is named by its number, as printed by sources -a.",
        example: "delete 192.0.2.1",
        group: Group::Sources,
        run: |session, words| {
            let word = words.first().ok_or_else(|| Failure::usage("Invalid syntax for address"))?;
            let address = address(session, word)?;
            session.order(&Body::new().address(address).order(29))
        },
    },
    Command {
        name: "online",
        forms: &[form("[ADDRESS | ADDRESS/BITS | MASK/ADDRESS]", "the network is there: begin to ask")],
        doc: "Tells that sources can be reached, all of them if none is given.",
        example: "online",
        group: Group::Sources,
        run: |session, words| reach(session, words, 1),
    },
    Command {
        name: "offline",
        forms: &[form("[ADDRESS | ADDRESS/BITS | MASK/ADDRESS]", "the network is gone: stop asking")],
        doc: "Tells that sources cannot be reached, all of them if none is given; nothing is sent to them until online.",
        example: "offline 192.0.2.0/24",
        group: Group::Sources,
        run: |session, words| reach(session, words, 2),
    },
    Command {
        name: "onoffline",
        forms: &[form("", "find out which sources can be reached")],
        doc: "Puts every source online to which there is a route, and every other offline.",
        example: "onoffline",
        group: Group::Sources,
        run: |session, _| session.order(&order(63)),
    },
    Command {
        name: "burst",
        forms: &[form("GOOD/MAX [ADDRESS | ADDRESS/BITS | MASK/ADDRESS]", "measure several times in quick succession")],
        doc: "Asks until GOOD measurements are good, at most MAX times, every two seconds; all sources if none is given.",
        example: "burst 4/8",
        group: Group::Sources,
        run: burst,
    },
    Command {
        name: "refresh",
        forms: &[form("", "look up the names of all sources again")],
        doc: "Looks up the names of all sources again, and replaces those whose address is no longer among the results.",
        example: "refresh",
        group: Group::Sources,
        run: |session, _| session.order(&order(53)),
    },
    Command {
        name: "reselect",
        forms: &[form("", "choose the best source now")],
        doc: "Chooses the best source now, without the preference that the current one has.",
        example: "reselect",
        group: Group::Sources,
        run: |session, _| session.order(&order(48)),
    },
    Command {
        name: "reselectdist",
        forms: &[form("SECONDS", "how much better another source must be")],
        doc: "Sets the root distance that must be gained before another source is chosen.",
        example: "reselectdist 0.0001",
        group: Group::Sources,
        run: |session, words| super::orders::number(session, words, 49, Failure::Silent),
    },
    Command {
        name: "selectopts",
        forms: &[form("ADDRESS|REFID +OPTION|-OPTION...", "change the selection options of a source")],
        doc: "Adds (+) or removes (-) the options noselect, prefer, trust and require of one source. Names are not \
              looked up: a word that is no address is a reference identifier.",
        example: "selectopts 192.0.2.1 +prefer -trust",
        group: Group::Sources,
        run: select_options,
    },
    Command {
        name: "offset",
        forms: &[form("ADDRESS|REFID SECONDS", "correct the measurements of a source")],
        doc: "Sets the offset of a source, as the offset option does. Names are not looked up: a word that is no \
              address is a reference identifier.",
        example: "offset PPS0 0.000002",
        group: Group::Sources,
        run: |session, words| {
            let bad = || Failure::usage("Invalid syntax for offset command");
            let [source, offset] = words else { return Err(bad()) };
            let body = source_or_refid(source).ok_or_else(bad)?;
            let offset = scan_float(offset).ok_or_else(bad)?;
            session.order(&body.float(offset).order(73))
        },
    },
    tuning!("minpoll", "POLL", "shortest interval between polls, log2 of seconds", "6", tune_integer, 4),
    tuning!("maxpoll", "POLL", "longest interval between polls, log2 of seconds", "10", tune_integer, 5),
    tuning!("maxdelay", "SECONDS", "longest round trip accepted", "0.3", tune_float, 7),
    tuning!("maxdelayratio", "RATIO", "longest round trip, relative to the shortest", "2", tune_float, 8),
    tuning!("maxdelaydevratio", "RATIO", "increase of the round trip, in its deviations", "10", tune_float, 47),
    tuning!("minstratum", "STRATUM", "lowest stratum it counts as", "3", tune_integer, 45),
    tuning!("polltarget", "SAMPLES", "samples the polling interval aims at", "8", tune_integer, 46),
];

/// The address of a source, from address, number or name.
pub fn address(session: &Session<'_>, word: &str) -> Result<Address, Failure> {
    arguments::source_address(word, session.options.family)
        .map_err(|_| Failure::usage("Could not get address for hostname"))
}

/// `minpoll` and its like.
fn tune_integer(session: &mut Session<'_>, words: &[&str], command: u16) -> Outcome {
    let (address, value) = address_value(session, words, scan_integer)?;
    session.order(&Body::new().address(address).integer(value).order(command))
}

/// `maxdelay` and its like.
fn tune_float(session: &mut Session<'_>, words: &[&str], command: u16) -> Outcome {
    let (address, value) = address_value(session, words, scan_float)?;
    session.order(&Body::new().address(address).float(value).order(command))
}

/// An address and a number; further words do not matter.
fn address_value<T>(
    session: &Session<'_>,
    words: &[&str],
    scan: fn(&str) -> Option<T>,
) -> Result<(Address, T), Failure> {
    let [name, value, ..] = words else { return Err(Failure::usage("Invalid syntax for address value")) };
    let value = scan(value).ok_or_else(|| Failure::usage("Invalid syntax for address value"))?;
    Ok((address(session, name)?, value))
}

/// The sources `online`, `offline` and `burst` are about; all of them without words.
fn selected(session: &Session<'_>, words: &[&str]) -> Result<arguments::Selected, Failure> {
    arguments::selected(&words.join(" "), session.options.family).map_err(|error| {
        Failure::usage(match error {
            NoAddress::Unresolved => "Could not get address for hostname",
            NoAddress::BadMask => "Invalid syntax for mask/address",
        })
    })
}

/// `online` (1) and `offline` (2).
fn reach(session: &mut Session<'_>, words: &[&str], command: u16) -> Outcome {
    let selected = selected(session, words)?;
    session.order(&Body::new().selected(selected).order(command))
}

/// `burst GOOD/MAX [address]`.
fn burst(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let counts = words.first().and_then(|word| word.split_once('/'));
    let counts = counts.and_then(|(good, total)| {
        // Nothing may stand between the first number and the slash.
        let whole = !good.is_empty() && good.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        Some((scan_integer(good).filter(|_| whole)?, scan_integer(total)?))
    });
    let Some((good, total)) = counts else { return Err(Failure::usage("Invalid syntax for burst command")) };
    let selected = selected(session, words.get(1..2).unwrap_or_default())?;
    session.order(&Body::new().selected(selected).integer(good).integer(total).order(3))
}

/// `add server|pool|peer NAME options`.
fn add(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let (Some(kind), Some(name)) = (words.first().and_then(|word| config::source_kind(word)), words.get(1)) else {
        return Err(Failure::usage("Invalid syntax for add command"));
    };
    let source = config::source(words).ok_or_else(|| Failure::usage("Invalid option in add command"))?;
    if resolve(name, session.options.family).is_empty() {
        return Err(Failure::usage("Invalid host/IP address"));
    }
    match add_request(kind, &source) {
        Some(request) => session.order(&request),
        None => Err(Failure::Reply("521 Invalid name")),
    }
}

/// The request that adds `source`; `None` when its name is too long for it.
fn add_request(kind: SourceKind, source: &SourceConfig) -> Option<Request> {
    let kind = match kind {
        SourceKind::Server => 1,
        SourceKind::Peer => 2,
        SourceKind::Pool => 3,
    };
    let mut name = [0; 256];
    name.get_mut(..source.name.len()).filter(|to| to.len() < 256)?.copy_from_slice(source.name.as_bytes());
    let flags = [
        (source.online, 0x1),
        (source.auto_offline, 0x2),
        (source.iburst, 0x4),
        (source.prefer, 0x8),
        (source.noselect, 0x10),
        (source.trust, 0x20),
        (source.require, 0x40),
        (source.xleave, 0x80),
        (source.burst, 0x100),
        (source.nts, 0x200),
        (source.copy, 0x400),
        (source.ext_fields & 1 != 0, 0x800),
        (source.ext_fields & 2 != 0, 0x1000),
        (source.family == Family::V4, 0x2000),
        (source.family == Family::V6, 0x4000),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag);
    let body = Body::new()
        .integer(kind)
        .bytes(&name)
        .integer(i32::from(source.port))
        .integer(source.minpoll)
        .integer(source.maxpoll)
        .integer(source.presend)
        .integer(source.min_stratum)
        .integer(source.poll_target)
        .integer(i32::from(source.version))
        .integer(source.max_sources)
        .integer(source.min_samples)
        .integer(source.max_samples)
        .integer(source.key as i32)
        .integer(i32::from(source.nts_port))
        .float(source.max_delay)
        .float(source.max_delay_ratio)
        .float(source.max_delay_dev_ratio)
        .float(source.min_delay)
        .float(source.asymmetry)
        .float(source.offset)
        .integer(flags)
        .integer(source.filter)
        .integer(source.cert_set as i32)
        .float(source.max_delay_quant)
        .integer(source.max_unreach);
    Some(body.order(64))
}

/// An address, a number, or else a reference identifier of up to four characters.
fn source_or_refid(word: &str) -> Option<Body> {
    let body = Body::new();
    let address = if word.starts_with("ID#") || word.parse::<std::net::IpAddr>().is_ok() {
        arguments::source_address(word, Family::Any).ok()
    } else {
        None
    };
    match address {
        Some(address) => Some(body.address(address).integer(0)),
        None if !word.is_empty() && word.len() <= 4 => {
            Some(body.address(Address::Unspecified).integer(RefId::from_text(word).0 as i32))
        }
        None => None,
    }
}

/// Selection options: name, bit in the mask, bit among the options. The two sets of bits differ on the wire.
const SELECTION: [(&str, i32, i32); 4] =
    [("noselect", 0x1, 0x10), ("prefer", 0x2, 0x8), ("trust", 0x4, 0x20), ("require", 0x8, 0x40)];

/// `selectopts SOURCE +option -option`.
fn select_options(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let bad = || Failure::usage("Invalid syntax for selectopts command");
    let [source, changes @ ..] = words else { return Err(bad()) };
    let body = source_or_refid(source).ok_or_else(bad)?;
    let (mut mask, mut options) = (0, 0);
    for change in changes {
        let (sign, name) = change.split_at_checked(1).ok_or_else(bad)?;
        let (_, bit, option) = SELECTION.iter().find(|(known, ..)| *known == name).ok_or_else(bad)?;
        mask |= bit;
        match sign {
            "+" => options |= option,
            "-" => options &= !option,
            _ => return Err(bad()),
        }
    }
    session.order(&body.integer(mask).integer(options).order(72))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_372_bytes_with_every_default_in_its_place() {
        let source = SourceConfig::new(SourceKind::Server, "ntp.example.net");
        let request = add_request(SourceKind::Server, &source).expect("a short name");
        assert_eq!(request.length, 372);
        let at = |offset: usize| {
            let bytes = request.body[offset - 20..].first_chunk().expect("within the body");
            i32::from_be_bytes(*bytes)
        };
        assert_eq!(&request.body[4..20], b"ntp.example.net\0");
        for (offset, value) in
            [(20, 1), (280, 123), (284, 6), (288, 10), (292, 100), (300, 8), (308, 4), (312, -1), (324, 4460), (352, 1)]
        {
            assert_eq!(at(offset), value, "at {offset}");
        }
        assert_eq!(at(344), 0x0480_0000, "asymmetry 1.0");
        assert_eq!(at(368), 100_000);
        assert!(add_request(SourceKind::Server, &SourceConfig::new(SourceKind::Server, &"x".repeat(256))).is_none());
    }

    #[test]
    fn selection_options_use_two_sets_of_bits() {
        let names: Vec<_> = SELECTION.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, ["noselect", "prefer", "trust", "require"]);
        assert!(source_or_refid("PPS0").is_some());
        assert!(source_or_refid("ntp.example.net").is_none());
    }
}
