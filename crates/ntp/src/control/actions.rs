//! Commands that change something: typed values, from and to the body of a request.
//!
//! [`Change`] is what a request asks for; [`Change::decode`] and [`Change::encode`] are the two directions, for
//! the daemon and the command line. [`CHANGES`] lists the commands.

use super::add_source;
use super::{Access, AccessList, CommandDef, ReplyBody, Request, Status};
use crate::config::{AccessRule, LocalConfig, SourceConfig, Subnet};
use crate::ids::RefId;
use crate::report::wire::{Reader, Writer};
use crate::report::{Address, Frequency, Number, Seconds, SelectOptions, Value};
use core::net::IpAddr;

/// Some sources, by address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceFilter {
    /// Bits that are compared; of another family: all.
    pub mask: Address,
    /// Unspecified (and the mask too): all sources, unresolved ones included.
    pub address: Address,
}

impl SourceFilter {
    /// All sources.
    pub const ALL: Self = Self { mask: Address::Unspecified, address: Address::Unspecified };

    /// One source, in the form chronyc sends it.
    pub fn one(address: Address) -> Self {
        let mask = match address {
            Address::V4(_) => Address::V4(u32::MAX.into()),
            Address::V6(_) => Address::V6(u128::MAX.into()),
            Address::Unspecified | Address::Id(_) => Address::Unspecified,
        };
        Self { mask, address }
    }

    /// Is `source` one of them?
    pub fn matches(&self, source: Address) -> bool {
        match (self.address, self.mask, source) {
            (Address::Unspecified, Address::Unspecified, _) => true,
            (Address::V4(address), Address::V4(mask), Address::V4(source)) => source & mask == address & mask,
            (Address::V6(address), Address::V6(mask), Address::V6(source)) => source & mask == address & mask,
            (address, _, source) => address != Address::Unspecified && address == source,
        }
    }
}

/// One source, by address or by reference identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceRef {
    /// By address (or number, while unresolved).
    Address(Address),
    /// By reference identifier: a reference clock.
    RefId(RefId),
}

/// What becomes of the samples given by `settime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manual {
    /// `settime` is refused.
    Off,
    /// `settime` is accepted.
    On,
    /// All samples are forgotten.
    Reset,
}

/// A new value for one option of one source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceOption {
    /// `minpoll`, log₂ s.
    Minpoll(i32),
    /// `maxpoll`, log₂ s.
    Maxpoll(i32),
    /// `maxdelay`, s.
    MaxDelay(f64),
    /// `maxdelayratio`.
    MaxDelayRatio(f64),
    /// `maxdelaydevratio`.
    MaxDelayDevRatio(f64),
    /// `minstratum`.
    MinStratum(i32),
    /// `polltarget`.
    PollTarget(i32),
}

/// What a state-changing request asks for. Frequencies are s/s, times s; ranges are not checked.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// `online`
    Online(SourceFilter),
    /// `offline`
    Offline(SourceFilter),
    /// `burst`: this many good samples, with at most this many requests.
    Burst {
        /// Which sources.
        sources: SourceFilter,
        /// Good samples wanted.
        good: i32,
        /// Requests at most.
        total: i32,
    },
    /// `minpoll`, `maxpoll` …
    SetOption(Address, SourceOption),
    /// `dump`
    Dump,
    /// `maxupdateskew`, s/s
    MaxUpdateSkew(f64),
    /// `manual on`, `off`, `reset`
    Manual(Manual),
    /// `manual delete`: the sample with this index.
    ManualDelete(i32),
    /// `rekey`
    Rekey,
    /// `allow`, `deny`, `cmdallow`, `cmddeny`, with or without `all`
    Allow(AccessList, AccessRule),
    /// `delete`
    DeleteSource(Address),
    /// `writertc`
    WriteRtc,
    /// `trimrtc`
    TrimRtc,
    /// `dfreq`, s/s: added to the clock's frequency; positive: the clock is thought to gain more.
    AdjustFrequency(f64),
    /// `doffset`, s
    AdjustOffset(f64),
    /// `cyclelogs`
    CycleLogs,
    /// `makestep` without arguments: now.
    MakeStep,
    /// `makestep` with arguments: for how many updates (negative: always), beyond which offset (s).
    ConfigureMakeStep {
        /// Updates.
        limit: i32,
        /// Seconds.
        threshold: f64,
    },
    /// `reselect`
    Reselect,
    /// `reselectdist`, s
    ReselectDistance(f64),
    /// `smoothtime activate` (true) or `reset`
    SmoothTime(bool),
    /// `refresh`
    Refresh,
    /// `shutdown`
    Shutdown,
    /// `onoffline`
    OnOffline,
    /// `add server`, `pool`, `peer`
    AddSource(Box<SourceConfig>),
    /// `reset sources`
    ResetSources,
    /// `reload sources`
    ReloadSources,
    /// `selectopts`: the configured options without those of `mask`, plus `options`.
    SelectOptions {
        /// Which source.
        source: SourceRef,
        /// Options to clear.
        mask: SelectOptions,
        /// Options to set, also those not in the mask.
        options: SelectOptions,
    },
    /// `offset`, s
    Offset {
        /// Which source.
        source: SourceRef,
        /// The correction added to its offsets.
        offset: f64,
    },
    /// `local` with its options; `None` is `local off`.
    Local(Option<LocalConfig>),
}

