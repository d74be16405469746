//! chronyd's command line: single-letter options, clustered or apart, mixed with directives (getopt with
//! permutation). `timeball run` takes the same ones but stays in the foreground and logs to standard error.

use super::Name;
use ntp::config::Family;
use ntp::engine::Severity;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What the words on the command line ask for.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Run the daemon.
    Run(Box<Options>),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
    /// Explain the directives of the configuration, or one.
    HelpConfig(Option<String>),
}

/// What kind of run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until a signal comes.
    Serve,
    /// `-p`: print the configuration and exit.
    PrintConfig,
    /// `-q`: set the clock once by a step and exit.
    SetOnce,
    /// `-Q`: measure, say the offset and exit.
    MeasureOnce,
}

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// The system log.
    Syslog,
    /// Standard error.
    Stderr,
    /// A file (`-l`).
    File(PathBuf),
}

/// The options, with the defaults of the name run under.
#[derive(Debug, PartialEq)]
pub struct Options {
    /// `-4`, `-6`.
    pub family: Family,
    /// `-f`.
    pub config_file: Option<PathBuf>,
    /// Directives given as arguments; if there are any, no file is read.
    pub directives: Vec<String>,
    /// `-n`, `-d`, `-q`, `-Q`, `-p`: do not go into the background.
    pub foreground: bool,
    /// Where messages go.
    pub log: LogTarget,
    /// `-L`: messages below this are not written.
    pub threshold: Severity,
    /// Serve, print, set or measure.
    pub mode: Mode,
    /// `-r`: load the dump files.
    pub reload_dumps: bool,
    /// `-R`: a restart; no initial step.
    pub restart: bool,
    /// `-s`: set the clock from the driftfile's time if that is later.
    pub restore_time: bool,
    /// `-t`: exit after this many seconds.
    pub timeout: Option<f64>,
    /// `-u`: the user to run as.
    pub user: Option<String>,
    /// False with `-U`: root is not required.
    pub needs_root: bool,
    /// `-F`: system call filter.
    pub filter_level: i32,
    /// `-P`: real-time priority.
    pub priority: Option<i32>,
    /// `-m`: lock the memory.
    pub lock_memory: bool,
    /// False with `-x` and `-Q`: the clock is not steered.
    pub steer: bool,
    /// `-N`: a newline is written to this descriptor when ready.
    pub notify_fd: Option<u32>,
}

impl Options {
    fn new(name: Name) -> Self {
        let (foreground, log) = match name {
            Name::Chronyd => (false, LogTarget::Syslog),
            Name::Timeball => (true, LogTarget::Stderr),
        };
        Self {
            family: Family::Any,
            config_file: None,
            directives: Vec::new(),
            foreground,
            log,
            threshold: Severity::Info,
            mode: Mode::Serve,
            reload_dumps: false,
            restart: false,
            restore_time: false,
            timeout: None,
            user: None,
            needs_root: true,
            filter_level: 0,
            priority: None,
            lock_memory: false,
            steer: true,
            notify_fd: None,
        }
    }
}

/// Why the command line cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub enum Wrong {
    /// No such option: the usage is shown.
    Unknown(String),
    /// The option needs a value: the usage is shown.
    MissingValue(char),
    /// The value makes no sense: a fatal error.
    BadValue(String),
}

/// Options that take a value.
const WITH_VALUE: &[u8] = b"flLtuFPN";

/// Reads the words after the program's name (and after `run`).
pub fn parse(name: Name, words: &[OsString]) -> Result<Request, Wrong> {
    let mut options = Options::new(name);
    let mut log_file = None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        match bytes {
            b"--" => {
                options.directives.extend(words.by_ref().map(|w| w.to_string_lossy().into_owned()));
            }
            b"--help" => return Ok(Request::Help),
            b"--version" => return Ok(Request::Version),
            b"--help-config" if name == Name::Timeball => {
                return Ok(Request::HelpConfig(words.next().map(|word| word.to_string_lossy().into_owned())));
            }
            [b'-', b'-', ..] => return Err(Wrong::Unknown(word.to_string_lossy().into_owned())),
            [b'-', cluster @ ..] if !cluster.is_empty() => {
                for (at, &letter) in cluster.iter().enumerate() {
                    let rest = cluster.get(at + 1..).unwrap_or_default();
                    if !WITH_VALUE.contains(&letter) {
                        if let Some(request) = flag(&mut options, letter)? {
                            return Ok(request);
                        }
                        continue;
                    }
                    // The value is the rest of this word, else the next word whatever it looks like.
                    let value = if rest.is_empty() {
                        words.next().cloned().ok_or(Wrong::MissingValue(char::from(letter)))?
                    } else {
                        OsString::from_vec(rest.to_vec())
                    };
                    if letter == b'l' {
                        log_file = Some(PathBuf::from(value));
                    } else {
                        with_value(&mut options, letter, &value)?;
                    }
                    break;
                }
            }
            _ => options.directives.push(word.to_string_lossy().into_owned()),
        }
    }
    if let Some(path) = log_file {
        options.log = LogTarget::File(path);
    }
    Ok(Request::Run(Box::new(options)))
}

