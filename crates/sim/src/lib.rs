//! A deterministic world: engines, oscillators, links and servers under one true time.
//!
//! Read [`world::World`] first. A world is built from a seed, hosts ([`host::Host`]: an `ntp::engine::Engine` behind a
//! simulated clock), servers that are only a function of true time ([`server::Server`]) and links with delays
//! ([`link::Link`]). No run sees a real clock or real chance: equal seeds give equal runs, bit by bit.
//!
//! Ready-made worlds have names: [`scenario::all`]. [`compare`] sets them beside chronyd's figures.
#![forbid(unsafe_code)]

pub mod beside;
pub mod climate;
pub mod clock;
pub mod compare;
pub mod cost;
pub mod demo;
pub mod generator;
pub mod host;
pub mod link;
pub mod oscillator;
pub mod plot;
pub mod pool;
pub mod random;
pub mod record;
pub mod routers;
pub mod scenario;
pub mod server;
pub mod streams;
pub mod tally;
pub mod temperatures;
pub mod time;
pub mod unequal;
pub mod world;

pub use clock::SimClock;
pub use generator::Generator;
pub use host::Host;
pub use link::{Link, Way};
pub use oscillator::Oscillator;
pub use record::{Figures, Record};

pub use scenario::{Plan, Scenario};
pub use server::{Fault, Server};
pub use time::TrueTime;
pub use world::{NodeId, World};
