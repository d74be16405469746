//! The clock: steps, limits, waiting, time set by hand.

use ntp::control::Change;
use ntp::control::actions::Manual;
use ntp::report::Time;

use super::super::arguments::{scan_float, scan_integer};
use super::super::date;
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// Commands speak parts per million, requests are made of seconds per second.
const PPM: f64 = 1e-6;
/// Number and length of `doffset` in releases up to 4.0.
const OLDER_DOFFSET: (u16, usize) = (32, 28);

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
            [] => session.order(Change::MakeStep),
            [threshold, limit, ..] => {
                let whole = scan_float(threshold).filter(|_| threshold.parse::<f64>().is_ok());
                match (whole, scan_integer(limit)) {
                    (Some(threshold), Some(limit)) => {
                        session.order(Change::ConfigureMakeStep { limit, threshold })
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
        run: |session, words| {
            let skew = first_number(words).ok_or(Failure::Silent)?;
            session.order(Change::MaxUpdateSkew(skew * PPM))
        },
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
        run: |session, _| session.order(Change::TrimRtc),
    },
    Command {
        name: "writertc",
        forms: &[form("", "save what is known about the real-time clock")],
        doc: "Writes the parameters of the real-time clock to the file of the rtcfile directive.",
        example: "writertc",
        group: Group::Clock,
        run: |session, _| session.order(Change::WriteRtc),
    },
    Command {
        name: "dfreq",
        forms: &[form("PPM", "change the frequency of the clock")],
        doc: "Changes the frequency of the clock by so many parts per million. For experiments.",
        example: "dfreq 0.1",
        group: Group::Hidden,
        run: |session, words| {
            let frequency = first_number(words).ok_or_else(|| Failure::usage("Invalid value"))?;
            session.order(Change::AdjustFrequency(frequency * PPM))
        },
    },
    Command {
        name: "doffset",
        forms: &[form("SECONDS", "slew the clock")],
        doc: "Slews the clock by so many seconds. For experiments.",
        example: "doffset 0.001",
        group: Group::Hidden,
        run: |session, words| {
            let offset = first_number(words).ok_or_else(|| Failure::usage("Invalid value"))?;
            session.order_or_older(Change::AdjustOffset(offset), Some(OLDER_DOFFSET))
        },
    },
];

/// `manual` and its subcommands.
fn manual(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let mode = match words {
        ["off"] => Manual::Off,
        ["on"] => Manual::On,
        ["reset"] => Manual::Reset,
        ["list", ..] => return super::reports::manual_list(session),
        ["delete", rest @ ..] => {
            let index = rest.first().and_then(|word| scan_integer(word));
            let index = index.ok_or_else(|| Failure::usage("Bad syntax for manual delete command"))?;
            return session.order(Change::ManualDelete(index));
        }
        _ => return Err(Failure::usage("Invalid syntax for manual command")),
    };
    session.order(Change::Manual(mode))
}

/// `settime`: the date is read here, the daemon gets seconds since 1970.
fn settime(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let Some(seconds) = date::read(&words.join(" "), &date::System) else {
        return Err(Failure::Reply("510 - Could not parse date string"));
    };
    super::reports::settime(session, Time { seconds, nanos: 0 })
}

/// The number that the first word begins with.
pub fn first_number(words: &[&str]) -> Option<f64> {
    words.first().and_then(|word| scan_float(word))
}
