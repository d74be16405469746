//! What directives make of the clock and of served time: smoothing, time typed in, fallback drifts, temperature, filters.

#[allow(dead_code)] // other tests use the rest of it
mod rig;

use ntp::config::Config;
use ntp::control::actions::Manual;
use ntp::control::{Backend, Change, Status};
use ntp::engine::{Action, Input};
use ntp::ids::RefId;
use ntp::logfile::Record;
use ntp::time::NANOS;
use ntp::wire::Leap;
use rig::{Answer, Rig, START, configured, server, start};

fn with_server(lines: &[&str]) -> Config {
    let mut config = configured(lines);
    config.sources.push(server("192.0.2.1"));
    config
}

/// Served minus true time, s.
fn error(rig: &Rig) -> f64 {
    let raw = rig.clock.now().raw;
    let state = rig.engine.server_state().at(raw);
    (state.local(raw).nanos() - (START + rig.clock.v)) as f64 * 1e-9
}

#[test]
fn served_time_follows_slowly_and_says_so() {
    let config = with_server(&["smoothtime 400 0.01", "allow"]);
    let mut rig = Rig::new(&config, start(), 0.0, |_, at| {
        Some(Answer { offset: if at < 600.0 { 0.0 } else { 0.050 }, ..Answer::default() })
    });
    rig.run_until(590.0);
    assert_eq!(rig.said("Activated time smoothing"), 1, "{:?}", rig.log);
    assert!(rig.operate(|o| o.smoothing()).expect("enabled").active);
    let (mut before, mut fastest, mut kept) = (error(&rig), 0.0_f64, false);
    for second in 591..6000 {
        rig.run_until(f64::from(second));
        let now = error(&rig);
        fastest = fastest.max((now - before).abs());
        before = now;
        let refid = rig.engine.server_state().refid;
        let report = rig.operate(|o| o.smoothing()).expect("enabled");
        if report.offset.0.abs() > 1e-6 {
            kept = true;
            assert_eq!(refid, RefId::SMOOTHING, "{second} s: {report:?}");
        }
    }
    assert!(
        kept && fastest < 250e-6,
        "{fastest:e} s in a second: the square root of 0.05 s times 0.01 ppm/s is 22 ppm"
    );
    assert!((error(&rig) - 0.050).abs() < 1e-3, "arrived: {}", error(&rig));
    let reset = rig.operate(|o| o.change(&Change::SmoothTime(false)));
    assert_eq!(reset, Status::Success);
    let mut plain = Rig::new(&with_server(&[]), start(), 0.0, |_, _| None);
    assert_eq!(plain.operate(|o| o.change(&Change::SmoothTime(true))), Status::NotEnabled);
    assert!(plain.operate(|o| o.smoothing()).is_none());
}

/// A leap second at the end of 2016 with the values operators use: our clock slews it in seconds, clients get it in hours,
/// and are not told of it.
#[test]
fn a_leap_second_is_smeared_for_clients() {
    // The rig's time begins in March 2024: the day is faked by a source that announces a leap on 30 June.
    let to_july = (1_719_792_000 - START / NANOS) as f64;
    let config =
        with_server(&["leapsecmode slew", "maxslewrate 1000", "smoothtime 400 0.001024 leaponly", "allow"]);
    let mut rig = Rig::new(&config, start(), 0.0, move |_, at| {
        let leapt = at > to_july;
        let leap = if leapt || at < to_july - 80_000.0 { Leap::None } else { Leap::Insert };
        Some(Answer { leap, offset: if leapt { -1.0 } else { 0.0 }, ..Answer::default() })
    });
    rig.clock.v = ((to_july - 40_000.0) * 1e9) as i64;
    rig.run_until(to_july - 100.0);
    assert_eq!(rig.engine.server_state().leap, Leap::None, "clients are not told");
    assert_eq!(rig.said("Activated time smoothing (leap seconds only)"), 1, "{:?}", rig.log);
    rig.run_until(to_july + 30.0);
    assert!(error(&rig).abs() < 0.01, "nothing jumps: {}", error(&rig));
    rig.run_until(to_july + 31_250.0);
    assert!((error(&rig) + 0.5).abs() < 0.01, "half of it: {}", error(&rig));
    assert!(
        (rig.clock.raw() - (START + rig.clock.v) + NANOS).abs() < 10_000_000,
        "our clock has done it long ago"
    );
    rig.run_until(to_july + 63_000.0);
    assert!((error(&rig) + 1.0).abs() < 0.001, "all of it: {}", error(&rig));
}

