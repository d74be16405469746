//! Is Timeball a drop-in for chrony? Scenarios in bash run with real programs and with ours under their names, and
//! what is printed, logged and left on the disk is compared.
//!
//! The scenarios are in `dropin/*.bash`; `common.bash` says how they are written. Each runs in a network namespace of
//! its own, four times: chronyd and Timeball as daemon, chronyc and Timeball as its client. [`INTENDED`] and
//! [`EXTRA`] list what may differ, and why. Needs root, bash and Debian's chrony (4.3 was written against); says
//! SKIPPED where they are missing. No daemon here has the right to set the machine's clock.

#[path = "netns/lab.rs"]
#[allow(dead_code)] // the harness of the other tests, which need more of it
mod lab;

use lab::{Lab, TIMEBALL, ready, skip};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// Blocks that are not compared: scenario, beginning of the block, reason.
const INTENDED: &[(&str, &str, &str)] = &[
    ("commands", "badoption", "says what is wrong since 4.8: Invalid option in add command"),
    ("commands", "key 0", "as above"),
    ("commands", "minpoll", "as above"),
    ("facilities", "extfield XYZ", "as above"),
    ("facilities", "port 70000", "no port is so high; chronyd takes it"),
    ("facilities", "delete N.9.N.99", "as above"),
    ("hardware", "refclock PHC", "one line with the reason instead of two"),
    ("start_errors", "rtcfile", "refused before anything else is said"),
    ("start_errors", "noclientlog", "another order of the same complaint"),
    ("start_errors", "leapseclist", "came after 4.3"),
    ("start_errors", "t.conf/x", "the reason is worded by the system"),
    ("start_errors", "/proc/nope", "the reason names the folder that was asked for"),
    ("start_errors", "/33", "as above"),
    ("start_errors", "/129", "as above"),
    (
        "start_errors",
        "refclock FOO",
        "told with its line and the drivers there are, before anything else is said",
    ),
    ("options", "-l DIR/file.log -t 0.2 foo", "the terminal hears of the fatal error too"),
    ("options", "-P ", "a wrong number is refused before the start"),
    ("options", "-p -l", "a configuration with errors is not printed"),
    ("options", "-R -s -m", "the reason is worded by the system"),
    ("once", "foo.invalid", "a name that cannot be resolved is given up before the timeout"),
];

/// The same for chrony 4.3 alone: what later releases changed, whose word is followed.
const LATER: &[(&str, &str, &str)] = &[
    ("commands", "offset ", "came after 4.3"),
    ("commands", "selectopts ", "came after 4.3"),
    ("facilities", "ntpdata", "the source's number and its port have been told since 4.4"),
];

/// Lines that only one side has: the beginning, the reason.
const EXTRA: &[(&str, &str)] = &[
    ("TIME Added ", "logged since 4.4"),
    ("TIME Removed ", "logged since 4.4"),
    ("TIME Allowed ", "logged since 4.4"),
    ("TIME Denied ", "logged since 4.4"),
    ("TIME Enabled local", "logged since 4.4"),
    ("TIME Disabled local", "logged since 4.4"),
    ("TIME Reset all sources", "logged since 4.4"),
    ("TIME Loaded ", "logged since 4.4"),
    ("TIME Activated time smoothing", "worded so since 4.4"),
    ("TIME Time smoothing activated", "as above"),
    ("TIME Reset time smoothing", "logged since 4.4"),
    ("TIME No network card here", "chronyd does not tell what `hwtimestamp *` found"),
    ("TIME Key ", "told after `rekey` too"),
    ("TIME New ", "logged since 4.4"),
    ("TIME Could not add source 127.0.0.1", "with the reason since 4.4"),
    ("TIME Can't synchronise", "right after the start too, in later releases"),
    ("TIME Selected source", "with -q and -Q too"),
    ("TIME Could not remove DIR", "4.3 cannot remove its pid file after it gave up root"),
    ("TIME Could not open DIR/drift.tmp", "as above, -Q"),
    ("TIME Could not open DIR/dump/", "4.3 opens dumps of sources that have no samples to save"),
    ("TIME Could not step system clock", "-q with -x steps nothing and says nothing"),
    ("NTP daemon ", "serverstats and ntpdata grew"),
    ("NTP kernel ", "as above"),
    ("NTP hardware ", "as above"),
    ("Total kernel ", "as above"),
    ("Total HW ", "as above"),
    ("TIME Could not resolve ", "chronyd does not tell which name fails"),
    ("TIME Source ", "chronyd's order is that of a hash table"),
];

