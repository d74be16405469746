//! Servers under test: their commands and configurations, and what a running one costs.

use crate::flow::Flow;
use crate::lab::Lab;
use crate::load::Load;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(10);

/// How a server is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    /// It serves whoever asks.
    Plain,
    /// It limits clients, and has room in its table for a million of them (256 MiB).
    Limits,
}

/// A server to be measured.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called in reports.
    pub name: String,
    /// The command; `{config}` stands for a file with its configuration. It must stay in the foreground.
    command: Vec<String>,
    /// Lines for [`Setup::Plain`], and those that [`Setup::Limits`] adds; `None`: it has no such set-up.
    plain: String,
    limits: Option<String>,
    /// Processors of its own, instead of those of all.
    cpus: Option<Vec<usize>>,
}

/// What every configuration in chrony's language begins with: the machine's clock is the reference.
const COMMON: &str =
    "local stratum 1\nallow all\ncmdport 0\nbindcmdaddress /run/{name}.sock\npidfile /run/{name}.pid\n";
/// What has nothing to do with serving and chronyd has not: a process of its own that remembers and shows.
const ALONE: &str = "stats off\nweb off\n";
/// The limits: chrony's defaults, with a table of 256 MiB.
const LIMITS: &str = "ratelimit\nclientloglimit 268435456\n";

impl Candidate {
    /// Our program.
    pub fn timeball(program: &str) -> Self {
        Self::chrony_like("timeball", &[program, "run", "-x", "-u", "root", "-f", "{config}"]).with(ALONE)
    }

    /// Debian's chronyd.
    pub fn chronyd() -> Self {
        Self::chrony_like("chronyd", &["chronyd", "-d", "-x", "-u", "root", "-f", "{config}"])
    }

    fn chrony_like(name: &str, command: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            plain: COMMON.replace("{name}", name),
            limits: Some(LIMITS.to_owned()),
            cpus: None,
        }
    }

    /// Any other, as `NAME=COMMAND WORDS…` or a command alone; its configuration is its own affair.
    pub fn other(text: &str) -> Option<Self> {
        let (name, command) = match text.split_once('=') {
            Some((name, command)) if !name.contains([' ', '/']) => (Some(name), command),
            _ => (None, text),
        };
        let command: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let program = command.first()?.rsplit('/').next()?.to_owned();
        let name = name.map_or(program, str::to_owned);
        Some(Self { name, command, plain: String::new(), limits: None, cpus: None })
    }

    /// The same with more lines in its configuration.
    pub fn with(mut self, lines: &str) -> Self {
        self.plain.push_str(lines);
        self
    }

    /// The same on processors of its own.
    pub fn on(mut self, cpus: Vec<usize>) -> Self {
        self.cpus = Some(cpus);
        self
    }

    /// Can it be set up so?
    pub fn has(&self, setup: Setup) -> bool {
        setup == Setup::Plain || self.limits.is_some()
    }

    /// Starts it and waits for its first good answer.
    pub fn start(&self, lab: &Lab, load: &mut Load, setup: Setup) -> Result<Running, String> {
        let config = PathBuf::from(format!("/run/{}.conf", self.name));
        let limits = self.limits.as_deref().filter(|_| setup == Setup::Limits).unwrap_or("");
        fs::write(&config, format!("{}{limits}", self.plain)).map_err(|error| error.to_string())?;
        let log = PathBuf::from(format!("/run/{}.log", self.name));
        let output = fs::File::create(&log).map_err(|error| error.to_string())?;
        let again = output.try_clone().map_err(|error| error.to_string())?;
        let mut words = self.command.iter().map(|word| word.replace("{config}", &config.to_string_lossy()));
        let mut command = lab.serving(&words.next().ok_or("an empty command")?, self.cpus.as_deref());
        let child = command.args(words).stdin(Stdio::null()).stdout(output).stderr(again).spawn();
        let child = child.map_err(|error| format!("{}: {error}", self.name))?;
        let mut running = Running { name: self.name.clone(), child, log };
        let began = Instant::now();
        while began.elapsed() < START {
            let seen =
                load.open(&[Flow { pace: crate::flow::Pace::Rate(50.0), ..Flow::clients(1000) }], 0.02);
            if seen.tallies.iter().any(|tally| tally.received > 0) {
                return Ok(running);
            }
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("{} ended at once ({status}):\n{}", self.name, running.said()));
            }
        }
        Err(format!("{} did not answer within {START:?}:\n{}", self.name, running.said()))
    }
}

/// A server that runs; ended when dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

/// Processor time, s.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// The server's processes.
    pub process: f64,
    /// The kernel's threads that receive for it.
    pub receiver: f64,
}

impl Running {
    /// What it has printed.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said `text`.
    pub fn wait_for(&self, text: &str) -> Result<(), String> {
        let began = Instant::now();
        while !self.said().contains(text) {
            if began.elapsed() > START {
                return Err(format!("{} has not said \"{text}\":\n{}", self.name, self.said()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Is it still there?
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All processes in the server's namespace.
    fn processes(&self) -> Vec<u32> {
        let Ok(namespace) = fs::metadata(format!("/proc/{}/ns/net", self.child.id())) else {
            return Vec::new();
        };
        let same = |id: &u32| {
            fs::metadata(format!("/proc/{id}/ns/net")).is_ok_and(|other| other.ino() == namespace.ino())
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(same).collect()
    }

    /// What it has cost so far. `receivers`: see [`Lab::receivers`].
    pub fn cost(&self, receivers: &[u32]) -> Cost {
        Cost {
            process: self.processes().iter().map(|&id| run_time(id)).sum(),
            receiver: receivers.iter().map(|&id| run_time(id)).sum(),
        }
    }

    /// Processor time of its processes beside the main one (our observer), s.
    pub fn beside(&self) -> f64 {
        self.processes().into_iter().filter(|id| *id != self.child.id()).map(run_time).sum()
    }

    /// Processor time of the thread of its main process that is called `name`, s; 0: there is none.
    pub fn thread(&self, name: &str) -> f64 {
        let folder = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        let named = folder
            .map(|entry| entry.path())
            .filter(|path| fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name));
        named.map(|path| schedule_time(&path.join("schedstat"))).sum()
    }

    /// Resident set of its processes, kB.
    pub fn resident(&self) -> u64 {
        let of = |id: &u32| {
            let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        };
        self.processes().iter().filter_map(of).sum()
    }

    /// Ends it; an error tells that it had ended before.
    pub fn stop(mut self) -> Result<(), String> {
        if self.alive() {
            return Ok(()); // dropping ends it
        }
        Err(format!("{} ended while it was measured:\n{}", self.name, self.said()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let processes = self.processes();
        for (signal, patience) in [("-TERM", 40), ("-KILL", 40)] {
            let ids = processes.iter().map(u32::to_string);
            if !processes.is_empty() {
                let _ = Command::new("kill").arg(signal).args(ids).stderr(Stdio::null()).status();
            }
            for _ in 0..patience {
                if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
        }
    }
}

/// Processor time of all threads of a process, s.
fn run_time(id: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    threads.map(|entry| schedule_time(&entry.path().join("schedstat"))).sum()
}

fn schedule_time(path: &std::path::Path) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9
}
