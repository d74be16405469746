//! What set-up has changed, on disk before it is changed.
//!
//! In the folder [`FOLDER`]: `journal`, a line for each [`Entry`], and for each file its bytes before and after. The
//! bytes are written first; the journal is replaced as a whole, so there is always one that is true. An entry that is
//! not done may or may not have happened: [`Journal::settle`] looks.

use super::parts::Part;
use super::tree::{Content, Node, Tree};
use std::fmt::Write;
use std::io;
use std::time::{Duration, SystemTime};

/// Where it is kept; it survives an upgrade of the system.
pub const FOLDER: &str = "/etc/timeball/setup";
const FILE: &str = "/etc/timeball/setup/journal";
const PARENT: &str = "/etc/timeball";
/// Says that [`PARENT`] was there before us.
const KEEP: &str = "keep-parent";
const FIRST_LINE: &str = "timeball-setup 1";

/// Something that is done to the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it belongs to.
    pub part: Part,
    /// Why, in one line.
    pub why: String,
    /// What.
    pub action: Action,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A path becomes something else.
    Change {
        /// As the system sees it.
        path: String,
        /// What was there.
        before: Node,
        /// What will be.
        after: Node,
    },
    /// A command, and the one that takes it back; each may be empty.
    Run {
        /// Its words.
        apply: Vec<String>,
        /// Its words.
        revert: Vec<String>,
    },
}

/// A step in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Names its files.
    pub id: u32,
    /// Has it happened?
    pub is_done: bool,
    /// What.
    pub step: Step,
}

/// The journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The profile of the last set-up.
    pub profile: String,
    /// Was an undoing begun and not finished?
    pub is_undoing: bool,
    /// In the order of their making.
    pub entries: Vec<Entry>,
    /// Was [`PARENT`] made for it?
    made_parent: bool,
}

impl Journal {
    /// The journal of a system; `Ok(None)` if there is none.
    pub fn load(tree: &Tree) -> io::Result<Option<Self>> {
        tree.tidy(FILE);
        match tree.node(FILE)? {
            Node::Absent => Ok(None),
            node => {
                let text = node.text().map(str::to_owned);
                let journal = text.and_then(|text| Self::read(&text, tree));
                let wrong =
                    || io::Error::other(format!("{FILE} cannot be read; it may be of a later version"));
                journal.map(Some).ok_or_else(wrong)
            }
        }
    }

    /// Finds out which entries that are not done have happened, and drops those that have not. Returns the commands
    /// that are still to be run.
    pub fn settle(&mut self, tree: &Tree) -> io::Result<Vec<Step>> {
        for entry in &self.entries {
            if let Action::Change { path, .. } = &entry.step.action {
                tree.tidy(path);
            }
        }
        while self.is_undoing
            && let Some(Entry {
                step: Step { action: Action::Change { path, before, .. }, .. },
                is_done: true,
                ..
            }) = self.entries.last()
            && tree.node(path)? == *before
        {
            self.entries.pop();
        }
        let mut waiting = Vec::new();
        let mut kept = Vec::new();
        for mut entry in std::mem::take(&mut self.entries) {
            if !entry.is_done {
                match &entry.step.action {
                    Action::Change { path, after, .. } => entry.is_done = tree.node(path)? == *after,
                    Action::Run { .. } if !self.is_undoing => waiting.push(entry.step.clone()),
                    Action::Run { .. } => {}
                }
            }
            if entry.is_done {
                kept.push(entry);
            }
        }
        self.entries = kept;
        Ok(waiting)
    }

    /// Adds steps that are about to be made, and is on disk when it returns. Returns the first new number.
    pub fn extend(&mut self, tree: &Tree, steps: &[Step]) -> io::Result<u32> {
        let first = self.entries.iter().map(|entry| entry.id + 1).max().unwrap_or(1);
        if self.entries.is_empty() {
            Self::sweep(tree)?;
        }
        if tree.node(FOLDER)? == Node::Absent {
            // An empty one is what an interrupted beginning has left.
            let is_there = tree.node(PARENT)? != Node::Absent;
            self.made_parent = !is_there || tree.list(PARENT).is_empty();
            if !is_there {
                tree.make_folders(PARENT)?;
            }
            tree.make_folders(FOLDER)?;
        }
        for (id, step) in (first..).zip(steps) {
            self.entries.push(Entry { id, is_done: false, step: step.clone() });
        }
        for entry in self.entries.iter().filter(|entry| entry.id >= first) {
            store(tree, entry)?;
        }
        self.save(tree)?;
        Ok(first)
    }

