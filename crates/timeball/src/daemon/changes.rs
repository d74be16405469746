//! Changes made at run time that last: the file `changes` in the state folder, and the requests that are about it.
//!
//! The file is the only thing written; the operator's configuration stays as it is. It is replaced as a whole, and a
//! change counts as saved when the disk has it.

use super::clocks::Clocks;
use super::files;
use super::logger;
use ntp::config::AccessRule;
use ntp::control::AccessList;
use ntp::control::json::error;
use ntp::engine::journal::Undone;
use ntp::engine::{Actions, Engine};
use ntp::lasting::{self, Lasting};
use ntp::report::json::string;
use ntp::report::json_read::Value;
use ntp::time::Now;
use std::path::{Path, PathBuf};

/// Longest file that is read, bytes.
const LONGEST: u64 = 4 << 20;

/// Where the changes are kept.
#[derive(Debug)]
pub struct ChangesFile {
    place: Option<PathBuf>,
}

impl ChangesFile {
    /// Beside what is learned, if that has a place.
    pub fn new(learned: Option<&Path>) -> Self {
        let place = learned.and_then(|learned| {
            let name = learned.file_name()?.to_str()?.replace("learned", "changes");
            Some(learned.with_file_name(name))
        });
        Self { place }
    }

    /// Makes the changes of earlier runs again, after the configuration was read. What of the file cannot be read is said,
    /// and the whole file kept beside it.
    pub fn replay(&self, engine: &mut Engine, now: Now, clocks: &mut Clocks, out: &mut Actions) {
        let Some(path) = &self.place else { return };
        let text = match files::read(path, LONGEST) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(failure) => return logger::warning(&failure.to_string()),
        };
        let (changes, damaged) = lasting::parse(&text).unwrap_or((Vec::new(), 1));
        if damaged > 0 {
            let mut copy = path.clone().into_os_string();
            copy.push(".damaged");
            let copy = PathBuf::from(copy);
            let kept = match files::replace(&copy, text.as_bytes(), 0o644) {
                Ok(()) => format!("; the file is kept as {}", copy.display()),
                Err(failure) => format!("; {failure}"),
            };
            let (path, count) = (path.display(), changes.len());
            logger::warning(&format!("{path} is damaged: {count} changes of it are made again{kept}"));
        }
        if !changes.is_empty() {
            logger::info(&format!("Making {} changes again from {}", changes.len(), path.display()));
            engine.replay(now, clocks, changes, out);
        }
    }

    /// The reply, if the request is about changes.
    pub fn answer(
        &self,
        engine: &mut Engine,
        at: (Now, &mut Clocks, &mut Actions),
        request: &[u8],
        rules: &dyn Fn(AccessList) -> Vec<AccessRule>,
    ) -> Option<String> {
        let request = Value::parse(std::str::from_utf8(request).ok()?)?;
        if let Some(number) = request.get("undo") {
            return Some(self.undo(engine, at, number.number().unwrap_or(0.0) as u32, rules));
        }
        request.get("save")?;
        let from = request.get("from").and_then(Value::number).unwrap_or(0.0) as u32;
        Some(self.save(engine, from))
    }

    fn save(&self, engine: &mut Engine, from: u32) -> String {
        let entries = engine.journal().entries();
        let new = entries.iter().filter(|entry| !entry.saved && entry.number >= from);
        // Scripts of the network put sources online and offline; for good only who says so with the command.
        let new = new.filter(|entry| from != 0 || !matches!(entry.change, Lasting::Online(..)));
        let numbers: Vec<u32> = new.map(|entry| entry.number).collect();
        let path = match self.write(engine, |number, saved| saved || numbers.contains(&number)) {
            Ok(path) => path,
            Err(text) => return error(&text),
        };
        engine.mark_saved(&numbers);
        let mut out = format!(r#"{{"saved":{numbers:?},"file":"#);
        string(&mut out, &path.to_string_lossy());
        out.push('}');
        out
    }

    fn undo(
        &self,
        engine: &mut Engine,
        (now, clocks, out): (Now, &mut Clocks, &mut Actions),
        number: u32,
        rules: &dyn Fn(AccessList) -> Vec<AccessRule>,
    ) -> String {
        let Some(entry) = engine.journal().entries().iter().find(|entry| entry.number == number) else {
            return error(&format!("there is no change {number}; timeball changes lists them"));
        };
        if entry.saved
            && let Err(text) = self.write(engine, |other, saved| saved && other != number)
        {
            return error(&text);
        }
        let Some(undone) = engine.undo(now, clocks, number, rules, out) else {
            return error(&format!("there is no change {number}"));
        };
        let (change, effect) = match &undone {
            Undone::Now(change) => (change, "now"),
            Undone::Overruled(change) => (change, "overruled"),
            Undone::AtRestart(change) => (change, "restart"),
        };
        logger::info(&format!("Undid change {number} ({change})"));
        let mut reply = r#"{"undone":"#.to_owned();
        string(&mut reply, &change.to_string());
        reply.push_str(&format!(r#","effect":"{effect}"}}"#));
        reply
    }

    /// Writes the changes that are wanted, by their number and whether they are in the file now.
    fn write(&self, engine: &Engine, wanted: impl Fn(u32, bool) -> bool) -> Result<&Path, String> {
        let path = self
            .place
            .as_deref()
            .ok_or("there is no folder to keep changes in: give a driftfile or a dumpdir")?;
        let entries = engine.journal().entries().iter();
        let kept = entries.filter(|entry| wanted(entry.number, entry.saved));
        let text = lasting::format(kept.map(|entry| (entry.number, entry.at, &entry.change)));
        files::replace(path, text.as_bytes(), 0o644).map_err(|failure| failure.to_string())?;
        Ok(path)
    }
}
