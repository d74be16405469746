//! What is said of a source: `server`, `pool`, `peer`.

use core::net::IpAddr;

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
