//! The daemon and the clock it keeps.

use super::super::facts::{Configured, Facts, Place};
use super::super::finding::{Finding, quoted, seconds};
use super::super::processes::{only_looks, service};
use super::{Check, check, config, daemon};

pub const CHECKS: &[Check] = &[
    check("daemon", "a daemon answers", answers),
    check("version", "the running daemon is the installed one", version),
    check("configuration", "the configuration is good", configuration),
    check("second-daemon", "nobody else keeps time on this port, or will after a reboot", second_daemon),
    check("steering", "one program steers the clock", steering),
    check("synchronised", "the clock was set, and not long ago", synchronised),
    check("error-bound", "the clock is near true time", error_bound),
    check("oscillator", "the oscillator is good, or its error compensated", oscillator),
    check("leap-seconds", "leap seconds are known, or the list of them is fresh", leap),
];

/// The pool takes points off beyond this, s.
const POOL_ALLOWS: f64 = 0.025;
/// Oscillators of this much are usual, s/s.
const USUAL: f64 = 100e-6;
/// The kernel's frequency ends here, s/s; more needs its tick.
const KERNEL_FREQUENCY: f64 = 500e-6;
/// What kernel and daemon may differ by: a slew that is under way, s/s.
const SLEWING: f64 = 200e-6;
/// An update that is older than this, and than four intervals, is old, s.
const OLD: f64 = 3600.0;

/// What there is to do about another daemon.
const STOP: &str = "Stop it, and keep it from being started at boot";

/// Boards whose firmware states another frequency than their timer has: a word of their name, from and to (ppm).
const BOARDS: &[(&str, &str, f64, f64)] = &[("mediatek,mt7986", "MT7986", -1073.0, -1062.0)];

fn answers(facts: &Facts) -> Finding {
    match &facts.daemon {
        Some(daemon) => {
            let who =
                daemon.version.as_ref().map_or("chronyd".to_owned(), |version| format!("Timeball {version}"));
            Finding::ok(format!("{who} answers at {}", daemon.endpoint))
        }
        None if !facts.running => Finding::skipped("a copy of files runs no daemon"),
        None => {
            let finding = Finding::fault("no daemon answers, so nobody keeps the time");
            match (&facts.process, facts.place) {
                (Some(process), _) => finding
                    .seen([format!("process {} runs: {}", process.pid, process.arguments.join(" "))])
                    .advise("Its command socket may be for root only: sudo timeball doctor"),
                (None, Place::OpenWrt) => finding.mend("/etc/init.d/timeball start"),
                (None, Place::Systemd) => finding.mend("systemctl start timeball"),
                (None, Place::Other) => finding.advise("Start one: timeball run"),
            }
        }
    }
}

fn version(facts: &Facts) -> Finding {
    let daemon = match daemon(facts) {
        Ok(daemon) => daemon,
        Err(skipped) => return skipped,
    };
    let Some(running) = &daemon.version else {
        return Finding::skipped("the daemon is chronyd, not Timeball");
    };
    let replaced = facts.process.as_ref().is_some_and(|process| process.program.ends_with(" (deleted)"));
    if running != facts.version || replaced {
        let what = if replaced { "its program was replaced" } else { "this program is another" };
        return Finding::warning(format!(
            "the daemon still runs version {running}, but {what} ({})",
            facts.version
        ))
        .mend(facts.restart())
        .advise(if facts.restart().is_empty() { "Start the daemon anew" } else { "" });
    }
    Finding::ok(format!("{running}, as installed"))
}

fn configuration(facts: &Facts) -> Finding {
    match &facts.configured {
        Configured::Nowhere => {
            Finding::skipped("no configuration was found and no daemon says which it uses")
        }
        Configured::Wrong { path, errors } => {
            Finding::fault(format!("{path} has errors: the daemon would not start with it"))
                .seen(errors.iter().take(5))
                .advise(format!("Mend the lines, then look: timeball run -p -f {}", quoted(path)))
        }
        Configured::Read { .. } if !facts.edit_errors.is_empty() => Finding::warning(
            "the last edit of /etc/config has mistakes; the daemon keeps the configuration before it",
        )
        .seen(facts.edit_errors.iter().take(5))
        .advise("Mend the lines, then look: timeball uci"),
        Configured::Read { path, lines, .. } if path.is_empty() => {
            Finding::ok(format!("built in or given as arguments: {} directives", lines.len()))
        }
        Configured::Read { path, lines, .. } => Finding::ok(format!("{path}: {} directives", lines.len())),
    }
}

