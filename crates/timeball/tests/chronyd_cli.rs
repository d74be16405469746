//! The command line against Debian's: the same words must give the same requests, output, complaints and status.
//!
//! Two judges: a real `chronyd -x` (which may not touch the clock) whose reports both command lines print, and a
//! recorder that keeps what both of them send. Skipped, loudly, where chrony is not installed or we are not root.

use std::collections::HashMap;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// A directory of our own, with our program under chronyc's name; gone at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("timeball-cli-{name}-{}", std::process::id()));
        fs::create_dir(&dir).expect("the temporary directory is writable");
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("ours");
        symlink(env!("CARGO_BIN_EXE_timeball"), dir.join("chronyc")).expect("a fresh directory");
        Self(dir)
    }

    fn ours(&self) -> PathBuf {
        self.0.join("chronyc")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // left behind in the worst case
    }
}

/// A daemon that ends with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait(); // both: nothing to be done about a failure here
    }
}

/// What a run of a command line printed, and its status.
#[derive(Debug, PartialEq)]
struct Run {
    stdout: String,
    stderr: String,
    status: Option<i32>,
}

fn run(program: &Path, args: &[&str]) -> Run {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().expect("the program starts");
    Run {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code(),
    }
}

/// Debian's programs, or why this test cannot run.
fn chrony() -> Option<(PathBuf, PathBuf)> {
    let (chronyc, chronyd) = (PathBuf::from("/usr/bin/chronyc"), PathBuf::from("/usr/sbin/chronyd"));
    if !chronyc.exists() || !chronyd.exists() {
        eprintln!("SKIPPED: chrony is not installed (apt install chrony)");
        return None;
    }
    let root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
    if !root {
        eprintln!("SKIPPED: only root can start chronyd");
        return None;
    }
    let version = run(&chronyc, &["-v"]).stdout;
    if !version.contains("version 4.3") {
        eprintln!("SKIPPED: this chronyc is not release 4.3, whose texts are known here: {version}");
        return None;
    }
    Some((chronyc, chronyd))
}

