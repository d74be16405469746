//! Asking all candidates side by side, on one thread, without touching the clock.
//!
//! Politeness: four requests two seconds apart, then one every 16 to 64 s; whoever says RATE is asked half as often, whoever
//! says DENY or RSTR never again (RFC 5905 §7.4). Each request has a socket of its own and a random stamp, and says
//! nothing of us (RFC 9109).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use ntp::ids::RefId;
use ntp::sample::Sample;
use ntp::time::{NANOS, NtpTime, OscTime, seconds_to_nanos};
use ntp::wire::{Leap, Mode, Packet};
use sys::message;
use sys::poll::{Entry, poll};
use sys::socket::{Family, Socket, Stamping};

use super::candidates::Candidate;
use crate::doctor::system::request;

/// Requests at the beginning.
const BURST: u32 = 4;
/// A server that says it took longer than this is not believed, ns.
const LONGEST_PROCESSING: i64 = 4 * NANOS;
/// Between two words of progress, ns.
const PROGRESS: i64 = NANOS;
/// Reading our clock is good for this, s.
const READING: f64 = 1e-6;
/// Our oscillator may drift so during an exchange, s/s.
const DRIFT: f64 = 15e-6;

/// How often to ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Seconds between the first requests.
    pub first: f64,
    /// … between the others.
    pub then: f64,
    /// … until a request counts as lost.
    pub patience: f64,
}

impl Pace {
    /// What strangers may be asked, for a measurement of this many seconds.
    pub fn polite(seconds: f64) -> Self {
        Self { first: 2.0, then: (seconds / 40.0).clamp(16.0, 64.0), patience: 3.0 }
    }

    /// For servers of one's own: every `gap` seconds.
    pub fn own(gap: f64) -> Self {
        Self { first: gap, then: gap, patience: gap.min(3.0) }
    }
}

/// What became of one candidate.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Requests sent and no longer waiting.
    pub asked: u32,
    /// Answers to them, usable or not.
    pub answered: u32,
    /// Answers that said "not synchronised".
    pub unsynchronised: u32,
    /// The last kiss code.
    pub kiss: Option<RefId>,
    /// What can be used.
    pub samples: Vec<Sample>,
    /// Of the last answer.
    pub stratum: u8,
    /// Of the last answer.
    pub leap: Leap,
    /// Of the last answer: whom it follows.
    pub refid: RefId,
}

/// A request that waits for its answer.
struct Waiting {
    socket: Socket,
    bytes: [u8; 48],
    stamp: NtpTime,
    /// When it left, monotonic ns: by our reading, or by the kernel's stamp once that is there.
    sent: i64,
    expires: i64,
}

/// A candidate under measurement.
struct Target {
    address: SocketAddr,
    record: Record,
    due: Option<i64>,
    burst: u32,
    gap: f64,
    waiting: Option<Waiting>,
}

/// Measures until `seconds` have passed or a signal asks to stop. `progress` hears every second how long it has been and what
/// is known.
pub fn run(
    candidates: &[Candidate],
    seconds: f64,
    pace: Pace,
    mut progress: impl FnMut(f64, &[&Record]),
) -> io::Result<(Vec<Record>, OscTime)> {
    let start = sys::clock::monotonic();
    // Oscillator time begins with what the wall clock says, so that offsets are small.
    let base = sys::clock::realtime() - start;
    let end = start.saturating_add(seconds_to_nanos(seconds));
    let mut targets: Vec<Target> = (0_i64..)
        .zip(candidates)
        .map(|(index, candidate)| Target {
            address: candidate.address,
            record: Record::default(),
            // Spread, so that they do not disturb each other.
            due: Some(start + seconds_to_nanos(pace.first) / candidates.len().max(1) as i64 * index),
            burst: BURST,
            gap: pace.then,
            waiting: None,
        })
        .collect();
    let mut next_word = start + PROGRESS;
    loop {
        let now = sys::clock::monotonic();
        if now >= next_word {
            let records: Vec<&Record> = targets.iter().map(|target| &target.record).collect();
            progress((now - start) as f64 * 1e-9, &records);
            next_word = now + PROGRESS;
        }
        if now >= end || sys::signal::caught().is_some() {
            break;
        }
        for target in &mut targets {
            target.tick(now, pace)?;
        }
        let wake = targets.iter().filter_map(Target::wake).fold(end.min(next_word), i64::min);
        let waiting: Vec<usize> =
            (0..targets.len()).filter(|&index| targets[index].waiting.is_some()).collect();
        let descriptor = |&index: &usize| {
            targets[index].waiting.as_ref().map(|waiting| Entry::new(waiting.socket.as_raw_fd()))
        };
        let mut entries: Vec<Entry> = waiting.iter().filter_map(descriptor).collect();
        poll(&mut entries, Some(wake.saturating_sub(sys::clock::monotonic()).max(0)))?;
        for (entry, index) in entries.iter().zip(waiting) {
            if entry.any() {
                targets[index].hear(base, pace);
            }
        }
    }
    let at = OscTime::from_nanos(sys::clock::monotonic().saturating_add(base));
    Ok((targets.into_iter().map(|target| target.record).collect(), at))
}

