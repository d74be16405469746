//! The server: one datagram in, at most one reply out, never longer than the request.
//!
//! Start with [`Responder::respond`]. It sees no socket and no clock: the caller brings the datagram with its
//! receive stamp, the [`Template`] made of the published [`ServerState`] and a way to read the clock at the last moment. The same code runs
//! in the main loop and in every serving thread, and allocates nothing.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

pub mod access;
pub mod batches;
pub mod clients;
pub mod held;
pub mod limit;
mod linear;
pub mod published;
pub mod ranges;
pub mod reject;
pub mod requests;
pub mod shards;
pub mod state;
pub mod template;
pub mod traffic;

pub use access::AccessTable;
pub use batches::Batches;
pub use held::HeldStamps;
pub use limit::{Limits, Load};
pub use published::{Published, Publisher};
pub use reject::{Counters, Reject, ServerStats};
pub use shards::{Shard, Shards};
pub use state::{ServerState, SyncedState};
pub use template::{Individual, Template};
pub use traffic::Traffic;

use crate::auth::{Keys, MAC_MAX, MacBytes};
use crate::engine::io::{Stamp, StampSource};
use crate::ids::KeyId;
use crate::rng::Rng;
use crate::time::{LocalTime, MonoTime, NANOS, NtpTime, RawTime};
use crate::wire::extension::{MAX_PACKET_LEN, Mac, NTS_KINDS, Tail};
use crate::wire::header::HEADER_LEN;
use crate::wire::{Mode, Packet, root};
use core::net::{IpAddr, SocketAddr};
use limit::{Admission, Gate};
use std::sync::Arc;

/// A datagram that came in on a serving socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Datagram<'a> {
    /// The sender.
    pub from: SocketAddr,
    /// The address it was sent to, if known.
    pub to: Option<IpAddr>,
    /// When it arrived.
    pub rx: Stamp,
    /// The payload.
    pub bytes: &'a [u8],
}

/// Room for one reply: a header and, when the request was authenticated, a MAC as long as the request's. So no reply
/// can be longer than its request.
#[derive(Clone, Copy, Debug)]
pub struct ReplyBuf {
    bytes: [u8; REPLY_MAX],
    len: usize,
    wants_stamp: bool,
}

/// Longest reply, bytes.
const REPLY_MAX: usize = HEADER_LEN + MAC_MAX;
const _: () = assert!(root::LEN <= MAC_MAX);

impl Default for ReplyBuf {
    fn default() -> Self {
        Self { bytes: [0; REPLY_MAX], len: 0, wants_stamp: false }
    }
}

impl ReplyBuf {
    /// The last reply.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Its client wants to know when it left: ask the kernel, and tell [`Responder::sent`].
    pub fn wants_stamp(&self) -> bool {
        self.wants_stamp
    }

    /// Puts `header`, and `mac` behind it.
    fn fill(&mut self, header: &[u8; HEADER_LEN], mac: &[u8]) {
        // `mac`, or the one extension field there is: never both.
        if let Some(room) = self.bytes.first_chunk_mut::<HEADER_LEN>() {
            *room = *header;
        }
        for (byte, value) in self.bytes.iter_mut().skip(HEADER_LEN).zip(mac) {
            *byte = *value;
        }
        self.len = HEADER_LEN.saturating_add(mac.len());
    }
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'b> {
    /// Send this back, from the address the request came to.
    Reply(&'b [u8]),
    /// Say nothing.
    Drop(Reject),
}

/// What a responder obeys and what rarely changes; shared by all serving threads.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Who may ask.
    pub access: AccessTable,
    /// Replies never suggest polling faster than this, log₂ s: the rate limit's interval, else −19.
    pub minimum_poll: i8,
    /// Pairs of stamps that a responder made with this has room for ([`HeldStamps`]); 0: no interleaved mode.
    pub held_stamps: usize,
    /// Keys of authenticated requests.
    pub keys: Arc<Keys>,
    /// Who is answered when not everybody is.
    pub limits: Limits,
    /// Memory for the clients of a responder made with this, bytes; 0: nobody is remembered, so nobody limited.
    pub client_bytes: usize,
    /// The length of IPv6 prefixes that are one client.
    pub client_prefix: u8,
    /// Memory for the log of requests of a responder made with this, bytes; 0: none.
    pub request_log: usize,
    /// Names the monotonic clock of this run (extension field F323).
    pub epoch: u32,
}