/// The command that ends another daemon for good; empty where nobody knows it.
fn stop(facts: &Facts, service: &str) -> String {
    match facts.place {
        Place::OpenWrt => {
            let script = format!("/etc/init.d/{service}");
            format!("{script} stop; {script} disable")
        }
        Place::Systemd => format!("systemctl disable --now {service}"),
        Place::Other => String::new(),
    }
}

fn second_daemon(facts: &Facts) -> Finding {
    let ours = |pid: u32| facts.process.as_ref().is_some_and(|process| process.pid == pid);
    let foreign = facts.daemon.as_ref().is_some_and(|daemon| daemon.version.is_none());
    let strangers: Vec<&(u32, String)> = facts
        .udp
        .iter()
        .filter_map(|listener| listener.owner.as_ref())
        .filter(|(pid, name)| !ours(*pid) && name != "timeball" && !(foreign && name == "chronyd"))
        .collect();
    if let Some((pid, name)) = strangers.first() {
        return Finding::fault(format!("{name} also listens on the port of NTP: who answers is chance"))
            .seen([format!("process {pid}: {name}")])
            .mend(service(name).map_or(String::new(), |service| stop(facts, service)))
            .advise(STOP);
    }
    let enabled: Vec<&String> =
        facts.enabled.iter().filter(|name| !(foreign && name.starts_with("chrony"))).collect();
    if let Some(first) = enabled.first() {
        return Finding::warning(format!("{first} is started at boot, and will fight for the clock"))
            .seen(enabled.iter().map(|name| format!("enabled: {name}")))
            .mend(stop(facts, first))
            .advise(STOP);
    }
    if facts.running && facts.udp.is_empty() && facts.process.is_none() {
        return Finding::ok("nobody listens on the port of NTP, and no other daemon is started at boot");
    }
    Finding::ok("only one daemon, now and after a reboot")
}

fn steering(facts: &Facts) -> Finding {
    if !facts.running {
        return Finding::skipped("only a running machine has a clock");
    }
    let others: Vec<_> = facts.others.iter().filter(|process| !only_looks(process)).collect();
    let seen =
        others.iter().map(|process| format!("process {}: {}", process.pid, process.arguments.join(" ")));
    if facts.process.is_none() {
        return Finding::skipped("no daemon of Timeball's runs");
    }
    if facts.is_virtual() {
        let who =
            if others.is_empty() { "nobody steers the clock" } else { "another program steers the clock" };
        return Finding::ok(format!("{who}; Timeball was told not to")).seen(seen);
    }
    if let Some(first) = others.first() {
        return Finding::fault(format!("{} sets the clock too: both undo what the other does", first.name))
            .seen(seen)
            .mend(service(&first.name).map_or(String::new(), |service| stop(facts, service)))
            .advise(STOP);
    }
    if facts.kernel.is_some_and(|kernel| kernel.loop_runs) {
        return Finding::fault("another program runs the kernel's phase-locked loop, which moves the clock")
            .seen(["adjtimex: STA_PLL is set"])
            .advise("Look which program does: ps, cron, tools of the virtual machine");
    }
    Finding::ok("Timeball alone")
}

fn synchronised(facts: &Facts) -> Finding {
    let tracking = match daemon(facts) {
        Ok(daemon) => &daemon.tracking,
        Err(skipped) => return skipped,
    };
    if tracking.leap.0 == 3 || tracking.stratum == 0 {
        return Finding::fault("the clock is not synchronised").advise("timeball says why: timeball status");
    }
    let age = facts.now - tracking.reference_time.seconds as f64;
    if age > OLD.max(4.0 * tracking.update_interval.0) {
        return Finding::warning(format!("the clock was last corrected {} ago", seconds(age)))
            .advise("See which sources answer: timeball sources --why");
    }
    Finding::ok(format!("stratum {}, corrected {} ago", tracking.stratum, seconds(age.max(0.0))))
}

