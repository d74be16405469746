//! Limits and the client table of the real daemon, asked by Debian's chronyc and by our own command line.
//!
//! In a network namespace of its own; needs root and Debian's chrony, and says SKIPPED where they are missing.

#[path = "netns/lab.rs"]
#[allow(dead_code)] // the harness of the other tests, which need more of it
mod lab;

use lab::{Lab, TIMEBALL, ready, skip};

/// Sends requests from one address at a steady pace and tells how many were answered: `sent answered kisses`.
const ASK: &str = r#"
import os, socket, sys, time
source, rate, count = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((source, 0))
sock.setblocking(False)
answers = [0, 0]
def drain():
    while True:
        try:
            reply = sock.recv(100)
        except BlockingIOError:
            return
        answers[reply[12:16] == b"RATE" and reply[1] == 0] += 1
begin = time.monotonic()
for number in range(count):
    time.sleep(max(0, begin + number / rate - time.monotonic()))
    sock.sendto(bytes([0x23]) + bytes(39) + os.urandom(8), ("10.9.3.1", 123))
    drain()
end = time.monotonic() + 2
while sum(answers) < count and time.monotonic() < end:
    time.sleep(0.05)
    drain()
print(count, *answers)
"#;

struct Daemon {
    lab: Lab,
    socket: String,
}

impl Daemon {
    fn start(test: &str, directives: &str) -> Option<Self> {
        let python = std::process::Command::new("python3").arg("-V").output().is_ok();
        if let Err(why) =
            ready().and_then(|()| if python { Ok(()) } else { Err("python3 is missing".to_owned()) })
        {
            skip(test, &why);
            return None;
        }
        let lab = Lab::new(test);
        let mut addresses: Vec<String> = (1..=30).map(|host| format!("10.9.1.{host}")).collect();
        addresses.push("10.9.3.1".to_owned());
        lab.addresses(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
        let dir = lab.dir().display().to_string();
        let config = lab.file(
            "tb.conf",
            &format!(
                "local stratum 3\nallow 10.0.0.0/8\nbindaddress 10.9.3.1\nbindcmdaddress {dir}/s/chronyd.sock\n\
                 bindcmdaddress 10.9.3.1\ncmdallow all\nopencommands clients tracking\ndumpdir {dir}\npidfile {dir}/tb.pid\n{directives}"
            ),
        );
        lab.file("ask.py", ASK);
        let mut daemon = Self { socket: format!("{dir}/s/chronyd.sock"), lab };
        daemon.run(&config);
        Some(daemon)
    }

    fn run(&mut self, config: &str) {
        self.lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", config]);
        let socket = self.socket.clone();
        self.lab.wait("the daemon answers", 20, |lab| {
            lab.inside("chronyc", &["-h", &socket, "-n", "tracking"]).status.success()
        });
    }

    /// Answers and kisses of `count` requests at `rate`.
    fn ask(&self, source: &str, rate: f64, count: u32) -> (u32, u32) {
        let script = format!("{}/ask.py", self.lab.dir().display());
        let said = self.lab.says("python3", &[&script, source, &rate.to_string(), &count.to_string()]);
        let numbers: Vec<u32> = said.split_whitespace().map(|word| word.parse().expect("a number")).collect();
        (numbers[1], numbers[2])
    }

    fn chronyc(&self, words: &[&str]) -> String {
        self.lab.says("chronyc", &[&["-h", &self.socket, "-n", "-c"], words].concat())
    }

    fn timeball(&self, words: &[&str]) -> String {
        self.lab.says(TIMEBALL, &[&["-h", &self.socket], words].concat())
    }
}

/// The line of a CSV list that begins with this address, in fields.
fn line_of<'a>(list: &'a str, address: &str) -> Option<Vec<&'a str>> {
    list.lines().map(|line| line.split(',').collect::<Vec<_>>()).find(|fields| fields[0] == address)
}

