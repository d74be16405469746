//! `timeball` alone: how is the clock, in words.
//!
//! [`Picture`] is what the daemon said, [`describe`] turns it into words; only [`show`] talks to anybody.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use ntp::control::activity::{ACTIVITY, Activity};
use ntp::control::client::Argument;
use ntp::control::serverstats::{SERVERSTATS, ServerStats};
use ntp::control::sources::{SOURCE_COUNT, SOURCE_DATA, SourceCount, SourceData, SourceState};
use ntp::control::tracking::{TRACKING, Tracking};
use ntp::ids::RefId;
use ntp::report::json;

use super::commands::{Command, Group, form, tracking_name};
use super::help::Style;
use super::options::Format;
use super::session::{Failure, Outcome, Session};

/// `status`, which is also what `timeball` alone does.
pub const COMMAND: Command = Command {
    name: "status",
    forms: &[form("", "the clock in words (also: timeball alone)")],
    doc: "Says how the clock is: synchronised or why not, to whom, how wrong it can be, and what is served. The exit \
          status is 0 if the clock is synchronised.",
    example: "status --json",
    group: Group::Own,
    run: |session, _| show(session),
};

/// Most sources looked at.
const MOST_SOURCES: u32 = 1000;

/// What the daemon said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    pub tracking: Tracking,
    /// What the source of the clock is called.
    pub name: String,
    pub activity: Activity,
    pub sources: Vec<SourceData>,
    /// `None`: not told over this way.
    pub served: Option<ServerStats>,
    /// Where the daemon answered.
    pub endpoint: String,
}

/// Asks and prints; fails when the clock is not synchronised.
fn show(session: &mut Session<'_>) -> Outcome {
    let json = session.options.format == Format::Json;
    let picture = match look(session) {
        Err(Failure::NoAnswer) => {
            let text = if json {
                "{\"synchronised\":false,\"reason\":\"no daemon answers\"}\n".to_owned()
            } else {
                nobody(session)
            };
            write!(session.out, "{text}")?;
            return Err(Failure::Silent);
        }
        picture => picture?,
    };
    let text = if json { picture.json() } else { describe(&picture, now(), session.style) };
    write!(session.out, "{text}")?;
    // What this machine remembers belongs to this machine's daemon only.
    #[cfg(feature = "web")]
    if !json && picture.endpoint.starts_with('/') && session.options.hosts.is_none() {
        write!(session.out, "{}", super::history::sparks(now() as f64))?;
    }
    if picture.trouble().is_none() { Ok(()) } else { Err(Failure::Silent) }
}

/// Collects what [`describe`] needs.
pub fn look(session: &mut Session<'_>) -> Result<Picture, Failure> {
    let tracking: Tracking = session.fetch(&TRACKING, Argument::None)?;
    let name = tracking_name(session, &tracking)?;
    let activity = session.fetch(&ACTIVITY, Argument::None)?;
    let count = session.fetch::<SourceCount>(&SOURCE_COUNT, Argument::None)?.count.min(MOST_SOURCES);
    let mut sources = Vec::new();
    for index in 0..count {
        match session.fetch(&SOURCE_DATA, Argument::Index(index)) {
            Ok(source) => sources.push(source),
            Err(Failure::Status(_)) => break, // it went away meanwhile
            Err(failure) => return Err(failure),
        }
    }
    let served = match session.fetch(&SERVERSTATS, Argument::None) {
        Ok(stats) => Some(stats),
        Err(Failure::Status(_) | Failure::BadReply) => None,
        Err(failure) => return Err(failure),
    };
    let endpoint = session.client.endpoint().map(ToString::to_string).unwrap_or_default();
    Ok(Picture { tracking, name, activity, sources, served, endpoint })
}

/// What to say when no daemon answers.
fn nobody(session: &Session<'_>) -> String {
    let (bad, plain) = session.style.bad();
    let mut out =
        format!("{bad}No daemon answers,{plain} so nobody can say whether the clock is right.\n\nAsked:\n");
    for endpoint in session.client.endpoints() {
        let _ = writeln!(out, "  {endpoint}"); // writing to a string cannot fail
    }
    out.push_str("\nTo start one, type:                 timeball run\nTo ask another user's or root's:    sudo timeball\n");
    out
}

