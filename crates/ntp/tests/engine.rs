//! The engine against servers that are functions: what a step, a silence, a failure or a lie does to it.

#[allow(dead_code)] // other tests use the rest of it
mod rig;

use ntp::engine::Start;
use ntp::wire::Leap;
use rig::{Answer, Rig, config, server};

const START: Start = Start {
    drift: None,
    once: ntp::engine::Once::No,
    reload: false,
    steers: true,
    family: ntp::config::Family::Any,
    serving_threads: 0,
};

/// Four servers at 192.0.2.1 and on.
fn four() -> ntp::config::Config {
    config(&[1, 2, 3, 4].map(|i| server(&format!("192.0.2.{i}"))))
}

#[test]
fn served_time_is_right_at_once_after_a_step() {
    for error in [-100.0, 100.0, -3600.0] {
        let mut config = four();
        config.clock.makestep = Some((1.0, 3));
        let mut rig = Rig::new(&config, START, error, |_, _| Some(Answer::default()));
        let mut served = 0;
        for tick in 0..20_000 {
            rig.run_until(f64::from(tick) * 1e-3);
            if let Some((wrong, distance)) = rig.served() {
                served += 1;
                assert!(
                    wrong.abs() <= distance,
                    "{error}: {wrong} s at {} s, claimed {distance}",
                    rig.time()
                );
                let status = rig.clock.status.expect("the kernel was told");
                assert!(status.est_error < 0.1 && status.max_error < 1.0, "{error}: {status:?}");
                assert!(distance < 0.05, "{error}: the step has made the clock {distance} s uncertain");
            }
        }
        assert!(served > 10_000 && rig.clock.steps.len() == 1);
        // Stamps from before the step are refused, those after it are not.
        let raw = rig.clock.now().raw;
        assert!(rig.engine.server_state().earliest <= raw, "{error}: nobody is served");
    }
}

/// Requests on their way while the clock is stepped back: their stamps are of two different clocks.
#[test]
fn a_step_does_not_spoil_exchanges_under_way() {
    for error in [50.0, -50.0, 2.0, -2.0] {
        let mut config = four();
        config.clock.makestep = Some((1.0, 3));
        config.sources.push(ntp::config::SourceConfig { noselect: true, ..server("192.0.2.5") });
        let slow = |address: std::net::IpAddr, _| {
            let far = if address == std::net::IpAddr::from([192, 0, 2, 5]) { 0.95 } else { 0.005 };
            Some(Answer { there: far, back: far, ..Answer::default() })
        };
        let mut rig = Rig::new(&config, START, error, slow);
        rig.run_until(60.0);
        assert_eq!(rig.clock.steps.len(), 1, "{error}");
        let far = rig.engine.source_stats(rig.clock.now(), 4).expect("the slow one");
        assert!(far.offset.0.abs() < 1e-3 && far.samples >= 4, "{error}: {far:?}");
        assert!(rig.served().is_some_and(|(wrong, _)| wrong.abs() < 1e-4), "{error}: {:?}", rig.served());
    }
}

/// The datagram that wakes the loop was stamped after somebody stepped the clock and before that was noticed.
#[test]
fn a_stamp_from_before_a_foreign_step_was_noticed_is_not_used() {
    for offset in [-2_000_000_000, 2_000_000_000] {
        let mut config = four();
        config.sources.iter_mut().for_each(|source| source.max_delay_dev_ratio = 0.0);
        let far = |_, _| Some(Answer { there: 0.1, back: 0.1, ..Answer::default() });
        let mut rig = Rig::new(&config, START, 0.0, far);
        rig.run_until(100.0);
        let sent = rig.sent.len();
        while rig.sent.len() == sent {
            rig.run_until(rig.time() + 0.05);
        }
        rig.clock.shift(offset);
        rig.run_until_noticed(0.25, offset as f64 * 1e-9);
        for index in 0..4 {
            let stats = rig.engine.source_data(rig.clock.now(), index).expect("a source");
            assert!(stats.measured_offset.0.abs() < 0.1, "{offset} {index}: {stats:?}");
        }
    }
}

#[test]
fn no_socket_is_left_open_when_sending_fails() {
    let mut source = server("192.0.2.1");
    source.iburst = false;
    let mut rig = Rig::new(&config(&[source]), START, 0.0, |_, _| Some(Answer::default()));
    rig.unreachable = true;
    rig.run_until(5000.0);
    assert!(rig.sockets.is_empty(), "{} sockets are open", rig.sockets.len());
}

