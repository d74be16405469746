//! `timeball demo`: the whole product in a minute, with no network, no rights and nothing left behind.
//!
//! A thread lives through a simulated day ([`sim::demo`]) faster than life and tells it, as a daemon would, to the observer
//! that ships, which records it and serves the page. All times in it are those of that day, which ends now.

use crate::observe::{Plan, observer};
use ntp::metrics::Machine;
use ntp::snapshot::LONGEST;
use sim::demo::Day;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use sys::socket::Socket;

/// Simulated seconds in a second, unless somebody says otherwise.
const SPEED: f64 = 600.0;
/// Length of the day, s.
const DAY: u32 = 86_400;
/// So much of the day is over before anybody looks, s: its first minutes are worth seeing in the rear mirror.
const BEFORE: u32 = 4 * 3600;
/// Simulated seconds between two words to the observer: the finest step of the archive.
const PACE: u32 = 10;
/// Where the page is, or at one of the next ports.
const PORT: u16 = ntp::config::PAGE_PORT;
const PORTS: u16 = 20;

/// What the machine of the simulated router is like from when on (s since 1970); the observer is a little behind.
static MACHINES: Mutex<VecDeque<(f64, Machine)>> = Mutex::new(VecDeque::new());

fn machine() -> Machine {
    let Ok(mut machines) = MACHINES.lock() else { return Machine::default() };
    while machines.get(1).is_some_and(|(at, _)| *at <= observer::now() + 0.5) {
        machines.pop_front();
    }
    machines.front().map_or_else(Machine::default, |(_, machine)| *machine)
}

const USAGE: &str = "Usage: timeball demo [--speed TIMES] [--port PORT]\n\n\
    A simulated day of a public server in your browser, 600 times as fast as life; it needs no network and no rights.\n\n\
    Example: timeball demo --speed 3600\n";

struct Options {
    speed: f64,
    port: Option<u16>,
}

fn options(words: &[OsString]) -> Option<Options> {
    let mut options = Options { speed: SPEED, port: None };
    let mut words = words.iter().map(|word| word.to_str());
    while let Some(word) = words.next() {
        let value = words.next().flatten()?;
        match word? {
            "--speed" => options.speed = value.parse().ok().filter(|speed| (1.0..=1e6).contains(speed))?,
            "--port" => options.port = Some(value.parse().ok()?),
            _ => return None,
        }
    }
    Some(options)
}

/// The command. The exit status.
pub fn run(words: &[OsString]) -> i32 {
    let Some(options) = options(words) else {
        let wanted = words.first().is_some_and(|word| word == "--help" || word == "-h");
        if wanted {
            return i32::from(io::stdout().write_all(USAGE.as_bytes()).is_err());
        }
        eprint!("{USAGE}");
        return 1;
    };
    match show(&options) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("timeball demo: {error}");
            1
        }
    }
}

fn show(options: &Options) -> io::Result<i32> {
    let page = free_port(options.port)?;
    let folder = folder()?;
    let (ours, theirs) = Socket::pair()?;
    let line = UnixDatagram::from(OwnedFd::from(ours));
    line.set_nonblocking(false)?;
    let begins = sys::clock::realtime() / 1_000_000_000 - i64::from(DAY);
    observer::pretend(begins as f64);
    writeln!(io::stdout(), "{}", welcome(page))?;
    let plan = Plan {
        record: true,
        folder: Some(folder.clone()),
        interval: 300,
        listen: vec![page],
        machine: Some(machine),
        ..Plan::default()
    };
    let speed = options.speed;
    std::thread::spawn(move || {
        if let Err(error) = live(&line, begins, speed, &folder) {
            eprintln!("\ntimeball demo: the simulation ended: {error}");
        }
    });
    Ok(observer::run(&plan, theirs, sys::process::id()))
}

/// The first port that is free, or the one that is wanted.
fn free_port(wanted: Option<u16>) -> io::Result<SocketAddr> {
    let ports = wanted.map_or(PORT..=PORT + PORTS, |port| port..=port);
    let mut last = None;
    for port in ports {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpListener::bind(address).and_then(|listener| listener.local_addr()) {
            Ok(address) => return Ok(address),
            Err(error) => {
                last = Some(io::Error::new(error.kind(), format!("no page at http://{address}/ : {error}")));
            }
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("no port is free")))
}

