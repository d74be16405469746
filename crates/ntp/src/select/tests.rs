//! The rules one by one, and their laws.

use super::*;
use crate::config::SelectionConfig;
use crate::estimator::Missed;
use crate::ids::SourceId;
use proptest::prelude::*;

/// A healthy source.
fn source(id: u32, offset: f64, root_distance: f64) -> Candidate {
    Candidate {
        id: SourceId(id),
        refclock: false,
        authenticated: false,
        flags: Flags::default(),
        reachable: true,
        polls: 8,
        unreachable_polls: 0,
        max_unreachable_polls: 100_000,
        samples: 10,
        fresh: true,
        newest: false,
        impossible: false,
        offset_sd: f64::INFINITY,
        missed: Missed::default(),
        young: false,
        delay: 0.0,
        oldest_age: 600.0,
        newest_age: 1.0,
        leap: Leap::None,
        stratum: 2,
        address_id: id,
        offset,
        root_distance,
        std_dev: 1e-4,
        frequency: 0.0,
        skew: 1e-7,
        state: SelectState::default(),
    }
}

fn options() -> SelectOptions {
    SelectOptions { selected_before: true, ..SelectOptions::new(&SelectionConfig::default(), 1e-6) }
}

fn run(candidates: &[Candidate], options: &SelectOptions) -> Selection {
    let mut out = Selection::default();
    select(candidates, options, &mut out);
    out
}

fn letters(selection: &Selection) -> String {
    selection.verdicts.iter().map(|v| v.status.letter()).collect()
}

/// Letters after selecting among `candidates` by default rules.
fn states(candidates: &[Candidate]) -> String {
    letters(&run(candidates, &options()))
}

/// Selects again and again, handing the state back.
fn again(candidates: &mut [Candidate], options: &SelectOptions) -> Selection {
    let out = run(candidates, options);
    for (c, verdict) in candidates.iter_mut().zip(&out.verdicts) {
        c.state = verdict.state;
    }
    out
}

fn flagged(mut c: Candidate, set: impl FnOnce(&mut Flags)) -> Candidate {
    set(&mut c.flags);
    c
}

#[test]
fn what_is_wrong_with_a_source_alone_is_said_by_its_letter() {
    let good = source(1, 0.0, 0.01);
    let wrong = [
        flagged(good, |f| f.noselect = true),
        Candidate { samples: 2, ..good },
        Candidate { leap: Leap::Unsynchronised, ..good },
        Candidate { stratum: 16, ..good },
        Candidate { root_distance: 3.5, ..good },
        Candidate { offset: f64::NAN, ..good },
        Candidate { std_dev: 1.5, ..good },
        Candidate { reachable: false, unreachable_polls: 9, max_unreachable_polls: 8, ..good },
        Candidate { reachable: false, newest_age: 700.0, max_unreachable_polls: 8, ..good },
        Candidate { reachable: false, newest_age: 500.0, id: SourceId(2), ..good },
        good,
    ];
    assert_eq!(states(&wrong), "NMsrdd~SSS*");
}

/// Of several sources the first that may be followed may be the one that lies.
#[test]
fn who_may_not_be_followed_yet_may_contradict() {
    let first = source(1, 0.0, 0.01);
    let few = |id, offset| Candidate { samples: 1, ..source(id, offset, 0.01) };
    assert_eq!(states(&[first, few(2, 0.005)]), "*M", "agrees");
    assert_eq!(states(&[first, few(2, 5.0)]), "xM", "one against one");
    assert_eq!(states(&[first, few(2, 5.0), few(3, 0.0)]), "*MM", "two against one");
    let against = run(&[first, few(2, 5.0), few(3, 5.0)], &options());
    assert_eq!(letters(&against), "xMM", "two against one, and neither can be followed");
    assert_eq!(against.outcome, Outcome::NoMajority { agree: 2, voters: 3, trusted: false });
    let told = "no majority (2 of 3 sources agree, with too few samples)";
    assert_eq!(against.outcome.to_string(), told);
    let ready = source(3, 5.0, 0.01);
    assert_eq!(states(&[first, few(2, 5.0), ready]), "xM*");
    for silenced in [
        Candidate { samples: 0, ..few(2, 5.0) },
        Candidate { reachable: false, ..few(2, 5.0) },
        Candidate { leap: Leap::Unsynchronised, ..few(2, 5.0) },
        Candidate { stratum: 16, ..few(2, 5.0) },
        Candidate { root_distance: 4.0, ..few(2, 5.0) },
        Candidate { offset: f64::NAN, ..few(2, 5.0) },
        flagged(few(2, 5.0), |f| f.noselect = true),
    ] {
        assert_eq!(states(&[first, silenced]).chars().next(), Some('*'), "{silenced:?}");
    }
    assert_eq!(states(&[flagged(first, |f| f.trust = true), few(2, 5.0)]), "*M", "it is not trusted");
    // 64 s ago, and the oscillator is 1 % fast, which a single sample cannot know.
    let fast = Candidate { frequency: 0.01, ..first };
    assert_eq!(states(&[fast, Candidate { newest_age: 64.0, ..few(2, 0.6) }]), "*M");
    assert_eq!(states(&[fast, Candidate { newest_age: 64.0, ..few(2, 0.7) }]), "xM");
    assert_eq!(
        states(&[Candidate { skew: 0.01, ..first }, Candidate { newest_age: 64.0, ..few(2, 0.6) }]),
        "*M"
    );
}

