//! Every check against a machine where all is well, and against one where its one thing is not.
//!
//! The machine is made of files, links, and what programs and the daemon say, so that the reading of all that is tested too.

#![allow(clippy::semicolon_if_nothing_returned)] // a case is an expression

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ntp::control::serverstats::ServerStats;
use ntp::control::sources::{SourceData, SourceState};
use ntp::control::tracking::Tracking;
use ntp::report::{Address, Frequency, Seconds, Time};
use ntp::wire::{Mode, Packet};

use super::checks::{self, Check};
use super::daemon::{Daemon, Source};
use super::facts::Facts;
use super::finding::{Finding, Level, quoted};
use super::system::{Kernel, SetUp, System, Translated, request};
use super::{Wish, mend, show, worst};
use crate::cli::help::Style;

const NOW: f64 = 1_800_000_000.0;

/// A machine made up.
struct World {
    running: bool,
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
    ages: BTreeMap<String, f64>,
    commands: BTreeMap<String, String>,
    addresses: Vec<(String, SocketAddr)>,
    silent: BTreeSet<SocketAddr>,
    kernel: Kernel,
    translated: Option<Translated>,
    /// Names that cannot be looked up.
    lost: Vec<&'static str>,
    set_up: Option<SetUp>,
    daemon: Option<Daemon>,
}

impl System for World {
    fn is_running(&self) -> bool {
        self.running
    }
    fn now(&self) -> f64 {
        NOW
    }
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }
    fn list(&self, folder: &str) -> Vec<String> {
        let inside =
            |path: &&String| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some();
        let paths = self.files.keys().chain(self.links.keys()).filter(inside);
        let names = paths.filter_map(|path| path[folder.len() + 1..].split('/').next());
        names.map(ToOwned::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }
    fn link(&self, path: &str) -> Option<String> {
        self.links.get(path).cloned()
    }
    fn real(&self, path: &str) -> String {
        path.to_owned()
    }
    fn age(&self, path: &str) -> Option<f64> {
        self.ages.get(path).copied()
    }
    fn run(&self, words: &[&str]) -> Option<String> {
        self.commands.get(&words.join(" ")).cloned().filter(|_| self.running)
    }
    fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.addresses.clone()
    }
    fn ask_time(&self, servers: &[SocketAddr]) -> Vec<Option<Packet>> {
        let answer = |server: &SocketAddr| {
            (!self.silent.contains(server)).then(|| Packet {
                mode: Mode::Server,
                stratum: 2,
                ..request(Default::default())
            })
        };
        servers.iter().map(answer).collect()
    }
    fn kernel(&self) -> Option<Kernel> {
        Some(self.kernel)
    }
    fn found(&self, names: &[String]) -> Vec<bool> {
        names.iter().map(|name| !self.lost.contains(&name.as_str())).collect()
    }
    fn translated(&self) -> Option<Translated> {
        self.translated.clone()
    }
    fn set_up(&self) -> Option<SetUp> {
        self.set_up.clone()
    }
}

const NAMES: [&str; 4] = [
    "gps.ixp.example",
    "ntp.university.example.edu",
    "clock.metrology.example.org",
    "time.provider.example.net",
];
const CONFIGURATION: &str = "\
server gps.ixp.example iburst\nserver ntp.university.example.edu iburst\nserver clock.metrology.example.org iburst\n\
server time.provider.example.net iburst\nallow\nratelimit interval 1 burst 16\nclientloglimit 67108864\n\
driftfile /mnt/data/timeball/drift\ndumpdir /mnt/data/timeball\nstats folder /mnt/data/timeball\nleapseclist /usr/share/zoneinfo/leap-seconds.list\n";
const FIREWALL: &str = "\
config defaults\n\toption input REJECT\n\nconfig zone\n\toption name lan\n\tlist network 'lan'\n\toption input ACCEPT\n\n\
config zone\n\toption name wan\n\toption input REJECT\n\toption masq 1\n\n\
config rule\n\toption name 'Serve-NTP'\n\toption src wan\n\toption proto udp\n\toption dest_port '123'\n\toption target ACCEPT\n";
const DHCP: &str = "\
config dnsmasq\n\toption domainneeded 1\n\nconfig dhcp lan\n\toption interface lan\n\toption dhcpv6 server\n\
\tlist dhcp_option '42,192.168.1.1'\n\tlist ntp 'fd00::1'\n\nconfig dhcp wan\n\toption interface wan\n\toption ignore 1\n";
const RULES: &str = "\
table inet fw4 {\n\tchain raw_prerouting {\n\t\ttype filter hook prerouting priority raw; policy accept;\n\
\t\tudp dport 123 fib daddr type local counter packets 9 bytes 684 notrack\n\t}\n\
\tchain raw_output {\n\t\ttype filter hook output priority raw; policy accept;\n\
\t\toifname \"eth1\" udp sport 123 counter packets 9 bytes 684 notrack\n\t}\n\
\tchain srcnat_wan {\n\t\tmeta nfproto ipv4 masquerade\n\t}\n}\n";
const MOUNTS: &str = "/dev/root /rom squashfs ro 0 0\noverlayfs:/overlay / overlay rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n\
/dev/mmcblk0p7 /mnt/data ext4 rw 0 0\n";
const SOCKETS: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";

