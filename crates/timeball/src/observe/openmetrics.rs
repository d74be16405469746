//! `/metrics`: OpenMetrics text, with the names of chrony's exporter for what that exports, so that its dashboards and
//! alerts go on working, and our own for the rest.

use super::recorder::Recorder;
use ntp::control::sources::{SourceMode, SourceState};
use ntp::metrics::{Get, Kind, METRICS, Metric};
use ntp::server::Reject;
use ntp::snapshot::{Snapshot, SourceSnapshot};
use std::fmt::Write;

/// The media type.
pub const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One family at a time: its head, then its samples.
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# TYPE {name} {kind}\n# HELP {name} {}\n", escape(help));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        if value.is_nan() {
            return;
        }
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escape(value));
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        // Whole numbers without an exponent, however large.
        let _ = if value.fract() == 0.0 && value.abs() < 1e15 {
            writeln!(self.0, " {value:.0}")
        } else {
            writeln!(self.0, " {value:?}")
        };
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: Option<u64>) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), &[], value.map_or(f64::NAN, |value| value as f64));
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Everything, as text.
pub fn render(recorder: &Recorder, connections: usize, now: f64) -> String {
    let mut out = Text(String::with_capacity(16 * 1024));
    let latest = recorder.latest.as_ref().filter(|snapshot| now - snapshot.at < 15.0);
    out.gauge("chrony_up", "The daemon answers.", f64::from(u8::from(latest.is_some())));
    let mut families: Vec<&str> = Vec::new();
    for metric in METRICS {
        if !families.contains(&metric.exported) {
            families.push(metric.exported);
            family(&mut out, metric.exported, recorder, latest);
        }
    }
    if let Some(snapshot) = latest {
        tracking(&mut out, snapshot);
        sources(&mut out, snapshot);
        serverstats(&mut out, snapshot);
    }
    own(&mut out, recorder, latest);
    out.gauge("timeball_page_connections", "Connections to the page.", connections as f64);
    out.0.push_str("# EOF\n");
    out.0
}

/// All metrics of the list that share an exported name.
fn family(out: &mut Text, exported: &str, recorder: &Recorder, latest: Option<&Snapshot>) {
    let members: Vec<&Metric> = METRICS.iter().filter(|metric| metric.exported == exported).collect();
    let Some(first) = members.first() else { return };
    let counter = first.kind == Kind::Counter;
    out.family(exported, if counter { "counter" } else { "gauge" }, first.help);
    let name = if counter { format!("{exported}_total") } else { exported.to_owned() };
    for metric in members {
        match (metric.get, latest) {
            (Get::Daemon(get), Some(snapshot)) => out.sample(&name, metric.labels, get(snapshot)),
            (Get::Machine(get), _) => out.sample(&name, metric.labels, get(&recorder.machine)),
            (Get::Source(get), Some(snapshot)) => {
                for source in &snapshot.sources {
                    let address = address(source);
                    out.sample(
                        &name,
                        &[("source_address", &address), ("source_name", &source.name)],
                        get(source),
                    );
                }
            }
            (Get::Daemon(_) | Get::Source(_), None) => {}
        }
    }
}

fn address(source: &SourceSnapshot) -> String {
    source.data.address.ip().map_or_else(String::new, |ip| ip.to_string())
}

/// What chrony's exporter says of `tracking`, beside the list.
fn tracking(out: &mut Text, snapshot: &Snapshot) {
    let tracking = &snapshot.tracking;
    let followed = snapshot.followed();
    let (ip, name) =
        (followed.map_or_else(String::new, address), followed.map_or("", |source| source.name.as_str()));
    let ref_id = format!("{:08X}", tracking.ref_id.0);
    out.family("chrony_tracking_info", "gauge", "What the clock follows.");
    out.sample(
        "chrony_tracking_info",
        &[("tracking_address", &ip), ("tracking_name", name), ("tracking_refid", &ref_id)],
        1.0,
    );
    let known = |value: f64| if snapshot.synchronised() { value } else { f64::NAN };
    out.gauge(
        "chrony_tracking_reference_timestamp_seconds",
        "When the clock was last updated.",
        known(tracking.reference_time.as_seconds()),
    );
    let remote = f64::from(u8::from(snapshot.synchronised() && followed.is_some()));
    out.gauge("chrony_tracking_remote_reference", "The clock follows another, not itself.", remote);
    out.gauge(
        "chrony_tracking_system_time_seconds",
        "Correction still being slewed; positive: the clock is slow.",
        known(tracking.correction.0),
    );
    out.gauge(
        "chrony_tracking_frequency_ppms",
        "How fast the uncorrected clock gains, ppm.",
        known(tracking.frequency.ppm()),
    );
    out.gauge(
        "chrony_tracking_residual_frequency_ppms",
        "What the source followed says of the frequency in use, ppm.",
        known(tracking.residual_frequency.ppm()),
    );
    out.gauge(
        "chrony_tracking_skew_ppms",
        "Bound of the frequency's error, ppm.",
        known(tracking.skew.ppm()),
    );
}

