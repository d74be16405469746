//! From measurements to a ranking and a proposal. Nothing but numbers in, numbers out.

use ntp::config::SelectionConfig;
use ntp::estimator::{Estimate, MIN_FIT, Missed, Oscillator, SourceStats, StatsOptions};
use ntp::ids::SourceId;
use ntp::select::{self, Flags, SelectOptions, Selection, Status, select};
use ntp::time::OscTime;
use ntp::wire::Leap;

use super::candidates::Candidate;
use super::measure::Record;
use crate::operators;

/// How many to propose.
pub const FEWEST: usize = 4;
/// See [`FEWEST`].
pub const MOST: usize = 7;
/// A source that loses more of its requests is proposed only if there are too few others.
const LOSSY: f64 = 0.1;
/// … and so is one whose error bound is so many times the median of those that were chosen.
const FAR: f64 = 5.0;
/// Rates that differ by this are two clocks', s/s, …
const OTHER_RATE: f64 = 3e-6;
/// … if it is as many deviations.
const SURE: f64 = 5.0;

/// What a candidate is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Worth {
    /// It agrees with the majority.
    Good,
    /// It never answered.
    Silent,
    /// It wants to be left alone, or asked less.
    Kissed(String),
    /// It says itself that it does not know the time.
    Unsynchronised,
    /// Too few answers to judge it.
    Few,
    /// The majority excludes its time; by how much it is off, s.
    Wrong(f64),
    /// Its clock runs at another rate than the others', s/s: it smears a leap second, or drifts.
    Drifts(f64),
    /// Its operator smears leap seconds.
    Smears(&'static str),
    /// It says a leap second is coming, and the others do not, or the other way round.
    OtherLeap,
    /// No majority agrees, so nobody can say.
    NoMajority,
}

/// What was found out about one candidate.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What it is worth.
    pub worth: Worth,
    /// Its place, from 1; those that are no good come last.
    pub rank: usize,
    /// Shortest round trip, s.
    pub delay: Option<f64>,
    /// Spread of its samples around their line, s.
    pub jitter: Option<f64>,
    /// How wrong its time can be, here, s.
    pub bound: Option<f64>,
    /// Part of the requests that were lost, 0 to 1.
    pub loss: f64,
    /// Its time minus the majority's, s. Half of what the way there is longer than the way back, if its clock is right.
    pub apart: Option<f64>,
    /// How much faster its clock runs than the majority's, s/s, and the deviation of that.
    pub faster: Option<(f64, f64)>,
    /// Who runs it.
    pub operator: String,
    /// It is proposed.
    pub proposed: bool,
    /// Why it is not, in words.
    pub why_not: Option<String>,
}

/// What was found out about all.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// In the order of the candidates.
    pub verdicts: Vec<Verdict>,
    /// True time minus our clock, by the majority, s.
    pub offset: Option<f64>,
}

/// One source's line, and what bounds its error.
struct Line {
    estimate: Estimate,
    delay: f64,
    bound: f64,
}

/// Judges all candidates as of `now`.
pub fn judge(candidates: &[Candidate], records: &[Record], now: OscTime) -> Judgement {
    let lines: Vec<Option<Line>> = records.iter().map(line).collect();
    let mut worths = worths(candidates, records, &lines, now);
    let offset = middle(&lines, &worths, |line| line.estimate.predict(now).seconds());
    let rate = middle(&lines, &worths, |line| line.estimate.frequency);
    let mut verdicts = Vec::new();
    for (index, (candidate, record)) in candidates.iter().zip(records).enumerate() {
        let line = lines[index].as_ref();
        let apart = line.zip(offset).map(|(line, offset)| line.estimate.predict(now).seconds() - offset);
        let faster =
            line.zip(rate).map(|(line, rate)| (line.estimate.frequency - rate, line.estimate.frequency_sd));
        let other = faster.filter(|(by, sd)| by.abs() > OTHER_RATE.max(SURE * sd)).map(|(by, _)| by);
        worths[index] = match (&worths[index], other) {
            (Worth::Good | Worth::Wrong(_), Some(by)) => Worth::Drifts(by),
            (Worth::Wrong(_), None) => Worth::Wrong(apart.unwrap_or(f64::NAN)),
            (worth, _) => worth.clone(),
        };
        verdicts.push(Verdict {
            worth: worths[index].clone(),
            rank: 0,
            delay: line.map(|line| line.delay),
            jitter: line.map(|line| line.estimate.std_dev),
            bound: line.map(|line| line.bound.max(apart.unwrap_or(0.0).abs())),
            loss: 1.0 - f64::from(record.answered) / f64::from(record.asked.max(1)),
            apart,
            faster,
            operator: operators::operator(&candidate.name, Some(candidate.address.ip())),
            proposed: false,
            why_not: None,
        });
    }
    rank(&mut verdicts);
    propose(&mut verdicts, records);
    rank(&mut verdicts);
    Judgement { verdicts, offset }
}

