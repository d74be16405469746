//! Requests in, replies out: one batch at a time, the same in the main loop and in every serving thread.

use super::lateness::Lateness;
use super::sockets::{ServingSocket, pinned_interface};
use ntp::engine::{Stamp, StampSource};
use ntp::server::{Datagram, Load, ReplyBuf, Responder, ServerState, Template, Verdict};
use ntp::time::RawTime;
use sys::batch::{Batch, Reply, SIZE, Wait};
use sys::socket::Socket;

/// Room for a frame that comes back with its stamp: the longest reply behind the headers of all lower layers.
const FRAME: usize = 512;

/// Longest time (ns) that one more reply in a batch is believed to take: more was an interruption.
const LONGEST_SEND: i64 = 10_000;

/// Moves batches of requests from sockets to a responder and its replies back. Nothing is allocated after the start.
#[derive(Default)]
pub struct Answerer {
    batch: Batch,
    pace: Pace,
    lateness: Lateness,
    /// When the replies of this batch were begun (system clock, ns).
    begun: i64,
    /// Replies of this batch whose time of leaving the kernel was asked for.
    unstamped: usize,
    /// Datagrams of this batch.
    count: usize,
    /// What the kernel says it has dropped of this socket's, in this batch.
    drops: Option<u32>,
    /// Replies that did not leave, not counted yet.
    unsent: usize,
}

/// How long a reply of a batch waits for the others: its transmit time is when it leaves, not when it was written.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    /// Writing one reply takes so long, ns.
    write: i64,
    /// Sending one takes so long, ns.
    send: i64,
}

impl Pace {
    /// How long after it is written the reply to request `index` of `count` leaves, ns.
    fn wait(&self, index: usize, count: usize) -> i64 {
        let (before, after) = (index as i64, count.saturating_sub(index + 1) as i64);
        before * self.send + after * self.write
    }

    /// The last batch of `count` was written and sent in so many ns.
    fn learn(&mut self, count: usize, write: i64, send: i64) {
        for (mean, took) in [(&mut self.write, write), (&mut self.send, send)] {
            let each = (took / count.max(1) as i64).clamp(0, LONGEST_SEND);
            *mean += (each - *mean) / 8;
        }
    }
}

impl Answerer {
    /// Takes what waits at `socket`, at most a batch. Returns how many datagrams.
    pub fn receive(&mut self, socket: &Socket, wait: Wait) -> usize {
        self.batch.receive(socket, wait)
    }

    /// Writes the replies to the `count` datagrams received, by what `template` says; the system clock reads `now` (ns since the Unix
    /// epoch), and `raw` turns a reading of it into one of the clock we steer. [`Self::send`] them at once.
    pub fn answer(
        &mut self,
        count: usize,
        socket: &Socket,
        responder: &mut Responder,
        template: &Template,
        (now, raw): (i64, &dyn Fn(i64) -> RawTime),
    ) {
        let mut room = ReplyBuf::default();
        (self.unstamped, self.count, self.drops) = (0, count, None);
        // One of a batch, and not always the first.
        let asked =
            if socket.waits() && self.lateness.is_due(now) { now as usize % count.max(1) } else { SIZE };
        self.begun = now;
        let senders = (0..count).filter_map(|index| self.batch.sender(index));
        responder.expect(senders.map(|from| from.ip()), sys::cache::fetch);
        for index in 0..count {
            let received = self.batch.received(index);
            self.drops = received.drops.or(self.drops);
            let Some(from) = received.from else { continue };
            let rx = stamp(received.stamp, raw);
            let request = Datagram { from, to: received.to, rx, bytes: self.batch.bytes(index) };
            let wait = self.pace.wait(index, count) + self.lateness.usual();
            let mut told = 0;
            let transmit = || {
                told = sys::clock::realtime().saturating_add(wait);
                raw(told)
            };
            if let Verdict::Reply(_) = responder.respond(&request, template, transmit, &mut room) {
                let interface = pinned_interface(from, received.interface);
                let bytes = room.as_bytes();
                let stamp = room.wants_stamp() || index == asked;
                if index == asked {
                    self.lateness.ask(bytes, told);
                }
                let reply = Reply { bytes, from: received.reply_from, interface, stamp };
                self.unstamped += usize::from(stamp);
                // The source is of the socket's family.
                let _ = self.batch.reply(index, socket, &reply);
            }
        }
    }

