//! When past replies really left, for clients in interleaved mode (RFC 9769 §2).
//!
//! A reply cannot tell when it leaves: the kernel, or the network card, knows that only afterwards. A client that asks in
//! interleaved mode is told with its next reply. So the pair of its request's receive time, as it was told, and the time its
//! reply left is held until then. The receive time names the pair: no address is kept, and clients behind one address do not
//! disturb each other.
//!
//! Room is fixed at the start: 16 bytes a pair, in buckets of four, of which the oldest gives way. Buckets are taken into use as they are
//! needed, so that few pairs touch few pages. Only who asks in interleaved mode takes room, each pair answers once, and a step of the
//! clock empties everything.

use super::linear::Linear;
use super::state::ServerState;
use crate::engine::io::{Stamp, StampSource};
use crate::time::{NANOS, NtpTime, RawTime};

/// Bytes one pair takes.
pub const PAIR_BYTES: usize = size_of::<Pair>();
/// Pairs in a bucket: 64 bytes, a line of a processor's cache.
const WAYS: usize = 4;
/// Pairs per bucket in use, on average, at which another bucket is taken into use.
const FULL: usize = 1;
/// Buckets that are taken into use at most when that of a new pair is full.
const PATIENCE: usize = 64;
/// Buckets in use from the start.
const FIRST_BUCKETS: usize = 64;
/// Share of the memory for clients (`clientloglimit`): one pair for so many bytes, as many as chrony holds.
const BYTES_A_PAIR: u64 = 128;
/// Pairs at most, 16 MiB: a million clients who ask in interleaved mode between two of their requests.
const MOST: usize = 1 << 20;

/// How many pairs each of `responders` gets where `bytes` are allowed for what is remembered of clients.
pub fn pairs(bytes: u64, responders: usize) -> usize {
    let all = usize::try_from(bytes / BYTES_A_PAIR).unwrap_or(MOST).min(MOST);
    all.checked_div(responders).unwrap_or(all)
}

/// The receive time as told (odd, so never zero; zero: free) and [`Left`] in one word. Plain numbers, because the
/// allocator gives zeroed memory untouched: pages that are not needed are not resident.
type Pair = [u64; 2];
type Bucket = [Pair; WAYS];

/// A reply that left earlier than this before its request came (two clocks stamp them), or later than this after it, ns,
/// is not worth telling about.
const EARLIEST: i64 = -(1 << 25);
const LATEST: i64 = (1 << 30) - (1 << 25) - 1;

/// Pairs of receive and transmit times.
#[derive(Clone, Debug)]
pub struct HeldStamps {
    buckets: Vec<Bucket>,
    /// Which of them are in use.
    places: Linear,
    held: usize,
    /// The step that all held are younger than ([`ServerState::earliest`]).
    since: RawTime,
}

/// When a reply left, relative to the receive time of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    /// The lower half of the receive stamp, ns: enough to find the distance of another stamp of the same clock.
    rx: u32,
    /// Local time from receiving to transmitting, ns, within [`EARLIEST`] … [`LATEST`].
    after: i64,
    /// Who stamped it; `None`: two requests have the same receive time, so nobody knows whose it is.
    by: Option<StampSource>,
}

impl Left {
    fn word(self) -> u64 {
        let by = match self.by {
            Some(StampSource::Daemon) => 0,
            Some(StampSource::Kernel) => 1,
            Some(StampSource::Hardware) => 2,
            None => 3,
        };
        u64::from(self.rx) << 32 | by << 30 | self.after.wrapping_sub(EARLIEST).cast_unsigned() & 0x3fff_ffff
    }

    fn from_word(word: u64) -> Self {
        let by = match word >> 30 & 3 {
            0 => Some(StampSource::Daemon),
            1 => Some(StampSource::Kernel),
            2 => Some(StampSource::Hardware),
            _ => None,
        };
        let after = (word & 0x3fff_ffff).cast_signed().wrapping_add(EARLIEST);
        Self { rx: (word >> 32) as u32, after, by }
    }

