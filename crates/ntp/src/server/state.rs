//! What a serving thread knows: one value of integers, already in wire format where it can be.
//!
//! The engine publishes it, every [`super::Responder`] (and, later, a program in the kernel) reads it. It crosses
//! threads as at most 48 words of 32 bits, because some of OpenWrt's processors have no wider atomics. Nothing is
//! divided at reply time: rates are multipliers followed by a shift.

use crate::clock::Cooking;
use crate::ids::RefId;
use crate::rng::Rng;
use crate::time::{LocalTime, NANOS, NtpShort, NtpTime, RawTime, seconds_to_nanos};
use crate::wire::Leap;

/// Words of [`ServerState::to_words`].
pub const WORDS: usize = 31;
const _: () = assert!(WORDS <= 48, "the published state must fit a small map entry");

/// Smallest precision ever told, log₂ s: below it an NTP time stamp has too few bits left to randomise.
pub const MIN_PRECISION: i8 = -30;

/// Everything a reply needs but the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Leap indicator.
    pub leap: Leap,
    /// Stratum served; 0 when unsynchronised.
    pub stratum: u8,
    /// Precision of the clock, log₂ s.
    pub precision: i8,
    /// Reference identifier.
    pub refid: RefId,
    /// When the clock was last set, moved back at random (see [`blur_reference`]).
    pub reference: NtpTime,
    /// Root delay.
    pub root_delay: NtpShort,
    /// Root dispersion as a function of raw time.
    pub dispersion: GrowingDispersion,
    /// Local time as a function of raw time.
    pub cooking: FixedCooking,
    /// Receive stamps before this reading were taken before the clock was stepped.
    pub earliest: RawTime,
    /// After this reading the state is stale and replies say "unsynchronised".
    pub valid_until: RawTime,
    /// Real-time minus monotonic clock, ns, when published. A reader that finds another difference knows that somebody
    /// stepped the clock.
    pub realtime_minus_monotonic: i64,
    /// What the clock we steer reads when the system's does: the same, unless it is a virtual one.
    pub reading: FixedReading,
}

/// What a synchronised server says, in SI units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SyncedState {
    /// Leap indicator.
    pub leap: Leap,
    /// Stratum served (the source's plus one); outside 1–15 the result is unsynchronised.
    pub stratum: u8,
    /// Reference identifier.
    pub refid: RefId,
    /// When the clock was last set, already moved back by [`blur_reference`].
    pub reference: LocalTime,
    /// Root delay, s.
    pub root_delay: f64,
    /// Root dispersion at `at`, s.
    pub root_dispersion: f64,
    /// Growth of the root dispersion, s/s.
    pub dispersion_rate: f64,
    /// The reading at which `root_dispersion` holds.
    pub at: RawTime,
    /// Precision of the clock, log₂ s (see [`precision_log2`]).
    pub precision: i8,
    /// The correction still being slewed.
    pub cooking: Cooking,
}

impl Default for ServerState {
    /// Unsynchronised, with a precision of a microsecond.
    fn default() -> Self {
        Self::unsynchronised(-20)
    }
}

impl ServerState {
    /// Nothing is known: leap 3, stratum 0, no reference, root delay and dispersion of one second.
    /// `precision` is log₂ s.
    pub fn unsynchronised(precision: i8) -> Self {
        Self {
            leap: Leap::Unsynchronised,
            stratum: 0,
            precision: precision.max(MIN_PRECISION),
            refid: RefId::NONE,
            reference: NtpTime::ZERO,
            root_delay: NtpShort(1 << 16),
            dispersion: GrowingDispersion::constant(NtpShort(1 << 16)),
            cooking: FixedCooking::default(),
            earliest: RawTime::from_nanos(i64::MIN),
            valid_until: RawTime::from_nanos(i64::MAX),
            realtime_minus_monotonic: 0,
            reading: FixedReading::default(),
        }
    }

    /// Synchronised, valid for ever (set [`Self::valid_until`] otherwise).
    pub fn synchronised(synced: &SyncedState) -> Self {
        let silent =
            Self { cooking: FixedCooking::from(&synced.cooking), ..Self::unsynchronised(synced.precision) };
        if synced.leap == Leap::Unsynchronised || !(1..=15).contains(&synced.stratum) {
            return silent;
        }
        Self {
            leap: synced.leap,
            stratum: synced.stratum,
            refid: synced.refid,
            reference: NtpTime::from(synced.reference),
            root_delay: NtpShort::from_seconds_ceil(synced.root_delay),
            dispersion: GrowingDispersion::new(synced.at, synced.root_dispersion, synced.dispersion_rate),
            ..silent
        }
    }

