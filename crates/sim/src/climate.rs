//! What it is like around an oscillator, and thermometers that know it well, badly, late or not at all.

use crate::generator::normal;
use ntp::rng::Rng;

/// Temperature of everything on the average, °C.
const MEAN: f64 = 40.0;

/// A temperature that the frequency follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Climate {
    /// Change of the frequency with temperature, s/s/K; positive: warmth makes the clock gain.
    coefficient: f64,
    /// Amplitude (K) and period (s) of the sines.
    sines: Vec<(f64, f64)>,
    /// The machine works and is so much warmer (K), this share of each period (s).
    loads: Vec<(f64, f64, f64)>,
    /// Deviation (K) and time constant (s) of what fans do.
    fans: (f64, f64),
    /// Time constant with which the crystal follows, s.
    crystal_lag: f64,
    thermometers: Vec<Thermometer>,
    /// Chance of the fans and of the thermometers: the air is the same whoever looks at it.
    air: Rng,
    noise: Rng,
    fan: f64,
    crystal: f64,
    begun: bool,
}

/// One thermometer.
#[derive(Clone, Debug, PartialEq)]
pub struct Thermometer {
    /// Its name.
    name: String,
    /// Steps in which it reads, K; 0: none.
    resolution: f64,
    /// Deviation of its noise, K.
    noise: f64,
    /// Time constant with which it follows, s.
    lag: f64,
    /// What it shows of what is around the crystal: 1 all, 0 nothing.
    share: f64,
    /// What it shows besides: a walk, K per √s.
    walk: f64,
    /// Since when it does what instead.
    fault: Option<(f64, Fault)>,
    shown: f64,
    walked: f64,
    reading: f64,
}

/// How a thermometer fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It says nothing.
    Silent,
    /// It goes on with what it read last.
    Stuck,
    /// It reads so much more, K.
    Jump(f64),
    /// It reads noise of this deviation, K.
    Noise(f64),
}

impl Thermometer {
    /// Right, at once, and as fine as most: 0.1 K.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            resolution: 0.1,
            noise: 0.05,
            lag: 0.0,
            share: 1.0,
            walk: 0.0,
            fault: None,
            shown: MEAN,
            walked: 0.0,
            reading: MEAN,
        }
    }

    /// It reads in steps of `kelvin`.
    pub fn resolution(mut self, kelvin: f64) -> Self {
        self.resolution = kelvin;
        self
    }

    /// Its noise has this deviation, K.
    pub fn noise(mut self, kelvin: f64) -> Self {
        self.noise = kelvin;
        self
    }

    /// It follows with this time constant, s.
    pub fn lag(mut self, seconds: f64) -> Self {
        self.lag = seconds;
        self
    }

    /// It is somewhere else: a walk of `walk` K per √s and nothing of the crystal's temperature.
    pub fn elsewhere(mut self, walk: f64) -> Self {
        (self.share, self.walk) = (0.0, walk);
        self
    }

    /// It fails `at` seconds after the start.
    pub fn fault(mut self, at: f64, fault: Fault) -> Self {
        self.fault = Some((at, fault));
        self
    }

    /// One second at which it is `around` °C.
    fn next(&mut self, time: f64, around: f64, rng: &mut Rng) {
        let share = if self.lag > 0.0 { 1.0 / self.lag } else { 1.0 };
        self.walked += self.walk * normal(rng);
        self.shown += share.min(1.0) * (around - self.shown);
        let noise = self.noise * normal(rng);
        let mut reading = MEAN + self.share * (self.shown - MEAN) + self.walked + noise;
        match self.fault.filter(|(at, _)| *at <= time) {
            None => {}
            Some((_, Fault::Silent)) => reading = f64::NAN,
            Some((_, Fault::Stuck)) => return,
            Some((_, Fault::Jump(kelvin))) => reading += kelvin,
            Some((_, Fault::Noise(kelvin))) => reading += kelvin * normal(rng),
        }
        if self.resolution > 0.0 {
            reading = self.resolution * libm::rint(reading / self.resolution);
        }
        self.reading = reading;
    }
}

impl Climate {
    /// A constant temperature; the frequency (positive: the clock gains) changes by `coefficient`, s/s/K.
    pub fn new(coefficient: f64) -> Self {
        Self {
            coefficient,
            sines: Vec::new(),
            loads: Vec::new(),
            fans: (0.0, 1.0),
            crystal_lag: 0.0,
            thermometers: Vec::new(),
            air: Rng::from_number(1),
            noise: Rng::from_number(2),
            fan: 0.0,
            crystal: MEAN,
            begun: false,
        }
    }

    /// It swings by `kelvin` with the period `seconds`.
    pub fn sine(mut self, kelvin: f64, seconds: f64) -> Self {
        self.sines.push((kelvin, seconds));
        self
    }

    /// `kelvin` warmer for the last `share` of each `period` (s).
    pub fn load(mut self, kelvin: f64, period: f64, share: f64) -> Self {
        self.loads.push((kelvin, period, share));
        self
    }

    /// Fluctuations of the deviation `kelvin` that last for `seconds`.
    pub fn fans(mut self, kelvin: f64, seconds: f64) -> Self {
        self.fans = (kelvin, seconds);
        self
    }

    /// The crystal follows with this time constant, s.
    pub fn crystal_lag(mut self, seconds: f64) -> Self {
        self.crystal_lag = seconds;
        self
    }

    /// Chance of its own for fans and thermometers.
    pub fn set_seed(&mut self, seed: u64) {
        (self.air, self.noise) = (Rng::from_number(seed), Rng::from_number(!seed));
    }

    /// With this thermometer.
    pub fn thermometer(mut self, thermometer: Thermometer) -> Self {
        self.thermometers.push(thermometer);
        self
    }

    /// The frequency for the second that begins at `time` (s after the start), against that at the mean temperature.
    pub fn next(&mut self, time: f64) -> f64 {
        let keep = libm::exp(-1.0 / self.fans.1);
        self.fan = keep * self.fan + self.fans.0 * libm::sqrt(1.0 - keep * keep) * normal(&mut self.air);
        let sines = self
            .sines
            .iter()
            .map(|(kelvin, period)| kelvin * libm::sin(core::f64::consts::TAU * time / period));
        let loads = self.loads.iter().map(|(kelvin, period, share)| {
            if time.rem_euclid(*period) >= (1.0 - share) * period { *kelvin } else { 0.0 }
        });
        let around = MEAN + self.fan + sines.sum::<f64>() + loads.sum::<f64>();
        let share = if self.crystal_lag > 1.0 { 1.0 / self.crystal_lag } else { 1.0 };
        if !core::mem::replace(&mut self.begun, true) {
            self.crystal = around;
            self.thermometers.iter_mut().for_each(|t| t.shown = around);
        }
        self.crystal += share * (around - self.crystal);
        for thermometer in &mut self.thermometers {
            thermometer.next(time, around, &mut self.noise);
        }
        self.coefficient * (self.crystal - MEAN)
    }

    /// What the thermometers read, °C.
    pub fn read(&self) -> Vec<f64> {
        self.thermometers.iter().map(|thermometer| thermometer.reading).collect()
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.thermometers.iter().map(|thermometer| thermometer.name.clone()).collect()
    }

    /// Without thermometers: the oscillator does what it does, and nobody knows why.
    pub fn unseen(mut self) -> Self {
        self.thermometers.clear();
        self
    }
}
