//! The configuration as typed truth. Text becomes this in [`mod@parse`]; nothing else reads configuration text.
//!
//! Every field has the documented default of its directive; times are seconds, frequencies s/s (directives and
//! reports speak ppm), polls log₂ seconds.

use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

mod check;
mod clock;
mod daemon;
mod devices;
pub mod directives;
pub mod doc;
mod error;
mod glob;
pub mod parse;
mod serving;
mod source;
pub mod suggest;
mod threads;
pub mod words;

pub use check::{REFCLOCK_DRIVERS, check};
/// Where the page is when nobody says otherwise.
pub const PAGE_PORT: u16 = 8123;

pub use clock::{
    AuthSelectMode, ClockConfig, LeapMode, SelectionConfig, SmoothConfig, TemperatureConfig,
    TemperatureCurve, Thermometers,
};
pub use daemon::{
    ClientConfig, ControlConfig, LogConfig, NtsConfig, ObserveConfig, OpenCommand, ProcessConfig,
};
pub use devices::{HardwareConfig, HwTimestampConfig, RefclockConfig, RtcConfig, RxFilter};
pub use error::{ConfigError, Origin, Warning};
pub use parse::{Loader, NoFiles, Parsed, Refused, parse, parse_lines, parse_sources_file};
pub use serving::{
    AccessName, AccessRule, BroadcastConfig, LocalConfig, RateLimit, ServerConfig, Subnet, TrafficLimit,
    resolve_access,
};
pub use source::{Family, SourceConfig, SourceKind};
pub use threads::{ServingThreads, ThreadsConfig};

/// Everything a configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `server`, `pool`, `peer` lines in order.
    pub sources: Vec<SourceConfig>,
    /// `sourcedir` folders in order.
    pub source_dirs: Vec<PathBuf>,
    /// Clock control.
    pub clock: ClockConfig,
    /// Source selection.
    pub selection: SelectionConfig,
    /// Serving time.
    pub server: ServerConfig,
    /// Command and monitoring access.
    pub control: ControlConfig,
    /// Log files.
    pub log: LogConfig,
    /// Files, user, process.
    pub process: ProcessConfig,
    /// Client sockets.
    pub client: ClientConfig,
    /// `refclock` lines in order.
    pub refclocks: Vec<RefclockConfig>,
    /// Network Time Security.
    pub nts: NtsConfig,
    /// The real-time clock.
    pub rtc: RtcConfig,
    /// Hardware timestamping and the PTP transport.
    pub hardware: HardwareConfig,
    /// Recording and the page.
    pub observe: ObserveConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            source_dirs: Vec::new(),
            clock: ClockConfig::default(),
            selection: SelectionConfig::default(),
            server: ServerConfig::default(),
            control: ControlConfig::default(),
            log: LogConfig { banner: 32, ..LogConfig::default() },
            process: ProcessConfig::default(),
            client: ClientConfig {
                acquisition_port: None,
                bind: Vec::new(),
                device: None,
                refresh: 1_209_600.0,
            },
            refclocks: Vec::new(),
            nts: NtsConfig::default(),
            rtc: RtcConfig::default(),
            hardware: HardwareConfig::default(),
            observe: ObserveConfig::default(),
        }
    }
}
