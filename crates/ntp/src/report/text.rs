//! How chronyc prints numbers for people; every width and boundary is its own.

use super::{Address, Interval, Log2Interval, Time};
use crate::calendar::civil_from_days;
use crate::ids::RefId;

/// `Yes` or `No`.
pub const fn yes_no(flag: bool) -> &'static str {
    if flag { "Yes" } else { "No" }
}

/// An offset with sign and unit, at least 7 wide.
pub fn signed_offset(seconds: f64) -> String {
    let (number, digits, unit) = scaled(seconds);
    let width = 7 - unit.len();
    format!("{number:+width$.digits$}{unit}")
}

/// The absolute value of an offset with its unit, at least 6 wide.
pub fn unsigned_offset(seconds: f64) -> String {
    let (number, digits, unit) = scaled(seconds.abs());
    let width = 6 - unit.len();
    format!("{number:width$.digits$}{unit}")
}

/// The number to print, its decimals and its unit: the finest unit in which it stays below five digits.
fn scaled(seconds: f64) -> (f64, usize, &'static str) {
    const STEPS: [(f64, f64, usize, &str); 8] = [
        (1e9, 9999.5, 0, "ns"),
        (1e-3, 9999.5, 0, "us"),
        (1e-3, 9999.5, 0, "ms"),
        (1e-3, 999.5, 1, "s"),
        (1.0, 99999.5, 0, "s"),
        (1.0 / 60.0, 99999.5, 0, "m"),
        (1.0 / 60.0, 99999.5, 0, "h"),
        (1.0 / 24.0, 99999.5, 0, "d"),
    ];
    let mut number = seconds;
    for (factor, limit, digits, unit) in STEPS {
        number *= factor;
        if number.abs() < limit {
            return (number, digits, unit);
        }
    }
    (number / 365.0, 0, "y")
}

/// An interval, at least 4 wide; `-` for never.
pub fn interval(interval: Interval) -> String {
    let Some(seconds) = interval.0 else { return "   -".to_owned() };
    let days = seconds / 86400;
    match seconds {
        0..1200 => format!("{seconds:4}"),
        1200..36000 => format!("{:3}m", seconds / 60),
        36000..345_600 => format!("{:3}h", seconds / 3600),
        _ if days > 999 => format!("{:3}y", days / 365),
        _ => format!("{days:3}d"),
    }
}

/// A logarithmic interval, at least 2 wide; `-` for unknown.
pub fn log2_interval(interval: Log2Interval) -> String {
    if interval == Log2Interval::UNKNOWN { " -".to_owned() } else { format!("{:2}", interval.0) }
}

/// A frequency in ppm, at least 10 wide.
pub fn frequency(ppm: f64) -> String {
    let digits = if ppm.abs() < 99999.5 { 3 } else { 0 };
    format!("{ppm:10.digits$}")
}

/// A frequency in ppm with sign, at least 10 wide.
pub fn signed_frequency(ppm: f64) -> String {
    let digits = if ppm.abs() < 99999.5 { 3 } else { 0 };
    format!("{ppm:+10.digits$}")
}

/// `0.000000001 seconds slow`; positive: the clock is slow.
pub fn fast_slow_offset(seconds: f64) -> String {
    let word = if seconds > 0.0 { "slow" } else { "fast" };
    format!("{:.9} seconds {word}", seconds.abs())
}

/// `1.234 ppm fast`; positive: the clock is fast.
pub fn fast_slow_frequency(ppm: f64) -> String {
    let word = if ppm > 0.0 { "fast" } else { "slow" };
    format!("{:.3} ppm {word}", ppm.abs())
}

/// The printable characters of a reference identifier.
pub fn ref_id_text(ref_id: RefId) -> String {
    ref_id.0.to_be_bytes().into_iter().filter(|byte| (0x20..=0x7e).contains(byte)).map(char::from).collect()
}

/// How a source is called when nobody asked a resolver: its address, or the letters of a reference clock.
pub fn source_label(address: Address, ref_id: RefId) -> String {
    match address {
        Address::Unspecified => ref_id_text(ref_id),
        address => address.to_string(),
    }
}

/// A host name from a resolver, cut to the 25 (wide: 39) characters of the name column, `>` marking the cut.
pub fn fit_name(name: &str, wide: bool) -> String {
    let width = if wide { 39 } else { 25 };
    if name.chars().count() <= width {
        return name.to_owned();
    }
    name.chars().take(width - 1).chain(['>']).collect()
}

/// A table's heading and underline; with `wide`, 14 blanks follow the first `split` characters.
pub fn heading(line: &str, split: usize, underline: usize, wide: bool) -> String {
    let (name, rest) = line.split_at(split);
    let extra = if wide { 14 } else { 0 };
    format!("{name}{:extra$}{rest}\n{:=<length$}\n", "", "", length = underline + extra)
}

/// The width of a name column of `width` characters.
pub const fn name_width(width: usize, wide: bool) -> usize {
    if wide { width + 14 } else { width }
}

/// Year, month 1–12, day 1–31 and second in the day, UTC.
fn civil(seconds: i64) -> (i64, u32, u32, u32) {
    let (year, month, day) = civil_from_days(seconds.div_euclid(86400));
    (year, month, day, seconds.rem_euclid(86400) as u32)
}

