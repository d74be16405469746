//! Lists of options: `server`, `pool` and `peer` lines, `refclock`, `local`, `hwtimestamp` have one table each.

use super::Status;
use crate::config::suggest::did_you_mean;
use crate::config::words::{Words, Wrong, WrongKind};

/// One option of a directive whose lines become a `T`.
pub struct OptionDef<T: 'static> {
    /// Its name, lower case; matched without case.
    pub name: &'static str,
    /// Its argument, or empty.
    pub usage: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Does it do that already?
    pub status: Status,
    /// Reads its argument.
    pub apply: fn(&mut T, &mut Words<'_>) -> Result<(), Wrong>,
}

impl<T> OptionDef<T> {
    /// An option that works.
    pub(super) const fn new(
        name: &'static str,
        usage: &'static str,
        default: &'static str,
        doc: &'static str,
        apply: fn(&mut T, &mut Words<'_>) -> Result<(), Wrong>,
    ) -> Self {
        Self { name, usage, default, doc, status: Status::Effective, apply }
    }

    /// The same, but without effect in this version.
    pub(super) const fn not_yet(self) -> Self {
        Self { status: Status::NotYet, ..self }
    }
}

/// The `usage` and `default` of an option that is only there or not.
pub(super) const FLAG: &str = "";

/// The names in a table, for completions.
pub fn option_names<T>(table: &'static [OptionDef<T>]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|option| option.name)
}

/// Reads options until the line ends. Those without effect yet are returned by name.
pub(super) fn read_options<T>(
    target: &mut T,
    words: &mut Words<'_>,
    table: &'static [OptionDef<T>],
) -> Result<Vec<&'static str>, Wrong> {
    let mut without_effect = Vec::new();
    while let Some(word) = words.next_word() {
        let Some(option) = table.iter().find(|option| option.name.eq_ignore_ascii_case(word)) else {
            let near = did_you_mean(word, option_names(table)).map(|m| format!(", {m}")).unwrap_or_default();
            return Err(WrongKind::Option.hint(format!("there is no option \"{word}\"{near}")));
        };
        (option.apply)(target, words).map_err(|wrong| match wrong.hint {
            Some(hint) if wrong.kind == WrongKind::Value => {
                WrongKind::Value.hint(format!("option {} {}: {hint}", option.name, option.usage))
            }
            _ => wrong,
        })?;
        if option.status == Status::NotYet && !without_effect.contains(&option.name) {
            without_effect.push(option.name);
        }
    }
    Ok(without_effect)
}
