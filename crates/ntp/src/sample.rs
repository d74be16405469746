//! One measurement: two one-way readings of the same oscillator against one server.

use crate::time::OscTime;
use crate::wire::Leap;

/// What one exchange of packets tells (DISCIPLINE: both directions are kept; offset and delay are derived).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Middle of the exchange in oscillator time, (V1 + V4)/2.
    pub v: OscTime,
    /// T2 − V1 in nanoseconds: (true − V) plus the way there.
    pub forward: i64,
    /// V4 − T3 in nanoseconds: −(true − V) plus the way back.
    pub backward: i64,
    /// (V4 − V1)/2 in seconds.
    pub half: f64,
    /// Maximal reading error of this exchange, s (precisions and our own drift while it lasted).
    pub dispersion: f64,
    /// The server's own root delay, s.
    pub root_delay: f64,
    /// The server's own root dispersion, s.
    pub root_dispersion: f64,
    /// The server's stratum.
    pub stratum: u8,
    /// The server's leap indicator.
    pub leap: Leap,
}

impl Sample {
    /// true − V in nanoseconds, as the mean of both ways: positive when the oscillator is behind.
    pub fn offset_nanos(&self) -> i64 {
        // In halves, so that it cannot overflow.
        self.forward / 2 - self.backward / 2 + (self.forward % 2 - self.backward % 2) / 2
    }

    /// Round trip without the server's part, s; may be slightly negative for coarse clocks.
    pub fn delay(&self) -> f64 {
        self.forward.saturating_add(self.backward) as f64 * 1e-9
    }

    /// What the round trip takes in true time, s, when the oscillator's frequency is `y` (dθ/dV, s/s): a clock that loses or gains
    /// measures all ways too short or too long, and what a peer holds a packet for besides.
    pub fn length(&self, y: f64) -> f64 {
        self.delay() + 2.0 * self.half * y
    }

    /// The server's root distance plus this exchange's share, s: a bound on the error of the offset.
    pub fn root_distance(&self) -> f64 {
        self.root_dispersion + self.dispersion + (self.root_delay + self.delay().abs()) / 2.0
    }
}
