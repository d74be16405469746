//! The observer beside a real daemon, over loopback: what it says equals what was done, hostile visitors and full disks harm
//! nobody, and a killed daemon leaves a gap. Needs some ten seconds of real time.

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A folder, two free ports, and a daemon when one was started.
struct Lab {
    dir: PathBuf,
    ntp: u16,
    web: u16,
    daemon: Option<Child>,
}

impl Lab {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("timeball-observer-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir); // of a test that was killed
        fs::create_dir(&dir).expect("the temporary folder is writable");
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
        let tcp = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
        Self { dir, ntp: udp.port(), web: tcp.port(), daemon: None }
    }

    fn start(&mut self, directives: &[&str]) {
        self.start_with(&[], directives);
    }

    /// `before`: words in front of the program.
    fn start_with(&mut self, before: &[&str], directives: &[&str]) {
        let dir = self.dir.display();
        let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        if is_root() {
            words.extend(["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"].map(str::to_owned));
        }
        words.extend([env!("CARGO_BIN_EXE_timeball"), "run", "-x"].map(str::to_owned));
        words.extend([
            format!("port {}", self.ntp),
            "bindaddress 127.0.0.1".to_owned(),
            "allow 127.0.0.0/8".to_owned(),
            "deny 127.0.0.9".to_owned(),
            "local stratum 4".to_owned(),
            "cmdport 0".to_owned(),
            format!("bindcmdaddress {dir}/run/s.sock"),
            "pidfile /".to_owned(),
            format!("web 127.0.0.1:{}", self.web),
        ]);
        words.extend(directives.iter().map(|line| (*line).to_owned()));
        let log = fs::File::options().append(true).create(true).open(self.dir.join("log")).expect("a log");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stderr(log).stdout(Stdio::null());
        self.daemon = Some(command.spawn().expect("the program starts"));
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon").id()
    }

    /// The observer of the daemon.
    fn observer(&self) -> u32 {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("an observer")
    }

    fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            kill("TERM", daemon.id());
            assert!(daemon.wait().expect("it was started").success(), "{}", self.log());
        }
    }

    /// The answer to a request of these lines: status and body. 0: no answer.
    fn http(&self, head: &str) -> (u16, String) {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.web))?;
            stream.set_read_timeout(Some(Duration::from_secs(20)))?;
            stream.write_all(head.as_bytes())?;
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let text = ask().unwrap_or_default();
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}\n{}", self.log());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "{what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn wait_for_page(&self) {
        self.wait("no page", |lab| {
            let (status, body) = lab.get("/api/status");
            status == 200 && !body.contains("\"at\":null")
        });
    }

    /// Sends `count` requests, `pause` apart, from `from`; how many answers came.
    fn ask(&self, from: &str, count: u32, pause: Duration) -> u32 {
        let socket = UdpSocket::bind((from, 0)).expect("loopback");
        socket.connect(("127.0.0.1", self.ntp)).expect("loopback");
        let wait = if from == "127.0.0.1" { Duration::from_secs(5) } else { Duration::from_micros(1) };
        socket.set_read_timeout(Some(wait)).expect("more than nothing");
        let mut request = [0; 48];
        request[0] = 0x23;
        request[40] = 1;
        let mut buffer = [0; 64];
        let mut answers = 0;
        for _ in 0..count {
            socket.send(&request).expect("loopback takes it");
            answers += u32::from(socket.recv(&mut buffer).is_ok_and(|length| length == 48));
            std::thread::sleep(pause);
        }
        answers
    }

    /// A value of /metrics.
    fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill(); // a test has failed
            let _ = daemon.wait();
        }
        let _ = fs::remove_dir_all(&self.dir); // left behind in the worst case
    }
}

fn kill(signal: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().expect("kill is there");
    assert!(sent.success(), "no process {pid}");
}

