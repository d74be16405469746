//! What another limit would have done to the requests of a log.

use super::level::CEILING;
use super::{Admission, Bucket, Limits, Share};
use crate::config::RateLimit;
use crate::rng::Rng;
use crate::server::clients::{Client, Tick};
use crate::server::requests::{Run, is_logged};
use core::fmt::Write;

/// The pool's monitors ask three times, this many ticks apart …
const PROBE_GAP: u32 = 2 * Tick::PER_SECOND;
/// … give or take these, for the way …
const PROBE_SLACK: u32 = 4;
/// … and are silent for a minute at least before and afterwards.
const PROBE_SILENCE: u32 = 60 * Tick::PER_SECOND;

/// The limit to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// `ratelimit` with numbers.
    Numbers(RateLimit),
    /// `ratelimit auto` on a server with capacity to spare.
    Auto,
}

/// What it would have done. Requests of one client are taken for requests of one class, because the log knows no ports.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// From the first request to the last, s.
    pub seconds: f64,
    /// Clients in the log.
    pub clients: u64,
    /// … of which so many would have lost a request.
    pub clients_hit: u64,
    /// Requests in the log.
    pub requests: u64,
    /// … of which so many would have got no answer.
    pub dropped: u64,
    /// … and so many a kiss of death.
    pub told: u64,
    /// Checks like those of the pool: three requests two seconds apart, and silence around them.
    pub probes: u64,
    /// … of which so many would have failed.
    pub probes_hit: u64,
}

/// Replays the runs of all clients; `runs` is sorted for it.
pub fn replay(runs: &mut [Run], trial: Trial) -> Outcome {
    let (limits, share) = match trial {
        Trial::Numbers(limit) => (Limits { bucket: Some(Bucket::new(&limit)), ..Limits::default() }, None),
        Trial::Auto => (Limits::AUTO, Some(CEILING)),
    };
    let newest =
        runs.iter().flat_map(|run| run.times().last()).reduce(|a, b| if b.since(a) > 0 { b } else { a });
    let newest = newest.unwrap_or_default();
    // Ages have no end of the counter between them, as times have.
    runs.sort_by_key(|run| (run.client, core::cmp::Reverse(newest.since(run.start))));
    let mut outcome = Outcome::default();
    let mut rng = Rng::from_number(1);
    let oldest = runs.iter().map(|run| newest.since(run.start)).max().unwrap_or(0);
    outcome.seconds = f64::from(oldest) / f64::from(Tick::PER_SECOND);
    for one in runs.chunk_by(|a, b| a.client == b.client) {
        client(one, &limits, share, &mut rng, &mut outcome);
    }
    outcome
}

fn client(runs: &[Run], limits: &Limits, share: Option<Share>, rng: &mut Rng, outcome: &mut Outcome) {
    let mut client = Client::default();
    let mut probe = Probe::default();
    let before = (outcome.dropped, outcome.told);
    for now in runs.iter().flat_map(|run| run.times()) {
        let admission = limits.admit(&mut client, 0, now, share, rng.bits() as u32);
        outcome.requests = outcome.requests.saturating_add(1);
        outcome.dropped = outcome.dropped.saturating_add((admission == Admission::Drop).into());
        outcome.told = outcome.told.saturating_add((admission == Admission::Kiss).into());
        probe.see(Some(now), admission != Admission::Answer, outcome);
    }
    probe.see(None, false, outcome);
    outcome.clients = outcome.clients.saturating_add(1);
    outcome.clients_hit =
        outcome.clients_hit.saturating_add((before != (outcome.dropped, outcome.told)).into());
}

/// Three requests that look like a check of the pool's, so far.
#[derive(Default)]
struct Probe {
    last: Option<Tick>,
    /// How many are in step; zero: what came is none.
    count: u32,
    hit: bool,
}

impl Probe {
    fn see(&mut self, now: Option<Tick>, hit: bool, outcome: &mut Outcome) {
        let gap = now.and_then(|now| Some(now.since(self.last?))).unwrap_or(u32::MAX);
        if gap >= PROBE_SILENCE {
            if self.count == 3 {
                outcome.probes = outcome.probes.saturating_add(1);
                outcome.probes_hit = outcome.probes_hit.saturating_add(self.hit.into());
            }
            (self.count, self.hit) = (1, hit);
        } else if self.count > 0 && gap.abs_diff(PROBE_GAP) <= PROBE_SLACK {
            self.count = self.count.saturating_add(1);
            self.hit |= hit;
        } else {
            self.count = 0;
        }
        self.last = now;
    }
}

