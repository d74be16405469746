//! Reports of the control protocol, from the engine's state.
//!
//! Signs differ from the engine's: reports about sources call an offset positive when our clock is *ahead*, and a
//! frequency positive when our oscillator *gains*.

use super::{Engine, StampSource};
use crate::config::SourceKind;
use crate::control::activity::Activity;
use crate::control::ntpdata::{ModeCode, NtpData, PacketFlags, StampCode};
use crate::control::selectdata::SelectData;
use crate::control::serverstats::ServerStats;
use crate::control::sources::{Reach, SourceData, SourceMode, SourceState};
use crate::control::sourcestats::SourceStats;
use crate::control::tracking::Tracking;
use crate::estimator::{Estimate, Theta};
use crate::ids::RefId;
use crate::report::{Address, Char, Frequency, Interval, LeapStatus, Number, Seconds, SelectOptions, Time};
use crate::select::{Flags, Mark, Status};
use crate::source::checks::Check;
use crate::source::poll::Line;
use crate::source::{LastResponse, Source};
use crate::time::Now;
use crate::wire::{Leap, Mode};
use core::net::IpAddr;

impl Source {
    /// Its address in reports: the number while it has none.
    pub(crate) fn report_address(&self) -> Address {
        match &self.refclock {
            Some(clock) => core::net::IpAddr::from(clock.refid.0.to_be_bytes()).into(),
            None => self.remote.map_or(Address::Id(self.placeholder), |remote| remote.ip().into()),
        }
    }

    /// The same in reports that name a reference clock by its identifier.
    fn named_address(&self) -> Address {
        if self.refclock.is_some() { Address::Unspecified } else { self.report_address() }
    }
}

impl Engine {
    /// The source a command means.
    pub(super) fn source_at(&self, address: &Address) -> Option<usize> {
        // A reference clock is named by its identifier only.
        let named = |s: &Source| s.refclock.is_none() && s.report_address() == *address;
        let exactly = self.sources.iter().position(named);
        exactly.or_else(|| self.source_once_at(address.ip()?))
    }

    /// The only source that had this address before, or whose name has it beside the one in use: clients look names up
    /// for themselves, and not always get the same answer.
    fn source_once_at(&self, address: IpAddr) -> Option<usize> {
        let alone = |s: &Source| self.sources.iter().filter(|other| other.group == s.group).count() == 1;
        let named = |s: &Source| {
            s.group.is_some_and(|id| self.groups.iter().any(|g| g.id == id && g.found.contains(&address)))
        };
        let once = |s: &Source| s.former.contains(&address) || named(s) && alone(s);
        let mut found = self.sources.iter().enumerate().filter(|(_, s)| once(s)).map(|(index, _)| index);
        let first = found.next();
        first.filter(|_| found.next().is_none())
    }

    /// The state of the clock.
    pub fn tracking(&self, now: Now) -> Tracking {
        let reference = &self.reference;
        let common = Tracking {
            correction: Seconds(self.discipline.pending(now.raw)),
            last_offset: Seconds(0.0 - reference.last_offset),
            rms_offset: Seconds(reference.rms_offset()),
            frequency: Frequency::new(-self.discipline.frequency()),
            update_interval: Seconds(reference.update_interval),
            ..Tracking::default()
        };
        if self.local_active(now) {
            let served = self.server_state.reference.to_local();
            return Tracking {
                ref_id: RefId::LOCAL,
                stratum: self.local.map_or(0, |l| u16::from(l.stratum)),
                leap: Leap::None.into(),
                reference_time: served.into(),
                ..common
            };
        }
        if !reference.synchronised {
            return Tracking {
                leap: Leap::Unsynchronised.into(),
                root_delay: Seconds(1.0),
                root_dispersion: Seconds(1.0),
                ..common
            };
        }
        Tracking {
            ref_id: reference.refid,
            address: reference.address.map_or(Address::Unspecified, Address::from),
            stratum: u16::from(reference.stratum),
            leap: self.server_state.leap.into(),
            reference_time: reference.time.into(),
            residual_frequency: Frequency::new(-reference.residual),
            skew: Frequency::new(reference.skew),
            root_delay: Seconds(reference.root_delay),
            root_dispersion: Seconds(self.root_dispersion(now)),
            ..common
        }
    }

