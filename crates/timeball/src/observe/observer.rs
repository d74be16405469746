//! The observer's process: it listens to the daemon, writes the archive and serves the page.
//!
//! It has no right to the clock, and nothing that happens in it can hold up the daemon: it only reads what it is sent.

use super::Plan;
use super::api::{self, Asked};
use super::archive::Archive;
use super::ask;
use super::events::EventLog;
use super::http::{self, Connections, MOST_LISTENERS};
use super::rates::Columns;
use super::recorder::Recorder;
use super::store;
use crate::daemon::logger;
use hyper::body::Bytes;
use ntp::snapshot::{LONGEST, Snapshot};
use std::cell::RefCell;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use sys::socket::Socket;
use tokio::sync::mpsc;

/// The daemon's last word.
pub const GOODBYE: &[u8] = b"bye";

/// What all connections share; there is one thread.
#[derive(Debug)]
pub struct Shared {
    /// What is known.
    pub recorder: RefCell<Recorder>,
    /// Who is connected.
    pub connections: Connections,
    /// The page may be shown to the world.
    pub public: bool,
    /// What the machine calls itself.
    pub host: String,
    names: Vec<String>,
    /// What is told is a simulation: its time is ours.
    simulated: bool,
    listeners: RefCell<Vec<mpsc::Sender<Bytes>>>,
}

/// The time of a simulation (the bits of s since 1970); zero: there is none.
static PRETENDED: AtomicU64 = AtomicU64::new(0);

/// Now, s since 1970.
pub fn now() -> f64 {
    match PRETENDED.load(Ordering::Relaxed) {
        0 => sys::clock::realtime() as f64 * 1e-9,
        bits => f64::from_bits(bits),
    }
}

/// From now on it is `at`, s since 1970.
pub fn pretend(at: f64) {
    PRETENDED.store(at.to_bits(), Ordering::Relaxed);
}

impl Shared {
    /// Is this `Host` one of ours?
    pub fn knows(&self, host: &str) -> bool {
        http::is_own(host, &self.names)
    }

    /// One more who wants to be told; `None`: there are too many.
    pub fn listen(&self, asked: &Asked<'_>) -> Option<mpsc::Receiver<Bytes>> {
        let mut listeners = self.listeners.borrow_mut();
        listeners.retain(|listener| !listener.is_closed());
        if listeners.len() >= MOST_LISTENERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(8);
        let recorder = self.recorder.borrow();
        let mut first = b"retry: 5000\n\n".to_vec();
        first.extend(message("status", &api::status(&recorder, asked)));
        if let Ok(sources) = api::sources(&recorder, asked) {
            first.extend(message("sources", &sources));
        }
        let _ = sender.try_send(first.into());
        listeners.push(sender);
        Some(receiver)
    }

