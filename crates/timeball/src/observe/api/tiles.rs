//! The strip of tiles at the top of the page.

use super::super::recorder::Recorder;
use super::super::words;
use super::real;
use ntp::snapshot::Snapshot;
use serde_json::{Value, json};

/// The strip of eight, less what this machine does not have.
pub fn tiles(recorder: &Recorder, snapshot: &Snapshot) -> Value {
    let mut tiles = Vec::new();
    let mut tile = |id: &str,
                    label: &str,
                    term: &str,
                    (value, scale, unit, digits): (f64, f64, &str, u8),
                    series: Option<&str>,
                    words: String,
                    level: &str| {
        tiles.push(json!({
            "id": id, "label": label, "term": term, "value": real(value), "scale": scale, "unit": unit, "digits": digits, "series": series,
            "words": words, "level": if value.is_nan() { "none" } else { level },
        }));
    };
    let bound = snapshot.error_bound();
    let level = if bound > words::POOL_LIMIT {
        "bad"
    } else if bound > 0.01 {
        "warn"
    } else {
        "good"
    };
    tile(
        "error_bound",
        "Error bound",
        "error_bound",
        (bound, 1e3, "ms", 2),
        Some("error_bound"),
        "the pool allows 25 ms".to_owned(),
        level,
    );
    let stratum = if snapshot.synchronised() { f64::from(snapshot.tracking.stratum) } else { f64::NAN };
    let follows = match snapshot.followed() {
        Some(source) => format!("one step from a stratum {}", source.data.stratum),
        None if snapshot.synchronised() => "its own clock".to_owned(),
        None => "not synchronised".to_owned(),
    };
    tile("stratum", "Stratum", "stratum", (stratum, 1.0, "", 0), Some("stratum"), follows, "none");
    let requests = recorder.recent("packets_in");
    let digits = u8::from(requests < 10.0);
    let total: u64 = snapshot.traffic.packets_in.iter().sum();
    let since = format!("{} since the start", words::grouped(total as f64, 0));
    tile(
        "requests",
        "Requests",
        "requests",
        (requests, 1.0, "/s", digits),
        Some("packets_in"),
        since,
        "none",
    );
    let dropped =
        if requests > 0.0 { (requests - recorder.recent("packets_out")).max(0.0) / requests } else { 0.0 };
    let level = if dropped > 0.03 { "warn" } else { "none" };
    tile(
        "dropped",
        "Dropped",
        "dropped",
        (dropped, 100.0, "%", 1),
        Some("limited"),
        "below 3 % is normal".to_owned(),
        level,
    );
    if snapshot.clients.capacity > 0 {
        let full =
            format!("of {} that can be remembered", words::grouped(snapshot.clients.capacity as f64, 0));
        tile(
            "clients",
            "Clients",
            "clients",
            (snapshot.clients.remembered as f64, 1.0, "", 0),
            Some("clients"),
            full,
            "none",
        );
    }
    let (usable, all) = (words::usable(snapshot), snapshot.sources.len());
    let level = match usable {
        0 if all > 0 => "bad",
        0..=2 if all > 0 => "warn",
        _ => "good",
    };
    tile(
        "sources",
        "Good sources",
        "sources",
        (usable as f64, 1.0, "", 0),
        Some("usable_sources"),
        format!("of {}", words::counted(all, "source")),
        level,
    );
    let cpu = recorder.recent("cpu_user") + recorder.recent("cpu_system");
    tile(
        "cpu",
        "Processor",
        "cpu",
        (cpu, 100.0, "%", 1),
        Some("cpu_system"),
        "of one core".to_owned(),
        "none",
    );
    let machine = &recorder.machine;
    tile(
        "memory",
        "Memory",
        "memory",
        (machine.memory, 1e-6, "MB", 1),
        Some("memory"),
        "of the daemon".to_owned(),
        "none",
    );
    if machine.conntrack.is_finite() {
        let full = machine.conntrack / machine.conntrack_limit;
        let level = if full > 0.8 {
            "bad"
        } else if full > 0.5 {
            "warn"
        } else {
            "good"
        };
        tile(
            "conntrack",
            "Connections",
            "conntrack",
            (full, 100.0, "%", 1),
            Some("conntrack"),
            format!("{} tracked", words::grouped(machine.conntrack, 0)),
            level,
        );
    }
    if machine.temperature.is_finite() {
        tile(
            "temperature",
            "Temperature",
            "temperature",
            (machine.temperature, 1.0, "°C", 1),
            Some("temperature"),
            "warmest sensor".to_owned(),
            "none",
        );
    }
    Value::Array(tiles)
}
