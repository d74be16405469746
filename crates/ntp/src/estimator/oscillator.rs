//! What is known of the oscillator itself, whichever source said it, and of the link that all paths begin with.

use super::anchor::Jumps;

/// Sudden changes of the oscillator remembered.
pub const CLOCK_JUMPS: usize = 12;

/// Wander before anything is known, s/s per √s: an ordinary crystal in an ordinary room.
pub const WANDER: f64 = 2e-9;
/// Smallest and largest wander.
pub const WANDERS: (f64, f64) = (4e-11, 2e-6);
/// Frequency error of an ordinary crystal and of the worst board there is (one standard deviation), s/s.
const CRYSTAL: f64 = 150e-6;
const BOARD: f64 = 0.05;

/// What all paths share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Oscillator {
    /// Random walk of the frequency, s/s per √s.
    pub wander: f64,
    /// Its frequency is beyond a crystal's, say the samples.
    pub wide: bool,
    /// What was known of its frequency before the first sample: dθ/dV and its deviation, s/s.
    pub known: Option<(f64, f64)>,
    /// dθ/dV as the filter over all sources has it now, s/s.
    pub believed: Option<f64>,
    /// Sudden changes of its frequency or its count.
    pub jumps: Jumps<CLOCK_JUMPS>,
    /// Log evidence of all paths together for errors of reading over waits as the cause of their noise.
    pub blurred: f64,
}

impl Default for Oscillator {
    fn default() -> Self {
        Self {
            wander: WANDER,
            wide: false,
            known: None,
            believed: None,
            jumps: Jumps::default(),
            blurred: 0.0,
        }
    }
}

impl Oscillator {
    /// dθ/dV as far as anybody knows, s/s.
    pub fn frequency(&self) -> f64 {
        self.believed.or(self.known.map(|(frequency, _)| frequency)).unwrap_or(0.0)
    }

    /// Mean (s/s) and variance of dθ/dV before the first sample; `wide`: a crystal's is excluded; `line`: the slope of
    /// a line through the first samples and what is doubted of it.
    pub fn prior(&self, wide: bool, line: Option<(f64, f64)>) -> (f64, f64) {
        let (mean, sd) = match self.known {
            Some(known) if !wide => known,
            _ if wide => (0.0, BOARD),
            _ => (0.0, CRYSTAL),
        };
        let Some((slope, doubt)) = line else { return (mean, sd * sd) };
        let (variance, doubt) = (sd * sd, doubt * doubt);
        let share = variance / (variance + doubt);
        (mean + share * (slope - mean), (1.0 - share) * variance)
    }
}