impl Target {
    /// When there is something to do without a datagram.
    fn wake(&self) -> Option<i64> {
        let expires = self.waiting.as_ref().map(|waiting| waiting.expires);
        [self.due, expires].into_iter().flatten().min()
    }

    /// Gives up what waits for too long, and asks when it is time.
    fn tick(&mut self, now: i64, pace: Pace) -> io::Result<()> {
        let due = self.due.is_some_and(|due| now >= due);
        if self.waiting.as_ref().is_some_and(|waiting| now >= waiting.expires || due) {
            self.waiting = None;
            self.record.asked += 1;
        }
        if !due {
            return Ok(());
        }
        let in_burst = self.burst > 1;
        self.burst = self.burst.saturating_sub(1);
        let gap = if in_burst { pace.first } else { self.gap };
        // Up to 5 % more or less, so that servers and candidates fall out of step.
        let mut random = [0; 9];
        sys::random::fill(&mut random)?;
        let [dice, stamp @ ..] = random;
        let gap = gap * (0.95 + 0.1 * f64::from(dice) / 255.0);
        self.due = Some(now.saturating_add(seconds_to_nanos(gap)));
        match ask(self.address, NtpTime(u64::from_be_bytes(stamp) | 1), pace) {
            Ok(waiting) => self.waiting = Some(waiting),
            Err(_) => self.record.asked += 1, // no route: as good as lost
        }
        Ok(())
    }

    /// Takes what came.
    fn hear(&mut self, base: i64, pace: Pace) {
        let Some(waiting) = self.waiting.as_mut() else { return };
        let mut buffer = [0; 1024];
        let shift = sys::clock::realtime() - sys::clock::monotonic();
        while let Ok(Some(sent)) = message::receive_error_queue(&waiting.socket, &mut buffer) {
            let own = buffer.get(..sent.len).is_some_and(|bytes| bytes.ends_with(&waiting.bytes));
            if let Some(stamp) = sent.stamp.filter(|_| own) {
                waiting.sent = stamp - shift;
            }
        }
        loop {
            let received = match message::receive(&waiting.socket, &mut buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return,
                Err(_) => break, // nobody listens there
            };
            let arrived = received.stamp.map_or_else(sys::clock::monotonic, |stamp| stamp - shift);
            let packet = buffer.get(..received.len).and_then(Packet::parse);
            if let Some(packet) = packet.filter(|p| p.mode == Mode::Server && p.origin == waiting.stamp) {
                let sent = waiting.sent;
                self.waiting = None;
                self.record.asked += 1;
                self.take(&packet, sent + base, arrived + base, pace);
                return;
            }
        }
        self.waiting = None;
        self.record.asked += 1;
    }

    /// An answer to our request, which left at `left` and came back at `back` of oscillator time.
    fn take(&mut self, packet: &Packet, left: i64, back: i64, pace: Pace) {
        let record = &mut self.record;
        record.answered += 1;
        if packet.stratum == 0 {
            record.kiss = Some(packet.refid);
            if packet.refid == RefId::from_text("DENY") || packet.refid == RefId::from_text("RSTR") {
                self.due = None;
            } else {
                self.gap = (self.gap.max(pace.then) * 2.0).min(1024.0);
                self.burst = 0;
                self.due = Some(sys::clock::monotonic().saturating_add(seconds_to_nanos(self.gap)));
            }
            return;
        }
        (record.stratum, record.leap, record.refid) = (packet.stratum, packet.leap, packet.refid);
        if packet.leap == Leap::Unsynchronised || packet.stratum > 15 {
            record.unsynchronised += 1;
            return;
        }
        let (t2, t3) = (packet.receive.to_local().nanos(), packet.transmit.to_local().nanos());
        let stamped = !packet.receive.is_zero() && !packet.transmit.is_zero();
        if !stamped || !(0..=LONGEST_PROCESSING).contains(&t3.saturating_sub(t2)) {
            return;
        }
        let whole = (back - left) as f64 * 1e-9;
        record.samples.push(Sample {
            v: OscTime::from_nanos(left + (back - left) / 2),
            forward: t2.saturating_sub(left),
            backward: back.saturating_sub(t3),
            half: whole / 2.0,
            dispersion: READING + DRIFT * whole + f64::from(packet.precision).exp2().min(1.0),
            root_delay: packet.root_delay.seconds(),
            root_dispersion: packet.root_dispersion.seconds(),
            stratum: packet.stratum,
            leap: packet.leap,
        });
    }
}

