//! A few of the random worlds of `sim random`, which runs thousands.

use sim::pool;
use sim::random::{self, Class, Verdict};

const WORLDS: u64 = 60;

/// The verdict on each world; `None`: it panicked.
fn verdicts() -> Vec<(u64, Option<Verdict>)> {
    let mut verdicts = Vec::new();
    let work = |index: usize| std::panic::catch_unwind(|| random::run(index as u64 + 1)).ok();
    pool::run(pool::default_jobs(), WORLDS as usize, work, |index, verdict| {
        verdicts.push((index as u64 + 1, verdict));
    });
    verdicts
}

fn where_not(verdicts: &[(u64, Option<Verdict>)], good: impl Fn(&Verdict) -> bool) -> Vec<u64> {
    verdicts.iter().filter(|(_, v)| !v.as_ref().is_some_and(&good)).map(|(seed, _)| *seed).collect()
}

/// No panic, no nonsense, and where nobody lies, sleeps or meddles no broken promise.
#[test]
fn whatever_is_drawn_is_survived() {
    let verdicts = verdicts();
    let panicked: Vec<u64> = verdicts.iter().filter(|(_, v)| v.is_none()).map(|(seed, _)| *seed).collect();
    assert!(panicked.is_empty(), "panics in worlds {panicked:?}");
    let insane = where_not(&verdicts, |v| v.insane == 0);
    assert!(insane.is_empty(), "not a number in worlds {insane:?}");
    let broken = where_not(&verdicts, |v| v.class != Class::Plain || v.violations == 0);
    assert!(broken.is_empty(), "broken promises in worlds {broken:?}");
    let promises = verdicts.iter().flat_map(|(_, v)| v).map(|v| v.promises).sum::<u64>();
    assert!(promises > 200_000, "{promises} instants are too few to say much");
}

/// Promises are kept by machines that slept or were meddled with and while a minority lies, and no step is forbidden.
#[test]
fn whatever_is_drawn_is_mastered() {
    let verdicts = verdicts();
    let forbidden = where_not(&verdicts, |v| v.forbidden == 0);
    let broken = where_not(&verdicts, |v| v.class == Class::Subtle || v.violations == 0);
    assert!(
        forbidden.is_empty() && broken.is_empty(),
        "forbidden steps: {forbidden:?}; broken promises: {broken:?}"
    );
}

/// A world follows from its number.
#[test]
fn a_world_can_be_played_again() {
    let (first, again, other) = (random::run(7), random::run(7), random::run(8));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let read = Verdict::parse(&first.line()).unwrap();
    assert_eq!(Verdict { first_violation: first.first_violation, ..read }, first);
}

/// Worlds in which a promise was broken once, one for each cause.
#[test]
fn what_once_went_wrong_does_not_again() {
    let worlds = [
        (50041, "the oscillator jumps, and the samples of before it bound our error as if it had not"),
        (50571, "a leap second is announced and comes before anybody is followed"),
        (50765, "the first source is followed a tenth of a second before a leap second"),
        (50660, "a server's clock was further off when the samples were taken than it is now"),
        (60013, "after sleep, who was asked first seems to contradict those not asked yet"),
        (70377, "the machine sleeps before anybody has measured an oscillator 2.8 % off"),
        (626_909, "of three servers the one that lies has three samples first"),
        (620_334, "… with exchanges that make no sample yet"),
        (914_490, "an estimate of the frequency is not used yet, and the oscillator is 3.4 % off"),
        (910_001, "a sample is made of exchanges of which the last one's root distance is the smallest"),
        (625_385, "a sample is made of exchanges before and after sleep"),
        (
            938_916,
            "a liar is followed, steps by 1.4 s and bends the line, and then those who know better are expelled",
        ),
        (939_055, "… and those who know better are asked rarely"),
        (991_727, "… and what leaves room for the bent line would allow it to be right"),
        (990_121, "… and by a second's step it seems to have moved by 10 ms, as one of the others may have"),
        (990_340, "the oscillator jumps, and the only source that can tell is not heard"),
        (62124, "a liar's step looks like a jump of the oscillator"),
        (62769, "the newest sample is of a source that is not believed"),
        (63532, "a distant source that drifts knows the rate best"),
    ];
    let work = |index: usize| std::panic::catch_unwind(|| random::run(worlds[index].0)).ok();
    let mut broken = Vec::new();
    pool::run(pool::default_jobs(), worlds.len(), work, |index, verdict: Option<Verdict>| {
        if !verdict.is_some_and(|v| v.good() && v.promises > 500) {
            broken.push(worlds[index]);
        }
    });
    assert!(broken.is_empty(), "{broken:?}");
}
