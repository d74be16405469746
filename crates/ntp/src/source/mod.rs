//! One association: what is known of a server or peer and what was said between us.
//!
//! Read [`Source`] first; [`exchange`] turns a request and its response into a sample, [`checks`] says why one is
//! refused, [`poll`] decides when to ask again.

pub mod checks;
pub mod company;
pub mod exchange;
pub mod gather;
pub mod interleave;
pub mod poll;
pub mod reach;
pub mod symmetric;

use crate::config::{SourceConfig, SourceKind};
use crate::engine::{Stamp, StampSource};
use crate::estimator::{SourceStats, StatsOptions};
use crate::ids::{RefId, SocketId, SourceId};
use crate::refclock::{Refclock, refid_text};
use crate::select::SelectState;
use crate::time::{LocalTime, MonoTime, NtpTime};
use crate::wire::{Leap, Packet};
use checks::Checks;
use core::net::{IpAddr, SocketAddr};
use exchange::Request;
use gather::Gathered;
use interleave::Earlier;
use poll::Poll;
use reach::Reach;
use symmetric::Link;

/// The group of sources that came from one configured name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub u32);

/// One server or peer, resolved or waiting for its address.
#[derive(Debug)]
pub struct Source {
    /// Its number for life.
    pub id: SourceId,
    /// Options as configured, clamped to what is possible.
    pub config: SourceConfig,
    /// Where it is; `None` until its name is resolved.
    pub remote: Option<SocketAddr>,
    /// Addresses it had before, the last ones.
    pub former: Vec<IpAddr>,
    /// When its address was last looked up.
    pub resolved: Option<MonoTime>,
    /// The name it came from; `None` when it was given by address.
    pub group: Option<GroupId>,
    /// Its number among those given by name: `ID#…` in reports and commands while it has no address.
    pub placeholder: u32,
    /// It has answered since it got this address (pools keep only such members).
    pub confirmed: bool,
    /// Its samples and the estimate they give.
    pub stats: SourceStats,
    /// How often to ask.
    pub poll: Poll,
    /// When to ask next; `None` while offline or unresolved.
    pub due: Option<MonoTime>,
    /// Exchanges of which one sample will be made (`filter`).
    pub gathered: Gathered,
    /// What makes it a reference clock; its address stays `None`.
    pub refclock: Option<Box<Refclock>>,
    /// The last eight polls.
    pub reach: Reach,
    /// The request that waits for its answer.
    pub request: Option<Request>,
    /// A peer's own affairs.
    pub link: Link,
    /// The exchange that the next answer may tell more of (interleaved mode).
    pub earlier: Option<Earlier>,
    /// Selection state carried from one selection to the next.
    pub select: SelectState,
    /// Updates in a row in which it was found bad (falseticker, distant, jittery).
    pub bad_updates: u32,
    /// Answers in a row whose round trip was far from the others'.
    pub deviating: u32,
    /// Polls in a row without an answer while unreachable.
    pub unreach_count: u32,
    /// Leap indicator of the last response that passed tests 1 to 7, or from a dump.
    pub last_leap: Option<Leap>,
    /// The leap second that its last sample announced, and when its clock will read that.
    pub leap_ahead: Option<(Leap, LocalTime)>,
    /// Counters and the last response, for reports.
    pub seen: Seen,
}

/// What was exchanged, for reports.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests sent.
    pub tx: u32,
    /// Packets received on its sockets.
    pub rx: u32,
    /// … that passed tests 1, 2, 3 and 5.
    pub valid: u32,
    /// … that passed all tests.
    pub good: u32,
    /// Requests stamped by the kernel.
    pub kernel_tx: u32,
    /// Responses stamped by the kernel.
    pub kernel_rx: u32,
    /// Requests stamped by the network card.
    pub hw_tx: u32,
    /// Responses stamped by the network card.
    pub hw_rx: u32,
    /// The last valid response.
    pub last: Option<LastResponse>,
}

