//! What is said of serving time, and to whom.

use super::ThreadsConfig;
use core::net::IpAddr;
use std::path::PathBuf;

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
