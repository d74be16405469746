//! Which sources are telling the truth: a status for every source.
//!
//! Every source claims an interval, offset ± root distance, that holds true time. The largest group whose
//! intervals share a point wins if it is a majority (Marzullo's sweep, RFC 5905 §11.2.1); out of it one source
//! is followed and the similar ones are combined with it. [`select`] has no state: what must last from one call
//! to the next travels in [`Candidate::state`] and comes back in [`Verdict::state`].

mod contradictions;
mod majority;
mod status;
#[cfg(test)]
mod tests;

pub use status::{Mark, Status};

use crate::config::{AuthSelectMode, SelectionConfig};
use crate::estimator::MIN_FIT;
use crate::ids::SourceId;
use crate::wire::Leap;
use contradictions::{align, find_contradictions, reject_contradictions};
use core::fmt;
use majority::{Agreement, Interval, Sweep};

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

/// The answer of [`select`], and memory that it reuses.
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
    sweep: Sweep,
    rates: Sweep,
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

/// Decides about every candidate and picks the source to follow and those to combine with it.
///
/// The order of the candidates does not matter. Takes O(n log n) time, and no memory once `out` has grown.
pub fn select(candidates: &[Candidate], options: &SelectOptions, out: &mut Selection) {
    out.verdicts.clear();
    out.members.clear();
    out.leap = Leap::None;
    effective_flags(candidates, options.auth_mode, &mut out.verdicts);
    reject_unusable(candidates, options, &mut out.verdicts);
    reject_stale(candidates, &mut out.verdicts);
    reject_orphans(candidates, options.orphan, &mut out.verdicts);
    out.outcome = choose(candidates, options, out);
    remember(candidates, out);
}

/// Still in the race: no reason against it has been found.
const IN: Status = Status::Combined;

/// The indices of those still in the race.
fn survivors(verdicts: &[Verdict]) -> impl Iterator<Item = usize> + Clone + '_ {
    verdicts.iter().enumerate().filter(|(_, v)| v.status == IN).map(|(i, _)| i)
}

/// Gives all that are still in the race the same status.
fn park(verdicts: &mut [Verdict], status: Status) {
    for verdict in verdicts.iter_mut().filter(|v| v.status == IN) {
        verdict.status = status;
    }
}

/// After options have changed: what they are together with `authselectmode`, before anybody is judged again.
pub fn refresh_flags(candidates: &[Candidate], mode: AuthSelectMode, selection: &mut Selection) {
    let mut fresh = Vec::new();
    effective_flags(candidates, mode, &mut fresh);
    for (verdict, fresh) in selection.verdicts.iter_mut().zip(fresh) {
        verdict.flags = fresh.flags;
    }
}

/// Applies `authselectmode`, and starts a verdict for everyone.
fn effective_flags(candidates: &[Candidate], mode: AuthSelectMode, verdicts: &mut Vec<Verdict>) {
    let used = |authenticated: bool| {
        candidates.iter().any(|c| !c.refclock && !c.flags.noselect && c.authenticated == authenticated)
    };
    let (some_authenticated, some_open) = (used(true), used(false));
    for candidate in candidates {
        let open = !candidate.refclock && !candidate.authenticated;
        let mut flags = candidate.flags;
        match mode {
            AuthSelectMode::Require => flags.noselect |= open,
            AuthSelectMode::Prefer => flags.noselect |= open && some_authenticated,
            AuthSelectMode::Mix if some_authenticated && some_open && !open && !flags.noselect => {
                flags.trust = true;
                flags.require = true;
            }
            AuthSelectMode::Mix | AuthSelectMode::Ignore => {}
        }
        verdicts.push(Verdict { status: IN, flags, state: candidate.state });
    }
}

/// The reasons that lie in the source alone.
fn reject_unusable(candidates: &[Candidate], options: &SelectOptions, verdicts: &mut [Verdict]) {
    for (c, verdict) in candidates.iter().zip(verdicts) {
        verdict.status = if verdict.flags.noselect {
            Status::NoSelect
        } else if c.samples < MIN_FIT {
            Status::MissingSamples
        } else if let Some(status) = is_unusable(c, options) {
            status
        } else if c.std_dev.is_nan() || c.std_dev > options.max_jitter {
            Status::Jittery
        } else {
            IN
        };
    }
}

