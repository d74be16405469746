//! `/api/clients`: who asks for the time.

use super::super::recorder::Recorder;
use super::{Asked, Refusal, real};
use ntp::snapshot::{ClientSnapshot, INTERVALS};
use serde_json::{Value, json};

/// Clients in one answer.
const MOST_CLIENTS: usize = 50;

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
