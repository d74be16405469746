//! `timeball find-sources` among ten servers.

use super::lab::{Lab, TIMEBALL, example, ready, skip};
use ntp::report::json_read::Value;

/// Address, one way (ms), offset (ms), rate (ppm), one of so many requests unheard, and what is to come out.
const SERVERS: [(&str, f64, f64, f64, u32, &str); 10] = [
    ("10.9.1.1", 70.0, 0.0, 0.0, 0, "far"),
    ("10.9.1.2", 1.0, 0.0, 0.0, 0, "near"),
    ("10.9.1.3", 3.0, 47.0, 0.0, 0, "wrong"),
    ("10.9.1.4", 2.0, 0.0, 0.0, 0, "near"),
    ("10.9.1.5", 2.0, 60.0, 700.0, 0, "drifts"),
    ("10.9.1.6", 4.0, 0.0, 0.0, 0, "near"),
    ("10.9.1.7", 2.0, 0.0, 0.0, 5, "lossy"),
    ("10.9.1.8", 5.0, 0.0, 0.0, 0, "near"),
    ("10.9.1.9", 110.0, 0.0, 0.0, 0, "far"),
    ("10.9.1.10", 3.0, 0.0, 0.0, 0, "near"),
];

/// Is it the ranking that those servers deserve?
fn ranking(text: &str) -> Result<(), String> {
    let servers =
        Value::parse(text).and_then(|all| Some(all.get("servers")?.list()?.to_vec())).ok_or("no JSON")?;
    let kind = |server: &Value| {
        let address = server.get("address").and_then(Value::text).unwrap_or_default().to_owned();
        SERVERS.iter().find(|(known, ..)| *known == address).map_or("?", |known| known.5)
    };
    let kinds: Vec<&str> = servers.iter().map(kind).collect();
    let order = ["near", "near", "near", "near", "near", "lossy", "far", "far"];
    if kinds.len() != SERVERS.len() || kinds[..8] != order {
        return Err(format!("{kinds:?}: {text}"));
    }
    for (server, kind) in servers.iter().zip(kinds) {
        let verdict = server.get("verdict").and_then(Value::text).unwrap_or_default();
        let proposed = server.get("proposed") == Some(&Value::Flag(true));
        let number = |name: &str| server.get(name).and_then(Value::number).unwrap_or(f64::NAN);
        let (expected, good) = match kind {
            "wrong" => ("wrong", (0.03..0.07).contains(&number("apart_s"))),
            "drifts" => ("drifts", (500.0..900.0).contains(&number("faster_ppm"))),
            "lossy" => ("good", (0.1..0.4).contains(&number("loss"))),
            _ => ("good", true),
        };
        if verdict != expected || !good || proposed != (kind == "near") {
            return Err(format!("{server}"));
        }
    }
    Ok(())
}

#[test]
fn ten_servers_are_ranked_rightly() {
    const TEST: &str = "find-sources";
    let mut lab = match ready() {
        Ok(()) => Lab::new(TEST),
        Err(why) => return skip(TEST, &why),
    };
    lab.addresses(&SERVERS.map(|(address, ..)| address));
    let told = SERVERS
        .map(|(address, way, offset, rate, deaf, _)| format!("{address}={way},{offset},{rate},{deaf}"));
    let arguments: Vec<&str> =
        ["world", "123", "60"].into_iter().chain(told.iter().map(String::as_str)).collect();
    lab.start("world", &example("ntp_probe"), &arguments);
    lab.wait("servers", 10, |lab| lab.log("world").contains("ready"));

    let list = lab.file("list", &SERVERS.map(|(address, ..)| format!("server {address} iburst\n")).concat());
    let write = lab.dir().join("found.sources").display().to_string();
    let measure = || {
        let arguments = ["find-sources", &list, "--for", "10s", "--pace", "0.4", "--write", &write, "--json"];
        ranking(&String::from_utf8_lossy(&lab.inside(TIMEBALL, &arguments).stdout))
    };
    // A machine that stands still for half a second makes good servers look bad: such a measurement is made again.
    let right = (0..3).map(|_| measure()).find_map(|judged| match judged {
        Ok(()) => Some(()),
        Err(why) => {
            eprintln!("not right: {why}");
            None
        }
    });
    assert!(right.is_some(), "three measurements, none right");
    let written = std::fs::read_to_string(&write).expect("written");
    let mut lines: Vec<&str> = written.lines().skip(1).collect();
    lines.sort_unstable();
    let near = SERVERS.iter().filter(|server| server.5 == "near");
    let mut expected: Vec<String> = near.map(|(address, ..)| format!("server {address} iburst")).collect();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}
