//! The whole daemon, unmodified, in a simulated world (`preload/simulated_world.c`) that is preloaded in front of
//! the C library: ten thousand seconds of it in a fraction of one of ours.
//!
//! It runs by the name `chronyd`, as a simulator's users run it. The world ends it at any call that such simulators
//! do not know, when it spins, and when another thread touches a clock or a socket.
//!
//! No run can touch this machine's clock: the world answers every call that would, no run starts before the world
//! has shown that it is in place, and the right to set the clock is given up first.
#![forbid(unsafe_code)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// One-way delays of five servers, s.
const FIVE: &str = "0.010,0.017,0.024,0.032,0.040";

/// Seconds that a world lasts, unless a test says otherwise.
const LIFETIME: usize = 10_000;

#[test]
fn a_lan_server_is_followed_within_microseconds() {
    let Some(mut world) = World::new("lan") else { return };
    world.set("DELAYS", "0.0001").set("JITTER", "10e-6").set("OFFSET", "0.5").set("FREQUENCY", "100e-6");
    world.set("WANDER", "1e-9");
    let run = world.run("server 192.168.123.1 iburst\nmakestep 1 3\n", &[]);
    run.settles(75, 150);
    run.stays_below(200e-6, 200);
    run.serves_honestly();
    run.drift_is_right(100e-6, 0.3);
}

#[test]
fn five_servers_steer_a_bad_oscillator() {
    for frequency in [1073e-6, -1073e-6] {
        let Some(mut world) = World::new("five") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("OFFSET", "3").set("WANDER", "1e-9");
        world.set("FREQUENCY", &frequency.to_string());
        let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
        run.settles(75, 150);
        run.serves_honestly();
        run.drift_is_right(frequency, 0.5);
        assert_eq!(run.said("System clock was stepped by"), 1, "{}", run.log);
    }
}

#[test]
fn a_frequency_five_percent_off_is_found() {
    for frequency in [0.05, -0.05] {
        let Some(mut world) = World::new("percent") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("FREQUENCY", &frequency.to_string());
        let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
        run.stays_below(1e-3, 1000);
        run.serves_honestly();
        run.drift_is_right(frequency, 0.5);
    }
}

#[test]
fn without_makestep_a_hundred_seconds_are_slewed() {
    for offset in ["100", "-100"] {
        let Some(mut world) = World::new("slew") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("OFFSET", offset);
        let run = world.run(&servers(5, "iburst", ""), &[]);
        assert_eq!(run.said("stepped"), 0, "{}", run.log);
        let fastest = run.errors.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        assert!(fastest < 0.1, "the clock jumped: {fastest} s within a second");
        // At the largest rate that a correction may have, 1/12, a hundred seconds take twenty minutes.
        run.stays_below(1e-3, 1400);
        run.serves_honestly();
    }
}

#[test]
fn two_falsetickers_of_five_are_outvoted() {
    let Some(mut world) = World::new("false") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("FALSE", "0,0.3,0,-0.25,0").set("OFFSET", "0.1");
    let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
    run.settles(75, 150);
    run.serves_honestly();
    for liar in [2, 4] {
        assert_eq!(run.said(&format!("Detected falseticker 192.168.123.{liar}")), 1, "{}", run.log);
    }
    assert_eq!(run.said("Detected falseticker"), 2, "{}", run.log);
}

#[test]
fn a_hand_on_the_clock_is_noticed_within_a_second() {
    for (step, word, slewed_by) in [(0.3, "Forward", 5010), (-30.0, "Backward", 5400)] {
        let Some(mut world) = World::new("hand") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("STEP", &format!("5000.5:{step}"));
        let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
        assert!((run.errors[5001] - step).abs() < 0.1, "{}", run.errors[5001]);
        run.serves_honestly();
        assert_eq!(run.said(&format!("{word} time jump detected!")), 1, "{}", run.log);
        assert_eq!(run.said("stepped"), 0, "{}", run.log);
        run.stays_below(1e-3, slewed_by);
    }
}

