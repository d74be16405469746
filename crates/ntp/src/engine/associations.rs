//! Asking sources: when and how requests leave. What comes back is for `responses`.

use super::peers::symmetric_interval;
use super::{Action, Actions, Engine, Severity, SocketSpec, Stamp, TxToken};
use crate::clock::Clock;
use crate::ids::{SocketId, SourceId};
use crate::source::Source;
use crate::source::exchange::{self, Request};
use crate::source::interleave::{self, Naming};
use crate::time::{MonoTime, Now, NtpTime};

/// First request after a source goes online, s.
pub(super) const INITIAL_DELAY: f64 = 0.2;
/// Random share of a poll interval.
pub(super) const POLL_RANDOMNESS: f64 = 0.02;
/// How long a socket waits beyond the longest accepted round trip, s.
const SOCKET_GRACE: f64 = 4.0;
/// How long a peer may take to answer, s: it does when it asks next.
const PEER_PATIENCE: f64 = 1e6;
/// Distance between the packet that warms up the path and the one that measures, s.
const PRESEND_INTERVAL: f64 = 2.0;
impl Engine {
    /// The source is to be asked from now on.
    pub(super) fn bring_online(&mut self, now: Now, id: SourceId) {
        let Some(index) = self.index_of(id) else { return };
        let source = &mut self.sources[index];
        source.config.online = true;
        source.poll.go_online(&source.config);
        if source.remote.is_some() && source.due.is_none() {
            self.schedule(now, index, INITIAL_DELAY);
        }
    }

    /// The next request leaves in `wait` seconds.
    pub(super) fn schedule(&mut self, now: Now, index: usize, wait: f64) {
        self.sources[index].due = Some(now.mono + wait);
    }

    /// Sends every request that is due, keeping a distance between sources. Who has waited longest goes first, so
    /// that everybody gets a turn even where the distances do not fit into the polling intervals.
    pub(super) fn send_due(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        for source in &mut self.sources {
            if let Some(request) = &source.request
                && request.deadline <= now.mono
                && !source.is_peer()
            {
                out.push(Action::CloseSocket(request.socket));
                source.request = None;
            }
        }
        // Each turn sends to one source, which is then due later: one turn a source is enough for all.
        for _ in 0..self.sources.len() {
            let ready = |&index: &usize| self.free_at(index).is_some_and(|at| at <= now.mono);
            let first = (0..self.sources.len()).filter(ready).min_by_key(|&index| self.sources[index].due);
            let Some(index) = first else { return };
            self.transmit(now, clock, index, out);
        }
    }

    /// When the source may be asked: when it is due, and far enough from the last request. The busier of the two
    /// sets the distance, or one that is asked many times a second would keep all others waiting.
    fn free_at(&self, index: usize) -> Option<MonoTime> {
        let source = &self.sources[index];
        let due = source.due?;
        let distant = self.last_request.map(|(at, spacing)| at + spacing.min(source.poll.spacing()));
        Some(distant.map_or(due, |at| at.max(due)))
    }

