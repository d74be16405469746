//! The configuration as typed truth. Text becomes this in [`mod@parse`]; nothing else reads configuration text.
//!
//! Every field has the documented default of its directive; times are seconds, frequencies s/s (directives and
//! reports speak ppm), polls log₂ seconds.

use crate::ids::RefId;
use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

mod check;
pub mod directives;
pub mod doc;
mod error;
mod glob;
pub mod parse;
pub mod suggest;
mod threads;
pub mod words;

pub use check::check;
/// Where the page is when nobody says otherwise.
pub const PAGE_PORT: u16 = 8123;

pub use error::{ConfigError, Origin, Warning};
pub use parse::{Loader, NoFiles, Parsed, Refused, parse, parse_lines, parse_sources_file};
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

/// Recording and the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObserveConfig {
    /// `stats`: is anything recorded? `None`: the name of the program decides.
    pub stats: Option<bool>,
    /// Seconds between two times that what was recorded is written.
    pub interval: Option<u32>,
    /// The folder of the archive; `None`: beside the drift file's.
    pub folder: Option<PathBuf>,
    /// The small archive.
    pub router: bool,
    /// `keep`: seconds a row stands for and seconds remembered, finest first; empty: as the profile says.
    pub keep: Vec<(u32, u32)>,
    /// `web`: is there a page? `None`: the name of the program decides.
    pub web: Option<bool>,
    /// Where; empty: 127.0.0.1:8123.
    pub listen: Vec<SocketAddr>,
    /// The page may be shown to the world.
    pub public: bool,
    /// Names by which browsers may ask for the page.
    pub hosts: Vec<String>,
}

/// What kind of source a line names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// One server.
    Server,
    /// A symmetric peer.
    Peer,
    /// Several servers behind one name.
    Pool,
}

/// Options of `server`, `pool` and `peer`, as said (not yet clamped; the engine clamps).
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// server, pool or peer.
    pub kind: SourceKind,
    /// Name or address as written.
    pub name: String,
    /// UDP port.
    pub port: u16,
    /// Smallest poll exponent.
    pub minpoll: i32,
    /// Largest poll exponent.
    pub maxpoll: i32,
    /// Four fast requests when going online.
    pub iburst: bool,
    /// Up to four requests per poll.
    pub burst: bool,
    /// Symmetric key, 0 for none.
    pub key: u32,
    /// NTS.
    pub nts: bool,
    /// NTS-KE port.
    pub nts_port: u16,
    /// Certificate set.
    pub cert_set: u32,
    /// Longest accepted round trip, s.
    pub max_delay: f64,
    /// Longest accepted round trip as multiple of the shortest; below 1 is off.
    pub max_delay_ratio: f64,
    /// Accepted increase of the round trip as multiple of its standard deviation.
    pub max_delay_dev_ratio: f64,
    /// Quantile of round trips accepted; 0 is off.
    pub max_delay_quant: f64,
    /// Known shortest round trip, s; 0: measured.
    pub min_delay: f64,
    /// Known asymmetry of the path's jitter, ±0.5; larger: measured.
    pub asymmetry: f64,
    /// Correction added to offsets, s.
    pub offset: f64,
    /// Fewest samples kept; −1: the global value.
    pub min_samples: i32,
    /// Most samples kept; −1: the global value.
    pub max_samples: i32,
    /// Polls an unreachable source may stay selected.
    pub max_unreach: i32,
    /// Median filter length; 0 is off.
    pub filter: i32,
    /// Starts online.
    pub online: bool,
    /// Goes offline when sending fails.
    pub auto_offline: bool,
    /// Selection option.
    pub prefer: bool,
    /// Selection option.
    pub noselect: bool,
    /// Selection option.
    pub trust: bool,
    /// Selection option.
    pub require: bool,
    /// Interleaved mode.
    pub xleave: bool,
    /// Samples the poll adaptation aims at.
    pub poll_target: i32,
    /// An extra request before each poll at or above this exponent; 100 is off.
    pub presend: i32,
    /// Raises the source's stratum.
    pub min_stratum: i32,
    /// Protocol version; 0: automatic.
    pub version: u8,
    /// Takes over the server's stratum and reference identifier.
    pub copy: bool,
    /// Extension fields to send, bits: 1 = F323, 2 = 10A.
    pub ext_fields: u32,
    /// Restrict to IPv4 or IPv6.
    pub family: Family,
    /// Members wanted of a pool.
    pub max_sources: i32,
}

