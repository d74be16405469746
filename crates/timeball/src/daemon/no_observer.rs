//! Nobody records or shows: this program was built without the feature `web`.

use super::{Name, logger};
use ntp::config::Config;
use ntp::engine::Engine;
use ntp::time::{MonoTime, Now};
use sys::process::User;

/// Nothing is to be done.
#[derive(Debug)]
pub struct Plan;

/// There is none.
#[derive(Debug)]
pub enum Observer {}

/// Nothing, and a warning if something was asked for.
pub fn plan(_: Name, config: &Config, _: bool, _: Option<&User>) -> Option<Plan> {
    if config.observe.stats == Some(true) || config.observe.web == Some(true) {
        logger::warning("No statistics and no page in this program, so stats and web are ignored");
    }
    None
}

impl Observer {
    /// There is none.
    pub fn start(_: &Plan, _: impl Fn()) -> Option<Self> {
        None
    }

    /// Never.
    pub fn due(&self, _: MonoTime) -> Option<MonoTime> {
        None
    }

    /// Nothing to do.
    pub fn attend(&mut self, _: Now, _: &Engine) {}

    /// Nothing to do.
    pub fn goodbye(&mut self) {}
}
