//! Draws a world: who is in it, how its lines and oscillators are, and what goes wrong.

use crate::clock::SimClock;
use crate::generator::{Generator, normal};
use crate::link::{Burst, Link, Way};
use crate::oscillator::Oscillator;
use crate::server::{Fault, Server};
use crate::time::Calendar;
use ntp::config::{AccessRule, Config, SourceConfig, SourceKind};
use ntp::rng::Rng;
use ntp::wire::Leap;

/// Requests that a client is expected to send at most: bounds what a world costs.
const PACKETS: f64 = 1200.0;
/// The oscillator's changes beyond what `maxclockerror` allows by default are told to the daemon, with this margin.
const MARGIN: f64 = 1.5;
/// So many round trips are doubted of a time: half of one, waits, another route, few samples.
const WAITS: f64 = 3.0;

/// Chance with names.
pub struct Lottery(Rng);

impl Lottery {
    /// The lottery of this world.
    pub fn new(seed: u64) -> Self {
        Self(Rng::from_number(seed ^ 0x5eed_0fa1_10f1_e55e))
    }

    fn chance(&mut self, share: f64) -> bool {
        self.0.uniform() < share
    }

    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.uniform()
    }

    /// Every decade alike.
    fn decades(&mut self, low: f64, high: f64) -> f64 {
        low * libm::pow(high / low, self.0.uniform())
    }

    fn sign(&mut self) -> f64 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    fn whole(&mut self, low: usize, high: usize) -> usize {
        low + self.0.below(high - low + 1)
    }
}

/// A server as drawn.
#[derive(Clone, Debug)]
pub struct DrawnServer {
    /// What it is.
    pub server: Server,
    /// The client's line to it.
    pub link: Link,
    /// It keeps within what it claims.
    pub honest: bool,
    /// It lies so little at times that nobody can tell.
    pub subtle: bool,
    /// The smallest error with which it lies, s; `None`: more than any doubt.
    lie: Option<f64>,
    /// What may be doubted of its time, s: its root distance, the round trip, some jitter.
    reach: f64,
}

/// A host as drawn: the client, or a relay between it and the servers.
#[derive(Clone, Debug)]
pub struct DrawnHost {
    /// Its oscillator.
    pub oscillator: Oscillator,
    /// How far it is ahead at the start, s.
    pub offset: f64,
    /// Smallest step between two readings, s.
    pub resolution: f64,
    /// Its configuration without the sources.
    pub config: Config,
    /// Options of all its sources.
    pub source: SourceConfig,
}

impl DrawnHost {
    /// Its clock.
    pub fn clock(&self, rng: Rng) -> SimClock {
        SimClock::new(self.oscillator.clone(), self.offset, rng).with_resolution(self.resolution)
    }
}

/// What makes promises hard to keep in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Noise, loss, faults and steps.
    #[default]
    Plain,
    /// The client's machine sleeps, or another program steers it.
    Hands,
    /// Some servers lie, fewer than half, and by more than all the others doubt.
    Liars,
    /// As before, but at times a lie is so small that the intervals of honest servers hold it, and of so many that with
    /// them the liars may be a majority. Nobody can tell such a server from an honest one, so its clients' promises are
    /// counted and not asked for.
    Subtle,
}

/// A world as drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// Its length, s.
    pub length: f64,
    /// What UTC reads.
    pub calendar: Calendar,
    /// The client's servers.
    pub servers: Vec<DrawnServer>,
    /// Hosts that follow the honest servers and are followed by the next and by the client: relay and line to it.
    pub relays: Vec<(DrawnHost, Link)>,
    /// The client.
    pub client: DrawnHost,
    /// When (s) somebody steps the client's clock by how much (s).
    pub steps: Vec<(f64, f64)>,
    /// When (s) another program changes its frequency (s/s).
    pub frequencies: Vec<(f64, f64)>,
    /// When (from, until, s) its machine sleeps and by how much (s) it wakes up wrong.
    pub sleeps: Vec<(f64, f64, f64)>,
}

impl Drawn {
    /// Draws the world with this seed.
    pub fn new(seed: u64) -> Self {
        let mut lottery = Lottery::new(seed);
        let l = &mut lottery;
        let length = l.uniform(3600.0, 3.0 * 3600.0);
        let count = l.decades(1.0, 33.0) as usize;
        // Fewer than half of the sources lie; in such a world the honest ones do not fail.
        let liars = if count >= 3 && l.chance(0.4) { l.whole(1, (count - 1) / 2) } else { 0 };
        let near = l.decades(20e-6, 50e-3);
        let mut servers: Vec<DrawnServer> =
            (0..count).map(|i| server(l, near, length, i < liars, liars > 0)).collect();
        for i in (1..servers.len()).rev() {
            servers.swap(i, l.0.below(i + 1));
        }
        let relays = if l.chance(0.2) { l.whole(1, 3) } else { 0 };
        let relays = (0..relays).map(|_| (host(l, 4, length), line(l, near, length, false).0)).collect();
        let mut client = host(l, count, length);
        client.config.selection.min_sources = if l.chance(0.1) { l.whole(1, 3) as i32 } else { 1 };
        let mut drawn = Self {
            length,
            calendar: calendar(l),
            servers,
            relays,
            client,
            steps: Vec::new(),
            frequencies: Vec::new(),
            sleeps: Vec::new(),
        };
        drawn.draw_events(l);
        drawn.find_subtle();
        drawn
    }

