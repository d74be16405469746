//! Symmetric mode (RFC 5905 §3, modes 1 and 2): each of two peers asks the other, and its question answers the other's.
//!
//! A packet carries the transmit time of the last one heard (origin), when that came (receive) and when it leaves
//! itself (transmit). What comes back is a sample if its origin is the transmit time of the packet sent last. What was
//! heard is remembered from packets that prove, by their origin, that their sender sees ours; only while nothing is
//! heard at all (the beginning, a lasting loss) from any: whoever cannot see our packets cannot make us forget the
//! peer's. The transmit times have random low bits, so that they are not guessed either.
//!
//! In interleaved mode (RFC 9769 §3, option `xleave` on both sides) a packet tells when the one before really left, and says so
//! by its origin, which is then the receive time of the last one heard. Only the one answer to a packet is told of, so that
//! nobody takes the transmit time of one packet for another's: while one side asks more often than the other, the slower side's packets
//! are interleaved and the faster side's are not.
//!
//! There are no ephemeral associations: a peer that is not configured gets the server's answer in mode 2.

use crate::ids::SocketId;
use crate::time::NtpTime;
use crate::wire::Packet;

/// Packets by which an answer is known.
const SENT: usize = 4;
/// Polls without a valid answer after which anything authentic is listened to.
const QUIET: u32 = 3;
/// Polls without a valid answer after which another socket is opened: our own address may have changed.
const STALE: u32 = 8;
/// Random low bits of a transmit time: below 0.3 µs.
const RANDOM: u64 = 0x3ff;
/// So many packets in interleaved mode without an answer in that mode, which could have come: the peer does not know it.
const PATIENCE: u32 = 6;

/// What is kept of a peer beside what is kept of every source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link {
    /// Its socket, on the server's port, as long as it is open.
    pub socket: Option<SocketId>,
    /// Receive and transmit time that the last packet heard tells, and when it came by our clock.
    heard: Option<(NtpTime, NtpTime, NtpTime)>,
    /// Transmit and receive time of our last packets, the latest first.
    sent: [(NtpTime, NtpTime); SENT],
    /// Packets sent since the last valid answer.
    quiet: u32,
    /// When the packet sent last really left, by our clock.
    left: Option<NtpTime>,
    /// There was a valid answer before, and one packet was sent between it and the latest.
    alone: bool,
    /// Any valid answer came since the beginning.
    answered: bool,
    /// The packet sent last was in interleaved mode and is not answered.
    asked: bool,
    /// Such packets since the last answer in that mode.
    refused: u32,
    /// Packets heard since the last one sent.
    heard_since: u32,
    /// One was heard between the last two that were sent.
    alternates: bool,
}

/// What a packet to a peer says in its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Which of the peer's packets it answers.
    pub origin: NtpTime,
    /// When that came.
    pub receive: NtpTime,
    /// When it leaves; in interleaved mode when the one before left.
    pub transmit: NtpTime,
}

impl Link {
    /// The transmit time for a packet that leaves at `at`.
    pub fn stamp(at: NtpTime, random: u64) -> NtpTime {
        // Never zero, which means "none".
        NtpTime(at.0 & !RANDOM | random & RANDOM | 1)
    }

    /// The fields of the packet that leaves with `transmit`, or in interleaved mode where the peer is `able`.
    pub fn on_sent(&mut self, transmit: NtpTime, able: bool) -> Fields {
        self.refused = self.refused.saturating_add(u32::from(self.asked));
        self.alternates = core::mem::take(&mut self.heard_since) == 1;
        let left = self.left.take().filter(|left| self.sent.first().is_none_or(|last| last.0 != *left));
        let may = able && self.alone && self.quiet == 0 && self.refused < PATIENCE;
        let mut fields = Fields { transmit, ..Fields::default() };
        self.asked = false;
        if let Some((receive, transmit, at)) = self.heard {
            (fields.origin, fields.receive) = (transmit, at);
            if let Some(left) = left.filter(|_| may) {
                (fields.origin, fields.transmit) = (receive, left);
                self.asked = true;
            }
        }
        self.sent.rotate_right(1);
        if let Some(latest) = self.sent.first_mut() {
            *latest = (fields.transmit, fields.receive);
        }
        self.quiet = self.quiet.saturating_add(1);
        fields
    }

    /// The packet sent last left at `at`.
    pub fn on_left(&mut self, at: NtpTime) {
        self.left = Some(at);
    }

    /// An authentic packet came at `at`: is what it says of itself remembered?
    pub fn on_heard(&mut self, packet: &Packet, at: NtpTime) -> bool {
        let origin = packet.origin;
        let proven = !origin.is_zero() && self.sent.iter().any(|sent| sent.0 == origin || sent.1 == origin);
        let new = !packet.transmit.is_zero() && (proven || self.quiet > QUIET || self.heard.is_none());
        if new {
            // Marked as a receive time, and never zero.
            self.heard = Some((packet.receive, packet.transmit, NtpTime(at.0 | 1)));
            self.heard_since = self.heard_since.saturating_add(1);
        }
        new
    }

    /// A valid answer came; `interleaved`: in that mode; `active`: from a peer that asks us too.
    pub fn on_valid(&mut self, interleaved: bool, active: bool) {
        self.alone = self.answered && self.quiet == 1;
        self.answered = true;
        self.quiet = 0;
        let asked = core::mem::take(&mut self.asked);
        if interleaved {
            self.refused = 0;
        } else if asked && active && self.alternates {
            // It could have answered so. A peer without the option goes on from what it heard, but measures nothing with it.
            self.refused = self.refused.saturating_add(1);
        }
    }