#[test]
fn time_typed_in_sets_the_clock_and_three_of_them_its_rate() {
    let mut rig = Rig::new(&configured(&["manual"]), start(), 0.0, |_, _| None);
    let truth = |rig: &Rig, ahead: f64| ntp::time::LocalTime::from_nanos(START + rig.clock.v) + ahead;
    rig.run_until(10.0);
    let first = truth(&rig, 5.0);
    let done = rig.operate(|o| o.set_time(first.into())).expect("enabled");
    assert!((done.offset.0 + 5.0).abs() < 1e-3, "{done:?}");
    assert_eq!(rig.said("Making a slew of -5.0000"), 1, "{:?}", rig.log);
    assert_eq!(rig.said("System clock wrong by 5.0000"), 1, "{:?}", rig.log);
    let tracking = rig.operate(|o| o.tracking());
    assert_eq!((tracking.ref_id, tracking.stratum), (RefId::NONE, 0), "a person is no reference for others");
    assert!((tracking.last_offset.0 + 5.0).abs() < 1e-3 && (tracking.rms_offset.0 - 5.0).abs() < 1e-3);
    let second = rig.operate(|o| o.set_time(first.into()));
    assert_eq!(second, Err(Status::Failed), "not twice within a second");
    for hour in 1..3 {
        rig.run_until(3600.0 * f64::from(hour));
        let later = truth(&rig, 5.0 + 0.36 * f64::from(hour));
        rig.operate(|o| o.set_time(later.into())).expect("enabled");
    }
    let ppm = rig.engine.frequency() * 1e6;
    assert!((ppm - 100.0).abs() < 1.0, "0.36 s an hour are 100 ppm: {ppm}");
    assert_eq!(rig.operate(|o| o.manual_list()).expect("list").samples.len(), 3);
    assert_eq!(rig.operate(|o| o.change(&Change::ManualDelete(7))), Status::BadSample);
    // A wrong one, far off: without it the clock follows the others, and of one alone there is nothing to follow.
    rig.run_until(10_800.0);
    let wrong = truth(&rig, 60.0);
    rig.operate(|o| o.set_time(wrong.into())).expect("enabled");
    let list = rig.operate(|o| o.manual_list()).expect("list");
    assert!(list.samples[2].slewed_offset.0.abs() > 20.0, "{list:?}");
    assert_eq!(rig.operate(|o| o.change(&Change::ManualDelete(3))), Status::Success);
    let list = rig.operate(|o| o.manual_list()).expect("list");
    let errors: Vec<f64> = list.samples.iter().map(|sample| sample.slewed_offset.0.abs()).collect();
    assert!(errors.len() == 3 && errors.iter().all(|error| *error < 0.05), "{list:?}");
    for left in [2, 1, 0] {
        assert_eq!(rig.operate(|o| o.change(&Change::ManualDelete(0))), Status::Success, "{left}");
        assert!(rig.log.last().is_some_and(|line| line.text.contains("Making a slew of")), "{:?}", rig.log);
    }
    assert_eq!(rig.operate(|o| o.change(&Change::ManualDelete(0))), Status::BadSample);
    rig.operate(|o| o.change(&Change::Manual(Manual::Off)));
    assert!(rig.operate(|o| o.set_time(first.into())).is_err());
}

