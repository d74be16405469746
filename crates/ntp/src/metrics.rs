//! Everything that is recorded, exported and plotted, in one list: [`METRICS`].
//!
//! An entry says what a number is called, what it means and where it is found in a [`Snapshot`]. The archive's columns, the
//! page's series and the exporter's gauges and counters all follow from it; to add one, add an entry.

use crate::control::sources::SourceState;
use crate::server::Reject;
use crate::snapshot::{Snapshot, SourceSnapshot};

/// One number that is watched.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in the archive and in the page's questions.
    pub name: &'static str,
    /// Its name for Prometheus, without the `_total` of counters.
    pub exported: &'static str,
    /// Fixed labels of the exported one.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it is, in one sentence.
    pub help: &'static str,
    /// What it counts; a counter's is that of its rate.
    pub unit: Unit,
    /// How it behaves.
    pub kind: Kind,
    /// Where it is found.
    pub get: Get,
    /// The plot it belongs to.
    pub plot: Option<&'static str>,
    /// Recorded even where room is scarce.
    pub essential: bool,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Seconds per second: frequencies, and the processor.
    Ratio,
    /// Events per second.
    PerSecond,
    /// Bytes per second.
    BytesPerSecond,
    /// Bytes.
    Bytes,
    /// Degrees Celsius.
    Celsius,
    /// Just a number.
    Count,
}

impl Unit {
    /// As it is written after a number.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Ratio | Self::Count => "",
            Self::PerSecond => "/s",
            Self::BytesPerSecond => "B/s",
            Self::Bytes => "B",
            Self::Celsius => "°C",
        }
    }
}

/// How a number behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is what it is now; its mean, least and most are kept.
    Gauge,
    /// It only grows; its rate is kept. A restart is a gap.
    Counter,
    /// A code of something; the last one is kept in place of a mean.
    State,
}

/// Where a number is found; NaN: unknown.
#[derive(Clone, Copy, Debug)]
pub enum Get {
    /// In what the daemon tells.
    Daemon(fn(&Snapshot) -> f64),
    /// In what it tells about one source.
    Source(fn(&SourceSnapshot) -> f64),
    /// On the machine, where the observer looks for itself.
    Machine(fn(&Machine) -> f64),
}

/// What the observer finds out about the machine and the daemon's process; NaN: unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Processor time of the daemon in user mode, s.
    pub cpu_user: f64,
    /// Processor time of the daemon in the kernel, s.
    pub cpu_system: f64,
    /// Resident memory of the daemon, bytes.
    pub memory: f64,
    /// The warmest sensor of the board, °C.
    pub temperature: f64,
    /// Connections that the firewall tracks.
    pub conntrack: f64,
    /// … and at most.
    pub conntrack_limit: f64,
    /// Threads of the daemon.
    pub threads: f64,
}

impl Default for Machine {
    fn default() -> Self {
        let unknown = f64::NAN;
        Self {
            cpu_user: unknown,
            cpu_system: unknown,
            memory: unknown,
            temperature: unknown,
            conntrack: unknown,
            conntrack_limit: unknown,
            threads: unknown,
        }
    }
}

impl Metric {
    const fn new(name: &'static str, unit: Unit, kind: Kind, get: Get, help: &'static str) -> Self {
        Self { name, exported: "", labels: &[], help, unit, kind, get, plot: None, essential: false }
    }

    const fn exported(self, exported: &'static str) -> Self {
        Self { exported, ..self }
    }

    const fn labelled(self, exported: &'static str, labels: &'static [(&'static str, &'static str)]) -> Self {
        Self { exported, labels, ..self }
    }

    const fn plot(self, plot: &'static str) -> Self {
        Self { plot: Some(plot), ..self }
    }

    const fn essential(self) -> Self {
        Self { essential: true, ..self }
    }

    /// Is there one of it for each source?
    pub const fn is_per_source(&self) -> bool {
        matches!(self.get, Get::Source(_))
    }
}

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// Refusals of packets that are no requests, or not valid ones.
const INVALID: &[Reject] = &[
    Reject::TooShort,
    Reject::TooLong,
    Reject::OddLength,
    Reject::BadVersion,
    Reject::NotARequest,
    Reject::BadSource,
    Reject::MalformedExtension,
    Reject::UnknownKey,
    Reject::BadMac,
    Reject::CryptoNak,
    Reject::NtsUnavailable,
];

