//! A day to show: a router 1073 ppm off, five servers of which one turns wrong, thousands of clients and one that asks
//! without pause.
//!
//! Every packet of it goes through the engine and the responder that ship; only the world around them is made up, and it
//! is the same each time.

use crate::clock::SimClock;
use crate::link::{Link, Way};
use crate::oscillator::Oscillator;
use crate::server::Server;
use crate::time::Calendar;
use crate::world::{NodeId, World};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use ntp::config::{NoFiles, parse};
use ntp::engine::Start;
use ntp::metrics::Machine;
use ntp::rng::Rng;
use ntp::snapshot::Snapshot;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;
const DAY: f64 = 24.0 * HOUR;
/// Error of the router's oscillator, s/s.
const FREQUENCY: f64 = -1073e-6;
/// From when to when the best three servers cannot be reached, s after the beginning.
pub const CUT: (f64, f64) = (5.0 * HOUR, 5.0 * HOUR + 45.0 * MINUTE);
/// When one of the servers turns wrong, s after the beginning, and by how much, s.
pub const WRONG: (f64, f64) = (9.0 * HOUR, 0.047);
/// From when to when somebody asks without pause, s after the beginning.
pub const ABUSE: (f64, f64) = (13.0 * HOUR, 13.0 * HOUR + 40.0 * MINUTE);
/// … and how often, 1/s.
const ABUSE_RATE: f64 = 250.0;
/// Who asks without pause, who asks every second all day.
const ABUSER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 214);
const IMPATIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 61);
/// Clients that behave, by how often they ask: those of the first group make half of the requests, those of the next one a quarter,
/// and so on.
const GROUPS: [u32; 8] = [200, 800, 1600, 400, 640, 800, 800, 500];
/// Requests of well-behaved clients at the quietest and at the busiest time, 1/s.
const QUIET: f64 = 12.0;
const BUSY: f64 = 64.0;

const CONFIG: &str = "\
server gps.ixp.example iburst minpoll 5 maxpoll 7
server ptb.time.example iburst minpoll 6 maxpoll 8
server time.uni.example iburst minpoll 6 maxpoll 8
server ntp1.isp.example iburst minpoll 6 maxpoll 8
server ntp.city.example iburst minpoll 6 maxpoll 8
makestep 1 3
allow
deny 198.51.100.128/25
ratelimit interval 1 burst 8 leak 4
";

/// Name, round trip s, mean jitter s, stratum, root delay s, root dispersion s.
const SERVERS: [(&str, f64, f64, u8, f64, f64); 5] = [
    ("gps.ixp.example", 0.0012, 20e-6, 1, 0.0, 1e-5),
    ("ptb.time.example", 0.0030, 60e-6, 1, 0.0, 1e-5),
    ("time.uni.example", 0.0022, 110e-6, 1, 0.0, 2e-5),
    ("ntp1.isp.example", 0.0056, 90e-6, 2, 0.0008, 2e-4),
    ("ntp.city.example", 0.0118, 600e-6, 2, 0.0021, 4e-4),
];

/// The day, second by second.
pub struct Day {
    world: World,
    router: NodeId,
    rng: Rng,
    begins: i64,
    second: u32,
    /// Whose turn it is among the clients that behave.
    turn: u32,
    /// Parts of requests that are still owed.
    owed: f64,
    /// Requests so far.
    asked: u64,
    /// Where the next look into the table of clients begins.
    stretch: usize,
}

impl Day {
    /// A day that begins at `begins`, s since 1970.
    pub fn new(begins: i64) -> Self {
        let mut world = World::with_grid(1075, HOUR);
        world.set_calendar(Calendar::beginning(begins));
        let mut links = Vec::new();
        for (index, (name, round_trip, jitter, stratum, root_delay, root_dispersion)) in
            SERVERS.into_iter().enumerate()
        {
            let mut server = Server::ideal().claims(stratum, root_delay, root_dispersion);
            if index == 4 {
                server = server.offset(0.0004).jump(WRONG.0, WRONG.1);
            }
            let node = world.add_server(server);
            world.set_name(name, &[node]);
            let mut way = Way::constant(round_trip / 2.0).exponential(jitter);
            if index < 3 {
                way = way.outage(CUT.0, CUT.1);
            }
            links.push((node, Link::symmetric(way)));
        }
        let parsed = parse(CONFIG, "demo", &NoFiles).expect("a constant that a test reads");
        let oscillator = Oscillator::with_error(FREQUENCY).wander(4e-10).temperature(0.05e-6, DAY);
        let router =
            world.add_host(parsed.config, |rng| SimClock::new(oscillator, 0.1, rng).with_resolution(1e-9));
        for (node, link) in links {
            world.connect(router, node, link);
        }
        world.start(router, Start { steers: true, ..Start::default() });
        Self {
            world,
            router,
            rng: Rng::from_number(1074),
            begins,
            second: 0,
            turn: 0,
            owed: 0.0,
            asked: 0,
            stretch: 0,
        }
    }

    /// Seconds since it began.
    pub fn seconds(&self) -> u32 {
        self.second
    }

    /// True time, s since 1970.
    pub fn unix(&self) -> f64 {
        self.begins as f64 + f64::from(self.second)
    }

    /// Lets a second pass, with its requests.
    pub fn step(&mut self) {
        let at = f64::from(self.second);
        self.world.run_until(at);
        self.owed += load((self.unix() / HOUR) % 24.0) * (0.94 + 0.12 * self.rng.uniform());
        while self.owed >= 1.0 {
            self.owed -= 1.0;
            self.turn += 1;
            let short = self.turn.is_multiple_of(97); // something that is no request
            self.ask(client(whose(self.turn)), if short { 12 } else { 48 });
        }
        self.ask(IMPATIENT.into(), 48);
        if (ABUSE.0..ABUSE.1).contains(&at) {
            let rate = ABUSE_RATE * ((at - ABUSE.0) / 240.0).min(1.0) * (0.9 + 0.2 * self.rng.uniform());
            for _ in 0..rate as u32 {
                self.ask(ABUSER.into(), 48);
            }
        }
        self.second += 1;
    }

