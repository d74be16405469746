//! Mistakes that show only when all is read.

use super::{AccessRule, Config, ConfigError};

/// What makes a configuration that could be read unusable. chrony finds these only at the start, not with `-p`.
pub fn check(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    bad_subnets(&config.server.access, &mut errors);
    bad_subnets(&config.control.access, &mut errors);
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

fn bad_subnets(rules: &[AccessRule], errors: &mut Vec<ConfigError>) {
    for subnet in rules.iter().filter_map(|rule| rule.subnet) {
        let most = if subnet.address.is_ipv4() { 32 } else { 128 };
        if subnet.prefix > most {
            errors.push(ConfigError::general(
                format!("Bad subnet in {}/{}", subnet.address, subnet.prefix),
                format!("a prefix has at most {most} bits"),
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::tests::parse_text;

    #[test]
    fn each_mistake_is_named() {
        for (text, expected) in [
            ("allow 1.2.3.4/33", Some("Bad subnet in 1.2.3.4/33")),
            ("deny 1.2/33", Some("Bad subnet in 1.2.0.0/33")),
            ("cmdallow ::1/129", Some("Bad subnet in ::1/129")),
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
            let config = parse_text(text).expect("right").config;
            let messages: Vec<String> = check(&config).into_iter().map(|e| e.message).collect();
            assert_eq!(messages.first().map(String::as_str), expected, "{text}");
            assert!(messages.len() <= 1, "{messages:?}");
        }
    }
}
