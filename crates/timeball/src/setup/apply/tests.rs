use super::super::interfaces;
use super::super::place::{self, Place};
use super::super::plan::{Profile, Wish, plan};
use super::super::tree::tests::Scratch;
use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Merges what can be merged; remembers what was told.
#[derive(Default)]
struct Told {
    force: bool,
    refuse: bool,
    undone: Vec<(Part, Undone)>,
}

impl Judge for Told {
    fn accepts(&mut self, _: &str, _: &str, _: &str) -> bool {
        !self.refuse
    }

    fn forces(&mut self, _: &str) -> bool {
        self.force
    }

    fn tell(&mut self, step: &Step, undone: &Undone) {
        self.undone.push((step.part, undone.clone()));
    }
}

/// A router's files, as small as they may be.
fn router(name: &str) -> (Scratch, Tree) {
    let scratch = Scratch::new(name);
    let tree = scratch.tree(&[
        ("/etc/openwrt_release", "DISTRIB_RELEASE='24.10.2'\nDISTRIB_TARGET='mediatek/filogic'\n"),
        ("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n"),
        ("/etc/group", "root:x:0:\n"),
        ("/etc/shadow", "root:::0:99999:7:::\n"),
        ("/etc/init.d/sysntpd", "#!/bin/sh /etc/rc.common\n"),
        ("/etc/rc.d/.keep", ""),
        (
            "/etc/config/network",
            "config interface 'lan'\n\toption device 'br-lan'\n\toption ipaddr '192.168.1.1'\n\toption netmask '255.255.255.0'\n\
             \toption ip6assign '60'\nconfig globals 'globals'\n\toption ula_prefix 'fd00:1:2::/48'\n\
             config interface 'wan'\n\toption device 'eth1'\n\toption proto 'dhcp'\n",
        ),
        (
            "/etc/config/firewall",
            "config defaults\n\toption input REJECT\n\nconfig zone\n\toption name\twan\n\tlist network 'wan'\n\toption input\tREJECT\n\
             \toption masq\t1  # out\n\n# the end\n",
        ),
        (
            "/etc/config/dhcp",
            "config dnsmasq\n\toption cachesize\t1000\n\nconfig dhcp lan\n\toption interface\tlan\n\toption start \t100\n\n\
             config odhcpd 'odhcpd'\n\toption maindhcp '0'",
        ),
        ("/etc/config/chrony", "config server\n\toption hostname 'ntp.example'\n"),
        (
            "/etc/nftables.d/10-ntp.nft",
            "chain raw_prerouting {\n\ttype filter hook prerouting priority raw;\n\tudp dport 123 notrack\n}\n",
        ),
    ]);
    symlink("../init.d/sysntpd", scratch.0.join("etc/rc.d/S98sysntpd")).expect("a link can be made");
    std::fs::set_permissions(scratch.0.join("etc/shadow"), std::fs::Permissions::from_mode(0o600))
        .expect("it is ours");
    (scratch, tree)
}