    /// The distance of `tx` from the receive stamp in local time, if it is sane. What is still being slewed runs on
    /// meanwhile, and by the same line for both, so that no news of the clock between them comes in.
    fn distance(self, receive: NtpTime, tx: RawTime, state: &ServerState) -> Option<i64> {
        let told = NtpTime::from(state.local(tx)).0.wrapping_sub(receive.0).cast_signed() >> 32;
        if !(-2..=1).contains(&told) {
            return None;
        }
        let raw = i64::from((tx.nanos() as u32).wrapping_sub(self.rx).cast_signed());
        let rx = RawTime::from_nanos(tx.nanos().wrapping_sub(raw));
        Some(state.local(tx).nanos_since(state.local(rx))).filter(|after| (EARLIEST..=LATEST).contains(after))
    }
}

impl HeldStamps {
    /// Room for `pairs`, rounded down to whole buckets; less than four: none, and nobody is answered in interleaved mode.
    pub fn new(pairs: usize) -> Self {
        let buckets = pairs / WAYS;
        let places = Linear::new(buckets, FIRST_BUCKETS);
        Self { buckets: vec![[[0; 2]; WAYS]; buckets], places, held: 0, since: RawTime::default() }
    }

    /// Pairs held now.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Is none held?
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Pairs there is room for.
    pub fn capacity(&self) -> usize {
        self.buckets.len().saturating_mul(WAYS)
    }

    /// Receive times of the oldest and the newest pair.
    pub fn ends(&self) -> Option<(NtpTime, NtpTime)> {
        let all = self.in_use().iter().flatten().map(|pair| NtpTime(pair[0])).filter(|time| !time.is_zero());
        all.fold(None, |ends, receive| outer(ends, Some((receive, receive))))
    }

    /// Forgets all of another clock: `state` tells whether it was stepped.
    pub(super) fn follow(&mut self, state: &ServerState) {
        if self.since != state.earliest {
            self.since = state.earliest;
            if self.held != 0 {
                let open = self.places.open();
                self.buckets.get_mut(..open).unwrap_or_default().fill([[0; 2]; WAYS]);
                self.held = 0;
            }
        }
    }

    /// Holds when the reply to the request received at `rx`, told as `receive`, left by the daemon's own clock.
    pub(super) fn hold(&mut self, receive: NtpTime, rx: RawTime, tx: RawTime, state: &ServerState) {
        let left = Left { rx: rx.nanos() as u32, after: 0, by: Some(StampSource::Daemon) };
        let Some(after) = left.distance(receive, tx, state) else { return };
        let Some(bucket) = self.bucket(receive) else { return };
        if let Some(pair) = bucket.iter_mut().find(|pair| pair[0] == receive.0) {
            pair[1] = Left { by: None, ..left }.word();
            return;
        }
        if self.held >= self.places.open().saturating_mul(FULL) {
            self.open_bucket();
        }
        for _ in 0..PATIENCE {
            let full = self.bucket(receive).is_some_and(|bucket| bucket.iter().all(|pair| pair[0] != 0));
            if !full || !self.open_bucket() {
                break;
            }
        }
        let Some(bucket) = self.bucket(receive) else { return };
        // A free place goes first.
        let age = |pair: &&mut Pair| match pair[0] {
            0 => i64::MAX,
            other => receive.0.wrapping_sub(other).cast_signed(),
        };
        let Some(pair) = bucket.iter_mut().max_by_key(age) else { return };
        let new = usize::from(pair[0] == 0);
        *pair = [receive.0, Left { after, ..left }.word()];
        self.held = self.held.wrapping_add(new);
    }

    /// Better news of a reply that is held. False: it is not (any more), or the stamp is absurd.
    pub(super) fn stamp(&mut self, receive: NtpTime, tx: Stamp, state: &ServerState) -> bool {
        let Some(bucket) = self.bucket(receive) else { return false };
        let Some(pair) = bucket.iter_mut().find(|pair| pair[0] == receive.0) else { return false };
        let left = Left::from_word(pair[1]);
        let Some(after) = left.distance(receive, tx.time, state).filter(|_| left.by.is_some()) else {
            return false;
        };
        pair[1] = Left { after, by: Some(tx.source), ..left }.word();
        true
    }

