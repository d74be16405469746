//! The daemon from outside: command line, start, serving, signals, what is left behind.
//!
//! Every daemon here runs with `-x`, and where this is possible without the right to touch a clock at all; all
//! traffic stays on loopback.
#![forbid(unsafe_code)]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A folder of our own, with the program under chronyd's name; gone at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("timeball-daemon-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir); // of a test that was killed
        fs::create_dir(&dir).expect("the temporary folder is writable");
        symlink(env!("CARGO_BIN_EXE_timeball"), dir.join("chronyd")).expect("a fresh folder");
        Self(dir)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// chronyd, which must not touch the clock, with files only below this folder.
    fn chronyd(&self, words: &[&str]) -> Command {
        let program = self.file("chronyd");
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"])
                .arg(program)
                .args(["-u", "root"]);
            command
        } else {
            Command::new(program)
        };
        command.args(["-x", "-U"]).args(words).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.chronyd(words).output().expect("the program starts")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // left behind in the worst case
    }
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Daemon {
    /// Asks it to end, and tells its exit status.
    fn end(mut self) -> Option<i32> {
        signal("TERM", self.0.id());
        self.0.wait().expect("it was started").code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill(); // has ended already
        let _ = self.0.wait();
    }
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().expect("kill is there");
    assert!(sent.success(), "no process {pid}");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback").port()
}