    fn transmit(&mut self, now: Now, clock: &mut dyn Clock, index: usize, out: &mut Actions) {
        self.missed(now, clock, index, out);
        // A source may have been removed or moved meanwhile.
        let Some(source) = self.sources.get_mut(index) else { return };
        let Some(remote) = source.remote else {
            source.due = None;
            return;
        };
        let (fresh, token) = (SocketId(self.next_socket), self.next_token);
        self.next_socket = self.next_socket.wrapping_add(1);
        self.next_token = self.next_token.wrapping_add(1);
        let is_peer = source.is_peer();
        if source.link.is_stale()
            && let Some(socket) = source.link.socket.take()
        {
            out.push(Action::CloseSocket(socket));
        }
        let kept = source.link.socket;
        let socket = kept.unwrap_or(fresh);
        let nonce = if is_peer { self.peer_stamp(now) } else { NtpTime(self.rng.bits() | 1) };
        // The other is even: a reply tells by them which mode it is in.
        let receive =
            if self.sources[index].config.xleave { NtpTime(self.rng.bits() & !1) } else { NtpTime::ZERO };
        let source = &mut self.sources[index];
        let warms_up = !source.poll.in_burst() && !is_peer && source.poll.exponent >= source.config.presend;
        let presend = warms_up && source.poll.sent_ahead < interleave::presends(&source.config);
        source.poll.sent_ahead = if presend { source.poll.sent_ahead + 1 } else { 0 };
        let min_delay = source.stats.min_delay();
        let poll = source.poll.effective(source.reach.reachable(), min_delay);
        let heard = source.reach.reachable();
        let unanswered = source.poll.unanswered;
        if !presend {
            source.poll.on_sent(&source.config);
            source.reach.shift();
        }
        let deadline =
            now.mono + if is_peer { PEER_PATIENCE } else { source.config.max_delay + SOCKET_GRACE };
        let interval = if presend {
            PRESEND_INTERVAL
        } else {
            let interval = source.poll.interval(source.reach.reachable(), min_delay);
            let interval = if is_peer { symmetric_interval(source, interval) } else { interval };
            let part = if source.poll.take_out_of_step() { 0.3 + 0.7 * self.rng.uniform() } else { 1.0 };
            let interval = interval * part;
            let ahead = if source.config.presend <= source.poll.exponent {
                interleave::presends(&source.config)
            } else {
                0
            };
            let early = f64::from(ahead) * PRESEND_INTERVAL;
            (interval - early).max(interval / 4.0) * (1.0 + POLL_RANDOMNESS * (self.rng.uniform() - 0.5))
        };
        let source = &mut self.sources[index];
        source.due = Some(now.mono + interval);
        source.rest();
        self.last_request = Some((now.mono, self.sources[index].poll.spacing()));
        let Source { config, earlier, .. } = &self.sources[index];
        let version = self.request_version(config);
        let naming = interleave::naming(config, version, earlier.as_ref(), unanswered, receive);
        let xleave = config.xleave;
        let mut packet = exchange::request_packet(version, poll, nonce);
        if let Some(naming) = naming {
            (packet.origin, packet.receive) = (naming.origin, naming.receive);
        }
        let (header, nonce, naming) = if is_peer {
            let (header, fields) = self.peer_packet(now, index, version, nonce);
            // Whatever mode ours is in, the peer's may be in the other.
            let naming = Naming { origin: fields.origin, receive: fields.receive };
            (header, fields.transmit, Some(naming).filter(|naming| xleave && !naming.receive.is_zero()))
        } else {
            (packet.emit(), nonce, naming)
        };
        let sealed = self.sealed(&self.sources[index].config, version, &header);
        if let Some(bytes) = sealed {
            let source = &mut self.sources[index];
            source.link.socket = is_peer.then_some(socket);
            source.seen.tx = source.seen.tx.wrapping_add(1);
            source.request = Some(Request {
                socket,
                token,
                nonce,
                naming,
                sent: None,
                presend,
                deadline,
                answered: false,
            });
            if kept.is_none() {
                out.push(Action::OpenSocket(SocketSpec { id: socket, remote, symmetric: is_peer }));
            }
            out.push(Action::Send { socket, token: TxToken(token), bytes });
        }
        if heard && !self.sources[index].reach.reachable() {
            self.update_selection(now, clock, None, out); // it has not been heard for too long
        }
    }