/// Starts chronyd without the right to set clocks.
fn start(chronyd: &Path, config: &Path) -> Daemon {
    let child = Command::new("setpriv")
        .args(["--bounding-set=-sys_time", "--inh-caps=-sys_time"])
        .arg(chronyd)
        .args(["-x", "-d", "-u", "root", "-f"])
        .arg(config)
        .stderr(Stdio::null())
        .spawn()
        .expect("setpriv is part of util-linux");
    Daemon(child)
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

#[test]
fn reports_of_a_real_chronyd_look_the_same() {
    let Some((chronyc, chronyd)) = chrony() else { return };
    let place = Place::new("reports");
    let socket_dir = place.0.join("run");
    fs::create_dir(&socket_dir).expect("a fresh directory");
    fs::set_permissions(&socket_dir, fs::Permissions::from_mode(0o750)).expect("ours");
    let (server_port, command_port) = (free_port(), free_port());
    let write = |name: &str, text: String| {
        let path = place.0.join(name);
        fs::write(&path, text).expect("ours");
        path
    };
    let server = write(
        "server.conf",
        format!(
            "port {server_port}\nlocal stratum 5\nallow\ncmdport 0\nbindcmdaddress /\npidfile {}/server.pid\n",
            place.0.display()
        ),
    );
    let socket = socket_dir.join("chronyd.sock");
    let client = write(
        "client.conf",
        format!(
            "server 127.0.0.1 port {server_port} minpoll 6 iburst\nserver 127.0.0.7 port {server_port} noselect\n\
             server 127.0.0.9 port 9 offline\nserver ntp.invalid\nrefclock SHM 7 refid TEST noselect\n\
             port {}\nallow 127.0.0.1\nmanual\ncmdport {command_port}\nbindcmdaddress {}\npidfile {}/client.pid\n",
            free_port(),
            socket.display(),
            place.0.display()
        ),
    );
    let _server = start(&chronyd, &server);
    let _client = start(&chronyd, &client);

    let unix = socket.display().to_string();
    let ready = Instant::now() + Duration::from_secs(90);
    while run(&chronyc, &["-h", &unix, "waitsync", "1"]).status != Some(0) {
        assert!(Instant::now() < ready, "chronyd is not synchronised after 90 s");
        std::thread::sleep(Duration::from_millis(500));
    }

    let recording = Recording::start(&socket, &socket_dir);
    let proxy = recording.port.to_string();
    for options in [&[][..], &["-n"], &["-N"], &["-c"], &["-c", "-N"]] {
        for command in REPORTS.lines().chain(CHANGES.lines()).map(str::trim).filter(|line| !line.is_empty()) {
            recording.replies.lock().expect("no panic while it is held").clear();
            let mut args = [&["-h", "127.0.0.1", "-p", &proxy], options].concat();
            args.extend(command.split_whitespace());
            assert_eq!(
                run(&place.ours(), &args),
                run(&chronyc, &args),
                "left: ours, right: chronyc: {args:?}"
            );
        }
    }

    // Straight to the daemon, over both transports: what does not change between two questions, and what UDP may not.
    let port = command_port.to_string();
    for transport in [
        &["-h", unix.as_str()][..],
        &["-h", "127.0.0.1", "-p", &port],
        &["-h", "/nowhere,127.0.0.1", "-p", &port],
    ] {
        for command in [
            "activity",
            "sourcename 127.0.0.1",
            "accheck 127.0.0.1",
            "makestep",
            "dump",
            "ntpdata 127.0.0.99",
        ] {
            let mut args = transport.to_vec();
            args.extend(command.split_whitespace());
            // What the daemon does in between may change its answer, but not each time.
            let same = || run(&place.ours(), &args) == run(&chronyc, &args);
            if !(0..5).any(|_| same()) {
                assert_eq!(
                    run(&place.ours(), &args),
                    run(&chronyc, &args),
                    "left: ours, right: chronyc: {args:?}"
                );
            }
        }
    }
    let left =
        fs::read_dir(&socket_dir).expect("ours").flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("chronyc.")), "left behind: {left:?}");
}

/// Reports, each printed by both from the same reply.
const REPORTS: &str = "
    tracking
    sources
    sources -a
    sources -x
    sourcestats
    sourcestats -a
    selectdata
    selectdata -a
    authdata
    authdata -a
    ntpdata
    ntpdata 127.0.0.1
    ntpdata ID#0000000001
    ntpdata 127.0.0.99
    activity
    serverstats
    clients
    clients -k
    clients -p 1000
    rtcdata
    smoothing
    manual list
    sourcename 127.0.0.1
    sourcename ID#0000000001
    sourcename 127.0.0.99
    waitsync 1
    waitsync 1 0.000000000001
    waitsync 2 0 0.001 0.1
";

/// Orders, good and bad ones.
const CHANGES: &str = "
    accheck 127.0.0.1
    accheck 127.0.0.2
    cmdaccheck 127.0.0.2
    makestep
    local off
    local stratum 9
    burst 1/1 127.0.0.9
    online ID#0000000001
    offline 127.0.0.9
    minpoll 127.0.0.9 5
    delete 127.0.0.98
    allow 1.2/99
    deny 1.2.3.4
    add server 127.0.0.1
    reload sources
    refresh
    rekey
    dump
    cyclelogs
    reselect
    trimrtc
    writertc
    smoothtime reset
    settime foo
    settime 2020-01-01 00:00 UTC
    manual delete 7
    foo
";

/// Between a command line and the daemon: asks the daemon, over its Unix socket, what it has not been asked before.
struct Recording {
    port: u16,
    replies: Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>,
}

