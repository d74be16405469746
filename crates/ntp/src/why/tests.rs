use super::*;

fn path() -> PathView {
    PathView {
        round_trip: 12.4e-3,
        wait_there: 0.3e-3,
        wait_back: 1.1e-3,
        reading: 20e-6,
        longer_there: Some((0.2e-3, 0.4e-3)),
        samples: 42,
        span: 48.0 * 60.0,
        age: 12.0,
        reachable: true,
        route: Some(RouteChange { ago: 37.0 * 60.0, longer: Some(3e-3) }),
        offset: (0.1e-3, 0.05e-3),
        share: Some(0.314),
    }
}

fn why(status: Status, reason: Reason) -> Why {
    let address = Some("192.0.2.7".parse().expect("an address"));
    Why { name: "time.example.org".to_owned(), address, status, reason, path: None }
}

#[test]
fn a_good_source_in_words_and_as_json() {
    let why = Why { path: Some(path()), ..why(Status::Combined, Reason::Good) };
    let text = "time.example.org: combined. Its packets need at least 12.4 ms; queues add 300 µs there, 1.1 ms back; \
                its way there seems 200 µs longer (±400 µs). 42 samples over 48 min; last route change 37 min ago \
                (+3.0 ms); it sets 31 % of the offset.";
    assert_eq!(why.text(), text);
    let json = why.json();
    let begin = r#"{"name":"time.example.org","address":"192.0.2.7","state":"combined","mark":"+","round_trip_s":0.0124,"#;
    assert!(json.starts_with(begin), "{json}");
    assert!(
        json.contains(r#""longer_there_s":0.0002,"longer_there_sd_s":0.0004,"#)
            && json.contains(r#""share":0.314"#)
    );
    assert!(json.ends_with(&format!(r#""samples":42,"text":"{text}"}}"#)), "{json}");
    let alone =
        Why { path: Some(PathView { longer_there: None, route: None, share: None, ..path() }), ..why };
    assert!(
        alone.text().ends_with("queues add 300 µs there, 1.1 ms back. 42 samples over 48 min."),
        "{}",
        alone.text()
    );
    let path = PathView { longer_there: Some((1e-9, 1e-3)), reachable: false, age: 7200.0, ..path() };
    let silent = Why { path: Some(path), ..alone.clone() };
    assert!(
        silent.text().contains("; neither way seems longer (±1.0 ms). 42 samples over 48 min, none for 2 h;")
    );
    assert!(alone.json().contains(r#""longer_there_s":null"#));
}

#[test]
fn every_reason_has_its_sentence_with_its_numbers() {
    let interval = Interval { offset: 50.1e-3, distance: 6.2e-3, low: -0.3e-3, high: 1.2e-3 };
    let cases = [
        (Status::NoSelect, Reason::NoSelect, "only watched. Its option noselect"),
        (Status::NoSelect, Reason::Authentication, "authselectmode excludes it"),
        (Status::MissingSamples, Reason::NoAddress, "not resolved. Its name has no address yet."),
        (Status::MissingSamples, Reason::Offline, "offline. It is not asked"),
        (
            Status::MissingSamples,
            Reason::Unheard { requests: 1 },
            "unreachable. 1 request and no usable answer so far.",
        ),
        (Status::MissingSamples, Reason::Unheard { requests: 9 }, "9 requests and no usable answer so far."),
        (
            Status::MissingSamples,
            Reason::FewSamples { have: 2, need: 3 },
            "waiting for samples. It has 2 of the 3",
        ),
        (Status::Unsynchronised, Reason::ServerUnsynchronised, "unsynchronised. It says itself"),
        (
            Status::BadStratum,
            Reason::Stratum { is: 9, lowest: 0, highest: 4 },
            "Its stratum is 9; allowed is 0 to 4.",
        ),
        (
            Status::BadDistance,
            Reason::RootDistance { is: 3.21, most: 3.0 },
            "distant. Its root distance is 3.2 s, more than maxdistance, 3.0 s.",
        ),
        (
            Status::Jittery,
            Reason::Jitter { is: 0.012, most: 0.01 },
            "scatter by 12.0 ms, more than maxjitter, 10.0 ms.",
        ),
        (Status::WaitsOthers, Reason::OthersComing, "good, but waiting. Others are about"),
        (
            Status::Stale,
            Reason::Silent { seconds: 2900.0 },
            "unreachable. Nothing was heard from it for 48 min.",
        ),
        (Status::Orphan, Reason::Orphan, "an orphan"),
        (
            Status::Falseticker,
            Reason::Outside(interval),
            "falseticker. It says our clock is 50.1 ms behind, give or take 6.2 ms; the majority says between 300 µs \
             ahead and 1.2 ms behind.",
        ),
        (Status::Untrusted, Reason::Untrusted(interval), "the trusted sources say between 300 µs ahead and"),
        (
            Status::Falseticker,
            Reason::NoMajority { agree: 2, voters: 5 },
            "no more than 2 of 5 share a time.",
        ),
        (Status::Falseticker, Reason::NoMajority { agree: 1, voters: 2 }, "no two of 2 share a time."),
        (
            Status::Falseticker,
            Reason::Rate { faster: 0.8e-6, deviations: 7.0 },
            "Its clock runs 0.80 ppm faster than the others', 7.0 deviations.",
        ),
        (
            Status::Falseticker,
            Reason::Rate { faster: -2e-6, deviations: 12.0 },
            "2.0 ppm slower than the others', 12 dev",
        ),
        (Status::Falseticker, Reason::Impossible { by: 0.002 }, "by 2.0 ms at least."),
        (Status::Falseticker, Reason::Probation { samples: 1 }, "after 1 good sample more"),
        (
            Status::WaitsSources,
            Reason::TooFewSources { have: 1, need: 3 },
            "demands 3 good sources; there is 1.",
        ),
        (Status::WaitsSources, Reason::NoRequired, "the option require"),
        (Status::NotPreferred, Reason::NotPreferred, "good, but not preferred. Another"),
        (Status::WaitsUpdate, Reason::WaitsUpdate, "has not answered since"),
        (
            Status::Distant,
            Reason::TooDistant { is: 0.08, most: 0.036 },
            "not combined. Its root distance, 80.0 ms, is more than combinelimit allows, 36.0 ms.",
        ),
        (
            Status::Distant,
            Reason::Rate { faster: 1e-7, deviations: 6.0 },
            "not combined. Its clock runs 0.10 ppm",
        ),
        (Status::Distant, Reason::LatelyDistant { updates: 32 }, "after 32 updates it is combined again."),
    ];
    for (status, reason, expected) in cases {
        let text = why(status, reason).text();
        assert!(text.contains(expected), "{text}\n  has not: {expected}");
        assert!(text.starts_with("time.example.org: ") && text.ends_with('.'), "{text}");
    }
}

#[test]
fn the_json_names_the_deciding_numbers() {
    let has = |reason, member: &str| {
        let json = why(Status::Falseticker, reason).json();
        assert!(json.contains(member), "{json}");
    };
    has(Reason::Rate { faster: 0.5e-6, deviations: 7.0 }, r#""faster_ppm":0.5,"faster_deviations":7.0"#);
    let interval = Interval { offset: 0.05, distance: 0.006, low: -0.0003, high: 0.0012 };
    has(
        Reason::Outside(interval),
        r#""root_distance_s":0.006,"others_low_s":-0.0003,"others_high_s":0.0012"#,
    );
    has(Reason::Impossible { by: 0.25 }, r#""excluded_by_s":0.25"#);
}
