//! Symmetric mode: the packets that peers exchange. What is kept of a peer is in [`crate::source::symmetric`].

use super::Engine;
use crate::server::Template;
use crate::server::template::Individual;
use crate::source::Source;
use crate::source::symmetric::Link;
use crate::time::{Now, NtpTime, RawTime};
use crate::wire::Mode;
use crate::wire::header::HEADER_LEN;

/// Time between our packets to a peer, s: it should not have to wait longer than it asks, as far as minpoll allows.
pub(super) fn symmetric_interval(source: &Source, usual: f64) -> f64 {
    let Some(last) = source.seen.last.filter(|_| !source.poll.in_burst()) else { return usual };
    let theirs = libm::exp2(f64::from(last.packet.poll.clamp(-7, 24)));
    usual.min(theirs.max(libm::exp2(f64::from(source.poll.min))))
}

impl Engine {
    /// The transmit time of a packet that leaves now.
    pub(super) fn peer_stamp(&mut self, now: Now) -> NtpTime {
        let random = self.rng.bits();
        Link::stamp(self.peer_time(now.raw), random)
    }

    /// The time that we tell peers, at a reading of the clock.
    fn peer_time(&self, at: RawTime) -> NtpTime {
        self.discipline.cooking(at).apply(at).into()
    }

    /// The header of a packet to a peer: what clients are told too, and what was heard of it.
    pub(super) fn peer_packet(
        &mut self,
        now: Now,
        index: usize,
        version: u8,
        transmit: NtpTime,
    ) -> [u8; HEADER_LEN] {
        let source = &mut self.sources[index];
        let (origin, receive) = source.link.on_sent(transmit);
        let poll = source.poll.effective(source.reach.reachable(), source.stats.min_delay());
        let own = Individual {
            version,
            mode: Mode::Active,
            poll: poll.clamp(-128, 127) as i8,
            origin,
            receive,
            transmit,
        };
        Template::new(&self.server_state, now.raw).fill(&own)
    }

    /// An authentic packet of a peer came at `rx`.
    pub(super) fn hear_peer(&mut self, index: usize, (origin, transmit): (NtpTime, NtpTime), rx: RawTime) {
        let at = self.peer_time(rx);
        self.sources[index].link.on_heard(origin, transmit, at);
    }
}
