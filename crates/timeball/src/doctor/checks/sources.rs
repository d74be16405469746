//! Where time comes from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ntp::config::SourceKind;
use ntp::control::sources::{SourceMode, SourceState};

use super::super::facts::{Configured, Facts};
use super::super::finding::{Finding, quoted, seconds};
use super::{Check, check, committed, config, count, daemon, names, restarted};
use crate::operators;

pub const CHECKS: &[Check] = &[
    check("source-count", "there are four to seven sources", number),
    check("operators", "the sources belong to different people", independent),
    check("pool-names", "a public server does not follow the pool", pool_names),
    check("smearing", "all sources treat leap seconds alike", smearing),
    check("iburst", "sources are asked quickly at the start", iburst),
    check("names", "the names of the sources can be looked up", names::look_up),
    check("reach", "the sources answer", reach),
    check("agreement", "the sources agree", agreement),
    check("distance", "the sources are near", distance),
    check("asymmetry", "the ways there and back are alike", asymmetry),
];

/// Enough that two may be wrong, and not more than needed.
const FEWEST: usize = 4;
const MOST: usize = 7;
/// An error of a source that is large, s.
const FAR: f64 = 0.1;
/// A difference of the ways that is worth a word, s.
const CROOKED: f64 = 5e-3;
/// What finds better ones.
const FIND: &str = "timeball find-sources --for 10m";

/// A source, as far as somebody told.
struct Named {
    name: String,
    address: Option<IpAddr>,
}

/// The daemon's sources, else those of the configuration.
fn named(facts: &Facts) -> Result<Vec<Named>, Finding> {
    if let Some(daemon) = &facts.daemon {
        let network = daemon.sources.iter().filter(|source| source.data.mode != SourceMode::Refclock);
        return Ok(network
            .map(|source| Named { name: source.name.clone(), address: source.address })
            .collect());
    }
    let one = |source: &ntp::config::SourceConfig| {
        let times = if source.kind == SourceKind::Pool { source.max_sources.clamp(1, 16) } else { 1 };
        (0..times).map(|_| Named { name: source.name.clone(), address: None }).collect::<Vec<_>>()
    };
    Ok(config(facts)?.sources.iter().flat_map(one).collect())
}

fn number(facts: &Facts) -> Finding {
    let (named, clocks) = match named(facts) {
        Ok(named) => (named.len(), config(facts).map_or(0, |config| config.refclocks.len())),
        Err(skipped) => return skipped,
    };
    let sources = count(named, "source");
    match named {
        0 if clocks > 0 => {
            Finding::warning("a reference clock alone: nobody notices when it is wrong").mend(FIND)
        }
        0 => Finding::fault("there is no source: the clock runs free").mend(FIND),
        1..FEWEST => Finding::warning(format!("{sources}: too few to notice which one is wrong"))
            .mend(FIND)
            .advise("Four can do without one and still outvote another"),
        FEWEST..=MOST => {
            Finding::ok(format!("{sources}{}", if clocks > 0 { " and a reference clock" } else { "" }))
        }
        _ => Finding::warning(format!(
            "{sources}: more than seven make little better, and load others' servers"
        ))
        .advise("timeball sources --why says which are not needed"),
    }
}

fn independent(facts: &Facts) -> Finding {
    let named = match named(facts) {
        Ok(named) => named,
        Err(skipped) => return skipped,
    };
    let mut operators: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in &named {
        if operators::is_pool_name(&source.name) && source.address.is_none() {
            continue; // the pool gives servers of different people
        }
        operators.entry(operators::operator(&source.name, source.address)).or_default().push(&source.name);
    }
    match operators.iter().max_by_key(|(_, names)| names.len()).filter(|(_, names)| names.len() > 1) {
        Some((operator, names)) => {
            let (some, all) = (names.len(), named.len());
            Finding::warning(format!("{some} of {all} sources are of {operator}, and can be wrong together"))
                .seen(names.iter().map(ToString::to_string))
                .mend(FIND)
        }
        None if named.is_empty() => Finding::skipped("there are no sources"),
        None => Finding::ok(format!("{} of different operators", count(named.len(), "source"))),
    }
}

