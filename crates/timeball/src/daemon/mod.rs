//! The daemon: the operating system's side of the engine. The start is the numbered list in `start.rs`; what
//! happens afterwards is in [`event_loop`].

pub mod access_names;
pub mod answer;
pub mod args;
mod assemble;
pub mod beforehand;
pub mod cards;
pub mod changes;
pub mod clocks;
pub mod configuration;
pub mod event_loop;
pub mod files;
pub mod filter;
pub mod folders;
pub mod identity;
mod keys;
pub mod lateness;
pub mod leap_file;
pub mod logger;
pub mod mail;
pub mod memory;
#[cfg_attr(not(feature = "web"), path = "no_observer.rs")]
pub mod observer;
pub mod overrun;
pub mod ptp;
pub mod readiness;
pub mod refclocks;
pub mod resolver;
pub mod rtc;
mod run_places;
pub mod rush;
pub mod sockets;
mod start;
pub mod state;
pub mod system_clock;
pub mod temperature;
pub mod thermometers;
pub mod threads;
pub mod virtual_clock;
pub mod welcome;

use args::{LogTarget, Request, Wrong};
use ntp::engine::Severity;
use std::ffi::OsString;
use std::io::Write;

/// The name the program was called by, which sets the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `chronyd`: chrony's places, rules and texts.
    Chronyd,
    /// `timeball run`.
    Timeball,
}

impl Name {
    /// The word itself, as it begins messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Chronyd => "chronyd",
            Self::Timeball => "timeball",
        }
    }
}

/// What is in this program, in the words of chrony's version line.
const FEATURES: &str = "+CMDMON +REFCLOCK +RTC +PRIVDROP +SCFILTER -SIGND -NTS +SECHASH +IPV6 -DEBUG";

/// Runs the daemon as `words` (without the program's name) ask. Returns the exit status: 0, or 1 for anything
/// that went wrong.
pub fn run(name: Name, words: &[OsString]) -> i32 {
    let mut options = match args::parse(name, words) {
        Ok(Request::Run(options)) => *options,
        Ok(Request::Version) => {
            return print(&match name {
                Name::Chronyd => {
                    format!("chronyd (chrony) {} ({FEATURES}) Timeball {OWN_VERSION}\n", version(name))
                }
                Name::Timeball => format!("Timeball {OWN_VERSION} ({FEATURES})\n"),
            });
        }
        Ok(Request::Help) => return print(&args::usage(name)),
        Ok(Request::HelpConfig(None)) => return print(&ntp::config::doc::help()),
        Ok(Request::HelpConfig(Some(directive))) => return help_config(&directive),
        Err(wrong) => return refuse(name, &wrong),
    };
    let mut readiness = match start::detach(name, &mut options) {
        Ok(readiness) => readiness,
        Err(message) => return refuse(name, &Wrong::BadValue(message)),
    };
    let mut daemon = match start::start(name, &options, &mut readiness) {
        Ok(Some(daemon)) => daemon,
        Ok(None) => return 0,
        Err(messages) => {
            for message in &messages {
                logger::log(Severity::Fatal, message);
            }
            // Whoever started us looks at the terminal, not into the log.
            let said = format!("Fatal error : {}", messages.join("\nFatal error : "));
            if !readiness.failed(&said) && options.log != LogTarget::Stderr {
                let _ = writeln!(std::io::stderr(), "{said}");
            }
            return 1;
        }
    };
    let status = daemon.event_loop.run();
    readiness.stopping();
    daemon.event_loop.finish();
    logger::info(&format!("{} exiting", name.word()));
    status
}

/// Timeball's own version.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version as it is logged at the start. Scripts that look for chronyd's expect one of chrony's: that of the
/// release whose behaviour is meant.
fn version(name: Name) -> String {
    match name {
        Name::Chronyd => "version 4.8".to_owned(),
        Name::Timeball => format!("version {OWN_VERSION}"),
    }
}

/// Explains one directive. Returns the exit status.
fn help_config(directive: &str) -> i32 {
    if let Some(text) = ntp::config::doc::help_for(directive) {
        return print(&text);
    }
    let names = ntp::config::directives::all().map(|directive| directive.name);
    let hint = match ntp::config::suggest::nearest(&directive.to_lowercase(), names) {
        Some(name) => format!("Did you mean \"{name}\"?"),
        None => "timeball run --help-config explains them all.".to_owned(),
    };
    let _ = writeln!(std::io::stderr(), "There is no directive \"{directive}\". {hint}");
    1
}

/// Prints on standard output. The exit status: 1 if it could not be written.
fn print(text: &str) -> i32 {
    i32::from(std::io::stdout().write_all(text.as_bytes()).is_err())
}

/// Says what is wrong with the command line.
fn refuse(name: Name, wrong: &Wrong) -> i32 {
    let text = match wrong {
        Wrong::Unknown(option) => format!("{}: invalid option {option}\n", name.word()),
        Wrong::MissingValue(letter) => format!("{}: option -{letter} requires an argument\n", name.word()),
        Wrong::BadValue(message) => {
            logger::log(Severity::Fatal, message);
            return 1;
        }
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
    print(&args::usage(name));
    1
}
