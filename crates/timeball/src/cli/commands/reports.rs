//! Reports: what the daemon tells about itself. The reports themselves, their columns and layouts live in
//! [`ntp::control`]; here is when to ask for what, and how sources are called.

use std::io::IsTerminal as _;
use std::time::Duration;

use ntp::control::activity::{ACTIVITY, Activity};
use ntp::control::authdata::{AUTHDATA, AuthData};
use ntp::control::client::Argument;
use ntp::control::clients::{CLIENTS, ClientRecord, Clients, ClientsQuery, RECORDS_MAX};
use ntp::control::manual::{MANUAL_LIST, ManualList, ManualSample, SET_TIME, SetTime};
use ntp::control::ntpdata::{NTPDATA, NtpData};
use ntp::control::rtcdata::{RTCDATA, RtcData};
use ntp::control::selectdata::{SELECTDATA, SelectData};
use ntp::control::serverstats::{SERVERSTATS, ServerStats};
use ntp::control::smoothing::{SMOOTHING, Smoothing};
use ntp::control::sourcename::{NameReport, SOURCENAME};
use ntp::control::sources::{SOURCE_COUNT, SOURCE_DATA, SourceCount, SourceData, SourceMode};
use ntp::control::sourcestats::{SOURCESTATS, SourceStats};
use ntp::control::tracking::{TRACKING, Tracking};
use ntp::control::{Answer, CommandDef, Status};
use ntp::ids::RefId;
use ntp::report::{self, Address, Page, Time, text};

use super::super::Name;
use super::super::arguments::{scan_float, scan_integer, source_address};
use super::super::options::Format;
use super::super::page::{List, record};
use super::super::session::{Failure, Outcome, Session};
use super::super::whom;
use super::{Command, Group, form, side_by_side, threads, why};

/// Shortest pause between two tries of `waitsync`, s.
const SHORTEST_WAIT: f64 = 0.1;
/// Pause between two tries of `waitsync` when none is given, s.
const USUAL_WAIT: f64 = 10.0;

const TABLE: &str =
    "Sources whose name is not resolved yet are left out unless -a is given; -v explains the columns.";

