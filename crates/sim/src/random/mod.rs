//! Random worlds: whatever is drawn, nothing panics, no figure is nonsense, no promise is broken, no step is forbidden.
//!
//! A world follows from its number alone, so each failure can be played again: `sim random --world N`.

mod draw;

pub use draw::{Class, Drawn, DrawnHost, DrawnServer};

use crate::host::Host;
use crate::record::{Record, Sample};
use crate::time::{TrueTime, leap_step};
use crate::world::{NodeId, World};
use ntp::config::{Config, SourceConfig};
use ntp::engine::Start;
use ntp::wire::Leap;

/// A world built from what was drawn.
pub struct Built {
    /// The world; all daemons run.
    pub world: World,
    /// The client.
    pub client: NodeId,
    /// The relays.
    pub relays: Vec<NodeId>,
}

impl Drawn {
    /// Builds it; `record` is what is written down of every host.
    pub fn build(&self, seed: u64, record: &Record) -> Built {
        let mut world = World::new(seed);
        world.set_calendar(self.calendar);
        let servers: Vec<NodeId> = self.servers.iter().map(|s| world.add_server(s.server.clone())).collect();
        let honest: Vec<usize> = (0..servers.len()).filter(|&i| self.servers[i].honest).take(3).collect();
        let mut relays: Vec<NodeId> = Vec::new();
        for (relay, _) in &self.relays {
            let above: Vec<NodeId> =
                honest.iter().map(|&i| servers[i]).chain(relays.last().copied()).collect();
            let node = add(&mut world, relay, &above);
            for &i in &honest {
                world.connect(node, servers[i], self.servers[i].link.clone());
            }
            if let Some(last) = relays.last() {
                world.connect(node, *last, self.relays[relays.len() - 1].1.clone());
            }
            relays.push(node);
        }
        let above: Vec<NodeId> = servers.iter().chain(relays.last()).copied().collect();
        let client = add(&mut world, &self.client, &above);
        for (server, drawn) in servers.iter().zip(&self.servers) {
            world.connect(client, *server, drawn.link.clone());
        }
        if let (Some(last), Some((_, link))) = (relays.last(), self.relays.last()) {
            world.connect(client, *last, link.clone());
        }
        self.schedule(&mut world, client);
        for &host in relays.iter().chain([&client]) {
            world.set_record(host, record.clone());
            world.start(host, Start { steers: true, ..Start::default() });
        }
        Built { world, client, relays }
    }

    fn schedule(&self, world: &mut World, client: NodeId) {
        for &(at, offset) in &self.steps {
            world.step_at(client, at, offset);
        }
        for &(at, frequency) in &self.frequencies {
            world.steer_at(client, at, frequency);
        }
        for &(from, until, error) in &self.sleeps {
            world.sleep_at(client, from, until, error);
        }
    }
}

fn add(world: &mut World, host: &DrawnHost, above: &[NodeId]) -> NodeId {
    let mut config: Config = host.config.clone();
    for &node in above {
        config.sources.push(SourceConfig { name: World::address(node).to_string(), ..host.source.clone() });
    }
    world.add_host(config, |rng| host.clock(rng))
}

/// What is to be said of a world.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What makes its promises hard to keep.
    pub class: Class,
    /// Packets of all hosts.
    pub packets: u64,
    /// Instants at which a host promised a root distance.
    pub promises: u64,
    /// … that was smaller than its error.
    pub violations: u64,
    /// The first of these at the client.
    pub first_violation: Option<Sample>,
    /// Samples in which something was no number.
    pub insane: u64,
    /// Steps that `makestep` does not allow.
    pub forbidden: u64,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn good(&self) -> bool {
        (self.violations == 0 || self.class == Class::Subtle) && self.insane == 0 && self.forbidden == 0
    }

    /// One line of numbers, for [`Self::parse`].
    pub fn line(&self) -> String {
        let Self { packets, promises, violations, insane, forbidden, .. } = self;
        format!("{} {packets} {promises} {violations} {insane} {forbidden}", self.class as u8)
    }

    /// From [`Self::line`].
    pub fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [class, packets, promises, violations, insane, forbidden] = numbers[..] else { return None };
        let class =
            *[Class::Plain, Class::Hands, Class::Liars, Class::Subtle].get(usize::try_from(class).ok()?)?;
        Some(Self { class, packets, promises, violations, insane, forbidden, first_violation: None })
    }

    fn add(&mut self, host: &Host, config: &Config) {
        let whole = host.record.whole();
        self.packets += host.sent;
        self.promises += whole.promises;
        self.violations += whole.violations;
        self.first_violation = whole.first_violation;
        self.insane += whole.insane;
        self.forbidden += forbidden(host, config);
    }
}