impl Picture {
    /// Why the clock is not synchronised, and what may help; `None` when it is.
    fn trouble(&self) -> Option<(&'static str, &'static str)> {
        let unsynchronised = self.tracking.leap.0 == 3 || self.tracking.stratum == 0;
        if !unsynchronised {
            // `local`: clients are told a time that nobody has compared with anything.
            let follows_nobody = self.tracking.ref_id == RefId::LOCAL && self.tracking.address.ip().is_none();
            return follows_nobody.then_some((
                "it follows nobody; what it reads is served (local)",
                "see whether there is a source to follow:  timeball sources --why",
            ));
        }
        let all = |state: SourceState| {
            !self.sources.is_empty() && self.sources.iter().all(|source| source.state == state)
        };
        let active = self.activity.online + self.activity.burst_online + self.activity.burst_offline;
        Some(if self.activity == Activity::default() && self.sources.is_empty() {
            ("no time source is configured", "add one:  timeball add pool pool.ntp.org iburst")
        } else if active == 0 && self.activity.offline > 0 {
            ("all sources are offline", "if the network is there:  timeball online")
        } else if active == 0 && self.activity.unresolved > 0 {
            (
                "the names of the sources are not resolved yet",
                "look at the DNS settings, then:  timeball refresh",
            )
        } else if self.sources.iter().all(|source| source.reach.0 == 0) {
            (
                "no source has answered yet",
                "if this lasts, a firewall may block UDP port 123:  timeball ntpdata",
            )
        } else if all(SourceState::Falseticker)
            || self.sources.iter().any(|s| s.state == SourceState::Falseticker)
        {
            ("the sources disagree", "see which:  timeball sources -v")
        } else {
            ("measuring has only begun, or no source is good enough", "see why:  timeball selectdata -v")
        })
    }

    /// The clock is at most so wrong, s (RFC 5905 root distance, plus what is still being corrected).
    fn error_bound(&self) -> f64 {
        let tracking = &self.tracking;
        tracking.correction.0.abs() + tracking.root_dispersion.0 + tracking.root_delay.0 / 2.0
    }

    fn json(&self) -> String {
        let mut out = "{".to_owned();
        let trouble = self.trouble();
        let _ = write!(out, "\"synchronised\":{},\"reason\":", trouble.is_none()); // writing to a string cannot fail
        match trouble {
            Some((reason, _)) => json::string(&mut out, reason),
            None => out.push_str("null"),
        }
        let bound = if trouble.is_none() { format!("{:?}", self.error_bound()) } else { "null".to_owned() };
        let _ = write!(out, ",\"error_bound_s\":{bound},\"endpoint\":");
        json::string(&mut out, &self.endpoint);
        let _ = write!(out, ",\"tracking\":{}", json(&self.tracking, &self.name));
        let _ = write!(out, ",\"activity\":{}", json(&self.activity, ""));
        let sources: Vec<String> = self.sources.iter().map(|source| json(source, &source.label())).collect();
        let _ = write!(out, ",\"sources\":[{}]", sources.join(","));
        let served = self.served.as_ref().map_or_else(|| "null".to_owned(), |stats| json(stats, ""));
        let _ = writeln!(out, ",\"serverstats\":{served}}}");
        out
    }
}

/// The status in words; `now` is Unix time, s.
pub(super) fn describe(picture: &Picture, now: i64, style: Style) -> String {
    let tracking = &picture.tracking;
    let mut out = String::new();
    let mut line = |label: &str, text: String| {
        let _ = writeln!(out, "  {label:<11}{text}"); // writing to a string cannot fail
    };
    let head = match picture.trouble() {
        Some((reason, advice)) => {
            let (bad, plain) = style.bad();
            line("why", reason.to_owned());
            line("advice", advice.to_owned());
            format!("{bad}The clock is not synchronised.{plain}\n")
        }
        None => {
            let (good, plain) = style.good();
            line("to", format!("{}, stratum {}", master(picture), tracking.stratum));
            line("error", error_words(picture));
            line("frequency", frequency_words(tracking));
            line("updated", age_words(now - tracking.reference_time.seconds));
            if let Some(leap) = leap_words(tracking.leap.0) {
                line("leap", leap.to_owned());
            }
            format!("{good}The clock is synchronised.{plain}\n")
        }
    };
    line("sources", source_words(picture));
    if let Some(served) = picture.served.as_ref().and_then(served_words) {
        line("served", served);
    }
    line("daemon", format!("answers at {}", picture.endpoint));
    [head, out].concat()
}

