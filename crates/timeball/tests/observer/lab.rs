//! A daemon with its observer, and those who visit both.

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(40);

pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// A folder, two free ports, and a daemon when one was started.
pub struct Lab {
    pub dir: PathBuf,
    pub ntp: u16,
    pub web: u16,
    pub daemon: Option<Child>,
    /// Where it serves.
    pub address: &'static str,
}

impl Lab {
    pub fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("timeball-observer-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir); // of a test that was killed
        fs::create_dir(&dir).expect("the temporary folder is writable");
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
        let tcp = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback");
        Self { dir, ntp: udp.port(), web: tcp.port(), daemon: None, address: "127.0.0.1" }
    }

    pub fn start(&mut self, directives: &[&str]) {
        self.start_with(&[], directives);
    }

    /// `before`: words in front of the program.
    pub fn start_with(&mut self, before: &[&str], directives: &[&str]) {
        let dir = self.dir.display();
        let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        if is_root() {
            words.extend(["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"].map(str::to_owned));
        }
        words.extend([env!("CARGO_BIN_EXE_timeball"), "run", "-x"].map(str::to_owned));
        words.extend([
            format!("port {}", self.ntp),
            format!("bindaddress {}", self.address),
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

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("a daemon").id()
    }

    /// The observer of the daemon.
    pub fn observer(&self) -> u32 {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().next().and_then(|pid| pid.parse().ok()).expect("an observer")
    }

    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            kill("TERM", daemon.id());
            assert!(daemon.wait().expect("it was started").success(), "{}", self.log());
        }
    }

    /// The answer to a request of these lines: status and body. 0: no answer.
    pub fn http(&self, head: &str) -> (u16, String) {
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

    pub fn get(&self, path: &str) -> (u16, String) {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}\n{}", self.log());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    pub fn wait(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "{what}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn wait_for_page(&self) {
        self.wait("no page", |lab| {
            let (status, body) = lab.get("/api/status");
            status == 200 && !body.contains("\"at\":null")
        });
    }

    /// Sends `count` requests, `pause` apart, from `from`; how many answers came.
    pub fn ask(&self, from: &str, count: u32, pause: Duration) -> u32 {
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
    pub fn metric(&self, name: &str) -> f64 {
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

pub fn kill(signal: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().expect("kill is there");
    assert!(sent.success(), "no process {pid}");
}

/// What a series adds up to: means × seconds recorded.
pub fn total(answer: &Value, name: &str) -> f64 {
    let list = |value: &Value| -> Vec<Option<f64>> {
        value.as_array().expect("a list").iter().map(Value::as_f64).collect()
    };
    let (means, covered) = (list(&answer["series"][name]["mean"]), list(&answer["covered"]));
    means.iter().zip(covered).map(|(mean, seconds)| mean.unwrap_or(0.0) * seconds.unwrap_or(0.0)).sum()
}
