//! The loop: the only place that waits, reads the clocks and moves bytes between sockets and the engine.
//!
//! A turn is: wait; look at the clocks once; tell the engine that time has passed; take at most [`BATCH`]
//! datagrams from each ready socket; do what the engine asks. Nothing on the way of a served request allocates.

use super::access_names::{AccessNames, Outcome};
use super::answer::{Answerer, take_stamps};
use super::cards::Cards;
use super::changes::ChangesFile;
use super::clocks::Clocks;
use super::keys;
use super::leap_file::LeapFile;
use super::logger;
use super::mail::Mail;
use super::observer::Observer;
use super::overrun::Overrun;
use super::ptp::PtpSockets;
use super::refclocks::Refclocks;
use super::resolver::{Answer, Asker, Resolver};
use super::rtc::Rtc;
use super::rush::{LOOK, Rush};
use super::sockets::{ClientSocket, CommandSockets, Note, ServerSockets, has_route, pinned_interface};
use super::state::{Loaded, LogFiles, SourceFolders, StateFiles};
use super::temperature::Sensor;
use super::thermometers::Thermometers;
use super::threads::Threads;
use ntp::config::{Config, ThreadsConfig};
use ntp::control::{Origin, REPLY_MAX, REQUEST_MAX, handle, json};
use ntp::engine::{Action, Actions, Engine, Input, Meta, Operator, PacketBuf, Severity, Stamp, StampSource};
use ntp::ids::SocketId;
use ntp::logfile::Utc;
use ntp::server::{Individual, Template};
use ntp::time::{LocalTime, MonoTime, Now, NtpTime};
use ntp::wire::{Leap, Mode};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use sys::message;
use sys::poll::{Entry, poll};

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

    /// Opens and closes the serving sockets as the access list wants it.
    pub(super) fn follow_access(&mut self) {
        let access = &self.engine.shards().config().access;
        let (v4, v6) = (access.any_v4_allowed(), access.any_v6_allowed());
        if self.servers.follow(v4, v6, say) {
            self.start_threads();
        }
    }

    /// Has the serving sockets that are open now served by threads, if that is wanted.
    fn start_threads(&mut self) {
        if self.servers.threads() == 0 {
            return;
        }
        self.threads.publish(&self.engine, &self.clocks);
        if let Err(error) = self.threads.restart(&self.servers, self.engine.shards().all()) {
            logger::error(&format!("Could not start serving threads : {error}; the main loop serves"));
            self.servers.serve_in_main_loop();
            self.follow_access();
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

    /// Where requests come fast, and how many to wait for there. When a second of the real-time clock begins must be seen at once.
    fn rush(&self) -> Option<(usize, usize)> {
        let looking = self.rtc.as_ref().and_then(Rtc::descriptor).is_some();
        self.workspace.rush.at().filter(|_| !looking)
    }

    /// While requests come fast, waits for them where most come, but not beyond `until`.
    fn serve_rush(&mut self, until: MonoTime) {
        let mut end = None;
        while let Some((at, several)) = self.rush() {
            let taken = self.serve(at, several);
            self.workspace.rush.waited(several, taken.map_or(0, |(count, _)| count));
            match taken {
                Some((_, now)) if now < *end.get_or_insert((now + LOOK as f64 * 1e-9).min(until)) => {}
                _ => return,
            }
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
                    self.serve(at, 0);
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

    /// Answers requests for time; `wait`: see [`Answerer::receive`]. Returns how many came and when; `None`: nothing came.
    fn serve(&mut self, index: usize, wait: usize) -> Option<(usize, MonoTime)> {
        let count = {
            let socket = self.servers.of_main_loop(index)?.socket();
            self.workspace.answerer.receive(socket, wait)
        };
        if count == 0 {
            return None;
        }
        let mut now = self.clocks.glance();
        if wait > 0 && self.clocks.moved_at(now) {
            self.look(now.mono);
            now = self.clocks.glance();
        }
        let socket = self.servers.of_main_loop(index)?;
        let answerer = &mut self.workspace.answerer;
        let (mut responder, state) = self.engine.responder();
        let raw = |system| self.clocks.raw(system);
        let template = Template::new(state, raw(now.system));
        responder.set_time(now.mono);
        answerer.answer(count, socket.socket(), &mut responder, &template, (now.system, raw));
        answerer.count(socket, &mut responder);
        drop(responder);
        answerer.send(socket.socket());
        if socket.socket().waits() {
            self.workspace.rush.count(index, count, now.system);
        }
        if self.workspace.answerer.wants_stamps() {
            self.take_server_stamps(index);
        }
        Some((count, now.mono))
    }

    /// The kernel's stamps of our replies.
    fn take_server_stamps(&self, index: usize) {
        let Some(socket) = self.servers.of_main_loop(index) else { return };
        let (mut responder, state) = self.engine.responder();
        take_stamps(socket.socket(), &mut responder, state, |system| self.clocks.raw(system));
    }

    /// Obeys commands that came by UDP.
    fn obey_udp(&mut self, index: usize) {
        let mut reply = [0; REPLY_MAX];
        for _ in 0..BATCH {
            let Some(socket) = self.commands.udp(index) else { return };
            let Ok(received) = message::receive(socket, &mut self.workspace.buffer) else { continue };
            let Some(received) = received else { break };
            let Some(from) = received.from else { continue };
            let Some(len) = self.obey(Origin::Udp(from.ip()), received.len, &mut reply) else {
                continue;
            };
            let Some(socket) = self.commands.udp(index) else { return };
            let interface = pinned_interface(from, received.interface);
            let _ = message::send(socket, &reply[..len], Some(from), received.reply_from, interface);
        }
    }

    /// Obeys commands that came by the Unix socket.
    fn obey_unix(&mut self) {
        let mut reply = [0; REPLY_MAX];
        for _ in 0..BATCH {
            let Some(socket) = self.commands.unix() else { return };
            let Ok(received) = message::receive_unix(socket, &mut self.workspace.buffer) else { continue };
            let Some(received) = received else { break };
            if json::is_request(&self.workspace.buffer[..received.len]) {
                self.tell_own(received.len, &received.from);
                continue;
            }
            let Some(len) = self.obey(Origin::Unix, received.len, &mut reply) else { continue };
            // Who has no name cannot be answered.
            if let Some(socket) = self.commands.unix().filter(|_| !received.from.is_nameless()) {
                let _ = message::send_unix(socket, &reply[..len], Some(&received.from));
            }
        }
    }

    /// Answers what chrony's protocol has no words for.
    fn tell_own(&mut self, len: usize, to: &sys::socket::UnixAddress) {
        let now = self.clocks.now();
        let Self { engine, clocks, out, changes, access_names, config, .. } = self;
        let request = &self.workspace.buffer[..len];
        let rules = |list| access_names.rules(list, config);
        let reply = changes
            .answer(engine, (now, clocks, out), request, &rules)
            .unwrap_or_else(|| json::answer(engine, now, request));
        self.follow_access();
        if let Some(socket) = self.commands.unix().filter(|_| !to.is_nameless()) {
            let _ = message::send_unix(socket, reply.as_bytes(), Some(to));
        }
    }

    /// One command, from the buffer; the length of its reply.
    fn obey(&mut self, from: Origin, len: usize, reply: &mut [u8; REPLY_MAX]) -> Option<usize> {
        // One byte more than the longest request is kept, so that a longer one is refused.
        let request = &self.workspace.buffer[..len.min(REQUEST_MAX + 1)];
        let now = self.clocks.now();
        let Self { engine, clocks, out, .. } = self;
        let mut operator = Operator { engine, clock: clocks, now, out };
        let len = handle(&mut operator, from, &self.config.control.open, request, reply);
        self.follow_access();
        len
    }

    /// The kernel's stamps of our requests.
    fn take_stamps(&mut self, id: SocketId) {
        let Workspace { clients, buffer, .. } = &mut self.workspace;
        let Some(client) = clients.iter_mut().find(|client| client.id() == id) else { return };
        for _ in 0..BATCH {
            let Ok(Some(sent)) = message::receive_error_queue(client.socket(), buffer) else { break };
            let card = sent.hardware.and_then(|stamp| self.cards.sent(stamp));
            if card.is_none() && sent.stamp.is_none() {
                continue;
            }
            let token = if card.is_none() && self.cards.any() {
                client.stamped_for_now(&buffer[..sent.len])
            } else {
                client.stamped(&buffer[..sent.len])
            };
            let Some(token) = token else { continue };
            let at = match card {
                Some(system) => Stamp { time: self.clocks.raw(system), source: StampSource::Hardware },
                None => self.clocks.stamp(sent.stamp),
            };
            let now = self.clocks.now();
            self.engine.handle(now, &mut self.clocks, Input::Sent { token, at }, &mut self.out);
        }
    }

    /// Answers requests inside PTP messages.
    fn serve_ptp(&mut self, index: usize) {
        let Self { engine, clocks, ptp, workspace, .. } = self;
        let (mut responder, state) = engine.responder();
        let now = clocks.now();
        let template = Template::new(state, now.raw);
        responder.set_time(now.mono);
        for _ in 0..BATCH {
            let stamp = |received: &message::Received| clocks.stamp(received.stamp);
            let answered = ptp
                .answer(index, &mut workspace.buffer, &mut responder, &template, stamp, || clocks.raw_now());
            if answered.is_none() {
                break;
            }
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

    /// Tells what clients are told to whoever listens at `to`.
    fn broadcast(&self, to: SocketAddr, poll: i8) {
        let Some(socket) = self.servers.get(usize::from(to.is_ipv6())) else { return };
        let _ = socket.socket().set_broadcast();
        let now = self.clocks.now();
        let template = Template::new(self.engine.server_state(), now.raw);
        let packet = template.fill(&Individual {
            version: 4,
            mode: Mode::Broadcast,
            poll,
            origin: NtpTime::ZERO,
            receive: NtpTime::ZERO,
            transmit: NtpTime::from(template.local(self.clocks.raw_now())),
        });
        let _ = message::send(socket.socket(), &packet, Some(to), None, 0);
    }

    /// What a reference clock tells by itself.
    fn take_readings(&mut self, index: usize) {
        let Some(source) = self.refclocks.id(index) else { return };
        for _ in 0..BATCH {
            let Some(reading) = self.refclocks.take(index, &self.clocks) else { break };
            self.tell(Input::Reading { source, reading });
        }
    }

    /// Answers to our requests.
    fn listen(&mut self, id: SocketId) {
        if self.cards.any() {
            self.wait_for_card(id);
        }
        let Workspace { clients, buffer, .. } = &mut self.workspace;
        let Some(client) = clients.iter().find(|client| client.id() == id) else { return };
        for _ in 0..BATCH {
            // A refusal by the server's machine is forgeable news and changes nothing: the answer is missing.
            let Ok(received) = message::receive(client.socket(), buffer) else { continue };
            let Some(received) = received else { break };
            let from = received.from.unwrap_or(client.remote());
            let meta = Meta { from, to: received.to, interface: received.interface };
            let card = received.hardware.and_then(|stamp| self.cards.received(received.interface, stamp));
            let rx = match card {
                Some(system) => Stamp { time: self.clocks.raw(system), source: StampSource::Hardware },
                None => self.clocks.stamp(received.stamp),
            };
            let now = self.clocks.now();
            let Some(bytes) = client.message(&buffer[..received.len]) else { continue };
            let input = Input::Datagram { socket: id, meta, rx, bytes };
            self.engine.handle(now, &mut self.clocks, input, &mut self.out);
        }
    }

    /// An answer is here: the card's stamp of its request may come a moment later (`hwtstimeout`).
    fn wait_for_card(&mut self, id: SocketId) {
        let mut left = self.cards.patience();
        loop {
            let client = self.workspace.clients.iter().find(|client| client.id() == id);
            let Some(client) = client.filter(|client| client.waits_for_stamp() && left > 0) else { return };
            let mut entry = [Entry::new(client.as_raw_fd())];
            let began = sys::clock::monotonic();
            // The answer makes the socket readable: looking again soon is all there is.
            let _ = poll(&mut entry, Some(0));
            if entry[0].error_queue() {
                self.take_stamps(id);
            } else {
                std::thread::sleep(std::time::Duration::from_micros(50));
            }
            left -= sys::clock::monotonic().saturating_sub(began).max(1);
        }
    }

    /// Has the names of access lists looked up whose time has come. Those of sources were first.
    fn ask_access_names(&mut self) {
        let now = self.clocks.now().mono;
        while let Some((id, name)) = self.access_names.due(now) {
            if let Err(answer) = self.resolver.ask(Asker::Access(id), name) {
                self.on_answer(&answer);
            }
        }
    }

    fn on_answer(&mut self, answer: &Answer) {
        match answer.asker {
            Asker::Engine(query) => {
                let found = self.state.addresses_of(&answer.name, &answer.addresses, self.resolver.family());
                self.tell(Input::Resolved { query, result: &found });
            }
            Asker::Access(name) => {
                let now = self.clocks.now().mono;
                match self.access_names.answer(now, name, &answer.addresses) {
                    Outcome::Rules(list, rules) => {
                        self.engine.set_access_list(list, &rules);
                        self.follow_access();
                    }
                    Outcome::Missing(text) => text.iter().for_each(|text| logger::warning(text)),
                }
            }
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        let now = self.clocks.now();
        self.engine.handle(now, &mut self.clocks, input, &mut self.out);
    }

    /// Does what the engine asked for, and what it asks for in return.
    pub(super) fn act(&mut self) {
        if self.servers.threads() > 0 {
            self.threads.publish(&self.engine, &self.clocks);
        }
        self.drain();
        // The first names are answered (or there were none): the dumps know their sources now.
        if self.state.dumps_wait() && self.resolver.pipe().is_none() {
            let now = self.clocks.now();
            if let Some(Loaded { vouched }) = self.state.load_dumps(&mut self.engine, now) {
                self.engine.dumps_loaded(now, vouched, &mut self.clocks, &mut self.out);
                self.drain();
            }
        }
    }

    fn drain(&mut self) {
        let mut batch = std::mem::take(&mut self.workspace.batch);
        while !self.out.is_empty() {
            std::mem::swap(&mut self.out, &mut batch);
            for action in batch.drain() {
                self.perform(action);
            }
        }
        self.workspace.batch = batch;
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::OpenSocket(spec) => match ClientSocket::open(&spec, &self.config, &mut self.servers) {
                Ok((client, local)) => {
                    self.workspace.clients.push(client);
                    self.tell(Input::Opened { socket: spec.id, local });
                }
                Err(_) => self.tell(Input::SendFailed { socket: spec.id }),
            },
            Action::CloseSocket(id) => self.workspace.clients.retain(|client| client.id() != id),
            Action::Send { socket, token, bytes } => self.send(socket, token.0, bytes),
            Action::CheckRoute { source, remote } => {
                self.tell(Input::Route { source, exists: has_route(remote) });
            }
            Action::Resolve { query, name } => {
                if let Err(answer) = self.resolver.ask(Asker::Engine(query), name) {
                    self.on_answer(&answer);
                }
            }
            Action::LookAtRtc => self.with_rtc(|rtc| rtc.look()),
            Action::SetRtc(second) => self.with_rtc(|rtc| rtc.set(second)),
            Action::SaveRtc => {
                if let (Some(path), Some(text)) = (&self.config.rtc.file, self.engine.rtc_text()) {
                    self.state.replace(path, &text);
                }
            }
            Action::Broadcast { to, poll } => self.broadcast(to, poll),
            Action::Mail(offset) => {
                let now = Utc(LocalTime::from_nanos(self.clocks.raw_now().nanos())).to_string();
                self.mail.send(offset, &now);
            }
            Action::ReadRefclock(source) => {
                if let Some(reading) = self.refclocks.ask(source, &self.clocks) {
                    self.tell(Input::Reading { source, reading });
                }
            }
            Action::Log(line) => logger::log(line.severity, &line.text),
            Action::Record(record) => self.logs.write(&record),
            Action::SaveDrift { frequency, skew } => self.state.save_drift(frequency, skew),
            Action::SaveLearned => self.state.save_learned(&self.engine.learned()),
            Action::SaveTraffic => self.state.save_traffic(&self.engine),
            Action::SaveRequests => {
                let named = self.config.server.request_log_file.as_deref();
                self.state.save_requests(&self.engine, self.clocks.now(), named);
            }
            Action::SaveDumps => self.state.save_dumps(&self.engine.dumps()),
            Action::ReloadSources => {
                let now = self.clocks.now();
                self.engine.set_sourcedir_sources(now, &self.folders.read(), &mut self.out);
            }
            Action::CycleLogs => {
                self.logs.cycle();
                logger::reopen();
            }
            Action::Rekey => self.read_keys(),
            Action::Exit(status) => self.workspace.exit = Some(status),
        }
    }

    /// Reads the key file again.
    fn read_keys(&mut self) {
        if let Some(keys) = self.config.process.key_file.as_deref().and_then(keys::load) {
            self.engine.set_keys(keys, &mut self.out);
        }
    }

    /// Sends a request. The clock is read as late as possible.
    fn send(&mut self, socket: SocketId, token: u64, bytes: PacketBuf) {
        let Some(client) = self.workspace.clients.iter_mut().find(|client| client.id() == socket) else {
            return self.tell(Input::SendFailed { socket });
        };
        let at = self.clocks.stamp(None);
        match client.send(token, bytes) {
            Ok(()) => self.tell(Input::Sent { token, at }),
            Err(_) => self.tell(Input::SendFailed { socket }),
        }
    }
}

#[cfg(test)]
pub mod tests;
