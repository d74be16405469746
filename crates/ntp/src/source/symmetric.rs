//! Symmetric mode (RFC 5905 §3, modes 1 and 2): each of two peers asks the other, and its question answers the other's.
//!
//! A packet carries the transmit time of the last one heard (origin), when that came (receive) and when it leaves
//! itself (transmit). What comes back is a sample if its origin is the transmit time of the packet sent last. What was
//! heard is remembered from packets that prove, by their origin, that their sender sees ours; only while nothing is
//! heard at all (the beginning, a lasting loss) from any: whoever cannot see our packets cannot make us forget the
//! peer's. The transmit times have random low bits, so that they are not guessed either.
//!
//! There are no ephemeral associations: a peer that is not configured gets the server's answer in mode 2.

use crate::ids::SocketId;
use crate::time::NtpTime;

/// Transmit times by which an answer is known.
const SENT: usize = 4;
/// Polls without a valid answer after which anything authentic is listened to.
const QUIET: u32 = 3;
/// Polls without a valid answer after which another socket is opened: our own address may have changed.
const STALE: u32 = 8;
/// Random low bits of a transmit time: below 0.3 µs.
const RANDOM: u64 = 0x3ff;

/// What is kept of a peer beside what is kept of every source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Its socket, on the server's port, as long as it is open.
    pub socket: Option<SocketId>,
    /// Transmit time of the last packet heard, and when it came by our clock.
    heard: Option<(NtpTime, NtpTime)>,
    /// Our last transmit times, the latest first.
    sent: [NtpTime; SENT],
    /// Packets sent since the last valid answer.
    quiet: u32,
}

impl Link {
    /// The transmit time for a packet that leaves at `at`.
    pub fn stamp(at: NtpTime, random: u64) -> NtpTime {
        // Never zero, which means "none".
        NtpTime(at.0 & !RANDOM | random & RANDOM | 1)
    }

    /// Origin and receive time of the packet that leaves with `transmit`.
    pub fn on_sent(&mut self, transmit: NtpTime) -> (NtpTime, NtpTime) {
        self.sent.rotate_right(1);
        if let Some(latest) = self.sent.first_mut() {
            *latest = transmit;
        }
        self.quiet = self.quiet.saturating_add(1);
        self.heard.unwrap_or_default()
    }

    /// An authentic packet came at `at`: is what it says of itself remembered?
    pub fn on_heard(&mut self, origin: NtpTime, transmit: NtpTime, at: NtpTime) {
        let proven = !origin.is_zero() && self.sent.contains(&origin);
        if !transmit.is_zero() && (proven || self.quiet > QUIET || self.heard.is_none()) {
            self.heard = Some((transmit, at));
        }
    }

    /// A valid answer came.
    pub fn on_valid(&mut self) {
        self.quiet = 0;
    }

    /// Its socket has been silent for long: is it time for another one?
    pub fn is_stale(&self) -> bool {
        self.quiet > 0 && self.quiet.is_multiple_of(STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_sees_our_packets_is_remembered() {
        let mut link = Link::default();
        assert_eq!(link.on_sent(NtpTime(11)), (NtpTime::ZERO, NtpTime::ZERO));
        link.on_heard(NtpTime::ZERO, NtpTime(100), NtpTime(101));
        assert_eq!(link.on_sent(NtpTime(12)), (NtpTime(100), NtpTime(101)), "the beginning");
        link.on_heard(NtpTime(12), NtpTime(200), NtpTime(201));
        link.on_valid();
        link.on_heard(NtpTime(666), NtpTime(300), NtpTime(301));
        link.on_heard(NtpTime::ZERO, NtpTime(300), NtpTime(301));
        assert_eq!(link.on_sent(NtpTime(13)), (NtpTime(200), NtpTime(201)), "a stranger's word");
        link.on_heard(NtpTime(12), NtpTime(400), NtpTime(401));
        assert_eq!(link.on_sent(NtpTime(14)), (NtpTime(400), NtpTime(401)), "late, but from whom sees us");
        for transmit in 15..19 {
            link.on_sent(NtpTime(transmit));
        }
        link.on_heard(NtpTime(666), NtpTime(500), NtpTime(501));
        assert_eq!(link.on_sent(NtpTime(19)), (NtpTime(500), NtpTime(501)), "a new beginning after silence");
    }

    #[test]
    fn transmit_times_are_true_and_never_zero() {
        let at = NtpTime(0x1234_5678_9abc_def0);
        for random in [0, 1, u64::MAX] {
            let stamp = Link::stamp(at, random);
            assert!(stamp.0.abs_diff(at.0) <= RANDOM && stamp.0 & 1 == 1);
        }
    }

    #[test]
    fn a_silent_socket_is_replaced() {
        let mut link = Link::default();
        let stale: Vec<bool> = (0..17)
            .map(|n| {
                link.on_sent(NtpTime(n));
                link.is_stale()
            })
            .collect();
        assert_eq!(stale.iter().filter(|stale| **stale).count(), 2);
        link.on_valid();
        assert!(!link.is_stale());
    }
}
