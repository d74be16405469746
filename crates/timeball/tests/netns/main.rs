//! Timeball among real peers, in a network namespace: Debian's chronyd and chronyc.
//!
//! Needs root and the packages that `./ci` installs; says SKIPPED where they are missing. No daemon here has the right
//! to set the machine's clock.

mod changes;
mod doctor;
mod exporters;
mod find_sources;
mod interleaved;
mod keys;
mod lab;
mod peers;
mod peers_interleaved;
mod ptp;
mod refclocks;
mod resolver;

use lab::{Lab, TIMEBALL, alias, example, ready, skip};
use std::time::{Duration, Instant};

/// Ends the test with a loud word where the machine has not what it takes.
macro_rules! need_lab {
    ($name:literal) => {
        match ready() {
            Ok(()) => Lab::new($name),
            Err(why) => return skip($name, &why),
        }
    };
}

/// Five chronyds behind paths of 10 to 40 ms, and our daemon that follows them and serves on 10.9.3.1.
fn five_servers(lab: &mut Lab, v6: bool) -> String {
    let net = |group: u32, host: u32| {
        if v6 { format!("fd00:9:{group}::{host}") } else { format!("10.9.{group}.{host}") }
    };
    let all: Vec<String> =
        (1..=5).flat_map(|i| [net(1, i), net(2, i)]).chain([net(3, 1), net(3, 2)]).collect();
    lab.addresses(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let mut sources = String::new();
    for i in 1..=5 {
        lab.chronyd_server(&format!("up{i}"), &net(1, i), 1);
        let way = 5.0 + 3.75 * f64::from(i - 1);
        lab.relay(&format!("relay{i}"), &net(2, i), &net(1, i), way, way, 0.3);
        sources += &format!("server {} iburst minpoll 2 maxpoll 4\n", net(2, i));
    }
    let dir = lab.dir().display().to_string();
    let everyone = if v6 { "fd00::/8" } else { "10.0.0.0/8" };
    let text = format!(
        "{sources}allow {everyone}\nallow 127.0.0.1\nbindaddress {}\nbindcmdaddress {dir}/s/chronyd.sock\n\
         driftfile {dir}/drift\ndumpdir {dir}/dump\npidfile {dir}/tb.pid\nopencommands tracking sources sourcestats activity sourcename\n",
        net(3, 1)
    );
    let config = lab.file("tb.conf", &text);
    lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    net(3, 1)
}

/// chronyc over the Unix socket of our daemon.
fn chronyc(lab: &Lab, program: &str, args: &[&str]) -> String {
    let socket = format!("{}/s/chronyd.sock", lab.dir().display());
    let mut all = vec!["-h", socket.as_str()];
    all.extend(args);
    lab.says(program, &all)
}

/// What our daemon believes its clock to be off by, s.
fn correction(lab: &Lab) -> Option<f64> {
    chronyc(lab, "chronyc", &["-n", "-c", "tracking"]).trim().split(',').nth(4)?.parse().ok()
}

fn follows_five(test: &str, v6: bool) {
    let mut lab = match ready() {
        Ok(()) => Lab::new(test),
        Err(why) => return skip(test, &why),
    };
    let ours = five_servers(&mut lab, v6);
    lab.wait("five sources reachable, one selected, the clock within a millisecond", 120, |lab| {
        let socket = format!("{}/s/chronyd.sock", lab.dir().display());
        let out = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "sources"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let good =
            text.lines().filter(|l| l.starts_with("^,*") || l.starts_with("^,+") || l.starts_with("^,-"));
        text.contains("^,*") && good.count() == 5 && correction(lab).is_some_and(|c| c.abs() < 1e-3)
    });
    let tracking = chronyc(&lab, "chronyc", &["-n", "-c", "tracking"]);
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    assert_eq!(fields.len(), 14, "{tracking}");
    assert_eq!((fields[2], fields[13]), ("2", "Normal"));
    // All these clocks are one clock: whatever we believe it to be off by is our error. The relays' jitter is 0.3 ms,
    // and that of a busy machine comes on top.
    lab.wait("within two milliseconds", 30, |lab| correction(lab).is_some_and(|c| c.abs() < 2e-3));
    let root_delay: f64 = fields[10].parse().unwrap();
    assert!((0.009..0.06).contains(&root_delay), "{tracking}");

    for (report, lines) in
        [("sourcestats", 7), ("sources", 7), ("selectdata", 7), ("activity", 6), ("serverstats", 11)]
    {
        let text = chronyc(&lab, "chronyc", &["-n", report]);
        assert_eq!(text.lines().count(), lines, "{report}:\n{text}");
    }
    // Test C (the third of the last four) refuses what came too late on a busy machine: let all pass at one moment.
    let mut ntpdata = String::new();
    lab.wait("five last answers that pass all tests", 60, |lab| {
        ntpdata = chronyc(lab, "chronyc", &["-n", "ntpdata"]);
        ntpdata.matches("NTP tests       : 111 111 1111").count() == 5
    });
    assert!(ntpdata.contains("RX timestamping : Kernel"), "{ntpdata}");

    changes(&lab, v6);
    others_follow_us(&mut lab, &ours, v6);
    layouts_of_today(&lab);
}

/// add, delete, burst, offline, online.
fn changes(lab: &Lab, v6: bool) {
    let extra = if v6 { "fd00:9:1::1" } else { "10.9.1.1" };
    assert!(chronyc(lab, "chronyc", &[&format!("add server {extra} iburst")]).contains("200 OK"));
    let twice = lab.inside(
        "chronyc",
        &["-h", &format!("{}/s/chronyd.sock", lab.dir().display()), "add", "server", extra],
    );
    assert!(String::from_utf8_lossy(&twice.stdout).contains("511 Source already present"));
    assert!(chronyc(lab, "chronyc", &["-n", "sources"]).contains(extra));
    assert!(chronyc(lab, "chronyc", &["burst 2/4"]).contains("200 OK"));
    assert!(chronyc(lab, "chronyc", &["-c", "activity"]).starts_with("0,0,6,0,0"));
    assert!(chronyc(lab, "chronyc", &[&format!("offline {extra}")]).contains("200 OK"));
    assert!(chronyc(lab, "chronyc", &[&format!("delete {extra}")]).contains("200 OK"));
    assert_eq!(chronyc(lab, "chronyc", &["-n", "sources"]).lines().count(), 7);
    for command in
        ["reselect", "refresh", "dump", "cyclelogs", "rekey", "reload sources", "onoffline", "online"]
    {
        assert!(chronyc(lab, "chronyc", &[command]).contains("200 OK"), "{command}");
    }
    assert!(chronyc(lab, "chronyc", &["accheck 10.1.2.3"]).contains(if v6 { "209" } else { "208" }));
    // The same commands are refused from the network, the open reports are not.
    let out = lab.inside("chronyc", &["-h", "127.0.0.1", "-n", "delete", extra]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("501 Not authorised"));
    assert!(lab.says("chronyc", &["-h", "127.0.0.1", "-n", "tracking"]).contains("Leap status     : Normal"));
    let dump = if v6 { "fd00:9:2::1.dat" } else { "10.9.2.1.dat" };
    assert!(lab.dir().join("dump").join(dump).exists());
}

/// A real chronyd takes its time from us.
fn others_follow_us(lab: &mut Lab, ours: &str, v6: bool) {
    let dir = lab.dir().display().to_string();
    let own = if v6 { "fd00:9:3::2" } else { "10.9.3.2" };
    let config = lab.file(
        "down.conf",
        &format!(
            "server {ours} iburst minpoll 4 maxpoll 4\nbindacqaddress {own}\nport 0\ncmdport 0\nbindcmdaddress {dir}/down/chronyd.sock\npidfile {dir}/down.pid\n"
        ),
    );
    lab.start("down", "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]);
    let socket = format!("{dir}/down/chronyd.sock");
    lab.wait("a real chronyd selects us", 60, |lab| {
        let out = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "sources"]);
        String::from_utf8_lossy(&out.stdout).starts_with("^,*")
    });
    let tracking = lab.says("chronyc", &["-h", &socket, "-n", "-c", "tracking"]);
    let fields: Vec<&str> = tracking.trim().split(',').collect();
    assert_eq!((fields[2], fields[13]), ("3", "Normal"), "{tracking}");
    lab.wait("a real chronyd finds us within five milliseconds", 60, |lab| {
        let out = lab.inside("chronyc", &["-h", &socket, "-n", "-c", "tracking"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        text.split(',').nth(4).and_then(|field| field.parse::<f64>().ok()).is_some_and(|c| c.abs() < 5e-3)
    });

    // Our command line prints of a real chronyd what chronyc prints of it.
    for command in [
        &["-n", "tracking"][..],
        &["-n", "sources"],
        &["-n", "-c", "sources"],
        &["-n", "sourcestats"],
        &["-n", "-c", "sourcestats"],
        &["-c", "activity"],
        &["activity"],
        &["-n", "selectdata"],
        &["-n", "-c", "selectdata"],
        &["-n", "authdata"],
    ] {
        let with = |program: &str| {
            let mut all = vec!["-h", socket.as_str()];
            all.extend(command);
            let out = lab.inside(program, &all);
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            // The pending correction and the dispersion change from one microsecond to the next.
            let text = if command.contains(&"tracking") { masked(&text) } else { text };
            (text, out.status.code())
        };
        let chronyc = alias(lab, "chronyc");
        // Numbers move between two calls; ask until all calls saw the same state.
        let end = Instant::now() + Duration::from_secs(60);
        let mut same = false;
        while !same && Instant::now() < end {
            let theirs = with("chronyc");
            same = theirs == with(TIMEBALL) && theirs == with(&chronyc) && theirs == with("chronyc");
        }
        assert!(same, "{command:?}: chronyc {:?}, ours {:?}", with("chronyc"), with(TIMEBALL));
    }
}

/// Decimal fractions without their digits.
fn masked(text: &str) -> String {
    let mut in_fraction = false;
    text.chars()
        .map(|c| {
            in_fraction = c == '.' || in_fraction && c.is_ascii_digit();
            if in_fraction && c.is_ascii_digit() { '0' } else { c }
        })
        .collect()
}

/// serverstats and ntpdata in the layouts of chrony 4.6.
fn layouts_of_today(lab: &Lab) {
    let chronyc46 = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/trixie/chronyc");
    if !std::path::Path::new(chronyc46).exists() {
        return skip(
            "layouts of chrony 4.6",
            "target/trixie/chronyc is missing: tests/fetch-chronyc brings it",
        );
    }
    let stats = chronyc(lab, chronyc46, &["serverstats"]);
    assert_eq!(stats.lines().count(), 17, "{stats}");
    let kernel = stats.lines().find(|l| l.starts_with("NTP kernel RX timestamps")).expect("the line");
    assert!(!kernel.ends_with(" 0"), "{stats}");
    let data = chronyc(lab, chronyc46, &["-n", "-c", "ntpdata"]);
    assert_eq!(data.lines().next().expect("a source").split(',').count(), 38, "{data}");
    for report in ["tracking", "sources", "sourcestats", "selectdata", "authdata", "activity"] {
        chronyc(lab, chronyc46, &["-n", report]);
    }
    for command in ["local stratum 12", "local off"] {
        assert!(chronyc(lab, chronyc46, &[command]).contains("200 OK"), "{command}");
    }
}

#[test]
fn selects_among_five_chronyds_over_ipv4() {
    follows_five("v4", false);
}

#[test]
fn selects_among_five_chronyds_over_ipv6() {
    follows_five("v6", true);
}

#[test]
fn requests_tell_nothing_and_use_a_port_each() {
    let mut lab = need_lab!("privacy");
    lab.addresses(&["10.9.4.1"]);
    lab.start("server", &example("ntp_probe"), &["record", "10.9.4.1", "123", "60"]);
    let dir = lab.dir().display().to_string();
    let config = lab.file(
        "tb.conf",
        &format!("server 10.9.4.1 minpoll -4 maxpoll -4 iburst\nport 0\ncmdport 0\nbindcmdaddress {dir}/s/tb.sock\npidfile /\n"),
    );
    lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    lab.wait("a hundred requests", 60, |lab| lab.log("server").lines().count() >= 100);
    let log = lab.log("server");
    let requests: Vec<(u16, Vec<u8>)> = log
        .lines()
        .filter_map(|line| {
            let (port, hex) = line.strip_prefix("request port=")?.split_once(" hex=")?;
            let bytes = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok());
            Some((port.parse().ok()?, bytes.collect::<Option<Vec<u8>>>()?))
        })
        .collect();
    assert!(requests.len() >= 100);
    let mut ports: Vec<u16> = requests.iter().map(|r| r.0).collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.len() * 10 > requests.len() * 9, "{} ports for {} requests", ports.len(), requests.len());
    let mut ones = 0;
    for (_, bytes) in &requests {
        assert_eq!(bytes.len(), 48);
        assert_eq!(bytes[0], 0b00_100_011, "leap 0, version 4, mode 3");
        assert_eq!((bytes[1], bytes[3]), (0, 32), "stratum and precision");
        assert!(bytes[4..40].iter().all(|&b| b == 0), "nothing about us: {bytes:02x?}");
        ones += bytes[40..48].iter().map(|b| b.count_ones()).sum::<u32>();
    }
    // 64 random bits each: the share of ones is a half within six standard deviations.
    let bits = requests.len() as f64 * 64.0;
    assert!((f64::from(ones) - bits / 2.0).abs() < 6.0 * (bits / 4.0).sqrt(), "{ones} of {bits}");
}

