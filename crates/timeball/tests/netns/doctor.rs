//! `timeball doctor` on a running machine: what it reads of the kernel, of processes and of the daemon is the real thing.

use super::lab::{Lab, TIMEBALL, example, ready, skip};
use ntp::report::json_read::Value;
use std::process::{Command, Output};

/// What the guide of many operators has, and what is right; the first breaks those behind the masquerade.
const WRONG: &str = "udp dport 123 counter notrack";
const RIGHT: &str = "udp dport 123 fib daddr type local counter notrack";

/// What doctor says of some checks, and its exit status.
pub struct Doctor {
    status: Option<i32>,
    pub said: Value,
}

impl Doctor {
    fn look(lab: &Lab, only: &str) -> Self {
        let socket = format!("{}/s/timeball.sock", lab.dir().display());
        Self::of(&lab.inside(TIMEBALL, &["-h", &socket, "doctor", "--json", "--only", only]))
    }

    /// What it has printed.
    pub fn of(out: &Output) -> Self {
        let said = Value::parse(&String::from_utf8_lossy(&out.stdout)).unwrap_or(Value::Null);
        Self { status: out.status.code(), said }
    }

    pub fn check(&self, id: &str, what: &str) -> String {
        let all = self.said.get("checks").and_then(Value::list).unwrap_or_default();
        let one = all.iter().find(|check| check.get("id").and_then(Value::text) == Some(id));
        one.and_then(|check| check.get(what)).map(ToString::to_string).unwrap_or_default()
    }

    pub fn level(&self, id: &str) -> String {
        self.check(id, "level").trim_matches('"').to_owned()
    }
}

/// A table with one rule before routing, and neighbours behind masquerade. False: there is no nftables here.
fn rules(lab: &Lab, rule: &str) -> bool {
    let text = format!(
        "table inet t\ndelete table inet t\ntable inet t {{\n chain pre {{\n  type filter hook prerouting priority raw;\n  {rule}\n }}\n \
         chain post {{\n  type nat hook postrouting priority srcnat;\n  oifname \"wan\" masquerade\n }}\n}}\n"
    );
    let file = lab.file("rules.nft", &text);
    let there =
        Command::new("sh").args(["-c", "command -v nft"]).output().is_ok_and(|out| out.status.success());
    there && lab.inside("nft", &["-f", &file]).status.success()
}

#[test]
fn doctor_sees_a_running_machine_as_it_is() {
    const TEST: &str = "doctor";
    let mut lab = match ready() {
        Ok(()) => Lab::new(TEST),
        Err(why) => return skip(TEST, &why),
    };
    let servers = ["10.9.1.1", "10.9.1.2", "10.9.1.3", "10.9.1.4"];
    lab.addresses(&servers);
    lab.addresses(&["10.9.3.1", "203.0.113.9", "2001:db8::9"]);
    let told = servers.map(|address| format!("{address}=2,0,0,0"));
    let world: Vec<&str> =
        ["world", "1123", "60"].into_iter().chain(told.iter().map(String::as_str)).collect();
    lab.start("world", &example("ntp_probe"), &world);
    let sources =
        servers.map(|address| format!("server {address} port 1123 iburst minpoll 0 maxpoll 1\n")).concat();
    let dir = lab.dir().display().to_string();
    let config = lab.file(
        "tb.conf",
        &format!("{sources}allow\nbindaddress 203.0.113.9\nbindaddress 2001:db8::9\nbindcmdaddress {dir}/s/timeball.sock\ndriftfile {dir}/drift\npidfile {dir}/tb.pid\nweb off\nstats off\n"),
    );
    lab.start("timeball", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    let well =
        "daemon,version,configuration,synchronised,error-bound,sources,port,limits,drops,management,steering";
    let mut doctor = Doctor::look(&lab, well);
    lab.wait("a synchronised clock", 40, |lab| {
        doctor = Doctor::look(lab, well);
        doctor.level("synchronised") == "ok"
    });
    for id in
        well.split(',').filter(|id| *id != "sources").chain(["source-count", "operators", "iburst", "reach"])
    {
        assert_eq!(doctor.level(id), "ok", "{id}: {}", doctor.said);
    }
    assert!(
        doctor.check("configuration", "reason").contains(&config),
        "the running daemon's own: {}",
        doctor.said
    );
    assert!(doctor.check("port", "evidence").contains("2001:db8::9"), "{}", doctor.said);

    let alone = Doctor::look(&lab, "port");
    assert_eq!((alone.level("port").as_str(), alone.status), ("ok", Some(0)), "{}", alone.said);

    // Somebody else on the port, at an address of its own.
    lab.addresses(&["10.9.4.1"]);
    let pid = lab.start("other", &example("ntp_probe"), &["record", "10.9.4.1", "123", "60"]);
    lab.wait("the other one's socket", 10, |lab| {
        Doctor::look(lab, "second-daemon").level("second-daemon") == "fault"
    });
    let doctor = Doctor::look(&lab, "second-daemon");
    assert_eq!(doctor.status, Some(2));
    let evidence = doctor.check("second-daemon", "evidence");
    assert!(evidence.contains("ntp_probe") && evidence.contains(&pid.to_string()), "{evidence}");
    lab.stop("other");

    if !rules(&lab, WRONG) {
        return skip(
            TEST,
            "rules: nft is not installed, or the kernel has no nftables (apt-get install nftables)",
        );
    }
    let doctor = Doctor::look(&lab, "notrack-rule");
    assert_eq!((doctor.level("notrack-rule").as_str(), doctor.status), ("fault", Some(2)), "{}", doctor.said);
    assert!(doctor.check("notrack-rule", "evidence").contains("dport 123"), "{}", doctor.said);
    assert!(rules(&lab, RIGHT));
    assert_eq!(Doctor::look(&lab, "notrack-rule").level("notrack-rule"), "ok");
}
