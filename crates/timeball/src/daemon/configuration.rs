//! Which configuration holds: the command line's, a file's, or the built-in one of Timeball.

use super::Name;
use super::args::{Mode, Options};
use super::files::reason;
use crate::places;
use ntp::config::{Config, ConfigError, Loader, Parsed, Refused, parse, parse_lines};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where chronyd's configuration is looked for: Debian's place, then the original one.
const CHRONYD_FILES: [&str; 2] = ["/etc/chrony/chrony.conf", "/etc/chrony.conf"];

/// Where Timeball's is.
const TIMEBALL_FILES: [&str; 1] = [places::CONFIG_FILE];

/// What Timeball does where nobody has said anything: four servers of the pool, time for this machine and the
/// networks next to it. The clock is not steered by this.
const BUILT_IN: [&str; 10] = [
    "pool pool.ntp.org iburst maxsources 4",
    "makestep 1 3",
    "allow 127.0.0.0/8",
    "allow ::1",
    "allow 10.0.0.0/8",
    "allow 172.16.0.0/12",
    "allow 192.168.0.0/16",
    "allow 169.254.0.0/16",
    "allow fc00::/7",
    "allow fe80::/10",
];

/// The configuration to run with.
#[derive(Debug)]
pub struct Chosen {
    /// What it says.
    pub parsed: Parsed,
    /// Nobody wrote it.
    pub built_in: bool,
}

/// Finds and reads it; every reason why it cannot be used.
pub fn choose(
    name: Name,
    options: &Options,
    is_root: bool,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<Chosen, Refused> {
    if !options.directives.is_empty() {
        return Ok(Chosen { parsed: parse_lines(&options.directives, &Disk)?, built_in: false });
    }
    let candidates: &[&str] = match name {
        Name::Chronyd => &CHRONYD_FILES,
        Name::Timeball => &TIMEBALL_FILES,
    };
    let path = match &options.config_file {
        Some(path) => Some(path.clone()),
        None => candidates.iter().map(PathBuf::from).find(|path| path.exists()),
    };
    match (path, name) {
        (Some(path), _) => Ok(Chosen { parsed: from_file(&path)?, built_in: false }),
        (None, Name::Chronyd) => Ok(Chosen { parsed: from_file(Path::new(candidates[0]))?, built_in: false }),
        (None, Name::Timeball) => {
            let state = places::state(is_root, variable);
            Ok(Chosen { parsed: parse_lines(&built_in(state.as_deref()), &Disk)?, built_in: true })
        }
    }
}

fn from_file(path: &Path) -> Result<Parsed, Refused> {
    let name = path.to_string_lossy();
    let text = read_main(&name).map_err(|reason| {
        let hint = "name the configuration with -f FILE, or give directives as arguments";
        let error = ConfigError::general(format!("Could not open {name} : {reason}"), hint);
        Refused { errors: vec![error], lines: Vec::new() }
    })?;
    parse(&text, &name, &Disk)
}

/// The text of the file that was named, which is no folder: that is a mistake, not an empty configuration.
pub fn read_main(path: &str) -> Result<String, String> {
    match Path::new(path).is_dir() {
        true => Err("Is a directory".to_owned()),
        false => Disk.read(path),
    }
}

/// Its lines, with what is kept in the folder `state`.
pub fn built_in(state: Option<&Path>) -> Vec<String> {
    let mut lines: Vec<String> = BUILT_IN.iter().map(|line| (*line).to_owned()).collect();
    if let Some(folder) = state {
        lines.push(format!("driftfile {}/drift", folder.display()));
        lines.push(format!("dumpdir {}", folder.display()));
    }
    lines
}

/// What the kind of run changes in what was configured.
pub fn adapt(config: &mut Config, options: &Options) {
    if options.mode == Mode::MeasureOnce {
        config.server.port = 0;
        config.server.port_set = true;
        config.control.port = 0;
        config.control.socket = Some(None);
        config.process.pid_file = Some(None);
    }
}

/// Reads configuration from the file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Loader for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Vec::new(),
            other => other.map_err(|error| reason(&error))?,
        };
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let names = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        fs::read_dir(folder).and_then(|entries| entries.map(names).collect()).map_err(|error| reason(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::{Request, parse as parse_arguments};
    use super::super::files::tests::Folder;
    use super::*;
    use ntp::config::SourceKind;

    fn options(words: &[&str]) -> Options {
        let words: Vec<std::ffi::OsString> = words.iter().map(|&word| word.into()).collect();
        match parse_arguments(Name::Timeball, &words) {
            Ok(Request::Run(options)) => *options,
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn the_built_in_configuration_parses_and_serves_only_the_neighbours() {
        let parsed = parse_lines(&built_in(Some(Path::new("/state"))), &Disk).unwrap();
        assert!(parsed.warnings.is_empty());
        assert!(ntp::config::check(&parsed).is_empty());
        let config = parsed.config;
        assert_eq!(config.sources.len(), 1);
        assert_eq!((config.sources[0].kind, config.sources[0].iburst), (SourceKind::Pool, true));
        assert_eq!(config.clock.makestep, Some((1.0, 3)));
        assert_eq!(config.clock.drift_file, Some("/state/drift".into()));
        let access = ntp::server::AccessTable::new(&config.server.access);
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.0.2.1", false),
            ("8.8.8.8", false),
            ("::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(access.check(address.parse().unwrap()), allowed, "{address}");
        }
    }

    #[test]
    fn directives_win_over_files_and_a_named_file_must_exist() {
        let chosen = choose(Name::Timeball, &options(&["port 0", "allow"]), false, |_| None).unwrap();
        assert_eq!(chosen.parsed.lines, ["port 0", "allow"]);
        assert!(!chosen.built_in);
        let folder = Folder::new("conf");
        let path = folder.file("a.conf");
        fs::write(&path, "# a comment\nport   1123\n").unwrap();
        let chosen =
            choose(Name::Timeball, &options(&["-f", path.to_str().unwrap()]), false, |_| None).unwrap();
        assert_eq!(chosen.parsed.config.server.port, 1123);
        fs::create_dir(folder.file("b.d.conf")).unwrap();
        let parsed = parse_lines(&[format!("confdir {}", folder.0.display())], &Disk).unwrap();
        assert_eq!(parsed.lines, ["port 1123"], "a folder is an empty file");
        let as_file = folder.file("b.d.conf");
        let refused = choose(Name::Timeball, &options(&["-f", as_file.to_str().unwrap()]), false, |_| None)
            .unwrap_err();
        assert!(refused.errors[0].message.ends_with(": Is a directory"), "{:?}", refused.errors);
        let missing = folder.file("b.conf");
        let refused =
            choose(Name::Chronyd, &options(&["-f", missing.to_str().unwrap()]), true, |_| None).unwrap_err();
        assert_eq!(
            refused.errors[0].message,
            format!("Could not open {} : No such file or directory", missing.display())
        );
    }

    #[test]
    fn measuring_once_opens_nothing() {
        let mut config = Config::default();
        adapt(&mut config, &options(&["-Q"]));
        assert_eq!((config.server.port, config.control.port), (0, 0));
        assert_eq!((config.control.socket, config.process.pid_file), (Some(None), Some(None)));
    }
}
