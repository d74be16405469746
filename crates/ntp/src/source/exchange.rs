//! From a request and its response to a [`Sample`] (RFC 5905 §8), and the request itself.

use crate::engine::Stamp;
use crate::ids::{RefId, SocketId};
use crate::sample::Sample;
use crate::source::interleave::Naming;
use crate::time::{ERA_WINDOW_START, MonoTime, NtpShort, NtpTime, OscTime};
use crate::wire::{Leap, Mode, Packet};

/// A request on its way.
#[derive(Debug)]
pub struct Request {
    /// The socket opened for it alone.
    pub socket: SocketId,
    /// Names it in stamp reports.
    pub token: u64,
    /// The random transmit stamp: whoever did not see the request cannot answer it.
    pub nonce: NtpTime,
    /// What makes it one in interleaved mode.
    pub naming: Option<Naming>,
    /// When it left, once known; the best stamp so far, and what it means in oscillator time. That does not change
    /// when the clock is stepped before the answer comes.
    pub sent: Option<(Stamp, OscTime)>,
    /// It left only to warm up the path.
    pub presend: bool,
    /// When the socket is closed, answered or not.
    pub deadline: MonoTime,
    /// A valid answer came: later ones fail tests 1 and 2.
    pub answered: bool,
}

/// The 48 bytes of a client's request: version, mode, poll and a random stamp, and nothing about us
/// (draft-ietf-ntp-data-minimization).
pub fn request_packet(version: u8, poll: i32, nonce: NtpTime) -> Packet {
    Packet {
        leap: Leap::None,
        version,
        mode: Mode::Client,
        stratum: 0,
        poll: poll.clamp(-128, 127) as i8,
        precision: 32,
        root_delay: NtpShort(0),
        root_dispersion: NtpShort(0),
        refid: RefId::NONE,
        reference: NtpTime::ZERO,
        origin: NtpTime::ZERO,
        receive: NtpTime::ZERO,
        transmit: nonce,
    }
}

/// What an exchange says, before any test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The sample, in oscillator time.
    pub sample: Sample,
    /// T3 − T2, s.
    pub response_time: f64,
}

/// Reads the four stamps: T1 and T4 (`v1`, `v4`) in oscillator time, T2 and T3 from `packet`.
///
/// `precision` is that of our clock (s), `max_frequency_error` bounds our oscillator's error while the exchange
/// lasted (s/s), `correction` (s) is added to the offset.
pub fn measure(
    v1: OscTime,
    packet: &Packet,
    v4: OscTime,
    precision: f64,
    max_frequency_error: f64,
    correction: f64,
) -> Measured {
    let correction = crate::time::seconds_to_nanos(correction);
    let t2 = packet.receive.to_unix_nanos(ERA_WINDOW_START).saturating_add(correction);
    let t3 = packet.transmit.to_unix_nanos(ERA_WINDOW_START).saturating_add(correction);
    let round = v4.nanos_since(v1);
    let sample = Sample {
        v: OscTime::from_nanos(v1.nanos().saturating_add(round / 2)),
        forward: t2.saturating_sub(v1.nanos()),
        backward: v4.nanos().saturating_sub(t3),
        half: round as f64 * 0.5e-9,
        dispersion: precision.max(libm::exp2(f64::from(packet.precision)))
            + max_frequency_error * (round as f64 * 1e-9).abs(),
        root_delay: packet.root_delay.seconds(),
        root_dispersion: packet.root_dispersion.seconds(),
        stratum: packet.stratum,
        leap: packet.leap,
    };
    Measured { sample, response_time: t3.saturating_sub(t2) as f64 * 1e-9 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::LocalTime;

    #[test]
    fn a_request_tells_nothing_about_us() {
        let bytes = request_packet(4, 6, NtpTime(0x0123_4567_89ab_cdef)).emit();
        assert_eq!(bytes[0], 0b00_100_011);
        assert_eq!((bytes[1], bytes[2], bytes[3]), (0, 6, 32));
        assert!(bytes[4..40].iter().all(|&b| b == 0));
        assert_eq!(bytes[40..], 0x0123_4567_89ab_cdef_u64.to_be_bytes());
    }

    #[test]
    fn offset_and_delay_follow_rfc_5905() {
        // We are 2 s behind; 30 ms there, 10 ms back, 1 ms inside the server.
        let base = OscTime::from_seconds(1.8e9);
        let ntp = |seconds: f64| NtpTime::from(LocalTime::from_nanos(base.nanos()) + 2.0 + seconds);
        let packet = Packet {
            receive: ntp(0.030),
            transmit: ntp(0.031),
            precision: -23,
            mode: Mode::Server,
            stratum: 1,
            ..request_packet(4, 6, NtpTime(1))
        };
        let m = measure(base, &packet, base + 0.041, 1e-7, 1e-6, 0.0);
        assert!((m.sample.offset_nanos() - 2_010_000_000).abs() <= 2);
        assert!((m.sample.delay() - 0.040).abs() < 4e-9);
        assert!((m.response_time - 0.001).abs() < 4e-9);
        assert!((m.sample.half - 0.0205).abs() < 1e-9);
        let shifted = measure(base, &packet, base + 0.041, 1e-7, 1e-6, 0.5).sample;
        assert!((shifted.offset_nanos() - 2_510_000_000).abs() <= 2);
        assert!((shifted.delay() - 0.040).abs() < 4e-9, "a correction moves the offset, not the delay");
    }
}
