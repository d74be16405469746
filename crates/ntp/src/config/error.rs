//! What is wrong with a configuration, and where.

use super::words::{Wrong, WrongKind};
use core::fmt;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file; `None` for directives given as command-line arguments.
    pub file: Option<String>,
    /// Line of the file, or number of the argument, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    /// ` at line N in file F`, as chrony's messages end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " at line {}", self.line)?;
        match &self.file {
            Some(file) => write!(f, " in file {file}"),
            None => Ok(()),
        }
    }
}

/// One reason why the daemon cannot start with this configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where; `None` when no single line is to blame.
    pub origin: Option<Origin>,
    /// chrony's wording, complete, without the prefix `Fatal error : `.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ConfigError {
    /// An error of no particular line.
    pub fn general(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { origin: None, message: message.into(), hint: Some(hint.into()) }
    }

    /// `what` followed by the place.
    pub(super) fn at(origin: Origin, what: &str, hint: Option<String>) -> Self {
        Self {
            message: format!("{}{origin}", printable(what)),
            origin: Some(origin),
            hint: hint.map(|h| printable(&h)),
        }
    }

    /// A directive's refusal in chrony's wording; without a hint of its own it shows the usage.
    pub(super) fn of_directive(origin: Origin, name: &str, usage: &str, wrong: Wrong) -> Self {
        let what = match wrong.kind {
            WrongKind::Missing => format!("Missing arguments for {name} directive"),
            WrongKind::TooMany => format!("Too many arguments for {name} directive"),
            WrongKind::Unparsable => format!("Could not parse {name} directive"),
            WrongKind::Syntax => format!("Invalid syntax for {name} directive"),
            WrongKind::Option => format!("Invalid option in {name} directive"),
            WrongKind::Value => format!("Invalid value in {name} directive"),
            WrongKind::Range { value, min, max } => {
                format!("Invalid value {value} in {name} directive (min {min}, max {max})")
            }
            WrongKind::LogWord => "Invalid log parameter".to_owned(),
        };
        let usage = if usage.is_empty() {
            format!("usage: {name}, without arguments")
        } else {
            format!("usage: {name} {usage}")
        };
        Self::at(origin, &what, Some(wrong.hint.unwrap_or(usage)))
    }
}

/// One line that can be logged and shown: no control characters, no endless words.
pub(super) fn printable(text: &str) -> String {
    const LONGEST: usize = 400;
    let mut out: String = text.chars().take(LONGEST).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        out.push_str("...");
    }
    out
}

impl fmt::Display for ConfigError {
    /// The message, then `: ` and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Something an operator should know, but no reason not to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub origin: Origin,
    /// What, one line.
    pub text: String,
}

impl fmt::Display for Warning {
    /// `FILE:LINE: text`, or `argument N: text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin.file {
            Some(file) => write!(f, "{file}:{}: {}", self.origin.line, self.text),
            None => write!(f, "argument {}: {}", self.origin.line, self.text),
        }
    }
}