#[test]
fn when_nobody_answers_any_more_nobody_is_selected() {
    let silent = |id| Candidate { reachable: false, ..source(id, 0.0, 0.01) };
    assert_eq!(states(&[silent(1), silent(2)]), "SS");
    assert_eq!(states(&[silent(1), source(2, 0.0, 0.01)]), "S*", "silence is no vote");
    let patient = Candidate { max_unreachable_polls: 8, ..silent(1) };
    assert_eq!(states(&[patient, source(2, 0.0, 0.01)]).replace('+', "*"), "**", "as the operator asked for");
}

#[test]
fn failures_are_told_in_the_words_of_the_log() {
    let told =
        |candidates: &[Candidate], options: &SelectOptions| run(candidates, options).outcome.to_string();
    let a = source(1, 0.0, 0.01);
    let far = source(2, 5.0, 0.01);
    let trusted = |c| flagged(c, |f| f.trust = true);
    assert_eq!(told(&[], &options()), "no sources");
    assert_eq!(
        told(&[Candidate { samples: 0, reachable: false, ..a }; 45], &options()),
        "no selectable sources (45 unreachable sources)"
    );
    assert_eq!(told(&[Candidate { samples: 0, ..a }], &options()), "no selectable sources");
    assert_eq!(told(&[a, far], &options()), "no majority (no agreement among 2 sources)");
    assert_eq!(
        told(&[trusted(a), trusted(far)], &options()),
        "no majority (no agreement among 2 trusted sources)"
    );
    let four = [a, source(2, 0.001, 0.01), far, source(4, 9.0, 0.01)];
    assert_eq!(told(&four.map(trusted), &options()), "no majority (only 2 of 4 trusted sources agree)");
    assert_eq!(told(&[a], &SelectOptions { min_sources: 2, ..options() }), "not enough selectable sources");
    let required = flagged(Candidate { samples: 0, ..far }, |f| f.require = true);
    assert_eq!(told(&[a, required], &options()), "no required source in selectable sources");
}

#[test]
fn without_majority_everyone_is_a_falseticker_and_the_past_is_forgotten() {
    let mut two = [source(1, 0.0, 0.01), source(2, 0.001, 0.01)];
    assert_eq!(letters(&again(&mut two, &options())), "*+");
    two[1].offset = 1.0;
    assert_eq!(letters(&again(&mut two, &options())), "xx");
    assert!(two.iter().all(|c| c.state == SelectState::default()));
}

#[test]
fn trusted_sources_outvote_the_others() {
    let trusted = |c| flagged(c, |f| f.trust = true);
    let five = [
        trusted(source(1, 0.0, 0.1)),
        trusted(source(2, 0.01, 0.1)),
        source(3, 5.0, 0.01),
        source(4, 5.0, 0.01),
        source(5, 5.0, 0.01),
        source(6, 0.0, 0.3),
        source(7, 0.0, 0.05),
    ];
    assert_eq!(states(&five), "++xxxT*");
}