/// Whom the clock follows.
fn master(picture: &Picture) -> String {
    let address = picture.tracking.address.to_string();
    match picture.tracking.address.ip() {
        Some(_) if picture.name != address => format!("{} ({address})", picture.name),
        Some(_) => address,
        None => format!("reference clock {}", picture.name),
    }
}

fn error_words(picture: &Picture) -> String {
    let tracking = &picture.tracking;
    format!(
        "at most {} (still correcting {}, dispersion {}, half the delay {})",
        seconds(picture.error_bound()),
        seconds(tracking.correction.0.abs()),
        seconds(tracking.root_dispersion.0),
        seconds(tracking.root_delay.0 / 2.0)
    )
}

fn frequency_words(tracking: &Tracking) -> String {
    let ppm = tracking.frequency.ppm();
    let word = if ppm > 0.0 { "gains" } else { "loses" };
    let day = seconds(ppm.abs() * 1e-6 * 86400.0);
    format!(
        "uncorrected it {word} {:.3} ppm ({day} a day), known to {:.3} ppm",
        ppm.abs(),
        tracking.skew.ppm()
    )
}

fn age_words(age: i64) -> String {
    match age {
        i64::MIN..0 => "in the future: the clock was set back".to_owned(),
        0..120 => format!("{age} seconds ago"),
        120..7200 => format!("{} minutes ago", age / 60),
        7200..172_800 => format!("{} hours ago", age / 3600),
        _ => format!("{} days ago", age / 86400),
    }
}

fn leap_words(leap: u8) -> Option<&'static str> {
    match leap {
        1 => Some("a second will be inserted at the end of this month"),
        2 => Some("a second will be deleted at the end of this month"),
        _ => None,
    }
}

/// `4: 1 selected, 2 combined, 1 does not answer`
fn source_words(picture: &Picture) -> String {
    let activity = &picture.activity;
    let silent = |source: &&SourceData| source.state == SourceState::Unselectable && source.reach.0 == 0;
    let state = |state| picture.sources.iter().filter(|source| source.state == state).count();
    let silent_count = picture.sources.iter().filter(silent).count();
    let counts = [
        (state(SourceState::Selected), "selected"),
        (state(SourceState::Combined), "combined"),
        (state(SourceState::Selectable), "in reserve"),
        (state(SourceState::Falseticker), "wrong"),
        (state(SourceState::Jittery), "too variable"),
        (state(SourceState::Unselectable) - silent_count, "not selectable"),
        (silent_count, "without answer"),
    ];
    let mut words: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if activity.offline > 0 {
        words.push(format!("{} of them offline", activity.offline));
    }
    if activity.unresolved > 0 {
        words.push(format!("{} of them without an address yet", activity.unresolved));
    }
    let nameless = usize::try_from(activity.unresolved).unwrap_or(usize::MAX);
    if words.is_empty() {
        "none".to_owned()
    } else if nameless >= picture.sources.len() {
        "none yet: their names have no addresses".to_owned()
    } else {
        format!("{}: {}", picture.sources.len(), words.join(", "))
    }
}

/// `120 requests answered, 3 dropped`
fn served_words(stats: &ServerStats) -> Option<String> {
    let (received, dropped) = (stats.ntp_hits?, stats.ntp_drops.unwrap_or(0));
    Some(match (received, dropped) {
        (0, _) => "nobody has asked for time".to_owned(),
        (1, 0) => "1 request answered".to_owned(),
        (_, 0) => format!("{received} requests answered"),
        _ => format!("{} requests answered, {dropped} dropped", received.saturating_sub(dropped)),
    })
}

