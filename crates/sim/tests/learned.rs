//! What an earlier run has learned helps the next one, and a wrong or stale file does little harm.

use ntp::engine::Start;
use ntp::learned::Learned;
use sim::scenario::{Built, hard};

const HOUR: f64 = 3600.0;
const MINUTE: f64 = 60.0;
const TEN_MINUTES: f64 = 600.0;
const MONTH: f64 = 30.0 * 24.0 * HOUR;
const SEEDS: u64 = 4;

/// A run of six hours, its end, and `away` seconds later a new start after a reboot that left the clock 20 ms wrong, with what
/// `file` makes of the file of learned state.
fn rebooted(seed: u64, away: f64, file: impl Fn(String) -> Option<String>) -> (Built, f64) {
    let plan = hard::five();
    let mut built = plan.build(seed);
    built.world.run_until(6.0 * HOUR);
    built.world.stop(built.client);
    let start = 6.0 * HOUR + away;
    built.world.run_until(start);
    built.world.reboot(built.client, 0.02);
    let text = built.world.host(built.client).learned.clone().expect("saved at the end");
    built.world.set_learned(built.client, file(text));
    built.world.start(built.client, Start { steers: true, ..plan.start });
    (built, start)
}

/// Root of the mean squared error of the served time and of the frequency believed, over all seeds, between these
/// seconds after the new start.
fn errors(built: &[(Built, f64)], from: f64, until: f64) -> (f64, f64) {
    let (mut time, mut frequency, mut count) = (0.0, 0.0, 0.0);
    for (built, start) in built {
        for s in built.world.record(built.client).between(start + from, start + until) {
            time += s.served_error * s.served_error;
            frequency += s.belief_error * s.belief_error;
            count += 1.0;
        }
    }
    (libm::sqrt(time / count), libm::sqrt(frequency / count))
}

/// The errors from 10 s to a minute and to ten minutes after the new start.
fn after(what: &str, away: f64, file: impl Fn(String) -> Option<String>) -> [(f64, f64); 2] {
    let run = |seed| {
        let (mut built, start) = rebooted(seed, away, &file);
        built.world.run_until(start + TEN_MINUTES);
        (built, start)
    };
    let built: Vec<(Built, f64)> = (1..=SEEDS).map(run).collect();
    let both = [errors(&built, 10.0, MINUTE), errors(&built, 10.0, TEN_MINUTES)];
    let [minute, ten] =
        both.map(|(time, frequency)| format!("{:.0} us {:.2} ppm", time * 1e6, frequency * 1e6));
    println!("{what}, {:.0} h away: in the first minute {minute}, in the first ten {ten}", away / HOUR);
    both
}

fn changed(text: &str, change: impl Fn(&mut Learned)) -> Option<String> {
    let mut learned = Learned::parse(text).expect("its own");
    change(&mut learned);
    Some(learned.format())
}

#[test]
fn what_was_learned_helps_for_a_month_and_a_wrong_file_does_little_harm() {
    let [cold_minute, cold_ten] = after("nothing known", HOUR, |_| None);

    let [minute, ten] = after("all known", HOUR, Some);
    assert!(minute.0 < 0.4 * cold_minute.0 && ten.0 < 0.7 * cold_ten.0, "{minute:?} {ten:?}");
    assert!(minute.1 < 0.1 * cold_minute.1, "frequency {minute:?}");
    let [minute, ten] = after("all known", MONTH, Some);
    assert!(minute.0 < 0.7 * cold_minute.0 && ten.0 < cold_ten.0, "{minute:?} {ten:?}");

    let faster = |text: String| {
        changed(&text, |learned| {
            learned.board = None;
            if let Some(oscillator) = &mut learned.oscillator {
                oscillator.frequency += 50e-6;
            }
        })
    };
    let halved =
        |text: String| changed(&text, |learned| learned.paths.iter_mut().for_each(|path| path.delay *= 0.5));
    for (minute, ten) in [
        after("50 ppm wrong", HOUR, faster),
        after("50 ppm wrong", MONTH, faster),
        after("round trips halved", HOUR, halved),
        after("round trips halved", MONTH, halved),
    ]
    .map(|[minute, ten]| (minute.0, ten.0))
    {
        assert!(minute < 2.0 * cold_minute.0 && ten < 1.5 * cold_ten.0, "{minute} {ten}");
    }
}
