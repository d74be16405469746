//! Thermometers of this machine: found at the start, read each [`EVERY`] seconds in a turn that the loop makes anyway.
//!
//! Their files stay open, so that a change of user or a sandbox does not take them away, and reading allocates nothing.

use super::logger;
use ntp::config::{Config, Thermometers as Wanted};
use ntp::engine::Severity;
use ntp::estimator::temperature::SENSORS;
use ntp::time::MonoTime;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Between two readings, s.
const EVERY: f64 = 14.0;
/// Where the kernel shows what it measures.
const CLASS: &str = "/sys/class";
/// Nobody's temperature has more characters.
const LONGEST: usize = 16;
/// What sits beside an oscillator is asked first, in this order; then whatever there is.
const NEAR: [&str; 9] = ["acpitz", "board", "ambient", "soc", "pch", "lm75", "tmp", "cpu", "pkg"];
/// Not asked: their driver wakes a disk or a card up, or they are of something that comes and goes.
const FAR: [&str; 14] = [
    "drivetemp",
    "nvme",
    "amdgpu",
    "radeon",
    "nouveau",
    "i915",
    "xe",
    "iwlwifi",
    "mt76",
    "mt79",
    "ath1",
    "BAT",
    "ucsi",
    "hidpp",
];

/// The thermometers that are read.
#[derive(Debug, Default)]
pub struct Thermometers {
    files: Vec<File>,
    names: Vec<String>,
    celsius: [f64; SENSORS],
    due: Option<MonoTime>,
}

/// A file with a temperature, before it is known to be one.
#[derive(Debug)]
struct Found {
    name: String,
    path: PathBuf,
}

impl Thermometers {
    /// Those that the configuration wants; `auto`: all there are when it says nothing.
    pub fn open(config: &Config, auto: bool) -> Self {
        // An operator who has written a curve knows better (`tempcomp`).
        if config.clock.temperature.is_some() {
            return Self::default();
        }
        Self::open_in(Path::new(CLASS), &config.clock.thermometers, auto)
    }

    fn open_in(class: &Path, wanted: &Wanted, auto: bool) -> Self {
        let found = match wanted {
            Wanted::Off => Vec::new(),
            Wanted::Default if !auto => Vec::new(),
            Wanted::Default | Wanted::Auto => find(class),
            Wanted::Files(paths) => paths.iter().map(|path| named(path)).collect(),
        };
        let mut all = Self::default();
        for Found { name, path } in found {
            if all.files.len() == SENSORS {
                break;
            }
            match File::open(&path) {
                Ok(file) if read(&file).is_some() => {
                    all.files.push(file);
                    all.names.push(name);
                }
                Ok(_) => say(wanted, &path, "it holds no temperature in thousandths of a degree"),
                Err(error) => say(wanted, &path, &error.to_string()),
            }
        }
        all
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What they read, °C (NaN: it does not tell), if it is time to look.
    pub fn due(&mut self, now: MonoTime) -> Option<&[f64]> {
        if self.files.is_empty() || self.due.is_some_and(|due| now < due) {
            return None;
        }
        self.due = Some(now + EVERY);
        for (celsius, file) in self.celsius.iter_mut().zip(&self.files) {
            *celsius = read(file).unwrap_or(f64::NAN);
        }
        Some(&self.celsius[..self.files.len()])
    }
}

/// Complains about a file that somebody named; others are passed over.
fn say(wanted: &Wanted, path: &Path, why: &str) {
    let text = format!("Could not use thermometer {} : {why}", path.display());
    let named = matches!(wanted, Wanted::Files(_));
    logger::log(if named { Severity::Warning } else { Severity::Debug }, &text);
}

/// °C.
fn read(file: &File) -> Option<f64> {
    let mut buffer = [0; LONGEST];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = core::str::from_utf8(buffer.get(..length)?).ok()?;
    let thousandths: i32 = text.trim().parse().ok()?;
    // An absent sensor often reads 0 or the lowest number there is.
    (thousandths != 0 && (-60_000..=150_000).contains(&thousandths)).then(|| f64::from(thousandths) / 1000.0)
}

fn named(path: &Path) -> Found {
    Found { name: word(&path.to_string_lossy()), path: path.to_owned() }
}

/// Without spaces, for the file of what was learned.
fn word(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).collect()
}

