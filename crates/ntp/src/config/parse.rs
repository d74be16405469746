//! Text to lines to directives to [`Config`].
//!
//! One directive a line; blanks separate words; a line whose first character is one of `! ; # %` is a comment
//! (a `#` later in the line is an argument). No quotes, no escapes, no continuation. Everything wrong is
//! collected and reported at once, in chrony's wording, because scripts look for it, followed by a hint.
//!
//! Start at [`parse`]; `Reader` walks the files.

use super::check::check_lines;
use super::directives::{self, Apply, Arguments, Directive, Status};
use super::error::{ConfigError, Origin, Warning, printable};
use super::suggest::did_you_mean;
use super::words::{Words, WrongKind, split};
use super::{Config, SourceConfig, SourceKind, directives::source_from_words, glob};
use std::collections::BTreeSet;

/// Longest line, in bytes without its end.
const MAX_LINE: usize = 2046;
/// Deepest nesting of files, the first one included.
const MAX_LEVEL: usize = 10;
/// Most folders of one `confdir`.
const MAX_CONF_DIRS: usize = 10;
/// Most files read in all: ten levels that each include a file a hundred times would never end.
const MAX_FILES: usize = 1000;
/// Most errors reported: the file is something else altogether.
const MAX_ERRORS: usize = 50;

/// Reads files on behalf of the parser, which itself touches nothing.
pub trait Loader {
    /// The text of a file; `Err` is the reason in words (`No such file or directory`). A folder is an empty file, as
    /// it is to chrony.
    fn read(&self, path: &str) -> Result<String, String>;
    /// The names in a folder (without the path, in any order, without `.` and `..`).
    fn list(&self, folder: &str) -> Result<Vec<String>, String>;
}

/// A place without files, for lines that stand by themselves.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Loader for NoFiles {
    fn read(&self, _: &str) -> Result<String, String> {
        Err("No such file or directory".to_owned())
    }
    fn list(&self, _: &str) -> Result<Vec<String>, String> {
        Err("No such file or directory".to_owned())
    }
}

/// What a configuration says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// What it means.
    pub config: Config,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
    /// Every directive with single blanks, `include` and `confdir` replaced by what they read: the output of `-p`.
    pub lines: Vec<String>,
    /// Where each of them stands.
    pub origins: Vec<Origin>,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Everything that is wrong with it; at least one.
    pub errors: Vec<ConfigError>,
    /// [`Parsed::lines`] up to and including that of the first error: what `-p` prints nevertheless.
    pub lines: Vec<String>,
}

/// The configuration `text` of file `file`, with all it includes; or everything that is wrong with it.
pub fn parse(text: &str, file: &str, loader: &dyn Loader) -> Result<Parsed, Refused> {
    let mut reader = Reader::new(loader);
    reader.text(text, file, 1);
    reader.finish()
}

/// The configuration of command-line arguments, each one line.
pub fn parse_lines<S: AsRef<str>>(arguments: &[S], loader: &dyn Loader) -> Result<Parsed, Refused> {
    let mut reader = Reader::new(loader);
    for (index, line) in arguments.iter().enumerate() {
        reader.line(line.as_ref(), Origin { file: None, line: index + 1 }, 0);
    }
    reader.finish()
}

/// The sources of a `*.sources` file. Bad lines are skipped; a last line without its end is still being written,
/// so it is left for the next time.
pub fn parse_sources_file(text: &str) -> Vec<SourceConfig> {
    text.split_inclusive('\n').filter_map(|line| parse_source_line(line.strip_suffix('\n')?)).collect()
}

/// The source of one line `server|pool|peer NAME [OPTION...]`.
fn parse_source_line(line: &str) -> Option<SourceConfig> {
    let mut words = Words::new(line);
    if line.len() > MAX_LINE {
        return None;
    }
    let kind = match words.next_word()?.to_ascii_lowercase().as_str() {
        "server" => SourceKind::Server,
        "pool" => SourceKind::Pool,
        "peer" => SourceKind::Peer,
        _ => return None,
    };
    source_from_words(kind, words.rest()).ok()
}