#[test]
fn answers_at_once_survives_a_flood_and_stays_small() {
    let mut lab = need_lab!("flood");
    lab.addresses(&["10.9.5.1"]);
    let dir = lab.dir().display().to_string();
    // The upstream does not exist: leap 3 from the first moment on.
    let config = lab.file(
        "tb.conf",
        &format!("server 10.9.5.99 iburst\nallow 10.0.0.0/8\ncmdport 323\nbindcmdaddress {dir}/s/tb.sock\npidfile /\n"),
    );
    let began = Instant::now();
    let pid = lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    let probe = example("ntp_probe");
    let first = lab.says(&probe, &["ask", "10.9.5.1", "123", "20"]);
    let line = first.lines().find(|l| l.starts_with("answer")).expect("an answer").to_owned();
    println!(
        "first answers within {:?} of the start (processes of the test included): {line}",
        began.elapsed()
    );
    assert!(line.contains("from=10.9.5.1 leap=3 version=4 mode=4 stratum=0 len=48"), "{line}");
    assert!(line.ends_with("origin=true"), "{line}");

    let (before, own) = (memory_kb(pid, "VmRSS"), memory_kb(pid, "RssAnon"));
    println!("resident when idle: {before} kB, {own} kB of it no file's");
    // The budget of 4096 kB is that of the program as built for use, and `tests/sizes` holds it; more of the pages of an
    // unoptimised one, eight times as large, are resident.
    let budget = if cfg!(debug_assertions) { 10_240 } else { 4096 };
    assert!(before <= budget, "idle resident set {before} kB");
    let mut held = own;
    for seed in ["1", "2"] {
        for port in ["123", "323"] {
            let text = lab.says(&probe, &["flood", "10.9.5.1", port, "50000", seed]);
            assert!(text.contains("longer=0 unasked=0"), "port {port}: {text}");
            println!("port {port}: {}", text.trim());
        }
        // What has room for clients (512 KiB, with stamps held) and for the log of requests (256 KiB) was taken at the start and is
        // touched as it fills: a few pages, for those who flood are few. A second flood finds all of it touched. Pages of program
        // text come and go with what runs: they count in the budget only.
        let (before, after) = (held, memory_kb(pid, "VmRSS"));
        held = memory_kb(pid, "RssAnon");
        println!("resident after the flood: {after} kB, {held} kB of it no file's");
        let room = if seed == "1" { 256 } else { 64 };
        assert!(held <= before + room, "memory of its own grew from {before} to {held} kB");
        assert!(after <= budget + 768, "resident set after the flood {after} kB");
    }
    // Where the machine was too busy to read all of the flood, the address it came from has a share of one answer a second now,
    // which doubles every three: twenty tries of 0.3 s are more than that takes.
    let after = lab.says(&probe, &["ask", "10.9.5.1", "123", "20"]);
    assert!(after.lines().any(|line| line.starts_with("answer")), "still alive: {after}");
}