/// Zones first, then the first input of each other chip; what is near the oscillator before the rest. Names are those of the
/// kind, because numbers change from boot to boot.
fn find(class: &Path) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let kinds = [("thermal", "thermal_zone", "type", "temp"), ("hwmon", "hwmon", "name", "temp1_input")];
    for (folder, prefix, name, input) in kinds {
        let mut devices: Vec<PathBuf> = fs::read_dir(class.join(folder))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        devices.sort();
        for device in devices {
            let is_one = device.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
            let kind = fs::read_to_string(device.join(name)).map(|kind| word(&kind)).unwrap_or_default();
            // The kernel shows many a zone as a chip as well.
            let known = found.iter().any(|other| other.name.ends_with(&format!("/{kind}")));
            if is_one && !kind.is_empty() && !known && !FAR.iter().any(|far| kind.starts_with(far)) {
                found.push(Found { name: format!("{folder}/{kind}"), path: device.join(input) });
            }
        }
    }
    let nearness = |found: &Found| {
        let name = found.name.to_ascii_lowercase();
        NEAR.iter().position(|near| name.contains(near)).unwrap_or(NEAR.len())
    };
    found.sort_by_key(nearness);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder like /sys/class.
    fn machine(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("timeball-class-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a new folder");
            fs::write(path, text).expect("a new file");
        }
        root
    }

    #[test]
    fn what_is_near_is_read_first_and_what_sleeps_is_left_alone() {
        let class = machine(
            "many",
            &[
                ("thermal/thermal_zone0/type", "x86_pkg_temp\n"),
                ("thermal/thermal_zone0/temp", "51000\n"),
                ("thermal/thermal_zone1/type", "acpitz\n"),
                ("thermal/thermal_zone1/temp", "27800\n"),
                ("thermal/thermal_zone2/type", "acpitz\n"),
                ("thermal/thermal_zone2/temp", "29800\n"),
                ("thermal/cooling_device0/type", "Processor\n"),
                ("thermal/thermal_zone3/type", "INT3400 Thermal\n"),
                ("thermal/thermal_zone3/temp", "0\n"),
                ("hwmon/hwmon0/name", "acpitz\n"),
                ("hwmon/hwmon0/temp1_input", "27800\n"),
                ("hwmon/hwmon1/name", "nvme\n"),
                ("hwmon/hwmon1/temp1_input", "40000\n"),
                ("hwmon/hwmon2/name", "k10temp\n"),
                ("hwmon/hwmon2/temp1_input", "-1500\n"),
                ("hwmon/hwmon3/name", "fan\n"),
            ],
        );
        let mut all = Thermometers::open_in(&class, &Wanted::Default, true);
        assert_eq!(all.names(), ["thermal/acpitz", "thermal/x86_pkg_temp", "hwmon/k10temp"]);
        let start = MonoTime::default();
        assert_eq!(all.due(start), Some(&[27.8, 51.0, -1.5][..]));
        assert_eq!(all.due(start + 10.0), None, "not yet");
        fs::write(class.join("thermal/thermal_zone1/temp"), "29000\n").expect("there");
        fs::write(class.join("thermal/thermal_zone0/temp"), "broken\n").expect("there");
        let read = all.due(start + 20.0).expect("it is time");
        assert!(read[0] == 29.0 && read[1].is_nan() && read[2] == -1.5, "{read:?}");
        assert!(Thermometers::open_in(&class, &Wanted::Default, false).names().is_empty());
        assert!(Thermometers::open_in(&class, &Wanted::Off, true).names().is_empty());
        fs::remove_dir_all(&class).expect("ours");
        assert!(Thermometers::open_in(&class, &Wanted::Auto, false).names().is_empty());
    }

    #[test]
    fn a_file_that_is_named_is_read() {
        let folder = machine("one", &[("my sensor", "35125"), ("text", "warm")]);
        let (sensor, text) = (folder.join("my sensor"), folder.join("text"));
        let wanted = Wanted::Files(vec![text, folder.join("none"), sensor]);
        let mut one = Thermometers::open_in(&folder, &wanted, false);
        assert!(one.names().len() == 1 && one.names()[0].ends_with("/my_sensor"), "{:?}", one.names());
        assert_eq!(one.due(MonoTime::default()), Some(&[35.125][..]));
        fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(one.due(MonoTime::default() + 60.0), Some(&[35.125][..]), "its file stays open");
    }
}