/// What its newest answer has against it, however many there were.
fn is_unusable(c: &Candidate, options: &SelectOptions) -> Option<Status> {
    let ((lowest, highest), stratum) = (options.strata, i32::from(c.stratum));
    let sane = c.offset.is_finite() && c.frequency.is_finite() && c.skew.is_finite();
    if c.leap == Leap::Unsynchronised {
        Some(Status::Unsynchronised)
    } else if stratum < lowest || stratum > highest {
        Some(Status::BadStratum)
    } else if !sane || !(0.0..=options.max_distance).contains(&c.root_distance) {
        Some(Status::BadDistance)
    } else {
        None
    }
}

/// `maxunreach` where nobody configured it.
const UNLIMITED: u32 = 100_000;

/// A source that has not answered eight polls in a row has no say any more, unless `maxunreach` allows it some polls
/// more; then as long as its samples are of the time of the others' samples. When nobody answers, nobody is used.
fn reject_stale(candidates: &[Candidate], verdicts: &mut [Verdict]) {
    let oldest = survivors(verdicts)
        .filter(|&i| candidates[i].reachable)
        .map(|i| candidates[i].oldest_age)
        .fold(None, |oldest: Option<f64>, age| Some(oldest.map_or(age, |o| o.max(age))));
    for (c, verdict) in candidates.iter().zip(verdicts) {
        let allowed = c.max_unreachable_polls;
        let silent = allowed >= UNLIMITED || c.unreachable_polls > allowed;
        let old = oldest.is_none_or(|oldest| c.newest_age > oldest);
        if verdict.status == IN && !c.reachable && (silent || old) {
            verdict.status = Status::Stale;
        }
    }
}

/// Orphans (servers at our own local stratum) are followed only when nobody better is there, and then only
/// the one with the smallest identifier, ours included.
fn reject_orphans(candidates: &[Candidate], orphan: Option<Orphan>, verdicts: &mut [Verdict]) {
    let Some(own) = orphan else { return };
    let better = survivors(verdicts).any(|i| candidates[i].stratum < own.stratum);
    let leader = survivors(verdicts)
        .filter(|&i| candidates[i].stratum == own.stratum && !better)
        .min_by_key(|&i| (candidates[i].address_id, candidates[i].id))
        .filter(|&i| candidates[i].address_id < own.address_id);
    for (i, (c, verdict)) in candidates.iter().zip(verdicts).enumerate() {
        if verdict.status == IN && c.stratum >= own.stratum && leader != Some(i) {
            verdict.status = Status::Orphan;
        }
    }
}

/// The votes, in order: majority, required and enough sources, preference, rank, update, combination.
fn choose(candidates: &[Candidate], options: &SelectOptions, out: &mut Selection) -> Outcome {
    let Selection { verdicts, members, leap, sweep, rates, .. } = out;
    if candidates.is_empty() {
        return Outcome::NoSources;
    }
    if survivors(verdicts).next().is_none() {
        let unreachable = candidates.iter().filter(|c| !c.reachable).count();
        return Outcome::NoSelectable { unreachable };
    }
    if !options.selected_before && others_are_coming(candidates, verdicts) {
        park(verdicts, Status::WaitsOthers);
        return Outcome::Waiting;
    }
    if let Err(outcome) = vote(candidates, options, verdicts, sweep) {
        return outcome;
    }
    align(candidates, options.elapsed, verdicts);
    let contradicts = find_contradictions(candidates, verdicts, rates);
    reject_contradictions(candidates, options.elapsed, verdicts, contradicts);
    let required = verdicts.iter().any(|v| v.flags.require && !v.flags.noselect);
    let missing = if survivors(verdicts).count() < options.min_sources.max(1) {
        Some(Outcome::NotEnough)
    } else if required && !survivors(verdicts).any(|i| verdicts[i].flags.require) {
        Some(Outcome::NoRequired)
    } else {
        None
    };
    if let Some(outcome) = missing {
        park(verdicts, Status::WaitsSources);
        return outcome;
    }
    let warning = vote_on_leap(candidates, verdicts);
    if survivors(verdicts).any(|i| verdicts[i].flags.prefer) {
        for verdict in verdicts.iter_mut().filter(|v| v.status == IN && !v.flags.prefer) {
            verdict.status = Status::NotPreferred;
        }
    }
    let (best, changed) = rank(candidates, options, verdicts);
    let lost = changed && candidates.iter().any(|c| c.state.selected);
    verdicts[best].state.pending = (candidates[best].state.pending || lost) && !candidates[best].fresh;
    if verdicts[best].state.pending {
        park(verdicts, Status::WaitsUpdate);
        return Outcome::WaitingUpdate { best };
    }
    *leap = warning;
    combine_similar(candidates, options, best, verdicts);
    members.push(best);
    members.extend(survivors(verdicts).filter(|&i| i != best));
    verdicts[best].status = Status::Selected;
    Outcome::Selected { best, changed }
}