    fn ask(&mut self, from: IpAddr, length: usize) {
        self.asked += 1;
        let mut request = [0; 48];
        request[0] = if whose(self.turn).is_multiple_of(4) { 0x1b } else { 0x23 }; // versions 3 and 4, client mode
        request[40..].copy_from_slice(&self.rng.bits().to_be_bytes());
        self.world.ask(self.router, from, request.get(..length).unwrap_or(&request));
    }

    /// What the router's daemon would tell its observer now.
    pub fn snapshot(&mut self, words: bool) -> Option<Snapshot> {
        let host = self.world.host(self.router);
        let (engine, now) = (host.engine()?, host.clock().now());
        let mut told = engine.snapshot(now, words);
        (told.clients, self.stretch) = engine.client_stretch(now, self.stretch);
        Some(told)
    }

    /// What its machine would be like: made up, from the load, after the figures of a small router.
    pub fn machine(&self) -> Machine {
        let busy = self.asked as f64;
        Machine {
            cpu_user: f64::from(self.second) * 0.004 + busy * 9e-6,
            cpu_system: f64::from(self.second) * 0.003 + busy * 21e-6,
            memory: 4.3e6,
            temperature: 46.5
                + 3.5 * libm::sin((self.unix() / HOUR % 24.0 - 10.0) / 24.0 * core::f64::consts::TAU),
            conntrack: 420.0 + 6.0 * load(self.unix() / HOUR % 24.0),
            conntrack_limit: 65_536.0,
            threads: 1.0,
        }
    }

    /// How wrong the router's clock really is, s.
    pub fn error(&self) -> f64 {
        self.world.host(self.router).clock().error()
    }
}

/// Requests of the clients that behave by the hour of the day, 1/s: a quiet night, a busy evening.
fn load(hour: f64) -> f64 {
    let day = 0.5 - 0.5 * libm::cos((hour - 3.6) / 24.0 * core::f64::consts::TAU);
    let from_peak = (hour - 19.2 + 36.0) % 24.0 - 12.0;
    QUIET + (BUSY - QUIET) * (0.45 * libm::pow(day, 1.3) + 0.55 * libm::exp(-from_peak * from_peak / 9.0))
}

/// Whose turn it is (from 1): every second turn a client of the first group, every fourth one of the second, …
fn whose(turn: u32) -> u32 {
    let group = (turn.trailing_zeros() as usize).min(GROUPS.len() - 1);
    let before: u32 = GROUPS.iter().take(group).sum();
    let last = usize::from(group + 1 == GROUPS.len()); // it has all that is left
    before + (turn >> (group + 1 - last)) % GROUPS[group]
}

/// The address of a client: a fifth of them have IPv6, a few are not allowed.
fn client(number: u32) -> IpAddr {
    let [.., high, low] = number.wrapping_mul(40_503).to_be_bytes();
    if number.is_multiple_of(5) {
        return Ipv6Addr::new(0x2001, 0xdb8, u16::from(high), u16::from(low) << 8, 0, 0, 0, 1).into();
    }
    match number % 600 {
        1 => Ipv4Addr::new(198, 51, 100, 128 | low).into(),
        _ => Ipv4Addr::new(100, 64 | (number >> 8) as u8 & 63, high, low).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two hours are enough to see that it is what it says: the clock is learned, requests are answered, some are dropped.
    #[test]
    fn the_day_begins_as_told() {
        let mut day = Day::new(1_800_057_600);
        for _ in 0..2 * 3600 {
            day.step();
        }
        let told = day.snapshot(true).expect("it runs");
        assert!((told.at - day.unix()).abs() < 1.5, "{} {}", told.at, day.unix());
        assert!(told.synchronised() && told.error_bound() < 0.005, "{}", told.error_bound());
        assert!(day.error().abs() < told.error_bound(), "{} s wrong", day.error());
        let frequency = told.tracking.frequency.get();
        assert!((frequency - FREQUENCY / (1.0 + FREQUENCY)).abs() < 0.5e-6, "{frequency}");
        assert_eq!(told.sources.len(), 5);
        assert!(
            told.sources.iter().all(|source| source.name.ends_with(".example") && !source.why.is_empty())
        );
        let asked: u64 = told.traffic.packets_in.iter().sum();
        assert!(told.answered > asked / 2 && told.answered < asked, "{} of {asked}", told.answered);
        assert!(told.server.ntp_drops.unwrap_or(0) > 0, "the impatient one is limited");
    }

    /// The best source, which is surer than the median of the others, stays believed all day; the one that turns wrong does
    /// not.
    #[test]
    fn only_the_wrong_server_is_called_wrong() {
        let mut day = Day::new(1_800_057_600);
        for minute in 1..12 * 60 {
            let at = f64::from(minute) * MINUTE;
            day.world.run_until(at);
            let marks = day.world.host(day.router).marks();
            let wrong = marks.rfind('x');
            assert_eq!(marks.find('x'), wrong, "{marks} after {minute} minutes");
            let expected = if at < WRONG.0 { None } else { Some(4) };
            let learning = (WRONG.0..WRONG.0 + 20.0 * MINUTE).contains(&at);
            assert!(learning || wrong == expected, "{marks} after {minute} minutes");
        }
    }
}
