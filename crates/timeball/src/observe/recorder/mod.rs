//! What the observer knows: the last snapshot, the archive, the events.

mod month;
mod telling;

use super::abuse::Abuse;
use super::archive::{Archive, Cell};
use super::events::{Event, EventLog, Kind};
use super::machine::Looker;
use super::rates::{Columns, Found, Rates, identity};
use super::watch::Watcher;
use super::words::State;
pub use month::{Months, Totals};
use ntp::metrics::{Get, METRICS, Machine};
use ntp::report::Address;
use ntp::snapshot::{ClientSnapshot, Clients, Snapshot, SourceSnapshot};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;

/// Rates are shown over so many seconds.
const RECENT: f64 = 10.0;
/// The machine is looked at so often, s.
const LOOK: f64 = 10.0;
/// What was said of a client is old after this, s.
const REMEMBERED: f64 = 300.0;
/// Clients kept in mind.
const MOST_CLIENTS: usize = 400;
const DAY: f64 = 86_400.0;
/// A table of connections this full is an alarm.
const CROWDED: f64 = 0.8;

/// Everything the page can be told.
#[derive(Debug)]
pub struct Recorder {
    /// The archive; `None`: nothing is recorded, or it cannot be.
    pub archive: Option<Archive<File>>,
    /// What happened.
    pub events: EventLog,
    /// What the daemon said last.
    pub latest: Option<Snapshot>,
    /// The loudest clients heard of lately, by address.
    pub clients: BTreeMap<Address, (f64, ClientSnapshot)>,
    /// How often clients ask and which versions they speak: of the whole table.
    pub habits: Clients,
    /// … as far as it has been looked through this time.
    counting: Clients,
    /// What the machine was like.
    pub machine: Machine,
    /// What is wrong with the archive.
    pub problem: Option<String>,
    /// … as far as the log has it.
    pub said: Option<String>,
    /// Seconds between two times that it is written.
    pub interval: f64,
    /// When the daemon began, s since 1970.
    pub started: f64,
    /// What was served this month.
    pub months: Months,
    columns: Columns,
    rates: Rates,
    looker: Looker,
    looked: f64,
    watcher: Watcher,
    abuse: Abuse,
    reasons: BTreeMap<String, String>,
    recent: VecDeque<Found>,
    /// What the last look at the machine gave, as [`Found::values`].
    seen: Vec<f64>,
    once_right: bool,
    flushed: f64,
    /// Events that may still end: their names and numbers.
    open_events: BTreeMap<String, u64>,
    crowded: bool,
    /// The day, and what had been written when it began.
    today: (f64, u64),
    oldest: f64,
}

impl Recorder {
    /// One that begins at `now` (s since 1970), of the daemon with process id `daemon`.
    pub fn new(
        columns: Columns,
        archive: Option<Archive<File>>,
        events: EventLog,
        daemon: u32,
        now: f64,
    ) -> Self {
        let mut recorder = Self {
            archive,
            events,
            latest: None,
            clients: BTreeMap::new(),
            habits: Clients::default(),
            counting: Clients::default(),
            machine: Machine::default(),
            problem: None,
            said: None,
            interval: 300.0,
            started: now,
            months: Months::default(),
            columns,
            rates: Rates::default(),
            looker: Looker::new(daemon),
            looked: 0.0,
            watcher: Watcher::default(),
            abuse: Abuse::default(),
            reasons: BTreeMap::new(),
            recent: VecDeque::new(),
            seen: vec![f64::NAN; METRICS.len()],
            once_right: false,
            flushed: now,
            open_events: BTreeMap::new(),
            crowded: false,
            today: ((now / DAY).floor(), 0),
            oldest: f64::NAN,
        };
        recorder.oldest = recorder.find_oldest(now);
        recorder.months = Months::read(recorder.archive.as_ref(), now);
        recorder
    }

