//! Servers that cost nothing: a clock nobody steers, and the lies one can tell with it.
//!
//! Such a server is a function from true time to served time. A good one is exact; [`Server`]'s builders make it
//! wrong in every way that clients must survive.

use crate::clock::SimClock;
use crate::oscillator::Oscillator;
use crate::time::{Calendar, TrueTime};
use ntp::ids::RefId;
use ntp::rng::Rng;
use ntp::time::{LocalTime, NtpShort, NtpTime, RawTime};
use ntp::wire::{Leap, Mode, Packet};

/// Time between receiving a request and answering it, s.
pub const PROCESSING: f64 = 20e-6;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// No answer.
    Silent,
    /// Kiss code RATE to every request that comes sooner than so many seconds after the last one.
    RateLimit(f64),
    /// Kiss code DENY.
    Deny,
    /// The answer is to a request that was never made.
    WrongOrigin,
    /// Leap 3, stratum 0: not synchronised.
    Unsynchronised,
    /// Another stratum than it should have.
    Stratum(u8),
    /// An answer cut off after so many bytes.
    Truncated(usize),
    /// Transmit time zero.
    NoTransmitTime,
}

/// What a server is: how its clock runs, what it claims, how it misbehaves.
#[derive(Clone, Debug)]
pub struct Server {
    oscillator: Oscillator,
    offset: f64,
    /// When (s after the start) its clock jumps by how much (s).
    jumps: Vec<(f64, f64)>,
    stratum: u8,
    root_delay: f64,
    root_dispersion: f64,
    leap: Leap,
    /// Tells of the calendar's leap second before it comes.
    announces: bool,
    precision: i8,
    /// What it does wrong between which seconds after the start.
    faults: Vec<(Fault, f64, f64)>,
}

impl Default for Server {
    fn default() -> Self {
        Self::ideal()
    }
}

impl Server {
    /// Stratum 1 and exact to the nanosecond.
    pub const fn ideal() -> Self {
        Self {
            oscillator: Oscillator::perfect(),
            offset: 0.0,
            jumps: Vec::new(),
            stratum: 1,
            root_delay: 0.0,
            root_dispersion: 0.0,
            leap: Leap::None,
            announces: true,
            precision: -29,
            faults: Vec::new(),
        }
    }

    /// Ahead of true time by `seconds` at the start.
    pub fn offset(mut self, seconds: f64) -> Self {
        self.offset = seconds;
        self
    }

    /// Its clock runs on this oscillator.
    pub fn oscillator(mut self, oscillator: Oscillator) -> Self {
        self.oscillator = oscillator;
        self
    }

    /// Gains `drift` s/s.
    pub fn drift(self, drift: f64) -> Self {
        self.oscillator(Oscillator::with_error(drift))
    }

    /// Its clock jumps by `seconds` at `at` seconds after the start.
    pub fn jump(mut self, at: f64, seconds: f64) -> Self {
        self.jumps.push((at, seconds));
        self
    }

    /// Claims this stratum, root delay (s) and root dispersion (s).
    pub fn claims(mut self, stratum: u8, root_delay: f64, root_dispersion: f64) -> Self {
        (self.stratum, self.root_delay, self.root_dispersion) = (stratum, root_delay, root_dispersion);
        self
    }

    /// Announces a leap second.
    pub fn leap(mut self, leap: Leap) -> Self {
        self.leap = leap;
        self
    }

    /// Does not know of the calendar's leap second before it comes.
    pub fn leaps_without_a_word(mut self) -> Self {
        self.announces = false;
        self
    }

    /// What of this server is more than an error that changes slowly, if anything.
    pub(crate) fn beyond_errors(&self) -> Option<&'static str> {
        let ideal = Self::ideal();
        let claims = |s: &Self| (s.stratum, s.root_delay, s.root_dispersion, s.leap, s.precision);
        match self {
            Self { faults, .. } if !faults.is_empty() => Some("a server that misbehaves"),
            Self { jumps, .. } if !jumps.is_empty() => Some("a server whose clock jumps"),
            _ if claims(self) != claims(&ideal) => Some("a server that claims to be worse than it is"),
            _ => None,
        }
    }

    /// Misbehaves between these seconds after the start.
    pub fn fault(mut self, fault: Fault, from: f64, until: f64) -> Self {
        self.faults.push((fault, from, until));
        self
    }

    /// Starts it; `rng` feeds its oscillator.
    pub fn start(self, rng: Rng) -> RunningServer {
        self.start_on(Calendar::default(), rng)
    }

    /// Starts it on another day.
    pub fn start_on(self, calendar: Calendar, rng: Rng) -> RunningServer {
        let mut clock = SimClock::new(self.oscillator.clone(), self.offset, rng);
        clock.set_calendar(calendar);
        RunningServer { clock, description: self, history: Vec::new() }
    }
}

/// A [`Server`] at work.
#[derive(Clone, Debug)]
pub struct RunningServer {
    description: Server,
    clock: SimClock,
    history: Vec<(f64, bool)>,
}

impl RunningServer {
    /// Served time minus true time at `at`, s.
    pub fn error(&mut self, at: TrueTime) -> f64 {
        self.clock.advance(at);
        self.read(at).nanos().saturating_sub(self.clock.calendar().utc(at)) as f64 * 1e-9
    }

    /// Requests so far: seconds after the start, and whether a kiss code was the answer.
    pub fn history(&self) -> &[(f64, bool)] {
        &self.history
    }

