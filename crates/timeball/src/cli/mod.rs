//! The command line: `chronyc`, and the same commands as `timeball COMMAND`.
//!
//! It is a client of the control protocol and nothing else, so it works with Timeball's daemon and with chronyd.
//! Read [`commands`] first (the table everything is made from), then [`client`] (how a daemon is found and asked).
//! As chronyc every rule of chronyc's holds: words, layouts, numeric replies, exit status.

mod arguments;
mod check_config;
pub mod client;
pub mod commands;
mod completions;
mod config;
mod date;
mod editor;
pub mod help;
#[cfg(feature = "web")]
mod history;
mod import;
mod keygen;
pub mod options;
pub mod own;
mod page;
mod past;
mod random;
pub mod session;
mod setup;
pub mod status;
mod top;
pub mod uci;
mod undo;
mod unix;
mod whom;

use std::ffi::OsString;
use std::io::{self, BufRead, IsTerminal, LineWriter, Write};

use crate::{places, terminal};
use client::{Client, Endpoint};
use editor::{Edited, Editor};
use help::Style;
#[cfg(test)]
pub use help::compatibility_rows;
pub use help::manual_sections;
use options::{Options, Request};
use past::Past;
use session::{Failure, Session};

/// The name the program was run under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Timeball's own manners.
    Timeball,
    /// chronyc's manners.
    Chronyc,
}

impl Name {
    /// The word a user types.
    pub fn text(self) -> &'static str {
        match self {
            Self::Timeball => "timeball",
            Self::Chronyc => "chronyc",
        }
    }
}

/// Longest command line, bytes.
const LONGEST_LINE: usize = 2047;
/// Where daemons listen on UDP.
const LOOPBACK: &str = "127.0.0.1,::1";

/// Runs the command line with the arguments after the program's name; returns the exit status.
pub fn main(args: Vec<OsString>, name: Name) -> i32 {
    let mut out = LineWriter::new(io::stdout());
    let mut err = io::stderr();
    let status = run(&args, name, &mut out, &mut err);
    // Whatever command was running has said so if the output could not be written.
    let _ = out.flush();
    status
}

fn run(args: &[OsString], name: Name, out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    let coloured = name == Name::Timeball && terminal::has_colours(&io::stdout());
    let style = if coloured { Style::Terminal } else { Style::Plain };
    let (text, status) = match options::parse(args, name) {
        Request::Run(options) => return execute(options, name, style, out, err),
        Request::Version => (version(name), 0),
        Request::Help(None) => (usage(name, style), 0),
        Request::Help(Some(word)) => match commands::find(&word, name) {
            Some(command) => (help::command(command, name, style), 0),
            None => {
                let _ = writeln!(err, "{}", unknown(&word, name)); // stderr may be closed
                return 1;
            }
        },
        Request::Bad(complaint) => {
            let _ = writeln!(err, "{}: {complaint}", name.text()); // stderr may be closed
            (usage(name, style), 1)
        }
    };
    match write!(out, "{text}") {
        Ok(()) => status,
        Err(_) => 1,
    }
}

/// Runs what the command line, standard input or a person at the terminal says.
fn execute(mut options: Options, name: Name, style: Style, out: &mut dyn Write, err: &mut dyn Write) -> i32 {
    if let Some(user) = options.user.clone()
        && let Err(complaint) = become_user(&user)
    {
        let _ = writeln!(err, "{complaint}"); // stderr may be closed
        return 1;
    }
    let words = std::mem::take(&mut options.words);
    let client = Client::new(endpoints(&options, name));
    let mut session = Session { client, options, name, out, err, style, done: false, exit: 1 };
    session.client.debug = session.options.debug;
    // chronyc opens its connection before it looks at the command, so `help` fails too without a socket.
    if name == Name::Chronyc && session.client.open().is_err() {
        let _ = writeln!(session.err, "Could not open connection to daemon"); // stderr may be closed
        return 1;
    }
    let good = match (name, words.as_slice()) {
        (Name::Timeball, []) => line(&mut session, status::COMMAND.name),
        (Name::Chronyc, []) => read_commands(&mut session),
        (_, commands) if session.options.multi => commands.iter().all(|command| line(&mut session, command)),
        (_, words) => line(&mut session, &words.join(" ")),
    };
    if good { 0 } else { session.exit }
}