/// Address family wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Either.
    #[default]
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

impl Family {
    /// Does `address` belong to it?
    pub fn accepts(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl SourceConfig {
    /// Was authentication asked for? Such a source must never be used without it.
    pub fn is_authenticated(&self) -> bool {
        self.nts || self.key != 0
    }

    /// A source with every option at its default.
    pub fn new(kind: SourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            port: 123,
            minpoll: 6,
            maxpoll: 10,
            iburst: false,
            burst: false,
            key: 0,
            nts: false,
            nts_port: 4460,
            cert_set: 0,
            max_delay: 3.0,
            max_delay_ratio: 0.0,
            max_delay_dev_ratio: 10.0,
            max_delay_quant: 0.0,
            min_delay: 0.0,
            asymmetry: 1.0,
            offset: 0.0,
            min_samples: -1,
            max_samples: -1,
            max_unreach: 100_000,
            filter: 0,
            online: true,
            auto_offline: false,
            prefer: false,
            noselect: false,
            trust: false,
            require: false,
            xleave: false,
            poll_target: 8,
            presend: 100,
            min_stratum: 0,
            version: 0,
            copy: false,
            ext_fields: 0,
            family: Family::Any,
            max_sources: 4,
        }
    }
}

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

/// One line of an access list, in order: `allow` or `deny`, perhaps `all`, perhaps a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// allow or deny.
    pub allow: bool,
    /// The word `all`: forget what was said below this subnet.
    pub all: bool,
    /// `None`: every address of both families.
    pub subnet: Option<Subnet>,
}

/// An address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Network address; bits beyond the prefix are ignored.
    pub address: IpAddr,
    /// 0–32 or 0–128.
    pub prefix: u8,
}

/// An access rule for a host name: whoever starts the daemon looks it up and puts the rule in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessName {
    /// How many of the list's [`AccessRule`]s come before it.
    pub position: usize,
    /// allow or deny.
    pub allow: bool,
    /// The word `all`.
    pub all: bool,
    /// The name as written.
    pub name: String,
}

/// The access list with its names looked up, in the order of the lines; a name that cannot be is left out.
pub fn resolve_access(
    rules: &[AccessRule],
    names: &[AccessName],
    mut resolve: impl FnMut(&str) -> Option<IpAddr>,
) -> Vec<AccessRule> {
    let mut names = names.iter().peekable();
    let mut out = Vec::with_capacity(rules.len() + names.len());
    for position in 0..=rules.len() {
        while let Some(name) = names.next_if(|n| n.position <= position) {
            if let Some(address) = resolve(&name.name) {
                let prefix = if address.is_ipv4() { 32 } else { 128 };
                out.push(AccessRule {
                    allow: name.allow,
                    all: name.all,
                    subnet: Some(Subnet { address, prefix }),
                });
            }
        }
        out.extend(rules.get(position));
    }
    out
}

/// `ratelimit` and its kin, as said (not yet clamped).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Smallest mean interval between two requests, log₂ s.
    pub interval: i32,
    /// Requests that may come at once.
    pub burst: i32,
    /// One of 2^leak requests is answered all the same.
    pub leak: i32,
    /// One of 2^kod refusals is told to the client; 0: none.
    pub kod: i32,
}

/// `trafficlimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrafficLimit {
    /// Bytes a calendar month (UTC), both ways.
    Month(u64),
    /// Bits a second of replies.
    Rate(u64),
}

/// `broadcast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BroadcastConfig {
    /// Between two packets, s.
    pub interval: i32,
    /// Where to.
    pub address: IpAddr,
    /// UDP port (as written; may be out of range).
    pub port: i32,
}

/// `local` and its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalConfig {
    /// Stratum served, 1–15.
    pub stratum: u8,
    /// Orphan mode.
    pub orphan: bool,
    /// Root distance at which it takes over, s.
    pub distance: f64,
    /// Root distance that must have been reached once, s; 0: none.
    pub activate: f64,
    /// Wait since the last update, s.
    pub wait_synced: f64,
    /// Wait while never synchronised, s.
    pub wait_unsynced: f64,
}