/// What the samples of one source say.
fn line(record: &Record) -> Option<Line> {
    let mut stats = SourceStats::new(StatsOptions::default());
    for sample in &record.samples {
        stats.push(sample, &Oscillator::default());
    }
    let estimate = *stats.estimate().filter(|_| record.samples.len() >= MIN_FIT)?;
    let last = record.samples.last()?;
    let delay = record.samples.iter().map(|sample| sample.delay()).fold(f64::INFINITY, f64::min).max(0.0);
    let bound =
        delay / 2.0 + last.root_delay / 2.0 + last.root_dispersion + last.dispersion + estimate.std_dev;
    Some(Line { estimate, delay, bound })
}

/// Who agrees with the majority, and what is wrong with the others. How far and how fast is not known yet.
fn worths(candidates: &[Candidate], records: &[Record], lines: &[Option<Line>], now: OscTime) -> Vec<Worth> {
    let seen: Vec<select::Candidate> = (0_u32..)
        .zip(lines)
        .zip(records)
        .filter_map(|((index, line), record)| {
            line.as_ref().map(|line| seen(SourceId(index), line, record, now))
        })
        .collect();
    let mut options = SelectOptions::new(&SelectionConfig::default(), 1e-6);
    options.selected_before = true; // nobody is waited for
    let mut selection = Selection::default();
    select(&seen, &options, &mut selection);
    let nobody = matches!(selection.outcome, select::Outcome::NoMajority { .. });
    let smear = |candidate: &Candidate| operators::smearer(&candidate.name, Some(candidate.address.ip()));
    // Where all smear, they agree.
    let all_smear = candidates.iter().all(|candidate| smear(candidate).is_some());
    let warned = |record: &Record| matches!(record.leap, Leap::Insert | Leap::Delete);
    let heard = records.iter().filter(|record| !record.samples.is_empty());
    let leap_comes = 2 * heard.clone().filter(|record| warned(record)).count() > heard.count();
    let mut verdicts = seen.iter().zip(&selection.verdicts);
    let mut worth = |(candidate, (record, line)): (&Candidate, (&Record, &Option<Line>))| {
        let status = line.as_ref().and_then(|_| verdicts.next()).map(|(_, verdict)| verdict.status);
        match (&record.kiss, status) {
            (Some(code), _) => Worth::Kissed(code_text(*code)),
            (None, None) if record.answered == 0 => Worth::Silent,
            (None, None) if record.unsynchronised > 0 => Worth::Unsynchronised,
            (None, None) => Worth::Few,
            (None, Some(_)) if record.unsynchronised > record.answered / 2 => Worth::Unsynchronised,
            (None, Some(Status::Falseticker)) if nobody => Worth::NoMajority,
            (None, Some(Status::Falseticker | Status::BadDistance | Status::Jittery | Status::Untrusted)) => {
                Worth::Wrong(f64::NAN)
            }
            (None, Some(_)) => match smear(candidate).filter(|_| !all_smear) {
                Some(domain) => Worth::Smears(domain),
                None if warned(record) != leap_comes => Worth::OtherLeap,
                None => Worth::Good,
            },
        }
    };
    candidates.iter().zip(records.iter().zip(lines)).map(&mut worth).collect()
}

/// The letters of a kiss code.
fn code_text(code: ntp::ids::RefId) -> String {
    code.0.to_be_bytes().iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect()
}

