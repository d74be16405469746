//! The answers of `/api`: what `docs/api.md` says, from what the recorder knows.

use super::events::Event;
use super::plots;
use super::recorder::Recorder;
use super::words;
use ntp::control::sources::{SourceMode, SourceState};
use ntp::metrics::{METRICS, Metric, state_code};
use ntp::report::text::ref_id_text;
use ntp::snapshot::{ClientSnapshot, INTERVALS, Snapshot, SourceSnapshot};
use serde_json::{Value, json};
use std::fmt::Write;

/// Values in one answer: names × points.
const MOST_VALUES: usize = 50_000;
/// Clients in one answer.
const MOST_CLIENTS: usize = 50;
/// Names in one question.
const MOST_NAMES: usize = 64;
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

fn service(recorder: &Recorder, snapshot: &Snapshot) -> Value {
    let rate = |name: &str| real(recorder.recent(name));
    let (received, sent): (u64, u64) =
        (snapshot.traffic.packets_in.iter().sum(), snapshot.traffic.packets_out.iter().sum());
    json!({
        "requests": rate("packets_in"), "answered": rate("packets_out"),
        "dropped": real((recorder.recent("packets_in") - recorder.recent("packets_out")).max(0.0)),
        "dropped_rate": rate("limited"), "dropped_access": rate("refused"), "dropped_invalid": rate("invalid"),
        "dropped_other": rate("lost"), "bytes_in": rate("bytes_in"), "bytes_out": rate("bytes_out"),
        "total": {"requests": received, "dropped": received.saturating_sub(sent)},
        "threads": snapshot.threads.iter().map(|(received, answered)| json!({"received": received, "answered": answered})).collect::<Vec<_>>(),
    })
}