    /// The machine is what `look` says, and not what can be seen here.
    pub fn look_with(&mut self, look: fn() -> Machine) {
        self.looker = Looker::told(look);
    }

    /// How things stand.
    pub fn state(&self) -> State {
        State::of(self.latest.as_ref(), self.once_right)
    }

    /// When the archive begins, s since 1970; NaN: it is empty.
    pub fn oldest(&self) -> f64 {
        self.oldest
    }

    fn find_oldest(&self, now: f64) -> f64 {
        let Some(archive) = &self.archive else { return f64::NAN };
        let rings = &archive.layout().rings;
        let longest =
            rings.iter().map(|ring| f64::from(ring.step) * f64::from(ring.rows)).fold(0.0, f64::max);
        let (mut from, mut to, mut width) = (now - longest, now, f64::INFINITY);
        // Ever closer, until there is nothing finer.
        loop {
            let Ok(answer) = archive.query(&[], from, to, 1000) else { return f64::NAN };
            let Some(first) = answer.covered.iter().position(|seconds| *seconds > 0.0) else {
                return f64::NAN;
            };
            let step = f64::from(answer.step);
            let begin = answer.start as f64 + first as f64 * step;
            if step >= width {
                return begin;
            }
            (from, to, width) = (begin, begin + step, step);
        }
    }

    /// Bytes written since midnight, whole pages.
    pub fn written_today(&self) -> u64 {
        self.archive.as_ref().map_or(0, |archive| archive.written().saturating_sub(self.today.1))
    }

    /// The mean of a metric over the last seconds; NaN: not known.
    pub fn recent(&self, name: &str) -> f64 {
        let Some(at) = METRICS.iter().position(|metric| metric.name == name) else { return f64::NAN };
        let known = self.recent.iter().filter(|found| !found.values[at].is_nan());
        let (sum, seconds) = known.fold((0.0, 0.0), |(sum, seconds), found| {
            (sum + found.values[at] * found.seconds, seconds + found.seconds)
        });
        // The machine is looked at more seldom: what was found holds until the next look.
        if seconds > 0.0 { sum / seconds } else { self.seen[at] }
    }

    /// What is thought of a source, in sentences.
    pub fn reason(&self, source: &SourceSnapshot) -> String {
        reason(&self.reasons, source)
    }

    /// The number of a source's columns; `None`: it has none.
    pub fn slot(&self, source: &SourceSnapshot) -> Option<usize> {
        let name = identity(source);
        self.archive.as_ref()?.layout().slots.iter().position(|slot| slot.name == name)
    }

    /// The daemon speaks. What happened, for those who listen.
    pub fn take(&mut self, snapshot: Snapshot) -> Vec<Event> {
        let at = snapshot.at;
        let mut told = Vec::new();
        if self.latest.is_none() {
            told.extend(self.begin(at));
        }
        for client in &snapshot.clients.loudest {
            self.clients.insert(client.address, (at, client.clone()));
        }
        self.count_clients(&snapshot.clients);
        self.forget_clients(at);
        let words = snapshot.sources.iter().filter(|source| !source.why.is_empty());
        if words.clone().next().is_some() {
            self.reasons = words.map(|source| (identity(source), source.why.clone())).collect();
        }
        let looked = (at / LOOK).floor();
        let look = looked != self.looked;
        if look {
            self.looked = looked;
            self.machine = self.looker.look();
            told.extend(self.judge_machine(at));
        }
        let found = self.rates.next(&snapshot, look.then_some(&self.machine));
        self.months.add(self.archive.as_ref(), at, &found);
        self.record(&snapshot, &found);
        for ((seen, value), metric) in self.seen.iter_mut().zip(&found.values).zip(METRICS) {
            if matches!(metric.get, Get::Machine(_)) && !value.is_nan() {
                *seen = *value;
            }
        }
        self.recent.push_back(found);
        while self.recent.iter().map(|found| found.seconds).sum::<f64>() > RECENT && self.recent.len() > 1 {
            self.recent.pop_front();
        }
        self.once_right |= snapshot.synchronised();
        let reasons = std::mem::take(&mut self.reasons);
        for news in self.watcher.look(&snapshot, |source| reason(&reasons, source)) {
            told.extend(self.note(news, at));
        }
        self.reasons = reasons;
        for news in self.abuse.look(at, self.recent("packets_in"), &snapshot.clients.loudest) {
            told.extend(self.note(news, at));
        }
        self.latest = Some(snapshot);
        told
    }

