//! What a run was like: a sample of each host each second, and figures drawn from them.
//!
//! A [`Record`] keeps all samples, or, told so by [`Record::count_only`], nothing but the running sums of a [`Tally`].

use crate::tally::Tally;

/// One look at a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Seconds after the beginning of the world.
    pub at: f64,
    /// System clock minus truth, s.
    pub error: f64,
    /// Local time (what clients are told) minus truth, s.
    pub served_error: f64,
    /// Frequency error of the system clock, slewing included, s/s.
    pub frequency_error: f64,
    /// Error of the frequency believed right, s/s: oscillator and correction together.
    pub belief_error: f64,
    /// Root distance served: root dispersion plus half the root delay, s; infinite when not synchronised.
    pub root_distance: f64,
    /// Standard deviation that the estimator gives to local time, path asymmetry not included, s; infinite when it
    /// says none.
    pub sd: f64,
    /// What is promised now does not count: the machine slept or somebody else has moved or steered the clock, and the loop
    /// has not noticed yet (whoever asks makes it notice first).
    pub excused: bool,
    /// Packets sent so far.
    pub packets: u64,
}

impl Sample {
    /// Does the host say that it is synchronised?
    pub fn synchronised(&self) -> bool {
        self.root_distance < f64::INFINITY
    }

    /// Is the error within what is promised?
    pub fn honest(&self) -> bool {
        self.served_error.abs() <= self.root_distance
    }

    /// Is every figure a number, and not negative where it may not be?
    pub fn sane(&self) -> bool {
        let finite = [self.error, self.served_error, self.frequency_error, self.belief_error];
        finite.iter().all(|x| x.is_finite()) && self.root_distance >= 0.0 && self.sd >= 0.0
    }
}

/// All samples of one host, or their sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    samples: Vec<Sample>,
    keeps: bool,
    whole: Tally,
    part: Tally,
}

impl Default for Record {
    /// Keeps every sample.
    fn default() -> Self {
        let all = Tally::new(0.0, f64::INFINITY);
        Self { samples: Vec::new(), keeps: true, whole: all, part: all }
    }
}

/// Figures of a part of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Samples behind it.
    pub samples: usize,
    /// Root mean square error of the system clock, s.
    pub rms: f64,
    /// Largest absolute error of it, s.
    pub max: f64,
    /// Root mean square error of served time, s.
    pub served_rms: f64,
    /// Largest absolute error of it, s.
    pub served_max: f64,
    /// Root mean square frequency error, s/s.
    pub frequency_rms: f64,
    /// Mean of the root distance served while synchronised, s; NaN if it never was.
    pub root_distance: f64,
    /// Share of the synchronised samples whose served error was within the root distance.
    pub honest: f64,
    /// Share of the samples at which the host was synchronised.
    pub synchronised: f64,
    /// Packets sent.
    pub packets: u64,
}

impl Record {
    /// A record without samples: only sums over everything, and over what lies from `from` (included) to `until`
    /// (excluded), s after the start.
    pub fn count_only(from: f64, until: f64) -> Self {
        Self { keeps: false, part: Tally::new(from, until), ..Self::default() }
    }

    /// Adds one look.
    pub fn push(&mut self, sample: Sample) {
        self.whole.add(&sample);
        self.part.add(&sample);
        if self.keeps {
            self.samples.push(sample);
        }
    }

    /// Are samples kept, or only sums?
    pub fn keeps_samples(&self) -> bool {
        self.keeps
    }

    /// Sums over everything.
    pub fn whole(&self) -> &Tally {
        &self.whole
    }

    /// Sums over the part asked for by [`Self::count_only`].
    pub fn part(&self) -> &Tally {
        &self.part
    }

    /// All of them, oldest first.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Those from `from` (included) to `until` (excluded), s after the start.
    pub fn between(&self, from: f64, until: f64) -> &[Sample] {
        let begin = self.samples.partition_point(|s| s.at < from);
        let end = self.samples.partition_point(|s| s.at < until);
        &self.samples[begin..end.max(begin)]
    }

