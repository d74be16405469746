//! What is said of devices: reference clocks, the clock on the board, network cards.

use crate::ids::RefId;
use std::path::PathBuf;

/// `refclock`: driver, parameter, options (as said; whether the driver exists is known when it is opened).
#[derive(Clone, Debug, PartialEq)]
pub struct RefclockConfig {
    /// Driver: `PPS`, `SHM`, `SOCK`, `PHC`, `RTC`.
    pub driver: String,
    /// Its parameter with its own options, as written.
    pub parameter: String,
    /// Interval of filtered samples, log₂ s.
    pub poll: i32,
    /// Interval of driver polls, log₂ s.
    pub dpoll: i32,
    /// Reference identifier; made from the driver's name if absent.
    pub refid: Option<RefId>,
    /// Source whose samples complete the pulses.
    pub lock: Option<RefId>,
    /// Pulses per second.
    pub rate: i32,
    /// Oldest sample of the locked source, in pulses; `None`: 2, with `local` 3.
    pub max_lock_age: Option<i32>,
    /// Length of the pulse, s; 0 is off.
    pub width: f64,
    /// Samples are pulses.
    pub pps: bool,
    /// Correction added to offsets, s.
    pub offset: f64,
    /// Assumed delay, s.
    pub delay: f64,
    /// Stratum of the clock, 0–15.
    pub stratum: i32,
    /// Precision, s; 0: that of the system clock.
    pub precision: f64,
    /// Largest dispersion accepted, s; 0 is off.
    pub max_dispersion: f64,
    /// Median filter length.
    pub filter: i32,
    /// Fewest samples kept; −1: the global value.
    pub min_samples: i32,
    /// Most samples kept; −1: the global value.
    pub max_samples: i32,
    /// Polls it may stay selected while unreachable.
    pub max_unreach: i32,
    /// Selection option.
    pub prefer: bool,
    /// Selection option.
    pub noselect: bool,
    /// Selection option.
    pub trust: bool,
    /// Selection option.
    pub require: bool,
    /// It keeps TAI.
    pub tai: bool,
    /// It keeps time without a date of its own: the frequency is followed, the phase is the system's.
    pub local: bool,
}

/// The real-time clock (`rtcsync` is in [`ClockConfig`](super::ClockConfig)).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RtcConfig {
    /// `rtcfile`.
    pub file: Option<PathBuf>,
    /// `rtcdevice`.
    pub device: Option<PathBuf>,
    /// `rtcautotrim`, s; 0 is off.
    pub auto_trim: f64,
    /// `rtconutc`.
    pub utc: bool,
    /// `hwclockfile`.
    pub hwclock_file: Option<PathBuf>,
}

/// Hardware timestamping and the PTP transport.
#[derive(Clone, Debug, PartialEq)]
pub struct HardwareConfig {
    /// `hwtimestamp` lines in order.
    pub timestamping: Vec<HwTimestampConfig>,
    /// `hwtstimeout`, s.
    pub tx_timeout: f64,
    /// `maxtxbuffers`.
    pub max_tx_buffers: i32,
    /// `ptpport`; 0 is off.
    pub ptp_port: u16,
    /// `ptpdomain`.
    pub ptp_domain: u8,
}

/// `hwtimestamp`, as said (not yet clamped).
#[derive(Clone, Debug, PartialEq)]
pub struct HwTimestampConfig {
    /// Interface, or `*` for all.
    pub interface: String,
    /// Shortest interval between readings of the card's clock, log₂ s.
    pub minpoll: i32,
    /// Longest; `None`: `minpoll` + 1.
    pub maxpoll: Option<i32>,
    /// Fewest samples kept.
    pub min_samples: i32,
    /// Most samples kept.
    pub max_samples: i32,
    /// Assumed precision, s.
    pub precision: f64,
    /// Added to transmit times, s.
    pub tx_compensation: f64,
    /// Subtracted from receive times, s.
    pub rx_compensation: f64,
    /// Without cross-timestamping.
    pub no_cross: bool,
    /// Which packets the card stamps; `None`: the narrowest that includes NTP.
    pub rx_filter: Option<RxFilter>,
}

impl HwTimestampConfig {
    /// What holds for `interface` where nothing else is said.
    pub fn of(interface: String) -> Self {
        Self {
            interface,
            minpoll: 0,
            maxpoll: None,
            min_samples: 2,
            max_samples: 16,
            precision: 1e-7,
            tx_compensation: 0.0,
            rx_compensation: 0.0,
            no_cross: false,
            rx_filter: None,
        }
    }
}

/// `hwtimestamp … rxfilter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RxFilter {
    /// All packets.
    All,
    /// NTP packets.
    Ntp,
    /// PTP packets.
    Ptp,
    /// None.
    None,
}

impl Default for HardwareConfig {
    fn default() -> Self {
        Self { timestamping: Vec::new(), tx_timeout: 0.001, max_tx_buffers: 0, ptp_port: 0, ptp_domain: 123 }
    }
}
