//! What the estimator thinks of a source, with the numbers behind it: `timeball sources --why`.
//!
//! [`Why`] is filled by the engine ([`crate::engine::Engine::why`]); [`Why::json`] is what the daemon sends, and
//! [`Why::text`], which is in it, is what people read. Every number has its unit in its name.

pub mod thermometer;
mod words;

use crate::report::{Cell, json};
use crate::select::Status;
use core::net::IpAddr;

/// One source.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// Its name as configured.
    pub name: String,
    /// Its address, once known.
    pub address: Option<IpAddr>,
    /// What selection made of it.
    pub status: Status,
    /// What decided that.
    pub reason: Reason,
    /// What its samples say; `None` before the first.
    pub path: Option<PathView>,
}

/// What decided about a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Nothing speaks against it.
    Good,
    /// Its option `noselect`.
    NoSelect,
    /// `authselectmode` excludes it.
    Authentication,
    /// Its name has no address yet.
    NoAddress,
    /// It is not asked: `offline`.
    Offline,
    /// So many requests and no usable answer yet.
    Unheard {
        /// How many.
        requests: u32,
    },
    /// Too few samples for a line.
    FewSamples {
        /// So many there are, …
        have: usize,
        /// … so many it takes.
        need: usize,
    },
    /// It says itself that it is not synchronised.
    ServerUnsynchronised,
    /// Its stratum is outside the limits.
    Stratum {
        /// Its stratum.
        is: u8,
        /// `minstratum`.
        lowest: i32,
        /// `maxstratum`.
        highest: i32,
    },
    /// Its error may be too large.
    RootDistance {
        /// Root distance, s.
        is: f64,
        /// `maxdistance`, s.
        most: f64,
    },
    /// Its samples scatter too much.
    Jitter {
        /// Their standard deviation, s.
        is: f64,
        /// `maxjitter`, s.
        most: f64,
    },
    /// At the start, others are about to have their first samples.
    OthersComing,
    /// It does not answer any more.
    Silent {
        /// Time since its last sample, s.
        seconds: f64,
    },
    /// It serves nothing but its own clock (orphan mode).
    Orphan,
    /// Its interval excludes what the majority agrees on.
    Outside(Interval),
    /// It is not wholly inside what the trusted sources agree on.
    Untrusted(Interval),
    /// No majority shares a time.
    NoMajority {
        /// The largest group that does.
        agree: usize,
        /// How many vote.
        voters: usize,
    },
    /// Its clock runs at another rate than the others'.
    Rate {
        /// By how much it is faster, s/s.
        faster: f64,
        /// How many standard deviations that is.
        deviations: f64,
    },
    /// Its last packets, each alone, exclude the time agreed on.
    Impossible {
        /// By this much at least, s.
        by: f64,
    },
    /// It contradicted the others not long ago.
    Probation {
        /// Good samples that it owes.
        samples: u32,
    },
    /// Fewer good sources than `minsources`.
    TooFewSources {
        /// So many are good, …
        have: usize,
        /// … so many are demanded.
        need: usize,
    },
    /// No good source has the option `require`.
    NoRequired,
    /// Another has the option `prefer`.
    NotPreferred,
    /// The source to follow is another and has not answered since that was decided.
    WaitsUpdate,
    /// Its root distance is too large beside that of the source followed.
    TooDistant {
        /// Its root distance, s.
        is: f64,
        /// `combinelimit` times that of the source followed, s.
        most: f64,
    },
    /// It was too distant, or ran at another rate, not long ago.
    LatelyDistant {
        /// Updates until it is combined again.
        updates: u32,
    },
}

/// What a source claims, and what the others do: true time minus our clock, s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The offset it says.
    pub offset: f64,
    /// How wrong that may be, by its own account and by its distance.
    pub distance: f64,
    /// The least the others agree on.
    pub low: f64,
    /// The most the others agree on.
    pub high: f64,
}

/// What is believed of the path to a source, and of its share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PathView {
    /// Shortest round trip, s.
    pub round_trip: f64,
    /// Mean queueing on the way there, s.
    pub wait_there: f64,
    /// Mean queueing on the way back, s.
    pub wait_back: f64,
    /// Two-sided noise of a reading, s.
    pub reading: f64,
    /// How much longer the way there seems to be than the way back, s, and the standard deviation of that; `None`: there
    /// is nothing to compare with.
    pub longer_there: Option<(f64, f64)>,
    /// Samples that the estimate is made of.
    pub samples: usize,
    /// Time between the oldest and the newest of them, s.
    pub span: f64,
    /// Age of the newest, s.
    pub age: f64,
    /// It answers: one of its last eight requests was answered.
    pub reachable: bool,
    /// The last change of route noticed.
    pub route: Option<RouteChange>,
    /// Its offset, true time minus our clock, s, and the standard deviation of that.
    pub offset: (f64, f64),
    /// Its part in the offset that all sources together say, 0 to 1; `None`: none.
    pub share: Option<f64>,
}

