//! Talking to sources: requests out, responses in.

use super::{Action, Actions, Engine, Meta, PacketBuf, Severity, SocketSpec, Stamp, TxToken};
use crate::clock::Clock;
use crate::config::SourceKind;
use crate::estimator::Theta;
use crate::ids::{RefId, SocketId, SourceId};
use crate::source::checks::{self, Check, Checks, DelayHistory, OurReference};
use crate::source::exchange::{self, Measured, Request};
use crate::source::poll::Line;
use crate::source::{LastResponse, Source};
use crate::time::{MonoTime, Now, NtpTime};
use crate::wire::{Leap, Mode, Packet};

/// First request after a source goes online, s.
pub(super) const INITIAL_DELAY: f64 = 0.2;
/// Random share of a poll interval.
const POLL_RANDOMNESS: f64 = 0.02;
/// How long a socket waits beyond the longest accepted round trip, s.
const SOCKET_GRACE: f64 = 4.0;
/// Distance between the packet that warms up the path and the one that measures, s.
const PRESEND_INTERVAL: f64 = 2.0;
/// The kiss code that asks us to slow down.
const KISS_RATE: RefId = RefId(u32::from_be_bytes(*b"RATE"));

impl Engine {
    /// The source is to be asked from now on.
    pub(super) fn bring_online(&mut self, now: Now, id: SourceId) {
        let Some(index) = self.index_of(id) else { return };
        let source = &mut self.sources[index];
        source.config.online = true;
        let config = source.config.clone();
        source.poll.go_online(&config);
        if source.remote.is_some() && source.due.is_none() {
            self.schedule(now, index, INITIAL_DELAY);
        }
    }

    /// The next request leaves in `wait` seconds.
    pub(super) fn schedule(&mut self, now: Now, index: usize, wait: f64) {
        self.sources[index].due = Some(now.mono + wait);
    }

    /// Sends every request that is due, keeping a distance between sources.
    pub(super) fn send_due(&mut self, now: Now, clock: &mut dyn Clock, out: &mut Actions) {
        for index in 0..self.sources.len() {
            if let Some(request) = &self.sources[index].request
                && request.deadline <= now.mono
            {
                out.push(Action::CloseSocket(request.socket));
                self.sources[index].request = None;
            }
            if !self.sources[index].due.is_some_and(|at| at <= now.mono) {
                continue;
            }
            let spacing = self.sources[index].poll.spacing();
            match self.last_request.map(|at| at + spacing) {
                Some(free) if free > now.mono => self.sources[index].due = Some(free),
                _ => self.transmit(now, clock, index, out),
            }
        }
    }

    fn transmit(&mut self, now: Now, clock: &mut dyn Clock, index: usize, out: &mut Actions) {
        self.missed(now, clock, index, out);
        // A source may have been removed or moved meanwhile.
        let Some(remote) = self.sources.get(index).and_then(|s| s.remote) else { return };
        let (socket, token) = (SocketId(self.next_socket), self.next_token);
        self.next_socket = self.next_socket.wrapping_add(1);
        self.next_token = self.next_token.wrapping_add(1);
        let nonce = NtpTime(self.rng.bits() | 1);
        let source = &mut self.sources[index];
        let presend = !source.poll.in_burst()
            && source.config.kind != SourceKind::Peer
            && source.poll.exponent >= source.config.presend
            && !source.poll.presend_due;
        source.poll.presend_due = presend;
        let min_delay = source.stats.min_delay();
        let poll = source.poll.effective(source.reach.reachable(), min_delay);
        let version = if source.config.version == 0 { 4 } else { source.config.version };
        let packet = exchange::request_packet(version, poll, nonce).emit();
        if !presend {
            let config = source.config.clone();
            source.poll.on_sent(&config);
            source.reach.shift();
        }
        source.seen.tx = source.seen.tx.wrapping_add(1);
        let deadline = now.mono + source.config.max_delay + SOCKET_GRACE;
        source.request =
            Some(Request { socket, token, nonce, sent: None, presend, deadline, answered: false });
        let interval = if presend {
            PRESEND_INTERVAL
        } else {
            let interval = source.poll.interval(source.reach.reachable(), min_delay);
            let early = if source.config.presend <= source.poll.exponent { PRESEND_INTERVAL } else { 0.0 };
            (interval - early).max(interval / 4.0) * (1.0 + POLL_RANDOMNESS * (self.rng.uniform() - 0.5))
        };
        let source = &mut self.sources[index];
        source.due = if source.poll.active() { Some(now.mono + interval) } else { None };
        self.last_request = Some(now.mono);
        out.push(Action::OpenSocket(SocketSpec { id: socket, remote }));
        out.push(Action::Send { socket, token: TxToken(token), bytes: PacketBuf::new(&packet) });
    }

