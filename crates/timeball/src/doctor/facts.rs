//! What is known of the machine: gathered once, then only read by the checks.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ntp::config::{Config, Loader, Refused, parse, parse_lines};
use ntp::control::sources::SourceMode;
use ntp::leap_table::LeapTable;
use ntp::server::AccessTable;
use ntp::time::LocalTime;
use ntp::wire::Packet;

use super::daemon::Daemon;
use super::nft::{self, Chain};
use super::processes::{self, Process};
use super::sockets::{self, Listener};
use super::system::{Kernel, SetUp, System, Translated};
use super::uci::{self, Section};
use crate::daemon::args::{self, Options, Request};
use crate::daemon::{Name, configuration};
use crate::places;

/// Where configurations are looked for when no process says which it reads.
const CONFIGURATIONS: [&str; 4] =
    [places::CONFIG_FILE, "/var/etc/timeball.conf", "/etc/chrony/chrony.conf", "/etc/chrony.conf"];
/// Where leap seconds are listed on most systems.
const LEAP_LISTS: [&str; 2] = ["/usr/share/zoneinfo/leap-seconds.list", "/etc/leap-seconds.list"];
/// What OpenWrt's service makes of `/etc/config`.
const MADE: &str = "/etc/timeball/uci.conf";
/// Where it is written by hand.
const BY_HAND: &str = "/etc/config/timeball";
/// Most addresses asked.
const MOST_ADDRESSES: usize = 32;

/// Which kind of system it is, for the commands that mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// OpenWrt: UCI, procd, firewall4.
    OpenWrt,
    /// systemd.
    Systemd,
    /// Anything else.
    Other,
}

/// The configuration in use.
#[derive(Debug)]
pub enum Configured {
    /// There is none.
    Nowhere,
    /// It was read; the path is empty when the directives are arguments or built in.
    Read {
        /// The file.
        path: String,
        /// What it says.
        config: Box<Config>,
        /// What it says, line by line.
        lines: Vec<String>,
    },
    /// It cannot be used.
    Wrong {
        /// The file.
        path: String,
        /// Everything that is wrong.
        errors: Vec<String>,
    },
}

/// Something that is to outlast a power cut.
#[derive(Debug)]
pub struct Kept {
    /// The directive that names it.
    pub directive: &'static str,
    /// As configured.
    pub path: String,
    /// The file system it is on, as `tmpfs`, if it is known.
    pub filesystem: Option<String>,
    /// How long ago it was written, s; `None`: it is not there.
    pub age: Option<f64>,
}

/// What is known beforehand of leap seconds.
#[derive(Debug)]
pub struct LeapData {
    /// The file.
    pub path: String,
    /// The directive that names it; `None`: it is just there.
    pub directive: Option<&'static str>,
    /// `None`: it cannot be read.
    pub expired: Option<bool>,
}

/// Everything the checks look at.
#[derive(Debug)]
pub struct Facts {
    /// A running machine, not a copy of its files.
    pub running: bool,
    /// Unix time, s.
    pub now: f64,
    /// Which kind of system.
    pub place: Place,
    /// What the daemon says; `None`: none answers.
    pub daemon: Option<Daemon>,
    /// Its process.
    pub process: Option<Process>,
    /// All others that keep time.
    pub others: Vec<Process>,
    /// What keeps time and is started at boot.
    pub enabled: Vec<String>,
    /// The configuration.
    pub configured: Configured,
    /// … is made of OpenWrt's files: edits belong there.
    pub by_uci: bool,
    /// What is wrong with those files, while the daemon runs with what was made of them before.
    pub edit_errors: Vec<String>,
    /// Sources and access in OpenWrt's words.
    pub chrony: Option<Vec<Section>>,
    /// What set-up has changed.
    pub set_up: Option<SetUp>,
    /// Who listens on the port of NTP.
    pub udp: Vec<Listener>,
    /// Who listens on TCP.
    pub tcp: Vec<Listener>,
    /// The server asked by itself: interface, address, answer.
    pub answers: Vec<(String, SocketAddr, Option<Packet>)>,
    /// Names of the daemon's sources, and whether they can be looked up.
    pub names: Vec<(String, bool)>,
    /// What the kernel is set to.
    pub kernel: Option<Kernel>,
    /// What the board calls itself.
    pub board: Option<String>,
    /// What is to be kept.
    pub kept: Vec<Kept>,
    /// Written to storage by the daemon, and since how long it runs: bytes, s.
    pub written: Option<(f64, f64)>,
    /// Connections followed by the kernel: now, at most.
    pub conntrack: Option<(f64, f64)>,
    /// … of which of NTP to this machine; `None`: the list cannot be read.
    pub tracked: Option<usize>,
    /// Chains of nftables, and where they were found; `None`: neither the kernel nor files could be asked.
    pub chains: Option<Vec<Chain>>,
    /// The firewall of OpenWrt.
    pub firewall: Option<Vec<Section>>,
    /// DHCP of OpenWrt.
    pub dhcp: Option<Vec<Section>>,
    /// Leap seconds.
    pub leap: Option<LeapData>,
    /// This program.
    pub version: &'static str,
}