/// Real chronyd and chronyc: what everything else is held against.
const REAL: Pairing = Pairing { daemon: Side::Chrony, client: Side::Chrony };

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    Chrony,
    Timeball,
    /// Of Debian trixie, 4.6, where `tests/fetch-chronyc` has been.
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Pairing {
    daemon: Side,
    client: Side,
}

impl Pairing {
    fn letters(self) -> String {
        let letter = |side| match side {
            Side::Chrony => 'c',
            Side::Timeball => 't',
            Side::Later => 'l',
        };
        [letter(self.daemon), letter(self.client)].iter().collect()
    }
}

fn later(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/trixie").join(name)
}

fn program(side: Side, name: &str) -> PathBuf {
    match (side, name) {
        (Side::Timeball, _) => TIMEBALL.into(),
        (Side::Chrony, "chronyd") => "/usr/sbin/chronyd".into(),
        (Side::Chrony, _) => "/usr/bin/chronyc".into(),
        (Side::Later, _) => later(name),
    }
}

/// Runs one scenario in a namespace of its own, where everything may take `patience` times as long as usual; all it
/// prints.
fn play(scenario: &str, pairing: Pairing, patience: u32) -> String {
    let lab = Lab::new(&format!("{scenario}-{}", pairing.letters()));
    let bin = lab.dir().join("bin");
    fs::create_dir(&bin).expect("a fresh folder");
    symlink(program(pairing.daemon, "chronyd"), bin.join("chronyd")).expect("a fresh folder");
    symlink(program(pairing.client, "chronyc"), bin.join("chronyc")).expect("a fresh folder");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dropin");
    let read = |name: &str| fs::read_to_string(scripts.join(format!("{name}.bash"))).expect("it is there");
    let script = lab.file(".script", &(read("common") + &read(scenario)));
    let dir = format!("DIR={}", lab.dir().display());
    let (patience, limit) = (format!("PATIENCE={patience}"), (patience * 150).to_string());
    let out = lab.inside("env", &[&dir, &patience, "timeout", &limit, "bash", &script]);
    String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned()
}

/// What a scenario printed, cut before each command; the first line of each block is its name.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        let begins = line.starts_with("$ ") || line.starts_with("== ") || line.contains(" ended with ");
        let block = blocks.last().expect("never empty");
        let titled = block.len() == 1 && block[0].starts_with("== ");
        if begins && !titled {
            blocks.push(Vec::new());
        }
        blocks.last_mut().expect("never empty").push(line);
    }
    blocks
}

/// Ours may say more after a line of theirs: a reason, a hint, a field of a later release.
fn says_the_same(ours: &str, theirs: &str) -> bool {
    let more = |rest: &str| rest.is_empty() || rest.starts_with([':', ',']) || rest.starts_with(" :");
    ours.strip_prefix(theirs).is_some_and(more)
}

fn is_extra(line: &str) -> bool {
    let line = line.trim_start_matches(['!', ' ']);
    line.contains(" has no effect yet") || EXTRA.iter().any(|(begin, _)| line.starts_with(begin))
}

/// The differences of two blocks; the order of lines is free, because the two log in different orders.
fn compare(ours: &[&str], theirs: &[&str]) -> Vec<String> {
    let mut left: Vec<&str> = ours.to_vec();
    let mut differences = Vec::new();
    // The longest first, so that a line is not taken by a shorter one that it begins with.
    let mut sorted = theirs.to_vec();
    sorted.sort_by_key(|line| std::cmp::Reverse(line.len()));
    for line in sorted {
        match left.iter().position(|mine| says_the_same(mine, line)) {
            Some(index) => {
                left.remove(index);
            }
            None if is_extra(line) => {}
            None => differences.push(format!("- {line}")),
        }
    }
    differences.extend(left.into_iter().filter(|line| !is_extra(line)).map(|line| format!("+ {line}")));
    differences
}

/// All differences of two runs, as a text for people; empty if there are none.
fn differences(scenario: &str, judge: Pairing, ours: &str, theirs: &str) -> String {
    let (ours, theirs) = (blocks(ours), blocks(theirs));
    let mut text = String::new();
    if ours.len() != theirs.len() {
        let _ = writeln!(text, "{} blocks instead of {}", ours.len(), theirs.len());
    }
    for (mine, real) in ours.iter().zip(&theirs) {
        let name = real.first().copied().unwrap_or_default();
        let meant = |(place, word, _): &&(&str, &str, &str)| *place == scenario && name.contains(word);
        let old = judge.daemon == Side::Chrony;
        if INTENDED.iter().chain(LATER.iter().filter(|_| old)).any(|entry| meant(&entry)) {
            continue;
        }
        let found = compare(mine, real);
        if !found.is_empty() {
            let _ = writeln!(text, "{name}\n  {}", found.join("\n  "));
        }
    }
    text
}

