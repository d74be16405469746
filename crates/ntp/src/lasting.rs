//! Changes made at run time that shall last: one line each, and the file that keeps them.
//!
//! A line is a command as one types it, and names sources as they were configured, so that it means the same after a
//! restart. The file has a title, and before each line its number, when it was made, and a checksum: of a torn or
//! damaged file every line that is whole is kept.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use crate::config::directives::{AccessTarget, parse_access, source_from_words, source_words};
use crate::config::words::Words;
use crate::config::{AccessRule, LocalConfig, NoFiles, SourceConfig, SourceKind, Subnet, parse_lines};
use crate::control::AccessList;
use crate::control::actions::SourceOption;
use crate::learned::crc32;
use crate::report::SelectOptions;
use core::fmt::{self, Write as _};

/// The file's first line.
const TITLE: &str = "TIMEBALL CHANGES 1";
/// For whoever opens it in an editor.
const NOTE: &str = "# Commands that are carried out after the configuration was read. Written by the daemon: use \
                    \"timeball changes\" and \"timeball undo-change\".";
/// Longest line that is read or written, bytes.
const LONGEST: usize = 2048;

/// A change that means the same after a restart.
#[derive(Clone, Debug, PartialEq)]
pub enum Lasting {
    /// `add server|pool|peer NAME options`
    Add(Box<SourceConfig>),
    /// `delete NAME`: all sources configured by this name.
    Delete(String),
    /// `minpoll NAME VALUE` and its like.
    Option(String, SourceOption),
    /// `selectopts NAME ±option…`
    Select {
        /// The sources' name.
        name: String,
        /// Options that are said.
        mask: SelectOptions,
        /// … and that are on.
        options: SelectOptions,
    },
    /// `offset NAME SECONDS`
    Offset(String, f64),
    /// `makestep THRESHOLD LIMIT`: s, updates.
    MakeStep(f64, i32),
    /// `maxupdateskew`, s/s.
    MaxUpdateSkew(f64),
    /// `reselectdist`, s.
    ReselectDistance(f64),
    /// `local …`, `local off`.
    Local(Option<LocalConfig>),
    /// `allow`, `deny`, `cmdallow`, `cmddeny`.
    Access(AccessList, AccessRule),
    /// `online` (true) or `offline`: all sources (no word), those of a name, or `MASK/ADDRESS`.
    Online(bool, String),
}

/// What a change is about: of two with the same subject the later one holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// Whether there is a source of this name.
    Source(String),
    /// One option of a source: its command.
    Option(String, &'static str),
    /// One setting of the daemon: its command.
    Setting(&'static str),
    /// Who is allowed.
    Access(AccessList, Option<Subnet>),
}

impl Lasting {
    /// Reads a line; `None` if it is none of these commands, or not a right one.
    pub fn parse(line: &str) -> Option<Self> {
        if line.len() > LONGEST || line.chars().any(char::is_control) {
            return None;
        }
        let mut words = Words::new(line);
        let command = words.next_word()?;
        Some(match command {
            "add" => {
                let kind = match words.next_word()? {
                    "server" => SourceKind::Server,
                    "pool" => SourceKind::Pool,
                    "peer" => SourceKind::Peer,
                    _ => return None,
                };
                Self::Add(Box::new(source_from_words(kind, words.rest()).ok()?))
            }
            "delete" => Self::Delete(only(&mut words)?.to_owned()),
            "selectopts" => select(&mut words)?,
            "offset" => Self::Offset(words.next_word()?.to_owned(), number(&mut words)?),
            "makestep" => {
                let threshold = words.next_word()?.parse().ok().filter(|value: &f64| value.is_finite())?;
                Self::MakeStep(threshold, only(&mut words)?.parse().ok()?)
            }
            "maxupdateskew" => Self::MaxUpdateSkew(number(&mut words)? * 1e-6),
            "reselectdist" => Self::ReselectDistance(number(&mut words)?),
            "local" if words.rest() == "off" => Self::Local(None),
            "local" => Self::Local(Some(parse_lines(&[line], &NoFiles).ok()?.config.server.local?)),
            "allow" | "deny" | "cmdallow" | "cmddeny" => access(command, &mut words)?,
            "online" | "offline" if words.is_empty() => Self::Online(command == "online", String::new()),
            "online" | "offline" => Self::Online(command == "online", only(&mut words)?.to_owned()),
            _ => Self::Option(words.next_word()?.to_owned(), option(command, &mut words)?),
        })
    }

    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Add(source) => Subject::Source(source.name.clone()),
            Self::Delete(name) => Subject::Source(name.clone()),
            Self::Option(name, option) => Subject::Option(name.clone(), option_name(*option)),
            Self::Select { name, .. } => Subject::Option(name.clone(), "selectopts"),
            Self::Offset(name, _) => Subject::Option(name.clone(), "offset"),
            Self::MakeStep(..) => Subject::Setting("makestep"),
            Self::MaxUpdateSkew(_) => Subject::Setting("maxupdateskew"),
            Self::ReselectDistance(_) => Subject::Setting("reselectdist"),
            Self::Local(_) => Subject::Setting("local"),
            Self::Access(list, rule) => Subject::Access(*list, rule.subnet),
            Self::Online(_, whom) => Subject::Option(whom.clone(), "online"),
        }
    }
}