impl Recording {
    fn start(daemon: &Path, dir: &Path) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        let link = UnixDatagram::bind(dir.join("recording.sock")).expect("a fresh path");
        link.connect(daemon).expect("the daemon is there");
        link.set_read_timeout(Some(Duration::from_secs(5))).expect("a good timeout");
        let replies = Arc::new(Mutex::new(HashMap::new()));
        let known = Arc::clone(&replies);
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let request = buffer[..length].to_vec();
                // Number and body; padding differs between releases, attempt and sequence each time.
                let mut question = [&request[4..6], &request[20..]].concat();
                question.truncate(question.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                let mut known = known.lock().expect("no panic while it is held");
                let reply = known.entry(question).or_insert_with(|| {
                    link.send(&request).expect("the daemon is there");
                    loop {
                        let length = link.recv(&mut buffer).unwrap_or(0);
                        // A late reply to something else has another sequence.
                        if length == 0 || buffer.get(16..20) == request.get(8..12) {
                            return buffer[..length].to_vec();
                        }
                    }
                });
                if let Some(sequence) = reply.get_mut(16..20) {
                    sequence.copy_from_slice(&request[8..12]);
                }
                let _ = socket.send_to(reply, from); // they will repeat it
            }
        });
        Self { port, replies }
    }
}

/// A daemon that keeps every request and answers success, or "unknown" to numbers that its release does not know.
fn recorder(unknown_from: u16) -> (u16, mpsc::Receiver<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("bound").port();
    let (keep, kept) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut request = buffer[..length].to_vec();
            let unknown = u16::from_be_bytes([request[4], request[5]]) >= unknown_from;
            let mut reply = vec![6, 2, 0, 0, request[4], request[5], 0, 1, 0, if unknown { 3 } else { 0 }];
            reply.resize(16, 0);
            reply.extend_from_slice(&request[8..12]);
            reply.resize(28, 0);
            request[8..12].fill(0); // the sequence is random
            let repeated = request[6..8] != [0, 0]; // the reply came too late, on a busy machine
            if !unknown && !repeated && keep.send(request).is_err() {
                return;
            }
            let _ = socket.send_to(&reply, from); // they will repeat it
        }
    });
    (port, kept)
}

#[test]
fn every_command_line_is_read_as_chronyc_reads_it() {
    let Some((chronyc, _)) = chrony() else { return };
    read_alike("grammar", &chronyc, 72, LINES, EXPECTED);
}

/// The same with Debian trixie's chronyc, which has commands and options that 4.3 has not.
#[test]
fn every_command_line_is_read_as_chronyc_4_6_reads_it() {
    let Some(_) = chrony() else { return };
    let chronyc = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/trixie/chronyc");
    if !chronyc.exists() {
        return eprintln!("SKIPPED: target/trixie/chronyc is missing: tests/fetch-chronyc brings it");
    }
    read_alike("grammar-4.6", &chronyc, 75, &format!("{LINES}{LATER_LINES}"), EXPECTED);
}

