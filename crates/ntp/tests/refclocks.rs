//! Reference clocks in an engine: a noisy clock that knows the date and pulses that do not.

#[allow(dead_code)] // other tests use the rest of it
mod rig;

use ntp::control::actions::{SourceFilter, SourceRef};
use ntp::control::sources::SourceMode;
use ntp::control::{Backend, Change, Status};
use ntp::ids::RefId;
use ntp::logfile::Record;
use ntp::refclock::{Reading, Truth};
use ntp::rng::Rng;
use ntp::time::{NANOS, RawTime};
use ntp::wire::Leap;
use rig::{Answer, Rig, START, configured, server, start};

/// A normal number, nearly.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.uniform()).sum::<f64>() - 6.0
}

/// A reading of a clock that keeps the time within a normal error of `noise` (s) and is `ahead` (s).
fn time(rng: &mut Rng, noise: f64, ahead: f64, at: f64, raw: RawTime) -> Reading {
    let error = ntp::time::seconds_to_nanos(noise * normal(rng) + ahead);
    let truth = START + ntp::time::seconds_to_nanos(at) + error;
    Reading { at: raw, truth: Truth::Time(truth), leap: Leap::None, error: 0.0 }
}

/// The last pulse before `at`, stamped with a normal error of `noise` (s). It comes 0.6 s after each second, so that it is
/// some time ago when drivers are asked.
fn pulse(rng: &mut Rng, noise: f64, at: f64, raw: RawTime) -> Reading {
    let since = at + 0.4 - (at + 0.4).floor();
    let stamp = raw.nanos() - ntp::time::seconds_to_nanos(since + noise * normal(rng));
    Reading { at: RawTime::from_nanos(stamp), truth: Truth::Pulse(0.6), leap: Leap::None, error: 0.0 }
}

/// Root mean square (s) of the served error between two times.
fn served(rig: &mut Rig, from: usize, to: usize) -> f64 {
    let mut sum = 0.0;
    for second in from..to {
        rig.run_until(second as f64 + 0.37);
        let (error, bound) = rig.served().expect("synchronised");
        assert!(error.abs() <= bound, "{second} s: {error:e} is beyond {bound:e}");
        sum += error * error;
    }
    (sum / (to - from) as f64).sqrt()
}

/// What a receiver gives: messages with some milliseconds of noise, half a second of delay corrected by `offset`, and
/// pulses good to 100 ns. One pulse's noise is averaged away; the messages' is not seen.
#[test]
fn pulses_with_messages_reach_their_noise_floor() {
    let config = configured(&[
        "refclock SHM 0 refid NMEA offset 0.5 delay 0.2 noselect",
        "refclock PPS /dev/pps0 refid GPS lock NMEA",
        "log refclocks",
    ]);
    let mut rig = Rig::new(&config, start(), 0.2, |_, _| None);
    let ids: Vec<_> = rig.engine.refclocks().map(|(id, _)| id).collect();
    let mut rng = Rng::from_number(3);
    rig.refclock = Some(Box::new(move |id, at, raw| {
        Some(if id == ids[0] { time(&mut rng, 0.003, -0.5, at, raw) } else { pulse(&mut rng, 1e-7, at, raw) })
    }));
    rig.run_until(900.0);
    assert_eq!(rig.said("Selected source GPS"), 1, "{:?}", rig.log);
    let rms = served(&mut rig, 900, 1800);
    println!("RMS error served: {:.1} ns", rms * 1e9);
    assert!(rms < 25e-9, "{rms:e}");
    rig.operate(|operator| {
        let gps = operator.source_data(1).expect("the second source");
        assert_eq!((gps.mode, gps.stratum, gps.poll), (SourceMode::Refclock, 0, 4));
        let tracking = operator.tracking();
        assert_eq!((tracking.ref_id, tracking.stratum), (RefId::from_text("GPS"), 1));
        assert_eq!(operator.activity().online, 0, "it is no NTP source");
        assert!(operator.ntp_data(&gps.address).is_none());
        assert_eq!(operator.change(&Change::DeleteSource(gps.address)), Status::NoSuchSource);
        operator.change(&Change::Offline(SourceFilter::ALL));
        let offset = Change::Offset { source: SourceRef::RefId(RefId::from_text("GPS")), offset: 0.0 };
        assert_eq!(operator.change(&offset), Status::Success);
        assert_eq!(operator.source_data(1).expect("still").reach.0, 0o377, "a clock cannot be taken offline");
    });
    let lines: Vec<String> = rig.records.iter().map(Record::line).collect();
    assert!(lines.iter().any(|l| l.contains(" NMEA ")) && lines.iter().any(|l| l.contains("GPS     - N -")));
}

