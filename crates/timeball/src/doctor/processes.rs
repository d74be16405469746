//! Which processes keep time, and which are started at boot.

use super::system::System;

/// A process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub name: String,
    /// The program's file; ends with ` (deleted)` when it was replaced.
    pub program: String,
    /// The words it was started with.
    pub arguments: Vec<String>,
}

/// Programs that set clocks, by the first fifteen letters of their names; and the service that starts each.
const KEEPERS: &[(&str, &str)] = &[
    ("chronyd", "chronyd"),
    ("ntpd", "sysntpd"),
    ("ntpsec", "ntpsec"),
    ("openntpd", "openntpd"),
    ("ntp-daemon", "ntpd-rs"),
    ("systemd-timesyn", "systemd-timesyncd"),
    ("ptp4l", "ptp4l"),
    ("phc2sys", "phc2sys"),
    ("htpdate", "htpdate"),
    ("adjtimex", "adjtimex"),
];

/// Services that keep time, as they are called in `/etc/rc.d` and by systemd.
const SERVICES: &[&str] = &[
    "sysntpd",
    "chronyd",
    "chrony",
    "ntpd",
    "ntp",
    "ntpsec",
    "openntpd",
    "ntpd-rs",
    "systemd-timesyncd",
    "htpdate",
];

/// The service that starts a program, if it is one that keeps time.
pub fn service(name: &str) -> Option<&'static str> {
    KEEPERS.iter().find(|(program, _)| *program == name).map(|(_, service)| *service)
}

/// The daemon's process, and all others that keep time. If the daemon that answers is `foreign`, it is chronyd's.
pub fn find(system: &dyn System, foreign: bool) -> (Option<Process>, Vec<Process>) {
    let here = system.link("/proc/self/ns/net");
    let network = |pid: u32| system.link(&format!("/proc/{pid}/ns/net"));
    let all = system.list("/proc").into_iter().filter_map(|name| name.parse().ok());
    let mut all: Vec<Process> = all.filter_map(|pid| read(system, pid)).collect();
    all.sort_by_key(|process| process.pid);
    let is_daemon = |process: &Process| {
        let ours = is_timeball(process)
            && (process.arguments.get(1).is_some_and(|word| word == "run")
                || process.arguments.first().is_some_and(|word| word.ends_with("chronyd")));
        (if foreign { process.name == "chronyd" && !is_timeball(process) } else { ours })
            && (here.is_none() || network(process.pid).is_none_or(|other| Some(other) == here))
    };
    let daemon = all.iter().find(|process| is_daemon(process)).cloned();
    let keeps = |process: &Process| {
        KEEPERS.iter().any(|(name, _)| *name == process.name)
            && !is_timeball(process)
            && !(foreign && process.name == "chronyd")
    };
    let others = all.into_iter().filter(keeps).collect();
    (daemon, others)
}

/// Does the process leave the clock alone, by its own options?
pub fn only_looks(process: &Process) -> bool {
    process.arguments.iter().any(|word| matches!(word.as_str(), "-x" | "-Q" | "-W"))
}

fn is_timeball(process: &Process) -> bool {
    let program = process.program.trim_end_matches(" (deleted)");
    let file = program.rsplit('/').next().unwrap_or(program);
    file == "timeball" || (program.is_empty() && process.name == "timeball")
}

fn read(system: &dyn System, pid: u32) -> Option<Process> {
    let name = system.text(&format!("/proc/{pid}/comm"))?.trim().to_owned();
    let known = name == "timeball" || KEEPERS.iter().any(|(keeper, _)| *keeper == name);
    if !known && system.link(&format!("/proc/{pid}/exe")).is_none_or(|program| !program.contains("timeball"))
    {
        return None;
    }
    let arguments = system.text(&format!("/proc/{pid}/cmdline"))?;
    let arguments: Vec<String> =
        arguments.split('\0').filter(|word| !word.is_empty()).map(ToOwned::to_owned).collect();
    let program = system.link(&format!("/proc/{pid}/exe")).unwrap_or_default();
    Some(Process { pid, name, program, arguments })
}

/// Services other than ours that keep time and are started at boot.
pub fn enabled(system: &dyn System) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |name: &str| {
        if SERVICES.contains(&name) && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    };
    for link in system.list("/etc/rc.d") {
        note(link.trim_start_matches('S').trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    for target in ["multi-user", "sysinit", "basic", "default"] {
        for unit in system.list(&format!("/etc/systemd/system/{target}.target.wants")) {
            note(unit.trim_end_matches(".service"));
        }
    }
    found
}

/// What the daemon's process has written to storage, bytes, and since how long it runs, s.
pub fn written(system: &dyn System, process: &Process) -> Option<(f64, f64)> {
    let bytes = |pid: u32| -> Option<f64> {
        let io = system.text(&format!("/proc/{pid}/io"))?;
        io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
    };
    let stat = |pid: u32| -> Option<Vec<String>> {
        let text = system.text(&format!("/proc/{pid}/stat"))?;
        let (_, rest) = text.rsplit_once(") ")?;
        Some(rest.split_whitespace().map(ToOwned::to_owned).collect())
    };
    // Behind the name come state and parent; the start is the 22nd field of all.
    let start: f64 = stat(process.pid)?.get(19)?.parse().ok()?;
    let uptime: f64 = system.text("/proc/uptime")?.split_whitespace().next()?.parse().ok()?;
    let seconds = uptime - start / sys::clock::user_hz() as f64;
    let children = system.text(&format!("/proc/{0}/task/{0}/children", process.pid)).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| bytes(pid.parse().ok()?));
    Some((bytes(process.pid)? + children.sum::<f64>(), seconds))
}
