//! Running sums over the samples of a host: what is left of a run when its samples are not kept.

use crate::record::{Figures, Sample};

/// Sums over the samples between two times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    from: f64,
    until: f64,
    /// The part is over.
    complete: bool,
    samples: u64,
    synchronised: u64,
    honest: u64,
    square: f64,
    max: f64,
    served_square: f64,
    served_max: f64,
    frequency_square: f64,
    distance: f64,
    first_packets: Option<u64>,
    last_packets: u64,
    /// Instants at which a root distance was promised.
    pub promises: u64,
    /// … and the true error of served time was larger.
    pub violations: u64,
    /// The first of these.
    pub first_violation: Option<Sample>,
    /// Largest ratio of error and root distance at these instants.
    pub worst: f64,
    /// Instants at which the estimator gave a standard deviation.
    pub judged: u64,
    /// … and the error of served time was more than twice as large.
    pub surprises: u64,
    /// Times at which that began.
    pub excursions: u64,
    surprised: bool,
    /// Samples that are not [`Sample::sane`].
    pub insane: u64,
}

impl Tally {
    /// Nothing yet; samples from `from` (included) to `until` (excluded) will be counted, s after the start.
    pub fn new(from: f64, until: f64) -> Self {
        Self {
            from,
            until,
            complete: false,
            samples: 0,
            synchronised: 0,
            honest: 0,
            square: 0.0,
            max: f64::NAN,
            served_square: 0.0,
            served_max: f64::NAN,
            frequency_square: 0.0,
            distance: 0.0,
            first_packets: None,
            last_packets: 0,
            promises: 0,
            violations: 0,
            first_violation: None,
            worst: 0.0,
            judged: 0,
            surprises: 0,
            excursions: 0,
            surprised: false,
            insane: 0,
        }
    }

    /// Counts one sample. Samples come in the order of time.
    pub fn add(&mut self, sample: &Sample) {
        if sample.at < self.from || self.complete {
            return;
        }
        if sample.at >= self.until {
            // The first sample behind the part knows the packets of its last second.
            if self.samples > 0 {
                self.last_packets = sample.packets;
                self.complete = true;
            }
            return;
        }
        self.samples += 1;
        self.insane += u64::from(!sample.sane());
        self.square += sample.error * sample.error;
        self.max = self.max.max(sample.error.abs());
        self.served_square += sample.served_error * sample.served_error;
        self.served_max = self.served_max.max(sample.served_error.abs());
        self.frequency_square += sample.frequency_error * sample.frequency_error;
        self.first_packets.get_or_insert(sample.packets);
        self.last_packets = sample.packets;
        if sample.synchronised() {
            self.synchronised += 1;
            self.distance += sample.root_distance;
            self.honest += u64::from(sample.honest());
            self.add_promise(sample);
        }
    }

    fn add_promise(&mut self, sample: &Sample) {
        if sample.excused {
            return;
        }
        self.promises += 1;
        self.worst = self.worst.max(sample.served_error.abs() / sample.root_distance);
        if !sample.honest() {
            self.violations += 1;
            self.first_violation.get_or_insert(*sample);
        }
        if sample.sd < f64::INFINITY {
            self.judged += 1;
            let surprise = sample.served_error.abs() > 2.0 * sample.sd;
            self.surprises += u64::from(surprise);
            self.excursions += u64::from(surprise && !self.surprised);
            self.surprised = surprise;
        }
    }

    /// The figures.
    pub fn figures(&self) -> Figures {
        let count = self.samples as f64;
        let served = self.synchronised as f64;
        Figures {
            samples: self.samples as usize,
            rms: libm::sqrt(self.square / count),
            max: self.max,
            served_rms: libm::sqrt(self.served_square / count),
            served_max: self.served_max,
            frequency_rms: libm::sqrt(self.frequency_square / count),
            root_distance: self.distance / served,
            honest: self.honest as f64 / served,
            synchronised: served / count,
            packets: self.last_packets - self.first_packets.unwrap_or(self.last_packets),
        }
    }
}
