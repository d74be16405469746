//! What was found, for people and for programs.

use std::fmt::Write;

use ntp::report::json::string;

use super::checks::{self, Check};
use super::finding::{Finding, Level};
use super::mend::Mended;
use crate::cli::help::Style;

/// Narrowest and widest lines of text.
const NARROWEST: usize = 40;
const WIDEST: usize = 100;
/// Where reasons begin.
const INDENT: usize = 20;

/// A line for each check that is well, a paragraph for each that is not; a count and what to do next.
pub fn text(found: &[(&Check, Finding)], style: Style, columns: Option<usize>) -> String {
    let width = columns.unwrap_or(WIDEST).clamp(NARROWEST, WIDEST);
    let mut out = String::new();
    for (check, finding) in found {
        let (begin, end) = colour(finding.level, style);
        let mark = match finding.level {
            Level::Ok => "ok",
            Level::Skipped => "--",
            Level::Warning => "!",
            Level::Fault => "!!",
        };
        let reason = match finding.level {
            Level::Skipped => format!("skipped: {}", finding.reason),
            _ => finding.reason.clone(),
        };
        let lead = format!("{begin}{mark:<2}{end}  {:<15} ", check.id);
        paragraph(&mut out, &lead, &reason, width);
        if finding.level >= Level::Warning {
            for one in &finding.evidence {
                paragraph(&mut out, &" ".repeat(INDENT), &format!("· {one}"), width);
            }
            if !finding.advice.is_empty() {
                paragraph(&mut out, &" ".repeat(INDENT), &finding.advice, width);
            }
            if !finding.command.is_empty() {
                let (strong, plain) = style.strong();
                // A command is never broken: it is to be copied.
                let _ = writeln!(out, "{:INDENT$}{strong}{}{plain}", "", finding.command); // a string takes all
            }
        }
    }
    let _ = write!(out, "\n{}\n", tally(found));
    if let Some((_, next)) = next(found) {
        let (strong, plain) = style.strong();
        let _ = writeln!(out, "Next: {strong}{next}{plain}");
    }
    out
}

/// `text` behind `lead`, in lines that begin below each other.
fn paragraph(out: &mut String, lead: &str, text: &str, width: usize) {
    out.push_str(lead);
    let mut column = INDENT;
    for (index, word) in text.split_whitespace().enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            let _ = write!(out, "\n{:INDENT$}", ""); // a string takes all
            column = INDENT;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

fn colour(level: Level, style: Style) -> (&'static str, &'static str) {
    match (style, level) {
        (Style::Plain, _) => ("", ""),
        (_, Level::Ok) => style.good(),
        (_, Level::Fault) => style.bad(),
        (_, Level::Warning) => ("\x1b[1;33m", "\x1b[0m"),
        (_, Level::Skipped) => ("\x1b[2m", "\x1b[0m"),
    }
}

fn number(found: &[(&Check, Finding)], level: Level) -> usize {
    found.iter().filter(|(_, finding)| finding.level == level).count()
}

/// `28 checks: 24 ok, 2 warnings, 1 fault, 1 skipped.`
fn tally(found: &[(&Check, Finding)]) -> String {
    let of = |level, one: &str, many: &str| match number(found, level) {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts: Vec<String> = [
        of(Level::Ok, "ok", "ok"),
        of(Level::Warning, "warning", "warnings"),
        of(Level::Fault, "fault", "faults"),
        of(Level::Skipped, "skipped", "skipped"),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!(
        "{}: {}.",
        if found.len() == 1 { "1 check".to_owned() } else { format!("{} checks", found.len()) },
        parts.join(", ")
    )
}

/// What to do first: the worst, and of those one that a command mends.
fn next<'a>(found: &'a [(&Check, Finding)]) -> Option<(&'static str, &'a str)> {
    let bad = found.iter().filter(|(_, finding)| finding.level >= Level::Warning);
    let first = bad.max_by_key(|(check, finding)| {
        let place = found.iter().position(|(other, _)| other.id == check.id).unwrap_or(0);
        (finding.level, !finding.command.is_empty(), std::cmp::Reverse(place))
    });
    first.map(|(check, finding)| match (finding.command.as_str(), finding.advice.as_str()) {
        ("", "") => (check.id, finding.reason.as_str()),
        ("", advice) => (check.id, advice),
        (command, _) => (check.id, command),
    })
}

/// One object: `checks`, `counts`, `next`, and after `--fix` what was run.
pub fn json(found: &[(&Check, Finding)], mended: &[Mended]) -> String {
    let mut out = "{\"checks\":[".to_owned();
    for (index, (check, finding)) in found.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push('{');
        member(&mut out, "id", check.id, false);
        member(&mut out, "group", checks::group(check), true);
        member(&mut out, "title", check.title, true);
        member(&mut out, "level", finding.level.word(), true);
        member(&mut out, "reason", &finding.reason, true);
        out.push_str(",\"evidence\":");
        list(&mut out, &finding.evidence);
        option(&mut out, "command", &finding.command);
        option(&mut out, "advice", &finding.advice);
        out.push('}');
    }
    out.push_str("\n],\"counts\":{");
    for (index, level) in [Level::Ok, Level::Warning, Level::Fault, Level::Skipped].into_iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, "{comma}\"{}\":{}", level.word(), number(found, level)); // a string takes all
    }
    out.push_str("},\"next\":");
    match next(found) {
        Some((id, what)) => {
            out.push('{');
            member(&mut out, "check", id, false);
            member(&mut out, "what", what, true);
            out.push('}');
        }
        None => out.push_str("null"),
    }
    out.push_str(",\"mended\":[");
    for (index, one) in mended.iter().enumerate() {
        out.push_str(if index == 0 { "{" } else { ",{" });
        member(&mut out, "check", one.check, false);
        member(&mut out, "command", &one.command, true);
        let _ = write!(out, ",\"good\":{}}}", one.good.map_or("null".to_owned(), |good| good.to_string()));
    }
    out.push_str("]}\n");
    out
}

fn member(out: &mut String, name: &str, value: &str, comma: bool) {
    let _ = write!(out, "{}\"{name}\":", if comma { "," } else { "" }); // a string takes all
    string(out, value);
}

/// A member that may be `null`.
fn option(out: &mut String, name: &str, value: &str) {
    if value.is_empty() {
        let _ = write!(out, ",\"{name}\":null"); // a string takes all
    } else {
        member(out, name, value, true);
    }
}

fn list(out: &mut String, values: &[String]) {
    out.push('[');
    for (index, value) in values.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        string(out, value);
    }
    out.push(']');
}