/// A line of the daemon's status (`ip netns exec` and `setpriv` replace themselves by it), such as `VmRSS`, kB.
fn memory_kb(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    assert!(status.starts_with("Name:\ttimeball"), "{status}");
    let line = status.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')));
    line.expect("a line of memory").split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

/// 32 sources with every kind of fault that one can make, and what `sources --why` says of them.
#[test]
fn every_source_is_explained() {
    let mut lab = need_lab!("why");
    let good: Vec<String> = (1..=26).map(|host| format!("10.9.6.{host}")).collect();
    let all: Vec<&str> = good.iter().map(String::as_str).chain(["10.9.6.30", "10.9.6.31"]).collect();
    lab.addresses(&all);
    let dir = lab.dir().display().to_string();
    // One for all the good addresses, on a port of its own.
    let config =
        format!("local stratum 1\nallow all\nport 2123\ncmdport 0\nbindcmdaddress /\npidfile {dir}/up.pid\n");
    let config = lab.file("up.conf", &config);
    lab.start("up", "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]);
    lab.chronyd_server("near", "10.9.6.30", 1);
    let config = format!(
        "port 123\nallow all\nbindaddress 10.9.6.31\ncmdport 0\nbindcmdaddress /\npidfile {dir}/lost.pid\n"
    );
    let config = lab.file("lost.conf", &config);
    lab.start("lost", "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]);
    lab.addresses(&["10.9.6.40"]);
    lab.relay("relay", "10.9.6.40", "10.9.6.30", 6.0, 4.0, 0.5);
    let mut lines: String =
        good[..25].iter().map(|a| format!("server {a} port 2123 iburst minpoll 2 maxpoll 3\n")).collect();
    for line in [
        "10.9.6.26 port 2123 iburst minpoll 2 maxpoll 3 offset 0.05",
        "10.9.6.30 iburst minpoll 2 maxpoll 3 noselect",
        "10.9.6.31 iburst minpoll 2 maxpoll 3",
        "10.9.6.40 iburst minpoll 2 maxpoll 3",
        "10.9.6.97 iburst minpoll 2 maxpoll 3",
        "10.9.6.98 offline",
        "nobody.invalid iburst",
    ] {
        lines += &format!("server {line}\n");
    }
    lines += &format!(
        "port 0\ncmdport 0\nbindcmdaddress {dir}/s/tb.sock\ndriftfile {dir}/drift\ndumpdir {dir}/state\npidfile /\ncombinelimit 1000000\n"
    );
    let config = lab.file("tb.conf", &lines);
    lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    let socket = format!("{dir}/s/tb.sock");
    let why = |lab: &Lab, words: &[&str]| {
        let mut all = vec!["-h", socket.as_str(), "sources", "--why"];
        all.extend(words);
        let out = lab.inside(TIMEBALL, &all);
        (text(&out.stdout), text(&out.stderr), out.status.code())
    };
    // What is said of the path needs samples; a busy machine may lose some at first.
    lab.wait("32 sources explained", 90, |lab| {
        let said = why(lab, &[]).0;
        said.lines().count() == 32
            && said.contains("10.9.6.26: falseticker. It says our clock is ")
            && said.contains("10.9.6.40: combined.")
            && said.matches(" of the offset").count() >= 8
    });
    let (said, _, status) = why(&lab, &[]);
    assert_eq!(status, Some(0));
    let of =
        |name: &str| said.lines().find(|line| line.contains(&format!(" {name}: "))).expect("a line for it");
    assert!(of("10.9.6.26").contains("; the majority says "), "{}", of("10.9.6.26"));
    assert!(of("10.9.6.30").contains("only watched. Its option noselect"), "{}", of("10.9.6.30"));
    assert!(of("10.9.6.31").contains("unsynchronised. It says itself"), "{}", of("10.9.6.31"));
    assert!(of("10.9.6.40").contains("Its packets need at least "), "{}", of("10.9.6.40"));
    assert!(of("10.9.6.97").contains("and no usable answer so far"), "{}", of("10.9.6.97"));
    assert!(of("10.9.6.98").contains("It is not asked until it is online."), "{}", of("10.9.6.98"));
    assert!(of("nobody.invalid").contains("Its name has no address yet."), "{}", of("nobody.invalid"));

    lab.wait("enough samples to learn from", 120, |lab| {
        let sources = ntp::report::json_read::Value::parse(&why(lab, &["--json"]).0).expect("JSON");
        let samples = |source: &ntp::report::json_read::Value| source.get("samples").and_then(|n| n.number());
        sources.list().is_some_and(|l| l.iter().filter_map(samples).filter(|n| *n >= 8.0).count() >= 20)
    });
    let (one, _, _) = why(&lab, &["10.9.6.40"]);
    assert_eq!(one.lines().count(), 1);
    let (_, error, status) = why(&lab, &["10.9.6.41"]);
    assert!(error.contains("There is no source \"10.9.6.41\"") && status == Some(1), "{error}");
    let (json, _, _) = why(&lab, &["--json", "10.9.6.40"]);
    let value = ntp::report::json_read::Value::parse(&json).expect("JSON");
    let source = &value.list().expect("a list")[0];
    let round_trip = source.get("round_trip_s").and_then(|value| value.number()).expect("known");
    assert!((0.008..0.03).contains(&round_trip), "6 ms there and 4 ms back: {json}");
    let (json, _, _) = why(&lab, &["--json"]);
    assert_eq!(ntp::report::json_read::Value::parse(&json).and_then(|v| v.list().map(<[_]>::len)), Some(32));

    // Its end leaves what was learned, and the next start takes it.
    assert_eq!(lab.stop("timeball"), Some(0));
    let learned = std::fs::read_to_string(format!("{dir}/state/learned")).expect("written at the end");
    assert!(ntp::learned::Learned::parse(&learned).is_ok_and(|l| l.paths.len() >= 20), "{learned}");
    std::fs::write(format!("{dir}/state/learned"), &learned[..learned.len() / 2]).expect("our own file");
    lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    lab.wait("a torn file is said", 30, |lab| {
        lab.log("timeball").contains("state/learned : torn or changed")
    });

    // A real chronyd has no such words.
    let down = lab.file(
        "down.conf",
        &format!("port 0\ncmdport 0\nbindcmdaddress {dir}/d/chronyd.sock\npidfile {dir}/d.pid\n"),
    );
    lab.start("down", "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &down]);
    let theirs = format!("{dir}/d/chronyd.sock");
    lab.wait("a real chronyd answers", 30, |lab| {
        lab.inside("chronyc", &["-h", &theirs, "activity"]).status.success()
    });
    let out = lab.inside(TIMEBALL, &["-h", &theirs, "sources", "--why"]);
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(text(&out.stderr), "sources --why needs Timeball's daemon\n");
}

/// Somebody types `timeball run`: no root, no configuration, no network.
#[test]
fn a_newcomer_gets_a_server_and_an_answer() {
    let mut lab = need_lab!("newcomer");
    let home = lab.dir().join("home");
    std::fs::create_dir(&home).expect("a folder");
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).expect("root may");
    let home_variable = format!("HOME={}", home.display());
    let program = lab.dir().join("timeball");
    std::fs::copy(TIMEBALL, &program).expect("a copy that everybody may run");
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "env", "-i", &home_variable];
    let words = |last: &[&'static str]| -> Vec<String> {
        let program = program.to_string_lossy().into_owned();
        user.iter()
            .map(ToString::to_string)
            .chain([program])
            .chain(last.iter().map(ToString::to_string))
            .collect()
    };
    let run = words(&["run"]);
    lab.start("run", "setpriv", &run.iter().map(String::as_str).collect::<Vec<_>>());
    let mut probe = String::new();
    lab.wait("an answer on the spare port", 10, |lab| {
        probe = text(&lab.inside(&example("ntp_probe"), &["ask", "127.0.0.1", "11123"]).stdout);
        probe.contains("leap=3")
    });
    let status = words(&[]);
    let status = lab.inside("setpriv", &status.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(status.status.code(), Some(1), "not synchronised");
    let said = text(&status.stdout);
    assert!(said.starts_with("The clock is not synchronised.\n"), "{said}");
    assert!(said.contains("/home/.local/state/timeball/run/timeball.sock"), "{said}");
    std::thread::sleep(std::time::Duration::from_secs(8));
    assert_eq!(lab.stop("run"), Some(0), "{}", lab.log("run"));
    let log = lab.log("run");
    for words in ["built-in", "Following pool.ntp.org", "port 11123", "State is kept in", "timeball exiting"]
    {
        assert!(log.contains(words), "{words}:\n{log}");
    }
    assert!(log.lines().count() <= 20, "too much to read:\n{log}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
