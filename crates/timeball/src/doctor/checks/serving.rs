//! Whom time is served to, and whether the limits are right.

use std::net::IpAddr;

use ntp::config::TrafficLimit;
use ntp::server::clients::Tick;
use ntp::server::limit::replay::{Trial, replay};
use ntp::server::requests::Run;
use ntp::wire::Leap;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::{Check, check, config, daemon, with_line};
use crate::operators::is_private;

pub const CHECKS: &[Check] = &[
    check("port", "the server answers at each address", port),
    check("limits", "the limits let the pool's probes pass", limits),
    check("client-table", "the table of clients is large enough", clients),
    check("drops", "the kernel drops no requests", drops),
    check("management", "commands are not taken from the Internet", management),
];

/// Losses below this part of the requests are no trouble.
const FEW: f64 = 1e-3;
/// Monitors played, and checks of each.
const MONITORS: u32 = 64;
const CHECKS_EACH: u32 = 8;
/// Seconds between two checks of one monitor, and between two requests of a check.
const BETWEEN_CHECKS: u32 = 540;
const BETWEEN_REQUESTS: u32 = 2;

fn port(facts: &Facts) -> Finding {
    let config = match config(facts) {
        Ok(config) => config,
        Err(skipped) => return skipped,
    };
    if !facts.running {
        return Finding::skipped("only a running machine can be asked");
    }
    if config.server.port == 0 || !facts.serves_others() {
        return Finding::skipped("this machine serves nobody else");
    }
    if facts.daemon.is_none() && facts.process.is_none() {
        return Finding::skipped("no daemon answers");
    }
    // Where the daemon was told to listen, if it was told.
    let listens = |address: IpAddr| {
        let family = || config.server.bind.iter().filter(|bound| bound.is_ipv4() == address.is_ipv4());
        family().next().is_none() || family().any(|bound| *bound == address || bound.is_unspecified())
    };
    let device = |interface: &str| config.server.device.as_deref().is_none_or(|device| device == interface);
    let asked: Vec<_> = facts
        .answers
        .iter()
        .filter(|(name, address, _)| facts.serves(address.ip()) && listens(address.ip()) && device(name))
        .collect();
    let words =
        |(interface, address, _): &&&(String, std::net::SocketAddr, _)| format!("{interface}: {address}");
    let silent: Vec<String> =
        asked.iter().filter(|(_, _, answer)| answer.is_none()).map(|one| words(&one)).collect();
    let unsure: Vec<String> = asked
        .iter()
        .filter(|(_, _, answer)| answer.is_some_and(|packet| packet.leap == Leap::Unsynchronised))
        .map(|one| words(&one))
        .collect();
    if asked.is_empty() {
        return Finding::warning("none of this machine's own addresses may ask, so nothing could be tried")
            .advise("allow the machine's own networks, to see it from here");
    }
    if !silent.is_empty() {
        return Finding::fault(format!("no answer at {} of {} addresses", silent.len(), asked.len()))
            .seen(silent)
            .mend(facts.restart())
            .advise("A firewall of this machine or bindaddress may be in the way");
    }
    if !unsure.is_empty() {
        return Finding::warning("the server answers that it does not know the time").seen(unsure);
    }
    Finding::ok(format!(
        "answers at {}, asked from here",
        if asked.len() == 1 { "1 address".to_owned() } else { format!("{} addresses", asked.len()) }
    ))
    .seen(asked.iter().map(|one| words(&one)))
}

/// The requests of many of the pool's monitors, each as the pool says it asks.
fn probes() -> Vec<Run> {
    let one = |monitor: u32, check: u32| Run {
        client: monitor,
        start: Tick((1000 + monitor + check * BETWEEN_CHECKS) * Tick::PER_SECOND),
        span: 2 * BETWEEN_REQUESTS * Tick::PER_SECOND,
        count: 3,
    };
    (0..MONITORS).flat_map(|monitor| (0..CHECKS_EACH).map(move |check| one(monitor, check))).collect()
}