    /// Adds a part of the table; when the next round begins, the last one is complete.
    fn count_clients(&mut self, part: &Clients) {
        if part.first {
            self.habits = std::mem::take(&mut self.counting);
        }
        let add = |sums: &mut [u32], counts: &[u32]| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
        };
        add(&mut self.counting.intervals, &part.intervals);
        add(&mut self.counting.versions, &part.versions);
    }

    /// Those of whom nothing was said for long, and the quietest of too many.
    fn forget_clients(&mut self, now: f64) {
        self.clients.retain(|_, (at, _)| now - *at < REMEMBERED);
        if self.clients.len() > MOST_CLIENTS {
            let mut rates: Vec<f64> = self.clients.values().map(|(_, client)| client.rate).collect();
            rates.sort_by(|a, b| b.total_cmp(a));
            let least = rates[MOST_CLIENTS / 2];
            self.clients.retain(|_, (_, client)| client.rate >= least);
        }
    }

    fn record(&mut self, snapshot: &Snapshot, found: &Found) {
        let Some(archive) = &mut self.archive else { return };
        // Before the clock is set it may be years wrong, and would write over what it has not seen yet.
        if !snapshot.synchronised() && snapshot.at < archive.newest() - 1.0 {
            return;
        }
        let mut slots: Vec<Option<&SourceSnapshot>> = vec![None; self.columns.slots];
        for source in &snapshot.sources {
            if source.pool && source.data.address.ip().is_none() {
                continue;
            }
            if let Some(place) =
                archive.slot(&identity(source), snapshot.at).and_then(|slot| slots.get_mut(slot))
            {
                *place = Some(source);
            }
        }
        let cells: Vec<Cell> = self.columns.cells(found, &slots);
        archive.push(snapshot.at, found.seconds, &cells);
        if self.oldest.is_nan() {
            self.oldest = snapshot.at;
        }
    }

    /// The daemon has said that it ends, or it is just gone.
    pub fn end(&mut self, at: f64, clean: bool) {
        if clean {
            self.add(Event::new(Kind::Stop, at, "stop", "Stopped").because("It was asked to."));
        }
        if let Some(archive) = &mut self.archive {
            archive.close_rows();
        }
        self.flush(at);
    }

    /// Once a second: writes what is due. A new complaint, for the log.
    pub fn tick(&mut self, now: f64) -> Option<String> {
        let day = (now / DAY).floor();
        if day != self.today.0 {
            self.today = (day, self.archive.as_ref().map_or(0, Archive::written));
        }
        if now - self.flushed >= self.interval || now < self.flushed {
            self.flush(now);
        }
        // Also what came up between two ticks.
        if self.problem == self.said {
            return None;
        }
        self.said.clone_from(&self.problem);
        self.problem.clone()
    }

    /// Writes what waits.
    pub fn flush(&mut self, now: f64) {
        self.flushed = now;
        let Some(archive) = &mut self.archive else { return };
        let error = archive.flush().err();
        self.judge_archive(now, error.as_ref());
    }
}

fn reason(reasons: &BTreeMap<String, String>, source: &SourceSnapshot) -> String {
    let text = reasons.get(&identity(source)).map_or("", String::as_str);
    // The name stands beside it already.
    let own = format!("{}: ", source.name);
    let text = text.strip_prefix(&own).unwrap_or(text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests;