/// The `*.sources` or `*.conf` files of `folders`: of files of one name only that of the first folder, in the
/// byte order of the names. Missing folders and hidden files are ignored.
pub fn files_of_folders<S: AsRef<str>>(folders: &[S], suffix: &str, loader: &dyn Loader) -> Vec<String> {
    let pattern = format!("*{suffix}");
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for folder in folders {
        let folder = folder.as_ref();
        for name in loader.list(folder).unwrap_or_default() {
            if name.len() > suffix.len() && glob::matches(&pattern, &name) && seen.insert(name.clone()) {
                let path = format!("{}/{name}", folder.trim_end_matches('/'));
                files.push((name, path));
            }
        }
    }
    files.sort_unstable();
    files.into_iter().map(|(_, path)| path).collect()
}

/// Walks the files and collects.
struct Reader<'a> {
    loader: &'a dyn Loader,
    parsed: Parsed,
    errors: Vec<ConfigError>,
    /// How many lines there were at the first error.
    good_lines: usize,
    files: usize,
    /// Nothing more is read: one more error would not help.
    stopped: bool,
}

impl<'a> Reader<'a> {
    fn new(loader: &'a dyn Loader) -> Self {
        Self {
            loader,
            parsed: Parsed::default(),
            errors: Vec::new(),
            good_lines: 0,
            files: 0,
            stopped: false,
        }
    }

    fn finish(self) -> Result<Parsed, Refused> {
        if self.errors.is_empty() {
            return Ok(self.parsed);
        }
        let mut errors = self.errors;
        errors.extend(check_lines(&self.parsed));
        errors.truncate(MAX_ERRORS);
        let mut lines = self.parsed.lines;
        lines.truncate(self.good_lines);
        Err(Refused { errors, lines })
    }

    fn error(&mut self, error: ConfigError) {
        if self.errors.is_empty() {
            self.good_lines = self.parsed.lines.len();
        }
        self.errors.push(error);
        self.stopped |= self.errors.len() >= MAX_ERRORS;
    }

    /// Stops with an error that is worth telling once only.
    fn give_up(&mut self, origin: &Origin, message: &str, hint: &str) {
        self.error(ConfigError {
            origin: Some(origin.clone()),
            message: message.to_owned(),
            hint: Some(format!("{hint}{origin}")),
        });
        self.stopped = true;
    }

