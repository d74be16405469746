//! Commands of the control protocol that change something, and the [`Backend`] that ties reports and commands to
//! one engine at one instant.

use super::names::InUse;
use super::{Action, Actions, Engine, Severity};
use crate::clock::Clock;
use crate::config::{AccessRule, LocalConfig, SourceConfig};
use crate::control::actions::{Manual, SourceFilter, SourceOption, SourceRef};
use crate::control::activity::Activity;
use crate::control::authdata::AuthData;
use crate::control::clients::{Clients, ClientsQuery};
use crate::control::manual::{ManualList, SetTime};
use crate::control::ntpdata::NtpData;
use crate::control::rtcdata::RtcData;
use crate::control::selectdata::SelectData;
use crate::control::serverstats::ServerStats;
use crate::control::smoothing::Smoothing;
use crate::control::sources::SourceData;
use crate::control::sourcestats::SourceStats;
use crate::control::tracking::Tracking;
use crate::control::{AccessList, Backend, Change, Origin, Status};
use crate::report::{Address, SelectOptions, Time};
use crate::select::{self, Flags};
use crate::server::{AccessTable, ServeConfig};
use crate::source::poll;
use crate::time::Now;
use core::net::IpAddr;

/// Sources at most (the control protocol's users know this limit).
const MAX_SOURCES: usize = 65_536;
/// Requests in a burst at most, so that a typo does not become a flood.
const MAX_BURST: i32 = 1000;

/// Changes of access lists remembered at most; later ones are lost if a list is made anew after them.
const MAX_ACCESS_CHANGES: usize = 1024;

/// An operator at the engine: the engine, the clock and the instant of one request.
pub struct Operator<'a> {
    /// The engine.
    pub engine: &'a mut Engine,
    /// The clock it steers.
    pub clock: &'a mut dyn Clock,
    /// When the request came.
    pub now: Now,
    /// What it leads to.
    pub out: &'a mut Actions,
}

impl Backend for Operator<'_> {
    fn command_access(&self, address: IpAddr) -> bool {
        self.engine.command_access.check(address)
    }
    fn count_command(&mut self, from: Origin) -> bool {
        self.engine.count_command(self.now, from)
    }
    fn tracking(&self) -> Tracking {
        self.engine.tracking(self.now)
    }
    fn source_count(&self) -> u32 {
        self.engine.sources.len() as u32
    }
    fn source_data(&self, index: u32) -> Option<SourceData> {
        self.engine.source_data(self.now, index as usize)
    }
    fn source_stats(&self, index: u32) -> Option<SourceStats> {
        self.engine.source_stats(self.now, index as usize)
    }
    fn select_data(&self, index: u32) -> Option<SelectData> {
        self.engine.select_data(self.now, index as usize)
    }
    fn ntp_data(&self, source: &Address) -> Option<NtpData> {
        self.engine.ntp_data(self.engine.source_at(source)?)
    }
    fn auth_data(&self, source: &Address) -> Option<AuthData> {
        self.engine.auth_data(self.engine.source_at(source)?)
    }
    fn source_name(&self, source: &Address) -> Option<String> {
        let index = self.engine.source_at(source)?;
        Some(self.engine.sources[index].config.name.clone())
    }
    fn activity(&self) -> Activity {
        self.engine.activity()
    }
    fn server_stats(&self) -> ServerStats {
        self.engine.server_stats()
    }
    fn clients(&mut self, query: ClientsQuery) -> Result<Clients, Status> {
        self.engine.clients_page(self.now, query)
    }
    fn manual_list(&self) -> Result<ManualList, Status> {
        Ok(self.engine.manual.report(self.engine.discipline.belief()))
    }
    fn smoothing(&self) -> Option<Smoothing> {
        self.engine.smoothing.as_ref().map(|smoothing| smoothing.report(self.now.mono))
    }
    fn rtc_data(&self) -> Option<RtcData> {
        self.engine.rtc_report(self.now)
    }
    fn set_time(&mut self, time: Time) -> Result<SetTime, Status> {
        let done = self.engine.set_time(self.now, self.clock, time.local(), self.out);
        self.engine.finish(self.now);
        done
    }
    fn access_check(&self, list: AccessList, address: IpAddr) -> bool {
        match list {
            AccessList::Ntp => self.engine.shards.config().access.check(address),
            AccessList::Command => self.engine.command_access.check(address),
        }
    }
    fn change(&mut self, change: &Change) -> Status {
        let status = self.engine.journalled(self.now, self.clock, change, self.out);
        self.engine.finish(self.now);
        status
    }
}