/// The last valid response.
#[derive(Clone, Copy, Debug)]
pub struct LastResponse {
    /// Its header.
    pub packet: Packet,
    /// Our own address.
    pub local: Option<IpAddr>,
    /// When it came, monotonic.
    pub at: MonoTime,
    /// Offset measured, s (positive: our clock was behind).
    pub offset: f64,
    /// Round trip, s.
    pub delay: f64,
    /// Dispersion of this exchange, s.
    pub dispersion: f64,
    /// Time the server took, s.
    pub response_time: f64,
    /// Which tests it passed.
    pub checks: Checks,
    /// It told when the reply before it left; the rest is that exchange's.
    pub interleaved: bool,
    /// Who stamped the request.
    pub tx_stamp: StampSource,
    /// Who stamped the response.
    pub rx_stamp: StampSource,
}

impl Source {
    /// A source that has not been asked yet.
    pub fn new(id: SourceId, config: SourceConfig, stats: StatsOptions) -> Self {
        let config = clamp(config);
        let poll = Poll::new(&config);
        Self {
            id,
            config,
            remote: None,
            former: Vec::new(),
            resolved: None,
            group: None,
            placeholder: 0,
            confirmed: false,
            stats: SourceStats::new(stats),
            poll,
            due: None,
            gathered: Gathered::default(),
            refclock: None,
            reach: Reach::default(),
            request: None,
            link: Link::default(),
            earlier: None,
            select: SelectState::default(),
            bad_updates: 0,
            deviating: 0,
            unreach_count: 0,
            last_leap: None,
            leap_ahead: None,
            seen: Seen::default(),
        }
    }

    /// Forgets all that was measured (new address, `reset sources`).
    pub fn reset(&mut self) {
        self.stats.reset();
        self.reach = Reach::default();
        self.select = SelectState::default();
        self.bad_updates = 0;
        self.deviating = 0;
        self.unreach_count = 0;
        self.last_leap = None;
        self.leap_ahead = None;
        self.seen.last = None;
        self.earlier = None;
        self.forget_unfinished();
    }

    /// Forgets what was measured since the last sample: it makes none together with what comes.
    pub fn forget_unfinished(&mut self) {
        self.gathered.clear();
        if let Some(clock) = &mut self.refclock {
            clock.reset();
        }
    }

    /// True time is known to have moved by `nanos` against oscillator time.
    pub fn add_offset(&mut self, nanos: i64) {
        self.stats.add_offset(nanos);
        self.gathered.add_offset(nanos);
        if let Some(clock) = &mut self.refclock {
            clock.add_offset(nanos);
        }
    }

    /// Is it in symmetric mode?
    pub fn is_peer(&self) -> bool {
        self.config.kind == SourceKind::Peer
    }

    /// Is a packet with this origin the answer that is waited for?
    pub fn awaits(&self, origin: NtpTime) -> bool {
        let waiting = self.request.as_ref().filter(|request| !request.answered);
        waiting.is_some_and(|r| r.nonce == origin || r.naming.is_some_and(|naming| naming.receive == origin))
    }

    /// Its request is over; the socket to be closed, if it had one for itself.
    pub fn end_request(&mut self) -> Option<SocketId> {
        let request = self.request.take()?;
        (!self.is_peer() && !request.answered).then_some(request.socket)
    }

    /// Nothing comes from it any more; the socket to be closed.
    pub fn hang_up(&mut self) -> Option<SocketId> {
        let own = core::mem::take(&mut self.link).socket;
        self.end_request().or(own)
    }

    /// Unless it is asked further: nothing is due, and it does not count as reachable.
    pub fn rest(&mut self) {
        if !self.poll.active() {
            self.due = None;
            self.reach = Reach::default();
        }
    }

    /// How it is called in the log: address, with the configured name in brackets where it differs.
    pub fn label(&self) -> String {
        if let Some(clock) = &self.refclock {
            return refid_text(clock.refid);
        }
        match self.remote {
            Some(remote) => {
                let address = remote.ip().to_string();
                if self.config.name == address {
                    address
                } else {
                    format!("{address} ({})", self.config.name)
                }
            }
            None => format!("ID#{:010} ({})", self.placeholder, self.config.name),
        }
    }

    /// A reference clock that knows no time and keeps a steady rate (`local`), and is heard.
    pub fn is_steady(&self) -> bool {
        self.refclock.as_ref().is_some_and(|clock| clock.config.local) && self.reach.reachable()
    }