    fn text(&mut self, text: &str, file: &str, level: usize) {
        // Some editors begin a file with the mark of its byte order.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.split('\n').enumerate() {
            self.line(line, Origin { file: Some(file.to_owned()), line: index + 1 }, level);
        }
    }

    fn line(&mut self, line: &str, origin: Origin, level: usize) {
        if self.stopped {
            return;
        }
        if line.len() > MAX_LINE {
            let hint = format!("a line has at most {MAX_LINE} characters");
            return self.error(ConfigError::at(origin, "String too long", Some(hint)));
        }
        let mut words = Words::new(line);
        if words.rest().starts_with(['!', ';', '#', '%']) {
            return;
        }
        let Some(name) = words.next_word() else { return };
        let normalised = || split(line).collect::<Vec<_>>().join(" ");
        let Some(directive) = directives::find(name) else {
            self.parsed.lines.push(normalised());
            self.parsed.origins.push(origin.clone());
            let hint = did_you_mean(name, directives::all().map(|d| d.name))
                .unwrap_or_else(|| "there is no such directive".to_owned());
            return self.error(ConfigError::at(origin, &format!("Invalid directive {name}"), Some(hint)));
        };
        if !matches!(directive.apply, Apply::Include | Apply::ConfDir) {
            self.parsed.lines.push(normalised());
            self.parsed.origins.push(origin.clone());
        }
        self.directive(directive, &mut words, origin, level);
    }

    fn directive(&mut self, directive: &Directive, words: &mut Words<'_>, origin: Origin, level: usize) {
        let counted = match directive.arguments {
            Arguments::Exactly(n) if words.left() < n => Err(WrongKind::Missing.into()),
            Arguments::Exactly(n) if words.left() > n => Err(WrongKind::TooMany.into()),
            Arguments::Exactly(_) | Arguments::Own => Ok(()),
        };
        let outcome = counted.and_then(|()| match directive.apply {
            Apply::Set(apply) => apply(&mut self.parsed.config, words),
            Apply::Include => {
                self.include(words.rest(), &origin, level);
                Ok(())
            }
            Apply::ConfDir => {
                let folders: Vec<&str> = split(words.rest()).collect();
                if folders.is_empty() || folders.len() > MAX_CONF_DIRS {
                    return Err(WrongKind::Unparsable.hint(format!("one to {MAX_CONF_DIRS} folders")));
                }
                for path in files_of_folders(&folders, ".conf", self.loader) {
                    self.file(&path, &origin, level);
                }
                Ok(())
            }
            Apply::Nothing => Ok(()),
        });
        if let Err(wrong) = outcome {
            return self.error(ConfigError::of_directive(origin, directive.name, directive.usage, wrong));
        }
        match directive.status {
            Status::NotYet => words.notes.insert(0, format!("{} has no effect yet", directive.name)),
            Status::Removed => {
                words.notes.push(format!("{} directive is no longer supported", directive.name));
            }
            Status::Effective | Status::Silent => {}
        }
        // One line, one warning.
        if !words.notes.is_empty() {
            self.parsed.warnings.push(Warning { origin, text: printable(&words.notes.join("; ")) });
        }
    }

    fn include(&mut self, pattern: &str, origin: &Origin, level: usize) {
        if !glob::has_wildcard(pattern) {
            return self.file(pattern, origin, level);
        }
        match glob::expand(pattern, self.loader) {
            Ok(paths) => paths.iter().for_each(|path| self.file(path, origin, level)),
            Err(reason) => self.error(ConfigError {
                origin: Some(origin.clone()),
                message: format!("Could not search for files matching {pattern}"),
                hint: Some(format!("{reason}, included{origin}")),
            }),
        }
    }

    fn file(&mut self, path: &str, origin: &Origin, level: usize) {
        if self.stopped {
            return;
        }
        self.files += 1;
        if level >= MAX_LEVEL {
            let hint =
                format!("files nest at most {MAX_LEVEL} deep; does {path} include itself? It is included");
            return self.give_up(origin, "Maximum include level reached", &hint);
        }
        if self.files > MAX_FILES {
            let hint = format!("at most {MAX_FILES} are read; one more is included");
            return self.give_up(origin, "Too many files", &hint);
        }
        match self.loader.read(path) {
            Ok(text) => self.text(&text, path, level + 1),
            Err(reason) => self.error(ConfigError {
                origin: Some(origin.clone()),
                message: format!("Could not open {path} : {reason}"),
                hint: Some(format!("included{origin}")),
            }),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn parse_text(text: &str) -> Result<Parsed, Vec<ConfigError>> {
        parse(text, "test.conf", &NoFiles).map_err(|refused| refused.errors)
    }

    #[test]
    fn the_lines_up_to_the_first_error_are_kept() {
        for (text, lines, errors) in [
            ("port  1\nfoo  bar\nport 2\nbar", vec!["port 1", "foo bar"], 2),
            ("port 1\ninclude /x.conf\nport 2", vec!["port 1"], 1),
            ("port 1\nmakestep", vec!["port 1", "makestep"], 1),
        ] {
            let refused = parse(text, "test.conf", &NoFiles).expect_err(text);
            assert_eq!(
                (refused.lines, refused.errors.len()),
                (lines.iter().map(|&l| l.into()).collect(), errors)
            );
        }
    }

    #[test]
    fn a_mark_of_the_byte_order_is_no_part_of_the_first_word() {
        let parsed = parse_text("\u{feff}port 1\nport 2").expect("right");
        assert_eq!(parsed.lines, ["port 1", "port 2"]);
        assert!(parse_text("port 1\n\u{feff}port 2").is_err());
    }

    #[test]
    fn a_file_of_sources_is_read_as_far_as_it_is_written() {
        let text = "# from DHCP\nserver 192.0.2.1 iburst\nPOOL pool.example.net maxsources 2\nserver bad option\nmakestep 1 3\n\nserver\npeer a.example";
        let names: Vec<String> = parse_sources_file(text).into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["192.0.2.1", "pool.example.net"]);
        assert_eq!(parse_sources_file(&format!("{text}\r\n")).len(), 3);
        assert!(parse_sources_file("").is_empty());
    }
}