/// What a series adds up to: means × seconds recorded.
fn total(answer: &Value, name: &str) -> f64 {
    let list = |value: &Value| -> Vec<Option<f64>> {
        value.as_array().expect("a list").iter().map(Value::as_f64).collect()
    };
    let (means, covered) = (list(&answer["series"][name]["mean"]), list(&answer["covered"]));
    means.iter().zip(covered).map(|(mean, seconds)| mean.unwrap_or(0.0) * seconds.unwrap_or(0.0)).sum()
}

#[test]
fn what_is_recorded_is_what_was_done_and_a_kill_leaves_a_gap() {
    let mut lab = Lab::new("truth");
    let folder = format!("stats interval 1 keep 2s:1h,10s:1d folder {}/kept", lab.dir.display());
    lab.start(&[&folder]);
    lab.wait_for_page();
    std::thread::sleep(Duration::from_millis(2500));
    let answered = lab.ask("127.0.0.1", 1200, Duration::from_millis(2));
    assert_eq!(answered, 1200);
    assert_eq!(lab.ask("127.0.0.9", 300, Duration::from_millis(2)), 0, "it is refused");
    // The snapshot after the last request, and its row.
    lab.wait("the last request is not counted", |lab| {
        lab.metric("timeball_packets_received_total") >= 1500.0
    });
    std::thread::sleep(Duration::from_millis(3000));
    for (name, truth) in [
        ("timeball_packets_received_total", 1500.0),
        ("timeball_packets_sent_total", 1200.0),
        ("timeball_bytes_received_total", 1500.0 * 76.0),
        ("timeball_bytes_sent_total", 1200.0 * 76.0),
        ("chrony_serverstats_ntp_packets_received_total", 1200.0),
        ("timeball_dropped_total{reason=\"access\"}", 300.0),
        ("timeball_rejected_total{reason=\"access_denied\"}", 300.0),
    ] {
        assert_eq!(lab.metric(name), truth, "{name}");
    }
    let clients = lab.json("/api/clients");
    let ours =
        clients["clients"].as_array().expect("a list").iter().find(|client| client["address"] == "127.0.0.1");
    assert_eq!(ours.and_then(|client| client["requests"].as_u64()), Some(1200), "{clients}");
    assert_eq!(clients["versions"], serde_json::json!([{"label": "v4", "share": 1.0}]), "{clients}");
    assert_eq!(clients["intervals"][0]["label"], "under 2 s", "{clients}");
    let names = "packets_in,packets_out,refused,bytes_in,bytes_out,received";
    let series = lab.json(&format!("/api/series?series={names}&from=-300&points=2000"));
    for (name, truth) in [
        ("packets_in", 1500.0),
        ("packets_out", 1200.0),
        ("refused", 300.0),
        ("bytes_in", 114_000.0),
        ("received", 1200.0),
    ] {
        let sum = total(&series, name);
        assert!((sum / truth - 1.0).abs() < 0.01, "{name}: {sum}, in truth {truth}: {series}");
    }
    let stat = fs::read_to_string(format!("/proc/{}/stat", lab.pid())).expect("it lives");
    let ticks: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // Behind the state: parent, group, session, terminal, its group, flags, four faults, then the times.
    let said = lab.metric("timeball_cpu_seconds_total{mode=\"user\"}")
        + lab.metric("timeball_cpu_seconds_total{mode=\"system\"}");
    let truth = (ticks[10] + ticks[11]) / 100.0;
    assert!(said <= truth + 0.01 && truth - said < 0.5, "cpu: {said}, in truth {truth}");

    // Both processes are killed: nobody can say goodbye.
    let observer = lab.observer();
    kill("KILL", observer);
    kill("KILL", lab.pid());
    let _ = lab.daemon.take().expect("a daemon").wait();
    std::thread::sleep(Duration::from_secs(5));
    lab.start(&[&folder]);
    lab.wait_for_page();
    lab.ask("127.0.0.1", 50, Duration::from_millis(10));
    std::thread::sleep(Duration::from_secs(4));
    let series = lab.json("/api/series?series=packets_in&from=-300&points=2000");
    assert_eq!(series["gaps"].as_array().map(Vec::len), Some(1), "{series}");
    let most =
        series["series"]["packets_in"]["max"].as_array().expect("a list").iter().filter_map(Value::as_f64);
    let most = most.fold(0.0, f64::max);
    assert!(most < 600.0, "a spike: {most} requests a second");
    let sum = total(&series, "packets_in");
    assert!((1480.0..1600.0).contains(&sum), "the past is gone: {sum}");
    let events = lab.json("/api/events");
    let kinds: Vec<&str> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|event| event["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"stop") && kinds.iter().filter(|kind| **kind == "start").count() == 2,
        "{events}"
    );
    lab.stop();
}