#[test]
fn another_programs_frequency_is_noticed_and_undone() {
    for change in [30e-6_f64, -400e-6] {
        let Some(mut world) = World::new("steer") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("STEER", &format!("5000.5:{change}"));
        let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
        run.serves_honestly();
        assert_eq!(run.said("Another program changed the frequency"), 1, "{}", run.log);
        // One second of it, and then what one always has.
        assert!(run.errors[5001].abs() < 2.0 * change.abs() + 300e-6, "{}", run.errors[5001]);
        assert!(run.rates[5010..].iter().all(|rate| rate.abs() < 20.0), "not undone");
        run.stays_below(1e-3, 5001);
        run.drift_is_right(0.0, 0.3);
    }
}

/// Where there is no clock that tells of sleep, the late wake-up does.
#[test]
fn a_machine_that_slept_doubts_its_clock() {
    for error in [0.4, -0.3] {
        let Some(mut world) = World::new("sleep") else { return };
        world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("SLEEP", &format!("4000.5:1000:{error}"));
        let run = world.run(&servers(5, "iburst", "makestep 1 3"), &[]);
        assert_eq!(run.said("The machine slept for"), 1, "{}", run.log);
        assert!((run.errors[5001] - error).abs() < 0.1, "{}", run.errors[5001]);
        run.serves_honestly();
        run.stays_below(10e-3, 5100);
        run.stays_below(1e-3, 5400);
        run.drift_is_right(0.0, 0.3);
    }
}