#[test]
fn auto_offline_ends_a_burst_too() {
    let source = ntp::config::SourceConfig { auto_offline: true, ..server("192.0.2.1") };
    let mut rig = Rig::new(&config(&[source]), START, 0.0, |_, _| Some(Answer::default()));
    rig.unreachable = true;
    rig.run_until(10.0);
    assert_eq!(rig.engine.activity().offline, 1, "{:?}", rig.engine.activity());
}

/// The kiss code RATE: five intervals of silence, once; none of an offline source's burst is left.
#[test]
fn rate_is_obeyed() {
    let mut rig = Rig::new(&config(&[server("192.0.2.1")]), START, 0.0, |_, at| {
        Some(if at < 1.0 { rig::rate() } else { Answer::default() })
    });
    rig.run_until(1000.0);
    let gaps: Vec<f64> = rig.sent.windows(2).map(|w| w[1].0 - w[0].0).collect();
    assert!((315.0..325.0).contains(&gaps[0]) && (63.0..65.0).contains(&gaps[1]), "{gaps:?}");
    assert_eq!(rig.said("Received KoD RATE from 192.0.2.1"), 1);

    let offline = ntp::config::SourceConfig { online: false, iburst: false, ..server("192.0.2.1") };
    let mut rig = Rig::new(&config(&[offline]), START, 0.0, |_, _| Some(rig::rate()));
    rig.burst(4, 4);
    rig.run_until(1000.0);
    assert_eq!((rig.sent.len(), rig.engine.activity().offline), (1, 1));
}

/// What `ntpdata` and `selectdata` tell of a server that is heard and cannot be used: tests A to D are not applied.
#[test]
fn an_unfit_server_is_reported_as_such() {
    let deny = || Answer { refid: ntp::ids::RefId::from_text("DENY"), ..rig::rate() };
    let far = || Answer { root_dispersion: 16.5, ..Answer::default() };
    for (answer, flags) in [(rig::rate(), 0b11_1101_0000), (deny(), 0b11_1101_0000), (far(), 0b11_1110_0000)]
    {
        let mut rig = Rig::new(&config(&[server("192.0.2.1")]), START, 0.0, move |_, _| Some(answer));
        rig.run_until(20.0);
        let data = rig.engine.ntp_data(0).expect("the source");
        assert_eq!((data.flags.0, data.ref_id, data.stratum), (flags, answer.refid, answer.stratum));
        assert!(data.valid_rx >= 1 && data.good_rx == 0, "{data:?}");
        let selected = rig.engine.select_data(rig.clock.now(), 0).expect("the source");
        assert_eq!(selected.state.0, b's', "{answer:?}");
        assert_eq!(selected.leap, Leap::Unsynchronised.into(), "{answer:?}");
    }
    let mut rig = Rig::new(&config(&[server("192.0.2.1")]), START, 0.0, |_, _| None);
    rig.run_until(1.0);
    assert_eq!(rig.engine.select_data(rig.clock.now(), 0).expect("the source").state.0, b'M');
}

/// A server that was good and says now that it is not, or that we ask too often, has still measured well before.
#[test]
fn good_samples_outlive_a_bad_answer() {
    let unsynchronised = || Answer { leap: Leap::Unsynchronised, ..Answer::default() };
    let far = || Answer { root_dispersion: 16.5, ..Answer::default() };
    for bad in [rig::rate(), unsynchronised(), far()] {
        let mut rig = Rig::new(&config(&[server("192.0.2.1")]), START, 0.0, move |_, at| {
            Some(if at > 100.0 { bad } else { Answer { leap: Leap::Insert, ..Answer::default() } })
        });
        rig.run_until(100.0);
        let sent = rig.sent.len();
        while rig.sent.len() == sent {
            rig.run_until(rig.time() + 1.0);
        }
        rig.run_until(rig.time() + 1.0);
        let data = rig.engine.select_data(rig.clock.now(), 0).expect("the source");
        assert_eq!((data.state.0, data.leap), (b'*', Leap::Insert.into()), "{bad:?}");
    }
}

