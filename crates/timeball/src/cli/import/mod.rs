//! `import`: what other programs have, for ours: rrdtool's records, and the configurations of ntpd, ntpd-rs and openntpd.
//!
//! A configuration becomes text on standard output (or a new file). Each line that cannot be carried over stands in it as
//! a comment with its number and the reason; nothing is left out silently.

mod ntp_clocks;
mod ntp_conf;
mod ntp_toml;
mod openntpd;

use crate::daemon::configuration::Disk;
use ntp::config::parse_lines;
use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

use super::commands::{Command, Group, form};
use super::session::{Failure, Outcome, Session};

/// What this file adds to the table.
pub const COMMAND: Command = Command {
    name: "import",
    forms: &[
        form("ntp.conf|ntp.toml|openntpd.conf [-o FILE]", "print the same as a configuration of ours"),
        #[cfg(feature = "web")]
        form("FILE.xml [--archive FILE]", "take over what rrdtool has recorded"),
    ],
    doc: "Reads the configuration of ntpd (ntp.conf), ntpd-rs (ntp.toml) or openntpd (openntpd.conf) and prints what it says in our \
          language; each line that cannot be carried over is in it as a comment that says why. With -o it goes into a new file. \
          The output of rrdtool dump goes into the archive (--archive FILE) where that knows nothing yet: series of the same \
          names, or the seventeen of the rrdtool page; the daemon must not run meanwhile.",
    example: "import /etc/ntp.conf -o timeball.conf",
    group: Group::Own,
    run: import,
};

/// The configuration under construction.
#[derive(Debug, Default)]
pub struct Translation {
    lines: Vec<String>,
}

/// Why a line, or a part of it, is not carried over.
type Refusal = Result<(), String>;

impl Translation {
    /// A directive of ours.
    fn say(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// A remark of ours.
    fn remark(&mut self, text: &str) {
        self.lines.push(format!("# {text}"));
    }

    /// A line that is not carried over, or only in part, and why.
    fn refuse(&mut self, number: impl Display, line: &str, why: &str) {
        let line = line.trim().replace(char::is_control, " ");
        let done = match why.strip_prefix("without ") {
            Some(lost)
                if !line.ends_with(lost) || line.len() > lost.len() + line.find(' ').unwrap_or(0) + 1 =>
            {
                format!("carried over {why}")
            }
            Some(_) => "not carried over (it has no counterpart)".to_owned(),
            None => format!("not carried over ({why})"),
        };
        self.lines.push(format!("# line {number} is {done}: {line}"));
    }

    fn says(&self, directive: &str) -> bool {
        self.count(directive) != 0
    }

    fn count(&self, directive: &str) -> usize {
        self.lines.iter().filter(|line| line.split(' ').next() == Some(directive)).count()
    }

    /// Serving on one address: we listen on all, or on one of each family.
    fn bind(&mut self, address: IpAddr) -> Refusal {
        let line = format!("bindaddress {address}");
        let of_family = |line: &String| {
            let known = line.strip_prefix("bindaddress ").and_then(|word| word.parse::<IpAddr>().ok());
            known.is_some_and(|known| known.is_ipv4() == address.is_ipv4())
        };
        if self.lines.iter().any(|known| of_family(known) && *known != line) {
            return Err("one address of each family can be listened on, or all".to_owned());
        }
        self.say(line);
        Ok(())
    }

    /// What was said together with what is wrong with it: the result can always be used.
    fn text(mut self) -> String {
        if self.count("ntsservercert") != self.count("ntsserverkey") {
            self.lines.retain(|line| !line.starts_with("ntsserver"));
            self.remark(
                "A certificate of NTS without its key, or a key without its certificate, is not carried over",
            );
        }
        for line in &mut self.lines {
            if let Err(refused) = parse_lines(&[&*line], &Disk)
                && let Some(error) = refused.errors.first()
            {
                let why = error.message.trim_end_matches(" at line 1");
                *line = format!("# cannot be used here ({why}): {line}").replace(char::is_control, " ");
            }
        }
        self.lines.join("\n") + "\n"
    }
}

/// Nothing, or that these words of a line say nothing here.
fn without(lost: &[&str]) -> Refusal {
    if lost.is_empty() { Ok(()) } else { Err(format!("without {}", lost.join(" "))) }
}

/// The rate that follows from one request in `seconds`, as a power of two.
fn rate(seconds: f64) -> String {
    format!("ratelimit interval {}", seconds.max(1e-6).log2().round().clamp(-19.0, 12.0))
}

/// Whose configuration it is, by its name, else by what is in it.
fn translate(name: &str, text: &str) -> String {
    let begins = |words: &[&str]| {
        text.lines().any(|line| {
            let line = line.trim_start();
            words.iter().any(|word| line.starts_with(word))
        })
    };
    let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if file.ends_with(".toml") || begins(&["[[source]]", "[source-defaults]", "[synchronization]"]) {
        return ntp_toml::translate(name, text).text();
    }
    let open = begins(&["servers ", "listen on ", "sensor ", "constraint ", "constraints ", "query from "]);
    if open || file.contains("openntpd") || file == "ntpd.conf" {
        return openntpd::translate(name, text).text();
    }
    ntp_conf::translate(name, text).text()
}

fn import(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let bad = || Failure::usage("Usage: import FILE [-o FILE]; import --help has an example");
    let (name, output) = match words {
        [name] | [name, "--archive", _] | ["--archive", _, name] => (*name, None),
        [name, "-o", file] | ["-o", file, name] => (*name, Some(*file)),
        _ => return Err(bad()),
    };
    let bytes = std::fs::read(name).map_err(|error| Failure::usage(format!("{name} : {error}")))?;
    let text = String::from_utf8_lossy(&bytes);
    if text.trim_start().starts_with('<') {
        return records(session, words);
    }
    let translated = translate(name, &text);
    let Some(file) = output else {
        write!(session.out, "{translated}")?;
        return Ok(());
    };
    // The operator's own files are never overwritten.
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    created
        .and_then(|mut file| file.write_all(translated.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::usage(format!("{file} : {error}")))?;
    writeln!(session.out, "Written to {file}. Look at it with: timeball check-config {file}")?;
    Ok(())
}

#[cfg(feature = "web")]
fn records(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    super::history::import(session, words)
}

#[cfg(not(feature = "web"))]
fn records(_: &mut Session<'_>, _: &[&str]) -> Outcome {
    Err(Failure::usage("This build has no archive to put records into"))
}

#[cfg(test)]
mod tests;
