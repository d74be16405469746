//! All there is to tell at one moment, as one message: what the daemon hands to the observer once a second.
//!
//! Filled by [`crate::engine::Engine::snapshot`]. It has one reader, of the same program, so its layout has no version:
//! numbers as in the control protocol (24 significant bits), counters and instants whole.

use crate::control::serverstats::ServerStats;
use crate::control::sources::{SourceData, SourceState};
use crate::control::sourcestats::SourceStats;
use crate::control::tracking::Tracking;
use crate::ids::RefId;
use crate::report::wire::{Reader, Writer};
use crate::report::{Address, Report, Seconds};
use crate::server::{Reject, Traffic};

/// The longest message, bytes; sources that find no room are left out.
pub const LONGEST: usize = 64 * 1024;
/// Room that the sources leave for what comes after them.
const TAIL: usize = 4096;
/// A name or a reason is cut after so many bytes.
const LONGEST_TEXT: usize = 1024;
/// More serving threads than this are not told of one by one.
const MOST_THREADS: usize = 64;

/// What is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// When, s since 1970, by the corrected clock.
    pub at: f64,
    /// When, s, by a clock that nobody sets.
    pub monotonic: f64,
    /// The state of the clock.
    pub tracking: Tracking,
    /// The clock was stepped so often …
    pub steps: u64,
    /// … and at last by so much, s.
    pub last_step: f64,
    /// What the thermometer reads that the oscillator follows, °C, and by how much a degree of it makes the oscillator gain,
    /// s/s; `None`: none helps.
    pub thermometer: Option<(f64, f64)>,
    /// What was served.
    pub server: ServerStats,
    /// Replies given.
    pub answered: u64,
    /// Refusals, in the order of [`Reject::ALL`].
    pub rejects: Vec<u64>,
    /// Packets and bytes.
    pub traffic: Traffic,
    /// What each serving thread received and answered.
    pub threads: Vec<(u64, u64)>,
    /// Who asks.
    pub clients: Clients,
    /// Snapshots that could not be handed over before this one.
    pub untold: u64,
    /// Requests that the kernel dropped because nobody took them in time.
    pub kernel_drops: u64,
    /// The sources.
    pub sources: Vec<SourceSnapshot>,
}

/// Who asks for the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Clients {
    /// Clients remembered.
    pub remembered: u64,
    /// … and at most; 0: none are.
    pub capacity: u64,
    /// A part of them is told of with each snapshot; this one is the first part.
    pub first: bool,
    /// How many of the part ask how often: see [`INTERVALS`].
    pub intervals: [u32; INTERVALS.len()],
    /// How many of the part speak which version, by number.
    pub versions: [u32; 8],
    /// The loudest of the part.
    pub loudest: Vec<ClientSnapshot>,
}

/// How often clients ask: classes of the mean time between two requests.
pub const INTERVALS: [&str; 11] = [
    "under 2 s",
    "2 to 11 s",
    "16 s",
    "32 s",
    "64 s",
    "128 s",
    "256 s",
    "512 s",
    "17 min",
    "34 min",
    "longer",
];

impl Clients {
    /// Counts one of the part.
    pub fn count(&mut self, interval: Option<f64>, versions: u8) {
        if let Some(seconds) = interval {
            let log2 = libm::round(libm::log2(seconds.max(1e-3)));
            let class = if seconds < 2.0 {
                0
            } else {
                (log2 as usize).saturating_sub(2).clamp(1, INTERVALS.len() - 1)
            };
            if let Some(count) = self.intervals.get_mut(class) {
                *count += 1;
            }
        }
        for (version, count) in self.versions.iter_mut().enumerate() {
            *count += u32::from(versions >> version & 1);
        }
    }
}

