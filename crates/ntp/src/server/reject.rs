//! Why a datagram got no answer, and how often: every refusal has a name and a counter.

use super::Answer;
use super::{Batches, Traffic};
use crate::engine::io::StampSource;

macro_rules! rejects {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A refusal, named by the misdeed, in the order of the checks (the cheap ones first).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reject {
            $($(#[$doc])* $name,)*
        }

        impl Reject {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in reports and metrics: lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

rejects! {
    /// Fewer than the 48 bytes of a header.
    TooShort = "too_short",
    /// More than [`crate::wire::extension::MAX_PACKET_LEN`] bytes.
    TooLong = "too_long",
    /// The length is not a multiple of four.
    OddLength = "odd_length",
    /// A version other than 1 to 4.
    BadVersion = "bad_version",
    /// A mode that asks for nothing; answering could start a ping-pong or amplify (CVE-2009-3563, CVE-2013-5211).
    NotARequest = "not_a_request",
    /// A source that cannot be answered: port 0, the unspecified or a multicast address.
    BadSource = "bad_source",
    /// The access list says no.
    AccessDenied = "access_denied",
    /// Extension fields that do not add up.
    MalformedExtension = "malformed_extension",
    /// Over the limit of its client.
    RateLimited = "rate_limited",
    /// Authenticated with a key we do not have.
    UnknownKey = "unknown_key",
    /// Authenticated with a key we have, but not by its holder, or changed on the way.
    BadMac = "bad_mac",
    /// A crypto-NAK: no request.
    CryptoNak = "crypto_nak",
    /// Asks for network time security, which this server does not have: the client could not use a plain reply.
    NtsUnavailable = "nts_unavailable",
    /// Received before the clock was stepped: its receive time would be wrong.
    StaleStamp = "stale_stamp",
}

/// Number of [`Reject`]s.
const REJECTS: usize = Reject::ALL.len();

/// Totals of one [`super::Responder`]; totals of several are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// What `serverstats` reports.
    pub stats: ServerStats,
    rejects: [u64; REJECTS],
    /// What came and went.
    pub traffic: Traffic,
    /// How they were moved.
    pub batches: Batches,
}

/// The figures of chronyc's `serverstats` that a responder knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Well-formed requests from allowed addresses.
    pub received: u64,
    /// Of these, dropped by the rate limit.
    pub dropped: u64,
    /// Replies given.
    pub answered: u64,
    /// Of these, authenticated.
    pub authenticated: u64,
    /// Of these, in interleaved mode.
    pub interleaved: u64,
    /// Replies whose receive time this program took.
    pub daemon_rx: u64,
    /// Replies whose receive time the kernel took.
    pub kernel_rx: u64,
    /// Replies whose receive time the network card took.
    pub hardware_rx: u64,
    /// Replies whose transmit time this program took.
    pub daemon_tx: u64,
    /// Replies whose transmit time the kernel took (interleaved mode).
    pub kernel_tx: u64,
    /// Replies whose transmit time the network card took (interleaved mode).
    pub hardware_tx: u64,
}

impl Counters {
    /// How often `reject` happened.
    pub fn rejected(&self, reject: Reject) -> u64 {
        self.rejects.get(reject as usize).copied().unwrap_or(0)
    }

    /// Every refusal with its count.
    pub fn rejects(&self) -> impl Iterator<Item = (Reject, u64)> + '_ {
        Reject::ALL.iter().copied().zip(self.rejects)
    }

    /// All datagrams that got no answer.
    pub fn total_rejected(&self) -> u64 {
        self.rejects.iter().fold(0, |sum, &n| sum.wrapping_add(n))
    }

    /// Adds another responder's totals.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.rejects.iter_mut().zip(other.rejects) {
            *mine = mine.wrapping_add(theirs);
        }
        let theirs = other.stats.all();
        for (mine, theirs) in self.stats.all_mut().into_iter().zip(theirs) {
            *mine = mine.wrapping_add(theirs);
        }
        self.traffic.add(&other.traffic);
        self.batches.add(other.batches);
    }

    pub(super) fn count_reject(&mut self, reject: Reject) {
        if let Some(counter) = self.rejects.get_mut(reject as usize) {
            *counter = counter.wrapping_add(1);
        }
    }

    pub(super) fn count_request(&mut self) {
        self.stats.received = self.stats.received.wrapping_add(1);
    }

    pub(super) fn count_reply(&mut self, rx: StampSource, answer: &Answer) {
        let stats = &mut self.stats;
        let received = match rx {
            StampSource::Daemon => &mut stats.daemon_rx,
            StampSource::Kernel => &mut stats.kernel_rx,
            StampSource::Hardware => &mut stats.hardware_rx,
        };
        *received = received.wrapping_add(1);
        stats.answered = stats.answered.wrapping_add(1);
        stats.interleaved = stats.interleaved.wrapping_add(u64::from(answer.interleaved));
        stats.authenticated = stats.authenticated.wrapping_add(u64::from(answer.key.is_some()));
        let sent = match answer.tx {
            StampSource::Daemon => &mut stats.daemon_tx,
            StampSource::Kernel => &mut stats.kernel_tx,
            StampSource::Hardware => &mut stats.hardware_tx,
        };
        *sent = sent.wrapping_add(1);
    }
}

impl ServerStats {
    /// Every counter, so that none is forgotten in a sum: a new field does not compile until it is listed.
    fn all_mut(&mut self) -> [&mut u64; 11] {
        let Self {
            received,
            dropped,
            answered,
            authenticated,
            interleaved,
            daemon_rx,
            kernel_rx,
            hardware_rx,
            daemon_tx,
            kernel_tx,
            hardware_tx,
        } = self;
        [
            received,
            dropped,
            answered,
            authenticated,
            interleaved,
            daemon_rx,
            kernel_rx,
            hardware_rx,
            daemon_tx,
            kernel_tx,
            hardware_tx,
        ]
    }

    fn all(mut self) -> [u64; 11] {
        self.all_mut().map(|n| *n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reject_has_its_own_name_and_counter() {
        let mut counters = Counters::default();
        for (i, &reject) in Reject::ALL.iter().enumerate() {
            assert_eq!(reject as usize, i);
            assert!(reject.name().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{reject:?}");
            assert_eq!(Reject::ALL.iter().filter(|other| other.name() == reject.name()).count(), 1);
            (0..=i).for_each(|_| counters.count_reject(reject));
        }
        for (i, (reject, count)) in counters.rejects().enumerate() {
            assert_eq!((reject as usize, count, counters.rejected(reject)), (i, i as u64 + 1, i as u64 + 1));
        }
        assert_eq!(counters.total_rejected(), (1..=Reject::ALL.len() as u64).sum::<u64>());
    }

    #[test]
    fn sums_contain_every_counter() {
        let mut one = Counters::default();
        one.count_reject(Reject::BadVersion);
        for (i, counter) in one.stats.all_mut().into_iter().enumerate() {
            *counter = i as u64 + 1;
        }
        let mut sum = one;
        sum.add(&one);
        assert_eq!(sum.rejected(Reject::BadVersion), 2);
        assert_eq!(sum.stats.all(), one.stats.all().map(|n| 2 * n));
    }
}
