use super::*;
use proptest::prelude::*;

const NOON: i64 = 1_785_000_000;

fn path() -> KnownPath {
    KnownPath {
        name: "time.example.org".to_owned(),
        address: "192.0.2.7".parse().expect("an address"),
        at: NOON,
        delay: 12.4e-3,
        delay_sd: 5e-6,
        noise: Noise { forward: 0.3e-3, backward: 1.1e-3, reading: [20e-6; 2], two_sided: false },
        asymmetry: Some((0.1e-3, 0.2e-3)),
    }
}

fn temperature() -> KnownTemperature {
    KnownTemperature {
        sensor: "hwmon/coretemp/temp1".to_owned(),
        lag: 200.0,
        coefficient: -5e-8,
        sd: 1e-9,
        celsius: 41.5,
    }
}

fn learned() -> Learned {
    Learned {
        oscillator: Some(KnownOscillator { at: NOON, frequency: 1073e-6, sd: 2e-8, wander: 2e-9 }),
        board: Some(Board { mean: 1072.8e-6, spread: 5e-8, observed: 4e5 }),
        temperature: Some(temperature()),
        paths: vec![path()],
    }
}

#[test]
fn the_checksum_is_that_of_zip_and_ethernet() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn the_text_can_be_read_by_people_and_by_us() {
    let text = learned().format();
    assert_eq!(text.lines().count(), 7);
    let [title, _, oscillator, board, temperature, path, sum] = text.lines().collect::<Vec<_>>()[..] else {
        panic!("{text}")
    };
    assert_eq!(title, "TIMEBALL LEARNED 1");
    assert_eq!(oscillator, "oscillator 1785000000 1.073e-3 2e-8 2e-9");
    assert_eq!(board, "board 1.0728e-3 5e-8 4e5");
    assert_eq!(temperature, "temperature hwmon/coretemp/temp1 2e2 -5e-8 1e-9 4.15e1");
    let expected = "path time.example.org 192.0.2.7 1785000000 1.24e-2 5e-6 3e-4 1.1e-3 2e-5 1e-4 2e-4";
    assert_eq!(path, expected);
    assert!(sum.starts_with("crc32 "));
    assert_eq!(Learned::parse(&text), Ok(learned()));
}

#[test]
fn what_is_not_ours_is_refused_with_its_reason() {
    let text = learned().format();
    let parse = |text: &str| Learned::parse(text).expect_err("not ours");
    assert_eq!(parse(""), LearnedReject::NotOurs);
    assert_eq!(parse("          -12.345678             0.012000\n"), LearnedReject::NotOurs);
    assert_eq!(parse(&text.replace("LEARNED 1", "LEARNED 2")), LearnedReject::OtherVersion);
    assert_eq!(parse(&text.replace("1.073e-3", "1.074e-3")), LearnedReject::Torn);
    assert_eq!(parse(&[&text, "more\n"].concat()), LearnedReject::Torn);
    let signed = |body: &str| format!("{body}crc32 {:08x}\n", crc32(body.as_bytes()));
    assert_eq!(Learned::parse(&signed("TIMEBALL LEARNED 1\n")), Ok(Learned::default()));
    for line in [
        "nonsense",
        "oscillator 1 0 1e-8",
        "oscillator 1 0 1e-8 2e-9 7",
        "oscillator 1 NaN 1e-8 2e-9",
        "oscillator 1 0 0 2e-9",
        "oscillator 1 0 1e-8 1",
        "board 1 0 1",
        "temperature a 0 1e-7 1e-9",
        "temperature a 0 1 1e-9 20",
        "temperature a 0 1e-7 0 20",
        "temperature a 0 1e-7 1e-9 1e3",
        "path a b 1 1 1 1 1 1",
        "path a ::1 1 1 1 1 1 0",
        "path a ::1 1 1 1 1 1 1 1",
        "path a ::1 1 -1 1 1 1 1",
    ] {
        assert_eq!(parse(&signed(&format!("{TITLE}\n{line}\n"))), LearnedReject::BadLine(2), "{line}");
    }
}

#[test]
fn a_text_cut_anywhere_is_refused() {
    let text = learned().format();
    for end in 0..text.len() {
        assert!(Learned::parse(&text[..end]).is_err(), "{end}");
    }
}

#[test]
fn distrust_grows_with_time() {
    let known = KnownOscillator { at: NOON, frequency: 1e-5, sd: 1e-8, wander: 2e-9 };
    let sd = |after: i64| known.prior(NOON + after).1;
    assert!(sd(0) < sd(DAY) && sd(DAY) < sd(30 * DAY));
    assert!((sd(30 * DAY) - 4e-9 * libm::sqrt(30.0 * 86_400.0)).abs() < 0.1e-6, "{}", sd(30 * DAY));
    assert_eq!(sd(-1000), sd(UNKNOWN_AGE), "a clock that was not set yet knows no age");
    let (soon, late) = (path().expected(NOON), path().expected(NOON + 30 * DAY));
    assert!(soon.doubt < late.doubt && soon.delay_variance < late.delay_variance);
    let (then, now) = (soon.asymmetry, late.asymmetry);
    assert!((then - 0.1e-3).abs() < 1e-9 && now > 0.0 && now < 0.02 * then, "{then} {now}");
    let impossible = KnownPath { asymmetry: Some((7e-3, 1e-3)), ..path() };
    assert_eq!(impossible.expected(NOON).asymmetry, 0.0, "longer than the whole round trip");
}

