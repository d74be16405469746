//! The tests a response must pass: 1–3, 5–7 of RFC 5905 (its packet sanity tests) and A–D of delay and loops.
//!
//! Each is a named predicate; [`Checks`] remembers which were passed, for `ntpdata` and the measurement log.

use crate::config::{SourceConfig, SourceKind};
use crate::ids::RefId;
use crate::sample::Sample;
use crate::time::NtpTime;
use crate::wire::{Leap, Packet};

/// Which tests a response passed. Bits 9…0: 1, 2, 3, 5, 6, 7, A, B, C, D (the control protocol's order).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks(pub u16);

/// One test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// 1: not a copy of the last response.
    NotDuplicate = 9,
    /// 2: it answers our last request.
    Origin = 8,
    /// 3: all its timestamps are set.
    Stamps = 7,
    /// 5: authentic, or no authentication asked for.
    Authentic = 6,
    /// 6: the server is synchronised.
    Synchronised = 5,
    /// 7: its root distance is sane.
    RootDistance = 4,
    /// A: round trip, precision and processing time are acceptable.
    Delay = 3,
    /// B: round trip against the shortest one (`maxdelayratio`).
    DelayRatio = 2,
    /// C: round trip against the jitter (`maxdelaydevratio`, `maxdelayquant`).
    DelayDeviation = 1,
    /// D: no synchronisation loop.
    NoLoop = 0,
}

impl Checks {
    /// Sets or clears one result.
    pub fn set(&mut self, check: Check, passed: bool) {
        let bit = 1 << check as u16;
        self.0 = if passed { self.0 | bit } else { self.0 & !bit };
    }

    /// Was it passed?
    pub fn passed(self, check: Check) -> bool {
        self.0 & (1 << check as u16) != 0
    }

    /// Tests 1, 2, 3 and 5: it is an answer to us.
    pub fn valid(self) -> bool {
        self.0 >> 6 == 0b1111
    }

    /// … and 6, 7: it comes from a synchronised server; sets the reachability bit.
    pub fn synchronised(self) -> bool {
        self.0 >> 4 == 0b11_1111
    }

    /// All tests: the sample is used.
    pub fn good(self) -> bool {
        self.0 == 0b11_1111_1111
    }

    /// Digits `1`/`0` of tests 1 2 3, 5 6 7 and A B C D.
    pub fn digits(self) -> (String, String, String) {
        let part = |high: u32, count: u32| {
            (0..count).map(|i| if self.0 >> (high - i) & 1 == 1 { '1' } else { '0' }).collect()
        };
        (part(9, 3), part(6, 3), part(3, 4))
    }
}

/// A server may take this long between receiving and answering, s.
const MAX_PROCESSING: f64 = 4.0;
/// Root distance beyond which a server is useless, s (RFC 5905 MAXDISP).
const MAX_ROOT_DISTANCE: f64 = 16.0;
/// Offsets beyond this are no time, s: about 136 years.
const MAX_OFFSET: f64 = 4_294_967_296.0;

/// Tests 1, 2, 3: is it the answer to our request, once?
///
/// `expected` are the random stamps of the request still waiting, that of basic and, if it was in that, of interleaved mode;
/// `last` are receive and transmit stamps of
/// the last valid response.
pub fn answers(
    checks: &mut Checks,
    packet: &Packet,
    expected: [Option<NtpTime>; 2],
    last: Option<(NtpTime, NtpTime)>,
) {
    checks.set(Check::NotDuplicate, last != Some((packet.receive, packet.transmit)));
    checks.set(Check::Origin, expected.contains(&Some(packet.origin)));
    checks.set(Check::Stamps, ![packet.origin, packet.receive, packet.transmit].iter().any(|t| t.is_zero()));
}

/// Tests 6 and 7: is the server fit to be followed?
pub fn fit(checks: &mut Checks, packet: &Packet) {
    checks.set(Check::Synchronised, packet.leap != Leap::Unsynchronised && (1..16).contains(&packet.stratum));
    let distance = packet.root_delay.seconds() / 2.0 + packet.root_dispersion.seconds();
    checks.set(Check::RootDistance, distance < MAX_ROOT_DISTANCE);
}