impl Change {
    /// The request number.
    pub const fn number(&self) -> u16 {
        use SourceOption::{
            MaxDelay, MaxDelayDevRatio, MaxDelayRatio, Maxpoll, MinStratum, Minpoll, PollTarget,
        };
        match self {
            Self::Online(_) => 1,
            Self::Offline(_) => 2,
            Self::Burst { .. } => 3,
            Self::SetOption(_, Minpoll(_)) => 4,
            Self::SetOption(_, Maxpoll(_)) => 5,
            Self::Dump => 6,
            Self::SetOption(_, MaxDelay(_)) => 7,
            Self::SetOption(_, MaxDelayRatio(_)) => 8,
            Self::MaxUpdateSkew(_) => 9,
            Self::Manual(_) => 13,
            Self::Rekey => 16,
            Self::Allow(AccessList::Ntp, AccessRule { allow: true, all: false, .. }) => 17,
            Self::Allow(AccessList::Ntp, AccessRule { allow: true, all: true, .. }) => 18,
            Self::Allow(AccessList::Ntp, AccessRule { allow: false, all: false, .. }) => 19,
            Self::Allow(AccessList::Ntp, AccessRule { allow: false, all: true, .. }) => 20,
            Self::Allow(AccessList::Command, AccessRule { allow: true, all: false, .. }) => 21,
            Self::Allow(AccessList::Command, AccessRule { allow: true, all: true, .. }) => 22,
            Self::Allow(AccessList::Command, AccessRule { allow: false, all: false, .. }) => 23,
            Self::Allow(AccessList::Command, AccessRule { allow: false, all: true, .. }) => 24,
            Self::DeleteSource(_) => 29,
            Self::WriteRtc => 30,
            Self::AdjustFrequency(_) => 31,
            Self::TrimRtc => 36,
            Self::CycleLogs => 37,
            Self::ManualDelete(_) => 42,
            Self::MakeStep => 43,
            Self::SetOption(_, MinStratum(_)) => 45,
            Self::SetOption(_, PollTarget(_)) => 46,
            Self::SetOption(_, MaxDelayDevRatio(_)) => 47,
            Self::Reselect => 48,
            Self::ReselectDistance(_) => 49,
            Self::ConfigureMakeStep { .. } => 50,
            Self::SmoothTime(_) => 52,
            Self::Refresh => 53,
            Self::Shutdown => 62,
            Self::OnOffline => 63,
            Self::AddSource(_) => 64,
            Self::ResetSources => 66,
            Self::ReloadSources => 70,
            Self::AdjustOffset(_) => 71,
            Self::SelectOptions { .. } => 72,
            Self::Offset { .. } => 73,
            Self::Local(_) => 74,
        }
    }