/// How long anything may take before a test gives up: a busy machine is no fault of the daemon's.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for the time until there is an answer.
fn ask(port: u16) -> [u8; 48] {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(("127.0.0.1", port)).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("more than nothing");
    let mut request = [0; 48];
    request[0] = 0x23; // version 4, client
    request[40..].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let start = Instant::now();
    let mut reply = [0; 48];
    while start.elapsed() < PATIENCE {
        // Refused until the socket is there.
        if socket.send(&request).is_ok() && socket.recv(&mut reply).is_ok_and(|len| len == 48) {
            return reply;
        }
    }
    panic!("no answer on port {port}");
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Directives that keep a daemon inside `place`.
fn confined(place: &Path, port: u16) -> Vec<String> {
    let path = place.display();
    vec![
        format!("port {port}"),
        "bindaddress 127.0.0.1".to_owned(),
        "allow 127.0.0.0/8".to_owned(),
        "local stratum 4".to_owned(),
        "cmdport 0".to_owned(),
        format!("bindcmdaddress {path}/run/chronyd.sock"),
        format!("pidfile {path}/chronyd.pid"),
        format!("driftfile {path}/drift"),
        format!("dumpdir {path}/dump"),
    ]
}

fn start(place: &Place, options: &[&str], port: u16) -> Daemon {
    let directives = confined(&place.0, port);
    let words: Vec<&str> = options.iter().copied().chain(directives.iter().map(String::as_str)).collect();
    Daemon(
        place
            .chronyd(&words)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts"),
    )
}

#[test]
fn words_that_end_at_once() {
    let place = Place::new("words");
    for option in ["-v", "--version"] {
        let output = place.run(&[option]);
        assert!(
            output.status.success()
                && text(&output.stdout).starts_with("chronyd (chrony) version 4.8 (+CMDMON")
        );
    }
    let help = place.run(&["-h"]);
    assert!(
        help.status.success() && text(&help.stdout).starts_with("Usage: chronyd [OPTION]... [DIRECTIVE]...")
    );
    let unknown = place.run(&["-Z"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(text(&unknown.stderr), "chronyd: invalid option -Z\n");
    assert!(text(&unknown.stdout).starts_with("Usage: chronyd "));
    let printed = place.run(&["-p", "server  a.example   iburst", "port 1"]);
    assert_eq!(
        (text(&printed.stdout).as_str(), printed.status.code()),
        ("server a.example iburst\nport 1\n", Some(0))
    );
    let refused = place.run(&["-p", "port  1", "nonsense  7", "port 2"]);
    assert_eq!((text(&refused.stdout).as_str(), refused.status.code()), ("port 1\nnonsense 7\n", Some(1)));
    assert!(text(&refused.stderr).contains("Fatal error : Invalid directive nonsense at line 2"));
    let wrong = place.run(&["-d", "port 1", "nonsense 7"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("Z Fatal error : Invalid directive nonsense at line 2"));
    let missing = place.run(&["-d", "-f", "/no/such/file"]);
    assert!(
        text(&missing.stderr)
            .contains("Fatal error : Could not open /no/such/file : No such file or directory")
    );
}

#[test]
fn directives_are_explained() {
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timeball"));
        command.arg("run").args(words).output().expect("the program starts")
    };
    let all = run(&["--help-config"]);
    assert!(all.status.success() && text(&all.stdout).contains("\n    makestep THRESHOLD LIMIT\n"));
    let one = run(&["--help-config", "makestep"]);
    assert!(one.status.success() && text(&one.stdout).starts_with("    makestep THRESHOLD LIMIT\n"));
    let none = run(&["--help-config", "makestop"]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(text(&none.stderr), "There is no directive \"makestop\". Did you mean \"makestep\"?\n");
}

#[test]
fn it_serves_soon_and_leaves_nothing_but_its_state() {
    let (place, port) = (Place::new("serve"), free_port());
    let began = Instant::now();
    let daemon = start(&place, &["-d"], port);
    let reply = ask(port);
    let took = began.elapsed();
    // Milliseconds on an idle machine, and nothing here may wait for a name or a server even on a busy one.
    assert!(took < Duration::from_secs(5), "the first answer took {took:?}");
    assert_eq!((reply[0], reply[1]), (0x24, 4), "version 4, server, stratum 4");
    assert_eq!(reply[24..32], [1, 2, 3, 4, 5, 6, 7, 8], "our own time stamp comes back");
    let (socket, pid) = (place.file("run/chronyd.sock"), place.file("chronyd.pid"));
    wait_until("no command socket", || {
        UnixDatagram::unbound().is_ok_and(|probe| probe.connect(&socket).is_ok())
    });
    assert_eq!(fs::metadata(place.file("run")).expect("made").mode() & 0o007, 0, "others may not enter");
    assert_eq!(fs::read_to_string(&pid).expect("written").trim(), daemon.0.id().to_string());

    let directives = confined(&place.0, port);
    let words: Vec<&str> = ["-d"].into_iter().chain(directives.iter().map(String::as_str)).collect();
    let second = place.run(&words);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("Fatal error : Another chronyd may already be running (pid="));

    assert_eq!(daemon.end(), Some(0));
    assert!(!socket.exists() && !pid.exists());
    assert_eq!(fs::read_to_string(place.file("drift")).expect("written at the end").len(), 42);
}

#[test]
fn the_background_is_entered_when_ready_and_errors_come_back() {
    let (place, port) = (Place::new("background"), free_port());
    let log = place.file("log");
    let mut directives = confined(&place.0, port);
    let words = |directives: &[String]| -> Vec<String> {
        let options = ["-l", log.to_str().expect("plain")].map(str::to_owned);
        options.into_iter().chain(directives.iter().cloned()).collect()
    };
    let run = |words: &[String]| place.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let started = run(&words(&directives));
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    // Ready means ready: no waiting here.
    let pid: u32 =
        fs::read_to_string(place.file("chronyd.pid")).expect("ready").trim().parse().expect("a number");
    let reply = ask(port);
    assert_eq!(reply[1], 4);
    signal("HUP", pid);
    wait_until("it does not end", || !place.file("chronyd.pid").exists());

    directives.push("nonsense".to_owned());
    let failed = run(&words(&directives));
    assert_eq!(failed.status.code(), Some(1));
    assert!(text(&failed.stderr).starts_with("Fatal error : Invalid directive nonsense at line 10"));
    wait_until("the log says so too", || {
        fs::read_to_string(&log)
            .is_ok_and(|text| text.contains("chronyd exiting") && text.contains("Z Fatal error : "))
    });
}

#[test]
fn a_time_limit_tells_whether_there_was_time() {
    let place = Place::new("limit");
    let without = place.run(&["-t", "0", "-d", "port 0", "cmdport 0", "bindcmdaddress /", "pidfile /"]);
    assert_eq!(without.status.code(), Some(1));
    assert!(text(&without.stderr).contains("Z Timeout reached\n"));
    let local =
        place.run(&["-t", "0", "-d", "local", "port 0", "cmdport 0", "bindcmdaddress /", "pidfile /"]);
    assert_eq!(local.status.code(), Some(0));
}

#[test]
fn a_full_device_is_told_and_an_option_nobody_reads_is_refused() {
    let program = || Command::new(env!("CARGO_BIN_EXE_timeball"));
    for words in [&["demo", "--help"][..], &["run", "--help"], &["run", "-p", "port 0"], &["--help"]] {
        let full = fs::File::options().write(true).open("/dev/full").expect("Linux has it");
        let status = program().args(words).stdout(full).stderr(Stdio::null()).status().expect("it runs");
        assert_eq!(status.code(), Some(1), "{words:?}");
    }
    let refused = program().args(["sources", "--wy"]).output().expect("it runs");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(text(&refused.stderr), "sources has no option --wy, did you mean --why?\n");
}

#[test]
fn one_command_prints_one_json_document() {
    let (place, port) = (Place::new("json"), free_port());
    let daemon = start(&place, &["-d"], port);
    let socket = place.file("run/chronyd.sock");
    wait_until("no command socket", || {
        UnixDatagram::unbound().is_ok_and(|probe| probe.connect(&socket).is_ok())
    });
    let json = |command: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_timeball"));
        program.args(["--json", "-h"]).arg(&socket).args(command.split(' '));
        text(&program.output().expect("the program starts").stdout)
    };
    assert_eq!(json("sources"), "[]\n");
    assert_eq!(json("clients"), "[]\n");
    let key = json("keygen 7 AES128");
    assert!(key.starts_with("{\"key\":\"7 AES128 HEX:") && key.ends_with("\"}\n"), "{key}");
    assert_eq!(daemon.end(), Some(0));
}

/// A thermometer that is named is read, and what is known of it is told beside the clock.
#[test]
fn a_thermometer_is_read_from_its_file() {
    let place = Place::new("thermometer");
    let (sensor, socket) = (place.file("sensor"), place.file("run/chronyd.sock"));
    fs::write(&sensor, "35125\n").expect("a fresh folder");
    let mut words = confined(&place.0, 0);
    words.push(format!("temperature {}", sensor.display()));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let quiet = |mut command: Command| command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut daemon =
        Daemon(quiet(place.chronyd(&[&["-d"], &words[..]].concat())).expect("the program starts"));
    let ask = |question: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_timeball"));
        let output = command.arg("-h").arg(&socket).arg("--json").args(question).output();
        text(&output.expect("the program starts").stdout)
    };
    let name = format!("\"sensor\":\"{}\"", sensor.display());
    wait_until("the thermometer is told of", || {
        let told = ask(&["sources", "--why", "thermometer"]);
        told.contains("\"temperature_celsius\":35.125") && told.contains(&name)
    });
    let tracking = ask(&["tracking"]);
    assert!(tracking.starts_with("{\"ref_id\":") && tracking.contains("\"stratum\":"), "{tracking}");
    let (_, thermometer) = tracking.split_once(",\"thermometer\":{").expect("told with the clock");
    for part in
        [name.as_str(), "\"used\":false", "\"temperature_celsius\":35.125", "\"gain_ppm_per_kelvin\":0"]
    {
        assert!(thermometer.contains(part), "{part}: {tracking}");
    }
    assert!(thermometer.ends_with("}}\n"), "{tracking}");
    assert!(daemon.0.try_wait().expect("it was started").is_none(), "it goes on");
}
