//! State between runs, log files and source folders: the engine's words for files become bytes on the disk here.
//!
//! Nothing in here may stop the daemon: what cannot be written is said once and tried again next time.

use super::Name;
use super::configuration::Disk;
use super::files::{self, Complaints};
use super::logger;
use ntp::config::{Config, Family, Loader, LogConfig, SourceConfig};
use ntp::drift::Drift;
use ntp::dump::is_dump_name;
use ntp::engine::Engine;
use ntp::last_addresses::{LastAddresses, News};
use ntp::learned::Learned;
use ntp::logfile::{BannerState, LogFile, Record};
use ntp::server::limit::budget::Used;
use ntp::time::Now;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Longest drift file and dump that are read, bytes: a dump has at most 64 lines of some 120.
const LONGEST: u64 = 64 * 1024;
/// … nor any log of requests, which is at most three times as long as in memory.
const LONGEST_LOG: u64 = 1 << 28;

/// The drift file, what was learned, and the dumps.
#[derive(Debug)]
pub struct StateFiles {
    drift: Option<PathBuf>,
    learned: Option<PathBuf>,
    dumps: Option<PathBuf>,
    /// What happens to the dumps found at the start, until it has happened.
    found: Option<Found>,
    complaints: Complaints,
    /// Where the names of sources were.
    addresses: LastAddresses,
    /// They are not as the file has them.
    addresses_changed: bool,
}

/// What happens to the dumps found at the start.
#[derive(Clone, Copy, Debug)]
struct Found {
    load: bool,
    /// chronyd takes them away, loaded or not. Timeball keeps each until a newer one takes its place, so that
    /// a power cut does not cost the history.
    remove: bool,
}

/// Dumps were loaded.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// By chronyd's `-r`, with which the operator says that the clock has kept the time since. Timeball always
    /// loads them, also after a start with a clock that is far off.
    pub vouched: bool,
}

impl StateFiles {
    /// The places of the configuration; `load` says whether the dumps are of use.
    pub fn new(config: &Config, name: Name, load: bool) -> Self {
        Self {
            drift: config.clock.drift_file.clone(),
            learned: None,
            dumps: config.process.dump_dir.clone(),
            found: Some(Found { load, remove: name == Name::Chronyd }),
            complaints: Complaints::default(),
            addresses: LastAddresses::default(),
            addresses_changed: false,
        }
    }

    /// What is learned has its file at `path`, and the addresses of names theirs beside it.
    pub fn with_learned(self, path: Option<PathBuf>) -> Self {
        let mut state = Self { learned: path, ..self };
        let Some(path) = state.beside_learned("addresses") else { return state };
        match files::read(&path, LONGEST).map(|text| text.map(|text| LastAddresses::parse(&text))) {
            Ok(None) => {}
            Ok(Some(Some(addresses))) => state.addresses = addresses,
            Ok(Some(None)) => {
                logger::warning(&format!("Ignored {} : it is not whole, or not ours", path.display()));
            }
            Err(failure) => logger::warning(&failure.to_string()),
        }
        state
    }

    /// What a look-up of a source's name found, which is remembered; or, if it found nothing, where the name was last.
    pub fn addresses_of(&mut self, name: &str, found: &[IpAddr], family: Family) -> Vec<IpAddr> {
        if !found.is_empty() {
            match self.addresses.note(name, found) {
                News::None => {}
                // A pool has others at each look-up: the flash is spared until something else is written.
                News::Addresses => self.addresses_changed = true,
                News::Name => {
                    self.addresses_changed = true;
                    self.save_addresses();
                }
            }
            return found.to_vec();
        }
        let last: Vec<IpAddr> =
            self.addresses.of(name).iter().copied().filter(|&address| family.accepts(address)).collect();
        if !last.is_empty() {
            logger::warning(&format!("{name} cannot be looked up; it is asked where it was last"));
        }
        last
    }

    fn save_addresses(&mut self) {
        if let Some(path) = self.beside_learned("addresses").filter(|_| self.addresses_changed) {
            let text = self.addresses.format();
            self.replace(&path, &text);
            self.addresses_changed = false;
        }
    }

