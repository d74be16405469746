//! The sentences.

use super::{Interval, PathView, Reason, Why};
use crate::select::Status;

/// A share of the offset below this is not worth a sentence.
const LITTLE: f64 = 0.001;
/// An asymmetry below this part of its deviation is none.
const NOTHING: f64 = 0.01;

/// What is thought of a source: its state, why, and what its path is like.
pub fn text(why: &Why) -> String {
    let mut text = format!("{}: {}.", why.name, state(why));
    let mut add = |sentence: String| {
        if !sentence.is_empty() {
            text.push(' ');
            text.push_str(&sentence);
        }
    };
    add(reason(why));
    if let Some(path) = &why.path {
        add(describe(path, why.reason));
    }
    text
}

fn state(why: &Why) -> &'static str {
    match (why.state(), why.status) {
        (_, Status::Distant) => "good, but not combined",
        ("noselect", _) => "only watched",
        ("waiting", Status::MissingSamples) => "waiting for samples",
        ("waiting", _) => "good, but waiting",
        ("bad_stratum", _) => "not used for its stratum",
        ("distant", _) => "not used, too distant",
        ("jittery", _) => "not used, too jittery",
        ("orphan", _) => "not used, an orphan",
        ("untrusted", _) => "not used, not trusted",
        ("not_preferred", _) => "good, but not preferred",
        ("unresolved", _) => "not resolved",
        (state, _) => state,
    }
}

fn reason(why: &Why) -> String {
    match why.reason {
        Reason::Good => String::new(),
        Reason::NoSelect => "Its option noselect keeps it from being used.".to_owned(),
        Reason::Authentication => "authselectmode excludes it.".to_owned(),
        Reason::NoAddress => "Its name has no address yet.".to_owned(),
        Reason::Offline => "It is not asked until it is online.".to_owned(),
        Reason::Unheard { requests: 0 } => "It was not asked yet.".to_owned(),
        Reason::Unheard { requests } => {
            format!("{} no usable answer so far.", counted(requests as usize, "request and", "requests and"))
        }
        Reason::FewSamples { have, need } => format!("It has {have} of the {need} that a line takes."),
        Reason::ServerUnsynchronised => "It says itself that it is not synchronised.".to_owned(),
        Reason::Stratum { is, lowest, highest } => {
            format!("Its stratum is {is}; allowed is {lowest} to {highest}.")
        }
        Reason::RootDistance { is, most } => {
            format!("Its root distance is {}, more than maxdistance, {}.", duration(is), duration(most))
        }
        Reason::Jitter { is, most } => {
            format!("Its samples scatter by {}, more than maxjitter, {}.", duration(is), duration(most))
        }
        Reason::OthersComing => "Others are about to have their first samples.".to_owned(),
        Reason::Silent { seconds } => format!("Nothing was heard from it for {}.", long(seconds)),
        Reason::Orphan => "It serves its own clock only, and a better source is there.".to_owned(),
        Reason::Outside(interval) => format!("{}.", says(&interval, "the majority")),
        Reason::Untrusted(interval) => format!("{}.", says(&interval, "the trusted sources say")),
        Reason::NoMajority { agree, voters } if agree > 1 => {
            format!("The sources disagree: no more than {agree} of {voters} share a time.")
        }
        Reason::NoMajority { voters, .. } => {
            format!("The sources disagree: no two of {voters} share a time.")
        }
        Reason::Rate { faster, deviations } => {
            let way = if faster > 0.0 { "faster" } else { "slower" };
            let ppm = digits(faster.abs() * 1e6);
            format!("Its clock runs {ppm} ppm {way} than the others', {} deviations.", digits(deviations))
        }
        Reason::Impossible { by } => {
            format!(
                "Each of its last packets excludes the time that the others agree on, by {} at least.",
                duration(by)
            )
        }
        Reason::Probation { samples } => {
            let samples = counted(samples as usize, "good sample", "good samples");
            format!("It contradicted the others; after {samples} more it is believed again.")
        }
        Reason::TooFewSources { have, need } => {
            format!("minsources demands {need} good sources; there {}.", are(have))
        }
        Reason::NoRequired => "No good source has the option require, and one must.".to_owned(),
        Reason::NotPreferred => "Another good source has the option prefer.".to_owned(),
        Reason::WaitsUpdate => "The source to follow has not answered since it was chosen.".to_owned(),
        Reason::TooDistant { is, most } => format!(
            "Its root distance, {}, is more than combinelimit allows, {}.",
            duration(is),
            duration(most)
        ),
        Reason::LatelyDistant { updates } => format!(
            "It was too distant, or ran at another rate; after {} it is combined again.",
            counted(updates as usize, "update", "updates")
        ),
    }
}

