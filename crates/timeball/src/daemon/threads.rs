//! Threads that serve: each with sockets, a shard and a copy of what is told, and nothing else.
//!
//! They live as long as the set of sockets does: when an access list opens or closes one, all end and new ones begin
//! with the sockets there are then; what waits in a socket that stays open is answered by the next. They end when
//! the other end of a pipe is closed.

use super::answer::Answerer;
use super::clocks::Clocks;
use super::logger;
use super::rush::{LOOK, Rush};
use super::sockets::{ServerSockets, ServingSocket};
use ntp::config::ThreadsConfig;
use ntp::engine::Engine;
use ntp::server::shards::lock;
use ntp::server::{Published, Publisher, ServerState, Shard, Template};
use ntp::time::MonoTime;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use sys::batch::Wait;
use sys::poll::{Entry, poll};

/// Enough for one batch at a time; all of it is locked in memory with `lock_all`.
const STACK: usize = 256 * 1024;

/// A clock that moved by more than this (ns) since the state was published has been stepped.
const STEP: i64 = 1_000_000;

/// All serving threads.
#[derive(Debug)]
pub struct Threads {
    config: ThreadsConfig,
    /// Real-time priority of the main loop; 0: none.
    priority: i32,
    publisher: Publisher,
    last: ServerState,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    handles: Vec<JoinHandle<()>>,
    stop: PipeWriter,
}

impl Threads {
    /// None yet. `priority`: that of the main loop, 0: none.
    pub fn new(config: &ThreadsConfig, priority: i32) -> Self {
        let state = ServerState::default();
        Self {
            config: config.clone(),
            priority,
            publisher: Publisher::new(&state),
            last: state,
            running: None,
        }
    }

    /// Tells the threads what the engine says now, by the clocks as they are now.
    pub fn publish(&mut self, engine: &Engine, clocks: &Clocks) {
        let state = ServerState {
            realtime_minus_monotonic: clocks.expected_difference(),
            reading: clocks.reading(),
            ..*engine.server_state()
        };
        if state != self.last {
            self.publisher.publish(&state);
            self.last = state;
        }
    }

    /// Ends those that run, and starts one for each shard that has a socket.
    pub fn restart(&mut self, servers: &ServerSockets, shards: &[Shard]) -> io::Result<()> {
        self.stop();
        let (reader, stop) = io::pipe()?;
        let stopped = Arc::new(reader);
        let mut running = Running { handles: Vec::new(), stop };
        // Signals are the main loop's; threads inherit the mask.
        let _elsewhere = sys::thread::leave_signals()?;
        for (index, shard) in shards.iter().enumerate().take(servers.threads()) {
            let sockets = servers.of_thread(index);
            if sockets.is_empty() {
                continue;
            }
            let cpu = self.config.affinity.get(index % self.config.affinity.len().max(1));
            let thread = Thread {
                index,
                cpu: cpu.copied().map(usize::from),
                priority: self.priority,
                coalesce: self.config.coalesce,
                sockets,
                shard: Arc::clone(shard),
                published: self.publisher.published(),
                stopped: Arc::clone(&stopped),
            };
            let name = format!("serve-{index}");
            let handle = std::thread::Builder::new().name(name).stack_size(STACK).spawn(move || thread.run());
            match handle {
                Ok(handle) => running.handles.push(handle),
                Err(error) => {
                    running.end();
                    return Err(error);
                }
            }
        }
        self.running = Some(running);
        Ok(())
    }

    /// Ends those that run, and waits for that.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end();
        }
    }
}

impl Running {
    fn end(self) {
        drop(self.stop);
        for handle in self.handles {
            // A panic has ended the whole process.
            let _ = handle.join();
        }
    }
}

/// What one thread has.
struct Thread {
    index: usize,
    cpu: Option<usize>,
    priority: i32,
    /// `servercoalesce`, µs.
    coalesce: u16,
    sockets: Vec<Arc<ServingSocket>>,
    shard: Shard,
    published: Arc<Published>,
    stopped: Arc<PipeReader>,
}