/// All servers fall silent, or are taken offline: nobody is selected any more, and what was learned ages.
#[test]
fn sources_that_are_not_heard_are_not_selected() {
    use ntp::control::{Backend, Change, actions::SourceFilter};
    let silent_from =
        |limit: f64| Rig::new(&four(), START, 0.0, move |_, at| (at < limit).then(Answer::default));
    let marks = |rig: &Rig| -> String {
        let letter = |i| rig.engine.select_data(rig.clock.now(), i).expect("a source").state.0;
        (0..4).map(|i| char::from(letter(i))).collect()
    };
    let reach = |rig: &Rig| -> u16 {
        (0..4).map(|i| rig.engine.source_data(rig.clock.now(), i).expect("a source").reach.0).sum()
    };

    let mut rig = silent_from(1000.0);
    rig.run_until(1000.0);
    assert!(marks(&rig).contains('*') && reach(&rig) > 0);
    rig.run_until(12_000.0);
    assert_eq!((marks(&rig).as_str(), reach(&rig)), ("SSSS", 0));
    assert_eq!(rig.said("Can't synchronise: no selectable sources"), 1);
    assert!(rig.served().is_some(), "the time is still served, with a growing bound");

    let mut rig = silent_from(1e9);
    rig.run_until(1000.0);
    let all = SourceFilter::ALL;
    rig.operate(|operator| operator.change(&Change::Offline(all)));
    assert_eq!((marks(&rig).as_str(), reach(&rig)), ("SSSS", 0));
    // A burst is heard while it lasts.
    rig.burst(2, 4);
    rig.run_until(1001.5);
    assert!(marks(&rig).contains('*'), "{}", marks(&rig));
    rig.run_until(1020.0);
    assert_eq!((marks(&rig).as_str(), reach(&rig)), ("SSSS", 0));
    rig.operate(|operator| operator.change(&Change::Online(all)));
    rig.run_until(1040.0);
    assert!(marks(&rig).contains('*'));
}

