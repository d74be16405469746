//! What goes into the engine and what comes out: plain values.

use crate::ids::{QueryId, SocketId, SourceId};
use crate::time::RawTime;
use core::net::{IpAddr, SocketAddr};

/// Where a time stamp was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampSource {
    /// By this program, around the system call.
    Daemon,
    /// By the kernel.
    Kernel,
    /// By the network card.
    Hardware,
}

/// A reading of the clock we steer that belongs to one packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stamp {
    /// The reading.
    pub time: RawTime,
    /// Who took it.
    pub source: StampSource,
}

/// Names one sent packet, so that exactly one packet gets its time stamp. Not `Clone` for that reason.
#[derive(Debug, PartialEq, Eq)]
pub struct TxToken(pub u64);

/// Addresses of a received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The sender.
    pub from: SocketAddr,
    /// The address it was sent to, if known.
    pub to: Option<IpAddr>,
    /// The interface it came in by; 0 if unknown.
    pub interface: u32,
}

/// An event from outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A deadline of [`super::Engine::next_timeout`] may have passed.
    Timeout,
    /// A datagram on a client socket of ours.
    Datagram {
        /// The socket of the request it may answer.
        socket: SocketId,
        /// Addresses.
        meta: Meta,
        /// When it arrived.
        rx: Stamp,
        /// The payload.
        bytes: &'a [u8],
    },
    /// A packet left; may come twice (daemon's stamp at once, the kernel's later).
    Sent {
        /// Which packet.
        token: u64,
        /// When it left.
        at: Stamp,
    },
    /// A packet could not be sent or its socket not be opened.
    SendFailed {
        /// Which socket.
        socket: SocketId,
    },
    /// The socket was opened; its own address is known.
    Opened {
        /// Which socket.
        socket: SocketId,
        /// Its local address.
        local: IpAddr,
    },
    /// A name was looked up; empty: it could not be.
    Resolved {
        /// Which look-up.
        query: QueryId,
        /// The addresses, in the resolver's order.
        result: &'a [IpAddr],
    },
    /// The real-time clock began to show a new second (answer to [`Action::LookAtRtc`]).
    Rtc {
        /// Which, s since the Unix epoch.
        shown: i64,
        /// The clock we steer then.
        at: RawTime,
    },
    /// The sensor of `tempcomp` was read.
    Temperature(f64),
    /// The driver of a reference clock has read it (answer to [`Action::ReadRefclock`], or by itself).
    Reading {
        /// Which clock.
        source: SourceId,
        /// What was read.
        reading: crate::refclock::Reading,
    },
    /// Whether a packet to this source would find a route (answer to [`Action::CheckRoute`]).
    Route {
        /// Which source.
        source: SourceId,
        /// There is one.
        exists: bool,
    },
    /// Somebody else moved the clock by `offset` seconds (positive: forward).
    ExternalStep {
        /// How far.
        offset: f64,
    },
    /// The machine slept, or its clocks jumped together: both have gone on by `slept` seconds that nobody saw.
    Suspended {
        /// How long, s.
        slept: f64,
        /// Another clock tells of it; otherwise only a wake-up that came far too late does.
        sure: bool,
    },
    /// The thermometers read this now, °C, in the order of [`super::Engine::set_thermometers`]; NaN: one does not tell.
    Temperatures {
        /// The readings.
        celsius: &'a [f64],
    },
    /// Somebody else changed the frequency of the clock.
    ForeignFrequency {
        /// What is in force now, s/s.
        frequency: f64,
        /// How long ago it was not yet so, s.
        since: f64,
    },
}

/// A socket the engine wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketSpec {
    /// Its name from now on.
    pub id: SocketId,
    /// Connected to this address: nobody else's packets arrive.
    pub remote: SocketAddr,
    /// A peer's: on the port that serves, if one does, because there the peer expects us.
    pub symmetric: bool,
}

/// Room for one outgoing NTP packet of a client.
pub const PACKET_CAPACITY: usize = 128;

/// One outgoing packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PacketBuf {
    len: u8,
    bytes: [u8; PACKET_CAPACITY],
}