impl fmt::Display for Lasting {
    /// The line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(source) => {
                let kind = match source.kind {
                    SourceKind::Server => "server",
                    SourceKind::Pool => "pool",
                    SourceKind::Peer => "peer",
                };
                write!(f, "add {kind} {}", source_words(source))
            }
            Self::Delete(name) => write!(f, "delete {name}"),
            Self::Option(name, option) => {
                write!(f, "{} {name} ", option_name(*option))?;
                match option {
                    SourceOption::Minpoll(value)
                    | SourceOption::Maxpoll(value)
                    | SourceOption::MinStratum(value)
                    | SourceOption::PollTarget(value) => write!(f, "{value}"),
                    SourceOption::MaxDelay(value)
                    | SourceOption::MaxDelayRatio(value)
                    | SourceOption::MaxDelayDevRatio(value) => write!(f, "{value}"),
                }
            }
            Self::Select { name, mask, options } => {
                write!(f, "selectopts {name}")?;
                let flags = [
                    ("noselect", mask.noselect, options.noselect),
                    ("prefer", mask.prefer, options.prefer),
                    ("trust", mask.trust, options.trust),
                    ("require", mask.require, options.require),
                ];
                flags
                    .iter()
                    .filter(|(_, said, on)| *said || *on)
                    .try_for_each(|(option, _, on)| write!(f, " {}{option}", if *on { '+' } else { '-' }))
            }
            Self::Offset(name, seconds) => write!(f, "offset {name} {seconds}"),
            Self::MakeStep(threshold, limit) => write!(f, "makestep {threshold} {limit}"),
            Self::MaxUpdateSkew(skew) => write!(f, "maxupdateskew {}", libm::round(skew * 1e15) / 1e9),
            Self::ReselectDistance(seconds) => write!(f, "reselectdist {seconds}"),
            Self::Local(None) => f.write_str("local off"),
            Self::Local(Some(local)) => {
                let LocalConfig { stratum, distance, activate, wait_synced, wait_unsynced, orphan } = local;
                write!(f, "local stratum {stratum} distance {distance} activate {activate}")?;
                write!(f, " waitsynced {wait_synced} waitunsynced {wait_unsynced}")?;
                if *orphan { f.write_str(" orphan") } else { Ok(()) }
            }
            Self::Online(online, whom) => {
                f.write_str(if *online { "online" } else { "offline" })?;
                if whom.is_empty() { Ok(()) } else { write!(f, " {whom}") }
            }
            Self::Access(list, rule) => {
                let command = match (list, rule.allow) {
                    (AccessList::Ntp, true) => "allow",
                    (AccessList::Ntp, false) => "deny",
                    (AccessList::Command, true) => "cmdallow",
                    (AccessList::Command, false) => "cmddeny",
                };
                write!(f, "{command}{}", if rule.all { " all" } else { "" })?;
                rule.subnet.map_or(Ok(()), |subnet| write!(f, " {}/{}", subnet.address, subnet.prefix))
            }
        }
    }
}