#[test]
fn authentication_modes_set_options() {
    let open = source(1, 0.0, 0.01);
    let signed = Candidate { authenticated: true, id: SourceId(2), ..open };
    let clock = Candidate { refclock: true, id: SourceId(3), ..open };
    let flags = |mode, candidates: &[Candidate]| -> Vec<u16> {
        run(candidates, &SelectOptions { auth_mode: mode, ..options() })
            .verdicts
            .iter()
            .map(|v| v.flags.bits())
            .collect()
    };
    let all = [open, signed, clock];
    assert_eq!(flags(AuthSelectMode::Ignore, &all), [0, 0, 0]);
    assert_eq!(flags(AuthSelectMode::Mix, &all), [0, 12, 12]);
    assert_eq!(flags(AuthSelectMode::Mix, &[open, clock]), [0, 0]);
    assert_eq!(flags(AuthSelectMode::Prefer, &all), [1, 0, 0]);
    assert_eq!(flags(AuthSelectMode::Prefer, &[open, clock]), [0, 0]);
    assert_eq!(flags(AuthSelectMode::Require, &[open, clock]), [1, 0]);
}

#[test]
fn preferred_survivors_push_the_others_back_but_lying_ones_do_not() {
    let prefer = |c| flagged(c, |f| f.prefer = true);
    assert_eq!(states(&[source(1, 0.0, 0.01), prefer(source(2, 0.0, 0.02))]), "P*");
    assert_eq!(states(&[source(1, 0.0, 0.01), source(2, 0.0, 0.01), prefer(source(3, 9.0, 0.01))]), "*+x");
    assert_eq!(Flags { noselect: true, prefer: true, trust: true, require: true }.bits(), 15);
}

#[test]
fn a_better_source_takes_over_after_a_while_and_a_slightly_better_one_never_at_once() {
    let mut two = [source(1, 0.0, 0.02), source(2, 0.0, 0.03)];
    assert_eq!(letters(&again(&mut two, &options())), "*+");
    two[1].root_distance = 0.01;
    let mut rounds = 0;
    while two[0].state.selected {
        again(&mut two, &options());
        rounds += 1;
        assert!(rounds < 10);
    }
    // (20/10.1)^4 > 10
    assert_eq!((rounds, two[0].state.score), (4, 1.0));
    two[0].root_distance = 0.0099;
    for _ in 0..1000 {
        again(&mut two, &options());
    }
    assert!(two[1].state.selected, "0.1 ms is not worth a change");
}

#[test]
fn when_the_selected_source_goes_the_next_one_must_first_give_a_sample() {
    let mut three = [source(1, 0.0, 0.01), source(2, 0.0, 0.02), source(3, 0.0, 0.03)];
    assert_eq!(letters(&again(&mut three, &options())), "*++");
    three[0].offset = 9.0;
    three[1].fresh = false;
    let waiting = again(&mut three, &options());
    assert_eq!((letters(&waiting).as_str(), waiting.best()), ("xUU", None));
    three[1].fresh = true;
    let followed = again(&mut three, &options());
    assert_eq!(letters(&followed), "x*+");
    assert_eq!(followed.outcome, Outcome::Selected { best: 1, changed: true });
    assert_eq!(again(&mut three, &options()).outcome, Outcome::Selected { best: 1, changed: false });
}

#[test]
fn distant_sources_are_not_combined_and_stay_out_for_a_while() {
    let mut two = [source(1, 0.0, 0.01), source(2, 0.0, 0.031)];
    assert_eq!(letters(&again(&mut two, &options())), "*D");
    two[1].root_distance = 0.02;
    for _ in 0..32 {
        assert_eq!(letters(&again(&mut two, &options())), "*D");
    }
    assert_eq!(letters(&again(&mut two, &options())), "*+");
    two[1].frequency = 2e-6;
    assert_eq!(letters(&again(&mut two, &options())), "*D");
    let young = [source(1, 0.0, 0.01), Candidate { polls: 7, ..source(2, 0.0, 0.2) }];
    assert_eq!(run(&young, &options()).verdicts[1].state.distant, 1);
    let alone = SelectOptions { combine_limit: 0.0, ..options() };
    assert_eq!(letters(&run(&[source(1, 0.0, 0.01), source(2, 0.0, 0.01)], &alone)), "*D");
}

#[test]
fn the_first_selection_waits_for_others_that_are_just_starting() {
    let first = SelectOptions { selected_before: false, ..options() };
    let ready = Candidate { samples: 3, polls: 3, ..source(1, 0.0, 0.01) };
    let starting = Candidate { samples: 2, polls: 3, ..source(2, 0.0, 0.01) };
    assert_eq!(letters(&run(&[ready, starting], &first)), "wM");
    assert_eq!(letters(&run(&[ready, starting], &options())), "*M");
    assert_eq!(letters(&run(&[Candidate { polls: 5, ..ready }, starting], &first)), "*M");
    assert_eq!(letters(&run(&[ready, Candidate { reachable: false, ..starting }], &first)), "*M");
}