/// Serving time.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// `port`; 0: never serve.
    pub port: u16,
    /// True when a `port` directive named it (else another may be taken when 123 may not be bound).
    pub port_set: bool,
    /// `allow`, `deny` in order.
    pub access: Vec<AccessRule>,
    /// `bindaddress`, at most one of each family.
    pub bind: Vec<IpAddr>,
    /// `binddevice`.
    pub device: Option<String>,
    /// `local`.
    pub local: Option<LocalConfig>,
    /// `clientloglimit`, bytes.
    pub client_log_limit: u64,
    /// A directive named it.
    pub client_log_set: bool,
    /// `noclientlog`.
    pub no_client_log: bool,
    /// `clientprefix`: length of the IPv6 prefixes that are one client, bits.
    pub client_prefix: u8,
    /// `dscp`.
    pub dscp: u8,
    /// `allow`, `deny` of host names.
    pub access_names: Vec<AccessName>,
    /// `ratelimit`.
    pub rate_limit: Option<RateLimit>,
    /// `ratelimit auto`.
    pub rate_limit_auto: bool,
    /// `requestlog`, bytes; `None`: not said.
    pub request_log: Option<u64>,
    /// Its file.
    pub request_log_file: Option<PathBuf>,
    /// `trafficlimit`.
    pub traffic_limit: Option<TrafficLimit>,
    /// The loudest lose first when there is too much to do, whatever `ratelimit` says: Timeball's own way.
    pub sheds_load: bool,
    /// `broadcast` lines in order.
    pub broadcasts: Vec<BroadcastConfig>,
    /// `ntpsigndsocket`: folder of Samba's signing socket.
    pub signd_dir: Option<PathBuf>,
    /// `serverthreads`, `serverpinning`, `serveraffinity`, `servercoalesce`.
    pub threads: ThreadsConfig,
}

/// `opencommands`: reports readable from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenCommand {
    /// `activity`
    Activity,
    /// `authdata`
    Authdata,
    /// `clients`
    Clients,
    /// `manual`
    Manual,
    /// `ntpdata`
    Ntpdata,
    /// `rtcdata`
    Rtcdata,
    /// `selectdata`
    Selectdata,
    /// `serverstats`
    Serverstats,
    /// `smoothing`
    Smoothing,
    /// `sourcename`
    Sourcename,
    /// `sources`
    Sources,
    /// `sourcestats`
    Sourcestats,
    /// `tracking`
    Tracking,
}

/// Command and monitoring access.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlConfig {
    /// `cmdport`; 0: no UDP.
    pub port: u16,
    /// `cmdallow`, `cmddeny` in order.
    pub access: Vec<AccessRule>,
    /// `bindcmdaddress` for IPv4 and IPv6; default: the loopback addresses.
    pub bind: Vec<IpAddr>,
    /// `bindcmdaddress /PATH`: `Some(None)` disables the Unix socket, `None` is the default of the name run under.
    pub socket: Option<Option<PathBuf>>,
    /// `bindcmddevice`.
    pub device: Option<String>,
    /// `opencommands`.
    pub open: Vec<OpenCommand>,
    /// `cmdallow`, `cmddeny` of host names.
    pub access_names: Vec<AccessName>,
    /// `cmdratelimit`.
    pub rate_limit: Option<RateLimit>,
}

/// Log files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogConfig {
    /// `logdir`.
    pub dir: Option<PathBuf>,
    /// `logbanner`: entries between two headings.
    pub banner: u32,
    /// `log measurements`.
    pub measurements: bool,
    /// `log rawmeasurements`.
    pub raw_measurements: bool,
    /// `log statistics`.
    pub statistics: bool,
    /// `log selection`.
    pub selection: bool,
    /// `log tracking`.
    pub tracking: bool,
    /// `log rtc`.
    pub rtc: bool,
    /// `log refclocks`.
    pub refclocks: bool,
    /// `log tempcomp`.
    pub tempcomp: bool,
    /// `mailonchange`: whom, and from which offset on (s).
    pub mail_on_change: Option<(String, f64)>,
}