    /// From the body of a request with this number, or the status that refuses it.
    pub fn decode(number: u16, body: &mut Reader<'_>) -> Result<Self, Status> {
        use SourceOption::{
            MaxDelay, MaxDelayDevRatio, MaxDelayRatio, Maxpoll, MinStratum, Minpoll, PollTarget,
        };
        Ok(match number {
            1 => Self::Online(read_filter(body)),
            2 => Self::Offline(read_filter(body)),
            3 => Self::Burst { sources: read_filter(body), good: body.value(), total: body.value() },
            4 => Self::SetOption(body.value(), Minpoll(body.value())),
            5 => Self::SetOption(body.value(), Maxpoll(body.value())),
            6 => Self::Dump,
            7 => Self::SetOption(body.value(), MaxDelay(real(body))),
            8 => Self::SetOption(body.value(), MaxDelayRatio(real(body))),
            9 => Self::MaxUpdateSkew(body.value::<Frequency>().get()),
            13 => Self::Manual(match body.value::<i32>() {
                0 => Manual::Off,
                1 => Manual::On,
                2 => Manual::Reset,
                _ => return Err(Status::Invalid),
            }),
            16 => Self::Rekey,
            17..=24 => {
                let list = if number <= 20 { AccessList::Ntp } else { AccessList::Command };
                let allow = matches!(number, 17 | 18 | 21 | 22);
                Self::Allow(
                    list,
                    AccessRule { allow, all: number.is_multiple_of(2), subnet: read_subnet(body)? },
                )
            }
            29 => Self::DeleteSource(body.value()),
            30 => Self::WriteRtc,
            31 => Self::AdjustFrequency(body.value::<Frequency>().get()),
            36 => Self::TrimRtc,
            37 => Self::CycleLogs,
            42 => Self::ManualDelete(body.value()),
            43 => Self::MakeStep,
            45 => Self::SetOption(body.value(), MinStratum(body.value())),
            46 => Self::SetOption(body.value(), PollTarget(body.value())),
            47 => Self::SetOption(body.value(), MaxDelayDevRatio(real(body))),
            48 => Self::Reselect,
            49 => Self::ReselectDistance(real(body)),
            50 => Self::ConfigureMakeStep { limit: body.value(), threshold: real(body) },
            52 => Self::SmoothTime(match body.value::<i32>() {
                0 => false,
                1 => true,
                _ => return Err(Status::Invalid),
            }),
            53 => Self::Refresh,
            62 => Self::Shutdown,
            63 => Self::OnOffline,
            64 => Self::AddSource(Box::new(add_source::read(body)?)),
            66 => Self::ResetSources,
            70 => Self::ReloadSources,
            // Releases up to 4.0: whole seconds and microseconds.
            32 => Self::AdjustOffset(f64::from(body.value::<i32>()) + f64::from(body.value::<i32>()) * 1e-6),
            71 => Self::AdjustOffset(real(body)),
            72 => read_select_options(body),
            73 => Self::Offset { source: read_source(body), offset: real(body) },
            56 => Self::Local(read_older_local(body)),
            74 => Self::Local(read_local(body)),
            _ => return Err(Status::Invalid),
        })
    }

    /// Appends the body of the request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Online(sources) | Self::Offline(sources) => write_filter(sources, out),
            Self::Burst { sources, good, total } => {
                write_filter(sources, out);
                out.value(good);
                out.value(total);
            }
            Self::SetOption(address, option) => {
                out.value(address);
                write_option(*option, out);
            }
            Self::Dump => out.value(&0u32),
            Self::MaxUpdateSkew(frequency) | Self::AdjustFrequency(frequency) => {
                out.value(&Frequency::new(*frequency));
            }
            Self::Manual(manual) => out.value(&match manual {
                Manual::Off => 0i32,
                Manual::On => 1,
                Manual::Reset => 2,
            }),
            Self::ManualDelete(index) => out.value(index),
            Self::Allow(_, rule) => write_subnet(rule.subnet, out),
            Self::DeleteSource(address) => out.value(address),
            Self::ReselectDistance(seconds) | Self::AdjustOffset(seconds) => out.value(&Seconds(*seconds)),
            Self::ConfigureMakeStep { limit, threshold } => {
                out.value(limit);
                out.value(&Seconds(*threshold));
            }
            Self::SmoothTime(activate) => out.value(&i32::from(*activate)),
            Self::AddSource(source) => add_source::write(source, out),
            Self::SelectOptions { source, mask, options } => {
                write_source(*source, out);
                out.value(&u32::from(mask.report_bits()));
                out.value(&options.request_bits());
            }
            Self::Offset { source, offset } => {
                write_source(*source, out);
                out.value(&Seconds(*offset));
            }
            Self::Local(local) => write_local(local.as_ref(), out),
            Self::Rekey
            | Self::WriteRtc
            | Self::TrimRtc
            | Self::CycleLogs
            | Self::MakeStep
            | Self::Reselect
            | Self::Refresh
            | Self::Shutdown
            | Self::OnOffline
            | Self::ResetSources
            | Self::ReloadSources => {}
        }
    }
}

fn real(body: &mut Reader<'_>) -> f64 {
    body.value::<Number>().0
}

fn read_filter(body: &mut Reader<'_>) -> SourceFilter {
    SourceFilter { mask: body.value(), address: body.value() }
}

