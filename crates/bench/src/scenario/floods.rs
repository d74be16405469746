//! Much that is not worth an answer, and a few who are.

use super::{Stage, TABLE, requests};
use crate::flow::{CLIENTS, FORGED, Flow, Kind, Pace, Sources};

/// Honest requests, 1/s, and the clients they come from: each asks every 64 s.
const HONEST: (f64, u32) = (1000.0, 64_000);
/// The part of honest requests that may be lost.
const LOSS: f64 = 0.001;
/// More is not sent in a second: the load generator must keep up while it also looks at its own packets.
const MOST: f64 = 150_000.0;

fn honest() -> Flow {
    requests("honest clients", Sources::InTurn { base: CLIENTS, count: HONEST.1 }, HONEST.0)
}

/// Datagrams of every wrong kind.
pub fn hostile(stage: &mut Stage<'_>) -> Result<(), String> {
    let sources = Sources::Forged { base: FORGED, count: 1 << 21 };
    let junk = Flow { name: "hostile datagrams", sources, kind: Kind::Junk, pace: Pace::Rate(0.0) };
    against(stage, junk, stage.span(60_000.0, 600_000.0))
}

/// Good requests in the names of two million who never asked.
pub fn forged(stage: &mut Stage<'_>) -> Result<(), String> {
    let sources = Sources::Forged { base: FORGED, count: 2_000_000 };
    let flood = requests("forged requests", sources, 0.0);
    against(stage, flood, stage.span(300_000.0, 3_000_000.0))
}

/// Sends `count` datagrams of `bad` at half the capacity beside the honest ones.
fn against(stage: &mut Stage<'_>, bad: Flow, count: f64) -> Result<(), String> {
    let server = stage.start("")?;
    let before = server.resident();
    let rate = (stage.capacity() / 2.0).min(MOST);
    let bad = Flow { pace: Pace::Rate(rate), ..bad };
    let outcome = stage.load.open(&[honest(), bad], count / rate);
    let junk = &outcome.tallies[1];
    stage.note(&format!(
        "{} {} at {:.0}/s, {} of them answered",
        junk.sent,
        junk.name,
        junk.sent as f64 / outcome.seconds,
        junk.received
    ));
    stage.lost_at_most(&outcome, "honest clients", LOSS);
    stage.replies_right(&outcome);
    stage.sound(server, before, TABLE);
    Ok(())
}
