//! Serving threads. Where the load needs one of two processors, the speed of two threads cannot be seen; what a thread costs
//! alone and beside another one, each with the same load, can.

use super::{Stage, requests};
use crate::figures::Spread;
use crate::flow::{CLIENTS, Sources};

/// Clients, so many that their addresses spread evenly over the threads.
const CLIENTS_COUNT: u32 = 10_000;
/// Two threads must serve at least so many times what one serves.
const SPEED_UP: f64 = 1.8;
/// A thread's part of the work when there are two.
const PART: std::ops::RangeInclusive<f64> = 0.35..=0.65;

/// What serving costs at one rate.
struct Cost {
    /// Processor time of the first thread for each of its replies, s: it is alone with the server's processor.
    each: f64,
    /// Its part of all threads' time.
    part: f64,
}

/// One thread at a quarter of its capacity, two at twice that rate.
pub fn halves(stage: &mut Stage<'_>) -> Result<(), String> {
    stage.note(
        "load and server share two processors, so the replies of two busy threads cannot be counted against those of one; instead, \
         the thread on the processor without the load is compared: alone, and beside another, each with the same load",
    );
    let (mut one, mut two, mut rate) = (Vec::new(), Vec::new(), None);
    for _ in 0..stage.span(1, 3) {
        let (single, used) = cost(stage, 1, rate)?;
        rate = Some(used);
        let (double, _) = cost(stage, 2, rate.map(|rate| rate * 2.0))?;
        stage.verdict(
            PART.contains(&double.part),
            format!(
                "the first of two threads did {:.0} % of the work (at most {:.0} %)",
                double.part * 100.0,
                PART.end() * 100.0
            ),
        );
        one.push(single.each);
        two.push(double.each);
    }
    let median = |all: &[f64]| Spread::of(all).map_or(f64::NAN, |spread| spread.median);
    let (single, double) = (median(&one), median(&two));
    let dearer = double / single;
    let text = format!(
        "a reply costs the thread {:.2} µs alone and {:.2} µs beside another, {dearer:.2} times as much (at most {:.2}: then two on \
         processors of their own serve {SPEED_UP} times one; less than once is the larger bursts of a load that shares a processor)",
        single * 1e6,
        double * 1e6,
        2.0 / SPEED_UP
    );
    if stage.options.quick {
        stage.note(&text); // too short to judge by
    } else {
        stage.verdict(2.0 / dearer >= SPEED_UP, text);
    }
    Ok(())
}

/// The cost with `threads` threads at `rate`/s, by default a quarter of the capacity; and the rate.
fn cost(stage: &mut Stage<'_>, threads: usize, rate: Option<f64>) -> Result<(Cost, f64), String> {
    let (first, second) = (stage.options.placement.server[0], stage.options.placement.load);
    let (cpus, affinity) = match threads {
        1 => (vec![first], format!("{first}")),
        _ => (vec![first, second], format!("{first},{second}")),
    };
    let lines = format!("serverthreads {threads}\nserveraffinity {affinity}\n");
    let ours = stage.options.ours().with(&lines).on(cpus);
    let server = ours.start(stage.lab, &mut stage.load, crate::server::Setup::Plain)?;
    let rate = rate.unwrap_or_else(|| stage.capacity() / 4.0);
    let flow = requests("clients", Sources::Random { base: CLIENTS, count: CLIENTS_COUNT }, rate);
    let times = || [server.thread("serve-0"), server.thread("serve-1")];
    let before = times();
    let outcome = stage.load.open(&[flow], stage.span(1.0, 3.0));
    let after = times();
    stage.replies_right(&outcome);
    let received = outcome.tallies[0].received;
    let [first, second] = [after[0] - before[0], after[1] - before[1]];
    if received == 0 || first == 0.0 {
        return Err("no replies by serving threads".to_owned());
    }
    // Addresses are spread evenly.
    let each = first * threads as f64 / received as f64;
    Ok((Cost { each, part: first / (first + second) }, rate))
}