#[test]
fn the_mean_frequency_comes_back_when_all_sources_are_lost() {
    let mut config = with_server(&["fallbackdrift 10 11"]);
    config.sources[0].maxpoll = 6;
    // The server's clock gains 20 ppm: so does ours behind it.
    let mut rig = Rig::new(&config, start(), 0.0, |_, at| {
        (at < 5000.0).then(|| Answer { offset: 20e-6 * at, ..Answer::default() })
    });
    rig.run_until(5900.0);
    assert_eq!(rig.said("Fallback drift"), 0, "{:?}", rig.log);
    rig.run_until(8000.0);
    assert_eq!(rig.said("Fallback drift"), 2, "after 1024 s and after 2048 s: {:?}", rig.log);
    let ppm = rig.engine.frequency() * 1e6;
    assert!((ppm - 20.0).abs() < 2.0, "{ppm}");
    assert!(rig.served().is_none(), "not synchronised");
}

#[test]
fn a_known_effect_of_the_temperature_is_taken_away_at_once() {
    let config = with_server(&["tempcomp /sensor 10 20.0 0.0 1.0 0.0", "log tempcomp"]);
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
    rig.run_until(100.0);
    let before = rig.clock.frequency;
    rig.give(Input::Temperature(23.0));
    assert!((rig.clock.frequency - before - 3e-6).abs() < 1e-12, "three degrees, one ppm each");
    rig.give(Input::Temperature(40.0));
    assert_eq!(rig.said("exceeds allowed maximum"), 1, "20 ppm are too much");
    assert!((rig.clock.frequency - before - 3e-6).abs() < 1e-12);
    let lines: Vec<_> = rig.records.iter().map(Record::line).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].ends_with("  2.3000e+01  3.0000e+00"), "{lines:?}");
}

#[test]
fn five_exchanges_make_one_sample() {
    let mut config = with_server(&[]);
    (config.sources[0].filter, config.sources[0].iburst) = (5, false);
    (config.sources[0].minpoll, config.sources[0].maxpoll) = (2, 2);
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
    rig.run_until(99.0);
    let (good, samples) = rig.operate(|o| {
        let data = o.source_data(0).expect("a source");
        (o.ntp_data(&data.address).expect("data").good_rx, o.source_stats(0).expect("stats").samples)
    });
    assert!((20..=26).contains(&good), "{good}");
    assert!((4..=5).contains(&samples), "{samples} of {good}");
}

#[test]
fn what_is_broadcast_waits_until_the_time_is_known_and_mail_is_sent_on_change() {
    let config = with_server(&["broadcast 16 192.0.2.255", "mailonchange root 0.5", "allow"]);
    let mut rig = Rig::new(&config, start(), 1.0, |_, at| (at > 100.0).then(Answer::default));
    rig.run_until(90.0);
    assert_eq!(rig.others.len(), 0, "{:?}", rig.others);
    rig.run_until(400.0);
    let told: Vec<_> = rig.others.iter().filter(|a| matches!(a, Action::Broadcast { poll: 4, .. })).collect();
    assert!(told.len() > 5, "{:?}", rig.others);
    let mails: Vec<_> =
        rig.others.iter().filter(|a| matches!(a, Action::Mail(offset) if *offset < -0.9)).collect();
    assert_eq!(mails.len(), 1, "{:?}", rig.others);
}

