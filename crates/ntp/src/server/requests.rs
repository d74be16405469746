//! A log of when requests came, kept small: `timeball ratelimit replay` asks it what another limit would have done.
//!
//! It holds no addresses, only numbers made from them with a secret. Requests at a steady pace are one entry of 16 bytes,
//! however many they are. When there is no room for a day, half of the clients are forgotten and not logged any more: what
//! is left is a fair sample of clients, each with all of its requests, so that limits can be replayed exactly.

use super::clients::Tick;
use std::collections::VecDeque;

/// How far back the log wants to reach, ticks.
const DAY: u32 = 24 * 3600 * Tick::PER_SECOND;
/// Runs that may still grow; another client on the same place ends one.
const OPEN: usize = 512;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = size_of::<Run>();
/// A pause that ends a run in any case, ticks: 18 hours.
const LONGEST_PAUSE: u32 = 1 << 20;

/// Requests of one client at a steady pace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Whose they are.
    pub client: u32,
    /// When the first came.
    pub start: Tick,
    /// From the first to the last, ticks.
    pub span: u32,
    /// How many; zero: an empty place.
    pub count: u16,
}

impl Run {
    fn last(&self) -> Tick {
        Tick(self.start.0.wrapping_add(self.span))
    }

    /// When they came, evenly spread.
    pub fn times(self) -> impl Iterator<Item = Tick> {
        (0..u64::from(self.count)).map(move |n| {
            let steps = u64::from(self.count).saturating_sub(1).max(1);
            let after = n.saturating_mul(self.span.into()).checked_div(steps).unwrap_or(0);
            Tick(self.start.0.wrapping_add(after as u32))
        })
    }

    /// One more request; false: it does not belong to the run.
    fn extend(&mut self, now: Tick) -> bool {
        let gap = now.since(self.last());
        let steady = match u32::from(self.count).checked_sub(1) {
            None => false,
            Some(0) => gap < LONGEST_PAUSE,
            Some(gaps) => {
                let mean = self.span.checked_div(gaps).unwrap_or(0);
                gap.abs_diff(mean) <= (mean >> 3).max(1)
            }
        };
        if !steady || self.count == u16::MAX {
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.span = self.span.saturating_add(gap);
        true
    }
}

/// The log of one shard.
#[derive(Clone, Debug)]
pub struct RequestLog {
    runs: VecDeque<Run>,
    open: Vec<Run>,
    /// One client of 2^this is logged.
    thinned: u32,
    room: usize,
    secret: u64,
}

impl RequestLog {
    /// A log in `bytes` of memory, taken at once.
    pub fn new(bytes: usize, secret: u64) -> Self {
        let room = (bytes / ENTRY_BYTES).saturating_sub(OPEN).max(OPEN);
        Self {
            runs: VecDeque::with_capacity(room),
            open: vec![Run::default(); OPEN],
            thinned: 0,
            room,
            secret,
        }
    }

    /// A request of the client with these address bits came.
    pub fn note(&mut self, address: u128, now: Tick) {
        let mixed = ((address >> 64) as u64 ^ self.secret).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29 ^ address as u64 ^ self.secret.rotate_left(32))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let client = ((mixed ^ mixed >> 32).wrapping_mul(0x94d0_49bb_1331_11eb) >> 32) as u32;
        if !is_logged(client, self.thinned) {
            return;
        }
        // The lowest bits are those by which clients are chosen.
        let place = (client >> 20) as usize % OPEN;
        let Some(open) = self.open.get_mut(place) else { return };
        if open.client == client && open.extend(now) {
            return;
        }
        let closed = core::mem::replace(open, Run { client, start: now, span: 0, count: 1 });
        if closed.count > 0 {
            self.close(closed, now);
        }
    }

    fn close(&mut self, run: Run, now: Tick) {
        while self.runs.len() >= self.room {
            let covered = self.runs.front().map_or(0, |oldest| now.since(oldest.start));
            if covered >= DAY || self.thinned == u32::BITS {
                self.runs.pop_front();
            } else {
                self.thinned = self.thinned.saturating_add(1);
                let thinned = self.thinned;
                self.runs.retain(|run| is_logged(run.client, thinned));
            }
        }
        if is_logged(run.client, self.thinned) {
            self.runs.push_back(run);
        }
    }

