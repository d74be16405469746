//! A small world for one engine: a clock over a perfect oscillator, and servers that are functions.

use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::config::{Config, NoFiles, SourceConfig, SourceKind, parse_lines};
use ntp::engine::{
    Action, Actions, Engine, Input, LogLine, Meta, Operator, PacketBuf, Stamp, StampSource, Start,
};
use ntp::ids::{QueryId, RefId, SocketId, SourceId};
use ntp::refclock::Reading;
use ntp::rng::Rng;
use ntp::time::{LocalTime, MonoTime, NANOS, Now, NtpShort, NtpTime, RawTime};
use ntp::wire::{Leap, Mode, Packet};
use std::net::{IpAddr, SocketAddr};

/// True time at the start: 2024-03-10, a Sunday like any other.
pub const START: i64 = 1_710_000_000 * NANOS;

/// The configuration of these lines, which are right.
pub fn configured(lines: &[&str]) -> Config {
    let parsed = parse_lines(lines, &NoFiles).expect("right");
    assert!(parsed.warnings.is_empty(), "{:?}", parsed.warnings);
    parsed.config
}

/// A start like any other, of an engine that may steer.
pub fn start() -> Start {
    Start { steers: true, ..Start::default() }
}

/// The clock the engine steers. The oscillator is perfect and is the monotonic clock.
pub struct Bench {
    /// Nanoseconds since the start.
    pub v: i64,
    base: (i64, i64),
    pub frequency: f64,
    pub status: Option<SyncStatus>,
    pub leap: Leap,
    pub steps: Vec<f64>,
    pub refuses: Option<ClockError>,
    pub refuses_steps: Option<ClockError>,
    pub calls: u64,
}

impl Bench {
    pub fn raw(&self) -> i64 {
        let run = self.v - self.base.0;
        self.base.1 + run + (run as f64 * self.frequency).round() as i64
    }
    pub fn now(&self) -> Now {
        Now { mono: MonoTime::from_nanos(self.v), raw: RawTime::from_nanos(self.raw()) }
    }
    /// Somebody moves it.
    pub fn shift(&mut self, nanos: i64) {
        self.base = (self.v, self.raw() + nanos);
    }
}

impl Clock for Bench {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        assert!(frequency.is_finite(), "no clock can run at {frequency}");
        self.calls += 1;
        if let Some(error) = self.refuses {
            return Err(error);
        }
        self.base = (self.v, self.raw());
        self.frequency = frequency.clamp(-0.1, 0.1);
        Ok(Applied { at: RawTime::from_nanos(self.base.1), frequency: self.frequency, offset: 0.0 })
    }
    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        assert!(offset.is_finite(), "no clock can be moved by {offset}");
        self.calls += 1;
        if let Some(error) = self.refuses.or(self.refuses_steps) {
            return Err(error);
        }
        let at = RawTime::from_nanos(self.raw());
        self.shift(ntp::time::seconds_to_nanos(offset));
        self.steps.push(offset);
        Ok(Applied { at, frequency: self.frequency, offset })
    }
    fn set_leap(&mut self, leap: Leap, _: i32) -> Result<(), ClockError> {
        self.leap = leap;
        self.refuses.map_or(Ok(()), Err)
    }
    fn set_status(&mut self, status: SyncStatus) -> Result<(), ClockError> {
        self.status = Some(status);
        self.refuses.map_or(Ok(()), Err)
    }
    fn state(&self) -> ClockState {
        ClockState { frequency: self.frequency, max_frequency: 0.1, precision: 1e-9, ours: true }
    }
}

/// What a server does with a request that leaves at true time `at` (s since the start).
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// Seconds on the way there and back.
    pub there: f64,
    pub back: f64,
    /// Its error, s.
    pub offset: f64,
    pub stratum: u8,
    pub leap: Leap,
    pub refid: RefId,
    pub root_dispersion: f64,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            there: 0.005,
            back: 0.005,
            offset: 0.0,
            stratum: 1,
            leap: Leap::None,
            refid: RefId::from_text("GPS"),
            root_dispersion: 1e-5,
        }
    }
}

/// Kiss code RATE.
pub fn rate() -> Answer {
    Answer { leap: Leap::Unsynchronised, stratum: 0, refid: RefId::from_text("RATE"), ..Answer::default() }
}

/// A server that is more than a behaviour: takes a request and when it arrives (ns since the Unix epoch), gives its reply
/// and when that leaves.
pub type Server = Box<dyn FnMut(i64, &Packet) -> Option<(i64, Packet)>>;

/// What the driver of a reference clock reads at true time `at` (s since the start), of which it is told the clock.
pub type Refclock = Box<dyn FnMut(SourceId, f64, RawTime) -> Option<Reading>>;

type Behaviour = Box<dyn FnMut(IpAddr, f64) -> Option<Answer>>;

