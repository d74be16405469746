//! Entries as chrony's log files have them.

use super::*;
use crate::calendar::civil_from_days;
use crate::time::NANOS;
use proptest::prelude::*;

const AT: LocalTime = LocalTime::from_nanos(1_700_000_000 * NANOS + 999_999_999);

fn tracking() -> Tracking {
    Tracking {
        time: AT,
        source: "0.0.0.0".into(),
        stratum: 0,
        frequency: 0.0,
        skew: 1.0,
        offset: 0.0,
        leap: Leap::Unsynchronised,
        combined: 0,
        offset_sd: 0.0,
        remaining: 0.0,
        root_delay: 1.0,
        root_dispersion: 1.0,
        max_error: 1.5,
    }
}

/// Lines that chronyd 4.3 wrote, and the values that give them.
#[test]
fn the_lines_are_those_of_chronyd() {
    let source = || "127.0.0.1".to_owned();
    // 2026-11-24 00:23:36.25
    let time = LocalTime::from_nanos(1_795_479_816_250_000_000);
    let measurement = Measurement {
        time,
        source: source(),
        leap: Leap::None,
        stratum: 3,
        tests_123: [true; 3],
        tests_567: [true; 3],
        tests_abcd: [true, true, false, true],
        local_poll: 0,
        remote_poll: 0,
        poll_score: 0.18,
        offset: -4.424e-6,
        delay: 1.73e-5,
        dispersion: 3.514e-8,
        root_delay: 0.0,
        root_dispersion: 0.0,
        refid: RefId::LOCAL,
        mode: Mode::Server,
        interleaved: false,
        tx_source: 'K',
        rx_source: 'K',
    };
    let statistics = Statistics {
        time,
        source: source(),
        std_dev: 1.366e-7,
        offset: -6.642e-7,
        offset_sd: 1.071e-7,
        frequency: -4.834e-8,
        skew: 6.067e-8,
        stress: 0.23,
        samples: 13,
        best_start: 0,
        runs: 7,
        asymmetry: 0.48,
    };
    let selection = Selection {
        time,
        source: source(),
        state: '*',
        noselect: false,
        prefer: false,
        trust: false,
        require: false,
        reach: 0o377,
        score: 1.0,
        last_sample: 6.402e-5,
        low: -4.036e-6,
        high: 3.082e-6,
    };
    let update = Tracking {
        time,
        source: source(),
        stratum: 4,
        frequency: -0.008e-6,
        skew: 0.071e-6,
        offset: -6.642e-7,
        leap: Leap::None,
        combined: 1,
        offset_sd: 1.071e-7,
        remaining: -2.074e-6,
        root_delay: 6.433e-6,
        root_dispersion: 9.179e-7,
        max_error: 9.646e-6,
    };
    for (record, line) in [
        (
            Record::Measurement(measurement.clone()),
            "2026-11-24 00:23:36 127.0.0.1       N  3 111 111 1101   0  0 0.18 -4.424e-06  1.730e-05  3.514e-08  \
             0.000e+00  0.000e+00 7F7F0101 4B K K",
        ),
        (
            Record::Statistics(statistics),
            "2026-11-24 00:23:36 127.0.0.1        1.366e-07 -6.642e-07  1.071e-07 -4.834e-08  6.067e-08 2.3e-01  \
             13   0   7  0.48",
        ),
        (
            Record::Selection(selection.clone()),
            "2026-11-24 00:23:36 127.0.0.1       * -----  377  1.00  6.402e-05 -4.036e-06  3.082e-06",
        ),
        (
            Record::Tracking(update),
            "2026-11-24 00:23:36 127.0.0.1        4     -0.008      0.071 -6.642e-07 N  1  1.071e-07 -2.074e-06  \
             6.433e-06  9.179e-07  9.646e-06",
        ),
    ] {
        assert_eq!(record.line(), line, "{:?}", record.file());
    }
    // What those four do not show.
    let other =
        Measurement { interleaved: true, leap: Leap::Insert, tests_567: [true, false, true], ..measurement };
    let line = other.to_string();
    assert!(line.contains(" +  3 111 101 1101 ") && line.ends_with(" 4I K K"), "{line}");
    let other = Selection {
        source: "2001:db8:1:2:3:4:5:6".into(),
        prefer: true,
        require: true,
        reach: 0o17,
        ..selection
    };
    let line = other.to_string();
    assert!(line.contains("2001:db8:1:2:3:4:5:6 * --P-R   17 "), "{line}");
    let start = Record::Tracking(tracking()).line();
    let expected = "2023-11-14 22:13:20 0.0.0.0          0      0.000 1000000.000  0.000e+00 ?  0  0.000e+00  \
                    0.000e+00  1.000e+00  1.000e+00  1.500e+00";
    assert_eq!(start, expected);
}