/// Files, user, process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessConfig {
    /// `user`.
    pub user: Option<String>,
    /// `pidfile`: `Some(None)` disables it.
    pub pid_file: Option<Option<PathBuf>>,
    /// `dumpdir`.
    pub dump_dir: Option<PathBuf>,
    /// `sched_priority`, 0: none.
    pub sched_priority: i32,
    /// `lock_all`.
    pub lock_all: bool,
    /// `keyfile`.
    pub key_file: Option<PathBuf>,
}

/// Client sockets and names.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientConfig {
    /// `acquisitionport`; `None`: a new random port per request.
    pub acquisition_port: Option<u16>,
    /// `bindacqaddress`, at most one of each family.
    pub bind: Vec<SocketAddr>,
    /// `bindacqdevice`.
    pub device: Option<String>,
    /// `refresh`, s; 0: never.
    pub refresh: f64,
}

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

/// Network Time Security.
#[derive(Clone, Debug, PartialEq)]
pub struct NtsConfig {
    /// `ntsdumpdir`.
    pub dump_dir: Option<PathBuf>,
    /// `ntsaeads`, best first.
    pub aeads: Vec<u16>,
    /// `ntsrefresh`, s.
    pub refresh: i32,
    /// `ntstrustedcerts`: set and file or folder.
    pub trusted_certs: Vec<(u32, PathBuf)>,
    /// `nosystemcert`.
    pub no_system_cert: bool,
    /// `nocerttimecheck`: clock updates before certificates' times count.
    pub no_cert_time_check: i32,
    /// `ntsport`.
    pub port: u16,
    /// `ntsservercert` lines in order.
    pub server_certs: Vec<PathBuf>,
    /// `ntsserverkey` lines in order.
    pub server_keys: Vec<PathBuf>,
    /// `ntsprocesses`.
    pub processes: i32,
    /// `maxntsconnections`.
    pub max_connections: i32,
    /// `ntsntpserver`.
    pub ntp_server: Option<String>,
    /// `ntsrotate`, s; 0: keys come from outside.
    pub rotate: i32,
    /// `ntsratelimit`.
    pub rate_limit: Option<RateLimit>,
}

/// The real-time clock (`rtcsync` is in [`ClockConfig`]).
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

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            stratum: 10,
            orphan: false,
            distance: 1.0,
            activate: 0.0,
            wait_synced: 0.0,
            wait_unsynced: 0.0,
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            port: 123,
            port_set: false,
            access: Vec::new(),
            bind: Vec::new(),
            device: None,
            local: None,
            client_log_limit: 524_288,
            client_log_set: false,
            no_client_log: false,
            client_prefix: 64,
            dscp: 0,
            access_names: Vec::new(),
            rate_limit: None,
            rate_limit_auto: false,
            request_log: None,
            request_log_file: None,
            traffic_limit: None,
            sheds_load: false,
            broadcasts: Vec::new(),
            signd_dir: None,
            threads: ThreadsConfig::default(),
        }
    }
}

impl Default for ControlConfig {
    fn default() -> Self {
        use OpenCommand::{Activity, Manual, Rtcdata, Smoothing, Sourcename, Sources, Sourcestats, Tracking};
        Self {
            port: 323,
            access: Vec::new(),
            bind: vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0u16, 0, 0, 0, 0, 0, 0, 1])],
            socket: None,
            device: None,
            open: vec![Activity, Manual, Rtcdata, Smoothing, Sourcename, Sources, Sourcestats, Tracking],
            access_names: Vec::new(),
            rate_limit: None,
        }
    }
}

impl Default for NtsConfig {
    fn default() -> Self {
        Self {
            dump_dir: None,
            aeads: vec![30, 15],
            refresh: 2_419_200,
            trusted_certs: Vec::new(),
            no_system_cert: false,
            no_cert_time_check: 0,
            port: 4460,
            server_certs: Vec::new(),
            server_keys: Vec::new(),
            processes: 1,
            max_connections: 100,
            ntp_server: None,
            rotate: 604_800,
            rate_limit: None,
        }
    }
}

impl Default for HardwareConfig {
    fn default() -> Self {
        Self { timestamping: Vec::new(), tx_timeout: 0.001, max_tx_buffers: 0, ptp_port: 0, ptp_domain: 123 }
    }
}
