//! Names: which sources came from which name, resolving, replacement, refreshing.
//!
//! A [`Group`] is one configured name. A server has one member, a pool up to twice as many as wanted until enough
//! have answered. Members without an address wait for the resolver.

use super::{Action, Actions, Engine, Severity};
use crate::config::{SourceConfig, SourceKind};
use crate::ids::{QueryId, SourceId};
use crate::source::{GroupId, Source};
use crate::time::{MonoTime, Now};
use core::net::{IpAddr, SocketAddr};

/// First and last exponent of the wait between two attempts to resolve a name: 7·2^k s.
const RETRY_EXPONENTS: (u32, u32) = (2, 9);
/// Members of a pool that are tried at the same time, at most.
const MAX_POOL_MEMBERS: i32 = 16;
/// Addresses taken from one answer of the resolver.
const MAX_ADDRESSES: usize = 16;
/// Addresses of the past by which a source is still known.
const MAX_FORMER: usize = 8;
/// Least time between two checks of addresses against their names, s.
const REFRESH_DISTANCE: f64 = 3600.0;
/// Longest random wait between two replacements of any source, s.
const REPLACEMENT_SPREAD: f64 = 3584.0;

/// One configured name and what became of it.
#[derive(Debug)]
pub(super) struct Group {
    pub id: GroupId,
    pub config: SourceConfig,
    /// The look-up under way.
    pub query: Option<QueryId>,
    /// When to try again.
    pub retry: Option<MonoTime>,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// The member to be replaced by another address of the name.
    pub replacing: Option<SourceId>,
    /// Whose present addresses the look-up confirms.
    pub refresh: Refresh,
    /// The addresses of the last look-up.
    pub found: Vec<IpAddr>,
}

/// Whose addresses are checked against their name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Refresh {
    /// Nobody's.
    #[default]
    No,
    /// One member's: the others go on measuring should it be replaced.
    One(SourceId),
    /// All members' (the command `refresh`).
    All,
}

impl Engine {
    /// Adds a configured source: by address at once, by name as members that wait for the resolver.
    /// Errors: the address is in use.
    pub(super) fn add_configured(
        &mut self,
        now: Now,
        config: SourceConfig,
        out: &mut Actions,
    ) -> Result<(), InUse> {
        if let Ok(address) = config.name.parse::<IpAddr>() {
            if !config.family.accepts(address) || !self.family.accepts(address) {
                return Err(InUse::WrongFamily);
            }
            if self.find_address(address).is_some() {
                return Err(InUse::Address);
            }
            let remote = SocketAddr::new(address, config.port);
            let id = self.push_source(config, None);
            self.give_address(now, id, remote);
            return Ok(());
        }
        let id = GroupId(self.next_group);
        self.next_group = self.next_group.wrapping_add(1);
        let members = match config.kind {
            SourceKind::Pool => (config.max_sources.clamp(1, MAX_POOL_MEMBERS) * 2).min(MAX_POOL_MEMBERS),
            SourceKind::Server | SourceKind::Peer => 1,
        };
        for _ in 0..members {
            self.push_source(config.clone(), Some(id));
        }
        self.groups.push(Group {
            id,
            config,
            query: None,
            retry: None,
            failures: 0,
            replacing: None,
            refresh: Refresh::No,
            found: Vec::new(),
        });
        self.resolve_group(self.groups.len() - 1, out);
        Ok(())
    }

    fn push_source(&mut self, config: SourceConfig, group: Option<GroupId>) -> SourceId {
        self.next_source = self.next_source.wrapping_add(1);
        let id = SourceId(self.next_source);
        let options = self.stats_options(&config);
        let mut source = Source::new(id, config, options);
        source.group = group;
        if group.is_some() {
            self.next_placeholder = self.next_placeholder.wrapping_add(1);
            source.placeholder = self.next_placeholder;
        }
        self.sources.push(source);
        id
    }

    /// The source at `address`, whatever its port.
    pub(super) fn find_address(&self, address: IpAddr) -> Option<usize> {
        self.sources.iter().position(|s| s.remote.is_some_and(|r| r.ip() == address))
    }

    /// The source has an address: it may be asked from now on.
    pub(super) fn give_address(&mut self, now: Now, id: SourceId, remote: SocketAddr) {
        let Some(source) = self.sources.iter_mut().find(|s| s.id == id) else { return };
        source.remote = Some(remote);
        source.resolved = Some(now.mono);
        source.confirmed = false;
        if source.config.online || source.poll.active() {
            self.bring_online(now, id);
        }
    }

    fn resolve_group(&mut self, index: usize, out: &mut Actions) {
        let query = QueryId(self.next_query);
        self.next_query = self.next_query.wrapping_add(1);
        let Some(group) = self.groups.get_mut(index) else { return };
        group.query = Some(query);
        group.retry = None;
        out.push(Action::Resolve { query, name: group.config.name.clone() });
    }

