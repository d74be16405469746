//! `timeball doctor`: what is wrong with this server, and the command that mends it.
//!
//! [`facts`] is gathered once through [`system::System`] (this machine, a copy of its files, or what a test says); the
//! [`checks`] only read it. To add a check: a function and a line of a table in `checks/`, and a case in `tests.rs` that
//! makes it fail and one that makes it pass.

mod checks;
mod daemon;
mod facts;
pub mod finding;
mod mend;
pub mod nft;
mod processes;
mod show;
mod sockets;
pub mod system;
#[cfg(test)]
mod tests;
mod uci;

use std::path::{Path, PathBuf};

use crate::cli::commands::{Command, Group, form};
use crate::cli::options::Format;
use crate::cli::session::{Failure, Outcome, Session};
use checks::Check;
use facts::Facts;
use finding::{Finding, Level};
use system::Machine;

/// `doctor`
pub const COMMAND: Command = Command {
    name: "doctor",
    forms: &[
        form("[--only CHECK|GROUP[,...]]", "look for what is wrong"),
        form("--fix [--yes]", "run the commands that mend it; ask before each"),
        form("--root DIR", "look at a copy of a root file system"),
    ],
    doc: "Looks at the daemon, its sources, the clock, the network and the storage, and says of each check whether it is ok, a warning, a \
          fault, or could not be made (skipped), with the reason, what was seen, and the command that mends it. The exit status is 0 if all \
          is well, 1 with warnings, 2 with faults. As root it sees more. docs/doctor.md explains every check.",
    example: "doctor --only sources,port",
    group: Group::Own,
    run,
};

/// What the command line asks for.
#[derive(Debug, Default, PartialEq)]
struct Wish {
    only: Vec<String>,
    root: Option<PathBuf>,
    fix: bool,
    yes: bool,
}

impl Wish {
    fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut wish = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let mut value = |what: &str| {
                words
                    .next()
                    .ok_or_else(|| Failure::usage(format!("{word} needs {what}; see timeball doctor --help")))
            };
            match word {
                "--only" => wish.only.extend(value("names of checks")?.split(',').map(ToOwned::to_owned)),
                "--root" => wish.root = Some(value("a folder")?.into()),
                "--fix" => wish.fix = true,
                "--yes" => wish.yes = true,
                _ => {
                    return Err(Failure::usage(format!(
                        "doctor has no \"{word}\"; see timeball doctor --help"
                    )));
                }
            }
        }
        for name in &wish.only {
            if !checks::all().any(|check| matches(check, name)) {
                return Err(Failure::usage(unknown(name)));
            }
        }
        if let Some(root) = &wish.root {
            if !root.is_dir() {
                return Err(Failure::usage(format!("{} is no folder", root.display())));
            }
            if wish.fix {
                return Err(Failure::usage(
                    "--fix works on the running machine; for a copy: timeball setup --root DIR",
                ));
            }
        }
        if wish.yes && !wish.fix {
            return Err(Failure::usage("--yes goes with --fix"));
        }
        Ok(wish)
    }

    fn wants(&self, check: &Check) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| matches(check, name))
    }
}

/// What to say about a name that is none.
fn unknown(name: &str) -> String {
    let group = |(group, checks): (&str, &[Check])| {
        let ids: Vec<&str> = checks.iter().map(|check| check.id).collect();
        format!("\n  {group}: {}", ids.join(" "))
    };
    let all: String = checks::GROUPS.into_iter().map(group).collect();
    format!("There is no check or group \"{name}\". There are:{all}")
}

/// A check is wanted by its name, by a part of it between hyphens (`conntrack`), or by its group.
fn matches(check: &Check, name: &str) -> bool {
    check.id == name || check.id.split('-').any(|part| part == name) || checks::group(check) == name
}

fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let wish = Wish::read(words)?;
    if session.options.format == Format::Csv {
        return Err(Failure::usage("doctor has no CSV; --json is for programs"));
    }
    let mut found = look(session, &wish)?;
    let mut mended = Vec::new();
    if wish.fix {
        mended = mend::run(session, &found, wish.yes)?;
        if mended.iter().any(|one| one.good == Some(true)) {
            found = look(session, &wish)?;
        }
    }
    let text = match session.options.format {
        Format::Json => show::json(&found, &mended),
        _ => show::text(&found, session.style, sys::terminal::columns(&std::io::stdout())),
    };
    write!(session.out, "{text}")?;
    session.exit = match worst(&found) {
        Level::Ok | Level::Skipped => return Ok(()),
        Level::Warning => 1,
        Level::Fault => 2,
    };
    Err(Failure::Silent)
}

/// Gathers the facts and makes the checks that are wanted.
fn look(session: &mut Session<'_>, wish: &Wish) -> Result<Vec<(&'static Check, Finding)>, Failure> {
    let machine = Machine { root: wish.root.clone() };
    let daemon = if wish.root.is_some() { None } else { daemon::look(session)? };
    let facts = Facts::gather(&machine, daemon);
    let mut found: Vec<_> =
        checks::all().filter(|check| wish.wants(check)).map(|check| (check, (check.look)(&facts))).collect();
    if let Some(root) = &wish.root {
        found.iter_mut().for_each(|(_, finding)| finding.command = for_copy(&finding.command, root));
    }
    Ok(found)
}

/// A command for a copy of a machine's files: set-up can work on one, everything else is for the machine itself.
fn for_copy(command: &str, root: &Path) -> String {
    match command.strip_prefix("timeball setup") {
        Some(rest) => format!("timeball setup --root {}{rest}", finding::quoted(&root.to_string_lossy())),
        None => command.to_owned(),
    }
}

fn worst(found: &[(&Check, Finding)]) -> Level {
    found.iter().map(|(_, finding)| finding.level).max().unwrap_or(Level::Ok)
}

/// The names of the sources in the configuration in use, for whoever wants to measure them.
pub fn configured_sources() -> Vec<String> {
    let configured = facts::in_use(&Machine { root: None });
    let sources = configured.config().map(|config| config.sources.as_slice()).unwrap_or_default();
    let mut names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    names.dedup();
    names
}
