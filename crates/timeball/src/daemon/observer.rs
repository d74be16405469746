//! The daemon's end of the line to the observer: a snapshot a second, never waited for.
//!
//! Who records and shows is another process ([`crate::observe`]), so that nothing it does can touch the clock. If it is slow, a
//! snapshot is dropped and counted; if it is gone, that is said once, and the daemon goes on alone.

use super::Name;
use super::logger;
use crate::observe::observer::GOODBYE;
use crate::observe::{self, Plan};
use crate::places;
use ntp::config::Config;
use ntp::engine::Engine;
use ntp::snapshot::LONGEST;
use ntp::time::{MonoTime, Now};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use sys::errno;
use sys::message::send_unix;
use sys::process::User;
use sys::socket::Socket;

/// Seconds between two snapshots.
const PACE: f64 = 1.0;
/// Every so many snapshots have words.
const WORDS: u64 = 10;
/// Where the page is unless somebody says otherwise.
const PAGE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), ntp::config::PAGE_PORT);
/// How often the archive is written, s.
const INTERVAL: u32 = 300;

/// The line.
#[derive(Debug)]
pub struct Observer {
    socket: Option<Socket>,
    process: i32,
    due: Option<MonoTime>,
    told: u64,
    untold: u64,
    /// Where to go on in the table of clients.
    client: usize,
    buffer: Vec<u8>,
}

/// What the configuration asks for, or the name of the program implies. `None`: nothing.
pub fn plan(name: Name, config: &Config, is_root: bool, user: Option<&User>) -> Option<Plan> {
    let observe = &config.observe;
    let by_name = name == Name::Timeball;
    let asked = observe.stats == Some(true) || observe.web == Some(true);
    let record = observe.stats.unwrap_or(by_name || asked);
    let page = observe.web.unwrap_or(by_name || asked);
    if !record && !page {
        return None;
    }
    let listen = match (page, observe.listen.is_empty()) {
        (false, _) => Vec::new(),
        (true, true) => vec![PAGE],
        (true, false) => observe.listen.clone(),
    };
    let beside = |path: &PathBuf| path.parent().map(|folder| folder.join("observer"));
    let state = || match name {
        Name::Timeball => places::state(is_root, places::variable).map(|folder| folder.join("observer")),
        Name::Chronyd => None,
    };
    // Beside the drift file, because that is where this daemon's state is.
    let folder =
        observe.folder.clone().or_else(|| config.clock.drift_file.as_ref().and_then(beside)).or_else(state);
    Some(Plan {
        record,
        folder,
        interval: observe.interval.unwrap_or(INTERVAL),
        router: observe.router,
        keep: observe.keep.clone(),
        listen,
        public: observe.public,
        hosts: observe.hosts.clone(),
        machine: None,
        is_root,
        daemon: user.cloned(),
        user: None,
    })
}

impl Observer {
    /// Starts the process. `child`: what it has to give up of the daemon's first. `None`: it could not be had, which is said.
    pub fn start(plan: &Plan, child: impl Fn()) -> Option<Self> {
        let daemon = sys::process::id();
        let started = Socket::pair().and_then(|(ours, theirs)| {
            // After the division each side has both ends, and closes the other's.
            let (ours, theirs) = (Cell::new(Some(ours)), Cell::new(Some(theirs)));
            let process = sys::process::spawn(|| {
                drop(ours.take());
                child();
                theirs.take().map_or(1, |socket| observe::observer::run(plan, socket, daemon))
            })?;
            drop(theirs.take());
            Ok((ours.take(), process))
        });
        match started {
            Ok((socket, process)) => {
                Some(Self { socket, process, due: None, told: 0, untold: 0, client: 0, buffer: Vec::new() })
            }
            Err(error) => {
                logger::warning(&format!("Nothing is recorded or shown : {error}"));
                None
            }
        }
    }

    /// When the next snapshot is due; `None`: nobody listens any more.
    pub fn due(&self, now: MonoTime) -> Option<MonoTime> {
        self.socket.as_ref().map(|_| self.due.unwrap_or(now))
    }