impl Facts {
    /// Looks at everything; `daemon` is what one said that answered.
    pub fn gather(system: &dyn System, daemon: Option<Daemon>) -> Self {
        let foreign = daemon.as_ref().is_some_and(|daemon| daemon.version.is_none());
        let (process, others) = processes::find(system, foreign);
        let place = place(system);
        let translated = if place == Place::OpenWrt { system.translated() } else { None };
        let named = process.as_ref().and_then(options).and_then(|options| options.config_file.clone());
        let made = named.is_some_and(|path| path == Path::new(MADE));
        let by_uci = translated.is_some() && (made || process.is_none());
        let edit_errors =
            translated.as_ref().filter(|_| made).map(|one| one.errors.clone()).unwrap_or_default();
        let configured = match translated.filter(|_| process.is_none()) {
            Some(translated) => of_uci(system, &translated),
            None => configured(system, process.as_ref()),
        };
        let config = configured.config();
        let port = config.map_or(123, |config| config.server.port);
        let tracked = sockets::tracked(system);
        Self {
            running: system.is_running(),
            now: system.now(),
            place,
            enabled: processes::enabled(system),
            udp: sockets::listeners(system, "udp", |socket| socket.address.port() == port),
            tcp: sockets::listeners(system, "tcp", |_| true),
            answers: answers(system, port),
            names: names(system, daemon.as_ref()),
            kernel: system.kernel(),
            board: board(system),
            kept: kept(system, config, place),
            written: process.as_ref().and_then(|process| processes::written(system, process)),
            conntrack: conntrack(system),
            tracked,
            chains: chains(system),
            by_uci,
            edit_errors,
            chrony: system.text("/etc/config/chrony").and_then(|text| uci::read(&text)),
            set_up: system.set_up(),
            firewall: system.text("/etc/config/firewall").and_then(|text| uci::read(&text)),
            dhcp: system.text("/etc/config/dhcp").and_then(|text| uci::read(&text)),
            leap: leap(system, config),
            version: env!("CARGO_PKG_VERSION"),
            daemon,
            process,
            others,
            configured,
        }
    }

    /// The configuration, if there is a good one.
    pub fn config(&self) -> Option<&Config> {
        self.configured.config()
    }

    /// May everybody ask this server for the time?
    pub fn is_public(&self) -> bool {
        self.serves(IpAddr::from([8, 8, 8, 8])) || self.serves(IpAddr::from([0x2600, 0, 0, 0, 0, 0, 0, 1]))
    }

    /// May this address ask for the time?
    pub fn serves(&self, address: IpAddr) -> bool {
        self.config().is_some_and(|config| {
            config.server.port != 0 && AccessTable::new(&config.server.access).check(address)
        })
    }

    /// Does it serve anybody but itself?
    pub fn serves_others(&self) -> bool {
        self.is_public()
            || [[192, 168, 0, 9], [192, 168, 1, 9], [10, 0, 0, 9], [172, 16, 0, 9]]
                .iter()
                .any(|address| self.serves(IpAddr::from(*address)))
            || self.serves(IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 9]))
    }

    /// Does the daemon's process leave the clock alone?
    pub fn is_virtual(&self) -> bool {
        let built_in = matches!(&self.configured, Configured::Read { path, .. } if path.is_empty());
        self.process.as_ref().is_some_and(|process| {
            process.arguments.iter().any(|word| word == "-x") || (built_in && process.arguments.len() <= 2)
        })
    }

    /// What starts the daemon anew.
    pub fn restart(&self) -> &'static str {
        match self.place {
            Place::OpenWrt => "/etc/init.d/timeball restart",
            Place::Systemd => "systemctl restart timeball",
            Place::Other => "",
        }
    }
}

