//! What the engine says of its sources, and the JSON datagrams that carry it.

#[allow(dead_code)] // other tests use the rest of it
mod rig;

use ntp::control::json::{LONGEST, answer, is_request};
use ntp::engine::Start;
use ntp::report::json_read::Value;
use ntp::select::Status;
use ntp::why::Reason;
use proptest::prelude::*;
use rig::{Answer, Rig, config, server};

const START: Start = Start {
    drift: None,
    once: ntp::engine::Once::No,
    reload: false,
    steers: true,
    family: ntp::config::Family::Any,
    serving_threads: 0,
};

/// Servers 192.0.2.1 and on; the last octet of the address and the time tell what one answers.
fn rig(number: u8, reply: impl Fn(u8, f64) -> Option<Answer> + 'static) -> Rig {
    let sources: Vec<_> = (1..=number).map(|host| server(&format!("192.0.2.{host}"))).collect();
    Rig::new(&config(&sources), START, 0.0, move |address, at| {
        let std::net::IpAddr::V4(address) = address else { return None };
        reply(address.octets()[3], at)
    })
}

fn ask(rig: &Rig, request: &str) -> String {
    answer(&rig.engine, rig.clock.now(), request.as_bytes())
}

#[test]
fn a_liar_a_drifter_and_a_silent_one_are_told_apart() {
    let mut rig = rig(7, |host, at| match host {
        5 => Some(Answer { offset: 0.05, ..Answer::default() }),
        6 => Some(Answer { offset: 2e-6 * at, ..Answer::default() }),
        7 => None,
        _ => Some(Answer::default()),
    });
    rig.run_until(1500.0);
    let why = |index| rig.engine.why(rig.clock.now(), index).expect("a source");
    for index in 0..4 {
        let why = why(index);
        assert_eq!(why.reason, Reason::Good, "{}", why.text());
        let path = why.path.expect("it has samples");
        assert!((path.round_trip - 0.01).abs() < 1e-6 && path.wait_there < 1e-5, "{}", why.text());
        assert!(path.share.is_some_and(|share| (0.2..0.3).contains(&share)), "{}", why.text());
    }
    let liar = why(4);
    let Reason::Outside(interval) = liar.reason else { panic!("{}", liar.text()) };
    assert!((interval.offset - 0.05).abs() < 1e-3 && interval.distance < 0.01, "{interval:?}");
    assert!(-0.01 < interval.low && interval.low <= interval.high && interval.high < 0.01, "{interval:?}");
    let drifter = why(5);
    let Reason::Rate { faster, deviations } = drifter.reason else { panic!("{}", drifter.text()) };
    assert!((faster - 2e-6).abs() < 2e-7 && deviations > 5.0, "{}", drifter.text());
    let silent = why(6);
    assert!(matches!(silent.reason, Reason::Unheard { requests: 1.. }), "{}", silent.text());
    assert_eq!((silent.status, silent.state()), (Status::MissingSamples, "unreachable"));
    assert!(rig.engine.why(rig.clock.now(), 7).is_none());
}

#[test]
fn two_who_disagree_and_one_who_falls_silent_are_explained() {
    let mut pair = rig(2, |host, _| Some(Answer { offset: f64::from(host), ..Answer::default() }));
    pair.run_until(100.0);
    let why = pair.engine.why(pair.clock.now(), 0).expect("a source");
    assert_eq!(why.reason, Reason::NoMajority { agree: 1, voters: 2 }, "{}", why.text());

    let mut sources = [1, 2, 3, 4].map(|host| server(&format!("192.0.2.{host}")));
    sources[2].max_unreach = 4;
    let falls_silent = |address: std::net::IpAddr, at| {
        let silent = address > std::net::IpAddr::from([192, 0, 2, 2]) && at > 1000.0;
        (!silent).then(Answer::default)
    };
    let mut rig = Rig::new(&config(&sources), START, 0.0, falls_silent);
    rig.run_until(20_000.0);
    let why = |index| rig.engine.why(rig.clock.now(), index).expect("a source");
    assert!(why(3).text().contains("Nothing was heard from it for 5 h"), "{}", why(3).text());
    let why = why(2);
    let Reason::Silent { seconds } = why.reason else { panic!("{}", why.text()) };
    assert!((18_000.0..20_000.0).contains(&seconds) && why.state() == "unreachable", "{}", why.text());
}

#[test]
fn datagrams_are_json_and_come_page_by_page() {
    let mut rig = rig(200, |_, _| Some(Answer::default()));
    rig.run_until(400.0);
    assert!(is_request(b"{") && !is_request(b"\x06\x01") && !is_request(b""));
    let hello = Value::parse(&ask(&rig, r#"{"hello":1}"#)).expect("JSON");
    assert_eq!(hello.get("hello").and_then(Value::number), Some(1.0));
    let (mut from, mut pages, mut names) = (0.0, 0, Vec::new());
    loop {
        let text = ask(&rig, &format!(r#"{{"get":"why","from":{from}}}"#));
        assert!(text.len() <= LONGEST, "{} bytes", text.len());
        let page = Value::parse(&text).expect("JSON");
        assert_eq!(page.get("total").and_then(Value::number), Some(200.0));
        for source in page.get("sources").and_then(Value::list).expect("a list") {
            names.push(source.get("name").and_then(Value::text).expect("a name").to_owned());
            assert!(source.get("text").and_then(Value::text).is_some_and(|text| text.ends_with('.')));
        }
        pages += 1;
        match page.get("next").and_then(Value::number) {
            Some(next) => from = next,
            None => break,
        }
    }
    let expected: Vec<String> = (1..=200).map(|host| format!("192.0.2.{host}")).collect();
    assert!(names == expected && pages > 1, "{pages} pages, {} names", names.len());
    for request in ["{", "{}", r#"{"get":"what"}"#, r#"{"get":7}"#, "\u{7b}\u{0}"] {
        let reply = Value::parse(&ask(&rig, request)).expect("JSON");
        assert!(reply.get("error").and_then(Value::text).is_some(), "{request}");
    }
    let beyond = Value::parse(&ask(&rig, r#"{"get":"why","from":1e300}"#)).expect("JSON");
    assert_eq!(beyond.get("sources").and_then(Value::list), Some(&[][..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_datagram_gets_json(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in r#"\{"(get|hello|from)":["a-z0-9.e{}-]{0,20}\}"#) {
        let rig = rig(1, |_, _| None);
        for request in [&bytes[..], text.as_bytes()] {
            prop_assert!(Value::parse(&answer(&rig.engine, rig.clock.now(), request)).is_some());
        }
    }
}

#[test]
fn threads_tell_what_they_did() {
    let rig = rig(1, |_, _| None);
    let page = Value::parse(&ask(&rig, r#"{"get":"threads"}"#)).expect("JSON");
    let threads = page.get("threads").and_then(Value::list).expect("a list");
    assert_eq!(threads.len(), 1, "the main loop");
    for name in ["thread", "requests", "answered", "batches", "full_batches", "kernel_drops", "unsent"] {
        assert_eq!(threads[0].get(name).and_then(Value::number), Some(0.0), "{name}");
    }
    assert_eq!(threads[0].get("rejected"), Some(&Value::Object(Vec::new())));
}