/// Steps that the rule does not allow: any without a rule, those not above the threshold, and those beyond the limit. The
/// leap second itself is none of them.
fn forbidden(host: &Host, config: &Config) -> u64 {
    let mut leap = host.clock().calendar().leap();
    // A machine that sleeps then makes it when it wakes up; nobody makes it twice.
    let mut is_leap = |(at, by): (TrueTime, f64)| {
        let made = |(when, leap): (TrueTime, Leap)| at - when > -2.0 && by == leap_step(leap) as f64 * 1e-9;
        leap.take_if(|leap| made(*leap)).is_some()
    };
    let mut steps: Vec<f64> = Vec::new();
    for &(at, by) in host.steps() {
        if !is_leap((at, by)) {
            steps.push(by.abs());
        }
    }
    let Some((threshold, limit)) = config.clock.makestep else { return steps.len() as u64 };
    let small = steps.iter().filter(|by| **by <= threshold).count();
    let allowed = usize::try_from(limit).unwrap_or(usize::MAX);
    (small + steps.len().saturating_sub(allowed)) as u64
}

/// Runs the world with this number.
pub fn run(seed: u64) -> Verdict {
    let drawn = Drawn::new(seed);
    let mut built = drawn.build(seed, &Record::count_only(0.0, f64::INFINITY));
    built.world.run_until(drawn.length);
    judge(&drawn, &built)
}

/// What is to be said of a world that has been run.
pub fn judge(drawn: &Drawn, built: &Built) -> Verdict {
    let mut verdict = Verdict { class: drawn.class(), ..Verdict::default() };
    for (&relay, (host, _)) in built.relays.iter().zip(&drawn.relays) {
        verdict.add(built.world.host(relay), &host.config);
    }
    verdict.add(built.world.host(built.client), &drawn.client.config);
    verdict
}

/// Sums over many worlds.
#[derive(Clone, Debug, Default)]
pub struct Total {
    worlds: u64,
    panics: Vec<u64>,
    insane: Vec<u64>,
    forbidden: Vec<u64>,
    /// Worlds with broken promises, and the sums of promises and violations, for each [`Class`].
    broken: [Vec<u64>; 4],
    promises: [u64; 4],
    violations: [u64; 4],
    packets: u64,
}

impl Total {
    /// Adds a world; `None`: it panicked.
    pub fn add(&mut self, seed: u64, verdict: Option<&Verdict>) {
        self.worlds += 1;
        let Some(verdict) = verdict else { return self.panics.push(seed) };
        let class = verdict.class as usize;
        self.packets += verdict.packets;
        self.promises[class] += verdict.promises;
        self.violations[class] += verdict.violations;
        if verdict.violations > 0 {
            self.broken[class].push(seed);
        }
        if verdict.insane > 0 {
            self.insane.push(seed);
        }
        if verdict.forbidden > 0 {
            self.forbidden.push(seed);
        }
    }

    /// No panic, nothing that is no number, no forbidden step, and at most one broken promise in a million instants.
    pub fn good(&self) -> bool {
        let asked = [Class::Plain, Class::Hands, Class::Liars].map(|class| class as usize);
        let broken: u64 = asked.iter().map(|&class| self.violations[class]).sum();
        let promises: u64 = asked.iter().map(|&class| self.promises[class]).sum();
        let none = [&self.panics, &self.insane, &self.forbidden].into_iter().all(Vec::is_empty);
        none && broken.saturating_mul(1_000_000) <= promises
    }

    /// In words, with the numbers of the worlds to play again.
    pub fn text(&self) -> String {
        let list = |worlds: &[u64]| {
            let shown: Vec<String> = worlds.iter().take(12).map(u64::to_string).collect();
            let more = if worlds.len() > shown.len() { ", …" } else { "" };
            if worlds.is_empty() {
                "none".into()
            } else {
                format!("{}: {}{more}", worlds.len(), shown.join(", "))
            }
        };
        let promises = |class: usize| {
            let (bad, all) = (self.violations[class], self.promises[class]);
            format!(
                "{bad} of {all} instants ({:.1e}), worlds {}",
                bad as f64 / all as f64,
                list(&self.broken[class])
            )
        };
        format!(
            "{} worlds, {} packets\n\
             panics                    {}\n\
             not a number              {}\n\
             forbidden steps           {}\n\
             beyond root distance      {}\n\
             … asleep or overruled     {}\n\
             … while a minority lies   {}\n\
             … and nobody could tell   {} (not asked for)\n",
            self.worlds,
            self.packets,
            list(&self.panics),
            list(&self.insane),
            list(&self.forbidden),
            promises(0),
            promises(1),
            promises(2),
            promises(3),
        )
    }
}
