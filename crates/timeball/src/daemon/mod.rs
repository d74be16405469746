//! The daemon: the operating system's side of the engine. The start is the numbered list in [`start`]; what
//! happens afterwards is in [`event_loop`].

pub mod access_names;
pub mod answer;
pub mod args;
pub mod cards;
pub mod changes;
pub mod clocks;
pub mod configuration;
pub mod event_loop;
pub mod files;
pub mod filter;
pub mod folders;
pub mod identity;
mod keys;
pub mod leap_file;
pub mod logger;
pub mod mail;
pub mod memory;
#[cfg_attr(not(feature = "web"), path = "no_observer.rs")]
pub mod observer;
pub mod overrun;
pub mod ptp;
pub mod readiness;
pub mod refclocks;
pub mod resolver;
pub mod rtc;
pub mod rush;
pub mod sockets;
pub mod state;
pub mod system_clock;
pub mod temperature;
pub mod thermometers;
pub mod threads;
pub mod virtual_clock;
pub mod welcome;

use crate::places;
use access_names::AccessNames;
use args::{LogTarget, Mode, Options, Request, Wrong};
use cards::Cards;
use changes::ChangesFile;
use clocks::Clocks;
use configuration::Chosen;
use event_loop::{EventLoop, Workspace, say};
use files::PidFile;
use folders::Owner;
use leap_file::LeapFile;
use logger::Logger;
use ntp::auth::Keys;
use ntp::clock::{Clock, ClockError};
use ntp::config::{Config, ConfigError};
use ntp::engine::{Actions, Engine, Once, Severity, Start};
use ntp::rng::Rng;
use ntp::server::AccessTable;
use ntp::time::LocalTime;
use observer::Observer;
use ptp::PtpSockets;
use readiness::Readiness;
use refclocks::Refclocks;
use resolver::Resolver;
use rtc::Rtc;
use sockets::{CommandSockets, ServerSockets};
use state::{LogFiles, SourceFolders, StateFiles, learned_place};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use sys::process::User;
use thermometers::Thermometers;
use threads::Threads;
use welcome::Welcome;

/// The name the program was called by, which sets the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `chronyd`: chrony's places, rules and texts.
    Chronyd,
    /// `timeball run`.
    Timeball,
}

impl Name {
    /// The word itself, as it begins messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Chronyd => "chronyd",
            Self::Timeball => "timeball",
        }
    }
}

/// What is in this program, in the words of chrony's version line.
const FEATURES: &str = "+CMDMON +REFCLOCK +RTC +PRIVDROP +SCFILTER -SIGND -NTS +SECHASH +IPV6 -DEBUG";

/// Runs the daemon as `words` (without the program's name) ask. Returns the exit status: 0, or 1 for anything
/// that went wrong.
pub fn run(name: Name, words: &[OsString]) -> i32 {
    let mut options = match args::parse(name, words) {
        Ok(Request::Run(options)) => *options,
        Ok(Request::Version) => {
            return print(&match name {
                Name::Chronyd => {
                    format!("chronyd (chrony) {} ({FEATURES}) Timeball {OWN_VERSION}\n", version(name))
                }
                Name::Timeball => format!("Timeball {OWN_VERSION} ({FEATURES})\n"),
            });
        }
        Ok(Request::Help) => return print(&args::usage(name)),
        Ok(Request::HelpConfig(None)) => return print(&ntp::config::doc::help()),
        Ok(Request::HelpConfig(Some(directive))) => return help_config(&directive),
        Err(wrong) => return refuse(name, &wrong),
    };
    let mut readiness = match detach(name, &mut options) {
        Ok(readiness) => readiness,
        Err(message) => return refuse(name, &Wrong::BadValue(message)),
    };
    let mut daemon = match start(name, &options, &mut readiness) {
        Ok(Some(daemon)) => daemon,
        Ok(None) => return 0,
        Err(messages) => {
            for message in &messages {
                logger::log(Severity::Fatal, message);
            }
            // Whoever started us looks at the terminal, not into the log.
            let said = format!("Fatal error : {}", messages.join("\nFatal error : "));
            if !readiness.failed(&said) && options.log != LogTarget::Stderr {
                let _ = writeln!(std::io::stderr(), "{said}");
            }
            return 1;
        }
    };
    let status = daemon.event_loop.run();
    readiness.stopping();
    daemon.event_loop.finish();
    logger::info(&format!("{} exiting", name.word()));
    status
}