/// What tests B and C compare with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DelayHistory {
    /// Shortest round trip known, s.
    pub min_delay: f64,
    /// Standard deviation of the source's offsets, s.
    pub std_dev: f64,
    /// Round trip at the configured quantile (`maxdelayquant`), s; `None`: not known or off.
    pub quantile: Option<f64>,
    /// Frequency error possible since then times elapsed time, s: slack for all of them.
    pub slack: f64,
}

/// Tests A, B and C on the measured round trip.
///
/// `response_time` is T3 − T2; `useful` is false if this exchange only warmed up the path, or tells nothing new.
pub fn delays(
    checks: &mut Checks,
    config: &SourceConfig,
    sample: &Sample,
    packet: &Packet,
    response_time: f64,
    useful: bool,
    history: Option<DelayHistory>,
) {
    let (delay, slack) = (sample.delay(), sample.dispersion);
    let precision = libm::exp2(f64::from(packet.precision));
    let offset = sample.offset_nanos() as f64 * 1e-9;
    checks.set(
        Check::Delay,
        delay - slack <= config.max_delay
            && precision <= config.max_delay
            && useful
            && (-slack..=processing(config, packet)).contains(&response_time)
            && offset.abs() < MAX_OFFSET,
    );
    let Some(history) = history else {
        checks.set(Check::DelayRatio, true);
        checks.set(Check::DelayDeviation, true);
        return;
    };
    let slack = slack + history.slack;
    checks.set(
        Check::DelayRatio,
        config.max_delay_ratio < 1.0 || delay - slack <= config.max_delay_ratio * history.min_delay,
    );
    checks.set(Check::DelayDeviation, !deviates(config, sample, &history));
}

/// How long the other may take to answer, s. A peer answers when it asks.
fn processing(config: &SourceConfig, packet: &Packet) -> f64 {
    match config.kind {
        SourceKind::Peer => MAX_PROCESSING + 1.5 * libm::exp2(f64::from(packet.poll.clamp(0, 17))),
        SourceKind::Server | SourceKind::Pool => MAX_PROCESSING,
    }
}

/// What test C refuses: a round trip far longer than the source's jitter explains.
pub fn deviates(config: &SourceConfig, sample: &Sample, history: &DelayHistory) -> bool {
    let (delay, slack) = (sample.delay(), sample.dispersion + history.slack);
    match history.quantile {
        Some(limit) => delay - slack > limit,
        None => {
            config.max_delay_dev_ratio > 0.0
                && delay - history.min_delay - slack > config.max_delay_dev_ratio * history.std_dev
        }
    }
}

/// What we serve, for test D.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OurReference {
    /// Our reference identifier as others know us on this path (our address).
    pub own_refid: RefId,
    /// Stratum, reference identifier and reference time we serve.
    pub stratum: u8,
    /// Whom we follow.
    pub refid: RefId,
    /// When we last set the clock.
    pub reference: NtpTime,
}

