//! Flows: who asks what, and how often. Everything about a request follows from its number in the flow, so that its
//! reply can be judged without a record of it.

use crate::junk;
use crate::wire::{Endpoint, HEADERS, NTP, TRANSMIT, mixed, seal};
use sys::packets::Frame;

/// The addresses clients have from here on upwards: 10.100.0.1.
pub const CLIENTS: u32 = 0x0a64_0001;
/// Addresses nobody has, for forgers: 10.160.0.0, with room for 2²¹.
pub const FORGED: u32 = 0x0aa0_0000;

/// Whom the requests of a flow come from.
#[derive(Clone, Debug)]
pub enum Sources {
    /// `count` addresses from `base` on, at random; each keeps one port.
    Random {
        /// The lowest.
        base: u32,
        /// How many.
        count: u32,
    },
    /// The same, one after the other.
    InTurn {
        /// The lowest.
        base: u32,
        /// How many.
        count: u32,
    },
    /// As [`Self::InTurn`], but from a random port each time: who forges an address does not know its port.
    Forged {
        /// The lowest.
        base: u32,
        /// How many.
        count: u32,
    },
    /// The address of each request, as a distance from [`CLIENTS`].
    Listed(Vec<u32>),
}

impl Sources {
    fn of(&self, number: u32) -> Endpoint {
        let random = mixed(u64::from(number));
        let own_port = |address: u32| 1024 + (address.wrapping_mul(2_654_435_761) >> 16) as u16 % 60_000;
        let fixed = |address: u32| Endpoint { address, port: own_port(address) };
        match *self {
            Self::Random { base, count } => fixed(base + (random >> 32) as u32 % count.max(1)),
            Self::InTurn { base, count } => fixed(base + number % count.max(1)),
            Self::Forged { base, count } => Endpoint {
                address: base + number % count.max(1),
                port: 1024 + (random >> 16) as u16 % 60_000,
            },
            Self::Listed(ref list) => fixed(CLIENTS + list.get(number as usize).copied().unwrap_or(0)),
        }
    }
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Requests of NTP version 4, 48 bytes.
    Request,
    /// What nobody should send (see [`junk`]).
    Junk,
}

/// When requests are sent, in an open loop.
#[derive(Clone, Debug)]
pub enum Pace {
    /// So many a second, evenly.
    Rate(f64),
    /// At these times, s, ascending.
    Times(Vec<f64>),
}

impl Pace {
    /// How many are due after `elapsed` seconds.
    pub fn due(&self, elapsed: f64) -> u64 {
        match self {
            Self::Rate(rate) => (elapsed * rate) as u64 + 1,
            Self::Times(times) => times.partition_point(|&time| time <= elapsed) as u64,
        }
    }
}

/// A flow of datagrams to the server.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What it is called in reports.
    pub name: &'static str,
    /// Whom it comes from.
    pub sources: Sources,
    /// What it is.
    pub kind: Kind,
    /// How often, in an open loop.
    pub pace: Pace,
}

impl Flow {
    /// Requests of `count` clients at random, for closed loops.
    pub fn clients(count: u32) -> Self {
        Self {
            name: "clients",
            sources: Sources::Random { base: CLIENTS, count },
            kind: Kind::Request,
            pace: Pace::Rate(0.0),
        }
    }

    /// Writes request `number`; `tag` becomes its transmit time stamp, which its reply will repeat.
    pub fn write(&self, number: u32, tag: u64, frame: &mut Frame) {
        let from = self.sources.of(number);
        match self.kind {
            Kind::Request => {
                let payload = &mut frame.bytes[HEADERS..HEADERS + NTP];
                payload.fill(0);
                payload[..4].copy_from_slice(&[0b00_100_011, 0, 10, 0x20]);
                payload[TRANSMIT..].copy_from_slice(&tag.to_be_bytes());
                seal(frame, from, NTP);
            }
            Kind::Junk => {
                let (from, len) = junk::write(number, tag, from, &mut frame.bytes[HEADERS..]);
                seal(frame, from, len);
            }
        }
    }

    /// Whom the reply to request `number` must go to, and the longest it may be; `None`: there must be none.
    pub fn expects(&self, number: u32, tag: u64, scratch: &mut Frame) -> Option<(Endpoint, usize)> {
        let from = self.sources.of(number);
        match self.kind {
            Kind::Request => Some((from, NTP)),
            Kind::Junk => {
                let (from, len) = junk::write(number, tag, from, &mut scratch.bytes[HEADERS..]);
                junk::may_be_answered(&scratch.bytes[HEADERS..HEADERS + len]).then_some((from, len))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_keeps_its_port_and_a_forger_does_not_know_it() {
        let (own, forged) =
            (Sources::InTurn { base: CLIENTS, count: 7 }, Sources::Forged { base: CLIENTS, count: 7 });
        assert_eq!(own.of(3), own.of(10));
        assert_eq!(forged.of(3).address, own.of(3).address);
        assert_ne!(forged.of(3).port, forged.of(10).port);
        let random = Sources::Random { base: CLIENTS, count: 7 };
        let mut seen: Vec<u32> = (0..200).map(|number| random.of(number).address - CLIENTS).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
    }

    #[test]
    fn pace_counts_what_is_due() {
        assert_eq!(Pace::Rate(1000.0).due(0.5), 501);
        let times = Pace::Times(vec![0.0, 2.0, 4.0]);
        assert_eq!([0.0, 1.9, 2.0, 9.0].map(|elapsed| times.due(elapsed)), [1, 1, 2, 3]);
    }
}
