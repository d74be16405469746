//! The answers of `/api`: what `docs/api.md` says, from what the recorder knows.

mod clients;
mod series;
mod tiles;

use super::abuse::nameless;
use super::events::{Event, Kind};
use super::recorder::{Recorder, Totals};
use super::words;
pub use clients::clients;
use ntp::control::sources::{SourceMode, SourceState};
use ntp::metrics::state_code;
use ntp::report::text::ref_id_text;
use ntp::snapshot::{Snapshot, SourceSnapshot};
use serde_json::{Value, json};
pub use series::series;
use tiles::tiles;

/// Silence longer than this (s) means that the daemon is gone.
const SILENCE: f64 = 5.0;

/// Who asks, and what is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Now, s since 1970.
    pub now: f64,
    /// The page may be shown to the world.
    pub public: bool,
    /// What follows the question mark.
    pub query: &'a str,
    /// What the machine calls itself.
    pub host: &'a str,
}

/// A refusal: the status and the words.
pub type Refusal = (u16, String);

impl Asked<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| decode(value))
        })
    }

    fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.map(Some).ok_or_else(|| (400, format!("{name} is not a number")))
    }
}

/// `%20` and `+`.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                out.push(code);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// NaN is `null`.
fn real(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// `/api/status`
pub fn status(recorder: &Recorder, asked: &Asked<'_>) -> Value {
    let (state, latest) = (recorder.state(), recorder.latest.as_ref());
    let Asked { now, public, .. } = *asked;
    let at = latest.map_or(f64::NAN, |snapshot| snapshot.at);
    let mut status = json!({
        "now": now, "at": real(at), "live": now - at < SILENCE, "public": public, "version": env!("CARGO_PKG_VERSION"),
        "started": real(latest.map_or(f64::NAN, |_| recorder.started)), "state": state.word(),
        "sentence": words::sentence(state, latest, public),
        "clock": null, "service": null,
        "machine": machine(recorder),
        "archive": archive(recorder),
    });
    if !public {
        status["host"] = json!(asked.host);
        status["next"] = words::next(state, latest, recorder.problem.as_deref(), now - recorder.started);
    }
    let Some(snapshot) = latest else { return status };
    let received = recorder.recent("packets_in");
    let dropped = (received - recorder.recent("packets_out")).max(0.0);
    let answers = recorder.recent("packets_out");
    status["detail"] =
        json!(words::detail(state, snapshot, if answers.is_nan() { 0.0 } else { answers }, public));
    status["clock"] = clock(snapshot, public);
    status["service"] = service(recorder, snapshot);
    status["tiles"] = tiles(recorder, snapshot);
    let midnight = (now / 86_400.0).floor() * 86_400.0;
    let today = recorder.events.all().iter().filter(|event| event.at >= midnight).count();
    let rates = if received.is_nan() { (0.0, 0.0) } else { (received, dropped) };
    let mut headings = words::headings(state, snapshot, rates, today);
    if public {
        headings["sources"]["text"] =
            json!(hide(headings["sources"]["text"].as_str().unwrap_or_default(), snapshot));
    }
    status["headings"] = headings;
    status
}

fn machine(recorder: &Recorder) -> Value {
    let machine = &recorder.machine;
    let cpu = recorder.recent("cpu_user") + recorder.recent("cpu_system");
    json!({
        "cpu": real(cpu), "memory": real(machine.memory), "temperature": real(machine.temperature), "conntrack": real(machine.conntrack),
        "conntrack_limit": real(machine.conntrack_limit), "threads": real(machine.threads),
    })
}

fn archive(recorder: &Recorder) -> Value {
    let Some(archive) = &recorder.archive else {
        return json!({"problem": recorder.problem, "series": 0, "bytes": 0});
    };
    json!({
        "since": real(recorder.oldest()), "bytes": archive.layout().size(), "series": archive.layout().columns.len(),
        "written_today": recorder.written_today(), "interval": recorder.interval, "problem": recorder.problem,
    })
}

fn clock(snapshot: &Snapshot, public: bool) -> Value {
    let tracking = &snapshot.tracking;
    let known = |value: f64| if snapshot.synchronised() { real(value) } else { Value::Null };
    let leap = match tracking.leap.0 {
        0 => "normal",
        1 => "insert",
        2 => "delete",
        _ => "unsynchronised",
    };
    json!({
        "source": snapshot.followed().map(|source| words::shown(source, public)),
        "ref_id": if public { Value::Null } else { json!(format!("{:08X}", tracking.ref_id.0)) },
        "stratum": snapshot.synchronised().then_some(tracking.stratum), "leap": leap,
        "offset": known(0.0 - tracking.correction.0), "error_bound": known(snapshot.error_bound()),
        "last_offset": known(tracking.last_offset.0), "rms_offset": known(tracking.rms_offset.0),
        "frequency": known(tracking.frequency.get()), "residual_frequency": known(tracking.residual_frequency.get()),
        "skew": known(tracking.skew.get()), "root_delay": known(tracking.root_delay.0),
        "root_dispersion": known(tracking.root_dispersion.0), "update_interval": known(tracking.update_interval.0),
        "reference_time": known(tracking.reference_time.as_seconds()),
    })
}

fn month(totals: &Totals) -> Value {
    let [bytes_in, bytes_out, requests, answered] = totals.sums;
    json!({
        "begin": totals.begin, "recorded": totals.seconds, "bytes_in": bytes_in, "bytes_out": bytes_out, "requests": requests,
        "answered": answered,
    })
}

fn service(recorder: &Recorder, snapshot: &Snapshot) -> Value {
    let rate = |name: &str| real(recorder.recent(name));
    let (received, sent): (u64, u64) =
        (snapshot.traffic.packets_in.iter().sum(), snapshot.traffic.packets_out.iter().sum());
    json!({
        "requests": rate("packets_in"), "answered": rate("packets_out"),
        "dropped": real((recorder.recent("packets_in") - recorder.recent("packets_out")).max(0.0)),
        "dropped_rate": rate("limited"), "dropped_access": rate("refused"), "dropped_invalid": rate("invalid"),
        "dropped_other": rate("lost"), "bytes_in": rate("bytes_in"), "bytes_out": rate("bytes_out"),
        "month": month(&recorder.months.current),
        "last_month": if recorder.months.last.seconds > 0.0 { month(&recorder.months.last) } else { Value::Null },
        "total": {"requests": received, "dropped": received.saturating_sub(sent)},
        "threads": snapshot.threads.iter().map(|(received, answered)| json!({"received": received, "answered": answered})).collect::<Vec<_>>(),
    })
}

/// `/api/sources`
pub fn sources(recorder: &Recorder, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let snapshot = recorder.latest.as_ref().ok_or((503, "the daemon has not spoken yet".to_owned()))?;
    let id = |number: usize, source: &SourceSnapshot| match recorder.slot(source) {
        Some(slot) => format!("s{slot}"),
        None => format!("x{number}"),
    };
    let list: Vec<Value> = snapshot
        .sources
        .iter()
        .enumerate()
        .map(|(number, source)| one_source(recorder, snapshot, asked.public, &id(number, source), source))
        .collect();
    let followed = snapshot.sources.iter().position(|source| source.data.state == SourceState::Selected);
    Ok(json!({
        "at": snapshot.at,
        "followed": followed.map(|number| id(number, &snapshot.sources[number])),
        "agree": agreement(snapshot).map(|(low, high)| [low, high]),
        "sources": list,
    }))
}

fn one_source(
    recorder: &Recorder,
    snapshot: &Snapshot,
    public: bool,
    id: &str,
    source: &SourceSnapshot,
) -> Value {
    let (data, stats) = (&source.data, &source.stats);
    let (state, mark) = state_word(data.state);
    let why = recorder.reason(source);
    let heard = data.last_rx.0.is_some();
    let ref_id =
        if data.stratum <= 1 { ref_id_text(stats.ref_id) } else { format!("{:08X}", stats.ref_id.0) };
    json!({
        "id": id, "name": words::shown(source, public),
        "address": if public { Value::Null } else { json!(data.address.ip().map(|ip| ip.to_string())) },
        "ref_id": if public || !heard { Value::Null } else { json!(ref_id) },
        "kind": match data.mode { SourceMode::Peer => "peer", SourceMode::Refclock => "refclock", _ => "server" },
        "state": state, "mark": mark, "stratum": heard.then_some(data.stratum), "offset": real(source.offset()),
        "margin": real(source.margin()), "delay": real(source.delay), "jitter": real(source.jitter()),
        "poll": f64::from(data.poll).exp2(), "reach": data.reach.0 & 255, "age": data.last_rx.0,
        "frequency": if stats.samples > 2 { real(stats.residual_frequency.get()) } else { Value::Null },
        "skew": if stats.samples > 2 { real(stats.skew.get()) } else { Value::Null },
        "samples": stats.samples, "why": if public { hide(&why, snapshot) } else { why },
    })
}

fn state_word(state: SourceState) -> (&'static str, &'static str) {
    match state {
        SourceState::Selected => ("selected", "*"),
        SourceState::Combined => ("combined", "+"),
        SourceState::Selectable => ("unneeded", "-"),
        SourceState::Jittery => ("unsteady", "~"),
        SourceState::Falseticker => ("wrong", "x"),
        _ => ("lost", "?"),
    }
}

/// What the intervals of the good sources have in common, relative to the clock.
fn agreement(snapshot: &Snapshot) -> Option<(f64, f64)> {
    let good = snapshot.sources.iter().filter(|source| state_code(source.data.state) >= 3);
    let (low, high) = good.fold((f64::NEG_INFINITY, f64::INFINITY), |(low, high), source| {
        (low.max(source.offset() - source.margin()), high.min(source.offset() + source.margin()))
    });
    (low.is_finite() && low <= high).then_some((low, high))
}

/// A text without the addresses of sources.
fn hide(text: &str, snapshot: &Snapshot) -> String {
    let mut text = text.to_owned();
    for source in &snapshot.sources {
        if let Some(ip) = source.data.address.ip() {
            text = text.replace(&ip.to_string(), "a source");
        }
        if words::shown(source, true) != source.name {
            text = text.replace(&source.name, "a source");
        }
    }
    text
}

/// `/api/events`
pub fn events(recorder: &Recorder, asked: &Asked<'_>) -> Result<Value, Refusal> {
    let from = asked.number("from")?.unwrap_or(f64::NEG_INFINITY);
    let to = asked.number("to")?.unwrap_or(f64::INFINITY);
    let limit = asked.number("limit")?.unwrap_or(200.0).clamp(1.0, 1000.0) as usize;
    let inside = |event: &&Event| event.at <= to && event.end.unwrap_or(event.at) >= from;
    let mut found = recorder.events.all().iter().rev().filter(inside);
    let list: Vec<Value> =
        found.by_ref().take(limit).map(|event| event_json(recorder, event, asked.public)).collect();
    Ok(json!({"events": list, "more": found.next().is_some()}))
}

/// One event as it may be shown.
pub fn event_json(recorder: &Recorder, event: &Event, public: bool) -> Value {
    let mut value = match event.kind {
        Kind::Client if public => nameless(event).json(),
        _ => event.json(),
    };
    if let (true, Some(snapshot)) = (public, &recorder.latest) {
        for field in ["short", "what", "why", "effect"] {
            value[field] = json!(hide(value[field].as_str().unwrap_or_default(), snapshot));
        }
    }
    value
}
