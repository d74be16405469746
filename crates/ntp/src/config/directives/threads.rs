//! Serving with more than one processor. chrony has nothing of the kind.

use super::prelude::*;

/// Most threads that can be asked for: a number beyond it is a slip.
const MOST_THREADS: i32 = 1024;
/// Highest number of a processor, as the system calls have it.
const LAST_PROCESSOR: u16 = 1023;
/// Longest `servercoalesce`, µs.
const LONGEST_GATHERING: i64 = 5000;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "serveraffinity",
        "CPU[-CPU][,...]",
        "any processor",
        "Serving threads run on these processors only, one after the other: 2-5,8. With serverthreads auto there is one thread for each.",
        Exactly(1),
        |c, w| processors(w.word()?).map(|v| c.server.threads.affinity = v),
    ),
    Directive::new(
        "servercoalesce",
        "MICROSECONDS|off",
        "2000",
        "Where five or more requests come within so many microseconds, they gather for so long, at most until some twelve have come, and are answered together, which takes less of the processor. No client measures anything else for it: requests are stamped by the kernel when they come, replies when they leave. off: each is answered as soon as it comes.",
        Exactly(1),
        |c, w| coalesce(w).map(|v| c.server.threads.coalesce = v),
    ),
    Directive::new(
        "serverpinning",
        "on|off",
        "on",
        "All requests of an IPv4 address or an IPv6 network come to the same serving thread, which therefore knows its clients. Off: the kernel spreads them by port too, and each thread counts and limits for itself; for a few clients behind few addresses with much to ask.",
        Exactly(1),
        |c, w| on_or_off(w).map(|v| c.server.threads.pinning = v),
    ),
    Directive::new(
        "serverthreads",
        "N|auto",
        "auto; as chronyd 0",
        "Threads that serve time beside the main loop; 0: the main loop serves. auto: one for each processor but one, none on one or two.",
        Exactly(1),
        |c, w| threads(w).map(|v| c.server.threads.number = v),
    ),
];

fn threads(words: &mut Words<'_>) -> Result<ServingThreads, Wrong> {
    let word = words.word()?;
    if word.eq_ignore_ascii_case("auto") {
        return Ok(ServingThreads::Auto);
    }
    let wrong = |_| WrongKind::Unparsable.hint(format!("\"{word}\" is neither a number of threads nor auto"));
    let number: i64 = word.parse().map_err(wrong)?;
    match u16::try_from(number) {
        Ok(number) if i32::from(number) <= MOST_THREADS => Ok(ServingThreads::Number(number)),
        _ => Err(WrongKind::Range { value: word.to_owned(), min: 0, max: MOST_THREADS }.into()),
    }
}

fn coalesce(words: &mut Words<'_>) -> Result<u16, Wrong> {
    let word = words.word()?;
    if word.eq_ignore_ascii_case("off") {
        return Ok(0);
    }
    let wrong =
        |_| WrongKind::Unparsable.hint(format!("\"{word}\" is neither a number of microseconds nor off"));
    match word.parse::<i64>().map_err(wrong)? {
        micros @ 0..=LONGEST_GATHERING => Ok(micros as u16),
        _ => Err(WrongKind::Range { value: word.to_owned(), min: 0, max: LONGEST_GATHERING as i32 }.into()),
    }
}

fn on_or_off(words: &mut Words<'_>) -> Result<bool, Wrong> {
    let word = words.word()?;
    match word.to_ascii_lowercase().as_str() {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(WrongKind::Unparsable.hint(format!("\"{word}\" is neither on nor off"))),
    }
}

/// `0-3,8`: numbers and ranges of processors.
fn processors(list: &str) -> Result<Vec<u16>, Wrong> {
    let number = |text: &str| {
        text.parse().ok().filter(|n: &u16| *n <= LAST_PROCESSOR).ok_or_else(|| {
            WrongKind::Unparsable
                .hint(format!("\"{text}\" is no number of a processor, 0 to {LAST_PROCESSOR}"))
        })
    };
    let mut all = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(WrongKind::Unparsable.hint(format!("{part} runs backwards")));
        }
        all.extend(first..=last);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::tests::parse_text;

    #[test]
    fn lists_of_processors() {
        assert_eq!(processors("3"), Ok(vec![3]));
        assert_eq!(processors("2-5,8,0-1"), Ok(vec![2, 3, 4, 5, 8, 0, 1]));
        for (wrong, hint) in [
            ("", "\"\" is no number of a processor, 0 to 1023"),
            ("1,,2", "\"\" is no number of a processor, 0 to 1023"),
            ("1-x", "\"x\" is no number of a processor, 0 to 1023"),
            ("1024", "\"1024\" is no number of a processor, 0 to 1023"),
            ("-1", "\"\" is no number of a processor, 0 to 1023"),
            ("5-2", "5-2 runs backwards"),
        ] {
            assert_eq!(processors(wrong).map_err(|wrong| wrong.hint), Err(Some(hint.to_owned())), "{wrong}");
        }
    }

    #[test]
    fn requests_gather_for_so_long_or_not_at_all() {
        let limit = |line: &str| parse_text(line).map(|parsed| parsed.config.server.threads.coalesce).ok();
        let lines =
            ["", "servercoalesce 250", "servercoalesce OFF", "servercoalesce 0", "servercoalesce 5000"];
        assert_eq!(lines.map(limit), [Some(2000), Some(250), Some(0), Some(0), Some(5000)]);
        for (line, said) in [
            ("servercoalesce 5001", "Invalid value 5001 in servercoalesce directive (min 0, max 5000)"),
            ("servercoalesce -1", "(min 0, max 5000)"),
            ("servercoalesce long", "\"long\" is neither a number of microseconds nor off"),
        ] {
            let Err(errors) = parse_text(line) else { panic!("{line} was accepted") };
            let text = format!("{errors:?}");
            assert!(errors.iter().any(|error| error.to_string().contains(said)), "{line}: {text}");
        }
    }

    #[test]
    fn threads_are_numbered_or_automatic() {
        let number = |line: &str| parse_text(line).map(|parsed| parsed.config.server.threads.number);
        assert_eq!(number("serverthreads 3").ok(), Some(ServingThreads::Number(3)));
        assert_eq!(number("serverthreads AUTO").ok(), Some(ServingThreads::Auto));
        assert_eq!(number("").ok(), Some(ServingThreads::Default));
        for (line, expected) in [
            ("serverthreads 1025", "Invalid value 1025 in serverthreads directive (min 0, max 1024)"),
            ("serverthreads -1", "Invalid value -1 in serverthreads directive (min 0, max 1024)"),
            ("serverthreads many", "\"many\" is neither a number of threads nor auto"),
            ("serverpinning maybe", "\"maybe\" is neither on nor off"),
            ("serverthread 1", "serverthreads"),
        ] {
            let errors = number(line).expect_err(line);
            let said = errors[0].to_string();
            assert!(said.contains(expected), "{line}: {said}");
        }
        let off = parse_text("serverpinning off").expect("right");
        assert!(!off.config.server.threads.pinning);
    }
}
