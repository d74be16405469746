//! Requests in, replies out: one batch at a time, the same in the main loop and in every serving thread.

use super::sockets::pinned_interface;
use ntp::engine::{Stamp, StampSource};
use ntp::server::{Datagram, ReplyBuf, Responder, Template, Verdict};
use ntp::time::RawTime;
use sys::batch::{Batch, Reply};
use sys::socket::Socket;

/// Longest time (ns) that one more reply in a batch is believed to take: more was an interruption.
const LONGEST_SEND: i64 = 10_000;

/// Moves batches of requests from sockets to a responder and its replies back. Nothing is allocated after the start.
#[derive(Default)]
pub struct Answerer {
    batch: Batch,
    pace: Pace,
    /// When the replies of this batch were begun (system clock, ns).
    begun: i64,
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
    pub fn receive(&mut self, socket: &Socket) -> usize {
        self.batch.receive(socket)
    }

    /// Writes the replies to the `count` datagrams received, by what `template` says now; `raw` turns a reading of the system clock
    /// (ns since the Unix epoch) into one of the clock we steer. [`Self::send`] them at once.
    pub fn answer(
        &mut self,
        count: usize,
        socket: &Socket,
        responder: &mut Responder,
        template: &Template,
        raw: impl Fn(i64) -> RawTime,
    ) {
        let mut room = ReplyBuf::default();
        self.begun = sys::clock::realtime();
        for index in 0..count {
            let received = self.batch.received(index);
            let Some(from) = received.from else { continue };
            let rx = stamp(received.stamp, &raw);
            let request = Datagram { from, to: received.to, rx, bytes: self.batch.bytes(index) };
            let wait = self.pace.wait(index, count);
            let transmit = || raw(sys::clock::realtime().saturating_add(wait));
            if let Verdict::Reply(bytes) = responder.respond(&request, template, transmit, &mut room) {
                let interface = pinned_interface(from, received.interface);
                let reply = Reply { bytes, from: received.reply_from, interface, stamp: false };
                // The source is of the socket's family.
                let _ = self.batch.reply(index, socket, &reply);
            }
        }
    }

    /// Sends them. No room, no route: for the client the reply is lost on the way.
    pub fn send(&mut self, socket: &Socket) {
        let written = sys::clock::realtime();
        let sent = self.batch.send(socket);
        if sent > 1 {
            self.pace.learn(
                sent,
                written.saturating_sub(self.begun),
                sys::clock::realtime().saturating_sub(written),
            );
        }
    }
}

/// A packet's stamp: the kernel's if it gave one, else now.
fn stamp(kernel: Option<i64>, raw: impl Fn(i64) -> RawTime) -> Stamp {
    match kernel {
        Some(system) => Stamp { time: raw(system), source: StampSource::Kernel },
        None => Stamp { time: raw(sys::clock::realtime()), source: StampSource::Daemon },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