/// Memory for the log of requests, bytes, unless the configuration says something else.
const REQUEST_LOG: u64 = 256 * 1024;

/// Timeball's own version.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version as it is logged at the start. Scripts that look for chronyd's expect one of chrony's: that of the
/// release whose behaviour is meant.
fn version(name: Name) -> String {
    match name {
        Name::Chronyd => "version 4.8".to_owned(),
        Name::Timeball => format!("version {OWN_VERSION}"),
    }
}

/// Explains one directive. Returns the exit status.
fn help_config(directive: &str) -> i32 {
    if let Some(text) = ntp::config::doc::help_for(directive) {
        return print(&text);
    }
    let names = ntp::config::directives::all().map(|directive| directive.name);
    let hint = match ntp::config::suggest::nearest(&directive.to_lowercase(), names) {
        Some(name) => format!("Did you mean \"{name}\"?"),
        None => "timeball run --help-config explains them all.".to_owned(),
    };
    let _ = writeln!(std::io::stderr(), "There is no directive \"{directive}\". {hint}");
    1
}

/// A running daemon: the loop, and what goes away with it.
struct Daemon {
    event_loop: EventLoop,
    _pid_file: Option<PidFile>,
}

/// Opens the log and goes into the background, if that is asked for. No thread runs yet.
fn detach(name: Name, options: &mut Options) -> Result<Readiness, String> {
    // In the background the working folder is another one.
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| error.to_string());
    if let Some(path) = &mut options.config_file {
        *path = absolute(path)?;
    }
    if let LogTarget::File(path) = &mut options.log {
        *path = absolute(path)?;
    }
    let ident = match name {
        Name::Chronyd => c"chronyd",
        Name::Timeball => c"timeball",
    };
    let logger = Logger::new(&options.log, options.threshold, ident, name == Name::Timeball);
    logger::install(logger.map_err(|failure| failure.to_string())?);
    let parent = match options.foreground {
        true => None,
        false => {
            Some(sys::process::daemonise().map_err(|e| format!("Could not go into the background : {e}"))?)
        }
    };
    let systemd = std::env::var_os("NOTIFY_SOCKET").map(PathBuf::from);
    Ok(Readiness::new(systemd, options.notify_fd, parent))
}

