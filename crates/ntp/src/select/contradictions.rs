//! Who contradicts the others although its interval overlaps theirs: by its offset's movement, its rate or its stamps.

use super::majority::Sweep;
use super::{Bias, Candidate, IN, Status, Verdict, survivors};
use crate::estimator::quantile::median;

/// What a source that is much surer than most has to allow those, beyond what each of them doubts.
///
/// What rough ones miss of the oscillator they miss together, to the same side, and it does not become less by their number: behind
/// a noisy path an oscillator looks calm, and who is asked rarely does not know what it has done since. Whoever is as rough misses
/// it too, and is allowed nothing.
struct Roughness {
    /// Deviation of θ of the one in the middle, s.
    usual: f64,
    /// Deviations of θ (s) and rate (s/s) of the one in the middle, with what it misses.
    offset: f64,
    rate: f64,
}

impl Roughness {
    /// Of those that are still in.
    fn of(candidates: &[Candidate], verdicts: &[Verdict]) -> Self {
        let settled = |i: &usize| candidates[*i].offset_sd.is_finite();
        let middle = |what: fn(&Candidate) -> f64| {
            median(survivors(verdicts).filter(settled).map(|i| what(&candidates[i]))).unwrap_or(0.0)
        };
        Self {
            usual: middle(|c| c.offset_sd),
            offset: middle(|c| libm::hypot(c.offset_sd, c.missed.offset)),
            rate: middle(|c| libm::hypot(c.skew / 2.0, c.missed.rate)),
        }
    }

    /// 1 for a source that is three times surer than the one in the middle, 0 from twice on.
    fn beside(&self, c: &Candidate) -> f64 {
        const SURER: f64 = 2.0;
        (self.usual / c.offset_sd.max(f64::MIN_POSITIVE) - SURER).clamp(0.0, 1.0)
    }
}

/// Who moves away from the others, slowly enough to stay inside the interval and too slowly for the rate to show it?
///
/// Every source has a usual distance from the others, mostly the asymmetry of its path, which stays. Less that, all
/// should agree; their median is right as long as most are honest, however near and sure the others may be. A distance
/// that moved is followed within hours, so that another route is forgiven and a drifting clock is not.
pub(super) fn align(candidates: &[Candidate], elapsed: f64, verdicts: &mut [Verdict]) {
    /// Deviations, shares of the jitter and of the round trip that a path may change by, and at least so much, s.
    const FAR: (f64, f64, f64, f64) = (4.0, 0.05, 0.002, 20e-6);
    /// Time in which a usual distance is learned, and in which a new one is of a source found to have moved, and the
    /// least, s.
    const PATIENCE: (f64, f64, f64) = (3.0 * 3600.0, 3600.0, 600.0);
    /// Standard error of the median of n Gaussian values of deviation 1, times √n: √(π/2).
    const MEDIAN: f64 = 1.2533;
    let settled = |i: &usize| candidates[*i].offset_sd.is_finite();
    let all = survivors(verdicts).filter(settled).map(|i| candidates[i].offset);
    let usual = |i: usize| verdicts[i].state.bias.filter(|_| verdicts[i].state.owes == 0);
    let aligned =
        survivors(verdicts).filter(settled).filter_map(|i| Some(candidates[i].offset - usual(i)?.offset));
    let enough = all.clone().count() >= 3 && aligned.clone().count() >= 2;
    let Some(centre) = median(aligned).or(median(all)) else { return };
    // The median itself is no surer than those that make it: an exact source must not be measured by rough ones.
    let number = survivors(verdicts).filter(settled).count().max(1) as f64;
    let rough = Roughness::of(candidates, verdicts);
    for (i, c) in candidates.iter().enumerate() {
        let (status, state) = (verdicts[i].status, &mut verdicts[i].state);
        state.moved = false;
        if status != IN || !settled(&i) {
            continue;
        }
        let here = c.offset - centre;
        let bias = state.bias.get_or_insert(Bias { offset: here, sd: c.offset_sd, age: 0.0 });
        let away = here - bias.offset;
        // Half of what they doubt is noise of their own, half the oscillator, which leads all of them astray the same way, but
        // not a source that is surer than they are.
        let common = 0.5 * (rough.usual * rough.usual - c.offset_sd * c.offset_sd).max(0.0);
        let missed = rough.offset * rough.beside(c);
        let centre = MEDIAN * MEDIAN * rough.usual * rough.usual / number + common.max(missed * missed);
        let doubt = libm::sqrt(c.offset_sd * c.offset_sd + bias.sd * bias.sd + centre);
        let far = FAR.0 * doubt + FAR.1 * c.std_dev + FAR.3.max(FAR.2 * c.delay);
        state.moved = enough && away.abs() > far;
        let slowest = if state.moved || state.owes > 0 { PATIENCE.1 } else { PATIENCE.0 };
        // At first a running mean.
        let share = (elapsed / bias.age.clamp(PATIENCE.2, slowest)).clamp(0.0, 1.0);
        bias.offset += away * share;
        bias.sd += (c.offset_sd - bias.sd) * share;
        bias.age += elapsed;
    }
}