    /// An entry has happened.
    pub fn done(&mut self, tree: &Tree, id: u32) -> io::Result<()> {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) {
            entry.is_done = true;
        }
        self.save(tree)
    }

    /// An entry has been undone.
    pub fn forget(&mut self, tree: &Tree, id: u32) -> io::Result<()> {
        self.entries.retain(|entry| entry.id != id);
        self.save(tree)
    }

    /// Later entries of a path, whose texts have to go on without the change that is undone.
    pub fn rebase(
        &mut self,
        tree: &Tree,
        id: u32,
        path: &str,
        rebase: impl Fn(&Node) -> Option<Node>,
    ) -> io::Result<()> {
        for entry in self.entries.iter_mut().filter(|entry| entry.id > id) {
            if let Action::Change { path: p, before, after } = &mut entry.step.action
                && p == path
            {
                *before = rebase(before).unwrap_or_else(|| before.clone());
                *after = rebase(after).unwrap_or_else(|| after.clone());
                store(tree, entry)?;
            }
        }
        Ok(())
    }

    /// Begins to undo.
    pub fn begin_undo(&mut self, tree: &Tree) -> io::Result<()> {
        self.is_undoing = true;
        self.save(tree)
    }

    /// Ends a set-up or an undoing; a journal without entries goes away.
    pub fn finish(mut self, tree: &Tree) -> io::Result<()> {
        if !self.entries.is_empty() {
            if self.is_undoing {
                self.is_undoing = false;
                self.save(tree)?;
            }
            return Ok(());
        }
        // What the journal knew of its folder has to outlive it.
        if !self.made_parent {
            tree.become_node(&format!("{FOLDER}/{KEEP}"), &Node::file("", 0o600))?;
        }
        tree.become_node(FILE, &Node::Absent)?;
        Self::sweep(tree)
    }

    /// Removes what is left where there is no journal.
    pub fn sweep(tree: &Tree) -> io::Result<()> {
        if tree.node(FILE)? != Node::Absent {
            return Ok(());
        }
        let names = tree.list(FOLDER);
        let is_ours = !names.iter().any(|name| name == KEEP);
        for name in names.iter().filter(|name| *name != KEEP) {
            tree.become_node(&format!("{FOLDER}/{name}"), &Node::Absent)?;
        }
        tree.become_node(&format!("{FOLDER}/{KEEP}"), &Node::Absent)?;
        tree.become_node(FOLDER, &Node::Absent)?;
        if is_ours && matches!(tree.node(PARENT)?, Node::Folder(_)) && tree.list(PARENT).is_empty() {
            tree.become_node(PARENT, &Node::Absent)?;
        }
        Ok(())
    }

    fn save(&self, tree: &Tree) -> io::Result<()> {
        let mut out = format!("{FIRST_LINE}\n");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "profile\t{}", escape(&self.profile));
        if self.made_parent {
            out.push_str("parent\n");
        }
        if self.is_undoing {
            out.push_str("undoing\n");
        }
        for Entry { id, is_done, step } in &self.entries {
            let state = if *is_done { "done" } else { "planned" };
            let _ = write!(out, "{state}\t{id}\t{}\t{}\t", step.part.name(), escape(&step.why));
            let _ = match &step.action {
                Action::Change { path, before, after } => {
                    writeln!(out, "change\t{}\t{}\t{}", escape(path), describe(before), describe(after))
                }
                Action::Run { apply, revert } => writeln!(out, "run\t{}\t{}", words(apply), words(revert)),
            };
        }
        tree.become_node(FILE, &Node::file(out, 0o600))
    }

    fn read(text: &str, tree: &Tree) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let mut journal = Self::default();
        for line in lines {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["profile", profile] => journal.profile = unescape(profile)?,
                ["parent"] => journal.made_parent = true,
                ["undoing"] => journal.is_undoing = true,
                [state @ ("done" | "planned"), id, part, why, rest @ ..] => {
                    let id: u32 = id.parse().ok()?;
                    let action = match rest {
                        ["change", path, before, after] => Action::Change {
                            path: unescape(path)?,
                            before: restore(before, tree, &blob(id, "before"))?,
                            after: restore(after, tree, &blob(id, "after"))?,
                        },
                        ["run", apply, revert] => {
                            Action::Run { apply: unwords(apply)?, revert: unwords(revert)? }
                        }
                        _ => return None,
                    };
                    let step = Step { part: Part::named(part)?, why: unescape(why)?, action };
                    journal.entries.push(Entry { id, is_done: *state == "done", step });
                }
                _ => return None,
            }
        }
        Some(journal)
    }
}

