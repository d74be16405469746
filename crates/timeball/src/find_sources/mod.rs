//! `timeball find-sources`: measures servers side by side and proposes four to seven.
//!
//! [`candidates`] reads whom to ask, [`measure`] asks, [`judge`] makes a ranking of the answers, [`show`] tells. The clock is
//! only read.

mod candidates;
mod judge;
mod measure;
mod show;

use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use crate::cli::commands::{Command, Group, form};
use crate::cli::options::Format;
use crate::cli::session::{Failure, Outcome, Session};
use crate::daemon::files;
use crate::doctor::{configured_sources, finding::seconds};
use crate::operators::is_private;
use measure::{Pace, Record};

/// `find-sources`
pub const COMMAND: Command = Command {
    name: "find-sources",
    forms: &[
        form("[FILE|HOST]... [--for TIME]", "measure servers, rank them, propose four to seven"),
        form("... --write FILE", "write the proposal as lines of a configuration"),
        form("... --pace SECONDS", "ask servers of your own more often"),
    ],
    doc: "Asks all servers side by side, without touching the clock, and compares them: round trip, jitter, how far and how fast they are \
          apart, losses, stratum, leap seconds. Those that agree are ranked by how wrong they can be, and four to seven are proposed that \
          belong to different people and do not follow the same server. TIME is as in 90s, 10m (the default) or 6h; Ctrl-C ends it early \
          with what is known. FILE lists hosts or is a configuration; without any, the configured sources are measured. Strangers are \
          asked four times in six seconds and then every 16 to 64 s; --pace is for private addresses. The exit status is 0 if at least \
          four could be proposed.",
    example: "find-sources ntp.example.org 192.0.2.1 servers.txt --for 10m",
    group: Group::Own,
    run,
};

/// Longest and shortest measurement, s.
const LONGEST: f64 = 7.0 * 86_400.0;
const SHORTEST: f64 = 2.0;

/// What the command line asks for.
#[derive(Debug, PartialEq)]
struct Wish<'a> {
    hosts: Vec<&'a str>,
    lasts: f64,
    pace: Option<f64>,
    write: Option<PathBuf>,
}

impl<'a> Wish<'a> {
    fn read(words: &[&'a str]) -> Result<Self, Failure> {
        let mut wish = Self { hosts: Vec::new(), lasts: 600.0, pace: None, write: None };
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| Failure::usage(format!("{word} needs a value")));
            match word {
                "--for" => wish.lasts = time(value()?)?,
                "--pace" => {
                    let pace = value()?;
                    let number = pace.parse::<f64>().ok().filter(|pace| (0.1..=64.0).contains(pace));
                    wish.pace =
                        Some(number.ok_or_else(|| {
                            Failure::usage(format!("\"{pace}\" is no pace; 0.1 to 64 s are"))
                        })?);
                }
                "--write" => wish.write = Some(value()?.into()),
                _ if word.starts_with('-') => {
                    let text = format!("find-sources has no \"{word}\"; see timeball find-sources --help");
                    return Err(Failure::usage(text));
                }
                host => wish.hosts.push(host),
            }
        }
        Ok(wish)
    }
}

