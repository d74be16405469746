//! What happened, in words, and the two files it is kept in.
//!
//! Each event is a line of JSON; a later line with the same number takes an earlier one's place (an event that has ended).
//! The files are filled in turn, so that the older half goes when there is no more room, and a torn line is just skipped.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Bytes of one of the two files.
const LONGEST: u64 = 128 * 1024;
/// Events kept in memory.
const MOST: usize = 1000;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something is wrong.
    Alarm,
    /// A source.
    Source,
    /// The daemon began.
    Start,
    /// The daemon ended.
    Stop,
    /// The clock was stepped.
    Step,
    /// The configuration changed.
    Config,
    /// A client takes too much.
    Client,
}

impl Kind {
    const ALL: [Self; 7] =
        [Self::Alarm, Self::Source, Self::Start, Self::Stop, Self::Step, Self::Config, Self::Client];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alarm => "alarm",
            Self::Source => "source",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Step => "step",
            Self::Config => "config",
            Self::Client => "client",
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number.
    pub serial: u64,
    /// When, s since 1970.
    pub at: f64,
    /// When it was over, if it lasted.
    pub end: Option<f64>,
    /// What kind.
    pub kind: Kind,
    /// A few words, for a mark on a graph.
    pub short: String,
    /// What happened.
    pub what: String,
    /// Why.
    pub why: String,
    /// What that did to the time served.
    pub effect: String,
}

impl Event {
    /// One that has no number yet.
    pub fn new(kind: Kind, at: f64, short: impl Into<String>, what: impl Into<String>) -> Self {
        let (why, effect) = (String::new(), String::new());
        Self { serial: 0, at, end: None, kind, short: short.into(), what: what.into(), why, effect }
    }

    /// The same, with its reason.
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// The same, with what it did.
    pub fn effect(self, effect: impl Into<String>) -> Self {
        Self { effect: effect.into(), ..self }
    }

    /// As the page gets it.
    pub fn json(&self) -> Value {
        json!({
            "serial": self.serial, "at": self.at, "end": self.end, "kind": self.kind.word(), "short": self.short,
            "what": self.what, "why": self.why, "effect": self.effect,
        })
    }

    fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
        let kind = text("kind")?;
        Some(Self {
            serial: value.get("serial")?.as_u64()?,
            at: value.get("at")?.as_f64()?,
            end: value.get("end")?.as_f64(),
            kind: *Kind::ALL.iter().find(|known| known.word() == kind)?,
            short: text("short")?,
            what: text("what")?,
            why: text("why")?,
            effect: text("effect")?,
        })
    }
}

/// All events known, oldest first, and where they are kept.
#[derive(Debug, Default)]
pub struct EventLog {
    events: Vec<Event>,
    files: Option<[File; 2]>,
    current: usize,
    length: u64,
    next: u64,
}

impl EventLog {
    /// In memory only.
    pub fn unkept() -> Self {
        Self { next: 1, ..Self::default() }
    }

    /// Reads both files; goes on in the one that has the newest.
    pub fn open(mut files: [File; 2]) -> io::Result<Self> {
        let mut newest = [0; 2];
        let mut events: Vec<Event> = Vec::new();
        for (file, newest) in files.iter_mut().zip(&mut newest) {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.take(2 * LONGEST).read_to_end(&mut bytes)?;
            for event in String::from_utf8_lossy(&bytes).lines().filter_map(Event::parse) {
                *newest = event.serial.max(*newest);
                events.push(event);
            }
        }
        let current = usize::from(newest[1] > newest[0]);
        // A torn last line must not swallow the next.
        let length = files[current].seek(SeekFrom::End(0))?;
        if length > 0 {
            files[current].write_all(b"\n")?;
        }
        let mut log = Self {
            next: newest[0].max(newest[1]) + 1,
            files: Some(files),
            current,
            length,
            ..Self::default()
        };
        // Of two lines with one number, the one that knows the end holds.
        events.sort_by(|a, b| a.serial.cmp(&b.serial).then(a.end.is_none().cmp(&b.end.is_none())));
        events.dedup_by_key(|event| event.serial);
        events.into_iter().for_each(|event| log.remember(event));
        Ok(log)
    }

