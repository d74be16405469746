//! Reference clocks fed by a program, beside chronyd on the same feed.

use super::lab::{Lab, alias, example, ready, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A field of the CSV report `sources` in the line of a clock.
fn field(csv: &str, clock: &str, at: usize) -> Option<String> {
    let line = csv.lines().find(|line| line.split(',').nth(2) == Some(clock))?;
    line.split(',').nth(at).map(str::to_owned)
}

/// Both daemons are told by SHM and by SOCK that their clock is 30 ms behind, and neither may set it: both see it, choose
/// the same way, and write the same columns.
#[test]
fn the_same_feed_gives_the_same_report_as_chronyd_s() {
    if let Err(why) = ready() {
        return skip("the_same_feed_gives_the_same_report_as_chronyd_s", &why);
    }
    let mut lab = Lab::new("refclocks");
    let base = 4000 + (std::process::id() % 1000) as i32 * 2;
    let dir = lab.dir().display().to_string();
    let ours = alias(&lab, "chronyd");
    let mut arguments = vec!["0.03".to_owned(), "0.0001".to_owned(), "60".to_owned()];
    for (index, (name, program)) in [("chrony", "chronyd"), ("ours", ours.as_str())].into_iter().enumerate() {
        let unit = base + index as i32;
        let folder = format!("{dir}/{name}");
        fs::create_dir_all(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).expect("permissions");
        let config = lab.file(
            &format!("{name}.conf"),
            &format!(
                "refclock SHM {unit} refid MEM poll 1 delay 0.001\n\
                 refclock SOCK {dir}/{name}.feed refid SOK poll 1 delay 0.001\n\
                 cmdport 0\nbindcmdaddress {dir}/{name}/cmd.sock\npidfile {dir}/{name}.pid\n\
                 logdir {dir}/{name}\nlog refclocks statistics tracking\nport 0\n"
            ),
        );
        lab.start(name, program, &["-x", "-d", "-U", "-u", "root", "-f", &config]);
        arguments.extend([
            "shm".to_owned(),
            unit.to_string(),
            "sock".to_owned(),
            format!("{dir}/{name}.feed"),
        ]);
    }
    let feed = example("refclock_feed");
    lab.start("feed", &feed, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let report = |lab: &Lab, name: &str| {
        let socket = format!("{dir}/{name}/cmd.sock");
        let out = lab.inside("chronyc", &["-h", &socket, "-c", "sources"]);
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    for name in ["chrony", "ours"] {
        lab.wait("both clocks are heard and one is followed", 20, |lab| {
            let csv = report(lab, name);
            let state = |clock| field(&csv, clock, 1);
            let is = |clock, marks: &[&str]| state(clock).is_some_and(|mark| marks.contains(&mark.as_str()));
            // Which of two alike is followed, and whether the other has a say, may differ.
            ["MEM", "SOK"].iter().any(|clock| is(clock, &["*"]))
                && ["MEM", "SOK"].iter().all(|clock| is(clock, &["*", "+", "-"]))
        });
    }
    let (theirs, ours) = (report(&lab, "chrony"), report(&lab, "ours"));
    for clock in ["MEM", "SOK"] {
        for at in [0, 3, 4] {
            assert_eq!(field(&ours, clock, at), field(&theirs, clock, at), "{ours}\n{theirs}");
        }
    }
    let log = |name: &str, file: &str| fs::read_to_string(format!("{dir}/{name}/{file}")).unwrap_or_default();
    let (theirs, ours) = (log("chrony", "refclocks.log"), log("ours", "refclocks.log"));
    assert_eq!(shape(&ours), shape(&theirs), "{ours}\n{theirs}");
    for name in ["chrony", "ours"] {
        let text = log(name, "refclocks.log");
        let raw: Vec<f64> = text
            .lines()
            .filter(|l| l.contains("MEM"))
            .filter_map(|l| l.split_whitespace().nth(6)?.parse().ok())
            .collect();
        // The first says the offset whole; our virtual clock and theirs follow it.
        assert!((raw[0] - 0.03).abs() < 0.001, "{name}: {raw:?}");
        assert!(
            log(name, "tracking.log").contains("MEM") || log(name, "tracking.log").contains("SOK"),
            "{name}"
        );
    }
}

/// The heading, and where in a raw and in a filtered entry the columns end.
fn shape(log: &str) -> (Vec<String>, Vec<usize>, Vec<usize>) {
    let heading = log.lines().take(3).map(str::to_owned).collect();
    let ends = |line: &str| {
        let bytes = line.as_bytes();
        (0..bytes.len())
            .filter(|&i| bytes[i] != b' ' && bytes.get(i + 1).is_none_or(|&b| b == b' '))
            .collect()
    };
    let entry = |filtered: bool| {
        log.lines()
            .skip(3)
            .find(|l| !l.starts_with('=') && l.contains(" - N - ") == filtered)
            .map(ends)
            .unwrap_or_default()
    };
    (heading, entry(false), entry(true))
}
