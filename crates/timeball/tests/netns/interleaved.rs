//! Interleaved mode between us and a real chronyd, both ways, beside basic mode at the same time on the same paths.

use super::lab::{Lab, TIMEBALL, example, ready, skip};

/// Answers compared for each client, after the first few.
const ANSWERS: usize = 60;
const FIRST: usize = 10;

/// A line of measurements.log: round trip (s), interleaved.
type Line = (f64, bool);

fn start(lab: &mut Lab, ours: bool, name: &str, text: &str) {
    let dir = lab.dir().display().to_string();
    std::fs::create_dir_all(format!("{dir}/{name}-log")).expect("a folder");
    let text = format!(
        "{text}cmdport 0\nbindcmdaddress {dir}/{name}/socket\npidfile {dir}/{name}.pid\nlogdir {dir}/{name}-log\nlog measurements\n"
    );
    let config = lab.file(&format!("{name}.conf"), &text);
    if ours {
        lab.start(name, TIMEBALL, &["run", "-x", "-u", "root", "-f", &config]);
    } else {
        lab.start(name, "chronyd", &["-x", "-d", "-U", "-u", "root", "-f", &config]);
    }
}

fn lines(lab: &Lab, name: &str) -> Vec<Line> {
    let path = lab.dir().join(format!("{name}-log/measurements.log"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let numbers = text.lines().filter(|line| line.starts_with("20")).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let mode = fields.get(17).copied().unwrap_or_default();
        (fields[12].parse().expect("a round trip"), mode.ends_with('I'))
    });
    numbers.skip(FIRST).collect()
}

fn median(lines: &[Line]) -> f64 {
    let mut delays: Vec<f64> = lines.iter().map(|line| line.0).collect();
    delays.sort_by(f64::total_cmp);
    delays[delays.len() / 2]
}

fn ask(lab: &Lab, program: &str, name: &str, words: &[&str]) -> String {
    let socket = format!("{}/{name}/socket", lab.dir().display());
    let mut all = vec!["-h", socket.as_str(), "-n"];
    all.extend(words);
    lab.says(program, &all)
}

/// The number at the end of the line that begins with `label`.
fn number(text: &str, label: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(label));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{label}: {text}"))
}

#[test]
fn exact_both_ways_with_a_real_chronyd() {
    const NAMES: [&str; 4] = ["ours-exact", "ours-plain", "theirs-exact", "theirs-plain"];
    let mut lab = match ready() {
        Ok(()) => Lab::new("interleaved"),
        Err(why) => return skip("interleaved", &why),
    };
    lab.addresses(&["10.9.8.1", "10.9.8.2"]);
    let server = |address: &str| format!("local stratum 1\nallow 10.0.0.0/8\nbindaddress {address}\n");
    start(&mut lab, true, "our-server", &server("10.9.8.1"));
    start(&mut lab, false, "their-server", &server("10.9.8.2"));
    for (ours, name) in NAMES.into_iter().enumerate().map(|(index, name)| (index < 2, name)) {
        let address = if ours { "10.9.8.2" } else { "10.9.8.1" };
        let option = if name.ends_with("exact") { "xleave" } else { "" };
        start(&mut lab, ours, name, &format!("server {address} minpoll -2 maxpoll -2 {option}\nport 0\n"));
    }
    lab.wait("enough answers", 120, |lab| NAMES.iter().all(|name| lines(lab, name).len() >= ANSWERS));

    let [ours_exact, ours_plain, theirs_exact, theirs_plain] = NAMES.map(|name| lines(&lab, name));
    for (exact, plain, who) in
        [(&ours_exact, &ours_plain, "ours of chronyd"), (&theirs_exact, &theirs_plain, "chronyd of ours")]
    {
        let interleaved = exact.iter().filter(|line| line.1).count();
        // One that came too late is asked again in basic mode.
        assert!(interleaved * 10 >= exact.len() * 8, "{who}: {interleaved} of {}", exact.len());
        assert!(plain.iter().all(|line| !line.1), "{who}");
        let (exact, plain) = (median(exact), median(plain));
        println!("{who}: round trip {:.1} µs interleaved, {:.1} µs basic", exact * 1e6, plain * 1e6);
        // All on one machine: what the kernel does not see of the way is error, half of it of the offset.
        assert!(exact < 0.8 * plain, "{who}: {exact} s in interleaved mode, {plain} s in basic mode");
    }

    let data = ask(&lab, "chronyc", "ours-exact", &["ntpdata"]);
    for line in ["Interleaved     : Yes", "TX timestamping : Kernel", "RX timestamping : Kernel"] {
        assert!(data.contains(line), "{line}: {data}");
    }
    let data = ask(&lab, "chronyc", "theirs-exact", &["ntpdata"]);
    assert!(data.contains("Interleaved     : Yes"), "{data}");
    for name in ["our-server", "their-server"] {
        let stats = ask(&lab, "chronyc", name, &["serverstats"]);
        let (received, interleaved) =
            (number(&stats, "NTP packets received"), number(&stats, "Interleaved NTP"));
        assert!(interleaved * 10 >= received * 4 && interleaved * 10 <= received * 6, "{name}: {stats}");
        assert!(number(&stats, "NTP timestamps held") >= 1, "{name}: {stats}");
    }
    let stats = ask(&lab, TIMEBALL, "our-server", &["serverstats"]);
    let interleaved = number(&stats, "Interleaved NTP");
    let kernel = number(&stats, "NTP kernel TX timestamps");
    assert!(kernel * 10 >= interleaved * 9 && kernel <= interleaved, "{stats}");
    let today = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/trixie/chronyc");
    if std::path::Path::new(today).exists() {
        let theirs = ask(&lab, today, "our-server", &["serverstats"]);
        assert!(
            number(&theirs, "NTP kernel TX timestamps") >= kernel && theirs.lines().count() == 17,
            "{theirs}"
        );
    } else {
        skip("serverstats of chrony 4.6", "target/trixie/chronyc is missing: tests/fetch-chronyc brings it");
    }
    let all = number(&stats, "NTP daemon TX timestamps") + kernel;
    assert_eq!(all, number(&stats, "NTP packets received"), "{stats}");
    assert_eq!(
        all,
        number(&stats, "NTP kernel RX timestamps") + number(&stats, "NTP daemon RX timestamps"),
        "{stats}"
    );
}