/// One client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientSnapshot {
    /// Its address, or one of its network's.
    pub address: Address,
    /// How many bits of it count.
    pub prefix: u8,
    /// Requests.
    pub hits: u32,
    /// Of these, not answered because of a limit.
    pub drops: u32,
    /// Requests a second, lately.
    pub rate: f64,
    /// Mean time between two requests, s; NaN: not known.
    pub interval: f64,
    /// Since the last one, s.
    pub age: f64,
    /// The last one was not answered because of a limit.
    pub limited: bool,
    /// Bit n: version n was seen.
    pub versions: u8,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceSnapshot {
    /// As it was configured.
    pub name: String,
    /// It is one of several behind that name.
    pub pool: bool,
    /// Its line in `sources`.
    pub data: SourceData,
    /// Its line in `sourcestats`.
    pub stats: SourceStats,
    /// Round trip of the last answer, s; NaN before the first.
    pub delay: f64,
    /// What is thought of it, in sentences; empty when this message has no words.
    pub why: String,
}

impl Snapshot {
    /// Is the clock synchronised (to a source, or to itself by `local`)?
    pub fn synchronised(&self) -> bool {
        self.tracking.stratum > 0 && self.tracking.leap.0 < 3
    }

    /// The largest error the clock can have, s; NaN when it follows nobody, for then nobody knows.
    pub fn error_bound(&self) -> f64 {
        let Tracking { correction, root_dispersion, root_delay, .. } = self.tracking;
        if self.synchronised() && self.tracking.ref_id != RefId::LOCAL {
            correction.0.abs() + root_dispersion.0 + root_delay.0 / 2.0
        } else {
            f64::NAN
        }
    }

    /// How often something was refused for this reason.
    pub fn rejected(&self, reject: Reject) -> u64 {
        self.rejects.get(reject as usize).copied().unwrap_or(0)
    }

    /// The source that is followed.
    pub fn followed(&self) -> Option<&SourceSnapshot> {
        self.sources.iter().find(|source| source.data.state == SourceState::Selected)
    }

    /// Writes it into `buffer`; the number of bytes. `None`: not even the rest without the sources fits.
    pub fn encode(&self, buffer: &mut [u8]) -> Option<usize> {
        let room = buffer.len();
        let mut out = Writer::new(buffer);
        let (celsius, gain) = self.thermometer.unwrap_or((f64::NAN, f64::NAN));
        for number in [self.at, self.monotonic, self.last_step, celsius, gain] {
            out.put(&number.to_bits().to_be_bytes());
        }
        self.tracking.clone().fields(&mut out);
        self.server.clone().fields(&mut out);
        out.value(&self.steps);
        out.value(&self.answered);
        out.value(&self.untold);
        out.value(&self.kernel_drops);
        list(&mut out, &self.rejects, |out, count| out.value(count));
        list(&mut out, &self.traffic.all(), |out, count| out.value(count));
        let threads = self.threads.get(..MOST_THREADS).unwrap_or(&self.threads);
        list(&mut out, threads, |out, thread| {
            out.value(&thread.0);
            out.value(&thread.1);
        });
        out.value(&self.clients.remembered);
        out.value(&self.clients.capacity);
        out.put(&[u8::from(self.clients.first)]);
        list(&mut out, &self.clients.intervals, |out, count| out.value(count));
        list(&mut out, &self.clients.versions, |out, count| out.value(count));
        list(&mut out, &self.clients.loudest, |out, client| client.encode(out));
        let mut length = out.finish()?;
        for source in &self.sources {
            let mut one = vec![0; source.name.len() + source.why.len() + 512];
            let mut inner = Writer::new(&mut one);
            source.encode(&mut inner);
            let Some(size) = inner.finish().filter(|size| length + size + TAIL.min(room / 16) < room) else {
                break;
            };
            out.put(&[1]);
            out.put(one.get(..size)?);
            length = out.finish()?;
        }
        out.put(&[0]);
        out.finish()
    }

