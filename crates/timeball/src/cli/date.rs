//! Dates as people write them, for `settime`.
//!
//! Understood are `2026-07-25 16:30:05`, `2026-07-25T16:30:05Z`, `Jul 25, 2026 16:30:05`, `25 July 2026 4:30 pm`,
//! `7/25/2026`, `16:30:05`, `@1785000000`; a weekday is ignored, `UTC`, `GMT`, `Z` or an offset such as `+02:00` names
//! the zone. What is not understood is an error, never a guess: a clock is set by it.

use ntp::calendar::civil_from_days;

/// The calendar of the place: the system's, or a fixed one in tests.
pub trait Calendar {
    /// Year, month and day of now, `offset` seconds east of Greenwich (`None`: local time).
    fn today(&self, offset: Option<i64>) -> Option<(i64, u32, u32)>;
    /// Unix time of a local date and time.
    fn local(&self, year: i64, month: u32, day: u32, second_of_day: i64) -> Option<i64>;
}

/// The system's time and zone.
pub struct System;

impl Calendar for System {
    fn today(&self, offset: Option<i64>) -> Option<(i64, u32, u32)> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
        let now = i64::try_from(now).ok()?;
        let offset = match offset {
            Some(offset) => offset,
            None => sys::calendar::utc_offset(now)?,
        };
        Some(civil_from_days((now + offset).div_euclid(86400)))
    }

    fn local(&self, year: i64, month: u32, day: u32, second_of_day: i64) -> Option<i64> {
        sys::calendar::local_to_unix(
            i32::try_from(year).ok()?,
            month,
            day,
            i32::try_from(second_of_day).ok()?,
        )
    }
}

/// What was read so far; each part may be said once.
#[derive(Default)]
struct Parts {
    day: Option<u32>,
    month: Option<u32>,
    year: Option<i64>,
    second_of_day: Option<i64>,
    /// Seconds east of Greenwich.
    offset: Option<i64>,
}

/// The Unix time that `text` means; `None` when it cannot be told.
pub fn read(text: &str, calendar: &dyn Calendar) -> Option<i64> {
    let text = text.trim();
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let spaced = text.replace(',', " ");
    let mut words = spaced.split_whitespace().peekable();
    words.peek()?;
    let mut parts = Parts::default();
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        if lower.contains(':') && !lower.starts_with(['+', '-']) && !lower.contains('t') {
            let half = words.next_if(|next| matches!(next.to_ascii_lowercase().as_str(), "am" | "pm"));
            parts.time(&lower, half)?;
        } else {
            parts.word(&lower)?;
        }
    }
    parts.unix(calendar)
}

/// Stores `value`, once.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    if place.is_some() {
        return None;
    }
    *place = Some(value);
    Some(())
}

impl Parts {
    /// Everything but a time of day.
    fn word(&mut self, word: &str) -> Option<()> {
        if let Some((date, time)) = word.split_once('t').filter(|(date, _)| date.contains('-')) {
            self.word(date)?;
            let time = match time.strip_suffix('z') {
                Some(time) => {
                    set(&mut self.offset, 0)?;
                    time
                }
                None => time,
            };
            return self.time(time, None);
        }
        match word {
            "today" | "now" => None, // "now" is no time to set a clock to; "today" says nothing
            "utc" | "gmt" | "z" => set(&mut self.offset, 0),
            _ if word.starts_with(['+', '-']) => set(&mut self.offset, zone(word)?),
            _ if word.contains('-') => {
                let (year, month, day) = three(word, '-')?;
                self.date(year, month, day)
            }
            _ if word.contains('/') => match three(word, '/') {
                Some((month, day, year)) => self.date(year, month, day),
                None => {
                    let (month, day) = word.split_once('/')?;
                    set(&mut self.month, month.parse().ok()?)?;
                    set(&mut self.day, day.parse().ok()?)
                }
            },
            _ if word.starts_with(|first: char| first.is_ascii_digit()) => {
                let number: i64 =
                    word.trim_end_matches(|end: char| end.is_ascii_alphabetic()).parse().ok()?;
                if word.len() == 4 {
                    set(&mut self.year, number)
                } else {
                    set(&mut self.day, u32::try_from(number).ok()?)
                }
            }
            _ => match name(word, &MONTHS) {
                Some(month) => set(&mut self.month, month),
                None => name(word, &DAYS).map(|_| ()),
            },
        }
    }

    fn date(&mut self, year: i64, month: i64, day: i64) -> Option<()> {
        set(&mut self.year, year)?;
        set(&mut self.month, u32::try_from(month).ok()?)?;
        set(&mut self.day, u32::try_from(day).ok()?)
    }