#[test]
fn the_banners_have_chronys_lengths() {
    for (file, length) in [
        (LogFile::Measurements, 136),
        (LogFile::Statistics, 116),
        (LogFile::Selection, 87),
        (LogFile::Tracking, 131),
    ] {
        assert_eq!(file.heading().len(), length, "{file:?}");
        let banner = file.banner();
        let lines: Vec<&str> = banner.lines().collect();
        assert_eq!((lines.len(), lines[0].len(), lines[2]), (3, length, lines[0]));
    }
}

#[test]
fn banners_come_at_the_first_entry_and_every_period() {
    let mut state = BannerState::default();
    let due: Vec<usize> = (1..=70).filter(|_| state.next(32)).collect();
    assert_eq!(due, [1, 33, 65]);
    state.restart();
    assert!(state.next(32) && !state.next(32));
    assert!((0..10).all(|_| !BannerState::default().next(0)));
}

#[test]
fn exponents_are_written_as_in_c() {
    for (value, digits, text) in [
        (0.0, 3, "0.000e+00"),
        (-0.0, 3, "-0.000e+00"),
        (1.5, 3, "1.500e+00"),
        (-1.25e-7, 3, "-1.250e-07"),
        (1e-300, 3, "1.000e-300"),
        (1e100, 1, "1.0e+100"),
        (12.0, 6, "1.200000e+01"),
        (f64::INFINITY, 3, "inf"),
        (f64::NAN, 3, "nan"),
    ] {
        assert_eq!(exponential(value, digits), text);
    }
}

#[test]
fn dates_are_right() {
    for (seconds, text) in [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59"),
        (951_782_399, "2000-02-28 23:59:59"),
        (951_782_400, "2000-02-29 00:00:00"),
        (951_868_800, "2000-03-01 00:00:00"),
        (1_709_164_800, "2024-02-29 00:00:00"),
        (2_085_978_495, "2036-02-07 06:28:15"),
        (2_147_483_648, "2038-01-19 03:14:08"),
        (4_107_455_999, "2100-02-27 23:59:59"),
        (4_107_542_400, "2100-03-01 00:00:00"),
        (9_223_372_036, "2262-04-11 23:47:16"),
    ] {
        let time = LocalTime::from_nanos(i64::saturating_mul(seconds, NANOS));
        assert_eq!(Utc(time).to_string(), text, "{seconds}");
    }
}

#[test]
fn every_day_of_eight_centuries_follows_the_one_before() {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = |year: i64, month: u32| match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    // 1600-01-01 is 135 140 days before 1970-01-01.
    let (mut year, mut month, mut day) = (1600, 1, 1);
    for days in -135_140..-135_140 + 800 * 365 {
        assert_eq!(civil_from_days(days), (year, month, day));
        day += 1;
        if day > length(year, month) {
            (month, day) = (month + 1, 1);
        }
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
}

proptest! {
    #[test]
    fn any_time_has_a_date(nanos in any::<i64>()) {
        prop_assert_eq!(Utc(LocalTime::from_nanos(nanos)).to_string().len(), 19);
    }

    #[test]
    fn numbers_keep_their_value(value in -1e9f64..1e9) {
        let back: f64 = exponential(value, 17).parse().expect("a number");
        prop_assert_eq!(back.to_bits(), value.to_bits());
    }
}
