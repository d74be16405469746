//! The load generator: sends flows through a packet socket and judges every reply.
//!
//! A request's transmit time stamp is its tag: salt of the run (24 bits), flow (8), number (32). Its reply repeats it as the
//! origin; everything else that is expected of the reply follows from it.

use crate::flow::{Flow, Kind};
use crate::wire::{self, NTP, Reply};
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use sys::packets::{Captured, Frame, Packets, SEND_MAX};

/// Room for received frames that nobody has looked at yet.
const SLOTS: usize = 1 << 16;
/// Numbers whose replies are remembered, to notice a second one. More are never under way.
const REMEMBERED: usize = 1 << 22;
/// Numbers whose sending times are remembered.
const TIMED: usize = 1 << 16;
/// A server answers in the order of requests, about: in a closed loop, whoever is passed over by so many is lost.
const PASSED_BY: u64 = 512;
/// … and all are, when nothing comes back for so long: longer than a machine's scheduler keeps a server from running.
const SILENCE: Duration = Duration::from_millis(100);
/// How long an open loop waits for the last replies.
const LAST_REPLIES: Duration = Duration::from_millis(100);
/// Below this rate (1/s) requests leave one by one; above, several at a time every [`TICK`].
const SINGLE: f64 = 60_000.0;
/// Pause of an open loop at high rates.
const TICK: f64 = 30e-6;
/// Requests a closed loop sends by one call, at most, and at least while others are under way: a call for each would make the load
/// dearer than the server.
const BURST: std::ops::RangeInclusive<u64> = 16..=32;

/// What became of a flow.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// What it is called.
    pub name: &'static str,
    /// Datagrams sent.
    pub sent: u64,
    /// Good replies.
    pub received: u64,
    /// Replies that break a rule: mode, origin, length, destination, checksum; more than one; to what is no request.
    pub wrong: u64,
    /// What was wrong with the first of them.
    pub complaint: Option<String>,
    /// Good replies that were kisses of death or from an unsynchronised server.
    pub unsynchronised: u64,
    /// From sending to the reply's arrival, ns; in an open loop.
    pub delays: Vec<u32>,
}

impl Tally {
    /// The part of the requests that got no good reply.
    pub fn loss(&self) -> f64 {
        self.sent.saturating_sub(self.received) as f64 / self.sent.max(1) as f64
    }

    /// The `part` quantile of the delays, s.
    pub fn delay(&mut self, part: f64) -> Option<f64> {
        self.delays.sort_unstable();
        let last = self.delays.len().checked_sub(1)?;
        Some(f64::from(*self.delays.get((last as f64 * part) as usize)?) * 1e-9)
    }
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// How long it took, s.
    pub seconds: f64,
    /// One for each flow.
    pub tallies: Vec<Tally>,
    /// Replies nobody asked for.
    pub strays: u64,
    /// Frames the packet socket had no room for: replies the load lost, not the server.
    pub overlooked: u32,
}

impl Outcome {
    /// Replies that break a rule, and what was wrong with the first.
    pub fn wrong(&self) -> (u64, Option<&str>) {
        let count = self.strays + self.tallies.iter().map(|tally| tally.wrong).sum::<u64>();
        let stray = (self.strays > 0).then_some("a reply that nobody asked for");
        (count, self.tallies.iter().find_map(|tally| tally.complaint.as_deref()).or(stray))
    }
}

struct Running {
    flow: Flow,
    tally: Tally,
    answered: Vec<u64>,
    sent_at: Vec<u64>,
    /// Requests without a reply that are not given up.
    out: u64,
    /// All before this number are answered or given up.
    settled: u64,
    /// The latest number that is answered.
    latest: u64,
}

/// Sends and judges.
pub struct Load {
    packets: Packets,
    first_salt: u32,
    salt: u32,
    running: Vec<Running>,
    strays: u64,
    batch: Vec<Frame>,
    scratch: Frame,
}

