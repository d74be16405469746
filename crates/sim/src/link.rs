//! Links: how long a packet travels, or that it never arrives.
//!
//! A [`Link`] has two [`Way`]s, so every asymmetry can be said. Packets overtake each other when their delays say so.

use crate::generator::{Generator, exponential};
use ntp::rng::Rng;

/// One direction of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// Delay of one packet, s; negative: it is lost.
    delay: Generator,
    loss: f64,
    duplication: f64,
    bursts: Vec<Burst>,
    /// Since when (s after the start) how many seconds are added.
    routes: Vec<(f64, f64)>,
    /// From when to when (s after the start) nothing passes.
    outages: Vec<(f64, f64)>,
}

/// Traffic that comes and goes: delays are longer in a part of each period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Length of a period, s.
    pub period: f64,
    /// It begins so long after the beginning of each period, s.
    pub from: f64,
    /// … and ends so long after it, s.
    pub until: f64,
    /// Share of the packets that are delayed meanwhile.
    pub share: f64,
    /// Mean of the exponential delay added to these, s.
    pub mean: f64,
}

impl Way {
    /// Always `seconds`.
    pub const fn constant(seconds: f64) -> Self {
        Self::with_delay(Generator::Constant(seconds))
    }

    /// Delays from a generator, s; a negative one loses the packet.
    pub const fn with_delay(delay: Generator) -> Self {
        Self {
            delay,
            loss: 0.0,
            duplication: 0.0,
            bursts: Vec::new(),
            routes: Vec::new(),
            outages: Vec::new(),
        }
    }

    /// Adds jitter from a generator, s.
    pub fn jitter(mut self, jitter: Generator) -> Self {
        self.delay = self.delay.plus(jitter);
        self
    }

    /// Adds exponential jitter of this mean, s.
    pub fn exponential(self, mean: f64) -> Self {
        self.jitter(Generator::Exponential.times(mean))
    }

    /// Adds the absolute value of normal jitter of this standard deviation, s.
    pub fn folded_normal(self, sd: f64) -> Self {
        self.jitter(Generator::Abs(Box::new(Generator::Normal)).times(sd))
    }

    /// Adds normal jitter of this standard deviation, s; keep it well below the delay.
    pub fn normal(self, sd: f64) -> Self {
        self.jitter(Generator::Normal.times(sd))
    }

    /// Adds gamma jitter, s.
    pub fn gamma(self, shape: f64, scale: f64) -> Self {
        self.jitter(Generator::Gamma(shape).times(scale))
    }

    /// Adds uniform jitter of 0 to `width` s.
    pub fn uniform(self, width: f64) -> Self {
        self.jitter(Generator::Uniform.times(width))
    }

    /// Loses this share of the packets.
    pub fn loss(mut self, share: f64) -> Self {
        self.loss = share;
        self
    }

    /// Delivers this share of the packets twice.
    pub fn duplication(mut self, share: f64) -> Self {
        self.duplication = share;
        self
    }

    /// Adds bursts.
    pub fn burst(mut self, burst: Burst) -> Self {
        self.bursts.push(burst);
        self
    }

    /// From `at` seconds on the way is longer by `added` seconds (or shorter).
    pub fn route(mut self, at: f64, added: f64) -> Self {
        self.routes.push((at, added));
        self
    }

    /// Nothing passes between these seconds.
    pub fn outage(mut self, from: f64, until: f64) -> Self {
        self.outages.push((from, until));
        self
    }

    /// How long a packet travels that starts at `time` (s after the start); `None`: it is lost.
    fn travel(&mut self, time: f64, rng: &mut Rng) -> Option<f64> {
        let mut delay = self.delay.next(time, rng);
        let lost = self.loss > 0.0 && rng.uniform() < self.loss;
        for burst in &self.bursts {
            let phase = time.rem_euclid(burst.period);
            if (burst.from..burst.until).contains(&phase) && rng.uniform() < burst.share {
                delay += burst.mean * exponential(rng);
            }
        }
        delay += self.routes.iter().filter(|(at, _)| *at <= time).map(|(_, added)| added).sum::<f64>();
        let out = self.outages.iter().any(|(from, until)| (*from..*until).contains(&time));
        (!lost && !out && delay >= 0.0).then_some(delay)
    }

    /// What of this way cannot be said by one delay for each second, if anything.
    pub(crate) fn beyond_seconds(&self) -> Option<&'static str> {
        match self {
            Self { delay, .. } if delay.counts() => Some("a delay that depends on the packets before"),
            Self { duplication, .. } if *duplication > 0.0 => Some("packets that arrive twice"),
            _ => None,
        }
    }

    /// Delays of the copies that arrive: none, one or two.
    pub fn copies(&mut self, time: f64, rng: &mut Rng) -> [Option<f64>; 2] {
        let first = self.travel(time, rng);
        let twice = self.duplication > 0.0 && rng.uniform() < self.duplication;
        [first, if twice { self.travel(time, rng) } else { None }]
    }
}

/// Two ways between a client and a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// From the client to the server.
    pub there: Way,
    /// From the server to the client.
    pub back: Way,
}

impl Link {
    /// Both ways alike.
    pub fn symmetric(way: Way) -> Self {
        Self { there: way.clone(), back: way }
    }

    /// `seconds` each way, always.
    pub fn constant(seconds: f64) -> Self {
        Self::symmetric(Way::constant(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(way: Way, start: f64, count: u32) -> Vec<f64> {
        let (mut way, mut rng) = (way, Rng::from_number(5));
        (0..count).flat_map(|i| way.copies(start + f64::from(i), &mut rng)).flatten().collect()
    }

    #[test]
    fn loss_and_duplication_have_their_shares() {
        let got = arrivals(Way::constant(0.01).loss(0.33), 0.0, 10_000).len();
        assert!((6500..6900).contains(&got), "{got}");
        let got = arrivals(Way::constant(0.01).duplication(0.1), 0.0, 10_000).len();
        assert!((10_850..11_150).contains(&got), "{got}");
    }

    #[test]
    fn routes_bursts_and_outages_keep_their_hours() {
        let way = Way::constant(0.01).route(50.0, 0.005).outage(80.0, 90.0);
        let delays = arrivals(way, 0.0, 100);
        assert_eq!(delays.len(), 90);
        assert!(delays[..50].iter().all(|&d| d == 0.01) && delays[50..].iter().all(|&d| d == 0.015));
        let burst = Burst { period: 100.0, from: 20.0, until: 30.0, share: 1.0, mean: 0.05 };
        let delays = arrivals(Way::constant(0.01).burst(burst), 1000.0, 100);
        assert!((0..100).all(|i| (delays[i] > 0.01) == (20..30).contains(&i)));
    }

    #[test]
    fn jitter_never_shortens_the_way_unless_it_is_normal() {
        let base = || Way::constant(0.01);
        for way in [
            base().exponential(1e-3),
            base().folded_normal(1e-3),
            base().gamma(2.0, 1e-3),
            base().uniform(1e-3),
        ] {
            let delays = arrivals(way, 0.0, 1000);
            assert!(delays.iter().all(|&d| d >= 0.01) && delays.iter().any(|&d| d > 0.0105));
        }
        assert!(arrivals(base().normal(1e-3), 0.0, 1000).iter().any(|&d| d < 0.01));
    }
}