    /// The machine slept, or a second leapt: times of before say nothing any more.
    pub fn forget_times(&mut self) {
        (self.heard, self.left) = (None, None);
    }

    /// Its socket has been silent for long: is it time for another one?
    pub fn is_stale(&self) -> bool {
        self.quiet > 0 && self.quiet.is_multiple_of(STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::exchange::request_packet;

    fn packet(origin: u64, receive: u64, transmit: u64) -> Packet {
        let (origin, receive) = (NtpTime(origin), NtpTime(receive));
        Packet { origin, receive, ..request_packet(4, 6, NtpTime(transmit)) }
    }

    fn fields(origin: u64, receive: u64, transmit: u64) -> Fields {
        Fields { origin: NtpTime(origin), receive: NtpTime(receive), transmit: NtpTime(transmit) }
    }

    #[test]
    fn only_who_sees_our_packets_is_remembered() {
        let mut link = Link::default();
        let hear = |link: &mut Link, origin, transmit| {
            link.on_heard(&packet(origin, 7, transmit), NtpTime(transmit))
        };
        assert_eq!(link.on_sent(NtpTime(11), false), fields(0, 0, 11));
        hear(&mut link, 0, 101);
        assert_eq!(link.on_sent(NtpTime(12), false), fields(101, 101, 12), "the beginning");
        hear(&mut link, 12, 201);
        link.on_valid(false, true);
        assert!(!hear(&mut link, 666, 301) && !hear(&mut link, 0, 301));
        assert_eq!(link.on_sent(NtpTime(13), false), fields(201, 201, 13), "a stranger's word");
        hear(&mut link, 12, 401);
        assert_eq!(link.on_sent(NtpTime(14), false), fields(401, 401, 14), "late, but from whom sees us");
        for transmit in 15..19 {
            link.on_sent(NtpTime(transmit), false);
        }
        hear(&mut link, 666, 501);
        assert_eq!(link.on_sent(NtpTime(19), false), fields(501, 501, 19), "a new beginning after silence");
    }

    /// Sends at `transmit`; the packet leaves 3 later.
    fn send(link: &mut Link, transmit: u64) -> Fields {
        let fields = link.on_sent(NtpTime(transmit), true);
        link.on_left(NtpTime(transmit + 3));
        fields
    }

    fn answer(link: &mut Link, origin: u64, receive: u64, transmit: u64, at: u64) {
        // Our receive times end with the time that an answer came at: 1.
        let interleaved = origin % 100 == 1;
        link.on_heard(&packet(origin, receive, transmit), NtpTime(at));
        link.on_valid(interleaved, true);
    }

    #[test]
    fn the_only_answer_is_told_of_in_interleaved_mode() {
        let mut link = Link::default();
        assert_eq!(send(&mut link, 100), fields(0, 0, 100));
        answer(&mut link, 100, 151, 160, 201);
        assert_eq!(send(&mut link, 300), fields(160, 201, 300), "the first was no answer");
        answer(&mut link, 300, 351, 360, 401);
        assert_eq!(send(&mut link, 500), fields(351, 401, 303));
        // Its answer in interleaved mode names our receive time, one in basic mode our transmit time.
        answer(&mut link, 401, 551, 363, 601);
        assert_eq!(send(&mut link, 700), fields(551, 601, 503));
        assert_eq!(
            send(&mut link, 750),
            fields(363, 601, 750),
            "nothing came: the same answer again, in basic mode"
        );
        answer(&mut link, 750, 781, 790, 801);
        assert_eq!(send(&mut link, 900), fields(790, 801, 900), "there were two");
        answer(&mut link, 900, 951, 960, 1001);
        assert_eq!(send(&mut link, 1100), fields(951, 1001, 903));
        // Times of another clock are not told.
        answer(&mut link, 903, 1151, 1160, 1201);
        link.forget_times();
        assert_eq!(send(&mut link, 1300), fields(0, 0, 1300));
    }

    #[test]
    fn a_peer_that_does_not_know_it_is_left_alone() {
        for deaf in [true, false] {
            let mut link = Link::default();
            let mut interleaved = 0;
            let mut at = 1000;
            // It hears only what is in basic mode, or goes on from whatever it hears, in basic mode.
            for _ in 0..100 {
                at += 100;
                let sent = send(&mut link, at);
                interleaved += u32::from(sent.transmit.0 != at);
                if sent.transmit.0 == at || !deaf {
                    answer(&mut link, sent.transmit.0, at + 21, at + 30, at + 51);
                }
            }
            assert!((PATIENCE..PATIENCE + 2).contains(&interleaved), "{deaf}: {interleaved}");
            link.on_valid(true, true);
            send(&mut link, at + 100);
            answer(&mut link, at + 100, at + 121, at + 130, at + 151);
            assert_ne!(send(&mut link, at + 200).transmit.0, at + 200, "it has learnt it");
        }
    }

    /// The other asks three times while we ask once: its packets cannot be in interleaved mode, and ours go on to be.
    #[test]
    fn a_faster_peer_is_told_on_and_on() {
        let mut link = Link::default();
        for round in 1..50 {
            let at = 1000 * round;
            let sent = send(&mut link, at);
            answer(&mut link, sent.transmit.0, at + 21, at + 30, at + 51);
            for more in [200, 400] {
                link.on_heard(&packet(sent.transmit.0, at + 21, at + more), NtpTime(at + more + 21));
            }
            assert!(round < 3 || sent.transmit.0 != at, "{round}");
        }
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
                link.on_sent(NtpTime(n), false);
                link.is_stale()
            })
            .collect();
        assert_eq!(stale.iter().filter(|stale| **stale).count(), 2);
        link.on_valid(false, true);
        assert!(!link.is_stale());
    }
}