impl Load {
    /// Sends by `interface`.
    pub fn new(interface: &str) -> io::Result<Self> {
        sys::packets::exact_sleeps();
        let salt = wire::mixed(nanos()) as u32 & 0x007f_ffff;
        Ok(Self {
            packets: Packets::open(interface, SLOTS)?,
            first_salt: salt,
            salt,
            running: Vec::new(),
            strays: 0,
            batch: vec![Frame::default(); SEND_MAX],
            scratch: Frame::default(),
        })
    }

    /// Sends the flows as their paces say for `seconds`, and waits for the last replies.
    pub fn open(&mut self, flows: &[Flow], seconds: f64) -> Outcome {
        self.begin(flows);
        let began = Instant::now();
        let mut elapsed = 0.0;
        while elapsed < seconds {
            let mut sent = 0;
            for flow in 0..self.running.len() {
                let due = self.running[flow].flow.pace.due(elapsed);
                let mut missing = due.saturating_sub(self.running[flow].tally.sent);
                while missing > 0 {
                    let count = self.send(flow, missing);
                    if count == 0 {
                        break;
                    }
                    (missing, sent) = (missing - count, sent + count);
                    self.drain();
                }
            }
            self.drain();
            let rate =
                (self.running.iter().map(|r| r.tally.sent).sum::<u64>() + 1) as f64 / elapsed.max(1e-3);
            let gap = if rate > SINGLE { TICK } else { (0.2 / rate).max(TICK / 2.0) };
            let pause = elapsed + gap - began.elapsed().as_secs_f64();
            if pause > 1e-6 && (sent == 0 || rate > SINGLE || pause > 0.0) {
                std::thread::sleep(Duration::from_secs_f64(pause));
            }
            elapsed = began.elapsed().as_secs_f64();
        }
        let end = Instant::now();
        while end.elapsed() < LAST_REPLIES {
            self.drain();
            std::thread::sleep(Duration::from_micros(200));
        }
        self.finish(elapsed)
    }

    /// Keeps `window` requests of `flow` under way until `done` (asked with the number of requests sent).
    pub fn closed(&mut self, flow: &Flow, window: u64, mut done: impl FnMut(u64) -> bool) -> Outcome {
        self.begin(std::slice::from_ref(flow));
        let (began, mut last) = (Instant::now(), Instant::now());
        while !done(self.running[0].tally.sent) {
            let back = self.drain();
            let running = &mut self.running[0];
            if back > 0 {
                last = Instant::now();
                running.give_up(running.latest.saturating_sub(PASSED_BY));
            }
            let out = running.out;
            let room = window.saturating_sub(out);
            if room >= *BURST.start() || out == 0 {
                self.send(0, room.min(*BURST.end()));
            } else if back == 0 {
                if last.elapsed() > SILENCE {
                    last = Instant::now();
                    running.give_up(running.tally.sent);
                }
                std::thread::yield_now();
            }
        }
        let elapsed = began.elapsed().as_secs_f64();
        let end = Instant::now();
        while self.running[0].tally.loss() > 0.0 && end.elapsed() < LAST_REPLIES {
            self.drain();
            std::thread::sleep(Duration::from_micros(200));
        }
        self.finish(elapsed)
    }

    fn begin(&mut self, flows: &[Flow]) {
        self.drain();
        let _ = self.packets.drops();
        self.salt += 1;
        self.strays = 0;
        self.running = flows
            .iter()
            .map(|flow| Running {
                flow: flow.clone(),
                tally: Tally { name: flow.name, ..Tally::default() },
                answered: vec![0; REMEMBERED / 64],
                sent_at: vec![0; TIMED],
                out: 0,
                settled: 0,
                latest: 0,
            })
            .collect();
    }

    fn finish(&mut self, seconds: f64) -> Outcome {
        Outcome {
            seconds,
            tallies: self.running.drain(..).map(|running| running.tally).collect(),
            strays: self.strays,
            overlooked: self.packets.drops().unwrap_or(0),
        }
    }