fn blob(id: u32, which: &str) -> String {
    format!("{FOLDER}/{id}.{which}")
}

/// Writes the bytes of an entry's files.
fn store(tree: &Tree, entry: &Entry) -> io::Result<()> {
    let Action::Change { before, after, .. } = &entry.step.action else { return Ok(()) };
    for (node, which) in [(before, "before"), (after, "after")] {
        if let Node::File(content) = node {
            tree.become_node(&blob(entry.id, which), &Node::file(content.bytes.clone(), 0o600))?;
        }
    }
    Ok(())
}

fn describe(node: &Node) -> String {
    match node {
        Node::Absent => "absent".to_owned(),
        Node::Link(target) => format!("link:{}", escape(target)),
        Node::Folder(mode) => format!("folder:{mode:o}"),
        Node::File(Content { mode, origin, .. }) => match origin {
            None => format!("file:{mode:o}"),
            Some((user, group, time)) => {
                let time = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                format!("file:{mode:o}:{user}:{group}:{}:{}", time.as_secs(), time.subsec_nanos())
            }
        },
    }
}

fn restore(text: &str, tree: &Tree, blob: &str) -> Option<Node> {
    let mut fields = text.split(':');
    let kind = fields.next()?;
    match kind {
        "absent" => Some(Node::Absent),
        "link" => unescape(fields.next()?).map(Node::Link),
        "folder" => u32::from_str_radix(fields.next()?, 8).ok().map(Node::Folder),
        "file" => {
            let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
            let numbers: Option<Vec<u64>> = fields.map(|field| field.parse().ok()).collect();
            let origin = match numbers?.as_slice() {
                [] => None,
                [user, group, seconds, nanos] => {
                    let time = Duration::new(*seconds, u32::try_from(*nanos).ok()?);
                    let time = SystemTime::UNIX_EPOCH.checked_add(time)?;
                    Some((u32::try_from(*user).ok()?, u32::try_from(*group).ok()?, time))
                }
                _ => return None,
            };
            let Ok(Node::File(content)) = tree.node(blob) else { return None };
            Some(Node::File(Content { bytes: content.bytes, mode, origin }))
        }
        _ => None,
    }
}

fn words(words: &[String]) -> String {
    words.iter().map(|word| escape(word)).collect::<Vec<_>>().join(" ")
}

fn unwords(text: &str) -> Option<Vec<String>> {
    text.split(' ').filter(|word| !word.is_empty()).map(unescape).collect()
}

/// No blanks, colons or control characters: each as `%` and two hexadecimal digits.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b':') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}"); // writing to a string cannot fail
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Scratch;
    use super::*;
    use proptest::prelude::*;

    fn change(path: &str, before: Node, after: Node) -> Step {
        let action = Action::Change { path: path.into(), before, after };
        Step { part: Part::Config, why: "because: of %".into(), action }
    }

    #[test]
    fn a_journal_comes_back_as_it_was_written_and_leaves_nothing() {
        let scratch = Scratch::new("journal");
        let tree = scratch.tree(&[("/etc/a", "old")]);
        let old = tree.node("/etc/a").unwrap();
        let run = Action::Run { apply: vec!["a b".into(), "c".into()], revert: vec![] };
        let steps = [
            change("/etc/a", old, Node::file(vec![0, 255], 0o755)),
            change("/etc/l", Node::Absent, Node::Link("../x y".into())),
            change("/etc/d", Node::Folder(0o750), Node::Absent),
            Step { part: Part::Service, why: String::new(), action: run },
        ];
        let mut journal = Journal { profile: "public".into(), ..Journal::default() };
        assert_eq!(journal.extend(&tree, &steps).unwrap(), 1);
        journal.done(&tree, 2).unwrap();
        let again = Journal::load(&tree).unwrap().expect("it is there");
        assert_eq!(again, journal);
        let mut rest = again;
        for id in 1..=4 {
            rest.forget(&tree, id).unwrap();
        }
        rest.finish(&tree).unwrap();
        assert_eq!(tree.list("/etc"), ["a"]);
        assert_eq!(Journal::load(&tree).unwrap(), None);
        std::fs::create_dir_all(scratch.0.join("etc/timeball/setup")).unwrap();
        std::fs::write(scratch.0.join("etc/timeball/setup/journal"), "timeball-setup 2\n").unwrap();
        assert!(Journal::load(&tree).is_err());
    }

    proptest! {
        #[test]
        fn words_survive(text in ".{0,20}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains([' ', '\t', '\n', ':']));
            prop_assert_eq!(unescape(&escaped), Some(text));
        }
    }
}