/// A distribution with systemd, chrony and nftables.
fn debian(name: &str) -> (Scratch, Tree) {
    let scratch = Scratch::new(name);
    let tree = scratch.tree(&[
        ("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
        ("/usr/lib/systemd/systemd", ""),
        ("/usr/lib/systemd/system/chrony.service", ""),
        ("/usr/lib/systemd/system/systemd-timesyncd.service", ""),
        ("/usr/sbin/nft", ""),
        ("/etc/chrony/chrony.conf", "pool 2.debian.pool.ntp.org iburst\ndriftfile /var/lib/chrony/chrony.drift\nmakestep 1 3\n"),
        ("/etc/nftables.conf", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"),
        ("/etc/systemd/system/multi-user.target.wants/.keep", ""),
        ("/etc/systemd/system/sysinit.target.wants/.keep", ""),
        ("/etc/NetworkManager/NetworkManager.conf", ""),
    ]);
    for (link, unit) in [
        ("multi-user.target.wants/chrony.service", "chrony"),
        ("sysinit.target.wants/systemd-timesyncd.service", "systemd-timesyncd"),
        ("sysinit.target.wants/nftables.service", "nftables"),
        ("dbus-org.freedesktop.timesync1.service", "systemd-timesyncd"),
    ] {
        let target = format!("/usr/lib/systemd/system/{unit}.service");
        symlink(target, scratch.0.join("etc/systemd/system").join(link)).expect("a link can be made");
    }
    (scratch, tree)
}

/// Everything below a folder: paths, permissions, contents, and times of files.
fn everything(scratch: &Scratch) -> Vec<String> {
    fn walk(folder: &std::path::Path, out: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("it is ours").flatten() {
            let path = entry.path();
            let metadata = std::fs::symlink_metadata(&path).expect("it is there");
            let what = if metadata.is_symlink() {
                format!("{:?}", std::fs::read_link(&path).expect("it is a link"))
            } else if metadata.is_dir() {
                walk(&path, out);
                String::new()
            } else {
                {
                    let bytes = std::fs::read(&path).expect("it is ours");
                    format!(
                        "{:?} {:?}",
                        metadata.modified().expect("has one"),
                        String::from_utf8_lossy(&bytes)
                    )
                }
            };
            out.push(format!("{} {:o} {what}", path.display(), metadata.permissions().mode()));
        }
    }
    let mut out = Vec::new();
    walk(&scratch.0, &mut out);
    out.sort();
    out
}

/// Compares and shows the difference alone.
#[track_caller]
fn same(now: &[String], then: &[String], what: &str) {
    let more: Vec<_> = now.iter().filter(|line| !then.contains(line)).collect();
    let less: Vec<_> = then.iter().filter(|line| !now.contains(line)).collect();
    assert!(more.is_empty() && less.is_empty(), "{what}: more {more:#?}, less {less:#?}");
}

fn planned(tree: &Tree, profile: Profile, only: &[Part]) -> Vec<Step> {
    let wish =
        Wish { profile, only: only.to_vec(), state: None, program: "/usr/bin/timeball".into(), memory: None };
    let interfaces = interfaces::configured(&place::uci(tree, "network").unwrap_or_default());
    let plan = plan(tree, &Place::find(tree), &interfaces, &wish, &|_| Ran::Would);
    assert_eq!(plan.errors, [""; 0]);
    plan.steps
}

/// As the command does it: goes on with what was interrupted.
fn set_up(tree: &Tree, profile: Profile, only: &[Part]) -> io::Result<usize> {
    let mut journal = Journal::load(tree)?.unwrap_or_default();
    let waiting = journal.settle(tree)?;
    let mut steps = planned(tree, profile, only);
    let waiting: Vec<Step> =
        waiting.into_iter().filter(|step| !steps.iter().any(|known| known.action == step.action)).collect();
    steps.extend(waiting);
    if !steps.is_empty() {
        assert!(apply(tree, Runner::Pretend, &mut journal, &steps, &mut |_, _| {})?.is_whole);
    }
    journal.finish(tree)?;
    Ok(steps.len())
}

fn take_back(tree: &Tree, only: Option<Part>, told: &mut Told) -> io::Result<bool> {
    let Some(mut journal) = Journal::load(tree)? else {
        Journal::sweep(tree)?;
        return Ok(true);
    };
    let whole = undo(tree, Runner::Pretend, &mut journal, Scope { only, from: 0 }, told)?;
    journal.finish(tree)?;
    Ok(whole)
}

#[test]
fn what_is_set_up_is_complete_and_a_second_time_nothing_is_left_to_do() {
    let (scratch, tree) = router("apply-router");
    let before = everything(&scratch);
    set_up(&tree, Profile::Public, &[]).unwrap();
    let has = |path: &str, text: &str| {
        let found = tree.text(path).unwrap_or_default();
        assert!(found.contains(text), "{path} has no {text:?}:\n{found}");
    };
    has(
        "/etc/config/firewall",
        "# the end\n\nconfig rule 'timeball_ntp_wan'\n\toption name 'Allow-NTP-wan'\n\toption src 'wan'\n",
    );
    has("/etc/config/firewall", "\toption masq\t1  # out\n");
    has(
        "/etc/config/dhcp",
        "\toption start \t100\n\tlist dhcp_option '42,192.168.1.1'\n\tlist ntp 'fd00:1:2::1'\n",
    );
    has(
        "/etc/nftables.d/10-timeball-notrack.nft",
        "oifname { \"eth1\" } udp sport 123 @th,69,3 { 2, 4 } counter notrack",
    );
    has("/etc/config/timeball", "list interface 'wan'");
    has("/etc/passwd", "timeball:x:424:424:");
    has("/etc/passwd", "timeball-web:x:425:425:");
    has("/etc/group", "timeball:x:424:\ntimeball-web:x:425:\n");
    has("/lib/upgrade/keep.d/timeball", "/etc/timeball/");
    assert!(!tree.exists("/etc/nftables.d/10-ntp.nft"), "the rules that break forwarding are gone");
    assert!(!tree.exists("/etc/rc.d/S98sysntpd") && tree.exists("/etc/rc.d/S21timeball"));
    let after = everything(&scratch);
    assert_eq!(set_up(&tree, Profile::Public, &[]).unwrap(), 0);
    same(&everything(&scratch), &after, "twice is once");
    assert!(take_back(&tree, None, &mut Told::default()).unwrap());
    same(&everything(&scratch), &before, "back");
}

#[test]
fn a_distribution_with_systemd_is_set_up_and_comes_back() {
    let (scratch, tree) = debian("apply-debian");
    let before = everything(&scratch);
    set_up(&tree, Profile::Public, &[]).unwrap();
    let conf = tree.text("/etc/timeball/timeball.conf").unwrap();
    assert_eq!(
        conf,
        "# chrony's configuration, taken over.\ninclude /etc/chrony/chrony.conf\nrtcsync\nallow\nratelimit auto\n\
         sourcedir /run/timeball-dhcp\ndriftfile /var/lib/timeball/drift\ndumpdir /var/lib/timeball\n\
         stats folder /var/lib/timeball/observer\nsched_priority 50\n"
    );
    let nft = tree.text("/etc/nftables.conf").unwrap();
    assert!(nft.contains("policy drop;\n\t\tudp dport 123 accept comment \"timeball\"\n\t}"), "{nft}");
    for gone in [
        "multi-user.target.wants/chrony.service",
        "sysinit.target.wants/systemd-timesyncd.service",
        "dbus-org.freedesktop.timesync1.service",
    ] {
        assert_eq!(tree.node(&format!("/etc/systemd/system/{gone}")).unwrap(), Node::Absent, "{gone}");
    }
    assert!(
        tree.text("/etc/timeball/notrack.nft")
            .unwrap()
            .contains("fib daddr type local @th,69,3 != { 2, 4 } counter notrack")
    );
    assert_eq!(set_up(&tree, Profile::Public, &[]).unwrap(), 0);
    assert!(take_back(&tree, None, &mut Told::default()).unwrap());
    same(&everything(&scratch), &before, "back");
}

/// The power is cut before each change that set-up makes, those of its journal included. Then set-up goes on, or all
/// is taken back.
#[test]
fn a_power_cut_at_any_step_is_completed_both_ways() {
    for make in [router, debian] {
        let (scratch, tree) = make("apply-cut-model");
        let before = everything(&scratch);
        set_up(&tree, Profile::Public, &[]).unwrap();
        let strip = |lines: Vec<String>, scratch: &Scratch| -> Vec<String> {
            // Times of new files and the journal's numbers differ from run to run.
            let base = scratch.0.display().to_string();
            let own = |line: &String| !line.contains("/etc/timeball/setup");
            let untimed = |line: String| {
                let line = line.replace(&base, "");
                match line.split_once("SystemTime") {
                    Some((head, tail)) => {
                        format!("{head}{}", tail.split_once('}').map_or("", |(_, bytes)| bytes))
                    }
                    None => line,
                }
            };
            lines.into_iter().filter(own).map(untimed).collect()
        };
        let after = strip(everything(&scratch), &scratch);
        drop(scratch);
        let mut cuts = 0;
        for go_on in [true, false] {
            for changes in 0.. {
                let (scratch, tree) = make("apply-cut");
                let start = strip(everything(&scratch), &scratch);
                assert_eq!(start.len(), before.len());
                tree.cut_after(Some(changes));
                if set_up(&tree, Profile::Public, &[]).is_ok() {
                    break;
                }
                cuts += 1;
                tree.cut_after(None);
                if go_on {
                    set_up(&tree, Profile::Public, &[]).unwrap();
                    same(
                        &strip(everything(&scratch), &scratch),
                        &after,
                        &format!("cut after {changes} changes"),
                    );
                }
                assert!(take_back(&tree, None, &mut Told::default()).unwrap());
                same(
                    &strip(everything(&scratch), &scratch),
                    &start,
                    &format!("cut after {changes} changes, back"),
                );
            }
        }
        assert!(cuts > 100, "only {cuts} places to cut");
    }
}

/// The same for each change that an undoing makes.
#[test]
fn an_undoing_that_is_cut_is_completed_both_ways() {
    for (make, name) in [(router as fn(&str) -> (Scratch, Tree), "router"), (debian, "debian")] {
        for go_on in [true, false] {
            let mut cuts = 0;
            for changes in 0.. {
                let what = format!("{name}, cut after {changes} changes");
                let (scratch, tree) = make("apply-cut-undo");
                let before = everything(&scratch);
                set_up(&tree, Profile::Public, &[]).unwrap();
                tree.cut_after(Some(changes));
                let is_whole = take_back(&tree, None, &mut Told::default()).is_ok();
                tree.cut_after(None);
                if is_whole {
                    same(&everything(&scratch), &before, &what);
                    break;
                }
                cuts += 1;
                if go_on {
                    set_up(&tree, Profile::Public, &[]).unwrap();
                    assert_eq!(set_up(&tree, Profile::Public, &[]).unwrap(), 0, "{what}");
                }
                assert!(take_back(&tree, None, &mut Told::default()).unwrap());
                same(&everything(&scratch), &before, &what);
            }
            assert!(cuts > 50, "only {cuts} places to cut");
        }
    }
}

#[test]
fn one_part_is_made_and_taken_back_alone() {
    let (scratch, tree) = router("apply-part");
    let before = everything(&scratch);
    set_up(&tree, Profile::Public, &[Part::Firewall]).unwrap();
    assert!(tree.text("/etc/config/firewall").unwrap().contains("timeball_ntp_wan"));
    assert!(!tree.exists("/etc/init.d/timeball") && !tree.exists("/etc/config/timeball"));
    set_up(&tree, Profile::Public, &[]).unwrap();
    assert!(take_back(&tree, Some(Part::Firewall), &mut Told::default()).unwrap());
    assert!(!tree.text("/etc/config/firewall").unwrap().contains("timeball_ntp_wan"));
    assert!(tree.exists("/etc/init.d/timeball"));
    assert!(take_back(&tree, None, &mut Told::default()).unwrap());
    same(&everything(&scratch), &before, "back");
}

/// Parts that write one file, one taken back from the middle.
#[test]
fn parts_of_one_file_come_apart() {
    let (scratch, tree) = debian("apply-stack");
    let before = everything(&scratch);
    set_up(&tree, Profile::Lan, &[]).unwrap();
    assert!(take_back(&tree, Some(Part::Storage), &mut Told::default()).unwrap());
    let conf = tree.text("/etc/timeball/timeball.conf").unwrap();
    assert!(
        !conf.contains("dumpdir") && conf.contains("sched_priority") && conf.contains("allow 10.0.0.0/8"),
        "{conf}"
    );
    assert!(take_back(&tree, None, &mut Told::default()).unwrap());
    same(&everything(&scratch), &before, "back");
}

#[test]
fn what_somebody_has_changed_since_is_merged_or_kept() {
    let (scratch, tree) = router("apply-changed");
    let path = scratch.0.join("etc/config/firewall");
    let original = std::fs::read_to_string(&path).unwrap();
    set_up(&tree, Profile::Public, &[]).unwrap();
    let edit = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(&path, text.replace(from, to)).unwrap();
    };
    edit("config defaults\n", "config defaults\n\toption syn_flood 1\n");
    let mut told = Told { refuse: true, ..Told::default() };
    assert!(!take_back(&tree, Some(Part::Firewall), &mut told).unwrap(), "the merge was refused");
    assert!(tree.text("/etc/config/firewall").unwrap().contains("timeball_ntp_wan"));
    let mut told = Told::default();
    assert!(take_back(&tree, Some(Part::Firewall), &mut told).unwrap());
    assert!(told.undone.iter().any(|(_, undone)| matches!(undone, Undone::Merged(_))));
    let merged = original.replace("config defaults\n", "config defaults\n\toption syn_flood 1\n");
    assert_eq!(tree.text("/etc/config/firewall"), Some(merged.clone()));

    // Our own lines were changed: what somebody wants of them is not ours to guess.
    set_up(&tree, Profile::Public, &[Part::Firewall]).unwrap();
    edit("option target 'ACCEPT'", "option target 'DROP'");
    let mut told = Told::default();
    assert!(!take_back(&tree, Some(Part::Firewall), &mut told).unwrap());
    assert!(told.undone.contains(&(Part::Firewall, Undone::Changed)));
    assert!(tree.text("/etc/config/firewall").unwrap().contains("'DROP'"));
    assert!(take_back(&tree, Some(Part::Firewall), &mut Told { force: true, ..Told::default() }).unwrap());
    assert_eq!(tree.text("/etc/config/firewall"), Some(merged));

    // A folder with somebody's things in it stays.
    std::fs::write(scratch.0.join("etc/hotplug.d/iface/99-mine"), "").unwrap();
    let mut told = Told::default();
    assert!(take_back(&tree, None, &mut told).unwrap());
    assert!(told.undone.contains(&(Part::Network, Undone::NotEmpty)));
    assert!(tree.exists("/etc/hotplug.d/iface/99-mine") && !tree.exists("/etc/timeball"));
}

#[test]
fn a_command_that_fails_stops_and_what_was_done_is_taken_back() {
    let (scratch, tree) = router("apply-fails");
    let before = everything(&scratch);
    let mut journal = Journal::default();
    let steps = [
        planned(&tree, Profile::Public, &[Part::Firewall]),
        vec![Step {
            part: Part::Firewall,
            why: String::new(),
            action: Action::Run { apply: vec!["false".into()], revert: vec![] },
        }],
    ]
    .concat();
    let steps: Vec<Step> = steps
        .into_iter()
        .filter(|step| !matches!(&step.action, Action::Run { apply, .. } if apply.first().is_some_and(|word| word == "fw4")))
        .map(|mut step| {
            if let Action::Run { revert, .. } = &mut step.action {
                revert.clear();
            }
            step
        })
        .collect();
    let applied = apply(&tree, Runner::Real, &mut journal, &steps, &mut |_, _| {}).unwrap();
    assert!(!applied.is_whole);
    let scope = Scope { only: None, from: applied.first };
    assert!(undo(&tree, Runner::Pretend, &mut journal, scope, &mut Told::default()).unwrap());
    journal.finish(&tree).unwrap();
    same(&everything(&scratch), &before, "back");
}
