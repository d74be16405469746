//! How the system clock is corrected, and leap seconds.

use super::prelude::*;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "clockprecision",
        "SECONDS",
        "measured",
        "Precision of the system clock.",
        Exactly(1),
        |c, w| w.number().map(|v| c.clock.precision = Some(v)),
    ),
    Directive::new(
        "corrtimeratio",
        "RATIO",
        "3",
        "How long a correction takes, as a multiple of the time between two updates: larger is gentler to the clock's rate, smaller corrects sooner.",
        Exactly(1),
        |c, w| w.number().map(|v| c.clock.corr_time_ratio = v),
    ),
    Directive::new(
        "driftfile",
        "FILE [interval SECONDS]",
        "none; written every 3600 seconds",
        "Where the frequency error of this machine's clock is kept, so that it is known at the next start. What else was learned, of the oscillator and of the path to each source, is kept in FILE.learned, or as learned in the folder of dumpdir.",
        Own,
        drift_file,
    ),
    Directive::new(
        "fallbackdrift",
        "MIN MAX",
        "off",
        "Remembers mean frequencies over 2^MIN to 2^MAX seconds, and returns to them when all sources are lost.",
        Exactly(2),
        |c, w| {
            c.clock.fallback_drift = Some((w.loose_int()?, w.loose_int()?));
            Ok(())
        },
    ),
    Directive::new(
        "leapseclist",
        "FILE",
        "none",
        "List of leap seconds in the format of NIST and IERS, for instance /usr/share/zoneinfo/leap-seconds.list.",
        Exactly(1),
        |c, w| path(w).map(|v| c.clock.leap_list = Some(v)),
    ),
    Directive::new(
        "leapsecmode",
        "system|step|slew|ignore",
        "system",
        "What happens at a leap second: the kernel steps the clock, the daemon steps it, the daemon slews it, or it is ignored and the error corrected afterwards.",
        Own,
        |c, w| {
            let modes = [
                ("system", LeapMode::System),
                ("step", LeapMode::Step),
                ("slew", LeapMode::Slew),
                ("ignore", LeapMode::Ignore),
            ];
            choice(w, &modes).map(|v| c.clock.leap_mode = v)
        },
    ),
    Directive::new(
        "leapsectz",
        "TIMEZONE",
        "none",
        "Time zone of the system's database from which leap seconds are known, usually right/UTC.",
        Exactly(1),
        |c, w| w.word().map(|v| c.clock.leap_zone = Some(v.to_owned())),
    ),
    Directive::new(
        "makestep",
        "THRESHOLD LIMIT",
        "off",
        "Steps the clock when it is wrong by more than THRESHOLD seconds, in the first LIMIT updates only; a negative LIMIT is always.",
        Exactly(2),
        |c, w| {
            c.clock.makestep = Some((w.number()?, w.loose_int()?));
            Ok(())
        },
    ),
    Directive::new(
        "maxchange",
        "OFFSET START IGNORE",
        "off",
        "Ends the daemon when the clock would have to be changed by more than OFFSET seconds after START updates; the first IGNORE times it is only not done. A negative IGNORE never ends it.",
        Exactly(3),
        |c, w| {
            c.clock.maxchange = Some((w.number()?, w.loose_int()?, w.loose_int()?));
            Ok(())
        },
    ),
    Directive::new(
        "maxclockerror",
        "PPM",
        "1",
        "How much the clock may drift by itself, in the estimate of its error.",
        Exactly(1),
        |c, w| match w.ppm()? {
            // The bound that is served would shrink while the error grows.
            error if error < 0.0 => Err(WrongKind::Value.hint("an error is not negative")),
            error => {
                c.clock.max_clock_error = error;
                Ok(())
            }
        },
    ),
    Directive::new(
        "maxdrift",
        "PPM",
        "100000",
        "Largest frequency error of the clock that is believed.",
        Exactly(1),
        |c, w| w.ppm().map(|v| c.clock.max_drift = v),
    ),
    Directive::new(
        "maxslewrate",
        "PPM",
        "83333.333",
        "Fastest rate at which an offset is slewed.",
        Exactly(1),
        |c, w| w.ppm().map(|v| c.clock.max_slew_rate = v),
    ),
    Directive::new(
        "maxupdateskew",
        "PPM",
        "1000",
        "An estimate of the frequency with a larger error bound does not change the clock's frequency.",
        Exactly(1),
        |c, w| w.ppm().map(|v| c.clock.max_update_skew = v.abs()),
    ),
    Directive::new(
        "smoothtime",
        "MAXFREQ MAXWANDER [leaponly]",
        "off",
        "Served time follows the clock slowly: at most MAXFREQ ppm off in frequency, changing by at most MAXWANDER ppm per second; with leaponly only at leap seconds.",
        Own,
        smooth,
    ),
    Directive::new(
        "tempcomp",
        "FILE INTERVAL T0 K0 K1 K2 | FILE INTERVAL POINTSFILE",
        "off",
        "Corrects the frequency by the temperature that is read from FILE every INTERVAL seconds.",
        Own,
        temperature,
    ),
    Directive::new(
        "temperature",
        "auto|off|FILE...",
        "auto; as chronyd off",
        "Thermometers that the oscillator may follow: by how much each degree changes its frequency is learned, and taken out of it as long as that proves to help; when no server answers, too. auto: up to four of the machine's own, in /sys/class/thermal and /sys/class/hwmon; FILE: up to four files with thousandths of a degree. Without effect beside tempcomp. timeball sources --why tells what was learned.",
        Own,
        thermometers,
    ),
];

