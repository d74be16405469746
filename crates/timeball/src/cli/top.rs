//! `top`: the clock, its sources and what is served, in the terminal, as they change.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use ntp::control::sources::SourceData;
use ntp::report::Page;

use super::commands::{Command, Group, form};
use super::session::{Failure, Outcome, Session};
use super::status::{self, Picture};

/// `top`
pub const COMMAND: Command = Command {
    name: "top",
    forms: &[form("[SECONDS [COUNT]]", "the clock, sources, requests and clients, live")],
    doc: "Shows the status, the sources, the requests a second and the busiest clients, anew every SECONDS (2 if not given), COUNT times or until it is \
          interrupted. Into a file it goes once unless COUNT says otherwise.",
    example: "top 5",
    group: Group::Own,
    run: top,
};

/// So many clients are shown.
#[cfg(feature = "web")]
const BUSIEST: usize = 10;
/// Shortest pause, s.
const SHORTEST: f64 = 0.1;

fn top(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let number = |at: usize, or: f64| match words.get(at) {
        None => Ok(or),
        Some(word) => {
            let number = word.parse::<f64>().ok().filter(|number| *number >= SHORTEST && *number < 1e6);
            number.ok_or_else(|| Failure::usage(format!("\"{word}\" is no number of seconds or times.")))
        }
    };
    let terminal = io::stdout().is_terminal();
    let pause = number(0, 2.0)?;
    let count = number(1, if terminal { f64::INFINITY } else { 1.0 })?;
    let mut before: Option<(Instant, Picture)> = None;
    let mut shown = 0.0;
    while shown < count {
        if before.is_some() {
            std::thread::sleep(Duration::from_secs_f64(pause));
        }
        let picture = status::look(session)?;
        let now = Instant::now();
        let rates =
            before.as_ref().and_then(|(at, old)| rates(old, &picture, now.duration_since(*at).as_secs_f64()));
        let names: Vec<String> = picture.sources.iter().map(SourceData::label).collect();
        let mut screen = if terminal { "\x1b[H\x1b[2J".to_owned() } else { String::new() };
        screen.push_str(&status::describe(&picture, status::now(), session.style));
        screen.push_str(&body(&picture, &names, rates));
        #[cfg(feature = "web")]
        if picture.endpoint.starts_with('/') && session.options.hosts.is_none() {
            screen.push_str(&super::history::busiest(BUSIEST));
        }
        write!(session.out, "{screen}")?;
        session.out.flush()?;
        before = Some((now, picture));
        shown += 1.0;
    }
    Ok(())
}

/// Requests and drops a second; `None`: not told, or counted anew.
fn rates(old: &Picture, new: &Picture, seconds: f64) -> Option<(f64, f64)> {
    let (old, new) = (old.served?, new.served?);
    let rate = |old: Option<u64>, new: Option<u64>| Some(new?.checked_sub(old?)? as f64 / seconds);
    (seconds > 0.0).then_some(())?;
    Some((rate(old.ntp_hits, new.ntp_hits)?, rate(old.ntp_drops, new.ntp_drops).unwrap_or(0.0)))
}

/// What stands below the status.
fn body(picture: &Picture, names: &[String], rates: Option<(f64, f64)>) -> String {
    let mut out = String::new();
    if let Some((requests, drops)) = rates {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {:<11}{requests:.1} a second, {drops:.1} dropped", "requests");
    }
    out.push('\n');
    out.push_str(&SourceData::heading(false));
    for (source, name) in picture.sources.iter().zip(names) {
        out.push_str(&source.text(name, false));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::control::serverstats::ServerStats;

    fn served(hits: u64, drops: u64) -> Picture {
        let stats = ServerStats { ntp_hits: Some(hits), ntp_drops: Some(drops), ..ServerStats::default() };
        Picture { served: Some(stats), ..Picture::default() }
    }

    #[test]
    fn rates_are_differences_and_a_restart_has_none() {
        assert_eq!(rates(&served(100, 5), &served(300, 15), 2.0), Some((100.0, 5.0)));
        assert_eq!(rates(&served(300, 5), &served(100, 0), 2.0), None);
        assert_eq!(rates(&served(1, 0), &served(2, 0), 0.0), None);
        assert_eq!(rates(&Picture::default(), &served(1, 0), 1.0), None);
    }

    #[test]
    fn the_sources_stand_below() {
        let picture = Picture { sources: vec![SourceData::default()], ..Picture::default() };
        let text = body(&picture, &["time.example".to_owned()], Some((12.34, 0.0)));
        assert!(
            text.starts_with("  requests   12.3 a second, 0.0 dropped\n\n") && text.contains("time.example"),
            "{text}"
        );
    }
}