    /// Gives the engine what the last run has learned. A file that is not whole, or not ours, is said and left alone
    /// until there is something better to write.
    pub fn load_learned(&self, engine: &mut Engine, now: Now) {
        let Some(path) = &self.learned else { return };
        let text = match files::read(path, LONGEST) {
            Ok(Some(text)) => text,
            Ok(None) => return,
            Err(failure) => return logger::warning(&failure.to_string()),
        };
        match Learned::parse(&text) {
            Ok(learned) => engine.restore_learned(now, learned),
            Err(reason) => logger::warning(&format!("Ignored {} : {reason}", path.display())),
        }
    }

    /// Writes what was learned.
    pub fn save_learned(&mut self, learned: &Learned) {
        self.save_addresses();
        if let Some(path) = &self.learned {
            let outcome = files::replace(path, learned.format().as_bytes(), 0o644);
            if let Some(text) = self.complaints.news(path, outcome) {
                logger::error(&text);
            }
        }
    }

    /// A file beside what was learned.
    fn beside_learned(&self, what: &str) -> Option<PathBuf> {
        let learned = self.learned.as_ref()?;
        let name = learned.file_name()?.to_str()?.replace("learned", what);
        Some(learned.with_file_name(name))
    }

    /// Where the traffic of the month is counted.
    fn traffic(&self) -> Option<PathBuf> {
        self.beside_learned("traffic")
    }

    /// Tells the engine what this month has used already. A file that is not ours is said and left alone.
    pub fn load_traffic(&self, engine: &mut Engine) {
        let Some(path) = self.traffic().filter(|_| engine.traffic_used().is_some()) else { return };
        match files::read(&path, LONGEST) {
            Ok(None) => {}
            Ok(Some(text)) => match Used::parse(&text) {
                Some(used) => engine.restore_traffic(used),
                None => {
                    logger::warning(&format!("Ignored {} : it is not whole, or not ours", path.display()));
                }
            },
            Err(failure) => logger::warning(&failure.to_string()),
        }
    }

    /// Writes what this month has used.
    pub fn save_traffic(&mut self, engine: &Engine) {
        if let (Some(path), Some(used)) = (self.traffic(), engine.traffic_used()) {
            let outcome = files::replace(&path, used.format().as_bytes(), 0o644);
            if let Some(text) = self.complaints.news(&path, outcome) {
                logger::error(&text);
            }
        }
    }

    /// Where the log of when requests came is kept: in the file that is `named`, else beside what was learned.
    fn requests(&self, named: Option<&Path>) -> Option<PathBuf> {
        named.map(Path::to_owned).or_else(|| self.beside_learned("requests"))
    }

    /// Writes when requests came.
    pub fn save_requests(&mut self, engine: &Engine, now: Now, named: Option<&Path>) {
        if let Some(path) = self.requests(named) {
            self.replace(&path, &engine.requests_text(now));
        }
    }

    /// Has the engine take over what an earlier run has written.
    pub fn load_requests(&self, engine: &mut Engine, now: Now, named: Option<&Path>) {
        let Some(path) = self.requests(named).filter(|_| engine.shards().config().request_log > 0) else {
            return;
        };
        // How long ago by the machine's clock. Ahead of it: at once.
        let written = fs::metadata(&path).and_then(|about| about.modified());
        let age = written.map_or(0, |at| at.elapsed().map_or(0, |age| age.as_secs()));
        match files::read(&path, LONGEST_LOG) {
            Ok(None) => {}
            Ok(Some(text)) => {
                if !engine.restore_requests(now, &text, u32::try_from(age).unwrap_or(u32::MAX)) {
                    logger::warning(&format!("Ignored {} : it is not whole, or not ours", path.display()));
                }
            }
            Err(failure) => logger::warning(&failure.to_string()),
        }
    }

    /// Writes another file of ours; what went wrong is said once.
    pub fn replace(&mut self, path: &Path, text: &str) {
        let outcome = files::replace(path, text.as_bytes(), 0o644);
        if let Some(text) = self.complaints.news(path, outcome) {
            logger::error(&text);
        }
    }

    /// A run that measures once leaves the dumps as they are.
    pub fn leave_dumps(&mut self) {
        self.found = None;
    }