/// Whoever asks just after a step is told the time neither with the step added twice, nor not at all because requests
/// seem older than the step.
#[test]
fn clients_are_answered_right_through_every_step() {
    for offset in ["5000", "-5000"] {
        for (name, value) in [("OFFSET", offset.to_owned()), ("STEP", format!("5000.5:{offset}"))] {
            let Some(mut world) = World::new("step") else { return };
            world.set("DELAYS", FIVE).set("JITTER", "200e-6").set(name, &value).set("CLIENT", "0.1");
            let run = world.run(&servers(5, "iburst", "makestep 1 -1"), &[]);
            assert_eq!(run.said("System clock was stepped by"), 1, "{}", run.log);
            run.settles(5001, 5001);
            run.serves_honestly();
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let Some(mut world) = World::new("seed") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "1e-3").set("OFFSET", "3").set("FREQUENCY", "20e-6");
    world.set("WANDER", "1e-8").set("LOSS", "0.1");
    let config = servers(5, "iburst", "makestep 1 3");
    let first = world.run(&config, &[]);
    world.forget();
    let again = world.run(&config, &[]);
    assert!(first.text == again.text && first.log == again.log, "two runs of seed 1 differ");
    world.set("SEED", "2");
    world.forget();
    assert!(world.run(&config, &[]).text != first.text, "the seed changes nothing");
}

/// Everything in a file of streams happens: start, length, oscillator, each way's delay and losses, the server's own error.
#[test]
fn a_file_of_streams_is_played() {
    let Some(mut world) = World::new("streams") else { return };
    let mut text = "streams 1\nlength 3000\noffset 0.5\nservers 1\n".to_owned();
    for second in 0..=3000 {
        let oscillator = if second < 2500 { 20e-6 } else { 30e-6 };
        let way = if (2000..2900).contains(&second) { "nan nan" } else { "0.010 0.030" };
        text += &format!("{second} {oscillator:e} {way} 0.005\n");
    }
    let file = world.folder.join("streams");
    fs::write(&file, text).expect("room");
    world.set("STREAMS", &file.display().to_string());
    let run = world.run("server 192.168.123.1 iburst maxpoll 6\nmakestep 0.1 3\n", &[]);
    assert_eq!((run.errors.len(), run.errors[0]), (3001, 0.5));
    assert_eq!(run.rates[1], 20.0, "nobody has steered yet");
    // The server is 5 ms ahead, and the way back 20 ms longer, which looks like a clock 10 ms ahead.
    assert!((run.errors[1990] + 0.005).abs() < 50e-6, "{}", run.errors[1990]);
    assert!(run.rates[2400].abs() < 0.1 && (run.rates[2600] - 10.0).abs() < 0.1, "{:?}", run.rates.get(2600));
    let unseen = run.errors[2899] - run.errors[2500];
    assert!((unseen - 399.0 * 10e-6).abs() < 100e-6, "{unseen} s while all is lost");
    assert!((run.errors[3000] + 0.005).abs() < 1e-3, "{} after packets came again", run.errors[3000]);
}

#[test]
fn the_driftfile_helps_the_next_run() {
    let Some(mut world) = World::new("drift") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("FREQUENCY", "300e-6");
    let config = servers(5, "iburst", "makestep 1 3");
    world.run(&config, &[]).drift_is_right(300e-6, 0.5);
    world.set("LIMIT", "600");
    let run = world.run(&config, &[]);
    assert_eq!(run.said("Frequency 299.9"), 1, "{}", run.log);
    assert!(run.rates[1].abs() < 0.5, "{} ppm before anything was measured", run.rates[1]);
    run.stays_below(1e-3, 0);
}

#[test]
fn without_a_burst_the_third_sample_decides() {
    let Some(mut world) = World::new("slow") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("OFFSET", "0.1");
    let run = world.run(&servers(5, "", ""), &[]);
    let start = run.errors.iter().position(|error| error.abs() < 0.09).expect("a correction");
    assert!((120..=140).contains(&start), "corrected after {start} s");
    run.stays_below(1e-3, 400);
    run.serves_honestly();
}

#[test]
fn names_are_looked_up_by_a_thread_that_touches_no_clock() {
    let Some(mut world) = World::new("names") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("OFFSET", "3");
    let config = servers(5, "iburst", "makestep 1 3").replace("192.168.123.", "node");
    let run = world.run(&config.replace(" iburst", ".net1.clk iburst"), &[]);
    run.settles(75, 150);
    run.serves_honestly();
    assert_eq!(run.said("Can't synchronise"), 0, "{}", run.log);
    world.set("LIMIT", "1000");
    let run = world.run("server nobody.net1.clk iburst\nserver noone.net1.clk iburst\n", &[]);
    assert_eq!(run.said("Can't synchronise"), 1, "{}", run.log);
}

#[test]
fn losses_and_fifteen_servers_are_survived() {
    let Some(mut world) = World::new("loss") else { return };
    let delays = vec!["0.02"; 15].join(",");
    world.set("DELAYS", &delays).set("JITTER", "200e-6").set("LOSS", "0.3").set("OFFSET", "1.5");
    let run = world.run(&servers(15, "iburst", "makestep 1 3"), &[]);
    run.settles(75, 150);
    run.serves_honestly();
}

#[test]
fn an_unsteered_clock_is_left_alone_and_better_time_served() {
    let Some(mut world) = World::new("unsteered") else { return };
    world.set("DELAYS", FIVE).set("JITTER", "200e-6").set("OFFSET", "3").set("FREQUENCY", "20e-6");
    let run = world.run(&servers(5, "iburst", "makestep 1 3"), &["-x"]);
    for (second, error) in run.errors.iter().enumerate() {
        assert!((error - 3.0 - second as f64 * 20e-6).abs() < 1e-6, "{second}: {error}");
    }
    run.serves_honestly();
    assert_eq!(run.said("Virtual clock was stepped by 3.00"), 0, "{}", run.log);
    assert_eq!(run.said("Virtual clock was stepped by -3.00"), 1, "{}", run.log);
    assert_eq!(run.said("System clock was stepped"), 0, "{}", run.log);
}

/// The directives for the first `count` servers, each with `options`, and `more`.
fn servers(count: usize, options: &str, more: &str) -> String {
    let lines = (1..=count).map(|index| format!("server 192.168.123.{index} {options}\n"));
    lines.collect::<String>() + more + "\n"
}

/// A folder, and what the world is told.
struct World {
    folder: PathBuf,
    variables: Vec<(String, String)>,
}

/// What became of a run.
struct Run {
    folder: PathBuf,
    /// What the daemon said.
    log: String,
    /// What the world wrote.
    text: String,
    /// Error of the clock at each second, s.
    errors: Vec<f64>,
    /// Error of its rate, ppm.
    rates: Vec<f64>,
    /// The world's last line.
    totals: String,
}

impl World {
    /// `None`, and a loud word, where none can be made.
    fn new(name: &str) -> Option<Self> {
        library()?;
        // Not in the build's folder: the daemon gives up root, and must still reach its files.
        let folder = std::env::temp_dir().join(format!("timeball-world-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a new folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("ours");
        symlink(env!("CARGO_BIN_EXE_timeball"), folder.join("chronyd")).expect("a free name");
        let mut world = Self { folder, variables: Vec::new() };
        world.set("LIMIT", &LIFETIME.to_string()).set("CLIENT", "0.7");
        Some(world)
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.retain(|(known, _)| known.strip_prefix("WORLD_") != Some(name));
        self.variables.push((format!("WORLD_{name}"), value.to_owned()));
        self
    }

    /// Takes away what the last run has left for the next.
    fn forget(&self) {
        for name in ["drift", "drift.learned"] {
            fs::remove_file(self.folder.join(name)).expect("written at the exit");
        }
    }

    /// Runs the daemon until the world ends.
    fn run(&self, config: &str, options: &[&str]) -> Run {
        let folder = self.folder.display();
        let common = format!(
            "driftfile {folder}/drift\npidfile {folder}/pid\nbindcmdaddress {folder}/run/sock\nallow\n"
        );
        let (conf, record, log) =
            (self.folder.join("chrony.conf"), self.folder.join("world"), self.folder.join("log"));
        fs::write(&conf, common + config).expect("room");
        let mut command = preloaded(&self.folder.join("chronyd"), &record, &self.variables);
        command.args(options).arg("-d").arg("-f").arg(&conf);
        if sys::process::effective_uid() != 0 {
            command.arg("-U");
        }
        let status = finish(command.stderr(fs::File::create(&log).expect("room")));
        let log = fs::read_to_string(&log).expect("text");
        assert!(status, "the daemon failed:\n{log}");
        Run::read(self.folder.clone(), log, fs::read_to_string(&record).expect("text"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Run {
    fn read(folder: PathBuf, log: String, text: String) -> Self {
        let (mut errors, mut rates) = (Vec::new(), Vec::new());
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split(' ').collect();
            assert_eq!(fields[0].parse(), Ok(errors.len()), "{line}");
            errors.push(fields[1].parse().expect("a number"));
            rates.push(fields[2].parse().expect("a number"));
        }
        let totals = text.lines().last().expect("totals").to_owned();
        let run = Self { folder, log, text, errors, rates, totals };
        // One turn a second, one for each request, a few for our own packets. More would be spinning.
        let turns = run.total("asked") + 1.3 * run.errors.len() as f64;
        assert!(run.total("polls") < turns, "more than {turns} turns: {}", run.totals);
        assert!(run.log.lines().count() < 25, "the log is spammed:\n{}", run.log);
        eprintln!(
            "{}: last above 10 ms at {} s, 1 ms at {} s; second half: largest {:.1} us, rms {:.1} us; {}",
            run.folder.file_name().unwrap_or_default().display(),
            run.last_above(10e-3),
            run.last_above(1e-3),
            run.half().fold(0.0, f64::max) * 1e6,
            (run.half().map(|error| error * error).sum::<f64>() / run.half().count() as f64).sqrt() * 1e6,
            run.totals
        );
        run
    }

    fn half(&self) -> impl Iterator<Item = f64> {
        self.errors[self.errors.len() / 2..].iter().map(|error| error.abs())
    }

    /// The last second at which the clock was wrong by `limit` (s) or more.
    fn last_above(&self, limit: f64) -> usize {
        self.errors.iter().rposition(|error| error.abs() >= limit).unwrap_or(0)
    }

    /// Below `limit` (s) from second `from` to the end.
    fn stays_below(&self, limit: f64, from: usize) {
        let last = self.last_above(limit);
        assert!(
            last <= from,
            "{} s wrong still at second {last}, world in {}:\n{}",
            self.errors[last],
            self.folder.display(),
            self.log
        );
    }

    /// Below 10 ms and 1 ms from these seconds on.
    fn settles(&self, ten: usize, one: usize) {
        self.stays_below(10e-3, ten);
        self.stays_below(1e-3, one);
    }

    /// One of the totals.
    fn total(&self, name: &str) -> f64 {
        let mut words = self.totals.split(' ').skip_while(|word| *word != name);
        words.nth(1).and_then(|word| word.parse().ok()).expect("a total")
    }

    /// The client was answered, and the error of no answer was above the root distance told with it.
    fn serves_honestly(&self) {
        assert!(self.total("answered") >= self.total("asked") - 2.0, "{}", self.totals);
        assert!(self.total("unready") <= 200.0, "{}", self.totals);
        assert_eq!(self.total("wrong"), 0.0, "{}", self.totals);
    }

    /// How many lines of the log contain `text`.
    fn said(&self, text: &str) -> usize {
        self.log.lines().filter(|line| line.contains(text)).count()
    }

    /// The drift file tells what makes up for an oscillator with this frequency error (s/s), to `ppm`.
    fn drift_is_right(&self, frequency: f64, ppm: f64) {
        let text = fs::read_to_string(self.folder.join("drift")).expect("written at the exit");
        let told: f64 = text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number");
        // The kernel multiplies: 1 + what it adds is 1 / (1 + the error).
        let expected = frequency / (1.0 + frequency) * 1e6;
        assert!((told - expected).abs() < ppm, "{text}, not {expected}");
    }
}

/// A command that runs `program` in the world, without the right to set a clock. The preload is set for the program
/// alone, not for the tools that start it.
fn preloaded(program: &Path, record: &Path, variables: &[(String, String)]) -> Command {
    let library = library().expect("asked before");
    let mut command = Command::new("env");
    if sys::privileges::have_cap_sys_time() {
        command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_time", "--inh-caps=-sys_time", "env"]);
    }
    command.arg(format!("LD_PRELOAD={}", library.display())).arg(program);
    command.env("WORLD_LOG", record).envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Waits for success, but not for ever: a daemon that waits for the real clock hangs.
fn finish(command: &mut Command) -> bool {
    let mut child = command.spawn().expect("env, and setpriv of util-linux");
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status.success();
        }
        if Instant::now() > deadline {
            child.kill().expect("our child");
            child.wait().expect("our child");
            panic!("the daemon hangs in real time");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The compiled world, after it has shown itself. `None`, said loudly, where there is no C compiler.
fn library() -> Option<&'static Path> {
    static LIBRARY: OnceLock<Option<PathBuf>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/preload/simulated_world.c");
        let library = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("simulated_world.so");
        // Under a name of its own first: another test program may be using the library now.
        let fresh = library.with_extension(format!("{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(&compiler);
        command.args(["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o"]).arg(&fresh);
        let Ok(output) = command.arg(source).args(["-lm", "-ldl"]).output() else {
            eprintln!("SKIPPED: no C compiler ({}): no simulated world", compiler.display());
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::rename(&fresh, &library).expect("ours");
        Some(library)
    });
    let library = library.as_deref()?;
    static SHOWN: OnceLock<()> = OnceLock::new();
    SHOWN.get_or_init(|| {
        let mut command = Command::new("env");
        command.arg(format!("LD_PRELOAD={}", library.display())).args(["date", "+%s"]);
        let date = command.env("TZ", "UTC").output().expect("env and date");
        // The world begins at this second of its own, which is long gone in ours.
        assert_eq!(String::from_utf8_lossy(&date.stdout), "1700000000\n", "the world is not in place");
    });
    Some(library)
}
