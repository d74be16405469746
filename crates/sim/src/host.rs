//! A host: the engine that ships, on a simulated clock, with the loop that drives it.
//!
//! [`Host::handle`] does what the daemon's event loop does: reads the clocks, hands the event to the engine, performs
//! its actions. What concerns the rest of the world comes back as [`Effect`]s.

mod look;

use crate::clock::SimClock;
use crate::cost::Cost;
use crate::record::Record;
use crate::server::PROCESSING;
use crate::time::TrueTime;
use core::net::{IpAddr, SocketAddr};
use ntp::clock::Clock;
use ntp::config::Config;
use ntp::engine::{Action, Actions, Engine, Input, LogLine, PacketBuf, Stamp, StampSource, Start};
use ntp::ids::{QueryId, SocketId};
use ntp::leap_table::LeapTable;
use ntp::learned::Learned;
use ntp::rng::Rng;
use ntp::server::{Datagram, ReplyBuf, Template, Verdict};
use ntp::time::MonoTime;

/// Port of the requests; links tell clients apart, so one is enough.
const CLIENT_PORT: u16 = 40_000;
/// Longest time until the loop notices what happened to its clock, s.
pub(crate) const NOTICE: f64 = 1.0;
/// Timeouts served at one instant before the engine is said not to make progress.
const MAX_TIMEOUTS: u32 = 1000;

/// What the world must do for a host.
#[derive(Debug)]
pub enum Effect {
    /// Carry this request.
    Request {
        /// The socket that waits for the answer.
        socket: SocketId,
        /// Where it goes.
        remote: SocketAddr,
        /// What it is.
        bytes: PacketBuf,
    },
    /// Look this name up.
    Resolve {
        /// What the answer is reported under.
        query: QueryId,
        /// The name.
        name: String,
    },
}

/// An answer that came in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Seconds after the beginning of the world.
    pub at: f64,
    /// Whose it is.
    pub from: IpAddr,
    /// True time since the request left, s.
    pub round_trip: f64,
}

/// An engine and all it lives on.
pub struct Host {
    address: IpAddr,
    clock: SimClock,
    engine: Option<Engine>,
    config: Config,
    rng: Rng,
    sockets: Vec<(SocketId, SocketAddr)>,
    actions: Actions,
    /// Somebody stepped the clock and the loop has not noticed yet, s.
    unnoticed: f64,
    /// The machine slept so long and the loop has not noticed yet, s.
    slept: f64,
    /// The machine sleeps.
    asleep: bool,
    /// Instant of the last timeouts and how many there were.
    timeouts: (TrueTime, u32),
    /// What it has logged.
    pub log: Vec<(TrueTime, LogLine)>,
    /// The drift file: frequency and skew as last saved.
    pub drift: Option<(f64, f64)>,
    /// The dumps of the last end: file names and texts.
    pub dumps: Vec<(String, String)>,
    /// The list of leap seconds it has.
    pub leap_table: Option<LeapTable>,
    /// The file of what was learned, as last saved.
    pub learned: Option<String>,
    /// Exit status, once the engine has ended by itself.
    pub exit: Option<i32>,
    /// Requests sent.
    pub sent: u64,
    /// Answers received.
    pub received: u64,
    /// Answers received, while the record keeps samples.
    pub arrivals: Vec<Arrival>,
    /// Requests of others answered.
    pub served: u64,
    /// What it was like.
    pub record: Record,
    /// What its engine cost.
    pub cost: Cost,
    /// When the last request of each open socket left.
    departures: Vec<(SocketId, TrueTime)>,
}

impl Host {
    /// A host that is not running yet.
    pub fn new(address: IpAddr, clock: SimClock, config: Config, rng: Rng) -> Self {
        Self {
            address,
            clock,
            engine: None,
            config,
            rng,
            sockets: Vec::new(),
            actions: Actions::new(),
            unnoticed: 0.0,
            slept: 0.0,
            asleep: false,
            timeouts: (crate::time::START, 0),
            log: Vec::new(),
            drift: None,
            dumps: Vec::new(),
            leap_table: None,
            learned: None,
            exit: None,
            sent: 0,
            received: 0,
            arrivals: Vec::new(),
            departures: Vec::new(),
            served: 0,
            record: Record::default(),
            cost: Cost::default(),
        }
    }

    /// Its address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Its clock.
    pub fn clock(&self) -> &SimClock {
        &self.clock
    }

    /// Its engine, while it runs.
    pub fn engine(&self) -> Option<&Engine> {
        self.engine.as_ref()
    }

    /// Starts the daemon.
    pub fn start(&mut self, at: TrueTime, start: Start, effects: &mut Vec<Effect>) {
        self.clock.advance(at);
        let rng = Rng::from_number(self.rng.bits());
        let now = self.clock.now();
        let mut engine = Engine::new(&self.config, start, rng, now, &mut self.clock, &mut self.actions);
        if let Some(table) = &self.leap_table {
            engine.set_leap_table(table.clone());
        }
        if let Some(text) = &self.learned {
            engine.restore_learned(now, Learned::parse(text).expect("what it wrote it can read"));
        }
        engine.set_thermometers(&self.clock.thermometers());
        self.engine = Some(engine);
        self.perform(at, effects);
    }