/// A line of `/proc/net/udp` or `tcp`.
fn socket(address: &str, state: &str, inode: u32, drops: u32) -> String {
    format!(
        "  1: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 2 0000000000000000 {drops}\n"
    )
}

/// A list of leap seconds that is good until this second of NTP's.
fn leap_list(expires: u64) -> String {
    format!("#$ 3676924800\n#@ {expires}\n3439756800 34\n3550089600 35\n3644697600 36\n3692217600 37\n")
}

impl World {
    /// A public router on which all is well.
    fn good() -> Self {
        let mut world = Self {
            running: true,
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            ages: BTreeMap::from([("/mnt/data/timeball/drift".to_owned(), 1800.0)]),
            commands: BTreeMap::from([("nft list ruleset".to_owned(), RULES.to_owned())]),
            addresses: ["127.0.0.1:0", "192.168.1.1:0", "203.0.113.9:0", "[2001:db8::9]:0"]
                .into_iter()
                .zip(["lo", "br-lan", "eth1", "eth1"])
                .map(|(address, name)| (name.to_owned(), address.parse().expect("an address")))
                .collect(),
            silent: BTreeSet::new(),
            kernel: Kernel { frequency: 1067.5e-6, loop_runs: false },
            translated: None,
            lost: Vec::new(),
            set_up: Some(SetUp { paths: 9, ..SetUp::default() }),
            daemon: Some(good_daemon()),
        };
        for (path, text) in [
            ("/etc/openwrt_release", "DISTRIB_ID='OpenWrt'\n"),
            ("/etc/timeball/timeball.conf", CONFIGURATION),
            ("/etc/config/firewall", FIREWALL),
            ("/etc/config/dhcp", DHCP),
            ("/etc/init.d/sysntpd", "#!/bin/sh /etc/rc.common\n"),
            ("/proc/mounts", MOUNTS),
            ("/proc/uptime", "100000.0 90000.0\n"),
            ("/proc/device-tree/compatible", "bananapi,bpi-r3\0mediatek,mt7986a\0"),
            ("/proc/sys/net/netfilter/nf_conntrack_count", "878\n"),
            ("/proc/sys/net/netfilter/nf_conntrack_max", "65536\n"),
            (
                "/proc/net/nf_conntrack",
                "ipv4 2 udp 17 55 src=192.168.1.7 dst=192.0.2.1 sport=40000 dport=123 src=192.0.2.1\n",
            ),
            ("/proc/100/comm", "timeball\n"),
            ("/proc/100/cmdline", "/usr/sbin/timeball\0run\0-f\0/etc/timeball/timeball.conf\0"),
            ("/proc/100/io", "rchar: 1\nwrite_bytes: 4096000\n"),
        ] {
            world.file(path, text);
        }
        world.file("/usr/share/zoneinfo/leap-seconds.list", &leap_list(4_040_000_000));
        world.file("/proc/100/stat", &format!("100 (timeball) S 1 {}\n", "0 ".repeat(40)));
        world.file("/proc/net/udp", &[SOCKETS, &socket("00000000:007B", "07", 5555, 0)].concat());
        world.file("/proc/net/tcp", &[SOCKETS, &socket("0100007F:1FBB", "0A", 5556, 0)].concat());
        world.points("/proc/100/exe", "/usr/sbin/timeball");
        world.points("/proc/100/fd/5", "socket:[5555]");
        world
    }

