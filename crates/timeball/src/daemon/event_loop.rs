//! The loop: the only place that waits, reads the clocks and moves bytes between sockets and the engine.
//!
//! A turn is: wait; look at the clocks once; tell the engine that time has passed; take at most [`BATCH`]
//! datagrams from each ready socket; do what the engine asks. Nothing on the way of a served request allocates. What is done with
//! what comes is in the modules below.

use super::access_names::AccessNames;
use super::answer::Answerer;
use super::cards::Cards;
use super::changes::ChangesFile;
use super::clocks::Clocks;
use super::leap_file::LeapFile;
use super::logger;
use super::mail::Mail;
use super::observer::Observer;
use super::overrun::Overrun;
use super::ptp::PtpSockets;
use super::refclocks::Refclocks;
use super::resolver::Resolver;
use super::rtc::Rtc;
use super::rush::Rush;
use super::sockets::{ClientSocket, CommandSockets, Note, ServerSockets};
use super::state::{LogFiles, SourceFolders, StateFiles};
use super::temperature::Sensor;
use super::thermometers::Thermometers;
use super::threads::Threads;
use ntp::config::{Config, ThreadsConfig};
use ntp::engine::{Actions, Engine, Input, Severity};
use ntp::ids::SocketId;
use ntp::time::{MonoTime, Now};
use ntp::wire::Leap;
use std::os::fd::{AsFd, AsRawFd};
use sys::batch::Wait;
use sys::poll::{Entry, poll};

mod actions;
mod exchanges;
mod orders;
mod serving;

/// Datagrams taken from one socket in one turn: a flood on one must not starve the others.
pub const BATCH: usize = sys::batch::SIZE;

/// Longest wait, s: a clock moved by somebody else is noticed within this.
const LONGEST_WAIT: f64 = 1.0;

/// For how long (s) a turn may answer requests and do nothing else. Whoever asks later has woken us for a whole turn, so that we need not
/// wake up for that by ourselves.
const ONLY_REQUESTS: f64 = LONGEST_WAIT / 4.0;

/// No packet we understand is longer; the rest of a longer one is cut off and it is refused by its length.
const BUFFER: usize = 2048;

/// Everything the running daemon owns.
pub struct EventLoop {
    /// What the configuration says about client sockets.
    pub config: Config,
    /// The core.
    pub engine: Engine,
    /// The clocks read and the one steered.
    pub clocks: Clocks,
    /// Names to addresses.
    pub resolver: Resolver,
    /// Names in access lists.
    pub access_names: AccessNames,
    /// Sockets that serve.
    pub servers: ServerSockets,
    /// What the oscillator may follow.
    pub thermometers: Thermometers,
    /// Threads that serve with them, if there are any.
    pub threads: Threads,
    /// Sockets that take commands.
    pub commands: CommandSockets,
    /// Drift file and dumps.
    pub state: StateFiles,
    /// Changes that last.
    pub changes: ChangesFile,
    /// Log files.
    pub logs: LogFiles,
    /// Folders with more sources.
    pub folders: SourceFolders,
    /// Where leap seconds are known from.
    pub leap_file: Option<LeapFile>,
    /// Sockets that serve inside PTP messages.
    pub ptp: PtpSockets,
    /// Network cards that stamp packets.
    pub cards: Cards,
    /// The sensor of `tempcomp`.
    pub sensor: Option<Sensor>,
    /// The real-time clock of `rtcfile`.
    pub rtc: Option<Rtc>,
    /// `mailonchange`.
    pub mail: Mail,
    /// Drivers of reference clocks.
    pub refclocks: Refclocks,
    /// Who records and shows, if anybody.
    pub observer: Option<Observer>,
    /// `-t`: when to stop.
    pub deadline: Option<MonoTime>,
    /// What the engine has asked for.
    pub out: Actions,
    /// The rest starts empty.
    pub workspace: Workspace,
}

/// What the loop needs between two turns, reused so that it allocates nothing.
pub struct Workspace {
    clients: Vec<ClientSocket>,
    entries: Vec<Entry>,
    slots: Vec<Slot>,
    batch: Actions,
    buffer: [u8; BUFFER],
    answerer: Answerer,
    rush: Rush,
    overrun: Overrun,
    exit: Option<i32>,
}

