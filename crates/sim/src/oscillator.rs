//! Oscillators: what a clock is made of. Positive frequency errors make it gain.

use crate::climate::Climate;
use crate::generator::{Generator, normal};
use ntp::rng::Rng;

/// A crystal: a rate that is wrong, wanders, follows the day's temperature and sometimes jumps.
#[derive(Clone, Debug, PartialEq)]
pub struct Oscillator {
    frequency: f64,
    wander: f64,
    /// Amplitude (s/s) and period (s) of the sines added.
    temperature: Vec<(f64, f64)>,
    /// Since when (s after the start) how much (s/s) is added.
    jumps: Vec<(f64, f64)>,
    expression: Option<Generator>,
    /// What is around it, and what thermometers say of that.
    pub(crate) climate: Option<Climate>,
    /// Sum of the random walk so far.
    walked: f64,
}

impl Default for Oscillator {
    fn default() -> Self {
        Self::perfect()
    }
}

impl Oscillator {
    /// Always right.
    pub const fn perfect() -> Self {
        Self::with_error(0.0)
    }

    /// Wrong by `frequency` s/s: 1e-4 gains 100 µs each second.
    pub const fn with_error(frequency: f64) -> Self {
        Self {
            frequency,
            wander: 0.0,
            temperature: Vec::new(),
            jumps: Vec::new(),
            expression: None,
            climate: None,
            walked: 0.0,
        }
    }

    /// The frequency walks at random: its standard deviation after t seconds is `wander`·√t (s/s per √s).
    pub fn wander(mut self, wander: f64) -> Self {
        self.wander = wander;
        self
    }

    /// Adds a sine of `amplitude` s/s and `period` s.
    pub fn temperature(mut self, amplitude: f64, period: f64) -> Self {
        self.temperature.push((amplitude, period));
        self
    }

    /// From `at` seconds on the frequency is higher by `change` s/s.
    pub fn jump(mut self, at: f64, change: f64) -> Self {
        self.jumps.push((at, change));
        self
    }

    /// Adds an expression, evaluated once per second.
    pub fn expression(mut self, generator: Generator) -> Self {
        self.expression = Some(generator);
        self
    }

    /// Its frequency follows a temperature that thermometers may know.
    pub fn climate(mut self, climate: Climate) -> Self {
        self.climate = Some(climate);
        self
    }

    /// Does its rate ever change?
    pub fn is_constant(&self) -> bool {
        self.wander == 0.0
            && self.temperature.is_empty()
            && self.jumps.is_empty()
            && self.climate.is_none()
            && self.expression.as_ref().is_none_or(Generator::is_constant)
    }

    /// Frequency error for the second that begins at `time` (s after the start). Call it once for each second.
    pub fn next(&mut self, time: f64, rng: &mut Rng) -> f64 {
        if self.wander != 0.0 {
            self.walked += self.wander * normal(rng);
        }
        let sines = self
            .temperature
            .iter()
            .map(|(amplitude, period)| amplitude * libm::sin(core::f64::consts::TAU * time / period));
        let jumps = self.jumps.iter().filter(|(at, _)| *at <= time).map(|(_, change)| change);
        let warmth = self.climate.as_mut().map_or(0.0, |climate| climate.next(time));
        let more = self.expression.as_mut().map_or(0.0, |e| e.next(time, rng));
        self.frequency + self.walked + sines.sum::<f64>() + jumps.sum::<f64>() + more + warmth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_spreads_like_the_square_root_of_time() {
        let mut square = 0.0;
        for seed in 0..400 {
            let mut oscillator = Oscillator::with_error(1e-4).wander(1e-9);
            let mut rng = Rng::from_number(seed);
            let mut last = 0.0;
            for second in 0..100 {
                last = oscillator.next(f64::from(second), &mut rng);
            }
            square += (last - 1e-4).powi(2);
        }
        let sd = (square / 400.0).sqrt();
        assert!((sd / 1e-8 - 1.0).abs() < 0.12, "{sd}");
    }

    #[test]
    fn temperature_and_jumps_come_at_their_times() {
        let mut oscillator = Oscillator::perfect().temperature(5e-8, 400.0).jump(150.0, 1e-6);
        let mut rng = Rng::from_number(1);
        assert!((oscillator.next(100.0, &mut rng) - 5e-8).abs() < 1e-20);
        assert!((oscillator.next(200.0, &mut rng) - 1e-6).abs() < 1e-20);
        assert!(!oscillator.is_constant() && Oscillator::with_error(1.0).is_constant());
    }
}
