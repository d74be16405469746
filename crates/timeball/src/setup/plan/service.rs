//! The service that starts the daemon at boot and again when it ends.

use super::Planner;
use crate::setup::parts::Part;
use crate::setup::place::System;
use crate::setup::runner::Ran;
use crate::setup::tree::Node;

const INIT: &str = include_str!("../../../../../packaging/openwrt/timeball.init");
const CAPABILITIES: &str = include_str!("../../../../../packaging/openwrt/timeball.capabilities.json");
const UNIT: &str = include_str!("../../../../../packaging/systemd/timeball.service");
const WAIT_UNIT: &str = include_str!("../../../../../packaging/systemd/timeball-wait.service");
const SYSUSERS: &str = include_str!("../../../../../packaging/systemd/timeball.sysusers");
/// Where packages put the program; the files above name it.
const PROGRAM: &str = "/usr/bin/timeball";
/// The daemon's user and the page's.
const USERS: [&str; 2] = ["timeball", "timeball-web"];
const FILES: [&str; 3] = ["/etc/passwd", "/etc/group", "/etc/shadow"];
/// The first number that is tried for a user.
const FIRST_ID: u32 = 424;

/// A file of ours with the place of the program in it.
pub(super) fn with_program(text: &str, planner: &Planner<'_>) -> String {
    text.replace(PROGRAM, &planner.wish.program)
}

pub(super) fn plan(planner: &mut Planner<'_>) {
    match planner.place.system {
        System::OpenWrt { .. } => openwrt(planner),
        System::Systemd(_) => systemd(planner),
        System::Other(_) => {}
    }
}

fn openwrt(planner: &mut Planner<'_>) {
    users(planner);
    let text = with_program(INIT, planner);
    // A package's own script is newer or the same.
    if !planner.tree.exists("/etc/init.d/timeball")
        || planner.tree.text("/etc/init.d/timeball") == Some(text.clone())
    {
        planner.put(
            Part::Service,
            "/etc/init.d/timeball",
            Node::file(text, 0o755),
            "procd starts it, and again if it ends",
        );
    }
    if !planner.tree.exists("/etc/capabilities/timeball.json") {
        let node = Node::file(CAPABILITIES, 0o644);
        planner.put(
            Part::Service,
            "/etc/capabilities/timeball.json",
            node,
            "the few rights it keeps in its jail",
        );
    }
    for link in ["S21timeball", "K10timeball"] {
        let node = Node::Link("../init.d/timeball".to_owned());
        planner.put(Part::Service, &format!("/etc/rc.d/{link}"), node, "it starts at boot");
    }
    let runs = matches!((planner.ask)(&["/etc/init.d/timeball", "running"]), Ran::Well(_));
    if !planner.plan.steps.is_empty() || (planner.tree.is_live() && !runs) {
        planner.run_late(
            Part::Service,
            &["/etc/init.d/timeball", "restart"],
            &["/etc/init.d/timeball", "stop"],
            "it starts now",
        );
    }
}

/// Users of its own, as the package makes them: each a line in passwd, group and shadow.
fn users(planner: &mut Planner<'_>) {
    let texts = FILES.map(|path| planner.text(path));
    let [Some(passwd), group, _] = &texts else { return };
    let group = group.clone().unwrap_or_default();
    let mut ids: Vec<u32> = Vec::new();
    let mut lines = FILES.map(|_| Vec::new());
    for user in USERS {
        let head = format!("{user}:");
        let is_its = |line: &&str| line.starts_with(&head);
        // Each file by itself: a power cut may have come between them.
        let old = passwd.lines().chain(group.lines()).find(is_its).and_then(|line| line.split(':').nth(2));
        let taken = |id: u32| {
            let has = |text: &str| text.lines().any(|line| line.split(':').nth(2) == Some(&id.to_string()));
            has(passwd) || has(&group) || ids.contains(&id)
        };
        let old: Option<u32> = old.and_then(|id| id.parse().ok());
        let Some(id) = old.or_else(|| (FIRST_ID..1000).find(|id| !taken(*id))) else { return };
        ids.push(id);
        let made = [
            format!("{user}:x:{id}:{id}:{user}:/var/run/timeball:/bin/false\n"),
            format!("{user}:x:{id}:\n"),
            format!("{user}:x:0:0:99999:7:::\n"),
        ];
        for ((text, line), lines) in texts.iter().zip(made).zip(&mut lines) {
            if text.as_ref().is_some_and(|text| !text.lines().any(|line| is_its(&line))) {
                lines.push(line);
            }
        }
    }
    for ((path, text), lines) in FILES.into_iter().zip(texts).zip(lines) {
        let Some(mut text) = text.filter(|_| !lines.is_empty()) else { continue };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let why = "users without rights, which the daemon and its page become";
        planner.put_text(Part::Service, path, &(text + &lines.concat()), why);
    }
}