    /// Sends up to `count` of the flow's next datagrams by one call; how many left.
    fn send(&mut self, flow: usize, count: u64) -> u64 {
        let running = &mut self.running[flow];
        let (first, count) = (running.tally.sent, count.min(SEND_MAX as u64));
        let now = nanos();
        for (number, frame) in (first..first + count).zip(&mut self.batch) {
            let tag = u64::from(self.salt) << 40 | (flow as u64) << 32 | number & 0xffff_ffff;
            running.flow.write(number as u32, tag, frame);
            running.sent_at[number as usize % TIMED] = now;
            let place = number as usize % REMEMBERED;
            running.answered[place / 64] &= !(1 << (place % 64));
        }
        let sent = self.packets.send(&self.batch[..count as usize]).unwrap_or(0) as u64;
        running.tally.sent += sent;
        running.out += sent;
        sent
    }

    /// Judges what has come; how many good replies.
    fn drain(&mut self) -> u64 {
        let Self { packets, running, scratch, strays, .. } = self;
        let (first_salt, salt) = (self.first_salt, self.salt);
        let mut good = 0;
        let mut look = |captured: Captured<'_>| {
            let Some(reply) = wire::parse(&captured) else { return };
            let tag = reply.origin().unwrap_or(0);
            let sender = (tag >> 40) as u32;
            if (first_salt..salt).contains(&sender) {
                return; // a late reply of an earlier run
            }
            match running.get_mut((tag >> 32) as usize & 0xff).filter(|_| sender == salt) {
                Some(running) => good += u64::from(running.judge(&reply, tag, captured.stamp, scratch)),
                None => *strays += 1,
            }
        };
        while packets.receive(&mut look).is_some() {}
        good
    }
}

impl Running {
    /// Takes those before `number` that are not answered for lost.
    fn give_up(&mut self, number: u64) {
        while self.settled < number {
            let place = self.settled as usize % REMEMBERED;
            let answered = self.answered[place / 64] >> (place % 64) & 1;
            self.out = self.out.saturating_sub(1 - answered);
            self.settled += 1;
        }
    }

    /// Counts a reply; was it good?
    fn judge(&mut self, reply: &Reply<'_>, tag: u64, stamp: i64, scratch: &mut Frame) -> bool {
        let number = tag as u32;
        let place = number as usize % REMEMBERED;
        let (word, bit) = (&mut self.answered[place / 64], 1 << (place % 64));
        let first = reply.payload.first().copied().unwrap_or(0);
        let complaint = match self.flow.expects(number, tag, scratch) {
            _ if !reply.intact => "a broken packet",
            None => "a reply to what is no request",
            Some((to, _)) if reply.to != to => "a reply to somebody else",
            Some((_, longest)) if reply.len > longest => "a reply longer than its request",
            _ if reply.len < NTP => "a reply without a whole header",
            _ if *word & bit != 0 => "more than one reply",
            _ if !matches!(first & 7, 2 | 4) => "a reply of the wrong mode",
            _ if self.flow.kind == Kind::Request && first & 0x3f != 0b100_100 => {
                "a reply of the wrong version or mode"
            }
            _ if self.flow.kind == Kind::Request && reply.len != NTP => "a reply of the wrong length",
            _ => {
                *word |= bit;
                self.tally.received += 1;
                // Numbers are 32 bits long on the wire.
                let behind = (self.tally.sent as u32).wrapping_sub(number);
                let number = self.tally.sent.saturating_sub(u64::from(behind));
                if number >= self.settled {
                    self.out = self.out.saturating_sub(1);
                    self.latest = self.latest.max(number);
                }
                self.tally.unsynchronised += u64::from(reply.payload.get(1) == Some(&0));
                let delay = stamp.cast_unsigned().saturating_sub(self.sent_at[number as usize % TIMED]);
                if self.tally.delays.len() < 1 << 20 {
                    self.tally.delays.push(delay.min(u64::from(u32::MAX)) as u32);
                }
                return true;
            }
        };
        self.tally.wrong += 1;
        let text = || format!("{complaint} (request {number} of {})", self.tally.name);
        if self.tally.complaint.is_none() {
            self.tally.complaint = Some(text());
        }
        false
    }
}

/// Nanoseconds since the Unix epoch.
fn nanos() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
