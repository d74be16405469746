//! Making a plan true, and taking it back.
//!
//! Each step is in the journal before it is made and marked when it is; whatever is interrupted, `setup` goes on from
//! there and `undo` takes back what has happened.

use super::journal::{Action, Entry, Journal, Step};
use super::lines;
use super::parts::Part;
use super::runner::{Ran, Runner};
use super::tree::{Content, Node, Tree};
use std::io;

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Made,
    /// A command was only named, because this is a copy.
    Would,
    /// It failed; what follows was not tried.
    Failed(String),
}

/// Makes the steps; tells of each. Stops at the first that fails.
pub fn apply(
    tree: &Tree,
    runner: Runner,
    journal: &mut Journal,
    steps: &[Step],
    tell: &mut dyn FnMut(&Step, &Done),
) -> io::Result<Applied> {
    journal.is_undoing = false;
    let first = journal.extend(tree, steps)?;
    for (id, step) in (first..).zip(steps) {
        let done = match &step.action {
            Action::Change { path, after, .. } => {
                tree.become_node(path, after).map_err(|error| with_path(path, &error))?;
                Done::Made
            }
            Action::Run { apply, .. } if apply.is_empty() => Done::Made,
            Action::Run { apply, .. } => match runner.run(&words(apply)) {
                Ran::Well(_) => Done::Made,
                Ran::Would => Done::Would,
                Ran::Badly(why) => Done::Failed(why),
            },
        };
        tell(step, &done);
        if matches!(done, Done::Failed(_)) {
            return Ok(Applied { first, is_whole: false });
        }
        journal.done(tree, id)?;
    }
    Ok(Applied { first, is_whole: true })
}

/// What came of making steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number of the first entry.
    pub first: u32,
    /// Did none fail?
    pub is_whole: bool,
}

/// What is to be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// This part; all if `None`.
    pub only: Option<Part>,
    /// Entries from this number on.
    pub from: u32,
}

/// What was found when something was to be taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// It is as it was before.
    Restored,
    /// It already was.
    WasSo,
    /// Somebody has changed it since, and both changes go together: this is what would be there.
    Merged(String),
    /// Somebody has changed the same lines since, or it is no text: it stays as it is.
    Changed,
    /// A folder with things in it stays.
    NotEmpty,
    /// A command ran.
    Ran(Done),
}

/// How to answer where somebody has changed things since.
pub trait Judge {
    /// May `path`, which is `now`, become `merged`?
    fn accepts(&mut self, path: &str, now: &str, merged: &str) -> bool;
    /// May `path` become what it was, whatever was done to it since?
    fn forces(&mut self, path: &str) -> bool;
    /// Hears of every entry.
    fn tell(&mut self, step: &Step, undone: &Undone);
}

/// Takes back what is in the journal. Returns whether nothing is left of it.
pub fn undo(
    tree: &Tree,
    runner: Runner,
    journal: &mut Journal,
    scope: Scope,
    judge: &mut dyn Judge,
) -> io::Result<bool> {
    journal.settle(tree)?;
    journal.begin_undo(tree)?;
    let mut all = true;
    let entries: Vec<u32> = journal.entries.iter().rev().map(|entry| entry.id).collect();
    for id in entries {
        let Some(entry) = journal.entries.iter().find(|entry| entry.id == id).cloned() else { continue };
        if scope.only.is_some_and(|part| part != entry.step.part) || id < scope.from {
            continue;
        }
        let undone = match &entry.step.action {
            Action::Run { revert, .. } if revert.is_empty() => {
                journal.forget(tree, id)?;
                continue;
            }
            Action::Run { revert, .. } => Undone::Ran(match runner.run(&words(revert)) {
                Ran::Well(_) => Done::Made,
                Ran::Would => Done::Would,
                Ran::Badly(why) => Done::Failed(why),
            }),
            Action::Change { path, before, after } => {
                tree.tidy(path);
                undo_change(tree, journal, &entry, (path, before, after), judge)
                    .map_err(|error| with_path(path, &error))?
            }
        };
        judge.tell(&entry.step, &undone);
        match undone {
            Undone::Changed => all = false,
            Undone::Merged(_) if journal.entries.iter().any(|entry| entry.id == id) => all = false,
            // What stays in the folder may yet be taken back, and the folder after it.
            Undone::NotEmpty if holds_others(journal, &entry) => {}
            // A command that fails now would fail again: the services it speaks of may be gone.
            _ => journal.forget(tree, id)?,
        }
    }
    Ok(all)
}

/// Is something in the folder of this entry still in the journal?
fn holds_others(journal: &Journal, folder: &Entry) -> bool {
    let Action::Change { path: folder, .. } = &folder.step.action else { return false };
    journal.entries.iter().any(|entry| {
        matches!(&entry.step.action, Action::Change { path, .. }
            if path.strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/')))
    })
}

fn undo_change(
    tree: &Tree,
    journal: &mut Journal,
    entry: &Entry,
    (path, before, after): (&str, &Node, &Node),
    judge: &mut dyn Judge,
) -> io::Result<Undone> {
    let now = tree.node(path)?;
    let is_last = !journal.entries.iter().any(|later| {
        later.id > entry.id && matches!(&later.step.action, Action::Change { path: p, .. } if p == path)
    });
    if is_last && now == *before {
        return Ok(Undone::WasSo);
    }
    if is_last && (now == *after || judge.forces(path)) {
        return match tree.become_node(path, before) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(Undone::NotEmpty),
            other => other.map(|()| Undone::Restored),
        };
    }
    let (Some(now_text), Some(before_text), Some(after_text), Node::File(content)) =
        (now.text(), before.text(), after.text(), &now)
    else {
        return Ok(Undone::Changed);
    };
    let Some(merged) = lines::merge(after_text, now_text, before_text) else { return Ok(Undone::Changed) };
    // Our own later changes are not somebody's.
    if is_last && !judge.accepts(path, now_text, &merged) {
        return Ok(Undone::Merged(merged));
    }
    // Nothing was there, and nothing is left.
    let node = if merged.is_empty() && *before == Node::Absent {
        Node::Absent
    } else {
        Node::File(Content { bytes: merged.clone().into_bytes(), mode: content.mode, origin: None })
    };
    // First the later entries, so that a cut between finds texts that fit what is there.
    let rebase = |node: &Node| {
        let text = lines::merge(after_text, node.text()?, before_text)?;
        let Node::File(content) = node else { return None };
        Some(Node::File(Content { bytes: text.into_bytes(), ..content.clone() }))
    };
    journal.rebase(tree, entry.id, path, rebase)?;
    tree.become_node(path, &node)?;
    journal.forget(tree, entry.id)?;
    Ok(Undone::Merged(merged))
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn with_path(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path} : {error}"))
}

#[cfg(test)]
mod tests;
