//! When requests leave: every source gets its turn, however busy the others are.

use ntp::clock::{Applied, Clock, ClockError, ClockState, SyncStatus};
use ntp::config::{NoFiles, parse};
use ntp::engine::{Action, Actions, Engine, Input, Start};
use ntp::rng::Rng;
use ntp::time::{MonoTime, Now, RawTime};
use ntp::wire::Leap;
use std::collections::BTreeMap;

/// A clock that takes every order and needs none.
struct Still;

impl Clock for Still {
    fn set_frequency(&mut self, frequency: f64) -> Result<Applied, ClockError> {
        Ok(Applied { at: RawTime::from_nanos(0), frequency, offset: 0.0 })
    }
    fn step(&mut self, offset: f64) -> Result<Applied, ClockError> {
        Ok(Applied { at: RawTime::from_nanos(0), frequency: 0.0, offset })
    }
    fn set_leap(&mut self, _leap: Leap, _tai_offset: i32) -> Result<(), ClockError> {
        Ok(())
    }
    fn set_status(&mut self, _status: SyncStatus) -> Result<(), ClockError> {
        Ok(())
    }
    fn state(&self) -> ClockState {
        ClockState { frequency: 0.0, max_frequency: 0.1, precision: 1e-9, ours: true }
    }
}

fn at(seconds: f64) -> Now {
    Now { mono: MonoTime::from_seconds(1000.0 + seconds), raw: RawTime::from_seconds(1.8e9 + seconds) }
}

/// Requests to each source in `seconds` when nobody answers, and how often the engine wanted to be woken.
fn requests(config: &str, seconds: f64) -> (BTreeMap<String, usize>, usize) {
    let config = parse(config, "test.conf", &NoFiles).expect("a configuration").config;
    let (mut out, mut clock) = (Actions::new(), Still);
    let mut engine =
        Engine::new(&config, Start::default(), Rng::from_number(1), at(0.0), &mut clock, &mut out);
    let (mut sent, mut turns) = (BTreeMap::new(), 0);
    loop {
        for action in out.drain() {
            if let Action::OpenSocket(spec) = action {
                *sent.entry(spec.remote.ip().to_string()).or_insert(0) += 1;
            }
        }
        let due = engine.next_timeout().expect("there are sources") - at(0.0).mono;
        if due > seconds {
            return (sent, turns);
        }
        turns += 1;
        engine.handle(at(due.max(0.0)), &mut clock, Input::Timeout, &mut out);
    }
}

#[test]
fn a_source_asked_each_second_does_not_keep_slower_ones_waiting() {
    let mut text = String::from("server 10.0.0.1 minpoll 0 maxpoll 0\n");
    text += "server 10.0.0.2 minpoll 0 maxpoll 0\nserver 10.0.0.3 minpoll 6 iburst\n";
    let (sent, _) = requests(&text, 20.0);
    assert!((19..=21).contains(&sent["10.0.0.1"]) && (19..=21).contains(&sent["10.0.0.2"]), "{sent:?}");
    assert_eq!(sent["10.0.0.3"], 8, "the whole initial burst");
}

#[test]
fn more_sources_than_their_distances_allow_all_get_a_turn() {
    // Twenty sources a second at 125 ms from each other do not fit into a second: all must wait, none forever.
    let text: String = (1..=20).map(|i| format!("server 10.0.0.{i} minpoll 0 maxpoll 0\n")).collect();
    let (sent, turns) = requests(&text, 60.0);
    assert_eq!(sent.len(), 20, "{sent:?}");
    assert!(sent.values().all(|&n| n >= 20), "{sent:?}");
    assert!(turns < 2000, "woken {turns} times in a minute");
}