pub struct Rig {
    pub clock: Bench,
    pub engine: Engine,
    pub out: Actions,
    /// Open sockets.
    pub sockets: Vec<(SocketId, SocketAddr)>,
    pub log: Vec<LogLine>,
    /// When (s) a request was sent, and to whom.
    pub sent: Vec<(f64, IpAddr)>,
    /// Look-ups asked for: when (s), the name.
    pub lookups: Vec<(f64, String)>,
    pub names: Vec<(String, Vec<IpAddr>)>,
    pub drift: Option<(f64, f64)>,
    pub exit: Option<i32>,
    pub timeouts: u64,
    /// Sending fails.
    pub unreachable: bool,
    /// What follows the header of every answer.
    pub tail: Vec<u8>,
    /// Makes the replies if there is one; the behaviour still says how long the ways are.
    pub server: Option<Server>,
    /// What drivers read of reference clocks at a time (s since the start).
    pub refclock: Option<Refclock>,
    /// Entries of log files.
    pub records: Vec<ntp::logfile::Record>,
    /// Actions that nothing is done about here.
    pub others: Vec<Action>,
    behaviour: Behaviour,
    arrivals: Vec<(i64, SocketId, SocketAddr, Packet)>,
    resolved: Vec<QueryId>,
}

pub fn server(name: &str) -> SourceConfig {
    SourceConfig { iburst: true, ..SourceConfig::new(SourceKind::Server, name) }
}

pub fn config(sources: &[SourceConfig]) -> Config {
    Config { sources: sources.to_vec(), ..Config::default() }
}

impl Rig {
    /// A host whose clock is `error` seconds ahead of the truth.
    pub fn new(
        config: &Config,
        start: Start,
        error: f64,
        behaviour: impl FnMut(IpAddr, f64) -> Option<Answer> + 'static,
    ) -> Self {
        let base = START + ntp::time::seconds_to_nanos(error);
        let mut clock = Bench {
            v: 0,
            base: (0, base),
            frequency: 0.0,
            status: None,
            leap: Leap::None,
            steps: Vec::new(),
            refuses: None,
            refuses_steps: None,
            calls: 0,
        };
        let mut out = Actions::new();
        let now = clock.now();
        let engine = Engine::new(config, start, Rng::from_number(1), now, &mut clock, &mut out);
        let mut rig = Self {
            clock,
            engine,
            out,
            sockets: Vec::new(),
            log: Vec::new(),
            sent: Vec::new(),
            lookups: Vec::new(),
            names: Vec::new(),
            drift: None,
            exit: None,
            timeouts: 0,
            unreachable: false,
            tail: Vec::new(),
            server: None,
            refclock: None,
            records: Vec::new(),
            others: Vec::new(),
            behaviour: Box::new(behaviour),
            arrivals: Vec::new(),
            resolved: Vec::new(),
        };
        rig.perform();
        rig
    }

    /// Seconds since the start.
    pub fn time(&self) -> f64 {
        self.clock.v as f64 * 1e-9
    }

    /// Nanoseconds: served time minus the truth, and the root distance served (s); `None`: not synchronised.
    pub fn served(&self) -> Option<(f64, f64)> {
        let raw = self.clock.now().raw;
        let state = self.engine.server_state().at(raw);
        let error = state.local(raw).nanos() - (START + self.clock.v);
        (state.leap != Leap::Unsynchronised).then(|| {
            (error as f64 * 1e-9, state.root_delay.seconds() / 2.0 + state.dispersion.at(raw).seconds())
        })
    }

    pub fn give(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        self.engine.handle(now, &mut self.clock, input, &mut self.out);
        self.perform();
    }