    /// Begins all look-ups whose time has come.
    pub(super) fn retry_names(&mut self, now: Now, out: &mut Actions) {
        for index in 0..self.groups.len() {
            if self.groups[index].query.is_none() && self.groups[index].retry.is_some_and(|at| at <= now.mono)
            {
                self.resolve_group(index, out);
            }
        }
    }

    /// Starts look-ups for everything unresolved at once (`online`, `refresh`).
    pub(super) fn resolve_all(&mut self, all: bool, out: &mut Actions) {
        for index in 0..self.groups.len() {
            let group = &self.groups[index];
            let id = group.id;
            if group.query.is_none() && (all || self.is_waiting(id)) {
                let group = &mut self.groups[index];
                group.refresh = if all { Refresh::All } else { Refresh::No };
                group.failures = 0;
                self.resolve_group(index, out);
            }
        }
    }

    /// The resolver's answer; an empty one is a failure and is tried again later.
    pub(super) fn on_resolved(&mut self, now: Now, query: QueryId, result: &[IpAddr], out: &mut Actions) {
        let Some(index) = self.groups.iter().position(|g| g.query == Some(query)) else { return };
        self.groups[index].query = None;
        let (id, wanted_family) = (self.groups[index].id, self.groups[index].config.family);
        let mut found: Vec<IpAddr> = result
            .iter()
            .copied()
            .filter(|&a| wanted_family.accepts(a) && self.family.accepts(a))
            .take(MAX_ADDRESSES)
            .collect();
        let group = &mut self.groups[index];
        group.found.clone_from(&found);
        let replacing = group.replacing.take();
        let refresh = core::mem::take(&mut group.refresh);
        if found.is_empty() {
            self.retry_later(now, index);
            self.say_unresolved(now, index, out);
            // Without a source to ask, nothing else would ever say why the clock is not set.
            self.report_outcome(self.selection.outcome, out);
            return;
        }
        if let Some(source) = replacing {
            self.replace(now, source, &mut found, out);
        } else if refresh != Refresh::No {
            self.refresh_members(now, id, refresh, &mut found, out);
        }
        self.fill_members(now, id, &found);
        if self.is_waiting(id) {
            self.retry_later(now, index);
        } else {
            self.groups[index].failures = 0;
        }
    }

    /// Has a name members without an address?
    fn is_waiting(&self, group: GroupId) -> bool {
        self.sources.iter().any(|s| s.group == Some(group) && s.remote.is_none())
    }

    /// Tries again in a while, after a longer one each time, if a member still waits for an address.
    fn retry_later(&mut self, now: Now, index: usize) {
        let waiting = self.is_waiting(self.groups[index].id);
        let group = &mut self.groups[index];
        let exponent = (RETRY_EXPONENTS.0 + group.failures).min(RETRY_EXPONENTS.1);
        group.failures = group.failures.saturating_add(1);
        let wait = 7.0 * f64::from(1u32 << exponent);
        group.retry = waiting.then(|| now.mono + wait);
    }

    /// Says once, at the first failure in a row, that a name leads nowhere and when it is tried again.
    fn say_unresolved(&self, now: Now, index: usize, out: &mut Actions) {
        let group = &self.groups[index];
        if let Some(retry) = group.retry.filter(|_| group.failures == 1) {
            let (name, wait) = (&group.config.name, retry - now.mono);
            out.log(
                Severity::Warning,
                format!("Could not resolve {name}, trying again in {wait:.0} seconds"),
            );
        }
    }

    /// Gives the addresses to members that wait for one, in the resolver's order.
    fn fill_members(&mut self, now: Now, group: GroupId, found: &[IpAddr]) {
        for &address in found {
            if self.find_address(address).is_some() {
                continue;
            }
            let Some(member) = self.sources.iter().find(|s| s.group == Some(group) && s.remote.is_none())
            else {
                return;
            };
            let (id, remote) = (member.id, SocketAddr::new(address, member.config.port));
            self.give_address(now, id, remote);
        }
    }

    /// Members whose address is no longer listed get another one.
    fn refresh_members(
        &mut self,
        now: Now,
        group: GroupId,
        which: Refresh,
        found: &mut Vec<IpAddr>,
        out: &mut Actions,
    ) {
        let meant = |s: &Source| which == Refresh::All || which == Refresh::One(s.id);
        let gone: Vec<SourceId> = self
            .sources
            .iter()
            .filter(|s| s.group == Some(group) && meant(s))
            .filter(|s| s.remote.is_some_and(|r| !found.contains(&r.ip())))
            .map(|s| s.id)
            .collect();
        for id in gone {
            self.replace(now, id, found, out);
        }
    }

