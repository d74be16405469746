//! `undo`: what is said and asked; what is done is in [`crate::setup::apply`].

use super::options::Format;
use super::session::{Failure, Outcome, Session};
use super::setup::{Words, agreed, trouble};
use crate::setup::apply::{self, Done, Judge, Scope, Undone};
use crate::setup::journal::{Action, Journal, Step};
use crate::setup::lines::diff;
use crate::setup::lock::Lock;
use crate::setup::runner::Runner;
use crate::setup::tree::Node;
use ntp::report::json;

/// The command.
pub(super) fn undo(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let words = Words::read(words)?;
    if words.profile.is_some() {
        return Err(Failure::usage(
            "undo takes no profile: it takes back what setup has changed, whichever that was",
        ));
    }
    let tree = words.tree()?;
    let is_json = session.options.format == Format::Json;
    let only = match words.only.as_slice() {
        [] => None,
        [part] => Some(*part),
        _ => return Err(Failure::usage("undo takes one part at a time, or all without --only")),
    };
    let _alone = if words.dry_run { None } else { Some(Lock::take(&tree).map_err(|error| trouble(&error))?) };
    let Some(mut journal) = Journal::load(&tree).map_err(|error| trouble(&error))? else {
        if !words.dry_run {
            Journal::sweep(&tree).map_err(|error| trouble(&error))?;
        }
        if is_json {
            return print_json(session, "nothing", &[]);
        }
        writeln!(session.out, "Nothing to undo: setup has changed nothing here.")?;
        return Ok(());
    };
    let steps: Vec<Step> = (journal.entries.iter().rev())
        .filter(|entry| only.is_none_or(|part| part == entry.step.part))
        .map(|entry| entry.step.clone())
        .collect();
    if steps.is_empty() && !is_json {
        let part = only.map_or_else(String::new, |part| format!(" of {part}"));
        writeln!(session.out, "Nothing to undo: setup has changed nothing{part} here.")?;
    }
    for step in steps.iter().filter(|_| !is_json) {
        match &step.action {
            Action::Run { revert, .. } if !revert.is_empty() => {
                writeln!(session.out, "[{}] run: {}", step.part, revert.join(" "))?;
            }
            Action::Run { .. } => {}
            Action::Change { path, before, .. } => {
                writeln!(session.out, "[{}] {} {path}", step.part, change(before))?;
            }
        }
    }
    if words.dry_run {
        let planned: Vec<_> = steps.into_iter().map(|step| (step, None)).collect();
        return if is_json { print_json(session, "planned", &planned) } else { Ok(()) };
    }
    if !steps.is_empty() && !agreed(session, words.yes || words.force, "Take all this back?")? {
        writeln!(session.out, "Nothing was changed.")?;
        return Ok(());
    }
    let runner = if tree.is_live() { Runner::Real } else { Runner::Pretend };
    let (yes, force) = (words.yes, words.force);
    let mut judge = Answers { session, yes, force, quiet: is_json, told: Vec::new() };
    let scope = Scope { only, from: 0 };
    let whole = apply::undo(&tree, runner, &mut journal, scope, &mut judge)
        .map_err(|error| Failure::usage(format!("{error}; run undo again to go on")))?;
    let told = judge.told;
    journal.finish(&tree).map_err(|error| trouble(&error))?;
    if is_json {
        print_json(session, if whole { "done" } else { "left" }, &told)?;
        return if whole { Ok(()) } else { Err(Failure::Silent) };
    }
    if whole {
        if !steps.is_empty() {
            writeln!(session.out, "Done.")?;
        }
        return Ok(());
    }
    Err(Failure::usage("Something is left; undo --force puts back the old files all the same."))
}

fn change(before: &Node) -> &'static str {
    if *before == Node::Absent { "remove" } else { "restore" }
}

fn print_json(session: &mut Session<'_>, state: &str, steps: &[(Step, Option<Undone>)]) -> Outcome {
    let mut out = format!("{{\"state\":\"{state}\",\"steps\":[");
    let mut between = "";
    for (step, undone) in steps {
        match &step.action {
            Action::Run { revert, .. } if revert.is_empty() => continue,
            Action::Run { revert, .. } => {
                out.push_str(&format!("{between}{{\"part\":\"{}\",\"run\":[", step.part));
                for (index, word) in revert.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    json::string(&mut out, word);
                }
                out.push(']');
            }
            Action::Change { path, before, .. } => {
                out.push_str(&format!("{between}{{\"part\":\"{}\",\"path\":", step.part));
                json::string(&mut out, path);
                out.push_str(&format!(",\"change\":\"{}\"", change(before)));
            }
        }
        if let Some(undone) = undone {
            out.push_str(&format!(",\"outcome\":\"{}\"", outcome(undone)));
            if let Undone::Ran(Done::Failed(why)) = undone {
                out.push_str(",\"why\":");
                json::string(&mut out, why);
            }
        }
        out.push('}');
        between = ",";
    }
    writeln!(session.out, "{out}]}}")?;
    Ok(())
}

fn outcome(undone: &Undone) -> &'static str {
    match undone {
        Undone::Restored => "restored",
        Undone::WasSo => "was so",
        Undone::Merged(_) => "merged",
        Undone::Changed => "changed since",
        Undone::NotEmpty => "not empty",
        Undone::Ran(Done::Made) => "ran",
        Undone::Ran(Done::Would) => "would run",
        Undone::Ran(Done::Failed(_)) => "failed",
    }
}

/// Answers of the person at the terminal, or of the options.
pub(super) struct Answers<'a, 'b> {
    pub session: &'a mut Session<'b>,
    pub yes: bool,
    pub force: bool,
    pub quiet: bool,
    /// What became of each step.
    pub told: Vec<(Step, Option<Undone>)>,
}

impl Judge for Answers<'_, '_> {
    fn accepts(&mut self, path: &str, now: &str, merged: &str) -> bool {
        if !self.quiet {
            let text = diff(now, merged);
            let _ = writeln!(
                self.session.out,
                "{path} was changed since. Without setup's changes and with those:\n{text}"
            );
        }
        agreed(self.session, self.yes, "Take that?").unwrap_or(false)
    }

    fn forces(&mut self, _: &str) -> bool {
        self.force
    }

    fn tell(&mut self, step: &Step, undone: &Undone) {
        self.told.push((step.clone(), Some(undone.clone())));
        let what = match &step.action {
            Action::Change { path, .. } => path.clone(),
            Action::Run { revert, .. } => revert.join(" "),
        };
        let text = match undone {
            Undone::Changed => format!("{what} was changed since, in the same lines; it stays as it is."),
            Undone::NotEmpty => format!("{what} has things in it and stays."),
            Undone::Ran(Done::Failed(why)) => format!("{why} (going on)"),
            Undone::Ran(Done::Would) if !self.quiet => format!("would run: {what}"),
            Undone::Merged(_) => format!("{what}: setup's changes and those made since are apart."),
            _ => return,
        };
        let _ = writeln!(self.session.err, "{text}"); // stderr may be closed
    }
}
