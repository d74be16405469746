//! How much each may have: lowered while the server cannot keep up, raised again when it can.

use super::{Limits, Share};
use crate::server::clients::Tick;

/// Nobody honest sends more: chrony's fastest clients in a laboratory ask 64 times a second, and a thousand households
/// behind one address, with ten devices each that ask every 64 s, 156 times in all.
pub const CEILING: Share = Share::per_second(256);
/// The level is not lowered further for lack of capacity: a client in the first seconds of its life is quieter.
pub const FLOOR: Share = Share::per_second(1);
/// Where the level begins to sink from when there is no ceiling.
const TOP: Share = Share::per_second(4096);

/// What happened to one batch of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The batch was full: more may be waiting.
    pub full: bool,
    /// Requests the kernel has thrown away since the last batch.
    pub lost: u32,
}

/// Full batches in one tick, and no other, that mean that requests are waiting all the time: 16 000 a second at least. That
/// is a server at its limit, not beyond it: as long as nothing is lost, nobody has to go without an answer but those who ask more than
/// anybody honest does.
const BUSY: u32 = 32;
/// The level rises by 1/2^this per tick: it doubles in three seconds, so that a server at its limit spends few
/// moments beyond it.
const RISE: u32 = 6;

/// The level of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    share: Share,
    tick: Tick,
    batches: u32,
    full: u32,
    lost: u32,
    /// What the traffic limit leaves to each.
    budget: Option<Share>,
}

impl Default for Level {
    fn default() -> Self {
        Self { share: TOP, tick: Tick::default(), batches: 0, full: 0, lost: 0, budget: None }
    }
}

impl Level {
    /// Takes note of a batch that was received at `now`.
    pub fn note(&mut self, now: Tick, load: Load) {
        if now != self.tick {
            self.turn(now);
        }
        self.batches = self.batches.saturating_add(1);
        self.full = self.full.saturating_add(load.full.into());
        self.lost = self.lost.saturating_add(load.lost);
    }

    /// What the traffic limit leaves to each; `None`: there is none, or all is well.
    pub fn set_budget(&mut self, budget: Option<Share>) {
        self.budget = budget;
    }

    /// What a class of a client's requests may have; `None`: whatever it likes.
    pub fn share(&self, limits: &Limits) -> Option<Share> {
        let ceiling = limits.ceiling.then_some(CEILING);
        let level = (limits.adaptive && self.share < TOP).then_some(self.share);
        [ceiling, level, self.budget].into_iter().flatten().min()
    }