fn are(have: usize) -> String {
    if have == 1 { "is 1".to_owned() } else { format!("are {have}") }
}

fn says(interval: &Interval, whom: &str) -> String {
    let Interval { offset, distance, low, high } = *interval;
    let verb = if whom.ends_with("say") { "" } else { " says" };
    let mine = format!("It says our clock is {}, give or take {}", beside(offset), duration(distance));
    if high - low < 1e-9 {
        return format!("{mine}; {whom}{verb} {}", beside(low));
    }
    format!("{mine}; {whom}{verb} between {} and {}", beside(low), beside(high))
}

/// An offset (true time minus ours) in words.
fn beside(offset: f64) -> String {
    match offset {
        zero if zero.abs() < 0.5e-9 => "right".to_owned(),
        behind if behind > 0.0 => format!("{} behind", duration(behind)),
        ahead => format!("{} ahead", duration(-ahead)),
    }
}

/// The path in sentences.
fn describe(path: &PathView, reason: Reason) -> String {
    let mut text = format!(
        "Its packets need at least {}; queues add {} there, {} back",
        duration(path.round_trip),
        duration(path.wait_there),
        duration(path.wait_back)
    );
    if let Some((longer, sd)) = path.longer_there {
        let way = if longer < 0.0 { "back" } else { "there" };
        if longer.abs() < NOTHING * sd {
            text += &format!("; neither way seems longer (±{})", duration(sd));
        } else {
            text += &format!("; its way {way} seems {} longer (±{})", duration(longer.abs()), duration(sd));
        }
    }
    text += &format!(". {} over {}", counted(path.samples, "sample", "samples"), long(path.span));
    if !path.reachable && !matches!(reason, Reason::Silent { .. }) {
        text += &format!(", none for {}", long(path.age));
    }
    if let Some(route) = path.route {
        text += &format!("; last route change {} ago", long(route.ago));
        if let Some(longer) = route.longer {
            let sign = if longer < 0.0 { '−' } else { '+' };
            text += &format!(" ({sign}{})", duration(longer.abs()));
        }
    }
    match path.share {
        Some(share) if share >= LITTLE => text += &format!("; it sets {} % of the offset", percent(share)),
        Some(_) => text += "; it sets next to nothing of the offset",
        None => {}
    }
    text.push('.');
    if matches!(reason, Reason::NoMajority { .. }) {
        let (offset, sd) = path.offset;
        text += &format!(" It says our clock is {} (±{}).", beside(offset), duration(sd));
    }
    text
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

/// A number with about two digits.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        small if small < 0.0995 => 3,
        small if small < 0.995 => 2,
        small if small < 9.95 => 1,
        _ => 0,
    };
    format!("{value:.places$}")
}

/// A duration (s) with about two digits and a unit that suits it.
pub(super) fn duration(seconds: f64) -> String {
    let (number, unit) = match seconds.abs() {
        small if small < 999.5e-9 => (seconds * 1e9, "ns"),
        small if small < 999.5e-6 => (seconds * 1e6, "µs"),
        small if small < 999.5e-3 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let places = usize::from(number.abs() < 99.95);
    format!("{number:.places$} {unit}")
}

/// A time long enough for minutes.
fn long(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