impl PacketBuf {
    /// Copies `bytes`; what does not fit is cut off, which no caller does.
    pub fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(PACKET_CAPACITY);
        let mut buffer = [0; PACKET_CAPACITY];
        buffer[..len].copy_from_slice(&bytes[..len]);
        Self { len: len as u8, bytes: buffer }
    }

    /// Puts more `bytes` behind; what does not fit is cut off, which no caller does.
    pub fn append(&mut self, bytes: &[u8]) {
        let start = usize::from(self.len);
        let len = bytes.len().min(PACKET_CAPACITY - start);
        self.bytes[start..start + len].copy_from_slice(&bytes[..len]);
        self.len += len as u8;
    }

    /// The packet.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl core::fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PacketBuf({} bytes)", self.len)
    }
}

/// How much a log line matters; syslog's LOG_INFO, LOG_WARNING, LOG_ERR, LOG_CRIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For those who debug.
    Debug,
    /// Information.
    Info,
    /// Something an operator should know.
    Warning,
    /// Something failed.
    Error,
    /// The daemon cannot go on.
    Fatal,
}

/// One line for the message log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its weight.
    pub severity: Severity,
    /// Its text, one line.
    pub text: String,
}

/// What must be done outside.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Open a client socket; answer with `Opened` or `SendFailed`.
    OpenSocket(SocketSpec),
    /// Close it; unknown ones are ignored.
    CloseSocket(SocketId),
    /// Send on an open socket; report `Sent` or `SendFailed`.
    Send {
        /// On which socket.
        socket: SocketId,
        /// What the stamp is reported under.
        token: TxToken,
        /// The packet.
        bytes: PacketBuf,
    },
    /// Look a name up; answer with `Resolved`.
    Resolve {
        /// What the answer is reported under.
        query: QueryId,
        /// The name.
        name: String,
    },
    /// Find out whether there is a route to `remote` (a connected UDP socket tells); answer with `Route`.
    CheckRoute {
        /// What the answer is reported under.
        source: SourceId,
        /// Where it would go.
        remote: SocketAddr,
    },
    /// Send what clients are told now to whoever listens there, in mode 5.
    Broadcast {
        /// Where to.
        to: SocketAddr,
        /// Poll exponent, log₂ s.
        poll: i8,
    },
    /// Tell the operator by mail that the clock was wrong by so much (s, positive: behind).
    Mail(f64),
    /// Look when the real-time clock begins a new second; answer with `Rtc`.
    LookAtRtc,
    /// Set the real-time clock to this second (since the Unix epoch), which begins now.
    SetRtc(i64),
    /// Write what is known of the real-time clock ([`super::Engine::rtc_text`]).
    SaveRtc,
    /// Read this reference clock; answer with `Reading` if there is something new.
    ReadRefclock(SourceId),
    /// Say this.
    Log(LogLine),
    /// An entry for one of the log files.
    Record(crate::logfile::Record),
    /// Write the drift file: frequency (s/s, positive: our clock is fast, as the file says it) and skew (s/s).
    SaveDrift {
        /// Positive: the oscillator gains.
        frequency: f64,
        /// Bound of its error.
        skew: f64,
    },
    /// Write what was learned ([`super::Engine::learned`]).
    SaveLearned,
    /// Write what `trafficlimit` has counted ([`super::Engine::traffic_used`]).
    SaveTraffic,
    /// Write the log of requests ([`super::Engine::requests_text`]).
    SaveRequests,
    /// Write the measurement dumps.
    SaveDumps,
    /// Read the source folders again.
    ReloadSources,
    /// Close the log files so that new ones are begun.
    CycleLogs,
    /// Read the keys again.
    Rekey,
    /// Stop with this exit status.
    Exit(i32),
}

/// The engine's output: filled by it, drained by the loop after every call.
#[derive(Debug, Default)]
pub struct Actions(Vec<Action>);

impl Actions {
    /// An empty list with room for what one call usually gives.
    pub fn new() -> Self {
        Self(Vec::with_capacity(64))
    }

    /// Adds one.
    pub fn push(&mut self, action: Action) {
        self.0.push(action);
    }

    /// Adds a log line.
    pub fn log(&mut self, severity: Severity, text: impl Into<String>) {
        self.push(Action::Log(LogLine { severity, text: text.into() }));
    }

    /// Takes them all, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + '_ {
        self.0.drain(..)
    }

    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