fn write_filter(filter: &SourceFilter, out: &mut Writer<'_>) {
    out.value(&filter.mask);
    out.value(&filter.address);
}

fn write_option(option: SourceOption, out: &mut Writer<'_>) {
    use SourceOption::{MaxDelay, MaxDelayDevRatio, MaxDelayRatio, Maxpoll, MinStratum, Minpoll, PollTarget};
    match option {
        Minpoll(value) | Maxpoll(value) | MinStratum(value) | PollTarget(value) => value.write(out),
        MaxDelay(value) | MaxDelayRatio(value) | MaxDelayDevRatio(value) => Number(value).write(out),
    }
}

/// `None`: every address of both families, on the wire no family and prefix 0.
fn read_subnet(body: &mut Reader<'_>) -> Result<Option<Subnet>, Status> {
    let (address, prefix): (Address, i32) = (body.value(), body.value());
    let longest = match address {
        Address::Unspecified if prefix == 0 => return Ok(None),
        Address::V4(_) => 32,
        Address::V6(_) => 128,
        Address::Unspecified | Address::Id(_) => return Err(Status::BadSubnet),
    };
    let prefix = u8::try_from(prefix).ok().filter(|&prefix| prefix <= longest);
    match (address.ip(), prefix) {
        (Some(address), Some(prefix)) => Ok(Some(Subnet { address, prefix })),
        _ => Err(Status::BadSubnet),
    }
}

fn write_subnet(subnet: Option<Subnet>, out: &mut Writer<'_>) {
    out.value(&subnet.map_or(Address::Unspecified, |subnet| subnet.address.into()));
    out.value(&subnet.map_or(0, |subnet| i32::from(subnet.prefix)));
}

fn read_source(body: &mut Reader<'_>) -> SourceRef {
    let (address, ref_id): (Address, RefId) = (body.value(), body.value());
    if address == Address::Unspecified { SourceRef::RefId(ref_id) } else { SourceRef::Address(address) }
}

fn write_source(source: SourceRef, out: &mut Writer<'_>) {
    let (address, ref_id) = match source {
        SourceRef::Address(address) => (address, RefId::NONE),
        SourceRef::RefId(ref_id) => (Address::Unspecified, ref_id),
    };
    out.value(&address);
    out.value(&ref_id);
}

/// A quirk of the protocol: mask and options use different bits for the same four options.
fn read_select_options(body: &mut Reader<'_>) -> Change {
    let source = read_source(body);
    let mask = SelectOptions::from_report_bits(body.value::<u32>() as u16);
    let options = SelectOptions::from_request_bits(body.value());
    Change::SelectOptions { source, mask, options }
}

/// Strata outside 1–15 are limited: chronyd acts the same.
fn read_local(body: &mut Reader<'_>) -> Option<LocalConfig> {
    let on: i32 = body.value();
    let local = LocalConfig {
        stratum: body.value::<i32>().clamp(1, 15) as u8,
        distance: real(body),
        orphan: body.value::<i32>() != 0,
        activate: real(body),
        wait_synced: real(body),
        wait_unsynced: real(body),
    };
    (on != 0).then_some(local)
}

/// Releases up to 4.5 know no activation and no waits.
fn read_older_local(body: &mut Reader<'_>) -> Option<LocalConfig> {
    let on: i32 = body.value();
    let local = LocalConfig {
        stratum: body.value::<i32>().clamp(1, 15) as u8,
        distance: real(body),
        orphan: body.value::<i32>() != 0,
        ..LocalConfig::default()
    };
    (on != 0).then_some(local)
}

fn write_local(local: Option<&LocalConfig>, out: &mut Writer<'_>) {
    out.value(&i32::from(local.is_some()));
    let local = local.copied().unwrap_or_default();
    out.value(&i32::from(local.stratum));
    out.value(&Seconds(local.distance));
    out.value(&i32::from(local.orphan));
    out.value(&Seconds(local.activate));
    out.value(&Seconds(local.wait_synced));
    out.value(&Seconds(local.wait_unsynced));
}

/// Runs any command of [`CHANGES`].
fn run(backend: &mut dyn super::Backend, request: &mut Request<'_>, _reply: &mut ReplyBody<'_>) -> Status {
    match Change::decode(request.number, &mut request.body) {
        Ok(change) => backend.change(&change),
        Err(status) => status,
    }
}

/// A command whose request ends at `body` and is padded to the 28 bytes of its reply.
const fn change(name: &'static str, number: u16, body: u16, doc: &'static str) -> CommandDef {
    let total = if body < 28 { 28 } else { body };
    CommandDef { name, number, body, total, accepted: total, access: Access::Unix, doc, run }
}