    fn read(&self, at: TrueTime) -> LocalTime {
        let raw: RawTime = self.clock.read(at);
        let jumped = self.description.jumps.iter().filter(|(when, _)| *when <= at.seconds());
        LocalTime::from_nanos(raw.nanos() + self.clock.calendar().moved(at))
            + jumped.map(|(_, seconds)| seconds).sum::<f64>()
    }

    fn leap(&self, at: TrueTime) -> Leap {
        match self.clock.calendar().leap() {
            Some((when, leap)) if self.description.announces && at < when => leap,
            _ => self.description.leap,
        }
    }

    /// The answer to a request that arrives at `at`; it leaves [`PROCESSING`] later. `None`: no answer.
    pub fn respond(&mut self, at: TrueTime, request: &[u8]) -> Option<Vec<u8>> {
        let request = Packet::parse(request)?;
        self.clock.advance(at);
        let receive = NtpTime::from(self.read(at));
        let seconds = at.seconds();
        let since_last = self.history.last().map_or(f64::INFINITY, |(last, _)| seconds - last);
        self.history.push((seconds, false));
        let mut reply = Packet {
            leap: self.leap(at),
            version: request.version,
            mode: Mode::Server,
            stratum: self.description.stratum,
            poll: request.poll,
            precision: self.description.precision,
            root_delay: NtpShort::from_seconds_ceil(self.description.root_delay),
            root_dispersion: NtpShort::from_seconds_ceil(self.description.root_dispersion),
            refid: if self.description.stratum == 1 { RefId::from_text("SIM") } else { RefId(0x0afe_0001) },
            reference: NtpTime(receive.0 & !(0x3f_u64 << 32) & !0xffff_ffff),
            origin: request.transmit,
            receive,
            transmit: NtpTime::from(self.read(at + PROCESSING)),
        };
        let mut len = ntp::wire::header::HEADER_LEN;
        let faults = self.description.faults.clone();
        for (fault, from, until) in faults {
            if !(from..until).contains(&seconds) {
                continue;
            }
            match fault {
                Fault::Silent => return None,
                Fault::RateLimit(interval) if since_last < interval => self.kiss(&mut reply, "RATE"),
                Fault::RateLimit(_) => {}
                Fault::Deny => self.kiss(&mut reply, "DENY"),
                Fault::WrongOrigin => reply.origin = NtpTime(reply.origin.0 ^ 1 << 20),
                Fault::Unsynchronised => (reply.leap, reply.stratum) = (Leap::Unsynchronised, 0),
                Fault::Stratum(stratum) => reply.stratum = stratum,
                Fault::Truncated(bytes) => len = bytes.min(len),
                Fault::NoTransmitTime => reply.transmit = NtpTime::ZERO,
            }
        }
        Some(reply.emit()[..len].to_vec())
    }

    fn kiss(&mut self, reply: &mut Packet, code: &str) {
        (reply.leap, reply.stratum, reply.refid) = (Leap::Unsynchronised, 0, RefId::from_text(code));
        if let Some((_, kissed)) = self.history.last_mut() {
            *kissed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &mut RunningServer, seconds: f64) -> Option<Packet> {
        let request = ntp::source::exchange::request_packet(4, 6, NtpTime(0x1234_5678_9abc_def1));
        Packet::parse(&server.respond(TrueTime::after_start(seconds), &request.emit())?)
    }

    fn error(packet: &Packet, seconds: f64) -> f64 {
        packet.receive.to_local() - LocalTime::from_nanos(TrueTime::after_start(seconds).nanos())
    }

    #[test]
    fn served_time_is_the_function_it_was_told_to_be() {
        let mut good = Server::ideal().start(Rng::from_number(1));
        let mut bad = Server::ideal().offset(0.05).drift(1e-6).jump(500.0, -1.0).start(Rng::from_number(1));
        for (seconds, expected) in [(1.0, 0.050_001), (100.0, 0.0501), (1000.0, -0.949)] {
            assert!(error(&ask(&mut good, seconds).unwrap(), seconds).abs() < 2e-9);
            let packet = ask(&mut bad, seconds).unwrap();
            assert!((error(&packet, seconds) - expected).abs() < 2e-9);
            assert!(
                (packet.transmit.to_local() - packet.receive.to_local() - PROCESSING).abs() < 3e-9,
                "the answer leaves a little later"
            );
            assert_eq!(packet.origin, NtpTime(0x1234_5678_9abc_def1));
        }
    }

    #[test]
    fn faults_keep_their_hours() {
        let mut server = Server::ideal()
            .fault(Fault::Silent, 10.0, 20.0)
            .fault(Fault::RateLimit(16.0), 30.0, 60.0)
            .fault(Fault::WrongOrigin, 100.0, 110.0)
            .fault(Fault::Truncated(40), 200.0, 210.0)
            .start(Rng::from_number(1));
        assert!(ask(&mut server, 9.9).is_some());
        assert!(ask(&mut server, 10.0).is_none() && ask(&mut server, 20.0).is_some());
        let refused = ask(&mut server, 35.0).unwrap();
        assert_eq!((refused.stratum, refused.refid), (0, RefId::from_text("RATE")));
        assert_eq!(ask(&mut server, 51.0).unwrap().stratum, 1);
        assert_ne!(ask(&mut server, 100.0).unwrap().origin, NtpTime(0x1234_5678_9abc_def1));
        assert!(ask(&mut server, 200.0).is_none(), "40 bytes are no packet");
        assert_eq!(server.history().len(), 7);
        assert_eq!(server.history().iter().filter(|(_, kissed)| *kissed).count(), 1);
    }
}
