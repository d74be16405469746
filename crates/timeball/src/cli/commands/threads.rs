//! `serverstats --threads`: what each serving thread did.

use std::collections::BTreeMap;
use std::fmt::Write;

use ntp::report::json_read::Value;

use super::super::options::Format;
use super::super::own::Own;
use super::super::session::{Failure, Outcome, Session};

/// The word that asks for it.
pub const WORD: &str = "--threads";

/// Columns: title, name in the reply.
const COLUMNS: [(&str, &str); 7] = [
    ("Thread", "thread"),
    ("Requests", "requests"),
    ("Answered", "answered"),
    ("Batches", "batches"),
    ("Full", "full_batches"),
    ("Lost", "kernel_drops"),
    ("Unsent", "unsent"),
];

/// Asks and prints.
pub fn run(session: &mut Session<'_>) -> Outcome {
    if session.options.format == Format::Csv {
        return Err(Failure::usage("serverstats --threads has no CSV; --json is for programs"));
    }
    let threads = fetch(session)?;
    if session.options.format == Format::Json {
        for (index, thread) in threads.iter().enumerate() {
            write!(session.out, "{}{thread}", if index == 0 { "[" } else { ",\n " })?;
        }
        writeln!(session.out, "]")?;
        return Ok(());
    }
    write!(session.out, "{}", table(&threads))?;
    Ok(())
}

/// Page by page.
fn fetch(session: &Session<'_>) -> Result<Vec<Value>, Failure> {
    let daemon = Own::find(session.client.endpoints(), "serverstats --threads")?;
    let (mut threads, mut from) = (Vec::new(), 0_u64);
    loop {
        let page = daemon.ask(&format!(r#"{{"get":"threads","from":{from}}}"#))?;
        threads.extend_from_slice(page.get("threads").and_then(Value::list).ok_or(Failure::BadReply)?);
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => return Ok(threads),
        }
    }
}

/// A line for each thread, then the refusals of all.
fn table(threads: &[Value]) -> String {
    let number = |thread: &Value, name| thread.get(name).and_then(Value::number).unwrap_or(0.0);
    let mut out = String::new();
    let mut refused = BTreeMap::new();
    for (title, _) in COLUMNS {
        let _ = write!(out, "{title:>12}");
    }
    let _ = writeln!(out, "{:>12}\n{}", "Refused", "=".repeat(12 * (COLUMNS.len() + 1)));
    for thread in threads {
        for (_, name) in COLUMNS {
            let _ = write!(out, "{:>12}", number(thread, name));
        }
        let mut sum = 0.0;
        if let Some(Value::Object(reasons)) = thread.get("rejected") {
            for (reason, count) in reasons {
                let count = count.number().unwrap_or(0.0);
                sum += count;
                *refused.entry(reason.replace('_', " ")).or_insert(0.0) += count;
            }
        }
        let _ = writeln!(out, "{sum:>12}");
    }
    for (reason, count) in refused {
        let _ = writeln!(out, "refused, {reason}: {count}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_thread_and_the_refusals_of_all() {
        let thread = |text| Value::parse(text).expect("JSON");
        let threads = [
            thread(
                r#"{"thread":0,"requests":12,"answered":11,"batches":3,"full_batches":1,"kernel_drops":5,"unsent":1,"rejected":{"too_short":2}}"#,
            ),
            thread(
                r#"{"thread":1,"requests":7,"answered":7,"batches":7,"full_batches":0,"kernel_drops":0,"unsent":0,"rejected":{"too_short":1,"bad_version":4}}"#,
            ),
        ];
        let expected = [
            "      Thread    Requests    Answered     Batches        Full        Lost      Unsent     Refused",
            "================================================================================================",
            "           0          12          11           3           1           5           1           2",
            "           1           7           7           7           0           0           0           5",
            "refused, bad version: 4",
            "refused, too short: 3",
        ];
        assert_eq!(table(&threads).lines().collect::<Vec<_>>(), expected);
    }
}