/// As many as a few seconds are enough for.
fn names(system: &dyn System, daemon: Option<&Daemon>) -> Vec<(String, bool)> {
    let mut names: Vec<String> = Vec::new();
    for source in daemon.filter(|_| system.is_running()).map_or(&[][..], |daemon| &daemon.sources) {
        let is_name = source.data.mode != SourceMode::Refclock && source.name.parse::<IpAddr>().is_err();
        if is_name && names.len() < 16 && !names.contains(&source.name) {
            names.push(source.name.clone());
        }
    }
    let found = system.found(&names);
    names.into_iter().zip(found).collect()
}

/// The configuration in use, and nothing else.
pub fn in_use(system: &dyn System) -> Configured {
    let (process, _) = processes::find(system, false);
    let translated = if place(system) == Place::OpenWrt { system.translated() } else { None };
    match translated.filter(|_| process.is_none()) {
        Some(translated) => of_uci(system, &translated),
        None => configured(system, process.as_ref()),
    }
}

impl Configured {
    /// What it says, if it is good.
    pub fn config(&self) -> Option<&Config> {
        if let Self::Read { config, .. } = self { Some(config) } else { None }
    }

    /// The file, to be named in advice.
    pub fn path(&self) -> &str {
        match self {
            Self::Read { path, .. } | Self::Wrong { path, .. } if !path.is_empty() => path,
            _ => places::CONFIG_FILE,
        }
    }
}

/// The configuration's files, read from the system looked at.
struct Files<'a>(&'a dyn System);

impl Loader for Files<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.text(path).ok_or_else(|| "No such file or directory".to_owned())
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        Ok(self.0.list(folder))
    }
}

/// Which kind of system.
fn place(system: &dyn System) -> Place {
    if system.text("/etc/openwrt_release").is_some() {
        Place::OpenWrt
    } else if !system.list("/run/systemd/system").is_empty() || !system.list("/lib/systemd/system").is_empty()
    {
        Place::Systemd
    } else {
        Place::Other
    }
}

/// The configuration of the running process, else the first that is found.
fn configured(system: &dyn System, process: Option<&Process>) -> Configured {
    let options = process.and_then(options);
    let files = Files(system);
    if let Some(options) = options.as_ref().filter(|options| !options.directives.is_empty()) {
        return told(parse_lines(&options.directives, &files), String::new());
    }
    let named = options.and_then(|options| options.config_file);
    let path = match named {
        Some(path) => Some(path.to_string_lossy().into_owned()),
        None => CONFIGURATIONS.iter().find(|path| system.text(path).is_some()).map(|path| (*path).to_owned()),
    };
    match path {
        Some(path) => match system.text(&path) {
            Some(text) => told(parse(&text, &path, &files), path),
            None => Configured::Wrong { errors: vec![format!("{path} cannot be read")], path },
        },
        None if process.is_some() => told(parse_lines(&configuration::built_in(None), &files), String::new()),
        None => Configured::Nowhere,
    }
}

/// What OpenWrt's files say.
fn of_uci(system: &dyn System, translated: &Translated) -> Configured {
    if translated.errors.is_empty() {
        told(parse_lines(&translated.lines, &Files(system)), BY_HAND.to_owned())
    } else {
        Configured::Wrong { path: BY_HAND.to_owned(), errors: translated.errors.clone() }
    }
}

/// The options of a daemon's command line.
fn options(process: &Process) -> Option<Box<Options>> {
    let words: Vec<_> = process.arguments.iter().skip(1).map(Into::into).collect();
    let (name, words) = match words.split_first() {
        Some((first, rest)) if first == "run" => (Name::Timeball, rest),
        _ => (Name::Chronyd, words.as_slice()),
    };
    match args::parse(name, words) {
        Ok(Request::Run(options)) => Some(options),
        _ => None,
    }
}

fn told(parsed: Result<ntp::config::Parsed, Refused>, path: String) -> Configured {
    match parsed {
        Ok(parsed) => Configured::Read { path, config: Box::new(parsed.config), lines: parsed.lines },
        Err(refused) => {
            let words = |error: &ntp::config::ConfigError| match &error.hint {
                Some(hint) => format!("{} ({hint})", error.message),
                None => error.message.clone(),
            };
            Configured::Wrong { path, errors: refused.errors.iter().map(words).collect() }
        }
    }
}

/// Asks the server at each address of the machine.
fn answers(system: &dyn System, port: u16) -> Vec<(String, SocketAddr, Option<Packet>)> {
    if port == 0 {
        return Vec::new();
    }
    let mut addresses = system.addresses();
    addresses.truncate(MOST_ADDRESSES);
    for (_, address) in &mut addresses {
        address.set_port(port);
    }
    let servers: Vec<SocketAddr> = addresses.iter().map(|(_, address)| *address).collect();
    let answers = system.ask_time(&servers);
    addresses
        .into_iter()
        .zip(answers)
        .map(|((interface, address), answer)| (interface, address, answer))
        .collect()
}

