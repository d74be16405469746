//! Runs a simulated world and prints what became of the client's clock.
#![forbid(unsafe_code)]

mod cli {
    pub mod beside;
    pub mod random;
}

use sim::scenario::{self, Scenario};
use sim::{Host, compare, plot, pool, routers, temperatures, unequal};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Simulates the engine in a world of oscillators, links and servers; nothing real is touched.

Usage: sim SCENARIO [--seed N] [--hours N] [--csv | --svg FILE]
       sim table [--seeds N] [--seed FIRST] [--only TEXT] [--jobs N] [--write]
       sim random [--worlds N] [--seed FIRST] [--jobs N]
       sim random --world N [--svg FILE]
       sim routers [--seeds N] [--seed FIRST] [--jobs N]
       sim unequal [--seeds N] [--seed FIRST] [--jobs N]
       sim temperatures [--seeds N] [--seed FIRST] [--only TEXT] [--jobs N]
       sim streams SCENARIO FILE [--seed N]
       sim beside FOLDER SCENARIO... [--seeds N] [--seed FIRST] [--each] [--jobs N]
       sim list

  SCENARIO      prints one line per hour: the true errors, the belief, the sources, the packets
  table         runs every scenario that chronyd was measured in and compares
  random        draws worlds and looks for panics, nonsense, broken promises and forbidden steps
  routers       compares two days of home routers with what chronyd reached on them
  unequal       servers that do not tell equally much: the error, and how often each is asked
  temperatures  compares oscillators that follow a temperature with and without thermometers
  streams       writes what a scenario's world does, second by second: oscillator, delays, servers; FILE may be -
  beside        compares with records of chronyd on such streams, which tests/beside-chronyd makes
  list          names all scenarios
  --seed N      another world of the same kind (default 1)
  --hours N     how long (default: the scenario's own length)
  --csv         one line per second instead: second, error, served error, frequency error, root distance, packets
  --svg FILE    draws the run: error served and promised, frequency, delays, steps
  --seeds N     runs each scenario of the table N times (default 3), with the seeds from --seed on
  --only TEXT   only those whose name contains TEXT, or one of several TEXTs separated by commas
  --jobs N      so many runs at once (default: one for each processor)
  --worlds N    so many worlds (default 1000)
  --world N     that one again, with all that can be said of it
  --each        each seed by itself too
  --write       renews crates/sim/table.txt, the table in the repository; it is made with --seeds 5

Examples:
  sim router                       a home router's first two days
  sim router --seed 7 --hours 6    another router's first morning
  sim falsetickers                 two of five servers lie
  sim cold-slow --csv > cold.csv   to be plotted
  sim router --hours 6 --svg router.svg
                                   as a picture
  sim table --only net5 --seeds 1  a quick comparison
";

/// What the command line asks for.
struct Request {
    what: String,
    /// What follows the first word.
    rest: Vec<String>,
    seed: u64,
    seeds: u64,
    hours: Option<f64>,
    only: String,
    jobs: usize,
    csv: bool,
    svg: Option<PathBuf>,
    write: bool,
    each: bool,
    worlds: u64,
    world: Option<u64>,
    /// A part of the worlds, for `sim random` itself.
    part: (u64, u64),
}

/// The table in the repository.
const TABLE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/table.txt");

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|request| run(&request)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("sim: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut request = Request {
        what: String::new(),
        rest: Vec::new(),
        seed: 1,
        seeds: 3,
        hours: None,
        only: String::new(),
        jobs: pool::default_jobs(),
        csv: false,
        svg: None,
        write: false,
        each: false,
        worlds: 1000,
        world: None,
        part: (0, 0),
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value; see --help"));
        match word.as_str() {
            "--help" | "-h" | "help" => request.what = "help".into(),
            "--seed" => request.seed = number(&word, &value()?)?,
            "--seeds" => request.seeds = number(&word, &value()?)?,
            "--hours" => request.hours = Some(number(&word, &value()?)?),
            "--only" => request.only = value()?,
            "--jobs" => request.jobs = number(&word, &value()?)?,
            "--svg" => request.svg = Some(value()?.into()),
            "--csv" => request.csv = true,
            "--worlds" => request.worlds = number(&word, &value()?)?,
            "--world" => request.world = Some(number(&word, &value()?)?),
            "--from" => request.part.0 = number(&word, &value()?)?,
            "--to" => request.part.1 = number(&word, &value()?)?,
            "--write" => request.write = true,
            "--each" => request.each = true,
            name if !name.starts_with('-') && request.what.is_empty() => request.what = word,
            name if !name.starts_with('-') || name == "-" => request.rest.push(word),
            _ => return Err(format!("\"{word}\" is not understood; see --help")),
        }
    }
    match request.hours {
        Some(hours) if !(hours > 0.0 && hours <= 100_000.0) => {
            Err("--hours must be above 0 and at most 100000".into())
        }
        _ if request.seeds == 0 || request.jobs == 0 => Err("--seeds and --jobs must be at least 1".into()),
        _ if !wants_words(&request.what, request.rest.len()) => {
            Err(format!("\"{}\" has words too many or too few behind it; see --help", request.what))
        }
        _ if request.what == "temperatures" => Ok(request),
        _ if compare::chosen(&request.only).is_empty() => {
            Err(format!("no scenario of the table contains \"{}\"; sim list names them", request.only))
        }
        _ if request.write && !request.only.is_empty() => Err("--write is for the whole table".into()),
        _ => Ok(request),
    }
}

