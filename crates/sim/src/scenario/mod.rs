//! Worlds with names: one client, its servers, and what happens to them.
//!
//! A [`Plan`] is such a world as plain data; [`all`] lists those that have a name.

pub mod hard;
pub mod named;
mod table;
pub mod unequal;

pub use table::{Reference, TABLE};

use crate::clock::SimClock;
use crate::link::Link;
use crate::oscillator::Oscillator;
use crate::record::Record;
use crate::server::Server;
use crate::time::Calendar;
use crate::world::{NodeId, World};
use ntp::config::{Config, SourceConfig, SourceKind};
use ntp::engine::Start;
use ntp::leap_table::LeapTable;

/// One client and its servers.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Servers and the links to them; they become the client's sources in this order.
    pub servers: Vec<(Server, Link)>,
    /// The client's oscillator.
    pub oscillator: Oscillator,
    /// How far the client's clock is ahead at the start, s.
    pub offset: f64,
    /// Smallest step between two readings of it, s.
    pub resolution: f64,
    /// Options of every source; the name is filled in.
    pub source: SourceConfig,
    /// Everything else the client is told.
    pub config: Config,
    /// What its daemon is started with.
    pub start: Start,
    /// When (s after the start) somebody steps the client's clock by how much (s).
    pub outside_steps: Vec<(f64, f64)>,
    /// When (s after the start) another program changes the frequency of the client's clock, s/s.
    pub outside_frequencies: Vec<(f64, f64)>,
    /// From when to when (s after the start) the client's machine sleeps, and by how much (s) the clock on its board is
    /// wrong then.
    pub sleeps: Vec<(f64, f64, f64)>,
    /// What UTC reads.
    pub calendar: Calendar,
    /// The list of leap seconds that the client has.
    pub leap_table: Option<LeapTable>,
    /// How often the client is looked at, s.
    pub grid: f64,
    /// What is written down of that.
    pub record: Record,
}

impl Default for Plan {
    /// A perfect oscillator, no servers, chrony's defaults.
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            oscillator: Oscillator::perfect(),
            offset: 0.0,
            resolution: 1e-9,
            source: SourceConfig::new(SourceKind::Server, ""),
            config: Config::default(),
            start: Start { steers: true, ..Start::default() },
            outside_steps: Vec::new(),
            outside_frequencies: Vec::new(),
            sleeps: Vec::new(),
            calendar: Calendar::default(),
            leap_table: None,
            grid: 1.0,
            record: Record::default(),
        }
    }
}

/// A world built from a plan.
pub struct Built {
    /// The world; the client's daemon has been started.
    pub world: World,
    /// The client.
    pub client: NodeId,
    /// Its servers, in the order of the plan.
    pub servers: Vec<NodeId>,
}

impl Plan {
    /// The world of this plan with this seed.
    pub fn build(&self, seed: u64) -> Built {
        let mut world = World::with_grid(seed, self.grid);
        world.set_calendar(self.calendar);
        let servers: Vec<NodeId> =
            self.servers.iter().map(|(server, _)| world.add_server(server.clone())).collect();
        let mut config = self.config.clone();
        for &server in &servers {
            config
                .sources
                .push(SourceConfig { name: World::address(server).to_string(), ..self.source.clone() });
        }
        let (oscillator, offset, resolution) = (self.oscillator.clone(), self.offset, self.resolution);
        let client =
            world.add_host(config, |rng| SimClock::new(oscillator, offset, rng).with_resolution(resolution));
        for (&server, (_, link)) in servers.iter().zip(&self.servers) {
            world.connect(client, server, link.clone());
        }
        for &(at, offset) in &self.outside_steps {
            world.step_at(client, at, offset);
        }
        for &(at, frequency) in &self.outside_frequencies {
            world.steer_at(client, at, frequency);
        }
        for &(from, until, error) in &self.sleeps {
            world.sleep_at(client, from, until, error);
        }
        if let Some(table) = &self.leap_table {
            world.set_leap_table(client, table.clone());
        }
        world.set_record(client, self.record.clone());
        world.start(client, self.start);
        Built { world, client, servers }
    }
}

/// A plan with a name.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub about: String,
    /// How long it lasts, s.
    pub length: f64,
    /// What comes before this is not counted, s.
    pub warmup: f64,
    /// The world.
    pub plan: Plan,
}

/// All scenarios with names.
pub fn all() -> Vec<Scenario> {
    let own = named::all().into_iter().chain(hard::all()).chain(unequal::all());
    own.chain(TABLE.iter().map(Reference::scenario)).collect()
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    all().into_iter().find(|s| s.name == name)
}
