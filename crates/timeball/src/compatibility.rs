//! docs/compatibility.md: what of chrony's works, from the tables that the program itself uses. Only in tests: the
//! program does not need the document, but the document must not say anything else than the program.

use crate::cli::compatibility_rows;
use crate::daemon::{Name, args};
use ntp::config::directives::{self, DIRECTIVES, OptionRow, Status};
use std::fmt::Write;

/// Where the document is, from this crate's folder.
const DOCUMENT: &str = "docs/compatibility.md";
/// With this in the environment the test writes the document.
const WRITE: &str = "TIMEBALL_WRITE_DOCUMENTS";

/// Commands that do nothing without a directive, and which.
const NEEDS: &[(&str, &str)] = &[
    ("manual", "manual"),
    ("settime", "manual"),
    ("smoothing", "smoothtime"),
    ("smoothtime", "smoothtime"),
    ("rtcdata", "rtcfile"),
    ("trimrtc", "rtcfile"),
    ("writertc", "rtcfile"),
];

/// Commands and options of chronyc that it accepts without effect itself.
const IDLE: &[&str] = &["password", "authhash", "-a, -f FILE"];

/// Directives of ours that chrony has not.
const OWN: &[&str] = &[
    "requestlog",
    "serveraffinity",
    "serverpinning",
    "serverthreads",
    "stats",
    "temperature",
    "trafficlimit",
    "web",
];

const HEAD: &str = "\
# What of chrony works

Made from the program's own tables by a test (`TIMEBALL_WRITE_DOCUMENTS=1 cargo test -p timeball compatibility`), which
also fails when this page says anything else than they do.

* **works**: with chrony's meaning, as far as its manual tells it.
* **accepted**: read and checked, without effect, and why.
* **not in this version**: read and checked; the daemon warns once at its start.

Network Time Security is not in this version; everything else that is not is a defect of it.
";

/// Options that work in part, and how far.
const PARTS: &[(&str, &str)] = &[(
    "extfield",
    "F323, both ways, but for its monotonic time; 10A is sent, what is answered is not applied",
)];

/// What answers otherwise than Debian's chronyd and chronyc, 4.3 and 4.6, to whom the tests in `tests/dropin.rs` and
/// `tests/chronyd_cli.rs` hold everything else: what, chrony's answer, ours, why.
const DIFFERENCES: &[[&str; 4]] = &[
    ["`add server A port 70000`", "200", "502", "no port is so high"],
    [
        "all sources silent for long",
        "synchronised for ever, its root dispersion grows",
        "leap 3 once the root distance exceeds `maxdistance` (3 s by default: weeks)",
        "a bound of days is no time",
    ],
    [
        "the second `settime`",
        "a frequency, from two times",
        "from three on",
        "two typed within a minute say any frequency",
    ],
    ["`settime` without a date", "midnight of today", "510", "nobody means that"],
    [
        "`rekey`",
        "silent about keys that are missing",
        "names them again",
        "somebody has just changed the file",
    ],
    [
        "a fatal error of the configuration",
        "after other messages of the start",
        "before them, and all of them at once",
        "one edit mends all",
    ],
    ["messages", "`Could not open F`", "`Could not open F : reason`", "what to do next"],
    ["a name that is not found with `-q`", "waits for the time limit", "gives up", "nothing would come"],
    [
        "order of sources added by one command or file",
        "that of a hash table",
        "as written",
        "it is the same each time",
    ],
];

fn state(status: Status) -> &'static str {
    match status {
        Status::Effective => "works",
        Status::NotYet => "not in this version",
        Status::Removed | Status::Silent => "accepted",
    }
}