    fn file(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    fn points(&mut self, path: &str, to: &str) {
        self.links.insert(path.to_owned(), to.to_owned());
    }

    /// Replaces in a file, or adds to it.
    fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text =
            String::from_utf8(self.files.get(path).cloned().expect("the file is there")).expect("text");
        assert!(text.contains(from), "{path} has no {from:?}");
        self.file(path, &text.replace(from, to));
    }

    fn configure(&mut self, from: &str, to: &str) {
        self.edit("/etc/timeball/timeball.conf", from, to);
    }

    fn add_line(&mut self, line: &str) {
        self.configure("allow\n", &format!("allow\n{line}\n"));
    }

    /// The daemon runs with what OpenWrt's service made of `/etc/config`.
    fn run_by_procd(&mut self) {
        self.edit("/proc/100/cmdline", "/etc/timeball/timeball.conf", "/etc/timeball/uci.conf");
        self.file("/etc/timeball/uci.conf", CONFIGURATION);
        self.file("/etc/config/chrony", "config server\n\toption hostname 'other.example'\n\nconfig server\n\toption hostname 'gps.ixp.example'\n");
        let lines = CONFIGURATION.lines().map(str::to_owned).collect();
        self.translated = Some(Translated { lines, errors: Vec::new() });
    }

    fn process(&mut self, pid: u32, name: &str, arguments: &str) {
        self.file(&format!("/proc/{pid}/comm"), &format!("{name}\n"));
        self.file(&format!("/proc/{pid}/cmdline"), arguments);
        self.points(&format!("/proc/{pid}/exe"), arguments.split('\0').next().expect("a program"));
    }

    fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it runs")
    }

    fn look(&self) -> Vec<(&'static Check, Finding)> {
        let facts = Facts::gather(self, self.daemon.clone());
        checks::all().map(|check| (check, (check.look)(&facts))).collect()
    }

    fn finding(&self, id: &str) -> Finding {
        let found = self.look().into_iter().find(|(check, _)| check.id == id);
        found.unwrap_or_else(|| panic!("there is no check {id}")).1
    }
}