/// Success or not.
fn status(done: bool, otherwise: Status) -> Status {
    if done { Status::Success } else { otherwise }
}

impl Engine {
    pub(super) fn change(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        change: &Change,
        out: &mut Actions,
    ) -> Status {
        match change {
            Change::Online(filter) => self.set_online(now, clock, *filter, true, out),
            Change::Offline(filter) => self.set_online(now, clock, *filter, false, out),
            Change::Burst { sources, good, total } => self.burst(now, *sources, *good, *total),
            Change::SetOption(address, option) => self.set_option(address, *option, out),
            Change::SelectOptions { source, mask, options } => {
                self.select_options(*source, *mask, *options, out)
            }
            Change::Offset { source, offset } => self.set_source_offset(*source, *offset, out),
            Change::AddSource(config) => self.add_by_command(now, config, out),
            Change::DeleteSource(address) => self.delete(address, out),
            Change::OnOffline => self.check_routes(out),
            Change::Refresh => {
                self.resolve_all(true, out);
                Status::Success
            }
            Change::ResetSources => self.reset_sources(now, clock, out),
            Change::Reselect => self.reselect(now, clock, out),
            Change::ReselectDistance(distance) => {
                self.select_options.reselect_distance = *distance;
                said(out, format!("New reselect distance {distance:.6}"))
            }
            Change::MakeStep => self.step_now(now, clock, out),
            Change::ConfigureMakeStep { limit, threshold } => {
                self.step_rule.makestep = Some((*threshold, *limit));
                said(out, format!("New makestep {threshold:.6} {limit}"))
            }
            Change::MaxUpdateSkew(skew) => {
                self.clock_config.max_update_skew = skew.abs();
                said(out, format!("New maxupdateskew {:.6} ppm", skew * 1e6))
            }
            Change::AdjustFrequency(fast) => self.adjust_frequency(now, clock, *fast, out),
            Change::AdjustOffset(fast) => self.adjust_offset(now, clock, *fast, out),
            Change::Local(local) => self.set_local(*local, out),
            Change::Allow(list, rule) => self.set_access(*list, rule, out),
            Change::Dump => act(out, Action::SaveDumps),
            Change::CycleLogs => act(out, Action::CycleLogs),
            Change::Rekey => act(out, Action::Rekey),
            Change::ReloadSources => act(out, Action::ReloadSources),
            Change::Shutdown => {
                out.log(Severity::Info, "Received shutdown command");
                act(out, Action::Exit(0))
            }
            Change::WriteRtc => self.rtc_command(now, false, out),
            Change::TrimRtc => self.rtc_command(now, true, out),
            Change::Manual(Manual::Reset) => {
                self.manual.reset();
                Status::Success
            }
            Change::Manual(switch) => {
                self.manual.enable(*switch == Manual::On);
                Status::Success
            }
            Change::ManualDelete(index) => {
                status(self.forget_time(now, clock, *index, out), Status::BadSample)
            }
            Change::SmoothTime(activate) => self.smooth_command(now, *activate, out),
        }
    }