/// The start. `None`: there is nothing to run (`-p`). The order is chronyd's: what needs root comes before the
/// change of user, what must be cleaned up by that user after it.
fn start(name: Name, options: &Options, readiness: &mut Readiness) -> Result<Option<Daemon>, Vec<String>> {
    // 1. May it be started by us?
    let is_root = sys::process::effective_uid() == 0;
    if name == Name::Chronyd && options.needs_root && !is_root {
        return Err(vec!["Not superuser".to_owned()]);
    }
    // 2. What is it to do?
    if options.mode != Mode::PrintConfig {
        logger::info(&format!("{} {} starting ({FEATURES})", name.word(), version(name)));
    }
    let Chosen { parsed, built_in } = configuration::choose(name, options, is_root, places::variable)
        .map_err(|refused| {
            if options.mode == Mode::PrintConfig {
                print_lines(&refused.lines);
            }
            texts(refused.errors)
        })?;
    for warning in &parsed.warnings {
        logger::warning(&warning.to_string());
    }
    if options.mode == Mode::PrintConfig {
        print_lines(&parsed.lines);
        return Ok(None);
    }
    let mut config = parsed.config;
    let errors = ntp::config::check(&config);
    if !errors.is_empty() {
        return Err(texts(errors));
    }
    configuration::adapt(&mut config, options);
    if options.filter_level != 0 && config.log.mail_on_change.is_some() {
        return Err(vec!["mailonchange directive cannot be used with -F enabled".to_owned()]);
    }
    let said = memory::size_client_log(name, &mut config.server, memory::Memory::read());
    said.map_err(|message| vec![message])?.into_iter().for_each(|text| logger::warning(&text));
    config.server.sheds_load = name == Name::Timeball;
    let log = if name == Name::Timeball { REQUEST_LOG } else { 0 };
    config.server.request_log.get_or_insert(log);
    // 3. Is another one running? Where do we write? Who sees the pid file may send a signal.
    let one = |message: String| vec![message];
    sys::signal::install().map_err(|error| one(format!("Could not catch signals : {error}")))?;
    let user = identity::run_time_user(name, options.user.as_deref().or(config.process.user.as_deref()))
        .map_err(one)?;
    let owner = identity::owner(user.as_ref());
    let places = Places::new(name, &config, is_root);
    let pid_file = places.take(&config, owner).map_err(one)?;
    let steer = options.steer && !built_in;
    if !options.steer {
        logger::info("Disabled control of system clock");
    }
    // 4. Who records and shows is another process, made while this one has neither sockets nor threads.
    let observer = match options.mode {
        Mode::Serve => observe(name, options, &config, (is_root, user.as_ref()), readiness),
        _ => None,
    };
    // 5. Sockets: the ports may need root. Nothing has been looked up yet, so the first answer is not far.
    let threads = serving_threads(name, options, &config);
    let mut servers = ServerSockets::new(name, &config.server, options.family).for_threads(threads);
    let access = AccessTable::new(&config.server.access);
    servers.follow(access.any_v4_allowed(), access.any_v6_allowed(), say);
    let mut commands = CommandSockets::open_udp(&config.control, options.family, |text| match name {
        Name::Chronyd => logger::error(&text),
        // Nobody asked for it, and the Unix socket does as well.
        Name::Timeball if built_in => logger::log(Severity::Debug, &text),
        Name::Timeball => logger::warning(&text),
    });
    // Keys are often readable for root alone.
    let keys = config.process.key_file.as_deref().and_then(keys::load);
    let refclocks = Refclocks::open(&config).map_err(one)?;
    let ptp = PtpSockets::open(&config, options.family, (access.any_v4_allowed(), access.any_v6_allowed()));
    let cards = Cards::open(&config.hardware).map_err(one)?;
    let rtc = open_rtc(&config);
    // 6. Priority and memory, as far as we may; then root is over.
    harden(options, &config);
    if let Some(user) = &user {
        identity::become_user(user, steer, &[config.server.port]).map_err(one)?;
    } else if is_root {
        logger::warning("Running with root privileges");
    }
    // 7. The command socket belongs to the run-time user.
    if let Some(path) = &places.socket
        && let Err(text) = commands.open_unix(path, owner)
    {
        logger::error(&text);
        logger::error(&format!("Disabled command socket {}", path.display()));
    }
    // 8. The clock, and the core on top of it.
    let clocks = choose_clock(name, steer).map_err(one)?;
    if name == Name::Timeball && options.mode == Mode::Serve {
        let (served, socket) = (servers.addresses(), commands.path());
        let welcome = Welcome { config: &config, built_in, served: &served, socket };
        welcome.lines().iter().for_each(|line| logger::info(line));
    }
    let learned = learned_place(&config, name, places::state(is_root, places::variable));
    let mut event_loop =
        assemble(name, options, config, clocks, (servers, commands), (learned, keys), rtc.as_ref())
            .map_err(one)?;
    event_loop.observer = observer;
    event_loop.refclocks = refclocks;
    event_loop.refclocks.join(&event_loop.engine);
    event_loop.cards = cards;
    event_loop.ptp = ptp;
    event_loop.rtc = rtc;
    if event_loop.rtc.is_none() {
        event_loop.engine.forget_rtc();
    }
    filter::load(options.filter_level).map_err(one)?;
    // 9. Tell who waits. Names are looked up and sources asked from now on.
    readiness.ready().map_err(one)?;
    // 10. The start is over: what only it needed of the program need not stay in memory.
    sys::footprint::forget_start();
    Ok(Some(Daemon { event_loop, _pid_file: pid_file }))
}

