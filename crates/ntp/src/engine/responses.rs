//! Responses of sources: from bytes to a sample, or to a reason why not.

use super::associations::POLL_RANDOMNESS;
use super::{Action, Actions, Engine, Meta, Severity, Stamp};
use crate::auth::MAC_MAX;
use crate::clock::Clock;
use crate::config::SourceConfig;
use crate::estimator::Theta;
use crate::ids::{RefId, SocketId};
use crate::sample::Sample;
use crate::source::checks::{self, Check, Checks, DelayHistory, OurReference};
use crate::source::company::{Company, noise_of};
use crate::source::exchange::{self, Measured};
use crate::source::interleave::{self, Earlier};
use crate::source::poll::Need;
use crate::source::{LastResponse, Source};
use crate::time::Now;
use crate::wire::correction;
use crate::wire::extension::Tail;
use crate::wire::header::HEADER_LEN;
use crate::wire::root::{self, Root};
use crate::wire::{Leap, Mode, Packet};
use core::net::IpAddr;

/// The kiss code that asks us to slow down.
const KISS_RATE: RefId = RefId(u32::from_be_bytes(*b"RATE"));

/// So many long round trips in a row are no queue but a new route: from then on test C lets them pass.
const LASTING: u32 = 4;

/// A response to our request, measured and tested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Response {
    /// Its header.
    pub packet: Packet,
    /// What its stamps say.
    pub measured: Measured,
    /// Which tests it passed.
    pub passed: Checks,
    /// The exchange measured: when its request left and its response came. In interleaved mode it is the one before.
    pub tx: Stamp,
    /// Likewise.
    pub rx: Stamp,
    /// It told when the response before it left.
    pub interleaved: bool,
    /// What the next response may tell more of: this exchange.
    next: Earlier,
    /// Our own address.
    pub local: Option<IpAddr>,
    /// The exchange only warmed up the path.
    presend: bool,
    /// The exchange measured is none that was measured before, and no nonsense.
    news: bool,
    /// Its delay is far from the others', whatever test C made of that.
    deviates: bool,
}

impl Engine {
    /// A datagram came in on the socket of a request.
    pub(super) fn on_datagram(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        from: (SocketId, &Meta, Stamp),
        bytes: &[u8],
        out: &mut Actions,
    ) {
        let (socket, meta, rx) = from;
        let waiting = |s: &Source| {
            s.link.socket == Some(socket)
                || s.request.as_ref().is_some_and(|r| r.socket == socket && !r.answered)
        };
        let Some(index) = self.sources.iter().position(waiting) else { return };
        let source = &mut self.sources[index];
        source.seen.rx = source.seen.rx.wrapping_add(1);
        source.count_stamp(&rx, false);
        let Some(packet) = plausible(source, meta, bytes) else { return };
        let authentic = self.is_authentic(&self.sources[index], packet.version, bytes);
        if !self.is_current(now, rx.time) {
            return;
        }
        if authentic && self.sources[index].is_peer() {
            self.hear_peer(index, &packet, rx.time);
        }
        let source = &self.sources[index];
        let mut passed = Checks::default();
        // A peer sends when it likes; what answers nothing new is its question only.
        let request = source.request.as_ref().filter(|request| !request.answered);
        if source.is_peer() && !source.awaits(packet.origin) {
            return;
        }
        let expected =
            [request.map(|r| r.nonce), request.and_then(|r| r.naming).map(|naming| naming.receive)];
        checks::answers(&mut passed, &packet, expected, source.last_stamps());
        checks::fit(&mut passed, &packet);
        passed.set(Check::Authentic, authentic);
        let kiss = packet.leap == Leap::Unsynchronised && packet.stratum == 0 && packet.refid == KISS_RATE;
        let kiss = kiss && passed.passed(Check::Origin) && passed.passed(Check::Authentic);
        let fine = self.fine_root(index, packet.version, bytes);
        let measured = self.measure(now, index, packet, passed, (rx, meta)).map(|mut response| {
            if let Some(fine) = fine {
                let sample = &mut response.measured.sample;
                (sample.root_delay, sample.root_dispersion) = (fine.delay, fine.dispersion);
            }
            response
        });
        match measured {
            Some(response) if kiss => {
                self.record_measurement(now, index, &response, out);
                if response.passed.valid() {
                    self.remember(now, index, &response, out);
                }
            }
            Some(response) => self.accept(now, clock, index, &response, out),
            None => {}
        }
        if kiss {
            self.on_kiss_rate(now, index, out);
        }
    }