    /// Reads what [`Self::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Reader::new(bytes);
        let mut snapshot = Self { at: real(&mut input), monotonic: real(&mut input), ..Self::default() };
        snapshot.last_step = real(&mut input);
        snapshot.thermometer =
            Some((real(&mut input), real(&mut input))).filter(|(celsius, _)| !celsius.is_nan());
        snapshot.tracking.fields(&mut input);
        snapshot.server.fields(&mut input);
        snapshot.steps = input.value();
        snapshot.answered = input.value();
        snapshot.untold = input.value();
        snapshot.kernel_drops = input.value();
        snapshot.rejects = items(&mut input, |input| input.value());
        snapshot.traffic = Traffic::from_all(&items(&mut input, |input| input.value()));
        snapshot.threads = items(&mut input, |input| (input.value(), input.value()));
        snapshot.clients.remembered = input.value();
        snapshot.clients.capacity = input.value();
        snapshot.clients.first = input.take() == [1];
        fill(&mut snapshot.clients.intervals, &items(&mut input, |input| input.value()));
        fill(&mut snapshot.clients.versions, &items(&mut input, |input| input.value()));
        snapshot.clients.loudest = items(&mut input, ClientSnapshot::decode);
        while input.take() == [1] && !input.is_short() {
            snapshot.sources.push(SourceSnapshot::decode(&mut input));
        }
        (!input.is_short()).then_some(snapshot)
    }
}

impl ClientSnapshot {
    fn encode(&self, out: &mut Writer<'_>) {
        out.value(&self.address);
        out.value(&self.hits);
        out.value(&self.drops);
        out.put(&[self.prefix, u8::from(self.limited), self.versions]);
        for number in [self.rate, self.interval, self.age] {
            out.put(&number.to_bits().to_be_bytes());
        }
    }

    fn decode(input: &mut Reader<'_>) -> Self {
        let mut client =
            Self { address: input.value(), hits: input.value(), drops: input.value(), ..Self::default() };
        let [prefix, limited, versions] = input.take();
        (client.prefix, client.limited, client.versions) = (prefix, limited != 0, versions);
        [client.rate, client.interval, client.age] = [(); 3].map(|()| real(input));
        client
    }
}

impl SourceSnapshot {
    fn encode(&self, out: &mut Writer<'_>) {
        text(out, &self.name);
        out.value(&u8::from(self.pool));
        self.data.clone().fields(out);
        self.stats.clone().fields(out);
        out.put(&self.delay.to_bits().to_be_bytes());
        text(out, &self.why);
    }

    fn decode(input: &mut Reader<'_>) -> Self {
        let mut source = Self { name: words(input), ..Self::default() };
        source.pool = input.value::<u8>() != 0;
        source.data.fields(input);
        source.stats.fields(input);
        source.delay = real(input);
        source.why = words(input);
        source
    }

    /// Its offset: source minus clock, s, positive when our clock is behind; NaN before the first sample.
    pub fn offset(&self) -> f64 {
        let Seconds(ahead) = self.data.adjusted_offset;
        if self.data.last_rx.0.is_some() { -ahead } else { f64::NAN }
    }

    /// How wrong it may be, s; NaN before the first sample.
    pub fn margin(&self) -> f64 {
        if self.data.last_rx.0.is_some() { self.data.error.0 } else { f64::NAN }
    }

    /// The standard deviation of its samples, s; NaN before there are two.
    pub fn jitter(&self) -> f64 {
        if self.stats.samples > 1 { self.stats.std_dev.0 } else { f64::NAN }
    }
}

fn list<T>(out: &mut Writer<'_>, items: &[T], mut each: impl FnMut(&mut Writer<'_>, &T)) {
    out.value(&(items.len() as u16));
    items.iter().for_each(|item| each(out, item));
}

fn items<'a, T>(input: &mut Reader<'a>, mut each: impl FnMut(&mut Reader<'a>) -> T) -> Vec<T> {
    let mut items = Vec::new();
    for _ in 0..input.value::<u16>() {
        if input.is_short() {
            break;
        }
        items.push(each(input));
    }
    items
}

/// As many as there are; the rest stays as it is.
fn fill(counts: &mut [u32], items: &[u32]) {
    counts.iter_mut().zip(items).for_each(|(count, item)| *count = *item);
}

fn real(input: &mut Reader<'_>) -> f64 {
    f64::from_bits(u64::from_be_bytes(input.take()))
}

fn text(out: &mut Writer<'_>, text: &str) {
    let end = (0..=text.len().min(LONGEST_TEXT)).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    out.value(&(end as u16));
    out.put(text.as_bytes().get(..end).unwrap_or_default());
}

