//! Peers in interleaved mode with Debian's chronyd: both active, with a key and without; each of us passive.

use super::lab::{Lab, TIMEBALL, ready, skip};

const KEYS: &str = "1 SHA1 HEX:1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C\n";
/// Answers that are looked at, after the first few.
const ANSWERS: usize = 8;
const FIRST: usize = 4;

/// Good answers in the measurements of `name` about `address`: round trip (s), mode with `I` for interleaved.
fn good(lab: &Lab, name: &str, address: &str) -> Vec<(f64, String)> {
    let path = lab.dir().join(format!("{name}-log/measurements.log"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains(&format!(" {address} ")));
    let fields = lines.map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let good = fields.filter(|f| f.get(5..8) == Some(&["111", "111", "1111"]) || f.get(7) == Some(&"1110"));
    good.map(|f| (f[12].parse().expect("a round trip"), f[17].to_owned())).skip(FIRST).collect()
}

#[test]
fn peers_tell_each_other_when_their_packets_left() {
    if let Err(why) = ready() {
        return skip("peers_interleaved", &why);
    }
    let mut lab = Lab::new("peers-exact");
    lab.addresses(&["10.9.8.1", "10.9.8.2", "10.9.8.3", "10.9.8.4", "10.9.8.5"]);
    let dir = lab.dir().display().to_string();
    let keys = lab.file("keys", KEYS);
    std::fs::set_permissions(&keys, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("our file");
    let fast = "minpoll -1 maxpoll -1";
    // 1 is ours; 2 and 5 are active as well, 3 knows nobody, 4 knows us, but we not it.
    let peers = [
        format!(
            "stats off\nweb off\npeer 10.9.8.2 key 1 xleave {fast}\npeer 10.9.8.3 xleave {fast}\npeer 10.9.8.5 xleave {fast}\n"
        ),
        format!("local stratum 3\npeer 10.9.8.1 key 1 xleave {fast}\n"),
        "local stratum 3\n".to_owned(),
        format!("peer 10.9.8.1 xleave {fast}\n"),
        format!("local stratum 3\npeer 10.9.8.1 xleave {fast}\n"),
    ];
    for (at, peers) in (1..).zip(peers) {
        std::fs::create_dir_all(format!("{dir}/{at}-log")).expect("a folder");
        let text = format!(
            "bindaddress 10.9.8.{at}\nallow all\ncmdport 0\nkeyfile {keys}\npidfile {dir}/{at}.pid\n\
             bindcmdaddress {dir}/{at}/s.sock\nlogdir {dir}/{at}-log\nlog measurements\n{peers}"
        );
        let config = lab.file(&format!("{at}.conf"), &text);
        match at {
            1 => lab.start("1", TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]),
            _ => lab.start(&at.to_string(), "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]),
        };
    }
    // Who measures whom, and the mode of the answers.
    let pairs = [
        ("1", "10.9.8.2", "1"),
        ("2", "10.9.8.1", "1"),
        ("1", "10.9.8.5", "1"),
        ("5", "10.9.8.1", "1"),
        ("1", "10.9.8.3", "2"),
        ("4", "10.9.8.1", "2"),
    ];
    for (name, address, _) in pairs {
        lab.wait(&format!("{name} hears {address}"), 30, |lab| good(lab, name, address).len() >= ANSWERS);
    }
    for (name, address, mode) in pairs {
        let answers = good(&lab, name, address);
        println!("{name} of {address}: {answers:?}");
        let interleaved = answers.iter().filter(|(_, what)| what.ends_with('I')).count();
        assert!(interleaved * 2 >= answers.len(), "{name} of {address}: {answers:?}");
        // A transmit time of another packet would be half a second off.
        assert!(
            answers.iter().all(|(delay, what)| (0.0..0.02).contains(delay) && what.contains(mode)),
            "{answers:?}"
        );
    }
}