    fn set_online(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        filter: SourceFilter,
        online: bool,
        out: &mut Actions,
    ) -> Status {
        let mut any = self.sources.is_empty() && filter == SourceFilter::ALL;
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if source.refclock.is_some() || !filter.matches(source.report_address()) {
                continue;
            }
            any = true;
            let (id, was) = (source.id, source.poll.active());
            if online {
                self.bring_online(now, id);
            } else {
                self.take_offline(index);
            }
            let source = &self.sources[index];
            if was != online {
                let line = if online { "online" } else { "offline" };
                out.log(Severity::Info, format!("Source {} {line}", source.label()));
            }
        }
        if online {
            self.resolve_all(false, out);
        } else {
            self.update_selection(now, clock, None, out);
        }
        status(any, Status::NoSuchSource)
    }

    fn burst(&mut self, now: Now, filter: SourceFilter, good: i32, total: i32) -> Status {
        let mut any = false;
        for index in 0..self.sources.len() {
            let source = &self.sources[index];
            if source.refclock.is_some() || !filter.matches(source.report_address()) {
                continue;
            }
            any = true;
            let source = &mut self.sources[index];
            // Of nothing there is no burst, but no complaint either.
            if source.remote.is_some() && !source.poll.in_burst() && good > 0 && total > 0 {
                source.poll.start_burst(good.min(MAX_BURST) as u32, total.min(MAX_BURST) as u32);
                self.schedule(now, index, super::INITIAL_DELAY);
            }
        }
        status(any, Status::NoSuchSource)
    }

    fn set_option(&mut self, address: &Address, option: SourceOption, out: &mut Actions) -> Status {
        let Some(index) = self.source_at(address) else { return Status::NoSuchSource };
        let source = &mut self.sources[index];
        let in_range = |value: i32| (poll::MIN_POLL..=poll::MAX_POLL).contains(&value);
        let mut also = None;
        let what = match option {
            SourceOption::Minpoll(value) | SourceOption::Maxpoll(value) if !in_range(value) => {
                return Status::Success;
            }
            SourceOption::Minpoll(value) => {
                source.poll.min = value;
                if source.poll.max < value {
                    source.poll.max = value;
                    also = Some(format!("maxpoll {value}"));
                }
                format!("minpoll {value}")
            }
            SourceOption::Maxpoll(value) => {
                source.poll.max = value;
                if source.poll.min > value {
                    source.poll.min = value;
                    also = Some(format!("minpoll {value}"));
                }
                format!("maxpoll {value}")
            }
            SourceOption::MaxDelay(value) => {
                source.config.max_delay = value;
                format!("maxdelay {value:.6}")
            }
            SourceOption::MaxDelayRatio(value) => {
                source.config.max_delay_ratio = value;
                format!("maxdelayratio {value:.6}")
            }
            SourceOption::MaxDelayDevRatio(value) => {
                source.config.max_delay_dev_ratio = value;
                format!("maxdelaydevratio {value:.6}")
            }
            SourceOption::MinStratum(value) => {
                source.config.min_stratum = value.clamp(0, 15);
                format!("minstratum {value}")
            }
            SourceOption::PollTarget(value) => {
                source.config.poll_target = value.max(1);
                format!("polltarget {value}")
            }
        };
        (source.config.minpoll, source.config.maxpoll) = (source.poll.min, source.poll.max);
        source.poll.limit();
        for what in core::iter::once(what).chain(also) {
            out.log(Severity::Info, format!("Source {} new {what}", source.label()));
        }
        Status::Success
    }

    fn source_named(&self, source: SourceRef) -> Option<usize> {
        match source {
            SourceRef::Address(address) => self.source_at(&address),
            SourceRef::RefId(refid) => self
                .sources
                .iter()
                .position(|s| s.refclock.as_ref().is_some_and(|clock| clock.refid == refid)),
        }
    }

    fn select_options(
        &mut self,
        source: SourceRef,
        mask: SelectOptions,
        options: SelectOptions,
        out: &mut Actions,
    ) -> Status {
        let Some(index) = self.source_named(source) else { return Status::NoSuchSource };
        let config = &mut self.sources[index].config;
        config.noselect = config.noselect && !mask.noselect || options.noselect;
        config.prefer = config.prefer && !mask.prefer || options.prefer;
        config.trust = config.trust && !mask.trust || options.trust;
        config.require = config.require && !mask.require || options.require;
        if let Some(candidate) = self.candidates.get_mut(index) {
            candidate.flags = Flags {
                noselect: config.noselect,
                prefer: config.prefer,
                trust: config.trust,
                require: config.require,
            };
            // What it means for the choice waits for the next one.
            select::refresh_flags(&self.candidates, self.select_options.auth_mode, &mut self.selection);
        }
        let label = self.sources[index].label();
        said(out, format!("Source {label} selection options modified"))
    }

    fn set_source_offset(&mut self, source: SourceRef, offset: f64, out: &mut Actions) -> Status {
        let Some(index) = self.source_named(source) else { return Status::NoSuchSource };
        if !offset.is_finite() {
            return Status::Invalid;
        }
        let source = &mut self.sources[index];
        let change = crate::time::seconds_to_nanos(offset - source.config.offset);
        source.config.offset = offset;
        source.add_offset(change);
        self.joint.forget(source.id);
        said(out, format!("Source {} new offset {offset:.6}", source.label()))
    }

    fn add_by_command(&mut self, now: Now, config: &SourceConfig, out: &mut Actions) -> Status {
        if config.name.is_empty() || config.name.contains(char::is_whitespace) {
            return Status::InvalidName;
        }
        if self.sources.len() >= MAX_SOURCES {
            return Status::TooManySources;
        }
        match self.add_configured(now, config.clone(), out) {
            Ok(()) => {
                self.judge_key(config, out);
                let kind = if config.kind == crate::config::SourceKind::Pool { "pool" } else { "source" };
                said(out, format!("Added {kind} {}", config.name))
            }
            Err(InUse::Address) => Status::SourceAlreadyKnown,
            Err(InUse::WrongFamily) => Status::InvalidFamily,
        }
    }

    fn delete(&mut self, address: &Address, out: &mut Actions) -> Status {
        let Some(index) = self.source_at(address) else { return Status::NoSuchSource };
        let label = self.sources[index].label();
        self.remove_source(index, out);
        said(out, format!("Removed source {label}"))
    }

    /// Asks for every source whether there is a route to it.
    fn check_routes(&mut self, out: &mut Actions) -> Status {
        for source in &self.sources {
            if let Some(remote) = source.remote {
                out.push(Action::CheckRoute { source: source.id, remote });
            }
        }
        self.resolve_all(false, out);
        Status::Success
    }

    fn reset_sources(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) -> Status {
        for source in &mut self.sources {
            source.reset();
        }
        self.announced = None;
        self.select_options.selected_before = false;
        self.unsynchronise(now, clock, out);
        for index in 0..self.sources.len() {
            self.sources[index].poll.reset();
            if self.sources[index].poll.active() && self.sources[index].remote.is_some() {
                self.schedule(now, index, super::INITIAL_DELAY * (index + 1) as f64);
            }
        }
        said(out, "Reset all sources".into())
    }

    fn reselect(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) -> Status {
        for source in &mut self.sources {
            source.select =
                crate::select::SelectState { distant: source.select.distant, ..Default::default() };
        }
        self.update_selection(now, clock, None, out);
        Status::Success
    }

    fn step_now(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) -> Status {
        if !self.steers {
            out.log(Severity::Error, "Could not step system clock : its control is disabled");
            return Status::Failed;
        }
        if let Err(error) = self.step_clock(now, clock, out) {
            out.log(Severity::Error, format!("Could not step system clock : {error}"));
            return Status::Failed;
        }
        Status::Success
    }

    fn adjust_frequency(&mut self, now: Now, clock: &mut dyn Clock, fast: f64, out: &mut Actions) -> Status {
        let frequency = (1.0 + self.discipline.belief().frequency) * (1.0 - fast) - 1.0;
        let result = self.discipline.set_frequency(now, clock, frequency);
        self.clock_result("set the frequency of", result, out);
        said(out, format!("Accumulated delta freq of {:.3}ppm", fast * 1e6))
    }

    fn adjust_offset(&mut self, now: Now, clock: &mut dyn Clock, fast: f64, out: &mut Actions) -> Status {
        if !fast.is_finite() {
            return Status::Invalid;
        }
        self.discipline.shift_truth(-fast);
        let result = self.discipline.slew_pending(now, clock);
        self.clock_result("slew", result, out);
        said(out, format!("Accumulated delta offset of {fast:.6} seconds"))
    }

    fn set_local(&mut self, local: Option<LocalConfig>, out: &mut Actions) -> Status {
        self.local = local.map(|l| LocalConfig { stratum: l.stratum.clamp(1, 15), ..l });
        let what = if local.is_some() { "Enabled" } else { "Disabled" };
        said(out, format!("{what} local reference mode"))
    }

    /// Makes an access list anew from `rules`, followed by what commands have changed in it since the start.
    pub fn set_access_list(&mut self, list: AccessList, rules: &[AccessRule]) {
        let mut table = AccessTable::new(rules);
        for (_, rule) in self.access_changes.iter().filter(|(changed, _)| *changed == list) {
            table.set(rule);
        }
        match list {
            AccessList::Ntp => self.serve_to(table),
            AccessList::Command => self.command_access = table,
        }
    }

    fn serve_to(&mut self, access: AccessTable) {
        let config = ServeConfig { access, ..(**self.shards.config()).clone() };
        self.shards.set_config(config);
    }

    fn set_access(&mut self, list: AccessList, rule: &AccessRule, out: &mut Actions) -> Status {
        if self.access_changes.len() < MAX_ACCESS_CHANGES {
            self.access_changes.push((list, *rule));
        }
        let kind = match list {
            AccessList::Ntp => {
                let mut access = self.shards.config().access.clone();
                access.set(rule);
                self.serve_to(access);
                "NTP"
            }
            AccessList::Command => {
                self.command_access.set(rule);
                "command"
            }
        };
        let verb = if rule.allow { "Allowed" } else { "Denied" };
        let all = if rule.all { " all" } else { "" };
        let from = rule.subnet.map_or_else(
            || "any address".to_owned(),
            |s| {
                let full = if s.address.is_ipv4() { 32 } else { 128 };
                if s.prefix >= full { s.address.to_string() } else { format!("{}/{}", s.address, s.prefix) }
            },
        );
        said(out, format!("{verb}{all} {kind} access from {from}"))
    }

    /// Sources of the source folders: unchanged ones keep their state, others go and come.
    pub fn set_sourcedir_sources(&mut self, now: Now, list: &[SourceConfig], out: &mut Actions) {
        let gone: Vec<SourceConfig> =
            self.directory_sources.iter().filter(|old| !list.contains(old)).cloned().collect();
        for old in gone {
            self.remove_named(&old, out);
        }
        let kept: Vec<SourceConfig> =
            self.directory_sources.iter().filter(|old| list.contains(old)).cloned().collect();
        self.directory_sources = kept;
        for new in list {
            if self.directory_sources.contains(new) {
                continue;
            }
            match self.add_configured(now, new.clone(), out) {
                Ok(()) => {
                    out.log(Severity::Info, format!("Added source {}", new.name));
                    self.directory_sources.push(new.clone());
                }
                Err(_) => {
                    out.log(Severity::Error, format!("Could not add source {} : Already in use", new.name));
                }
            }
        }
        self.finish(now);
    }

    /// Removes all members of a configured name.
    fn remove_named(&mut self, config: &SourceConfig, out: &mut Actions) {
        while let Some(index) = self.sources.iter().position(|s| s.config.name == config.name) {
            let label = self.sources[index].label();
            self.remove_source(index, out);
            out.log(Severity::Info, format!("Removed source {label}"));
        }
    }
}

/// Says it and succeeds.
fn said(out: &mut Actions, text: String) -> Status {
    out.log(Severity::Info, text);
    Status::Success
}

/// Does it and succeeds.
fn act(out: &mut Actions, action: Action) -> Status {
    out.push(action);
    Status::Success
}
