//! `sources --why`: what the daemon thinks of each source, in sentences.

use ntp::report::json_read::Value;

use super::super::options::Format;
use super::super::own::Own;
use super::super::session::{Failure, Outcome, Session};

/// Narrowest terminal whose width is obeyed.
const NARROWEST: usize = 30;
/// Before the second line of a sentence.
const INDENT: &str = "    ";

/// The word that asks for it.
pub const WORD: &str = "--why";
/// The word that asks for the oscillator's thermometer alone.
const THERMOMETER: &str = "thermometer";

/// All sources and the thermometer, or those of this name or address.
pub fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if session.options.format == Format::Csv {
        return Err(Failure::usage("sources --why has no CSV; --json is for programs"));
    }
    let wanted: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let sources = fetch(session)?;
    let called = |source: &Value, word: &str| {
        let is =
            |name| source.get(name).and_then(Value::text).is_some_and(|text| text.eq_ignore_ascii_case(word));
        is("name") || is("address")
    };
    if wanted == [THERMOMETER] && !sources.iter().any(|source| called(source, THERMOMETER)) {
        return print_thermometer(session, &thermometer(session).ok_or(Failure::BadReply)?);
    }
    for word in &wanted {
        if !sources.iter().any(|source| called(source, word)) {
            return Err(Failure::usage(format!(
                "There is no source \"{word}\"; timeball sources lists them"
            )));
        }
    }
    let chosen: Vec<&Value> = sources
        .iter()
        .filter(|source| wanted.is_empty() || wanted.iter().any(|word| called(source, word)))
        .collect();
    print(session, &chosen)?;
    let whole = wanted.is_empty() && session.options.format != Format::Json;
    match thermometer(session).filter(|value| whole && value.get("text").is_some()) {
        Some(value) => print_thermometer(session, &value),
        None => Ok(()),
    }
}

/// What is known of the thermometer that the oscillator follows; an older daemon does not tell.
fn thermometer(session: &Session<'_>) -> Option<Value> {
    let daemon = Own::find(session.client.endpoints(), "sources --why").ok()?;
    daemon.ask(r#"{"get":"thermometer"}"#).ok()?.get("thermometer").cloned()
}

/// The report `object` with what is known of the thermometer as its last member; without it where nobody tells.
pub fn with_thermometer(session: &mut Session<'_>, object: &str) -> Outcome {
    match (thermometer(session), object.strip_suffix('}')) {
        (Some(value), Some(open)) => writeln!(session.out, "{open},\"thermometer\":{value}}}")?,
        _ => writeln!(session.out, "{object}")?,
    }
    Ok(())
}

fn print_thermometer(session: &mut Session<'_>, value: &Value) -> Outcome {
    if session.options.format == Format::Json {
        writeln!(session.out, "{value}")?;
        return Ok(());
    }
    let text = value.get("text").and_then(Value::text).unwrap_or("No thermometer is read.");
    let width = sys::terminal::columns(&std::io::stdout());
    write!(session.out, "{}", wrapped(text, width, ("", "")))?;
    Ok(())
}

/// Page by page.
fn fetch(session: &Session<'_>) -> Result<Vec<Value>, Failure> {
    let daemon = Own::find(session.client.endpoints(), "sources --why")?;
    let (mut sources, mut from) = (Vec::new(), 0_u64);
    loop {
        let page = daemon.ask(&format!(r#"{{"get":"why","from":{from}}}"#))?;
        let list = page.get("sources").and_then(Value::list).ok_or(Failure::BadReply)?;
        sources.extend_from_slice(list);
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => return Ok(sources),
        }
    }
}

fn print(session: &mut Session<'_>, sources: &[&Value]) -> Outcome {
    if session.options.format == Format::Json {
        for (index, source) in sources.iter().enumerate() {
            write!(session.out, "{}{source}", if index == 0 { "[" } else { ",\n " })?;
        }
        writeln!(session.out, "{}", if sources.is_empty() { "[]" } else { "]" })?;
        return Ok(());
    }
    let width = sys::terminal::columns(&std::io::stdout());
    for source in sources {
        let text = source.get("text").and_then(Value::text).ok_or(Failure::BadReply)?;
        let mark = source.get("mark").and_then(Value::text).unwrap_or("?");
        write!(session.out, "{}", wrapped(&format!("{mark} {text}"), width, session.style.strong()))?;
    }
    if sources.is_empty() {
        writeln!(session.out, "There are no sources.")?;
    }
    Ok(())
}

/// `text` in lines of at most `width` columns; the name in it, its second word, is emphasised.
fn wrapped(text: &str, width: Option<usize>, (strong, plain): (&str, &str)) -> String {
    let width = width.map_or(usize::MAX, |width| width.max(NARROWEST));
    let (mut out, mut column) = (String::new(), 0);
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(INDENT);
            column = INDENT.len();
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        if index == 1 {
            out.extend([strong, word, plain]);
        } else {
            out.push_str(word);
        }
        column += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_wrapped_at_the_width_of_the_terminal() {
        let text =
            "+ time.example.org: combined. Its packets need at least 12.4 ms; queues add 300 µs there.";
        assert_eq!(wrapped(text, None, ("", "")), format!("{text}\n"), "one line for a pipe");
        let narrow = wrapped(text, Some(40), ("", ""));
        assert!(narrow.lines().all(|line| line.chars().count() <= 40), "{narrow}");
        assert_eq!(narrow.lines().count(), 3);
        assert_eq!(narrow.split_whitespace().collect::<Vec<_>>(), text.split(' ').collect::<Vec<_>>());
        let strong = wrapped(text, Some(40), ("<", ">"));
        assert_eq!(strong.replace(['<', '>'], ""), narrow, "emphasis takes no room");
        assert!(strong.starts_with("+ <time.example.org:> combined."));
        assert!(wrapped(text, Some(1), ("", "")).lines().all(|line| line.chars().count() <= NARROWEST));
    }
}
