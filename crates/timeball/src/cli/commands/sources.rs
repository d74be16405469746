//! Where time comes from: adding, removing, and tuning sources.

use std::net::IpAddr;

use ntp::config::Family;
use ntp::control::Change;
use ntp::control::actions::{SourceFilter, SourceOption, SourceRef};
use ntp::ids::RefId;
use ntp::report::SelectOptions;

use super::super::Name;
use super::super::arguments::{self, scan_float, scan_integer};
use super::super::client::resolve;
use super::super::config;
use super::super::session::{Failure, Outcome, Session};
use super::super::whom;
use super::{Command, Group, form};

/// A command that changes one option of one source.
macro_rules! tuning {
    ($name:literal, $value:literal, $what:literal, $example:literal, $scan:ident, $option:ident) => {
        Command {
            name: $name,
            forms: &[form(concat!("ADDRESS ", $value), $what)],
            doc: "Changes one option of one source until the daemon ends (with --save, of timeball, for good); see the \
                  option of the same name of the server directive. Names are those that delete takes.",
            example: concat!($name, " 192.0.2.1 ", $example),
            group: Group::Sources,
            run: |session, words| tune(session, words, $scan, SourceOption::$option),
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
              the daemon ends; timeball add ... --save keeps it.",
        example: "add server ntp.example.net iburst",
        group: Group::Sources,
        run: add,
    },
    Command {
        name: "delete",
        forms: &[form("ADDRESS|NAME", "stop using a source")],
        doc: "Removes a server or peer. A member of a pool is replaced by another while others of the pool remain; by \
              the name of the pool all of it is removed (timeball). A source may be named by its address, the name it was \
              added with, its canonical or its reverse name, and by its number in timeball sources; where several sources \
              have the name they are listed and nothing is done. With --save (timeball) this lasts.",
        example: "delete 192.0.2.1",
        group: Group::Sources,
        run: |session, words| {
            let word = words.first().ok_or_else(|| Failure::usage("Invalid syntax for address"))?;
            let addresses = whom::addresses(session, word)?;
            session.order_each(addresses.into_iter().map(Change::DeleteSource))
        },
    },
    Command {
        name: "online",
        forms: &[form("[ADDRESS | ADDRESS/BITS | MASK/ADDRESS]", "the network is there: begin to ask")],
        doc: "Tells that sources can be reached, all of them if none is given. With --save (timeball) this lasts.",
        example: "online",
        group: Group::Sources,
        run: |session, words| reach(session, words, Change::Online),
    },
    Command {
        name: "offline",
        forms: &[form("[ADDRESS | ADDRESS/BITS | MASK/ADDRESS]", "the network is gone: stop asking")],
        doc: "Tells that sources cannot be reached, all of them if none is given; nothing is sent to them until online. With --save (timeball) this lasts.",
        example: "offline 192.0.2.0/24",
        group: Group::Sources,
        run: |session, words| reach(session, words, Change::Offline),
    },
    Command {
        name: "onoffline",
        forms: &[form("", "find out which sources can be reached")],
        doc: "Puts every source online to which there is a route, and every other offline.",
        example: "onoffline",
        group: Group::Sources,
        run: |session, _| session.order(Change::OnOffline),
    },
    Command {
        name: "burst",
        forms: &[form(
            "GOOD/MAX [ADDRESS | ADDRESS/BITS | MASK/ADDRESS]",
            "measure several times in quick succession",
        )],
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
        run: |session, _| session.order(Change::Refresh),
    },
    Command {
        name: "reselect",
        forms: &[form("", "choose the best source now")],
        doc: "Chooses the best source now, without the preference that the current one has.",
        example: "reselect",
        group: Group::Sources,
        run: |session, _| session.order(Change::Reselect),
    },
    Command {
        name: "reselectdist",
        forms: &[form("SECONDS", "how much better another source must be")],
        doc: "Sets the root distance that must be gained before another source is chosen.",
        example: "reselectdist 0.0001",
        group: Group::Sources,
        run: |session, words| {
            let distance = super::clock::first_number(words).ok_or(Failure::Silent)?;
            session.order(Change::ReselectDistance(distance))
        },
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
            let [source, offset, ..] = words else { return Err(bad()) };
            let offset = scan_float(offset).ok_or_else(bad)?;
            let sources = referred(session, source, bad)?;
            session.order_each(sources.into_iter().map(|source| Change::Offset { source, offset }))
        },
    },
    tuning!(
        "minpoll",
        "POLL",
        "shortest interval between polls, log2 of seconds",
        "6",
        scan_integer,
        Minpoll
    ),
    tuning!(
        "maxpoll",
        "POLL",
        "longest interval between polls, log2 of seconds",
        "10",
        scan_integer,
        Maxpoll
    ),
    tuning!("maxdelay", "SECONDS", "longest round trip accepted", "0.3", scan_float, MaxDelay),
    tuning!(
        "maxdelayratio",
        "RATIO",
        "longest round trip, relative to the shortest",
        "2",
        scan_float,
        MaxDelayRatio
    ),
    tuning!(
        "maxdelaydevratio",
        "RATIO",
        "increase of the round trip, in its deviations",
        "10",
        scan_float,
        MaxDelayDevRatio
    ),
    tuning!("minstratum", "STRATUM", "lowest stratum it counts as", "3", scan_integer, MinStratum),
    tuning!("polltarget", "SAMPLES", "samples the polling interval aims at", "8", scan_integer, PollTarget),
];