/// Can so many words follow this one?
fn wants_words(what: &str, count: usize) -> bool {
    match what {
        "streams" => count == 2,
        "beside" => count >= 2,
        _ => count == 0,
    }
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not \"{text}\""))
}

fn run(request: &Request) -> Result<(), String> {
    let mut out = BufWriter::new(io::stdout().lock());
    let result = match request.what.as_str() {
        "" | "help" => out.write_all(HELP.as_bytes()),
        "list" => list(&mut out),
        "table" => table(&mut out, request),
        "random" => {
            let good = match request {
                Request { world: Some(world), svg, .. } => cli::random::one(&mut out, *world, svg.as_deref()),
                Request { part: (from, to), .. } if from < to => {
                    cli::random::lines(&mut out, *from, *to).map(|()| true)
                }
                _ => cli::random::many(&mut out, request.seed, request.worlds, request.jobs),
            };
            match good {
                Ok(true) => Ok(()),
                Ok(false) => {
                    let _ = out.flush();
                    return Err("not all is well".into());
                }
                Err(error) => Err(error),
            }
        }
        "routers" => {
            let rows = routers::run(request.seed, request.seeds, request.jobs);
            out.write_all(routers::text(&rows).as_bytes())
        }
        "unequal" => {
            let rows = unequal::run(request.seed, request.seeds, request.jobs);
            out.write_all(unequal::text(&rows).as_bytes())
        }
        "temperatures" => {
            let rows = temperatures::run(&request.only, request.seed, request.seeds, request.jobs);
            out.write_all(temperatures::text(&rows).as_bytes())
        }
        "streams" => {
            return cli::beside::streams(&request.rest[0], request.seed, Path::new(&request.rest[1]));
        }
        "beside" => {
            let (folder, names) = request.rest.split_first().ok_or("beside needs a folder; see --help")?;
            let seeds = (request.seed, request.seeds);
            return cli::beside::compare(
                &mut out,
                Path::new(folder),
                names,
                seeds,
                request.jobs,
                request.each,
            );
        }
        name => match scenario::find(name) {
            Some(scenario) => show(&mut out, &scenario, request),
            None => return Err(format!("there is no scenario \"{name}\"; sim list names them")),
        },
    };
    match result.and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

fn list(out: &mut impl Write) -> io::Result<()> {
    for scenario in scenario::all() {
        writeln!(out, "{:<17} {:>5.1} h  {}", scenario.name, scenario.length / 3600.0, scenario.about)?;
    }
    Ok(())
}

/// Hour by hour, or second by second as CSV.
fn show(out: &mut impl Write, scenario: &Scenario, request: &Request) -> io::Result<()> {
    let length = request.hours.map_or(scenario.length, |hours| hours * 3600.0);
    let mut built = scenario.plan.build(request.seed);
    if request.csv {
        built.world.run_until(length);
        return csv(out, built.world.host(built.client));
    }
    if let Some(file) = &request.svg {
        built.world.run_until(length);
        let host = built.world.host(built.client);
        let title = format!("{} (seed {})", scenario.name, request.seed);
        let words = summary(host, warmup(scenario, length), length);
        let subtitle = format!("{}. {}", scenario.about, words.lines().next().unwrap_or_default());
        std::fs::write(file, plot::svg(host, &title, &subtitle, &scenario.plan.outside_steps))?;
        return writeln!(out, "{words}\ndrawn in {}", file.display());
    }
    writeln!(out, "{}: {} (seed {})\n", scenario.name, scenario.about, request.seed)?;
    writeln!(out, "hour   error max    error rms    frequency  sources  root distance  packets  steps")?;
    writeln!(out, "              µs           µs          ppm                        ms")?;
    let hours = (length / 3600.0).ceil() as u32;
    for hour in 0..hours {
        let (from, until) = (f64::from(hour) * 3600.0, (f64::from(hour + 1) * 3600.0).min(length));
        built.world.run_until(until);
        let host = built.world.host(built.client);
        let figures = host.record.figures(from, until);
        writeln!(
            out,
            "{hour:>4} {:>11.1} {:>12.1} {:>12.4} {:>8} {:>14.3} {:>8} {:>6}",
            figures.max * 1e6,
            figures.rms * 1e6,
            host.engine().map_or(f64::NAN, ntp::engine::Engine::frequency) * 1e6,
            host.marks(),
            figures.root_distance * 1e3,
            figures.packets,
            host.steps().len(),
        )?;
    }
    let host = built.world.host(built.client);
    writeln!(out, "\n{}", summary(host, warmup(scenario, length), length))
}

/// What is not counted, s: all figures are of what comes after it.
fn warmup(scenario: &Scenario, length: f64) -> f64 {
    if length > scenario.warmup { scenario.warmup } else { length / 2.0 }
}

fn summary(host: &Host, warmup: f64, length: f64) -> String {
    let figures = host.record.figures(warmup, length);
    let settled = |limit: f64| match host.record.settled(limit) {
        Some(at) => format!("{at:.0} s"),
        None => "never".into(),
    };
    format!(
        "After {warmup:.0} s: error {:.1} µs rms, {:.1} µs at most; frequency {:.5} ppm rms.\n\
         Below 10 ms for good from {}, below 1 ms from {}. Served error within the root distance: {:.3} %.",
        figures.rms * 1e6,
        figures.max * 1e6,
        figures.frequency_rms * 1e6,
        settled(0.01),
        settled(0.001),
        figures.honest * 100.0,
    )
}

fn csv(out: &mut impl Write, host: &Host) -> io::Result<()> {
    writeln!(out, "second,error,served_error,frequency_error,root_distance,packets")?;
    for s in host.record.samples() {
        writeln!(
            out,
            "{},{:.9},{:.9},{:.6e},{:.9},{}",
            s.at, s.error, s.served_error, s.frequency_error, s.root_distance, s.packets
        )?;
    }
    Ok(())
}

/// Every scenario that chronyd was measured in.
fn table(out: &mut impl Write, request: &Request) -> io::Result<()> {
    let scenarios = compare::chosen(&request.only);
    out.write_all(compare::header(true).as_bytes())?;
    out.flush()?;
    let mut trouble = Ok(());
    let rows = compare::run(&scenarios, request.seed, request.seeds, request.jobs, |row| {
        if trouble.is_ok() {
            trouble = out.write_all(compare::line(row, true).as_bytes()).and_then(|()| out.flush());
        }
    });
    trouble?;
    out.write_all(compare::footer(&rows, true).as_bytes())?;
    if request.write {
        let how = format!("Made by: cargo run --release -p sim -- table --seeds {} --write\n", request.seeds);
        std::fs::write(TABLE_FILE, how + &compare::text(&rows, request.seed))?;
        writeln!(out, "\nwritten to {TABLE_FILE}")?;
    }
    Ok(())
}
