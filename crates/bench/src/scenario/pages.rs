//! Ten open pages, and a server as busy as it can be. The worst case on purpose: the observer shares the server's only processor at
//! the same priority, and pages load the graphs of a day ten times as often as a browser does.

use super::{Stage, WINDOW};
use crate::figures::Spread;
use crate::flow::Flow;
use crate::server::Setup;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const DIRECTIVES: &str = "stats folder /run/kept\nweb 127.0.0.1:8123\n";
const PAGES: usize = 10;
/// Replies a second with pages, as a part of those without, at least.
const PART: f64 = 0.98;
/// A page loads its graphs so often; a browser does every two minutes when a day is shown.
const RELOAD: Duration = Duration::from_secs(12);
/// What a page loads once, and what again and again.
const ONCE: [&str; 7] =
    ["/", "/style.css", "/app.js", "/uplot.js", "/api/plots", "/api/sources", "/api/events?limit=100"];
const GRAPHS: &str = "/api/series?series=error_bound,offset,packets_out,limited,invalid,refused,lost,packets_in,clients,bytes_in,\
                      bytes_out,bytes_in_v6,bytes_out_v6,frequency,cpu_system,cpu_user&from=-86400&points=720";
/// Series beside their tiles.
const SPARKS: &str = "/api/series?series=error_bound,stratum,packets_in,limited,clients,usable_sources,cpu_system,memory&from=-86400&points=96";

/// What all pages have seen.
#[derive(Default)]
struct Seen {
    statuses: AtomicU64,
    bytes: AtomicU64,
}

/// Without pages and with them, in alternation, on one server.
pub fn open(stage: &mut Stage<'_>) -> Result<(), String> {
    let ours = stage.options.ours().with(DIRECTIVES);
    let server = ours.start(stage.lab, &mut stage.load, Setup::Plain)?;
    server.wait_for("Page at http://127.0.0.1:8123/")?;
    stage.lab.receivers(); // puts them in their place
    let seconds = stage.span(1.5, 6.0);
    let mut ratios = Vec::new();
    let mut observing = [Vec::new(), Vec::new()];
    let (mut alone, mut watched) = (Vec::new(), Vec::new());
    for _ in 0..stage.span(1, 8) {
        let mut rates = [0.0; 2];
        for (pages, rate) in [0, PAGES].into_iter().zip(&mut rates) {
            let (stop, seen) = (AtomicBool::new(false), Seen::default());
            let lab = stage.lab;
            let load = &mut stage.load;
            let outcome = std::thread::scope(|scope| -> Result<_, String> {
                let visitors = scope.spawn(|| lab.within_server(|| visit(pages, &stop, &seen)));
                // The pages are open when the load begins.
                let begin = Instant::now();
                while pages > 0
                    && seen.statuses.load(Relaxed) < pages as u64
                    && begin.elapsed() < Duration::from_secs(10)
                {
                    std::thread::sleep(Duration::from_millis(50));
                }
                let before = (seen.statuses.load(Relaxed), server.beside());
                let end = Instant::now() + Duration::from_secs_f64(seconds);
                let outcome = load.closed(&Flow::clients(10_000), WINDOW, |_| Instant::now() >= end);
                let observer = server.beside() - before.1;
                let told = seen.statuses.load(Relaxed) - before.0;
                stop.store(true, Relaxed);
                let visited = visitors.join().map_err(|_| "a visitor fell".to_owned())?;
                visited.map_err(|error| format!("the page: {error}"))?;
                Ok((outcome, observer, told))
            })?;
            let (outcome, observer, told) = outcome;
            *rate = outcome.tallies[0].received as f64 / outcome.seconds;
            observing[usize::from(pages > 0)].push(observer / outcome.seconds);
            stage.replies_right(&outcome);
            if pages > 0 {
                let wanted = (pages as f64 * (seconds - 1.0) * 0.8) as u64;
                stage.verdict(
                    told >= wanted,
                    format!(
                        "{told} live values reached {pages} pages in {seconds:.0} s (at least {wanted}), {:.0} kB in all",
                        seen.bytes.load(Relaxed) as f64 / 1e3
                    ),
                );
            }
        }
        alone.push(rates[0]);
        watched.push(rates[1]);
        ratios.push(rates[1] / rates[0]);
    }
    let median = |all: &[f64]| Spread::of(all).map_or(f64::NAN, |spread| spread.median);
    let spread = Spread::of(&ratios).ok_or("no ratio")?;
    let part = median(&watched) / median(&alone);
    let text = format!(
        "{:.0} replies/s with {PAGES} open pages, {:.0} without: {part:.3} times [{:.3} … {:.3} of a round] (at least {PART}); the observer \
         took {:.2} % of the server's processor with them, {:.2} % without",
        median(&watched),
        median(&alone),
        spread.least,
        spread.greatest,
        median(&observing[1]) * 100.0,
        median(&observing[0]) * 100.0
    );
    if stage.options.quick {
        stage.note(&text); // too short to judge by
    } else {
        stage.verdict(part >= PART, text);
    }
    if let Err(why) = server.stop() {
        stage.verdict(false, why);
    }
    Ok(())
}

/// So many pages, until `stop`.
fn visit(pages: usize, stop: &AtomicBool, seen: &Seen) -> std::io::Result<()> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..pages)
            .flat_map(|page| {
                [scope.spawn(move || listen(stop, seen)), scope.spawn(move || load(page, stop, seen))]
            })
            .collect();
        all.into_iter()
            .try_for_each(|one| one.join().unwrap_or_else(|_| Err(std::io::Error::other("a page fell"))))
    })
}

fn ask(path: &str) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect("127.0.0.1:8123")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    Ok(stream)
}

/// The live values.
fn listen(stop: &AtomicBool, seen: &Seen) -> std::io::Result<()> {
    let mut lines = BufReader::new(ask("/api/live")?);
    let mut line = String::new();
    while !stop.load(Relaxed) {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err(std::io::Error::other("the live values ended"));
        }
        seen.bytes.fetch_add(line.len() as u64, Relaxed);
        seen.statuses.fetch_add(u64::from(line.starts_with("event: status")), Relaxed);
    }
    Ok(())
}

/// The page's files once, its graphs again and again, each page at another time.
fn load(page: usize, stop: &AtomicBool, seen: &Seen) -> std::io::Result<()> {
    let fetch = |path: &str| -> std::io::Result<()> {
        let mut body = Vec::new();
        ask(path)?.read_to_end(&mut body)?;
        if !body.starts_with(b"HTTP/1.1 200") {
            return Err(std::io::Error::other(format!("{path} is refused")));
        }
        seen.bytes.fetch_add(body.len() as u64, Relaxed);
        Ok(())
    };
    ONCE.iter().try_for_each(|path| fetch(path))?;
    let mut due = Instant::now() + RELOAD.mul_f64(page as f64 / PAGES as f64);
    while !stop.load(Relaxed) {
        if Instant::now() < due {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        due += RELOAD;
        fetch(GRAPHS)?;
        fetch(SPARKS)?;
    }
    Ok(())
}
