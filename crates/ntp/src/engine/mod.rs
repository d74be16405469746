//! The engine: one value that owns sources, estimates, the discipline and what is served.
//!
//! Inputs come in through [`Engine::handle`] with the time they came; what must be done outside comes back as
//! [`Action`]s. There is no clock, socket, file or chance in here, so a run can be replayed bit by bit.
//!
//! This file only dispatches. [`associations`](self) talk to sources, `names` finds their addresses, `selection`
//! decides whom to follow, `steering` turns estimates into corrections, `reference` and `serving` say what clients
//! are told, `reports` and `commands` answer the control protocol.

mod associations;
mod broadcast;
mod by_hand;
pub mod client_list;
mod clients;
mod commands;
mod dumps;
mod fallback;
mod initial;
pub mod io;
pub mod journal;
mod keys;
mod leap;
mod learning;
mod missed;
mod names;
mod outside;
mod peers;
mod promise;
mod real_time_clock;
mod records;
mod refclocks;
mod reference;
mod reports;
mod request_log;
mod responses;
mod selection;
mod serving;
mod smoothing;
mod snapshots;
mod steering;
pub mod tempcomp;
mod temperature;
mod unannounced;
mod why;

pub use commands::Operator;
pub use io::{
    Action, Actions, Input, LogLine, Meta, PACKET_CAPACITY, PacketBuf, Severity, SocketSpec, Stamp,
    StampSource, TxToken,
};
pub use names::InUse;

use crate::clock::{Clock, ClockError};
use crate::config::{
    AccessRule, ClockConfig, Config, Family, LocalConfig, LogConfig, SelectionConfig, SourceConfig,
};
use crate::control::AccessList;
use crate::discipline::{Discipline, Limits};
use crate::estimator::temperature::Temperatures;
use crate::estimator::{Joint, StatsOptions};
use crate::ids::SourceId;
use crate::manual::ManualSamples;
use crate::rng::Rng;
use crate::select::{Candidate, SelectOptions, Selection, Status};
use crate::server::limit::Budget;
use crate::server::{self, AccessTable, Responder, ServeConfig, ServerState, Shards};
use crate::smoothing::Smoothing;
use crate::source::Source;
use crate::time::{MonoTime, Now, OscTime, RawTime};
use associations::INITIAL_DELAY;
use broadcast::Broadcast;
use clients::CommandClients;
use core::net::IpAddr;
use fallback::Fallback;
use initial::Initial;
use journal::Journal;
use leap::LeapWatch;
use learning::Learning;
use names::Group;
use real_time_clock::RealTimeClock;
use reference::Reference;
use std::sync::MutexGuard;
use steering::StepRule;
use unannounced::Leapt;

/// Longest time between two looks at what changes by itself (local reference, leap seconds), s.
const MAINTENANCE: f64 = 1.0;
/// Shortest wait for the end of a slew, s: a bound on wake-ups.
const MIN_SLEW_WAIT: f64 = 1e-3;

/// The frequency of the drift file is believed to be this wrong at least, s/s: it is of another day.
const DRIFT_DOUBT: f64 = 1e-6;
/// … and not at all if it says itself that it may be this wrong, s/s: an ordinary crystal is not worse.
const UNKNOWN_DRIFT: f64 = 150e-6;

/// Run for ever, or measure once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Once {
    /// Run until told to stop.
    #[default]
    No,
    /// `-q`: step the clock once and exit.
    Set,
    /// `-Q`: print the offset and exit.
    Print,
}

/// What the start decides beside the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Start {
    /// The drift file's frequency (s/s, positive: the clock is fast, as the file says it) and skew (s/s).
    pub drift: Option<(f64, f64)>,
    /// Measure once?
    pub once: Once,
    /// `-R`: a restart; `makestep` with a limited count does not apply.
    pub reload: bool,
    /// False with `-x`: the system clock is not ours.
    pub steers: bool,
    /// `-4`, `-6`.
    pub family: Family,
    /// Threads that serve beside the main loop; 0: it serves itself.
    pub serving_threads: usize,
}