    /// Its reference identifier as others would see it: the IPv4 address, or a hash of the IPv6 address.
    pub fn refid(&self) -> RefId {
        match &self.refclock {
            Some(clock) => clock.refid,
            None => self.remote.map_or(RefId::NONE, |remote| address_refid(remote.ip())),
        }
    }

    /// Notes a stamp of a packet of ours or theirs.
    pub fn count_stamp(&mut self, stamp: &Stamp, sent: bool) {
        let counter = match (stamp.source, sent) {
            (StampSource::Daemon, _) => return,
            (StampSource::Kernel, true) => &mut self.seen.kernel_tx,
            (StampSource::Kernel, false) => &mut self.seen.kernel_rx,
            (StampSource::Hardware, true) => &mut self.seen.hw_tx,
            (StampSource::Hardware, false) => &mut self.seen.hw_rx,
        };
        *counter = counter.wrapping_add(1);
    }

    /// What its samples say of the next leap second: the leap indicator of the last response of a synchronised server.
    /// One that says later that it is not, or asks us to slow down, has still measured well before.
    pub fn leap(&self) -> Leap {
        self.last_leap.unwrap_or(Leap::Unsynchronised)
    }

    /// Timestamps of the last valid response, to recognise a copy of it.
    pub fn last_stamps(&self) -> Option<(NtpTime, NtpTime)> {
        self.seen.last.map(|last| (last.packet.receive, last.packet.transmit))
    }
}

/// Reference identifier of a server at `address` (RFC 5905 §7.3): IPv4 as it is, the first four octets of the
/// MD5 digest for IPv6.
pub fn address_refid(address: IpAddr) -> RefId {
    match address {
        IpAddr::V4(v4) => RefId(u32::from_be_bytes(v4.octets())),
        IpAddr::V6(v6) => {
            use md5::Digest;
            let digest = md5::Md5::digest(v6.octets());
            RefId(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]))
        }
    }
}

/// Brings options into the range that can be obeyed (the limits chrony's users know).
fn clamp(mut c: SourceConfig) -> SourceConfig {
    if c.minpoll < poll::MIN_POLL {
        c.minpoll = 6;
    }
    if c.maxpoll < poll::MIN_POLL {
        c.maxpoll = 10;
    }
    c.minpoll = c.minpoll.min(poll::MAX_POLL);
    c.maxpoll = c.maxpoll.clamp(c.minpoll, poll::MAX_POLL);
    let finite = |x: f64, low: f64, high: f64| if x.is_nan() { low } else { x.clamp(low, high) };
    c.max_delay = finite(c.max_delay, 0.0, 1000.0);
    c.max_delay_ratio = finite(c.max_delay_ratio, 0.0, 1e6);
    c.max_delay_dev_ratio = finite(c.max_delay_dev_ratio, 0.0, 1e6);
    if c.max_delay_quant > 0.0 {
        c.max_delay_quant = finite(c.max_delay_quant, 0.05, 0.95);
    }
    c.min_delay = finite(c.min_delay, 0.0, 1000.0);
    c.offset = finite(c.offset, -1e9, 1e9);
    c.min_stratum = c.min_stratum.clamp(0, 15);
    c.poll_target = c.poll_target.max(1);
    c.max_sources = c.max_sources.clamp(1, 16);
    c
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;

    #[test]
    fn poll_limits_are_clamped_as_operators_know_it() {
        let with = |min, max| {
            let mut c = SourceConfig::new(SourceKind::Server, "a");
            (c.minpoll, c.maxpoll) = (min, max);
            let c = clamp(c);
            (c.minpoll, c.maxpoll)
        };
        assert_eq!(with(6, 4), (6, 6));
        assert_eq!(with(-8, 30), (6, 24));
        assert_eq!(with(30, 10), (24, 24));
        assert_eq!(with(4, -20), (4, 10));
    }

    #[test]
    fn refids_of_addresses() {
        assert_eq!(address_refid("10.1.2.3".parse().unwrap()), RefId(0x0a01_0203));
        // The first four octets of `md5sum` over the sixteen of the address.
        assert_eq!(address_refid("::1".parse().unwrap()), RefId(0xcf40_4dc8));
    }
}
