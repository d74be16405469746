//! The clock: steps, limits, waiting, time set by hand.

use super::super::arguments::{scan_float, scan_integer};
use super::super::date;
use super::super::requests::{Body, order};
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "makestep",
        forms: &[
            form("", "correct the clock by a step now"),
            form("THRESHOLD LIMIT", "step when off by more, in the next LIMIT updates (negative: always)"),
        ],
        doc: "Without arguments, what is left of the correction is made at once. With arguments, sets the makestep \
              directive: threshold in seconds, and number of updates.",
        example: "makestep 0.1 -1",
        group: Group::Clock,
        run: |session, words| match words {
            [] => session.order(&order(43)),
            [threshold, limit, ..] => {
                let whole = scan_float(threshold).filter(|_| threshold.parse::<f64>().is_ok());
                match (whole, scan_integer(limit)) {
                    (Some(threshold), Some(limit)) => {
                        session.order(&Body::new().integer(limit).float(threshold).order(50))
                    }
                    _ => Err(Failure::usage("Bad syntax for makestep command")),
                }
            }
            _ => Err(Failure::usage("Bad syntax for makestep command")),
        },
    },
    Command {
        name: "maxupdateskew",
        forms: &[form("PPM", "largest skew at which the frequency is corrected")],
        doc: "Sets the maxupdateskew directive: how uncertain an estimate of the frequency may be to be used, in parts \
              per million.",
        example: "maxupdateskew 100",
        group: Group::Clock,
        run: |session, words| super::orders::number(session, words, 9, Failure::Silent),
    },
    Command {
        name: "waitsync",
        forms: &[form("[TRIES [CORRECTION [SKEW [INTERVAL]]]]", "wait until the clock is synchronised")],
        doc: "Asks every INTERVAL seconds (10) until the clock is synchronised, the remaining correction is at most \
              CORRECTION seconds and the skew at most SKEW ppm; 0 means no limit. Gives up after TRIES; 0 means never.",
        example: "waitsync 60 0.1 0 1",
        group: Group::Clock,
        run: super::reports::waitsync,
    },
    Command {
        name: "settime",
        forms: &[form("DATE", "set the clock by hand")],
        doc: "Tells the daemon what time it is now, if the manual directive or command allows it. The date is written \
              as 2026-07-25 16:30:05 or Jul 25, 2026 16:30:05; what is missing is today, or midnight. Times are \
              local time, unless UTC or an offset like +02:00 follows.",
        example: "settime 16:30:05",
        group: Group::Clock,
        run: settime,
    },
    Command {
        name: "manual",
        forms: &[
            form("on|off|reset", "allow, forbid or forget times set by hand"),
            form("list", "show times set by hand"),
            form("delete INDEX", "forget one of them"),
        ],
        doc: "Controls the settime command, and shows what was set with it.",
        example: "manual list",
        group: Group::Clock,
        run: manual,
    },
    Command {
        name: "trimrtc",
        forms: &[form("", "set the real-time clock to the system clock")],
        doc: "Corrects the real-time clock, when the rtcfile directive is used.",
        example: "trimrtc",
        group: Group::Clock,
        run: |session, _| session.order(&order(36)),
    },
    Command {
        name: "writertc",
        forms: &[form("", "save what is known about the real-time clock")],
        doc: "Writes the parameters of the real-time clock to the file of the rtcfile directive.",
        example: "writertc",
        group: Group::Clock,
        run: |session, _| session.order(&order(30)),
    },
    Command {
        name: "dfreq",
        forms: &[form("PPM", "change the frequency of the clock")],
        doc: "Changes the frequency of the clock by so many parts per million. For experiments.",
        example: "dfreq 0.1",
        group: Group::Hidden,
        run: |session, words| super::orders::number(session, words, 31, Failure::usage("Invalid value")),
    },
    Command {
        name: "doffset",
        forms: &[form("SECONDS", "slew the clock")],
        doc: "Slews the clock by so many seconds. For experiments.",
        example: "doffset 0.001",
        group: Group::Hidden,
        run: |session, words| {
            let offset = words.first().and_then(|word| scan_float(word));
            let offset = offset.ok_or_else(|| Failure::usage("Invalid value"))?;
            let body = || Body::new().float(offset);
            // 32 is its number in releases up to 4.0.
            super::order_or_older(session, &body().order(71), Some(body().order(32)))
        },
    },
];

/// `manual` and its subcommands.
fn manual(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let option = match words {
        ["off"] => 0,
        ["on"] => 1,
        ["reset"] => 2,
        ["list", ..] => return super::reports::manual_list(session),
        ["delete", rest @ ..] => {
            let index = rest.first().and_then(|word| scan_integer(word));
            let index = index.ok_or_else(|| Failure::usage("Bad syntax for manual delete command"))?;
            return session.order(&Body::new().integer(index).order(42));
        }
        _ => return Err(Failure::usage("Invalid syntax for manual command")),
    };
    session.order(&Body::new().integer(option).order(13))
}

/// `settime`: the date is read here, the daemon gets seconds since 1970.
fn settime(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let Some(seconds) = date::read(&words.join(" "), &date::System) else {
        return Err(Failure::Reply("510 - Could not parse date string"));
    };
    let body = Body::new().bytes(&(seconds >> 32).to_be_bytes()[4..]).bytes(&(seconds as u32).to_be_bytes());
    super::reports::settime(session, &body.integer(0).report(11))
}