    /// The server's root delay and dispersion as the extension field says them, if it was asked for.
    fn fine_root(&self, index: usize, version: u8, bytes: &[u8]) -> Option<Root> {
        let asked = asks_fine_root(&self.sources.get(index)?.config);
        let tail = Tail::parse(version, bytes).ok().filter(|_| asked && bytes.len() > HEADER_LEN)?;
        tail.fields().find(|field| field.kind == root::KIND).and_then(|field| Root::parse(field.body))
    }

    /// Reads the stamps and applies tests A–D, if the server is fit at all; `None` when the request's own stamp is not
    /// known.
    fn measure(
        &self,
        now: Now,
        index: usize,
        packet: Packet,
        mut passed: Checks,
        (rx, meta): (Stamp, &Meta),
    ) -> Option<Response> {
        let source = &self.sources[index];
        let request = source.request.as_ref()?;
        let interleaved = request.naming.is_some_and(|naming| naming.receive == packet.origin);
        let next = Earlier {
            receive: packet.receive,
            tx: request.sent?,
            rx: (rx, self.discipline.timeline().to_osc(rx.time)),
            measured: !interleaved && !request.presend,
        };
        // A peer that tells of what is forgotten is answered all the same, or it would go on so.
        let forgotten = source.is_peer().then_some(Earlier { measured: true, ..next });
        let known = if interleaved { source.earlier.or(forgotten)? } else { next };
        let ((tx, v1), (rx, v4)) = (known.tx, known.rx);
        let local = meta.to.or(self.local_address(source.id));
        let max_error = self.clock_error_bound();
        let correction = source.config.offset;
        let stamps = Packet { receive: known.receive, ..packet };
        let measured = exchange::measure(v1, &stamps, v4, self.precision, max_error, correction);
        // Stamps from before a step, sleep or leap second are of another clock.
        let news =
            !interleaved || interleave::tells_news(&known, &measured.sample) && self.is_current(now, rx.time);
        let mut deviates = false;
        if passed.synchronised() {
            let sample = &measured.sample;
            let history = delay_history(source, &measured, max_error, self.precision);
            let response_time = measured.response_time;
            let useful = news && !request.presend;
            checks::delays(&mut passed, &source.config, sample, &packet, response_time, useful, history);
            checks::no_loop(&mut passed, &packet, self.our_reference(local));
            deviates = history.is_some_and(|h| checks::deviates(&source.config, sample, &h));
            if deviates && source.deviating >= LASTING {
                passed.set(Check::DelayDeviation, true);
            }
        }
        let presend = request.presend;
        Some(Response { packet, measured, passed, tx, rx, interleaved, next, local, presend, news, deviates })
    }

    fn our_reference(&self, local: Option<IpAddr>) -> Option<OurReference> {
        self.serves().then(|| OurReference {
            own_refid: local.map_or(RefId::NONE, crate::source::address_refid),
            stratum: self.reference.stratum,
            refid: self.reference.refid,
            reference: self.server_state.reference,
        })
    }

    /// Counts, remembers and uses a response that was tested.
    fn accept(
        &mut self,
        now: Now,
        clock: &mut dyn Clock,
        index: usize,
        response: &Response,
        out: &mut Actions,
    ) {
        let passed = response.passed;
        self.record_measurement(now, index, response, out);
        if !passed.valid() {
            return;
        }
        self.remember(now, index, response, out);
        let usable = passed.good()
            && !self.note_leap(index, &response.measured.sample)
            && !self.near_leap(now)
            && !self.holds_back(now, clock, index, &response.measured.sample, out);
        let source = &mut self.sources[index];
        let id = source.id;
        if response.news {
            source.stats.note_delay(response.measured.sample.delay());
            source.deviating = if response.deviates { source.deviating.saturating_add(1) } else { 0 };
        }
        if passed.synchronised() {
            source.reach.hit();
            source.last_leap = Some(response.packet.leap);
            source.unreach_count = 0;
        }
        if usable {
            self.use_sample(now, index, &response.measured, out);
        } else if !response.presend {
            source.poll.on_refused(passed.synchronised());
        }
        self.on_confirmed(now, id, out);
        self.update_selection(now, clock, usable.then_some(id), out);
        // The last answer of a burst: it was used, and from now on the source is not heard.
        if let Some(source) = self.sources.iter_mut().find(|s| s.id == id && !s.poll.active()) {
            source.rest();
            self.update_selection(now, clock, None, out);
        }
        // What is announced may be due before the next timeout.
        self.watch_leap(self.after_step(now), clock, out);
    }