/// A simulated device: 1.25 s ahead, gaining 40 ppm, and it can be set.
#[test]
fn the_real_time_clock_is_followed_kept_and_set() {
    let config = with_server(&["rtcfile /rtc", "rtcautotrim 3", "log rtc"]);
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
    // What it showed at a true time, ns since the start, and how much it gains.
    let (mut base, gain) = ((0_i64, 1_250_000_000_i64), 40e-6);
    let mut saved = 0;
    for _ in 0..40_000 {
        let due = rig.time() + 5.0;
        rig.run_until(due);
        for action in std::mem::take(&mut rig.others) {
            match action {
                Action::LookAtRtc => {
                    // When it shows its next second.
                    let shows = |v: i64| base.1 + (v - base.0) + ((v - base.0) as f64 * gain) as i64;
                    let next = shows(rig.clock.v).div_euclid(NANOS) + 1;
                    let wait = ((next * NANOS - shows(rig.clock.v)) as f64 / (1.0 + gain)) as i64;
                    rig.run_until((rig.clock.v + wait) as f64 * 1e-9);
                    let at = rig.clock.now().raw;
                    rig.give(Input::Rtc { shown: START / NANOS + next, at });
                }
                Action::SetRtc(second) => base = (rig.clock.v, second * NANOS - START),
                Action::SaveRtc => saved += 1,
                _ => {}
            }
        }
        if rig.time() > 60_000.0 {
            break;
        }
        if (20_000.0..20_005.0).contains(&rig.time()) {
            let data = rig.operate(|o| o.rtc_data()).expect("followed");
            assert!((data.gain.ppm() - 40.0).abs() < 0.1 && data.samples > 8, "{data:?}");
            assert!((data.fast_by.0 - 1.25 - 40e-6 * rig.time()).abs() < 1e-3, "{data:?}");
            assert_eq!(rig.operate(|o| o.change(&Change::WriteRtc)), Status::Success);
            assert!(
                rig.engine.rtc_text().expect("known").starts_with("1 17100"),
                "{:?}",
                rig.engine.rtc_text()
            );
        }
    }
    assert_eq!(saved, 1);
    assert_eq!(rig.said("Real-time clock is 3.0"), 1, "it gains 3 s in 43 750 s: {:?}", rig.log);
    let data = rig.operate(|o| o.rtc_data()).expect("followed");
    assert!(data.fast_by.0.abs() < 1.0, "{data:?}");
    assert!(rig.records.iter().filter(|r| matches!(r, Record::Rtc(_))).count() > 50);
    assert_eq!(rig.operate(|o| o.change(&Change::TrimRtc)), Status::Success);
    let mut without = Rig::new(&with_server(&[]), start(), 0.0, |_, _| None);
    assert_eq!(without.operate(|o| o.change(&Change::TrimRtc)), Status::NoRtc);
    assert!(without.operate(|o| o.rtc_data()).is_none());
}

#[test]
fn the_first_look_steps_or_slews_and_then_the_sources_begin() {
    let look = |threshold: &str, error: f64| {
        let line = format!("initstepslew {threshold} 192.0.2.7 192.0.2.8");
        let mut rig = Rig::new(&with_server(&[&line]), start(), error, |_, _| Some(Answer::default()));
        rig.run_until(60.0);
        rig
    };
    let stepped = look("0.5", 2.0);
    assert_eq!(stepped.said("System's initial offset : 2.00000"), 1, "{:?}", stepped.log);
    assert_eq!((stepped.said("fast of true (step)"), stepped.clock.steps.len()), (1, 1), "{:?}", stepped.log);
    let first_of = |rig: &Rig, host: &str| {
        let host: std::net::IpAddr = host.parse().expect("an address");
        rig.sent.iter().find(|(_, to)| *to == host).map(|(at, _)| *at)
    };
    let (hosts, sources) = (first_of(&stepped, "192.0.2.7"), first_of(&stepped, "192.0.2.1"));
    assert!(hosts.expect("asked") < 1.0 && sources.expect("asked") > 3.0, "{hosts:?} {sources:?}");
    let mut last = stepped
        .sent
        .iter()
        .filter(|(_, to)| *to != "192.0.2.1".parse::<std::net::IpAddr>().expect("an address"));
    assert!(last.next_back().expect("some").0 < 20.0, "the hosts are asked no longer");
    let slewed = look("5", -2.0);
    assert_eq!((slewed.said("slow of true (slew)"), slewed.clock.steps.len()), (1, 0), "{:?}", slewed.log);
    let mut silent = Rig::new(&with_server(&["initstepslew 1 192.0.2.7"]), start(), 0.0, |to, _| {
        (to == "192.0.2.1".parse::<std::net::IpAddr>().expect("an address")).then(Answer::default)
    });
    silent.run_until(60.0);
    assert_eq!(silent.said("No suitable source for initstepslew"), 1, "{:?}", silent.log);
    assert!(silent.served().is_some(), "and life goes on");
}

