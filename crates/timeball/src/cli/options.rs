//! The words before the command: chronyc's option letters, and the few long options of `timeball`.
//!
//! chronyc reads its options as getopt does with a leading `+`: letters may be bundled, a value may be glued to its
//! letter, and the first word that is no option ends them. As `timeball`, long options are also accepted after the
//! command word, because that is where people type them.

use std::ffi::OsString;

use ntp::config::Family;

use super::Name;

/// What was said before the command.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// `-4`, `-6`: look up names in one family only.
    pub family: Family,
    /// `-n`: print addresses, not names.
    pub numeric: bool,
    /// `-N`: print sources as they are named in the configuration.
    pub source_names: bool,
    /// `-c` or `--json`: how reports are written.
    pub format: Format,
    /// `-e`: a line with a dot after each command.
    pub end_dot: bool,
    /// `-m`: every argument is a whole command.
    pub multi: bool,
    /// `-w`: wider name columns.
    pub wide: bool,
    /// `-h`: where to look for the daemon.
    pub hosts: Option<String>,
    /// `-p`: UDP port.
    pub port: u16,
    /// `-u`: the user to become.
    pub user: Option<String>,
    /// `-d`: say what is sent and received.
    pub debug: bool,
    /// The command and its arguments, or with `-m` the commands.
    pub words: Vec<String>,
}

/// How reports are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Tables and labelled lines.
    #[default]
    Text,
    /// Comma-separated fields, one record a line.
    Csv,
    /// One JSON document a command; field names carry their unit.
    Json,
}

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Run commands.
    Run(Options),
    /// `--help`, perhaps about one command; exit 0.
    Help(Option<String>),
    /// `-v`, `--version`; exit 0.
    Version,
    /// A bad option, in getopt's words; usage, exit 1.
    Bad(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            family: Family::Any,
            numeric: false,
            source_names: false,
            format: Format::Text,
            end_dot: false,
            multi: false,
            wide: false,
            hosts: None,
            port: 323,
            user: None,
            debug: false,
            words: Vec::new(),
        }
    }
}

/// Reads the arguments after the program's name.
pub fn parse(args: &[OsString], name: Name) -> Request {
    let args: Vec<String> = args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(word) = rest.clone().next() {
        match word.as_str() {
            "--" => {
                rest.next();
                break;
            }
            "--help" => return Request::Help(command_word(&options, rest.as_slice(), name)),
            "--version" => return Request::Version,
            "--json" if name == Name::Timeball => options.format = Format::Json,
            _ if !word.starts_with('-') || word == "-" => break,
            _ => match letters(&mut options, &word[1..], rest.as_slice().get(1)) {
                Ok(Taken::Word) => {}
                Ok(Taken::WordAndValue) => drop(rest.next()),
                Ok(Taken::Version) => return Request::Version,
                Err(complaint) => return Request::Bad(complaint),
            },
        }
        rest.next();
    }
    options.words = rest.cloned().collect();
    if name == Name::Timeball && !options.multi {
        return late_options(options);
    }
    Request::Run(options)
}

/// `timeball sources --json`, `timeball sources --help`: long options behind the command word.
fn late_options(mut options: Options) -> Request {
    if options.words.iter().any(|word| word == "--help") {
        return Request::Help(options.words.first().cloned());
    }
    if options.words.iter().any(|word| word == "--json") {
        options.format = Format::Json;
        options.words.retain(|word| word != "--json");
    }
    Request::Run(options)
}

/// `timeball --help sources` asks about one command; chronyc's `--help` only about itself.
fn command_word(options: &Options, rest: &[String], name: Name) -> Option<String> {
    debug_assert!(options.words.is_empty());
    match name {
        Name::Timeball => rest.iter().skip(1).find(|word| !word.starts_with('-')).cloned(),
        Name::Chronyc => None,
    }
}

/// What one option word used up.
enum Taken {
    Word,
    WordAndValue,
    Version,
}