/// Starts the observer, if there is to be one. In the background it lets go of the terminal and of the process that waits.
fn observe(
    name: Name,
    options: &Options,
    config: &Config,
    (is_root, user): (bool, Option<&User>),
    readiness: &mut Readiness,
) -> Option<Observer> {
    let plan = observer::plan(name, config, is_root, user)?;
    let readiness = std::cell::RefCell::new(readiness);
    Observer::start(&plan, || {
        readiness.borrow_mut().abandon();
        if !options.foreground {
            let _ = sys::process::silence();
        }
    })
}

/// The clock that is steered. Timeball goes on without the right to the system's; chronyd's users expect to be
/// told.
fn choose_clock(name: Name, steer: bool) -> Result<Clocks, String> {
    if !steer {
        return Ok(Clocks::simulated());
    }
    match (Clocks::system(), name) {
        (Ok(clocks), _) => Ok(clocks),
        (Err(ClockError::NotPermitted), Name::Timeball) => {
            logger::warning(
                "No right to set the system clock (CAP_SYS_TIME), so it is only measured; \
                 time is served from a corrected copy",
            );
            Ok(Clocks::simulated())
        }
        (Err(error), _) => {
            logger::warning("CAP_SYS_TIME not present");
            Err(format!("Could not take over the system clock : {error}; give the right to it, or use -x"))
        }
    }
}

/// Puts the parts together.
fn assemble(
    name: Name,
    options: &Options,
    config: Config,
    mut clocks: Clocks,
    (servers, commands): (ServerSockets, CommandSockets),
    (learned, keys): (Option<PathBuf>, Option<Keys>),
    rtc: Option<&Rtc>,
) -> Result<EventLoop, String> {
    let once = match options.mode {
        Mode::SetOnce => Once::Set,
        Mode::MeasureOnce => Once::Print,
        Mode::Serve | Mode::PrintConfig => Once::No,
    };
    // Timeball always goes on where it stopped.
    let state = StateFiles::new(&config, name, options.reload_dumps || name == Name::Timeball);
    let changes = ChangesFile::new(learned.as_deref());
    let mut state = state.with_learned(learned);
    if once != Once::No {
        state.leave_dumps();
    }
    let drift = state.load_drift();
    if options.restore_time {
        restore_time(&state, rtc, &config, &mut clocks);
    }
    let seed = sys::random::seed().map_err(|error| format!("Could not get random numbers : {error}"))?;
    let start = Start {
        drift,
        once,
        reload: options.restart,
        steers: clocks.steers_system(),
        family: options.family,
        serving_threads: servers.threads(),
    };
    let mut out = Actions::new();
    let now = clocks.now();
    let mut engine = Engine::new(&config, start, generator(&seed), now, &mut clocks, &mut out);
    state.load_learned(&mut engine, now);
    state.load_traffic(&mut engine);
    state.load_requests(&mut engine, now, config.server.request_log_file.as_deref());
    engine.set_temperature_points(temperature::points(&config.clock)?);
    let thermometers = match once {
        Once::No => Thermometers::open(&config, name == Name::Timeball),
        Once::Set | Once::Print => Thermometers::default(),
    };
    engine.set_thermometers(thermometers.names());
    let folders = SourceFolders::new(&config);
    if !folders.is_empty() {
        engine.set_sourcedir_sources(now, &folders.read(), &mut out);
    }
    if once == Once::No {
        changes.replay(&mut engine, now, &mut clocks, &mut out);
    }
    if config.process.key_file.is_some() || config.sources.iter().any(|source| source.key != 0) {
        engine.set_keys(keys.unwrap_or_default(), &mut out);
    }
    let local = LocalTime::from_nanos(now.raw.nanos());
    let leap_file = LeapFile::find(&config, now.mono, local).map(|(file, table)| {
        engine.set_leap_table(table);
        file
    });
    Ok(EventLoop {
        changes,
        leap_file,
        resolver: Resolver::new(options.family),
        access_names: AccessNames::new(&config, now.mono),
        logs: LogFiles::new(&config.log),
        deadline: options.timeout.map(|seconds| now.mono + seconds),
        workspace: Workspace::new(&config.server.threads),
        thermometers,
        threads: Threads::new(&config.server.threads, real_time_priority(options, &config)),
        refclocks: Refclocks::default(),
        ptp: PtpSockets::default(),
        cards: Cards::default(),
        rtc: None,
        sensor: temperature::Sensor::new(&config.clock, now.mono),
        mail: mail::Mail::new(config.log.mail_on_change.as_ref().map(|(to, _)| to.clone())),
        config,
        engine,
        clocks,
        servers,
        commands,
        state,
        folders,
        observer: None,
        out,
    })
}

