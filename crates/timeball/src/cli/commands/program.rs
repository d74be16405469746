//! Commands about this program: nothing is sent to the daemon.

use std::time::Duration;

use ntp::config::Family;

use super::super::arguments::scan_integer;
use super::super::help;
use super::super::keygen::{self, NoKey};
use super::super::options::Format;
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// Shortest timeout that `timeout` accepts, ms.
const SHORTEST_TIMEOUT: i32 = 100;
/// Most resends that `retries` accepts.
const MOST_RETRIES: i32 = 30;

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "keygen",
        forms: &[form("[ID [TYPE [BITS]]]", "make a line for the key file")],
        doc: "Makes a random key and prints it as a line for the file of the keyfile directive. Types are hash functions \
              (MD5, SHA1, SHA256, SHA384, SHA512, SHA3-…) and ciphers (AES128, AES256); SHA1 with 160 bits if none is \
              given.",
        example: "keygen 73 AES128",
        group: Group::Program,
        run: keygen,
    },
    Command {
        name: "dns",
        forms: &[
            form("-n|+n", "print addresses, or names"),
            form("-4|-6|-46", "look up names in IPv4, in IPv6, in both"),
        ],
        doc: "Changes the options -n, -4 and -6 for the commands that follow.",
        example: "dns -n",
        group: Group::Program,
        run: |session, words| {
            match words {
                ["-4"] => session.options.family = Family::V4,
                ["-6"] => session.options.family = Family::V6,
                ["-46"] => session.options.family = Family::Any,
                ["-n"] => session.options.numeric = true,
                ["+n"] => session.options.numeric = false,
                _ => return Err(Failure::usage("Unrecognized dns command")),
            }
            Ok(())
        },
    },
    Command {
        name: "timeout",
        forms: &[form("MILLISECONDS", "how long to wait for the first reply")],
        doc: "Sets how long to wait for the daemon before asking again; the wait doubles each time. 1000 at first.",
        example: "timeout 500",
        group: Group::Program,
        run: |session, words| {
            let timeout = words.first().and_then(|word| scan_integer(word)).unwrap_or(0);
            match u64::try_from(timeout) {
                Ok(milliseconds) if timeout >= SHORTEST_TIMEOUT => {
                    session.client.timeout = Duration::from_millis(milliseconds);
                    Ok(())
                }
                _ => Err(Failure::usage(format!("Timeout {timeout} is too short"))),
            }
        },
    },
    Command {
        name: "retries",
        forms: &[form("NUMBER", "how often to ask again")],
        doc: "Sets how often a request is sent again when no reply comes, 0 to 30. 2 at first.",
        example: "retries 5",
        group: Group::Program,
        run: |session, words| {
            let retries = words.first().and_then(|word| scan_integer(word)).unwrap_or(0);
            match u32::try_from(retries) {
                Ok(number) if retries <= MOST_RETRIES => {
                    session.client.retries = number;
                    Ok(())
                }
                _ => Err(Failure::usage("Invalid maximum number of retries")),
            }
        },
    },
    Command {
        name: "help",
        forms: &[
            form("[COMMAND]", "list the commands, or explain one"),
            form("--man|--man-config", "print a manual page"),
        ],
        doc: "Lists the commands, or explains one of them with an example. With --man, prints the manual page \
              timeball(1), with --man-config timeball.conf(5).",
        example: "help sources",
        group: Group::Program,
        run: |session, words| {
            let text = match words.first() {
                Some(&"--man") => crate::manual::page(),
                Some(&"--man-config") => ntp::config::doc::man_page(),
                word => match word.and_then(|word| super::find(word, session.name)) {
                    Some(command) => help::command(command, session.name, session.style),
                    None => help::commands(session.name),
                },
            };
            write!(session.out, "{text}")?;
            Ok(())
        },
    },
    Command {
        name: "shell",
        forms: &[form("", "commands one after another, with history and completion")],
        doc: "Reads commands until exit or the end of the input. At a terminal there are a prompt, a history (arrows) and completion \
              (tabulator).",
        example: "shell",
        group: Group::Own,
        run: |session, _| if super::super::read_commands(session) { Ok(()) } else { Err(Failure::Silent) },
    },
    Command {
        name: "exit",
        forms: &[form("", "leave (also quit)")],
        doc: "Leaves the program.",
        example: "exit",
        group: Group::Program,
        run: leave,
    },
    Command {
        name: "quit",
        forms: &[form("", "leave")],
        doc: "Leaves the program.",
        example: "quit",
        group: Group::Hidden,
        run: leave,
    },
    Command {
        name: "password",
        forms: &[form("", "no effect")],
        doc: "Has no effect: commands are authorised by the Unix socket.",
        example: "password",
        group: Group::Hidden,
        run: no_authentication,
    },
    Command {
        name: "authhash",
        forms: &[form("", "no effect")],
        doc: "Has no effect: commands are authorised by the Unix socket.",
        example: "authhash",
        group: Group::Hidden,
        run: no_authentication,
    },
];

fn leave(session: &mut Session<'_>, _: &[&str]) -> Outcome {
    session.done = true;
    Ok(())
}

fn no_authentication(session: &mut Session<'_>, _: &[&str]) -> Outcome {
    let _ = writeln!(session.err, "Authentication is no longer supported"); // stderr may be closed
    Ok(())
}

fn keygen(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    match keygen::line(words) {
        Ok(line) if session.options.format == Format::Json => {
            Ok(writeln!(session.out, "{{\"key\":\"{line}\"}}")?) // letters, digits and blanks
        }
        Ok(line) => Ok(writeln!(session.out, "{line}")?),
        Err(NoKey::BadSyntax) => Err(Failure::usage("Invalid syntax for keygen command")),
        Err(NoKey::UnknownType(kind)) => {
            Err(Failure::usage(format!("Unknown hash function or cipher {kind}")))
        }
    }
}