    pub fn operate<T>(&mut self, f: impl FnOnce(&mut Operator<'_>) -> T) -> T {
        let now = self.clock.now();
        let mut operator =
            Operator { engine: &mut self.engine, clock: &mut self.clock, now, out: &mut self.out };
        let result = f(&mut operator);
        self.perform();
        result
    }

    pub fn shutdown(&mut self) {
        let now = self.clock.now();
        self.engine.shutdown(now, &mut self.clock, &mut self.out);
        self.perform();
    }

    pub fn said(&self, text: &str) -> usize {
        self.log.iter().filter(|line| line.text.contains(text)).count()
    }

    /// Lets time pass until `seconds` after the start.
    pub fn run_until(&mut self, seconds: f64) {
        let end = ntp::time::seconds_to_nanos(seconds);
        while self.exit.is_none() {
            let timeout = self.engine.next_timeout().map(|at| at.nanos().max(self.clock.v));
            let arrival = self.arrivals.iter().map(|a| a.0).min();
            let Some(next) = timeout.into_iter().chain(arrival).min().filter(|&next| next <= end) else {
                break;
            };
            self.clock.v = self.clock.v.max(next);
            if !self.resolved.is_empty() {
                self.resolve();
            }
            if timeout.is_some_and(|at| at <= self.clock.v) {
                self.timeouts += 1;
                self.give(Input::Timeout);
            }
            while let Some(index) = self.arrivals.iter().position(|a| a.0 <= self.clock.v) {
                let (_, socket, from, packet) = self.arrivals.swap_remove(index);
                if self.sockets.iter().any(|(open, _)| *open == socket) {
                    self.receive(socket, from, &packet);
                }
            }
        }
        self.clock.v = self.clock.v.max(end);
    }

    /// As [`Self::run_until`] for `wait` seconds, but what arrives is stamped before and handled after the loop has
    /// noticed that the clock was stepped by `offset`.
    pub fn run_until_noticed(&mut self, wait: f64, offset: f64) {
        self.clock.v += ntp::time::seconds_to_nanos(wait);
        let due: Vec<_> = self.arrivals.iter().filter(|a| a.0 <= self.clock.v).cloned().collect();
        self.arrivals.retain(|a| a.0 > self.clock.v);
        let rx = Stamp { time: self.clock.now().raw, source: StampSource::Kernel };
        self.clock.v += 100_000;
        self.give(Input::ExternalStep { offset });
        for (_, socket, from, packet) in due {
            let meta = Meta { from, to: None, interface: 0 };
            let bytes = [&packet.emit()[..], &self.tail].concat();
            self.give(Input::Datagram { socket, meta, rx, bytes: &bytes });
        }
    }

    /// The command `burst`, to all sources.
    pub fn burst(&mut self, good: i32, total: i32) {
        use ntp::control::{Backend, Change, actions::SourceFilter};
        let burst = Change::Burst { sources: SourceFilter::ALL, good, total };
        self.operate(|operator| operator.change(&burst));
    }

    pub fn receive(&mut self, socket: SocketId, from: SocketAddr, packet: &Packet) {
        let rx = Stamp { time: self.clock.now().raw, source: StampSource::Kernel };
        let meta = Meta { from, to: None, interface: 0 };
        let bytes = [&packet.emit()[..], &self.tail].concat();
        self.give(Input::Datagram { socket, meta, rx, bytes: &bytes });
    }

    fn resolve(&mut self) {
        for query in core::mem::take(&mut self.resolved) {
            let name = &self.lookups[query.0 as usize].1;
            let known = self.names.iter().find(|(known, _)| known == name).map(|(_, a)| a.clone());
            self.give(Input::Resolved { query, result: &known.unwrap_or_default() });
        }
    }

    /// Answers all look-ups now.
    pub fn look_up(&mut self) {
        self.resolve();
    }

    fn perform(&mut self) {
        while !self.out.is_empty() {
            let batch: Vec<Action> = self.out.drain().collect();
            for action in batch {
                self.perform_one(action);
            }
        }
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::OpenSocket(spec) => {
                self.sockets.push((spec.id, spec.remote));
                self.give(Input::Opened { socket: spec.id, local: [192, 0, 2, 99].into() });
            }
            Action::CloseSocket(id) => self.sockets.retain(|(open, _)| *open != id),
            Action::Send { socket, token, bytes } => {
                if self.unreachable {
                    let remote =
                        self.sockets.iter().find(|(id, _)| *id == socket).map(|(_, remote)| remote.ip());
                    self.sent.extend(remote.map(|remote| (self.time(), remote)));
                    return self.give(Input::SendFailed { socket });
                }
                self.send(socket, bytes);
                let at = Stamp { time: self.clock.now().raw, source: StampSource::Daemon };
                self.give(Input::Sent { token: token.0, at });
            }
            Action::Resolve { name, .. } => {
                self.resolved.push(QueryId(self.lookups.len() as u32));
                self.lookups.push((self.time(), name));
            }
            Action::Log(line) => self.log.push(line),
            Action::Record(record) => self.records.push(record),
            Action::ReadRefclock(id) => {
                let (at, raw) = (self.time(), self.clock.now().raw);
                if let Some(reading) = self.refclock.as_mut().and_then(|read| read(id, at, raw)) {
                    self.give(Input::Reading { source: id, reading });
                }
            }
            Action::SaveDrift { frequency, skew } => self.drift = Some((frequency, skew)),
            Action::Exit(status) => self.exit = Some(status),
            other => self.others.push(other),
        }
    }

    fn send(&mut self, socket: SocketId, bytes: PacketBuf) {
        let Some((_, remote)) = self.sockets.iter().find(|(id, _)| *id == socket).copied() else { return };
        self.sent.push((self.time(), remote.ip()));
        let time = self.time();
        let Some(answer) = (self.behaviour)(remote.ip(), time) else { return };
        let request = Packet::parse(bytes.as_slice()).expect("a request of ours");
        let arrives = self.clock.v + ntp::time::seconds_to_nanos(answer.there);
        if let Some(server) = &mut self.server {
            let Some((leaves, packet)) = server(START + arrives, &request) else { return };
            let back = leaves - START + ntp::time::seconds_to_nanos(answer.back);
            return self.arrivals.push((back, socket, remote, packet));
        }
        let stamp = NtpTime::from(LocalTime::from_nanos(START + arrives) + answer.offset);
        let packet = Packet {
            leap: answer.leap,
            version: 4,
            mode: Mode::Server,
            stratum: answer.stratum,
            poll: 6,
            precision: -29,
            root_delay: NtpShort(0),
            root_dispersion: NtpShort::from_seconds_ceil(answer.root_dispersion),
            refid: answer.refid,
            reference: stamp,
            origin: request.transmit,
            receive: stamp,
            transmit: stamp,
        };
        let back = arrives + ntp::time::seconds_to_nanos(answer.back);
        self.arrivals.push((back, socket, remote, packet));
    }
}
