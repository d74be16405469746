//! `setup` and `undo`: what is said and asked; what is done is in [`crate::setup`].

use super::commands::{Command, Group, form};
use super::options::Format;
use super::session::{Failure, Outcome, Session};
use super::uci::interfaces;
use super::undo::Answers;
use crate::daemon::memory::Memory;
use crate::setup::apply::{self, Done, Scope};
use crate::setup::journal::{Action, Journal, Step};
use crate::setup::lines::diff;
use crate::setup::lock::Lock;
use crate::setup::parts::Part;
use crate::setup::place::{Place, System};
use crate::setup::plan::{self, Plan, Profile, Wish};
use crate::setup::runner::{Ran, Runner};
use crate::setup::tree::{Node, Tree};
use crate::{places, terminal};
use ntp::report::json;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::time::Duration;

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "setup",
        forms: &[form(
            "[public|lan|client] [--only PART]... [--state FOLDER] [--yes] [--dry-run] [--root DIR]",
            "make this machine a time server: show, ask, do, check",
        )],
        doc: "Finds out what kind of system this is (OpenWrt; a distribution with systemd and nftables, ufw, firewalld or none), shows what it \
              would change as differences of files and commands, each with its reason, asks, and does it. public serves the world, lan the \
              networks next to the machine, client nobody. Parts: daemons, service, config, storage, priority, firewall, notrack, conntrack, \
              dhcp, hotplug, keep, network. --state names the folder of the state, --root works on a copy of a root file system and only names \
              the commands, --dry-run changes nothing. Everything is in a journal before it is changed; after a power cut, setup goes on \
              and undo takes back. A second setup finds nothing to do.",
        example: "setup public --dry-run",
        group: Group::Own,
        run: setup,
    },
    Command {
        name: "undo",
        forms: &[form(
            "[--only PART] [--yes] [--force] [--dry-run] [--root DIR]",
            "take back what setup has changed",
        )],
        doc: "Makes everything that setup has changed what it was before, byte for byte, and starts again what it has stopped. Where \
              somebody has changed a file since, it says so and offers the file without setup's changes and with theirs; --yes accepts that, \
              --force puts back the old file all the same. Folders with new things in them stay. The exit status is 1 if something is left.",
        example: "undo --only firewall",
        group: Group::Own,
        run: super::undo::undo,
    },
];

/// The words behind `setup` and `undo`.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) profile: Option<Profile>,
    pub(super) only: Vec<Part>,
    state: Option<String>,
    root: Option<String>,
    pub(super) yes: bool,
    pub(super) force: bool,
    pub(super) dry_run: bool,
}

impl Words {
    pub(super) fn read(words: &[&str]) -> Result<Self, Failure> {
        let mut read = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, glued) =
                word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            let mut value = || {
                let value = glued.or_else(|| words.next().copied());
                value.ok_or_else(|| Failure::usage(format!("{name} wants a value")))
            };
            match name {
                "--yes" | "-y" => read.yes = true,
                "--force" => read.force = true,
                "--dry-run" => read.dry_run = true,
                "--root" => read.root = Some(value()?.to_owned()),
                "--state" => read.state = Some(value()?.trim_end_matches('/').to_owned()),
                "--profile" => read.profile = Some(profile(value()?)?),
                "--only" => {
                    for word in value()?.split(',') {
                        read.only.push(Part::named(word).ok_or_else(|| no_part(word))?);
                    }
                }
                _ if word.starts_with('-') => {
                    return Err(Failure::usage(format!("There is no option {word} here.")));
                }
                _ if read.profile.is_some() => {
                    return Err(Failure::usage(format!("One profile is enough; \"{word}\" is too much.")));
                }
                _ => read.profile = Some(profile(word)?),
            }
        }
        if read
            .state
            .as_deref()
            .is_some_and(|state| !state.starts_with('/') || state.contains(char::is_whitespace))
        {
            return Err(Failure::usage("--state wants a path that begins with / and has no blanks"));
        }
        Ok(read)
    }

    pub(super) fn tree(&self) -> Result<Tree, Failure> {
        let Some(root) = &self.root else {
            if !self.dry_run && sys::process::effective_uid() != 0 {
                return Err(Failure::usage(
                    "This changes the system, so root has to do it; --dry-run shows what it would do.",
                ));
            }
            return Ok(Tree::live());
        };
        if !Path::new(root).is_dir() {
            return Err(Failure::usage(format!("{root} is no folder")));
        }
        Ok(if root == "/" { Tree::live() } else { Tree::copy(Path::new(root)) })
    }
}

fn profile(word: &str) -> Result<Profile, Failure> {
    Profile::named(word)
        .ok_or_else(|| Failure::usage(format!("\"{word}\" is no profile; there are public, lan, client")))
}

