//! The configuration, the folder of the state, the priority.

use super::{Planner, Profile};
use crate::setup::parts::Part;
use crate::setup::translate;
use crate::setup::tree::Node;
use crate::setup::uci::Document;

const PACKAGED: &str = include_str!("../../../../../packaging/openwrt/timeball.config");
/// The configuration on other systems.
const CONF: &str = "/etc/timeball/timeball.conf";
/// Beside OpenWrt's configuration: on the flash, if nothing better is mounted.
const ON_FLASH: &str = "/etc/timeball/state";
/// Networks next to us.
pub(super) const PRIVATE: [&str; 6] =
    ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"];
/// Of all real-time priorities that of the guide: below the kernel's own threads.
const PRIORITY: &str = "50";

pub(super) fn plan(planner: &mut Planner<'_>) {
    if !planner.is_openwrt() {
        return conf(planner);
    }
    if planner.text("/etc/config/timeball").is_none() {
        let node = Node::file(PACKAGED, 0o644);
        planner.put(Part::Config, "/etc/config/timeball", node, "what /etc/config/chrony has no words for");
    }
    let chrony_conf = planner.tree.text("/etc/chrony/chrony.conf").unwrap_or_default();
    let chrony = planner.uci("chrony");
    let allowed = |own: &Document, name: &str| {
        [&chrony, own].iter().any(|document| {
            document.of_kind("allow").any(|section| section.list("interface").contains(&name))
        })
    };
    let locals: Vec<String> =
        planner.local_interfaces().into_iter().map(|interface| interface.name).collect();
    let page = planner.local_interfaces().iter().find_map(|interface| interface.v4());
    let profile = planner.wish.profile;
    planner.edit(Part::Config, "timeball", "who is served, and limits that nobody honest notices", |own| {
        let wanted: Vec<&str> = match profile {
            Profile::Client => Vec::new(),
            Profile::Lan => locals.iter().map(String::as_str).collect(),
            Profile::Public => vec!["wan", "wan6"],
        };
        // PPPoE's wan_6 is the IPv6 world, too.
        let is_allowed = |name: &str| allowed(own, name) || (name == "wan6" && allowed(own, "wan_6"));
        let missing: Vec<&str> = wanted.into_iter().filter(|name| !is_allowed(name)).collect();
        if !missing.is_empty() {
            let id = match own.named("allow", "served") {
                Some(section) => section.id,
                None => own.add_section("allow", Some("served"), &[]),
            };
            for name in missing {
                own.add_list(id, "interface", name);
            }
        }
        let Some(main) = own.named("timeball", "main") else { return };
        let (id, has_limit) = (main.id, main.get("ratelimit").is_some() || has(&chrony_conf, "ratelimit"));
        let web = main.get("web").map(str::to_owned);
        if profile == Profile::Public && !has_limit {
            own.set(id, "ratelimit", "auto");
        }
        // The page, for those at home; the firewall keeps it from the world.
        if let (Some("127.0.0.1:8123"), Some(address)) = (web.as_deref(), page)
            && profile != Profile::Client
        {
            own.set(id, "web", &format!("127.0.0.1:8123 {address}:8123"));
        }
    });
    memory(planner, &chrony_conf);
    if profile == Profile::Public && chrony.of_kind("server").next().is_none() {
        planner.note(
            "A public server should follow 4 to 7 servers chosen by hand, not a pool: timeball find-sources measures candidates.",
        );
    }
}

/// A table of clients that does not fit into the machine stops the daemon.
fn memory(planner: &mut Planner<'_>, chrony_conf: &str) {
    let asked = value(chrony_conf, "clientloglimit").and_then(|text| text.parse::<u64>().ok());
    let (Some(asked), Some(memory)) = (asked, planner.wish.memory) else { return };
    if asked > memory / 4 {
        let why =
            format!("clientloglimit {asked} in chrony.conf is more than a quarter of this machine's memory");
        planner.edit(Part::Config, "timeball", &why, |own| {
            if let Some(id) = own.named("timeball", "main").map(|main| main.id) {
                own.set(id, "clientloglimit", &(memory / 32).to_string());
            }
        });
    }
}

/// Does a text in chrony's language have this directive?
fn has(text: &str, directive: &str) -> bool {
    text.lines()
        .any(|line| line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(directive)))
}