    /// Starts the daemon with the dumps that the last one left.
    pub fn restart(&mut self, at: TrueTime, start: Start, vouched: bool, effects: &mut Vec<Effect>) {
        self.start(at, start, effects);
        let now = self.clock.now();
        let dumps = core::mem::take(&mut self.dumps);
        if let Some(engine) = self.engine.as_mut() {
            for (name, text) in &dumps {
                engine.load_dump(now, name, text).expect("what it wrote it can read");
            }
            engine.dumps_loaded(now, vouched, &mut self.clock, &mut self.actions);
        }
        self.perform(at, effects);
    }

    /// Ends the daemon as a signal would; the machine stays up.
    pub fn stop(&mut self, at: TrueTime) {
        self.clock.advance(at);
        let now = self.clock.now();
        if let Some(mut engine) = self.engine.take() {
            engine.shutdown(now, &mut self.clock, &mut self.actions);
            self.dumps = engine.dumps();
            self.engine = Some(engine);
        }
        self.sockets.clear();
        self.perform(at, &mut Vec::new());
        self.engine = None;
    }

    /// The kernel forgets its steering, and the real-time clock that starts it is `offset` seconds wrong.
    pub fn reboot(&mut self, at: TrueTime, offset: f64) {
        self.clock.advance(at);
        self.clock.reboot();
        let correction = offset - self.clock.error();
        self.clock.step_from_outside(correction);
    }

    /// Somebody else moves the clock; while it sleeps nobody can.
    pub fn step_from_outside(&mut self, at: TrueTime, offset: f64) {
        self.clock.advance(at);
        if self.asleep {
            return;
        }
        self.clock.step_from_outside(offset);
        self.unnoticed += offset;
    }

    /// Another program changes the frequency by so many s/s.
    pub fn steer_from_outside(&mut self, at: TrueTime, change: f64) {
        self.clock.advance(at);
        self.clock.steer_from_outside(change);
    }

    /// The machine goes to sleep: no timers, no packets, and nobody looks at it.
    pub fn sleep(&mut self, at: TrueTime) {
        self.clock.advance(at);
        self.clock.sleep();
        self.asleep = true;
    }

    /// It wakes up with what the clock on its board says, wrong by `error` s. Both of its clocks have gone on, so a
    /// program that compares them sees nothing; a third clock, which stood still, tells of it.
    pub fn resume(&mut self, at: TrueTime, error: f64) {
        self.clock.advance(at);
        self.slept += self.clock.asleep_since().map_or(0.0, |since| at - since) + error;
        self.clock.resume(error);
        self.asleep = false;
    }

    /// Lets the clock come to `at`; the kernel may make a leap second on the way, which the loop has to notice.
    fn advance(&mut self, at: TrueTime) {
        self.clock.advance(at);
        self.unnoticed += self.clock.take_leap();
    }

    /// Gives the engine an event that happens at `at`.
    pub fn handle(&mut self, at: TrueTime, input: Input<'_>, effects: &mut Vec<Effect>) {
        self.advance(at);
        self.notice_step(at, effects);
        self.give(input);
        self.perform(at, effects);
    }

    /// The loop compares its two clocks whenever it wakes up, at least once a second.
    pub fn notice_step(&mut self, at: TrueTime, effects: &mut Vec<Effect>) {
        self.advance(at);
        if self.asleep {
            return;
        }
        let slept = core::mem::take(&mut self.slept);
        if slept > 0.0 {
            self.give(Input::Suspended { slept, sure: true });
            self.perform(at, effects);
        }
        let offset = core::mem::take(&mut self.unnoticed);
        if offset != 0.0 {
            self.give(Input::ExternalStep { offset });
            self.perform(at, effects);
        }
        let state = self.clock.state();
        if !state.ours {
            self.give(Input::ForeignFrequency { frequency: state.frequency, since: NOTICE });
            self.perform(at, effects);
        }
    }

    /// The loop reads the thermometers.
    pub fn read_temperatures(&mut self, at: TrueTime, effects: &mut Vec<Effect>) {
        self.advance(at);
        if let Some(celsius) = self.clock.temperatures().filter(|_| !self.asleep) {
            self.handle(at, Input::Temperatures { celsius: &celsius }, effects);
        }
    }

    /// A timer may have run out at `at`.
    pub fn wake(&mut self, at: TrueTime, effects: &mut Vec<Effect>) {
        self.advance(at);
        let Some(due) = self.engine.as_ref().and_then(Engine::next_timeout) else { return };
        if self.clock.now().mono < due {
            return; // the oscillator's rate changed meanwhile: the world asks again
        }
        self.timeouts = if self.timeouts.0 == at { (at, self.timeouts.1 + 1) } else { (at, 1) };
        assert!(
            self.timeouts.1 < MAX_TIMEOUTS,
            "the engine asks for timeouts without end at {} s",
            at.seconds()
        );
        self.handle(at, Input::Timeout, effects);
    }