fn good_daemon() -> Daemon {
    let source = |name: &str, last: u8, state| {
        let mut data = SourceData {
            address: Address::V4([192, 0, 2, last].into()),
            state,
            error: Seconds(0.004),
            ..Default::default()
        };
        data.reach.0 = 0o377;
        Source {
            name: name.to_owned(),
            address: Some([192, 0, 2, last].into()),
            data,
            longer_there: Some((2e-4, 1e-4)),
        }
    };
    Daemon {
        endpoint: "/run/timeball/timeball.sock".to_owned(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        tracking: Tracking {
            stratum: 2,
            reference_time: Time { seconds: NOW as i64 - 100, nanos: 0 },
            frequency: Frequency::from_ppm(-1067.5),
            skew: Frequency::from_ppm(0.01),
            correction: Seconds(1e-5),
            root_delay: Seconds(0.004),
            root_dispersion: Seconds(0.0005),
            update_interval: Seconds(64.0),
            ..Tracking::default()
        },
        sources: vec![
            source("gps.ixp.example", 1, SourceState::Selected),
            source("ntp.university.example.edu", 2, SourceState::Combined),
            source("clock.metrology.example.org", 3, SourceState::Combined),
            source("time.provider.example.net", 4, SourceState::Selectable),
        ],
        unresolved: 0,
        served: Some(ServerStats { ntp_hits: Some(1_000_000), log_drops: Some(0), ..ServerStats::default() }),
        lost: 0.0,
    }
}

/// What breaks one thing, how bad that is, and a word of what is said of it.
type Case = (&'static str, Level, &'static str, fn(&mut World));

/// What changes a good machine into another good one.
type Variant = (&'static str, fn(&mut World));

const CASES: &[Case] = &[
    ("daemon", Level::Fault, "no daemon answers", |w| w.daemon = None),
    ("version", Level::Warning, "0.0.9", |w| w.daemon().version = Some("0.0.9".to_owned())),
    ("version", Level::Warning, "replaced", |w| w.points("/proc/100/exe", "/usr/sbin/timeball (deleted)")),
    ("configuration", Level::Fault, "errors", |w| w.add_line("ratelimt interval 3")),
    ("second-daemon", Level::Fault, "ntpd", |w| {
        w.process(77, "ntpd", "/usr/sbin/ntpd\0-n\0");
        w.points("/proc/77/fd/3", "socket:[7777]");
        w.edit(
            "/proc/net/udp",
            "pointer drops\n",
            &["pointer drops\n", &socket("0101A8C0:007B", "07", 7777, 0)].concat(),
        );
    }),
    ("second-daemon", Level::Warning, "sysntpd", |w| w.points("/etc/rc.d/S98sysntpd", "../init.d/sysntpd")),
    ("second-daemon", Level::Warning, "systemd-timesyncd", |w| {
        w.points(
            "/etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service",
            "/lib/systemd/system/x",
        );
    }),
    ("steering", Level::Fault, "sets the clock too", |w| {
        w.process(78, "systemd-timesyn", "/lib/systemd/systemd-timesyncd\0")
    }),
    ("steering", Level::Fault, "phase-locked loop", |w| w.kernel.loop_runs = true),
    ("synchronised", Level::Fault, "not synchronised", |w| w.daemon().tracking.leap.0 = 3),
    ("synchronised", Level::Warning, "2.0 h ago", |w| w.daemon().tracking.reference_time.seconds -= 7200),
    ("error-bound", Level::Warning, "pool takes points", |w| w.daemon().tracking.root_delay = Seconds(0.06)),
    ("oscillator", Level::Warning, "no board is known", |w| {
        w.file("/proc/device-tree/compatible", "acme,x\0")
    }),
    ("oscillator", Level::Warning, "more than usual", |w| {
        w.daemon().tracking.frequency = Frequency::from_ppm(220.0);
        w.kernel.frequency = -220e-6;
    }),
    ("oscillator", Level::Fault, "does not compensate", |w| w.kernel.frequency = 0.0),
    ("leap-seconds", Level::Warning, "expired", |w| {
        w.file("/usr/share/zoneinfo/leap-seconds.list", &leap_list(3_900_000_000))
    }),
    ("leap-seconds", Level::Fault, "no list", |w| w.file("/usr/share/zoneinfo/leap-seconds.list", "hello\n")),
    ("source-count", Level::Warning, "2 sources", |w| w.daemon().sources.truncate(2)),
    ("source-count", Level::Fault, "no source", |w| w.daemon().sources.clear()),
    ("source-count", Level::Warning, "more than seven", |w| {
        let two = good_daemon().sources;
        w.daemon().sources.extend(two);
    }),
    ("operators", Level::Warning, "example.edu", |w| w.daemon().sources[0].name = "a.example.edu".to_owned()),
    ("pool-names", Level::Fault, "follows the pool", |w| w.add_line("pool 2.openwrt.pool.ntp.org iburst")),
    ("smearing", Level::Fault, "1 of 4", |w| w.daemon().sources[0].name = "time.google.com".to_owned()),
    ("smearing", Level::Fault, "all sources smear", |w| {
        for (source, name) in w.daemon().sources.iter_mut().zip([
            "time1.google.com",
            "time2.google.com",
            "time.facebook.com",
            "time.aws.com",
        ]) {
            source.name = name.to_owned();
        }
    }),
    ("iburst", Level::Warning, "1 of 4", |w| w.configure("gps.ixp.example iburst", "gps.ixp.example")),
    ("reach", Level::Fault, "no source answers", |w| {
        for source in &mut w.daemon().sources {
            source.data.reach.0 = 0;
        }
    }),
    ("reach", Level::Warning, "1 of 4 sources do not answer", |w| w.daemon().sources[3].data.reach.0 = 0),
    ("reach", Level::Warning, "lose requests", |w| w.daemon().sources[3].data.reach.0 = 0o252),
    ("agreement", Level::Warning, "1 of 4", |w| w.daemon().sources[3].data.state = SourceState::Falseticker),
    ("distance", Level::Warning, "1 of 4", |w| w.daemon().sources[3].data.error = Seconds(0.3)),
    ("asymmetry", Level::Warning, "1 of 4 paths", |w| {
        w.daemon().sources[3].longer_there = Some((0.012, 0.001))
    }),
    ("port", Level::Fault, "1 of 4 addresses", |w| {
        w.silent.insert("203.0.113.9:123".parse().expect("an address"));
    }),
    ("limits", Level::Fault, "fails the pool's monitors", |w| {
        w.configure("ratelimit interval 1 burst 16", "ratelimit interval 12 burst 1 leak 4");
    }),
    ("limits", Level::Warning, "two clients behind one address", |w| w.configure("burst 16", "burst 3")),
    ("client-table", Level::Warning, "too small", |w| {
        w.daemon().served =
            Some(ServerStats { ntp_hits: Some(1000), log_drops: Some(90), ..ServerStats::default() });
    }),
    ("drops", Level::Warning, "too slow", |w| w.daemon().lost = 5000.0),
    ("drops", Level::Warning, "too slow", |w| {
        w.file("/proc/net/udp", &[SOCKETS, &socket("00000000:007B", "07", 5555, 90_000)].concat());
    }),
    ("management", Level::Fault, "anybody", |w| w.add_line("bindcmdaddress 0.0.0.0\ncmdallow all")),
    ("names", Level::Warning, "asked where they were last", |w| w.lost = NAMES.to_vec()),
    ("names", Level::Warning, "1 name cannot be looked up", |w| w.lost = NAMES[..1].to_vec()),
    ("names", Level::Fault, "nobody can be asked", |w| {
        w.lost = NAMES.to_vec();
        for source in &mut w.daemon().sources {
            source.address = None;
        }
    }),
    ("firewall", Level::Fault, "keeps requests out", |w| {
        w.edit("/etc/config/firewall", "option dest_port '123'", "option dest_port '1230'")
    }),
    ("firewall", Level::Fault, "keeps requests out", |w| {
        w.edit("/etc/config/firewall", "proto udp", "proto udp\n\toption family ipv4")
    }),
    ("firewall", Level::Fault, "keeps requests out", |w| {
        w.files.remove("/etc/openwrt_release");
        w.commands.insert("nft list ruleset".to_owned(), "table inet f {\n chain i {\n type filter hook input priority 0; policy drop;\n tcp dport 22 accept\n }\n}\n".to_owned());
    }),
    ("notrack-rule", Level::Fault, "neighbours", |w| {
        let rules = RULES.replace(" fib daddr type local", "");
        w.commands.insert("nft list ruleset".to_owned(), rules);
    }),
    ("notrack-rule", Level::Fault, "neighbours", |w| {
        // A copy of the guide's file, without a kernel to ask.
        w.running = false;
        w.file("/etc/nftables.d/10-ntp.nft", "chain raw_prerouting {\n type filter hook prerouting priority raw;\n udp dport 123 notrack counter\n}\n");
    }),
    ("conntrack-ntp", Level::Warning, "an entry for each client", |w| {
        w.file(
            "/proc/net/nf_conntrack",
            "ipv4 2 udp 17 20 src=198.51.100.4 dst=203.0.113.9 sport=123 dport=123 src=203.0.113.9\n",
        );
    }),
    ("conntrack-ntp", Level::Warning, "as connections", |w| {
        w.files.remove("/proc/net/nf_conntrack");
        w.commands.insert("nft list ruleset".to_owned(), String::new());
    }),
    ("conntrack-table", Level::Warning, "70 %", |w| {
        w.file("/proc/sys/net/netfilter/nf_conntrack_count", "45875\n")
    }),
    ("conntrack-table", Level::Fault, "92 %", |w| {
        w.file("/proc/sys/net/netfilter/nf_conntrack_count", "60000\n")
    }),
    ("dhcp", Level::Warning, "not told", |w| {
        w.edit("/etc/config/dhcp", "\tlist dhcp_option '42,192.168.1.1'\n", "")
    }),
    ("dhcp", Level::Warning, "not told", |w| w.edit("/etc/config/dhcp", "\tlist ntp 'fd00::1'\n", "")),
    ("dhcp", Level::Warning, "no effect", |w| {
        w.edit("/etc/config/dhcp", "domainneeded 1", "domainneeded 1\n\tlist dhcp_option 'ntp,fd00::1'")
    }),
    ("dashboard", Level::Fault, "open to the Internet", |w| {
        w.add_line("web 203.0.113.9:8123");
        w.file("/proc/net/tcp", &[SOCKETS, &socket("097100CB:1FBB", "0A", 5556, 0)].concat());
        w.edit(
            "/etc/config/firewall",
            "option proto udp\n\toption dest_port '123'",
            "option dest_port '123 8123'",
        );
    }),
    ("as-set-up", Level::Fault, "interrupted", |w| {
        w.set_up =
            Some(SetUp { unfinished: Some("it was interrupted".to_owned()), paths: 3, ..SetUp::default() });
    }),
    ("as-set-up", Level::Warning, "1 of 9", |w| {
        w.set_up = Some(SetUp {
            paths: 9,
            changed: vec![("/etc/config/firewall".to_owned(), "firewall")],
            ..SetUp::default()
        });
    }),
    ("configuration", Level::Warning, "keeps the configuration before", |w| {
        w.run_by_procd();
        w.translated =
            Some(Translated { lines: Vec::new(), errors: vec!["/etc/config/timeball:3: no".to_owned()] });
    }),
    ("configuration", Level::Fault, "errors", |w| {
        w.running = false;
        w.files.remove("/proc/100/comm");
        w.translated =
            Some(Translated { lines: Vec::new(), errors: vec!["/etc/config/timeball:3: no".to_owned()] });
    }),
    ("iburst", Level::Warning, "1 of 4", |w| {
        w.run_by_procd();
        w.edit("/etc/timeball/uci.conf", "gps.ixp.example iburst", "gps.ixp.example");
    }),
    ("state-folder", Level::Fault, "in RAM", |w| {
        w.configure("driftfile /mnt/data/timeball/drift", "driftfile /tmp/drift")
    }),
    ("state-folder", Level::Warning, "no driftfile", |w| {
        w.configure("driftfile /mnt/data/timeball/drift\ndumpdir /mnt/data/timeball\nstats folder /mnt/data/timeball\n", "");
    }),
    ("last-save", Level::Fault, "has not been saved", |w| {
        w.ages.insert("/mnt/data/timeball/drift".to_owned(), 50_000.0);
    }),
    ("last-save", Level::Fault, "at all", |w| w.ages.clear()),
    ("flash-writes", Level::Warning, "a day", |w| w.file("/proc/100/io", "write_bytes: 900000000\n")),
];

#[test]
fn where_all_is_well_every_check_passes() {
    for (check, finding) in World::good().look() {
        assert_eq!(finding.level, Level::Ok, "{}: {finding:?}", check.id);
        assert!(!finding.reason.is_empty() && !finding.reason.ends_with('.'), "{}: {finding:?}", check.id);
    }
}

#[test]
fn every_check_can_fail_and_says_why_and_what_to_do() {
    for check in checks::all() {
        assert!(CASES.iter().any(|(id, ..)| *id == check.id), "no case makes {} fail", check.id);
    }
    for (id, level, word, harm) in CASES {
        let mut world = World::good();
        harm(&mut world);
        let finding = world.finding(id);
        assert_eq!(finding.level, *level, "{id}, {word}: {finding:?}");
        assert!(finding.reason.contains(word), "{id}, {word}: {finding:?}");
        assert!(
            !finding.command.is_empty() || !finding.advice.is_empty(),
            "{id}: nothing to do: {finding:?}"
        );
    }
}

/// Other good machines: a check that fails there would cry wolf.
#[test]
fn what_is_right_in_another_way_passes_too() {
    let cases: &[Variant] = &[
        ("port", |w| {
            w.add_line("bindaddress 203.0.113.9");
            w.silent.insert("127.0.0.1:123".parse().expect("an address"));
        }),
        ("steering", |w| w.process(78, "chronyd", "/usr/sbin/chronyd\0-x\0")),
        ("smearing", |w| {
            w.configure("allow\n", "allow 192.168.0.0/16\n");
            for source in &mut w.daemon().sources {
                source.name = "time.google.com".to_owned();
            }
        }),
        ("pool-names", |w| {
            w.configure("allow\n", "allow 192.168.0.0/16\npool pool.ntp.org iburst\n");
        }),
        ("limits", |w| w.configure("ratelimit interval 1 burst 16", "ratelimit")),
        ("limits", |w| w.configure("ratelimit interval 1 burst 16", "ratelimit auto")),
        ("dhcp", |w| {
            w.edit("/etc/config/dhcp", "\tlist dhcp_option '42,192.168.1.1'\n", "");
            w.set_up = Some(SetUp { profile: "client".to_owned(), paths: 9, ..SetUp::default() });
        }),
        ("firewall", |w| {
            w.files.remove("/etc/openwrt_release");
            w.commands.insert("nft list ruleset".to_owned(), "table inet f {\n chain i {\n type filter hook input priority 0; policy drop;\n udp dport { 53, 123 } accept\n }\n}\n".to_owned());
        }),
        ("dashboard", |w| {
            // Everywhere, but the firewall keeps the Internet out.
            w.add_line("web 0.0.0.0:8123");
            w.file("/proc/net/tcp", &[SOCKETS, &socket("00000000:1FBB", "0A", 5556, 0)].concat());
        }),
        ("dashboard", |w| {
            w.add_line("web public 203.0.113.9:8123");
            w.file("/proc/net/tcp", &[SOCKETS, &socket("097100CB:1FBB", "0A", 5556, 0)].concat());
        }),
        ("reach", |w| w.daemon().sources[0].data.reach.0 = 0o3),
        ("last-save", |w| {
            w.ages.clear();
            w.file("/proc/uptime", "500.0 400.0\n");
        }),
        ("oscillator", |w| {
            w.daemon().tracking.frequency = Frequency::from_ppm(12.0);
            w.kernel.frequency = -12e-6;
        }),
        ("conntrack-table", |w| {
            w.files.remove("/proc/sys/net/netfilter/nf_conntrack_count");
        }),
    ];
    for (index, (id, change)) in cases.iter().enumerate() {
        let mut world = World::good();
        change(&mut world);
        let finding = world.finding(id);
        assert_eq!(finding.level, Level::Ok, "case {index}, {id}: {finding:?}");
    }
}

#[test]
fn a_copy_of_files_is_looked_at_and_what_it_cannot_tell_is_skipped_with_a_reason() {
    let mut world = World::good();
    world.running = false;
    world.daemon = None;
    world.files.retain(|path, _| !path.starts_with("/proc"));
    world.links.clear();
    world.file("/etc/nftables.d/10-timeball.nft", RULES);
    let found = world.look();
    for (check, finding) in &found {
        assert!(finding.level <= Level::Skipped, "{}: {finding:?}", check.id);
        assert!(!finding.reason.is_empty());
    }
    let skipped = found.iter().filter(|(_, finding)| finding.level == Level::Skipped).count();
    assert!((8..20).contains(&skipped), "{skipped}");
    world.configure("driftfile /mnt/data/timeball/drift", "driftfile /var/lib/timeball/drift");
    let finding = world.finding("state-folder");
    assert_eq!(finding.level, Level::Fault, "/var is in RAM there");
    let command = super::for_copy(&finding.command, std::path::Path::new("/a copy"));
    assert_eq!(command, "timeball setup --root '/a copy' --only storage");
}

#[test]
fn the_text_ends_with_a_count_and_the_next_action() {
    let mut world = World::good();
    let well = show::text(&world.look(), Style::Plain, None);
    assert!(well.lines().count() <= checks::all().count() + 2, "short when all is well:\n{well}");
    assert!(well.ends_with(&format!("\n{0} checks: {0} ok.\n", checks::all().count())), "{well}");
    assert!(!well.contains('\x1b'));

    world.points("/etc/rc.d/S98sysntpd", "../init.d/sysntpd");
    world.kernel.loop_runs = true;
    world.edit("/etc/config/firewall", "dest_port '123'", "dest_port '1'");
    let found = world.look();
    let text = show::text(&found, Style::Plain, Some(80));
    assert!(text.contains("1 warning, 2 faults.\nNext: timeball setup --only firewall\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80 || line.contains("init.d")), "{text}");
    assert!(show::text(&found, Style::Terminal, Some(80)).contains("\x1b[1;31m"));
    assert_eq!(worst(&found), Level::Fault);

    let mended = [mend::Mended { check: "firewall", command: "true \"x\"".to_owned(), good: Some(true) }];
    let json = ntp::report::json_read::Value::parse(&show::json(&found, &mended)).expect("JSON");
    assert_eq!(json.get("checks").and_then(|list| list.list()).map(<[_]>::len), Some(found.len()));
    assert_eq!(json.get("counts").and_then(|counts| counts.get("fault")?.number()), Some(2.0));
    assert_eq!(
        json.get("next").and_then(|next| next.get("check")?.text().map(str::to_owned)).as_deref(),
        Some("firewall")
    );
}

#[test]
fn commands_that_mend_are_run_worst_first_and_once() {
    let mut world = World::good();
    world.points("/etc/rc.d/S98sysntpd", "../init.d/sysntpd");
    world.edit("/etc/config/firewall", "dest_port '123'", "dest_port '1'");
    world.daemon().sources.truncate(2); // what measures for minutes is not run
    let commands = mend::commands(&world.look(), true);
    let stop = "/etc/init.d/sysntpd stop; /etc/init.d/sysntpd disable";
    let expected = [("firewall", "timeball setup --only firewall --yes"), ("second-daemon", stop)];
    assert_eq!(commands, expected.map(|(id, command)| (id, command.to_owned())));
}

#[test]
fn a_command_that_mends_may_fail() {
    assert!(mend::execute("test -d / && true"));
    assert!(!mend::execute("test -d / && false"));
}

/// The command that adds iburst, tried by the shell it is for.
#[test]
fn the_command_for_iburst_edits_the_lines_it_is_about() {
    let mut world = World::good();
    world.configure("gps.ixp.example iburst", "gps.ixp.example minpoll 4");
    world.configure("server time.provider", "server gpsXixp.example iburst\n  server  time.provider");
    world.configure("time.provider.example.net iburst", "time.provider.example.net");
    let command = world.finding("iburst").command;
    let edit = command.split(" && ").next().expect("a command");
    let folder = std::env::temp_dir().join(format!("timeball-doctor-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("timeball.conf");
    std::fs::write(&file, world.files.get("/etc/timeball/timeball.conf").expect("there")).expect("room");
    let edit = edit.replace("/etc/timeball/timeball.conf", &file.to_string_lossy());
    let done = std::process::Command::new("sh").args(["-c", &edit]).status().expect("a shell");
    let text = std::fs::read_to_string(&file).expect("there");
    std::fs::remove_dir_all(&folder).expect("ours");
    assert!(done.success());
    world.file("/etc/timeball/timeball.conf", &text);
    assert_eq!(world.finding("iburst").level, Level::Ok, "{edit}\n{text}");
    assert!(text.contains("server gps.ixp.example minpoll 4 iburst\n"), "{text}");
    assert_eq!(text.matches("iburst").count(), 5, "none twice: {text}");
}

#[test]
fn wishes_are_read_and_wrong_ones_explained() {
    let wish = Wish::read(&["--only", "port,leap-seconds", "--fix", "--yes"]).expect("good");
    assert!(wish.fix && wish.yes && wish.only == ["port", "leap-seconds"]);
    let chosen = |name: &str| {
        let wish = Wish { only: vec![name.to_owned()], ..Wish::default() };
        checks::all().filter(|check| wish.wants(check)).map(|check| check.id).collect::<Vec<_>>()
    };
    assert_eq!(chosen("port"), ["port"]);
    assert_eq!(chosen("conntrack"), ["conntrack-ntp", "conntrack-table"]);
    assert_eq!(chosen("storage"), ["state-folder", "last-save", "flash-writes"]);
    assert_eq!(chosen("sources").len(), 10);
    for bad in
        [&["--only"][..], &["--only", "nonsense"], &["--what"], &["--yes"], &["--root", "/no/such/folder"]]
    {
        assert!(Wish::read(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn where_openwrt_s_files_make_the_configuration_they_are_mended() {
    let mut world = World::good();
    world.run_by_procd();
    world.edit("/etc/timeball/uci.conf", "gps.ixp.example iburst", "gps.ixp.example");
    world.edit("/etc/timeball/uci.conf", "burst 16", "burst 1 leak 4");
    world.edit("/etc/timeball/uci.conf", "interval 1", "interval 12");
    let tail = "&& timeball uci > /dev/null && /etc/init.d/timeball restart";
    let iburst = format!("uci set chrony.@server[1].iburst=1 && uci commit chrony {tail}");
    assert_eq!(world.finding("iburst").command, iburst);
    let limit =
        format!("uci add_list timeball.main.directive='ratelimit auto' && uci commit timeball {tail}");
    assert_eq!(world.finding("limits").command, limit);
}

#[test]
fn words_for_the_shell_are_quoted() {
    assert_eq!(quoted("/etc/a-b.conf"), "/etc/a-b.conf");
    assert_eq!(quoted("a b; rm"), "'a b; rm'");
    assert_eq!(quoted("it's"), r"'it'\''s'");
    assert_eq!(quoted(""), "''");
}

#[test]
fn the_document_explains_every_check() {
    let document = include_str!("../../../../docs/doctor.md");
    for check in checks::all() {
        assert!(document.contains(&format!("| `{}` |", check.id)), "docs/doctor.md lacks {}", check.id);
    }
    let lines = document.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(lines, checks::all().count(), "docs/doctor.md explains a check that there is not");
}