impl Default for ServeConfig {
    /// Nobody may ask.
    fn default() -> Self {
        Self {
            access: AccessTable::default(),
            minimum_poll: -19,
            held_stamps: 0,
            keys: Arc::default(),
            limits: Limits::default(),
            client_bytes: 0,
            client_prefix: 64,
            request_log: 0,
            epoch: 0,
        }
    }
}

/// Answers requests; one per thread.
#[derive(Clone, Debug)]
pub struct Responder {
    config: Arc<ServeConfig>,
    rng: Rng,
    counters: Counters,
    held: HeldStamps,
    gate: Gate,
}

/// A reply, and what the caller and the counters should know of it.
struct Answer {
    header: [u8; HEADER_LEN],
    /// Who stamped the transmit time told.
    tx: StampSource,
    interleaved: bool,
    wants_stamp: bool,
    /// The key to sign it with: the one of the request.
    key: Option<KeyId>,
    /// What the extension field F323 says, if the request had one.
    root: Option<root::Root>,
}

impl Default for Answer {
    /// In basic mode.
    fn default() -> Self {
        Self {
            header: [0; HEADER_LEN],
            tx: StampSource::Daemon,
            interleaved: false,
            wants_stamp: false,
            key: None,
            root: None,
        }
    }
}

/// Receive stamps may be this much newer than the transmit time (two clocks read the card and the system); a
/// request stamped still later was stamped before a backward step.
const STAMP_TOLERANCE: i64 = NANOS / 1000;

impl Responder {
    /// Answers by `config`; `rng` fills the bits below the clock's precision.
    pub fn new(config: Arc<ServeConfig>, rng: Rng) -> Self {
        let held = HeldStamps::new(config.held_stamps);
        // Of a copy: what is drawn for replies does not depend on who is remembered.
        let mut secrets = Rng::from_number(rng.clone().bits());
        let mut secret = || secrets.bits();
        let (key, classes) = ([secret(), secret()], secret());
        let mut gate = Gate::new(config.client_bytes, config.client_prefix, key, classes);
        gate.log_requests(config.request_log, secret());
        Self { config, rng, counters: Counters::default(), held, gate }
    }

    /// From now on answers by `config`. What memory it has was decided at the start.
    pub fn set_config(&mut self, config: Arc<ServeConfig>) {
        self.config = config;
    }

    /// What it answers by.
    pub fn config(&self) -> &Arc<ServeConfig> {
        &self.config
    }

    /// Totals since the start.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What came and went in batches: counted by who moves the datagrams.
    pub fn batches(&mut self) -> &mut Batches {
        &mut self.counters.batches
    }

    /// What is held for clients in interleaved mode.
    pub fn held(&self) -> &HeldStamps {
        &self.held
    }

