//! What is written down.

use super::OptionRow;
use super::prelude::*;

/// A category of `log`: its name, whether it has an effect, and the switch it sets.
type Category = (&'static str, bool, fn(&mut LogConfig));

const CATEGORIES: &[Category] = &[
    ("measurements", true, |l| l.measurements = true),
    ("rawmeasurements", true, |l| l.raw_measurements = true),
    ("refclocks", true, |l| l.refclocks = true),
    ("rtc", true, |l| l.rtc = true),
    ("selection", true, |l| l.selection = true),
    ("statistics", true, |l| l.statistics = true),
    ("tempcomp", true, |l| l.tempcomp = true),
    ("tracking", true, |l| l.tracking = true),
];

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "log",
        "[measurements] [rawmeasurements] [statistics] [selection] [tracking] [rtc] [refclocks] [tempcomp]",
        "none",
        "Which log files are written to the folder logdir; lines add up. rawmeasurements writes the file measurements too, of every response.",
        Own,
        log,
    ),
    Directive::new(
        "logbanner",
        "ENTRIES",
        "32",
        "A heading stands before every so many entries of a log file; 0 is none.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.log.banner = v.unsigned_abs()),
    ),
    Directive::new(
        "logchange",
        "SECONDS",
        "1",
        "A message is logged when the clock was wrong by more than this.",
        Exactly(1),
        |c, w| w.number().map(|v| c.clock.log_change = v),
    ),
    Directive::new(
        "logdir",
        "FOLDER",
        "none",
        "Folder of the log files. It is made if it does not exist.",
        Exactly(1),
        |c, w| path(w).map(|v| c.log.dir = Some(v)),
    ),
    Directive::new(
        "mailonchange",
        "ADDRESS THRESHOLD",
        "off",
        "Sends mail when the clock was wrong by more than THRESHOLD seconds.",
        Exactly(2),
        |c, w| {
            c.log.mail_on_change = Some((w.word()?.to_owned(), w.number()?));
            Ok(())
        },
    ),
];

/// The categories of `log` as documents show them.
pub(super) fn categories() -> Vec<OptionRow> {
    let row = |&(name, effective, _): &Category| OptionRow {
        name,
        usage: "",
        status: if effective { Status::Effective } else { Status::NotYet },
    };
    CATEGORIES.iter().map(row).collect()
}

fn log(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let mut without_effect = Vec::new();
    while let Some(word) = words.next_word() {
        let Some((name, effective, set)) = CATEGORIES.iter().find(|(name, ..)| *name == word) else {
            let names: Vec<_> = CATEGORIES.iter().map(|(name, ..)| *name).collect();
            return Err(WrongKind::LogWord.hint(format!("\"{word}\" is none of {}", names.join(", "))));
        };
        set(&mut config.log);
        if !effective && !without_effect.contains(name) {
            without_effect.push(*name);
        }
    }
    if !without_effect.is_empty() {
        words.notes.push(format!("log {} has no effect yet", without_effect.join(", ")));
    }
    Ok(())
}