    /// Takes over a run of an earlier log that was thinned to one client of 2^`thinned`; in its order. Its client is another one than
    /// any of this log: numbers are made with a secret that nobody keeps.
    pub fn restore(&mut self, run: Run, thinned: u32, now: Tick) {
        self.thinned = self.thinned.max(thinned);
        if run.count > 0 && now.since(run.start) < DAY {
            self.close(run, now);
        }
    }

    /// One client of 2^this is logged.
    pub fn thinned(&self) -> u32 {
        self.thinned
    }

    /// Everything in it, the oldest runs first, those that may still grow last.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let open = self.open.iter().filter(|run| run.count > 0);
        self.runs.iter().chain(open).copied().filter(|run| is_logged(run.client, self.thinned))
    }
}

/// Is a client one of 2^`thinned` that are logged?
pub fn is_logged(client: u32, thinned: u32) -> bool {
    client.trailing_zeros() >= thinned
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_steady_client_is_one_entry_and_its_times_are_known() {
        let mut log = RequestLog::new(64 * 1024, 7);
        for second in 0..1000 {
            log.note(5, Tick((u32::MAX - 1000).wrapping_add(second * 16)));
        }
        let runs: Vec<Run> = log.runs().collect();
        assert_eq!(runs.len(), 1);
        assert!(runs[0].times().eq((0..1000).map(|n| Tick((u32::MAX - 1000).wrapping_add(n * 16)))));
    }

    #[test]
    fn a_burst_and_a_slower_pace_are_told_apart() {
        let mut log = RequestLog::new(64 * 1024, 7);
        let times = [0, 32, 64, 96, 1120, 2144, 3168];
        times.iter().for_each(|&tick| log.note(5, Tick(tick)));
        let runs: Vec<(u32, u16)> = log.runs().map(|run| (run.start.0, run.count)).collect();
        assert_eq!(runs, [(0, 4), (1120, 3)]);
    }

    #[test]
    fn where_there_is_no_room_for_a_day_fewer_clients_are_logged_with_all_they_sent() {
        let mut log = RequestLog::new(32 * 1024, 7);
        let room = log.runs.capacity();
        for tick in 0..200_000u32 {
            // Each of 5000 clients at no steady pace.
            log.note(u128::from(tick % 5000), Tick(tick / 10 + (tick % 7) * 60));
        }
        assert!(log.thinned() > 2 && log.runs.capacity() == room, "{}", log.thinned());
        let mut counts = std::collections::BTreeMap::<u32, u32>::new();
        for run in log.runs() {
            assert!(is_logged(run.client, log.thinned()));
            *counts.entry(run.client).or_default() += u32::from(run.count);
        }
        let expected = 5000 >> log.thinned();
        assert!(
            counts.len().abs_diff(expected) < 20 + expected / 2,
            "{} clients, expected {expected}",
            counts.len()
        );
        assert!(counts.values().all(|&count| count == 40), "{counts:?}");
    }

    #[test]
    fn what_an_earlier_log_knew_of_the_last_day_is_kept() {
        let now = Tick(50);
        let run =
            |client, age: u32, count| Run { client, start: Tick(now.0.wrapping_sub(age)), span: 0, count };
        let mut log = RequestLog::new(64 * 1024, 7);
        for earlier in [run(2, DAY + 1, 1), run(4, DAY - 1, 1), run(1, 60, 1), run(6, 50, 0), run(8, 40, 9)] {
            log.restore(earlier, 1, now);
        }
        assert_eq!(log.runs().collect::<Vec<_>>(), [run(4, DAY - 1, 1), run(8, 40, 9)]);
        (0..3000).for_each(|n| log.restore(run(n, 30, 1), 1, now));
        assert_eq!(log.thinned(), 1, "half of them fit");
        (0..30_000).for_each(|n| log.restore(run(n, 30, 1), 1, now));
        assert!(log.thinned() > 1 && log.runs.len() <= log.room);
    }

    proptest! {
        #[test]
        fn the_log_never_outgrows_its_room(
            notes in prop::collection::vec((0..3000u128, 0..5000u32), 1..3000), bytes in 0..40_000usize,
        ) {
            let mut log = RequestLog::new(bytes, 3);
            let before = log.runs.capacity();
            let mut now = Tick(9);
            for (client, gap) in notes {
                now.0 += gap;
                log.note(client, now);
            }
            prop_assert_eq!(log.runs.capacity(), before);
            prop_assert!(log.runs.len() <= log.room);
        }
    }
}
