//! `broadcast`: the time told to whoever listens.

use super::{Action, Actions, Engine};
use crate::config::Config;
use crate::time::{MonoTime, Now};
use core::net::SocketAddr;

/// Shortest and longest interval, s.
const INTERVALS: (i32, i32) = (1, 1 << 24);

/// One line of the configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broadcast {
    to: SocketAddr,
    /// Seconds.
    interval: i32,
    due: MonoTime,
}

/// All that were asked for. Nobody can be told anything on a port that is none.
pub(super) fn all(config: &Config, now: MonoTime) -> Vec<Broadcast> {
    let lines = config.server.broadcasts.iter();
    lines
        .filter_map(|line| {
            let to = SocketAddr::new(line.address, u16::try_from(line.port).ok()?);
            let interval = line.interval.clamp(INTERVALS.0, INTERVALS.1);
            Some(Broadcast { to, interval, due: now + f64::from(interval) })
        })
        .collect()
}

impl Engine {
    pub(super) fn next_broadcast(&self) -> Option<MonoTime> {
        self.broadcasts.iter().map(|b| b.due).min()
    }

    pub(super) fn send_broadcasts(&mut self, now: Now, out: &mut Actions) {
        let knows = self.server_state.stratum != 0;
        for broadcast in self.broadcasts.iter_mut().filter(|b| b.due <= now.mono) {
            broadcast.due = now.mono + f64::from(broadcast.interval);
            if knows {
                let poll = libm::round(libm::log2(f64::from(broadcast.interval))) as i8;
                out.push(Action::Broadcast { to: broadcast.to, poll });
            }
        }
    }
}