    /// Whose lie is inside what so many honest sources doubt that with them all liars may be a majority? (What a relay
    /// doubts changes all the time.)
    fn find_subtle(&mut self) {
        let relay = usize::from(!self.relays.is_empty());
        let others: Vec<(bool, f64)> = self.servers.iter().map(|s| (s.honest, s.reach)).collect();
        for server in &mut self.servers {
            let Some(lie) = server.lie else { continue };
            // Both ends of an honest interval may be on the same side of the truth by its whole width.
            let agree = |(honest, reach): &&(bool, f64)| !honest || 2.0 * (reach + server.reach) >= lie;
            let allies = others.iter().filter(agree).count() + relay;
            server.subtle = 2 * allies > others.len() + relay;
        }
    }

    fn draw_events(&mut self, l: &mut Lottery) {
        let length = self.length;
        if l.chance(0.15) {
            for _ in 0..l.whole(1, 3) {
                let offset = l.sign() * l.decades(2e-3, 1e5);
                self.steps.push((l.uniform(10.0, length).round(), offset));
            }
        }
        if l.chance(0.1) {
            self.frequencies.push((l.uniform(600.0, length), l.uniform(-50e-6, 50e-6)));
        }
        if l.chance(0.1) {
            let from = l.uniform(600.0, length * 0.6);
            let error = l.uniform(-0.5, 0.5);
            self.sleeps.push((from, l.uniform(from + 10.0, length * 0.8), error));
        }
    }

    /// What makes its promises hard to keep.
    pub fn class(&self) -> Class {
        if self.servers.iter().any(|s| s.subtle) {
            Class::Subtle
        } else if self.servers.iter().any(|s| !s.honest) {
            Class::Liars
        } else if !(self.sleeps.is_empty() && self.frequencies.is_empty()) {
            Class::Hands
        } else {
            Class::Plain
        }
    }
}

fn calendar(l: &mut Lottery) -> Calendar {
    match l.whole(0, 19) {
        0 => Calendar::beginning(2_085_978_496 - l.whole(60, 3600) as i64),
        1 => Calendar::beginning(1_798_761_600 - l.whole(1800, 3600) as i64).with_leap(Leap::Insert),
        2 => Calendar::beginning(1_798_761_600 - l.whole(1800, 3600) as i64).with_leap(Leap::Delete),
        _ => Calendar::default(),
    }
}

fn server(l: &mut Lottery, near: f64, length: f64, lies: bool, among_liars: bool) -> DrawnServer {
    let stratum = l.whole(1, 5) as u8;
    let (root_delay, dispersion) = if stratum == 1 {
        (0.0, l.decades(1e-6, 1e-3))
    } else {
        (l.decades(1e-4, 0.1), l.decades(1e-5, 0.02))
    };
    let bound = root_delay / 2.0 + dispersion;
    let mut server =
        Server::ideal().claims(stratum, root_delay, dispersion).offset(bound * l.uniform(-0.9, 0.9));
    let mut lie = None;
    if lies {
        // More than any server's root distance; see `line` for the longest round trip.
        let much = l.sign() * l.decades(1.0, 1e3);
        let kind = l.whole(0, 3);
        server = match kind {
            0 => server.offset(much),
            1 => server.jump(l.uniform(0.0, length), much),
            2 => {
                let little = l.sign() * l.decades(1e-3, 1.0);
                lie = Some(little.abs());
                server.offset(little)
            }
            _ => {
                // It begins with none.
                lie = Some(0.0);
                server.oscillator(
                    Oscillator::perfect().jump(l.uniform(0.0, length), l.sign() * l.decades(1e-7, 1e-3)),
                )
            }
        };
    } else if !among_liars {
        server = faults(l, server, length);
    }
    let (link, round_trip) = line(l, near, length, among_liars);
    DrawnServer { server, link, honest: !lies, subtle: false, lie, reach: bound + WAITS * round_trip }
}

fn faults(l: &mut Lottery, mut server: Server, length: f64) -> Server {
    while l.chance(0.15) {
        let fault = match l.whole(0, 7) {
            0 | 1 => Fault::Silent,
            2 => Fault::RateLimit(l.decades(2.0, 100.0)),
            3 => Fault::WrongOrigin,
            4 => Fault::Unsynchronised,
            5 => Fault::Stratum(l.whole(0, 17) as u8),
            6 => Fault::Truncated(l.whole(0, 47)),
            _ => Fault::NoTransmitTime,
        };
        let from = l.uniform(0.0, length);
        server = server.fault(fault, from, from + l.decades(10.0, length));
    }
    server
}