    /// A tick is over.
    fn turn(&mut self, now: Tick) {
        let waiting = self.full >= BUSY && self.full == self.batches;
        let Share(share) = self.share;
        self.share = if self.lost > 0 {
            // Below the ceiling at once: above it nobody honest is.
            Share((share / 2).min(CEILING.0 * 2)).max(FLOOR)
        } else if waiting {
            self.share.min(CEILING)
        } else {
            // Ticks without a request count as well, but not for ever.
            let ticks = now.since(self.tick).clamp(1, 1024);
            let rise = |share: u32| share.saturating_add(share >> RISE);
            (0..ticks)
                .fold(self.share, |share, _| if share < TOP { Share(rise(share.0)) } else { share })
                .min(TOP)
        };
        (self.tick, self.batches, self.full, self.lost) = (now, 0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::server::clients::{ClientTable, Key};
    use crate::server::limit::Admission;
    use proptest::prelude::*;

    const KEY: Key = [1, 2];

    #[test]
    fn a_server_with_capacity_to_spare_limits_only_what_is_never_honest() {
        let mut level = Level::default();
        for tick in 0..1000 {
            // Bursts fill some batches.
            for batch in 0..40 {
                level.note(Tick(tick), Load { full: batch % 3 > 0, lost: 0 });
            }
        }
        assert_eq!(level.share(&Limits::AUTO), Some(CEILING));
        assert_eq!(level.share(&Limits::default()), None);
        assert_eq!(level.share(&Limits { adaptive: true, ..Limits::default() }), None);
        level.set_budget(Some(Share::per_second(2)));
        assert_eq!(level.share(&Limits::AUTO), Some(Share::per_second(2)));
    }

    #[test]
    fn lost_requests_lower_the_level_and_quiet_seconds_raise_it() {
        let mut level = Level::default();
        let rate = |level: &Level| level.share(&Limits::AUTO).map(Share::rate);
        let mut tick = 0;
        let mut note = |level: &mut Level, ticks: u32, load: Load| {
            for _ in 0..ticks {
                tick += 1;
                (0..BUSY).for_each(|_| level.note(Tick(tick), load));
            }
        };
        note(&mut level, 3, Load { full: false, lost: 1 });
        assert_eq!(rate(&level), Some(256.0));
        note(&mut level, 20, Load { full: true, lost: 1 });
        assert_eq!(rate(&level), Some(1.0), "it cannot sink below the floor");
        note(&mut level, 16 * 10, Load::default());
        let risen = rate(&level).unwrap();
        assert!((8.0..16.0).contains(&risen), "{risen} after ten seconds");
        note(&mut level, 16 * 60, Load::default());
        assert_eq!(rate(&level), Some(CEILING.rate()));
        assert_eq!(level.share(&Limits { adaptive: true, ..Limits::default() }), None);
    }

    #[test]
    fn a_server_at_its_limit_that_loses_nothing_refuses_only_who_is_never_honest() {
        let adaptive = Limits { adaptive: true, ..Limits::default() };
        let (mut level, mut now) = (Level::default(), Tick(0));
        for tick in 0..1000 {
            now = Tick(tick);
            (0..2 * BUSY).for_each(|_| level.note(now, Load { full: true, lost: 0 }));
        }
        assert_eq!(level.share(&adaptive), Some(CEILING));
        now.0 += 1;
        level.note(now, Load { full: true, lost: 1 });
        now.0 += 1;
        level.note(now, Load::default());
        assert_eq!(level.share(&adaptive), Some(Share::per_second(128)));
        // Full batches keep it where it is.
        for _ in 0..100 {
            now.0 += 1;
            (0..2 * BUSY).for_each(|_| level.note(now, Load { full: true, lost: 0 }));
        }
        let held = level.share(&adaptive).map(Share::rate);
        assert!(held.is_some_and(|rate| (128.0..140.0).contains(&rate)), "{held:?}");
    }

    /// A server that can do 500 requests a tick (8000/s); one client sends 10 000/s, 30 send 30/s each and 999 one in 4 s.
    #[test]
    fn when_short_of_capacity_the_loudest_lose_and_the_quiet_do_not() {
        const CAPACITY: u32 = 500;
        let mut level = Level::default();
        let mut table = ClientTable::new(1 << 20, KEY, 64);
        let mut rng = Rng::from_number(2);
        let (mut asked, mut answered) = ([0u32; 3], [0u32; 3]);
        for tick in 0..16 * 120 {
            let now = Tick(tick);
            let loud = (0..625).map(|_| 0u32);
            let busy = (0..56).map(|n| 1 + (tick * 56 + n) % 30);
            let quiet = (0..16).map(|n| 100 + (tick * 16 + n) % 999);
            let mut requests: Vec<u32> = loud.chain(busy).chain(quiet).collect();
            (1..requests.len()).rev().for_each(|i| requests.swap(i, rng.below(i + 1)));
            // An answer costs one, a refusal half of it.
            let (mut work, mut lost) = (0, 0);
            for number in requests {
                let kind = usize::from(number > 0) + usize::from(number >= 100);
                let late = tick > 16 * 20;
                asked[kind] += u32::from(late);
                if work >= 2 * CAPACITY {
                    lost += 1;
                    continue;
                }
                let slot = table.touch(core::net::Ipv4Addr::from_bits(number).into(), now);
                let mut client = table.client(slot);
                let share = level.share(&Limits::AUTO);
                let admission = Limits::AUTO.admit(&mut client, 0, now, share, 1);
                table.put(slot, &client);
                let answer = admission == Admission::Answer;
                work += 1 + u32::from(answer);
                answered[kind] += u32::from(answer && late);
            }
            level.note(now, Load { full: false, lost });
        }
        let share = |kind: usize| f64::from(answered[kind]) / f64::from(asked[kind]);
        assert!(share(2) > 0.999 && share(1) > 0.99, "quiet {} busy {}", share(2), share(1));
        assert!(share(0) < 0.05 && answered[0] > 0, "loud {}", share(0));
    }

    proptest! {
        #[test]
        fn the_level_stays_between_its_bounds(
            notes in prop::collection::vec((0..40u32, any::<bool>(), prop::option::of(1..1000u32)), 1..500),
        ) {
            let mut level = Level::default();
            let mut now = Tick(u32::MAX - 100);
            for (gap, full, lost) in notes {
                now.0 = now.0.wrapping_add(gap);
                level.note(now, Load { full, lost: lost.unwrap_or(0) });
                prop_assert!(FLOOR <= level.share && level.share <= TOP);
            }
        }
    }
}