/// Is a source just about to have its third sample? Waiting for it once, at the start, spares a bad first choice;
/// it lasts one poll at most, so a source whose samples are always refused holds nobody up.
fn others_are_coming(candidates: &[Candidate], verdicts: &[Verdict]) -> bool {
    const PATIENCE: u32 = 4; // polls
    let early = survivors(verdicts).all(|i| candidates[i].polls <= PATIENCE);
    let coming =
        |(c, v): (&Candidate, &Verdict)| v.status == Status::MissingSamples && c.reachable && c.polls < 8;
    early && candidates.iter().zip(verdicts).any(coming)
}

fn interval(c: &Candidate) -> Interval {
    (c.offset - c.root_distance, c.offset + c.root_distance)
}

/// What a source says that has too few samples to be followed: enough to contradict. How fast our oscillator is it does not
/// know, so since its newest sample it is in doubt by what `others` (frequency and skew, s/s) say of that.
fn interval_of_witness(c: &Candidate, others: impl Iterator<Item = (f64, f64)>) -> Interval {
    let apart = others.map(|(frequency, skew)| (frequency - c.frequency).abs() + skew).fold(0.0, f64::max);
    let doubt = c.root_distance + c.newest_age.max(0.0) * apart;
    (c.offset - doubt, c.offset + doubt)
}

/// Marks falsetickers and the untrusted; without a majority that is everyone.
///
/// If there are trusted sources only they vote, and the others must lie wholly inside what those agree on.
fn vote(
    candidates: &[Candidate],
    options: &SelectOptions,
    verdicts: &mut [Verdict],
    sweep: &mut Sweep,
) -> Result<(), Outcome> {
    let trusted = survivors(verdicts).any(|i| verdicts[i].flags.trust);
    let votes = |v: &Verdict| !trusted || v.flags.trust;
    let agreement = match majority(candidates, options, verdicts, votes, sweep) {
        Ok(agreement) => agreement,
        Err((agree, voters)) => {
            park(verdicts, Status::Falseticker);
            return Err(Outcome::NoMajority { agree, voters, trusted });
        }
    };
    let (first, last) = agreement.hull;
    for (c, verdict) in candidates.iter().zip(verdicts).filter(|(_, v)| v.status == IN) {
        let (low, high) = interval(c);
        verdict.status = if votes(verdict) {
            if sweep.shares((low, high)) { IN } else { Status::Falseticker }
        } else if high < first || low > last {
            Status::Falseticker
        } else if low < first || high > last {
            Status::Untrusted
        } else {
            IN
        };
    }
    Ok(())
}

/// What most of those who vote agree on, somebody among them who may be followed; else how many agree, of how many.
///
/// Those with too few samples to be followed vote too: of several sources the first that is ready may be the one that lies.
fn majority(
    candidates: &[Candidate],
    options: &SelectOptions,
    verdicts: &[Verdict],
    votes: impl Fn(&Verdict) -> bool,
    sweep: &mut Sweep,
) -> Result<Agreement, (usize, usize)> {
    let ready = survivors(verdicts).filter(|&i| votes(&verdicts[i])).map(|i| interval(&candidates[i]));
    let witnesses = candidates.iter().zip(verdicts).filter(|(c, v)| {
        let speaks = v.status == Status::MissingSamples && c.samples > 0 && c.reachable && votes(v);
        speaks && is_unusable(c, options).is_none()
    });
    let rates = survivors(verdicts).map(|i| (candidates[i].frequency, candidates[i].skew));
    let all = ready.clone().chain(witnesses.map(|(c, _)| interval_of_witness(c, rates.clone())));
    let voters = all.clone().count();
    let agreement = sweep.run(all).ok_or((0, voters))?;
    let followable = ready.clone().any(|interval| sweep.shares(interval));
    if followable && 2 * agreement.depth > voters { Ok(agreement) } else { Err((agreement.depth, voters)) }
}

