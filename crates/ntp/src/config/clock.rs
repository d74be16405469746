//! What is said of the clock, and of whom it follows.

use std::path::PathBuf;

/// What happens at a leap second (`leapsecmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeapMode {
    /// The kernel steps.
    System,
    /// The daemon steps.
    Step,
    /// The daemon slews.
    Slew,
    /// Nothing.
    Ignore,
}

/// Clock control.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockConfig {
    /// `makestep` threshold (s) and how many updates it holds for (negative: always).
    pub makestep: Option<(f64, i32)>,
    /// `maxchange`: offset (s), updates before it holds, exceedances ignored (negative: never exit).
    pub maxchange: Option<(f64, i32, i32)>,
    /// `maxslewrate`, s/s.
    pub max_slew_rate: f64,
    /// `maxupdateskew`, s/s.
    pub max_update_skew: f64,
    /// `maxdrift`, s/s.
    pub max_drift: f64,
    /// `maxclockerror`, s/s.
    pub max_clock_error: f64,
    /// `corrtimeratio`.
    pub corr_time_ratio: f64,
    /// `clockprecision`, s; measured if absent.
    pub precision: Option<f64>,
    /// `leapsecmode`.
    pub leap_mode: LeapMode,
    /// `rtcsync`.
    pub rtc_sync: bool,
    /// `logchange`, s.
    pub log_change: f64,
    /// `driftfile`.
    pub drift_file: Option<PathBuf>,
    /// `driftfile … interval`, s.
    pub drift_interval: f64,
    /// `fallbackdrift`: shortest and longest interval, log₂ s.
    pub fallback_drift: Option<(i32, i32)>,
    /// `leapsectz`.
    pub leap_zone: Option<String>,
    /// `leapseclist`.
    pub leap_list: Option<PathBuf>,
    /// `smoothtime`.
    pub smooth: Option<SmoothConfig>,
    /// `tempcomp`.
    pub temperature: Option<TemperatureConfig>,
    /// `temperature`.
    pub thermometers: Thermometers,
    /// `manual`: time may be typed in.
    pub manual: bool,
    /// `initstepslew`: threshold (s) and hosts.
    pub initial_step: Option<(f64, Vec<String>)>,
}

/// `smoothtime`: how fast served time may follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothConfig {
    /// Largest frequency offset, s/s.
    pub max_frequency: f64,
    /// Largest change of frequency, s/s per second.
    pub max_wander: f64,
    /// Only leap seconds are smoothed.
    pub leap_only: bool,
}

/// `temperature`: thermometers that the oscillator may follow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Thermometers {
    /// Nothing was said: as `auto` under the name `timeball`, none under the name `chronyd`.
    #[default]
    Default,
    /// The machine's own, as many as are looked at.
    Auto,
    /// None.
    Off,
    /// These files, with thousandths of a degree.
    Files(Vec<PathBuf>),
}

/// `tempcomp`: frequency from a temperature sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TemperatureConfig {
    /// The sensor.
    pub file: PathBuf,
    /// Between two readings, s.
    pub interval: f64,
    /// How the frequency follows.
    pub curve: TemperatureCurve,
}

/// Frequency as a function of temperature, ppm.
#[derive(Clone, Debug, PartialEq)]
pub enum TemperatureCurve {
    /// k0 + k1 (T − T0) + k2 (T − T0)².
    Quadratic {
        /// T0.
        t0: f64,
        /// k0, k1, k2.
        k: [f64; 3],
    },
    /// Linear between the points of this file.
    Points(PathBuf),
}

/// `authselectmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthSelectMode {
    /// Unauthenticated sources are not selected.
    Require,
    /// … only if an authenticated one exists.
    Prefer,
    /// Authenticated ones and reference clocks are trusted and required.
    Mix,
    /// Authentication does not matter.
    Ignore,
}

/// Source selection.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectionConfig {
    /// `authselectmode`.
    pub auth_mode: AuthSelectMode,
    /// `combinelimit`.
    pub combine_limit: f64,
    /// `maxdistance`, s.
    pub max_distance: f64,
    /// `maxjitter`, s.
    pub max_jitter: f64,
    /// `maxstratum`.
    pub max_stratum: i32,
    /// `minstratum`.
    pub min_stratum: i32,
    /// `minsources`.
    pub min_sources: i32,
    /// `reselectdist`, s.
    pub reselect_dist: f64,
    /// `stratumweight`, s.
    pub stratum_weight: f64,
    /// `minsamples`.
    pub min_samples: i32,
    /// `maxsamples`; 0: no limit but the ring's.
    pub max_samples: i32,
}

impl Default for ClockConfig {
    fn default() -> Self {
        Self {
            makestep: None,
            maxchange: None,
            max_slew_rate: 83_333.333e-6,
            max_update_skew: 1000e-6,
            max_drift: 100_000e-6,
            max_clock_error: 1e-6,
            corr_time_ratio: 3.0,
            precision: None,
            leap_mode: LeapMode::System,
            rtc_sync: false,
            log_change: 1.0,
            drift_file: None,
            drift_interval: 3600.0,
            fallback_drift: None,
            leap_zone: None,
            leap_list: None,
            smooth: None,
            temperature: None,
            thermometers: Thermometers::Default,
            manual: false,
            initial_step: None,
        }
    }
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self {
            auth_mode: AuthSelectMode::Mix,
            combine_limit: 3.0,
            max_distance: 3.0,
            max_jitter: 1.0,
            max_stratum: 15,
            min_stratum: 0,
            min_sources: 1,
            reselect_dist: 1e-4,
            stratum_weight: 1e-3,
            min_samples: 6,
            max_samples: 0,
        }
    }
}