#[test]
fn clients_are_listed_page_by_page_and_begin_anew() {
    let Some(mut daemon) = Daemon::start("clients_are_listed", "requestlog 100000\n") else { return };
    for host in 1..=20 {
        assert_eq!(daemon.ask(&format!("10.9.1.{host}"), 1000.0, host), (host, 0));
    }
    let list = daemon.chronyc(&["clients"]);
    assert_eq!(list.lines().count(), 20, "{list}");
    for host in 1..=20 {
        let line = line_of(&list, &format!("10.9.1.{host}")).expect("a line");
        assert_eq!((line[1], line[2]), (host.to_string().as_str(), "0"), "{list}");
    }
    assert_eq!(daemon.chronyc(&["clients", "-p", "18"]).lines().count(), 3);
    assert_eq!(daemon.chronyc(&["clients", "-k"]).lines().count(), 20);
    assert_eq!(daemon.timeball(&["clients"]).lines().count(), 22, "with a heading");
    // Those who send commands by UDP are clients too, in the same line if they ask for time.
    let by_udp = daemon.lab.says("chronyc", &["-h", "10.9.3.1", "-n", "-c", "clients"]);
    assert_eq!(line_of(&by_udp, "10.9.3.1").map(|line| line[6] != "0"), Some(true), "{by_udp}");
    // Ours: the loudest first, with versions; and for nft.
    let top = daemon.timeball(&["clients", "--top", "2", "--json"]);
    assert!(top.starts_with("[{\"address\":\"10.9.1.20\"") && top.contains("\"versions\":[4]"), "{top}");
    assert_eq!(top.matches("\"address\"").count(), 2);
    let table = daemon.timeball(&["clients", "--sort", "hits"]);
    assert!(
        table.lines().nth(1).is_some_and(|line| line.starts_with("10.9.1.20 ") && line.contains("v4")),
        "{table}"
    );
    let set = daemon.timeball(&["clients", "--nft-set"]);
    assert!(set.contains("add set inet timeball loud4"), "{set}");
    // The log of requests knows them, without addresses.
    let replay = daemon.timeball(&["ratelimit", "replay", "last", "1h", "--interval", "3", "--burst", "1"]);
    assert!(replay.contains("210 requests of 20 clients"), "{replay}");
    assert!(replay.contains("would have dropped 1"), "some 140: {replay}");
    let auto = daemon.timeball(&["ratelimit", "replay", "last", "1h", "--auto"]);
    assert!(auto.contains("dropped 0 of them"), "{auto}");
    // Counted anew, all of them, whoever is listed.
    assert_eq!(daemon.chronyc(&["clients"]).lines().count(), 21, "with the one that sent commands");
    assert_eq!(daemon.chronyc(&["clients", "-p", "18", "-r"]).lines().count(), 3);
    let list = daemon.chronyc(&["clients"]);
    for host in 1..=20 {
        assert_eq!(line_of(&list, &format!("10.9.1.{host}")).map(|line| line[1]), Some("0"), "{list}");
    }
    assert_eq!(line_of(&list, "10.9.3.1").map(|line| line[6]), Some("0"), "{list}");
    // A restart forgets the clients, but not when requests came.
    let dir = daemon.lab.dir().to_owned();
    assert_eq!(daemon.lab.stop("timeball"), Some(0));
    let kept = std::fs::read_to_string(dir.join("requests")).expect("it was written");
    assert!(kept.starts_with('#') && !kept.contains("10.9."), "{kept}");
    daemon.run(&dir.join("tb.conf").display().to_string());
    assert_eq!(daemon.ask("10.9.1.1", 1000.0, 5), (5, 0));
    let after = daemon.timeball(&["ratelimit", "replay", "last", "1h", "--interval", "3", "--burst", "1"]);
    assert!(after.contains("215 requests of 21 clients"), "who asks again is another one: {after}");
}

#[test]
fn an_explicit_limit_answers_its_share_and_counts_the_rest() {
    let Some(daemon) = Daemon::start(
        "an_explicit_limit",
        "ratelimit interval 3 burst 4 leak 2 kod 1\ncmdratelimit interval 6 burst 2 leak 4\n",
    ) else {
        return;
    };
    // Slower than the limit never loses; the pool's probes never do.
    assert_eq!(daemon.ask("10.9.1.1", 0.5, 3), (3, 0));
    // chronyd answers a quarter, and half of the rest gets a kiss.
    let (answered, kissed) = daemon.ask("10.9.1.2", 200.0, 2000);
    assert!((400..640).contains(&answered), "{answered} of 2000");
    let refused = 2000 - answered;
    assert!((refused * 2 / 5..refused * 3 / 5).contains(&kissed), "{kissed} of {refused}");
    let list = daemon.chronyc(&["clients"]);
    let line = line_of(&list, "10.9.1.2").expect("a line");
    let dropped: u32 = line[2].parse().unwrap();
    assert_eq!((line[1], dropped + answered + kissed), ("2000", 2000), "{list}");
    let stats = daemon.chronyc(&["serverstats"]);
    let numbers: Vec<&str> = stats.trim().split(',').collect();
    assert_eq!((numbers[0], numbers[1]), ("2003", dropped.to_string().as_str()), "4.3: {stats}");
    // Commands by UDP, but from another address than the loopback: two at once, then one of sixteen.
    for _ in 0..8 {
        let words = ["-h", "10.9.3.1", "-n", "-m", "timeout 100", "retries 0", "tracking"];
        daemon.lab.inside("chronyc", &words);
    }
    let list = daemon.chronyc(&["clients"]);
    let line = line_of(&list, "10.9.3.1").expect("a line");
    let numbers = [6, 7].map(|field| line[field].parse::<u32>().expect("a number"));
    assert!(numbers[0] == 8 && (1..=6).contains(&numbers[1]), "{list}");
}

#[test]
fn the_traffic_of_the_month_survives_a_restart() {
    let Some(mut daemon) = Daemon::start("the_traffic", "trafficlimit 1MB\n") else { return };
    daemon.ask("10.9.1.1", 1000.0, 100);
    assert_eq!(daemon.lab.stop("timeball"), Some(0));
    let path = daemon.lab.dir().join("traffic");
    // The month's bytes, and those that may be sent at once (below zero: a debt).
    let written = || -> (i64, i64) {
        let text = std::fs::read_to_string(&path).expect("it was written");
        let mut words = text.trim().rsplit(' ').map(|word| word.parse().expect("a number"));
        let credit = words.next().expect("a credit");
        (words.next().expect("bytes"), credit)
    };
    let (first, credit) = written();
    assert!((1..=100 * 2 * 76).contains(&first), "{first}");
    assert!((1..=32_258).contains(&credit), "{credit}");
    let config = format!("{}/tb.conf", daemon.lab.dir().display());
    daemon.run(&config);
    // A megabyte a month is 32 kB a day: those are used up soon, and then the loud lose, the probes never.
    let (answered, _) = daemon.ask("10.9.1.2", 500.0, 5000);
    assert!(answered < 4000, "{answered} of 5000");
    assert_eq!(daemon.ask("10.9.1.3", 0.5, 3), (3, 0));
    assert_eq!(daemon.lab.stop("timeball"), Some(0));
    let (second, left) = written();
    assert!(second > first + 1000 * 76, "{first}, then {second}");
    assert!(left < credit / 2, "a restart gave no fresh credit: {credit}, then {left}");
}