    /// Who has asked, and what each may have.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The same, to change it.
    pub fn gate_mut(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// It is `now`; to be told once a batch, before its requests. Limits and reports of clients live by this time.
    pub fn set_time(&mut self, now: MonoTime) {
        self.gate.set_time(now);
    }

    /// A batch of requests from these `addresses` comes next, in this order. `fetch` has the memory around a word read without
    /// waiting for it: the processor then does so for all of them at the same time.
    pub fn expect(&mut self, addresses: impl Iterator<Item = IpAddr> + Clone, fetch: impl Fn(&u64)) {
        self.gate.expect(addresses, fetch);
    }

    /// What a batch told about the load: when there is too much to do, the loudest lose first.
    pub fn note_load(&mut self, load: Load) {
        self.gate.note(load);
    }

    /// A reply that wanted a stamp left at `tx`. `sent` ends with it: the kernel gives back the headers of lower layers too.
    /// How long its code of authentication is does not stand there: the receive time it told is looked for.
    pub fn sent(&mut self, sent: &[u8], tx: Stamp, state: &ServerState) -> bool {
        self.held.follow(state);
        (HEADER_LEN..=REPLY_MAX).step_by(4).any(|len| {
            let reply = sent.len().checked_sub(len).and_then(|at| sent.get(at..)).and_then(Packet::parse);
            reply.is_some_and(|reply| self.held.stamp(reply.receive, tx, state))
        })
    }

    /// Answers `request` or says why not, and counts either.
    ///
    /// `transmit` reads the clock; it is called once, last, and only if there is a reply (RFC 5905 §9.2). Checks
    /// go from cheap to dear: length, version, mode, source; access list; extension fields; authentication.
    pub fn respond<'b>(
        &mut self,
        request: &Datagram<'_>,
        template: &Template,
        transmit: impl FnOnce() -> RawTime,
        reply: &'b mut ReplyBuf,
    ) -> Verdict<'b> {
        self.gate.turn();
        let v6 = request.from.is_ipv6();
        self.counters.traffic.count_in(v6, request.bytes.len());
        match self.answer(request, template, transmit) {
            Ok(answer) => {
                let [first, ..] = answer.header;
                let mac = answer
                    .key
                    .and_then(|key| self.config.keys.get(key))
                    .map(|key| key.sign(first >> 3 & 7, &answer.header));
                let field = answer.root.map(|root| root.emit());
                let field = field.as_ref().map_or(&[][..], |field| field.as_slice());
                reply.fill(&answer.header, mac.as_ref().map_or(field, MacBytes::as_bytes));
                reply.wants_stamp = answer.wants_stamp;
                self.counters.traffic.count_out(v6, reply.len);
                self.counters.count_reply(request.rx.source, &answer);
                Verdict::Reply(reply.as_bytes())
            }
            Err(reject) => {
                self.counters.count_reject(reject);
                reply.wants_stamp = false;
                Verdict::Drop(reject)
            }
        }
    }

    fn answer(
        &mut self,
        datagram: &Datagram<'_>,
        template: &Template,
        transmit: impl FnOnce() -> RawTime,
    ) -> Result<Answer, Reject> {
        let (request, mode) = examine(datagram)?;
        if !self.config.access.check(datagram.from.ip()) {
            return Err(Reject::AccessDenied);
        }
        let tail = Tail::parse(request.version, datagram.bytes).map_err(|_| Reject::MalformedExtension)?;
        self.counters.count_request();
        let state = template.state();
        let received = || state.local(datagram.rx.time).into();
        let admission =
            self.gate.admit(&self.config.limits, &request, datagram.from, received, || self.rng.bits());
        if admission == Admission::Drop {
            self.counters.stats.dropped = self.counters.stats.dropped.wrapping_add(1);
            return Err(Reject::RateLimited);
        }
        let key = match tail.mac {
            Mac::Absent => None,
            Mac::CryptoNak => return Err(Reject::CryptoNak),
            Mac::Present { key, digest } => {
                let known = self.config.keys.get(key).ok_or(Reject::UnknownKey)?;
                let signed = datagram.bytes.get(..tail.authenticated_len()).unwrap_or(&[]);
                if !known.verify(request.version, signed, digest) {
                    return Err(Reject::BadMac);
                }
                Some(key)
            }
        };
        if tail.fields().any(|field| NTS_KINDS.contains(&field.kind)) {
            return Err(Reject::NtsUnavailable);
        }
        let rx = datagram.rx.time;
        if rx < state.earliest {
            return Err(Reject::StaleStamp);
        }
        let noise = self.rng.bits();
        let receive = receive_time(state.local(rx), state.precision, noise as u32);
        let tx = transmit();
        if rx.nanos_since(tx) > STAMP_TOLERANCE {
            return Err(Reject::StaleStamp);
        }
        let transmit = transmit_time(state.local(tx), state.precision, (noise >> 32) as u32, receive);
        let poll = request.poll.max(self.config.minimum_poll);
        let (version, origin) = (request.version, request.transmit);
        let mut individual = Individual { version, mode, poll, origin, receive, transmit };
        let mut answer = Answer { key, ..Answer::default() };
        if admission == Admission::Kiss {
            answer.header = template.kiss(&individual);
            return Ok(answer);
        }
        if asks_interleaved(&request, mode) {
            self.interleave(&request, (rx, tx), state, &mut individual, &mut answer);
        }
        answer.header = template.fill(&individual);
        let asked = tail.fields().any(|f| f.kind == root::KIND && root::Root::parse(f.body).is_some());
        if asked && answer.key.is_none() {
            answer.root = Some(self.fine_root(rx, state));
        }
        Ok(answer)
    }

    /// Root delay and dispersion as finely as they are known, and the receive time on the monotonic clock.
    fn fine_root(&self, rx: RawTime, state: &ServerState) -> root::Root {
        let system = rx.nanos().saturating_sub(state.reading.ahead);
        let monotonic = system.saturating_sub(state.realtime_minus_monotonic);
        root::Root {
            delay: state.root_delay.seconds(),
            dispersion: state.dispersion.seconds(rx),
            receive: NtpTime::from_unix_nanos(monotonic),
            epoch: self.config.epoch,
        }
    }

    /// The client asked in interleaved mode: it is told when the reply it names left, if that is still known; and this
    /// one's stamps are held for its next request. (`stamps`: when the request came and when the reply leaves.)
    fn interleave(
        &mut self,
        request: &Packet,
        stamps: (RawTime, RawTime),
        state: &ServerState,
        reply: &mut Individual,
        answer: &mut Answer,
    ) {
        self.held.follow(state);
        if let Some((transmit, source)) = self.held.take(request.origin) {
            (reply.origin, reply.transmit) = (request.receive, transmit);
            (answer.tx, answer.interleaved) = (source, true);
        }
        self.held.hold(reply.receive, stamps.0, stamps.1, state);
        answer.wants_stamp = self.held.capacity() != 0;
    }
}