    /// Moves a source to an address of its name that nobody uses, chosen at random.
    fn replace(&mut self, now: Now, id: SourceId, found: &mut Vec<IpAddr>, out: &mut Actions) {
        found.retain(|&a| !self.sources.iter().any(|s| s.remote.is_some_and(|r| r.ip() == a)));
        let Some(index) = self.sources.iter().position(|s| s.id == id) else { return };
        if found.is_empty() {
            return;
        }
        let address = found.swap_remove(self.rng.below(found.len()));
        let source = &mut self.sources[index];
        let (Some(old), port) = (source.remote, source.config.port) else { return };
        out.log(
            Severity::Info,
            format!("Source {} replaced with {address} ({})", old.ip(), source.config.name),
        );
        let unreachable = !source.reach.reachable();
        if let Some(socket) = source.hang_up() {
            out.push(Action::CloseSocket(socket));
        }
        source.reset();
        if !unreachable {
            source.poll.reset();
        }
        source.former.retain(|former| *former != old.ip());
        source.former.insert(0, old.ip());
        source.former.truncate(MAX_FORMER);
        source.remote = Some(SocketAddr::new(address, port));
        source.resolved = Some(now.mono);
        source.confirmed = false;
        if self.sources[index].poll.active() {
            self.schedule(now, index, super::INITIAL_DELAY);
        }
        self.forget_selected(id);
    }

    /// The source is of no use: ask its name for another address, one source in a while.
    pub(super) fn want_replacement(&mut self, now: Now, id: SourceId, out: &mut Actions) {
        if now.mono < self.next_replacement {
            return;
        }
        let Some(group) = self.sources.iter().find(|s| s.id == id).and_then(|s| s.group) else { return };
        let Some(index) = self.groups.iter().position(|g| g.id == group && g.query.is_none()) else { return };
        self.next_replacement = now.mono + self.rng.uniform() * REPLACEMENT_SPREAD;
        self.groups[index].replacing = Some(id);
        self.resolve_group(index, out);
    }

    /// A member answered: once enough of its pool have, the others are let go. And names are confirmed in a while.
    pub(super) fn on_confirmed(&mut self, now: Now, id: SourceId, out: &mut Actions) {
        let Some(source) = self.sources.iter_mut().find(|s| s.id == id) else { return };
        let first = !core::mem::replace(&mut source.confirmed, true);
        let Some(group) = source.group else { return };
        let Some(index) = self.groups.iter().position(|g| g.id == group) else { return };
        if first && self.groups[index].config.kind == SourceKind::Pool {
            let wanted = self.groups[index].config.max_sources.clamp(1, MAX_POOL_MEMBERS) as usize;
            let confirmed = self.sources.iter().filter(|s| s.group == Some(group) && s.confirmed).count();
            if confirmed >= wanted {
                for source in self.sources.iter_mut().filter(|s| s.group == Some(group) && !s.confirmed) {
                    if let Some(socket) = source.hang_up() {
                        out.push(Action::CloseSocket(socket));
                    }
                }
                self.sources.retain(|s| s.group != Some(group) || s.confirmed);
                self.groups[index].retry = None;
            }
        }
        self.refresh_one(now, id, index, out);
    }

    /// Checks now and then that a source's address still belongs to its name: one source at a time, so that the
    /// others keep the clock when addresses change.
    fn refresh_one(&mut self, now: Now, id: SourceId, group: usize, out: &mut Actions) {
        if self.refresh_interval <= 0.0 || now.mono < self.next_refresh || self.groups[group].query.is_some()
        {
            return;
        }
        let Some(source) = self.sources.iter_mut().find(|s| s.id == id) else { return };
        if source.resolved.is_none_or(|at| now.mono - at < self.refresh_interval) {
            return;
        }
        source.resolved = Some(now.mono);
        self.next_refresh = now.mono + self.refresh_interval.min(REFRESH_DISTANCE);
        self.groups[group].refresh = Refresh::One(id);
        self.resolve_group(group, out);
    }

    /// Removes a source; a name without members is forgotten.
    pub(super) fn remove_source(&mut self, index: usize, out: &mut Actions) {
        let mut source = self.sources.remove(index);
        if let Some(socket) = source.hang_up() {
            out.push(Action::CloseSocket(socket));
        }
        if let Some(group) = source.group {
            let left = self.sources.iter().filter(|s| s.group == Some(group)).count();
            if left == 0 {
                self.groups.retain(|g| g.id != group);
            } else if let Some(group) = self.groups.iter_mut().find(|g| g.id == group) {
                group.config.max_sources = group.config.max_sources.min(left as i32);
            }
        }
        self.forget_selected(source.id);
    }
}

/// Why a source could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InUse {
    /// Another source has this address.
    Address,
    /// The address is of a family that was excluded.
    WrongFamily,
}
