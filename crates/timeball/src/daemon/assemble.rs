//! The loop with all its parts, and what earlier runs have left for them.

use super::access_names::AccessNames;
use super::args::{Mode, Options};
use super::cards::Cards;
use super::changes::ChangesFile;
use super::clocks::Clocks;
use super::event_loop::{EventLoop, Workspace};
use super::leap_file::LeapFile;
use super::ptp::PtpSockets;
use super::refclocks::Refclocks;
use super::resolver::Resolver;
use super::rtc::Rtc;
use super::sockets::{CommandSockets, ServerSockets};
use super::start::real_time_priority;
use super::state::{LogFiles, SourceFolders, StateFiles};
use super::thermometers::Thermometers;
use super::threads::Threads;
use super::{Name, logger, mail, temperature};
use ntp::auth::Keys;
use ntp::clock::Clock;
use ntp::config::Config;
use ntp::engine::{Actions, Engine, Once, Start};
use ntp::rng::Rng;
use ntp::time::LocalTime;
use std::path::PathBuf;
/// Puts the parts together.
pub(super) fn assemble(
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
    allow_huge_pages(&engine);
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

/// A million clients are spread over more pages than the processor knows by heart, so what lies beyond the first 65 000 of them may be
/// in huge ones. (A small table would only take more than it needs.)
fn allow_huge_pages(engine: &Engine) {
    /// Words: 4 MiB.
    const SMALL: usize = 4 << 17;
    for responder in engine.shards().locked() {
        let memory = responder.gate().clients().and_then(|table| table.memory().get(SMALL..));
        sys::footprint::allow_huge_pages(memory.unwrap_or_default());
    }
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
pub(super) fn open_rtc(config: &Config) -> Option<Rtc> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_generators() {
        let (mut a, mut b) = (generator(&[7; 32]), generator(&[7; 32]));
        assert_eq!(a.bits(), b.bits());
        assert_ne!(generator(&[8; 32]).bits(), generator(&[7; 32]).bits());
    }
}