/// A duration with three digits and a unit that suits it.
fn seconds(value: f64) -> String {
    let (number, unit) = match value.abs() {
        small if small < 999.5e-9 => (value * 1e9, "ns"),
        small if small < 999.5e-6 => (value * 1e6, "µs"),
        small if small < 999.5e-3 => (value * 1e3, "ms"),
        _ => (value, "s"),
    };
    let digits = match number.abs() {
        small if small < 9.995 => 2,
        small if small < 99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
}

/// Unix time, s.
pub(super) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(now).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::report::{Address, Frequency, Interval, LeapStatus, Seconds, Time};

    fn synchronised() -> Picture {
        let address = Address::V4([192, 0, 2, 1].into());
        let source = |state, reach| {
            let mut source =
                SourceData { address, state, last_rx: Interval(Some(3)), ..SourceData::default() };
            source.reach.0 = reach;
            source
        };
        Picture {
            tracking: Tracking {
                ref_id: RefId(0xc000_0201),
                address,
                stratum: 3,
                reference_time: Time { seconds: 1_785_000_000, nanos: 0 },
                correction: Seconds(-12e-6),
                frequency: Frequency::from_ppm(-12.345),
                skew: Frequency::from_ppm(0.05),
                root_delay: Seconds(0.02),
                root_dispersion: Seconds(0.0012),
                ..Tracking::default()
            },
            name: "ntp.example.net".to_owned(),
            activity: Activity { online: 4, ..Activity::default() },
            sources: vec![
                source(SourceState::Selected, 0o377),
                source(SourceState::Combined, 0o377),
                source(SourceState::Combined, 0o377),
                source(SourceState::Unselectable, 0),
            ],
            served: Some(ServerStats { ntp_hits: Some(120), ntp_drops: Some(3), ..ServerStats::default() }),
            endpoint: "/run/timeball/timeball.sock".to_owned(),
        }
    }

    #[test]
    fn a_good_clock_is_described() {
        insta::assert_snapshot!("good", describe(&synchronised(), 1_785_000_034, Style::Plain));
    }

    #[test]
    fn who_serves_its_own_time_knows_no_better() {
        let tracking = Tracking { ref_id: RefId::LOCAL, stratum: 10, ..Tracking::default() };
        let local = Picture { tracking, ..Picture::default() };
        assert!(local.trouble().is_some_and(|(why, _)| why.starts_with("it follows nobody")));
        assert!(
            local.json().starts_with("{\"synchronised\":false,\"reason\":\"it follows nobody"),
            "{}",
            local.json()
        );
        assert!(local.json().contains("\"error_bound_s\":null"));
    }

    #[test]
    fn a_clock_without_sources_gets_advice() {
        let unsynchronised = Tracking { leap: LeapStatus(3), ..Tracking::default() };
        let nothing =
            Picture { tracking: unsynchronised, endpoint: "127.0.0.1:323".to_owned(), ..Picture::default() };
        insta::assert_snapshot!("no_sources", describe(&nothing, 0, Style::Terminal));

        let mut offline =
            Picture { activity: Activity { offline: 2, ..Activity::default() }, ..nothing.clone() };
        offline.sources = synchronised().sources;
        assert_eq!(offline.trouble().map(|(why, _)| why), Some("all sources are offline"));
        let unresolved =
            Picture { activity: Activity { unresolved: 2, ..Activity::default() }, ..nothing.clone() };
        assert_eq!(
            unresolved.trouble().map(|(why, _)| why),
            Some("the names of the sources are not resolved yet")
        );
        assert_eq!(source_words(&unresolved), "none yet: their names have no addresses");
        let once = ServerStats { ntp_hits: Some(1), ..ServerStats::default() };
        assert_eq!(served_words(&once).as_deref(), Some("1 request answered"));
        let mut silent = Picture { activity: Activity { online: 1, ..Activity::default() }, ..nothing };
        silent.sources = vec![synchronised().sources[3]];
        assert_eq!(silent.trouble().map(|(why, _)| why), Some("no source has answered yet"));
        silent.sources[0].reach.0 = 1;
        silent.sources[0].state = SourceState::Falseticker;
        assert_eq!(silent.trouble().map(|(why, _)| why), Some("the sources disagree"));
    }

    #[test]
    fn the_status_is_one_json_document() {
        let text = synchronised().json();
        assert!(
            text.starts_with("{\"synchronised\":true,\"reason\":null,\"error_bound_s\":0.011212,"),
            "{text}"
        );
        let depth = text.chars().fold(0, |depth, c| depth + i32::from(c == '{') - i32::from(c == '}'));
        assert_eq!(depth, 0, "{text}");
    }

    #[test]
    fn durations_have_three_digits() {
        for (value, text) in [
            (0.0, "0.00 ns"),
            (1.5e-9, "1.50 ns"),
            (12.34e-6, "12.3 µs"),
            (0.9996e-3, "1.00 ms"),
            (0.1234, "123 ms"),
            (1.0, "1.00 s"),
            (1234.5, "1234 s"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }
}