/// `name=NUMBER` in what the probe says.
fn count(said: &str, name: &str) -> u64 {
    let word = said.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    word.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{name}: {said}"))
}

#[test]
fn each_thread_tells_its_own_clients_and_holds_no_more_than_it_may() {
    let mut lab = match ready() {
        Ok(()) => Lab::new("interleaved-threads"),
        Err(why) => return skip("interleaved-threads", &why),
    };
    let clients: Vec<String> = (10..26).map(|host| format!("10.9.11.{host}")).collect();
    let mut probe = vec!["exact", "10.9.11.1", "123", "20"];
    probe.extend(clients.iter().map(String::as_str));
    lab.addresses(&probe[4..]);
    lab.addresses(&["10.9.11.1"]);
    let text = "local stratum 1\nallow 10.0.0.0/8\nserverthreads 2\nclientloglimit 524288\n";
    start(&mut lab, true, "two", text);
    let example = example("ntp_probe");
    lab.wait("the server answers", 20, |lab| {
        lab.says(&example, &["ask", "10.9.11.1", "123"]).starts_with("answer")
    });
    let said = lab.says(&example, &probe);
    // The first two of each client have nothing to be told; another thread would know nothing of any.
    assert_eq!((count(&said, "asked"), count(&said, "wrong")), (16 * 20, 0), "{said}");
    assert!(count(&said, "told") >= 16 * 16, "{said}");
    let threads = ask(&lab, TIMEBALL, "two", &["serverstats", "--threads", "--json"]);
    let answered: Vec<u64> = threads
        .split("\"answered\":")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("").parse().expect("a number"))
        .collect();
    assert!(answered.len() >= 2 && answered[..2].iter().all(|&answers| answers >= 20), "{threads}");
    // An eighth of the memory for clients, 16 bytes each, over both threads.
    let said = lab.says(&example, &["hold", "10.9.11.1", "123", "20000"]);
    assert!(
        count(&said, "answered") >= 4000,
        "more than one thread has room for, though not all while it is short of capacity: {said}"
    );
    let held = number(&ask(&lab, TIMEBALL, "two", &["serverstats"]), "NTP timestamps held");
    assert!((1024..=4096).contains(&held), "{held}");
}