/// The first argument of the last such directive.
fn value<'a>(text: &'a str, directive: &str) -> Option<&'a str> {
    let mut lines = text.lines().rev().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == directive).then(|| words.next())?)
}

/// `timeball.conf`: chrony's file taken over, and what it does not say.
fn conf(planner: &mut Planner<'_>) {
    let chrony =
        ["/etc/chrony/chrony.conf", "/etc/chrony.conf"].into_iter().find(|path| planner.tree.exists(path));
    let old = planner.text(CONF);
    let mut text = old.clone().unwrap_or_default();
    let taken_over = chrony.and_then(|path| planner.tree.text(path)).unwrap_or_default();
    let mut all = translate::expanded(planner.tree, &format!("{text}\n{taken_over}"));
    let mut add = |directive: &str, line: &str| {
        if !has(&all, directive) {
            text.push_str(&format!("{line}\n"));
            all.push_str(&format!("{line}\n"));
        }
    };
    match chrony {
        // What follows holds, because it is said later.
        Some(path) if old.is_none() => {
            add("include", &format!("# chrony's configuration, taken over.\ninclude {path}"));
        }
        None if old.is_none() => add("pool", "pool pool.ntp.org iburst maxsources 4"),
        _ => {}
    }
    add("makestep", "makestep 1 3");
    add("rtcsync", "rtcsync");
    if planner.tree.exists("/usr/share/zoneinfo/right/UTC") {
        add("leapsectz", "leapsectz right/UTC");
    }
    match planner.wish.profile {
        Profile::Public => add("allow", "allow"),
        Profile::Lan => add("allow", &PRIVATE.map(|network| format!("allow {network}")).join("\n")),
        Profile::Client => {}
    }
    if planner.wish.profile == Profile::Public {
        add("ratelimit", "ratelimit auto");
    }
    if planner.place_has_dhcp_folder() {
        text.push_str(if text.contains("/run/timeball-dhcp") {
            ""
        } else {
            "sourcedir /run/timeball-dhcp\n"
        });
    }
    planner.put_text(Part::Config, CONF, &text, "a configuration is the permission to set the clock");
}

/// The folder of the state on storage that survives a power cut.
pub(super) fn storage(planner: &mut Planner<'_>) {
    let folders = candidates(planner);
    planner.plan.state_folders.clone_from(&folders);
    let Some(folder) = planner.wish.state.clone().or_else(|| folders.first().cloned()) else { return };
    if is_volatile(planner, &folder) {
        let text = format!("{folder} does not survive a power cut; name another with --state FOLDER");
        return planner.plan.errors.push(text);
    }
    let why = format!("drift, measurements and records on storage that stays, in {folder}");
    if !planner.is_openwrt() {
        let mut text = planner.text(CONF).unwrap_or_default();
        let all = translate::expanded(planner.tree, &text);
        // chrony's folders are its user's; ours is not that user, unless the configuration says so.
        let known = if has(&all, "user") { &all } else { &text.clone() };
        for (directive, line) in [
            ("driftfile", format!("driftfile {folder}/drift")),
            ("dumpdir", format!("dumpdir {folder}")),
            ("stats", format!("stats folder {folder}/observer")),
        ] {
            if !has(known, directive) {
                text.push_str(&format!("{line}\n"));
            }
        }
        return planner.put_text(Part::Storage, CONF, &text, &why);
    }
    let stats = match folder.as_str() {
        // Seldom and little: this flash is the system's.
        ON_FLASH => format!("interval 3600 profile router folder {folder}/observer"),
        _ => format!("interval 300 folder {folder}/observer"),
    };
    let chrony = planner.tree.text("/etc/chrony/chrony.conf").unwrap_or_default();
    let dumps = value(&chrony, "dumpdir").filter(|dumps| !is_volatile(planner, dumps));
    let dumps = dumps.map_or_else(|| folder.clone(), str::to_owned);
    let packaged = Document::parse(PACKAGED).unwrap_or_default();
    planner.edit(Part::Storage, "timeball", &why, |own| {
        let Some(main) = own.named("timeball", "main") else { return };
        let default = packaged.named("timeball", "main");
        // What somebody has written stays.
        let is_free = |key: &str| match (main.get(key), default.and_then(|default| default.get(key))) {
            (None, _) => true,
            (now, default) => now == default,
        };
        let wanted = [("driftfile", format!("{folder}/drift")), ("dumpdir", dumps), ("stats", stats)];
        let free: Vec<_> = wanted.into_iter().filter(|(key, _)| is_free(key)).collect();
        let id = main.id;
        for (key, value) in free {
            own.set(id, key, &value);
        }
    });
}