impl Workspace {
    /// Empty; serves as `config` says.
    pub fn new(config: &ThreadsConfig) -> Self {
        Self {
            clients: Vec::new(),
            entries: Vec::new(),
            slots: Vec::new(),
            batch: Actions::new(),
            buffer: [0; BUFFER],
            answerer: Answerer::default(),
            rush: Rush::new(config.coalesce),
            overrun: Overrun::default(),
            exit: None,
        }
    }
}

/// Puts a note about sockets in the log.
pub fn say(note: Note) {
    match note {
        Note::Error(text) => logger::error(&text),
        Note::Warning(text) => logger::warning(&text),
    }
}

/// Whose descriptor an entry of the poll set is.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Server(usize),
    CommandUdp(usize),
    CommandUnix,
    Resolver,
    Client(SocketId),
    Refclock(usize),
    Rtc,
    Ptp(usize),
}

impl EventLoop {
    /// Runs until a signal, a command or the engine ends it. Returns the exit status.
    pub fn run(&mut self) -> i32 {
        self.start_threads();
        loop {
            self.act();
            self.ask_access_names();
            if let Some(status) = self.workspace.exit {
                return status;
            }
            self.gather();
            let until = self.latest();
            if let Err(error) = self.wait(until) {
                logger::log(Severity::Fatal, &format!("Could not wait for events : {error}"));
                return 1;
            }
            if sys::signal::caught().is_some() {
                return 0;
            }
            let now = self.look(until);
            if self.engine.next_timeout().is_some_and(|due| due <= now.mono) {
                self.engine.handle(now, &mut self.clocks, Input::Timeout, &mut self.out);
            }
            if let Some(celsius) = self.thermometers.due(now.mono) {
                self.engine.handle(now, &mut self.clocks, Input::Temperatures { celsius }, &mut self.out);
            }
            self.attend();
            self.read_sensor(now.mono);
            if let Some(table) = self.leap_file.as_mut().and_then(|file| file.renewed(now.mono)) {
                self.engine.set_leap_table(table);
            }
            let drops = || self.engine.shards().counters().batches.kernel_drops;
            if let Some(text) = self.workspace.overrun.watch(now.mono, drops) {
                logger::warning(&text);
            }
            if let Some(observer) = &mut self.observer {
                observer.attend(now, &self.engine);
            }
            if self.deadline.is_some_and(|deadline| deadline <= now.mono) {
                logger::info("Timeout reached");
                return i32::from(self.engine.server_state().leap == Leap::Unsynchronised);
            }
        }
    }

    /// Leaves the clock and the files in order.
    pub fn finish(&mut self) {
        self.threads.stop();
        let now = self.clocks.now();
        self.engine.shutdown(now, &mut self.clocks, &mut self.out);
        self.act();
        if let Some(observer) = &mut self.observer {
            observer.goodbye();
        }
    }

    /// Reads the clocks, and tells the engine if the machine slept and if somebody else has moved or steered the one we
    /// steer. `asked`: when the loop wanted to be woken at the latest.
    fn look(&mut self, asked: MonoTime) -> Now {
        let slept = self.clocks.sleep(asked).map(|(slept, sure)| Input::Suspended { slept, sure });
        let step = self.clocks.foreign_step().map(|offset| Input::ExternalStep { offset });
        let steered = self.clocks.foreign_frequency();
        let steered = steered.map(|(frequency, since)| Input::ForeignFrequency { frequency, since });
        for input in [slept, step, steered].into_iter().flatten() {
            let now = self.clocks.now();
            self.engine.handle(now, &mut self.clocks, input, &mut self.out);
        }
        self.clocks.now()
    }

    /// When to wake up at the latest.
    fn latest(&self) -> MonoTime {
        let now = self.clocks.mono();
        let longest = now + LONGEST_WAIT;
        let snapshot = self.observer.as_ref().and_then(|observer| observer.due(now));
        let sensor = self.sensor.as_ref().map(Sensor::due);
        let due = [self.engine.next_timeout(), self.deadline, snapshot, sensor].into_iter().flatten();
        due.fold(longest, MonoTime::min).max(now)
    }