/// The whole core of a running daemon.
pub struct Engine {
    // What was configured.
    pub(crate) clock_config: ClockConfig,
    pub(crate) selection_config: SelectionConfig,
    pub(crate) log: LogConfig,
    pub(crate) local: Option<LocalConfig>,
    family: Family,
    refresh_interval: f64,
    once: Once,
    /// `-q`, `-Q`: the result is known, or that there will be none.
    finished: bool,
    /// False with `-x`: nobody may step the clock by command.
    steers: bool,
    port_open: bool,

    // Sources and their names.
    pub(crate) sources: Vec<Source>,
    groups: Vec<Group>,
    local_addresses: Vec<(SourceId, IpAddr)>,
    directory_sources: Vec<SourceConfig>,
    next_source: u32,
    next_placeholder: u32,
    next_group: u32,
    next_query: u32,
    next_socket: u32,
    next_token: u64,
    /// When the last request left, and the distance in seconds its source keeps.
    last_request: Option<(MonoTime, f64)>,
    next_replacement: MonoTime,
    next_refresh: MonoTime,

    // Estimates, clock.
    select_options: SelectOptions,
    candidates: Vec<Candidate>,
    /// Indices of the sources used, and whether their offsets have a say: kept so that no update allocates.
    used: Vec<(usize, bool)>,
    pub(crate) joint: Joint,
    /// When sources were last judged.
    judged: Option<OscTime>,
    pub(crate) selection: Selection,
    discipline: Discipline,
    pub(crate) reference: Reference,
    /// The source last said to be selected, and whether a failure to select was reported since.
    announced: Option<SourceId>,
    complained: bool,
    step_rule: StepRule,
    /// The clock refused to be stepped, and that was said.
    step_refused: bool,
    leap: LeapWatch,
    precision: f64,
    drift_saved: Option<MonoTime>,
    learning: Learning,
    temperatures: Temperatures,
    /// What was still to be corrected just before the last update (positive: the clock was slow), and the bound on the
    /// clock's error then, s: figures of tracking.log.
    before_update: (f64, f64),

    // What is served.
    shards: Shards,
    server_state: ServerState,
    command_access: AccessTable,
    /// Rules that commands have added since the start, while lists may still be made anew.
    access_changes: Vec<(AccessList, AccessRule)>,
    /// What commands have changed, and what undoes it.
    journal: Journal,
    command_clients: CommandClients,
    /// `trafficlimit`.
    budget: Option<Budget>,
    /// `requestlog` has a file, last written then.
    requests_saved: Option<MonoTime>,

    /// Receive stamps before this reading were taken before the clock was stepped.
    stamps_from: RawTime,
    /// The clock just after our own step in this event.
    stepped: Option<RawTime>,
    /// Own steps of the clock since the start, and the last one (s).
    steps: (u64, f64),
    /// Since when (V) true time is uncertain by so much (s) to whoever has not been asked since: the machine slept, or
    /// another program steered.
    shaken: Option<(OscTime, f64)>,
    /// Sources that are a whole second away since a midnight.
    leapt: Vec<Leapt>,
    /// When it was last said that another program steers.
    overruled: Option<MonoTime>,

    /// `smoothtime`.
    smoothing: Option<Smoothing>,
    /// `manual`.
    manual: ManualSamples,
    /// `fallbackdrift`.
    fallback: Fallback,
    /// The points of `tempcomp`: temperature and compensation in ppm.
    temperature_points: Vec<(f64, f64)>,
    /// `initstepslew`, until it is done.
    initial: Option<Initial>,
    /// `rtcfile`.
    rtc: Option<RealTimeClock>,
    /// `broadcast`.
    broadcasts: Vec<Broadcast>,
    /// `mailonchange`: the threshold, s.
    mail_threshold: Option<f64>,

    rng: Rng,
    started: MonoTime,
    last: Now,
}