    /// The request is answered; what the answer was is kept for reports.
    fn remember(&mut self, now: Now, index: usize, response: &Response, out: &mut Actions) {
        let sample = &response.measured.sample;
        let offset = Theta::from_nanos(sample.offset_nanos()) - self.discipline.belief().theta_at(sample.v);
        let source = &mut self.sources[index];
        source.seen.valid = source.seen.valid.wrapping_add(1);
        source.earlier = Some(response.next).filter(|_| source.config.xleave);
        source.link.on_valid(response.interleaved, response.packet.mode == Mode::Active);
        let is_peer = source.is_peer();
        if let Some(request) = source.request.as_mut() {
            request.answered = true;
            if !is_peer {
                out.push(Action::CloseSocket(request.socket));
            }
        }
        source.seen.last = Some(LastResponse {
            packet: response.packet,
            local: response.local,
            at: now.mono,
            offset,
            delay: sample.delay(),
            dispersion: sample.dispersion,
            response_time: response.measured.response_time,
            checks: response.passed,
            interleaved: response.interleaved,
            tx_stamp: response.tx.source,
            rx_stamp: response.rx.source,
        });
    }

    /// All tests were passed: the sample goes to the estimator.
    fn use_sample(&mut self, now: Now, index: usize, measured: &Measured, out: &mut Actions) {
        let belief = *self.discipline.belief();
        let source = &mut self.sources[index];
        source.seen.good = source.seen.good.wrapping_add(1);
        let wanted = source.config.filter;
        let Some(measured) = source.gathered.add(measured, wanted, &belief) else {
            return self.gathered_more(now, index);
        };
        let measured = &measured;
        self.recall_path(now, index);
        let noises = self.used.iter().filter_map(|&(i, _)| self.sources.get(i)?.stats.estimate());
        let company = Company::new(noises.map(noise_of));
        let source = &mut self.sources[index];
        let before = source.stats.estimate().map(|e| (e.frequency, e.skew));
        let astray = is_astray(source, &measured.sample);
        let resets = source.stats.path().resets();
        source.stats.push(&measured.sample, self.joint.oscillator());
        if source.stats.path().resets() != resets {
            let text = format!("Estimate of {} was no number and begins anew", source.label());
            out.log(Severity::Warning, text);
        }
        let target = source.config.poll_target;
        let need = match source.stats.estimate() {
            _ if astray => Need::MuchMore,
            Some(estimate) => {
                let known = self.joint.combined();
                let growth = |t| known.map_or_else(|| estimate.growth(t), |c| c.growth(t));
                source.poll.need(estimate, growth, target, company)
            }
            None => Need::Same,
        };
        let was_burst = source.poll.in_burst();
        source.poll.on_good(need);
        if was_burst && !source.poll.in_burst() {
            self.after_burst(now, index);
        }
        if self.log.statistics
            && let Some(record) = self.statistics_record(index, before)
        {
            out.push(Action::Record(record));
        }
    }

    /// One more exchange towards a sample (`filter`): it counts for a burst, and says nothing of how often to ask.
    fn gathered_more(&mut self, now: Now, index: usize) {
        let source = &mut self.sources[index];
        let was_burst = source.poll.in_burst();
        source.poll.on_good(Need::Same);
        if was_burst && !source.poll.in_burst() {
            self.after_burst(now, index);
        }
    }

    fn record_measurement(&self, now: Now, index: usize, response: &Response, out: &mut Actions) {
        let wanted = self.log.raw_measurements || (self.log.measurements && response.passed.synchronised());
        if wanted && let Some(record) = self.measurement_record(now, index, response) {
            out.push(Action::Record(record));
        }
    }