/// A pulse that nobody can complete is not used; with the network's help it is.
#[test]
fn pulses_alone_wait_until_the_second_is_known() {
    let lines = ["refclock PPS /dev/pps0 poll 2"];
    let pulses = |rig: &mut Rig| {
        let mut rng = Rng::from_number(5);
        rig.refclock = Some(Box::new(move |_, at, raw| Some(pulse(&mut rng, 1e-7, at, raw))));
    };
    let mut alone = Rig::new(&configured(&lines), start(), 0.1, |_, _| None);
    pulses(&mut alone);
    alone.run_until(200.0);
    assert!(alone.served().is_none(), "{:?}", alone.log);
    let mut config = configured(&lines);
    config.sources.push(server("192.0.2.1"));
    let mut helped =
        Rig::new(&config, start(), 0.1, |_, _| Some(Answer { there: 0.004, ..Answer::default() }));
    pulses(&mut helped);
    helped.run_until(1200.0);
    // The server's path is asymmetric by a millisecond, half of which is an error; the pulses know better.
    let rms = served(&mut helped, 1200, 1500);
    println!("RMS error served: {:.1} ns", rms * 1e9);
    assert!(rms < 100e-9, "{rms:e}");
    assert_eq!(helped.said("Selected source PPS0"), 1, "{:?}", helped.log);
}

/// A clock that keeps TAI is understood by the table of leap seconds, and one that loses its signal is not followed.
#[test]
fn a_clock_that_says_it_does_not_know_is_not_believed() {
    let config = configured(&["refclock SOCK /run/gps.sock refid GPS poll 3"]);
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| None);
    let id = rig.engine.refclocks().next().expect("one").0;
    for second in 0..60 {
        rig.run_until(f64::from(second));
        let raw = rig.clock.now().raw;
        let truth = Truth::Time(START + i64::from(second) * NANOS);
        let leap = Leap::Unsynchronised;
        rig.give(ntp::engine::Input::Reading {
            source: id,
            reading: Reading { at: raw, truth, leap, error: 0.0 },
        });
    }
    assert!(rig.served().is_none());
    for second in 60..120 {
        rig.run_until(f64::from(second));
        let raw = rig.clock.now().raw;
        let truth = Truth::Time(START + i64::from(second) * NANOS + 1000);
        let leap = Leap::None;
        rig.give(ntp::engine::Input::Reading {
            source: id,
            reading: Reading { at: raw, truth, leap, error: 0.0 },
        });
    }
    assert!(rig.served().is_some(), "{:?}", rig.log);
}

/// A steady oscillator beside a server: its rate is used, its phase is not.
#[test]
fn a_local_clock_gives_its_rate_only() {
    let mut config = configured(&["refclock PPS /dev/pps0 local refid RB poll 3 noselect"]);
    config.sources.push(server("192.0.2.1"));
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
    let mut rng = Rng::from_number(7);
    rig.refclock = Some(Box::new(move |_, at, raw| {
        let reading = pulse(&mut rng, 1e-9, at, raw);
        Some(Reading { at: reading.at + -0.2, ..reading })
    }));
    rig.run_until(1000.0);
    let rms = served(&mut rig, 1000, 1300);
    assert!(rms < 20e-6, "its phase, 0.2 s away, is not followed: {rms:e}");
    assert_eq!(rig.said("Selected source 192.0.2.1"), 1, "{:?}", rig.log);
}