/// Plays a scenario in all pairings at once and holds each against the real programs.
fn same(scenario: &'static str, clients: bool) {
    if let Err(why) = ready() {
        return skip(&format!("drop-in, {scenario}"), &why);
    }
    let version = Command::new("/usr/bin/chronyc").arg("-v").output().map(|o| o.stdout).unwrap_or_default();
    if !String::from_utf8_lossy(&version).contains("version 4.3") {
        return skip(&format!("drop-in, {scenario}"), "chrony 4.3 of Debian 12 is what is compared with");
    }
    use Side::{Chrony, Later, Timeball};
    let pair = |daemon, client| Pairing { daemon, client };
    let mut pairings = vec![(pair(Timeball, Timeball), REAL)];
    if clients {
        pairings.extend([(pair(Timeball, Chrony), REAL), (pair(Chrony, Timeball), REAL)]);
        if later("chronyd").exists() {
            let judge = pair(Later, Later);
            pairings.extend([(pair(Timeball, Later), judge), (pair(Later, Timeball), judge)]);
        } else {
            skip("chrony 4.6 with us", "target/trixie/chronyd is missing: tests/fetch-chronyc brings it");
        }
    }
    let wrong = differing(scenario, &pairings, 1, true);
    // So many daemons at once on a busy machine: what came a moment too late is no difference, what is one stays when
    // only the pairing that differed is played, one run after the other, and given more time.
    let wrong = wrong.into_iter().filter_map(|(pairing, first)| {
        eprintln!("{scenario} differs, and is played again:\n{first}");
        let mut found = first;
        for patience in [2, 4] {
            found = differing(scenario, &[pairing], patience, false).pop()?.1;
            eprintln!("{scenario} differs again, with {patience} times the patience:\n{found}");
        }
        Some(found)
    });
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "{scenario} differs (- chrony, + Timeball)\n{wrong}");
}

/// Plays pairings, ours and what it is held against, and tells which of ours differ and how.
fn differing(
    scenario: &'static str,
    pairings: &[(Pairing, Pairing)],
    patience: u32,
    at_once: bool,
) -> Vec<((Pairing, Pairing), String)> {
    let mut runs: Vec<Pairing> = pairings.iter().flat_map(|&(ours, theirs)| [ours, theirs]).collect();
    runs.sort_by_key(|pairing| pairing.letters());
    runs.dedup();
    let texts: Vec<String> = if at_once {
        let begin = |&p: &Pairing| thread::spawn(move || play(scenario, p, patience));
        let handles: Vec<_> = runs.iter().map(begin).collect();
        handles.into_iter().map(|handle| handle.join().expect("the scenario ends")).collect()
    } else {
        runs.iter().map(|&pairing| play(scenario, pairing, patience)).collect()
    };
    let text = |pairing: Pairing| &texts[runs.iter().position(|run| *run == pairing).expect("it was played")];
    let mut wrong = Vec::new();
    for &(ours, theirs) in pairings {
        let found = differences(scenario, theirs, text(ours), text(theirs));
        if !found.is_empty() {
            let told = format!("daemon {:?}, client {:?}:\n{found}", ours.daemon, ours.client);
            wrong.push(((ours, theirs), told));
        }
    }
    wrong
}

#[test]
fn options_and_directives() {
    same("options", false);
}

#[test]
fn start_errors() {
    same("start_errors", false);
}

#[test]
fn start_stop_and_what_lies_around() {
    same("lifecycle", false);
}

#[test]
fn into_the_background() {
    same("daemonise", false);
}

#[test]
fn root_is_given_up() {
    same("user", false);
}

#[test]
fn every_command() {
    same("commands", true);
}

#[test]
fn commands_of_a_daemon_that_has_everything() {
    same("facilities", true);
}

#[test]
fn signs_of_a_clock_that_is_wrong() {
    same("wrong_clock", true);
}

#[test]
fn hardware_that_is_not_there() {
    same("hardware", false);
}

#[test]
fn broadcasts_on_the_wire() {
    same("broadcast", false);
}

#[test]
fn reports_right_after_the_start() {
    same("fresh", true);
}

#[test]
fn synchronised_logs_drift_and_dumps() {
    same("synced", true);
}

#[test]
fn measure_once() {
    same("once", false);
}

#[test]
fn source_folders() {
    same("folders", false);
}

#[test]
fn answers_to_crafted_requests() {
    same("server", false);
}

#[test]
fn polling() {
    same("polling", false);
}

#[test]
fn sources_that_are_not_heard() {
    same("unheard", false);
}