/// Where to look for the daemon.
fn endpoints(options: &Options, name: Name) -> Vec<Endpoint> {
    if let Some(list) = &options.hosts {
        return client::endpoints(list, options.port, options.family);
    }
    let paths = match name {
        Name::Chronyc => vec![places::CHRONYD_SOCKET.into()],
        Name::Timeball => places::sockets(places::variable),
    };
    let udp = client::endpoints(LOOPBACK, options.port, options.family);
    paths.into_iter().map(Endpoint::Unix).chain(udp).collect()
}

/// `-u`: root becomes a user before anything is opened.
fn become_user(name: &str) -> Result<(), String> {
    if sys::process::effective_uid() != 0 || name == "root" {
        return Ok(());
    }
    let user = sys::process::user(name).ok().flatten();
    let user = user.ok_or_else(|| format!("Could not get user/group ID of {name}"))?;
    sys::privileges::drop_to(&user, &[]).map_err(|error| format!("Could not become user {name}: {error}"))
}

/// Commands from standard input, with a prompt, history and completion if a person types them. The status is that of the last one.
fn read_commands(session: &mut Session<'_>) -> bool {
    let person = io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal();
    if person {
        let banner = "speaks chrony's control protocol; \"help\" lists the commands.\n\n";
        let _ = write!(session.out, "{} {banner}", version(Name::Timeball).trim_end()); // the prompt will tell
    }
    let mut good = true;
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let typed = (person && !dumb).then(|| Past::open(|name| std::env::var_os(name)));
    let (mut past, mut editor) = match typed {
        Some((past, lines)) => (past, Some(Editor::remembering(lines))),
        None => (Past::default(), None),
    };
    let name = session.name;
    let complete = |before: &str| completions::candidates(before, name);
    let mut input = io::stdin().lock();
    while !session.done {
        if person && write!(session.out, "{}", editor::PROMPT).and_then(|()| session.out.flush()).is_err() {
            break;
        }
        if let Some(editor) = &mut editor {
            match editor.read(&mut input, session.out, &complete) {
                Edited::Line(text) => {
                    past.add(&text);
                    good = line(session, text.trim());
                    continue;
                }
                Edited::End => break,
                Edited::NoTerminal => {}
            }
        }
        let mut bytes = Vec::new();
        match input.read_until(b'\n', &mut bytes) {
            Ok(0) => {
                if person {
                    let _ = writeln!(session.out); // so that the shell's prompt begins a line
                }
                break;
            }
            Ok(_) => good = line(session, String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n'])),
            Err(_) => return false,
        }
    }
    good
}

/// One command line; says what is wrong, and returns whether nothing was.
fn line(session: &mut Session<'_>, line: &str) -> bool {
    session.exit = 1;
    let words: Vec<&str> = line.split_whitespace().collect();
    let outcome = match words.split_first() {
        _ if line.len() > LONGEST_LINE => Err(Failure::usage("String too long")),
        None => return true,
        Some((word, _)) if word.starts_with(['!', ';', '#', '%']) => return true,
        Some((word, arguments)) => match commands::find(word, session.name) {
            Some(command)
                if session.name == Name::Timeball && arguments.contains(&commands::changes::WORD) =>
            {
                commands::changes::lasting(session, command, arguments)
            }
            Some(command) => match commands::strange_option(command, arguments) {
                Some(text) if session.name == Name::Timeball => Err(Failure::Usage(text)),
                _ => (command.run)(session, arguments),
            },
            None => Err(Failure::Usage(unknown(word, session.name))),
        },
    };
    let outcome = outcome.and_then(|()| session.out.flush().map_err(Failure::from));
    let good = outcome.is_ok();
    if let Err(failure) = outcome {
        session.report_failure(failure);
    }
    if session.options.end_dot {
        let _ = writeln!(session.out, "."); // the next command will find out
    }
    good
}

/// What to say about a word that is no command.
fn unknown(word: &str, name: Name) -> String {
    if name == Name::Chronyc {
        return "Unrecognized command".to_owned();
    }
    match commands::suggestion(word) {
        Some(command) => format!("There is no command \"{word}\". Did you mean \"{command}\"?"),
        None => format!("There is no command \"{word}\"; timeball --help lists them."),
    }
}

fn usage(name: Name, style: Style) -> String {
    match name {
        Name::Chronyc => help::chronyc_usage(),
        Name::Timeball => help::timeball_usage(style),
    }
}

/// Scripts look for chronyc's first words.
fn version(name: Name) -> String {
    let version = env!("CARGO_PKG_VERSION");
    match name {
        Name::Chronyc => format!("chronyc (chrony) version 4.8 (Timeball {version})\n"),
        Name::Timeball => format!("Timeball {version}\n"),
    }
}
