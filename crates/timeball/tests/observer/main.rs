//! The observer beside a real daemon, over loopback: what it says equals what was done, hostile visitors and full disks harm
//! nobody, and a killed daemon leaves a gap. Needs some ten seconds of real time.

mod lab;
mod truth;

use lab::{Lab, is_root, kill, total};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

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
    let said = lab.metric("timeball_cpu_seconds_total{mode=\"user\"}")
        + lab.metric("timeball_cpu_seconds_total{mode=\"system\"}");
    let stat = fs::read_to_string(format!("/proc/{}/stat", lab.pid())).expect("it lives");
    let ticks: Vec<f64> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    // Behind the state: parent, group, session, terminal, its group, flags, four faults, then the times, in whole ticks that are
    // over. (How exact it is, `truth.rs` shows.)
    let truth = (ticks[10] + ticks[11]) / 100.0;
    assert!(said <= truth + 0.02 && truth - said < 0.5, "cpu: {said}, in truth {truth}");

    // Both processes are killed: nobody can say goodbye.
    let observer = lab.observer();
    kill("KILL", observer);
    kill("KILL", lab.pid());
    let _ = lab.daemon.take().expect("a daemon").wait();
    std::thread::sleep(Duration::from_secs(5));
    // The last word of the events was torn by it.
    let events = lab.dir.join("kept/events.0");
    let mut torn = fs::read(&events).expect("events");
    torn.extend_from_slice(b"{\"serial\":99,\"at\":17");
    fs::write(&events, torn).expect("it can be written");
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
    let alarm = |lab: &Lab| {
        let all = lab.json("/api/events");
        let found =
            all["events"].as_array().expect("a list").iter().find(|event| event["short"] == "archive");
        found.cloned().unwrap_or_default()
    };
    assert!(alarm(&lab)["kind"] == "alarm" && alarm(&lab)["end"].is_null(), "{}", alarm(&lab));
    assert!(lab.json("/api/series?series=packets_in&from=-60")["series"]["packets_in"]["mean"].is_array());
    // There is room again.
    let grow = format!("mount -o remount,size=50m {}", disk.display());
    let grown =
        Command::new("nsenter").args(["-m", "-t", &lab.pid().to_string(), "sh", "-c", &grow]).status();
    assert!(grown.is_ok_and(|status| status.success()), "the disk does not grow");
    lab.wait("it does not go on", |lab| lab.json("/api/status")["archive"]["problem"].is_null());
    assert!(alarm(&lab)["end"].is_number(), "{}", alarm(&lab));
    assert_eq!(lab.log().matches("The archive cannot be written").count(), 1, "{}", lab.log());
    lab.stop();
}

#[test]
fn a_folder_that_cannot_be_written_is_said_and_harms_nobody() {
    if !is_root()
        || !Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success())
    {
        println!("SKIPPED the folder that cannot be written: only root may mount one");
        return;
    }
    let mut lab = Lab::new("readonly");
    let disk = lab.dir.join("disk");
    fs::create_dir(&disk).expect("a folder");
    let script = format!("mount -t tmpfs -o ro none {} && exec \"$@\"", disk.display());
    let folder = format!("stats interval 1 folder {}/kept", disk.display());
    lab.start_with(&["unshare", "-m", "sh", "-c", &script, "sh"], &[&folder]);
    lab.wait_for_page();
    let status = lab.json("/api/status");
    assert!(status["archive"]["problem"].as_str().is_some_and(|text| text.contains("Read-only")), "{status}");
    assert!(lab.log().contains("Read-only"), "{}", lab.log());
    assert_eq!(lab.ask("127.0.0.1", 50, Duration::ZERO), 50);
    lab.stop();
}
