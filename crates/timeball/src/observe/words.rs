//! Numbers and sentences as people read them: what the page, the command line and mails say.

use ntp::control::sources::SourceState;
use ntp::metrics::state_code;
use ntp::snapshot::{Snapshot, SourceSnapshot};
use serde_json::{Value, json};

/// The pool takes points away above this error, s.
pub const POOL_LIMIT: f64 = 0.025;
/// A narrow space that does not break, between thousands.
const THIN: char = '\u{202f}';

/// Groups thousands.
pub fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let (whole, fraction) =
        text.split_once('.').map_or((text.as_str(), ""), |(whole, fraction)| (whole, fraction));
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
        out.push('−');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A time without sign in the unit that suits it: `47 ms`, `3.2 µs`.
pub fn time(seconds: f64) -> String {
    let size = seconds.abs();
    let (value, unit) = match size {
        _ if !size.is_finite() => return "unknown".to_owned(),
        1.0.. => (size, "s"),
        1e-3.. => (size * 1e3, "ms"),
        1e-6.. => (size * 1e6, "µs"),
        _ => (size * 1e9, "ns"),
    };
    let digits = if value < 9.95 { 1 } else { 0 };
    let text = format!("{value:.digits$}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// The same with its sign.
pub fn signed_time(seconds: f64) -> String {
    format!("{}{}", if seconds < 0.0 { '−' } else { '+' }, time(seconds))
}

/// An error bound rounded up: never promise more than is true.
pub fn bound(seconds: f64) -> String {
    // What is exact in decimal may be a hair more in binary.
    let up = |value: f64, digit: f64| ((value / digit - 1e-9).ceil() * digit).max(digit);
    match seconds {
        _ if !seconds.is_finite() => "unknown".to_owned(),
        1.0.. => format!("{:.1} s", up(seconds, 0.1)),
        0.01.. => format!("{:.0} ms", up(seconds * 1e3, 1.0)),
        _ => format!("{:.1} ms", up(seconds * 1e3, 0.1)),
    }
}

/// A span: `22 minutes`, `3 days`.
pub fn span(seconds: f64) -> String {
    let (value, unit) = match seconds {
        172_800.0.. => (seconds / 86_400.0, "day"),
        7200.0.. => (seconds / 3600.0, "hour"),
        120.0.. => (seconds / 60.0, "minute"),
        _ => (seconds, "second"),
    };
    counted(value.round() as usize, unit)
}

/// `one source`, `3 sources`.
pub fn counted(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("one {what}"),
        count => format!("{} {what}s", grouped(count as f64, 0)),
    }
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing known.
    Starting,
    /// Sources are being measured.
    Setting,
    /// Right.
    Synchronised,
    /// Right, but not by much.
    Unsure,
    /// It was right once.
    Lost,
}

impl State {
    /// Its word in the interface.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Setting => "setting",
            Self::Synchronised => "synchronised",
            Self::Unsure => "unsure",
            Self::Lost => "lost",
        }
    }

    /// Of this snapshot; `once`: the clock has been right since the start.
    pub fn of(snapshot: Option<&Snapshot>, once: bool) -> Self {
        let Some(snapshot) = snapshot else { return Self::Starting };
        match (snapshot.synchronised(), once) {
            (false, true) => Self::Lost,
            (false, false) => Self::Setting,
            (true, _) if usable(snapshot) < 2 || snapshot.error_bound() > POOL_LIMIT => Self::Unsure,
            (true, _) => Self::Synchronised,
        }
    }
}

/// Sources that agree and can be used.
pub fn usable(snapshot: &Snapshot) -> usize {
    snapshot.sources.iter().filter(|source| state_code(source.data.state) >= 3).count()
}

fn in_state(snapshot: &Snapshot, state: SourceState) -> Vec<&SourceSnapshot> {
    snapshot.sources.iter().filter(|source| source.data.state == state).collect()
}

/// The first sentence.
pub fn sentence(state: State, snapshot: Option<&Snapshot>, public: bool) -> String {
    let whose = if public { "This" } else { "Your" };
    let Some(snapshot) = snapshot else { return "Asking this server …".to_owned() };
    match state {
        State::Starting | State::Setting => format!("{whose} clock is being set."),
        State::Lost => "The time is not known any more.".to_owned(),
        _ if snapshot.followed().is_none() => {
            format!("{whose} clock follows nobody and serves its own time.")
        }
        _ => format!("{whose} clock is within {} of true time.", bound(snapshot.error_bound())),
    }
}