/// The strip of eight, less what this machine does not have.
fn tiles(recorder: &Recorder, snapshot: &Snapshot) -> Value {
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

/// `/api/clients`
pub fn clients(recorder: &Recorder, asked: &Asked<'_>) -> Result<Value, Refusal> {
    if asked.public {
        return Err((403, "addresses of clients are not shown on the public page".to_owned()));
    }
    let snapshot = recorder.latest.as_ref().ok_or((503, "the daemon has not spoken yet".to_owned()))?;
    let known = snapshot.clients.capacity > 0;
    let mut loudest: Vec<_> =
        recorder.clients.values().map(|(at, client)| (snapshot.at - at, client)).collect();
    loudest.sort_by(|a, b| b.1.rate.total_cmp(&a.1.rate));
    let clients: Vec<Value> =
        loudest.iter().take(MOST_CLIENTS).map(|(since, client)| one_client(*since, client)).collect();
    Ok(json!({
        "at": snapshot.at, "remembered": known.then_some(snapshot.clients.remembered),
        "capacity": known.then_some(snapshot.clients.capacity), "clients": clients,
        "intervals": shares(&INTERVALS.map(str::to_owned), &recorder.habits.intervals),
        "versions": shares(&[0, 1, 2, 3, 4, 5, 6, 7].map(|n| if n == 0 { "symmetric".to_owned() } else { format!("v{n}") }), &recorder.habits.versions),
    }))
}

/// Which part of all each is; nothing when there are none.
fn shares(labels: &[String], counts: &[u32]) -> Vec<Value> {
    let all: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let known = labels.iter().zip(counts).filter(|(_, count)| **count > 0);
    known.map(|(label, count)| json!({"label": label, "share": f64::from(*count) / all})).collect()
}

fn one_client(since: f64, client: &ClientSnapshot) -> Value {
    let group = client.prefix < 128 && client.address.ip().is_some_and(|ip| ip.is_ipv6());
    let address =
        if group { format!("{}/{}", client.address, client.prefix) } else { client.address.to_string() };
    let versions: Vec<String> = (1..8)
        .filter(|version| client.versions & (1 << version) != 0)
        .map(|version| format!("v{version}"))
        .collect();
    let share = f64::from(client.drops) / f64::from(client.hits.max(1));
    let note = match (client.rate, share) {
        (rate, share) if rate > 10.0 && share > 0.5 => "Asks without pause.".to_owned(),
        (_, share) if share > 0.01 => format!("{:.0} % of its requests were not answered.", share * 100.0),
        _ if group => "Several devices of one network.".to_owned(),
        _ => String::new(),
    };
    json!({
        "address": address, "rate": real(client.rate), "requests": client.hits, "dropped": client.drops,
        "interval": real(client.interval), "age": real(client.age + since.max(0.0)), "version": versions.join(" "),
        "action": if client.limited { "limited" } else { "answer" }, "note": note,
    })
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
    let mut value = event.json();
    if let (true, Some(snapshot)) = (public, &recorder.latest) {
        for field in ["short", "what", "why", "effect"] {
            value[field] = json!(hide(value[field].as_str().unwrap_or_default(), snapshot));
        }
    }
    value
}

/// The columns a question names: metric names, and for sources `name@s3`.
fn columns(recorder: &Recorder, names: &[String]) -> Result<Vec<(&'static Metric, Option<usize>)>, Refusal> {
    let layout = recorder.archive.as_ref().map(|archive| archive.layout());
    let column = |name: &String| {
        let bare = name.split_once('@').map_or(name.as_str(), |(bare, _)| bare);
        let metric = METRICS.iter().find(|metric| metric.name == bare);
        let valid = metric.filter(|metric| metric.is_per_source() == name.contains('@'));
        let metric = valid.ok_or_else(|| {
            (404, format!("there is no series \"{}\"", name.chars().take(60).collect::<String>()))
        })?;
        Ok((metric, layout.and_then(|layout| layout.column(name))))
    };
    names.iter().map(column).collect()
}

/// A range of time in a question.
fn range(asked: &Asked<'_>) -> Result<(f64, f64), Refusal> {
    let to = asked.number("to")?.unwrap_or(asked.now);
    let to = if to <= 0.0 { asked.now + to } else { to };
    let from = asked.number("from")?.unwrap_or(-86_400.0);
    let from = if from < 0.0 { to + from } else { from };
    if from < to { Ok((from, to)) } else { Err((400, "from is not before to".to_owned())) }
}

/// `/api/series`: the media type and the text.
pub fn series(recorder: &Recorder, asked: &Asked<'_>) -> Result<(&'static str, String), Refusal> {
    let names = asked.text("series").unwrap_or_default();
    let names: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() || names.len() > MOST_NAMES {
        return Err((400, format!("series= wants 1 to {MOST_NAMES} names, with commas between them")));
    }
    let wanted = columns(recorder, &names)?;
    let (from, to) = range(asked)?;
    let points = asked.number("points")?.unwrap_or(720.0).clamp(1.0, 2000.0) as usize;
    let points = points.min(MOST_VALUES / names.len());
    let archive = recorder.archive.as_ref().ok_or((503, "nothing is recorded".to_owned()))?;
    let present: Vec<usize> = wanted.iter().filter_map(|(_, column)| *column).collect();
    let answer = archive
        .query(&present, from, to, points)
        .map_err(|error| (503, format!("the archive cannot be read: {error}")))?;
    let mut found = answer.columns.iter();
    let all: Vec<(&String, &Metric, Option<&super::archive::Points>)> = names
        .iter()
        .zip(&wanted)
        .map(|(name, (metric, column))| (name, *metric, column.and_then(|_| found.next())))
        .collect();
    if asked.text("format").as_deref() == Some("csv") {
        return Ok(("text/csv; charset=utf-8", csv(&answer, &all)));
    }
    let mut out = String::with_capacity(64 + points * names.len() * 30);
    let _ = write!(
        out,
        "{{\"from\":{from},\"to\":{to},\"start\":{},\"step\":{},\"series\":{{",
        answer.start, answer.step
    );
    for (at, (name, metric, points)) in all.iter().enumerate() {
        let _ = write!(
            out,
            "{}{}:{{\"unit\":{}",
            if at > 0 { "," } else { "" },
            json!(name),
            json!(plots::unit(metric.unit))
        );
        let empty = vec![f32::NAN; answer.covered.len()];
        let lists = points.map_or([&empty; 3], |points| [&points.mean, &points.min, &points.max]);
        for (word, list) in ["mean", "min", "max"].into_iter().zip(lists) {
            let _ = write!(out, ",\"{word}\":[");
            for (at, value) in list.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                // Writing to a string cannot fail.
                let _ = if value.is_finite() {
                    write!(out, "{comma}{value:?}")
                } else {
                    write!(out, "{comma}null")
                };
            }
            out.push(']');
        }
        out.push('}');
    }
    let gaps = gaps(&answer, asked.now, recorder.oldest());
    let _ = write!(out, "}},\"covered\":{},\"gaps\":{}}}", json!(answer.covered), json!(gaps));
    Ok(("application/json", out))
}

/// Stretches in which nothing was recorded, from the beginning of the archive to now.
fn gaps(answer: &super::archive::Answer, now: f64, oldest: f64) -> Vec<[f64; 2]> {
    let mut gaps: Vec<[f64; 2]> = Vec::new();
    for (at, seconds) in answer.covered.iter().enumerate() {
        let begin = answer.start as f64 + at as f64 * f64::from(answer.step);
        let end = begin + f64::from(answer.step);
        let ours = begin >= oldest && end <= now - f64::from(answer.step);
        if *seconds > 0.0 || !ours {
            continue;
        }
        match gaps.last_mut() {
            Some(last) if last[1] == begin => last[1] = end,
            _ => gaps.push([begin, end]),
        }
    }
    gaps
}

fn csv(
    answer: &super::archive::Answer,
    all: &[(&String, &Metric, Option<&super::archive::Points>)],
) -> String {
    let mut out = "time".to_owned();
    for (name, ..) in all {
        let _ = write!(out, ",{name}_mean,{name}_min,{name}_max");
    }
    out.push('\n');
    for at in 0..answer.covered.len() {
        let _ = write!(out, "{}", answer.start + at as u64 * u64::from(answer.step));
        for (_, _, points) in all {
            for list in
                points.map_or([None; 3], |points| [Some(&points.mean), Some(&points.min), Some(&points.max)])
            {
                match list.map(|list| list[at]).filter(|value| value.is_finite()) {
                    Some(value) => {
                        let _ = write!(out, ",{value:?}");
                    }
                    None => out.push(','),
                }
            }
        }
        out.push('\n');
    }
    out
}