impl Engine {
    /// A new engine at `now`. Sets the clock to the frequency of the drift file, or keeps the one it has.
    pub fn new(
        config: &Config,
        start: Start,
        mut rng: Rng,
        now: Now,
        clock: &mut dyn Clock,
        out: &mut Actions,
    ) -> Self {
        let state = clock.state();
        let precision = config.clock.precision.unwrap_or(state.precision).clamp(1e-9, 1.0);
        let limits = Limits {
            max_slew_rate: config.clock.max_slew_rate.abs(),
            max_frequency: state.max_frequency,
            max_drift: config.clock.max_drift.abs(),
            corr_time_ratio: config.clock.corr_time_ratio,
        };
        let remembered = clients::client_bytes(config);
        let serve_config = ServeConfig {
            access: AccessTable::new(&config.server.access),
            held_stamps: server::held::pairs(remembered as u64, start.serving_threads),
            minimum_poll: clients::minimum_poll(config.server.rate_limit.as_ref()),
            limits: clients::limits(config),
            // The eighth part is for held stamps.
            client_bytes: (remembered - remembered / 8) / start.serving_threads.max(1),
            client_prefix: config.server.client_prefix,
            // Of a copy: what is drawn later does not depend on it.
            epoch: rng.clone().bits() as u32,
            request_log: clients::request_log_bytes(config) / start.serving_threads.max(1),
            ..ServeConfig::default()
        };
        let shards = Shards::new(start.serving_threads, serve_config, &mut rng);
        let mut engine = Self {
            clock_config: config.clock.clone(),
            selection_config: config.selection.clone(),
            log: config.log.clone(),
            local: config.server.local,
            family: start.family,
            refresh_interval: config.client.refresh,
            once: start.once,
            finished: false,
            step_refused: false,
            steers: start.steers,
            port_open: config.server.port != 0 && start.once != Once::Print,
            sources: Vec::new(),
            groups: Vec::new(),
            local_addresses: Vec::new(),
            directory_sources: Vec::new(),
            next_source: 0,
            next_placeholder: 0,
            next_group: 0,
            next_query: 0,
            next_socket: 0,
            next_token: 0,
            last_request: None,
            next_replacement: now.mono,
            next_refresh: now.mono,
            select_options: SelectOptions::new(&config.selection, config.clock.max_clock_error),
            candidates: Vec::new(),
            used: Vec::new(),
            joint: Joint::default(),
            judged: None,
            selection: Selection::default(),
            discipline: Discipline::new(now.raw, state.frequency, limits),
            reference: Reference::default(),
            step_rule: StepRule::new(&config.clock, start.reload),
            leap: LeapWatch::default(),
            precision,
            drift_saved: None,
            learning: Learning::default(),
            temperatures: Temperatures::default(),
            before_update: (0.0, 1.5),
            shards,
            server_state: ServerState::unsynchronised(crate::server::state::precision_log2(precision)),
            command_access: AccessTable::new(&config.control.access),
            access_changes: Vec::new(),
            journal: Journal::default(),
            command_clients: CommandClients::new(config, &rng),
            budget: config.server.traffic_limit.map(Budget::new),
            requests_saved: config.server.request_log_file.as_ref().map(|_| now.mono),
            announced: None,
            complained: false,
            stamps_from: RawTime::from_nanos(i64::MIN),
            stepped: None,
            steps: (0, 0.0),
            shaken: None,
            overruled: None,
            leapt: Vec::new(),
            smoothing: config.clock.smooth.map(|smooth| Smoothing::new(smooth, now.mono)),
            manual: ManualSamples::new(config.clock.manual),
            fallback: Fallback::new(config.clock.fallback_drift),
            temperature_points: Vec::new(),
            initial: Initial::new(config, &start, now.mono),
            rtc: RealTimeClock::new(config, now.mono),
            broadcasts: broadcast::all(config, now.mono),
            mail_threshold: config.log.mail_on_change.as_ref().map(|(_, threshold)| threshold.abs()),
            started: now.mono,
            last: now,
            rng,
        };
        engine.set_initial_frequency(now, clock, start.drift, out);
        engine.add_refclocks(now, config, out);
        let first = if engine.initial.is_some() { initial::hosts(config) } else { config.sources.clone() };
        for mut source in first {
            source.iburst |= start.once != Once::No;
            engine.add_from_configuration(now, source, out);
        }
        engine.spread_first_requests(now);
        engine.update_selection(now, clock, None, out);
        for verdict in &mut engine.selection.verdicts {
            verdict.status = Status::MissingSamples; // nobody has been heard, whatever else there is against them
        }
        if engine.log.tracking {
            engine.reference.time = engine.discipline.cooking(now.raw).apply(now.raw);
            engine.record_tracking(now, out);
        }
        engine.finish(now);
        engine
    }