fn error_bound(facts: &Facts) -> Finding {
    let tracking = match daemon(facts) {
        Ok(daemon) => &daemon.tracking,
        Err(skipped) => return skipped,
    };
    if tracking.leap.0 == 3 || tracking.stratum == 0 {
        return Finding::skipped("the clock is not synchronised");
    }
    let bound = tracking.correction.0.abs() + tracking.root_dispersion.0 + tracking.root_delay.0 / 2.0;
    let seen = [format!(
        "still correcting {}, dispersion {}, half the delay {}",
        seconds(tracking.correction.0.abs()),
        seconds(tracking.root_dispersion.0),
        seconds(tracking.root_delay.0 / 2.0)
    )];
    if bound > POOL_ALLOWS {
        return Finding::warning(format!(
            "the clock may be wrong by {}; the pool takes points off beyond 25 ms",
            seconds(bound)
        ))
        .seen(seen)
        .mend("timeball find-sources --for 10m")
        .advise("Nearer sources make it smaller");
    }
    Finding::ok(format!("wrong by {} at most", seconds(bound))).seen(seen)
}

fn oscillator(facts: &Facts) -> Finding {
    let tracking = match daemon(facts) {
        Ok(daemon) => &daemon.tracking,
        Err(skipped) => return skipped,
    };
    let ppm = tracking.frequency.ppm();
    let word = if ppm < 0.0 { "slow" } else { "fast" };
    let board = facts.board.as_deref().unwrap_or("");
    let known = BOARDS.iter().find(|(word, ..)| board.contains(word));
    let said = format!("the oscillator is {:.1} ppm {word}", ppm.abs());
    let seen = [format!(
        "known to {:.3} ppm; board: {}",
        tracking.skew.ppm(),
        if board.is_empty() { "?" } else { board }
    )];
    // The kernel runs as much faster as the oscillator is slow.
    let missing =
        facts.kernel.map(|kernel| (kernel.frequency + ppm * 1e-6).abs()).filter(|_| !facts.is_virtual());
    if tracking.stratum != 0
        && ppm.abs() * 1e-6 > KERNEL_FREQUENCY
        && missing.is_some_and(|missing| missing > SLEWING)
    {
        return Finding::fault(format!("{said}, and the kernel does not compensate it"))
            .seen(seen)
            .mend(facts.restart())
            .advise("Another program may set the kernel's frequency back");
    }
    let compensated =
        if facts.is_virtual() { "not in the machine's clock, only for clients" } else { "compensated" };
    if let Some((_, name, low, high)) = known
        && ((low - 15.0)..=(high + 15.0)).contains(&ppm)
    {
        return Finding::ok(format!("{said}, as on every {name}; {compensated}")).seen(seen);
    }
    if ppm.abs() * 1e-6 > KERNEL_FREQUENCY {
        return Finding::warning(format!("{said}, and no board is known for that; {compensated}"))
            .seen(seen)
            .advise("Plain ntpd could not follow it. If it stays like this for days, all is well: it is remembered");
    }
    if ppm.abs() * 1e-6 > USUAL {
        return Finding::warning(format!("{said}, more than usual; {compensated}"))
            .seen(seen)
            .advise("A virtual machine's clock source may be to blame: /sys/devices/system/clocksource");
    }
    Finding::ok(format!("{said}; {compensated}")).seen(seen)
}

fn leap(facts: &Facts) -> Finding {
    if let Err(skipped) = config(facts) {
        return skipped;
    }
    match &facts.leap {
        None => Finding::ok("no list is used; the sources announce leap seconds"),
        Some(leap) => match (leap.directive, leap.expired) {
            (Some(directive), None) => Finding::fault(format!("{} is no list of leap seconds", leap.path))
                .seen([format!("named by {directive}")])
                .advise("Install the package tzdata, or take the line out"),
            (Some(_), Some(true)) => Finding::warning(format!("{} has expired", leap.path))
                .mend(if facts.place == Place::Systemd {
                    "apt-get install --only-upgrade tzdata"
                } else {
                    ""
                })
                .advise("A new list is published twice a year: package tzdata, or IERS"),
            (Some(_), Some(false)) => Finding::ok(format!("{} is fresh", leap.path)),
            (None, _) => {
                Finding::ok(format!("{} is there but not used; the sources announce leap seconds", leap.path))
            }
        },
    }
}
