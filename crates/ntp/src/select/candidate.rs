//! What selection is asked and what it answers: candidates, options, verdicts, and the outcome in words.

use super::majority::Sweep;
use super::status::Status;
use crate::config::{AuthSelectMode, SelectionConfig};
use crate::estimator::Missed;
use crate::ids::SourceId;
use crate::wire::Leap;
use core::fmt;

/// Selection options of a source, as configured or as in effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Never used.
    pub noselect: bool,
    /// Preferred over survivors without it.
    pub prefer: bool,
    /// Assumed to be right: outvotes sources without it.
    pub trust: bool,
    /// At least one source with it must survive.
    pub require: bool,
}

impl Flags {
    /// As the control protocol sends them.
    pub const fn bits(self) -> u16 {
        self.noselect as u16
            | (self.prefer as u16) << 1
            | (self.trust as u16) << 2
            | (self.require as u16) << 3
    }
}

/// What selection remembers of a source between two calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectState {
    /// How this source compared with the one followed, as an accumulated ratio; above 10 it takes over.
    pub score: f64,
    /// Updates for which it still counts as too distant to be combined.
    pub distant: u32,
    /// Samples of it in a row with which its rate contradicted the others'.
    pub drifts: u32,
    /// Good samples it still owes since its rate or its stamps contradicted the others.
    pub owes: u32,
    /// Its rate contradicts the others', but that may be its few samples or our own oscillator.
    pub suspect: bool,
    /// How often it has moved away from the others, fading.
    pub relapses: f64,
    /// How far its offset usually lies from the others', once that is known: the asymmetry of its path.
    pub bias: Option<Bias>,
    /// Its offset has moved away from there: a clock that drifts, or another route.
    pub moved: bool,
    /// It is the one followed.
    pub selected: bool,
    /// It is to be followed as soon as it gives a new sample.
    pub pending: bool,
}

/// A usual distance from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bias {
    /// The distance, s; positive: its time is ahead of the others'.
    pub offset: f64,
    /// What is doubted of it, s.
    pub sd: f64,
    /// For how long it has been learned, s.
    pub age: f64,
}

impl Default for SelectState {
    fn default() -> Self {
        Self {
            score: 1.0,
            distant: 0,
            drifts: 0,
            owes: 0,
            suspect: false,
            relapses: 0.0,
            bias: None,
            moved: false,
            selected: false,
            pending: false,
        }
    }
}

/// One source as selection sees it. All offsets are of one instant and one clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Which source; breaks ties (the smaller wins).
    pub id: SourceId,
    /// A reference clock, not an NTP source.
    pub refclock: bool,
    /// Its packets are authenticated.
    pub authenticated: bool,
    /// Options as configured.
    pub flags: Flags,
    /// Answers lately: its reachability register is not zero.
    pub reachable: bool,
    /// Polls made so far, up to 8 (the size of the reachability register).
    pub polls: u32,
    /// Polls since it was last reachable.
    pub unreachable_polls: u32,
    /// Option `maxunreach`.
    pub max_unreachable_polls: u32,
    /// Samples behind its estimate.
    pub samples: usize,
    /// It has a sample that the last call did not have.
    pub fresh: bool,
    /// … and it is this one that gave the newest sample of all.
    pub newest: bool,
    /// Its last samples, each alone, exclude the time that the sources agreed on before.
    pub impossible: bool,
    /// Age of its oldest sample, s.
    pub oldest_age: f64,
    /// Age of its newest sample, s.
    pub newest_age: f64,
    /// Leap indicator of its newest sample; [`Leap::Unsynchronised`] takes it out.
    pub leap: Leap,
    /// Its stratum (with its option `minstratum`).
    pub stratum: u8,
    /// Reference identifier that stands for its address: orphans elect the smallest.
    pub address_id: u32,
    /// True time minus our clock as this source sees it, s.
    pub offset: f64,
    /// Bound on the error of `offset`, s, grown with the age of the sample; with fewer than three samples, which tell no
    /// rate, only by `maxclockerror`.
    pub root_distance: f64,
    /// Standard deviation of `offset`, s; infinite while too few samples were seen to tell.
    pub offset_sd: f64,
    /// What it misses of the oscillator: what that has done since its newest sample, and what cannot be seen behind its noise.
    pub missed: Missed,
    /// It has so few samples that it errs by more than it thinks.
    pub young: bool,
    /// Its shortest round trip, s.
    pub delay: f64,
    /// Spread of its samples, s.
    pub std_dev: f64,
    /// Its idea of the clock's frequency error, s/s.
    pub frequency: f64,
    /// Bound on the error of `frequency`, s/s.
    pub skew: f64,
    /// What the last call gave back in [`Verdict::state`].
    pub state: SelectState,
}