    /// Largest absolute error of the system clock between two times, s; NaN when there are no samples.
    pub fn max_error(&self, from: f64, until: f64) -> f64 {
        self.between(from, until).iter().map(|s| s.error.abs()).fold(f64::NAN, f64::max)
    }

    /// Largest absolute error of served time between two times, s; NaN when there are no samples.
    pub fn max_served(&self, from: f64, until: f64) -> f64 {
        self.between(from, until).iter().map(|s| s.served_error.abs()).fold(f64::NAN, f64::max)
    }

    /// First time from which on the error of the system clock stays below `limit` (s) to the end.
    pub fn settled(&self, limit: f64) -> Option<f64> {
        let bad = self.samples.iter().rposition(|s| s.error.abs() >= limit);
        self.samples.get(bad.map_or(0, |i| i + 1)).map(|s| s.at)
    }

    /// First time at which the host said it was synchronised, s.
    pub fn first_synchronised(&self) -> Option<f64> {
        self.samples.iter().find(|s| s.synchronised()).map(|s| s.at)
    }

    /// Figures of the samples between two times.
    pub fn figures(&self, from: f64, until: f64) -> Figures {
        let mut tally = Tally::new(from, until);
        let end = self.samples.partition_point(|s| s.at < until);
        let from = self.samples.partition_point(|s| s.at < from).min(end);
        for sample in self.samples[from..].iter().take(end - from + 1) {
            tally.add(sample);
        }
        tally.figures()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(record: &mut Record) {
        for i in 0..100u32 {
            let error = if i < 50 { 1.0 } else { -0.001 };
            record.push(Sample {
                at: f64::from(i),
                error,
                served_error: error / 2.0,
                frequency_error: 1e-6,
                belief_error: 0.0,
                root_distance: if i < 10 { f64::INFINITY } else { 0.01 },
                sd: if i < 60 { 1e-4 } else { 1e-3 },
                excused: i == 49,
                packets: u64::from(i),
            });
        }
    }

    #[test]
    fn figures_are_of_the_part_asked_for() {
        let mut record = Record::default();
        fill(&mut record);
        let late = record.figures(50.0, 100.0);
        assert!((late.rms - 0.001).abs() < 1e-15 && (late.max - 0.001).abs() < 1e-15);
        assert_eq!((late.samples, late.honest, late.synchronised, late.packets), (50, 1.0, 1.0, 49));
        let early = record.figures(0.0, 20.0);
        assert_eq!((early.honest, early.synchronised, early.packets), (0.0, 0.5, 20));
        assert_eq!(record.settled(0.01), Some(50.0));
        assert_eq!(record.settled(1e-6), None);
        assert_eq!(record.first_synchronised(), Some(10.0));
        assert!(record.max_error(200.0, 300.0).is_nan());
    }

    #[test]
    fn sums_alone_give_the_same_figures() {
        let (mut kept, mut counted) = (Record::default(), Record::count_only(30.0, 70.0));
        fill(&mut kept);
        fill(&mut counted);
        assert!(counted.samples().is_empty());
        assert_eq!(counted.part().figures(), kept.figures(30.0, 70.0));
        assert_eq!(counted.whole(), kept.whole());
        let whole = counted.whole();
        // 10 to 99 but the instant that nobody had noticed; wrong until 49, and until 59 beyond two deviations.
        assert_eq!((whole.promises, whole.violations, whole.insane), (89, 39, 0));
        assert_eq!((whole.judged, whole.surprises, whole.excursions), (89, 49, 1));
        assert_eq!(whole.worst, 50.0);
        assert_eq!(whole.first_violation.map(|s| s.at), Some(10.0));
    }

    #[test]
    fn what_is_no_number_is_counted() {
        let mut record = Record::default();
        fill(&mut record);
        let last = record.samples()[99];
        record.push(Sample { belief_error: f64::NAN, ..last });
        record.push(Sample { root_distance: f64::NAN, ..last });
        record.push(Sample { sd: -1.0, ..last });
        assert_eq!(record.whole().insane, 3);
    }
}
