//! What commands have changed since the start, with what undoes it: the changes that may be kept for the next start.
//!
//! Entries come from `Engine::journalled`, which sees every command, and from [`Engine::replay`]. Whoever keeps the
//! file says which are in it ([`Engine::mark_saved`]); nothing of the file is known here.

use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::config::{AccessRule, SourceConfig};
use crate::control::actions::{SourceFilter, SourceOption, SourceRef};
use crate::control::{AccessList, Change, Status};
use crate::lasting::{Lasting, Saved};
use crate::report::{Address, SelectOptions};
use crate::time::Now;

/// Entries kept at most that are not saved; scripts of the network may repeat their commands for years.
const MAX_UNSAVED: usize = 256;

/// One change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// By which it is undone.
    pub number: u32,
    /// When it was made, s since 1970.
    pub at: i64,
    /// What it is.
    pub change: Lasting,
    /// It is in the file.
    pub saved: bool,
    undo: Undo,
}

/// How things were before a change.
#[derive(Clone, Debug)]
enum Undo {
    /// This brings it back.
    Change(Lasting),
    /// There was no `makestep`.
    NoStep,
    /// The list without this rule.
    Access,
}

/// The changes of this run.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    /// The number last given.
    last: u32,
}

impl Journal {
    /// In the order in which they were made.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number that the next change will have.
    pub fn next(&self) -> u32 {
        self.last.saturating_add(1)
    }

    fn push(&mut self, at: i64, change: Lasting, undo: Undo) {
        let subject = change.subject();
        let before = self.entries.iter().rposition(|entry| entry.change.subject() == subject);
        let before = before.and_then(|at| self.entries.get(at).map(|entry| (at, entry)));
        let mut undo = undo;
        match (before, &change) {
            // Scripts of the network say this all day: the last counts.
            (Some((at, entry)), Lasting::Online(..)) if !entry.saved => undo = self.entries.remove(at).undo,
            (Some((_, entry)), _) if entry.change == change => return, // said again
            _ => {}
        }
        self.last = self.last.saturating_add(1);
        self.entries.push(Entry { number: self.last, at, change, saved: false, undo });
        if self.entries.iter().filter(|entry| !entry.saved).count() > MAX_UNSAVED
            && let Some(oldest) = self.entries.iter().position(|entry| !entry.saved)
        {
            self.entries.remove(oldest);
        }
    }
}

/// What came of undoing a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Undone {
    /// Things are as before.
    Now(Lasting),
    /// A later change of the same thing holds.
    Overruled(Lasting),
    /// It could not be taken back at run time; after a restart it is.
    AtRestart(Lasting),
}

impl Engine {
    /// The changes of this run.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The options of a source, as configured and as commands have changed them.
    pub fn source_config(&self, index: usize) -> Option<&SourceConfig> {
        self.sources.get(index).map(|source| &source.config)
    }

    /// Obeys a command, and remembers it if it is one that may last.
    pub(super) fn journalled(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        change: &Change,
        out: &mut Actions,
    ) -> Status {
        let noted = self.foresee(change);
        let status = self.change(now, clock, change, out);
        if let (Status::Success, Some((lasting, undo))) = (status, noted)
            && Lasting::parse(&lasting.to_string()).is_some()
        {
            let at = self.discipline.cooking(now.raw).apply(now.raw).seconds() as i64;
            self.journal.push(at, lasting, undo);
        }
        status
    }