#[test]
fn orphans_elect_the_smallest_identifier() {
    let own = |address_id| SelectOptions { orphan: Some(Orphan { stratum: 10, address_id }), ..options() };
    let orphan = |id| Candidate { stratum: 10, ..source(id, 0.0, 0.01) };
    assert_eq!(letters(&run(&[orphan(5), orphan(3), orphan(7)], &own(4))), "O*O");
    assert_eq!(letters(&run(&[orphan(5), orphan(3)], &own(2))), "OO");
    assert_eq!(letters(&run(&[orphan(5), source(9, 0.0, 0.01)], &own(8))), "O*");
    assert_eq!(letters(&run(&[Candidate { stratum: 11, ..orphan(1) }], &own(8))), "O");
}

#[test]
fn a_leap_second_needs_more_than_half_of_the_votes() {
    let says = |leap, id| Candidate { leap, ..source(id, 0.0, 0.01) };
    let leap = |candidates: &[Candidate]| run(candidates, &options()).leap;
    let (yes, no) = (Leap::Insert, Leap::None);
    assert_eq!(leap(&[says(yes, 1), says(no, 2)]), Leap::None);
    assert_eq!(leap(&[says(yes, 1), says(no, 2), says(yes, 3)]), Leap::Insert);
    assert_eq!(leap(&[says(Leap::Delete, 1), says(Leap::Delete, 2), says(yes, 3)]), Leap::Delete);
    let trusted = flagged(says(yes, 1), |f| f.trust = true);
    assert_eq!(leap(&[trusted, source(2, 0.0, 0.001), source(3, 0.0, 0.001)]), Leap::Insert);
}

fn any_source() -> impl Strategy<Value = Candidate> {
    let numbers = (-0.05f64..0.05, 1e-4f64..0.1, 1u8..17, 0u32..10);
    let switches = (0usize..16, any::<bool>(), any::<bool>(), any::<bool>(), 0u16..64);
    (numbers, switches).prop_map(
        |((offset, distance, stratum, polls), (samples, fresh, reachable, signed, bits))| {
            let flags = Flags {
                noselect: bits & 7 == 1,
                prefer: bits & 12 == 4,
                trust: bits & 24 == 8,
                require: bits & 48 == 16,
            };
            Candidate {
                stratum,
                polls,
                samples,
                fresh,
                newest: fresh,
                impossible: false,
                offset_sd: f64::INFINITY,
                missed: Missed::default(),
                young: !reachable,
                delay: 0.0,
                reachable,
                authenticated: signed,
                flags,
                ..source(0, offset, distance)
            }
        },
    )
}

proptest! {
    #[test]
    fn the_order_of_the_candidates_does_not_matter(
        mut candidates in prop::collection::vec(any_source(), 0..12),
        turn in 0usize..12,
    ) {
        for (id, c) in (0..).zip(&mut candidates) {
            c.id = SourceId(id);
            c.address_id = id;
        }
        let plain = run(&candidates, &options());
        let mut turned = candidates.clone();
        turned.rotate_left(turn.min(candidates.len()));
        turned.reverse();
        let other = run(&turned, &options());
        for (c, verdict) in candidates.iter().zip(&plain.verdicts) {
            let there = turned.iter().position(|t| t.id == c.id).expect("it was turned, not lost");
            prop_assert_eq!(verdict, &other.verdicts[there]);
        }
        prop_assert_eq!(plain.leap, other.leap);
        prop_assert_eq!(plain.members.len(), other.members.len());
    }

    #[test]
    fn a_minority_of_liars_is_never_followed(
        honest in prop::collection::vec((-1.0f64..1.0, 1e-4f64..1.0), 3..9),
        lies in prop::collection::vec((any::<bool>(), 2.1f64..1000.0, 1e-4f64..0.09), 0..8),
    ) {
        // Honest intervals hold the truth (0) and end within ±2; liars are beyond. Their number is smaller.
        let mut candidates: Vec<_> = honest.iter().map(|&(at, size)| source(0, at * size, size)).collect();
        for &(below, at, size) in lies.iter().take(honest.len() - 1) {
            candidates.push(source(0, if below { -at - size } else { at + size }, size));
        }
        for (id, c) in (0..).zip(&mut candidates) {
            c.id = SourceId(id);
        }
        let out = run(&candidates, &options());
        let best = out.best();
        prop_assert!(best.is_some_and(|best| best < honest.len()), "{:?}", out.outcome);
        prop_assert!(out.members.iter().all(|&i| i < honest.len()));
    }

    #[test]
    fn two_of_five_that_step_together_never_win(
        step in prop_oneof![-100.0f64..-0.05, 0.05f64..100.0],
        offsets in prop::array::uniform5(-1e-3f64..1e-3),
        followed in 0usize..5,
    ) {
        let mut five = offsets.map(|offset| source(0, offset, 0.01));
        for (id, c) in (0..).zip(&mut five) {
            c.id = SourceId(id);
        }
        five[followed].state.selected = true;
        for _ in 0..100 {
            five[0].offset = offsets[0] + step;
            five[1].offset = offsets[1] + step;
            let out = again(&mut five, &options());
            prop_assert!(out.members.iter().all(|&i| i > 1) && out.best().is_some());
        }
    }
}