/// Test D: does the server follow us, or is it us? Always passed when we serve nobody (`ours` is `None`).
pub fn no_loop(checks: &mut Checks, packet: &Packet, ours: Option<OurReference>) {
    let looping = ours.is_some_and(|ours| {
        let follows_us = packet.stratum > 1 && packet.refid == ours.own_refid;
        let is_us = packet.stratum == ours.stratum
            && packet.refid == ours.refid
            && packet.reference == ours.reference
            && !packet.reference.is_zero();
        follows_us || is_us
    });
    checks.set(Check::NoLoop, !looping);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{NtpShort, OscTime};
    use crate::wire::Mode;

    fn packet() -> Packet {
        Packet {
            leap: Leap::None,
            version: 4,
            mode: Mode::Server,
            stratum: 2,
            poll: 6,
            precision: -20,
            root_delay: NtpShort(100),
            root_dispersion: NtpShort(100),
            refid: RefId(0x0a00_0001),
            reference: NtpTime(5),
            origin: NtpTime(77),
            receive: NtpTime(8),
            transmit: NtpTime(9),
        }
    }

    fn sample(forward: i64, backward: i64) -> Sample {
        Sample {
            v: OscTime::from_nanos(0),
            forward,
            backward,
            half: 0.01,
            dispersion: 1e-6,
            root_delay: 0.0,
            root_dispersion: 0.0,
            stratum: 2,
            leap: Leap::None,
        }
    }

    #[test]
    fn only_the_awaited_answer_is_valid_and_only_once() {
        let mut checks = Checks::default();
        answers(&mut checks, &packet(), [Some(NtpTime(77)), None], None);
        checks.set(Check::Authentic, true);
        assert!(checks.valid());
        answers(&mut checks, &packet(), [None; 2], None);
        assert!(!checks.valid(), "no request is waiting");
        answers(&mut checks, &packet(), [Some(NtpTime(77)), None], Some((NtpTime(8), NtpTime(9))));
        assert!(!checks.passed(Check::NotDuplicate));
        answers(&mut checks, &Packet { origin: NtpTime(0), ..packet() }, [Some(NtpTime(0)), None], None);
        assert!(!checks.passed(Check::Stamps), "a zero origin is never an answer (CVE-2015-8138's class)");
    }

    #[test]
    fn unsynchronised_servers_and_absurd_distances_are_unfit() {
        let unfit = |packet: Packet| {
            let mut checks = Checks::default();
            fit(&mut checks, &packet);
            (checks.passed(Check::Synchronised), checks.passed(Check::RootDistance))
        };
        assert_eq!(unfit(packet()), (true, true));
        assert_eq!(unfit(Packet { leap: Leap::Unsynchronised, ..packet() }), (false, true));
        assert_eq!(unfit(Packet { stratum: 0, ..packet() }), (false, true));
        assert_eq!(unfit(Packet { stratum: 16, ..packet() }), (false, true));
        assert_eq!(unfit(Packet { root_dispersion: NtpShort(16 << 16), ..packet() }), (true, false));
    }

    #[test]
    fn delays_are_tested_against_limit_ratio_and_jitter() {
        let mut config = SourceConfig::new(SourceKind::Server, "a");
        config.max_delay_ratio = 2.0;
        let history = DelayHistory { min_delay: 0.020, std_dev: 0.001, quantile: None, slack: 0.0 };
        let result = |forward, backward, history, useful| {
            let mut checks = Checks::default();
            delays(&mut checks, &config, &sample(forward, backward), &packet(), 0.001, useful, history);
            [Check::Delay, Check::DelayRatio, Check::DelayDeviation].map(|c| checks.passed(c))
        };
        assert_eq!(result(10_000_000, 10_000_000, Some(history), true), [true, true, true]);
        assert_eq!(result(10_000_000, 10_000_000, Some(history), false), [false, true, true]);
        assert_eq!(result(10_000_000, 20_100_000, Some(history), true), [true, true, false]);
        assert_eq!(result(20_000_000, 20_100_000, Some(history), true), [true, false, false]);
        assert_eq!(result(2_000_000_000, 1_100_000_000, None, true), [false, true, true]);
    }

    #[test]
    fn loops_are_seen() {
        let ours = OurReference { own_refid: RefId(1), stratum: 3, refid: RefId(2), reference: NtpTime(3) };
        let passed = |packet: Packet, ours| {
            let mut checks = Checks::default();
            no_loop(&mut checks, &packet, ours);
            checks.passed(Check::NoLoop)
        };
        assert!(passed(packet(), Some(ours)));
        assert!(!passed(Packet { refid: RefId(1), ..packet() }, Some(ours)));
        assert!(passed(Packet { refid: RefId(1), stratum: 1, ..packet() }, Some(ours)));
        let us = Packet { stratum: 3, refid: RefId(2), reference: NtpTime(3), ..packet() };
        assert!(!passed(us, Some(ours)));
        assert!(passed(us, None));
    }

    #[test]
    fn digits_read_as_operators_know_them() {
        let mut checks = Checks(0b11_1111_1111);
        checks.set(Check::Authentic, false);
        checks.set(Check::DelayDeviation, false);
        assert_eq!(checks.digits(), ("111".into(), "011".into(), "1101".into()));
    }
}