    /// A source in `sources`.
    pub fn source_data(&self, now: Now, index: usize) -> Option<SourceData> {
        let source = self.sources.get(index)?;
        let (min_delay, reachable) = (source.stats.min_delay(), source.reach.reachable());
        let mut data = SourceData {
            address: source.report_address(),
            poll: source.poll.effective(reachable, min_delay) as i16,
            stratum: 0,
            state: self.source_state(index),
            mode: match source.config.kind {
                _ if source.refclock.is_some() => SourceMode::Refclock,
                SourceKind::Peer => SourceMode::Peer,
                SourceKind::Server | SourceKind::Pool => SourceMode::Server,
            },
            reach: Reach(u16::from(source.reach.bits)),
            last_rx: Interval::NEVER,
            ..SourceData::default()
        };
        if let Some(sample) = source.stats.last() {
            let v = self.discipline.timeline().to_osc(now.raw);
            let ahead =
                self.discipline.belief().theta_at(sample.v) - Theta::from_nanos(sample.offset_nanos());
            data.last_rx = Interval::from_seconds((v - sample.v).max(0.0));
            data.stratum = u16::from(sample.stratum).max(source.config.min_stratum as u16);
            data.adjusted_offset = Seconds(ahead);
            data.measured_offset = Seconds(source.seen.last.map_or(ahead, |last| -last.offset));
            data.error =
                Seconds(sample.root_distance() + self.clock_config.max_clock_error * (v - sample.v).max(0.0));
        }
        Some(data)
    }

    /// The status of the last selection; `MissingSamples` for a source it has not seen yet. If the samples are missing
    /// because the server is not synchronised, that is the reason to tell.
    pub(crate) fn status(&self, index: usize) -> Status {
        let status = self.selection.verdicts.get(index).map_or(Status::MissingSamples, |v| v.status);
        let unfit =
            self.sources.get(index).is_some_and(|s| s.seen.last.is_some_and(|l| !l.checks.synchronised()));
        if status == Status::MissingSamples && unfit { Status::Unsynchronised } else { status }
    }

    fn source_state(&self, index: usize) -> SourceState {
        match self.status(index).mark() {
            Mark::Selected => SourceState::Selected,
            Mark::Combined => SourceState::Combined,
            Mark::Selectable => SourceState::Selectable,
            Mark::Falseticker => SourceState::Falseticker,
            Mark::Jittery => SourceState::Jittery,
            Mark::Unusable => SourceState::Unselectable,
        }
    }

    /// A source in `sourcestats`.
    pub fn source_stats(&self, now: Now, index: usize) -> Option<SourceStats> {
        let source = self.sources.get(index)?;
        let mut stats = SourceStats {
            ref_id: source.refid(),
            address: source.named_address(),
            samples: source.stats.samples() as u32,
            runs: source.stats.runs() as u32,
            span: Interval::from_seconds(source.stats.span()),
            std_dev: Seconds(source.stats.std_dev()),
            skew: Frequency::from_ppm(2000.0),
            ..SourceStats::default()
        };
        if let Some(estimate) = source.stats.estimate() {
            let v = self.discipline.timeline().to_osc(now.raw);
            let belief = self.discipline.belief();
            if estimate.has_frequency() {
                stats.residual_frequency = Frequency::new(belief.frequency - estimate.frequency);
            }
            stats.skew = Frequency::new(estimate.skew);
            stats.offset = Seconds(belief.theta_at(v) - Estimate::predict(estimate, v));
            stats.offset_error = Seconds(estimate.predict_sd(v));
        }
        Some(stats)
    }

    /// A source as the selection sees it.
    pub fn select_data(&self, now: Now, index: usize) -> Option<SelectData> {
        let source = self.sources.get(index)?;
        let options = |f: Flags| SelectOptions {
            noselect: f.noselect,
            prefer: f.prefer,
            trust: f.trust,
            require: f.require,
        };
        let configured = Flags {
            noselect: source.config.noselect,
            prefer: source.config.prefer,
            trust: source.config.trust,
            require: source.config.require,
        };
        let verdict = self.selection.verdicts.get(index);
        let status = self.status(index);
        let mut data = SelectData {
            ref_id: source.refid(),
            address: source.named_address(),
            state: Char(status.letter() as u8),
            authenticated: source.config.is_authenticated(),
            leap: LeapStatus::from(source.leap()),
            configured: options(configured),
            effective: options(verdict.map_or(configured, |v| v.flags)),
            last_sample: Interval::from_seconds(0.0),
            score: Number(verdict.map_or(1.0, |v| v.state.score)),
            ..SelectData::default()
        };
        if let (Some(sample), Some(candidate)) = (source.stats.last(), self.candidates.get(index)) {
            let v = self.discipline.timeline().to_osc(now.raw);
            data.last_sample = Interval::from_seconds((v - sample.v).max(0.0));
            if status != Status::MissingSamples {
                data.low = Seconds(-candidate.offset - candidate.root_distance);
                data.high = Seconds(-candidate.offset + candidate.root_distance);
            }
        }
        Some(data)
    }

