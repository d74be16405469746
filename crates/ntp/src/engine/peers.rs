//! Symmetric mode: the packets that peers exchange. What is kept of a peer is in [`crate::source::symmetric`].

use super::Engine;
use crate::server::Template;
use crate::server::template::Individual;
use crate::source::Source;
use crate::source::symmetric::{Fields, Link};
use crate::time::{Now, NtpTime, RawTime};
use crate::wire::header::HEADER_LEN;
use crate::wire::{Mode, Packet};

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

    /// The header of a packet to a peer, and what is in it: what clients are told too, and what was heard of the peer.
    pub(super) fn peer_packet(
        &mut self,
        now: Now,
        index: usize,
        version: u8,
        transmit: NtpTime,
    ) -> ([u8; HEADER_LEN], Fields) {
        let source = &mut self.sources[index];
        let fields = source.link.on_sent(transmit, source.config.xleave && version == 4);
        let Fields { origin, receive, transmit } = fields;
        let poll = source.poll.effective(source.reach.reachable(), source.stats.min_delay());
        let own = Individual {
            version,
            mode: Mode::Active,
            poll: poll.clamp(-128, 127) as i8,
            origin,
            receive,
            transmit,
        };
        (Template::new(&self.server_state, now.raw).fill(&own), fields)
    }

    /// The last packet to a peer left at `at`. It is told in the time of now, as the peer was told when its own came.
    pub(super) fn peer_left(&mut self, index: usize, at: RawTime) {
        let at = self.peer_time(at);
        self.sources[index].link.on_left(at);
    }

    /// An authentic packet of a peer came at `rx`: its question, and our answer's too if it answers.
    pub(super) fn hear_peer(&mut self, index: usize, packet: &Packet, rx: RawTime) {
        let at = self.peer_time(rx);
        let source = &mut self.sources[index];
        if source.link.on_heard(packet, at) && !source.awaits(packet.origin) {
            source.earlier = None; // what it may tell next is when this one left
        }
    }
}