/// What this file adds to the table.
pub const COMMANDS: &[Command] = &[
    Command {
        name: "tracking",
        forms: &[form("", "how well the clock is known")],
        doc: "Shows to whom the clock is synchronised, its offset, frequency and their bounds. The error of the clock is \
              at most the absolute value of System time, plus Root dispersion, plus half of Root delay. With --json, Timeball's own \
              daemon also tells of the thermometer that the oscillator follows, as sources --why thermometer does.",
        example: "tracking",
        group: Group::Clock,
        run: |session, _| {
            let tracking: Tracking = session.fetch(&TRACKING, Argument::None)?;
            let name = tracking_name(session, &tracking)?;
            if session.options.format == Format::Json {
                return why::with_thermometer(session, &report::json(&tracking, &name));
            }
            record(session, &tracking, &name)
        },
    },
    Command {
        name: "sources",
        forms: &[
            form("[-a] [-v]", "the sources and their last samples"),
            form("--watch [SECONDS [COUNT]]", "the same again and again"),
            form("--why [NAME]...", "what the daemon thinks of each, in sentences"),
        ],
        doc: concat!(
            "Sources whose name is not resolved yet are left out unless -a is given; -v explains the columns. Each source has a \
             number (#), by which other commands may name it, and name and address side by side where the width allows; \
             chronyc's layout is that of chronyc sources, of -N, and of what no terminal prints. --watch shows them anew every SECONDS (2), COUNT \
             times or until it is interrupted. ",
            "--why tells what the daemon thinks of each source, or of those with these names or addresses: the shortest \
             round trip its packets need, how long they queue each way on average, by how much the way there seems \
             longer than the way back (which only the comparison with other sources can tell), how many samples that \
             is made of, the last change of route noticed, and its share in the offset that all sources together say; \
             or why it is not used, with the numbers that decided it. With --json each source is an object: name, \
             address, state, mark (as in sources), round_trip_s, wait_there_s, wait_back_s, reading_noise_s, \
             longer_there_s and longer_there_sd_s, samples_span_s, last_sample_age_s, route_change_age_s, \
             route_change_s, offset_s (positive: our clock is behind) and offset_sd_s, share (0 to 1), samples, text \
             (the sentences), and where they decided root_distance_s, root_distance_limit_s, jitter_s, \
             jitter_limit_s, others_low_s, others_high_s, faster_ppm, faster_deviations, excluded_by_s; what is not \
             known is null. Behind the sources stands which of the machine's thermometers the oscillator follows, if one \
             helps (directive temperature); --why thermometer tells of it alone, with --json as an object: sensor, used, \
             temperature_celsius, lag_s, gain_ppm_per_kelvin (positive: warmth makes the clock gain) and its _sd_, \
             correction_ppm, evidence, wander_with, wander_without, text. Only Timeball's daemon answers --why, \
             over its Unix socket."
        ),
        example: "sources --why",
        group: Group::Sources,
        run: |session, words| {
            if session.name == Name::Timeball && words.contains(&why::WORD) {
                return why::run(session, words);
            }
            // Scripts go on reading chronyc's columns.
            let own = session.name == Name::Timeball
                && session.options.format == Format::Text
                && std::io::stdout().is_terminal();
            if own && !session.options.source_names || words.contains(&side_by_side::WATCH) {
                return side_by_side::run(session, words);
            }
            table(session, words, &SOURCE_DATA, |data: &SourceData| {
                let refclock = data.mode == SourceMode::Refclock;
                let address = if refclock { Address::Unspecified } else { data.address };
                (address, data.label())
            })
        },
    },
    Command {
        name: "sourcestats",
        forms: &[form("[-a] [-v]", "drift and offset of each source, estimated")],
        doc: TABLE,
        example: "sourcestats",
        group: Group::Sources,
        run: |session, words| {
            table(session, words, &SOURCESTATS, |data: &SourceStats| (data.address, data.label()))
        },
    },
    Command {
        name: "selectdata",
        forms: &[form("[-a] [-v]", "why sources are selected or not")],
        doc: TABLE,
        example: "selectdata -v",
        group: Group::Sources,
        run: |session, words| {
            table(session, words, &SELECTDATA, |data: &SelectData| (data.address, data.label()))
        },
    },
    Command {
        name: "authdata",
        forms: &[form("[-a] [-v]", "how each source is authenticated")],
        doc: TABLE,
        example: "authdata",
        group: Group::Sources,
        run: authdata,
    },
    Command {
        name: "ntpdata",
        forms: &[form("[ADDRESS]", "the last valid packet of a source")],
        doc: "Shows the last valid packet of one NTP source, or of each, with the tests it passed and what was counted.",
        example: "ntpdata 192.0.2.1",
        group: Group::Sources,
        run: ntpdata,
    },
    Command {
        name: "sourcename",
        forms: &[form("ADDRESS", "the name a source was configured with")],
        doc: "Shows the name or address that the configuration gives for the source with this address.",
        example: "sourcename 192.0.2.1",
        group: Group::Sources,
        run: |session, words| {
            let address = match session.name {
                Name::Chronyc => source_address(&words.join(" "), session.options.family)
                    .map_err(|_| Failure::usage("Could not read address"))?,
                // The members of a pool have one name.
                Name::Timeball => whom::addresses(session, &words.join(" "))?
                    .first()
                    .copied()
                    .ok_or_else(|| Failure::usage("Could not read address"))?,
            };
            let name: NameReport = session.fetch(&SOURCENAME, Argument::Address(address))?;
            record(session, &name, "")
        },
    },
    Command {
        name: "activity",
        forms: &[form("", "how many sources are online")],
        doc: "Counts the sources that are online, offline, being measured in a burst, and not resolved yet.",
        example: "activity",
        group: Group::Sources,
        run: |session, _| single::<Activity>(session, &ACTIVITY),
    },
    Command {
        name: "serverstats",
        forms: &[
            form("", "what was served and dropped"),
            form("--threads", "the same of each serving thread, and why requests were refused"),
        ],
        doc: "Counts requests received and dropped, and time stamps by who took them. --threads tells, of Timeball's daemon \
              only, what each serving thread received, answered and refused, how many of its batches were full (more was \
              waiting), what the kernel dropped because the receive buffer was full, and which replies could not leave; \
              then the refusals by reason. With --json each thread is an object.",
        example: "serverstats --threads",
        group: Group::Server,
        run: |session, words| {
            if session.name == Name::Timeball && words.contains(&threads::WORD) {
                return threads::run(session);
            }
            single::<ServerStats>(session, &SERVERSTATS)
        },
    },
    Command {
        name: "clients",
        forms: &[
            form("[-p HITS] [-k] [-r]", "who asked for time, and how often"),
            form("[--top N] [--sort hits|drops|rate|last]", "the first N of them, with versions"),
            form("--nft-set [--top N]", "the loudest as commands for nft -f -"),
        ],
        doc: "Lists the hosts that asked for time or sent commands; -p leaves out those that sent fewer packets, -k shows \
              key establishment (NTS-KE) instead of commands, -r sets the counters to zero after reading. With --top or \
              --sort, lists the first of them only (20 unless it is said), sorted by requests, by requests not answered, by \
              requests a second or by when they were there last, with the versions they speak; with --json for programs. \
              With --nft-set, those that are over their limit or ask more than once a second are printed as elements of two \
              sets, for nft -f -; what is done with the sets is up to a rule of yours.",
        example: "clients --top 10 --sort rate",
        group: Group::Server,
        run: clients,
    },
    Command {
        name: "smoothing",
        forms: &[form("", "how the served time is smoothed")],
        doc: "Shows the state of the smoothing of the served time, when the smoothtime directive is used.",
        example: "smoothing",
        group: Group::Server,
        run: |session, _| single::<Smoothing>(session, &SMOOTHING),
    },
    Command {
        name: "rtcdata",
        forms: &[form("", "drift of the real-time clock")],
        doc: "Shows what is known about the real-time clock, when the rtcfile directive is used.",
        example: "rtcdata",
        group: Group::Clock,
        run: |session, _| single::<RtcData>(session, &RTCDATA),
    },
];