/// A source as selection sees it.
fn seen(id: SourceId, line: &Line, record: &Record, now: OscTime) -> select::Candidate {
    let estimate = &line.estimate;
    let oldest = record.samples.first().map_or(0.0, |sample| now - sample.v);
    let newest = record.samples.last().map_or(0.0, |sample| now - sample.v);
    select::Candidate {
        id,
        refclock: false,
        authenticated: false,
        flags: Flags::default(),
        reachable: true,
        polls: 8,
        unreachable_polls: 0,
        max_unreachable_polls: 100_000,
        samples: record.samples.len(),
        fresh: true,
        newest: false,
        impossible: false,
        oldest_age: oldest,
        newest_age: newest,
        leap: Leap::None, // judged apart
        stratum: record.stratum,
        address_id: id.0,
        offset: estimate.predict(now).seconds(),
        root_distance: line.bound + estimate.growth(newest),
        offset_sd: estimate.predict_sd(now),
        missed: Missed::default(), // all are asked at the same time and listened to for minutes
        young: false,
        delay: line.delay,
        std_dev: estimate.std_dev,
        frequency: estimate.frequency,
        skew: estimate.skew,
        state: select::SelectState::default(),
    }
}

/// The median of what the good ones say, weighted by how good they are.
fn middle(lines: &[Option<Line>], worths: &[Worth], of: impl Fn(&Line) -> f64) -> Option<f64> {
    let good = lines.iter().zip(worths).filter(|(_, worth)| matches!(worth, Worth::Good | Worth::Smears(_)));
    let mut said: Vec<(f64, f64)> = good
        .filter_map(|(line, _)| line.as_ref())
        .map(|line| (of(line), 1.0 / line.bound.max(1e-9)))
        .collect();
    said.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = said.iter().map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    said.into_iter().find_map(|(value, weight)| {
        below += weight;
        (2.0 * below >= total).then_some(value)
    })
}

/// Those proposed first, then other good ones, each by error bound, which losses make larger; those that are no good come last.
fn rank(verdicts: &mut [Verdict]) {
    let score = |verdict: &Verdict| {
        let kept = (1.0 - verdict.loss).max(1e-3);
        verdict.bound.unwrap_or(f64::INFINITY) / (kept * kept)
    };
    let class = |verdict: &Verdict| (verdict.worth != Worth::Good, !verdict.proposed);
    let mut order: Vec<usize> = (0..verdicts.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (&verdicts[a], &verdicts[b]);
        class(a).cmp(&class(b)).then(score(a).total_cmp(&score(b)))
    });
    for (place, index) in order.into_iter().enumerate() {
        verdicts[index].rank = place + 1;
    }
}

/// Four to seven, the best first, none of whom could be wrong together with another.
fn propose(verdicts: &mut [Verdict], records: &[Record]) {
    let mut order: Vec<usize> = (0..verdicts.len()).filter(|&i| verdicts[i].worth == Worth::Good).collect();
    order.sort_by_key(|&index| verdicts[index].rank);
    let mut chosen: Vec<usize> = Vec::new();
    for &index in &order {
        let reason = against(index, &chosen, verdicts, records);
        if reason.is_none() {
            chosen.push(index);
        }
        verdicts[index].why_not = reason;
    }
    // Rather one that shares something than too few.
    for &index in &order {
        if chosen.len() < FEWEST && !chosen.contains(&index) {
            chosen.push(index);
        }
    }
    for index in chosen {
        verdicts[index].proposed = true;
    }
}

/// What speaks against one more.
fn against(index: usize, chosen: &[usize], verdicts: &[Verdict], records: &[Record]) -> Option<String> {
    let (verdict, record) = (&verdicts[index], &records[index]);
    if chosen.len() >= MOST {
        return Some("seven are enough".to_owned());
    }
    if chosen.iter().any(|&other| verdicts[other].operator == verdict.operator) {
        return Some(format!("of {}, as one before it", verdict.operator));
    }
    let same =
        |&other: &usize| records[other].refid == record.refid && records[other].stratum == record.stratum;
    if record.stratum > 1 && chosen.iter().any(same) {
        return Some("follows the same server as one before it".to_owned());
    }
    if verdict.loss > LOSSY {
        return Some(format!("loses {:.0} % of the requests", verdict.loss * 100.0));
    }
    let mut bounds: Vec<f64> = chosen.iter().filter_map(|&other| verdicts[other].bound).collect();
    bounds.sort_by(f64::total_cmp);
    let usual = bounds.get(bounds.len() / 2)?;
    let far = chosen.len() >= FEWEST && verdict.bound.is_some_and(|bound| bound > FAR * usual);
    far.then(|| "much farther than the others".to_owned())
}

#[cfg(test)]
mod tests;