/// An option without a value; `Some` ends the reading.
fn flag(options: &mut Options, letter: u8) -> Result<Option<Request>, Wrong> {
    match letter {
        b'4' => options.family = Family::V4,
        b'6' => options.family = Family::V6,
        b'n' => {
            options.foreground = true;
            options.log = LogTarget::Syslog;
        }
        b'd' => to_stderr(options),
        b'p' => {
            options.mode = Mode::PrintConfig;
            options.needs_root = false;
            options.threshold = options.threshold.max(Severity::Warning);
            to_stderr(options);
        }
        // Whoever wants to see the configuration wants nothing done, whatever else is said.
        b'q' | b'Q' if options.mode == Mode::PrintConfig => {}
        b'q' => {
            options.mode = Mode::SetOnce;
            to_stderr(options);
        }
        b'Q' => {
            options.mode = Mode::MeasureOnce;
            options.needs_root = false;
            options.steer = false;
            to_stderr(options);
        }
        b'r' => options.reload_dumps = true,
        b'R' => options.restart = true,
        b's' => options.restore_time = true,
        b'U' => options.needs_root = false,
        b'm' => options.lock_memory = true,
        b'x' => options.steer = false,
        b'v' => return Ok(Some(Request::Version)),
        b'h' => return Ok(Some(Request::Help)),
        _ => return Err(Wrong::Unknown(format!("-{}", char::from(letter)))),
    }
    Ok(None)
}

fn to_stderr(options: &mut Options) {
    options.foreground = true;
    options.log = LogTarget::Stderr;
}

fn with_value(options: &mut Options, letter: u8, value: &OsStr) -> Result<(), Wrong> {
    let text = value.to_string_lossy();
    let number =
        || text.trim().parse::<i32>().map_err(|_| Wrong::BadValue(format!("Invalid argument {text}")));
    match letter {
        b'f' => options.config_file = Some(PathBuf::from(value)),
        b'u' => options.user = Some(text.into_owned()),
        b'L' => {
            options.threshold = match number()? {
                ..=-1 => Severity::Debug,
                0 => Severity::Info,
                1 => Severity::Warning,
                2 => Severity::Error,
                3.. => Severity::Fatal,
            };
        }
        b't' => {
            let seconds = text.trim().parse::<f64>().ok().filter(|s| s.is_finite() && *s >= 0.0);
            options.timeout =
                Some(seconds.ok_or_else(|| Wrong::BadValue(format!("Invalid argument {text}")))?);
        }
        b'F' => {
            let level = number()?;
            if !(-2..=2).contains(&level) {
                return Err(Wrong::BadValue("Unsupported filter level".to_owned()));
            }
            options.filter_level = level;
        }
        b'P' => {
            let priority = number()?;
            if !(0..=99).contains(&priority) {
                return Err(Wrong::BadValue(format!("Bad scheduler priority: {priority}")));
            }
            options.priority = Some(priority);
        }
        b'N' => {
            let fd = number()?;
            options.notify_fd =
                Some(u32::try_from(fd).map_err(|_| Wrong::BadValue(format!("Invalid argument {text}")))?);
        }
        _ => return Err(Wrong::Unknown(format!("-{}", char::from(letter)))),
    }
    Ok(())
}

/// The usage, with the name it was called by.
pub fn usage(name: Name) -> String {
    let program = match name {
        Name::Chronyd => "chronyd",
        Name::Timeball => "timeball run",
    };
    let own = if name == Name::Timeball { OWN_OPTIONS_HELP } else { "" };
    format!("Usage: {program} [OPTION]... [DIRECTIVE]...\n\nOptions:\n{OPTIONS_HELP}{own}")
}

/// Options that are read but have no effect in this version, and why.
#[cfg(test)]
pub const WITHOUT_EFFECT: &[(&str, &str)] = &[];

const OWN_OPTIONS_HELP: &str = "  \
  --help-config\tExplain the directives of the configuration, or the one named next

Example: timeball run -x 'server ntp.example.net iburst'
";

const OPTIONS_HELP: &str = "  \
  -4\t\tUse IPv4 addresses only
  -6\t\tUse IPv6 addresses only
  -f FILE\tRead the configuration from FILE
  -n\t\tStay in the foreground, log to the system log
  -d\t\tStay in the foreground, log to standard error
  -l FILE\tLog to FILE
  -L LEVEL\tLowest severity logged: -1 debug, 0 information, 1 warning, 2 error, 3 fatal (0)
  -p\t\tPrint the configuration and exit
  -q\t\tSet the clock once and exit
  -Q\t\tMeasure and print the clock's offset and exit
  -r\t\tLoad the dump files
  -R\t\tThis is a restart: no initial step of the clock
  -s\t\tSet the clock from the drift file's time if that is later
  -t SECONDS\tExit after this time
  -u USER\tRun as USER
  -U\t\tDo not ask for root
  -F LEVEL\tSystem call filter level (0)
  -P PRIORITY\tReal-time priority (0)
  -m\t\tLock the memory
  -x\t\tDo not control the clock
  -N FD\t\tWrite a newline to descriptor FD when ready
  -v, --version\tPrint the version and exit
  -h, --help\tPrint this and exit