/// Most files that `temperature` takes.
const MOST_THERMOMETERS: usize = crate::estimator::temperature::SENSORS;

fn thermometers(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let first = words.word()?;
    config.clock.thermometers = match first.to_ascii_lowercase().as_str() {
        "auto" | "off" if words.left() > 0 => return Err(WrongKind::TooMany.into()),
        "auto" => Thermometers::Auto,
        "off" => Thermometers::Off,
        _ => {
            let mut files: Vec<PathBuf> = vec![first.into()];
            while let Some(word) = words.next_word() {
                files.push(word.into());
            }
            if let Some(wrong) = files.iter().find(|file| !file.is_absolute()) {
                let wrong = wrong.display();
                return Err(WrongKind::Unparsable.hint(format!(
                    "\"{wrong}\" is neither auto nor off nor a file name that begins with /"
                )));
            }
            if files.len() > MOST_THERMOMETERS {
                return Err(WrongKind::TooMany.hint(format!("at most {MOST_THERMOMETERS} files")));
            }
            Thermometers::Files(files)
        }
    };
    Ok(())
}

fn drift_file(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let file = words.next_word().ok_or(WrongKind::Unparsable)?;
    let mut interval = 3600.0;
    while let Some(option) = words.next_word() {
        if !option.eq_ignore_ascii_case("interval") {
            return Err(
                WrongKind::Unparsable.hint(format!("the only option is \"interval\", not \"{option}\""))
            );
        }
        let value = words.option_int(i32::MIN, MAX);
        interval = f64::from(value.map_err(|wrong| Wrong { kind: WrongKind::Unparsable, ..wrong })?);
    }
    config.clock.drift_file = Some(file.into());
    config.clock.drift_interval = interval;
    Ok(())
}

fn smooth(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    match words.left() {
        0 | 1 => return Err(WrongKind::Missing.into()),
        2 | 3 => {}
        _ => return Err(WrongKind::TooMany.into()),
    }
    let (max_frequency, max_wander) = (words.ppm()?, words.ppm()?);
    let leap_only = match words.next_word() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("leaponly") => true,
        Some(word) => {
            return Err(
                WrongKind::Unparsable.hint(format!("the only option is \"leaponly\", not \"{word}\""))
            );
        }
    };
    config.clock.smooth = Some(SmoothConfig { max_frequency, max_wander, leap_only });
    Ok(())
}

fn temperature(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let quadratic = match words.left() {
        0..=2 => return Err(WrongKind::Missing.into()),
        3 => false,
        4 | 5 => return Err(WrongKind::Missing.into()),
        6 => true,
        _ => return Err(WrongKind::TooMany.into()),
    };
    let file = path(words)?;
    let interval = words.number()?;
    let curve = if quadratic {
        TemperatureCurve::Quadratic {
            t0: words.number()?,
            k: [words.number()?, words.number()?, words.number()?],
        }
    } else {
        TemperatureCurve::Points(path(words)?)
    };
    config.clock.temperature = Some(TemperatureConfig { file, interval, curve });
    Ok(())
}