/// What the firmware calls the board.
fn board(system: &dyn System) -> Option<String> {
    let compatible = system.text("/proc/device-tree/compatible");
    let words = compatible.map(|text| text.trim_matches('\0').replace('\0', " "));
    words.or_else(|| Some(system.text("/sys/class/dmi/id/product_name")?.trim().to_owned()))
}

fn conntrack(system: &dyn System) -> Option<(f64, f64)> {
    let number = |name: &str| system.text(&format!("/proc/sys/net/netfilter/{name}"))?.trim().parse().ok();
    Some((number("nf_conntrack_count")?, number("nf_conntrack_max")?))
}

/// The rules in force, or, of a copy, those in its files.
fn chains(system: &dyn System) -> Option<Vec<Chain>> {
    if let Some(text) = system.run(&["nft", "list", "ruleset"]) {
        return Some(nft::read(&text));
    }
    let folder = "/etc/nftables.d";
    let files = system.list(folder).into_iter().filter(|name| name.ends_with(".nft"));
    let paths: Vec<String> =
        files.map(|name| format!("{folder}/{name}")).chain(["/etc/nftables.conf".to_owned()]).collect();
    let texts: Vec<String> = paths.iter().filter_map(|path| system.text(path)).collect();
    let known = !texts.is_empty() || !system.is_running();
    known.then(|| texts.iter().flat_map(|text| nft::read(text)).collect())
}

/// Files and folders that are to outlast a power cut.
fn kept(system: &dyn System, config: Option<&Config>, place: Place) -> Vec<Kept> {
    let Some(config) = config else { return Vec::new() };
    let mounts = system.text("/proc/mounts").unwrap_or_default();
    let named = [
        ("driftfile", config.clock.drift_file.as_ref()),
        ("dumpdir", config.process.dump_dir.as_ref()),
        ("stats folder", config.observe.folder.as_ref()),
    ];
    let one = |(directive, path): (&'static str, Option<&PathBuf>)| {
        let path = path?.to_string_lossy().into_owned();
        let filesystem = filesystem(&mounts, &system.real(&path));
        let in_ram = place == Place::OpenWrt && filesystem.is_none() && is_ram_of_openwrt(&path);
        let filesystem = if in_ram { Some("tmpfs".to_owned()) } else { filesystem };
        Some(Kept { directive, age: system.age(&path), path, filesystem })
    };
    named.into_iter().filter_map(one).collect()
}

/// OpenWrt keeps these in RAM; of a copy of its files the mounts are not known.
fn is_ram_of_openwrt(path: &str) -> bool {
    ["/var/", "/tmp/", "/run/"].iter().any(|folder| path.starts_with(folder))
}

/// The type of the file system with the longest place that holds `path`.
fn filesystem(mounts: &str, path: &str) -> Option<String> {
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let (place, kind) = (words.nth(1)?, words.next()?);
        let inside = path == place || place == "/" || path.strip_prefix(place)?.starts_with('/');
        inside.then(|| (place.len(), kind.to_owned()))
    };
    mounts.lines().filter_map(one).max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

/// The list of leap seconds in use, else one that is there.
fn leap(system: &dyn System, config: Option<&Config>) -> Option<LeapData> {
    let now = LocalTime::from_seconds(system.now());
    let list = |path: String, directive| {
        let table = system.text(&path).and_then(|text| LeapTable::from_list(&text));
        LeapData { path, directive, expired: table.map(|table| table.is_expired(now)) }
    };
    let clock = config.map(|config| &config.clock);
    if let Some(path) = clock.and_then(|clock| clock.leap_list.as_ref()) {
        return Some(list(path.to_string_lossy().into_owned(), Some("leapseclist")));
    }
    if let Some(zone) = clock.and_then(|clock| clock.leap_zone.as_ref()) {
        let path = format!("/usr/share/zoneinfo/{zone}");
        let table = system.read(&path).and_then(|bytes| LeapTable::from_zone(&bytes));
        // A zone does not say until when it is good; the list it was made from does.
        let of_list =
            LEAP_LISTS.iter().map(|path| list((*path).to_owned(), None)).find_map(|list| list.expired);
        return Some(LeapData {
            path,
            directive: Some("leapsectz"),
            expired: table.map(|_| of_list.unwrap_or(false)),
        });
    }
    LEAP_LISTS.iter().find(|path| system.text(path).is_some()).map(|path| list((*path).to_owned(), None))
}