    /// Where `receive` is if it is held.
    fn bucket(&mut self, receive: NtpTime) -> Option<&mut Bucket> {
        self.buckets.get_mut(self.places.place(hash(receive.0)))
    }

    /// Those in use.
    fn in_use(&self) -> &[Bucket] {
        self.buckets.get(..self.places.open()).unwrap_or_default()
    }

    /// Takes one more bucket into use: the pairs that belong there move. False: all are.
    fn open_bucket(&mut self) -> bool {
        let Some((from, to)) = self.places.grow() else { return false };
        let places = self.places;
        let Ok([old, new]) = self.buckets.get_disjoint_mut([from, to]) else { return true };
        for (old, new) in old.iter_mut().zip(new).filter(|(old, _)| places.place(hash(old[0])) == to) {
            *new = core::mem::take(old);
        }
        true
    }

    /// When the reply to the request received at `receive` left, and who stamped it. Told once.
    pub(super) fn take(&mut self, receive: NtpTime) -> Option<(NtpTime, StampSource)> {
        let bucket = self.bucket(receive)?;
        let pair = bucket.iter_mut().find(|pair| pair[0] == receive.0 && pair[0] != 0)?;
        let left = Left::from_word(pair[1]);
        let by = left.by?;
        *pair = [0; 2];
        self.held = self.held.wrapping_sub(1);
        // Within ±2³⁰ ns: neither overflows.
        let after = left.after.wrapping_shl(32).wrapping_div(NANOS);
        // The lowest bit is 0, which marks a transmit time.
        Some((NtpTime(receive.0.wrapping_add_signed(after) & !1), by))
    }
}

/// A receive time cannot be chosen by a client to within nanoseconds: no secret is needed.
fn hash(receive: u64) -> u64 {
    receive.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// The span that contains both.
pub(super) fn outer(
    one: Option<(NtpTime, NtpTime)>,
    other: Option<(NtpTime, NtpTime)>,
) -> Option<(NtpTime, NtpTime)> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let later = |a: NtpTime, b: NtpTime| a.0.wrapping_sub(b.0).cast_signed() > 0;
    Some((if later(a.0, b.0) { b.0 } else { a.0 }, if later(b.1, a.1) { b.1 } else { a.1 }))
}