/// A report of one record about no source.
fn single<R: Page + Answer>(session: &mut Session<'_>, command: &'static CommandDef) -> Outcome {
    let report: R = session.fetch(command, Argument::None)?;
    record(session, &report, "")
}

/// How many sources there are, unresolved ones included.
pub fn source_count(session: &mut Session<'_>) -> Result<u32, Failure> {
    Ok(session.fetch::<SourceCount>(&SOURCE_COUNT, Argument::None)?.count)
}

/// Number `index` of the sources.
pub fn source(session: &mut Session<'_>, index: u32) -> Result<SourceData, Failure> {
    session.fetch(&SOURCE_DATA, Argument::Index(index))
}

/// A table with a line for each source; `who` gives a record's address and what it is called without a resolver.
fn table<R: Page + Answer>(
    session: &mut Session<'_>,
    words: &[&str],
    command: &'static CommandDef,
    who: fn(&R) -> (Address, String),
) -> Outcome {
    let count = source_count(session)?;
    let mut list = List::begin(session, &heading::<R>(session, words))?;
    for index in 0..count {
        let report: R = list.attempt(session, |session| session.fetch(command, Argument::Index(index)))?;
        let (address, label) = who(&report);
        if matches!(address, Address::Id(_)) && !words.contains(&"-a") {
            continue;
        }
        let name = column_name(session, address, label)?;
        list.record(session, &report, &name)?;
    }
    list.end(session)
}

/// The heading of a table, after its legend if that is wanted.
fn heading<R: Page>(session: &Session<'_>, words: &[&str]) -> String {
    let legend = if words.contains(&"-v") { R::LEGEND } else { "" };
    [legend, &R::heading(session.options.wide)].concat()
}

/// `authdata`: the table of sources tells whom to ask about.
fn authdata(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let count = source_count(session)?;
    let mut list = List::begin(session, &heading::<AuthData>(session, words))?;
    for index in 0..count {
        let source = list.attempt(session, |session| source(session, index))?;
        let hidden = matches!(source.address, Address::Id(_)) && !words.contains(&"-a");
        if source.mode == SourceMode::Refclock || hidden {
            continue;
        }
        let whom = Argument::Address(source.address);
        let report: AuthData = list.attempt(session, |session| session.fetch(&AUTHDATA, whom))?;
        let name = column_name(session, source.address, source.label())?;
        list.record(session, &report, &name)?;
    }
    list.end(session)
}