    /// The clock itself is the reference (`local`): leap 0, `stratum`, 127.127.1.1, root delay and dispersion 0.
    ///
    /// `now` gives the reference time, renewed every 64 s: publish again at least as often.
    pub fn local_reference(stratum: u8, precision: i8, now: LocalTime, cooking: &Cooking) -> Self {
        let renewed = now.nanos().saturating_sub(now.nanos().rem_euclid(LOCAL_RENEWAL));
        Self::synchronised(&SyncedState {
            leap: Leap::None,
            stratum,
            refid: RefId::LOCAL,
            reference: LocalTime::from_nanos(renewed),
            root_delay: 0.0,
            root_dispersion: 0.0,
            dispersion_rate: 0.0,
            at: RawTime::default(),
            precision,
            cooking: *cooking,
        })
    }

    /// Local time at the reading `raw`.
    pub fn local(&self, raw: RawTime) -> LocalTime {
        self.cooking.apply(raw)
    }

    /// What is true at `raw`: this state, or "unsynchronised" when it is stale.
    pub fn at(&self, raw: RawTime) -> Self {
        if raw <= self.valid_until { *self } else { self.doubted() }
    }

    /// The same of a clock that is not where it should be: "unsynchronised".
    pub fn doubted(&self) -> Self {
        Self {
            cooking: self.cooking,
            earliest: self.earliest,
            realtime_minus_monotonic: self.realtime_minus_monotonic,
            reading: self.reading,
            ..Self::unsynchronised(self.precision)
        }
    }

    /// For crossing threads: [`Self::from_words`] gives back the same state.
    pub fn to_words(&self) -> [u32; WORDS] {
        let small = u32::from_be_bytes([self.leap as u8, self.stratum, self.precision.cast_unsigned(), 0]);
        let [ref_hi, ref_lo] = halves(self.reference.0);
        let [at_hi, at_lo] = halves(self.dispersion.at.nanos().cast_unsigned());
        let [disp_hi, disp_lo] = halves(self.dispersion.base);
        let [rate_hi, rate_lo] = halves(self.dispersion.rate);
        let [base_hi, base_lo] = halves(self.cooking.base.nanos().cast_unsigned());
        let [offset_hi, offset_lo] = halves(self.cooking.offset.cast_unsigned());
        let [slope_hi, slope_lo] = halves(self.cooking.slope.cast_unsigned());
        let [until_hi, until_lo] = halves(self.cooking.until.nanos().cast_unsigned());
        let [early_hi, early_lo] = halves(self.earliest.nanos().cast_unsigned());
        let [valid_hi, valid_lo] = halves(self.valid_until.nanos().cast_unsigned());
        let [mono_hi, mono_lo] = halves(self.realtime_minus_monotonic.cast_unsigned());
        let [system_hi, system_lo] = halves(self.reading.system.cast_unsigned());
        let [ahead_hi, ahead_lo] = halves(self.reading.ahead.cast_unsigned());
        let [faster_hi, faster_lo] = halves(self.reading.faster.cast_unsigned());
        [
            small,
            self.refid.0,
            self.root_delay.0,
            ref_hi,
            ref_lo,
            at_hi,
            at_lo,
            disp_hi,
            disp_lo,
            rate_hi,
            rate_lo,
            base_hi,
            base_lo,
            offset_hi,
            offset_lo,
            slope_hi,
            slope_lo,
            until_hi,
            until_lo,
            early_hi,
            early_lo,
            valid_hi,
            valid_lo,
            mono_hi,
            mono_lo,
            system_hi,
            system_lo,
            ahead_hi,
            ahead_lo,
            faster_hi,
            faster_lo,
        ]
    }

