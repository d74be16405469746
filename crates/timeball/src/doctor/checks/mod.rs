//! The checks: one table. Each looks at the facts and says one thing.

mod clock;
mod names;
mod network;
mod serving;
mod sources;
mod storage;

use super::facts::{Configured, Facts};
use super::finding::{Finding, quoted};

/// One check.
pub struct Check {
    /// What `--only` and the JSON call it.
    pub id: &'static str,
    /// What it asks; no question mark.
    pub title: &'static str,
    /// Looks.
    pub look: fn(&Facts) -> Finding,
}

const fn check(id: &'static str, title: &'static str, look: fn(&Facts) -> Finding) -> Check {
    Check { id, title, look }
}

/// The groups, in the order in which they are shown.
pub const GROUPS: [(&str, &[Check]); 5] = [
    ("clock", clock::CHECKS),
    ("sources", sources::CHECKS),
    ("serving", serving::CHECKS),
    ("network", network::CHECKS),
    ("storage", storage::CHECKS),
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Check> {
    GROUPS.into_iter().flat_map(|(_, checks)| checks)
}

/// The group of a check.
pub fn group(check: &Check) -> &'static str {
    let has = |(_, checks): &(&str, &[Check])| checks.iter().any(|one| one.id == check.id);
    GROUPS.into_iter().find(has).map_or("", |(name, _)| name)
}

/// The daemon's answers, or why there are none.
fn daemon(facts: &Facts) -> Result<&super::daemon::Daemon, Finding> {
    facts.daemon.as_ref().ok_or_else(|| {
        Finding::skipped(if facts.running { "no daemon answers" } else { "only a running daemon can tell" })
    })
}

/// The configuration, or why there is none.
fn config(facts: &Facts) -> Result<&ntp::config::Config, Finding> {
    match &facts.configured {
        Configured::Read { config, .. } => Ok(config),
        Configured::Wrong { .. } => Err(Finding::skipped("the configuration has errors")),
        Configured::Nowhere => Err(Finding::skipped("no configuration was found")),
    }
}

/// Adds `line` to the configuration, looks whether it is good, and starts the daemon anew; later lines win.
fn with_line(facts: &Facts, finding: Finding, line: &str) -> Finding {
    match &facts.configured {
        Configured::Read { .. } if facts.by_uci => {
            let add = format!("uci add_list timeball.main.directive={}", quoted(line));
            finding.mend(committed(&add, "timeball"))
        }
        Configured::Read { path, .. } if !path.is_empty() => {
            let command = format!("echo {} >> {}", quoted(line), quoted(path));
            finding.mend(restarted(facts, command))
        }
        _ => finding.advise(format!("Give the daemon a configuration with the line: {line}")),
    }
}

/// `command` of OpenWrt's uci, kept if the configuration is good then.
fn committed(command: &str, file: &str) -> String {
    format!("{command} && uci commit {file} && timeball uci > /dev/null && /etc/init.d/timeball restart")
}

/// `command`, and then the daemon started anew if its configuration is good.
fn restarted(facts: &Facts, command: String) -> String {
    let good = format!("timeball run -p -f {} > /dev/null", quoted(facts.configured.path()));
    match facts.restart() {
        "" => format!("{command} && {good}"),
        restart => format!("{command} && {good} && {restart}"),
    }
}

/// `1 source`, `2 sources`.
fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}
