//! Where the facts come from: this machine, or a copy of a root file system. Tests put their own in its place.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ntp::time::NtpTime;
use ntp::wire::{Leap, Mode, Packet};

use crate::cli::uci::interfaces;
use crate::setup::journal::{Action, Journal};
use crate::setup::parts::Part;
use crate::setup::translate;
use crate::setup::tree::{Node, Tree};

/// How long answers to our own requests may take.
const PATIENCE: Duration = Duration::from_millis(700);

/// A look-up in vain that takes longer had no answer: there is no name server.
const NAMES: Duration = Duration::from_secs(2);

/// What can be learned of a machine. Paths are absolute and of the machine that is looked at.
pub trait System {
    /// Is it a running machine, or a copy of its files?
    fn is_running(&self) -> bool;
    /// Unix time, s.
    fn now(&self) -> f64;
    /// The contents of a file.
    fn read(&self, path: &str) -> Option<Vec<u8>>;
    /// The names in a folder, sorted.
    fn list(&self, folder: &str) -> Vec<String>;
    /// Where a symbolic link leads.
    fn link(&self, path: &str) -> Option<String>;
    /// The path without symbolic links, of the longest part of it that exists.
    fn real(&self, path: &str) -> String;
    /// How long ago a file was written, s.
    fn age(&self, path: &str) -> Option<f64>;
    /// What a program says, if it ends well.
    fn run(&self, words: &[&str]) -> Option<String>;
    /// The addresses of the interfaces that are up.
    fn addresses(&self) -> Vec<(String, SocketAddr)>;
    /// What a server there answers to a request from the same address.
    fn ask_time(&self, servers: &[SocketAddr]) -> Vec<Option<Packet>>;
    /// Can each of these names be looked up?
    fn found(&self, names: &[String]) -> Vec<bool>;
    /// What the kernel is set to.
    fn kernel(&self) -> Option<Kernel>;
    /// The configuration that OpenWrt's files make.
    fn translated(&self) -> Option<Translated>;
    /// What set-up has changed, and whether it is still so; `None`: it has changed nothing.
    fn set_up(&self) -> Option<SetUp>;

    /// The text of a file.
    fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.read(path)?).into_owned())
    }
}

/// What the kernel's clock is set to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kernel {
    /// How much faster than its oscillator the clock is made to run, s/s.
    pub frequency: f64,
    /// Somebody uses the kernel's phase-locked loop, which Timeball and chronyd never do.
    pub loop_runs: bool,
}

/// A configuration made of OpenWrt's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Directives.
    pub lines: Vec<String>,
    /// What is wrong with the files.
    pub errors: Vec<String>,
}

/// What set-up left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetUp {
    /// It, or its undoing, was interrupted; or its journal cannot be read.
    pub unfinished: Option<String>,
    /// The profile it was set up by.
    pub profile: String,
    /// So many paths were changed.
    pub paths: usize,
    /// … of which these were changed again by somebody else: the path, and the part of set-up it belongs to.
    pub changed: Vec<(String, &'static str)>,
}

/// This machine, or the copy of one in `root`.
pub struct Machine {
    /// The folder of the copy.
    pub root: Option<PathBuf>,
}

impl Machine {
    fn place(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => path.into(),
        }
    }
}

impl Machine {
    fn tree(&self) -> Tree {
        self.root.as_ref().map_or_else(Tree::live, |root| Tree::copy(root))
    }
}

impl System for Machine {
    fn is_running(&self) -> bool {
        self.root.is_none()
    }