fn no_part(word: &str) -> Failure {
    let names: Vec<&str> = Part::ALL.iter().map(|part| part.name()).collect();
    Failure::usage(format!("There is no part \"{word}\"; there are {}", names.join(", ")))
}

pub(super) fn trouble(error: &io::Error) -> Failure {
    Failure::usage(format!("{error}"))
}

/// May we go on? Only a person at a terminal can be asked.
pub(super) fn agreed(session: &mut Session<'_>, yes: bool, question: &str) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    if session.options.format == Format::Json {
        return Err(Failure::usage(
            "Nobody is asked with --json; nothing was changed. --yes agrees beforehand.",
        ));
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "Nobody is at a terminal to be asked; nothing was changed. --yes agrees beforehand.",
        ));
    }
    write!(session.out, "{question} [y/N] ")?;
    session.out.flush()?;
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer); // no answer is no
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn setup(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let words = Words::read(words)?;
    let tree = words.tree()?;
    let place = Place::find(&tree);
    let is_json = session.options.format == Format::Json;
    if let System::Other(name) = &place.system {
        let what = by_hand();
        if is_json {
            let notes = what.lines().map(|line| line.trim().to_owned()).collect();
            let plan = Plan { notes, ..Plan::default() };
            print_json(session, &place, words.profile.unwrap_or(Profile::Public), &plan, "by hand")?;
            return Err(Failure::Silent);
        }
        writeln!(
            session.out,
            "{name}: neither OpenWrt nor systemd, so this has to be done by hand:\n{what}"
        )?;
        return Err(Failure::Silent);
    }
    let _alone = if words.dry_run { None } else { Some(Lock::take(&tree).map_err(|error| trouble(&error))?) };
    let mut journal = Journal::load(&tree).map_err(|error| trouble(&error))?.unwrap_or_default();
    let mut waiting = Vec::new();
    if !words.dry_run {
        waiting = journal.settle(&tree).map_err(|error| trouble(&error))?;
    }
    let profile = words.profile.or_else(|| Profile::named(&journal.profile)).unwrap_or(Profile::Public);
    let mut wish = Wish {
        profile,
        only: words.only.clone(),
        state: words.state.clone(),
        program: program(&tree)?,
        memory: tree.is_live().then(Memory::read).flatten().map(|memory| memory.total),
    };
    let interfaces = interfaces(&tree);
    let asker = if tree.is_live() { Runner::Real } else { Runner::Pretend };
    let make = |wish: &Wish| plan::plan(&tree, &place, &interfaces, wish, &|command| asker.run(command));
    let mut plan = make(&wish);
    if let Some(folder) = choose_folder(session, &plan, &words)? {
        wish.state = Some(folder);
        plan = make(&wish);
    }
    plan.errors.extend(opened_wider(&journal, profile));
    waiting.retain(|step| !plan.steps.iter().any(|planned| planned.action == step.action));
    plan.steps.extend(waiting);
    if !is_json {
        show(session, &tree, &place, profile, &plan)?;
    }
    if !plan.errors.is_empty() {
        if is_json {
            print_json(session, &place, profile, &plan, "refused")?;
        }
        let count = plan.errors.len();
        let reasons = if count == 1 { "reason" } else { "reasons" };
        return Err(Failure::usage(format!("{count} {reasons} not to go on; nothing was changed.")));
    }
    if plan.steps.is_empty() || words.dry_run {
        return if is_json { print_json(session, &place, profile, &plan, "planned") } else { Ok(()) };
    }
    if !agreed(session, words.yes, "Do all this?")? {
        writeln!(session.out, "Nothing was changed.")?;
        return Ok(());
    }
    profile.name().clone_into(&mut journal.profile);
    let whole = carry_out(session, &tree, &mut journal, &plan)?;
    journal.finish(&tree).map_err(|error| trouble(&error))?;
    if is_json {
        print_json(session, &place, profile, &plan, if whole { "done" } else { "taken back" })?;
    }
    if !whole {
        return Err(Failure::Silent);
    }
    if tree.is_live() && wish.only.is_empty() { check(session, &wish.program) } else { Ok(()) }
}

/// Set-up adds, it does not take back: what it has opened to more than `profile` would stay open.
fn opened_wider(journal: &Journal, profile: Profile) -> Option<String> {
    let before = Profile::named(&journal.profile).filter(|_| !journal.entries.is_empty())?;
    ((before as u8) < (profile as u8)).then(|| {
        let (before, after) = (before.name(), profile.name());
        format!(
            "this machine is set up as {before}, which serves more than {after}; first take that back: timeball undo, then timeball setup {after}"
        )
    })
}