/// The second paragraph. `answers`: a second.
pub fn detail(state: State, snapshot: &Snapshot, answers: f64, public: bool) -> String {
    let all = snapshot.sources.len();
    let mut text = match (state, snapshot.followed()) {
        (State::Starting | State::Setting, _) => {
            let heard = snapshot.sources.iter().filter(|source| source.data.last_rx.0.is_some()).count();
            format!(
                "{} of {} answered so far. Clients are told that the time is not known yet.",
                number(heard),
                sources(all)
            )
        }
        (State::Lost, _) => "No source can be used, and clients are told so.".to_owned(),
        (_, None) => "No source is used; what it serves is as good as its own oscillator.".to_owned(),
        (_, Some(followed)) => {
            let others = usable(snapshot).saturating_sub(1);
            let name = shown(followed, public);
            match others {
                0 => format!("It follows {name} alone, which nobody contradicts or confirms."),
                1 => format!("It follows {name} and agrees with one other source."),
                others => {
                    let others = number(others).to_lowercase();
                    format!("It follows {name} and agrees with {others} other sources.")
                }
            }
        }
    };
    for (state, verb) in
        [(SourceState::Falseticker, "wrong and ignored"), (SourceState::Jittery, "too unsteady to use")]
    {
        let bad = in_state(snapshot, state);
        if let Some(first) = bad.first() {
            text.push_str(&match (bad.len(), all) {
                (_, 1) => format!(" {} is {verb}.", shown(first, public)),
                (1, _) => format!(" One of {}, {}, is {verb}.", sources(all), shown(first, public)),
                (many, _) => format!(" {} of {} are {verb}.", number(many), sources(all)),
            });
        }
    }
    if answers >= 0.5 {
        text.push_str(&format!(" It gives {} answers a second.", grouped(answers, 0)));
    }
    text
}