/// The next word, if it is the last.
fn only<'a>(words: &mut Words<'a>) -> Option<&'a str> {
    let word = words.next_word()?;
    words.is_empty().then_some(word)
}

/// The next word as a finite number, if it is the last.
fn number(words: &mut Words<'_>) -> Option<f64> {
    only(words)?.parse().ok().filter(|value: &f64| value.is_finite())
}

fn option_name(option: SourceOption) -> &'static str {
    match option {
        SourceOption::Minpoll(_) => "minpoll",
        SourceOption::Maxpoll(_) => "maxpoll",
        SourceOption::MaxDelay(_) => "maxdelay",
        SourceOption::MaxDelayRatio(_) => "maxdelayratio",
        SourceOption::MaxDelayDevRatio(_) => "maxdelaydevratio",
        SourceOption::MinStratum(_) => "minstratum",
        SourceOption::PollTarget(_) => "polltarget",
    }
}

fn option(command: &str, words: &mut Words<'_>) -> Option<SourceOption> {
    let word = only(words)?;
    let whole = || word.parse::<i32>().ok();
    let real = || word.parse::<f64>().ok().filter(|value| value.is_finite());
    Some(match command {
        "minpoll" => SourceOption::Minpoll(whole()?),
        "maxpoll" => SourceOption::Maxpoll(whole()?),
        "minstratum" => SourceOption::MinStratum(whole()?),
        "polltarget" => SourceOption::PollTarget(whole()?),
        "maxdelay" => SourceOption::MaxDelay(real()?),
        "maxdelayratio" => SourceOption::MaxDelayRatio(real()?),
        "maxdelaydevratio" => SourceOption::MaxDelayDevRatio(real()?),
        _ => return None,
    })
}

fn select(words: &mut Words<'_>) -> Option<Lasting> {
    let name = words.next_word()?.to_owned();
    let (mut mask, mut options) = (SelectOptions::default(), SelectOptions::default());
    while let Some(word) = words.next_word() {
        let (on, option) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
            (Some(option), _) => (true, option),
            (_, Some(option)) => (false, option),
            _ => return None,
        };
        for (flags, value) in [(&mut mask, true), (&mut options, on)] {
            *match option {
                "noselect" => &mut flags.noselect,
                "prefer" => &mut flags.prefer,
                "trust" => &mut flags.trust,
                "require" => &mut flags.require,
                _ => return None,
            } = value;
        }
    }
    Some(Lasting::Select { name, mask, options })
}

fn access(command: &str, words: &mut Words<'_>) -> Option<Lasting> {
    let list = if command.starts_with("cmd") { AccessList::Command } else { AccessList::Ntp };
    let (all, target) = parse_access(words).ok()?;
    let subnet = match target {
        AccessTarget::Any => None,
        AccessTarget::Subnet(subnet) => {
            let longest = if subnet.address.is_ipv4() { 32 } else { 128 };
            Some(subnet).filter(|subnet| subnet.prefix <= longest)?.into()
        }
        AccessTarget::Name(_) => return None,
    };
    Some(Lasting::Access(list, AccessRule { allow: command.ends_with("allow"), all, subnet }))
}

/// One line of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// By which it is undone.
    pub number: u32,
    /// When it was made, s since 1970.
    pub at: i64,
    /// What it is.
    pub change: Lasting,
}

/// The file's text.
pub fn format<'a>(changes: impl Iterator<Item = (u32, i64, &'a Lasting)>) -> String {
    let mut text = format!("{TITLE}\n{NOTE}\n");
    for (number, at, change) in changes {
        let line = format!("{number} {at} {change}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:08x} {line}", crc32(line.as_bytes()));
    }
    text
}

/// What a file says: its changes, in order, and how many lines of it could not be read. `None`: it is not such a file.
pub fn parse(text: &str) -> Option<(Vec<Saved>, usize)> {
    let mut lines = text.lines();
    if lines.next() != Some(TITLE) {
        return None;
    }
    let (mut changes, mut damaged) = (Vec::<Saved>::new(), 0_usize);
    for line in lines.filter(|line| !line.starts_with('#')) {
        match read(line).filter(|new| changes.last().is_none_or(|last| last.number < new.number)) {
            Some(saved) => changes.push(saved),
            None => damaged = damaged.saturating_add(1),
        }
    }
    Some((changes, damaged))
}