    /// The state that [`Self::to_words`] wrote; any words give some state.
    pub fn from_words(words: &[u32; WORDS]) -> Self {
        let [small, refid, root_delay, longs @ ..] = *words;
        let [leap, stratum, precision, _] = small.to_be_bytes();
        let mut longs = longs.chunks_exact(2).map(|pair| match pair {
            [high, low] => u64::from(*high) << 32 | u64::from(*low),
            _ => 0,
        });
        let mut next = || longs.next().unwrap_or(0);
        // Fields of a struct literal are evaluated in the order written: the order of `to_words`.
        Self {
            leap: Leap::from_bits(leap),
            stratum,
            precision: precision.cast_signed(),
            refid: RefId(refid),
            root_delay: NtpShort(root_delay),
            reference: NtpTime(next()),
            dispersion: GrowingDispersion {
                at: RawTime::from_nanos(next().cast_signed()),
                base: next(),
                rate: next(),
            },
            cooking: FixedCooking {
                base: RawTime::from_nanos(next().cast_signed()),
                offset: next().cast_signed(),
                slope: next().cast_signed(),
                until: RawTime::from_nanos(next().cast_signed()),
            },
            earliest: RawTime::from_nanos(next().cast_signed()),
            valid_until: RawTime::from_nanos(next().cast_signed()),
            realtime_minus_monotonic: next().cast_signed(),
            reading: FixedReading {
                system: next().cast_signed(),
                ahead: next().cast_signed(),
                faster: next().cast_signed(),
            },
        }
    }
}

fn halves(word: u64) -> [u32; 2] {
    [(word >> 32) as u32, word as u32]
}

/// Nanoseconds between two reference times of a local reference.
const LOCAL_RENEWAL: i64 = 64 * NANOS;

/// A bound that grows with time: `base + rate · (raw − at)`, never rounded down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrowingDispersion {
    /// The reading at which `base` holds; before it the bound is `base` too.
    pub at: RawTime,
    /// In 2⁻³² s.
    pub base: u64,
    /// In 2⁻⁶⁴ s per nanosecond.
    pub rate: u64,
}

impl GrowingDispersion {
    /// `base` seconds at `at`, growing by `rate` s/s. Negative values are taken as zero, NaN as the maximum.
    pub fn new(at: RawTime, base: f64, rate: f64) -> Self {
        Self {
            at,
            base: ceil_scaled(base, 2f64.powi(32)),
            rate: ceil_scaled(rate, 2f64.powi(64) / NANOS as f64),
        }
    }

    /// A bound that does not grow.
    pub const fn constant(base: NtpShort) -> Self {
        Self { at: RawTime::from_nanos(0), base: (base.0 as u64) << 16, rate: 0 }
    }

    /// The bound at `raw`, s, as fine as it is kept.
    pub fn seconds(&self, raw: RawTime) -> f64 {
        let elapsed = raw.nanos_since(self.at).max(0) as f64;
        self.base as f64 / 4_294_967_296.0 + elapsed * (self.rate as f64 / 18_446_744_073_709_551_616.0)
    }

    /// The bound at `raw`, rounded up; saturates at 65536 s.
    pub fn at(&self, raw: RawTime) -> NtpShort {
        let elapsed = u128::from(raw.nanos_since(self.at).max(0).unsigned_abs());
        // Below 2⁶³ · 2⁶⁴ + 2³²: never wraps.
        let growth = elapsed.wrapping_mul(u128::from(self.rate)).wrapping_add(0xffff_ffff) >> 32;
        let sum = u128::from(self.base).wrapping_add(growth).wrapping_add(0xffff) >> 16;
        NtpShort(u32::try_from(sum).unwrap_or(u32::MAX))
    }
}

/// `value · scale`, rounded up, within u64; NaN is the maximum.
fn ceil_scaled(value: f64, scale: f64) -> u64 {
    if value.is_nan() { u64::MAX } else { libm::ceil(value * scale) as u64 }
}

/// [`Cooking`] in fixed point; both give the same local time within a nanosecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedCooking {
    /// Reading at which `offset` was pending.
    pub base: RawTime,
    /// Pending correction at `base`, ns; positive: the clock is behind.
    pub offset: i64,
    /// Its change, 2⁻⁶² ns/ns: within ±2 s/s.
    pub slope: i64,
    /// End of the slew.
    pub until: RawTime,
}

