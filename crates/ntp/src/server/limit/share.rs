//! What one client may have while limits adapt to the load: a leaky bucket for each class of its requests.
//!
//! Behind one address there may be many clients, and forgers who use it. Their requests fall into eight classes by
//! source port and by how their headers look, and each class has a share of its own: a loud one fills its own bucket.
//! Whoever varies all of that wins eight shares and no more.

use crate::server::clients::{CLASSES, Client, Tick};
use crate::time::NtpTime;
use crate::wire::Packet;

/// Requests per tick and class, in 2⁻¹⁶: the level of the water, above which heads are cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// So many requests a second for each class.
    pub const fn per_second(requests: u32) -> Self {
        Self((requests << 16) >> Tick::LOG2)
    }

    /// Requests a second for each class.
    pub fn rate(self) -> f64 {
        f64::from(self.0) / f64::from(1u32 << 16) * f64::from(Tick::PER_SECOND)
    }

    /// Requests of a class that may come at once: two seconds' worth, but the eight of a newcomer's burst in any case,
    /// and what fits the counter.
    fn burst(self) -> u8 {
        let two_seconds = (u64::from(self.0) << (Tick::LOG2 + 1)) >> 16;
        two_seconds.clamp(8, 240) as u8
    }

    /// Decides about a request of `client` that came at `now` and has not been counted yet.
    pub fn admit(self, client: &mut Client, class: usize, now: Tick) -> bool {
        forget(client, now, self.0);
        let Some(level) = client.levels.get_mut(class) else { return true };
        let within = *level < self.burst();
        *level = level.saturating_add(within.into());
        within
    }

    /// Has the class sent more lately than may come at once? For levels kept by an explicit limit.
    pub(super) fn exceeded(self, client: &Client, class: usize) -> bool {
        client.levels.get(class).is_some_and(|&level| level >= self.burst())
    }
}

/// Lowers all levels by what may be answered in the time since the client's last request.
pub(super) fn forget(client: &mut Client, now: Tick, per_tick: u32) {
    let elapsed = u64::from(now.since(client.last));
    let leaked = elapsed.saturating_mul(per_tick.into()).saturating_add(client.rest.into());
    client.rest = leaked as u16;
    let whole = u8::try_from(leaked >> 16).unwrap_or(u8::MAX);
    if whole > 0 {
        client.levels = client.levels.map(|level| level.saturating_sub(whole));
    }
}

/// Which class a request belongs to: two bits of its source port and one of how its header looks, mixed with a secret
/// so that nobody can choose the class of somebody else.
pub fn class(request: &Packet, port: u16, received: NtpTime, secret: u64) -> usize {
    let ports = (secret as u32 | 1).wrapping_mul(u32::from(port).wrapping_add(1)) >> 30;
    let looks = u32::from(stamp(request.transmit, received)) << 24
        | u32::from(request.version) << 16
        | u32::from(request.poll.cast_unsigned()) << 8
        | u32::from(request.precision.cast_unsigned());
    let looks = ((secret >> 32) as u32 | 1).wrapping_mul(looks.wrapping_add(1)) >> 31;
    (looks << 2 | ports) as usize % CLASSES
}

/// How a client fills in the transmit stamp: with nothing, with the time, with something random.
fn stamp(transmit: NtpTime, received: NtpTime) -> u8 {
    /// 36 hours: clocks wrong by more are rare.
    const NEAR: u64 = 1 << (32 + 17);
    match transmit {
        NtpTime::ZERO => 0,
        _ if transmit.0.wrapping_sub(received.0).wrapping_add(NEAR) < 2 * NEAR => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::{Leap, Mode};
    use proptest::prelude::*;

    fn packet(transmit: u64, poll: i8) -> Packet {
        let mut bytes = [0; 48];
        bytes[0] = 4 << 3 | 3;
        bytes[2] = poll.cast_unsigned();
        bytes[40..].copy_from_slice(&transmit.to_be_bytes());
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.mode, packet.leap), (Mode::Client, Leap::None));
        packet
    }

    /// Answers to requests of one class each `gap` ticks, `crowd` in one.
    fn answers(share: Share, gap: u32, crowd: u32, seconds: u32) -> u32 {
        let mut client = Client::default();
        let mut count = 0;
        for tick in (0..seconds * Tick::PER_SECOND).step_by(gap as usize) {
            for _ in 0..crowd {
                count += u32::from(share.admit(&mut client, 3, Tick(tick)));
                client.count(Tick(tick));
            }
        }
        count
    }

    #[test]
    fn a_loud_class_gets_its_share_and_a_quiet_one_everything() {
        for rate in [1, 4, 16, 256] {
            let got = answers(Share::per_second(rate), 1, 60, 100);
            let fair = rate * 100 + u32::from(Share::per_second(rate).burst());
            assert!(got.abs_diff(fair) <= fair / 50 + 1, "{rate}/s: {got}, fair {fair}");
        }
        // The pool's probes, every two seconds, whatever the level: one in 128 seconds is the lowest.
        for share in [Share(32), Share::per_second(1)] {
            assert_eq!(answers(share, 32, 1, 6), 3);
        }
        assert_eq!(answers(Share::per_second(1), 16, 1, 1000), 1000);
    }

    #[test]
    fn the_lowest_level_passes_three_probes_every_eight_minutes_for_ever() {
        let (share, mut client) = (Share(32), Client::default());
        assert!((share.rate() - 1.0 / 128.0).abs() < 1e-9);
        for check in 0..10_000u32 {
            for probe in 0..3 {
                let now = Tick(check * 480 * 16 + probe * 32);
                assert!(share.admit(&mut client, 0, now), "check {check}");
                client.count(now);
            }
        }
    }

    #[test]
    fn clients_behind_one_address_fall_into_different_classes() {
        let mut rng = Rng::from_number(1);
        let received = NtpTime(0xec00_0000_0000_0000);
        let random = packet(0x1234_5678_9abc_def0, 6);
        let mut together = 0;
        for _ in 0..200 {
            let secret = rng.bits();
            let mut counts = [0u32; CLASSES];
            (1024..u16::MAX).for_each(|port| counts[class(&random, port, received, secret)] += 1);
            let used: Vec<u32> = counts.into_iter().filter(|&n| n > 0).collect();
            assert_eq!(used.len(), 4, "{counts:?}");
            assert!(used.iter().all(|&n| n.abs_diff(64_511 / 4) < 700), "{counts:?}");
            // With the time instead of something random, on the same port.
            let timed = packet(received.0 + 77, 6);
            let other = class(&timed, 5000, received, secret);
            together += u32::from(other == class(&random, 5000, received, secret));
        }
        assert!((60..140).contains(&together), "half of the secrets tell them apart: {together}");
    }

    proptest! {
        #[test]
        fn levels_never_exceed_the_burst_and_only_answers_raise_them(
            share in 0..1u32 << 24,
            requests in prop::collection::vec((0..5000u32, 0..CLASSES), 1..300),
        ) {
            let share = Share(share);
            let mut client = Client::default();
            let mut now = Tick(u32::MAX - 10_000);
            for (gap, class) in requests {
                now.0 = now.0.wrapping_add(gap);
                let before: u32 = client.levels.iter().map(|&l| u32::from(l)).sum();
                let admitted = share.admit(&mut client, class, now);
                client.count(now);
                let after: u32 = client.levels.iter().map(|&l| u32::from(l)).sum();
                prop_assert!(after <= before + u32::from(admitted));
                prop_assert!(client.levels.iter().all(|&level| level <= share.burst()));
            }
        }
    }
}
