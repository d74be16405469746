//! The responders of a server: one for each thread that answers.
//!
//! A client stays on one thread, so what a responder remembers of it needs no lock of its own: each thread locks its
//! shard once for a whole batch of requests, and whoever wants a report locks them one after the other.

use super::{Counters, Responder, ServeConfig, held};
use crate::rng::Rng;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What one thread answers with.
pub type Shard = Arc<Mutex<Responder>>;

/// All shards, and what they obey. There is always one: it answers in the main loop when no thread serves.
#[derive(Debug)]
pub struct Shards {
    shards: Vec<Shard>,
    config: Arc<ServeConfig>,
}

/// Locks one shard. A thread that panics takes the process with it, so a poisoned lock is never seen alive.
pub fn lock(shard: &Shard) -> MutexGuard<'_, Responder> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shards {
    /// One shard for each of `threads` serving threads; one for the main loop when there are none.
    pub fn new(threads: usize, config: ServeConfig, rng: &mut Rng) -> Self {
        let config = Arc::new(config);
        let mut shard = || {
            let rng = Rng::from_number(rng.bits());
            Arc::new(Mutex::new(Responder::new(Arc::clone(&config), rng)))
        };
        let shards = (0..threads.max(1)).map(|_| shard()).collect();
        Self { shards, config }
    }

    /// The shards, in the order of the threads.
    pub fn all(&self) -> &[Shard] {
        &self.shards
    }

    /// The main loop's, when no thread serves.
    pub fn main(&self) -> MutexGuard<'_, Responder> {
        lock(self.shards.first().expect("there is always one"))
    }

    /// Each shard in turn, locked.
    pub fn locked(&self) -> impl Iterator<Item = MutexGuard<'_, Responder>> {
        self.shards.iter().map(lock)
    }

    /// What they obey.
    pub fn config(&self) -> &Arc<ServeConfig> {
        &self.config
    }

    /// From now on they obey `config`.
    pub fn set_config(&mut self, config: ServeConfig) {
        self.config = Arc::new(config);
        for mut responder in self.locked() {
            responder.set_config(Arc::clone(&self.config));
        }
    }

    /// Totals of all shards since the start.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for responder in self.locked() {
            sum.add(responder.counters());
        }
        sum
    }

    /// Stamps held for interleaved mode, and the whole seconds between the oldest and the newest receive time of them.
    pub fn held(&self) -> (u64, u64) {
        let (mut held, mut ends) = (0u64, None);
        for responder in self.locked() {
            held = held.wrapping_add(responder.held().len() as u64);
            ends = held::outer(ends, responder.held().ends());
        }
        (held, ends.map_or(0, |(oldest, newest)| held::seconds_between(oldest, newest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AccessRule;
    use crate::engine::{Stamp, StampSource};
    use crate::server::{AccessTable, Datagram, ReplyBuf, ServerState, Template};
    use crate::time::RawTime;

    #[test]
    fn a_change_reaches_every_shard_and_their_counts_are_summed() {
        let mut shards = Shards::new(3, ServeConfig::default(), &mut Rng::from_number(1));
        let mut request = [0; 48];
        request[0] = 4 << 3 | 3;
        let rx = Stamp { time: RawTime::default(), source: StampSource::Kernel };
        let datagram = Datagram { from: "192.0.2.1:4000".parse().unwrap(), to: None, rx, bytes: &request };
        let template = Template::new(&ServerState::default(), rx.time);
        let ask = |shards: &Shards| {
            for mut responder in shards.locked() {
                let mut room = ReplyBuf::default();
                let _ = responder.respond(&datagram, &template, || rx.time, &mut room);
            }
        };
        ask(&shards);
        let everybody = AccessRule { allow: true, all: false, subnet: None };
        shards.set_config(ServeConfig { access: AccessTable::new(&[everybody]), ..ServeConfig::default() });
        ask(&shards);
        ask(&shards);
        let sum = shards.counters();
        assert_eq!((sum.total_rejected(), sum.stats.answered), (3, 6));
        assert_eq!(shards.main().counters().stats.answered, 2);
    }

    #[test]
    fn without_threads_the_main_loop_has_a_shard() {
        assert_eq!(Shards::new(0, ServeConfig::default(), &mut Rng::from_number(1)).all().len(), 1);
    }
}