/// A change of route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RouteChange {
    /// How long ago, s.
    pub ago: f64,
    /// By how much the shortest round trip grew, s; `None`: the samples before it are gone.
    pub longer: Option<f64>,
}

impl Why {
    /// A word for the state, as it is in the JSON.
    pub const fn state(&self) -> &'static str {
        match (self.status, self.reason) {
            (_, Reason::Silent { .. } | Reason::Unheard { .. }) => "unreachable",
            (_, Reason::NoAddress) => "unresolved",
            (_, Reason::Offline) => "offline",
            (Status::NoSelect, _) => "noselect",
            (Status::MissingSamples, _) => "waiting",
            (Status::Unsynchronised, _) => "unsynchronised",
            (Status::BadStratum, _) => "bad_stratum",
            (Status::BadDistance | Status::Distant, _) => "distant",
            (Status::Jittery, _) => "jittery",
            (Status::Stale, _) => "unreachable",
            (Status::Orphan, _) => "orphan",
            (Status::Untrusted, _) => "untrusted",
            (Status::Falseticker, _) => "falseticker",
            (Status::NotPreferred, _) => "not_preferred",
            (Status::WaitsOthers | Status::WaitsSources | Status::WaitsUpdate, _) => "waiting",
            (Status::Combined, _) => "combined",
            (Status::Selected, _) => "selected",
        }
    }

    /// What is thought of it, in sentences.
    pub fn text(&self) -> String {
        words::text(self)
    }

    /// One JSON object; what is not known is `null`.
    pub fn json(&self) -> String {
        let mut out = Object::new();
        out.member("name", &Cell::Text(self.name.clone()));
        out.member("address", &self.address.map_or(Cell::Absent, |a| Cell::Text(a.to_string())));
        out.member("state", &Cell::Text(self.state().to_owned()));
        out.member("mark", &Cell::Text(self.status.mark().letter().to_string()));
        self.reason_members(&mut out);
        let path = self.path.as_ref();
        let mut number = |name: &str, of: fn(&PathView) -> Option<f64>| {
            out.member(name, &Cell::Real(path.and_then(of).unwrap_or(f64::NAN)));
        };
        number("round_trip_s", |p| Some(p.round_trip));
        number("wait_there_s", |p| Some(p.wait_there));
        number("wait_back_s", |p| Some(p.wait_back));
        number("reading_noise_s", |p| Some(p.reading));
        number("longer_there_s", |p| p.longer_there.map(|l| l.0));
        number("longer_there_sd_s", |p| p.longer_there.map(|l| l.1));
        number("samples_span_s", |p| Some(p.span));
        number("last_sample_age_s", |p| Some(p.age));
        number("route_change_age_s", |p| p.route.map(|r| r.ago));
        number("route_change_s", |p| p.route.and_then(|r| r.longer));
        number("offset_s", |p| Some(p.offset.0));
        number("offset_sd_s", |p| Some(p.offset.1));
        number("share", |p| p.share);
        out.member("samples", &Cell::Unsigned(path.map_or(0, |p| p.samples as u64)));
        out.member("text", &Cell::Text(self.text()));
        out.end()
    }

    /// The numbers that decided.
    fn reason_members(&self, out: &mut Object) {
        let mut number = |name, value| out.member(name, &Cell::Real(value));
        match self.reason {
            Reason::RootDistance { is, most } | Reason::TooDistant { is, most } => {
                number("root_distance_s", is);
                number("root_distance_limit_s", most);
            }
            Reason::Jitter { is, most } => {
                number("jitter_s", is);
                number("jitter_limit_s", most);
            }
            Reason::Outside(i) | Reason::Untrusted(i) => {
                number("root_distance_s", i.distance);
                number("others_low_s", i.low);
                number("others_high_s", i.high);
            }
            Reason::Rate { faster, deviations } => {
                number("faster_ppm", faster * 1e6);
                number("faster_deviations", deviations);
            }
            Reason::Impossible { by } => number("excluded_by_s", by),
            _ => {}
        }
    }
}

/// An object that is being written.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn member(&mut self, name: &str, cell: &Cell) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        json::string(&mut self.0, name);
        self.0.push(':');
        json::value(&mut self.0, cell);
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests;
