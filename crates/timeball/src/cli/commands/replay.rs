//! `ratelimit replay`: what another limit would have done to the requests of the last hours.

use std::fmt::Write as _;

use ntp::config::RateLimit;
use ntp::report::json_read::Value;
use ntp::server::clients::Tick;
use ntp::server::limit::replay::{Outcome, Trial, parse, replay};
use ntp::server::requests::Run;

use super::super::arguments::scan_integer;
use super::super::options::Format;
use super::super::own::Own;
use super::super::session::{Failure, Outcome as Done, Session};
use super::{Command, Group, form};

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[Command {
    name: "ratelimit",
    forms: &[
        form("replay last 24h [--interval N] [--burst N]...", "what that limit would have dropped"),
        form("replay last 24h --auto", "the same for ratelimit auto"),
        form("replay FILE …", "from a file that the requestlog directive names"),
    ],
    doc: "Tells what another ratelimit would have done to the requests of the last time, as the daemon's request log \
          has them: how many clients would have lost requests, what share of all requests, and how many checks of the \
          pool's kind (three requests two seconds apart) would have failed. Options (--interval, --burst, --leak, \
          --kod) not given are those of the ratelimit directive. Times are written like 24h, 90m or 7d. It needs the \
          requestlog directive, which is on by itself under the name timeball.",
    example: "ratelimit replay last 24h --interval 1 --burst 16",
    group: Group::Own,
    run,
}];

fn run(session: &mut Session<'_>, words: &[&str]) -> Done {
    let usage = || Failure::usage("Say: ratelimit replay FILE, or: ratelimit replay last 24h");
    let (source, options) = match words {
        ["replay", "last", time, options @ ..] => {
            let ago = ticks(time)
                .ok_or_else(|| Failure::usage(format!("\"{time}\" is no time like 24h, 90m or 7d")))?;
            (Source::Last(ago), options)
        }
        ["replay", file, options @ ..] if !file.starts_with('-') => {
            (Source::File((*file).to_owned()), options)
        }
        _ => return Err(usage()),
    };
    if session.options.format == Format::Csv {
        return Err(Failure::usage("ratelimit replay has no CSV; --json is for programs"));
    }
    let trial = trial(options)?;
    let (mut runs, thinned) = match source {
        Source::Last(ago) => fetch(session, ago)?,
        Source::File(path) => {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Failure::usage(format!("Could not read {path} : {error}")))?;
            let (runs, _, thinned) =
                parse(&text).ok_or_else(|| Failure::usage(format!("{path} is not a request log")))?;
            (runs, thinned)
        }
    };
    let outcome = replay(&mut runs, trial);
    let text = match session.options.format {
        Format::Json => json(&outcome, thinned),
        _ => sentences(&outcome, trial, thinned),
    };
    write!(session.out, "{text}")?;
    Ok(())
}

enum Source {
    Last(u32),
    File(String),
}

/// `24h` in ticks.
fn ticks(word: &str) -> Option<u32> {
    let (number, unit) = word.split_at(word.len().checked_sub(1).filter(|&at| word.is_char_boundary(at))?);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(seconds)?.checked_mul(Tick::PER_SECOND).filter(|&ticks| ticks > 0)
}

fn trial(options: &[&str]) -> Result<Trial, Failure> {
    if options == ["--auto"] {
        return Ok(Trial::Auto);
    }
    let mut limit = RateLimit { interval: 3, burst: 8, leak: 2, kod: 0 };
    let mut words = options.iter();
    while let Some(option) = words.next() {
        let (name, glued) =
            option.split_once('=').map_or((*option, None), |(name, value)| (name, Some(value)));
        let (field, range) = match name {
            "--interval" => (&mut limit.interval, -19..=12),
            "--burst" => (&mut limit.burst, 1..=255),
            "--leak" => (&mut limit.leak, 1..=4),
            "--kod" => (&mut limit.kod, 0..=4),
            "--auto" => return Err(Failure::usage("--auto stands alone")),
            _ => {
                let known = "--interval, --burst, --leak, --kod or --auto";
                return Err(Failure::usage(format!(
                    "ratelimit replay has no option \"{name}\"; it has {known}"
                )));
            }
        };
        let value = glued.or_else(|| words.next().copied()).and_then(scan_integer);
        *field = value.filter(|value| range.contains(value)).ok_or_else(|| {
            Failure::usage(format!("{name} needs a number from {} to {}", range.start(), range.end()))
        })?;
    }
    Ok(Trial::Numbers(limit))
}