    /// When [`Self::wake`] wants to be called.
    pub fn next_wake(&self) -> Option<TrueTime> {
        let due: MonoTime = self.engine.as_ref().filter(|_| !self.asleep)?.next_timeout()?;
        Some(self.clock.when(due))
    }

    /// A request of somebody else comes in at `at`; the answer leaves [`PROCESSING`] later.
    pub fn respond(
        &mut self,
        at: TrueTime,
        from: IpAddr,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) -> Option<Vec<u8>> {
        if self.asleep {
            return None;
        }
        self.notice_step(at, effects);
        let clock = &self.clock;
        let (mut responder, state) = self.engine.as_ref()?.responder();
        let rx = Stamp { time: clock.read(at), source: StampSource::Kernel };
        let from = SocketAddr::new(from, CLIENT_PORT);
        let request = Datagram { from, to: Some(self.address), rx, bytes };
        let template = Template::new(state, rx.time);
        responder.set_time(clock.now().mono);
        let mut reply = ReplyBuf::default();
        match responder.respond(&request, &template, || clock.read(at + PROCESSING), &mut reply) {
            Verdict::Reply(bytes) => {
                self.served += 1;
                Some(bytes.to_vec())
            }
            Verdict::Drop(_) => None,
        }
    }

    /// An answer comes in at `at` on `socket`, unless that was closed.
    pub fn receive(
        &mut self,
        at: TrueTime,
        socket: SocketId,
        from: SocketAddr,
        bytes: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        if self.asleep || !self.sockets.iter().any(|(id, remote)| *id == socket && *remote == from) {
            return;
        }
        self.received += 1;
        self.note_arrival(at, socket, from.ip());
        self.advance(at);
        let rx = Stamp { time: self.clock.read(at), source: StampSource::Kernel };
        let meta = ntp::engine::Meta { from, to: Some(self.address), interface: 1 };
        self.handle(at, Input::Datagram { socket, meta, rx, bytes }, effects);
    }

    fn note_arrival(&mut self, at: TrueTime, socket: SocketId, from: IpAddr) {
        let sent = self.departures.iter().find(|(id, _)| *id == socket);
        if let Some((_, sent)) = sent.filter(|_| self.record.keeps_samples()) {
            self.arrivals.push(Arrival { at: at.seconds(), from, round_trip: at - *sent });
        }
    }

    fn give(&mut self, input: Input<'_>) {
        let now = self.clock.now();
        if let Some(engine) = self.engine.as_mut() {
            let (clock, actions) = (&mut self.clock, &mut self.actions);
            self.cost.measure(|| engine.handle(now, clock, input, actions));
        }
    }

    fn perform(&mut self, at: TrueTime, effects: &mut Vec<Effect>) {
        while !self.actions.is_empty() {
            let batch: Vec<Action> = self.actions.drain().collect();
            for action in batch {
                self.perform_one(at, action, effects);
            }
        }
    }

    fn perform_one(&mut self, at: TrueTime, action: Action, effects: &mut Vec<Effect>) {
        match action {
            Action::OpenSocket(spec) => {
                self.sockets.push((spec.id, spec.remote));
                self.give(Input::Opened { socket: spec.id, local: self.address });
            }
            Action::CloseSocket(id) => {
                self.sockets.retain(|(open, _)| *open != id);
                self.departures.retain(|(open, _)| *open != id);
            }
            Action::Send { socket, token, bytes } => {
                let Some((_, remote)) = self.sockets.iter().find(|(id, _)| *id == socket) else {
                    self.give(Input::SendFailed { socket });
                    return;
                };
                self.sent += 1;
                self.departures.retain(|(id, _)| *id != socket);
                self.departures.push((socket, at));
                effects.push(Effect::Request { socket, remote: *remote, bytes });
                let stamp = Stamp { time: self.clock.read(at), source: StampSource::Kernel };
                self.give(Input::Sent { token: token.0, at: stamp });
            }
            Action::Resolve { query, name } => effects.push(Effect::Resolve { query, name }),
            Action::CheckRoute { source, .. } => self.give(Input::Route { source, exists: true }),
            Action::Log(line) => self.log.push((at, line)),
            Action::SaveDrift { frequency, skew } => self.drift = Some((frequency, skew)),
            Action::Exit(status) => {
                self.exit = Some(status);
                self.engine = None;
                self.sockets.clear();
            }
            Action::SaveLearned => {
                self.learned = self.engine.as_ref().map(|engine| engine.learned().format());
            }
            Action::Record(_)
            | Action::ReadRefclock(_)
            | Action::Broadcast { .. }
            | Action::Mail(_)
            | Action::LookAtRtc
            | Action::SetRtc(_)
            | Action::SaveRtc
            | Action::SaveDumps
            | Action::SaveTraffic
            | Action::SaveRequests
            | Action::ReloadSources
            | Action::CycleLogs
            | Action::Rekey => {}
        }
    }
}
