//! Serving threads. Where the load needs one of two processors, the speed of two threads cannot be seen; what each costs at
//! half of the load can.

use super::{Stage, requests};
use crate::flow::{CLIENTS, Sources};

/// Clients, so many that their addresses spread evenly over the threads.
const CLIENTS_COUNT: u32 = 10_000;
/// Two threads must serve at least so many times what one serves.
const SPEED_UP: f64 = 1.8;
/// A thread's part of the work when there are two.
const PART: std::ops::RangeInclusive<f64> = 0.35..=0.65;

/// What serving costs at one rate.
struct Cost {
    /// Processor time of the process, s a reply.
    each: f64,
    /// The busier threads' processor time, s, busiest first.
    threads: Vec<f64>,
}

/// One thread at a quarter of its capacity, two at twice that rate.
pub fn halves(stage: &mut Stage<'_>) -> Result<(), String> {
    stage.note(
        "load and server share two processors, so the replies of two busy threads cannot be counted against those of one; \
         the cost of a reply is compared instead, each thread with the same load",
    );
    let rounds = stage.span(1, 3);
    let (mut one, mut two, mut rate) = (Vec::new(), Vec::new(), None);
    for _ in 0..rounds {
        let (single, used) = cost(stage, 1, rate)?;
        rate = Some(used);
        let (double, _) = cost(stage, 2, rate.map(|rate| rate * 2.0))?;
        let share = double
            .threads
            .first()
            .map_or(1.0, |busiest| busiest / double.threads.iter().take(2).sum::<f64>());
        stage.verdict(
            PART.contains(&share),
            format!(
                "of two threads the busier did {:.0} % of the work (at most {:.0} %)",
                share * 100.0,
                PART.end() * 100.0
            ),
        );
        one.push(single.each);
        two.push(double.each);
    }
    let median = |all: &[f64]| crate::figures::Spread::of(all).map_or(f64::NAN, |spread| spread.median);
    let (single, double) = (median(&one), median(&two));
    let speed_up = 2.0 * single / double;
    let text = format!(
        "a reply costs {:.2} µs of the process with one thread, {:.2} µs with two, each under the same load: \
         on processors of their own two serve {speed_up:.2} times one (at least {SPEED_UP})",
        single * 1e6,
        double * 1e6
    );
    if stage.options.quick {
        stage.note(&text); // too short to judge by
    } else {
        stage.verdict(speed_up >= SPEED_UP, text);
    }
    Ok(())
}

/// The cost with `threads` threads at `rate`/s, by default a quarter of the capacity; and the rate.
fn cost(stage: &mut Stage<'_>, threads: usize, rate: Option<f64>) -> Result<(Cost, f64), String> {
    let placement = &stage.options.placement;
    let cpus =
        if threads == 1 { placement.server.clone() } else { vec![placement.server[0], placement.load] };
    let ours = stage.options.ours().with(&format!("serverthreads {threads}\n")).on(cpus);
    let server = ours.start(stage.lab, &mut stage.load, crate::server::Setup::Plain)?;
    let rate = rate.unwrap_or_else(|| stage.capacity() / 4.0);
    let flow = requests("clients", Sources::Random { base: CLIENTS, count: CLIENTS_COUNT }, rate);
    let (before, cost_before) = (server.threads(), server.cost(&[]).process);
    let outcome = stage.load.open(&[flow], stage.span(1.0, 3.0));
    let process = server.cost(&[]).process - cost_before;
    let after = server.threads();
    let mut spent: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
    spent.sort_unstable_by(|a, b| b.total_cmp(a));
    stage.replies_right(&outcome);
    let received = outcome.tallies[0].received;
    if received == 0 {
        return Err("no replies".to_owned());
    }
    Ok((Cost { each: process / received as f64, threads: spent }, rate))
}
