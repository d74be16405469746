//! A load that is known, from another network namespace: what the archive and /metrics say is what the network interface, the
//! kernel and the sender counted.

use super::lab::{Lab, is_root, kill, total};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SERVER: &str = "10.9.0.1";
/// The limited one, the refused one, and those that behave.
const LOUD: u8 = 2;
const REFUSED: u8 = 3;
const POLITE: std::ops::Range<u8> = 4..64;
/// How long the load lasts, s, and packets each ten milliseconds.
const SECONDS: u64 = 12;
const BURST: u32 = 300;
/// Bytes of an Ethernet header, which the interface counts and we do not.
const ETHERNET: f64 = 14.0;
/// The limit, far below what the loud one asks.
const LIMIT: &str = "ratelimit interval -9 burst 32 leak 4";

/// Runs an ignored test of this program behind `before`.
fn again(test: &str, before: &[&str]) -> Command {
    let exe = std::env::current_exe().expect("this program");
    let mut command = Command::new(before[0]);
    command.args(&before[1..]).arg(exe).args([
        &format!("truth::{test}"),
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    command.stdin(Stdio::null());
    command
}

fn ip(line: &str) {
    let done = Command::new("ip").args(line.split_whitespace()).status().expect("ip is installed");
    assert!(done.success(), "ip {line}");
}

/// A process that does nothing but have a network namespace.
struct Namespace {
    child: Child,
    pid: String,
}

impl Namespace {
    fn new() -> Self {
        let child =
            Command::new("unshare").args(["-n", "sleep", "120"]).spawn().expect("unshare is installed");
        let own = fs::read_link("/proc/self/ns/net").expect("a namespace");
        let start = Instant::now();
        let theirs = || fs::read_link(format!("/proc/{}/ns/net", child.id()));
        while theirs().is_ok_and(|name| name == own) {
            assert!(start.elapsed() < Duration::from_secs(20), "no namespace");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { pid: child.id().to_string(), child }
    }

    fn run(&self, line: &str) {
        let words = line.split_whitespace();
        let done = Command::new("nsenter").args(["-t", &self.pid, "-n", "ip"]).args(words).status();
        assert!(done.is_ok_and(|status| status.success()), "ip {line}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it is ours
        let _ = self.child.wait();
    }
}

#[test]
fn archive_and_metrics_equal_the_truth_of_the_network_and_the_kernel() {
    if !is_root()
        || !Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success())
    {
        println!("SKIPPED the known load: only root may make network namespaces");
        return;
    }
    let output = again("inside", &["unshare", "-n"]).output().expect("unshare is installed");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "it has not run: {output:?}");
}

/// A counter of the interface.
fn counted(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/net/dev").expect("counters");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("veth-t:")).expect("the interface");
    let column = ["rx_bytes", "rx_packets", "", "", "", "", "", "", "tx_bytes", "tx_packets"];
    let index = column.iter().position(|known| *known == name).expect("a column");
    line.split_whitespace().nth(index).and_then(|word| word.parse().ok()).expect("a number")
}

/// Datagrams that found no room in a socket.
fn overflows() -> f64 {
    let text = fs::read_to_string("/proc/net/snmp").expect("counters");
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let found = names.split(' ').zip(values.split(' ')).find(|(name, _)| *name == "RcvbufErrors");
    found.and_then(|(_, value)| value.parse().ok()).expect("a number")
}

/// Processor time of the daemon's threads as the scheduler counts it for each, s.
fn cpu(lab: &Lab) -> f64 {
    let threads = fs::read_dir(format!("/proc/{}/task", lab.pid())).expect("it lives");
    let spent = |path: std::path::PathBuf| -> f64 {
        let text = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN)
    };
    threads.flatten().map(|thread| spent(thread.path())).sum::<f64>() / 1e9
}

fn near(what: &str, said: f64, truth: f64, slack: f64) {
    println!("{what}: {said}, in truth {truth}");
    assert!((said - truth).abs() <= (truth * 0.01).max(slack), "{what}: {said}, in truth {truth}");
}

/// What the observer says to a word at its door.
fn ask(folder: &std::path::Path, word: &str) -> serde_json::Value {
    let mut stream = UnixStream::connect(folder.join("ask")).expect("a door");
    stream.write_all(word.as_bytes()).expect("it listens");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
#[ignore = "runs in a network namespace of its own, started by the test above"]
fn inside() {
    let away = Namespace::new();
    ip("link set lo up");
    // No IPv6, no address resolution: every packet on the wire is NTP.
    let silent = "for each in all default; do echo 1 >/proc/sys/net/ipv6/conf/$each/disable_ipv6; done";
    for before in [vec!["env"], vec!["nsenter", "-t", &away.pid, "-n"]] {
        let _ = Command::new(before[0]).args(&before[1..]).args(["sh", "-c", silent]).status(); // there may be no IPv6
    }
    ip(&format!(
        "link add veth-t address 02:00:00:00:00:01 type veth peer name far address 02:00:00:00:00:02 netns {}",
        away.pid
    ));
    ip(&format!("addr add {SERVER}/24 dev veth-t"));
    ip("link set veth-t up arp off");
    for last in [LOUD, REFUSED].into_iter().chain(POLITE) {
        away.run(&format!("addr add 10.9.0.{last}/24 dev far"));
        ip(&format!("neigh replace 10.9.0.{last} lladdr 02:00:00:00:00:02 dev veth-t nud permanent"));
    }
    away.run("link set far up arp off");
    away.run(&format!("neigh replace {SERVER} lladdr 02:00:00:00:00:01 dev far nud permanent"));

    let mut lab = Lab::new("known");
    lab.address = SERVER;
    let kept = lab.dir.join("kept");
    let folder = format!("stats interval 3600 keep 10s:1d folder {}", kept.display());
    lab.start(&[&folder, "allow 10.9.0.0/24", &format!("deny 10.9.0.{REFUSED}"), LIMIT]);
    lab.wait_for_page();
    // The machine is looked at when ten seconds are full; before the load begins that has to have been done once.
    lab.wait("the machine is not looked at", |lab| {
        let series = lab.json("/api/series?series=cpu_user&from=-60");
        let means = series["series"]["cpu_user"]["mean"].as_array();
        means.is_some_and(|list| list.iter().any(|value| !value.is_null()))
    });
    let idle = cpu(&lab);
    assert_eq!(counted("rx_packets"), 0.0, "something else is on the wire");

    let load = again("generator", &["nsenter", "-t", &away.pid, "-n"])
        .env("TIMEBALL_LOAD", lab.ntp.to_string())
        .output();
    let load = String::from_utf8_lossy(&load.expect("nsenter is installed").stdout).into_owned();
    let numbers: Vec<f64> = load
        .lines()
        .find_map(|line| line.split_once("load: "))
        .expect(&load)
        .1
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let [sent, invalid, refused, got] = numbers[..] else { panic!("{load}") };
    let received = counted("rx_packets") - overflows();
    assert_eq!(sent, counted("rx_packets"), "the sender and the interface disagree");
    lab.wait("not all is counted", |lab| lab.metric("timeball_packets_received_total") >= received);
    assert!(
        sent > f64::from(BURST * 100) * SECONDS as f64 * 0.25 && got > sent * 0.3 && got < sent * 0.9,
        "no load worth looking at: {load}"
    );

    // What was served, to the last packet.
    let limited = received - counted("tx_packets") - invalid - refused;
    for (name, truth) in [
        ("timeball_packets_received_total", received),
        ("timeball_packets_sent_total", counted("tx_packets")),
        ("timeball_bytes_received_total", counted("rx_bytes") - ETHERNET * counted("rx_packets")),
        ("timeball_bytes_sent_total", counted("tx_bytes") - ETHERNET * counted("tx_packets")),
        ("timeball_dropped_total{reason=\"access\"}", refused),
        ("timeball_dropped_total{reason=\"invalid\"}", invalid),
        ("chrony_serverstats_ntp_packets_dropped_total", limited),
    ] {
        near(name, lab.metric(name), truth, 0.0);
    }
    // What it took, in nanoseconds, by another way than the observer's.
    let said = |lab: &Lab| {
        lab.metric("timeball_cpu_seconds_total{mode=\"user\"}")
            + lab.metric("timeball_cpu_seconds_total{mode=\"system\"}")
    };
    let used = cpu(&lab);
    assert!(used - idle > 0.5, "no work worth measuring: {used} s");
    lab.wait("the processor is not looked at", |lab| said(lab) >= used);
    near("processor time", said(&lab), cpu(&lab), 0.0);

    // The same in the archive.
    let names = "packets_in,packets_out,limited,refused,invalid,bytes_in,bytes_out";
    let series = lab.json(&format!("/api/series?series={names}&from=-300&points=2000"));
    let sum = |name: &str| total(&series, name);
    near("archive: received", sum("packets_in"), received, 0.0);
    near("archive: answered", sum("packets_out"), counted("tx_packets"), 0.0);
    near("archive: limited", sum("limited"), limited, 0.0);
    near("archive: refused", sum("refused"), refused, 0.0);
    near("archive: invalid", sum("invalid"), invalid, 0.0);
    near("archive: bytes in", sum("bytes_in"), counted("rx_bytes") - ETHERNET * counted("rx_packets"), 0.0);
    near("archive: bytes out", sum("bytes_out"), counted("tx_bytes") - ETHERNET * counted("tx_packets"), 0.0);
    // What was looked at when ten seconds were over stands in the row that follows, which must be full too.
    let taken = |lab: &Lab| {
        let series = lab.json("/api/series?series=cpu_user,cpu_system&from=-300&points=2000");
        total(&series, "cpu_user") + total(&series, "cpu_system")
    };
    lab.wait("the processor is not recorded", |lab| taken(lab) >= used - idle);
    near("archive: processor time", taken(&lab), cpu(&lab) - idle, 0.0);
    let month = &lab.json("/api/status")["service"]["month"];
    near("month: answered", month["answered"].as_f64().expect("a number"), counted("tx_packets"), 0.0);

    // The file knows nothing yet; one who asks gets all.
    let archive = kept.join("archive");
    let export = |path: &std::path::Path| -> f64 {
        let done = Command::new(env!("CARGO_BIN_EXE_timeball"))
            .args(["export", "packets_in", "--last", "1h", "--archive", &path.display().to_string()])
            .output()
            .expect("the program starts");
        assert!(done.status.success(), "{done:?}");
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        text.lines().skip(1).filter_map(|line| line.split(',').nth(1)?.parse::<f64>().ok()).sum::<f64>()
            * 10.0
    };
    let copy = lab.dir.join("copy");
    fs::copy(&archive, &copy).expect("a copy");
    assert_eq!(export(&copy), 0.0, "it was written before anybody asked");
    // The row of the last ten seconds is written when it is full.
    lab.wait("not all is exported", |_| export(&archive) >= received * 0.99);
    // A row that began before the load, or with the daemon, is not ten seconds long.
    assert!(export(&archive) < received * 1.5, "exported {} of {received}", export(&archive));
    // The same door tells the command line who is busy; it knows no other word.
    let clients = ask(&kept, "clients");
    let loud = clients["clients"]
        .as_array()
        .and_then(|list| list.iter().find(|client| client["address"] == format!("10.9.0.{LOUD}")));
    assert!(loud.is_some_and(|client| client["dropped"].as_f64() > Some(1000.0)), "{clients}");
    assert!(ask(&kept, "shutdown")["error"].is_string());
    kill("TERM", lab.pid());
    lab.daemon.take().expect("a daemon").wait().expect("it was started");
}

#[test]
#[ignore = "the load of the test above, in another namespace"]
fn generator() {
    let Some(port) = std::env::var("TIMEBALL_LOAD").ok().and_then(|text| text.parse().ok()) else { return };
    let server = SocketAddr::new(SERVER.parse().expect("an address"), port);
    let open = |last: u8| {
        let socket = UdpSocket::bind((format!("10.9.0.{last}"), 0)).expect("an address of ours");
        socket.connect(server).expect("a way");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let sockets: Vec<UdpSocket> = [LOUD, REFUSED].into_iter().chain(POLITE).map(open).collect();
    let mut request = [0; 48];
    request[0] = 0x23;
    let (mut sent, mut invalid, mut refused, mut got) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut buffer = [0; 128];
    let mut drain = |sockets: &[UdpSocket]| -> u64 {
        sockets.iter().map(|socket| std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64).sum()
    };
    let begin = Instant::now();
    let mut turn = 0_usize;
    for round in 0..SECONDS * 100 {
        for number in 0..BURST {
            request[40..].copy_from_slice(&(sent + 1).to_be_bytes());
            turn += 1;
            let number = number % 20; // eight are loud, one refused, one that is no request, ten polite.
            let (socket, length) = match number {
                0..8 => (0, 48),
                8 => (1, 48),
                9 => (2 + turn % POLITE.len(), 20),
                _ => (2 + turn % POLITE.len(), 48),
            };
            if sockets[socket].send(&request[..length]).is_ok() {
                sent += 1;
                invalid += u64::from(length == 20);
                refused += u64::from(socket == 1);
            }
        }
        got += drain(&sockets);
        let due = Duration::from_millis(10 * (round + 1));
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    std::thread::sleep(Duration::from_millis(300));
    got += drain(&sockets);
    println!("load: {sent} {invalid} {refused} {got}");
}