fn invalid(snapshot: &Snapshot) -> f64 {
    INVALID.iter().map(|&reject| snapshot.rejected(reject) as f64).sum()
}

fn refused(snapshot: &Snapshot) -> f64 {
    snapshot.rejected(Reject::AccessDenied) as f64
}

fn limited(snapshot: &Snapshot) -> f64 {
    snapshot.server.ntp_drops.unwrap_or(0) as f64
}

fn sum(families: [u64; 2]) -> f64 {
    families.iter().map(|&count| count as f64).sum()
}

/// What came and was neither answered nor dropped for a reason above.
fn lost(snapshot: &Snapshot) -> f64 {
    let traffic = &snapshot.traffic;
    let known = sum(traffic.packets_out) + limited(snapshot) + refused(snapshot) + invalid(snapshot);
    (sum(traffic.packets_in) - known).max(0.0)
}

/// `value` while the clock is synchronised.
fn synchronised(snapshot: &Snapshot, value: f64) -> f64 {
    if snapshot.synchronised() { value } else { f64::NAN }
}

/// The number of a source's state; the better the larger.
pub const fn state_code(state: SourceState) -> u8 {
    match state {
        SourceState::Selected => 5,
        SourceState::Combined => 4,
        SourceState::Selectable => 3,
        SourceState::Jittery => 2,
        SourceState::Falseticker => 1,
        _ => 0,
    }
}

use Get::{Daemon, Machine as Here, Source};
use Kind::{Counter, Gauge, State};
use Unit::{Bytes, BytesPerSecond, Celsius, Count, PerSecond, Ratio, Seconds};

