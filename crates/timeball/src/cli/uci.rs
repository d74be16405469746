//! `uci`: the configuration that OpenWrt's files make.

use super::commands::{Command, Group, form};
use super::session::{Failure, Outcome, Session};
use crate::daemon::files;
use crate::setup::interfaces::{self, Interface};
use crate::setup::place;
use crate::setup::runner::{Ran, Runner};
use crate::setup::translate::{self, Translated};
use crate::setup::tree::Tree;
use ntp::report::json_read::Value;
use std::path::Path;
use sys::syslog::{self, Priority};

/// What this file adds to the table.
pub const COMMAND: Command = Command {
    name: "uci",
    forms: &[
        form("[--root DIR]", "print the configuration that /etc/config makes"),
        form("--write FILE", "check it and put it into FILE; a wrong one changes nothing"),
        form("--folders", "print the folders of the state, one a line"),
        form("--dhcp FOLDER", "write the servers that DHCP named, as files *.sources"),
    ],
    doc: "Makes a configuration of OpenWrt's files /etc/config/timeball, /etc/config/chrony and /etc/config/system, and of the \
          directives in /etc/chrony/chrony.conf (before) and /etc/timeball/timeball.conf (after). What is wrong is told with file and \
          line, by --write also in the system log, and the exit status is 1. The service on OpenWrt does this at each start and reload.",
    example: "uci --write /etc/timeball/uci.conf",
    group: Group::Own,
    run,
};

fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let (root, words) = match words {
        ["--root", folder, rest @ ..] | [rest @ .., "--root", folder] => (Some(*folder), rest),
        all => (None, all),
    };
    let tree = root.map_or_else(Tree::live, |folder| Tree::copy(Path::new(folder)));
    let interfaces = interfaces(&tree);
    let translated = translate::translate(&tree, &interfaces);
    match words {
        [] => {
            complain(session, &translated);
            for line in &translated.lines {
                writeln!(session.out, "{}", line.text)?;
            }
            refuse(&translated)
        }
        ["--write", file] => {
            to_syslog(&translated);
            complain(session, &translated);
            refuse(&translated)?;
            let text = translated.text();
            let path = Path::new(file);
            // Flash wears out; most starts change nothing.
            if files::read(path, 1 << 20).ok().flatten().as_deref() == Some(text.as_str()) {
                return Ok(());
            }
            files::replace(path, text.as_bytes(), 0o644)
                .map_err(|failure| Failure::usage(failure.to_string()))
        }
        ["--folders"] => {
            for folder in translated.folders(&tree) {
                writeln!(session.out, "{folder}")?;
            }
            refuse(&translated)
        }
        ["--dhcp", folder] => {
            let files = translated.dhcp_files(&interfaces);
            write_sources(Path::new(folder), &files)
                .map_err(|error| Failure::usage(format!("{folder} : {error}")))
        }
        _ => Err(Failure::usage("uci [--root DIR] [--write FILE | --folders | --dhcp FOLDER]")),
    }
}

/// The interfaces: netifd knows best, where it runs.
pub fn interfaces(tree: &Tree) -> Vec<Interface> {
    let configured = interfaces::configured(&place::uci(tree, "network").unwrap_or_default());
    let runner = if tree.is_live() && tree.exists("/bin/ubus") { Runner::Real } else { Runner::Pretend };
    match runner.run(&["ubus", "-S", "call", "network.interface", "dump"]) {
        Ran::Well(text) => match Value::parse(&text) {
            Some(dump) => interfaces::running(configured, &dump),
            None => configured,
        },
        _ => configured,
    }
}

fn complain(session: &mut Session<'_>, translated: &Translated) {
    for note in &translated.notes {
        let _ = writeln!(session.err, "note: {note}"); // stderr may be closed
    }
    for error in &translated.errors {
        let _ = writeln!(session.err, "{error}"); // stderr may be closed
    }
}

fn refuse(translated: &Translated) -> Outcome {
    match translated.errors.len() {
        0 => Ok(()),
        count => Err(Failure::usage(format!("{count} mistakes: nothing was changed"))),
    }
}

fn to_syslog(translated: &Translated) {
    syslog::open(c"timeball");
    for note in &translated.notes {
        syslog::log(Priority::Warning, note);
    }
    for error in &translated.errors {
        syslog::log(Priority::Error, &format!("{error}; the last good configuration stays in force"));
    }
}

/// Files named `uci-INTERFACE.sources`; those of interfaces that are gone go too.
fn write_sources(folder: &Path, wanted: &[(String, String)]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with("uci-") && name.ends_with(".sources");
        if is_ours && !wanted.iter().any(|(wanted, _)| *wanted == name) {
            std::fs::remove_file(entry.path())?;
        }
    }
    for (name, text) in wanted {
        let failed = |failure: files::Failure| std::io::Error::other(failure.to_string());
        files::replace(&folder.join(name), text.as_bytes(), 0o644).map_err(failed)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::tree::tests::Scratch;

    #[test]
    fn files_of_dhcp_come_and_go() {
        let scratch = Scratch::new("uci-dhcp");
        let names = |folder: &Path| {
            let mut names: Vec<_> =
                std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        let wan = ("uci-wan.sources".to_owned(), "server 192.0.2.1 iburst\n".to_owned());
        write_sources(&scratch.0, &[wan]).unwrap();
        std::fs::write(scratch.0.join("mine.sources"), "").unwrap();
        assert_eq!(names(&scratch.0), ["mine.sources", "uci-wan.sources"]);
        write_sources(&scratch.0, &[]).unwrap();
        assert_eq!(names(&scratch.0), ["mine.sources"]);
    }
}
