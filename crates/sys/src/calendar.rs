//! Local time as people write it: the zone of the place (`TZ`, `/etc/localtime`).
#![allow(clippy::useless_conversion, reason = "the types of libc have 32 bits on some machines")]

use std::mem::zeroed;

/// Seconds by which local time is ahead of UTC at the Unix time `at`.
#[allow(clippy::useless_conversion, reason = "C's long has 32 bits on some systems")]
pub fn utc_offset(at: i64) -> Option<i64> {
    #[allow(deprecated, reason = "libc warns that musl's had 32 bits before 1.2")]
    let at = libc::time_t::try_from(at).ok()?;
    // SAFETY: tm is made of integers and a pointer that may be null; zeroes are a valid value.
    let mut local: libc::tm = unsafe { zeroed() };
    // SAFETY: both pointers are live, `local` is exclusive.
    let done = unsafe { libc::localtime_r(&raw const at, &raw mut local) };
    (!done.is_null()).then(|| i64::from(local.tm_gmtoff))
}

/// The Unix time of a local date (month 1–12, day 1–31) and second of the day; where a change of the zone makes it
/// ambiguous, the C library chooses.
#[allow(clippy::useless_conversion, reason = "time_t has 32 bits on some systems")]
pub fn local_to_unix(year: i32, month: u32, day: u32, second_of_day: i32) -> Option<i64> {
    // SAFETY: tm is made of integers and a pointer that may be null; zeroes are a valid value.
    let mut local: libc::tm = unsafe { zeroed() };
    local.tm_year = year.checked_sub(1900)?;
    local.tm_mon = i32::try_from(month).ok()? - 1;
    local.tm_mday = i32::try_from(day).ok()?;
    local.tm_hour = second_of_day / 3600;
    local.tm_min = second_of_day / 60 % 60;
    local.tm_sec = second_of_day % 60;
    local.tm_isdst = -1; // not known
    // SAFETY: `local` is live and exclusive.
    let seconds = i64::from(unsafe { libc::mktime(&raw mut local) });
    (seconds != -1).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_and_offset_agree() {
        let noon = 1_785_000_000 - 1_785_000_000 % 86400 + 43200; // 2026-07-25 12:00 UTC
        let local = local_to_unix(2026, 7, 25, 43200).expect("a date");
        let offset = utc_offset(local).expect("a zone");
        assert_eq!(local + offset, noon);
    }
}