/// `minpoll` and its like: an address and a number; further words do not matter.
fn tune<T>(
    session: &mut Session<'_>,
    words: &[&str],
    scan: fn(&str) -> Option<T>,
    option: fn(T) -> SourceOption,
) -> Outcome {
    let bad = || Failure::usage("Invalid syntax for address value");
    let [name, value, ..] = words else { return Err(bad()) };
    let value = scan(value).ok_or_else(bad)?;
    let addresses = whom::addresses(session, name)?;
    let option = option(value);
    session.order_each(addresses.into_iter().map(|address| Change::SetOption(address, option)))
}

/// The sources `online`, `offline` and `burst` are about; all of them without words.
fn selected(session: &mut Session<'_>, words: &[&str]) -> Result<Vec<SourceFilter>, Failure> {
    let word = words.join(" ");
    if word.is_empty() || word.contains('/') {
        let filter = arguments::selected(&word, session.options.family);
        return filter
            .map(|filter| vec![filter])
            .map_err(|_| Failure::usage("Invalid syntax for mask/address"));
    }
    Ok(whom::addresses(session, &word)?.into_iter().map(SourceFilter::one).collect())
}

/// `online` and `offline`.
fn reach(session: &mut Session<'_>, words: &[&str], change: fn(SourceFilter) -> Change) -> Outcome {
    let sources = selected(session, words)?;
    session.order_each(sources.into_iter().map(change))
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
    let sources = selected(session, words.get(1..2).unwrap_or_default())?;
    session.order_each(sources.into_iter().map(|sources| Change::Burst { sources, good, total }))
}

/// `add server|pool|peer NAME options`.
fn add(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let (Some(kind), Some(name)) = (words.first().and_then(|word| config::source_kind(word)), words.get(1))
    else {
        return Err(Failure::usage("Invalid syntax for add command"));
    };
    let source = config::source(kind, &words[1..]).map_err(|wrong| {
        let chronyc = "Invalid option in add command";
        match session.name {
            Name::Chronyc => Failure::usage(chronyc),
            Name::Timeball => Failure::usage(format!("{chronyc}: {wrong}")),
        }
    })?;
    if resolve(name, session.options.family).is_empty() {
        return Err(Failure::usage("Invalid host/IP address"));
    }
    session.order(Change::AddSource(Box::new(source)))
}

/// An address, a number, or else a reference identifier of up to four characters.
fn source_or_refid(word: &str) -> Option<SourceRef> {
    if word.starts_with("ID#") || word.parse::<IpAddr>().is_ok() {
        return arguments::source_address(word, Family::Any).ok().map(SourceRef::Address);
    }
    (1..=4).contains(&word.len()).then(|| SourceRef::RefId(RefId::from_text(word)))
}

/// The sources that `selectopts` and `offset` are about. chronyc does not look names up here.
fn referred(session: &mut Session<'_>, word: &str, bad: fn() -> Failure) -> Result<Vec<SourceRef>, Failure> {
    let plain = source_or_refid(word);
    if session.name == Name::Chronyc || matches!(plain, Some(SourceRef::Address(_))) {
        return plain.map(|source| vec![source]).ok_or_else(bad);
    }
    let sources = whom::all(session)?;
    if let (Some(refid), true) =
        (plain, sources.iter().any(|s| s.refclock && s.name.eq_ignore_ascii_case(word)))
    {
        return Ok(vec![refid]);
    }
    Ok(whom::addresses(session, word)?.into_iter().map(SourceRef::Address).collect())
}

/// `selectopts SOURCE +option -option`.
fn select_options(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let bad = || Failure::usage("Invalid syntax for selectopts command");
    let [source, changes @ ..] = words else { return Err(bad()) };
    let sources = referred(session, source, bad)?;
    let (mut mask, mut options) = (SelectOptions::default(), SelectOptions::default());
    for change in changes {
        let (sign, name) = change.split_at_checked(1).ok_or_else(bad)?;
        let on = match sign {
            "+" => true,
            "-" => false,
            _ => return Err(bad()),
        };
        *selection_option(&mut mask, name).ok_or_else(bad)? = true;
        *selection_option(&mut options, name).ok_or_else(bad)? = on;
    }
    session.order_each(sources.into_iter().map(|source| Change::SelectOptions { source, mask, options }))
}

/// The selection option with this name.
fn selection_option<'a>(options: &'a mut SelectOptions, name: &str) -> Option<&'a mut bool> {
    Some(match name.to_ascii_lowercase().as_str() {
        "noselect" => &mut options.noselect,
        "prefer" => &mut options.prefer,
        "trust" => &mut options.trust,
        "require" => &mut options.require,
        _ => return None,
    })
}