/// The first line of a saved log: `now` in its clock, and how it was thinned.
const HEAD: &str = "requests 1";

/// A log as a file: a line for each run (client, start, span, count).
pub fn format(runs: impl Iterator<Item = Run>, now: Tick, thinned: u32) -> String {
    let mut out = format!(
        "# When requests came: one client of 2^{thinned}, times in 1/16 s.\n{HEAD} {} {thinned}\n",
        now.0
    );
    for Run { client, start, span, count } in runs {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{client} {} {span} {count}", start.0);
    }
    out
}

/// A log from a file: its runs, when it was saved, and how it was thinned. `None`: none of ours.
pub fn parse(text: &str) -> Option<(Vec<Run>, Tick, u32)> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut head = lines.next()?.strip_prefix(HEAD)?.split_whitespace().map(str::parse::<u32>);
    let (now, thinned) = (Tick(head.next()?.ok()?), head.next()?.ok()?);
    let run = |line: &str| {
        let mut words = line.split(' ').map(str::parse::<u32>);
        let mut next = || words.next()?.ok();
        Some(Run {
            client: next()?,
            start: Tick(next()?),
            span: next()?,
            count: u16::try_from(next()?).ok()?,
        })
    };
    let runs = lines.map(run).collect::<Option<Vec<Run>>>()?;
    runs.iter().all(|run| is_logged(run.client, thinned)).then_some((runs, now, thinned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(client: u32, start: u32, span: u32, count: u16) -> Run {
        Run { client, start: Tick(start), span, count }
    }

    const STRICT: Trial = Trial::Numbers(RateLimit { interval: 6, burst: 2, leak: 4, kod: 0 });
    const USUAL: Trial = Trial::Numbers(RateLimit { interval: 3, burst: 8, leak: 2, kod: 0 });

    #[test]
    fn what_a_limit_would_have_done_is_told() {
        // One client each 64 s, one twice a second, and a monitor of the pool, twice; the counter ends in between.
        let start = u32::MAX - 5000;
        let at = |tick: u32| start.wrapping_add(tick);
        let log = [
            run(3, at(9000), 64, 3),
            run(1, at(0), 1024 * 20, 21),
            run(3, at(100), 65, 3),
            run(2, at(0), 8 * 999, 1000),
        ];
        let usual = replay(&mut log.clone(), USUAL);
        assert_eq!((usual.clients, usual.requests, usual.probes), (3, 1027, 2));
        assert!((usual.seconds - 1280.0).abs() < 1.0, "{usual:?}");
        assert_eq!((usual.clients_hit, usual.probes_hit), (1, 0), "only the fast one");
        assert!((600..800).contains(&usual.dropped), "{usual:?}");
        let strict = replay(&mut log.clone(), STRICT);
        assert_eq!((strict.clients_hit, strict.probes_hit), (2, 2), "a burst of two fails the pool's check");
        assert!(strict.dropped > usual.dropped);
        let auto = replay(&mut log.clone(), Trial::Auto);
        assert_eq!((auto.dropped, auto.told, auto.probes_hit), (0, 0, 0));
        let told = Trial::Numbers(RateLimit { interval: 6, burst: 1, leak: 4, kod: 1 });
        assert!(replay(&mut log.clone(), told).told > 300);
        assert_eq!(replay(&mut [], USUAL), Outcome::default());
    }

    #[test]
    fn a_log_survives_its_file() {
        let runs = vec![run(4, 7, 64, 3), run(8, u32::MAX, 0, 1)];
        let text = format(runs.iter().copied(), Tick(99), 2);
        assert_eq!(parse(&text), Some((runs, Tick(99), 2)));
        assert_eq!(parse("requests 1 99 2\n"), Some((vec![], Tick(99), 2)));
        for torn in [
            "",
            "requests 2 99 2\n",
            "requests 1 99\n",
            "requests 1 99 2\n4 7 64\n",
            "requests 1 99 3\n4 7 64 3\n",
        ] {
            assert_eq!(parse(torn), None, "{torn:?}");
        }
    }
}
