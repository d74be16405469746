//! No name server, as after a power cut of a router: names are asked where they were last, and doctor says so.

use super::doctor::Doctor;
use super::lab::{Lab, TIMEBALL, example, ready, skip};

const SERVERS: [&str; 4] = ["10.9.1.1", "10.9.1.2", "10.9.1.3", "10.9.1.4"];

/// Words that run what follows with other files of names in /etc.
fn with_names(lab: &Lab, hosts: &str) -> Vec<String> {
    let hosts = lab.file("hosts", hosts);
    let resolv = lab.file("resolv.conf", "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n");
    let nsswitch = lab.file("nsswitch.conf", "hosts: files dns\npasswd: files\ngroup: files\n");
    let script = format!(
        "mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf && mount --bind {nsswitch} /etc/nsswitch.conf && exec \"$@\""
    );
    ["-m", "sh", "-c", &script, "sh", TIMEBALL].map(str::to_owned).into()
}

fn words<'a>(before: &'a [String], after: &[&'a str]) -> Vec<&'a str> {
    before.iter().map(String::as_str).chain(after.iter().copied()).collect()
}

#[test]
fn without_a_name_server_sources_are_asked_where_they_were() {
    const TEST: &str = "resolver";
    let mut lab = match ready() {
        Ok(()) => Lab::new(TEST),
        Err(why) => return skip(TEST, &why),
    };
    lab.addresses(&SERVERS);
    let told = SERVERS.map(|address| format!("{address}=2,0,0,0"));
    let world: Vec<&str> =
        ["world", "1123", "60"].into_iter().chain(told.iter().map(String::as_str)).collect();
    lab.start("world", &example("ntp_probe"), &world);
    let name = |at: usize| format!("s{at}.lab.example");
    let hosts: String =
        SERVERS.iter().enumerate().map(|(at, address)| format!("{address} {}\n", name(at))).collect();
    let sources: String =
        (0..4).map(|at| format!("server {} port 1123 iburst minpoll 0 maxpoll 1\n", name(at))).collect();
    let dir = lab.dir().display().to_string();
    let socket = format!("{dir}/s/timeball.sock");
    let config = lab.file(
        "tb.conf",
        &format!("{sources}port 0\nbindcmdaddress {socket}\ndriftfile {dir}/drift\npidfile {dir}/tb.pid\nweb off\nstats off\n"),
    );
    let run = ["run", "-x", "-u", "root", "-f", &config];

    let before = with_names(&lab, &format!("127.0.0.1 localhost\n{hosts}"));
    lab.start("first", "unshare", &words(&before, &run));
    let look = |lab: &Lab, before: &[String]| {
        Doctor::of(&lab.inside(
            "unshare",
            &words(before, &["-h", &socket, "doctor", "--json", "--only", "names,synchronised"]),
        ))
    };
    lab.wait("a synchronised clock", 20, |lab| look(lab, &before).level("synchronised") == "ok");
    let doctor = look(&lab, &before);
    assert_eq!(doctor.level("names"), "ok", "{}", doctor.said);
    lab.stop("first");

    let before = with_names(&lab, "127.0.0.1 localhost\n");
    lab.start("second", "unshare", &words(&before, &run));
    lab.wait("a synchronised clock without a name server", 20, |lab| {
        look(lab, &before).level("synchronised") == "ok"
    });
    assert!(lab.log("second").contains("it is asked where it was last"), "{}", lab.log("second"));
    let doctor = look(&lab, &before);
    assert_eq!(doctor.level("names"), "warning", "{}", doctor.said);
    let evidence = doctor.check("names", "evidence");
    assert!(evidence.contains("s3.lab.example: asked where it was last, 10.9.1.4"), "{evidence}");
}