fn number(count: usize) -> String {
    const WORDS: [&str; 10] =
        ["None", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"];
    WORDS.get(count).map_or_else(|| count.to_string(), |word| (*word).to_owned())
}

/// So many sources, in words as [`number`] has them.
fn sources(count: usize) -> String {
    match count {
        2..10 => format!("{} sources", number(count).to_lowercase()),
        _ => counted(count, "source"),
    }
}

/// The name of a source as it may be shown: never an address on a public page.
pub fn shown(source: &SourceSnapshot, public: bool) -> String {
    let is_address = source.name.parse::<std::net::IpAddr>().is_ok();
    if public && is_address { "a source".to_owned() } else { source.name.clone() }
}

/// So long after the start sources have answered if they ever do, s.
const SETTLED: f64 = 300.0;

/// The most useful thing to do, or that there is none. `problem`: what is wrong with the archive.
pub fn next(state: State, snapshot: Option<&Snapshot>, problem: Option<&str>, up: f64) -> Value {
    let say = |title: String, text: String, link: &str| json!({"done": false, "title": title, "text": text, "link": link});
    let Some(snapshot) = snapshot else {
        return json!({"done": true, "title": "Nothing to do", "text": "The daemon has not spoken yet.", "link": null});
    };
    let usable = usable(snapshot);
    let enough = match usable {
        0 => "No good source remains.".to_owned(),
        1 => "Only one good source remains.".to_owned(),
        2 => "Two good sources remain; a third would settle a quarrel between them.".to_owned(),
        many => format!("{} good sources remain, so there is no hurry.", number(many)),
    };
    if let Some(wrong) = in_state(snapshot, SourceState::Falseticker).first() {
        let text = format!("It is {} away from what the others agree on. {enough}", time(wrong.offset()));
        return say(format!("Next: replace {}", wrong.name), text, "#/sources");
    }
    let lost = |source: &&SourceSnapshot| {
        source.data.reach.0 == 0 && source.data.last_rx.0.is_some_and(|age| age > 3600)
    };
    if let Some(lost) = snapshot.sources.iter().find(lost) {
        return say(
            format!("Next: look after {}", lost.name),
            format!("It has not answered for a while. {enough}"),
            "#/sources",
        );
    }
    if let Some(problem) = problem {
        return say("Next: make room for the archive".to_owned(), problem.to_owned(), "#/events");
    }
    let silent = usable == 0 && !snapshot.sources.is_empty();
    // Who was right once has waited for answers before.
    if state == State::Lost || (up > SETTLED && (state == State::Setting || silent)) {
        let text =
            "No source has given a usable answer. Is UDP port 123 open to the outside, and do names resolve?";
        return say("Next: look at the network".to_owned(), text.to_owned(), "#/sources");
    }
    if snapshot.synchronised() && up > SETTLED && usable < 3 && snapshot.followed().is_some() {
        let text = format!(
            "{enough} Four to seven sources, of different owners, make one another's errors visible."
        );
        return say("Next: add sources".to_owned(), text, "#/sources");
    }
    if state == State::Unsure && up > SETTLED && usable >= 3 {
        let off = bound(snapshot.error_bound());
        let text = format!(
            "They agree, but the time may be off by {off}: they are far away, or have been silent for long."
        );
        return say("Next: look at the sources".to_owned(), text, "#/sources");
    }
    let text = match state {
        State::Synchronised => "All is as it should be.",
        _ if snapshot.sources.is_empty() => "It has no sources and serves its own time, as it was told.",
        _ => "This page fills by itself.",
    };
    json!({"done": true, "title": "Nothing to do", "text": text, "link": null})
}

/// What heads the pages. `today`: events since midnight.
pub fn headings(state: State, snapshot: &Snapshot, rates: (f64, f64), today: usize) -> Value {
    let ppm = snapshot.tracking.frequency.ppm();
    let clock = if snapshot.synchronised() && snapshot.followed().is_some() {
        let way = if ppm < 0.0 { "slow" } else { "fast" };
        let digits = if ppm.abs() < 10.0 { 1 } else { 0 };
        let title = format!(
            "This oscillator runs {} ppm {way}, and that is compensated.",
            grouped(ppm.abs(), digits)
        );
        let text = format!(
            "Left alone, the clock would {} {} a day. How much does not matter, only that it stays the same.",
            if ppm < 0.0 { "lose" } else { "gain" },
            time(ppm.abs() * 0.0864)
        );
        json!({"title": title, "text": text})
    } else {
        json!({"title": "The oscillator is not known yet.", "text": "It is learned from the sources within minutes."})
    };
    let (usable, all) = (usable(snapshot), snapshot.sources.len());
    let margin = snapshot.followed().map(SourceSnapshot::margin);
    let sources = match (state, usable) {
        (State::Setting, _) => format!("{} being measured.", counted(all, "source")),
        (_, 0) => "No source can be used.".to_owned(),
        (_, 1) => format!("One of {} can be used.", sources(all)),
        _ => format!("{} of {} agree.", number(usable), sources(all)),
    };
    let followed = snapshot.followed().map_or_else(String::new, |source| {
        let margin = margin.map_or_else(String::new, |margin| format!(", right within {}", time(margin)));
        format!("The clock follows {}{margin}.", source.name)
    });
    let spare = match usable {
        0 | 1 => String::new(),
        2 => " If the two disagreed, nobody could say which is right.".to_owned(),
        many => format!(
            " With {} good sources, {} could fail before the time is in doubt.",
            number(many).to_lowercase(),
            number(many.saturating_sub(2).max(1)).to_lowercase()
        ),
    };
    let (requests, dropped) = rates;
    let share = if requests > 0.0 { dropped / requests * 100.0 } else { 0.0 };
    let clients = if requests < 0.05 {
        json!({"title": "Nobody asks for the time right now.", "text": ""})
    } else {
        let digits = if requests < 10.0 { 1 } else { 0 };
        json!({
            "title": format!("{} requests a second; {:.0} % of them are answered.", grouped(requests, digits), 100.0 - share),
            "text": "What is dropped is over the limit, refused by an access rule, or no valid request.",
        })
    };
    let events = match today {
        0 => "Nothing happened today.".to_owned(),
        1 => "One thing happened today.".to_owned(),
        many => format!("{} things happened today.", number(many)),
    };
    json!({
        "clock": clock,
        "sources": {"title": capital(&sources), "text": format!("{followed}{spare}").trim()},
        "clients": clients,
        "events": {"title": events, "text": "Each entry says what happened, why, and what it did to the time you serve."},
    })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::report::{Interval, Seconds};

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(1234567.0, 0), "1\u{202f}234\u{202f}567");
        assert_eq!((grouped(-1234.5, 1), grouped(-0.04, 1)), ("−1\u{202f}234.5".into(), "0.0".into()));
        for (seconds, text) in
            [(0.047, "47 ms"), (3.21e-6, "3.2 µs"), (2.0, "2 s"), (f64::NAN, "unknown"), (4e-10, "0.4 ns")]
        {
            assert_eq!(time(seconds), text);
        }
        for (seconds, text) in
            [(0.00034, "0.4 ms"), (0.0003, "0.3 ms"), (1e-7, "0.1 ms"), (0.0251, "26 ms"), (1.01, "1.1 s")]
        {
            assert_eq!(bound(seconds), text);
        }
        assert_eq!(
            (span(1320.0), span(1.0), span(200_000.0)),
            ("22 minutes".into(), "one second".into(), "2 days".into())
        );
    }

    fn snapshot(states: &[SourceState]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.tracking.stratum = 2;
        snapshot.tracking.root_dispersion = Seconds(0.0001);
        for (number, state) in states.iter().enumerate() {
            let mut source =
                SourceSnapshot { name: format!("t{number}.example"), ..SourceSnapshot::default() };
            source.data.state = *state;
            source.data.last_rx = Interval(Some(1));
            source.data.adjusted_offset = Seconds(-0.0472);
            source.data.reach.0 = 255;
            snapshot.sources.push(source);
        }
        snapshot
    }

    #[test]
    fn the_first_screen_says_what_is_so() {
        use SourceState::{Combined, Falseticker, Selected};
        let good = snapshot(&[Selected, Combined, Combined, Falseticker]);
        let state = State::of(Some(&good), true);
        assert_eq!(state, State::Synchronised);
        assert_eq!(sentence(state, Some(&good), false), "Your clock is within 0.1 ms of true time.");
        let detail = detail(state, &good, 3980.4, false);
        assert_eq!(
            detail,
            "It follows t0.example and agrees with two other sources. One of four sources, t3.example, is wrong and ignored. It gives 3\u{202f}980 answers a second."
        );
        let next = next(state, Some(&good), None, 1e4);
        assert_eq!(
            (next["done"].as_bool(), next["title"].as_str()),
            (Some(false), Some("Next: replace t3.example"))
        );
        let all = headings(state, &good, (4000.0, 40.0), 1);
        assert_eq!(all["sources"]["title"], "Three of four sources agree.");
        assert_eq!(all["clients"]["title"], "4\u{202f}000 requests a second; 99 % of them are answered.");
    }

    #[test]
    fn doubt_is_said() {
        let alone = snapshot(&[SourceState::Selected]);
        assert_eq!(State::of(Some(&alone), true), State::Unsure);
        assert_eq!(next(State::Unsure, Some(&alone), None, 1e4)["title"], "Next: add sources");
        let lost = Snapshot::default();
        assert_eq!(
            (State::of(Some(&lost), true), State::of(Some(&lost), false)),
            (State::Lost, State::Setting)
        );
        assert_eq!(State::of(None, false), State::Starting);
        assert_eq!(next(State::Lost, Some(&lost), None, 1e4)["title"], "Next: look at the network");
        assert_eq!(next(State::Lost, Some(&lost), None, 10.0)["title"], "Next: look at the network");
        let mut silent = snapshot(&[SourceState::Unselectable; 3]);
        silent.tracking.root_dispersion = Seconds(0.5);
        assert_eq!(State::of(Some(&silent), true), State::Unsure, "only local serves");
        assert_eq!(next(State::Unsure, Some(&silent), None, 1e4)["title"], "Next: look at the network");
        assert_eq!(next(State::Unsure, Some(&silent), None, 10.0)["text"], "This page fills by itself.");
        let mut far = snapshot(&[SourceState::Selected, SourceState::Combined, SourceState::Combined]);
        far.tracking.root_dispersion = Seconds(0.5);
        assert_eq!(next(State::Unsure, Some(&far), None, 1e4)["title"], "Next: look at the sources");
        let own = snapshot(&[]);
        assert_eq!(next(State::Unsure, Some(&own), None, 1e4)["done"], true);
        let mut address = alone.sources[0].clone();
        address.name = "192.0.2.1".into();
        assert_eq!((shown(&address, true), shown(&address, false)), ("a source".into(), "192.0.2.1".into()));
    }
}
