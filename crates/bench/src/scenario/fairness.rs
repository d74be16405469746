//! Who is answered when somebody asks too much, in his own name or in another's.

use super::{Stage, TABLE, requests};
use crate::flow::{CLIENTS, Flow, Kind, Pace, Sources};

/// The interval at which quiet clients ask, s.
const QUIET_INTERVAL: f64 = 8.0;
/// How many they are.
const QUIET: u32 = 999;
/// Requests of the loud one, 1/s.
const LOUD: f64 = 10_000.0;
/// Victims ask at this interval, s: the longest that is usual after a start.
const VICTIM_INTERVAL: f64 = 64.0;
/// So often somebody asks in a victim's name, 1/s.
const FORGED: f64 = 20.0;
/// The part of a victim's requests that must be answered.
const VICTIM_ANSWERED: f64 = 0.95;
/// The pool's monitors ask three times, s apart.
const PROBE_INTERVAL: f64 = 2.0;

/// One asks ten thousand times a second, the others as usual.
pub fn loud(stage: &mut Stage<'_>) -> Result<(), String> {
    let server = stage.start("")?;
    let before = server.resident();
    let quiet = requests(
        "quiet clients",
        Sources::InTurn { base: CLIENTS, count: QUIET },
        f64::from(QUIET) / QUIET_INTERVAL,
    );
    let loud = requests("the loud client", Sources::InTurn { base: CLIENTS + 500_000, count: 1 }, LOUD);
    let outcome = stage.load.open(&[quiet, loud], stage.span(5.0, 17.0));
    let answered = &outcome.tallies[1];
    stage.note(&format!("the loud client got {} answers to {} requests", answered.received, answered.sent));
    stage.lost_at_most(&outcome, "quiet clients", 0.001);
    stage.replies_right(&outcome);
    stage.sound(server, before, TABLE);
    Ok(())
}

/// Time cannot be pressed together honestly, but many victims at once give as many polls as one in hours: each is forged at 20/s and
/// asks once in 64 s. The first requests are not judged, so that all have been forged for a while.
pub fn victim(stage: &mut Stage<'_>) -> Result<(), String> {
    let (seconds, settle, count) = (stage.span(6.0, 30.0), stage.span(3.0, 10.0), stage.span(500, 1000));
    for knowing in [false, true] {
        let server = stage.start("")?;
        let before = server.resident();
        let all = |name, knows: bool, rate| {
            let (base, count) = (CLIENTS, count);
            let sources =
                if knows { Sources::InTurn { base, count } } else { Sources::Forged { base, count } };
            requests(name, sources, rate * f64::from(count))
        };
        let forger = all("the forger", knowing, FORGED);
        stage.load.open(std::slice::from_ref(&forger), settle);
        let victims = all("victims", true, 1.0 / VICTIM_INTERVAL);
        let outcome = stage.load.open(&[victims, forger], seconds);
        let forged = &outcome.tallies[1];
        stage.note(&format!(
            "forger who {} the ports: {} answers to {} requests",
            if knowing { "knows" } else { "does not know" },
            forged.received,
            forged.sent
        ));
        stage.lost_at_most(&outcome, "victims", 1.0 - VICTIM_ANSWERED);
        stage.replies_right(&outcome);
        stage.sound(server, before, TABLE);
    }
    Ok(())
}

/// Three requests 2 s apart, each address once, beside a loud client.
pub fn probes(stage: &mut Stage<'_>) -> Result<(), String> {
    let server = stage.start("")?;
    let before = server.resident();
    let monitors = stage.span(200, 2000_u32);
    let spread = stage.span(1.0, 10.0);
    let mut all: Vec<(f64, u32)> = (0..monitors)
        .flat_map(|monitor| {
            let first = spread * f64::from(monitor) / f64::from(monitors);
            (0..3).map(move |probe| (first + PROBE_INTERVAL * f64::from(probe), monitor))
        })
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let probes = Flow {
        name: "probes",
        sources: Sources::Listed(all.iter().map(|&(_, monitor)| monitor).collect()),
        kind: Kind::Request,
        pace: Pace::Times(all.iter().map(|&(time, _)| time).collect()),
    };
    let loud = requests("the loud client", Sources::InTurn { base: CLIENTS + 500_000, count: 1 }, LOUD);
    let outcome = stage.load.open(&[probes, loud], spread + 2.0 * PROBE_INTERVAL + 0.5);
    let sent = outcome.tallies[0].sent;
    stage.verdict(sent == u64::from(monitors) * 3, format!("{sent} probes of {monitors} monitors were sent"));
    stage.lost_at_most(&outcome, "probes", 0.0);
    stage.replies_right(&outcome);
    stage.sound(server, before, TABLE);
    Ok(())
}
