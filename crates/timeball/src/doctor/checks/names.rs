//! Whether the names of the sources lead anywhere.

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::{count, daemon};

pub(super) fn look_up(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let lost: Vec<&str> =
        facts.names.iter().filter(|(_, found)| !found).map(|(name, _)| name.as_str()).collect();
    if facts.names.is_empty() && daemon.unresolved == 0 {
        return Finding::ok("the sources have no names to look up");
    }
    if lost.is_empty() && daemon.unresolved == 0 {
        return Finding::ok(format!("{} can be looked up", count(facts.names.len(), "name")));
    }
    let mut seen: Vec<String> = Vec::new();
    for name in &lost {
        let places = daemon.sources.iter().filter(|source| source.name == **name);
        let places: Vec<String> =
            places.filter_map(|source| source.address).map(|at| at.to_string()).collect();
        seen.push(match places.as_slice() {
            [] => format!("{name}: no address, so it cannot be asked"),
            places => format!("{name}: asked where it was last, {}", places.join(", ")),
        });
    }
    if daemon.unresolved > 0 {
        seen.push(format!(
            "{} in the configuration without an address",
            count(daemon.unresolved as usize, "name")
        ));
    }
    let has_addresses = daemon.sources.iter().any(|source| source.address.is_some());
    let dead = lost.len() == facts.names.len();
    let reason = match (dead, has_addresses) {
        (true, true) => "no name can be looked up; sources are asked where they were last".to_owned(),
        (true, false) => "no name can be looked up, so nobody can be asked".to_owned(),
        (false, _) => {
            format!("{} cannot be looked up", count(lost.len().max(daemon.unresolved as usize), "name"))
        }
    };
    let finding = if has_addresses { Finding::warning(reason) } else { Finding::fault(reason) };
    finding.seen(seen).advise(if dead {
        "No name server answers: look at /etc/resolv.conf and at the network. With DNSSEC, look at the clock: signatures are wrong if it is"
    } else {
        "Look whether the names are right and still exist"
    })
}
