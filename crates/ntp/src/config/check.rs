//! Mistakes that show only when all is read.

use super::directives::{self, AccessTarget, parse_access};
use super::suggest::did_you_mean;
use super::words::Words;
use super::{ConfigError, Origin, Parsed};

/// The kinds of reference clocks there are.
pub const REFCLOCK_DRIVERS: [&str; 5] = ["PHC", "PPS", "RTC", "SHM", "SOCK"];

/// What makes a configuration that could be read unusable. chrony finds these only at the start, not with `-p`.
pub fn check(parsed: &Parsed) -> Vec<ConfigError> {
    let mut errors = check_lines(parsed);
    let config = &parsed.config;
    let limited = [config.server.rate_limit, config.nts.rate_limit, config.control.rate_limit];
    let locked_rtc = config.refclocks.iter().any(|clock| clock.driver == "RTC");
    let has_leap_source = config.clock.leap_list.is_some() || config.clock.leap_zone.is_some();
    let mut refuse = |wrong: bool, message: &str, hint: &str| {
        if wrong {
            errors.push(ConfigError::general(message, hint));
        }
    };
    refuse(
        config.server.no_client_log && (config.server.rate_limit_auto || limited.iter().any(Option::is_some)),
        "Rate limiting cannot be enabled with noclientlog",
        "remove noclientlog or the rate limits",
    );
    refuse(
        config.server.no_client_log && config.server.traffic_limit.is_some(),
        "trafficlimit cannot be used with noclientlog",
        "remove one of them: the loudest can only be found if clients are remembered",
    );
    refuse(
        config.nts.server_certs.len() != config.nts.server_keys.len(),
        "Uneven number of NTS certs and keys",
        "give one ntsserverkey for each ntsservercert",
    );
    refuse(
        config.rtc.file.is_some() && config.clock.rtc_sync,
        "rtcfile directive cannot be used with rtcsync",
        "remove one of them",
    );
    refuse(
        locked_rtc && (config.rtc.file.is_some() || config.clock.rtc_sync),
        "RTC refclock cannot be used together with rtcsync or rtcfile",
        "remove one of them",
    );
    refuse(
        config.refclocks.iter().any(|clock| clock.tai) && !has_leap_source,
        "refclock tai option requires leapseclist or leapsectz",
        "add leapseclist",
    );
    errors
}

/// Those of single lines.
pub(super) fn check_lines(parsed: &Parsed) -> Vec<ConfigError> {
    let lines = parsed.lines.iter().zip(&parsed.origins);
    lines.filter_map(|(line, origin)| check_line(line, origin)).collect()
}

fn check_line(line: &str, origin: &Origin) -> Option<ConfigError> {
    let mut words = Words::new(line);
    match directives::find(words.next_word()?)?.name {
        "allow" | "deny" | "cmdallow" | "cmddeny" => {
            let Ok((_, AccessTarget::Subnet(subnet))) = parse_access(&mut words) else { return None };
            let most = if subnet.address.is_ipv4() { 32 } else { 128 };
            (subnet.prefix > most).then(|| {
                let message = format!("Bad subnet in {}/{}", subnet.address, subnet.prefix);
                ConfigError::at(origin.clone(), &message, Some(format!("a prefix has at most {most} bits")))
            })
        }
        "refclock" => {
            let driver = words.next_word()?;
            (!REFCLOCK_DRIVERS.contains(&driver)).then(|| {
                let hint = did_you_mean(driver, REFCLOCK_DRIVERS)
                    .unwrap_or_else(|| format!("there are {}", REFCLOCK_DRIVERS.join(", ")));
                ConfigError::at(origin.clone(), &format!("unknown refclock driver {driver}"), Some(hint))
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::tests::parse_text;

    #[test]
    fn each_mistake_is_named() {
        for (text, expected) in [
            ("allow 1.2.3.4/33", Some("Bad subnet in 1.2.3.4/33 at line 1 in file test.conf")),
            ("deny 1.2/33", Some("Bad subnet in 1.2.0.0/33 at line 1 in file test.conf")),
            ("cmdallow ::1/129", Some("Bad subnet in ::1/129 at line 1 in file test.conf")),
            ("port 0\nrefclock FOO 0", Some("unknown refclock driver FOO at line 2 in file test.conf")),
            ("allow 1.2.3.4/32\nallow ::/128", None),
            ("noclientlog\ncmdratelimit", Some("Rate limiting cannot be enabled with noclientlog")),
            ("noclientlog\nratelimit auto", Some("Rate limiting cannot be enabled with noclientlog")),
            ("noclientlog", None),
            ("ntsservercert a", Some("Uneven number of NTS certs and keys")),
            ("rtcsync\nrtcfile a", Some("rtcfile directive cannot be used with rtcsync")),
            (
                "rtcsync\nrefclock RTC /dev/rtc",
                Some("RTC refclock cannot be used together with rtcsync or rtcfile"),
            ),
            ("refclock SHM 0 tai", Some("refclock tai option requires leapseclist or leapsectz")),
            ("refclock SHM 0 tai\nleapsectz right/UTC", None),
        ] {
            let parsed = parse_text(text).expect("right");
            let messages: Vec<String> = check(&parsed).into_iter().map(|e| e.message).collect();
            assert_eq!(messages.first().map(String::as_str), expected, "{text}");
            assert!(messages.len() <= 1, "{messages:?}");
        }
    }

    #[test]
    fn mistakes_of_lines_are_told_with_those_of_the_syntax() {
        let errors = parse_text("allow 1.2.3.4/33\nserver a minpol 3\nrefclock shm 0").expect_err("wrong");
        let hints: Vec<&str> = errors.iter().filter_map(|error| error.hint.as_deref()).collect();
        assert_eq!(
            hints,
            [
                "there is no option \"minpol\", did you mean \"minpoll\"?",
                "a prefix has at most 32 bits",
                "did you mean \"SHM\"?"
            ]
        );
    }
}