/// Good samples after which a source that contradicted the others is believed again.
const PROBATION: u32 = 8;

/// Who contradicts the others although the intervals overlap: servers whose clocks run at another rate, before their
/// offsets show it, and those whose stamps exclude the time agreed on.
///
/// Rates are judged as times are: every source claims an interval, and when a majority of at least three shares a rate,
/// those that do not share it are wrong. Each counts once, so that two drifting servers cannot outweigh three honest
/// ones by being nearer. Sources whose rate is not known well enough to tell share any.
pub(super) fn find_contradictions<'a>(
    candidates: &'a [Candidate],
    verdicts: &[Verdict],
    rates: &'a mut Sweep,
) -> impl Fn(usize) -> Contradiction + use<'a> {
    let rough = Roughness::of(candidates, verdicts);
    let rate = move |i: usize, allowed: f64| {
        /// Deviations, and a rate that all clocks may differ by, s/s.
        const FAR: (f64, f64) = (4.5, 1e-9);
        // The skew of a candidate is two standard deviations.
        let doubt = FAR.0 * (candidates[i].skew / 2.0 + allowed) + FAR.1;
        (candidates[i].frequency - doubt, candidates[i].frequency + doubt)
    };
    let number = survivors(verdicts).count();
    let agreement = rates.run(survivors(verdicts).map(|i| rate(i, 0.0)));
    let majority = number >= 3 && agreement.is_some_and(|a| 2 * a.depth > number);
    // When most exclude what was agreed on, it is our own clock that jumped.
    let impossible = survivors(verdicts).filter(|&i| candidates[i].impossible).count();
    let ours = 2 * impossible >= number;
    move |i: usize| Contradiction {
        drifts: majority && !rates.shares(rate(i, rough.rate * rough.beside(&candidates[i]))),
        impossible: candidates[i].impossible && !ours,
    }
}

/// What a source contradicts the others by.
pub(super) struct Contradiction {
    /// Its rate.
    drifts: bool,
    /// Its stamps.
    impossible: bool,
}

/// Those who contradict are falsetickers until they have not for a while, and for longer if they did before. Who may only seem to
/// has no say.
pub(super) fn reject_contradictions(
    candidates: &[Candidate],
    elapsed: f64,
    verdicts: &mut [Verdict],
    contradicts: impl Fn(usize) -> Contradiction,
) {
    /// Samples in a row by whose rates a source has to contradict the others. When it was the own oscillator that changed,
    /// whoever was asked first after that contradicts those who were not asked yet.
    const INSISTENT: u32 = 3;
    /// Time in which it is forgiven that a source has moved away before, s.
    const FORGIVEN: f64 = 12.0 * 3600.0;
    /// Relapses after which probation does not become longer any more, each time by a factor of 4.
    const INCORRIGIBLE: u32 = 2;
    for (i, verdict) in verdicts.iter_mut().enumerate() {
        let (c, state) = (&candidates[i], &mut verdict.state);
        let by = contradicts(i);
        let drifts = verdict.status == IN && by.drifts;
        state.relapses *= (1.0 - elapsed / FORGIVEN).max(0.0);
        if c.newest {
            state.drifts = if drifts { state.drifts.saturating_add(1) } else { 0 };
        }
        let insists = drifts && (state.drifts >= INSISTENT || state.owes > 0);
        let wrong = verdict.status == IN && (by.impossible || state.moved) || insists && !c.young;
        state.suspect = drifts && !wrong;
        if wrong {
            if state.owes == 0 && state.moved {
                state.relapses += 1.0;
            }
            let relapses = (state.relapses as u32).saturating_sub(1).min(INCORRIGIBLE);
            state.owes = state.owes.max(PROBATION << (2 * relapses));
        } else if c.newest && !state.suspect {
            state.owes = state.owes.saturating_sub(1);
        }
    }
    // Nobody is excluded for the past when nobody else is left, and nobody for a suspicion.
    let honest = survivors(verdicts).any(|i| verdicts[i].state.owes == 0);
    for verdict in verdicts.iter_mut().filter(|v| v.status == IN && v.state.owes > 0) {
        if honest {
            verdict.status = Status::Falseticker;
        }
    }
    let clear = survivors(verdicts).any(|i| !verdicts[i].state.suspect);
    for verdict in verdicts.iter_mut().filter(|v| v.status == IN && v.state.suspect) {
        if clear {
            verdict.status = Status::Distant;
        }
    }
}
