//! `ratelimit`, `ntsratelimit`, `cmdratelimit`: the same options, other defaults; `trafficlimit`.

use super::prelude::*;

/// Reads `[interval N] [burst N] [leak N] [kod N]`; options not named keep what they had, `kod` only for NTP.
pub(super) fn read(
    old: Option<RateLimit>,
    interval: i32,
    kod: bool,
    words: &mut Words<'_>,
) -> Result<RateLimit, Wrong> {
    let mut limit = old.unwrap_or(RateLimit { interval, burst: 8, leak: 2, kod: 0 });
    while let Some(word) = words.next_word() {
        let field = match word.to_ascii_lowercase().as_str() {
            "interval" => &mut limit.interval,
            "burst" => &mut limit.burst,
            "leak" => &mut limit.leak,
            "kod" if kod => &mut limit.kod,
            _ => return Err(WrongKind::Unparsable.hint(format!("there is no option \"{word}\""))),
        };
        let value = words.option_int(-32, 32);
        *field = value.map_err(|wrong| Wrong { kind: WrongKind::Unparsable, ..wrong })?;
    }
    Ok(limit)
}

/// `ratelimit`, which may also be `auto`. What is said last holds.
pub(super) fn ntp(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let auto = words.rest().split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("auto"));
    if auto && words.left() > 1 {
        return Err(WrongKind::Unparsable.hint("with auto there are no other options"));
    }
    if auto {
        words.next_word();
    }
    let server = &mut config.server;
    server.rate_limit = match auto {
        true => None,
        false => Some(read(server.rate_limit, 3, true, words)?),
    };
    server.rate_limit_auto = auto;
    Ok(())
}

/// Units of `trafficlimit`, lower case: decimal ones, as providers count.
const UNITS: &[(&str, f64, bool)] = &[
    ("mb", 1e6, true),
    ("gb", 1e9, true),
    ("tb", 1e12, true),
    ("kbit", 1e3, false),
    ("mbit", 1e6, false),
    ("gbit", 1e9, false),
];

/// `500GB`, `2000kbit`.
pub(super) fn traffic(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let word = words.word()?;
    let lower = word.to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let wrong = || {
        let hint =
            "a number with MB, GB or TB (a month) or kbit, Mbit or Gbit (a second), like 500GB or 2000kbit";
        WrongKind::Unparsable.hint(format!("\"{word}\" is not {hint}"))
    };
    let &(_, scale, month) = UNITS.iter().find(|(name, ..)| *name == unit).ok_or_else(wrong)?;
    let value = number.parse::<f64>().map_err(|_| wrong())? * scale;
    // Less than one answer a second, or more than there are bytes, is a slip of the pen.
    if !(1000.0..=1e18).contains(&value) {
        return Err(wrong());
    }
    let value = value as u64;
    config.server.traffic_limit =
        Some(if month { TrafficLimit::Month(value) } else { TrafficLimit::Rate(value) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(
        read: fn(&mut Config, &mut Words<'_>) -> Result<(), Wrong>,
        line: &str,
    ) -> Result<ServerConfig, Wrong> {
        let mut config = Config::default();
        read(&mut config, &mut Words::new(line)).map(|()| config.server)
    }

    #[test]
    fn amounts_and_rates_of_traffic_are_told_apart_by_their_unit() {
        let limit = |line: &str| config(traffic, line).map(|server| server.traffic_limit);
        for (line, expected) in [
            ("500GB", TrafficLimit::Month(500_000_000_000)),
            ("1.5tb", TrafficLimit::Month(1_500_000_000_000)),
            ("2000kbit", TrafficLimit::Rate(2_000_000)),
            ("10Mbit", TrafficLimit::Rate(10_000_000)),
        ] {
            assert_eq!(limit(line), Ok(Some(expected)), "{line}");
        }
        for line in ["500", "500 GB", "GB", "-3GB", "1..2GB", "0kbit", "nan", "9999999999TB"] {
            let wrong = limit(line).expect_err(line);
            assert!(wrong.hint.is_some_and(|hint| hint.contains("like 500GB or 2000kbit")), "{line}");
        }
    }

    #[test]
    fn auto_stands_alone_and_the_last_line_holds() {
        let both = |line: &str| {
            config(ntp, line).map(|server| (server.rate_limit.is_some(), server.rate_limit_auto))
        };
        assert_eq!(both("auto"), Ok((false, true)));
        assert_eq!(both("AUTO"), Ok((false, true)));
        assert_eq!(both("interval 3"), Ok((true, false)));
        assert!(both("auto interval 3").is_err() && both("interval 3 auto").is_err());
    }
}