fn ask(address: SocketAddr, stamp: NtpTime, pace: Pace) -> io::Result<Waiting> {
    let socket = Socket::udp(Family::of(&address))?;
    // Without stamps of the kernel our own readings have to do.
    let _ = socket.set_stamping(Stamping::Both).or_else(|_| socket.set_stamping(Stamping::Receive));
    socket.connect(address)?;
    let bytes = request(stamp).emit();
    let sent = sys::clock::monotonic();
    message::send(&socket, &bytes, None, None, 0)?;
    Ok(Waiting { socket, bytes, stamp, sent, expires: sent.saturating_add(seconds_to_nanos(pace.patience)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { first: 2.0, then: 16.0, patience: 3.0 };

    fn target() -> Target {
        let address = "192.0.2.1:123".parse().expect("an address");
        Target {
            address,
            record: Record::default(),
            due: Some(0),
            burst: BURST,
            gap: PACE.then,
            waiting: None,
        }
    }

    /// An answer of a server 5 ms away whose clock is right, and when its request left and it came back.
    fn answer() -> (Packet, i64, i64) {
        let left = 1_800_000_000 * NANOS;
        let there = NtpTime::from_unix_nanos(left + 5_000_000);
        let packet =
            Packet { mode: Mode::Server, stratum: 2, receive: there, transmit: there, ..request(NtpTime(7)) };
        (packet, left, left + 10_000_000)
    }

    #[test]
    fn an_answer_is_a_sample_unless_its_stamps_or_its_server_say_otherwise() {
        let (packet, left, back) = answer();
        let mut target = target();
        target.take(&packet, left, back, PACE);
        let sample = target.record.samples[0];
        assert!((sample.delay() - 0.01).abs() < 1e-8 && sample.offset_nanos().abs() < 10, "{sample:?}");
        let useless = [
            Packet { leap: Leap::Unsynchronised, ..packet },
            Packet { stratum: 16, ..packet },
            Packet { transmit: NtpTime::ZERO, ..packet },
            Packet { transmit: NtpTime(packet.receive.0 - (1 << 32)), ..packet },
            Packet { transmit: NtpTime(packet.receive.0 + (9 << 32)), ..packet },
        ];
        for packet in useless {
            target.take(&packet, left, back, PACE);
        }
        let record = &target.record;
        assert_eq!((record.samples.len(), record.answered, record.unsynchronised), (1, 6, 2));
    }

    #[test]
    fn who_wants_to_be_left_alone_is() {
        let (packet, left, back) = answer();
        let kiss = |code| Packet { stratum: 0, refid: RefId::from_text(code), ..packet };
        let mut slower = target();
        for gap in [32.0, 64.0] {
            let before = sys::clock::monotonic();
            slower.take(&kiss("RATE"), left, back, PACE);
            assert_eq!((slower.gap, slower.burst), (gap, 0), "no burst any more");
            assert!(slower.due.is_some_and(|due| due >= before + seconds_to_nanos(gap)));
        }
        assert_eq!(slower.record.kiss, Some(RefId::from_text("RATE")));
        for code in ["DENY", "RSTR"] {
            let mut silent = target();
            silent.take(&kiss(code), left, back, PACE);
            assert_eq!(silent.wake(), None, "never asked again");
        }
    }

    #[test]
    fn strangers_are_asked_politely() {
        assert_eq!(Pace::polite(10.0), Pace { first: 2.0, then: 16.0, patience: 3.0 });
        assert_eq!(Pace::polite(21_600.0).then, 64.0);
        assert_eq!(Pace::own(0.4).patience, 0.4);
    }
}