/// The distance of two receive times in whole seconds, rounded up.
pub fn seconds_between(oldest: NtpTime, newest: NtpTime) -> u64 {
    newest.0.wrapping_sub(oldest.0).wrapping_add(0xffff_ffff) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Cooking;
    use crate::time::LocalTime;
    use proptest::prelude::*;

    const RX: RawTime = RawTime::from_nanos(1_800_000_000 * NANOS + 123_456_789);

    /// What a receive stamp is told as.
    fn told(at: LocalTime) -> NtpTime {
        NtpTime(NtpTime::from(at).0 | 1)
    }

    fn kernel(time: RawTime) -> Stamp {
        Stamp { time, source: StampSource::Kernel }
    }

    fn slewing() -> ServerState {
        let cooking = Cooking { base: RX + -1.0, offset: 0.25, slope: -0.08, until: RX + 2.0 };
        ServerState { cooking: (&cooking).into(), ..ServerState::unsynchronised(-25) }
    }

    fn after(told: NtpTime, receive: NtpTime) -> f64 {
        told.0.wrapping_sub(receive.0).cast_signed() as f64 / 2f64.powi(32)
    }

    #[test]
    fn a_reply_is_told_once_with_the_best_stamp() {
        let (mut held, state) = (HeldStamps::new(16), slewing());
        let receive = told(state.local(RX));
        held.hold(receive, RX, RX + 30e-6, &state);
        assert!(held.stamp(receive, kernel(RX + 40e-6), &state));
        assert_eq!((held.len(), held.ends()), (1, Some((receive, receive))));
        let (transmit, by) = held.take(receive).expect("held");
        // The slew takes 8 % of the way.
        assert!((after(transmit, receive) - 40e-6 * 0.92).abs() < 3e-9, "{}", after(transmit, receive));
        assert_eq!((by, transmit.0 & 1), (StampSource::Kernel, 0));
        assert_eq!((held.take(receive), held.len()), (None, 0));
        assert!(!held.stamp(receive, kernel(RX + 50e-6), &state));
        held.hold(receive, RX, RX + 30e-6, &state);
        assert_eq!(
            held.take(receive).map(|(_, by)| by),
            Some(StampSource::Daemon),
            "the kernel said nothing"
        );
    }

    /// The clock is believed to be elsewhere between receiving and the kernel's stamp: that is no processing time.
    #[test]
    fn news_of_the_clock_does_not_come_between() {
        let (mut held, before) = (HeldStamps::new(16), ServerState::unsynchronised(-25));
        let receive = told(before.local(RX));
        held.hold(receive, RX, RX + 30e-6, &before);
        let cooking = Cooking { base: RX, offset: 0.01, slope: 0.0, until: RX + 9.0 };
        let news = ServerState { cooking: (&cooking).into(), ..before };
        assert!(held.stamp(receive, kernel(RX + 40e-6), &news));
        let (transmit, _) = held.take(receive).expect("held");
        assert!((after(transmit, receive) - 40e-6).abs() < 2e-9);
    }

    #[test]
    fn a_step_empties_it() {
        let (mut held, state) = (HeldStamps::new(16), slewing());
        held.follow(&state);
        let receive = told(state.local(RX));
        held.hold(receive, RX, RX + 30e-6, &state);
        held.follow(&state);
        assert_eq!(held.len(), 1);
        held.follow(&ServerState { earliest: RX + 1e-3, ..state });
        assert_eq!((held.len(), held.take(receive), held.ends()), (0, None, None));
    }

    #[test]
    fn absurd_stamps_are_not_believed() {
        let (mut held, state) = (HeldStamps::new(16), ServerState::unsynchronised(-25));
        let receive = told(state.local(RX));
        // 4.294967296 s later the lower half of the stamp is the same.
        for late in [-0.05, 1.1, 4.294_967_296, -4.294_967_296, 1e6] {
            held.hold(receive, RX, RX + late, &state);
            assert!(held.is_empty(), "{late}");
        }
        held.hold(receive, RX, RX + 30e-6, &state);
        for late in [-0.05, 1.1, 4.294_967_296, -4.294_967_296, 1e6] {
            assert!(!held.stamp(receive, kernel(RX + late), &state), "{late}");
        }
        // A card may stamp a little before the system's clock had the request.
        assert!(held.stamp(receive, kernel(RX + -1e-6), &state));
        assert!((after(held.take(receive).expect("held").0, receive) + 1e-6).abs() < 2e-9);
    }

    #[test]
    fn two_requests_of_one_receive_time_get_neither_s_stamp() {
        let (mut held, state) = (HeldStamps::new(16), slewing());
        let receive = told(state.local(RX));
        for _ in 0..2 {
            held.hold(receive, RX, RX + 30e-6, &state);
        }
        assert!(!held.stamp(receive, kernel(RX + 40e-6), &state));
        assert_eq!(held.take(receive), None);
    }

    #[test]
    fn the_oldest_of_a_bucket_gives_way() {
        let (mut held, state) = (HeldStamps::new(5), ServerState::unsynchronised(-25));
        assert_eq!(held.capacity(), 4);
        let all = [2, 1, 3, 4, 5].map(|i| {
            let rx = RX + f64::from(i);
            let receive = told(state.local(rx));
            held.hold(receive, rx, rx + 1e-5, &state);
            receive
        });
        assert_eq!((held.len(), held.ends()), (4, Some((all[0], all[4]))));
        assert_eq!(seconds_between(all[0], all[4]), 3);
        assert_eq!(all.map(|receive| held.take(receive).is_some()), [true, false, true, true, true]);
    }

    #[test]
    fn room_follows_the_memory_for_clients() {
        let room = |bytes, responders| HeldStamps::new(pairs(bytes, responders)).capacity();
        assert_eq!((room(524_288, 1), room(524_288, 3), room(1 << 30, 1)), (4096, 1364, MOST));
        assert_eq!((room(0, 1), room(511, 1), room(512, 0), room(u64::MAX, 1)), (0, 0, 4, MOST));
    }

    /// Before, each of them took a page of its own.
    #[test]
    fn few_pairs_touch_few_pages() {
        let (mut held, state) = (HeldStamps::new(1 << 18), ServerState::unsynchronised(-25));
        let pages = |held: &HeldStamps| {
            let pages = held.buckets.chunks(4096 / size_of::<Bucket>());
            pages.filter(|page| page.iter().flatten().any(|pair| pair[0] != 0)).count()
        };
        for number in 1..=5000 {
            let rx = RX + f64::from(number) * 1.234_567e-3;
            held.hold(told(state.local(rx)), rx, rx + 1e-5, &state);
            assert!(
                number < 500 || pages(&held) * 4096 <= number as usize * 100,
                "{number}: {} pages",
                pages(&held)
            );
        }
        assert_eq!(held.capacity(), 1 << 18);
        assert!(held.len() > 4980, "next to none had to go: {}", held.len());
    }

    #[test]
    fn without_room_nothing_is_held() {
        let (mut held, state) = (HeldStamps::new(3), slewing());
        let receive = told(state.local(RX));
        held.hold(receive, RX, RX + 30e-6, &state);
        assert_eq!((held.capacity(), held.len(), held.take(receive)), (0, 0, None));
        assert!(!held.stamp(receive, kernel(RX), &state));
    }

    proptest! {
        #[test]
        fn what_left_fits_a_word(rx: u32, after in EARLIEST..=LATEST, by in 0..4) {
            let by = [Some(StampSource::Daemon), Some(StampSource::Kernel), Some(StampSource::Hardware), None][by as usize];
            let left = Left { rx, after, by };
            prop_assert_eq!(Left::from_word(left.word()), left);
        }

        /// Against a list of pairs: what is told was held, is the newest news of it, and never more is held than fits.
        #[test]
        fn it_tells_what_a_list_would(
            pairs in 0usize..40, steps in prop::collection::vec((0u8..4, 0i64..48, -2_000i64..2_000_000), 0..200),
        ) {
            let (mut held, state) = (HeldStamps::new(pairs), ServerState::unsynchronised(-25));
            let mut list: Vec<(i64, i64, StampSource)> = Vec::new();
            for (what, at, late) in steps {
                let rx = RawTime::from_nanos(RX.nanos() + at * 1_000_003);
                let tx = RawTime::from_nanos(rx.nanos() + late);
                let receive = told(state.local(rx));
                let known = list.iter().position(|pair| pair.0 == at);
                match what {
                    0 if known.is_none() => {
                        held.hold(receive, rx, tx, &state);
                        list.push((at, late, StampSource::Daemon));
                    }
                    1 if held.stamp(receive, kernel(tx), &state) => {
                        list[known.expect("it was held")] = (at, late, StampSource::Kernel);
                    }
                    2 => {
                        if let Some((transmit, by)) = held.take(receive) {
                            let (_, late, source) = list[known.expect("it was held")];
                            let error = transmit.to_local().nanos() - receive.to_local().nanos() - late;
                            prop_assert!(error.abs() <= 2 && by == source, "{error} {by:?}");
                        }
                        list.retain(|pair| pair.0 != at);
                    }
                    _ => {}
                }
                prop_assert!(held.len() <= held.capacity() && held.capacity() <= pairs);
                prop_assert_eq!(held.len(), held.buckets.iter().flatten().filter(|pair| pair[0] != 0).count());
            }
        }
    }
}
