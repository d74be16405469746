//! Which sources are telling the truth: a status for every source.
//!
//! Every source claims an interval, offset ± root distance, that holds true time. The largest group whose
//! intervals share a point wins if it is a majority (Marzullo's sweep, RFC 5905 §11.2.1); out of it one source
//! is followed and the similar ones are combined with it. [`select`] has no state: what must last from one call
//! to the next travels in [`Candidate::state`] and comes back in [`Verdict::state`].

mod candidate;
mod contradictions;
mod majority;
mod status;
#[cfg(test)]
mod tests;

pub use candidate::{
    Bias, Candidate, Flags, Orphan, Outcome, SelectOptions, SelectState, Selection, Verdict,
};
pub use status::{Mark, Status};

use crate::config::AuthSelectMode;
use crate::estimator::MIN_FIT;
use crate::wire::Leap;
use contradictions::{align, find_contradictions, reject_contradictions};
use majority::{Agreement, Interval, Sweep};

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