    /// Frequency (s/s, positive: the clock is fast) and skew (s/s) of the last run.
    pub fn load_drift(&self) -> Option<(f64, f64)> {
        let path = self.drift.as_ref()?;
        let text = match files::read(path, LONGEST) {
            Ok(Some(text)) => text,
            Ok(None) => return None,
            Err(failure) => {
                logger::warning(&failure.to_string());
                return None;
            }
        };
        match Drift::parse(&text) {
            Some(Drift { frequency, skew }) => {
                logger::info(&format!(
                    "Frequency {:.3} +/- {:.3} ppm read from {}",
                    frequency * 1e6,
                    skew * 1e6,
                    path.display()
                ));
                Some((frequency, skew))
            }
            None => {
                let path = path.display();
                logger::warning(&format!("Could not read valid frequency and skew from driftfile {path}"));
                None
            }
        }
    }

    /// When the drift file was last written: a time that has certainly passed.
    pub fn last_known_time(&self) -> Option<std::time::SystemTime> {
        fs::metadata(self.drift.as_ref()?).and_then(|metadata| metadata.modified()).ok()
    }

    /// Writes the drift file.
    pub fn save_drift(&mut self, frequency: f64, skew: f64) {
        if let Some(path) = &self.drift {
            let text = Drift { frequency, skew }.format();
            let outcome = files::replace(path, text.as_bytes(), 0o644);
            if let Some(text) = self.complaints.news(path, outcome) {
                logger::error(&text);
            }
        }
    }

    /// Have the dumps of the last run not been dealt with yet?
    pub fn dumps_wait(&self) -> bool {
        self.found.is_some() && self.dumps.is_some()
    }

    /// Loads the dumps of the last run and, as chronyd, takes them away. `None`: there were none.
    pub fn load_dumps(&mut self, engine: &mut Engine, now: Now) -> Option<Loaded> {
        let (Some(found), Some(folder)) = (self.found.take(), &self.dumps) else { return None };
        let mut any = false;
        for path in dump_files(folder) {
            let source = path.file_stem().unwrap_or_default().to_string_lossy();
            if found.load {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let text = files::read(&path, LONGEST).ok().flatten();
                let loaded = text.map(|text| engine.load_dump(now, &name, &text));
                match loaded {
                    Some(Ok(())) => {
                        any = true;
                        logger::info(&format!("Loaded dump file for {source}"));
                    }
                    Some(Err(_)) | None => logger::warning(&format!("Could not load dump file for {source}")),
                }
            }
            if found.remove {
                let _ = fs::remove_file(&path);
            }
        }
        any.then_some(Loaded { vouched: found.remove })
    }

    /// Writes dumps: pairs of file name and text. Once there are new ones, those of servers that are ours no
    /// longer go, so that a changing pool does not fill the folder.
    pub fn save_dumps(&mut self, dumps: &[(String, String)]) {
        let Some(folder) = &self.dumps else { return };
        for (name, text) in dumps {
            let path = folder.join(name);
            let outcome = files::replace(&path, text.as_bytes(), 0o644);
            let failed = outcome.is_err();
            if let Some(text) = self.complaints.news(folder, outcome) {
                logger::error(&text);
            }
            if failed {
                return;
            }
        }
        let is_new = |path: &PathBuf| dumps.iter().any(|(name, _)| path.ends_with(name));
        for path in dump_files(folder).iter().filter(|path| !dumps.is_empty() && !is_new(path)) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Where that file is: chronyd has it where it has state at all; Timeball also where it keeps its own, `state`.
pub fn learned_place(config: &Config, name: Name, state: Option<PathBuf>) -> Option<PathBuf> {
    let in_folder = |folder: PathBuf| folder.join("learned");
    let beside_drift = config.clock.drift_file.as_ref().map(|drift| {
        let mut path = drift.clone().into_os_string();
        path.push(".learned");
        PathBuf::from(path)
    });
    let dumps = config.process.dump_dir.clone().map(in_folder);
    match name {
        Name::Chronyd => beside_drift.or(dumps),
        Name::Timeball => {
            dumps.or_else(|| state.filter(|path| path.is_dir()).map(in_folder)).or(beside_drift)
        }
    }
}

/// The files in `folder` that have a dump's name; others are not ours.
fn dump_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_dump_name));
    paths.sort();
    paths
}