fn sources(out: &mut Text, snapshot: &Snapshot) {
    type Value = fn(&SourceSnapshot) -> f64;
    let heard: Value = |source| source.data.last_rx.0.map_or(f64::NAN, f64::from);
    let families: [(&str, &str, Value); 6] = [
        ("last_sample_age_seconds", "Since the last sample.", heard),
        (
            "last_sample_offset_seconds",
            "Offset of the last sample; positive: the clock is ahead.",
            |source| -source.offset(),
        ),
        ("last_sample_error_margin_seconds", "How wrong the last sample may be.", SourceSnapshot::margin),
        ("polling_interval_seconds", "Time between two requests.", |source| {
            f64::from(source.data.poll).exp2()
        }),
        ("reachability_ratio", "Part of the last eight requests that was answered.", |source| {
            f64::from((source.data.reach.0 & 255).count_ones()) / 8.0
        }),
        ("stratum", "Its stratum.", |source| f64::from(source.data.stratum)),
    ];
    for (name, help, value) in families {
        let name = format!("chrony_sources_{name}");
        out.family(&name, "gauge", help);
        for source in &snapshot.sources {
            out.sample(
                &name,
                &[("source_address", &address(source)), ("source_name", &source.name)],
                value(source),
            );
        }
    }
    out.family("chrony_sources_state_info", "gauge", "What selection made of a source.");
    for source in &snapshot.sources {
        let state = match source.data.state {
            SourceState::Selected => "sync",
            SourceState::Combined => "candidate",
            SourceState::Selectable => "outlier",
            SourceState::Falseticker => "falseticker",
            SourceState::Jittery => "jittery",
            _ => "unreach",
        };
        let mode = match source.data.mode {
            SourceMode::Peer => "peer",
            SourceMode::Refclock => "ref",
            _ => "client",
        };
        let labels = [("source_address", address(source)), ("source_name", source.name.clone())];
        let labels = [
            (labels[0].0, labels[0].1.as_str()),
            (labels[1].0, labels[1].1.as_str()),
            ("source_state", state),
            ("source_mode", mode),
        ];
        out.sample("chrony_sources_state_info", &labels, 1.0);
    }
}

fn serverstats(out: &mut Text, snapshot: &Snapshot) {
    let stats = &snapshot.server;
    let counters = [
        ("command_packets_received", "Requests of the control protocol.", stats.command_hits),
        (
            "command_packets_dropped",
            "Requests of the control protocol dropped by the rate limit.",
            stats.command_drops,
        ),
        ("client_log_records_dropped", "Clients forgotten to keep memory in bounds.", stats.log_drops),
        ("nts_ke_connections_accepted", "NTS-KE connections accepted.", stats.ke_hits),
        ("nts_ke_connections_dropped", "NTS-KE connections dropped.", stats.ke_drops),
        ("authenticated_ntp_packets", "Authenticated NTP requests.", stats.authenticated),
        ("interleaved_ntp_packets", "NTP requests in interleaved mode.", stats.interleaved),
    ];
    for (name, help, value) in counters {
        out.counter(&format!("chrony_serverstats_{name}"), help, value);
    }
    let real = |value: Option<u64>| value.map_or(f64::NAN, |value| value as f64);
    out.gauge(
        "chrony_serverstats_ntp_timestamps_held",
        "Time stamps kept for clients in interleaved mode.",
        real(stats.stamps_held),
    );
    out.gauge(
        "chrony_serverstats_ntp_timestamp_span_seconds",
        "Time that these stamps span.",
        stats.stamp_span.map_or(f64::NAN, |span| span as f64),
    );
}

/// What only this program knows.
fn own(out: &mut Text, recorder: &Recorder, latest: Option<&Snapshot>) {
    out.family("timeball_build", "info", "The program.");
    out.sample("timeball_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    if let Some(snapshot) = latest {
        out.family("timeball_rejected", "counter", "Datagrams that got no answer, by the misdeed.");
        for reject in Reject::ALL {
            out.sample(
                "timeball_rejected_total",
                &[("reason", reject.name())],
                snapshot.rejected(*reject) as f64,
            );
        }
        for (name, help, pick) in [
            ("timeball_thread_requests", "Requests a serving thread received.", 0),
            ("timeball_thread_replies", "Replies a serving thread gave.", 1),
        ] {
            out.family(name, "counter", help);
            for (number, thread) in snapshot.threads.iter().enumerate() {
                let value = if pick == 0 { thread.0 } else { thread.1 };
                out.sample(&format!("{name}_total"), &[("thread", &number.to_string())], value as f64);
            }
        }
        out.counter("timeball_clock_steps", "Steps of the clock.", Some(snapshot.steps));
        out.counter(
            "timeball_snapshots_dropped",
            "Snapshots the observer was too slow to take.",
            Some(snapshot.untold),
        );
    }
    out.gauge(
        "timeball_conntrack_limit",
        "Most connections that the firewall tracks.",
        recorder.machine.conntrack_limit,
    );
    out.gauge("timeball_threads", "Threads of the daemon.", recorder.machine.threads);
    if let Some(archive) = &recorder.archive {
        out.gauge("timeball_archive_bytes", "Size of the archive.", archive.layout().size() as f64);
        out.gauge("timeball_archive_series", "Series in the archive.", archive.layout().columns.len() as f64);
        out.counter(
            "timeball_archive_written_bytes",
            "Bytes written to the archive, in whole pages.",
            Some(archive.written()),
        );
    }
    let waiting = recorder.archive.as_ref().map_or(0, super::archive::Archive::waiting);
    out.gauge("timeball_archive_waiting_rows", "Rows not yet written to the archive.", waiting as f64);
    out.gauge(
        "timeball_archive_healthy",
        "The archive can be written.",
        f64::from(u8::from(recorder.problem.is_none())),
    );
}

#[cfg(test)]
mod tests;