fn pool_names(facts: &Facts) -> Finding {
    let config = match config(facts) {
        Ok(config) => config,
        Err(skipped) => return skipped,
    };
    let pools: Vec<&str> = config
        .sources
        .iter()
        .filter(|source| operators::is_pool_name(&source.name))
        .map(|source| source.name.as_str())
        .collect();
    match (pools.is_empty(), facts.is_public()) {
        (true, _) => Finding::ok("no name of the pool is used"),
        (false, false) => Finding::ok("the pool is followed, as it is meant for: this server is not public"),
        (false, true) => Finding::fault(
            "a public server follows the pool: it may follow itself, or worse servers than it is",
        )
        .seen(pools)
        .mend(FIND)
        .advise("The pool's rules ask for four to seven servers chosen by hand"),
    }
}

fn smearing(facts: &Facts) -> Finding {
    let named = match named(facts) {
        Ok(named) => named,
        Err(skipped) => return skipped,
    };
    let smear = |source: &&Named| operators::smearer(&source.name, source.address).is_some();
    let smearers: Vec<&Named> = named.iter().filter(smear).collect();
    if smearers.is_empty() {
        return Finding::ok("none is known to smear leap seconds");
    }
    let seen = smearers.iter().map(|source| source.name.clone());
    if smearers.len() < named.len() {
        let (some, all) = (smearers.len(), named.len());
        return Finding::fault(format!(
            "{some} of {all} sources smear leap seconds: for a day they will be wrong by up to half a second"
        ))
        .seen(seen)
        .mend(FIND);
    }
    if facts.is_public() {
        return Finding::fault(
            "all sources smear leap seconds, and so does this public server; the pool forbids it",
        )
        .seen(seen)
        .mend(FIND);
    }
    Finding::ok("all smear leap seconds, so they agree").seen(seen)
}

fn iburst(facts: &Facts) -> Finding {
    let config = match config(facts) {
        Ok(config) => config,
        Err(skipped) => return skipped,
    };
    let slow: Vec<&str> =
        config.sources.iter().filter(|source| !source.iburst).map(|source| source.name.as_str()).collect();
    if config.sources.is_empty() {
        return Finding::skipped("the configuration names no source");
    }
    if slow.is_empty() {
        return Finding::ok("all have iburst: the clock is set within seconds of a start");
    }
    let (some, all) = (slow.len(), config.sources.len());
    let finding = Finding::warning(format!(
        "{some} of {all} sources lack iburst: after a start, minutes pass before they count"
    ))
    .seen(slow.clone());
    match &facts.configured {
        Configured::Read { .. } if facts.by_uci => match in_uci(facts, &slow).as_slice() {
            [] => finding.advise("Write option iburst '1' into each section of a server"),
            sets => finding.mend(committed(&sets.join(" && "), "chrony")),
        },
        Configured::Read { path, lines, .. } if !path.is_empty() => {
            // Only where the line stands in this file as it is said.
            let names =
                slow.iter().filter(|name| lines.iter().any(|line| line.split(' ').nth(1) == Some(**name)));
            let edits: Vec<String> = names
                .map(|name| {
                    let name = name.replace('.', r"\.");
                    format!(
                        r"-e {}",
                        quoted(&format!(r"s/^\s*\(server\|pool\|peer\)\s\+{name}\(\s.*\)\?$/& iburst/"))
                    )
                })
                .collect();
            finding.mend(restarted(facts, format!("sed -i {} {}", edits.join(" "), quoted(path))))
        }
        _ => finding.advise("Write iburst behind each server"),
    }
}

/// Commands that give iburst to these sources in OpenWrt's file.
fn in_uci(facts: &Facts, slow: &[&str]) -> Vec<String> {
    let sections = facts.chrony.as_deref().unwrap_or_default();
    let one = |(at, section): (usize, &super::super::uci::Section)| {
        let source = matches!(section.kind.as_str(), "server" | "pool" | "peer");
        if !source || !slow.contains(&section.get("hostname")) {
            return None;
        }
        let same = sections[..at].iter().filter(|other| other.kind == section.kind).count();
        Some(format!("uci set chrony.@{}[{same}].iburst=1", section.kind))
    };
    sections.iter().enumerate().filter_map(one).collect()
}