/// A line and its round trip without waits, s. `steady`: no more is lost than a vote survives.
fn line(l: &mut Lottery, near: f64, length: f64, steady: bool) -> (Link, f64) {
    let round_trip = near * l.decades(1.0, 10.0);
    // Any asymmetry is within half the round trip; most are small.
    let there = if l.chance(0.2) { l.uniform(0.0, 1.0) } else { 0.5 + 0.05 * l.uniform(-1.0, 1.0) };
    let loss = if steady || l.chance(0.5) { 0.02 * l.uniform(0.0, 1.0) } else { l.uniform(0.0, 0.6) };
    let jitter = l.decades(1e-3, 1.0) * round_trip;
    let mut way = |share: f64, jitter: f64| {
        let mut way = noise(l, Way::constant(round_trip * share), jitter).loss(loss);
        if l.chance(0.1) {
            way = way.duplication(l.uniform(0.0, 0.3));
        }
        if l.chance(0.15) {
            let period = l.decades(300.0, 7200.0);
            let (from, share) = (l.uniform(0.0, period), l.uniform(0.1, 1.0));
            let until = from + l.uniform(0.05, 0.3) * period;
            way = way.burst(Burst { period, from, until, share, mean: l.decades(1.0, 20.0) * round_trip });
        }
        if l.chance(0.1) {
            way = way.route(l.uniform(0.0, length), l.decades(0.01, 1.0) * round_trip);
        }
        if !steady && l.chance(0.1) {
            let from = l.uniform(0.0, length);
            way = way.outage(from, from + l.decades(30.0, length));
        }
        way
    };
    let there_way = way(there, jitter);
    let back_way = way(1.0 - there, jitter * if steady { 1.0 } else { 0.3 });
    (Link { there: there_way, back: back_way }, round_trip)
}

/// Jitter of one of many laws; some packets overtake others.
fn noise(l: &mut Lottery, way: Way, scale: f64) -> Way {
    match l.whole(0, 6) {
        0 | 1 => way.exponential(scale),
        2 => way.gamma(l.uniform(0.5, 4.0), scale / 2.0),
        3 => way.folded_normal(scale),
        4 => way.uniform(2.0 * scale),
        5 => {
            let heavy = vec![Generator::Exponential; 3];
            way.jitter(Generator::Multiply(heavy).times(scale))
        }
        _ => {
            let rare =
                Generator::parse("(* 30 (exponential) (equal 0.05 (uniform) 0.05))").expect("a constant");
            way.exponential(scale).jitter(rare.times(scale))
        }
    }
}

fn host(l: &mut Lottery, sources: usize, length: f64) -> DrawnHost {
    let mut config = Config::default();
    config.server.access.push(AccessRule { allow: true, all: false, subnet: None });
    let (oscillator, change) = oscillator(l, length);
    config.clock.max_clock_error = config.clock.max_clock_error.max(MARGIN * change);
    if l.chance(0.5) {
        let limit = if l.chance(0.3) { -1 } else { l.whole(1, 5) as i32 };
        config.clock.makestep = Some((l.decades(1e-3, 10.0), limit));
    }
    if l.chance(0.1) {
        config.clock.max_slew_rate = l.decades(1e-4, 0.083);
    }
    let mut source = SourceConfig::new(SourceKind::Server, "");
    let least = libm::ceil(libm::log2(sources as f64 * length / PACKETS)).max(0.0) as i32;
    source.minpoll = (least + l.whole(0, 2) as i32).min(10);
    source.maxpoll = (source.minpoll + l.whole(0, 4) as i32).min(10);
    source.iburst = l.chance(0.6);
    source.filter = if l.chance(0.05) { l.whole(2, 5) as i32 } else { 0 };
    let offset = match l.whole(0, 9) {
        0 => 0.0,
        1 => l.sign() * l.decades(1.0, 1e4),
        2 => -l.decades(1e6, 1.7e9),
        _ => l.sign() * l.decades(1e-6, 1.0),
    };
    // A clock that is years behind and may not be stepped would be slewed for years.
    if offset < -1e4 {
        config.clock.makestep = Some((1.0, 3));
    }
    DrawnHost { oscillator, offset, resolution: if l.chance(0.2) { 1e-6 } else { 1e-9 }, config, source }
}

/// An oscillator and the most by which its frequency is changed by temperature and jumps, s/s.
fn oscillator(l: &mut Lottery, length: f64) -> (Oscillator, f64) {
    let frequency = match l.whole(0, 9) {
        0 => l.sign() * l.decades(1e-4, 1.1e-3),
        1 => l.sign() * l.decades(1e-3, 0.05),
        _ => 30e-6 * normal(&mut l.0),
    };
    let mut oscillator = Oscillator::with_error(frequency);
    let mut change = 0.0;
    if l.chance(0.9) {
        oscillator = oscillator.wander(l.decades(1e-11, 2e-8));
    }
    if l.chance(0.3) {
        let (amplitude, period) = (l.decades(1e-8, 1e-6), l.decades(1200.0, 86_400.0));
        oscillator = oscillator.temperature(amplitude, period);
        change += 2.0 * amplitude;
    }
    while l.chance(0.15) {
        let by = l.sign() * l.decades(1e-8, 5e-6);
        oscillator = oscillator.jump(l.uniform(0.0, length), by);
        change += f64::abs(by);
    }
    (oscillator, change)
}