/// Orphan mode: serving our own time among equals, of which the one with the smallest identifier leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Stratum of the `local` directive.
    pub stratum: u8,
    /// The identifier of our own address.
    pub address_id: u32,
}

/// The rules: directives of selection, and what only the engine knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SelectOptions {
    /// `authselectmode`.
    pub auth_mode: AuthSelectMode,
    /// `combinelimit`; 0 never combines.
    pub combine_limit: f64,
    /// `maxdistance`, s.
    pub max_distance: f64,
    /// `maxjitter`, s.
    pub max_jitter: f64,
    /// `minstratum`, `maxstratum`.
    pub strata: (i32, i32),
    /// `minsources`.
    pub min_sources: usize,
    /// `reselectdist`, s.
    pub reselect_distance: f64,
    /// `stratumweight`, s.
    pub stratum_weight: f64,
    /// `maxclockerror`, s/s: how far frequencies may differ at least.
    pub max_clock_error: f64,
    /// Time since the last call, s.
    pub elapsed: f64,
    /// `local … orphan`.
    pub orphan: Option<Orphan>,
    /// False until the first source has been selected.
    pub selected_before: bool,
}

impl SelectOptions {
    /// The directives of `config`; no orphan mode, nothing selected before.
    pub fn new(config: &SelectionConfig, max_clock_error: f64) -> Self {
        Self {
            auth_mode: config.auth_mode,
            combine_limit: config.combine_limit,
            max_distance: config.max_distance,
            max_jitter: config.max_jitter,
            strata: (config.min_stratum, config.max_stratum),
            min_sources: usize::try_from(config.min_sources).unwrap_or(0),
            reselect_distance: config.reselect_dist,
            stratum_weight: config.stratum_weight,
            max_clock_error,
            elapsed: 0.0,
            orphan: None,
            selected_before: false,
        }
    }
}

/// What became of one candidate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Its state.
    pub status: Status,
    /// Its options with `authselectmode` applied.
    pub flags: Flags,
    /// To be handed back in [`Candidate::state`].
    pub state: SelectState,
}

/// What became of all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// There are no sources.
    #[default]
    NoSources,
    /// None may be selected.
    NoSelectable {
        /// How many of them do not answer.
        unreachable: usize,
    },
    /// Some may be, but others are about to have their first samples.
    Waiting,
    /// No majority agrees on the time, or one whose samples are too few for it to be followed: the clock must count as
    /// unsynchronised at once.
    NoMajority {
        /// The largest group that agrees.
        agree: usize,
        /// How many had a vote.
        voters: usize,
        /// Only sources with `trust` had a vote.
        trusted: bool,
    },
    /// Fewer survivors than `minsources`.
    NotEnough,
    /// No survivor has `require`, though some source does.
    NoRequired,
    /// The source to follow is known, but has given no new sample since.
    WaitingUpdate {
        /// Its index.
        best: usize,
    },
    /// A source is followed.
    Selected {
        /// Its index.
        best: usize,
        /// It is another one than before.
        changed: bool,
    },
}

impl fmt::Display for Outcome {
    /// In the words that chrony's users search their logs for, behind "Can't synchronise: ".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoSources => f.write_str("no sources"),
            Self::NoSelectable { unreachable: 0 } => f.write_str("no selectable sources"),
            Self::NoSelectable { unreachable } => {
                write!(f, "no selectable sources ({unreachable} unreachable sources)")
            }
            Self::Waiting => f.write_str("waiting for the first samples of other sources"),
            Self::NoMajority { agree, voters, trusted } => {
                let kind = if trusted { "trusted " } else { "" };
                if 2 * agree > voters {
                    write!(f, "no majority ({agree} of {voters} {kind}sources agree, with too few samples)")
                } else if agree > 1 {
                    write!(f, "no majority (only {agree} of {voters} {kind}sources agree)")
                } else {
                    write!(f, "no majority (no agreement among {voters} {kind}sources)")
                }
            }
            Self::NotEnough => f.write_str("not enough selectable sources"),
            Self::NoRequired => f.write_str("no required source in selectable sources"),
            Self::WaitingUpdate { .. } => f.write_str("waiting for a new sample of the selected source"),
            Self::Selected { .. } => f.write_str("selected"),
        }
    }
}

/// The answer of [`select`](super::select), and memory that it reuses.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// One for every candidate, in their order.
    pub verdicts: Vec<Verdict>,
    /// What happened.
    pub outcome: Outcome,
    /// Indices of the sources to combine, the selected one first; empty unless one is selected.
    pub members: Vec<usize>,
    /// What the survivors say about the next leap second; `None` unless one is selected.
    pub leap: Leap,
    pub(super) sweep: Sweep,
    pub(super) rates: Sweep,
}

impl Selection {
    /// Index of the selected source.
    pub fn best(&self) -> Option<usize> {
        match self.outcome {
            Outcome::Selected { best, .. } => Some(best),
            _ => None,
        }
    }
}