    fn remember(&mut self, event: Event) {
        if self.events.len() >= MOST {
            self.events.remove(0);
        }
        self.events.push(event);
    }

    /// Adds one; its number.
    pub fn add(&mut self, event: Event) -> io::Result<Event> {
        let event = Event { serial: self.next, ..event };
        self.next += 1;
        self.remember(event.clone());
        self.keep(&event)?;
        Ok(event)
    }

    /// An event is over.
    pub fn end(&mut self, serial: u64, at: f64) -> io::Result<Option<Event>> {
        let Some(event) = self.events.iter_mut().find(|event| event.serial == serial) else {
            return Ok(None);
        };
        event.end = Some(at);
        let event = event.clone();
        self.keep(&event)?;
        Ok(Some(event))
    }

    fn keep(&mut self, event: &Event) -> io::Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let line = format!("{}\n", event.json());
        if self.length + line.len() as u64 > LONGEST {
            self.current = 1 - self.current;
            self.length = 0;
            files[self.current].set_len(0)?;
            files[self.current].seek(SeekFrom::Start(0))?;
        }
        files[self.current].write_all(line.as_bytes())?;
        self.length += line.len() as u64;
        files[self.current].sync_data()
    }

    /// All of them, oldest first.
    pub fn all(&self) -> &[Event] {
        &self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::files::tests::Folder;

    fn open(folder: &Folder) -> EventLog {
        let file = |name| {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(folder.file(name))
                .expect("a file")
        };
        EventLog::open([file("a"), file("b")]).expect("events")
    }

    #[test]
    fn events_come_back_with_their_ends_and_torn_lines_are_skipped() {
        let folder = Folder::new("events");
        let mut log = open(&folder);
        log.add(Event::new(Kind::Start, 1.0, "back", "Started.").because("\"It\" was\nasked to.")).unwrap();
        let alarm = log.add(Event::new(Kind::Alarm, 2.5, "lost", "Lost <b>x</b>.").effect("None.")).unwrap();
        log.end(alarm.serial, 9.0).unwrap();
        let kept = log.all().to_vec();
        let bytes = std::fs::read(folder.file("a")).unwrap();
        for cut in 0..=bytes.len() {
            std::fs::write(folder.file("a"), &bytes[..cut]).unwrap();
            let mut log = open(&folder);
            let whole = bytes[..cut]
                .split(|byte| *byte == b'\n')
                .filter(|line| Event::parse(&String::from_utf8_lossy(line)).is_some())
                .count();
            assert_eq!(log.all().len(), whole.min(2), "cut at {cut}");
            let next = log.add(Event::new(Kind::Step, 3.0, "step", "Stepped.")).unwrap();
            assert_eq!(open(&folder).all().last(), Some(&next));
        }
        std::fs::write(folder.file("a"), &bytes).unwrap();
        assert_eq!(open(&folder).all(), kept);
    }

    #[test]
    fn the_files_stay_small_and_the_newest_half_stays() {
        let folder = Folder::new("many-events");
        let mut log = open(&folder);
        for number in 0..3000 {
            log.add(Event::new(Kind::Source, f64::from(number), "x".repeat(40), "y".repeat(60))).unwrap();
        }
        let sizes = ["a", "b"].map(|name| std::fs::metadata(folder.file(name)).unwrap().len());
        assert!(sizes.iter().all(|size| *size <= LONGEST + 1), "{sizes:?}");
        let again = open(&folder);
        assert!(again.all().len() > 300 && again.all().last().unwrap().serial == 3000);
        assert_eq!(again.next, 3001);
    }
}