fn reach(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let sources = || daemon.sources.iter().filter(|source| source.data.mode != SourceMode::Refclock);
    let words = |source: &super::super::daemon::Source| {
        format!("{}: {} of its last 8 requests were answered", source.name, source.data.reach.0.count_ones())
    };
    let mut silent: Vec<String> =
        sources().filter(|source| source.data.reach.0 == 0 && source.address.is_some()).map(words).collect();
    let nameless = daemon.unresolved as usize;
    if nameless > 0 {
        silent.push(format!("{} without an address: look at the DNS settings", count(nameless, "name")));
    }
    let quiet = sources().filter(|source| source.data.reach.0 == 0).count();
    let all = sources().count();
    if all == 0 {
        return Finding::skipped("there are no sources");
    }
    if quiet == all {
        return Finding::fault("no source answers")
            .seen(silent)
            .advise("A firewall may block UDP port 123 on the way out; or the network is down");
    }
    // The register fills from the right: only gaps behind its first bit are losses.
    let lossy = |source: &&super::super::daemon::Source| {
        let reach = source.data.reach.0;
        let asked = u8::BITS.saturating_sub((reach as u8).leading_zeros());
        reach != 0 && asked >= 6 && reach.count_ones() * 4 < asked * 3
    };
    let lossy: Vec<String> = sources().filter(lossy).map(words).collect();
    if silent.is_empty() && lossy.is_empty() {
        return Finding::ok(format!("{} answer", count(all, "source")));
    }
    let (bad, word) =
        if silent.is_empty() { (lossy.len(), "lose requests") } else { (quiet, "do not answer") };
    Finding::warning(format!("{bad} of {all} sources {word}"))
        .seen(silent.into_iter().chain(lossy))
        .mend(FIND)
        .advise("Replace those that stay like this")
}

fn agreement(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let is = |state| daemon.sources.iter().filter(move |source| source.data.state == state);
    let wrong = is(SourceState::Falseticker).count();
    let seen = is(SourceState::Falseticker)
        .map(|source| format!("{}: {} from the others", source.name, seconds(source.data.adjusted_offset.0)));
    match (wrong, daemon.sources.len()) {
        (_, 0) => Finding::skipped("there are no sources"),
        (0, _) => Finding::ok("no source contradicts the others"),
        (wrong, all) if wrong == all => Finding::fault("no majority of the sources agrees on the time")
            .seen(seen)
            .mend(FIND)
            .advise("More sources make clear who is right"),
        (wrong, all) => Finding::warning(format!("{wrong} of {all} sources are wrong and ignored"))
            .seen(seen)
            .advise("timeball sources --why says why; replace those that stay wrong"),
    }
}

fn distance(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let heard = || daemon.sources.iter().filter(|source| source.data.reach.0 != 0);
    let far: Vec<String> = heard()
        .filter(|source| source.data.error.0 > FAR)
        .map(|source| format!("{}: ± {}", source.name, seconds(source.data.error.0)))
        .collect();
    let all = heard().count();
    if all == 0 {
        return Finding::skipped("no source has answered");
    }
    if far.is_empty() {
        let best = heard().map(|source| source.data.error.0).fold(f64::INFINITY, f64::min);
        return Finding::ok(format!("the nearest is good for ± {}", seconds(best)));
    }
    let some = far.len();
    Finding::warning(format!("{some} of {all} sources may be wrong by more than {}", seconds(FAR)))
        .seen(far)
        .mend(FIND)
}

fn asymmetry(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    if daemon.version.is_none() {
        return Finding::skipped("chronyd does not tell");
    }
    let known: Vec<(&str, f64, f64)> = daemon
        .sources
        .iter()
        .filter_map(|source| source.longer_there.map(|(longer, sd)| (source.name.as_str(), longer, sd)))
        .collect();
    let crooked = |(_, longer, sd): &&(&str, f64, f64)| longer.abs() > CROOKED && longer.abs() > 3.0 * sd;
    let words = |(name, longer, sd): &(&str, f64, f64)| {
        let way = if *longer > 0.0 { "there" } else { "back" };
        format!(
            "{name}: the way {way} is {} longer (± {}), which looks like an offset of {}",
            seconds(longer.abs()),
            seconds(*sd),
            seconds(longer.abs() / 2.0)
        )
    };
    let seen: Vec<String> = known.iter().filter(crooked).map(words).collect();
    if known.is_empty() {
        return Finding::skipped("too little is known of the paths yet");
    }
    if seen.is_empty() {
        return Finding::ok("no way is much longer there than back");
    }
    let some = seen.len();
    Finding::warning(format!("{some} of {} paths are much longer one way", known.len()))
        .seen(seen)
        .mend(FIND)
        .advise("Such a source is believed less; a nearer one would be worth more")
}