    fn add_from_configuration(&mut self, now: Now, source: SourceConfig, out: &mut Actions) {
        let name = source.name.clone();
        if self.add_configured(now, source, out).is_err() {
            out.log(Severity::Error, format!("Could not add source {name}"));
        }
    }

    /// The sources of the configuration start one after the other.
    fn spread_first_requests(&mut self, now: Now) {
        let mut wait = INITIAL_DELAY;
        for index in 0..self.sources.len() {
            if self.sources[index].due.is_some() {
                self.schedule(now, index, wait);
                wait += self.sources[index].poll.spacing();
            }
        }
    }

    fn set_initial_frequency(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        drift: Option<(f64, f64)>,
        out: &mut Actions,
    ) {
        let (frequency, skew) = match drift {
            Some((fast, skew)) if fast != 0.0 => {
                let doubt = skew.abs().max(DRIFT_DOUBT);
                let known = fast.is_finite() && doubt < UNKNOWN_DRIFT;
                self.joint.set_known(known.then_some((-fast, doubt)));
                (-fast, skew)
            }
            _ => (clock.state().frequency, reference::UNKNOWN_SKEW),
        };
        self.reference.skew = skew;
        let result = self.discipline.set_frequency(now, clock, frequency);
        self.clock_result("set the frequency of", result, out);
    }

    /// Takes one event. Actions are appended to `out`.
    pub fn handle(&mut self, now: Now, clock: &mut dyn Clock, input: Input<'_>, out: &mut Actions) {
        match input {
            Input::Timeout => self.on_timeout(now, clock, out),
            Input::Datagram { socket, meta, rx, bytes } => {
                self.on_datagram(now, clock, (socket, &meta, rx), bytes, out);
            }
            Input::Sent { token, at } => self.on_sent(now, token, at),
            Input::SendFailed { socket } => self.on_send_failed(socket, out),
            Input::Opened { socket, local } => self.on_opened(socket, local),
            Input::Resolved { query, result } => self.on_resolved(now, query, result, out),
            Input::Rtc { shown, at } => self.on_rtc(now, shown, at, out),
            Input::Temperature(reading) => self.on_temperature(now, clock, reading, out),
            Input::Reading { source, reading } => {
                self.on_reading(now, source, &reading, out);
            }
            Input::Route { source, exists } => self.on_route(now, clock, source, exists, out),
            Input::ExternalStep { offset } => self.on_external_step(now, clock, offset, out),
            Input::Temperatures { celsius } => self.on_temperatures(now, clock, celsius, out),
            Input::Suspended { slept, sure } => self.on_suspended(now, clock, (slept, sure), out),
            Input::ForeignFrequency { frequency, since } => {
                self.on_foreign_frequency(now, clock, (frequency, since), out);
            }
        }
        self.finish(now);
    }

    fn on_timeout(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let result = self.discipline.service(now, clock);
        self.clock_result("steer", result, out);
        self.send_due(now, clock, out);
        self.attend_refclocks(now, clock, out);
        self.end_initial(now, out);
        self.fall_back(now, clock, out);
        self.end_holdover(now, clock, out);
        self.send_broadcasts(now, out);
        self.attend_rtc(now, out);
        self.retry_names(now, out);
        self.watch_leap(now, clock, out);
        self.watch_traffic(now, out);
        self.save_requests(now, out);
        self.give_up(now, out);
    }

    /// After every event: what clients are told follows from what is believed.
    fn finish(&mut self, now: Now) {
        let now = self.after_step(now);
        if self.stepped.take().is_some()
            && let Some(smoothing) = &mut self.smoothing
        {
            smoothing.reset(now.mono);
        }
        self.last = now;
        self.refresh_server_state(now);
    }

    /// Is this a reading of the clock as it runs now? Not if it was taken before a step: one forward leaves such
    /// stamps behind, one backward puts them ahead.
    fn is_current(&self, now: Now, stamp: RawTime) -> bool {
        self.stamps_from <= stamp && stamp <= now.raw
    }