    /// What a command would change, in words that last, and how things are now.
    fn foresee(&self, change: &Change) -> Option<(Lasting, Undo)> {
        let source = |address: &Address| self.source_at(address).map(|index| &self.sources[index].config);
        let referred = |source_ref: &SourceRef| match source_ref {
            SourceRef::Address(address) => source(address),
            SourceRef::RefId(_) => None,
        };
        let undo = |lasting| Undo::Change(lasting);
        Some(match change {
            Change::AddSource(config) => {
                (Lasting::Add(config.clone()), undo(Lasting::Delete(config.name.clone())))
            }
            Change::DeleteSource(address) => {
                let config = source(address)?;
                // A pool is deleted with its last member.
                let members = self.sources.iter().filter(|s| s.config.name == config.name).count();
                let before = self.configured_as(&config.name)?;
                (members == 1)
                    .then(|| (Lasting::Delete(before.name.clone()), undo(Lasting::Add(Box::new(before)))))?
            }
            Change::SetOption(address, option) => {
                let config = source(address)?;
                let before = match option {
                    SourceOption::Minpoll(_) => SourceOption::Minpoll(config.minpoll),
                    SourceOption::Maxpoll(_) => SourceOption::Maxpoll(config.maxpoll),
                    SourceOption::MaxDelay(_) => SourceOption::MaxDelay(config.max_delay),
                    SourceOption::MaxDelayRatio(_) => SourceOption::MaxDelayRatio(config.max_delay_ratio),
                    SourceOption::MaxDelayDevRatio(_) => {
                        SourceOption::MaxDelayDevRatio(config.max_delay_dev_ratio)
                    }
                    SourceOption::MinStratum(_) => SourceOption::MinStratum(config.min_stratum),
                    SourceOption::PollTarget(_) => SourceOption::PollTarget(config.poll_target),
                };
                let name = || config.name.clone();
                (Lasting::Option(name(), *option), undo(Lasting::Option(name(), before)))
            }
            Change::SelectOptions { source, mask, options } => {
                let config = referred(source)?;
                let name = || config.name.clone();
                let all = SelectOptions { noselect: true, prefer: true, trust: true, require: true };
                let before = SelectOptions {
                    noselect: config.noselect,
                    prefer: config.prefer,
                    trust: config.trust,
                    require: config.require,
                };
                (
                    Lasting::Select { name: name(), mask: *mask, options: *options },
                    undo(Lasting::Select { name: name(), mask: all, options: before }),
                )
            }
            Change::Offset { source, offset } => {
                let config = referred(source)?;
                let name = || config.name.clone();
                (Lasting::Offset(name(), *offset), undo(Lasting::Offset(name(), config.offset)))
            }
            Change::ConfigureMakeStep { limit, threshold } => {
                let before = self.step_rule.makestep;
                let before = before.map(|(threshold, limit)| undo(Lasting::MakeStep(threshold, limit)));
                (Lasting::MakeStep(*threshold, *limit), before.unwrap_or(Undo::NoStep))
            }
            Change::MaxUpdateSkew(skew) => (
                Lasting::MaxUpdateSkew(*skew),
                undo(Lasting::MaxUpdateSkew(self.clock_config.max_update_skew)),
            ),
            Change::ReselectDistance(distance) => (
                Lasting::ReselectDistance(*distance),
                undo(Lasting::ReselectDistance(self.select_options.reselect_distance)),
            ),
            Change::Local(local) => (Lasting::Local(*local), undo(Lasting::Local(self.local))),
            Change::Allow(list, rule) => (Lasting::Access(*list, *rule), Undo::Access),
            Change::Online(filter) | Change::Offline(filter) => {
                let mut meant = self.sources.iter().filter(|s| filter.matches(s.report_address()));
                let was = meant.any(|source| source.config.online);
                let whom = self.whom(filter);
                let online = matches!(change, Change::Online(_));
                (Lasting::Online(online, whom.clone()), undo(Lasting::Online(was, whom)))
            }
            _ => return None,
        })
    }

    /// The sources of `online` and `offline` in words: by the name that only one has, else by their addresses.
    fn whom(&self, filter: &SourceFilter) -> String {
        if *filter == SourceFilter::ALL {
            return String::new();
        }
        let named = |name: &str| self.sources.iter().filter(|s| s.config.name == name).count();
        let one = self.source_at(&filter.address).filter(|_| *filter == SourceFilter::one(filter.address));
        let name = one.and_then(|index| self.sources.get(index)).map(|source| source.config.name.clone());
        let unresolved = matches!(filter.address, Address::Id(_));
        let unique = name.filter(|name| unresolved || named(name) == 1);
        unique.unwrap_or_else(|| format!("{}/{}", filter.mask, filter.address))
    }

    /// `online` or `offline` as the file says it.
    fn set_online_again(&self, online: bool, whom: &str) -> Vec<Change> {
        let change = |filter| if online { Change::Online(filter) } else { Change::Offline(filter) };
        let address = |word: &str| word.parse::<core::net::IpAddr>().ok().map(Address::from);
        match whom.split_once('/').and_then(|(mask, of)| Some((address(mask)?, address(of)?))) {
            Some((mask, address)) => vec![change(SourceFilter { mask, address })],
            None if whom.is_empty() => vec![change(SourceFilter::ALL)],
            None => self.each(whom, |address| change(SourceFilter::one(address))),
        }
    }

    /// A name as the configuration or a command gave it.
    fn configured_as(&self, name: &str) -> Option<SourceConfig> {
        let group = self.groups.iter().find(|group| group.config.name == name).map(|group| &group.config);
        let source = self.sources.iter().find(|source| source.config.name == name);
        let mut config = source.map(|source| source.config.clone())?;
        // Members of a pool that are let go do not make it smaller for the next start.
        config.max_sources = group.map_or(config.max_sources, |group| group.max_sources);
        Some(config)
    }

