//! A router with real nftables in namespaces: a machine behind masquerade, the world, and the rules for NTP.
//!
//! The rules that circulate (`udp dport 123 notrack`) break the time of those behind the router; the test shows it. Those
//! that `timeball setup` writes do not, answer the world, and leave no entry in the table of connections. Needs root and
//! nft with connection tracking; says SKIPPED where they are missing. No daemon here may set the machine's clock.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const TIMEBALL: &str = env!("CARGO_BIN_EXE_timeball");
/// Says to a child whom it has to ask.
const ASK: &str = "TIMEBALL_TEST_ASK";
/// The rules that circulate.
const CIRCULATING: &str = "chain raw_prerouting {\n\ttype filter hook prerouting priority raw;\n\tudp dport 123 notrack counter\n}\n\
    chain raw_output {\n\ttype filter hook output priority raw;\n\tudp sport 123 notrack counter\n}\n";

/// Namespaces, processes and a folder, which all go away.
struct World {
    id: u32,
    dir: PathBuf,
    children: Vec<Child>,
}

impl World {
    fn new() -> Result<Self, String> {
        let id = std::process::id();
        let dir = std::env::temp_dir().join(format!("timeball-router-{id}"));
        std::fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let world = Self { id, dir, children: Vec::new() };
        for name in ["lan", "router", "wan"] {
            let made = run("ip", &["netns", "add", &world.name(name)]);
            if !made.status.success() {
                return Err(format!(
                    "no network namespaces here: {}",
                    String::from_utf8_lossy(&made.stderr).trim()
                ));
            }
            world.inside(name, "ip", &["link", "set", "lo", "up"]);
        }
        for (name, device, peer, ours, theirs) in [
            ("lan", "lan0", "br-lan", "192.168.1.2/24", "192.168.1.1/24"),
            ("wan", "wan0", "eth1", "203.0.113.2/24", "203.0.113.1/24"),
        ] {
            let (far, router) = (world.name(name), world.name("router"));
            let made = run(
                "ip",
                &[
                    "link", "add", device, "netns", &far, "type", "veth", "peer", "name", peer, "netns",
                    &router,
                ],
            );
            if !made.status.success() {
                return Err(format!(
                    "no virtual links here: {}",
                    String::from_utf8_lossy(&made.stderr).trim()
                ));
            }
            for (name, device, address) in [(name, device, ours), ("router", peer, theirs)] {
                world.inside(name, "ip", &["address", "add", address, "dev", device]);
                world.inside(name, "ip", &["link", "set", device, "up"]);
            }
        }
        world.inside("lan", "ip", &["route", "add", "default", "via", "192.168.1.1"]);
        world.inside("router", "sh", &["-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
        // Connection tracking begins when a rule asks for it.
        let tried = world.rules("");
        if !tried.status.success() {
            return Err(format!(
                "no nft with connection tracking: {}",
                String::from_utf8_lossy(&tried.stderr).trim()
            ));
        }
        Ok(world)
    }

    fn name(&self, name: &str) -> String {
        format!("tb-{name}-{}", self.id)
    }

    fn inside(&self, name: &str, program: &str, words: &[&str]) -> Output {
        let name = self.name(name);
        let prefix =
            ["netns", "exec", &name, "setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", program];
        run("ip", &[&prefix[..], words].concat())
    }

    /// The router's firewall: as OpenWrt's, one table, into which `more` is included.
    fn rules(&self, more: &str) -> Output {
        let text = format!(
            "flush ruleset\ntable inet fw4 {{\n\
             chain input {{ type filter hook input priority filter; policy drop; ct state established,related accept; iifname \"lo\" accept; \
             iifname \"br-lan\" accept; iifname \"eth1\" udp dport 123 accept; }}\n\
             chain forward {{ type filter hook forward priority filter; policy drop; ct state established,related accept; \
             iifname \"br-lan\" oifname \"eth1\" accept; ct state untracked accept; }}\n\
             chain srcnat {{ type nat hook postrouting priority srcnat; policy accept; oifname \"eth1\" masquerade; }}\n{more}\n}}\n"
        );
        let path = self.dir.join("rules.nft");
        std::fs::write(&path, text).expect("the folder can be written");
        self.inside("router", "nft", &["-f", &path.to_string_lossy()])
    }

    /// A server of its own clock, in a namespace.
    fn server(&mut self, name: &str) {
        let dir = self.dir.join(name);
        let text = format!(
            "local stratum 3\nallow\ncmdport 0\nbindcmdaddress {0}/timeball.sock\npidfile {0}.pid\nstats off\nweb off\nuser root\n",
            dir.display()
        );
        let conf = self.dir.join(format!("{name}.conf"));
        std::fs::write(&conf, text).expect("the folder can be written");
        let namespace = self.name(name);
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &namespace,
                "setpriv",
                "--bounding-set=-sys_time",
                "--inh-caps=-sys_time",
            ])
            .args([TIMEBALL, "run", "-x", "-f", &conf.to_string_lossy()])
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(self.dir.join(format!("{name}.log"))).expect("a log file"))
            .spawn()
            .expect("it starts");
        self.children.push(child);
    }

    /// Until both have their port open; asking them would leave entries.
    fn wait_for_servers(&self) {
        let is_open = |name| {
            let out = self.inside(name, "cat", &["/proc/net/udp"]);
            String::from_utf8_lossy(&out.stdout).contains(":007B ")
        };
        let end = Instant::now() + Duration::from_secs(20);
        while !(is_open("router") && is_open("wan")) {
            let log =
                |name| std::fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
            assert!(Instant::now() < end, "no server: {}{}", log("router"), log("wan"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Does a server answer a client in a namespace? Tries for a while if it is expected to.
    fn answers(&self, client: &str, server: &str, expected: bool) -> bool {
        let program = std::env::current_exe().expect("this program").to_string_lossy().into_owned();
        let asks = format!("{ASK}={server}");
        let words = [&*asks, &*program, "--exact", "ours_leave_those_behind_the_router_their_time"];
        let end = Instant::now() + Duration::from_secs(if expected { 10 } else { 0 });
        loop {
            if self.inside(client, "env", &words).status.success() {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Entries of the router's table of connections.
    fn connections(&self) -> u64 {
        let out = self.inside("router", "cat", &["/proc/sys/net/netfilter/nf_conntrack_count"]);
        String::from_utf8_lossy(&out.stdout).trim().parse().expect("the kernel counts connections")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in ["lan", "router", "wan"] {
            let _ = Command::new("ip").args(["netns", "del", &self.name(name)]).output();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// One request, from a port and to a server, and a reply within the time; panics else.
fn ask(whom: &str) {
    let (port, server) = whom.split_once('>').unwrap_or(("0", whom));
    let socket = UdpSocket::bind(format!("0.0.0.0:{port}")).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(1500))).expect("it is positive");
    let mut request = [0; 48];
    request[0] = 0x23; // version 4, mode 3
    socket.send_to(&request, (server, 123)).expect("there is a route");
    let mut reply = [0; 100];
    let (length, from) = socket.recv_from(&mut reply).expect("an answer");
    assert_eq!((length, reply[0] & 7, from.ip().to_string().as_str()), (48, 4, server));
}

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// The rules that set-up writes for a router with these files.
fn set_up(root: &Path, with: Option<&str>) -> String {
    let files = [
        ("etc/openwrt_release", "DISTRIB_RELEASE='24.10.2'\n"),
        (
            "etc/config/network",
            "config interface 'lan'\n\toption device br-lan\n\toption ipaddr '192.168.1.1/24'\nconfig interface 'wan'\n\toption device eth1\n",
        ),
        (
            "etc/config/firewall",
            "config zone\n\toption name lan\n\tlist network lan\n\toption input ACCEPT\nconfig zone\n\toption name wan\n\tlist network wan\n\toption input REJECT\n\toption masq 1\n",
        ),
    ];
    let with = with.map(|text| ("etc/nftables.d/10-ntp.nft", text));
    for (path, text) in files.into_iter().chain(with) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("it can be made");
        std::fs::write(path, text).expect("it can be written");
    }
    let out = run(TIMEBALL, &["setup", "public", "--yes", "--root", &root.to_string_lossy()]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(!root.join("etc/nftables.d/10-ntp.nft").exists(), "the rules that circulate are taken away");
    std::fs::read_to_string(root.join("etc/nftables.d/10-timeball-notrack.nft"))
        .expect("set-up writes the rules")
}

/// Packets that the rules named have counted.
fn counted(world: &World, rule: &str) -> u64 {
    let out = world.inside("router", "nft", &["list", "table", "inet", "fw4"]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(rule)).unwrap_or_else(|| panic!("no {rule}: {text}"));
    let number = line.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.unwrap_or_else(|| panic!("no counter: {line}"))
}

#[test]
fn undo_is_told_to_programs_and_one_works_at_a_time() {
    let root = std::env::temp_dir().join(format!("timeball-undo-{}", std::process::id()));
    let text = root.to_string_lossy().into_owned();
    set_up(&root, None);
    let undo = |words: &[&str]| {
        let out = run(TIMEBALL, &[&["undo", "--json", "--root", &text], words].concat());
        let value = serde_json::from_slice::<serde_json::Value>(&out.stdout);
        (out.status.code(), value.unwrap_or_default(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, planned, _) = undo(&["--dry-run"]);
    assert_eq!((code, planned["state"].as_str()), (Some(0), Some("planned")));
    let folder = std::fs::File::open(root.join("etc")).expect("a folder");
    folder.lock().expect("nobody has it");
    let (code, _, said) = undo(&["--yes"]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("process {}", std::process::id()))
            && root.join("etc/init.d/timeball").exists(),
        "{said}"
    );
    drop(folder);
    std::fs::write(root.join("etc/init.d/timeball"), "mine now\n").expect("it can be written");
    let (code, left, _) = undo(&["--yes"]);
    let find = |value: &serde_json::Value, path: &str| -> String {
        let steps = value["steps"].as_array().expect("a list");
        steps
            .iter()
            .find(|step| step["path"] == path)
            .map_or_else(|| format!("no {path}: {value}"), |step| step["outcome"].to_string())
    };
    assert_eq!((code, left["state"].as_str()), (Some(1), Some("left")));
    assert_eq!(find(&left, "/etc/init.d/timeball"), "\"changed since\"");
    assert_eq!(find(&left, "/etc/config/firewall"), "\"restored\"");
    let (code, done, _) = undo(&["--force"]);
    assert_eq!((code, done["state"].as_str()), (Some(0), Some("done")));
    assert!(!root.join("etc/timeball").exists() && !root.join("etc/init.d").exists());
    assert_eq!(undo(&["--yes"]).1["state"], "nothing");
    let _ = std::fs::remove_dir_all(root);
}

#[test]
fn ours_leave_those_behind_the_router_their_time() {
    if let Ok(server) = std::env::var(ASK) {
        return ask(&server);
    }
    let skip = |why: &str| eprintln!("SKIPPED ours_leave_those_behind_the_router_their_time: {why}");
    if run("id", &["-u"]).stdout != b"0\n" {
        return skip("network namespaces need root");
    }
    for tool in ["ip", "nft", "setpriv"] {
        if !run("sh", &["-c", &format!("command -v {tool}")]).status.success() {
            return skip(&format!("{tool} is not installed (apt-get install iproute2 nftables util-linux)"));
        }
    }
    let mut world = match World::new() {
        Ok(world) => world,
        Err(why) => return skip(&why),
    };
    world.server("router");
    world.server("wan");
    world.wait_for_servers();

    let ours = set_up(&world.dir.join("root"), Some(CIRCULATING));
    let loaded = world.rules(&ours);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    // What the world asks leaves nothing in the table …
    let before = world.connections();
    for _ in 0..5 {
        assert!(world.answers("wan", "203.0.113.1", true), "the world is served");
        assert!(world.connections() <= before, "NTP has left an entry in the table of connections");
    }
    for rule in ["NTP in", "NTP out"] {
        assert!(counted(&world, rule) >= 5, "{rule}: {}", counted(&world, rule));
    }
    // … and those behind have their time, from the world and from the router.
    assert!(world.answers("lan", "203.0.113.2", true), "those behind the router have their time");
    assert!(world.answers("lan", "192.168.1.1", true), "the router serves those behind it");
    // Old clients, and Windows, ask from port 123; so comes the reply to the router's own address and port.
    assert!(world.answers("lan", "123>203.0.113.2", true), "those behind that ask from port 123 have theirs");

    assert!(world.rules("").status.success());
    let before = world.connections();
    assert!(world.answers("wan", "203.0.113.1", true));
    assert!(world.connections() > before, "without rules for NTP, the world fills the table");

    let loaded = world.rules(CIRCULATING);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    assert!(
        !world.answers("lan", "203.0.113.2", false),
        "the rules that circulate break the time of those behind"
    );
    assert!(world.answers("wan", "203.0.113.1", true), "… and let the world be served");
}