/// Holds our reading of command lines against a chronyc's, before a daemon that knows commands below a number.
fn read_alike(name: &str, chronyc: &Path, unknown_from: u16, lines: &str, expected: &[(&str, &str)]) {
    let place = Place::new(name);
    let (port, requests) = recorder(unknown_from);
    let port = port.to_string();
    let mut differences = Vec::new();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let ask = |program: &Path| {
            let mut args = vec!["-h", "127.0.0.1", "-p", &port];
            args.extend(line.split_whitespace());
            let run = run(program, &args);
            (run, requests.try_iter().map(|request| meaning(&request)).collect::<Vec<_>>())
        };
        let (theirs, ours) = (ask(chronyc), ask(&place.ours()));
        let expected = expected.iter().any(|(known, text)| {
            *known == line && [&ours.0.stdout, &ours.0.stderr].contains(&&text.to_string())
        });
        let equal = theirs == ours || (theirs.1 == ours.1 && expected);
        if !equal {
            differences.push(format!("{line}\n  chronyc: {theirs:?}\n  ours:    {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The bytes of a request that mean something to release 4.3, in hexadecimal digits.
fn meaning(request: &[u8]) -> String {
    let number = u16::from_be_bytes([request[4], request[5]]);
    let known = match number {
        56 | 74 if request[23] == 0 => 24, // `local off`: what follows does not matter
        74 => 40,                          // `local`: what came after 4.6 follows
        64 => 364,                         // `add`: options of later releases follow
        _ => request.len(),
    };
    // Ours asks for the newest layout of some replies: longer, otherwise the same.
    let text: String = request.iter().take(known).map(|byte| format!("{byte:02x}")).collect();
    text.trim_end_matches('0').to_owned()
}

/// Where releases after 4.3 say something else, and we say what they say; and where the recorder, which knows no
/// reports, makes the two differ.
const EXPECTED: &[(&str, &str)] = &[
    ("add server 1.2.3.4 badoption", "Invalid option in add command\n"),
    ("add server 1.2.3.4 minpoll x", "Invalid option in add command\n"),
    ("add server 1.2.3.4 maxdelayquant x", "Invalid option in add command\n"),
    ("settime 2020-01-01 00:00 UTC", "508 Bad reply from daemon\n"),
    ("settime Nov 21, 2015 16:30:05", "508 Bad reply from daemon\n"),
];

const LINES: &str = "
    online
    online 1.2.3.4
    online 1.2.3.4/24
    online 255.255.0.0/1.2.3.4
    online ::1/64
    online ffff::/fe80::1
    online ID#0000000005
    online localhost
    online 1.2.3.4/33
    online 1.2.3.4/-1
    online 1.2.3.4/x
    online 255.0.0.0/::1
    online 1.2.3.4/0
    online 0/0
    online ID#5/24
    offline 1.2.3.4/24/3
    burst 3/5 1.2.3.4/8
    burst 3/5
    burst 3/5x
    burst 3/
    burst 3 5
    burst a/b
    burst 3/5 1.2.3.4/24 foo
    allow
    allow all
    allow 1.2
    allow 1/8
    allow 1.2/99
    allow 1.2.3.4/x
    allow all 1.2.3.4
    allow 1.2.3.4 5
    allow 0/0
    allow ::/0
    allow fe80::
    allow localhost
    allow localhost/24
    allow ALL
    allow 1.2.
    deny 10
    cmdallow 10
    cmddeny all 10/8
    accheck 1.2.3.4
    accheck ::1
    accheck localhost
    accheck
    accheck ID#1
    cmdaccheck 1.2.3.4 foo
    minpoll 1.2.3.4 5
    minpoll 1.2.3.4
    minpoll 1.2.3.4 5x
    minpoll 1.2.3.4 x
    minpoll 1.2.3.4 5 6
    minpoll nonexist.invalid 5
    minpoll ID#5 5
    maxpoll 1.2.3.4 10
    maxdelay 1.2.3.4 0.5s
    maxdelay 1.2.3.4 nan
    maxdelay 1.2.3.4 inf
    maxdelay 1.2.3.4 1e
    maxdelayratio 1.2.3.4 3
    maxdelaydevratio 1.2.3.4 3
    minstratum 1.2.3.4 3
    polltarget 1.2.3.4 0x10
    makestep
    makestep 1
    makestep 1 3
    makestep 1 3 4
    makestep x
    makestep 1s 3
    makestep 1 3x
    maxupdateskew 5
    maxupdateskew
    maxupdateskew x
    maxupdateskew 5x
    reselectdist 1
    reselectdist
    dfreq 1
    dfreq
    doffset 1
    doffset
    local
    local off
    local on
    local stratum 5
    local stratum 5 orphan
    local distance 1.0 orphan
    local foo
    local off foo
    local stratum
    local stratum 0
    local Stratum 5
    local OFF
    manual on
    manual off
    manual reset
    manual
    manual foo
    manual delete 1
    manual delete
    manual delete x
    manual delete 1x
    manual on x
    manual onx
    smoothtime
    smoothtime reset
    smoothtime activate
    smoothtime x
    smoothtime reset x
    reload
    reload sources
    reload sources x
    reset
    reset sources
    reset foo
    dump foo
    shutdown x
    refresh
    reselect
    rekey
    cyclelogs
    trimrtc
    writertc
    onoffline 1.2.3.4
    delete 1.2.3.4
    delete
    delete localhost
    delete 1.2.3.4 5
    delete ID#7
    delete nonexist.invalid
    delete ID#-1
    delete ID#1x
    add
    add foo x
    add server
    add server 1.2.3.4
    add server 1.2.3.4 iburst
    add server 1.2.3.4 badoption
    add server 1.2.3.4 minpoll x
    add server 1.2.3.4 minpoll 4 maxpoll 6 key 5 offline maxdelay 0.5 xleave port 11
    add Server 1.2.3.4
    add pool localhost maxsources 3
    add peer 1.2.3.4
    add server nonexist.invalid
    settime foo
    settime 2020-01-01 00:00 UTC
    settime Nov 21, 2015 16:30:05
    timeout 50
    timeout x
    timeout 100
    timeout 100x
    timeout 2147483648
    retries 31
    retries -1
    retries x
    dns foo
    dns -46
    dns +n x
    password
    authhash MD5
    tracking
    tracking -x
    -c tracking
    sources
    sourcestats -v
    ntpdata
    ntpdata 1.2.3.4
    ntpdata 1.2.3.4 5
    ntpdata ID#5
    sourcename localhost
    sourcename x.invalid
    sourcename ID#4
    clients
    clients -p 5
    clients -p
    clients -p x
    clients -k -r
    clients -x
    clients -p -1
    activity foo
    serverstats
    selectdata -b
    manual list
    waitsync 1
    waitsync 2 0 0 0.1
    waitsync 1 x
    keygen x
    keygen 1 SHA1 160 x
    keygen 1 sha1
    keygen 1 SHA1 x
    -m activity foo
    -m #x tracking
    exit foo
    exitx
    Activity
    act
    #foo
";

/// What came after 4.3.
const LATER_LINES: &str = "
    selectopts
    selectopts 1.2.3.4
    selectopts 1.2.3.4 +prefer
    selectopts 1.2.3.4 +prefer -noselect +trust +require
    selectopts 1.2.3.4 -require -trust -prefer
    selectopts 1.2.3.4 +foo
    selectopts 1.2.3.4 prefer
    selectopts GPS +noselect
    selectopts GPS1 -noselect
    selectopts LONGER +prefer
    selectopts ID#5 +prefer
    selectopts ::1 +trust
    selectopts 1.2.3.4 +PREFER
    offset
    offset 1.2.3.4
    offset 1.2.3.4 x
    offset 1.2.3.4 0.25
    offset 1.2.3.4 -1e-3
    offset PPS 0.5
    offset LONGER 0.5
    offset ::1 0.5 x
    offset ID#7 1
    local activate 0.5
    local activate
    local activate x
    local stratum 4 orphan distance 0.5 activate 2
    local waitsynced
    add server 1.2.3.4 maxdelayquant 0.5
    add server 1.2.3.4 maxdelayquant x
    add server 1.2.3.4 extfield F323
    add server 1.2.3.4 ipv4
    add server 1.2.3.4 ipv6 ipv4
    add server 1.2.3.4 filter 3 copy noselect trust require prefer
    add server 1.2.3.4 asymmetry 0.5 offset 0.1 mindelay 1e-3
    add server 1.2.3.4 minsamples 3 maxsamples 9 presend 6 version 3
    -e activity foo
    -e makestep
    -e -c makestep
    -e -m makestep dump
    -e foo
    -e exit
    -c -N makestep
    -n -c makestep
    doffset 1.5
";