/// A leap second needs more than half of the survivors' votes (of the trusted ones', if there are any).
fn vote_on_leap(candidates: &[Candidate], verdicts: &[Verdict]) -> Leap {
    let trusted = survivors(verdicts).any(|i| verdicts[i].flags.trust);
    let voters = survivors(verdicts).filter(|&i| !trusted || verdicts[i].flags.trust);
    let number = voters.clone().count();
    let says = |leap: Leap| 2 * voters.clone().filter(|&i| candidates[i].leap == leap).count() > number;
    [Leap::Insert, Leap::Delete].into_iter().find(|&leap| says(leap)).unwrap_or(Leap::None)
}

/// The best survivor, and whether it is another than before (or was waited for).
///
/// The one followed so far stays until another has been better for long: with each new sample of the other the
/// ratio of their distances is multiplied to its score.
fn rank(candidates: &[Candidate], options: &SelectOptions, verdicts: &mut [Verdict]) -> (usize, bool) {
    const SCORE_LIMIT: f64 = 10.0;
    /// Keeps the ratio of two distances finite, s.
    const FLOOR: f64 = 1e-9;
    let lowest = survivors(verdicts).map(|i| candidates[i].stratum).min().unwrap_or(0);
    let distance = |i: usize| {
        let c = &candidates[i];
        let other = if c.state.selected || c.refclock { 0.0 } else { options.reselect_distance };
        c.root_distance + options.stratum_weight * f64::from(c.stratum - lowest) + other + FLOOR
    };
    let nearest = |a: &usize, b: &usize| {
        distance(*a).total_cmp(&distance(*b)).then(candidates[*a].id.cmp(&candidates[*b].id))
    };
    let current = survivors(verdicts).find(|&i| candidates[i].state.selected);
    let best = if let Some(current) = current {
        for i in 0..verdicts.len() {
            let state = &mut verdicts[i].state;
            if verdicts[i].status != IN || i == current {
                state.score = 1.0;
            } else if candidates[i].fresh {
                state.score = (state.score * distance(current) / distance(i)).max(1.0);
            }
        }
        let better = survivors(verdicts).filter(|&i| verdicts[i].state.score > SCORE_LIMIT);
        better.min_by(nearest).unwrap_or(current)
    } else {
        survivors(verdicts).min_by(nearest).expect("choose() has made sure that somebody survived")
    };
    if current != Some(best) {
        for verdict in verdicts {
            verdict.state.score = 1.0;
        }
    }
    (best, current != Some(best) || candidates[best].state.pending)
}

/// Marks the survivors that are too far from the best, or run at another frequency, to be combined with it.
fn combine_similar(candidates: &[Candidate], options: &SelectOptions, best: usize, verdicts: &mut [Verdict]) {
    /// Updates for which a distant source stays out: membership that flutters would move the clock.
    const PENALTY: u32 = 32;
    let leader = &candidates[best];
    for (i, (c, verdict)) in candidates.iter().zip(verdicts).enumerate() {
        if verdict.status != IN || i == best {
            continue;
        }
        let far =
            c.root_distance > options.combine_limit * leader.root_distance || options.combine_limit <= 0.0;
        // Skews learned from few samples are guesses themselves, and the combination bounds every member's pull: only
        // what is beyond twice both is another clock's drift. (Too strict, and one confident wrong leader makes the
        // truthful ones wait outside.)
        let apart = (c.frequency - leader.frequency).abs();
        let drifts = apart > 2.0 * (c.skew + leader.skew) + options.max_clock_error;
        if far || drifts {
            verdict.state.distant = if c.polls < 8 { 1 } else { PENALTY };
        }
        if verdict.state.distant > 0 {
            verdict.status = Status::Distant;
            verdict.state.distant -= u32::from(c.fresh && !far && !drifts);
        }
    }
}

/// Notes who is followed now; if nobody is, the next choice starts without a past.
fn remember(candidates: &[Candidate], out: &mut Selection) {
    let followed = match out.outcome {
        Outcome::Selected { best, .. } | Outcome::WaitingUpdate { best } => Some(best),
        _ => None,
    };
    for (i, verdict) in out.verdicts.iter_mut().enumerate().take(candidates.len()) {
        verdict.state.selected = followed == Some(i);
        verdict.state.pending &= verdict.state.selected;
        if followed.is_none() {
            verdict.state.score = 1.0;
        }
    }
}
