//! The engine against servers that are functions: what a step, a silence, a failure or a lie does to it.

mod rig;

use ntp::engine::Start;
use rig::{Answer, Rig, config, server};

const START: Start = Start {
    drift: None,
    once: ntp::engine::Once::No,
    reload: false,
    steers: true,
    family: ntp::config::Family::Any,
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

/// The one followed is left only for one that has been better for long by its own measurements.
#[test]
fn a_sample_of_one_source_is_no_news_of_another() {
    let mut config = four();
    config.sources[0].minpoll = 10;
    config.sources.truncate(3);
    let mut rig = Rig::new(&config, START, 0.0, |address, at| {
        // The first is asked rarely; it becomes the nearest after its first answers.
        let far = if address == std::net::IpAddr::from([192, 0, 2, 1]) { 0.001 } else { 0.010 };
        let far = if at < 3.0 { 0.012 } else { far };
        Some(Answer { there: far, back: far, ..Answer::default() })
    });
    rig.run_until(12.0);
    let first = rig.said("Selected source 192.0.2.1");
    rig.run_until(900.0);
    assert_eq!(rig.said("Selected source 192.0.2.1"), first, "it gave no sample since");
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
    let polls =
        rig.sent.iter().filter(|(at, a)| *at > 600.0 && *a == std::net::IpAddr::from([192, 0, 2, 1])).count();
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
        (at < 200.0 || at > 8000.0).then_some(Answer::default())
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