/// `ntpdata` of one source, or of each that has an address.
fn ntpdata(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let ask =
        |session: &mut Session<'_>, address| session.fetch::<NtpData>(&NTPDATA, Argument::Address(address));
    if !words.is_empty() {
        let addresses = whom::addresses(session, &words.join(" "))?;
        if let [address] = addresses.as_slice() {
            let report = ask(session, *address)?;
            return record(session, &report, "");
        }
        let mut list = List::begin(session, "")?;
        for address in addresses.into_iter().filter(|address| address.ip().is_some()) {
            let report = list.attempt(session, |session| ask(session, address))?;
            if session.options.format == Format::Text {
                writeln!(session.out)?;
            }
            list.record(session, &report, "")?;
        }
        return list.end(session);
    }
    let count = source_count(session)?;
    let mut list = List::begin(session, "")?;
    for index in 0..count {
        let source = list.attempt(session, |session| source(session, index))?;
        if source.mode == SourceMode::Refclock || source.address.ip().is_none() {
            continue;
        }
        let report = list.attempt(session, |session| ask(session, source.address))?;
        if session.options.format == Format::Text {
            writeln!(session.out)?;
        }
        list.record(session, &report, "")?;
    }
    list.end(session)
}

/// `clients`: page by page, until a page is not full.
fn clients(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    if session.name == Name::Timeball && super::clients::is_own(words) {
        return super::clients::run(session, words);
    }
    let (mut min_hits, mut key_establishment, mut reset) = (0, false, false);
    let mut options = words.iter();
    while let Some(option) = options.next() {
        match *option {
            "-k" => key_establishment = true,
            "-r" => reset = true,
            "-p" => {
                let number = options.next().and_then(|word| scan_integer(word));
                let number = number.ok_or_else(|| Failure::usage("Invalid syntax for clients command"))?;
                min_hits = number.cast_unsigned();
            }
            _ => {} // chronyc does not mind
        }
    }
    let wide = session.options.wide;
    let heading =
        if key_establishment { ClientRecord::ke_heading(wide) } else { ClientRecord::heading(wide) };
    let mut list = List::begin(session, &heading)?;
    let mut first = 0u32;
    loop {
        let query = ClientsQuery { first, count: RECORDS_MAX as u32, min_hits, reset };
        let page: Clients =
            list.attempt(session, |session| session.fetch(&CLIENTS, Argument::Clients(query)))?;
        for client in page.records.iter().filter(|client| client.address != Address::Unspecified) {
            let name = column_name_by_resolver(session, client.address, client.address.to_string());
            if key_establishment {
                list.line(session, client, &name, ClientRecord::KE_COLUMNS, ClientRecord::ke_text)?;
            } else {
                list.record(session, client, &name)?;
            }
        }
        // A daemon that sends us backwards would keep us here for ever.
        if page.records.len() < RECORDS_MAX || page.next >= page.slots || page.next <= first {
            return list.end(session);
        }
        first = page.next;
    }
}

/// `manual list`
pub fn manual_list(session: &mut Session<'_>) -> Outcome {
    let report: ManualList = session.fetch(&MANUAL_LIST, Argument::None)?;
    let count = format!("210 n_samples = {}\n", report.samples.len());
    let heading = [count, ManualSample::heading(session.options.wide)].concat();
    let mut list = List::begin(session, &heading)?;
    for sample in &report.samples {
        list.record(session, sample, "")?;
    }
    list.end(session)
}

/// `settime`, once the date is read.
pub fn settime(session: &mut Session<'_>, time: Time) -> Outcome {
    let report: SetTime = session.fetch(&SET_TIME, Argument::Time(time))?;
    if session.options.format == Format::Json {
        return record(session, &report, "");
    }
    session.say_status(Status::Success)?;
    write!(session.out, "{}", report.text("", session.options.wide))?; // in words even with -c, as chronyc
    Ok(())
}

