//! How fast: candidates in alternation, so that whatever the machine does to one it does to the others too.

use crate::arguments::Options;
use crate::figures::{Goal, Table};
use crate::flow::{CLIENTS, Flow, Pace, Sources};
use crate::lab::Lab;
use crate::load::{Load, Outcome};
use crate::server::{Candidate, Running, Setup};
use std::time::{Duration, Instant};

/// Clients without limits.
const FEW: u32 = 10_000;
/// Clients with limits.
const MANY: u32 = 1_000_000;
/// Requests under way in a closed loop.
pub const WINDOW: u64 = 128;
/// A server that uses less of its processor than this while saturated was waiting for the load. (The kernel keeps a twentieth from
/// those who run before all others.)
const SATURATED: f64 = 0.9;

/// What one round of one candidate needs.
struct Bench<'a> {
    lab: &'a Lab,
    load: Load,
    seconds: f64,
    table: Table,
    /// Wrong replies, crashes, refusals: reasons to fail.
    failures: Vec<String>,
    notes: Vec<String>,
    /// See [`Lab::lost`].
    lost: [u64; 4],
}

/// Measures all candidates; `Err` when something broke, not when a goal is missed.
pub fn compare(lab: &Lab, options: &Options) -> Result<(), String> {
    let candidates = options.candidates();
    lab.receive_like_cards()?;
    let names = candidates.iter().map(|candidate| candidate.name.clone()).collect();
    let mut bench = Bench {
        lab,
        load: Load::new(lab.interface()).map_err(|error| format!("packet socket: {error}"))?,
        seconds: options.seconds,
        table: Table::new(names),
        failures: Vec::new(),
        notes: Vec::new(),
        lost: lab.lost(),
    };
    for round in 0..options.rounds {
        for (who, candidate) in candidates.iter().enumerate() {
            for setup in [Setup::Plain, Setup::Limits] {
                if candidate.has(setup) && options.setups.contains(&setup) {
                    if !options.json {
                        eprintln!(
                            "round {} of {}: {} ({setup:?})",
                            round + 1,
                            options.rounds,
                            candidate.name
                        );
                    }
                    bench.measure(who, candidate, setup)?;
                }
            }
        }
    }
    let Bench { table, failures, notes, .. } = bench;
    if options.json {
        let list = |all: &[String]| {
            all.iter().map(|text| crate::figures::quoted(text)).collect::<Vec<_>>().join(",")
        };
        println!(
            "{{\"figures\":{},\"notes\":[{}],\"failures\":[{}]}}",
            table.json(),
            list(&notes),
            list(&failures)
        );
    } else {
        print!("{}", table.text());
        notes.iter().for_each(|note| println!("note: {note}"));
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

impl Bench<'_> {
    fn measure(&mut self, who: usize, candidate: &Candidate, setup: Setup) -> Result<(), String> {
        let server = candidate.start(self.lab, &mut self.load, setup)?;
        let receivers = self.lab.receivers();
        std::thread::sleep(Duration::from_millis(300));
        let resident = server.resident() as f64;
        match setup {
            Setup::Plain => {
                self.table.add(
                    who,
                    "resident_idle",
                    "resident when idle, kB",
                    0,
                    Goal::AtMost(0.7),
                    resident,
                );
                let rates = [
                    (4_000.0, "process_at_4000", "process CPU at 4000/s, µs a request", Goal::AtMost(0.75)),
                    (20_000.0, "process_at_20000", "process CPU at 20 000/s, µs a request", Goal::None),
                ];
                for (rate, key, title, goal) in rates {
                    let flow = Flow { pace: Pace::Rate(rate), ..Flow::clients(FEW) };
                    let (before, load, seconds) = (server.cost(&receivers), &mut self.load, self.seconds);
                    let outcome = load.open(std::slice::from_ref(&flow), seconds);
                    let process = server.cost(&receivers).process - before.process;
                    let tally = &outcome.tallies[0];
                    self.table.add(who, key, title, 2, goal, process * 1e6 / tally.received as f64);
                    self.check(candidate, &outcome, &format!("{rate}/s"));
                }
                self.saturate(who, candidate, &server, &receivers, &SATURATED_PLAIN, FEW);
                self.table.add(
                    who,
                    "resident_after",
                    "resident after load, kB",
                    0,
                    Goal::None,
                    server.resident() as f64,
                );
            }
            Setup::Limits => {
                self.table.add(
                    who,
                    "limits_idle",
                    "  limits: resident when idle, kB",
                    0,
                    Goal::None,
                    resident,
                );
                let each =
                    Flow { sources: Sources::InTurn { base: CLIENTS, count: MANY }, ..Flow::clients(MANY) };
                let outcome = self.load.closed(&each, WINDOW, |sent| sent >= u64::from(MANY));
                let rate = outcome.tallies[0].received as f64 / outcome.seconds;
                let title = "  limits: first contact of 1 M clients, replies/s";
                self.table.add(who, "limits_first_contact", title, 0, Goal::None, rate);
                self.check(candidate, &outcome, "first contact");
                self.saturate(who, candidate, &server, &receivers, &SATURATED_LIMITS, MANY);
                let title = "  limits: resident after 1 M clients, kB";
                self.table.add(who, "limits_after", title, 0, Goal::None, server.resident() as f64);
            }
        }
        if let Err(why) = server.stop() {
            self.failures.push(why);
        }
        Ok(())
    }

    /// A closed loop, the server as busy as it can be.
    fn saturate(
        &mut self,
        who: usize,
        candidate: &Candidate,
        server: &Running,
        receivers: &[u32],
        words: &Words,
        clients: u32,
    ) {
        let before = server.cost(receivers);
        let end = Instant::now() + Duration::from_secs_f64(self.seconds);
        let outcome = self.load.closed(&Flow::clients(clients), WINDOW, |_| Instant::now() >= end);
        let after = server.cost(receivers);
        let (process, receiver) = (after.process - before.process, after.receiver - before.receiver);
        let received = outcome.tallies[0].received as f64;
        let table = &mut self.table;
        table.add(who, words.key, words.title, 0, words.goal, received / outcome.seconds);
        let [process_key, all_key] = words.cpu_keys;
        let [process_title, all_title] = words.cpu_titles;
        table.add(who, process_key, process_title, 2, Goal::None, process * 1e6 / received);
        table.add(who, all_key, all_title, 2, Goal::None, (process + receiver) * 1e6 / received);
        let busy = (process + receiver) / outcome.seconds;
        if busy < SATURATED {
            self.notes.push(format!(
                "{}: {} saw the server's processor {:.0} % busy: the load was the limit, the server is faster than shown",
                candidate.name,
                words.key,
                busy * 100.0
            ));
        }
        self.check(candidate, &outcome, words.key);
    }

    /// Wrong replies are failures; loss is told.
    fn check(&mut self, candidate: &Candidate, outcome: &Outcome, what: &str) {
        let (wrong, complaint) = outcome.wrong();
        if let Some(complaint) = complaint {
            self.failures
                .push(format!("{}: {what}: {wrong} bad replies, first: {complaint}", candidate.name));
        }
        for tally in &outcome.tallies {
            if tally.unsynchronised > 0 {
                self.failures.push(format!(
                    "{}: {what}: {} replies of stratum 0",
                    candidate.name, tally.unsynchronised
                ));
            }
            if tally.loss() > 1e-5 {
                let (lost, sent) = (tally.sent.saturating_sub(tally.received), tally.sent);
                let now = self.lab.lost();
                let [room, sending, server_end, load_end] = std::array::from_fn(|at| now[at] - self.lost[at]);
                self.lost = now;
                self.notes.push(format!(
                    "{}: {what}: {lost} of {sent} requests without a reply ({:.3} %); the kernel counts {room} without room in the \
                     server's buffer, {sending} replies without room to be sent, {server_end} and {load_end} frames dropped by the link's \
                     ends, {} overlooked by the load",
                    candidate.name,
                    tally.loss() * 100.0,
                    outcome.overlooked
                ));
            }
        }
    }
}

/// What a saturated run is called.
struct Words {
    key: &'static str,
    title: &'static str,
    goal: Goal,
    cpu_keys: [&'static str; 2],
    cpu_titles: [&'static str; 2],
}

const SATURATED_PLAIN: Words = Words {
    key: "saturated",
    title: "saturated, one processor, replies/s",
    goal: Goal::AtLeast(1.15),
    cpu_keys: ["saturated_process", "saturated_all"],
    cpu_titles: ["  process CPU, µs a reply", "  with the kernel's receiving, µs a reply"],
};

const SATURATED_LIMITS: Words = Words {
    key: "limits_saturated",
    title: "  limits: saturated by 1 M clients, replies/s",
    goal: Goal::AtLeast(1.35),
    cpu_keys: ["limits_process", "limits_all"],
    cpu_titles: ["  limits: process CPU, µs a reply", "  limits: with the kernel's receiving, µs a reply"],
};
