//! What all replies of one state have in common, put into wire format once for a whole batch of requests.

use super::{LocalTime, ServerState};
use crate::time::{NtpTime, RawTime};
use crate::wire::header::HEADER_LEN;
use crate::wire::{Leap, Mode, Packet};

/// The second half of a reply's header is its three stamps; of the first, all but version, mode and poll is the server's.
const STAMPS: usize = 24;

/// A state as it is at one instant, with the reply it leads to.
#[derive(Clone, Debug)]
pub struct Template {
    state: ServerState,
    reply: [u8; HEADER_LEN],
}

/// What a reply has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Individual {
    /// The request's version.
    pub version: u8,
    /// The mode of the answer.
    pub mode: Mode,
    /// Poll exponent, log₂ s.
    pub poll: i8,
    /// T1 as it was received, or what stands for it in interleaved mode.
    pub origin: NtpTime,
    /// T2.
    pub receive: NtpTime,
    /// T3.
    pub transmit: NtpTime,
}

impl Template {
    /// For requests that have all come by `now` and are answered at once: what the state says of itself then
    /// ("unsynchronised" if it is stale, dispersion grown so far) holds for the whole batch.
    pub fn new(state: &ServerState, now: RawTime) -> Self {
        let state = state.at(now);
        let packet = Packet {
            leap: state.leap,
            version: 0,
            mode: Mode::Reserved,
            stratum: state.stratum,
            poll: 0,
            precision: state.precision,
            root_delay: state.root_delay,
            root_dispersion: state.dispersion.at(now),
            refid: state.refid,
            reference: state.reference,
            origin: NtpTime::ZERO,
            receive: NtpTime::ZERO,
            transmit: NtpTime::ZERO,
        };
        Self { state, reply: packet.emit() }
    }

    /// The state behind it.
    pub fn state(&self) -> &ServerState {
        &self.state
    }

    /// Local time at the reading `raw`.
    pub fn local(&self, raw: RawTime) -> LocalTime {
        self.state.local(raw)
    }

    /// A kiss of death that says RATE: the same times, but no server's word on any other (RFC 5905 §7.4).
    pub fn kiss(&self, own: &Individual) -> [u8; HEADER_LEN] {
        let mut reply = self.fill(own);
        let [first, stratum, _, _, rest @ ..] = &mut reply;
        *first |= (Leap::Unsynchronised as u8) << 6;
        *stratum = 0;
        // Root delay and dispersion, then the code in place of the reference.
        for (to, from) in rest.iter_mut().zip([0; 8].iter().chain(b"RATE")) {
            *to = *from;
        }
        reply
    }

    /// The reply.
    pub fn fill(&self, own: &Individual) -> [u8; HEADER_LEN] {
        let mut reply = self.reply;
        let [first, _, poll, ..] = &mut reply;
        *first |= (own.version & 7) << 3 | own.mode as u8;
        *poll = own.poll.cast_unsigned();
        if let Some(stamps) = reply.last_chunk_mut::<STAMPS>() {
            let times = [own.origin, own.receive, own.transmit];
            for (to, time) in stamps.as_chunks_mut().0.iter_mut().zip(times) {
                *to = time.0.to_be_bytes();
            }
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RefId;
    use crate::server::SyncedState;
    use crate::time::NANOS;

    const NOW: RawTime = RawTime::from_nanos(1_700_000_000 * NANOS);

    #[test]
    fn a_filled_template_is_the_packet_of_its_fields() {
        let state = ServerState::synchronised(&SyncedState {
            leap: Leap::Delete,
            stratum: 3,
            refid: RefId(0xc000_0207),
            reference: LocalTime::from_nanos(NOW.nanos()),
            root_delay: 0.01,
            root_dispersion: 0.5,
            dispersion_rate: 1e-4,
            at: NOW + -1000.0,
            precision: -23,
            cooking: crate::clock::Cooking::default(),
        });
        let state = ServerState { valid_until: NOW, ..state };
        let own = Individual {
            version: 3,
            mode: Mode::Passive,
            poll: -2,
            origin: NtpTime(0x0102_0304_0506_0708),
            receive: NtpTime(0x1112_1314_1516_1718),
            transmit: NtpTime(0x2122_2324_2526_2728),
        };
        let expected = Packet {
            leap: Leap::Delete,
            version: 3,
            mode: Mode::Passive,
            stratum: 3,
            poll: -2,
            precision: -23,
            root_delay: state.root_delay,
            root_dispersion: state.dispersion.at(NOW),
            refid: RefId(0xc000_0207),
            reference: state.reference,
            origin: own.origin,
            receive: own.receive,
            transmit: own.transmit,
        };
        assert_eq!(Template::new(&state, NOW).fill(&own), expected.emit());
        let kiss = Packet {
            leap: Leap::Unsynchronised,
            stratum: 0,
            root_delay: crate::time::NtpShort(0),
            root_dispersion: crate::time::NtpShort(0),
            refid: RefId(u32::from_be_bytes(*b"RATE")),
            ..expected
        };
        assert_eq!(Template::new(&state, NOW).kiss(&own), kiss.emit());
        let stale = Packet::parse(&Template::new(&state, NOW + 1e-9).fill(&own)).expect("a header");
        assert_eq!((stale.leap, stale.stratum, stale.refid), (Leap::Unsynchronised, 0, RefId::NONE));
    }
}
