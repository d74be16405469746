//! `check-config`: is a configuration right, and what does each of its lines do?

use ntp::config::directives::{self, Directive, Status};
use ntp::config::{ConfigError, Origin, Parsed, check, parse};
use ntp::report::json;

use super::commands::{Command, Group, form};
use super::options::Format;
use super::session::{Failure, Outcome, Session};
use crate::daemon::beforehand;
use crate::daemon::configuration::{Disk, read_main};
use crate::places;

/// `check-config`
pub const COMMAND: Command = Command {
    name: "check-config",
    forms: &[
        form("[FILE]", "is it right, and what does each line do"),
        form("[FILE] --all", "the same, and what holds where nothing is said"),
    ],
    doc: "Reads a configuration (/etc/timeball/timeball.conf if none is named) with all it includes, as the daemon would, and \
          changes nothing. Tells everything that is wrong with it, with file, line and a suggestion (exit status 1), also of \
          what this machine lacks: users, devices, keys. Else every directive in effect with where it stands, what it does \
          and what would hold without it. Lines that a later one overrules say so. --all adds the directives that are not \
          said.",
    example: "check-config /etc/chrony/chrony.conf",
    group: Group::Own,
    run,
};

/// Directives of which every line counts; of the others the last.
const ADDING: &[&str] = &[
    "server",
    "pool",
    "peer",
    "refclock",
    "allow",
    "deny",
    "cmdallow",
    "cmddeny",
    "hwtimestamp",
    "broadcast",
    "log",
    "sourcedir",
    "ntstrustedcerts",
    "ntsservercert",
    "ntsserverkey",
    "bindaddress",
    "bindacqaddress",
    "bindcmdaddress",
    "initstepslew",
    "mailonchange",
    "stats",
    "web",
];

fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let everything = words.contains(&"--all");
    let file = match words.iter().filter(|word| **word != "--all").collect::<Vec<_>>()[..] {
        [] => places::CONFIG_FILE,
        [file] if !file.starts_with('-') => file,
        _ => return Err(Failure::usage("Usage: check-config [FILE] [--all]")),
    };
    let text =
        read_main(file).map_err(|reason| Failure::usage(format!("Could not open {file} : {reason}")))?;
    let json = session.options.format == Format::Json;
    let parsed = match parse(&text, file, &Disk) {
        Ok(parsed) => parsed,
        Err(refused) => return wrong(session, &refused.errors, json),
    };
    let here = beforehand::look(&parsed);
    let mut objections = check(&parsed);
    objections.extend(here.errors);
    if !objections.is_empty() {
        return wrong(session, &objections, json);
    }
    if json {
        write!(session.out, "{}", as_json(&parsed))?;
        return Ok(());
    }
    for warning in parsed.warnings.iter().chain(&here.warnings) {
        writeln!(session.out, "Warning: {warning}")?;
    }
    write!(session.out, "{}", explained(&parsed, everything))?;
    Ok(())
}

fn wrong(session: &mut Session<'_>, errors: &[ConfigError], as_json: bool) -> Outcome {
    for (index, error) in errors.iter().enumerate() {
        if as_json {
            let mut quoted = String::new();
            json::string(&mut quoted, &error.to_string());
            write!(session.out, "{}{{\"error\":{quoted}}}", if index == 0 { "[" } else { ",\n " })?;
        } else {
            writeln!(session.err, "{error}")?;
        }
    }
    if as_json {
        writeln!(session.out, "]")?;
    }
    Err(Failure::Silent)
}

/// One line of a configuration.
struct Line<'a> {
    text: &'a str,
    origin: &'a Origin,
    directive: &'static Directive,
    /// Where the line is that holds instead.
    overruled: Option<&'a Origin>,
}

fn lines(parsed: &Parsed) -> Vec<Line<'_>> {
    let named = |text: &str| directives::find(text.split(' ').next().unwrap_or_default());
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (text, origin) in parsed.lines.iter().zip(&parsed.origins) {
        let Some(directive) = named(text) else { continue };
        if !ADDING.contains(&directive.name) {
            let earlier = lines.iter_mut().filter(|line| line.directive.name == directive.name);
            earlier.for_each(|line| line.overruled = Some(origin));
        }
        lines.push(Line { text, origin, directive, overruled: None });
    }
    lines
}

fn place(origin: &Origin) -> String {
    format!("{}:{}", origin.file.as_deref().unwrap_or("-"), origin.line)
}

fn explained(parsed: &Parsed, everything: bool) -> String {
    let mut out = String::new();
    let lines = lines(parsed);
    for line in &lines {
        out.push_str(&format!("{}  ({})\n", line.text, place(line.origin)));
        if let Some(later) = line.overruled {
            out.push_str(&format!("    No effect: {} says it again.\n", place(later)));
            continue;
        }
        out.push_str(&format!("    {}{}\n", line.directive.doc, state(line.directive)));
        if !line.directive.default.is_empty() {
            out.push_str(&format!("    Without it: {}.\n", line.directive.default));
        }
    }
    if everything {
        out.push_str("\nNot said, so this holds:\n");
        let said = |name| lines.iter().any(|line| line.directive.name == name);
        let silent = directives::all().filter(|d| !said(d.name) && !d.default.is_empty());
        for directive in silent.filter(|d| d.status == Status::Effective) {
            out.push_str(&format!("{}: {}\n", directive.name, directive.default));
        }
    }
    let sources = parsed.config.sources.len();
    out.push_str(&format!("\nThis configuration is right: {} lines, {sources} sources.\n", lines.len()));
    out
}

fn state(directive: &Directive) -> &'static str {
    match directive.status {
        Status::Effective => "",
        Status::NotYet => " Not in this version.",
        Status::Removed | Status::Silent => " Ignored.",
    }
}

fn as_json(parsed: &Parsed) -> String {
    let mut out = String::new();
    for (index, line) in lines(parsed).iter().enumerate() {
        out.push_str(if index == 0 { "[" } else { ",\n " });
        out.push_str("{\"line\":");
        json::string(&mut out, line.text);
        out.push_str(",\"file\":");
        json::string(&mut out, line.origin.file.as_deref().unwrap_or("-"));
        out.push_str(&format!(
            ",\"number\":{},\"works\":{}",
            line.origin.line,
            line.directive.status == Status::Effective
        ));
        out.push_str(&format!(",\"overruled\":{},\"does\":", line.overruled.is_some()));
        json::string(&mut out, line.directive.doc);
        out.push_str(",\"default\":");
        json::string(&mut out, line.directive.default);
        out.push('}');
    }
    out.push_str(if out.is_empty() { "[]\n" } else { "]\n" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_explained_with_its_origin() {
        let text = "# mine\nserver ntp.example.net iburst\n\nmakestep 1 3\nallow 10.0.0.0/8\nallow 192.168/16\nmakestep 0.5 -1\nlinux_hz 100\n";
        let parsed = parse(text, "/etc/timeball.conf", &Disk).expect("it is right");
        insta::assert_snapshot!(explained(&parsed, false));
        let json = ntp::report::json_read::Value::parse(&as_json(&parsed)).expect("it is JSON");
        assert_eq!(json.list().map(<[_]>::len), Some(6));
        assert!(explained(&parsed, true).contains("\nmaxslewrate: "));
        assert_eq!(as_json(&Parsed::default()), "[]\n");
    }

    #[test]
    fn what_adds_up_is_named_right() {
        assert!(ADDING.iter().all(|name| directives::find(name).is_some()));
    }
}