#[test]
fn hostile_visitors_are_refused_and_harm_nobody() {
    let mut lab = Lab::new("hostile");
    lab.start(&["stats off", "server 127.0.0.1 port 9 offline"]);
    lab.wait_for_page();
    let status = |head: &str| lab.http(head).0;
    assert_eq!(status("GET /api/status HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 421);
    assert_eq!(
        status("GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"),
        421
    );
    assert_eq!(
        status("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        421
    );
    assert_eq!(status("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), 421);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"] {
        assert_eq!(
            status(&format!("{method} / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),
            405,
            "{method}"
        );
    }
    for path in [
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/app.js/",
        "/api",
        "/api/series/x",
        "//",
        "/index.html%00.js",
    ] {
        assert_eq!(lab.get(path).0, 404, "{path}");
    }
    for path in [
        "/api/series",
        "/api/series?series=offset&from=x",
        "/api/series?series=offset&from=5&to=4",
        "/api/events?limit=NaN",
    ] {
        assert_eq!(lab.get(path).0, 400, "{path}");
    }
    assert_eq!(lab.get("/api/series?series=%3Cscript%3E").0, 404);
    let huge = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert!(matches!(status(&huge), 0 | 431), "a head without end");
    let many = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n", "X: y\r\n".repeat(500));
    assert!(matches!(status(&many), 0 | 431), "headers without end");
    assert_eq!(status("\u{0}\u{1}\u{2}\r\n\r\n") / 100 % 4, 0, "nonsense is no request");

    // Six hundred that never finish their request.
    let mut slow = Vec::new();
    for _ in 0..600 {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", lab.web)) {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ");
            slow.push(stream);
        }
    }
    assert!(slow.len() >= 590, "{} connections", slow.len());
    for round in 0..20 {
        assert_eq!(lab.get("/").0, 200, "round {round}\n{}", lab.log());
        for stream in slow.iter_mut().step_by(7) {
            let _ = stream.write_all(b"x"); // those that made way are closed
        }
        assert_eq!(lab.ask("127.0.0.1", 20, Duration::ZERO), 20, "requests were lost");
    }
    assert!(lab.metric("timeball_page_connections") <= 160.0);
    let observer = lab.observer();
    let memory = fs::read_to_string(format!("/proc/{observer}/status")).expect("it lives");
    let identity = |name: &str| {
        memory.lines().find_map(|line| line.strip_prefix(name)).map(|rest| rest.trim().to_owned())
    };
    if is_root() {
        assert_eq!(identity("CapEff:").as_deref(), Some("0000000000000000"), "it has rights");
        assert_ne!(
            identity("Uid:").and_then(|ids| ids.split_whitespace().next().map(str::to_owned)).as_deref(),
            Some("0")
        );
    } else {
        println!("SKIPPED the rights of the observer: they are dropped by root only");
    }
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        assert_eq!(identity("Seccomp:").as_deref(), Some("2"), "its system calls are not filtered");
    }
    assert_eq!(identity("NoNewPrivs:").as_deref(), Some("1"));
    drop(slow);
    // The page may die; time goes on.
    kill("KILL", observer);
    lab.wait("the loss is not said", |lab| lab.log().contains("The observer was killed"));
    assert_eq!(lab.ask("127.0.0.1", 20, Duration::ZERO), 20);
    lab.stop();
}

#[test]
fn a_public_page_tells_no_addresses_and_another_host_must_be_named() {
    let mut lab = Lab::new("public");
    lab.start(&[
        "stats off",
        "web public host time.example",
        "server 192.0.2.77 offline",
        "server <b>x</b>.example offline",
    ]);
    lab.wait_for_page();
    for path in ["/api/status", "/api/sources", "/api/events"] {
        let (status, text) = lab.get(path);
        assert!(status == 200 && !text.contains("192.0.2.77"), "{path}: {text}");
    }
    assert!(lab.json("/api/status").get("next").is_none());
    assert_eq!((lab.get("/api/clients").0, lab.get("/metrics").0), (403, 403));
    assert_eq!(
        lab.http("GET /api/status HTTP/1.1\r\nHost: time.example\r\nConnection: close\r\n\r\n").0,
        200
    );
    // Names come out as they are, as JSON: text for whoever shows them as text.
    let sources = lab.json("/api/sources");
    assert!(
        sources["sources"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|source| source["name"] == "<b>x</b>.example"),
        "{sources}"
    );
    lab.stop();
}

#[test]
fn a_busy_port_and_a_folder_that_cannot_be_are_warnings() {
    let mut lab = Lab::new("busy");
    let taken = TcpListener::bind(("127.0.0.1", lab.web)).expect("it was free");
    let other =
        TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback").port();
    lab.start(&["stats folder /proc/nothing/kept", &format!("web 127.0.0.1:{other}")]);
    lab.wait("no warning about the port", |lab| {
        lab.log().contains(&format!("No page at http://127.0.0.1:{}/", lab.web))
    });
    lab.web = other;
    lab.wait_for_page();
    let status = lab.json("/api/status");
    assert!(
        status["archive"]["problem"].as_str().is_some_and(|text| text.contains("/proc/nothing")),
        "{status}"
    );
    assert_eq!(lab.get("/api/series?series=offset").0, 503);
    assert_eq!(lab.ask("127.0.0.1", 5, Duration::ZERO), 5);
    lab.stop();
    drop(taken);
}

#[test]
fn a_full_disk_is_said_and_harms_nobody() {
    if !is_root()
        || !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success())
    {
        println!("SKIPPED the full disk: only root may mount one");
        return;
    }
    let mut lab = Lab::new("full");
    let disk = lab.dir.join("disk");
    fs::create_dir(&disk).expect("a folder");
    let script = format!("mount -t tmpfs -o size=24k none {} && exec \"$@\"", disk.display());
    let folder = format!("stats interval 1 keep 1s:1d folder {}/kept", disk.display());
    lab.start_with(&["unshare", "-m", "sh", "-c", &script, "sh"], &[&folder]);
    lab.wait_for_page();
    lab.wait("the full disk is not told", |lab| lab.log().contains("The archive cannot be written"));
    assert_eq!(lab.ask("127.0.0.1", 100, Duration::ZERO), 100);
    let status = lab.json("/api/status");
    assert!(status["archive"]["problem"].is_string(), "{status}");
    assert_eq!(lab.metric("timeball_archive_healthy"), 0.0);
    assert!(lab.json("/api/series?series=packets_in&from=-60")["series"]["packets_in"]["mean"].is_array());
    // There is room again.
    let grow = format!("mount -o remount,size=50m {}", disk.display());
    let grown =
        Command::new("nsenter").args(["-m", "-t", &lab.pid().to_string(), "sh", "-c", &grow]).status();
    assert!(grown.is_ok_and(|status| status.success()), "the disk does not grow");
    lab.wait("it does not go on", |lab| lab.json("/api/status")["archive"]["problem"].is_null());
    assert_eq!(lab.log().matches("The archive cannot be written").count(), 1, "{}", lab.log());
    lab.stop();
}