fn systemd(planner: &mut Planner<'_>) {
    let has_user =
        planner.text("/etc/passwd").is_some_and(|text| text.lines().any(|l| l.starts_with("timeball:")));
    if !has_user {
        let path = "/etc/sysusers.d/timeball.conf";
        let why = "users without rights, which the daemon and its page become";
        let before = planner.plan.steps.len();
        planner.put(Part::Service, path, Node::file(SYSUSERS, 0o644), why);
        if planner.plan.steps.len() > before || planner.tree.is_live() {
            // The users are lines of files that others change too: taken back by name.
            let taken_back = ["sh", "-c", "userdel timeball-web; userdel timeball"];
            planner.run(Part::Service, &["systemd-sysusers", path], &taken_back, why);
        }
    }
    let before = planner.plan.steps.len();
    planner.followed_by(
        Part::Service,
        &["systemctl", "daemon-reload"],
        "systemd reads its files",
        |planner| {
            for (name, text, why) in [
                ("timeball.service", UNIT, "systemd starts it with few rights, and again if it ends"),
                (
                    "timeball-wait.service",
                    WAIT_UNIT,
                    "for those who enable it: what needs the right time waits for it",
                ),
            ] {
                let packaged = ["/usr/lib/systemd/system", "/lib/systemd/system"]
                    .map(|folder| format!("{folder}/{name}"))
                    .into_iter()
                    .find(|path| planner.tree.exists(path));
                let unit = packaged.clone().unwrap_or_else(|| format!("/etc/systemd/system/{name}"));
                if packaged.is_none() {
                    let node = Node::file(with_program(text, planner), 0o644);
                    planner.put(Part::Service, &unit, node, why);
                }
                // Who waits for the right time asks for the second by himself.
                if name == "timeball.service" {
                    let link = format!("/etc/systemd/system/multi-user.target.wants/{name}");
                    if !matches!(planner.node(&link), Node::Link(target) if target.ends_with(name)) {
                        planner.put(Part::Service, &link, Node::Link(unit), "it starts at boot");
                    }
                }
            }
        },
    );
    let runs =
        matches!((planner.ask)(&["systemctl", "is-active", "--quiet", "timeball.service"]), Ran::Well(_));
    if planner.plan.steps.len() > before || (planner.tree.is_live() && !runs) {
        let apply = ["systemctl", "restart", "timeball.service"];
        planner.run_late(Part::Service, &apply, &["systemctl", "stop", "timeball.service"], "it starts now");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd says no more than a word in its log of lines that it does not understand.
    #[test]
    fn every_line_of_the_units_is_one_of_systemds() {
        for (name, text) in [("timeball.service", UNIT), ("timeball-wait.service", WAIT_UNIT)] {
            for line in text.lines() {
                let key = line.split_once('=').map_or("", |(key, _)| key);
                let is_setting = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
                let is_section = matches!(line, "[Unit]" | "[Service]" | "[Install]");
                assert!(
                    line.is_empty() || line.starts_with('#') || is_section || is_setting,
                    "{name}: {line}"
                );
            }
        }
    }
}