/// Has a request, a client's or a peer's, the form of interleaved mode (RFC 9769 §2, §3)? It then names the last reply by its receive time, which our
/// replies mark by its lowest bit. Nothing is held for clients that ask otherwise.
fn asks_interleaved(request: &Packet, mode: Mode) -> bool {
    request.version == 4
        && matches!(mode, Mode::Server | Mode::Passive)
        && request.origin.0 & 1 == 1
        && request.receive != request.transmit
}

/// The cheap checks: the request's header and the mode of the answer.
fn examine(datagram: &Datagram<'_>) -> Result<(Packet, Mode), Reject> {
    let len = datagram.bytes.len();
    let request = Packet::parse(datagram.bytes).ok_or(Reject::TooShort)?;
    if len > MAX_PACKET_LEN {
        return Err(Reject::TooLong);
    }
    if !len.is_multiple_of(4) {
        return Err(Reject::OddLength);
    }
    if !(1..=4).contains(&request.version) {
        return Err(Reject::BadVersion);
    }
    let mode = match request.mode {
        Mode::Client => Mode::Server,
        Mode::Active => Mode::Passive,
        // NTPv1 had no modes in client requests (RFC 1059); from port 123 it would be another server.
        Mode::Reserved if request.version == 1 && datagram.from.port() != NTP_PORT => Mode::Server,
        _ => return Err(Reject::NotARequest),
    };
    let source = datagram.from.ip();
    if datagram.from.port() == 0 || source.is_unspecified() || source.is_multicast() {
        return Err(Reject::BadSource);
    }
    Ok((request, mode))
}

/// Where NTP servers listen.
const NTP_PORT: u16 = 123;

/// The bits of an NTP time stamp below `precision` (log₂ s).
fn noise_mask(precision: i8) -> u64 {
    let bits = i32::from(precision).saturating_add(32).clamp(0, 32).unsigned_abs();
    (1u64 << bits).wrapping_sub(1)
}

/// Random below the precision; the lowest bit is 1, which marks a receive time (chrony's way to recognise
/// interleaved requests without a table).
fn receive_time(time: LocalTime, precision: i8, noise: u32) -> NtpTime {
    let mask = noise_mask(precision);
    NtpTime(NtpTime::from(time).0 & !mask | u64::from(noise) & mask | 1)
}

/// Random below the precision; the lowest bit is 0. Never earlier than `receive` for the randomness' sake: a
/// reply that leaves before its request came would look broken.
fn transmit_time(time: LocalTime, precision: i8, noise: u32, receive: NtpTime) -> NtpTime {
    let mask = noise_mask(precision);
    let exact = NtpTime::from(time).0;
    let blurred = (exact & !mask | u64::from(noise) & mask) & !1;
    let before = |time: u64| time.wrapping_sub(receive.0).cast_signed() < 0;
    let same_quantum = (exact & !mask) == (receive.0 & !mask);
    NtpTime(if before(blurred) && same_quantum { receive.0.wrapping_add(1) } else { blurred })
}

#[cfg(test)]
mod tests;