    /// A burst is over: the next request comes a whole poll interval after the last.
    fn after_burst(&mut self, now: Now, index: usize) {
        let source = &mut self.sources[index];
        if source.poll.active() {
            let min_delay = source.stats.min_delay();
            let interval = source.poll.interval(source.reach.reachable(), min_delay);
            let jitter = 1.0 + POLL_RANDOMNESS * (self.rng.uniform() - 0.5);
            self.schedule(now, index, interval * jitter);
        }
    }

    fn on_kiss_rate(&mut self, now: Now, index: usize, out: &mut Actions) {
        let source = &mut self.sources[index];
        if let Some(socket) = source.end_request() {
            out.push(Action::CloseSocket(socket));
        }
        source.poll.on_rate();
        source.due = None;
        source.rest();
        out.log(Severity::Warning, format!("Received KoD RATE from {}", source.label()));
        if source.poll.active() {
            let interval = source.poll.interval(source.reach.reachable(), source.stats.min_delay());
            self.schedule(now, index, interval);
        }
    }
}

/// The header of a datagram that may be a response of this source. It is as long as our requests: no extension field
/// and no code of authentication was asked for, nobody could tell whether one is right, and a false one is no answer.
fn plausible(source: &Source, meta: &Meta, bytes: &[u8]) -> Option<Packet> {
    let packet = Packet::parse(bytes)?;
    let (one, two) = (asks_fine_root(&source.config), asks_correction(&source.config));
    let fields = [
        if one { HEADER_LEN + root::LEN } else { HEADER_LEN },
        if two { HEADER_LEN + correction::LEN } else { HEADER_LEN },
        if one && two { HEADER_LEN + root::LEN + correction::LEN } else { HEADER_LEN },
    ];
    let expected = source.remote == Some(meta.from)
        && (bytes.len() == HEADER_LEN
            || source.config.key != 0 && bytes.len() <= HEADER_LEN + MAC_MAX
            || fields.contains(&bytes.len()))
        && match packet.mode {
            Mode::Active | Mode::Passive => source.is_peer(),
            mode => mode == Mode::Server && !source.is_peer(),
        }
        && (1..=4).contains(&packet.version);
    expected.then_some(packet)
}

/// Is the server asked for its root delay and dispersion in full? Not with a key: the answer has none then.
pub(super) fn asks_fine_root(config: &SourceConfig) -> bool {
    config.ext_fields & 1 != 0 && config.key == 0 && matches!(config.version, 0 | 4)
}

/// Is the server asked for what the network said of the request? Likewise.
pub(super) fn asks_correction(config: &SourceConfig) -> bool {
    config.ext_fields & 2 != 0 && config.key == 0 && matches!(config.version, 0 | 4)
}

/// What the delay tests compare with; `None` before the first sample.
fn delay_history(
    source: &Source,
    measured: &Measured,
    max_error: f64,
    precision: f64,
) -> Option<DelayHistory> {
    let (stats, config) = (&source.stats, &source.config);
    let min_delay = stats.min_delay()?;
    let age = stats.last().map_or(0.0, |last| (measured.sample.v - last.v).abs());
    let estimate = stats.estimate().filter(|e| e.has_frequency());
    Some(DelayHistory {
        min_delay: if config.min_delay > 0.0 { config.min_delay } else { min_delay },
        // Before a line exists the spread is unknown: the test must not refuse anything then.
        std_dev: estimate.map_or(f64::INFINITY, |e| e.std_dev.max(precision)),
        quantile: (config.max_delay_quant > 0.0)
            .then(|| stats.delay_quantile(config.max_delay_quant))
            .flatten(),
        slack: max_error * age + estimate.map_or(0.0, |e| e.frequency_sd * measured.sample.half),
    })
}

/// Is the oscillator elsewhere than the source's line predicted, beyond what queueing and the line's own doubt explain?
/// Queueing moves an offset by at most half of what the round trip was longer than the shortest.
fn is_astray(source: &Source, sample: &Sample) -> bool {
    let Some(estimate) = source.stats.estimate().filter(|e| e.has_frequency()) else { return false };
    let error = Theta::from_nanos(sample.offset_nanos()) - estimate.predict(sample.v);
    let queued = (sample.length(estimate.frequency) - estimate.delay).max(0.0) / 2.0;
    error.abs() > queued + 3.0 * (estimate.predict_sd(sample.v) + estimate.noise) + sample.dispersion
}