/// A request of 48 bytes has an answer of 48 bytes: nothing else was asked for, and the rest cannot be verified.
#[test]
fn an_answer_longer_than_the_request_is_none() {
    for tail in [
        &[0; 4][..],
        &[0; 20],
        &[0, 0, 0, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        &[7; 28],
        &[1; 4000],
    ] {
        let mut rig = Rig::new(&config(&[server("192.0.2.1")]), START, 0.0, |_, _| Some(Answer::default()));
        rig.tail = tail.to_vec();
        rig.run_until(20.0);
        let data = rig.engine.ntp_data(0).expect("the source");
        assert!(data.total_rx > 0 && data.valid_rx == 0, "{} bytes more: {data:?}", tail.len());
    }
}

/// `presend`: the extra exchange comes two seconds before, and silence is counted once a poll.
#[test]
fn presend_warms_up_and_is_no_poll() {
    let source = |reach| {
        let source = ntp::config::SourceConfig { presend: 6, iburst: false, ..server("192.0.2.1") };
        let mut rig =
            Rig::new(&config(&[source]), START, 0.0, move |_, at| (at < reach).then_some(Answer::default()));
        rig.run_until(1400.0);
        rig
    };
    let rig = source(1e9);
    let gaps: Vec<f64> = rig.sent.windows(2).map(|w| w[1].0 - w[0].0).collect();
    for pair in gaps.chunks_exact(2).take(6) {
        assert!((1.99..2.01).contains(&pair[0]) && (61.0..63.0).contains(&pair[1]), "{gaps:?}");
    }
    let silent = source(0.0);
    // Polls at 64 s until four misses beyond the first have made it 128 s.
    let polls: Vec<f64> = silent.sent.iter().skip(1).step_by(2).map(|(at, _)| *at).collect();
    let early = polls.windows(2).take_while(|w| w[1] - w[0] < 70.0).count();
    assert_eq!(early, 5, "{polls:?}");
}

/// A path longer than the poll interval: the next request must not close the socket before the answer comes.
#[test]
fn polling_is_never_faster_than_the_path() {
    let source = ntp::config::SourceConfig { minpoll: -7, maxpoll: -7, ..server("192.0.2.1") };
    let mut rig = Rig::new(&config(&[source]), START, 0.0, |_, _| {
        Some(Answer { there: 0.0046, back: 0.0046, ..Answer::default() })
    });
    rig.run_until(20.0);
    let data = rig.engine.source_data(rig.clock.now(), 0).expect("the source");
    assert_eq!(data.reach.0 | 1, 0o377, "{data:?}");
    let rate = rig.sent.iter().filter(|(at, _)| *at > 10.0).count();
    assert!((200..=700).contains(&rate), "{rate} requests in ten seconds");
}

/// Many sources that want more requests than may be sent: all get their turn.
#[test]
fn no_source_starves() {
    let sources: Vec<_> = (0..100)
        .map(|i| ntp::config::SourceConfig {
            minpoll: 3,
            maxpoll: 3,
            iburst: false,
            ..server(&format!("192.0.2.{i}"))
        })
        .collect();
    let mut rig = Rig::new(&config(&sources), START, 0.0, |_, _| Some(Answer::default()));
    rig.run_until(400.0);
    let counts: Vec<usize> = (0..100u8)
        .map(|i| rig.sent.iter().filter(|(_, a)| *a == std::net::IpAddr::from([192, 0, 2, i])).count())
        .collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    assert!(most.zip(least).is_some_and(|(most, least)| *most <= least + 2), "{counts:?}");
    assert!(rig.timeouts < 20_000, "{} timeouts", rig.timeouts);
}

fn letters(rig: &Rig) -> String {
    let now = rig.clock.now();
    (0..).map_while(|i| rig.engine.source_data(now, i)).map(|data| data.state.mark()).collect()
}

#[test]
fn the_others_keep_their_marks_when_a_source_is_deleted() {
    use ntp::control::{Backend, Change};
    let mut rig = Rig::new(&four(), START, 0.0, |_, _| Some(Answer::default()));
    rig.run_until(600.0);
    let gone = Change::DeleteSource(std::net::IpAddr::from([192, 0, 2, 1]).into());
    rig.operate(|operator| operator.change(&gone));
    let marks = letters(&rig);
    assert!(marks.len() == 3 && marks.chars().all(|mark| "*+".contains(mark)), "{marks}");
}

/// Two against two: clients and the kernel are told at once that nobody knows the time.
#[test]
fn without_a_majority_the_kernel_is_told_too() {
    let mut rig = Rig::new(&four(), START, 0.0, |address, at| {
        let std::net::IpAddr::V4(v4) = address else { return None };
        let liar = v4.octets()[3] > 2 && at > 700.0;
        Some(Answer { offset: if liar { 5.0 } else { 0.0 }, ..Answer::default() })
    });
    rig.run_until(600.0);
    assert!(rig.clock.status.is_some_and(|status| status.synchronised) && rig.served().is_some());
    rig.run_until(6000.0);
    assert_eq!(rig.served(), None);
    assert!(rig.clock.status.is_some_and(|status| !status.synchronised), "{:?}", rig.clock.status);
    assert!(rig.said("Can't synchronise: no majority") >= 1);
}

/// When all servers are silent the clock goes on alone, until it may be further off than `maxdistance`: then it says so, once.
#[test]
fn whoever_was_alone_for_too_long_says_so() {
    let mut config = four();
    config.selection.max_distance = 0.05;
    let (lost, back) = (6_000.0, 90_000.0);
    let mut rig = Rig::new(&config, START, 0.0, move |_, at| (at < lost || at > back).then(Answer::default));
    rig.run_until(lost);
    assert!(rig.served().is_some());
    let mut alone = lost;
    while rig.served().is_some() && alone < back {
        alone += 60.0;
        rig.run_until(alone);
    }
    // A millionth of the time is the least that is doubted.
    assert!((lost + 3_600.0..lost + 0.05e6).contains(&alone), "{alone}");
    assert!(rig.clock.status.is_some_and(|status| !status.synchronised), "{:?}", rig.clock.status);
    rig.run_until(back);
    assert_eq!(rig.said("Root distance exceeds maxdistance of 0.05 seconds, no longer synchronised"), 1);
    rig.run_until(back + 3_000.0);
    assert!(rig.served().is_some() && rig.clock.status.is_some_and(|status| status.synchronised));
}

/// A clock that may not be stepped is slewed, and that is said once.
#[test]
fn a_clock_that_refuses_steps_is_slewed() {
    let mut config = four();
    config.clock.makestep = Some((0.1, -1));
    let mut rig = Rig::new(&config, START, 5.0, |_, _| Some(Answer::default()));
    rig.clock.refuses_steps = Some(ntp::clock::ClockError::Unsupported);
    rig.run_until(600.0);
    assert_eq!(rig.said("Could not step"), 1);
    assert!(rig.engine.pending(rig.clock.now()).abs() < 1e-3, "{}", rig.engine.pending(rig.clock.now()));
}

/// Without the right to steer: said once, and the clock is not asked more often than there are measurements.
#[test]
fn a_clock_that_refuses_everything_is_left_in_peace() {
    let mut config = four();
    config.clock.makestep = Some((0.1, -1));
    let mut rig = Rig::new(&config, START, 5.0, |_, _| Some(Answer::default()));
    rig.clock.refuses = Some(ntp::clock::ClockError::NotPermitted);
    rig.run_until(20_000.0);
    assert!(rig.said("Could not") <= 3, "{:?}", rig.log);
    assert!(
        rig.clock.calls < 3 * rig.sent.len() as u64,
        "{} calls, {} requests",
        rig.clock.calls,
        rig.sent.len()
    );
}

/// `maxchange 0.5 1 2`: two polls with an offset too large are ignored, however many sources see it.
#[test]
fn maxchange_counts_updates_of_the_source_followed() {
    let mut config = four();
    config.clock.maxchange = Some((0.5, 1, 2));
    let mut rig = Rig::new(&config, START, 0.0, |_, at| {
        Some(Answer { offset: if at > 600.0 { 1.0 } else { 0.0 }, ..Answer::default() })
    });
    rig.run_until(20_000.0);
    assert_eq!(rig.exit, Some(1));
    let ignored = rig.said("(ignored)");
    assert!(ignored >= 2, "{ignored} updates were ignored, with four sources");
    let followed = rig.log.iter().rev().find_map(|line| line.text.strip_prefix("Selected source ")).unwrap();
    let polls = rig.sent.iter().filter(|(at, a)| *at > 600.0 && a.to_string() == followed).count();
    assert!(polls >= 3, "gave up after {polls} polls");
}

/// `-Q` without an answer leaves the drift file alone.
#[test]
fn looking_once_in_vain_saves_nothing() {
    let mut config = four();
    config.clock.drift_file = Some("drift".into());
    let start = Start { once: ntp::engine::Once::Print, ..START };
    let mut rig = Rig::new(&config, start, 0.0, |_, _| None);
    rig.run_until(60.0);
    assert_eq!((rig.exit, rig.said("No suitable source")), (Some(1), 1));
    rig.shutdown();
    assert_eq!(rig.drift, None);
}

fn pool(name: &str) -> ntp::config::SourceConfig {
    let pool = ntp::config::SourceKind::Pool;
    ntp::config::SourceConfig { iburst: true, ..ntp::config::SourceConfig::new(pool, name) }
}

fn addresses(range: core::ops::Range<u8>) -> Vec<std::net::IpAddr> {
    range.map(|i| [192, 0, 2, i].into()).collect()
}

/// A name with fewer addresses than a pool wants is asked for more ever less often.
#[test]
fn a_small_pool_does_not_pester_the_resolver() {
    let mut rig = Rig::new(&config(&[pool("small.test")]), START, 0.0, |_, _| Some(Answer::default()));
    rig.names = vec![("small.test".into(), addresses(1..3))];
    rig.look_up();
    rig.run_until(86_400.0);
    assert!((8..40).contains(&rig.lookups.len()), "{} look-ups in a day", rig.lookups.len());
    assert!(rig.served().is_some());
}

/// A look-up that failed is no reason to replace a source that has recovered since.
#[test]
fn a_source_that_came_back_is_kept() {
    let mut rig = Rig::new(&config(&[server("host.test")]), START, 0.0, |_, at| {
        (!(200.0..=8000.0).contains(&at)).then_some(Answer::default())
    });
    rig.names = vec![("host.test".into(), addresses(1..2))];
    rig.look_up();
    rig.run_until(300.0);
    rig.names.clear();
    rig.run_until(12_000.0);
    rig.names = vec![("host.test".into(), addresses(5..6))];
    rig.run_until(40_000.0);
    assert_eq!(rig.said("replaced"), 0, "{:?}", rig.log);
}

/// After a while (`refresh`) the pool's name has other addresses: one source after the other is replaced, the rest keep the time.
#[test]
fn refreshing_keeps_most_of_a_pool() {
    let mut config = config(&[pool("pool.test")]);
    config.client.refresh = 86_400.0;
    let mut rig = Rig::new(&config, START, 0.0, |_, _| Some(Answer::default()));
    rig.names = vec![("pool.test".into(), addresses(1..9))];
    rig.look_up();
    rig.run_until(1_000.0);
    assert_eq!(letters(&rig).len(), 4);
    rig.names = vec![("pool.test".into(), addresses(101..109))];
    for hour in 23..32 {
        let before = rig.said("replaced");
        rig.run_until(f64::from(hour) * 3600.0);
        assert!(rig.said("replaced") - before <= 1, "at {hour} h");
    }
    assert_eq!(rig.said("replaced"), 4);
}

/// What a dump says is meant for the clock as it is left behind: what was not slewed yet is missing there.
#[test]
fn dumps_tell_of_the_clock_as_it_is_left() {
    let mut config = four();
    config.clock.max_slew_rate = 1e-6;
    let mut rig = Rig::new(&config, START, 0.3, |_, _| Some(Answer::default()));
    rig.run_until(3000.0);
    let pending = rig.engine.pending(rig.clock.now());
    assert!((pending + 0.3).abs() < 0.01, "{pending}");
    let before: Vec<_> = (0..4).filter_map(|i| rig.engine.source_stats(rig.clock.now(), i)).collect();
    rig.shutdown();
    let dumps = rig.engine.dumps();
    assert_eq!(dumps.len(), 4);
    let (now, drift) = (rig.clock.now(), (-rig.engine.frequency(), 1e-9));
    let start = Start { drift: Some(drift), ..START };
    let mut out = ntp::engine::Actions::new();
    let rng = ntp::rng::Rng::from_number(2);
    let mut restarted = ntp::engine::Engine::new(&config, start, rng, now, &mut rig.clock, &mut out);
    for (name, text) in &dumps {
        restarted.load_dump(now, name, text).expect("our own dump");
    }
    for (index, before) in before.iter().enumerate() {
        let after = restarted.source_stats(now, index).expect("a source");
        // Reports call an offset positive when our clock is ahead.
        assert!((after.offset.0 - (before.offset.0 - pending)).abs() < 1e-7, "{before:?} {after:?}");
        assert_eq!(after.samples, before.samples);
    }
}

mod leap {
    use super::*;
    use ntp::config::LeapMode;
    use ntp::wire::Leap;

    /// 2016-12-31 23:00:00, an hour before a leap second, seen from [`rig::START`].
    const EVE: f64 = 1_483_225_200.0 - 1_710_000_000.0;

    fn announce(mode: LeapMode, leap: Leap) -> Rig {
        let mut config = four();
        config.clock.leap_mode = mode;
        config.sources.iter_mut().for_each(|source| source.maxpoll = 6);
        let jump = if leap == Leap::Insert { -1.0 } else { 1.0 };
        let at = if leap == Leap::Insert { 3600.0 } else { 3599.0 };
        // The truth of this world has no leap seconds: the servers take it.
        Rig::new(&config, START, EVE, move |_, now| {
            let (offset, leap) = if now < at { (EVE, leap) } else { (EVE + jump, Leap::None) };
            Some(Answer { offset, leap, ..Answer::default() })
        })
    }

    #[test]
    fn a_leap_second_is_stepped_at_its_instant() {
        for (leap, at, step) in [(Leap::Insert, 3600.0, -1.0), (Leap::Delete, 3599.0, 1.0)] {
            let mut rig = announce(LeapMode::Step, leap);
            let error = |rig: &Rig| (rig.clock.raw() - rig::START - rig.clock.v) as f64 * 1e-9 - EVE;
            rig.run_until(3500.0);
            assert_eq!(rig.engine.server_state().leap, leap, "announced on the day");
            rig.run_until(at - 0.01);
            assert_eq!((rig.served(), rig.clock.steps.len()), (None, 0), "unsynchronised just before");
            rig.run_until(at + 0.01);
            assert!((error(&rig) - step).abs() < 1e-3, "{leap:?}: {} s off at once", error(&rig));
            rig.run_until(at + 1.9);
            assert_eq!(rig.served(), None, "and for two seconds after");
            rig.run_until(at + 4.0);
            assert!(rig.served().is_some_and(|(e, _)| (e - EVE - step).abs() < 1e-3), "{:?}", rig.served());
            rig.run_until(4500.0);
            assert!((error(&rig) - step).abs() < 1e-4 && rig.clock.steps.len() == 1);
            assert_eq!(rig.engine.server_state().leap, Leap::None);
        }
    }

    /// The day, the second itself, and afterwards: whoever asks us is told the same in every mode, whatever our own clock does.
    #[test]
    fn clients_are_told_the_same_whatever_our_clock_does() {
        for mode in [LeapMode::System, LeapMode::Step, LeapMode::Slew, LeapMode::Ignore] {
            for (leap, at, step) in [(Leap::Insert, 3600.0, -1.0), (Leap::Delete, 3599.0, 1.0)] {
                let mut rig = announce(mode, leap);
                rig.run_until(at - 100.0);
                let told = rig.engine.server_state().leap;
                assert_eq!(told, leap, "{mode:?} before");
                let armed = if mode == LeapMode::System { leap } else { Leap::None };
                assert_eq!(rig.clock.leap, armed, "{mode:?}: what the kernel is to do");
                rig.run_until(at - 0.1);
                assert_eq!(rig.served(), None, "{mode:?} {leap:?}: not in the second itself");
                if mode == LeapMode::System {
                    rig.run_until(at);
                    rig.clock.shift((step * 1e9) as i64); // the kernel's part, and who runs the engine sees it
                    rig.give(ntp::engine::Input::ExternalStep { offset: step });
                }
                rig.run_until(at + 1.5);
                assert_eq!(rig.served(), None, "{mode:?} {leap:?}: nor right after it");
                rig.run_until(at + 4.0);
                let (error, _) = rig.served().expect("served again");
                let off = error - EVE - step;
                assert!(off.abs() < 1e-3, "{mode:?} {leap:?}: served time is {off} s off");
                assert_eq!(rig.engine.server_state().leap, Leap::None, "{mode:?} {leap:?}: over");
                assert_eq!(rig.clock.leap, Leap::None, "{mode:?} {leap:?}: the kernel is to do it once");
                assert_eq!(rig.clock.steps.len(), usize::from(mode == LeapMode::Step), "{mode:?}");
                rig.run_until(at + 3000.0);
                let error = (rig.clock.raw() - rig::START - rig.clock.v) as f64 * 1e-9 - EVE - step;
                assert!(
                    error.abs() < 1e-3,
                    "{mode:?} {leap:?}: the clock itself is {error} s off in the end"
                );
            }
        }
    }

    /// Another program sets the clock that we only look at: a little before or after our own midnight.
    #[test]
    fn the_leap_second_of_another_program_is_no_jump() {
        for mode in [LeapMode::Slew, LeapMode::Ignore] {
            for (leap, at, step) in [(Leap::Insert, 3600.0, -1.0), (Leap::Delete, 3599.0, 1.0)] {
                for early in [0.02, -0.02, -1.2] {
                    let mut rig = announce(mode, leap);
                    rig.run_until(at - early);
                    rig.clock.shift((step * 1e9) as i64);
                    rig.give(ntp::engine::Input::ExternalStep { offset: step });
                    let said = (rig.said("time jump"), rig.said("after leap second by another program"));
                    assert_eq!(said, (0, 1), "{mode:?} {leap:?} {early}: {:?}", rig.log);
                    for later in [4.0, 10.0, 100.0, 1000.0] {
                        rig.run_until(at + later);
                        let (error, _) = rig.served().expect("served all the time");
                        let off = error - EVE - step;
                        assert!(off.abs() < 1e-3, "{mode:?} {leap:?} {early}: served time is {off} s off");
                        let clock = (rig.clock.raw() - rig::START - rig.clock.v) as f64 * 1e-9 - EVE - step;
                        assert!(clock.abs() < 0.2, "{mode:?} {leap:?} {early}: our clock is {clock} s off");
                    }
                }
            }
        }
    }

    #[test]
    fn an_operator_is_not_taken_for_a_leap_second() {
        let mut rig = announce(LeapMode::System, Leap::Insert);
        rig.run_until(1000.0);
        assert_eq!(rig.clock.leap, Leap::Insert, "armed");
        rig.clock.shift(-1_000_000_000);
        rig.give(ntp::engine::Input::ExternalStep { offset: -1.0 });
        assert_eq!((rig.said("time jump"), rig.said("after leap second")), (1, 0));
    }

    #[test]
    fn a_clock_with_wrong_samples_around_the_leap_is_not_misled() {
        let mut rig = announce(LeapMode::Step, Leap::Insert);
        rig.run_until(3594.0);
        let before = rig.engine.source_stats(rig.clock.now(), 0).expect("a source").samples;
        rig.burst(1, 6);
        rig.run_until(3603.5);
        rig.burst(6, 6);
        rig.run_until(3604.7);
        let after = rig.engine.source_stats(rig.clock.now(), 0).expect("a source").samples;
        assert!(after <= before + 1, "{before} {after}");
    }

    /// Two answers of each before it, one after: nobody was followed when it came, and nothing was made of it then.
    #[test]
    fn a_leap_second_before_anybody_is_followed_bends_no_line() {
        for (leap, shift) in [(Leap::Insert, -1.0), (Leap::Delete, 1.0)] {
            let mut config = four();
            config.sources.iter_mut().for_each(|source| source.iburst = false);
            let mut answered = std::collections::BTreeMap::new();
            let mut rig = Rig::new(&config, START, EVE, move |server, now| {
                let before: &mut u32 = answered.entry(server).or_default();
                if now < 3595.0 {
                    *before += 1;
                    return (*before <= 2).then_some(Answer { offset: EVE, leap, ..Answer::default() });
                }
                (now > 3610.0).then_some(Answer { offset: EVE + shift, ..Answer::default() })
            });
            rig.run_until(3595.0);
            assert_eq!(rig.served(), None, "{leap:?}: nobody is followed yet");
            let mut served = 0;
            for second in 3600..5200 {
                rig.run_until(f64::from(second));
                if let Some((wrong, distance)) = rig.served() {
                    served += 1;
                    let wrong = wrong - EVE - shift;
                    assert!(wrong.abs() <= distance.min(0.01), "{leap:?} {second}: {wrong} s, {distance}");
                }
            }
            assert!(served > 1000, "{leap:?}: served for {served} s only");
        }
    }

    #[test]
    fn the_flag_is_cleared_at_exit() {
        let mut rig = announce(LeapMode::System, Leap::Insert);
        rig.run_until(1000.0);
        rig.shutdown();
        assert_eq!(rig.clock.leap, Leap::None);
    }
}

/// Whatever servers, operators and the network do: time goes on, nothing spins, nothing absurd reaches the clock.
#[test]
fn chaos_neither_spins_nor_stalls() {
    use ntp::rng::Rng;
    for seed in 0..2 {
        let mut config = config(&[1, 2, 3].map(|i| server(&format!("192.0.2.{i}"))));
        config.sources[1].minpoll = -1;
        config.sources[1].maxpoll = 3;
        config.sources[2].burst = true;
        config.sources[2].presend = 7;
        config.sources.push(pool("pool.test"));
        config.clock.makestep = Some((0.5, 3));
        let mut chance = Rng::from_number(seed);
        let answer = move |_, _| {
            let far = [0.0005, 0.005, 0.3, 3.0][chance.below(4)] * chance.uniform();
            let usual = Answer { there: far, back: far * 2.0 * chance.uniform(), ..Answer::default() };
            match chance.below(40) {
                0..4 => None,
                4 => Some(rig::rate()),
                5 => Some(Answer { stratum: 15, ..usual }),
                6 => Some(Answer { leap: ntp::wire::Leap::Unsynchronised, ..usual }),
                7 => Some(Answer { root_dispersion: 1e4, ..usual }),
                8 => Some(Answer { offset: 1e9 * (chance.uniform() - 0.5), ..usual }),
                9 => Some(Answer { there: -5.0, ..usual }),
                _ => Some(usual),
            }
        };
        let mut rig = Rig::new(&config, START, 0.02, answer);
        rig.names = vec![("pool.test".into(), addresses(20..30))];
        rig.look_up();
        let mut chance = Rng::from_number(seed + 1000);
        for hour in 1..=10 {
            let (before, sent) = (rig.timeouts, rig.sent.len());
            rig.run_until(f64::from(hour) * 3600.0);
            let requests = (rig.sent.len() - sent) as u64;
            let allowed = 4 * requests + 3600;
            assert!(rig.timeouts - before < allowed, "seed {seed}: {} in hour {hour}", rig.timeouts - before);
            assert!(requests > 10 && requests < 3600 * 20, "seed {seed}: {requests} requests in hour {hour}");
            assert!(rig.sockets.len() <= 20, "{} sockets", rig.sockets.len());
            match chance.below(5) {
                0 => {
                    let offset = (chance.uniform() - 0.5) * 100.0;
                    rig.clock.shift(ntp::time::seconds_to_nanos(offset));
                    rig.give(ntp::engine::Input::ExternalStep { offset });
                }
                1 => rig.burst(4, 8),
                2 => rig.unreachable ^= hour < 20,
                3 => rig.names[0].1.rotate_left(4),
                _ => {}
            }
            if hour == 8 {
                rig.unreachable = false;
            }
        }
        let root = rig.served().map(|(_, distance)| distance);
        assert!(root.is_none_or(|distance| distance.is_finite()), "{root:?}");
    }
}