    /// The request before this one was not answered.
    fn missed(&mut self, now: Now, clock: &mut dyn Clock, index: usize, out: &mut Actions) {
        let source = &mut self.sources[index];
        if let Some(request) = source.request.take()
            && !request.answered
        {
            out.push(Action::CloseSocket(request.socket));
        }
        if source.poll.unanswered == 0 {
            return;
        }
        let selected = source.select.selected;
        source.poll.on_missed(selected);
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
    pub(super) fn on_sent(&mut self, token: u64, at: Stamp) {
        let Some(source) =
            self.sources.iter_mut().find(|s| s.request.as_ref().is_some_and(|r| r.token == token))
        else {
            return;
        };
        source.count_stamp(&at, true);
        if let Some(request) = source.request.as_mut() {
            request.sent = Some(at);
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
        if source.config.auto_offline && source.poll.line != Line::Offline {
            source.poll.go_offline();
            source.due = None;
            out.log(Severity::Info, format!("Source {} offline", source.label()));
        }
    }

    /// A datagram came in on the socket of a request.
    pub(super) fn on_datagram(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        socket: SocketId,
        meta: &Meta,
        rx: &Stamp,
        bytes: &[u8],
        out: &mut Actions,
    ) {
        let position = self
            .sources
            .iter()
            .position(|s| s.request.as_ref().is_some_and(|r| r.socket == socket && !r.answered));
        let Some(index) = position else { return };
        let source = &mut self.sources[index];
        source.seen.rx = source.seen.rx.wrapping_add(1);
        source.count_stamp(rx, false);
        if source.remote != Some(meta.from) {
            return;
        }
        let Some(packet) = Packet::parse(bytes) else { return };
        // A response without authentication is the bare header; extension fields we did not ask for are ignored.
        if bytes.len() % 4 != 0 || packet.mode != Mode::Server || !(1..=4).contains(&packet.version) {
            return;
        }
        let mut passed = Checks::default();
        let request = source.request.as_ref();
        checks::answers(&mut passed, &packet, request.map(|r| r.nonce), source.last_stamps());
        checks::fit(&mut passed, &packet);
        // Keys and NTS cannot be verified yet: a source that asks for them is not used without.
        passed.set(Check::Authentic, source.config.key == 0 && !source.config.nts);
        let kiss = packet.leap == Leap::Unsynchronised && packet.stratum == 0 && packet.refid == KISS_RATE;
        if kiss && passed.passed(Check::Origin) {
            self.on_kiss_rate(now, index, out);
            return;
        }
        let Some(sent) = request.and_then(|r| r.sent) else { return };
        let presend = request.is_some_and(|r| r.presend);
        let correction = source.config.offset;
        let measured = exchange::measure(
            sent.time,
            &packet,
            rx.time,
            self.discipline.timeline(),
            self.precision,
            self.clock_error_bound(),
            correction,
        );
        self.judge(index, &mut passed, &packet, &measured, presend, meta);
        self.accept(now, clock, index, passed, &packet, &measured, (sent, *rx), meta, out);
    }

    /// Tests A–D.
    fn judge(
        &mut self,
        index: usize,
        passed: &mut Checks,
        packet: &Packet,
        measured: &Measured,
        presend: bool,
        meta: &Meta,
    ) {
        let ours = self.our_reference(meta);
        let max_error = self.clock_error_bound();
        let source = &self.sources[index];
        let history = source.stats.min_delay().map(|min_delay| {
            let age = source.stats.last().map_or(0.0, |last| (measured.sample.v - last.v).abs());
            let estimate = source.stats.estimate();
            let known = estimate.is_some_and(|e| e.has_frequency());
            DelayHistory {
                min_delay: if source.config.min_delay > 0.0 { source.config.min_delay } else { min_delay },
                // Before a line exists the spread is unknown: the test must not refuse anything then.
                std_dev: if known { source.stats.std_dev().max(self.precision) } else { f64::INFINITY },
                quantile: (source.config.max_delay_quant > 0.0)
                    .then(|| source.stats.delay_quantile(source.config.max_delay_quant))
                    .flatten(),
                slack: max_error * age + estimate.map_or(0.0, |e| e.frequency_sd * measured.sample.half),
            }
        });
        checks::delays(
            passed,
            &source.config,
            &measured.sample,
            packet,
            measured.response_time,
            presend,
            history,
        );
        checks::no_loop(passed, packet, ours);
    }

    fn our_reference(&self, meta: &Meta) -> Option<OurReference> {
        if !self.serves() {
            return None;
        }
        let own_refid = meta.to.map_or(RefId::NONE, crate::source::address_refid);
        Some(OurReference {
            own_refid,
            stratum: self.reference.stratum,
            refid: self.reference.refid,
            reference: self.server_state.reference,
        })
    }

    /// Counts, remembers and uses a response that was tested.
    #[allow(clippy::too_many_arguments)]
    fn accept(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        index: usize,
        passed: Checks,
        packet: &Packet,
        measured: &Measured,
        stamps: (Stamp, Stamp),
        meta: &Meta,
        out: &mut Actions,
    ) {
        let (tx, rx) = stamps;
        let id = self.sources[index].id;
        self.record_measurement(now, index, passed, packet, measured, stamps, out);
        let source = &mut self.sources[index];
        if !passed.valid() {
            return;
        }
        source.seen.valid = source.seen.valid.wrapping_add(1);
        if let Some(request) = source.request.as_mut() {
            request.answered = true;
            out.push(Action::CloseSocket(request.socket));
        }
        let own_address = meta.to.or(self.local_address(id));
        let source = &mut self.sources[index];
        let sample = &measured.sample;
        let local_offset =
            Theta::from_nanos(sample.offset_nanos()) - self.discipline.belief().theta_at(sample.v);
        source.seen.last = Some(LastResponse {
            packet: *packet,
            local: own_address,
            at: now.mono,
            offset: local_offset,
            delay: sample.delay(),
            dispersion: sample.dispersion,
            response_time: measured.response_time,
            checks: passed,
            tx_stamp: tx.source,
            rx_stamp: rx.source,
        });
        let near_leap = self.near_leap(now);
        let source = &mut self.sources[index];
        source.stats.note_delay(sample.delay());
        if passed.synchronised() {
            source.reach.hit();
            source.unreach_count = 0;
        }
        if passed.good() && !near_leap {
            source.seen.good = source.seen.good.wrapping_add(1);
            let error_ratio = prediction_error(source, measured);
            let before = source.stats.estimate().map(|e| (e.frequency, e.skew));
            source.stats.push(sample);
            let (samples, target) = (source.stats.samples(), source.config.poll_target);
            let was_burst = source.poll.in_burst();
            source.poll.on_good(samples, target, error_ratio);
            if was_burst && !source.poll.in_burst() {
                self.after_burst(now, index);
            }
            self.record_statistics(index, before, out);
        } else if source.request.as_ref().is_none_or(|r| !r.presend) {
            source.poll.on_refused(passed.synchronised());
        }
        self.on_confirmed(now, id, out);
        self.update_selection(now, clock, passed.good().then_some(id), out);
    }

    /// A burst is over: the next request comes a whole poll interval after the last.
    fn after_burst(&mut self, now: Now, index: usize) {
        let source = &mut self.sources[index];
        if source.poll.active() {
            let min_delay = source.stats.min_delay();
            let interval = source.poll.interval(source.reach.reachable(), min_delay);
            let jitter = 1.0 + POLL_RANDOMNESS * (self.rng.uniform() - 0.5);
            self.schedule(now, index, interval * jitter);
        } else {
            source.due = None;
        }
    }

    fn on_kiss_rate(&mut self, now: Now, index: usize, out: &mut Actions) {
        let source = &mut self.sources[index];
        if let Some(request) = source.request.take() {
            out.push(Action::CloseSocket(request.socket));
        }
        source.seen.valid = source.seen.valid.wrapping_add(1);
        source.poll.on_rate();
        out.log(Severity::Warning, format!("Received KoD RATE from {}", source.label()));
        let interval = source.poll.interval(source.reach.reachable(), None);
        if source.poll.active() {
            self.schedule(now, index, interval);
        }
    }

    /// The loop found out whether there is a route to a source (`onoffline`).
    pub(super) fn on_route(&mut self, now: Now, id: SourceId, exists: bool, out: &mut Actions) {
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
    }

    /// The source is not asked any more; a burst goes on to its end.
    pub(super) fn take_offline(&mut self, index: usize) {
        let source = &mut self.sources[index];
        source.config.online = false;
        source.poll.go_offline();
        if !source.poll.active() {
            source.due = None;
        }
    }

    /// The next instant at which one of the sources wants attention.
    pub(super) fn next_source_event(&self) -> Option<MonoTime> {
        let due = self.sources.iter().filter_map(|s| s.due);
        let close = self.sources.iter().filter_map(|s| s.request.as_ref().map(|r| r.deadline));
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

    /// An entry for measurements.log.
    #[allow(clippy::too_many_arguments)]
    fn record_measurement(
        &mut self,
        now: Now,
        index: usize,
        passed: Checks,
        packet: &Packet,
        measured: &Measured,
        stamps: (Stamp, Stamp),
        out: &mut Actions,
    ) {
        let wanted = self.log.raw_measurements || (self.log.measurements && passed.synchronised());
        if !wanted {
            return;
        }
        if let Some(record) = self.measurement_record(now, index, passed, packet, measured, stamps) {
            out.push(Action::Record(record));
        }
    }

    fn record_statistics(&mut self, index: usize, before: Option<(f64, f64)>, out: &mut Actions) {
        if self.log.statistics
            && let Some(record) = self.statistics_record(index, before)
        {
            out.push(Action::Record(record));
        }
    }
}

/// How far the sample is from what its source's line predicted, in units of what is allowed.
fn prediction_error(source: &Source, measured: &Measured) -> f64 {
    let Some(estimate) = source.stats.estimate().filter(|e| e.has_frequency()) else { return 0.0 };
    let sample = &measured.sample;
    let predicted = estimate.predict(sample.v);
    let error = Theta::from_nanos(sample.offset_nanos()) - predicted;
    let allowed = sample.dispersion + sample.delay().abs() / 2.0 + estimate.std_dev;
    error.abs() / allowed.max(1e-9)
}