/// Every command that changes something.
pub const CHANGES: &[CommandDef] = &[
    change("online", 1, 60, "Begins to poll sources."),
    change("offline", 2, 60, "Ceases to poll sources."),
    change("burst", 3, 68, "Makes a quick series of measurements."),
    change("minpoll", 4, 44, "Sets a source's shortest poll interval."),
    change("maxpoll", 5, 44, "Sets a source's longest poll interval."),
    change("dump", 6, 24, "Saves the measurements to files."),
    change("maxdelay", 7, 44, "Sets a source's longest accepted round trip."),
    change("maxdelayratio", 8, 44, "Sets the accepted ratio to the shortest round trip."),
    change("maxupdateskew", 9, 24, "Sets the largest skew with which the frequency is updated."),
    change("manual", 13, 24, "Accepts, refuses or forgets time given by a person."),
    change("rekey", 16, 20, "Reads the keys again."),
    change("allow", 17, 44, "Lets a subnet ask for time."),
    change("allow all", 18, 44, "Lets a subnet ask for time, whatever was said about parts of it."),
    change("deny", 19, 44, "Refuses time to a subnet."),
    change("deny all", 20, 44, "Refuses time to a subnet, whatever was said about parts of it."),
    change("cmdallow", 21, 44, "Lets a subnet send commands."),
    change("cmdallow all", 22, 44, "Lets a subnet send commands, whatever was said about parts of it."),
    change("cmddeny", 23, 44, "Ignores commands of a subnet."),
    change("cmddeny all", 24, 44, "Ignores commands of a subnet, whatever was said about parts of it."),
    change("delete", 29, 40, "Removes a source."),
    change("writertc", 30, 20, "Saves the real-time clock's parameters."),
    change("dfreq", 31, 24, "Changes the clock's frequency."),
    change("trimrtc", 36, 20, "Sets the real-time clock."),
    change("cyclelogs", 37, 20, "Closes and opens the log files."),
    change("manual delete", 42, 24, "Forgets one sample given by a person."),
    change("makestep", 43, 20, "Steps the clock now by what is still to be slewed."),
    change("minstratum", 45, 44, "Sets a source's lowest stratum."),
    change("polltarget", 46, 44, "Sets how many samples a source's poll interval aims at."),
    change("maxdelaydevratio", 47, 44, "Sets the accepted increase of the round trip."),
    change("reselect", 48, 20, "Selects the best source now."),
    change("reselectdist", 49, 24, "Sets how much nearer a source must be to be selected."),
    change("makestep configure", 50, 28, "Sets when the clock is stepped instead of slewed."),
    change("smoothtime", 52, 24, "Begins the smoothing of served time, or forgets it."),
    change("refresh", 53, 20, "Looks the sources' names up again."),
    change("shutdown", 62, 20, "Stops the daemon."),
    change("onoffline", 63, 20, "Polls the sources that have a route, and no others."),
    change("add", 64, 372, "Adds a source."),
    change("reset sources", 66, 20, "Forgets all measurements."),
    change("reload sources", 70, 20, "Reads the source folders again."),
    change("doffset", 71, 24, "Corrects the clock by an offset."),
    change("selectopts", 72, 52, "Changes a source's selection options."),
    change("offset", 73, 48, "Sets a source's offset correction."),
    change("local", 74, 48, "Serves this clock as a reference, or ceases to."),
    change("doffset (older)", 32, 28, "The same, from chronyc up to 4.0."),
    change("local (older)", 56, 36, "The same, from chronyc up to 4.5."),
];

/// `accheck` and `cmdaccheck` answer by their status.
fn check(backend: &dyn super::Backend, list: AccessList, request: &mut Request<'_>) -> Status {
    let address: Option<IpAddr> = request.body.value::<Address>().ip();
    if address.is_some_and(|address| backend.access_check(list, address)) {
        Status::AccessAllowed
    } else {
        Status::AccessDenied
    }
}

/// `accheck`
pub const ACCHECK: CommandDef = CommandDef {
    run: |backend, request, _| check(backend, AccessList::Ntp, request),
    ..change("accheck", 25, 40, "Tells whether an address may ask for time.")
};

/// `cmdaccheck`
pub const CMDACCHECK: CommandDef = CommandDef {
    run: |backend, request, _| check(backend, AccessList::Command, request),
    ..change("cmdaccheck", 26, 40, "Tells whether an address may send commands.")
};
