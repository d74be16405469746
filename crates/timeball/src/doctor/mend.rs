//! `--fix`: runs the commands that mend, each once, each after a question.

use std::io::{BufRead, IsTerminal};
use std::process::{Command, Stdio};

use super::checks::Check;
use super::finding::{Finding, Level};
use crate::cli::options::Format;
use crate::cli::session::{Failure, Session};

/// A command that was to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Of which check.
    pub check: &'static str,
    /// The command.
    pub command: String,
    /// Did it end well? `None`: it was not run.
    pub good: Option<bool>,
}

/// The commands of what was found, worst first, none twice. Set-up asks by itself unless it is told not to.
pub fn commands(found: &[(&'static Check, Finding)], yes: bool) -> Vec<(&'static str, String)> {
    let mut all: Vec<(&'static str, String)> = Vec::new();
    for level in [Level::Fault, Level::Warning] {
        for (check, finding) in found.iter().filter(|(_, finding)| finding.level == level) {
            // It measures for minutes and writes nothing: that is for the operator to look at.
            let looks_only = finding.command.starts_with("timeball find-sources");
            let own_question = finding.command.starts_with("timeball setup") && yes;
            let command = format!("{}{}", finding.command, if own_question { " --yes" } else { "" });
            if !finding.command.is_empty() && !looks_only && all.iter().all(|(_, known)| *known != command) {
                all.push((check.id, command));
            }
        }
    }
    all
}

/// Runs them.
pub fn run(
    session: &mut Session<'_>,
    found: &[(&'static Check, Finding)],
    yes: bool,
) -> Result<Vec<Mended>, Failure> {
    let person = std::io::stdin().is_terminal() && session.options.format == Format::Text;
    let mut mended = Vec::new();
    let commands = commands(found, yes);
    if !yes && !person && !commands.is_empty() {
        return Err(Failure::usage(
            "Nobody can be asked here; add --yes to run every command without a question",
        ));
    }
    for (check, command) in commands {
        let said = yes || ask(session, check, &command)?;
        let good = said.then(|| execute(&command));
        if session.options.format == Format::Text {
            let word = match good {
                Some(true) => "done",
                Some(false) => "failed",
                None => "left",
            };
            writeln!(session.out, "{word}: {command}")?;
        }
        mended.push(Mended { check, command, good });
    }
    if session.options.format == Format::Text && !mended.is_empty() {
        writeln!(session.out)?;
    }
    Ok(mended)
}

/// Everything but a clear yes is a no.
fn ask(session: &mut Session<'_>, check: &str, command: &str) -> Result<bool, Failure> {
    write!(session.out, "{check}: run this? [y/N]\n  {command}\n> ")?;
    session.out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// What the command says goes to standard error, so that JSON stays JSON. `timeball` is this very program.
pub fn execute(command: &str) -> bool {
    let own = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = own.map_or(path.clone(), |own| format!("{}:{path}", own.display()));
    let output = Command::new("sh").args(["-c", command]).env("PATH", path).stdin(Stdio::inherit()).output();
    match output {
        Ok(output) => {
            eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            output.status.success()
        }
        Err(error) => {
            eprintln!("sh: {error}");
            false
        }
    }
}