/// `Sat Jul 25 17:20:00 2026`, UTC.
pub fn time(time: Time) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day, second) = civil(time.seconds);
    let weekday = DAYS[time.seconds.div_euclid(86400).rem_euclid(7) as usize];
    let month = MONTHS[month as usize - 1];
    format!("{weekday} {month} {day:02} {} {year}", clock(second))
}

/// `2026-07-25 17:20:00`, UTC.
pub fn date(time: Time) -> String {
    let (year, month, day, second) = civil(time.seconds);
    format!("{year:04}-{month:02}-{day:02} {}", clock(second))
}

fn clock(second: u32) -> String {
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_change_their_unit_at_chronys_boundaries() {
        let table = [
            (0.0, "   +0ns", "   0ns"),
            (1e-9, "   +1ns", "   1ns"),
            (-0.3e-9, "   -0ns", "   0ns"),
            (-1e-9, "   -1ns", "   1ns"),
            (9999.4e-9, "+9999ns", "9999ns"),
            (9999.6e-9, "  +10us", "  10us"),
            (9999.4e-6, "+9999us", "9999us"),
            (-9999.6e-6, "  -10ms", "  10ms"),
            (9.9994, "+9999ms", "9999ms"),
            (9.9996, " +10.0s", " 10.0s"),
            (999.4, "+999.4s", "999.4s"),
            (-999.6, " -1000s", " 1000s"),
            (99999.4, "+99999s", "99999s"),
            (99999.6, " +1667m", " 1667m"),
            (5_999_969.0, "+99999m", "99999m"),
            (5_999_971.0, " +1667h", " 1667h"),
            (359_998_190.0, "+99999h", "99999h"),
            (359_998_210.0, " +4167d", " 4167d"),
            (8_639_956_000.0, "+99999d", "99999d"),
            (8_639_957_000.0, "  +274y", "  274y"),
            (1e18, "+31709791984y", "31709791984y"),
        ];
        for (seconds, signed, unsigned) in table {
            assert_eq!(signed_offset(seconds), signed, "{seconds}");
            assert_eq!(unsigned_offset(seconds), unsigned, "{seconds}");
        }
    }

    #[test]
    fn intervals_change_their_unit_at_chronys_boundaries() {
        let table = [
            (Some(0), "   0"),
            (Some(1199), "1199"),
            (Some(1200), " 20m"),
            (Some(35999), "599m"),
            (Some(36000), " 10h"),
            (Some(345_599), " 95h"),
            (Some(345_600), "  4d"),
            (Some(999 * 86400), "999d"),
            (Some(1000 * 86400), "  2y"),
            (Some(u32::MAX - 1), "136y"),
            (None, "   -"),
        ];
        for (seconds, expected) in table {
            assert_eq!(interval(Interval(seconds)), expected);
        }
        assert_eq!(log2_interval(Log2Interval(127)), " -");
        assert_eq!(log2_interval(Log2Interval(-6)), "-6");
        assert_eq!(log2_interval(Log2Interval(6)), " 6");
    }

    #[test]
    fn frequencies_are_ten_wide() {
        assert_eq!(frequency(2000.0), "  2000.000");
        assert_eq!(frequency(99999.4), " 99999.400");
        assert_eq!(frequency(99999.6), "    100000");
        assert_eq!(signed_frequency(0.0), "    +0.000");
        assert_eq!(signed_frequency(-99999.6), "   -100000");
        assert_eq!(signed_frequency(1e18), "+1000000000000000000");
        assert_eq!(fast_slow_frequency(0.0), "0.000 ppm slow");
        assert_eq!(fast_slow_frequency(-1.2345), "1.234 ppm slow");
        assert_eq!(fast_slow_offset(0.0), "0.000000000 seconds fast");
        assert_eq!(fast_slow_offset(1e-6), "0.000001000 seconds slow");
    }

    #[test]
    fn times_are_utc_and_not_bound_to_32_bits() {
        let at = |seconds| Time { seconds, nanos: 0 };
        assert_eq!(time(at(0)), "Thu Jan 01 00:00:00 1970");
        assert_eq!(time(at(1_785_000_000)), "Sat Jul 25 17:20:00 2026");
        assert_eq!(time(at(951_782_400)), "Tue Feb 29 00:00:00 2000");
        assert_eq!(time(at(4_294_967_296)), "Sun Feb 07 06:28:16 2106");
        assert_eq!(time(at(-1)), "Wed Dec 31 23:59:59 1969");
        assert_eq!(date(at(1_785_000_000)), "2026-07-25 17:20:00");
    }

    #[test]
    fn any_second_of_64_bits_has_a_date() {
        for seconds in [i64::MIN, i64::MAX] {
            assert!(time(Time { seconds, nanos: 0 }).len() > 20);
        }
    }

    #[test]
    fn names_are_cut_and_identifiers_filtered() {
        assert_eq!(fit_name(&"a".repeat(25), false), "a".repeat(25));
        assert_eq!(fit_name(&"a".repeat(26), false), "a".repeat(24) + ">");
        assert_eq!(fit_name(&"a".repeat(40), true), "a".repeat(38) + ">");
        assert_eq!(ref_id_text(RefId(0x4750_5300)), "GPS");
        assert_eq!(ref_id_text(RefId(0x2041_0042)), " AB");
        assert_eq!(source_label(Address::Id(3), RefId(0)), "ID#0000000003");
        assert_eq!(source_label(Address::Unspecified, RefId::from_text("PPS")), "PPS");
    }
}