    fn now(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
    }

    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.place(path)).ok()
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn link(&self, path: &str) -> Option<String> {
        Some(fs::read_link(self.place(path)).ok()?.to_string_lossy().into_owned())
    }

    fn real(&self, path: &str) -> String {
        if self.root.is_some() {
            return path.to_owned(); // links of the copy may lead out of it
        }
        let mut there = Path::new(path);
        loop {
            if let Ok(real) = there.canonicalize() {
                let rest = Path::new(path).strip_prefix(there).unwrap_or(Path::new(""));
                return real.join(rest).to_string_lossy().into_owned();
            }
            let Some(parent) = there.parent() else { return path.to_owned() };
            there = parent;
        }
    }

    fn age(&self, path: &str) -> Option<f64> {
        let modified = fs::metadata(self.place(path)).ok()?.modified().ok()?;
        // A file of the future is new.
        Some(SystemTime::now().duration_since(modified).unwrap_or_default().as_secs_f64())
    }

    fn run(&self, words: &[&str]) -> Option<String> {
        let (program, arguments) = words.split_first().filter(|_| self.is_running())?;
        let output = Command::new(program)
            .args(arguments)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn addresses(&self) -> Vec<(String, SocketAddr)> {
        if !self.is_running() {
            return Vec::new();
        }
        let all = sys::interfaces::addresses().unwrap_or_default();
        all.into_iter().map(|one| (one.interface, one.address)).collect()
    }

    fn ask_time(&self, servers: &[SocketAddr]) -> Vec<Option<Packet>> {
        let asked: Vec<_> = servers.iter().map(|server| ask(*server)).collect();
        let deadline = Instant::now() + PATIENCE;
        asked
            .into_iter()
            .map(|one| one.and_then(|(socket, stamp)| answer(&socket, stamp, deadline)))
            .collect()
    }

    fn found(&self, names: &[String]) -> Vec<bool> {
        let mut is_dead = false;
        let look = |name: &String| {
            if is_dead {
                return false;
            }
            let start = Instant::now();
            let found = (name.as_str(), 0).to_socket_addrs().is_ok_and(|mut all| all.next().is_some());
            // Who waits in vain for one name does so for all.
            is_dead = !found && start.elapsed() > NAMES;
            found
        };
        names.iter().map(look).collect()
    }

    fn kernel(&self) -> Option<Kernel> {
        if !self.is_running() {
            return None;
        }
        let mut timex = sys::abi::Timex::default(); // no mode: it is only read
        sys::clock::adjust(&mut timex).ok()?;
        let nominal = 1e6 / sys::clock::user_hz() as f64;
        let tick = timex.tick as f64 / nominal - 1.0;
        Some(Kernel {
            frequency: tick + timex.freq as f64 / 65536.0 * 1e-6,
            loop_runs: timex.status & sys::clock::timex::STA_PLL != 0,
        })
    }

    fn translated(&self) -> Option<Translated> {
        let tree = self.tree();
        if !["timeball", "chrony"].iter().any(|name| tree.exists(&format!("/etc/config/{name}"))) {
            return None;
        }
        let translated = translate::translate(&tree, &interfaces(&tree));
        let lines = translated.lines.into_iter().map(|line| line.text).collect();
        Some(Translated { lines, errors: translated.errors })
    }

    fn set_up(&self) -> Option<SetUp> {
        let tree = self.tree();
        match Journal::load(&tree) {
            Ok(journal) => journal.map(|journal| compare(&tree, &journal)),
            Err(error) => Some(SetUp { unfinished: Some(error.to_string()), ..SetUp::default() }),
        }
    }
}

/// Compares what set-up noted with what is there.
fn compare(tree: &Tree, journal: &Journal) -> SetUp {
    let mut last: BTreeMap<&str, (&Node, Part)> = BTreeMap::new();
    for entry in &journal.entries {
        if let Action::Change { path, after, .. } = &entry.step.action {
            last.insert(path, (after, entry.step.part));
        }
    }
    let differs = |(path, (after, part)): (&&str, &(&Node, Part))| {
        let same = tree.node(path).is_ok_and(|there| there == **after);
        (!same).then(|| ((*path).to_owned(), part.name()))
    };
    let unfinished = if journal.is_undoing {
        Some("its undoing was interrupted".to_owned())
    } else {
        journal.entries.iter().any(|entry| !entry.is_done).then(|| "it was interrupted".to_owned())
    };
    SetUp {
        unfinished,
        profile: journal.profile.clone(),
        paths: last.len(),
        changed: last.iter().filter_map(differs).collect(),
    }
}

/// Sends a request to `server` from its own address.
fn ask(server: SocketAddr) -> Option<(UdpSocket, NtpTime)> {
    let mut own = server;
    own.set_port(0);
    let socket = UdpSocket::bind(own).ok()?;
    socket.connect(server).ok()?;
    let mut bytes = [0; 8];
    sys::random::fill(&mut bytes).ok()?;
    let stamp = NtpTime(u64::from_be_bytes(bytes) | 1);
    socket.send(&request(stamp).emit()).ok()?;
    Some((socket, stamp))
}

/// A request that says nothing of us: version, mode and a random stamp.
pub fn request(stamp: NtpTime) -> Packet {
    Packet {
        leap: Leap::None,
        version: 4,
        mode: Mode::Client,
        stratum: 0,
        poll: 6,
        precision: 32,
        root_delay: Default::default(),
        root_dispersion: Default::default(),
        refid: Default::default(),
        reference: NtpTime::ZERO,
        origin: NtpTime::ZERO,
        receive: NtpTime::ZERO,
        transmit: stamp,
    }
}

fn answer(socket: &UdpSocket, stamp: NtpTime, deadline: Instant) -> Option<Packet> {
    let mut buffer = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(left)).ok()?;
        let length = socket.recv(&mut buffer).ok()?;
        let packet = Packet::parse(buffer.get(..length)?);
        if let Some(packet) = packet.filter(|p| p.origin == stamp && p.mode == Mode::Server) {
            return Some(packet);
        }
    }
}