    /// Counts the batch from `socket`, what was lost before it, and replies that did not leave before.
    pub fn count(&mut self, socket: &ServingSocket, responder: &mut Responder) {
        let load = Load { full: self.count == SIZE, lost: socket.new_drops(self.drops) };
        responder.note_load(load);
        let batches = responder.batches();
        batches.count(load.full, load.lost);
        batches.count_unsent(std::mem::take(&mut self.unsent));
    }

    /// Drops them unsent.
    pub fn forget(&mut self) {
        self.unsent = self.unsent.saturating_add(self.batch.forget());
    }

    /// Does a reply of the last batch want to be told when it left? Mostly the kernel knows as soon as [`Self::send`] returns.
    pub fn wants_stamps(&self) -> bool {
        self.unstamped > 0
    }

    /// Sends them. No room, no route: for the client the reply is lost on the way.
    pub fn send(&mut self, socket: &Socket) {
        let replies = self.batch.replies();
        let written = if replies > 1 { sys::clock::realtime() } else { 0 };
        let sent = self.batch.send(socket);
        self.unsent = self.unsent.saturating_add(replies.saturating_sub(sent));
        if sent > 1 {
            self.pace.learn(
                sent,
                written.saturating_sub(self.begun),
                sys::clock::realtime().saturating_sub(written),
            );
        }
    }

    /// Tells `responder` when replies in interleaved mode left: what the kernel has put into the error queue of `socket`. To be called
    /// after a batch for which [`Self::wants_stamps`], and whenever the socket's error queue makes it ready: until then it stays so.
    pub fn take_stamps(
        &mut self,
        socket: &Socket,
        responder: &mut Responder,
        state: &ServerState,
        raw: &dyn Fn(i64) -> RawTime,
    ) {
        let mut frame = [0; FRAME];
        // Each batch leaves at most one entry a reply; the rest of a longer queue keeps the socket ready.
        for _ in 0..2 * SIZE {
            let Ok(Some(sent)) = sys::message::receive_error_queue(socket, &mut frame) else { break };
            if let Some(system) = sent.stamp {
                let (frame, time) = (&frame[..sent.len], raw(system));
                self.lateness.left(frame, system);
                responder.sent(frame, Stamp { time, source: StampSource::Kernel }, state);
            }
        }
    }
}

