//! `refclock`: driver, parameter, options.

use super::prelude::*;
use crate::ids::RefId;

type Opt = OptionDef<RefclockConfig>;

/// Options of `refclock`.
pub const REFCLOCK_OPTIONS: &[OptionDef<RefclockConfig>] = &[
    Opt::new(
        "delay",
        "SECONDS",
        "1e-9",
        "Assumed delay of the signal, for the choice among sources.",
        |r, w| w.option_number().map(|v| r.delay = v),
    ),
    Opt::new(
        "dpoll",
        "POLL",
        "0",
        "Interval between readings of the driver, as a power of two of seconds.",
        |r, w| w.option_int(-32, 32).map(|v| r.dpoll = v),
    ),
    Opt::new("filter", "SAMPLES", "64", "Length of the median filter.", |r, w| {
        w.option_int(0, MAX).map(|v| r.filter = v)
    }),
    Opt::new("local", FLAG, "off", "The clock keeps a steady rate but knows no time of its own.", |r, _| {
        r.local = true;
        Ok(())
    }),
    Opt::new("lock", "REFID", "none", "Pulses are completed by the samples of this clock.", |r, w| {
        refid(w).map(|v| r.lock = Some(v))
    }),
    Opt::new(
        "maxdispersion",
        "SECONDS",
        "0",
        "Ignores samples with a larger dispersion; 0 is off.",
        |r, w| w.option_number().map(|v| r.max_dispersion = v),
    ),
    Opt::new(
        "maxlockage",
        "PULSES",
        "2",
        "Oldest sample of the locked clock, in pulses (3 with local).",
        |r, w| w.option_int(0, MAX).map(|v| r.max_lock_age = Some(v)),
    ),
    Opt::new("maxsamples", "SAMPLES", "the directive's", "Most samples kept.", |r, w| {
        w.option_int(0, MAX).map(|v| r.max_samples = v)
    }),
    Opt::new(
        "maxunreach",
        "POLLS",
        "100000",
        "How many polls it may stay selected while unreachable.",
        |r, w| w.option_int(0, MAX).map(|v| r.max_unreach = v),
    ),
    Opt::new("minsamples", "SAMPLES", "the directive's", "Fewest samples kept.", |r, w| {
        w.option_int(0, MAX).map(|v| r.min_samples = v)
    }),
    Opt::new("noselect", FLAG, "off", "Measures the clock but never follows it.", |r, _| {
        r.noselect = true;
        Ok(())
    }),
    Opt::new("offset", "SECONDS", "0", "Correction added to every sample.", |r, w| {
        w.option_number().map(|v| r.offset = v)
    }),
    Opt::new("poll", "POLL", "4", "Interval of filtered samples, as a power of two of seconds.", |r, w| {
        w.option_int(-32, 32).map(|v| r.poll = v)
    }),
    Opt::new(
        "pps",
        FLAG,
        "off",
        "The samples are pulses: only their fraction of a second counts.",
        |r, _| {
            r.pps = true;
            Ok(())
        },
    ),
    Opt::new("precision", "SECONDS", "the clock's", "Precision of the samples.", |r, w| {
        w.option_number().map(|v| r.precision = v)
    }),
    Opt::new("prefer", FLAG, "off", "Is preferred to sources without this option.", |r, _| {
        r.prefer = true;
        Ok(())
    }),
    Opt::new("rate", "HZ", "1", "Pulses per second.", |r, w| w.option_int(1, MAX).map(|v| r.rate = v)),
    Opt::new("refid", "REFID", "from the driver", "Its name in reports, up to four characters.", |r, w| {
        refid(w).map(|v| r.refid = Some(v))
    }),
    Opt::new("require", FLAG, "off", "Nothing is selected unless one such source can be.", |r, _| {
        r.require = true;
        Ok(())
    }),
    Opt::new("stratum", "STRATUM", "0", "Stratum of the clock, 0 to 15.", |r, w| {
        w.option_int(0, 15).map(|v| r.stratum = v)
    }),
    Opt::new("tai", FLAG, "off", "The clock keeps TAI; needs leapseclist or leapsectz.", |r, _| {
        r.tai = true;
        Ok(())
    }),
    Opt::new("trust", FLAG, "off", "Sources that contradict the trusted ones are not believed.", |r, _| {
        r.trust = true;
        Ok(())
    }),
    Opt::new("width", "SECONDS", "0", "Length of the pulse, to tell its edges apart; 0 is off.", |r, w| {
        w.option_number().map(|v| r.width = v)
    }),
];

/// A reference identifier: a word of at most four bytes.
fn refid(words: &mut Words<'_>) -> Result<RefId, Wrong> {
    match words.next_word() {
        Some(word) if word.len() <= 4 => Ok(RefId::from_text(word)),
        Some(word) => Err(WrongKind::Value.hint(format!("\"{word}\" has more than four characters"))),
        None => Err(WrongKind::Value.hint("its value is missing")),
    }
}

pub(super) fn add(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let (Some(driver), Some(parameter)) = (words.next_word(), words.next_word()) else {
        return Err(WrongKind::Unparsable.into());
    };
    let mut clock = RefclockConfig {
        driver: driver.to_owned(),
        parameter: parameter.to_owned(),
        poll: 4,
        dpoll: 0,
        refid: None,
        lock: None,
        rate: 1,
        max_lock_age: None,
        width: 0.0,
        pps: false,
        offset: 0.0,
        delay: 1e-9,
        stratum: 0,
        precision: 0.0,
        max_dispersion: 0.0,
        filter: 64,
        min_samples: -1,
        max_samples: -1,
        max_unreach: 100_000,
        prefer: false,
        noselect: false,
        trust: false,
        require: false,
        tai: false,
        local: false,
    };
    read_options(&mut clock, words, REFCLOCK_OPTIONS)?;
    config.refclocks.push(clock);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_documented_and_in_order() {
        assert!(REFCLOCK_OPTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(REFCLOCK_OPTIONS.iter().all(|o| o.doc.ends_with('.') && !o.default.is_empty()));
    }

    #[test]
    fn a_clock_has_what_its_line_says() {
        let mut config = Config::default();
        add(&mut config, &mut Words::new("PPS /dev/pps0:clear lock NMEA refid PPS offset 0.1 rate 5 local"))
            .expect("right");
        let clock = &config.refclocks[0];
        assert_eq!((clock.driver.as_str(), clock.parameter.as_str()), ("PPS", "/dev/pps0:clear"));
        assert_eq!(
            (clock.lock, clock.refid),
            (Some(RefId::from_text("NMEA")), Some(RefId::from_text("PPS")))
        );
        assert!(clock.local && clock.rate == 5);
        let wrong = |line| add(&mut Config::default(), &mut Words::new(line)).unwrap_err().kind;
        assert_eq!(wrong("PPS"), WrongKind::Unparsable);
        assert_eq!(wrong("SHM 0 refid ABCDE"), WrongKind::Value);
        assert_eq!(wrong("SHM 0 offset 0.1ms"), WrongKind::Option);
        assert_eq!(wrong("SHM 0 rate 0"), WrongKind::Value);
    }
}