fn document() -> String {
    let mut out = HEAD.to_owned();
    out.push_str("\n## Directives\n");
    for section in DIRECTIVES {
        let _ = write!(out, "\n### {}\n\n| directive | state | |\n|---|---|---|\n", section.title);
        for directive in section.directives {
            let note = match directive.status {
                Status::Removed => format!("{} chrony warns too.", directive.doc),
                Status::Silent => directive.doc.to_owned(),
                _ if OWN.contains(&directive.name) => "Timeball's own".to_owned(),
                _ => String::new(),
            };
            row(&mut out, directive.name, directive.usage, state(directive.status), &note);
        }
    }
    for (directive, rows) in directives::option_tables() {
        options(&mut out, directive, &rows);
    }
    daemon_options(&mut out);
    command_line(&mut out);
    out.push_str("\n## Answers that differ\n\n| what | chrony | Timeball | why |\n|---|---|---|---|\n");
    for cells in DIFFERENCES {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

/// The options of one directive; they cannot work where it does not.
fn options(out: &mut String, directive: &str, rows: &[OptionRow]) {
    let whole = directives::find(directive).map_or(Status::NotYet, |found| found.status);
    let title = if directive == "server" { "server, pool and peer" } else { directive };
    let _ = write!(out, "\n### Options of {title}\n\n| option | state | |\n|---|---|---|\n");
    for option in rows {
        let status = if whole == Status::Effective { option.status } else { whole };
        let part = PARTS.iter().find(|(name, _)| *name == option.name && state(status) == "works");
        row(out, option.name, option.usage, state(status), part.map_or("", |(_, how_far)| how_far));
    }
}

fn daemon_options(out: &mut String) {
    out.push_str("\n## Options of the daemon\n\n| option | state | |\n|---|---|---|\n");
    for line in args::usage(Name::Chronyd).lines() {
        let Some((option, _)) = line.strip_prefix("  -").and_then(|rest| rest.split_once('\t')) else {
            continue;
        };
        let idle = args::WITHOUT_EFFECT.iter().find(|(letter, _)| option.starts_with(*letter));
        let (state, note) = idle.map_or(("works", ""), |(_, why)| ("not in this version", *why));
        row(out, &format!("-{option}"), "", state, note);
    }
}

fn command_line(out: &mut String) {
    let (options, commands) = compatibility_rows();
    out.push_str("\n## Options of chronyc\n\n| option | state | |\n|---|---|---|\n");
    let idle = |name: &str| IDLE.contains(&name).then_some("As chronyc does.");
    for option in options {
        let (state, note) = idle(option).map_or(("works", ""), |why| ("accepted", why));
        row(out, option, "", state, note);
    }
    out.push_str("\n## Commands\n\n| command | state | |\n|---|---|---|\n");
    for (name, usage) in commands {
        let needed = NEEDS.iter().find(|(command, _)| *command == name).map(|(_, directive)| *directive);
        let missing = needed.filter(|needed| {
            directives::find(needed).is_none_or(|directive| directive.status != Status::Effective)
        });
        let (state, note) = match (missing, idle(name)) {
            (Some(directive), _) => ("not in this version", format!("needs the directive {directive}")),
            (None, Some(why)) => ("accepted", why.to_owned()),
            (None, None) => ("works", String::new()),
        };
        row(out, &usage, "", state, &note);
    }
}

/// One line of a table; a bar inside a cell would end it.
fn row(out: &mut String, name: &str, usage: &str, state: &str, note: &str) {
    let whole = format!("{name} {usage}").trim_end().replace('|', "\\|");
    let _ = writeln!(out, "| `{whole}` | {state} | {note} |");
}

#[test]
fn the_table_of_compatibility_is_current() {
    is_current(DOCUMENT, &document());
}

/// Asserts that a document made from tables is what they say; writes it when asked to.
pub fn is_current(document: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, text).expect("the document can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = text.lines().zip(kept.lines()).find(|(ours, theirs)| ours != theirs);
    assert!(
        kept == text,
        "{document} is not what the tables say (first difference: {differs:?}); write it with {WRITE}=1"
    );
}

#[test]
fn every_command_and_directive_named_here_exists() {
    let (options, commands) = compatibility_rows();
    for (command, directive) in NEEDS {
        assert!(commands.iter().any(|(name, _)| name == command), "{command}");
        assert!(directives::find(directive).is_some(), "{directive}");
    }
    for name in IDLE {
        assert!(options.contains(name) || commands.iter().any(|(command, _)| command == name), "{name}");
    }
    assert!(OWN.iter().all(|name| directives::find(name).is_some()));
    let usage = args::usage(Name::Chronyd);
    assert!(args::WITHOUT_EFFECT.iter().all(|(letter, _)| usage.contains(&format!("  -{letter}"))));
}