impl Thread {
    fn run(self) {
        self.settle();
        let mut server = Server {
            answerer: Answerer::default(),
            shard: self.shard,
            published: self.published,
            state: ServerState::default(),
            seen: None,
            rush: Rush::new(self.coalesce),
        };
        let mut entries = vec![Entry::new(self.stopped.as_raw_fd())];
        entries.extend(self.sockets.iter().map(|socket| Entry::new(socket.socket().as_raw_fd())));
        loop {
            server.serve_rush(&self.sockets);
            let timeout = server.rush.at().map(|_| 0);
            if let Err(error) = poll(&mut entries, timeout) {
                // Only a lack of memory is left; the supervisor gives us a new start.
                panic!("a serving thread could not wait for requests: {error}");
            }
            let Some((stop, ready)) = entries.split_first() else { return };
            if stop.any() {
                return;
            }
            let ready = self.sockets.iter().zip(ready).enumerate();
            for (index, (socket, entry)) in ready.filter(|(_, (_, entry))| entry.any()) {
                if entry.error_queue() {
                    server.take_stamps(socket);
                }
                server.serve(index, socket, Wait::No);
            }
        }
    }

    /// Takes its place, and gives up what it does not need. None of that is a condition for serving.
    fn settle(&self) {
        let index = self.index;
        if let Some(cpu) = self.cpu
            && let Err(error) = sys::thread::run_on(cpu)
        {
            logger::warning(&format!("Could not run serving thread {index} on processor {cpu} : {error}"));
        }
        // The clock comes first: below the main loop, whose priority it has inherited.
        if self.priority > 1
            && let Err(error) = sys::process::set_realtime_priority(self.priority - 1)
        {
            logger::warning(&format!("Could not set the priority of serving thread {index} : {error}"));
        }
        if let Err(error) = sys::thread::drop_capabilities() {
            logger::warning(&format!("Could not drop the rights of serving thread {index} : {error}"));
        }
    }
}

/// The working part of a thread.
struct Server {
    answerer: Answerer,
    shard: Shard,
    published: Arc<Published>,
    state: ServerState,
    seen: Option<u32>,
    rush: Rush,
}

impl Server {
    /// While requests come fast, waits for them where most come.
    fn serve_rush(&mut self, sockets: &[Arc<ServingSocket>]) {
        let mut end = None;
        while let Some(at) = self.rush.at() {
            let Some(socket) = sockets.get(at) else { return };
            let wait = self.rush.gather();
            match self.serve(at, socket, wait) {
                None => self.rush.end(),
                Some((_, now)) if now < *end.get_or_insert(now.saturating_add(LOOK)) => {}
                _ => return,
            }
        }
    }

    /// Answers one batch of socket `index`; Returns how many requests came, and the
    /// monotonic clock's time, ns; `None`: nothing came.
    fn serve(&mut self, index: usize, socket: &ServingSocket, wait: Wait) -> Option<(usize, i64)> {
        let count = self.answerer.receive(socket.socket(), wait);
        if count == 0 {
            return None;
        }
        self.seen = self.published.read(&mut self.state, self.seen);
        let state = self.state;
        let (system, mono) = (sys::clock::realtime(), sys::clock::boottime());
        let moved = moved(&state, system.saturating_sub(mono));
        let told = if moved { state.doubted() } else { state };
        let template = Template::new(&told, state.reading.raw(system));
        let mut responder = lock(&self.shard);
        responder.set_time(MonoTime::from_nanos(mono));
        let raw = |system| state.reading.raw(system);
        self.answerer.answer(count, socket.socket(), &mut responder, &template, (system, &raw));
        self.answerer.count(socket, &mut responder);
        // Times told by a clock that is stepped while they are written would be wrong; later ones are doubted.
        let glance = sys::clock::realtime().saturating_sub(sys::clock::boottime());
        let moved_since = !moved && self::moved(&state, glance);
        if moved_since {
            self.answerer.forget();
        }
        drop(responder);
        self.answerer.send(socket.socket());
        if self.answerer.wants_stamps() {
            self.take_stamps(socket);
        }
        if socket.socket().waits() {
            self.rush.count(index, count, system);
        }
        Some((count, mono))
    }

    /// The kernel's stamps of replies.
    fn take_stamps(&mut self, socket: &ServingSocket) {
        let state = &self.state;
        let raw = |system| state.reading.raw(system);
        self.answerer.take_stamps(socket.socket(), &mut lock(&self.shard), state, &raw);
    }
}

/// Has somebody stepped the clock since this was published? `glance`: real-time minus monotonic clock, ns, read one after
/// the other.
fn moved(state: &ServerState, glance: i64) -> bool {
    let far = |(difference, uncertainty): (i64, i64)| {
        let moved = difference.saturating_sub(state.realtime_minus_monotonic).saturating_abs();
        moved > STEP.saturating_add(uncertainty)
    };
    // One glance is enough while all is well; an interruption between the two clocks asks for a closer look.
    far((glance, 0)) && far(super::clocks::difference(sys::clock::boottime, sys::clock::realtime))
}

#[cfg(test)]
mod tests;
