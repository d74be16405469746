//! The message log: the system log, standard error, or a file, in chrony's format.
//!
//! One logger for the process, because every corner of the daemon and the panic hook may have something to
//! say; [`Logger`] itself is a plain value. Standard error and files get `YYYY-MM-DDTHH:MM:SSZ ` in front of
//! each line; on a terminal (never under the name chronyd) warnings and errors are coloured.

use super::args::LogTarget;
use super::files::{self, Failure};
use crate::terminal;
use ntp::calendar::civil_from_days;
use ntp::engine::Severity;
use ntp::time::NANOS;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use sys::syslog::Priority;

/// Where lines go and which ones.
#[derive(Debug)]
pub struct Logger {
    sink: Sink,
    threshold: Severity,
    colour: bool,
}

#[derive(Debug)]
enum Sink {
    Syslog,
    Stderr,
    File { path: PathBuf, file: File },
}

static LOGGER: Mutex<Option<Logger>> = Mutex::new(None);

/// Writes one line; before [`install`] it goes to standard error.
pub fn log(severity: Severity, text: &str) {
    // A panic while logging must not wait for itself: the hook's line then goes to standard error.
    match LOGGER.try_lock() {
        Ok(mut guard) => match guard.as_mut() {
            Some(logger) => logger.log(severity, text),
            None => Logger::new_stderr(Severity::Info, false).log(severity, text),
        },
        Err(_) => Logger::new_stderr(Severity::Info, false).log(severity, text),
    }
}

/// Takes the place of the logger.
pub fn install(logger: Logger) {
    if let Ok(mut guard) = LOGGER.lock() {
        *guard = Some(logger);
    }
}

/// Opens the log file again if its path is gone (`cyclelogs` after a rotation).
pub fn reopen() {
    let outcome = LOGGER.lock().ok().and_then(|mut guard| guard.as_mut().map(Logger::reopen));
    if let Some(Err(failure)) = outcome {
        log(Severity::Error, &failure.to_string());
    }
}

/// Information.
pub fn info(text: &str) {
    log(Severity::Info, text);
}

/// Something the operator should know.
pub fn warning(text: &str) {
    log(Severity::Warning, text);
}

/// Something failed.
pub fn error(text: &str) {
    log(Severity::Error, text);
}

impl Logger {
    /// A logger for `target`; `ident` is its name in the system log. Colours only with `may_colour` and on a
    /// terminal.
    pub fn new(
        target: &LogTarget,
        threshold: Severity,
        ident: &'static CStr,
        may_colour: bool,
    ) -> Result<Self, Failure> {
        let sink = match target {
            LogTarget::Stderr => return Ok(Self::new_stderr(threshold, may_colour)),
            LogTarget::Syslog => {
                sys::syslog::open(ident);
                Sink::Syslog
            }
            LogTarget::File(path) => Sink::File { path: path.clone(), file: files::append(path, 0o640)? },
        };
        Ok(Self { sink, threshold, colour: false })
    }

    fn new_stderr(threshold: Severity, may_colour: bool) -> Self {
        let colour = may_colour && terminal::has_colours(&io::stderr());
        Self { sink: Sink::Stderr, threshold, colour }
    }

    /// Writes one line, if it matters enough. What cannot be written is lost: there is nobody to tell.
    pub fn log(&mut self, severity: Severity, text: &str) {
        if severity < self.threshold {
            return;
        }
        let prefix = if severity == Severity::Fatal { "Fatal error : " } else { "" };
        let line = format!("{} {prefix}{text}\n", utc(sys::clock::realtime().div_euclid(NANOS)));
        match &mut self.sink {
            Sink::Syslog => sys::syslog::log(priority(severity), &format!("{prefix}{text}")),
            Sink::Stderr => {
                let _ = io::stderr().write_all(dress(&line, severity, self.colour).as_bytes());
            }
            Sink::File { file, .. } => {
                let _ = file.write_all(line.as_bytes());
            }
        }
    }

    fn reopen(&mut self) -> Result<(), Failure> {
        if let Sink::File { path, file } = &mut self.sink
            && !path.exists()
        {
            *file = files::append(path, 0o640)?;
        }
        Ok(())
    }
}

/// The line in its severity's colour: yellow for warnings, red for errors.
fn dress(line: &str, severity: Severity, colour: bool) -> String {
    let code = match severity {
        Severity::Warning => "33",
        Severity::Error | Severity::Fatal => "31",
        Severity::Debug | Severity::Info => return line.to_owned(),
    };
    if colour { format!("\x1b[{code}m{}\x1b[0m\n", line.trim_end_matches('\n')) } else { line.to_owned() }
}

fn priority(severity: Severity) -> Priority {
    match severity {
        Severity::Debug => Priority::Debug,
        Severity::Info => Priority::Info,
        Severity::Warning => Priority::Warning,
        Severity::Error => Priority::Error,
        Severity::Fatal => Priority::Critical,
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a Unix second.
fn utc(seconds: i64) -> String {
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::super::files::tests::Folder;
    use super::*;

    #[test]
    fn dates_are_gregorian() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (2_085_978_496, "2036-02-07T06:28:16Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), text);
        }
    }

    #[test]
    fn a_file_gets_stamped_lines_above_the_threshold_and_is_reopened_when_gone() {
        let folder = Folder::new("logger");
        let path = folder.file("log");
        let mut logger =
            Logger::new(&LogTarget::File(path.clone()), Severity::Warning, c"timeball", true).unwrap();
        logger.log(Severity::Info, "too quiet");
        logger.log(Severity::Warning, "a warning");
        logger.log(Severity::Fatal, "the end");
        let text = std::fs::read_to_string(&path).unwrap();
        let tails: Vec<&str> = text.lines().map(|line| &line[20..]).collect();
        assert_eq!(tails, [" a warning", " Fatal error : the end"]);
        logger.reopen().unwrap();
        std::fs::remove_file(&path).unwrap();
        logger.reopen().unwrap();
        logger.log(Severity::Error, "again");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn colours_end_before_the_line_does() {
        assert_eq!(dress("x\n", Severity::Error, true), "\x1b[31mx\x1b[0m\n");
        assert_eq!(dress("x\n", Severity::Error, false), "x\n");
        assert_eq!(dress("x\n", Severity::Info, true), "x\n");
    }
}
