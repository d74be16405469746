//! How much later replies leave than they say.
//!
//! A reply tells when it leaves, but that is written before the call that sends it: some microseconds go by until the driver has it,
//! and half of them are an error of the client's. So the kernel is asked for some replies when they left, and the rest are told with
//! what is usual. (In interleaved mode clients are told the kernel's stamp itself, RFC 9769.)

/// So often the kernel is asked, ns.
const INTERVAL: i64 = 100_000_000;
/// Later (ns) than that was an interruption, or a queue: it says nothing of others.
const MOST: i64 = 30_000;
/// A stamp moves what is believed by this much at most, ns: it then follows the median, which a busy moment does not move.
const STEP: i64 = 100;
/// The part of it that is told: a reply that the kernel is asked about is late by half as much again as others, because it is copied
/// before it is stamped (measured against a client that has the kernel's stamps of both ends; see DESIGN.md).
const TOLD: (i64, i64) = (2, 3);
/// Where an NTP packet has its transmit time.
const TRANSMIT: std::ops::Range<usize> = 40..48;

/// What is usual for one loop's replies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lateness {
    /// How late those are that the kernel was asked about, ns.
    median: i64,
    next: i64,
    asked: Option<Asked>,
}

/// The reply that the kernel was asked about.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// When it would have left without delay (system clock, ns).
    meant: i64,
    transmit: [u8; 8],
    len: usize,
}

impl Lateness {
    /// What to add to the time at which a reply is believed to leave, ns.
    pub fn usual(&self) -> i64 {
        self.median * TOLD.0 / TOLD.1
    }

    /// Is it time to ask about a reply? The system clock reads `now`, ns.
    pub fn is_due(&self, now: i64) -> bool {
        now >= self.next || now < self.next - 2 * INTERVAL
    }

    /// The kernel is asked about `reply`, which says that it leaves at `told` (system clock, ns).
    pub fn ask(&mut self, reply: &[u8], told: i64) {
        let transmit = reply.get(TRANSMIT).and_then(|bytes| bytes.try_into().ok());
        let meant = told - self.usual();
        self.asked = transmit.map(|transmit| Asked { meant, transmit, len: reply.len() });
        self.next = told + INTERVAL;
    }

    /// `frame` (a packet behind the headers of lower layers) left when the system clock read `stamp`, ns.
    pub fn left(&mut self, frame: &[u8], stamp: i64) {
        let Some(asked) = self.asked else { return };
        let packet = frame.len().checked_sub(asked.len).and_then(|at| frame.get(at..));
        if packet.and_then(|packet| packet.get(TRANSMIT)) != Some(&asked.transmit) {
            return;
        }
        self.asked = None;
        let late = stamp - asked.meant;
        if late.abs() <= MOST {
            self.median = (self.median + (late - self.median).clamp(-STEP, STEP)).max(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One reply that leaves `late` ns after its system call, behind 42 bytes of headers.
    fn reply(lateness: &mut Lateness, now: i64, late: i64) {
        let mut frame = [0; 42 + 48];
        frame[42 + 40..].copy_from_slice(&now.to_be_bytes());
        assert!(lateness.is_due(now));
        lateness.ask(&frame[42..], now + lateness.usual());
        assert!(!lateness.is_due(now + INTERVAL / 2), "not yet again");
        lateness.left(&frame, now + late);
    }

    #[test]
    fn the_usual_is_learned_and_interruptions_are_not() {
        let (mut lateness, mut now) = (Lateness::default(), 1_700_000_000_000_000_000);
        for turn in 0..200 {
            now += INTERVAL * 2;
            let late = if turn % 5 == 0 { 25_000 } else { 3_000 + turn % 7 * 10 };
            reply(&mut lateness, now, if turn % 11 == 0 { 4_000_000 } else { late });
        }
        assert!((1_900..2_200).contains(&lateness.usual()), "two thirds of 3 µs: {lateness:?}");
        for _ in 0..200 {
            now += INTERVAL * 2;
            reply(&mut lateness, now, -1_000);
        }
        assert_eq!(lateness.usual(), 0, "no reply leaves before it is sent");
        assert!(lateness.is_due(now - 3600 * 1_000_000_000), "the clock was stepped back");
    }

    #[test]
    fn another_packet_says_nothing() {
        let mut lateness = Lateness::default();
        let reply = [7; 68];
        lateness.ask(&reply, 1000);
        for frame in [&[][..], &[7; 40], &[8; 100]] {
            lateness.left(frame, 3000);
        }
        assert_eq!(lateness.usual(), 0);
        lateness.left(&[7; 100], 3000);
        assert_eq!(lateness.median, STEP);
        lateness.left(&[7; 100], 3000);
        assert_eq!(lateness.median, STEP, "told once");
        lateness.ask(&reply[..20], 1000);
        lateness.left(&reply[..20], 3000);
        assert_eq!(lateness.median, STEP, "what is no packet is not asked about");
    }
}
