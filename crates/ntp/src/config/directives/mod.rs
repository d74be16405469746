//! The table of all directives: one item is name, usage, default, documentation and effect.
//!
//! To add a directive: one [`Directive`] in the section's file, one field with its default in
//! [`Config`]. Parser, suggestions, manual page and help follow; the table's tests check the rest.

mod access;
mod clock;
mod files;
mod hardware;
mod logging;
mod nts;
mod observe;
mod options;
mod ratelimit;
mod refclock;
mod rtc;
mod selection;
mod serving;
mod sources;
mod threads;

pub use access::{AccessTarget, parse_access};
pub use options::{OptionDef, option_names};
pub use refclock::REFCLOCK_OPTIONS;
pub use sources::{SOURCE_OPTIONS, SourceWrong, source_from_words, source_words};

use super::Config;
use super::words::{Words, Wrong};

/// One directive.
#[derive(Debug)]
pub struct Directive {
    /// Its name, lower case; matched without case.
    pub name: &'static str,
    /// Its arguments: capitals are the operator's, brackets optional, `|` a choice. Empty: none.
    pub usage: &'static str,
    /// What holds without it, in words; empty where nothing does.
    pub default: &'static str,
    /// What it does: one to three sentences.
    pub doc: &'static str,
    /// Does it do that already?
    pub status: Status,
    /// How many arguments it has.
    pub arguments: Arguments,
    /// Reads the arguments into the configuration.
    pub apply: Apply,
}

/// How far a directive works in this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Effective,
    /// Its arguments are checked, then a warning says that it has no effect yet.
    NotYet,
    /// Existing files have it; a warning says that it is no longer supported.
    Removed,
    /// Existing files have it; ignored without a word.
    Silent,
}

/// How many arguments a directive has; counted before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// This many.
    Exactly(usize),
    /// The directive counts for itself.
    Own,
}

/// What a directive does when it is read.
#[derive(Clone, Copy, Debug)]
pub enum Apply {
    /// Writes into the configuration.
    Set(fn(&mut Config, &mut Words<'_>) -> Result<(), Wrong>),
    /// Reads other files in its place.
    Include,
    /// Reads the `*.conf` files of folders in its place.
    ConfDir,
    /// Nothing at all.
    Nothing,
}

/// One section of the table and of the manual page.
#[derive(Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// Its directives, by name.
    pub directives: &'static [Directive],
}

/// All directives, in the order of the manual page.
pub const DIRECTIVES: &[Section] = &[
    Section { title: "Time sources", directives: sources::DIRECTIVES },
    Section { title: "Network Time Security", directives: nts::DIRECTIVES },
    Section { title: "Source selection", directives: selection::DIRECTIVES },
    Section { title: "System clock", directives: clock::DIRECTIVES },
    Section { title: "Serving time", directives: serving::DIRECTIVES },
    Section { title: "Serving threads", directives: threads::DIRECTIVES },
    Section { title: "Commands and monitoring", directives: access::DIRECTIVES },
    Section { title: "Real-time clock", directives: rtc::DIRECTIVES },
    Section { title: "Logging", directives: logging::DIRECTIVES },
    Section { title: "Statistics and page", directives: observe::DIRECTIVES },
    Section { title: "Files and process", directives: files::DIRECTIVES },
    Section { title: "Hardware", directives: hardware::DIRECTIVES },
    Section { title: "Obsolete directives", directives: files::OBSOLETE },
];

/// Every directive of every section.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    DIRECTIVES.iter().flat_map(|section| section.directives)
}

/// One option of a directive as documents show it.
#[derive(Clone, Copy, Debug)]
pub struct OptionRow {
    /// Its name, lower case.
    pub name: &'static str,
    /// Its argument, or empty.
    pub usage: &'static str,
    /// Does it work?
    pub status: Status,
}

/// Every directive that has options of its own, with them. Those of `server` are those of `pool` and `peer` too.
pub fn option_tables() -> [(&'static str, Vec<OptionRow>); 5] {
    fn rows<T>(table: &'static [OptionDef<T>]) -> Vec<OptionRow> {
        let row = |option: &OptionDef<T>| OptionRow {
            name: option.name,
            usage: option.usage,
            status: option.status,
        };
        table.iter().map(row).collect()
    }
    [
        ("server", rows(SOURCE_OPTIONS)),
        ("refclock", rows(REFCLOCK_OPTIONS)),
        ("local", rows(serving::LOCAL_OPTIONS)),
        ("hwtimestamp", rows(hardware::HWTIMESTAMP_OPTIONS)),
        ("log", logging::categories()),
    ]
}

/// The directive of this name, whatever the case.
pub fn find(name: &str) -> Option<&'static Directive> {
    all().find(|directive| directive.name.eq_ignore_ascii_case(name))
}