";

#[cfg(test)]
mod tests {
    use super::*;

    fn options(name: Name, line: &str) -> Options {
        let words: Vec<OsString> = line.split(' ').filter(|w| !w.is_empty()).map(OsString::from).collect();
        match parse(name, &words) {
            Ok(Request::Run(options)) => *options,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn wrong(line: &str) -> Wrong {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        parse(Name::Chronyd, &words).unwrap_err()
    }

    #[test]
    fn the_names_differ_in_where_they_run_and_log() {
        let chronyd = options(Name::Chronyd, "");
        assert!(!chronyd.foreground && chronyd.log == LogTarget::Syslog && chronyd.needs_root);
        let timeball = options(Name::Timeball, "");
        assert!(timeball.foreground && timeball.log == LogTarget::Stderr);
    }

    #[test]
    fn options_cluster_and_take_values_with_and_without_a_blank() {
        let o = options(Name::Chronyd, "-4dxf/etc/a.conf -L -1 -F-1 -rRs -u nobody -t 2.5 -P 50 -N 7");
        assert_eq!(o.family, Family::V4);
        assert_eq!(o.config_file, Some(PathBuf::from("/etc/a.conf")));
        assert_eq!(o.log, LogTarget::Stderr);
        assert!(o.foreground && !o.steer && o.reload_dumps && o.restart && o.restore_time);
        assert_eq!((o.threshold, o.filter_level, o.priority), (Severity::Debug, -1, Some(50)));
        assert_eq!((o.user.as_deref(), o.timeout, o.notify_fd), (Some("nobody"), Some(2.5), Some(7)));
    }

    #[test]
    fn only_timeball_explains_directives() {
        let words = ["-4", "--help-config", "makestep"].map(OsString::from);
        assert_eq!(parse(Name::Timeball, &words), Ok(Request::HelpConfig(Some("makestep".into()))));
        assert_eq!(parse(Name::Timeball, &words[..2]), Ok(Request::HelpConfig(None)));
        assert_eq!(parse(Name::Chronyd, &words), Err(Wrong::Unknown("--help-config".into())));
        assert!(usage(Name::Timeball).contains("--help-config") && !usage(Name::Chronyd).contains("-config"));
    }

    #[test]
    fn directives_mix_with_options_until_two_dashes() {
        let words = ["port 0", "-n", "allow", "--", "-strange"].map(OsString::from);
        let Ok(Request::Run(o)) = parse(Name::Chronyd, &words) else { panic!("does not parse") };
        assert_eq!(o.directives, ["port 0", "allow", "-strange"]);
        assert!(o.foreground && o.log == LogTarget::Syslog);
    }

    #[test]
    fn a_log_file_wins_over_every_other_target_wherever_it_stands() {
        let o = options(Name::Chronyd, "-l /tmp/x.log -d");
        assert_eq!(o.log, LogTarget::File("/tmp/x.log".into()));
        assert!(o.foreground);
    }

    #[test]
    fn measuring_once_touches_nothing() {
        let o = options(Name::Chronyd, "-Q");
        assert!(o.mode == Mode::MeasureOnce && !o.steer && !o.needs_root && o.foreground);
        let o = options(Name::Chronyd, "-q");
        assert!(o.mode == Mode::SetOnce && o.steer && o.needs_root && o.foreground);
        for words in ["-p", "-p -q", "-q -p", "-pQ"] {
            let o = options(Name::Chronyd, words);
            assert!(
                o.mode == Mode::PrintConfig && !o.needs_root && o.threshold == Severity::Warning,
                "{words}"
            );
        }
    }

    #[test]
    fn bad_words_are_named() {
        assert_eq!(wrong("-z"), Wrong::Unknown("-z".into()));
        assert_eq!(wrong("--frob"), Wrong::Unknown("--frob".into()));
        assert_eq!(wrong("-d -f"), Wrong::MissingValue('f'));
        assert_eq!(wrong("-t x"), Wrong::BadValue("Invalid argument x".into()));
        assert_eq!(wrong("-F 9"), Wrong::BadValue("Unsupported filter level".into()));
        assert_eq!(wrong("-P 200"), Wrong::BadValue("Bad scheduler priority: 200".into()));
        assert_eq!(parse(Name::Chronyd, &["-dv".into()]), Ok(Request::Version));
        assert_eq!(parse(Name::Timeball, &["--help".into(), "-z".into()]), Ok(Request::Help));
    }

    #[test]
    fn the_usage_names_every_option() {
        let text = usage(Name::Timeball);
        for letter in "46fndlLpqQrRstuUFPmxNvh".chars() {
            assert!(text.contains(&format!("  -{letter}")), "-{letter} is missing");
        }
    }
}