/// `waitsync [tries [correction [skew [interval]]]]`
pub fn waitsync(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let number =
        |at: usize, default: f64| words.get(at).map_or(default, |word| scan_float(word).unwrap_or(0.0));
    let tries = words.first().and_then(|word| scan_integer(word)).unwrap_or(0);
    let (correction, skew) = (number(1, 0.0), number(2, 0.0));
    let pause = Duration::from_secs_f64(number(3, USUAL_WAIT).clamp(SHORTEST_WAIT, 1e6));
    let mut attempt: u32 = 1;
    loop {
        match session.fetch::<Tracking>(&TRACKING, Argument::None) {
            Ok(tracking) => {
                print_try(session, attempt, &tracking)?;
                let synchronised = tracking.address != Address::Unspecified
                    || !matches!(tracking.ref_id, RefId::NONE | RefId::LOCAL);
                let good = |value: f64, limit: f64| limit == 0.0 || value.abs() <= limit;
                if synchronised && good(tracking.correction.0, correction) && good(tracking.skew.ppm(), skew)
                {
                    return Ok(());
                }
            }
            Err(failure @ Failure::Output) => return Err(failure),
            Err(failure) => session.report_failure(failure),
        }
        if tries != 0 && attempt >= tries.cast_unsigned() {
            return Err(Failure::Silent);
        }
        session.out.flush()?;
        std::thread::sleep(pause);
        attempt = attempt.wrapping_add(1);
    }
}

/// One line of `waitsync`.
fn print_try(session: &mut Session<'_>, attempt: u32, tracking: &Tracking) -> Outcome {
    let (id, correction, skew) = (tracking.ref_id, tracking.correction.0.abs(), tracking.skew.ppm());
    match session.options.format {
        Format::Text => {
            writeln!(
                session.out,
                "try: {attempt}, refid: {id}, correction: {correction:.9}, skew: {skew:.3}"
            )?;
        }
        Format::Csv => writeln!(session.out, "{attempt},{id},{correction:.9},{skew:.3}")?,
        Format::Json => writeln!(
            session.out,
            "{{\"try\":{attempt},\"ref_id\":\"{id}\",\"correction_s\":{correction:?},\"skew_ppm\":{skew:?}}}"
        )?,
    }
    Ok(())
}

/// What `tracking` calls its source: the whole name, however long.
pub fn tracking_name(session: &mut Session<'_>, tracking: &Tracking) -> Result<String, Failure> {
    let label = text::source_label(tracking.address, tracking.ref_id);
    if session.options.source_names && tracking.address != Address::Unspecified {
        return configured_name(session, tracking.address);
    }
    Ok(resolved(session, tracking.address).unwrap_or(label))
}

/// What a table calls a source: its configured name (-N), its address (-n, -c), or its host name.
fn column_name(session: &mut Session<'_>, address: Address, label: String) -> Result<String, Failure> {
    if session.options.source_names && address != Address::Unspecified {
        return configured_name(session, address);
    }
    Ok(column_name_by_resolver(session, address, label))
}

/// As [`column_name`], for what has no configured name. Reference identifiers are never cut, names and addresses are,
/// unless addresses are asked for.
fn column_name_by_resolver(session: &Session<'_>, address: Address, label: String) -> String {
    match resolved(session, address) {
        Some(name) => text::fit_name(&name, session.options.wide),
        None if session.options.numeric || address == Address::Unspecified => label,
        None => text::fit_name(&label, session.options.wide),
    }
}

/// The host name of an address, unless numbers are asked for.
fn resolved(session: &Session<'_>, address: Address) -> Option<String> {
    let wanted = !session.options.numeric && session.options.format == Format::Text;
    sys::names::host_of(address.ip().filter(|_| wanted)?)
}

/// The name in the configuration; `?`, after the daemon's excuse, when there is none.
fn configured_name(session: &mut Session<'_>, address: Address) -> Result<String, Failure> {
    match session.fetch::<NameReport>(&SOURCENAME, Argument::Address(address)) {
        Ok(report) => Ok(report.configured_name.0),
        Err(failure @ Failure::Output) => Err(failure),
        Err(failure) => {
            if session.options.format != Format::Json {
                session.report_failure(failure);
            }
            Ok("?".to_owned())
        }
    }
}
