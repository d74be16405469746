//! `timeball sources`: number, name and address of each source side by side, as far as the terminal is wide enough;
//! and `--watch`.

use std::io::IsTerminal;
use std::time::Duration;

use ntp::control::sources::SourceData;
use ntp::report::{Address, Page};

use super::super::session::{Failure, Outcome, Session};
use super::super::whom::{self, Known};
use super::reports::source;

/// The word that asks for it again and again.
pub const WATCH: &str = "--watch";
/// Width where nobody knows one.
const USUAL: usize = 120;
/// Shortest column of names and of addresses.
const SHORTEST: usize = 12;
/// Before the name in chronyc's layout: marks and a blank; and the name itself.
const MARKS: usize = 3;
const NAME: usize = 27;

/// Prints the sources, anew every so many seconds with `--watch`.
pub fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let terminal = std::io::stdout().is_terminal();
    let Some(at) = words.iter().position(|word| *word == WATCH) else { return print(session, words) };
    let number = |at: usize| words.get(at).filter(|word| !word.starts_with('-'));
    let parsed = |word: &&str| word.parse::<f64>().ok().filter(|n| (0.1..1e6).contains(n));
    let bad = || Failure::usage("Usage: sources --watch [SECONDS [COUNT]]");
    let pause = number(at + 1).map_or(Some(2.0), parsed).ok_or_else(bad)?;
    let count = number(at + 2).map_or(Some(f64::INFINITY), parsed).ok_or_else(bad)?;
    let mut shown = 0.0;
    loop {
        if terminal {
            write!(session.out, "\x1b[H\x1b[2J")?;
        }
        print(session, words)?;
        session.out.flush()?;
        shown += 1.0;
        if shown >= count {
            return Ok(());
        }
        std::thread::sleep(Duration::from_secs_f64(pause));
    }
}

fn print(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let all = words.contains(&"-a");
    let mut rows = Vec::new();
    for known in whom::all(session)? {
        if all || !matches!(known.address, Address::Id(_)) {
            let data = source(session, known.number.saturating_sub(1))?;
            rows.push((name(session, &known), data, known.number));
        }
    }
    let width = sys::terminal::columns(&std::io::stdout())
        .or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
        .unwrap_or(USUAL);
    if words.contains(&"-v") {
        write!(session.out, "{}", SourceData::LEGEND)?;
    }
    write!(session.out, "{}", table(&rows, if session.options.wide { usize::MAX } else { width }))?;
    Ok(())
}

/// What a source is called beside its address; nothing where it has no name.
fn name(session: &Session<'_>, known: &Known) -> String {
    match known.address.ip().filter(|_| !known.refclock) {
        Some(ip) if known.name == ip.to_string() && !session.options.numeric => {
            sys::names::host_of(ip).unwrap_or_default()
        }
        Some(ip) if known.name == ip.to_string() => String::new(),
        _ => known.name.clone(),
    }
}

type Row = (String, SourceData, u32);

fn table(rows: &[Row], width: usize) -> String {
    let rest =
        SourceData::heading(false).lines().next().map_or(0, |line| line.trim_end().len() - MARKS - NAME);
    // The samples are wider than their heading.
    let rest = rows.iter().fold(rest, |rest, (_, data, _)| {
        rest.max(data.text("", false).trim_end().chars().count().saturating_sub(MARKS + NAME))
    });
    let address = |data: &SourceData| data.real_address().ip().map_or_else(String::new, |ip| ip.to_string());
    let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0).max(SHORTEST);
    let names = longest(&mut rows.iter().map(|(name, ..)| name.chars().count()));
    let addresses = longest(&mut rows.iter().map(|(_, data, _)| address(data).len()));
    let room = width.saturating_sub(MARKS + 4 + rest);
    let named = rows.iter().any(|(name, ..)| !name.is_empty());
    // Both; else both with shortened names; else one of them.
    let both = named && room > addresses + SHORTEST;
    let names = if both { names.min(room.saturating_sub(addresses + 1)) } else { room.max(SHORTEST) };
    let heading = SourceData::heading(false);
    let tail = heading.lines().next().and_then(|line| line.get(MARKS + NAME - 3..)).unwrap_or_default();
    let first =
        if both { format!("{:<names$} {:<addresses$}", "Name", "Address") } else { "Source".to_owned() };
    let column = if both { names + 1 + addresses } else { names.min(longest_one(rows, &address)) };
    let mut out = format!("MS {first:<column$}   # {}\n", tail.trim_end());
    let line = out.trim_end().chars().count().max(MARKS + column + 4 + rest);
    out.push_str(&"=".repeat(line.min(width)));
    out.push('\n');
    for (name, data, number) in rows {
        let address = address(data);
        let who = if both {
            format!("{:<names$} {address:<addresses$}", cut(name, names))
        } else {
            cut(if name.is_empty() { &address } else { name }, column)
        };
        let text = data.text("", false);
        let (marks, figures) =
            (text.get(..MARKS).unwrap_or_default(), text.get(MARKS + NAME..).unwrap_or_default());
        out.push_str(&format!("{marks}{who:<column$} {number:>3}{figures}"));
    }
    out
}

/// Width of the one column that has the name, or the address of what has none.
fn longest_one(rows: &[Row], address: &dyn Fn(&SourceData) -> String) -> usize {
    let length =
        |(name, data, _): &Row| if name.is_empty() { address(data).len() } else { name.chars().count() };
    rows.iter().map(length).max().unwrap_or(0).max(SHORTEST)
}

/// At most so many characters, the last one `>` where some are missing.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['>']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn rows() -> Vec<Row> {
        let row = |name: &str, address: &str, number| {
            let address = Address::from(address.parse::<IpAddr>().expect("an address"));
            (name.to_owned(), SourceData { address, ..SourceData::default() }, number)
        };
        vec![
            row("ntp.example.net", "192.0.2.1", 1),
            row("a.server.with.a.very.long.name.example.org", "2001:db8:1234:5678:9abc:def0:1234:5678", 2),
            row("", "192.0.2.77", 12),
        ]
    }

    #[test]
    fn names_and_addresses_stand_side_by_side_where_there_is_room() {
        insta::assert_snapshot!(table(&rows(), 160));
        insta::assert_snapshot!(table(&rows()[..1], 120));
    }

    #[test]
    fn the_table_fits_the_terminal() {
        for width in 70..180 {
            let table = table(&rows(), width);
            assert!(table.lines().all(|line| line.chars().count() <= width), "{width}\n{table}");
            assert!(table.contains("192.0.2.77"), "{width}: who has no name has an address");
        }
        assert!(table(&[], 80).starts_with("MS "));
    }
}