    /// Tells all listeners; who does not take it is not waited for.
    fn tell(&self, bytes: Vec<u8>) {
        let bytes = Bytes::from(bytes);
        self.listeners.borrow_mut().retain(|listener| {
            !matches!(listener.try_send(bytes.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }

    fn asked(&self) -> Asked<'_> {
        Asked { now: now(), public: self.public, query: "", host: &self.host }
    }

    /// The daemon has spoken.
    fn hear(&self, snapshot: Snapshot) {
        if self.simulated {
            pretend(snapshot.at);
        }
        let events = self.recorder.borrow_mut().take(snapshot);
        self.listeners.borrow_mut().retain(|listener| !listener.is_closed());
        if self.listeners.borrow().is_empty() {
            return;
        }
        let recorder = self.recorder.borrow();
        let asked = self.asked();
        let mut bytes = message("status", &api::status(&recorder, &asked));
        for event in &events {
            bytes.extend(message("event", &api::event_json(&recorder, event, self.public)));
        }
        let tenth = recorder.latest.as_ref().is_some_and(|snapshot| (snapshot.at as u64).is_multiple_of(10));
        if let (true, Ok(sources)) = (tenth, api::sources(&recorder, &asked)) {
            bytes.extend(message("sources", &sources));
        }
        drop(recorder);
        self.tell(bytes);
    }
}

fn message(kind: &str, value: &serde_json::Value) -> Vec<u8> {
    format!("event: {kind}\ndata: {value}\n\n").into_bytes()
}

/// The process: what it needs root for, then it becomes somebody who has no rights, then its loop. The exit status.
pub fn run(plan: &Plan, socket: Socket, daemon: u32) -> i32 {
    let mut plan = plan.clone();
    plan.find_user();
    let plan = &plan;
    sys::process::set_name(c"timeball-web");
    let _ = sys::process::raise_file_limit();
    let listeners = listeners(plan);
    let columns = Columns::new(plan.router);
    let (archive, events, problem) = store::open(plan, &columns, now());
    let door = archive.as_ref().and_then(|_| ask::open(plan));
    if let Some(user) = &plan.user
        && let Err(error) = sys::privileges::drop_to(user, &[])
    {
        logger::error(&format!("Observer could not become user {} : {error}", user.name));
        return 1;
    }
    let _ = sys::privileges::set_no_new_privileges();
    let mut recorder = Recorder::new(columns, archive, events, daemon, now());
    recorder.interval = f64::from(plan.interval);
    if let Some(look) = plan.machine {
        recorder.look_with(look);
    }
    recorder.said.clone_from(&problem); // the log has it
    recorder.problem = problem;
    let host = sys::process::host_name().unwrap_or_default();
    let mut names = plan.hosts.clone();
    names.extend(["", ".lan", ".local"].map(|end| format!("{}{end}", host.to_ascii_lowercase())));
    let shared = Rc::new(Shared {
        recorder: RefCell::new(recorder),
        connections: Connections::default(),
        public: plan.public,
        host,
        names,
        simulated: plan.machine.is_some(),
        listeners: RefCell::new(Vec::new()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            logger::error(&format!("Observer could not start : {error}"));
            return 1;
        }
    };
    confine();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, live(shared, socket, listeners, door));
    0
}

/// Everything is open now. From here on, whatever a visitor brings about, this thread opens files only to read them, makes no
/// socket but the system log's, starts no program and has no call that steers a clock.
fn confine() {
    use sys::seccomp::{Otherwise, calls, restrict};
    let groups =
        [calls::COMMON, calls::FILES, calls::LOOKING, calls::TALKING, calls::WAITING, calls::SYSTEM_LOG];
    if let Err(error) = restrict(&groups, Otherwise::Fail) {
        logger::warning(&format!("The observer's system calls are not filtered : {error}"));
    }
}

/// The sockets of the page. One that cannot be had is a warning: the rest goes on.
fn listeners(plan: &Plan) -> Vec<TcpListener> {
    let mut listeners = Vec::new();
    for address in &plan.listen {
        let bound =
            TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        match bound {
            Ok(listener) => {
                logger::info(&format!("Page at http://{address}/"));
                listeners.push(listener);
            }
            Err(error) => {
                logger::warning(&format!(
                    "No page at http://{address}/ : {error}; web ADDRESS:PORT chooses another place"
                ));
            }
        }
    }
    listeners
}

async fn live(shared: Rc<Shared>, socket: Socket, listeners: Vec<TcpListener>, door: Option<UnixListener>) {
    for listener in listeners {
        if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
            tokio::task::spawn_local(http::serve(listener, Rc::clone(&shared)));
        }
    }
    if let Some(door) = door {
        tokio::task::spawn_local(ask::serve(door, Rc::clone(&shared)));
    }
    let line = UnixDatagram::from(OwnedFd::from(socket));
    let line = match tokio::net::UnixDatagram::from_std(line) {
        Ok(line) => line,
        Err(error) => return logger::error(&format!("Observer cannot hear : {error}")),
    };
    let mut buffer = vec![0; LONGEST];
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut clean = false;
    loop {
        tokio::select! {
            received = line.recv(&mut buffer) => match received.map(|length| &buffer[..length]) {
                Ok([]) | Err(_) => break,
                Ok(GOODBYE) => clean = true,
                Ok(bytes) => {
                    if let Some(snapshot) = Snapshot::decode(bytes) {
                        shared.hear(snapshot);
                    }
                }
            },
            _ = tick.tick() => {
                shared.connections.sweep(Instant::now());
                if let Some(problem) = shared.recorder.borrow_mut().tick(now()) {
                    logger::warning(&problem);
                }
            }
        }
    }
    let mut recorder = shared.recorder.borrow_mut();
    let at = recorder.latest.as_ref().map_or_else(now, |snapshot| snapshot.at);
    recorder.end(at, clean);
}

/// The two kinds of things kept.
pub type Kept = (Option<Archive<File>>, EventLog, Option<String>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confined_it_keeps_writing_and_answering_and_does_nothing_else() {
        if cfg!(not(any(target_arch = "x86_64", target_arch = "aarch64"))) {
            println!("SKIPPED the filter of system calls: no numbers for this processor");
            return;
        }
        let folder = crate::daemon::files::tests::Folder::new("confined");
        let (kept, other) = (folder.file("kept"), folder.file("other"));
        let mut file = File::create(&kept).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let visitor = std::net::TcpStream::connect(address).unwrap();
        // The filter holds for the thread.
        let inside = move || {
            use std::io::Write;
            confine();
            file.write_all(b"written").unwrap();
            file.sync_all().unwrap();
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(b"hello").unwrap();
            assert!(super::super::machine::Looker::new(std::process::id()).look().memory > 0.0);
            let refused = |result: std::io::Result<()>| {
                assert_eq!(
                    result.unwrap_err().raw_os_error(),
                    Some(sys::errno::EPERM),
                    "the kernel lets it through"
                );
            };
            refused(File::create(&other).map(drop));
            refused(std::net::TcpStream::connect(address).map(drop));
            refused(std::net::UdpSocket::bind("127.0.0.1:0").map(drop));
            refused(std::process::Command::new("true").status().map(drop));
            refused(sys::clock::adjust(&mut sys::abi::Timex::default()).map(drop));
        };
        std::thread::spawn(inside).join().unwrap();
        assert_eq!(std::fs::read(&kept).unwrap(), b"written");
        drop(visitor);
    }
}
