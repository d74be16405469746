//! What a run was like: a sample of each host each second, and figures drawn from them.

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
    /// Packets sent so far.
    pub packets: u64,
}

impl Sample {
    /// Does the host say that it is synchronised?
    pub fn synchronised(&self) -> bool {
        self.root_distance.is_finite()
    }

    /// Is the error within what is promised?
    pub fn honest(&self) -> bool {
        self.served_error.abs() <= self.root_distance
    }
}

/// All samples of one host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record(Vec<Sample>);

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
    /// Adds one look.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// All of them, oldest first.
    pub fn samples(&self) -> &[Sample] {
        &self.0
    }

    /// Those from `from` (included) to `until` (excluded), s after the start.
    pub fn between(&self, from: f64, until: f64) -> &[Sample] {
        let begin = self.0.partition_point(|s| s.at < from);
        let end = self.0.partition_point(|s| s.at < until);
        &self.0[begin..end.max(begin)]
    }

    /// Largest absolute error of the system clock between two times, s; NaN when there are no samples.
    pub fn max_error(&self, from: f64, until: f64) -> f64 {
        self.between(from, until).iter().map(|s| s.error.abs()).fold(f64::NAN, f64::max)
    }

    /// First time from which on the error of the system clock stays below `limit` (s) to the end.
    pub fn settled(&self, limit: f64) -> Option<f64> {
        let bad = self.0.iter().rposition(|s| s.error.abs() >= limit);
        self.0.get(bad.map_or(0, |i| i + 1)).map(|s| s.at)
    }

    /// First time at which the host said it was synchronised, s.
    pub fn first_synchronised(&self) -> Option<f64> {
        self.0.iter().find(|s| s.synchronised()).map(|s| s.at)
    }

    /// Figures of the samples between two times.
    pub fn figures(&self, from: f64, until: f64) -> Figures {
        let part = self.between(from, until);
        let next = self.0.get(self.0.partition_point(|s| s.at < until)).or(part.last());
        let count = part.len() as f64;
        let rms = |value: fn(&Sample) -> f64| {
            libm::sqrt(part.iter().map(|s| value(s) * value(s)).sum::<f64>() / count)
        };
        let max = |value: fn(&Sample) -> f64| part.iter().map(|s| value(s).abs()).fold(f64::NAN, f64::max);
        let synced = || part.iter().filter(|s| s.synchronised());
        let served = synced().count() as f64;
        let packets = |s: Option<&Sample>| s.map_or(0, |s| s.packets);
        Figures {
            samples: part.len(),
            rms: rms(|s| s.error),
            max: max(|s| s.error),
            served_rms: rms(|s| s.served_error),
            served_max: max(|s| s.served_error),
            frequency_rms: rms(|s| s.frequency_error),
            root_distance: synced().map(|s| s.root_distance).sum::<f64>() / served,
            honest: synced().filter(|s| s.honest()).count() as f64 / served,
            synchronised: served / count,
            packets: packets(next) - packets(part.first()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut record = Record::default();
        for i in 0..100u32 {
            let error = if i < 50 { 1.0 } else { -0.001 };
            record.push(Sample {
                at: f64::from(i),
                error,
                served_error: error / 2.0,
                frequency_error: 1e-6,
                belief_error: 0.0,
                root_distance: if i < 10 { f64::INFINITY } else { 0.01 },
                packets: u64::from(i),
            });
        }
        record
    }

    #[test]
    fn figures_are_of_the_part_asked_for() {
        let record = record();
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
}