/// `90s`, `10m`, `6h`, `2d`, or seconds.
fn time(word: &str) -> Result<f64, Failure> {
    let (number, unit) = word.split_at(word.trim_end_matches(|c: char| c.is_ascii_alphabetic()).len());
    let unit = match unit {
        "" | "s" => Some(1.0),
        "m" | "min" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    let seconds = number.parse::<f64>().ok().zip(unit).map(|(number, unit)| number * unit);
    seconds.filter(|seconds| (SHORTEST..=LONGEST).contains(seconds)).ok_or_else(|| {
        Failure::usage(format!("\"{word}\" is no time to measure; 90s, 10m and 6h are, and 7d at most"))
    })
}

fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let wish = Wish::read(words)?;
    if session.options.format == Format::Csv {
        return Err(Failure::usage("find-sources has no CSV; --json is for programs"));
    }
    if let Some(path) = &wish.write {
        may_write(path)?;
    }
    let configured = if wish.hosts.is_empty() { configured_sources() } else { Vec::new() };
    let hosts: Vec<&str> =
        if wish.hosts.is_empty() { configured.iter().map(String::as_str).collect() } else { wish.hosts };
    let (candidates, missing) = candidates::find(&hosts, session.options.family).map_err(Failure::usage)?;
    if candidates.is_empty() {
        let hint = "name servers near you: timeball find-sources ntp.example.org other.example.net --for 10m";
        return Err(Failure::usage(match missing.as_slice() {
            [] => format!("No source is configured; {hint}"),
            names => format!("None of these has an address: {}; {hint}", names.join(" ")),
        }));
    }
    let pace = match wish.pace {
        None => Pace::polite(wish.lasts),
        Some(gap) => {
            if let Some(stranger) = candidates.iter().find(|candidate| !is_private(candidate.address.ip())) {
                let name = &stranger.name;
                return Err(Failure::usage(format!(
                    "--pace is for private addresses; {name} is asked as strangers are"
                )));
            }
            Pace::own(gap)
        }
    };
    sys::signal::install()?;
    let shown = session.options.format == Format::Text && std::io::stderr().is_terminal();
    let start = std::time::Instant::now();
    let say = |elapsed: f64, records: &[&Record]| {
        if shown {
            eprint!("\r{}\x1b[K", progress(elapsed, wish.lasts, records));
            let _ = std::io::stderr().flush(); // the next word will do
        }
    };
    let (records, now) = measure::run(&candidates, wish.lasts, pace, say)?;
    if shown {
        eprint!("\r\x1b[K");
    }
    let lasted = start.elapsed().as_secs_f64();
    let judgement = judge::judge(&candidates, &records, now);
    let result = show::Result {
        candidates: &candidates,
        records: &records,
        judgement: &judgement,
        missing: &missing,
        lasted,
    };
    let text =
        if session.options.format == Format::Json { result.json() } else { result.text(session.style) };
    write!(session.out, "{text}")?;
    let proposed = result.proposed().len();
    if let Some(path) = wish.write.filter(|_| proposed > 0) {
        files::replace(&path, result.file().as_bytes(), 0o644)
            .map_err(|failure| Failure::usage(failure.to_string()))?;
        if session.options.format == Format::Text {
            writeln!(session.out, "Written to {}.", path.display())?;
        }
    }
    if proposed >= judge::FEWEST { Ok(()) } else { Err(Failure::Silent) }
}

/// What somebody else wrote is not replaced. Known before the measurement, which may take hours.
fn may_write(path: &Path) -> Outcome {
    match files::read(path, 1 << 20) {
        Ok(None) => Ok(()),
        Ok(Some(text)) if text.starts_with(show::HEAD) => Ok(()),
        Ok(Some(_)) => Err(Failure::usage(format!(
            "{} was not written by find-sources and stays; name another file",
            path.display()
        ))),
        Err(failure) => Err(Failure::usage(failure.to_string())),
    }
}

/// `3 min of 10 min: 9 of 10 servers answer, 120 samples (Ctrl-C ends it)`
fn progress(elapsed: f64, lasts: f64, records: &[&Record]) -> String {
    let answer = records.iter().filter(|record| record.answered > 0).count();
    let samples: usize = records.iter().map(|record| record.samples.len()).sum();
    let all = records.len();
    format!(
        "{} of {}: {answer} of {all} servers answer, {samples} samples (Ctrl-C ends it)",
        seconds(elapsed.floor()),
        seconds(lasts)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_wrong_ones_explained() {
        let wish = Wish::read(&["a.example", "--for", "6h", "b.example", "--write", "/x"]).expect("good");
        assert_eq!(wish.hosts, ["a.example", "b.example"]);
        assert_eq!((wish.lasts, wish.write, wish.pace), (21_600.0, Some("/x".into()), None));
        assert_eq!(Wish::read(&["--pace", "0.4"]).expect("good").pace, Some(0.4));
        for (word, seconds) in [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2d", 172_800.0)] {
            assert_eq!(time(word).expect("good"), seconds, "{word}");
        }
        for bad in [
            &["--for"][..],
            &["--for", "x"],
            &["--for", "8d"],
            &["--for", "1s"],
            &["--pace", "0"],
            &["--fast"],
        ] {
            assert!(Wish::read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_files_of_its_own_are_replaced() {
        let folder = files::tests::Folder::new("find-sources");
        let path = folder.file("found.sources");
        assert!(may_write(&path).is_ok(), "nothing is there");
        std::fs::write(&path, format!("{}, best first.\n", show::HEAD)).expect("room");
        assert!(may_write(&path).is_ok());
        std::fs::write(&path, "server mine.example\n").expect("room");
        assert!(may_write(&path).is_err());
    }
}