/// A new folder that nobody else can look into.
fn folder() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let name = format!("timeball-demo-{}-{}", sys::process::id(), sys::clock::realtime());
    let folder = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}

/// Lives through the day, and goes on as fast as life when it has come to the present.
fn live(line: &UnixDatagram, begins: i64, speed: f64, folder: &Path) -> io::Result<()> {
    let mut day = Day::new(begins);
    let mut buffer = vec![0; LONGEST];
    let mut tidy = false;
    let mut clock = Clock::new(speed);
    loop {
        let pace = if day.seconds() < DAY { PACE } else { 1 };
        for _ in 0..pace {
            day.step();
        }
        if let Ok(mut machines) = MACHINES.lock() {
            machines.push_back((day.unix(), day.machine()));
        }
        if let Some(length) = day.snapshot(true).and_then(|told| told.encode(&mut buffer)) {
            line.send(buffer.get(..length).unwrap_or_default())?;
        }
        if !tidy && day.seconds() > 60 {
            // The observer has its files open by now; without their names they vanish with it, however it ends.
            tidy = true;
            std::fs::remove_dir_all(folder)?;
        }
        clock.wait(day.seconds());
        if io::stdout().is_terminal() && day.seconds() % 600 < pace {
            progress(&day);
        }
    }
}

/// Says when a moment of the simulation is due.
struct Clock {
    speed: f64,
    from: Option<(Instant, u32)>,
}

impl Clock {
    fn new(speed: f64) -> Self {
        Self { speed, from: None }
    }

    /// Waits until second `at` of the day is due.
    fn wait(&mut self, at: u32) {
        if at < BEFORE {
            return;
        }
        if at >= DAY && self.speed > 1.0 {
            *self = Self::new(1.0);
        }
        let (start, first) = *self.from.get_or_insert((Instant::now(), at));
        let due = start + Duration::from_secs_f64(f64::from(at - first) / self.speed);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

fn progress(day: &Day) {
    let (hours, minutes) = (day.seconds() / 3600, day.seconds() / 60 % 60);
    let done = if day.seconds() < DAY { "" } else { ": the day is over, time goes on as usual" };
    let mut out = io::stdout();
    let _ = write!(out, "\r  {hours:02}:{minutes:02} of the simulated day{done}   "); // it may be lost
    let _ = out.flush();
}

fn welcome(page: SocketAddr) -> String {
    format!(
        "Look at http://{page}/

A simulated day of a router whose oscillator is 1073 ppm slow, {SPEED:.0} times as fast as life: over in two minutes.
No network, no rights, nothing stays behind. Made up: the world around it. Real: the clock discipline, the server,
the recorder and the page.

  Overview  after five minutes the clock is within a millisecond; the sentence says how far to trust it
  Sources   at 05:00 of the day three servers cannot be reached for 45 minutes; at 09:00 ntp.city.example
            turns wrong by 47 ms
  Service   at 13:00 one address asks 250 times a second for 40 minutes
  Events    what happened, and why

Ctrl-C ends it."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |words: &[&str]| options(&words.iter().map(OsString::from).collect::<Vec<_>>());
        let all = parse(&["--speed", "3600", "--port", "9000"]).expect("good options");
        assert_eq!((all.speed, all.port), (3600.0, Some(9000)));
        assert!(parse(&[]).is_some_and(|options| options.port.is_none()));
        for bad in [&["--speed"][..], &["--speed", "0"], &["--port", "99999"], &["--fast", "1"], &["now"]] {
            assert!(parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_busy_port_is_stepped_over() {
        let first = free_port(None).unwrap();
        let _busy = TcpListener::bind(first).unwrap();
        let second = free_port(None).unwrap();
        assert!(second.port() > first.port() && second.ip().is_loopback());
        assert!(free_port(Some(first.port())).is_err());
    }
}