    /// Waits until something happens, or until `until`. Requests are answered here as long as nothing else comes, nothing is due and the
    /// clock has not been moved: the rest of a turn costs as much as an answer.
    fn wait(&mut self, until: MonoTime) -> std::io::Result<()> {
        let began = self.clocks.mono();
        let mut now = began;
        loop {
            self.serve_rush(until);
            let rush = self.rush().is_some();
            let timeout = if rush { 0 } else { until.nanos_since(now) };
            poll(&mut self.workspace.entries, Some(timeout))?;
            let Workspace { entries, slots, .. } = &self.workspace;
            let glance = self.clocks.glance();
            now = glance.mono;
            let mut ready = slots.iter().zip(entries).filter(|(_, entry)| entry.any()).peekable();
            if ready.peek().is_none() && !rush
                || !ready.all(|(slot, _)| matches!(slot, Slot::Server(_)))
                || until.min(began + ONLY_REQUESTS) <= now
                || self.clocks.moved_at(glance)
                || sys::signal::caught().is_some()
            {
                return Ok(());
            }
            self.attend();
        }
    }

    /// The poll set of this turn. The resolver's pipe is in it only while a look-up is out.
    fn gather(&mut self) {
        let Workspace { clients, entries, slots, .. } = &mut self.workspace;
        entries.clear();
        slots.clear();
        let mut add = |slot, fd| {
            slots.push(slot);
            entries.push(Entry::new(fd));
        };
        for index in 0..2 {
            if let Some(socket) = self.servers.of_main_loop(index) {
                add(Slot::Server(index), socket.socket().as_raw_fd());
            }
            if let Some(socket) = self.commands.udp(index) {
                add(Slot::CommandUdp(index), socket.as_raw_fd());
            }
        }
        if let Some(socket) = self.commands.unix() {
            add(Slot::CommandUnix, socket.as_raw_fd());
        }
        if let Some(pipe) = self.resolver.pipe() {
            add(Slot::Resolver, pipe.as_fd().as_raw_fd());
        }
        for (index, descriptor) in self.refclocks.descriptors() {
            add(Slot::Refclock(index), descriptor);
        }
        for (index, socket) in self.ptp.all().iter().enumerate() {
            add(Slot::Ptp(index), socket.as_raw_fd());
        }
        if let Some(descriptor) = self.rtc.as_ref().and_then(Rtc::descriptor) {
            add(Slot::Rtc, descriptor);
        }
        for client in clients.iter() {
            add(Slot::Client(client.id()), client.as_raw_fd());
        }
    }

    /// Attends to every ready descriptor.
    fn attend(&mut self) {
        for index in 0..self.workspace.slots.len() {
            let entry = self.workspace.entries[index];
            if !entry.any() {
                continue;
            }
            match self.workspace.slots[index] {
                Slot::Server(at) => {
                    if entry.error_queue() {
                        self.take_server_stamps(at);
                    }
                    self.serve(at, Wait::No);
                }
                Slot::CommandUdp(at) => self.obey_udp(at),
                Slot::CommandUnix => self.obey_unix(),
                Slot::Resolver => {
                    if let Some(answer) = self.resolver.finish() {
                        self.on_answer(&answer);
                    }
                }
                Slot::Refclock(index) => self.take_readings(index),
                Slot::Ptp(index) => self.serve_ptp(index),
                Slot::Rtc => {
                    let at = self.clocks.raw_now();
                    if let Some(shown) = self.rtc.as_mut().and_then(Rtc::take) {
                        self.tell(Input::Rtc { shown, at });
                    }
                }
                Slot::Client(id) => {
                    if entry.error_queue() {
                        self.take_stamps(id);
                    }
                    self.listen(id);
                }
            }
            self.act();
        }
    }

    /// Does something with the real-time clock, and says what it refuses.
    fn with_rtc(&mut self, act: impl FnOnce(&mut Rtc) -> Result<(), String>) {
        if let Some(Err(text)) = self.rtc.as_mut().map(act) {
            logger::error(&text);
        }
    }

    /// The temperature, when its time has come.
    fn read_sensor(&mut self, now: MonoTime) {
        match self.sensor.as_mut().and_then(|sensor| sensor.read(now)) {
            Some(Ok(temperature)) => self.tell(Input::Temperature(temperature)),
            Some(Err(text)) => logger::warning(&text),
            None => {}
        }
    }

    /// What a reference clock tells by itself.
    fn take_readings(&mut self, index: usize) {
        let Some(source) = self.refclocks.id(index) else { return };
        for _ in 0..BATCH {
            let Some(reading) = self.refclocks.take(index, &self.clocks) else { break };
            self.tell(Input::Reading { source, reading });
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.clocks.now();
        self.engine.handle(now, &mut self.clocks, input, &mut self.out);
    }
}

#[cfg(test)]
pub mod tests;
