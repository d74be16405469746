//! `sim random`: many worlds, in processes of their own so that a panic ends only the world it belongs to.

use sim::random::{self, Drawn, Total, Verdict};
use sim::{Record, plot, pool};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Worlds that one process runs.
const BATCH: u64 = 20;

/// Runs the worlds `first` … `first + count − 1` and says what went wrong. False: something did.
pub fn many(out: &mut impl Write, first: u64, count: u64, jobs: usize) -> io::Result<bool> {
    let mut total = Total::default();
    let mut trouble = Ok(());
    let batches = usize::try_from(count.div_ceil(BATCH)).unwrap_or(usize::MAX);
    let work = |index: usize| {
        let begin = first + index as u64 * BATCH;
        batch(begin, (begin + BATCH).min(first + count))
    };
    pool::run(jobs, batches, work, |_, results: io::Result<Vec<(u64, Option<Verdict>)>>| match results {
        Ok(results) => {
            for (seed, verdict) in results {
                total.add(seed, verdict.as_ref());
            }
        }
        Err(error) => trouble = Err(error),
    });
    trouble?;
    out.write_all(total.text().as_bytes())?;
    Ok(total.good())
}

/// The worlds from `next` to before `end`; `None` for those that ended their process.
fn batch(mut next: u64, end: u64) -> io::Result<Vec<(u64, Option<Verdict>)>> {
    let mut results = Vec::new();
    while next < end {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["random", "--from", &next.to_string(), "--to", &end.to_string()])
            .stdout(Stdio::piped())
            .spawn()?;
        let pipe = child.stdout.take().map(BufReader::new);
        for line in pipe.into_iter().flat_map(BufRead::lines) {
            let Some(verdict) = Verdict::parse(&line?) else { break };
            results.push((next, Some(verdict)));
            next += 1;
        }
        child.wait()?;
        if next < end {
            results.push((next, None));
            next += 1;
        }
    }
    Ok(results)
}

/// A child of [`many`]: one line for each world.
pub fn lines(out: &mut impl Write, from: u64, to: u64) -> io::Result<()> {
    for seed in from..to {
        say_which(seed);
        writeln!(out, "{}", random::run(seed).line())?;
        out.flush()?;
    }
    Ok(())
}

/// A panic says in which world it was.
fn say_which(seed: u64) {
    std::panic::set_hook(Box::new(move |info| eprintln!("world {seed}: {info}")));
}

/// One world again, with all that can be said of it. False: something is wrong with it.
pub fn one(out: &mut impl Write, seed: u64, svg: Option<&Path>) -> io::Result<bool> {
    say_which(seed);
    let drawn = Drawn::new(seed);
    writeln!(out, "world {seed}: {:.0} s", drawn.length)?;
    for server in &drawn.servers {
        let word = if server.honest { "honest" } else { "lies  " };
        writeln!(out, "\n{word} {:?}\n       {:?}", server.server, server.link)?;
    }
    for (relay, _) in &drawn.relays {
        writeln!(out, "\nrelay  {:?}", relay.oscillator)?;
    }
    let client = &drawn.client;
    writeln!(out, "\nclient {:?}\n       {:.9} s ahead at the start", client.oscillator, client.offset)?;
    writeln!(
        out,
        "       polls {} to {}, iburst {}, makestep {:?}, maxclockerror {:.3} ppm",
        client.source.minpoll,
        client.source.maxpoll,
        client.source.iburst,
        client.config.clock.makestep,
        client.config.clock.max_clock_error * 1e6
    )?;
    writeln!(out, "events {:?}", (&drawn.steps, &drawn.frequencies, &drawn.sleeps, drawn.calendar.leap()))?;
    out.flush()?;
    let mut built = drawn.build(seed, &Record::default());
    built.world.run_until(drawn.length);
    let verdict = random::judge(&drawn, &built);
    let host = built.world.host(built.client);
    for (name, node) in built.relays.iter().map(|relay| ("relay", *relay)).chain([("client", built.client)]) {
        let host = built.world.host(node);
        writeln!(out, "\n{name} {}", host.address())?;
        for (at, line) in &host.log {
            writeln!(out, "{:>10.1}  {}", at.seconds(), line.text)?;
        }
        for (at, by) in host.steps() {
            writeln!(out, "{:>10.1}  stepped by {by:.9} s", at.seconds())?;
        }
        writeln!(out, "            sources {}", host.marks())?;
        let whole = host.record.whole();
        writeln!(
            out,
            "            promises {}, broken {}, worst at {:.3} of the root distance",
            whole.promises, whole.violations, whole.worst
        )?;
        if let Some(first) = whole.first_violation {
            writeln!(out, "            first broken: {first:?}")?;
        }
    }
    writeln!(out, "\n{verdict:#?}")?;
    if let Some(file) = svg {
        let title = format!("world {seed}");
        std::fs::write(file, plot::svg(host, &title, "", &drawn.steps))?;
    }
    Ok(verdict.good())
}
