//! What is said of the daemon itself: commands, logs, files, recording, Network Time Security.

use super::{AccessName, AccessRule, RateLimit};
use core::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

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