    /// `16:30`, `16:30:05`, `4:30` with `pm`.
    fn time(&mut self, word: &str, half: Option<&str>) -> Option<()> {
        let word = word.split_once('.').map_or(word, |(whole, _)| whole);
        let mut numbers = word.split(':').map(|number| number.parse::<i64>().ok());
        let (hour, minute) = (numbers.next()??, numbers.next()??);
        let second = numbers.next().unwrap_or(Some(0))?;
        let hour = match half.map(str::to_ascii_lowercase).as_deref() {
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some("pm") => hour % 12 + 12,
            Some(_) => hour % 12,
            None => hour,
        };
        let good = numbers.next().is_none()
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second);
        set(&mut self.second_of_day, hour * 3600 + minute * 60 + second).filter(|()| good)
    }

    fn unix(self, calendar: &dyn Calendar) -> Option<i64> {
        let (year, month, day) = match (self.year, self.month, self.day) {
            (Some(year), Some(month), Some(day)) => (year, month, day),
            (None, Some(month), Some(day)) => (calendar.today(self.offset)?.0, month, day),
            (None, None, None) => calendar.today(self.offset)?,
            _ => return None,
        };
        let second = self.second_of_day.unwrap_or(0);
        let days = days_since_1970(year, month, day)?;
        match self.offset {
            Some(offset) => Some(days * 86400 + second - offset),
            None => calendar.local(year, month, day, second),
        }
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The number, from 1, of the name that `word` is or abbreviates by three letters or more.
fn name(word: &str, names: &[&str]) -> Option<u32> {
    let word = word.trim_end_matches('.');
    let at = names.iter().position(|name| word.len() >= 3 && name.starts_with(word))?;
    u32::try_from(at + 1).ok()
}

/// Three numbers with two separators.
fn three(word: &str, separator: char) -> Option<(i64, i64, i64)> {
    let mut numbers = word.split(separator).map(|number| number.parse().ok());
    let all = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(all)
}

/// `+02:00`, `-0330`, `+2`: seconds east of Greenwich.
fn zone(word: &str) -> Option<i64> {
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let digits = word[1..].replace(':', "");
    let number: i64 = digits.parse().ok().filter(|_| digits.len() <= 4)?;
    let (hours, minutes) = if digits.len() <= 2 { (number, 0) } else { (number / 100, number % 100) };
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days from 1970-01-01; `None` when there is no such day.
fn days_since_1970(year: i64, month: u32, day: u32) -> Option<i64> {
    // The inverse of `civil_from_days`, by its own answer: a little more than a year of candidates.
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let first = (year - 1970) * 365 + (year - 1969) / 4 - (year - 1901) / 100 + (year - 1601) / 400;
    (first..first + 367).find(|days| civil_from_days(*days) == (year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-25, two hours east of Greenwich.
    struct Fixed;

    impl Calendar for Fixed {
        fn today(&self, _: Option<i64>) -> Option<(i64, u32, u32)> {
            Some((2026, 7, 25))
        }
        fn local(&self, year: i64, month: u32, day: u32, second_of_day: i64) -> Option<i64> {
            Some(days_since_1970(year, month, day)? * 86400 + second_of_day - 7200)
        }
    }

    #[test]
    fn dates_are_read_in_the_ways_people_write_them() {
        const AT: i64 = 1_785_000_000; // 2026-07-25 17:20:00 UTC
        for text in [
            "2026-07-25 17:20:00 UTC",
            "2026-07-25T17:20:00Z",
            "2026-07-25 17:20 +00:00",
            "2026-07-25 19:20 +0200",
            "2026-07-25 19:20",
            "19:20:00",
            "19:20",
            "7:20 pm",
            "17:20 GMT",
            "Jul 25, 2026 19:20:00",
            "Sat 25 July 2026 19:20:00",
            "7/25/2026 19:20",
            "7/25 19:20",
            "jul 25 19:20",
            "@1785000000",
        ] {
            assert_eq!(read(text, &Fixed), Some(AT), "{text}");
        }
        assert_eq!(read("2026-07-25 UTC", &Fixed), Some(AT - 62_400), "midnight, when no time is said");
        assert_eq!(read("2000-02-29 UTC", &Fixed), Some(951_782_400));
        assert_eq!(read("1970-01-01 UTC", &Fixed), Some(0));
        assert_eq!(read("9999-12-31 UTC", &Fixed), Some(253_402_214_400));
        assert_eq!(read("12:00 am UTC", &Fixed), read("2026-07-25 UTC", &Fixed));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for text in [
            "",
            "foo",
            "now",
            "25",
            "2026",
            "jul",
            "2026-02-30",
            "2025-02-29",
            "24:00",
            "12:60",
            "1:2:3:4",
            "13:00 pm",
            "16:30 16:31",
            "2026-07-25 2026-07-26",
            "@x",
            "16:30 nowhere",
            "+99:00 12:00",
            "1969-12-31 UTC",
            "x:y",
            "12:",
        ] {
            assert_eq!(read(text, &Fixed), None, "{text}");
        }
    }
}
