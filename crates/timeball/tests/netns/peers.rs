//! Symmetric mode with Debian's chronyd: both active, each of us passive.

use super::lab::{Lab, TIMEBALL, ready, skip};

const KEYS: &str = "1 SHA1 HEX:1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C\n";

/// The fields of `ntpdata` of one source in CSV: mode, tests, good packets.
fn exchanged(lab: &Lab, socket: &str, address: &str) -> Option<(String, bool, u32)> {
    let out = lab.inside("chronyc", &["-h", socket, "-n", "-c", "ntpdata", address]);
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let fields: Vec<&str> = text.trim().split(',').collect();
    // Of Debian's older ones the number of good packets is the last field.
    let good = fields.get(33)?.parse().ok()?;
    let synchronised = fields.get(23..25)? == ["111", "111"];
    Some((fields.get(7)?.to_string(), synchronised, good))
}

#[test]
fn peers_ask_each_other_and_answer_whom_they_do_not_know() {
    let test = "peers_ask_each_other_and_answer_whom_they_do_not_know";
    if let Err(why) = ready() {
        return skip(test, &why);
    }
    let mut lab = Lab::new("peers");
    lab.addresses(&["10.9.8.1", "10.9.8.2", "10.9.8.3", "10.9.8.4"]);
    let dir = lab.dir().display().to_string();
    let keys = lab.file("keys", KEYS);
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("our file");
    let common = |at: u32| {
        format!(
            "bindaddress 10.9.8.{at}\nallow all\ncmdport 0\nkeyfile {keys}\npidfile {dir}/{at}.pid\n\
             bindcmdaddress {dir}/{at}/s.sock\n"
        )
    };
    let fast = "minpoll 0 maxpoll 1";
    // 1 is ours; 2 is active as well, 3 knows nobody, 4 knows us, but we not it.
    let configs = [
        format!("{}stats off\nweb off\npeer 10.9.8.2 key 1 {fast}\npeer 10.9.8.3 {fast}\n", common(1)),
        format!("{}local stratum 3\npeer 10.9.8.1 key 1 {fast}\n", common(2)),
        format!("{}local stratum 3\n", common(3)),
        format!("{}peer 10.9.8.1 {fast}\n", common(4)),
    ];
    for (at, config) in (1..).zip(configs) {
        let config = lab.file(&format!("{at}.conf"), &config);
        match at {
            1 => lab.start("1", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]),
            _ => lab.start(&at.to_string(), "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]),
        };
    }
    let socket = |at: u32| format!("{dir}/{at}/s.sock");
    let met = |lab: &Lab, at: u32, address: &str, mode: &str| {
        exchanged(lab, &socket(at), address)
            .is_some_and(|(theirs, synchronised, good)| theirs == mode && synchronised && good >= 3)
    };
    lab.wait("both are active", 30, |lab| met(lab, 1, "10.9.8.2", "Symmetric active"));
    lab.wait("it is passive", 20, |lab| met(lab, 1, "10.9.8.3", "Symmetric passive"));
    lab.wait("we are passive", 20, |lab| met(lab, 4, "10.9.8.1", "Symmetric passive"));
    // Who follows whom does not matter here (test D): they hear each other.
    let heard = |lab: &Lab, at: u32, address: &str| {
        exchanged(lab, &socket(at), address)
            .is_some_and(|(mode, synchronised, _)| mode == "Symmetric active" && synchronised)
    };
    lab.wait("it hears us", 20, |lab| heard(lab, 2, "10.9.8.1"));
    let sources = |lab: &Lab| {
        let out = lab.inside("chronyc", &["-h", &socket(1), "-n", "-c", "sources"]);
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    // One is followed, the other good: whether it is combined hangs on microseconds between processes of one machine. On a busy one
    // a peer may seem wrong for a moment, and then has to give eight good samples.
    lab.wait("both are good", 60, |lab| {
        let good = |marks: &[&str]| {
            sources(lab).lines().filter(|line| marks.iter().any(|mark| line.starts_with(mark))).count()
        };
        good(&["=,*"]) == 1 && good(&["=,*", "=,+", "=,-"]) == 2
    });
    let sources = sources(&lab);
    let offsets = sources.lines().filter_map(|line| line.split(',').nth(8)?.parse::<f64>().ok());
    assert!(offsets.into_iter().all(|offset| offset.abs() < 0.005), "one clock: {sources}");

    // A peer that is added, and deleted again: its socket goes.
    lab.says("chronyc", &["-h", &socket(1), "add", "peer", "10.9.8.4", "minpoll", "0", "maxpoll", "1"]);
    lab.wait("added", 20, |lab| heard(lab, 1, "10.9.8.4"));
    lab.says("chronyc", &["-h", &socket(1), "delete", "10.9.8.4"]);
    let open = lab.says("ss", &["-Hun"]);
    assert!(open.contains("10.9.8.2:123") && !open.contains("10.9.8.4:123"), "{open}");
}