/// One word of bundled option letters; `next` is the word that may be the last letter's value.
fn letters(options: &mut Options, word: &str, next: Option<&String>) -> Result<Taken, String> {
    let mut chars = word.chars();
    while let Some(letter) = chars.next() {
        match letter {
            '4' => options.family = Family::V4,
            '6' => options.family = Family::V6,
            'a' => {} // without a meaning since chrony 2.2; scripts still say it
            'c' => {
                options.format = Format::Csv;
                options.numeric = true;
            }
            'd' => options.debug = true,
            'e' => options.end_dot = true,
            'm' => options.multi = true,
            'n' => options.numeric = true,
            'N' => options.source_names = true,
            'w' => options.wide = true,
            'v' => return Ok(Taken::Version),
            'f' | 'h' | 'p' | 'u' => {
                let glued = chars.as_str();
                let value = if glued.is_empty() { next.map(String::as_str) } else { Some(glued) };
                let value = value.ok_or_else(|| format!("option requires an argument -- '{letter}'"))?;
                match letter {
                    'h' => options.hosts = Some(value.to_owned()),
                    'p' => options.port = super::arguments::scan_integer(value).unwrap_or(0) as u16,
                    'u' => options.user = Some(value.to_owned()),
                    _ => {} // -f: a configuration file, without a meaning today
                }
                return Ok(if glued.is_empty() { Taken::WordAndValue } else { Taken::Word });
            }
            other => return Err(format!("invalid option -- '{other}'")),
        }
    }
    Ok(Taken::Word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: Name, line: &str) -> Request {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        parse(&args, name)
    }

    fn run(name: Name, line: &str) -> Options {
        match read(name, line) {
            Request::Run(options) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn letters_may_be_bundled_and_end_at_the_first_word() {
        let options = run(Name::Chronyc, "-nNcm -h a,b -p1323 sources -a -v");
        assert!(options.numeric && options.source_names && options.multi);
        assert_eq!(options.format, Format::Csv);
        assert_eq!(options.hosts.as_deref(), Some("a,b"));
        assert_eq!(options.port, 1323);
        assert_eq!(options.words, ["sources", "-a", "-v"]);
        assert_eq!(run(Name::Chronyc, "-a -f /etc/x -- -n").words, ["-n"]);
        assert_eq!(run(Name::Chronyc, "-ph activity").port, 0, "a port that is no number is 0, as atoi says");
        assert_eq!(run(Name::Chronyc, "-4").family, Family::V4);
        assert_eq!(run(Name::Chronyc, "-46").family, Family::V6);
    }

    #[test]
    fn bad_options_are_told_in_getopts_words() {
        for (line, complaint) in [
            ("-Z", "invalid option -- 'Z'"),
            ("-nZ", "invalid option -- 'Z'"),
            ("--foo", "invalid option -- '-'"),
            ("-h", "option requires an argument -- 'h'"),
        ] {
            assert_eq!(read(Name::Chronyc, line), Request::Bad(complaint.to_owned()), "{line}");
        }
        assert_eq!(
            read(Name::Chronyc, "--json tracking"),
            Request::Bad("invalid option -- '-'".to_owned()),
            "chronyc knows no JSON"
        );
    }

    #[test]
    fn help_and_version_win() {
        assert_eq!(read(Name::Chronyc, "-n --help tracking"), Request::Help(None));
        assert_eq!(read(Name::Chronyc, "-nv"), Request::Version);
        assert_eq!(read(Name::Timeball, "--version"), Request::Version);
        assert_eq!(read(Name::Timeball, "--help sources"), Request::Help(Some("sources".to_owned())));
        assert_eq!(read(Name::Timeball, "sources -a --help"), Request::Help(Some("sources".to_owned())));
        assert_eq!(read(Name::Timeball, "--help"), Request::Help(None));
    }

    #[test]
    fn timeball_takes_json_on_either_side_of_the_command() {
        for line in ["--json sources -a", "sources --json -a", "sources -a --json"] {
            let options = run(Name::Timeball, line);
            assert_eq!((options.format, options.words.len()), (Format::Json, 2), "{line}");
        }
    }
}
