//! Where leap seconds are known from beforehand: `leapseclist`, else `leapsectz`. Read again twice a day, because
//! packages of the system renew them.

use super::files::Failure;
use super::logger;
use ntp::config::Config;
use ntp::engine::Severity;
use ntp::leap_table::LeapTable;
use ntp::time::{LocalTime, MonoTime};
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

/// The database of time zones, unless the environment's TZDIR names another.
const ZONES: &str = "/usr/share/zoneinfo";

/// Between two looks at the file, s.
const AGAIN: f64 = 12.0 * 3600.0;

/// Longest file that is read, bytes; the real ones have some ten thousand.
const LONGEST: u64 = 256 * 1024;

/// The file that is used.
#[derive(Debug)]
pub struct LeapFile {
    kind: Kind,
    path: PathBuf,
    modified: Option<SystemTime>,
    due: MonoTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Zone,
}

impl LeapFile {
    /// The first of the configured files that is good, and what is in it. Says which, and what is wrong with the others.
    pub fn find(config: &Config, now: MonoTime, local: LocalTime) -> Option<(Self, LeapTable)> {
        let list = config.clock.leap_list.clone().and_then(|path| match read(Kind::List, &path) {
            Ok(Some(table)) => {
                logger::info(&format!("Using leap second list {}", path.display()));
                if table.is_expired(local) {
                    logger::warning(&format!("Leap second list {} needs update", path.display()));
                }
                Some((Kind::List, path, table))
            }
            Ok(None) => {
                logger::warning(&format!("Leap second list {} failed check, ignoring", path.display()));
                None
            }
            Err(error) => {
                let failure = Failure::new("open", &path, error).to_string();
                logger::log(
                    Severity::Error,
                    &failure.replacen("Could not open", "Failed to open leap seconds list", 1),
                );
                None
            }
        });
        let zone = || {
            let name = config.clock.leap_zone.as_deref()?;
            let path = zone_path(name);
            match path.as_deref().map(|path| read(Kind::Zone, path)) {
                Some(Ok(Some(table))) => {
                    logger::info(&format!("Using {name} timezone to obtain leap second data"));
                    Some((Kind::Zone, path?, table))
                }
                _ => {
                    logger::warning(&format!("Timezone {name} failed leap second check, ignoring"));
                    None
                }
            }
        };
        let (kind, path, table) = list.or_else(zone)?;
        let modified = modified(&path);
        Some((Self { kind, path, modified, due: now + AGAIN }, table))
    }

    /// What is in the file now, if it is time to look and it has changed for another good one.
    pub fn renewed(&mut self, now: MonoTime) -> Option<LeapTable> {
        if now < self.due {
            return None;
        }
        self.due = now + AGAIN;
        let modified = modified(&self.path);
        if modified == self.modified {
            return None;
        }
        self.modified = modified;
        let table = read(self.kind, &self.path).ok().flatten();
        if table.is_none() {
            logger::warning(&format!("{} failed leap second check, ignoring", self.path.display()));
        }
        table
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// `Ok(None)`: the file fails the check.
fn read(kind: Kind, path: &Path) -> io::Result<Option<LeapTable>> {
    let mut bytes = Vec::new();
    sys::file::open_at_once(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(match kind {
        Kind::List => LeapTable::from_list(&String::from_utf8_lossy(&bytes)),
        Kind::Zone => LeapTable::from_zone(&bytes),
    })
}

/// The file of a time zone; `None` for a name that leaves the database.
fn zone_path(name: &str) -> Option<PathBuf> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let zones = std::env::var_os("TZDIR").map_or_else(|| PathBuf::from(ZONES), PathBuf::from);
    inside.then(|| zones.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "#$ 3960835200\n#@ 3991593600\n3439756800 34\n3550089600 35\n";

    #[test]
    fn a_list_is_used_and_read_again_when_it_has_changed() {
        let path = std::env::temp_dir().join(format!("timeball-leap-{}", std::process::id()));
        fs::write(&path, GOOD).unwrap();
        let mut config = Config::default();
        config.clock.leap_list = Some(path.clone());
        let (start, local) = (MonoTime::default(), LocalTime::from_nanos(0));
        let (mut file, table) = LeapFile::find(&config, start, local).unwrap();
        fs::write(&path, format!("{GOOD}3644697600 36\n")).unwrap();
        let later = fs::File::options().write(true).open(&path).unwrap();
        later.set_modified(SystemTime::now() + std::time::Duration::from_secs(5)).unwrap();
        assert_eq!(file.renewed(start + 3600.0), None, "not yet");
        let renewed = file.renewed(start + AGAIN).expect("another list");
        assert_ne!(renewed, table);
        assert_eq!(file.renewed(start + 3.0 * AGAIN), None, "the same file");
        fs::write(&path, "nonsense").unwrap();
        config.clock.leap_list = Some(path.clone());
        assert!(LeapFile::find(&config, start, local).is_none());
        fs::remove_file(&path).unwrap();
        assert!(LeapFile::find(&config, start, local).is_none());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("timeball-leap-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo is there");
        assert!(made.success());
        assert_eq!(read(Kind::List, &path).expect("nobody writes into it"), None);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn names_of_zones_stay_in_the_database() {
        assert!(zone_path("../../etc/passwd").is_none() && zone_path("/etc/passwd").is_none());
        assert!(zone_path("right/UTC").is_some_and(|path| path.ends_with("right/UTC")));
    }

    #[test]
    fn the_systems_own_files_agree() {
        let file = |name: &str| Path::new(ZONES).join(name);
        let (Ok(zone), Ok(list)) =
            (read(Kind::Zone, &file("right/UTC")), read(Kind::List, &file("leap-seconds.list")))
        else {
            println!("SKIPPED the_systems_own_files_agree: this system has no {ZONES} with leap seconds");
            return;
        };
        let (zone, list) = (zone.expect("right/UTC"), list.expect("leap-seconds.list"));
        for day in 731..20_000 {
            let noon = LocalTime::from_seconds(f64::from(day * 86_400 + 43_200));
            assert_eq!(zone.at_end_of_day(noon), list.at_end_of_day(noon), "day {day}");
            assert_eq!(zone.tai_offset(noon), list.tai_offset(noon), "day {day}");
        }
    }
}