    /// Hands over a snapshot if one is due.
    pub fn attend(&mut self, now: Now, engine: &Engine) {
        if self.due(now.mono).is_none_or(|due| due > now.mono) {
            return;
        }
        // The pace is kept, but what was missed is not made up for.
        let next = self.due.unwrap_or(now.mono) + PACE;
        self.due = Some(if next > now.mono { next } else { now.mono + PACE });
        let mut snapshot = engine.snapshot(now, self.told.is_multiple_of(WORDS));
        snapshot.untold = self.untold;
        (snapshot.clients, self.client) = engine.client_stretch(now, self.client);
        self.buffer.resize(LONGEST, 0);
        let Some(length) = snapshot.encode(&mut self.buffer) else { return };
        self.send(length);
    }

    fn send(&mut self, length: usize) {
        let Some(socket) = &self.socket else { return };
        match send_unix(socket, &self.buffer[..length], None) {
            Ok(()) => self.told += 1,
            Err(error)
                if matches!(error.raw_os_error(), Some(errno::EAGAIN | errno::ENOBUFS | errno::EINTR)) =>
            {
                self.untold += 1;
            }
            Err(_) => self.lost(),
        }
    }

    /// The observer is gone.
    fn lost(&mut self) {
        self.socket = None;
        let how = match sys::process::reap(self.process) {
            Ok(Some(Some(status))) => format!("ended with status {status}"),
            Ok(Some(None)) => "was killed".to_owned(),
            Ok(None) | Err(_) => "is gone".to_owned(),
        };
        logger::warning(&format!(
            "The observer {how}: nothing is recorded or shown until a restart; time is not affected"
        ));
    }

    /// The daemon ends on purpose.
    pub fn goodbye(&mut self) {
        if let Some(socket) = self.socket.take() {
            let _ = send_unix(&socket, GOODBYE, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(lines: &[&str]) -> Config {
        struct Nothing;
        impl ntp::config::Loader for Nothing {
            fn read(&self, path: &str) -> Result<String, String> {
                Err(path.to_owned())
            }
            fn list(&self, path: &str) -> Result<Vec<String>, String> {
                Err(path.to_owned())
            }
        }
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        ntp::config::parse_lines(&lines, &Nothing).expect("a configuration").config
    }

    #[test]
    fn chronyd_has_no_observer_unless_a_directive_asks() {
        let plan = |name, lines: &[&str]| plan(name, &config(lines), false, None);
        assert!(plan(Name::Chronyd, &["driftfile /x/drift"]).is_none());
        let asked = plan(Name::Chronyd, &["web 127.0.0.1:80", "driftfile /x/drift"]).expect("a plan");
        assert!(asked.record && asked.folder == Some("/x/observer".into()));
        assert_eq!(asked.listen, ["127.0.0.1:80".parse().unwrap()]);
        assert!(plan(Name::Timeball, &["stats off", "web off"]).is_none());
        let own = plan(Name::Timeball, &[]).expect("a plan");
        assert_eq!((own.record, own.interval, own.listen), (true, 300, vec![PAGE]));
        let quiet = plan(Name::Timeball, &["web off", "stats interval 5 folder /y"]).expect("a plan");
        assert_eq!((quiet.interval, quiet.folder, quiet.listen.len()), (5, Some("/y".into()), 0));
        assert!(!plan(Name::Chronyd, &["web on", "stats off"]).expect("a plan").record);
    }

    #[test]
    fn a_slow_listener_costs_snapshots_and_a_dead_one_the_line() {
        let (socket, theirs) = Socket::pair().expect("sockets");
        let mut observer = Observer {
            socket: Some(socket),
            process: 1,
            due: None,
            told: 0,
            untold: 0,
            client: 0,
            buffer: vec![1; 60_000],
        };
        for _ in 0..100 {
            observer.send(60_000);
        }
        assert!(observer.told >= 1 && observer.untold >= 50, "{} {}", observer.told, observer.untold);
        assert_eq!(observer.told + observer.untold, 100);
        drop(theirs);
        observer.send(100);
        assert_eq!(observer.due(MonoTime::default()), None);
    }
}