impl Directive {
    /// A directive with `arguments` words that works.
    const fn new(
        name: &'static str,
        usage: &'static str,
        default: &'static str,
        doc: &'static str,
        arguments: Arguments,
        apply: fn(&mut Config, &mut Words<'_>) -> Result<(), Wrong>,
    ) -> Self {
        Self { name, usage, default, doc, status: Status::Effective, arguments, apply: Apply::Set(apply) }
    }

    /// The same, but there is nothing to do for it.
    const fn idle(self) -> Self {
        Self { status: Status::Silent, ..self }
    }

    /// The same, but without effect in this version.
    const fn not_yet(self) -> Self {
        Self { status: Status::NotYet, ..self }
    }
}

/// For use in the tables.
mod prelude {
    pub(super) use super::Arguments::{Exactly, Own};
    pub(super) use super::options::{FLAG, OptionDef, read_options};
    pub(super) use super::{Apply, Directive, Status};
    pub(super) use crate::config::words::{Words, Wrong, WrongKind};
    pub(super) use crate::config::*;
    pub(super) use std::path::PathBuf;

    /// Largest integer where a directive names no other limit.
    pub(super) const MAX: i32 = i32::MAX;

    /// A file name: any word.
    pub(super) fn path(words: &mut Words<'_>) -> Result<PathBuf, Wrong> {
        Ok(words.word()?.into())
    }

    /// A port number.
    pub(super) fn port(words: &mut Words<'_>) -> Result<u16, Wrong> {
        Ok(words.int(0, 65535)? as u16)
    }

    /// An IP address, no name.
    pub(super) fn address(words: &mut Words<'_>) -> Result<IpAddr, Wrong> {
        let word = words.word()?;
        word.parse().map_err(|_| WrongKind::Unparsable.hint(format!("\"{word}\" is not an IP address")))
    }

    /// Replaces the address of the same family: the last one named wins.
    pub(super) fn set_of_family(list: &mut Vec<IpAddr>, address: IpAddr) {
        list.retain(|old| old.is_ipv4() != address.is_ipv4());
        list.push(address);
    }

    /// One of a few words, whatever the case.
    pub(super) fn choice<T: Copy>(words: &mut Words<'_>, choices: &[(&str, T)]) -> Result<T, Wrong> {
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let word =
            words.next_word().ok_or_else(|| WrongKind::Unparsable.hint(format!("one of {}", names())))?;
        choices
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word))
            .map(|(_, value)| *value)
            .ok_or_else(|| WrongKind::Unparsable.hint(format!("\"{word}\" is none of {}", names())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every name of the format.
    const EXPECTED: &str = "server pool peer initstepslew refclock manual acquisitionport bindacqaddress \
        bindacqdevice dscp dumpdir maxsamples minsamples ntsaeads ntsdumpdir ntscachedir ntsrefresh ntstrustedcerts \
        nosystemcert nocerttimecheck refresh authselectmode combinelimit maxdistance maxjitter maxstratum minstratum \
        minsources reselectdist stratumweight clockprecision corrtimeratio driftfile fallbackdrift leapsecmode \
        leapsectz leapseclist makestep maxchange maxclockerror maxdrift maxslewrate maxupdateskew tempcomp temperature smoothtime \
        allow deny bindaddress binddevice broadcast clientloglimit clientprefix noclientlog local ntpsigndsocket ntsport \
        ntsservercert ntsserverkey ntsprocesses maxntsconnections ntsntpserver ntsrotate port ratelimit requestlog trafficlimit ntsratelimit \
        bindcmdaddress bindcmddevice cmdallow cmddeny cmdport cmdratelimit opencommands rtcsync rtcfile rtcdevice \
        rtcautotrim rtconutc hwclockfile log logbanner logchange logdir mailonchange include confdir sourcedir keyfile \
        pidfile user lock_all sched_priority hwtimestamp hwtstimeout maxtxbuffers ptpport ptpdomain dumponexit \
        commandkey generatecommandkey linux_freq_scale linux_hz stats web serverthreads serverpinning serveraffinity \
        servercoalesce";

    #[test]
    fn the_table_is_complete() {
        let expected: BTreeSet<&str> = EXPECTED.split_whitespace().collect();
        let present: BTreeSet<&str> = all().map(|d| d.name).collect();
        assert_eq!(present, expected);
        assert_eq!(all().count(), expected.len(), "a name stands twice in the table");
    }

    #[test]
    fn every_directive_is_documented() {
        for d in all() {
            assert_eq!(d.name, d.name.to_ascii_lowercase());
            assert!(d.doc.ends_with('.') && d.doc.len() > 20, "{}: {:?}", d.name, d.doc);
            assert!(!d.doc.contains('\n') && !d.doc.contains("  "), "{}", d.name);
            match d.arguments {
                Arguments::Exactly(0) => assert!(d.usage.is_empty(), "{}", d.name),
                Arguments::Exactly(n) => assert_eq!(d.usage.split(' ').count(), n, "{}", d.name),
                Arguments::Own => assert!(!d.usage.is_empty(), "{}", d.name),
            }
        }
        for section in DIRECTIVES {
            assert!(!section.title.is_empty() && !section.directives.is_empty());
            assert!(section.directives.is_sorted_by_key(|d| d.name), "{} is not in order", section.title);
        }
    }

    #[test]
    fn names_are_found_whatever_the_case() {
        assert_eq!(find("MakeStep").map(|d| d.name), Some("makestep"));
        assert!(find("makeste").is_none());
    }
}
