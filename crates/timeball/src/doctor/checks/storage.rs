//! What is to outlast a power cut.

use super::super::facts::{Facts, Kept, Place};
use super::super::finding::{Finding, seconds};
use super::{Check, check, config, with_line};

pub const CHECKS: &[Check] = &[
    check("state-folder", "what was learned is kept on real storage", folder),
    check("last-save", "what was learned is saved", saved),
    check("flash-writes", "storage is written little", writes),
];

/// Storage that forgets.
const IN_RAM: [&str; 3] = ["tmpfs", "ramfs", "rootfs"];
/// What finds real storage.
const KEEP: &str = "timeball setup --only storage";
/// More than this a day wears flash out, bytes.
const MUCH: f64 = 100e6;
/// Shorter runs say nothing of a day, s.
const TOO_SHORT: f64 = 600.0;
/// What a save may come late by, s.
const LATE: f64 = 900.0;

fn folder(facts: &Facts) -> Finding {
    if let Err(skipped) = config(facts) {
        return skipped;
    }
    if facts.kept.is_empty() {
        let finding =
            Finding::warning("no driftfile: after each start the oscillator has to be learned anew");
        if facts.place == Place::OpenWrt {
            return finding.mend(KEEP); // /var is in RAM there
        }
        return with_line(facts, finding, "driftfile /var/lib/timeball/drift");
    }
    let words = |kept: &Kept| {
        format!(
            "{} {} is on {}",
            kept.directive,
            kept.path,
            kept.filesystem.as_deref().unwrap_or("storage that is not known")
        )
    };
    let lost = |kept: &&Kept| kept.filesystem.as_deref().is_some_and(|kind| IN_RAM.contains(&kind));
    let lost: Vec<String> = facts.kept.iter().filter(lost).map(words).collect();
    if lost.is_empty() {
        return Finding::ok("what was learned outlasts a power cut").seen(facts.kept.iter().map(words));
    }
    let finding = Finding::fault("what was learned is in RAM, and lost with the power").seen(lost);
    if facts.place == Place::OpenWrt { finding.mend(KEEP) } else { finding.advise("Name folders on a disk") }
}

fn saved(facts: &Facts) -> Finding {
    let config = match config(facts) {
        Ok(config) => config,
        Err(skipped) => return skipped,
    };
    let Some(drift) = facts.kept.iter().find(|kept| kept.directive == "driftfile") else {
        return Finding::skipped("there is no driftfile");
    };
    if !facts.running {
        return Finding::skipped("only a running daemon saves");
    }
    let Some((_, up)) = facts.written else {
        return Finding::skipped("no process of the daemon can be looked at; try as root");
    };
    let limit = 2.0 * config.clock.drift_interval.max(3600.0) + LATE;
    let age = drift.age.unwrap_or(f64::INFINITY);
    let unsynchronised = facts.daemon.as_ref().is_some_and(|daemon| daemon.tracking.stratum == 0);
    match age {
        age if age <= limit => Finding::ok(format!("{} was saved {} ago", drift.path, seconds(age))),
        _ if up <= limit => Finding::ok(format!("the daemon runs for {} only", seconds(up))),
        _ if unsynchronised => Finding::skipped("there is nothing to save before the clock is synchronised"),
        age => {
            let said = if age.is_finite() { format!("for {}", seconds(age)) } else { "at all".to_owned() };
            Finding::fault(format!("{} has not been saved {said}", drift.path))
                .seen([format!("the daemon runs for {}", seconds(up))])
                .advise(format!("Its user must be able to write into the folder of {}", drift.path))
        }
    }
}

fn writes(facts: &Facts) -> Finding {
    if !facts.running {
        return Finding::skipped("only a running daemon writes");
    }
    let Some((bytes, up)) = facts.written else {
        return Finding::skipped("no process of the daemon can be looked at; try as root");
    };
    if up < TOO_SHORT {
        return Finding::skipped(format!("the daemon runs for {} only", seconds(up)));
    }
    let day = bytes / up * 86_400.0;
    let seen = [format!("{:.1} MB written in {}", bytes / 1e6, seconds(up))];
    let words = format!("{:.1} MB a day", day / 1e6);
    if day > MUCH {
        let finding = Finding::warning(format!("{words} are much for flash")).seen(seen);
        return with_line(facts, finding, "stats on interval 1800 profile router");
    }
    Finding::ok(words).seen(seen)
}