fn read(line: &str) -> Option<Saved> {
    let (sum, line) = line.split_once(' ')?;
    if sum.len() != 8 || u32::from_str_radix(sum, 16) != Ok(crc32(line.as_bytes())) {
        return None;
    }
    let (number, rest) = line.split_once(' ')?;
    let (at, change) = rest.split_once(' ')?;
    Some(Saved { number: number.parse().ok()?, at: at.parse().ok()?, change: Lasting::parse(change)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINES: &[&str] = &[
        "add server ntp.example.net minpoll 4 key 7 offset -0.001 iburst ipv6",
        "add pool pool.example.net maxsources 2 offline",
        "add peer 192.0.2.9 xleave",
        "delete ntp.example.net",
        "minpoll ntp.example.net 4",
        "maxdelay 192.0.2.1 0.3",
        "maxdelaydevratio a 2.5",
        "selectopts a +prefer -trust",
        "offset a -0.000002",
        "makestep 0.1 -1",
        "maxupdateskew 100",
        "reselectdist 0.0001",
        "local off",
        "local stratum 5 distance 1 activate 0.5 waitsynced 0 waitunsynced 300 orphan",
        "allow 192.168.0.0/16",
        "deny all",
        "cmdallow ::/0",
        "cmddeny all 10.0.0.0/8",
        "online",
        "offline ntp.example.net",
        "offline 255.0.0.0/10.0.0.0",
    ];

    #[test]
    fn a_line_is_read_and_written_without_a_change_of_meaning() {
        for line in LINES {
            let change = Lasting::parse(line).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(change.to_string(), *line);
        }
        for bad in [
            "",
            "delete",
            "delete a b",
            "add server",
            "add server a ibrust",
            "online a b",
            "shutdown",
            "minpoll a",
            "minpoll a x",
            "offset a inf",
            "allow ntp.example.net",
            "allow 10.0.0.0/33",
            "local stratum 77",
            "makestep 1",
            "delete a\u{7}",
        ] {
            assert_eq!(Lasting::parse(bad), None, "{bad}");
        }
    }

    fn sample() -> Vec<Saved> {
        let parse = |line: &&str| Lasting::parse(line).expect("a right line");
        let saved =
            |(index, change)| Saved { number: 2 * index + 1, at: 1_790_000_000 + i64::from(index), change };
        (0u32..).zip(LINES.iter().map(parse)).map(saved).collect()
    }

    fn text(changes: &[Saved]) -> String {
        format(changes.iter().map(|saved| (saved.number, saved.at, &saved.change)))
    }

    #[test]
    fn the_file_is_read_back_and_a_torn_one_keeps_what_is_whole() {
        let changes = sample();
        let whole = text(&changes);
        assert_eq!(parse(&whole), Some((changes.clone(), 0)));
        assert_eq!(parse(""), None);
        assert_eq!(parse("delete a\n"), None, "not such a file");
        for length in TITLE.len() + 1..whole.len() {
            let Some(torn) = whole.get(..length) else { continue };
            let (kept, damaged) = parse(torn).expect("the title is there");
            assert!(changes.starts_with(&kept) && damaged <= 1, "{length}");
        }
        let flipped = whole.replace("minpoll ntp.example.net 4", "minpoll ntp.example.net 5");
        let (kept, damaged) = parse(&flipped).expect("the title is there");
        assert_eq!((kept.len(), damaged), (changes.len() - 1, 1));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(TIMEBALL CHANGES 1\n)?([ -~\n]{0,60})") {
            if let Some((changes, _)) = parse(&text) {
                prop_assert!(changes.is_sorted_by(|a, b| a.number < b.number));
            }
        }
        #[test]
        fn what_is_understood_is_written_the_same_way(line in "(add server|delete|minpoll|offset|allow|local|selectopts|offline) [a-z0-9./ +-]{0,30}") {
            if let Some(change) = Lasting::parse(&line) {
                prop_assert_eq!(Lasting::parse(&change.to_string()), Some(change));
            }
        }
    }
}