/// measurements.log and its kin in `logdir`.
#[derive(Debug)]
pub struct LogFiles {
    folder: Option<PathBuf>,
    /// Entries from one heading to the next.
    period: u32,
    /// `None`: given up after the reason was said.
    open: BTreeMap<LogFile, Option<OpenLog>>,
}

#[derive(Debug)]
struct OpenLog {
    file: File,
    banner: BannerState,
}

impl LogFiles {
    /// None open yet: each is created by its first entry.
    pub fn new(config: &LogConfig) -> Self {
        Self { folder: config.dir.clone(), period: config.banner, open: BTreeMap::new() }
    }

    /// Adds an entry, with a heading when one is due.
    pub fn write(&mut self, record: &Record) {
        let (which, folder) = (record.file(), self.folder.as_deref());
        let log = self.open.entry(which).or_insert_with(|| match open(folder, which) {
            Ok(file) => Some(OpenLog { file, banner: BannerState::default() }),
            Err(text) => {
                logger::warning(&text);
                None
            }
        });
        let Some(log) = log else { return };
        let mut text = if log.banner.next(self.period) { which.banner() } else { String::new() };
        text.push_str(&record.line());
        text.push('\n');
        // A full disk loses the entry; the next one may fit.
        let _ = log.file.write_all(text.as_bytes());
    }

    /// Closes them all, so that the next entries begin new files.
    pub fn cycle(&mut self) {
        self.open.clear();
    }
}

fn open(folder: Option<&Path>, which: LogFile) -> Result<File, String> {
    let Some(folder) = folder else { return Err("logdir not specified".to_owned()) };
    files::append(&folder.join(which.file_name()), 0o644).map_err(|failure| failure.to_string())
}

/// The folders of `sourcedir`.
#[derive(Debug)]
pub struct SourceFolders(Vec<PathBuf>);

impl SourceFolders {
    /// Those of the configuration.
    pub fn new(config: &Config) -> Self {
        Self(config.source_dirs.clone())
    }

