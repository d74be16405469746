//! The commands: one table, from which dispatch, help, suggestions and the manual page come.
//!
//! To add a command, add one [`Command`] to the list of its group; the tests of this file check the rest.

mod access;
pub mod changes;
mod clients;
mod clock;
mod orders;
mod program;
mod replay;
mod reports;
mod side_by_side;
mod sources;
mod threads;
mod why;

use ntp::config::suggest::nearest;

use super::Name;
use super::session::{Outcome, Session};

pub use reports::{source, source_count, tracking_name};

/// One command.
pub struct Command {
    /// The first word.
    pub name: &'static str,
    /// How to write it, and what each form does in a few words.
    pub forms: &'static [Form],
    /// What it does, for `--help` and the manual page: sentences.
    pub doc: &'static str,
    /// A line one can type, without the program's name.
    pub example: &'static str,
    /// Where help lists it.
    pub group: Group,
    /// Carries it out with the words after its name.
    pub run: fn(&mut Session<'_>, &[&str]) -> Outcome,
}

/// One way to write a command.
pub struct Form {
    /// Arguments after the name.
    pub arguments: &'static str,
    /// What it does; no full stop.
    pub what: &'static str,
}

/// Chapters of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// What chronyc does not know.
    Own,
    /// The clock.
    Clock,
    /// Where time comes from.
    Sources,
    /// Whom time is served to.
    Server,
    /// Changes that last; chronyc does not know them.
    Changes,
    /// The daemon itself.
    Daemon,
    /// This program.
    Program,
    /// Kept for old scripts; not listed.
    Hidden,
}

impl Group {
    /// Every chapter, in the order of the help.
    pub const ALL: [Self; 7] =
        [Self::Own, Self::Clock, Self::Sources, Self::Server, Self::Changes, Self::Daemon, Self::Program];

    /// Does chronyc not know these?
    pub fn is_own(self) -> bool {
        matches!(self, Self::Own | Self::Changes)
    }

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Own => "At a glance",
            Self::Clock => "The clock",
            Self::Sources => "Time sources",
            Self::Server => "Serving time",
            Self::Changes => "Changes that last",
            Self::Daemon => "The daemon",
            Self::Program => "This program",
            Self::Hidden => "Kept for old scripts",
        }
    }
}

/// One form of a command.
pub const fn form(arguments: &'static str, what: &'static str) -> Form {
    Form { arguments, what }
}

/// Every command of every group.
pub fn all() -> impl Iterator<Item = &'static Command> {
    [
        &[super::status::COMMAND, super::top::COMMAND, crate::doctor::COMMAND, crate::find_sources::COMMAND],
        #[cfg(feature = "web")]
        super::history::COMMANDS,
        replay::COMMANDS,
        super::setup::COMMANDS,
        &[super::uci::COMMAND, super::check_config::COMMAND, super::import::COMMAND],
        reports::COMMANDS,
        clock::COMMANDS,
        sources::COMMANDS,
        access::COMMANDS,
        changes::COMMANDS,
        orders::COMMANDS,
        program::COMMANDS,
        &[super::completions::COMMAND],
    ]
    .into_iter()
    .flatten()
}

/// The command with exactly this name, no abbreviations; run as chronyc, only chronyc's.
pub fn find(name: &str, program: Name) -> Option<&'static Command> {
    all().find(|command| command.name == name && (program == Name::Timeball || !command.group.is_own()))
}

/// What to say of the first `--option` that the command's forms and documentation do not know: nobody types one to be
/// ignored.
pub fn strange_option(command: &Command, words: &[&str]) -> Option<String> {
    let plain = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    let known = || {
        let texts = command.forms.iter().map(|form| form.arguments).chain([command.doc]);
        texts.flat_map(move |text| text.split(plain)).filter(|word| word.starts_with("--"))
    };
    let word = words.iter().find(|word| {
        let option = word.split('=').next().unwrap_or_default();
        option.len() > 2 && option.starts_with("--") && !known().any(|known| known == option)
    })?;
    let text = format!("{} has no option {word}", command.name);
    Some(match nearest(word, known()) {
        Some(near) => format!("{text}, did you mean {near}?"),
        None => format!("{text}; timeball {} --help shows what it has.", command.name),
    })
}

/// The name that was probably meant.
pub fn suggestion(word: &str) -> Option<&'static str> {
    let names = || all().filter(|command| command.group != Group::Hidden).map(|command| command.name);
    let word = word.to_lowercase();
    let longer = names().find(|name| word.len() >= 3 && name.starts_with(&word));
    longer.or_else(|| nearest(&word, names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_no_form_has_are_named() {
        let said =
            |name, words: &[&str]| strange_option(find(name, Name::Timeball).expect("it is there"), words);
        assert_eq!(said("sources", &["-v", "--why"]), None);
        assert_eq!(
            said("sources", &["--wy"]).as_deref(),
            Some("sources has no option --wy, did you mean --why?")
        );
        let text = said("tracking", &["--frob=1"]);
        assert_eq!(
            text.as_deref(),
            Some("tracking has no option --frob=1; timeball tracking --help shows what it has.")
        );
        assert_eq!(said("tracking", &["--", "-x", "-1"]), None);
    }

    #[test]
    fn every_command_is_complete_and_named_once() {
        let mut names: Vec<_> = all().map(|command| command.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name occurs twice");
        for command in all() {
            let name = command.name;
            assert!(command.doc.ends_with('.'), "{name}: the description is sentences");
            assert!(!command.forms.is_empty(), "{name}: no form");
            assert!(
                command.forms.iter().all(|form| !form.what.ends_with('.')),
                "{name}: a form is no sentence"
            );
            let first = command.example.split_whitespace().next();
            assert_eq!(first, Some(name), "{name}: the example must use the command");
        }
    }

    #[test]
    fn every_word_of_chronyc_is_known() {
        for name in "tracking sources sourcestats selectdata authdata ntpdata activity serverstats clients rtcdata \
            smoothing sourcename manual waitsync makestep maxupdateskew reselect reselectdist selectopts offset add \
            delete burst online offline onoffline maxdelay maxdelayratio maxdelaydevratio minpoll maxpoll minstratum \
            polltarget refresh reload reset settime accheck cmdaccheck allow deny cmdallow cmddeny local smoothtime \
            trimrtc writertc cyclelogs dump rekey shutdown dfreq doffset dns timeout retries keygen help exit quit \
            password authhash"
            .split_whitespace()
        {
            assert!(find(name, Name::Chronyc).is_some(), "{name}");
        }
        for unknown in ["track", "Tracking", "status"] {
            assert!(find(unknown, Name::Chronyc).is_none(), "{unknown}");
        }
    }

    #[test]
    fn typing_errors_get_a_suggestion() {
        for (word, name) in [
            ("trakcing", Some("tracking")),
            ("source", Some("sources")),
            ("Tracking", Some("tracking")),
            ("activ", Some("activity")),
            ("shutdwon", Some("shutdown")),
            ("ntpdate", Some("ntpdata")),
            ("xyzzy", None),
            ("", None),
        ] {
            assert_eq!(suggestion(word), name, "{word}");
        }
    }
}