    /// Carries out what the file says. Lines that do not fit any more are said and passed over.
    pub fn replay(&mut self, now: Now, clock: &mut dyn Clock, changes: Vec<Saved>, out: &mut Actions) {
        for Saved { number, at, change } in changes {
            let mut first = None;
            let status = self.apply(now, clock, &change, &mut first, out);
            if status != Status::Success {
                let text = format!("Could not make change {number} again ({change}) : {status}");
                out.log(Severity::Warning, text);
            }
            let undo = first.unwrap_or(Undo::Change(change.clone()));
            self.journal.last = self.journal.last.max(number);
            self.journal.entries.push(Entry { number, at, change, saved: true, undo });
        }
        self.finish(now);
    }

    /// Does what a line says to every source of its name; `first` is how things were before at the first of them.
    fn apply(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        lasting: &Lasting,
        first: &mut Option<Undo>,
        out: &mut Actions,
    ) -> Status {
        let changes: Vec<Change> = match lasting {
            Lasting::Add(config) => vec![Change::AddSource(config.clone())],
            Lasting::Delete(name) => {
                *first = self.configured_as(name).map(|c| Undo::Change(Lasting::Add(Box::new(c))));
                self.each(name, Change::DeleteSource)
            }
            Lasting::Option(name, option) => self.each(name, |address| Change::SetOption(address, *option)),
            Lasting::Select { name, mask, options } => self.each(name, |address| Change::SelectOptions {
                source: SourceRef::Address(address),
                mask: *mask,
                options: *options,
            }),
            Lasting::Offset(name, offset) => self.each(name, |address| Change::Offset {
                source: SourceRef::Address(address),
                offset: *offset,
            }),
            Lasting::MakeStep(threshold, limit) => {
                vec![Change::ConfigureMakeStep { limit: *limit, threshold: *threshold }]
            }
            Lasting::MaxUpdateSkew(skew) => vec![Change::MaxUpdateSkew(*skew)],
            Lasting::ReselectDistance(distance) => vec![Change::ReselectDistance(*distance)],
            Lasting::Local(local) => vec![Change::Local(*local)],
            Lasting::Access(list, rule) => vec![Change::Allow(*list, *rule)],
            Lasting::Online(online, whom) => self.set_online_again(*online, whom),
        };
        let mut outcome = if changes.is_empty() { Status::NoSuchSource } else { Status::Success };
        for change in &changes {
            if first.is_none() {
                *first = self.foresee(change).map(|(_, undo)| undo);
            }
            let status = self.change(now, clock, change, out);
            if status != Status::Success {
                outcome = status;
            }
        }
        outcome
    }

    /// One change for every source of this name.
    fn each(&self, name: &str, change: impl Fn(Address) -> Change) -> Vec<Change> {
        let named = self.sources.iter().filter(|source| source.config.name == name);
        named.map(|source| change(source.report_address())).collect()
    }

    /// These changes are in the file now.
    pub fn mark_saved(&mut self, numbers: &[u32]) {
        for entry in &mut self.journal.entries {
            entry.saved |= numbers.contains(&entry.number);
        }
    }

    /// Takes a change back, as far as no later one has overruled it; `rules` tells what the configuration says of an
    /// access list. `None`: there is no such change.
    pub fn undo(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        number: u32,
        rules: &dyn Fn(AccessList) -> Vec<AccessRule>,
        out: &mut Actions,
    ) -> Option<Undone> {
        let index = self.journal.entries.iter().position(|entry| entry.number == number)?;
        let Entry { change, undo, .. } = self.journal.entries.remove(index);
        if let Lasting::Access(list, rule) = &change {
            if let Some(at) = self.access_changes.iter().rposition(|known| known == &(*list, *rule)) {
                self.access_changes.remove(at);
            }
            self.set_access_list(*list, &rules(*list));
            self.finish(now);
            return Some(Undone::Now(change));
        }
        let subject = change.subject();
        let later = self.journal.entries.iter_mut().skip(index).find(|e| e.change.subject() == subject);
        if let Some(later) = later {
            later.undo = undo;
            return Some(Undone::Overruled(change));
        }
        let status = match undo {
            Undo::NoStep => {
                self.step_rule.makestep = None;
                Status::Success
            }
            Undo::Change(before) => self.apply(now, clock, &before, &mut None, out),
            Undo::Access => Status::Failed,
        };
        self.finish(now);
        Some(if status == Status::Success { Undone::Now(change) } else { Undone::AtRestart(change) })
    }
}