/// `-s`: the clock of a machine without a battery starts where the last run ended.
fn restore_time(state: &StateFiles, rtc: Option<&Rtc>, config: &Config, clocks: &mut Clocks) {
    if rtc.is_some_and(|rtc| restore_from_rtc(state, rtc, config, clocks)) {
        return;
    }
    let known = state.last_known_time().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let Some(known) = known else { return };
    let ahead = known.as_secs_f64() - clocks.raw_now().seconds();
    if ahead > 0.0 && clocks.steers_system() {
        match clocks.step(ahead) {
            Ok(_) => logger::info("System time restored from driftfile"),
            Err(error) => logger::error(&format!("Could not step system clock : {error}")),
        }
    }
}

/// `-s` with a real-time clock; false: it does not help.
fn restore_from_rtc(state: &StateFiles, rtc: &Rtc, config: &Config, clocks: &mut Clocks) -> bool {
    let Some((truth, at)) = rtc.truth(config, || clocks.raw_now()) else { return false };
    let known = state.last_known_time().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    if known.is_some_and(|known| truth < known.as_secs_f64()) {
        logger::warning("RTC time before last driftfile modification (ignored)");
        return false;
    }
    let offset = truth - at.seconds();
    if offset.abs() < 1.0 || !clocks.steers_system() {
        logger::info(&format!("System clock off from RTC by {offset:.6} seconds (not changed)"));
        return true;
    }
    match clocks.step(offset) {
        Ok(_) => logger::info("System time set from RTC"),
        Err(error) => logger::error(&format!("Could not step system clock : {error}")),
    }
    true
}

/// The real-time clock of `rtcfile`, if it can be had.
fn open_rtc(config: &Config) -> Option<Rtc> {
    config.rtc.file.as_ref()?;
    match Rtc::open(&config.rtc) {
        Ok(rtc) => Some(rtc),
        Err(text) => {
            logger::error(&text);
            logger::error("RTC driver could not be initialised");
            None
        }
    }
}

fn generator(seed: &[u8; 32]) -> Rng {
    let (words, _) = seed.as_chunks::<8>();
    let mut numbers = [0; 4];
    for (number, word) in numbers.iter_mut().zip(words) {
        *number = u64::from_ne_bytes(*word);
    }
    Rng::from_seed(numbers)
}