fn limits(facts: &Facts) -> Finding {
    let server = match config(facts) {
        Ok(config) => &config.server,
        Err(skipped) => return skipped,
    };
    let Some(limit) = server.rate_limit else {
        let how = if server.rate_limit_auto {
            "ratelimit auto limits nobody who could be honest"
        } else {
            "no ratelimit"
        };
        let tight = matches!(server.traffic_limit, Some(TrafficLimit::Rate(bits)) if bits < 8 * 1024);
        if tight {
            return with_line(
                facts,
                Finding::warning("trafficlimit leaves less than a kilobyte a second"),
                "trafficlimit 2000kbit",
            );
        }
        return Finding::ok(how);
    };
    let outcome = replay(&mut probes(), Trial::Numbers(limit));
    let seen = format!(
        "interval {} (2^{} s an answer), burst {}: of {} checks of three requests two seconds apart, {} would fail",
        limit.interval, limit.interval, limit.burst, outcome.probes, outcome.probes_hit
    );
    if outcome.probes_hit > 0 {
        let finding = Finding::fault("the limit fails the pool's monitors, and costs score").seen([seen]);
        return with_line(facts, finding, "ratelimit auto");
    }
    // Several monitors, or a household, may share an address.
    if limit.burst < 8 && facts.is_public() {
        let finding =
            Finding::warning("the limit lets the pool's probes pass, but not two clients behind one address");
        return with_line(facts, finding.seen([seen]), "ratelimit auto");
    }
    Finding::ok("the pool's probes pass").seen([seen])
}

fn clients(facts: &Facts) -> Finding {
    let (config, daemon) = match (config(facts), daemon(facts)) {
        (Ok(config), Ok(daemon)) => (config, daemon),
        (Err(skipped), _) | (_, Err(skipped)) => return skipped,
    };
    if config.server.no_client_log {
        return Finding::ok("clients are not remembered (noclientlog)");
    }
    let Some((hits, forgotten)) = daemon.served.as_ref().and_then(|s| Some((s.ntp_hits?, s.log_drops?)))
    else {
        return Finding::skipped("the daemon does not tell over this way; try as root");
    };
    let seen = [format!("{forgotten} clients were forgotten for lack of room, in {hits} requests")];
    if forgotten as f64 > FEW * hits as f64 {
        let now = config.server.client_log_limit;
        let more = now.saturating_mul(4).max(64 << 20);
        let finding =
            Finding::warning("the table of clients is too small: the limits forget whom they limit")
                .seen(seen);
        return with_line(facts, finding, &format!("clientloglimit {more}"));
    }
    Finding::ok("clients are remembered long enough").seen(seen)
}

fn drops(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let now: u64 = facts.udp.iter().map(|listener| listener.drops).sum();
    let lost = daemon.lost.max(now as f64);
    let hits = daemon.served.as_ref().and_then(|stats| stats.ntp_hits).unwrap_or(0) as f64;
    let seen =
        [format!("{lost} datagrams lost before the daemon could fetch them, {hits} requests received")];
    if lost > FEW * hits.max(1.0) {
        let finding =
            Finding::warning("the kernel drops requests because the daemon is too slow for them").seen(seen);
        return with_line(facts, finding, "serverthreads auto");
    }
    Finding::ok("the daemon keeps up").seen(seen)
}

fn management(facts: &Facts) -> Finding {
    let control = match config(facts) {
        Ok(config) => &config.control,
        Err(skipped) => return skipped,
    };
    let exposed: Vec<String> = control
        .bind
        .iter()
        .filter(|address| !is_private(**address))
        .filter(|_| control.port != 0)
        .map(|address| format!("bindcmdaddress {address}"))
        .collect();
    let table = ntp::server::AccessTable::new(&control.access);
    let everyone =
        ["8.8.8.8", "2600::1"].iter().any(|text| text.parse().is_ok_and(|address| table.check(address)));
    if !exposed.is_empty() && everyone {
        return Finding::fault("anybody in the Internet may ask for reports of this server")
            .seen(exposed)
            .advise("Take out cmdallow, or allow your own network only");
    }
    Finding::ok(if exposed.is_empty() {
        "commands are taken on this machine only"
    } else {
        "commands are taken from allowed networks only"
    })
}