    /// The last valid response of a source.
    pub fn ntp_data(&self, index: usize) -> Option<NtpData> {
        let source = self.sources.get(index)?;
        let seen = &source.seen;
        let mut data = NtpData {
            remote_address: source.report_address(),
            remote_port: source.config.port,
            total_tx: seen.tx,
            total_rx: seen.rx,
            valid_rx: seen.valid,
            good_rx: seen.good,
            kernel_tx: Some(seen.kernel_tx),
            kernel_rx: Some(seen.kernel_rx),
            hardware_tx: Some(seen.hw_tx),
            hardware_rx: Some(seen.hw_rx),
            ..NtpData::default()
        };
        if let Some(last) = &seen.last {
            fill_ntp_data(&mut data, source, last);
        }
        Some(data)
    }

    /// How many sources are asked.
    pub fn activity(&self) -> Activity {
        let mut activity = Activity::default();
        for source in &self.sources {
            if source.refclock.is_some() {
                continue;
            }
            let counter = match (source.remote, source.poll.line) {
                (None, _) => &mut activity.unresolved,
                (_, Line::Online) => &mut activity.online,
                (_, Line::Offline) => &mut activity.offline,
                (_, Line::BurstOnline) => &mut activity.burst_online,
                (_, Line::BurstOffline) => &mut activity.burst_offline,
            };
            *counter += 1;
        }
        activity
    }

    /// What was served.
    pub fn server_stats(&self) -> ServerStats {
        let s = self.shards.counters().stats;
        let (held, span) = self.shards.held();
        ServerStats {
            ntp_hits: Some(s.received),
            ke_hits: Some(0),
            command_hits: Some(self.command_clients.hits),
            ntp_drops: Some(s.dropped),
            ke_drops: Some(0),
            command_drops: Some(self.command_clients.drops),
            log_drops: Some(self.forgotten_clients()),
            authenticated: Some(s.authenticated),
            interleaved: Some(s.interleaved),
            stamps_held: Some(held),
            stamp_span: Some(span),
            daemon_rx: Some(s.daemon_rx),
            daemon_tx: Some(s.daemon_tx),
            kernel_rx: Some(s.kernel_rx),
            kernel_tx: Some(s.kernel_tx),
            hardware_rx: Some(s.hardware_rx),
            hardware_tx: Some(s.hardware_tx),
        }
    }
}

fn fill_ntp_data(data: &mut NtpData, source: &Source, last: &LastResponse) {
    let packet = &last.packet;
    let stamp = |source| {
        StampCode(Char(match source {
            StampSource::Daemon => b'D',
            StampSource::Kernel => b'K',
            StampSource::Hardware => b'H',
        }))
    };
    data.local_address = last.local.map_or(Address::Unspecified, Address::from);
    data.leap = packet.leap.into();
    data.version = packet.version;
    data.mode = ModeCode(if packet.mode == Mode::Server { 4 } else { packet.mode as u8 });
    data.stratum = packet.stratum;
    data.poll = packet.poll;
    data.precision = packet.precision;
    data.root_delay = Seconds(packet.root_delay.seconds());
    data.root_dispersion = Seconds(packet.root_dispersion.seconds());
    data.ref_id = packet.refid;
    data.reference_time =
        if packet.reference.is_zero() { Time::default() } else { packet.reference.to_local().into() };
    data.offset = Seconds(last.offset);
    data.peer_delay = Seconds(last.delay);
    data.peer_dispersion = Seconds(last.dispersion);
    data.response_time = Seconds(last.response_time);
    data.jitter_asymmetry = Number(source.stats.asymmetry());
    data.flags = PacketFlags(last.checks.0);
    data.flags.set_authenticated(last.checks.passed(Check::Authentic) && source.config.is_authenticated());
    data.flags.set_interleaved(last.interleaved);
    data.tx_stamp = stamp(last.tx_stamp);
    data.rx_stamp = stamp(last.rx_stamp);
}
