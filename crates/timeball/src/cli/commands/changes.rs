//! `save`, `changes`, `undo-change`, and the word `--save`: changes made at run time that last. Only Timeball's daemon
//! keeps them.

use ntp::calendar::civil_from_days;
use ntp::report::json_read::Value;

use super::super::options::Format;
use super::super::own::Own;
use super::super::session::{Failure, Outcome, Session};
use super::{Command, Group, form};

/// The word that makes a change last.
pub const WORD: &str = "--save";

/// Commands whose changes can last.
const LASTING: &[&str] = &[
    "add",
    "delete",
    "minpoll",
    "maxpoll",
    "maxdelay",
    "maxdelayratio",
    "maxdelaydevratio",
    "minstratum",
    "polltarget",
    "selectopts",
    "offset",
    "makestep",
    "maxupdateskew",
    "reselectdist",
    "local",
    "allow",
    "deny",
    "cmdallow",
    "cmddeny",
    "online",
    "offline",
];

/// Can the changes of this command last?
pub fn can_last(name: &str) -> bool {
    LASTING.contains(&name)
}

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "save",
        forms: &[form("", "keep the changes made since the start")],
        doc: "Keeps what commands have changed since the daemon was started: sources added and deleted, their options, who \
              is served, local, makestep, maxupdateskew and reselectdist. The daemon makes these changes again at every \
              start, after it has read its configuration, which stays as it is. With --save behind one of these commands \
              only that change is kept; online and offline, which scripts of the network say all day, are kept only so.",
        example: "save",
        group: Group::Changes,
        run: |session, _| save(session, 0),
    },
    Command {
        name: "changes",
        forms: &[form("", "what commands have changed, and what of it lasts")],
        doc: "Lists what commands have changed, with the numbers by which undo-change takes it back, when that was (UTC), and \
              whether it is kept for the next start.",
        example: "changes --json",
        group: Group::Changes,
        run: |session, _| list(session),
    },
    Command {
        name: "undo-change",
        forms: &[form("NUMBER", "take a change back")],
        doc: "Takes back the change with this number, at once and for all later starts.",
        example: "undo-change 3",
        group: Group::Changes,
        run: |session, words| undo(session, words),
    },
];

/// Runs a command whose change shall last.
pub fn lasting(session: &mut Session<'_>, command: &Command, words: &[&str]) -> Outcome {
    if !LASTING.contains(&command.name) {
        let why = match command.name {
            "burst" => {
                ": a burst is over in seconds, there is nothing to keep; see the options burst and iburst"
            }
            _ => "; timeball save --help tells what lasts",
        };
        let text = format!("{WORD} cannot follow {}{why}", command.name);
        return Err(Failure::usage(text));
    }
    let daemon = Own::find(session.client.endpoints(), WORD)?;
    let before = daemon.ask(r#"{"get":"changes"}"#)?;
    let next = before.get("following").and_then(Value::number).ok_or(Failure::BadReply)?;
    let words: Vec<&str> = words.iter().copied().filter(|word| *word != WORD).collect();
    (command.run)(session, &words)?;
    save(session, next as u32)
}

fn save(session: &mut Session<'_>, from: u32) -> Outcome {
    let daemon = Own::find(session.client.endpoints(), "save")?;
    let reply = daemon.ask(&format!(r#"{{"save":true,"from":{from}}}"#))?;
    let saved = reply.get("saved").and_then(Value::list).ok_or(Failure::BadReply)?;
    let file = reply.get("file").and_then(Value::text).ok_or(Failure::BadReply)?;
    if session.options.format == Format::Json {
        return Ok(writeln!(session.out, "{reply}")?);
    }
    let numbers: Vec<String> = saved.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] if from == 0 => {
            writeln!(session.out, "Nothing to save: no change that is not in {file} already.")?;
        }
        [] => writeln!(session.out, "Nothing new to save: it was so already.")?,
        [one] => writeln!(session.out, "Saved as change {one} in {file}.")?,
        many => writeln!(session.out, "Saved as changes {} in {file}.", many.join(", "))?,
    }
    Ok(())
}

fn list(session: &mut Session<'_>) -> Outcome {
    let daemon = Own::find(session.client.endpoints(), "changes")?;
    let (mut changes, mut from) = (Vec::new(), 0_u64);
    loop {
        let page = daemon.ask(&format!(r#"{{"get":"changes","from":{from}}}"#))?;
        changes.extend_from_slice(page.get("changes").and_then(Value::list).ok_or(Failure::BadReply)?);
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => break,
        }
    }
    if session.options.format != Format::Text {
        for (index, change) in changes.iter().enumerate() {
            write!(session.out, "{}{change}", if index == 0 { "[" } else { ",\n " })?;
        }
        writeln!(session.out, "{}", if changes.is_empty() { "[]" } else { "]" })?;
        return Ok(());
    }
    if changes.is_empty() {
        writeln!(session.out, "No command has changed anything.")?;
    }
    for change in &changes {
        let number = change.get("number").and_then(Value::number).ok_or(Failure::BadReply)?;
        let time = change.get("time").and_then(Value::number).ok_or(Failure::BadReply)?;
        let saved = change.get("saved") == Some(&Value::Flag(true));
        let line = change.get("line").and_then(Value::text).ok_or(Failure::BadReply)?;
        let kept = if saved { "saved" } else { "until the daemon ends" };
        writeln!(session.out, "{number:>4}  {}  {line}  ({kept})", day_and_time(time as i64))?;
    }
    Ok(())
}

/// `2026-11-25 19:00:00`, UTC.
fn day_and_time(at: i64) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(86_400));
    let second = at.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

fn undo(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let number = match words {
        [word] => word.parse::<u32>().ok(),
        _ => None,
    };
    let bad = || Failure::usage("Which change? timeball undo-change NUMBER; timeball changes lists them");
    let number = number.ok_or_else(bad)?;
    let daemon = Own::find(session.client.endpoints(), "undo-change")?;
    let reply = daemon.ask(&format!(r#"{{"undo":{number}}}"#))?;
    if session.options.format == Format::Json {
        return Ok(writeln!(session.out, "{reply}")?);
    }
    let line = reply.get("undone").and_then(Value::text).ok_or(Failure::BadReply)?;
    let effect = match reply.get("effect").and_then(Value::text) {
        Some("now") => "",
        Some("overruled") => " A later change of the same thing holds.",
        _ => " It holds until the daemon is started again.",
    };
    writeln!(session.out, "Undone: {line}.{effect}")?;
    Ok(())
}