    /// When [`Input::Timeout`] is due at the latest.
    pub fn next_timeout(&self) -> Option<MonoTime> {
        let slew = self.discipline.slew_until().map(|until| {
            // The monotonic clock may run at the steered rate or at the oscillator's: never be late.
            let left = (until - self.last.raw) / (1.0 + self.discipline.timeline().frequency().max(0.0));
            self.last.mono + left.max(MIN_SLEW_WAIT)
        });
        let retry = self.groups.iter().filter_map(|g| g.retry).min();
        let watch = self.needs_watching().then(|| self.last.mono + MAINTENANCE);
        let renew = self.reference.synchronised.then(|| self.last.mono + reference::DISPERSION_HORIZON / 2.0);
        let leap = self.next_leap_event();
        [slew, retry, watch, renew, leap, self.next_source_event(), self.next_refclock()]
            .into_iter()
            .chain([self.next_fallback(), self.next_broadcast(), self.next_rtc(), self.next_initial()])
            .flatten()
            .min()
    }

    fn next_leap_event(&self) -> Option<MonoTime> {
        let local = self.discipline.cooking(self.last.raw).apply(self.last.raw);
        let wait = self.leap.next(local)? - local;
        Some(self.last.mono + wait.max(MIN_SLEW_WAIT))
    }

    /// Something changes by itself: a local reference may take over, a leap second comes, `-q` gives up.
    fn needs_watching(&self) -> bool {
        self.local.is_some()
            || self.is_smoothing(self.last)
            || self.leap.armed()
            || self.once != Once::No
            || self.budget.is_some()
    }

    /// The end of the process: the slew is cancelled, drift and dumps are saved, leap flags are cleared.
    pub fn shutdown(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let result = self.discipline.cancel(clock);
        self.clock_result("stop slewing", result, out);
        self.disarm_leap(clock);
        if self.clock_config.drift_file.is_some() && self.once == Once::No {
            self.save_drift(out);
        }
        if self.once == Once::No {
            if self.reference.updates > 0 {
                self.observe_board(now);
                out.push(Action::SaveLearned);
            }
            out.push(Action::SaveDumps);
            if self.rtc.is_some() {
                out.push(Action::SaveRtc);
            }
            if self.budget.is_some() {
                self.watch_traffic(now, out);
                out.push(Action::SaveTraffic);
            }
            if self.shards.config().request_log > 0 {
                out.push(Action::SaveRequests);
            }
        }
        self.finish(now);
    }

    /// The server in this thread, locked for a batch of requests, and what it tells now.
    pub fn responder(&self) -> (MutexGuard<'_, Responder>, &ServerState) {
        (self.shards.main(), &self.server_state)
    }

    /// All that answer.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// What clients are told now.
    pub fn server_state(&self) -> &ServerState {
        &self.server_state
    }

    /// The correction still pending at `now`, s; positive: the clock is behind.
    pub fn pending(&self, now: Now) -> f64 {
        self.discipline.pending(now.raw)
    }

    /// Frequency correction believed right, s/s; positive: the oscillator is slow.
    pub fn frequency(&self) -> f64 {
        self.discipline.frequency()
    }

    pub(crate) fn index_of(&self, id: SourceId) -> Option<usize> {
        self.sources.iter().position(|s| s.id == id)
    }

    fn stats_options(&self, config: &SourceConfig) -> StatsOptions {
        let pick = |own: i32, global: i32| usize::try_from(if own < 0 { global } else { own }).unwrap_or(0);
        StatsOptions {
            min_samples: pick(config.min_samples, self.selection_config.min_samples),
            max_samples: pick(config.max_samples, self.selection_config.max_samples),
            asymmetry: config.asymmetry,
            refclock: false,
        }
    }

    /// Says what the clock refused; the daemon goes on.
    fn clock_result(&self, what: &str, result: Result<(), ClockError>, out: &mut Actions) {
        if let Err(error) = result {
            out.log(Severity::Error, format!("Could not {what} the clock: {error}"));
        }
    }
}
