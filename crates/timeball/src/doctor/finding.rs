//! What a check says.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It could not be found out.
    Skipped,
    /// It works, but not as well as it could.
    Warning,
    /// Something does not work, or does harm.
    Fault,
}

impl Level {
    /// The word for it, as in the JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Why, in one sentence.
    pub reason: String,
    /// What was seen.
    pub evidence: Vec<String>,
    /// A command for the shell that mends it; empty: there is none.
    pub command: String,
    /// What to do, where a command cannot know.
    pub advice: String,
}

impl Finding {
    fn new(level: Level, reason: impl Into<String>) -> Self {
        Self {
            level,
            reason: reason.into(),
            evidence: Vec::new(),
            command: String::new(),
            advice: String::new(),
        }
    }

    /// All is well.
    pub fn ok(reason: impl Into<String>) -> Self {
        Self::new(Level::Ok, reason)
    }

    /// It could not be found out.
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Level::Skipped, reason)
    }

    /// It works, but not as well as it could.
    pub fn warning(reason: impl Into<String>) -> Self {
        Self::new(Level::Warning, reason)
    }

    /// Something does not work, or does harm.
    pub fn fault(reason: impl Into<String>) -> Self {
        Self::new(Level::Fault, reason)
    }

    /// What was seen.
    pub fn seen(mut self, evidence: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(evidence.into_iter().map(Into::into));
        self
    }

    /// The command that mends it.
    pub fn mend(mut self, command: impl Into<String>) -> Self {
        self.command = command.into();
        self
    }

    /// What to do.
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

/// A word of the shell that stands for `text`, whatever is in it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.-_:,=+@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// A duration with a unit that suits it.
pub fn seconds(value: f64) -> String {
    let (number, unit) = match value.abs() {
        small if small < 999.5e-6 => (value * 1e6, "µs"),
        small if small < 0.9995 => (value * 1e3, "ms"),
        small if small < 120.0 => (value, "s"),
        small if small < 7200.0 => (value / 60.0, "min"),
        small if small < 172_800.0 => (value / 3600.0, "h"),
        _ => (value / 86_400.0, "days"),
    };
    let digits = usize::from(number.abs() < 9.95 && number.fract() != 0.0);
    format!("{number:.digits$} {unit}")
}
