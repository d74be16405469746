//! When all sources are lost: mean frequencies of longer and longer times (`fallbackdrift`), and the end of being believed
//! (`maxdistance`).

use super::{Actions, Engine, Severity};
use crate::clock::Clock;
use crate::time::{MonoTime, Now};

/// Longest time over which a mean is taken, log₂ s (four years).
const LONGEST: i32 = 27;
/// Poll intervals of the source followed without an update after which the clock goes on alone.
const SILENT: f64 = 8.0;

/// The mean frequency over about 2^n seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mean {
    exponent: i32,
    frequency: f64,
    /// For how long it has been learned, s.
    age: f64,
}

/// The means, shortest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Fallback {
    means: Vec<Mean>,
    last: Option<MonoTime>,
    /// How many of them have been used since the last update.
    used: usize,
}

impl Fallback {
    /// Means over 2^first to 2^last seconds.
    pub fn new(range: Option<(i32, i32)>) -> Self {
        let (first, last) = range.unwrap_or((0, 0));
        let first = first.clamp(0, LONGEST);
        // As chrony knows it, 0 is off.
        let exponents = if first == 0 { 0..0 } else { first..last.clamp(-1, LONGEST) + 1 };
        let means = exponents.map(|exponent| Mean { exponent, frequency: 0.0, age: 0.0 }).collect();
        Self { means, last: None, used: 0 }
    }

    /// The clock was corrected and runs with `frequency` (s/s) from now on.
    fn update(&mut self, now: MonoTime, frequency: f64) {
        self.used = 0;
        let Some(last) = self.last.replace(now) else { return };
        let since = (now - last).max(0.0);
        for mean in &mut self.means {
            let time = libm::exp2(f64::from(mean.exponent));
            // A plain mean until it is old enough, then one that forgets.
            let weight = since / (mean.age + since).min(time).max(since).max(1e-9);
            mean.frequency += weight * (frequency - mean.frequency);
            mean.age += since;
        }
    }

    /// When the next mean is to be used.
    fn due(&self) -> Option<MonoTime> {
        let next = self.means.get(self.used)?;
        Some(self.last? + libm::exp2(f64::from(next.exponent)))
    }

    /// The mean to be used now, if it is known well enough.
    fn take(&mut self, now: MonoTime) -> Option<Option<f64>> {
        if self.due()? > now {
            return None;
        }
        let mean = *self.means.get(self.used)?;
        self.used += 1;
        Some((mean.age >= libm::exp2(f64::from(mean.exponent))).then_some(mean.frequency))
    }
}

impl Engine {
    pub(super) fn note_fallback(&mut self, now: Now) {
        let frequency = self.discipline.belief().frequency;
        self.fallback.update(now.mono, frequency);
    }

    pub(super) fn next_fallback(&self) -> Option<MonoTime> {
        self.fallback.due()
    }

    /// Nothing has corrected the clock for long: the next mean frequency takes over.
    pub(super) fn fall_back(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let Some(frequency) = self.fallback.take(now.mono) else { return };
        let Some(frequency) = frequency else { return };
        out.log(Severity::Info, format!("Fallback drift {:.3} ppm set", 0.0 - frequency * 1e6));
        let result = self.discipline.set_frequency(now, clock, frequency);
        self.clock_result("set the frequency of", result, out);
        self.unsynchronise(now, clock, out);
    }

    /// Nothing has corrected the clock for so long that it may be further off than a source may be (`maxdistance`): whoever
    /// asks is told that its time is not known, instead of a bound that grows for ever.
    pub(super) fn end_holdover(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        let most = self.selection_config.max_distance;
        let Some(last) = self.reference.mono.filter(|_| self.reference.synchronised) else { return };
        let followed = self.sources.iter().find(|source| Some(source.id) == self.reference.source);
        let silence = followed.map_or(0.0, |source| SILENT * source.poll.current_interval());
        if now.mono - last < silence || self.root_distance(now) <= most {
            return;
        }
        out.log(
            Severity::Warning,
            format!("Root distance exceeds maxdistance of {most} seconds, no longer synchronised"),
        );
        self.unsynchronise(now, clock, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_mean_comes_first_and_unknown_ones_are_left_out() {
        let at = |s: f64| MonoTime::from_seconds(s);
        let mut fallback = Fallback::new(Some((4, 6)));
        for i in 0..=10 {
            // 10 ppm for long, 30 ppm of late.
            fallback.update(at(f64::from(i) * 4.0), if i < 6 { 10e-6 } else { 30e-6 });
        }
        assert_eq!(fallback.due(), Some(at(40.0 + 16.0)));
        assert_eq!(fallback.take(at(50.0)), None);
        let first = fallback.take(at(56.0)).flatten().expect("16 s are known");
        let second = fallback.take(at(72.0)).flatten().expect("32 s are known");
        assert!(first > second && second > 10e-6 && first < 30e-6, "{first} {second}");
        assert_eq!(fallback.take(at(104.0)), Some(None), "64 s are not");
        assert_eq!(fallback.due(), None);
        fallback.update(at(200.0), 10e-6);
        assert!(fallback.due().is_some(), "from the beginning");
        assert_eq!(Fallback::new(Some((0, 10))).due(), None);
        assert!(Fallback::new(None).means.is_empty());
    }
}