fn words(input: &mut Reader<'_>) -> String {
    let length = input.value::<u16>();
    let bytes: Vec<u8> = (0..length).map_while(|_| (!input.is_short()).then(|| input.value())).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frequency, Interval};
    use proptest::prelude::*;

    fn example(sources: usize, why: &str) -> Snapshot {
        let source = |number: usize| SourceSnapshot {
            name: format!("time{number}.example"),
            pool: number == 1,
            data: SourceData {
                state: SourceState::Selected,
                last_rx: Interval(Some(3)),
                adjusted_offset: Seconds(0.25),
                error: Seconds(0.5),
                ..SourceData::default()
            },
            stats: SourceStats { samples: 8, skew: Frequency::from_ppm(0.5), ..SourceStats::default() },
            delay: 0.125,
            why: why.to_owned(),
        };
        Snapshot {
            at: 1.7e9 + 0.123_456_7,
            monotonic: 77.5,
            tracking: Tracking { stratum: 2, correction: Seconds(-0.5), ..Tracking::default() },
            steps: 2,
            last_step: -0.75,
            thermometer: (sources > 0).then_some((41.5, -5e-8)),
            answered: u64::MAX - 1,
            untold: 3,
            kernel_drops: 1 << 33,
            clients: Clients {
                remembered: 5,
                capacity: 9,
                first: true,
                intervals: [3; INTERVALS.len()],
                versions: [4; 8],
                loudest: vec![ClientSnapshot {
                    address: Address::V4([192, 0, 2, 1].into()),
                    prefix: 32,
                    hits: 7,
                    drops: 2,
                    rate: 0.5,
                    interval: 2.0,
                    age: 0.125,
                    limited: true,
                    versions: 16,
                }],
            },
            rejects: vec![0, 1, u64::MAX],
            traffic: Traffic::from_all(&[1, 2, 3, 4, 5, 6, 7, 8]),
            threads: vec![(5, 4), (1 << 40, 2)],
            sources: (0..sources).map(source).collect(),
            ..Snapshot::default()
        }
    }

    #[test]
    fn what_is_told_is_heard() {
        let told = example(3, "Good.");
        let mut buffer = vec![0; LONGEST];
        let length = told.encode(&mut buffer).expect("room");
        let heard = Snapshot::decode(&buffer[..length]).expect("a snapshot");
        // What was not told is zero afterwards, not absent.
        assert_eq!(Snapshot { server: told.server, ..heard.clone() }, told);
        assert_eq!(heard.sources[1].offset(), -0.25);
        assert_eq!(heard.error_bound(), 0.5);
        for short in 0..length {
            assert_eq!(Snapshot::decode(&buffer[..short]), None, "{short} bytes");
        }
    }

    #[test]
    fn too_many_sources_are_cut_and_long_texts_too() {
        let told = example(500, &"é".repeat(600));
        let mut buffer = vec![0; LONGEST];
        let length = told.encode(&mut buffer).expect("room");
        let heard = Snapshot::decode(&buffer[..length]).expect("a snapshot");
        assert!((30..100).contains(&heard.sources.len()), "{}", heard.sources.len());
        assert_eq!(heard.sources[0].why, "é".repeat(512));
        assert_eq!(told.encode(&mut [0; 64]), None);
    }

    #[test]
    fn intervals_fall_into_their_classes() {
        for (seconds, class) in [
            (0.01, 0),
            (1.9, 0),
            (2.0, 1),
            (8.0, 1),
            (16.0, 2),
            (64.0, 4),
            (70.0, 4),
            (1024.0, 8),
            (2048.0, 9),
            (1e6, 10),
        ] {
            let mut clients = Clients::default();
            clients.count(Some(seconds), 1 << 4);
            assert_eq!(clients.intervals.iter().position(|count| *count == 1), Some(class), "{seconds}");
            assert_eq!(clients.versions, [0, 0, 0, 0, 1, 0, 0, 0]);
        }
    }

    #[test]
    fn unknown_stays_unknown() {
        let fresh = SourceSnapshot { delay: f64::NAN, ..SourceSnapshot::default() };
        assert!(fresh.offset().is_nan() && fresh.margin().is_nan() && fresh.jitter().is_nan());
        assert!(Snapshot::default().error_bound().is_nan());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = Snapshot::decode(&bytes);
        }
    }
}
