//! What the observer sees of the machine and of the daemon's process, in /proc and /sys.

use ntp::metrics::Machine;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};

/// Where to look.
#[derive(Debug)]
pub struct Looker {
    pid: u32,
    process: PathBuf,
    sensors: Vec<PathBuf>,
    /// Clock ticks of processor time in a second.
    ticks: f64,
    /// Processor time seen last: all, and the kernel's part of it, s.
    seen: Cell<(f64, f64)>,
    told: Option<fn() -> Machine>,
}

impl Looker {
    /// Looks at process `pid`.
    pub fn new(pid: u32) -> Self {
        Self {
            pid,
            process: format!("/proc/{pid}").into(),
            sensors: sensors(Path::new("/sys/class")),
            ticks: sys::clock::user_hz() as f64,
            seen: Cell::new((0.0, 0.0)),
            told: None,
        }
    }

    /// Looks nowhere, but believes `look`.
    pub fn told(look: fn() -> Machine) -> Self {
        Self { told: Some(look), ..Self::new(0) }
    }

    /// What there is to see now.
    pub fn look(&self) -> Machine {
        if let Some(told) = self.told {
            return told();
        }
        let mut machine = Machine {
            memory: self.memory().unwrap_or(f64::NAN),
            temperature: self.temperature(),
            conntrack: number(Path::new("/proc/sys/net/netfilter/nf_conntrack_count")),
            conntrack_limit: number(Path::new("/proc/sys/net/netfilter/nf_conntrack_max")),
            ..Machine::default()
        };
        let stat = fs::read_to_string(self.process.join("stat")).unwrap_or_default();
        if let Some([user, system, threads]) = parse_stat(&stat) {
            (machine.cpu_user, machine.cpu_system) = self.split(user / self.ticks, system / self.ticks);
            machine.threads = threads;
        }
        machine
    }

    /// The processor's time to the nanosecond, divided as its ticks are; neither part ever becomes less.
    fn split(&self, user: f64, system: f64) -> (f64, f64) {
        let Ok(all) = sys::clock::process_time(self.pid) else { return (user, system) };
        let parted = part(self.seen.get(), all as f64 / 1e9, system);
        self.seen.set(parted);
        (parted.0 - parted.1, parted.1)
    }

    fn memory(&self) -> Option<f64> {
        let status = fs::read_to_string(self.process.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
    }

    fn temperature(&self) -> f64 {
        let read = |path: &PathBuf| number(path) / 1000.0;
        let plausible = |celsius: &f64| (-60.0..200.0).contains(celsius) && *celsius != 0.0;
        self.sensors.iter().map(read).filter(plausible).fold(f64::NAN, f64::max)
    }
}

/// The files with temperatures, in thousandths of a degree.
fn sensors(class: &Path) -> Vec<PathBuf> {
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries(&class.join("thermal")).map(|zone| zone.join("temp")).collect();
    for device in entries(&class.join("hwmon")) {
        let is_input = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("temp") && name.ends_with("_input")
        };
        found.extend(entries(&device).filter(is_input));
    }
    found.retain(|path| number(path).is_finite());
    found.truncate(16);
    found
}

fn number(path: &Path) -> f64 {
    fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(f64::NAN)
}

/// utime, stime and threads of /proc/PID/stat. The name, in parentheses, may contain anything.
fn parse_stat(text: &str) -> Option<[f64; 3]> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse().ok();
    Some([field(14)?, field(15)?, field(20)?])
}

/// All processor time and the kernel's part of it, after those `seen` before. `ticks`: the kernel's part, coarsely.
fn part(seen: (f64, f64), all: f64, ticks: f64) -> (f64, f64) {
    let all = all.max(seen.0);
    (all, ticks.clamp(seen.1, seen.1 + (all - seen.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_time_is_divided_as_ticks_are_and_never_runs_back() {
        let mut seen = (0.0, 0.0);
        // Half of it the kernel's, seen in hundredths.
        for (all, ticks, kernels) in
            [(0.015, 0.0, 0.0), (0.025, 0.01, 0.01), (0.026, 0.02, 0.011), (0.05, 0.02, 0.02)]
        {
            let next = part(seen, all, ticks);
            assert!((next.0 - all).abs() < 1e-12 && (next.1 - kernels).abs() < 1e-12, "{next:?}");
            assert!(next.1 >= seen.1 && next.0 - next.1 >= seen.0 - seen.1 - 1e-12);
            seen = next;
        }
        assert_eq!(part(seen, 0.04, 0.01), seen);
    }

    #[test]
    fn what_this_process_works_is_seen_within_a_tick() {
        let looker = Looker::new(std::process::id());
        let before = looker.look();
        let own = || sys::clock::process_time(std::process::id()).expect("a process");
        let start = own();
        let mut work = 0_u64;
        while own() - start < 3_000_000 {
            work = std::hint::black_box(work + 1);
        }
        let after = looker.look();
        let used = after.cpu_user + after.cpu_system - before.cpu_user - before.cpu_system;
        assert!(used >= 0.003, "{used} s");
    }

    #[test]
    fn the_fields_of_stat_are_counted_behind_the_name() {
        let text = "12 (a) b (c) S 1 12 12 0 -1 4194560 900 0 0 0 21 43 0 0 20 0 5 0 100 1 2";
        assert_eq!(parse_stat(text), Some([21.0, 43.0, 5.0]));
        assert_eq!(parse_stat("12 (x"), None);
    }

    #[test]
    fn this_process_is_seen() {
        let machine = Looker::new(std::process::id()).look();
        assert!(
            machine.cpu_user >= 0.0 && machine.memory > 100_000.0 && machine.threads >= 1.0,
            "{machine:?}"
        );
        let nobody = Looker::new(u32::MAX).look();
        assert!(nobody.cpu_user.is_nan() && nobody.memory.is_nan());
    }
}