/// A packet's stamp: the kernel's if it gave one, else now.
fn stamp(kernel: Option<i64>, raw: &dyn Fn(i64) -> RawTime) -> Stamp {
    match kernel {
        Some(system) => Stamp { time: raw(system), source: StampSource::Kernel },
        None => Stamp { time: raw(sys::clock::realtime()), source: StampSource::Daemon },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::config::AccessRule;
    use ntp::rng::Rng;
    use ntp::server::{AccessTable, ServeConfig};
    use ntp::time::NtpTime;
    use ntp::wire::{Mode, Packet};
    use std::net::{SocketAddr, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::sync::Arc;
    use std::time::Duration;
    use sys::poll::{Entry, poll};
    use sys::socket::{Family, Stamping};

    /// A server and its client on `loopback`; `None` where that family is missing.
    fn pair(loopback: &str) -> Option<(Socket, UdpSocket)> {
        let client = UdpSocket::bind((loopback, 0)).ok()?;
        let any: SocketAddr = client.local_addr().expect("bound");
        let server = Socket::udp(Family::of(&any)).expect("a socket");
        server.set_packet_info().and_then(|()| server.set_stamping(Stamping::Receive)).expect("options");
        server.bind(SocketAddr::new(any.ip(), 0)).expect("a free port");
        client.connect(server.local_addr().expect("bound")).expect("loopback");
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("an option");
        Some((server, client))
    }

    /// One request that names the reply to the one received at `origin`, and its reply.
    fn exchange(
        answerer: &mut Answerer,
        responder: &mut Responder,
        (server, client): (&Socket, &UdpSocket),
        origin: NtpTime,
    ) -> Packet {
        let request = ntp::source::exchange::request_packet(4, 6, NtpTime(9));
        client.send(&Packet { origin, receive: NtpTime(8), ..request }.emit()).expect("room");
        let mut entries = [Entry::new(server.as_raw_fd())];
        poll(&mut entries, Some(5_000_000_000)).expect("poll");
        assert!(entries[0].readable());
        let count = answerer.receive(server, Wait::No);
        let state = ServerState::unsynchronised(-25);
        let template = Template::new(&state, RawTime::from_nanos(sys::clock::realtime()));
        let now = sys::clock::realtime();
        answerer.answer(count, server, responder, &template, (now, &RawTime::from_nanos));
        answerer.send(server);
        if answerer.wants_stamps() {
            answerer.take_stamps(server, responder, &state, &RawTime::from_nanos);
        }
        let mut buffer = [0; 64];
        let len = client.recv(&mut buffer).expect("a reply");
        Packet::parse(&buffer[..len]).expect("a header")
    }

    #[test]
    fn the_kernel_says_when_replies_in_interleaved_mode_left() {
        let everybody = AccessRule { allow: true, all: false, subnet: None };
        for loopback in ["127.0.0.1", "::1"] {
            let Some((server, client)) = pair(loopback) else {
                eprintln!("SKIPPED: no {loopback} here");
                continue;
            };
            let config = ServeConfig {
                access: AccessTable::new(&[everybody]),
                held_stamps: 64,
                ..ServeConfig::default()
            };
            let mut responder = Responder::new(Arc::new(config), Rng::from_number(1));
            let mut answerer = Answerer::default();
            let sockets = (&server, &client);
            let first = exchange(&mut answerer, &mut responder, sockets, NtpTime::ZERO);
            assert!(!answerer.wants_stamps() && first.mode == Mode::Server, "basic mode costs nothing more");
            let second = exchange(&mut answerer, &mut responder, sockets, first.receive);
            assert!(answerer.wants_stamps() && second.origin == NtpTime(9));
            let third = exchange(&mut answerer, &mut responder, sockets, second.receive);
            assert_eq!(third.origin, NtpTime(8));
            let stats = responder.counters().stats;
            if (stats.kernel_tx, stats.daemon_tx) == (0, 3) {
                eprintln!("SKIPPED: this kernel stamps no outgoing packets of {loopback}");
                continue;
            }
            assert_eq!((stats.interleaved, stats.kernel_tx, stats.daemon_tx), (1, 1, 2));
            let took = third.transmit.to_local() - second.receive.to_local();
            assert!((0.0..1.0).contains(&took), "{took}");
            let mut entries = [Entry::new(server.as_raw_fd())];
            poll(&mut entries, Some(0)).expect("poll");
            assert!(!entries[0].any(), "nothing wakes the loop any more");
        }
    }

    #[test]
    fn a_reply_waits_for_those_written_after_it_and_those_sent_before_it() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(3, 64), 0, "nothing is known yet");
        for _ in 0..100 {
            pace.learn(10, 2_000, 8_000);
        }
        let each = (pace.write, pace.send);
        assert!((190..=200).contains(&each.0) && (790..=800).contains(&each.1), "{each:?}");
        assert_eq!(pace.wait(0, 1), 0, "alone, it goes at once");
        assert_eq!(pace.wait(0, 64), 63 * each.0);
        assert_eq!(pace.wait(63, 64), 63 * each.1);
        pace.learn(2, 3_000_000_000, -5);
        assert!(
            pace.write <= each.0 + LONGEST_SEND / 8 && pace.send < each.1,
            "an interruption, a stepped clock"
        );
    }
}