/// The daemon's log, page by page; only what began not longer ago than `ago`.
fn fetch(session: &Session<'_>, ago: u32) -> Result<(Vec<Run>, u32), Failure> {
    let daemon = Own::find(session.client.endpoints(), "ratelimit replay")?;
    let (mut runs, mut from) = (Vec::new(), 0_u64);
    loop {
        let page = daemon.ask(&format!(r#"{{"get":"requests","from":{from}}}"#))?;
        let number = |name| page.get(name).and_then(Value::number).ok_or(Failure::BadReply);
        let now = Tick(number("now")? as u32);
        let list = page.get("runs").and_then(Value::list).ok_or(Failure::BadReply)?;
        for run in list {
            let part =
                |index: usize| run.list().and_then(|run| run.get(index)?.number()).ok_or(Failure::BadReply);
            let run = Run {
                client: part(0)? as u32,
                start: Tick(part(1)? as u32),
                span: part(2)? as u32,
                count: part(3)? as u16,
            };
            if now.since(run.start) <= ago {
                runs.push(run);
            }
        }
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => return Ok((runs, number("thinned")? as u32)),
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

fn sentences(outcome: &Outcome, trial: Trial, thinned: u32) -> String {
    let limit = match trial {
        Trial::Auto => "ratelimit auto".to_owned(),
        Trial::Numbers(RateLimit { interval, burst, leak, kod: 0 }) => {
            format!("ratelimit interval {interval} burst {burst} leak {leak}")
        }
        Trial::Numbers(RateLimit { interval, burst, leak, kod }) => {
            format!("ratelimit interval {interval} burst {burst} leak {leak} kod {kod}")
        }
    };
    let &Outcome { seconds, clients, clients_hit, requests, dropped, told, probes, probes_hit } = outcome;
    let mut out = format!(
        "The log has {requests} requests of {clients} clients in {:.1} h{}.\n",
        seconds / 3600.0,
        if thinned > 0 { format!(" (one client of {})", 1_u64 << thinned) } else { String::new() }
    );
    if requests == 0 {
        return out;
    }
    let _ = writeln!(
        out,
        "{limit} would have dropped {dropped} of them ({:.3} %), of {clients_hit} clients ({:.2} %).",
        percent(dropped, requests),
        percent(clients_hit, clients)
    );
    if told > 0 {
        let _ = writeln!(out, "{told} would have been told RATE ({:.3} %).", percent(told, requests));
    }
    let _ = match (probes, probes_hit) {
        (0, _) => writeln!(out, "No checks of the pool's kind are in the log."),
        (_, 0) => writeln!(out, "All {probes} checks of the pool's kind would have passed."),
        _ => writeln!(
            out,
            "{probes_hit} of {probes} checks of the pool's kind would have failed: the score would sink."
        ),
    };
    out
}

fn json(outcome: &Outcome, thinned: u32) -> String {
    let Outcome { seconds, clients, clients_hit, requests, dropped, told, probes, probes_hit } = outcome;
    format!(
        "{{\"seconds\":{seconds:.1},\"one_client_of\":{},\"clients\":{clients},\"clients_hit\":{clients_hit},\"requests\":{requests},\
         \"dropped\":{dropped},\"told\":{told},\"probes\":{probes},\"probes_hit\":{probes_hit}}}\n",
        1_u64 << thinned.min(63)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_limits_are_read_and_wrong_ones_explained() {
        assert_eq!(ticks("24h"), Some(24 * 3600 * 16));
        assert_eq!((ticks("90m"), ticks("7d"), ticks("5s")), (Some(86_400), Some(9_676_800), Some(80)));
        assert!(
            ["", "h", "0h", "-1h", "24", "1w", "99999999d", "€"].iter().all(|word| ticks(word).is_none())
        );
        let limit = RateLimit { interval: -2, burst: 16, leak: 2, kod: 0 };
        assert_eq!(trial(&["--interval", "-2", "--burst=16"]).ok(), Some(Trial::Numbers(limit)));
        assert_eq!(trial(&["--auto"]).ok(), Some(Trial::Auto));
        for (words, expected) in [
            (&["--burst", "0"] as &[&str], "1 to 255"),
            (&["--leak"], "1 to 4"),
            (&["--brust", "3"], "--brust"),
            (&["--auto", "--kod", "1"], "--auto"),
        ] {
            let Err(Failure::Usage(text)) = trial(words) else { panic!("{words:?}") };
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn the_outcome_is_told_in_sentences() {
        let outcome = Outcome {
            seconds: 86_400.0,
            clients: 200,
            clients_hit: 3,
            requests: 100_000,
            dropped: 250,
            told: 0,
            probes: 7,
            probes_hit: 0,
        };
        let limit = RateLimit { interval: 1, burst: 16, leak: 2, kod: 0 };
        assert_eq!(
            sentences(&outcome, Trial::Numbers(limit), 3),
            "The log has 100000 requests of 200 clients in 24.0 h (one client of 8).\n\
             ratelimit interval 1 burst 16 leak 2 would have dropped 250 of them (0.250 %), of 3 clients (1.50 %).\n\
             All 7 checks of the pool's kind would have passed.\n"
        );
        let failed = sentences(&Outcome { probes_hit: 2, ..outcome }, Trial::Auto, 0);
        assert!(failed.contains("2 of 7 checks") && failed.contains("ratelimit auto would"), "{failed}");
        assert!(Value::parse(&json(&outcome, 3)).is_some_and(|json| json.get("one_client_of").is_some()));
    }
}