    /// The request before this one was not answered.
    fn missed(&mut self, now: Now, clock: &mut dyn Clock, index: usize, out: &mut Actions) {
        let source = &mut self.sources[index];
        if let Some(socket) = source.end_request() {
            out.push(Action::CloseSocket(socket));
        }
        // After the packet that warms up the path the same poll goes on.
        if source.poll.unanswered == 0 || source.poll.sent_ahead > 0 {
            return;
        }
        // Whom the clock follows is asked patiently, also when nobody answers and so nobody is selected.
        let followed = source.select.selected || self.reference.source == Some(source.id);
        source.poll.on_missed(followed);
        if source.reach.reachable() {
            source.unreach_count = 0;
            return;
        }
        source.unreach_count = source.unreach_count.saturating_add(1);
        let id = source.id;
        if source.reach.size == 8 {
            self.want_replacement(now, id, out);
        }
        self.update_selection(now, clock, None, out);
    }

    /// A request left, or the kernel tells more exactly when it did.
    pub(super) fn on_sent(&mut self, now: Now, token: u64, at: Stamp) {
        if !self.is_current(now, at.time) {
            return; // a better stamp that comes too late: the first one was good
        }
        let v = self.discipline.timeline().to_osc(at.time);
        let asked = |s: &Source| s.request.as_ref().is_some_and(|r| r.token == token);
        let Some(index) = self.sources.iter().position(asked) else { return };
        let source = &mut self.sources[index];
        source.count_stamp(&at, true);
        if let Some(request) = source.request.as_mut() {
            request.sent = Some((at, v));
        }
        if source.is_peer() && source.config.xleave {
            self.peer_left(index, at.time);
        }
    }

    /// A request could not be sent.
    pub(super) fn on_send_failed(&mut self, socket: SocketId, out: &mut Actions) {
        let Some(source) =
            self.sources.iter_mut().find(|s| s.request.as_ref().is_some_and(|r| r.socket == socket))
        else {
            return;
        };
        source.request = None;
        source.link.socket = None;
        out.push(Action::CloseSocket(socket));
        if source.config.auto_offline && source.poll.active() {
            source.poll.cut_off();
            source.rest();
            out.log(Severity::Info, format!("Source {} offline", source.label()));
        }
    }

    /// The loop found out whether there is a route to a source (`onoffline`).
    pub(super) fn on_route(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        id: SourceId,
        exists: bool,
        out: &mut Actions,
    ) {
        let Some(index) = self.index_of(id) else { return };
        let active = self.sources[index].poll.active();
        if exists && !active {
            self.bring_online(now, id);
        } else if !exists && active {
            self.take_offline(index);
        } else {
            return;
        }
        let line = if exists { "online" } else { "offline" };
        out.log(Severity::Info, format!("Source {} {line}", self.sources[index].label()));
        if !exists {
            self.update_selection(now, clock, None, out);
        }
    }

    /// The source is not asked any more; a burst goes on to its end. The caller selects anew.
    pub(super) fn take_offline(&mut self, index: usize) {
        let source = &mut self.sources[index];
        source.config.online = false;
        source.poll.go_offline();
        source.rest();
    }

    /// The next instant at which one of the sources wants attention.
    pub(super) fn next_source_event(&self) -> Option<MonoTime> {
        let due = (0..self.sources.len()).filter_map(|index| self.free_at(index));
        let asked = self.sources.iter().filter(|s| !s.is_peer());
        let close = asked.filter_map(|s| s.request.as_ref().map(|r| r.deadline));
        due.chain(close).min()
    }

    /// Our own address on the path to a source.
    pub(super) fn local_address(&self, id: SourceId) -> Option<core::net::IpAddr> {
        self.local_addresses.iter().find(|(source, _)| *source == id).map(|(_, address)| *address)
    }

    /// The socket of a request was opened: our address on that path is known.
    pub(super) fn on_opened(&mut self, socket: SocketId, local: core::net::IpAddr) {
        let Some(source) =
            self.sources.iter().find(|s| s.request.as_ref().is_some_and(|r| r.socket == socket))
        else {
            return;
        };
        let id = source.id;
        self.local_addresses.retain(|(source, _)| *source != id);
        self.local_addresses.push((id, local));
    }
}
