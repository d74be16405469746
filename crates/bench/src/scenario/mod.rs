//! Scenarios: each ends with verdicts. They run at the speed of the machine: what half the capacity is gets measured first.

mod fairness;
mod floods;
mod pages;
mod threads;

use crate::arguments::Options;
use crate::figures::quoted;
use crate::flow::{Flow, Kind, Pace, Sources};
use crate::lab::Lab;
use crate::load::{Load, Outcome, Tally};
use crate::server::{Running, Setup};
use std::time::{Duration, Instant};

/// Limits, and a table of clients of [`TABLE`].
const LIMITS: &str = "ratelimit auto\nclientloglimit 16777216\n";
/// The table of clients, kB: memory the server may use as clients come.
const TABLE: u64 = 16_384;
/// Beyond that a server may grow by so much while anything happens, kB: buffers of the kernel's and pages of code used for the first time.
const GROWTH: u64 = 1024;
/// Requests under way while the capacity is measured.
const WINDOW: u64 = crate::speed::WINDOW;

/// A statement and whether it is true.
struct Verdict {
    scenario: &'static str,
    text: String,
    passed: bool,
}

/// Where scenarios take place.
struct Stage<'a> {
    lab: &'a Lab,
    load: Load,
    options: &'a Options,
    scenario: &'static str,
    verdicts: Vec<Verdict>,
}

/// Runs the scenario `name`, or all; `Err` tells which verdicts were bad.
pub fn run(lab: &Lab, options: &Options, name: &'static str) -> Result<(), String> {
    let load = Load::new(lab.interface()).map_err(|error| format!("packet socket: {error}"))?;
    let mut stage = Stage { lab, load, options, scenario: name, verdicts: Vec::new() };
    type Act = fn(&mut Stage<'_>) -> Result<(), String>;
    let all: [(&'static str, Act); 7] = [
        ("hostile", floods::hostile),
        ("flood", floods::forged),
        ("fairness", fairness::loud),
        ("victim", fairness::victim),
        ("probes", fairness::probes),
        ("threads", threads::halves),
        ("pages", pages::open),
    ];
    for (scenario, act) in all {
        if name == scenario || name == "scenarios" {
            stage.scenario = scenario;
            act(&mut stage)?;
        }
    }
    if options.json {
        let verdicts = stage.verdicts.iter().map(|v| {
            format!(
                "{{\"scenario\":{},\"text\":{},\"passed\":{}}}",
                quoted(v.scenario),
                quoted(&v.text),
                v.passed
            )
        });
        println!("[{}]", verdicts.collect::<Vec<_>>().join(","));
    }
    let bad = stage.verdicts.iter().filter(|verdict| !verdict.passed).count();
    if bad == 0 { Ok(()) } else { Err(format!("{bad} of {} verdicts are bad", stage.verdicts.len())) }
}

impl Stage<'_> {
    /// Our server with limits, and `directives` more.
    fn start(&mut self, directives: &str) -> Result<Running, String> {
        let ours = self.options.ours().with(LIMITS).with(directives);
        ours.start(self.lab, &mut self.load, Setup::Plain)
    }

    /// `quick` in short runs, else `long`.
    fn span<T>(&self, quick: T, long: T) -> T {
        if self.options.quick { quick } else { long }
    }

    fn verdict(&mut self, passed: bool, text: String) {
        if !self.options.json {
            println!("{} {}: {text}", if passed { "passed" } else { "FAILED" }, self.scenario);
        }
        self.verdicts.push(Verdict { scenario: self.scenario, text, passed });
    }

    /// What does not judge.
    fn note(&self, text: &str) {
        if !self.options.json {
            println!("       {}: {text}", self.scenario);
        }
    }

    /// Replies a second to a million clients, as many as the server gives: most of the table is used afterwards.
    fn capacity(&mut self) -> f64 {
        let end = Instant::now() + Duration::from_secs_f64(self.span(0.5, 1.0));
        let outcome = self.load.closed(&Flow::clients(1_000_000), WINDOW, |_| Instant::now() >= end);
        let rate = outcome.tallies[0].received as f64 / outcome.seconds;
        self.note(&format!("capacity {rate:.0} replies/s"));
        rate
    }

    /// The requests of `name` must have been answered but for the part `most`.
    fn lost_at_most(&mut self, outcome: &Outcome, name: &str, most: f64) {
        let Some(tally) = outcome.tallies.iter().find(|tally| tally.name == name) else { return };
        let (lost, sent) = (tally.sent.saturating_sub(tally.received), tally.sent);
        let mut delays = Tally { delays: tally.delays.clone(), ..Tally::default() };
        let late = delays.delay(0.99).unwrap_or(f64::NAN) * 1e6;
        let text = format!(
            "{name}: {lost} of {sent} requests lost ({:.3} %, at most {:.1} %); 99 % of replies within {late:.0} µs",
            tally.loss() * 100.0,
            most * 100.0
        );
        self.verdict(sent > 0 && tally.loss() <= most, text);
    }

    /// Every reply must have been one that is allowed.
    fn replies_right(&mut self, outcome: &Outcome) {
        let (wrong, complaint) = outcome.wrong();
        let replies: u64 = outcome.tallies.iter().map(|tally| tally.received).sum();
        let text = format!(
            "{wrong} of {replies} replies wrong{}",
            complaint.map_or(String::new(), |c| format!(": {c}"))
        );
        self.verdict(wrong == 0, text);
    }

    /// The server must be alive and not have grown by more than `room` kB since it was `before` kB large.
    fn sound(&mut self, mut server: Running, before: u64, room: u64) {
        let alive = server.alive();
        let after = server.resident();
        self.verdict(
            alive && after <= before + room + GROWTH,
            format!(
                "{}; resident {before} kB before, {after} kB after (at most {} kB more)",
                if alive { "alive" } else { "DEAD" },
                room + GROWTH
            ),
        );
        if !alive {
            self.note(&server.said());
        }
    }
}

/// Requests of `name` at `rate`/s from `sources`.
fn requests(name: &'static str, sources: Sources, rate: f64) -> Flow {
    Flow { name, sources, kind: Kind::Request, pace: Pace::Rate(rate) }
}