/// Where the state could be kept, the best first: where it was, then other disks, then the flash.
fn candidates(planner: &Planner<'_>) -> Vec<String> {
    if !planner.is_openwrt() {
        return vec!["/var/lib/timeball".to_owned()];
    }
    let mut found = Vec::new();
    let own = planner.tree.text("/etc/timeball/timeball.conf").unwrap_or_default();
    let chrony = planner.tree.text("/etc/chrony/chrony.conf").unwrap_or_default();
    for text in [own, chrony] {
        let folder =
            value(&text, "driftfile").and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
        found.extend(folder.map(str::to_owned));
    }
    found.extend(mounts(planner).into_iter().map(|mount| format!("{mount}/timeball")));
    found.push(ON_FLASH.to_owned());
    found.retain(|folder| !is_volatile(planner, folder));
    let mut seen = Vec::new();
    found.retain(|folder| {
        !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    found
}

/// Where other disks are mounted, or will be.
fn mounts(planner: &Planner<'_>) -> Vec<String> {
    if planner.tree.is_live() {
        let text = planner.tree.text("/proc/mounts").unwrap_or_default();
        let is_disk = |words: &[&str]| {
            matches!(words.get(2), Some(&("ext4" | "ext3" | "f2fs" | "xfs" | "btrfs")))
                && words.get(3).is_some_and(|options| options.split(',').any(|option| option == "rw"))
                && words.get(1).is_some_and(|mount| mount.starts_with("/mnt/") || mount.starts_with("/opt"))
        };
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        return lines.filter(|words| is_disk(words)).map(|words| words[1].to_owned()).collect();
    }
    let fstab = planner.uci("fstab");
    let mounts = fstab.of_kind("mount").filter(|mount| mount.is_on("enabled", false));
    let targets = mounts.filter_map(|mount| mount.get("target"));
    targets
        .filter(|target| target.starts_with("/mnt/") || target.starts_with("/opt"))
        .map(str::to_owned)
        .collect()
}

/// Is it in memory only?
fn is_volatile(planner: &Planner<'_>, folder: &str) -> bool {
    let real = planner.tree.resolve(folder);
    let below =
        |top: &str| [&real, folder].iter().any(|path| *path == top || path.starts_with(&format!("{top}/")));
    if ["/tmp", "/run", "/dev", "/proc", "/sys"].iter().any(|top| below(top)) {
        return true;
    }
    if planner.is_openwrt() && below("/var") {
        return true;
    }
    // The longest mount point that it is below.
    let text = if planner.tree.is_live() {
        planner.tree.text("/proc/mounts").unwrap_or_default()
    } else {
        String::new()
    };
    let mounts = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.nth(1)?, words.next()?))
    });
    let inside =
        mounts.filter(|(mount, _)| *mount == "/" || real == *mount || real.starts_with(&format!("{mount}/")));
    inside.max_by_key(|(mount, _)| mount.len()).is_some_and(|(_, kind)| matches!(kind, "tmpfs" | "ramfs"))
}

/// A real-time priority, so that requests are stamped when they come.
pub(super) fn priority(planner: &mut Planner<'_>) {
    let why = "no other program makes it late";
    if !planner.is_openwrt() {
        let mut text = planner.text(CONF).unwrap_or_default();
        let chrony = planner.tree.text("/etc/chrony/chrony.conf").unwrap_or_default();
        if !has(&text, "sched_priority") && !has(&chrony, "sched_priority") {
            text.push_str(&format!("sched_priority {PRIORITY}\n"));
            planner.put_text(Part::Priority, CONF, &text, why);
        }
        return;
    }
    planner.edit(Part::Priority, "timeball", why, |own| {
        if let Some(main) = own.named("timeball", "main").filter(|main| main.get("priority").is_none()) {
            own.set(main.id, "priority", PRIORITY);
        }
    });
}