/// Makes the plan true; what fails is taken back.
fn carry_out(
    session: &mut Session<'_>,
    tree: &Tree,
    journal: &mut Journal,
    plan: &Plan,
) -> Result<bool, Failure> {
    let runner = if tree.is_live() { Runner::Real } else { Runner::Pretend };
    let is_json = session.options.format == Format::Json;
    let mut failed = None;
    let applied = apply::apply(tree, runner, journal, &plan.steps, &mut |step, done| {
        if let Done::Failed(why) = done {
            failed = Some(format!("{}: {why}", step.part));
        }
    });
    let applied = applied.map_err(|error| {
        Failure::usage(format!("{error}; run setup again to go on, or undo to take back what was done"))
    })?;
    if let Some(why) = failed {
        let _ = writeln!(session.err, "{why}\nWhat was done is taken back."); // stderr may be closed
        let mut judge = Answers { session, yes: true, force: false, quiet: true, told: Vec::new() };
        let scope = Scope { only: None, from: applied.first };
        apply::undo(tree, runner, journal, scope, &mut judge).map_err(|error| trouble(&error))?;
    } else if !is_json {
        writeln!(session.out, "Done: {} steps. timeball undo takes them back.", plan.steps.len())?;
    }
    Ok(applied.is_whole)
}

/// With several places for the state, a person at the terminal chooses.
fn choose_folder(session: &mut Session<'_>, plan: &Plan, words: &Words) -> Result<Option<String>, Failure> {
    let is_asked = !words.yes && !words.dry_run && io::stdin().is_terminal();
    if words.state.is_some() || plan.state_folders.len() < 2 || !is_asked {
        return Ok(None);
    }
    writeln!(session.out, "The state can be kept in several places:")?;
    for (index, folder) in plan.state_folders.iter().enumerate() {
        writeln!(session.out, "  {}  {folder}", index + 1)?;
    }
    write!(session.out, "Which? [1] ")?;
    session.out.flush()?;
    let mut answer = String::new();
    let _ = io::stdin().lock().read_line(&mut answer); // no answer is the first
    let index = answer.trim().parse::<usize>().unwrap_or(1).clamp(1, plan.state_folders.len());
    Ok(plan.state_folders.get(index - 1).cloned())
}

/// Where the program will be found at boot.
fn program(tree: &Tree) -> Result<String, Failure> {
    let usual = "/usr/bin/timeball".to_owned();
    if !tree.is_live() {
        return Ok(usual);
    }
    let here = std::env::current_exe().map_err(|error| trouble(&error))?.to_string_lossy().into_owned();
    let stays = ["/usr/", "/opt/", "/sbin/", "/bin/"].iter().any(|folder| here.starts_with(folder));
    if stays || tree.exists(&usual) {
        return Ok(if stays { here } else { usual });
    }
    Err(Failure::usage(format!(
        "The program is in a place that a service should not depend on. First:  install -m 755 {here} {usual}"
    )))
}

/// What there is to do where nothing is known.
fn by_hand() -> &'static str {
    "  1. stop and disable every other program that sets the clock (ntpd, chronyd, systemd-timesyncd)\n  \
     2. write /etc/timeball/timeball.conf: sources, allow, driftfile and dumpdir on a disk (man timeball.conf)\n  \
     3. start \"timeball run\" as root at boot, and again when it ends\n  \
     4. let UDP port 123 in, by IPv4 and IPv6\n  \
     5. keep NTP out of the table of connections: udp dport 123 fib daddr type local notrack (docs/setup.md)"
}

fn show(session: &mut Session<'_>, tree: &Tree, place: &Place, profile: Profile, plan: &Plan) -> Outcome {
    writeln!(session.out, "{}", place.describe())?;
    let what = match profile {
        Profile::Public => "public: a server for the world (lan or client for less)",
        Profile::Lan => "lan: a server for the networks next to it",
        Profile::Client => "client: its own clock, and nobody else's",
    };
    writeln!(session.out, "Profile {what}\n")?;
    for step in &plan.steps {
        show_step(session, tree, step)?;
    }
    for note in &plan.notes {
        writeln!(session.out, "Note: {note}")?;
    }
    for error in &plan.errors {
        writeln!(session.err, "{error}").map_err(Failure::from)?;
    }
    if plan.steps.is_empty() && plan.errors.is_empty() {
        writeln!(session.out, "Nothing to do: all this is set up.")?;
    }
    Ok(())
}