#[test]
fn a_board_known_for_days_keeps_its_class() {
    let mut board = Board::NEW;
    for hour in 0..100 {
        board.observe(1073e-6 + if hour % 2 == 0 { 1e-7 } else { -1e-7 }, 3600.0);
    }
    assert!((board.mean - 1073e-6).abs() < 1e-8 && (board.spread - 1e-7).abs() < 1e-8, "{board:?}");
    assert!((board.observed - 360_000.0).abs() < 1e-6);
    let known = KnownOscillator { at: NOON, frequency: 1073.3e-6, sd: 1e-8, wander: 2e-8 };
    let learned = Learned { oscillator: Some(known), board: Some(board), ..Learned::default() };
    let (soon, later) = (learned.frequency(NOON).unwrap(), learned.frequency(NOON + 300 * DAY).unwrap());
    assert!((soon.0 - 1073.3e-6).abs() < 1e-12, "what was just measured is known best");
    assert!((later.0 - board.mean).abs() < 1e-12 && later.1 < 1e-6, "{later:?}");
    let young = Board { observed: 3600.0, ..board };
    let (_, sd) = Learned { board: Some(young), ..learned }.frequency(NOON + 300 * DAY).unwrap();
    assert!(sd > 1e-5);
    board.observe(f64::NAN, 1.0);
    board.observe(1.0, 0.0);
    assert!(board.is_sane());
}

#[test]
fn the_stalest_paths_go_first() {
    let mut learned = Learned::default();
    for host in 0..200_u8 {
        let address = core::net::Ipv4Addr::new(192, 0, 2, host).into();
        learned.note_path(KnownPath { address, at: NOON - i64::from(host) * DAY, ..path() });
    }
    learned.note_path(path());
    assert_eq!(learned.paths.len(), 200, "one address and name has one entry");
    learned.prune(NOON);
    assert_eq!(learned.paths.len(), MAX_PATHS);
    assert!(learned.paths.iter().all(|path| path.at > NOON - 65 * DAY));
    learned.prune(NOON + 92 * DAY - 10 * DAY);
    assert!(learned.paths.iter().all(|path| path.at > NOON - 10 * DAY) && !learned.paths.is_empty());
    assert!(learned.path("time.example.org", "192.0.2.3".parse().unwrap()).is_some());
    assert!(learned.path("another", "192.0.2.3".parse().unwrap()).is_none());
}

prop_compose! {
    fn any_path()(
        name in "[!-~]{1,60}",
        address in any::<u128>(),
        v4 in any::<u32>(),
        is_v4 in any::<bool>(),
        at in any::<i64>(),
        delays in (0.0f64..9.9, 0.0f64..9.9),
        noise in (1e-9f64..1e2, 1e-9f64..1e2, 1e-9f64..1e2, proptest::option::of(1e-9f64..1e2)),
        asymmetry in proptest::option::of((-9.9f64..9.9, 1e-12f64..9.9)),
    ) -> KnownPath {
        let address = if is_v4 {
            core::net::Ipv4Addr::from(v4).into()
        } else {
            core::net::Ipv6Addr::from(address).into()
        };
        let noise = Noise { forward: noise.0, backward: noise.1, reading: [noise.2, noise.3.unwrap_or(noise.2)], two_sided: false };
        KnownPath { name, address, at, delay: delays.0, delay_sd: delays.1, noise, asymmetry }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        oscillator in proptest::option::of((any::<i64>(), -0.09f64..0.09, 1e-13f64..0.9, 4e-11f64..2e-6)),
        board in proptest::option::of((-0.09f64..0.09, 0.0f64..0.09, 0.0f64..1e11)),
        temperature in proptest::option::of(("[!-~]{1,30}", 0.0f64..1e5, -9e-6f64..9e-6, 1e-15f64..9e-6, -59.0f64..149.0)),
        paths in proptest::collection::vec(any_path(), 0..8),
    ) {
        let learned = Learned {
            oscillator: oscillator.map(|(at, frequency, sd, wander)| KnownOscillator { at, frequency, sd, wander }),
            board: board.map(|(mean, spread, observed)| Board { mean, spread, observed }),
            temperature: temperature.map(|(sensor, lag, coefficient, sd, celsius)| {
                KnownTemperature { sensor, lag, coefficient, sd, celsius }
            }),
            paths,
        };
        prop_assert_eq!(Learned::parse(&learned.format()), Ok(learned));
    }

    #[test]
    fn any_change_of_a_byte_is_noticed(at in any::<proptest::sample::Index>(), bit in 0u8..7) {
        let text = learned().format();
        let mut bytes = text.clone().into_bytes();
        let index = at.index(bytes.len() - 1);
        bytes[index] ^= 1 << bit;
        if let Ok(changed) = core::str::from_utf8(&bytes) {
            // The digits of the sum may be written in capitals.
            let same = changed.eq_ignore_ascii_case(&text) && index > text.len() - 10;
            prop_assert!(same || Learned::parse(changed).is_err(), "{}", changed);
        }
    }

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}", body in "(oscillator|board|temperature|path)( [0-9a-zA-Z.:+-]{1,9}){0,12}\n") {
        let _ = Learned::parse(&text);
        let body = format!("{TITLE}\n{body}");
        let _ = Learned::parse(&format!("{body}crc32 {:08x}\n", crc32(body.as_bytes())));
    }

    #[test]
    fn expectations_are_finite(path in any_path(), now in any::<i64>()) {
        let expected = path.expected(now);
        prop_assert!(expected.doubt.is_finite() && expected.delay_variance.is_finite());
        prop_assert!(expected.asymmetry.is_finite());
    }
}