/// Four sources whose rates are well known; the last runs fast by so much, s/s.
fn rates(fast: f64) -> [Candidate; 4] {
    let known = |id| Candidate { offset_sd: 1e-5, skew: 1e-8, fresh: true, ..source(id, 0.0, 0.01) };
    let mut four = [1, 2, 3, 4].map(known);
    four[3].frequency = fast;
    four
}

/// Selects after a sample of the last source, `times`.
fn insist(candidates: &mut [Candidate], times: usize) -> String {
    let last = candidates.len() - 1;
    candidates[last].newest = true;
    let options = SelectOptions { elapsed: 16.0, ..options() };
    let mut seen = String::new();
    for _ in 0..times {
        seen = letters(&again(candidates, &options));
    }
    seen
}

#[test]
fn who_runs_at_another_rate_is_wrong_when_it_insists() {
    let mut four = rates(1e-7);
    assert_eq!(insist(&mut four, 2), "*++D", "those asked later may come to see the same");
    assert_eq!(insist(&mut four, 1), "*++x");
    four[3].frequency = 0.0;
    assert_eq!(insist(&mut four, 7), "*++x", "on probation");
    assert_eq!(insist(&mut four, 1), "*+++");
    assert_eq!(four[3].state.relapses, 0.0, "a rate is not a move");
}

#[test]
fn a_rate_learned_from_few_samples_is_not_held_against_anybody() {
    let mut four = rates(1e-7);
    four[3].young = true;
    assert_eq!(insist(&mut four, 20), "*++D", "but it has no say");
}

/// Three rough sources and an exact one, the last, that have been compared for hours. Then `moved` (s) and `faster` (s/s) are what the
/// rough ones come to differ by from the exact one, together, and `missed` is what they may.
fn exact_among_rough(moved: f64, faster: f64, missed: Missed) -> String {
    let rough = |id| Candidate { offset_sd: 1e-4, skew: 1e-8, fresh: true, ..source(id, 0.0, 0.01) };
    let mut four = [1, 2, 3, 4].map(rough);
    four[3].offset_sd = 1e-5;
    assert_eq!(insist(&mut four, 400), "*+++");
    for candidate in &mut four[..3] {
        (candidate.offset, candidate.frequency, candidate.missed) = (moved, faster, missed);
    }
    insist(&mut four, 3)
}

#[test]
fn what_rough_sources_miss_together_is_not_held_against_an_exact_one() {
    assert_eq!(exact_among_rough(1e-3, 0.0, Missed::default()), "*++x");
    assert_eq!(exact_among_rough(1e-3, 0.0, Missed { offset: 5e-4, rate: 0.0 }), "*+++");
    assert_eq!(exact_among_rough(0.0, 1e-7, Missed::default()), "*++x");
    assert_eq!(exact_among_rough(0.0, 1e-7, Missed { offset: 0.0, rate: 5e-8 }), "*+++");
}

#[test]
fn who_moves_away_again_is_on_probation_for_longer() {
    let mut four = rates(0.0);
    assert_eq!(insist(&mut four, 400), "*+++");
    let mut probation = Vec::new();
    for _ in 0..4 {
        four[3].offset += 0.005;
        assert_eq!(insist(&mut four, 1), "*++x");
        // Its new distance is learned; from then on it is good.
        let samples = (1..2000).find(|_| insist(&mut four, 1) == "*+++").expect("believed again");
        probation.push(samples);
    }
    assert!(probation[1] > probation[0] && probation[2] > probation[1], "{probation:?}");
}