impl FixedCooking {
    /// Local time at `raw`; saturates at the ends of time.
    pub fn apply(&self, raw: RawTime) -> LocalTime {
        let elapsed = i128::from(raw.min(self.until).nanos_since(self.base));
        // At most 2⁶³ · 2⁶³ + 2⁶¹: never wraps.
        let change = elapsed.wrapping_mul(i128::from(self.slope)).wrapping_add(1 << 61) >> 62;
        let local = i128::from(raw.nanos()).wrapping_add(i128::from(self.offset)).wrapping_add(change);
        LocalTime::from_nanos(i64::try_from(local).unwrap_or(if local < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// What a virtual clock reads, as a function of the system's clock: `system + ahead + faster · (system − self.system)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixedReading {
    /// System time from which it holds, ns since the Unix epoch.
    pub system: i64,
    /// The virtual clock's reading then, minus the system's, ns.
    pub ahead: i64,
    /// What its rate differs by from the system clock's, 2⁻⁶² s/s.
    pub faster: i64,
}

impl FixedReading {
    /// From `system` (ns since the Unix epoch) on, when the virtual clock read `raw`, it runs faster by `frequency` s/s.
    pub fn new(system: i64, raw: RawTime, frequency: f64) -> Self {
        let ahead = raw.nanos().saturating_sub(system);
        Self { system, ahead, faster: libm::rint(frequency * 2f64.powi(62)) as i64 }
    }

    /// The reading at `system`, ns since the Unix epoch; saturates at the ends of time.
    pub fn raw(&self, system: i64) -> RawTime {
        let elapsed = i128::from(system.saturating_sub(self.system));
        // At most 2⁶³ · 2⁶³ + 2⁶¹: never wraps.
        let gained = elapsed.wrapping_mul(i128::from(self.faster)).wrapping_add(1 << 61) >> 62;
        let raw = i128::from(system).wrapping_add(i128::from(self.ahead)).wrapping_add(gained);
        RawTime::from_nanos(i64::try_from(raw).unwrap_or(if raw < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl From<&Cooking> for FixedCooking {
    fn from(cooking: &Cooking) -> Self {
        Self {
            base: cooking.base,
            offset: seconds_to_nanos(cooking.offset),
            slope: libm::rint(cooking.slope * 2f64.powi(62)) as i64,
            until: cooking.until,
        }
    }
}

/// Precision of the header: log₂ of `seconds`, rounded to the nearest, within −30…0.
pub fn precision_log2(seconds: f64) -> i8 {
    let exponent = libm::rint(libm::log2(seconds)); // NaN for nonsense: `as` makes 0 of it
    exponent.clamp(f64::from(MIN_PRECISION), 0.0) as i8
}

/// Moves a reference time back by a random 0…1 s.
///
/// Who knows exactly when a server was last set can guess when it will ask next. Blur once per update of the clock,
/// not per reply or publication: the mean of many would give the secret away.
pub fn blur_reference(reference: LocalTime, rng: &mut Rng) -> LocalTime {
    LocalTime::from_nanos(reference.nanos().saturating_sub(seconds_to_nanos(rng.uniform())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    fn raw(nanos: i64) -> RawTime {
        RawTime::from_nanos(nanos)
    }

    fn synced() -> SyncedState {
        SyncedState {
            leap: Leap::None,
            stratum: 2,
            refid: RefId(0xc000_0201),
            reference: LocalTime::from_seconds(1.7e9),
            root_delay: 0.010,
            root_dispersion: 0.001,
            dispersion_rate: 15e-6,
            at: RawTime::from_seconds(1.7e9),
            precision: -24,
            cooking: Cooking::default(),
        }
    }

    #[test]
    fn an_unsynchronised_server_says_so_in_every_field() {
        let state = ServerState::unsynchronised(-24);
        assert_eq!((state.leap, state.stratum, state.refid), (Leap::Unsynchronised, 0, RefId::NONE));
        assert!(state.reference.is_zero());
        assert_eq!(state.root_delay.seconds(), 1.0);
        assert_eq!(state.dispersion.at(raw(i64::MAX)).seconds(), 1.0);
        assert_eq!(state.local(raw(12345)).nanos(), 12345);
    }

    #[test]
    fn impossible_strata_and_leap_three_are_unsynchronised() {
        for stratum in [0, 16, 255] {
            let state = ServerState::synchronised(&SyncedState { stratum, ..synced() });
            assert_eq!((state.leap, state.stratum), (Leap::Unsynchronised, 0), "{stratum}");
        }
        let state = ServerState::synchronised(&SyncedState { leap: Leap::Unsynchronised, ..synced() });
        assert_eq!(state, ServerState::unsynchronised(-24));
    }

    #[test]
    fn a_local_reference_renews_its_reference_time_every_64_seconds() {
        let at = |seconds| {
            ServerState::local_reference(10, -24, LocalTime::from_seconds(seconds), &Cooking::default())
        };
        let state = at(6400.0);
        assert_eq!((state.leap, state.stratum, state.refid), (Leap::None, 10, RefId::LOCAL));
        assert_eq!((state.root_delay, state.dispersion.at(raw(i64::MAX))), (NtpShort(0), NtpShort(0)));
        assert_eq!(state.reference, LocalTime::from_seconds(6400.0).into());
        assert_eq!(at(6463.9), state);
        assert_eq!(at(6464.0).reference, LocalTime::from_seconds(6464.0).into());
    }

    #[test]
    fn a_stale_state_is_unsynchronised_but_keeps_the_time() {
        let cooking = Cooking { offset: 0.5, ..Cooking::default() };
        let state = ServerState {
            valid_until: raw(1000),
            ..ServerState::synchronised(&SyncedState { cooking, ..synced() })
        };
        assert_eq!(state.at(raw(1000)), state);
        let stale = state.at(raw(1001));
        assert_eq!((stale.leap, stale.stratum), (Leap::Unsynchronised, 0));
        assert_eq!(stale.local(raw(1001)), state.local(raw(1001)));
    }

    #[test]
    fn precision_is_rounded_and_bounded() {
        for (seconds, expected) in [
            (1.0, 0),
            (1e-6, -20),
            (25e-9, -25),
            (1e-9, -30),
            (1e-12, -30),
            (0.0, -30),
            (7.0, 0),
            (f64::NAN, 0),
        ] {
            assert_eq!(precision_log2(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn the_blur_is_within_a_second_and_only_backwards() {
        let mut rng = Rng::from_number(1);
        let at = LocalTime::from_seconds(1000.0);
        let back: Vec<f64> = (0..1000).map(|_| at - blur_reference(at, &mut rng)).collect();
        assert!(back.iter().all(|b| (0.0..=1.0).contains(b)));
        assert!((back.iter().sum::<f64>() / 1000.0 - 0.5).abs() < 0.05);
    }

    #[test]
    fn dispersion_grows_at_its_rate_and_saturates() {
        let growing = GrowingDispersion::new(raw(0), 0.001, 15e-6);
        assert_eq!(growing.at(raw(-5)), NtpShort::from_seconds_ceil(0.001));
        assert!((growing.at(raw(1000 * NANOS)).seconds() - 0.016).abs() < 2.0 / 65536.0);
        assert_eq!(GrowingDispersion::new(raw(0), f64::NAN, 0.0).at(raw(0)), NtpShort(u32::MAX));
        assert_eq!(GrowingDispersion::new(raw(0), 0.0, f64::INFINITY).at(raw(i64::MAX)), NtpShort(u32::MAX));
        assert_eq!(GrowingDispersion::new(raw(0), -1.0, -1.0).at(raw(i64::MAX)), NtpShort(0));
    }

    fn any_words() -> impl Strategy<Value = [u32; WORDS]> {
        prop::collection::vec(any::<u32>(), WORDS).prop_map(|v| v.try_into().unwrap())
    }

    proptest! {
        #[test]
        fn words_carry_the_whole_state(mut words in any_words()) {
            words[0] &= 0x03ff_ff00; // the unused bits
            prop_assert_eq!(ServerState::from_words(&words).to_words(), words);
        }

        #[test]
        fn a_growing_bound_is_never_below_the_true_one(
            base in 0.0f64..100.0, rate in 0.0f64..1e-3, elapsed in 0i64..10_000_000 * NANOS,
        ) {
            let exact = base + rate * elapsed as f64 * 1e-9;
            let told = GrowingDispersion::new(raw(7), base, rate).at(raw(7 + elapsed)).seconds();
            prop_assert!(told >= exact - 1e-9 && told <= exact + 1.1 / 65536.0 + 1e-10 * elapsed as f64 * 1e-9, "{told} {exact}");
        }

        #[test]
        fn fixed_point_agrees_with_cooking_within_a_nanosecond(
            base in 0i64..4_000_000_000 * NANOS, offset in -1e4f64..1e4, slope in -0.2f64..0.2,
            length in 0i64..100_000 * NANOS, after in -1_000 * NANOS..200_000 * NANOS,
        ) {
            let cooking = Cooking { base: raw(base), offset, slope, until: raw(base + length) };
            let at = raw(base + after);
            let difference = FixedCooking::from(&cooking).apply(at).nanos() - cooking.apply(at).nanos();
            prop_assert!(difference.abs() <= 1, "{difference} ns");
        }

        #[test]
        fn no_words_make_the_arithmetic_panic(words in any_words(), at in any::<i64>()) {
            let state = ServerState::from_words(&words);
            let later = raw(at.saturating_add(1));
            prop_assert!(state.dispersion.at(raw(at)) <= state.dispersion.at(later));
            let _ = (state.local(raw(at)), state.reading.raw(at));
        }
    }
}