/// All of them.
pub const METRICS: &[Metric] = &[
    // Service.
    Metric::new(
        "packets_in",
        PerSecond,
        Counter,
        Daemon(|s| sum(s.traffic.packets_in)),
        "NTP packets received, whatever became of them.",
    )
    .exported("timeball_packets_received")
    .plot("packets")
    .essential(),
    Metric::new(
        "packets_out",
        PerSecond,
        Counter,
        Daemon(|s| sum(s.traffic.packets_out)),
        "NTP requests answered.",
    )
    .exported("timeball_packets_sent")
    .plot("requests")
    .essential(),
    Metric::new(
        "bytes_in",
        BytesPerSecond,
        Counter,
        Daemon(|s| sum(s.traffic.bytes_in)),
        "Bytes of NTP packets received, with their IP headers.",
    )
    .exported("timeball_bytes_received")
    .plot("traffic")
    .essential(),
    Metric::new(
        "bytes_out",
        BytesPerSecond,
        Counter,
        Daemon(|s| sum(s.traffic.bytes_out)),
        "Bytes of NTP replies, with their IP headers.",
    )
    .exported("timeball_bytes_sent")
    .plot("traffic")
    .essential(),
    Metric::new(
        "bytes_in_v6",
        BytesPerSecond,
        Counter,
        Daemon(|s| s.traffic.bytes_in[1] as f64),
        "Bytes received over IPv6.",
    )
    .exported("timeball_ipv6_bytes_received")
    .plot("traffic"),
    Metric::new(
        "bytes_out_v6",
        BytesPerSecond,
        Counter,
        Daemon(|s| s.traffic.bytes_out[1] as f64),
        "Bytes sent over IPv6.",
    )
    .exported("timeball_ipv6_bytes_sent")
    .plot("traffic"),
    Metric::new(
        "received",
        PerSecond,
        Counter,
        Daemon(|s| s.server.ntp_hits.unwrap_or(0) as f64),
        "Well-formed NTP requests from allowed addresses.",
    )
    .exported("chrony_serverstats_ntp_packets_received")
    .plot("classic_requests")
    .essential(),
    Metric::new("limited", PerSecond, Counter, Daemon(limited), "NTP requests dropped by the rate limit.")
        .exported("chrony_serverstats_ntp_packets_dropped")
        .plot("requests")
        .essential(),
    Metric::new("refused", PerSecond, Counter, Daemon(refused), "NTP requests refused by the access list.")
        .labelled("timeball_dropped", &[("reason", "access")])
        .plot("requests")
        .essential(),
    Metric::new("invalid", PerSecond, Counter, Daemon(invalid), "Packets that were no valid NTP requests.")
        .labelled("timeball_dropped", &[("reason", "invalid")])
        .plot("requests")
        .essential(),
    Metric::new(
        "lost",
        PerSecond,
        Counter,
        Daemon(lost),
        "Requests dropped for another reason, such as a step of the clock.",
    )
    .labelled("timeball_dropped", &[("reason", "other")])
    .plot("requests"),
    Metric::new(
        "overrun",
        PerSecond,
        Counter,
        Daemon(|s| s.kernel_drops as f64),
        "Datagrams to the server that the kernel dropped because the receive buffer was full.",
    )
    .labelled("timeball_dropped", &[("reason", "kernel")])
    .plot("requests"),
    Metric::new(
        "clients",
        Count,
        Gauge,
        Daemon(|s| if s.clients.capacity > 0 { s.clients.remembered as f64 } else { f64::NAN }),
        "Clients remembered.",
    )
    .exported("timeball_clients_remembered")
    .plot("clients"),
    // Clock.
    Metric::new(
        "offset",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, 0.0 - s.tracking.correction.0)),
        "What the clock is believed to be ahead of true time.",
    )
    .exported("timeball_clock_offset_seconds")
    .plot("offset")
    .essential(),
    Metric::new(
        "error_bound",
        Seconds,
        Gauge,
        Daemon(Snapshot::error_bound),
        "The largest error the clock can have: offset, root dispersion and half the root delay.",
    )
    .exported("timeball_clock_error_bound_seconds")
    .plot("offset")
    .essential(),
    Metric::new(
        "last_offset",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.last_offset.0)),
        "Estimated offset at the last update of the clock.",
    )
    .exported("chrony_tracking_last_offset_seconds")
    .plot("last_offset")
    .essential(),
    Metric::new(
        "rms_offset",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.rms_offset.0)),
        "Long-term average of the offset's size.",
    )
    .exported("chrony_tracking_rms_offset_seconds")
    .plot("rms_offset")
    .essential(),
    Metric::new(
        "frequency",
        Ratio,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.frequency.get())),
        "How fast the uncorrected clock gains.",
    )
    .exported("timeball_clock_frequency_ratio")
    .plot("frequency")
    .essential(),
    Metric::new(
        "residual_frequency",
        Ratio,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.residual_frequency.get())),
        "What the source followed says of the frequency in use.",
    )
    .exported("timeball_clock_residual_frequency_ratio")
    .plot("residual_frequency")
    .essential(),
    Metric::new(
        "skew",
        Ratio,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.skew.get())),
        "Bound of the frequency's error.",
    )
    .exported("timeball_clock_skew_ratio")
    .plot("skew")
    .essential(),
    Metric::new(
        "root_delay",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.root_delay.0)),
        "Round trips to the reference clock.",
    )
    .exported("chrony_tracking_root_delay_seconds")
    .plot("root_delay")
    .essential(),
    Metric::new(
        "root_dispersion",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.root_dispersion.0)),
        "Error that may have collected since the reference clock was read.",
    )
    .exported("chrony_tracking_root_dispersion_seconds")
    .plot("root_dispersion")
    .essential(),
    Metric::new(
        "update_interval",
        Seconds,
        Gauge,
        Daemon(|s| synchronised(s, s.tracking.update_interval.0)),
        "Time between the last two updates of the clock.",
    )
    .exported("chrony_tracking_update_interval_seconds")
    .plot("update_interval")
    .essential(),
    Metric::new(
        "stratum",
        Count,
        State,
        Daemon(|s| synchronised(s, f64::from(s.tracking.stratum))),
        "Steps from a reference clock.",
    )
    .exported("chrony_tracking_stratum")
    .plot("stratum"),
    Metric::new(
        "usable_sources",
        Count,
        State,
        Daemon(|s| s.sources.iter().filter(|source| state_code(source.data.state) >= 3).count() as f64),
        "Sources that agree and can be used.",
    )
    .exported("timeball_usable_sources")
    .plot("usable_sources"),
    Metric::new(
        "thermometer",
        Celsius,
        Gauge,
        Daemon(|s| s.thermometer.map_or(f64::NAN, |(celsius, _)| celsius)),
        "The thermometer that the oscillator follows.",
    )
    .exported("timeball_thermometer_celsius")
    .plot("temperature"),
    Metric::new(
        "temperature_gain",
        Ratio,
        Gauge,
        Daemon(|s| s.thermometer.map_or(f64::NAN, |(_, gain)| gain)),
        "By how much a degree of that thermometer makes the clock gain, s/s.",
    )
    .exported("timeball_temperature_gain_ratio")
    .plot("temperature_gain"),
    // Machine.
    Metric::new(
        "cpu_user",
        Ratio,
        Counter,
        Here(|m| m.cpu_user),
        "Processor time of the daemon in user mode, part of one core.",
    )
    .labelled("timeball_cpu_seconds", &[("mode", "user")])
    .plot("cpu")
    .essential(),
    Metric::new(
        "cpu_system",
        Ratio,
        Counter,
        Here(|m| m.cpu_system),
        "Processor time of the daemon in the kernel, part of one core.",
    )
    .labelled("timeball_cpu_seconds", &[("mode", "system")])
    .plot("cpu")
    .essential(),
    Metric::new("memory", Bytes, Gauge, Here(|m| m.memory), "Resident memory of the daemon.")
        .exported("timeball_memory_bytes")
        .plot("memory"),
    Metric::new("temperature", Celsius, Gauge, Here(|m| m.temperature), "The warmest sensor of the board.")
        .exported("timeball_temperature_celsius")
        .plot("temperature")
        .essential(),
    Metric::new("conntrack", Count, Gauge, Here(|m| m.conntrack), "Connections tracked by the firewall.")
        .exported("timeball_conntrack_entries")
        .plot("conntrack"),
    // Each source.
    Metric::new(
        "source_offset",
        Seconds,
        Gauge,
        Source(SourceSnapshot::offset),
        "Source minus clock; positive: the clock is behind.",
    )
    .exported("timeball_source_offset_seconds")
    .plot("source_offset")
    .essential(),
    Metric::new(
        "source_state",
        Count,
        State,
        Source(|s| f64::from(state_code(s.data.state))),
        "5 selected, 4 combined, 3 good, 2 unsteady, 1 wrong, 0 no answer.",
    )
    .exported("timeball_source_state")
    .plot("source_state")
    .essential(),
    Metric::new("source_delay", Seconds, Gauge, Source(|s| s.delay), "Round trip to the source.")
        .exported("timeball_source_delay_seconds")
        .plot("source_delay"),
    Metric::new(
        "source_jitter",
        Seconds,
        Gauge,
        Source(SourceSnapshot::jitter),
        "How much measurements of the source scatter.",
    )
    .exported("timeball_source_jitter_seconds")
    .plot("source_jitter"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Traffic;
    use std::collections::BTreeSet;

    #[test]
    fn every_metric_has_its_own_names_and_a_sentence() {
        let mut names = BTreeSet::new();
        let mut exported = BTreeSet::new();
        for metric in METRICS {
            let word =
                |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(
                word(metric.name) && word(metric.exported) && !metric.exported.ends_with("_total"),
                "{metric:?}"
            );
            assert!(metric.help.ends_with('.') && metric.help.len() > 15, "{metric:?}");
            assert!(
                names.insert(metric.name) && exported.insert((metric.exported, metric.labels)),
                "{metric:?}"
            );
            assert_eq!(metric.is_per_source(), metric.name.starts_with("source_"));
            assert_eq!(find(metric.name).map(|found| found.help), Some(metric.help));
        }
        assert!(find("nothing").is_none());
    }

    #[test]
    fn each_packet_has_one_fate() {
        let mut snapshot = Snapshot { rejects: vec![0; Reject::ALL.len()], ..Snapshot::default() };
        for (index, count) in snapshot.rejects.iter_mut().enumerate() {
            *count = 1 << index;
        }
        // The server's report tells them too.
        snapshot.server.ntp_drops = Some(snapshot.rejected(Reject::RateLimited));
        let rejected: u64 = snapshot.rejects.iter().sum();
        snapshot.traffic =
            Traffic { packets_in: [rejected, 500], packets_out: [100, 400], ..Traffic::default() };
        let value = |name: &str| match find(name).expect("a metric").get {
            Daemon(get) => get(&snapshot),
            Source(_) | Here(_) => panic!("{name}"),
        };
        let fates = ["packets_out", "limited", "refused", "invalid", "lost"].map(value);
        assert_eq!(fates.iter().sum::<f64>(), value("packets_in"));
        assert_eq!(fates[4], f64::from(1 << Reject::StaleStamp as usize));
    }

    #[test]
    fn without_synchronisation_the_clock_is_unknown() {
        let snapshot = Snapshot::default();
        for metric in METRICS
            .iter()
            .filter(|metric| metric.exported.contains("clock") || metric.exported.contains("tracking"))
        {
            let Daemon(get) = metric.get else { panic!("{metric:?}") };
            assert!(get(&snapshot).is_nan(), "{}", metric.name);
        }
    }
}