/// How many threads serve. Not for one look at the clock, nor where a simulator may stand in front of the kernel.
fn serving_threads(name: Name, options: &Options, config: &Config) -> usize {
    if options.mode != Mode::Serve || config.server.port == 0 {
        return 0;
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if let Some(text) = config.server.threads.warning(cores) {
        logger::warning(&text);
    }
    config.server.threads.count(cores, name == Name::Timeball && !sys::thread::simulated())
}

fn real_time_priority(options: &Options, config: &Config) -> i32 {
    options.priority.unwrap_or(config.process.sched_priority)
}

/// Priority, locked memory: wishes, not conditions.
fn harden(options: &Options, config: &Config) {
    let priority = real_time_priority(options, config);
    if priority > 0
        && let Err(error) = sys::process::set_realtime_priority(priority)
    {
        logger::error(&format!("Could not set real-time priority {priority} : {error}"));
    }
    if (options.lock_memory || config.process.lock_all)
        && let Err(error) = sys::process::lock_memory()
    {
        logger::error(&format!("Could not lock memory : {error}"));
    }
}

/// Where the pid file and the command socket are.
#[derive(Debug, PartialEq, Eq)]
struct Places {
    pid_file: Option<PathBuf>,
    socket: Option<PathBuf>,
}

impl Places {
    fn new(name: Name, config: &Config, is_root: bool) -> Self {
        let (pid_file, socket) = match name {
            Name::Chronyd => (Some("/run/chrony/chronyd.pid".into()), Some(places::CHRONYD_SOCKET.into())),
            Name::Timeball => (None, places::socket(is_root, places::variable)),
        };
        Self {
            pid_file: config.process.pid_file.clone().unwrap_or(pid_file),
            socket: config.control.socket.clone().unwrap_or(socket),
        }
    }

    /// Makes the folders and writes the pid file. Only the pid file can stop the start.
    fn take(&self, config: &Config, owner: Owner) -> Result<Option<PidFile>, String> {
        let ours = sys::process::id();
        if let Some(path) = &self.pid_file {
            PidFile::check(path, ours)?;
        }
        if let Some(folder) = self.socket.as_deref().and_then(Path::parent) {
            // Judged, and complained about, when the socket is opened in it.
            let _ = folders::make(folder, 0o770, owner);
        }
        for folder in [&config.process.dump_dir, &config.log.dir].into_iter().flatten() {
            if let Err(text) = folders::make_or_say(folder, 0o750, owner) {
                logger::error(&text);
            }
        }
        let write = |path: &PathBuf| PidFile::write(path, ours).map_err(|failure| failure.to_string());
        self.pid_file.as_ref().map(write).transpose()
    }
}

fn texts(errors: Vec<ConfigError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn print_lines(lines: &[String]) {
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
}

/// Prints on standard output; a closed one is nobody's loss.
fn print(text: &str) -> i32 {
    let _ = std::io::stdout().write_all(text.as_bytes());
    0
}

/// Says what is wrong with the command line.
fn refuse(name: Name, wrong: &Wrong) -> i32 {
    let text = match wrong {
        Wrong::Unknown(option) => format!("{}: invalid option {option}\n", name.word()),
        Wrong::MissingValue(letter) => format!("{}: option -{letter} requires an argument\n", name.word()),
        Wrong::BadValue(message) => {
            logger::log(Severity::Fatal, message);
            return 1;
        }
    };
    let _ = std::io::stderr().write_all(text.as_bytes());
    print(&args::usage(name));
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_name_and_the_configuration() {
        let mut config = Config::default();
        let chronyd = Places::new(Name::Chronyd, &config, true);
        assert_eq!(chronyd.pid_file, Some("/run/chrony/chronyd.pid".into()));
        assert_eq!(chronyd.socket, Some("/run/chrony/chronyd.sock".into()));
        let timeball = Places::new(Name::Timeball, &config, true);
        assert_eq!(timeball, Places { pid_file: None, socket: Some("/run/timeball/timeball.sock".into()) });
        config.process.pid_file = Some(None);
        config.control.socket = Some(Some("/x/y.sock".into()));
        let moved = Places::new(Name::Chronyd, &config, true);
        assert_eq!(moved, Places { pid_file: None, socket: Some("/x/y.sock".into()) });
    }

    #[test]
    fn equal_seeds_give_equal_generators() {
        let (mut a, mut b) = (generator(&[7; 32]), generator(&[7; 32]));
        assert_eq!(a.bits(), b.bits());
        assert_ne!(generator(&[8; 32]).bits(), generator(&[7; 32]).bits());
    }
}