fn show_step(session: &mut Session<'_>, tree: &Tree, step: &Step) -> Outcome {
    let colours = session.name == super::Name::Timeball && terminal::has_colours(&io::stdout());
    match &step.action {
        Action::Run { apply, .. } if apply.is_empty() => {}
        Action::Run { apply, .. } => {
            let verb = if tree.is_live() { "run" } else { "would run" };
            writeln!(session.out, "[{}] {}\n  {verb}: {}", step.part, step.why, apply.join(" "))?;
        }
        Action::Change { path, before, after } => {
            writeln!(session.out, "[{}] {}\n  {}", step.part, step.why, change(path, before, after))?;
            let (old, new) = (before.text(), after.text());
            let is_file = matches!(before, Node::File(_)) || matches!(after, Node::File(_));
            for line in diff(old.unwrap_or_default(), new.unwrap_or_default()).lines().filter(|_| is_file) {
                let colour = match line.as_bytes().first() {
                    Some(b'+') if colours => "\x1b[32m",
                    Some(b'-') if colours => "\x1b[31m",
                    _ => "",
                };
                let end = if colour.is_empty() { "" } else { "\x1b[0m" };
                writeln!(session.out, "  {colour}{line}{end}")?;
            }
        }
    }
    Ok(())
}

/// What happens to a path, in a line.
fn change(path: &str, before: &Node, after: &Node) -> String {
    match (before, after) {
        (_, Node::Absent) => format!("remove {path}"),
        (_, Node::Link(target)) => format!("link {path} -> {target}"),
        (_, Node::Folder(_)) => format!("folder {path}"),
        (Node::Absent, Node::File(content)) => format!("new {path} (mode {:o})", content.mode),
        _ => format!("change {path}"),
    }
}

fn print_json(
    session: &mut Session<'_>,
    place: &Place,
    profile: Profile,
    plan: &Plan,
    state: &str,
) -> Outcome {
    let quoted = |text: &str| {
        let mut out = String::new();
        json::string(&mut out, text);
        out
    };
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
    let steps: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let head = format!("{{\"part\":\"{}\",\"why\":{}", step.part, quoted(&step.why));
            match &step.action {
                Action::Run { apply, revert } => {
                    format!("{head},\"run\":[{}],\"undo\":[{}]}}", list(apply), list(revert))
                }
                Action::Change { path, before, after } => {
                    let text = diff(before.text().unwrap_or_default(), after.text().unwrap_or_default());
                    let what = change(path, before, after);
                    let what = what.split(' ').next().unwrap_or_default();
                    format!(
                        "{head},\"path\":{},\"change\":\"{what}\",\"diff\":{}}}",
                        quoted(path),
                        quoted(&text)
                    )
                }
            }
        })
        .collect();
    writeln!(
        session.out,
        "{{\"system\":{},\"profile\":\"{}\",\"state\":\"{state}\",\"steps\":[{}],\"notes\":[{}],\"errors\":[{}]}}",
        quoted(&place.describe()),
        profile.name(),
        steps.join(","),
        list(&plan.notes),
        list(&plan.errors)
    )?;
    Ok(())
}

/// Does the daemon answer?
fn check(session: &mut Session<'_>, program: &str) -> Outcome {
    for _ in 0..20 {
        if let Ran::Well(_) = Runner::Real.run(&[program, "-h", places::SYSTEM_SOCKET, "activity"]) {
            if session.options.format != Format::Json {
                writeln!(session.out, "The daemon answers. timeball doctor looks at everything else.")?;
            }
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    Err(Failure::usage(
        "Everything is set up, but the daemon does not answer; the system log says why (timeball undo takes it back).",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::journal::{Action, Entry, Step};
    use crate::setup::parts::Part;

    #[test]
    fn what_was_opened_is_not_left_open_by_a_narrower_profile() {
        let action = Action::Run { apply: Vec::new(), revert: Vec::new() };
        let step = Step { part: Part::Firewall, why: String::new(), action };
        let journal = |profile: &str, entries: usize| {
            let mut journal = Journal::default();
            profile.clone_into(&mut journal.profile);
            journal.entries = vec![Entry { id: 1, is_done: true, step: step.clone() }; entries];
            journal
        };
        for (before, entries, after, refused) in [
            ("public", 1, Profile::Lan, true),
            ("public", 1, Profile::Client, true),
            ("lan", 1, Profile::Client, true),
            ("public", 1, Profile::Public, false),
            ("lan", 1, Profile::Public, false),
            ("public", 0, Profile::Lan, false),
            ("", 1, Profile::Client, false),
        ] {
            let said = opened_wider(&journal(before, entries), after);
            assert_eq!(said.is_some(), refused, "{before} {after:?}: {said:?}");
            assert!(said.is_none_or(|text| text.contains("timeball undo")));
        }
    }
}