    /// Are there any?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sources in all `*.sources` files, in the order of the files' names; a name that is in several folders
    /// counts in the first.
    pub fn read(&self) -> Vec<SourceConfig> {
        let folders: Vec<String> = self.0.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let paths = ntp::config::parse::files_of_folders(&folders, ".sources", &Disk);
        let texts = paths.iter().filter_map(|path| Disk.read(path).ok());
        texts.flat_map(|text| ntp::config::parse_sources_file(&text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::Folder;
    use super::*;

    fn tracking() -> Record {
        Record::Tracking(ntp::logfile::Tracking {
            time: ntp::time::LocalTime::from_nanos(0),
            source: "192.0.2.1".to_owned(),
            stratum: 2,
            frequency: 1e-6,
            skew: 1e-8,
            offset: 1e-5,
            leap: ntp::wire::Leap::None,
            combined: 1,
            offset_sd: 1e-6,
            remaining: 0.0,
            root_delay: 1e-2,
            root_dispersion: 1e-3,
            max_error: 1e-2,
        })
    }

    #[test]
    fn names_that_cannot_be_looked_up_are_where_they_were_last() {
        let folder = Folder::new("addresses");
        let start = || {
            StateFiles::new(&Config::default(), Name::Timeball, false)
                .with_learned(Some(folder.file("learned")))
        };
        let found: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap()).into();
        let mut state = start();
        assert_eq!(state.addresses_of("a.example", &[], Family::Any), [] as [IpAddr; 0]);
        assert_eq!(state.addresses_of("a.example", &found, Family::Any), found);
        // Killed, and no name server at the next start.
        let mut state = start();
        assert_eq!(state.addresses_of("a.example", &[], Family::Any), found);
        assert_eq!(state.addresses_of("a.example", &[], Family::V6), found[1..]);
        fs::write(folder.file("addresses"), "nonsense").unwrap();
        assert_eq!(start().addresses_of("a.example", &[], Family::Any), [] as [IpAddr; 0]);
    }

    #[test]
    fn headings_come_first_and_then_every_so_often() {
        let folder = Folder::new("logs");
        let config = LogConfig { dir: Some(folder.0.clone()), banner: 2, ..LogConfig::default() };
        let mut logs = LogFiles::new(&config);
        let (record, banner) = (tracking(), LogFile::Tracking.banner());
        for _ in 0..3 {
            logs.write(&record);
        }
        let (path, line) = (folder.file("tracking.log"), record.line());
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{banner}{line}\n{line}\n{banner}{line}\n"));
        fs::remove_file(&path).unwrap();
        logs.cycle();
        logs.write(&record);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{banner}{line}\n"));
    }

    #[test]
    fn the_first_folder_wins_and_files_come_in_the_order_of_their_names() {
        let (one, two) = (Folder::new("sources1"), Folder::new("sources2"));
        fs::write(one.file("b.sources"), "server 192.0.2.2\nnonsense\nserver 192.0.2.3").unwrap();
        fs::write(two.file("b.sources"), "server 192.0.2.9\n").unwrap();
        fs::write(two.file("a.sources"), "pool a.example iburst\n").unwrap();
        fs::write(two.file("c.conf"), "server 192.0.2.8\n").unwrap();
        let folders = SourceFolders(vec![one.0.clone(), two.0.clone(), "/no/such/folder".into()]);
        let names: Vec<String> = folders.read().into_iter().map(|source| source.name).collect();
        assert_eq!(names, ["a.example", "192.0.2.2"]);
    }

    #[test]
    fn dumps_stay_until_there_are_newer_ones() {
        let folder = Folder::new("dumps");
        let mut config = Config::default();
        config.process.dump_dir = Some(folder.0.clone());
        let mut state = StateFiles::new(&config, Name::Timeball, true);
        assert!(state.dumps_wait());
        let dump = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        state.save_dumps(&[dump("192.0.2.1.dat", "one"), dump("192.0.2.2.dat", "two")]);
        fs::write(folder.file("drift"), "not a dump").unwrap();
        state.save_dumps(&[]);
        assert_eq!(dump_files(&folder.0).len(), 2, "a run without answers keeps what there is");
        state.save_dumps(&[dump("192.0.2.2.dat", "new")]);
        assert_eq!(dump_files(&folder.0), [folder.file("192.0.2.2.dat")]);
        assert_eq!(fs::read_to_string(folder.file("192.0.2.2.dat")).unwrap(), "new");
        assert!(folder.file("drift").exists());
    }

    #[test]
    fn what_was_learned_has_a_place_where_there_is_state() {
        let folder = Folder::new("learned-place");
        let mut config = Config::default();
        let place = |config: &Config, name| learned_place(config, name, Some(folder.0.clone()));
        assert_eq!(place(&config, Name::Chronyd), None);
        assert_eq!(place(&config, Name::Timeball), Some(folder.file("learned")));
        assert_eq!(learned_place(&config, Name::Timeball, Some(folder.file("missing"))), None);
        config.process.dump_dir = Some("/dumps".into());
        assert_eq!(place(&config, Name::Chronyd), Some("/dumps/learned".into()));
        config.clock.drift_file = Some("/var/drift".into());
        assert_eq!(place(&config, Name::Chronyd), Some("/var/drift.learned".into()));
        assert_eq!(place(&config, Name::Timeball), Some("/dumps/learned".into()));
        config.process.dump_dir = None;
        assert_eq!(learned_place(&config, Name::Timeball, None), Some("/var/drift.learned".into()));
    }

    #[test]
    fn the_drift_file_survives_and_a_missing_folder_is_no_end() {
        let folder = Folder::new("drift");
        let mut config = Config::default();
        config.clock.drift_file = Some(folder.file("drift"));
        let mut state = StateFiles::new(&config, Name::Timeball, true);
        assert_eq!(state.load_drift(), None);
        state.save_drift(-12.5e-6, 0.25e-6);
        let (frequency, skew) = state.load_drift().unwrap();
        assert!((frequency + 12.5e-6).abs() < 1e-12 && (skew - 0.25e-6).abs() < 1e-12);
        assert!(state.last_known_time().is_some());
        fs::write(folder.file("drift"), "nonsense\n").unwrap();
        assert_eq!(state.load_drift(), None);
        config.clock.drift_file = Some(folder.file("no/drift"));
        StateFiles::new(&config, Name::Timeball, true).save_drift(0.0, 0.0);
        assert!(!folder.file("no").exists());
    }
}