/// Extension field F323: asked for, told, and used.
#[test]
fn root_delay_and_dispersion_in_nanoseconds() {
    use ntp::server::{
        AccessTable, Datagram, ReplyBuf, Responder, ServeConfig, ServerState, SyncedState, Template, Verdict,
    };
    use ntp::wire::root::{self, Root};
    let mut config = with_server(&[]);
    config.sources[0].ext_fields = 1;
    let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
    let told = Root { delay: 1.5e-6, dispersion: 2.5e-6, ..Root::default() };
    rig.tail = told.emit().to_vec();
    rig.run_until(60.0);
    let error = rig.operate(|o| o.source_data(0)).expect("a source").error.0;
    let (_, bound) = rig.served().expect("an answer of 76 bytes is one");
    assert!(bound < 0.0055 && error < 0.0055, "{bound} {error}");
    // With 10A behind it; a server answers both, the first alone, or none.
    config.sources[0].ext_fields = 3;
    let told = Root { dispersion: 0.05, ..Root::default() };
    for tail in [&[&told.emit()[..], &[1, 0x0A, 0, 28], &[0; 24]].concat()[..], &told.emit(), &[]] {
        let mut rig = Rig::new(&config, start(), 0.0, |_, _| Some(Answer::default()));
        rig.tail = tail.to_vec();
        rig.run_until(60.0);
        let (_, bound) = rig.served().expect("each of them is an answer");
        assert_eq!(bound > 0.05, !tail.is_empty(), "{bound} {}", tail.len());
    }
    // The other side.
    let access = AccessTable::new(&[ntp::config::AccessRule { allow: true, all: false, subnet: None }]);
    let serve = ServeConfig { access, epoch: 77, ..ServeConfig::default() };
    let mut responder = Responder::new(std::sync::Arc::new(serve), ntp::rng::Rng::from_number(1));
    let at = ntp::time::RawTime::from_nanos(START);
    let state = ServerState::synchronised(&SyncedState {
        leap: Leap::None,
        stratum: 1,
        refid: RefId::from_text("GPS"),
        reference: ntp::time::LocalTime::from_nanos(START),
        root_delay: 1e-6,
        root_dispersion: 3e-6,
        dispersion_rate: 0.0,
        at,
        precision: -25,
        cooking: ntp::clock::Cooking::default(),
    });
    let template = Template::new(&state, at);
    let mut request = vec![0; 48];
    (request[0], request[47]) = (0x23, 1);
    request.extend(Root::default().emit());
    let mut ask = |request: &[u8]| {
        let rx = ntp::engine::Stamp { time: at, source: ntp::engine::StampSource::Kernel };
        let from = "192.0.2.9:5000".parse().expect("an address");
        let mut room = ReplyBuf::default();
        match responder.respond(&Datagram { from, to: None, rx, bytes: request }, &template, || at, &mut room)
        {
            Verdict::Reply(reply) => reply.to_vec(),
            Verdict::Drop(reject) => panic!("{reject:?}"),
        }
    };
    let reply = ask(&request);
    assert_eq!(reply.len(), 76);
    let root = Root::parse(&reply[52..]).expect("the field");
    assert!((root.dispersion - 3e-6).abs() < 1e-8 && root.epoch == 77, "{root:?}");
    assert_eq!(ask(&request[..48]).len(), 48, "not asked for");
    request[52] ^= 1;
    assert_eq!(ask(&request).len(), 48, "without the magic number it is another field");
    assert_eq!(root::LEN, 28);
}
