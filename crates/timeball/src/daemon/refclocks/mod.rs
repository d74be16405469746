//! Drivers of reference clocks: they read hardware, and what they read goes to the engine.
//!
//! All are opened before the rights of root are given up. A driver that cannot be opened stops the start, as operators
//! of chrony know it; one that cannot be read later is silent, and the clock unreachable.

mod card;
mod drivers;

use super::clocks::Clocks;
use drivers::{Driver, open};
use ntp::config::{Config, RefclockConfig};
use ntp::engine::Engine;
use ntp::ids::SourceId;
use ntp::refclock::Reading;
use std::os::fd::RawFd;

/// All drivers, in the order of the configuration's lines.
#[derive(Default)]
pub struct Refclocks {
    drivers: Vec<Box<dyn Driver>>,
    ids: Vec<SourceId>,
}

impl Refclocks {
    /// Opens the device of every `refclock` line. Errors: what cannot be opened, and why.
    pub fn open(config: &Config) -> Result<Self, String> {
        let drivers = config.refclocks.iter().map(|line| open(line, config)).collect::<Result<_, _>>()?;
        Ok(Self { drivers, ids: Vec::new() })
    }

    /// Gives each driver the name that the engine has for its clock.
    pub fn join(&mut self, engine: &Engine) {
        self.ids = engine.refclocks().map(|(id, _)| id).collect();
    }

    /// The descriptors that tell by themselves that there is something to read.
    pub fn descriptors(&self) -> impl Iterator<Item = (usize, RawFd)> {
        self.drivers.iter().enumerate().filter_map(|(index, driver)| Some((index, driver.descriptor()?)))
    }

    /// Whose readings those of driver `index` are.
    pub fn id(&self, index: usize) -> Option<SourceId> {
        self.ids.get(index).copied()
    }

    /// What the driver of this clock has to say when it is asked.
    pub fn ask(&mut self, id: SourceId, clocks: &Clocks) -> Option<Reading> {
        let index = self.ids.iter().position(|known| *known == id)?;
        self.drivers.get_mut(index)?.ask(clocks)
    }

    /// The next reading that has come by itself.
    pub fn take(&mut self, index: usize, clocks: &Clocks) -> Option<Reading> {
        self.drivers.get_mut(index)?.take(clocks)
    }
}

/// What is wrong with a line, as far as it shows without opening anything.
pub fn check(line: &RefclockConfig) -> Result<(), String> {
    Parameter::new(line).map(|_| ())
}

/// The options a driver knows: `name`, or `name=` with a value.
fn options_of(driver: &str) -> &'static [&'static str] {
    match driver {
        "SHM" => &["perm="],
        "PPS" => &["clear"],
        "PHC" => &["nocrossts", "extpps", "pin=", "channel=", "clear"],
        "RTC" => &["utc"],
        _ => &[],
    }
}

/// A driver's parameter: the device, then options after colons.
struct Parameter<'a> {
    device: &'a str,
    options: Vec<&'a str>,
}

impl<'a> Parameter<'a> {
    /// Reads the parameter of a line.
    fn new(line: &'a RefclockConfig) -> Result<Self, String> {
        let known = options_of(&line.driver);
        let mut words = line.parameter.split(':');
        let device = words.next().unwrap_or_default();
        let options: Vec<&str> = words.collect();
        let fits = |word: &&str| {
            known.iter().any(|k| if k.ends_with('=') { word.starts_with(k) } else { word == k })
        };
        match options.iter().find(|word| !fits(word)) {
            Some(word) => Err(format!(
                "Invalid refclock driver option {word}; {} knows {}",
                line.driver,
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )),
            None => Ok(Self { device, options }),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.options.contains(&name)
    }

    /// The number after `name`, in this base.
    fn number(&self, name: &str, base: u32) -> Result<Option<u32>, String> {
        let Some(text) = self.options.iter().rev().find_map(|word| word.strip_prefix(name)) else {
            return Ok(None);
        };
        let number = u32::from_str_radix(text, base).map_err(|_| format!("{name}{text} is no number"))?;
        Ok(Some(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Config {
        ntp::config::parse_lines(&[text], &ntp::config::NoFiles).expect("right").config
    }

    #[test]
    fn what_cannot_be_opened_is_said_with_its_reason() {
        let refused = |text: &str| Refclocks::open(&lines(text)).err().expect("refused");
        assert_eq!(refused("refclock FOO x"), "unknown refclock driver FOO");
        assert!(refused("refclock PPS /dev/null:foo").starts_with("Invalid refclock driver option foo"));
        assert_eq!(refused("refclock PPS /none/pps"), "Could not open /none/pps : No such file or directory");
        assert!(refused("refclock PPS /dev/null").starts_with("time_pps_create() failed on /dev/null : "));
        assert_eq!(
            refused("refclock PHC /none/ptp"),
            "Could not open PHC /none/ptp : No such file or directory"
        );
        assert_eq!(
            refused("refclock SOCK /none/x.sock"),
            "Could not open socket /none/x.sock : No such file or directory"
        );
        assert_eq!(refused("refclock RTC /none/rtc"), "Could not open /none/rtc : No such file or directory");
    }
}
