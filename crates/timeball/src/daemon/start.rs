//! The start, as a numbered list.

use super::args::{LogTarget, Mode, Options};
use super::assemble::{assemble, open_rtc};
use super::cards::Cards;
use super::clocks::Clocks;
use super::configuration::Chosen;
use super::event_loop::{EventLoop, say};
use super::files::PidFile;
use super::logger::Logger;
use super::observer::Observer;
use super::ptp::PtpSockets;
use super::readiness::Readiness;
use super::refclocks::Refclocks;
use super::run_places::Places;
use super::sockets::{CommandSockets, ServerSockets};
use super::state::learned_place;
use super::welcome::Welcome;
use super::{
    FEATURES, Name, configuration, filter, identity, keys, logger, memory, observer, print, version,
};
use crate::places;
use ntp::clock::ClockError;
use ntp::config::{Config, ConfigError};
use ntp::engine::Severity;
use ntp::server::AccessTable;
use std::path::{Path, PathBuf};
use sys::process::User;
/// Memory for the log of requests, bytes, unless the configuration says something else.
const REQUEST_LOG: u64 = 256 * 1024;

/// A running daemon: the loop, and what goes away with it.
pub(super) struct Daemon {
    pub(super) event_loop: EventLoop,
    _pid_file: Option<PidFile>,
}

/// Opens the log and goes into the background, if that is asked for. No thread runs yet.
pub(super) fn detach(name: Name, options: &mut Options) -> Result<Readiness, String> {
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
pub(super) fn start(
    name: Name,
    options: &Options,
    readiness: &mut Readiness,
) -> Result<Option<Daemon>, Vec<String>> {
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
        return match print_lines(&parsed.lines) {
            0 => Ok(None),
            _ => Err(vec!["Could not write to stdout".to_owned()]),
        };
    }
    let errors = ntp::config::check(&parsed);
    if !errors.is_empty() {
        return Err(texts(errors));
    }
    let mut config = parsed.config;
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

pub(super) fn real_time_priority(options: &Options, config: &Config) -> i32 {
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

fn texts(errors: Vec<ConfigError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// The exit status.
fn print_lines(lines: &[String]) -> i32 {
    print(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
}
