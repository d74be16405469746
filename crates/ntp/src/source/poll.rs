//! When to ask a source: poll interval, bursts, and what answers and silence do to them.

use crate::config::SourceConfig;

/// Smallest poll exponent that can be configured.
pub const MIN_POLL: i32 = -7;
/// Largest.
pub const MAX_POLL: i32 = 24;
/// Requests sent at most in an initial burst, and good answers that end it.
const IBURST_TOTAL: u32 = 8;
const IBURST_GOOD: u32 = 4;
/// First interval after an initial burst, s, and its growth until the poll interval is reached. Six seconds of samples
/// know neither the frequency (to some 100 ppm only) nor which way the jitter is; without the ramp that ignorance
/// would stand for a whole poll interval. Measured in simulation (five servers, 2/0.5 ms of jitter, 60 seeds): runs
/// beyond 1 ms after 150 s: 3 when doubling from 8 s, 1 with these.
const RAMP_START: f64 = 4.0;
const RAMP_GROWTH: f64 = 1.5;
/// Round trip up to which a source may be asked more often than once a second, s.
const SUBSECOND_MAX_DELAY: f64 = 0.01;
/// A poll interval below a second is at least so many round trips long.
const PATH_ROOM: f64 = 1.5;
/// Longest time between two requests of a burst, s.
const BURST_INTERVAL: f64 = 2.0;

/// Whether the source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Not asked.
    Offline,
    /// Asked each poll.
    Online,
    /// A burst is under way; then online.
    BurstOnline,
    /// A burst is under way; then offline.
    BurstOffline,
}

/// The polling state of one source.
#[derive(Clone, Debug)]
pub struct Poll {
    /// Present exponent, log₂ s.
    pub exponent: i32,
    /// Limits.
    pub min: i32,
    /// Limits.
    pub max: i32,
    /// Is it asked?
    pub line: Line,
    /// Good answers the burst still wants.
    burst_good: u32,
    /// Requests the burst may still send.
    burst_total: u32,
    /// Progress towards the next exponent, −1…1.
    score: f64,
    /// Requests since the last answer.
    pub unanswered: u32,
    /// Extra intervals to wait once (kiss code RATE).
    penalty: u32,
    /// Interval of the next poll while an initial burst fades into regular polling, s.
    ramp: Option<f64>,
    /// The ramp has just ended: sources that began together should part now.
    out_of_step: bool,
    /// The next request is an extra one that warms up the path (`presend`).
    pub presend_due: bool,
}

impl Poll {
    /// At the lowest interval, offline.
    pub fn new(config: &SourceConfig) -> Self {
        Self {
            exponent: config.minpoll,
            min: config.minpoll,
            max: config.maxpoll,
            line: Line::Offline,
            burst_good: 0,
            burst_total: 0,
            score: 0.0,
            unanswered: 0,
            penalty: 0,
            ramp: None,
            out_of_step: false,
            presend_due: false,
        }
    }

    /// From now on it is asked; with `iburst` a burst begins.
    pub fn go_online(&mut self, config: &SourceConfig) {
        match self.line {
            Line::Offline => {
                self.line = Line::Online;
                self.unanswered = 0;
                if config.iburst {
                    self.start_burst(IBURST_GOOD, IBURST_TOTAL);
                    self.ramp = Some(RAMP_START);
                }
            }
            Line::BurstOffline => self.line = Line::BurstOnline,
            Line::Online | Line::BurstOnline => {}
        }
    }

    /// From now on it is not asked; a burst goes on to its end.
    pub fn go_offline(&mut self) {
        self.line = match self.line {
            Line::BurstOnline | Line::BurstOffline => Line::BurstOffline,
            Line::Online | Line::Offline => Line::Offline,
        };
    }

    /// Not asked any more, not even to the end of a burst.
    pub fn cut_off(&mut self) {
        self.end_burst();
        self.line = Line::Offline;
    }

    /// A burst of at most `total` requests until `good` answers were good.
    pub fn start_burst(&mut self, good: u32, total: u32) {
        self.line = match self.line {
            Line::Online | Line::BurstOnline => Line::BurstOnline,
            Line::Offline | Line::BurstOffline => Line::BurstOffline,
        };
        (self.burst_good, self.burst_total) = (good, total);
        if good == 0 || total == 0 {
            self.end_burst();
        }
    }

    /// Is a burst under way?
    pub fn in_burst(&self) -> bool {
        matches!(self.line, Line::BurstOnline | Line::BurstOffline)
    }

    /// Is it asked at all?
    pub fn active(&self) -> bool {
        self.line != Line::Offline
    }

    fn end_burst(&mut self) {
        self.line = match self.line {
            Line::BurstOnline => Line::Online,
            Line::BurstOffline => Line::Offline,
            other => other,
        };
        (self.burst_good, self.burst_total) = (0, 0);
    }

    /// A request leaves.
    pub fn on_sent(&mut self, config: &SourceConfig) {
        if self.in_burst() {
            self.burst_total = self.burst_total.saturating_sub(1);
            if self.burst_total == 0 {
                self.end_burst();
            }
        } else if config.burst && self.exponent > self.min && !self.presend_due {
            let total = 1u32 << (self.exponent - self.min).clamp(0, 2);
            self.start_burst(1, total);
            self.burst_total -= 1;
            if self.burst_total == 0 {
                self.end_burst();
            }
        }
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The previous request got no answer: ask less often, the selected source a little more patiently.
    pub fn on_missed(&mut self, selected: bool) {
        if self.unanswered > 1 && !self.in_burst() {
            self.add(if selected { 0.1 } else { 0.25 });
        }
    }

    /// An answer came but could not be used; `delay_only`: only the delay tests refused it.
    pub fn on_refused(&mut self, delay_only: bool) {
        self.unanswered = 0;
        if !self.in_burst() {
            self.add(if delay_only { 0.02 } else { 0.1 });
        }
    }

    /// A good answer came. `samples` are those the regression keeps, `target` what it should; `error_ratio` is
    /// |offset − prediction| over the distance allowed for it.
    pub fn on_good(&mut self, samples: usize, target: i32, error_ratio: f64) {
        self.unanswered = 0;
        if self.in_burst() {
            self.burst_good = self.burst_good.saturating_sub(1);
            if self.burst_good == 0 {
                self.end_burst();
            }
            return;
        }
        let target = f64::from(target);
        let mut change = samples as f64 / target - 1.0;
        if change < 0.0 {
            change *= 2.0;
        }
        let change = change.clamp(-1.0, 0.5);
        self.add(if error_ratio > 1.0 { change.min(0.0) - 0.5 } else { change });
    }

    /// The source told us to slow down (kiss code RATE): no burst, and four intervals without a request, once.
    pub fn on_rate(&mut self) {
        self.unanswered = 0;
        self.end_burst();
        self.ramp = None;
        self.presend_due = false;
        self.penalty = 4;
    }

    fn add(&mut self, change: f64) {
        self.score += change;
        while self.score >= 1.0 {
            self.exponent += 1;
            self.score -= 1.0;
        }
        while self.score <= -1.0 {
            self.exponent -= 1;
            self.score += 1.0;
        }
        self.limit();
    }

    /// Progress towards the next exponent, −1…1.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// Keeps the exponent inside its limits; called after they changed too.
    pub fn limit(&mut self) {
        if self.exponent < self.min {
            (self.exponent, self.score) = (self.min, 0.0);
        } else if self.exponent > self.max {
            (self.exponent, self.score) = (self.max, 0.0);
        }
    }

    /// Back to the shortest interval (a step, a jump of the frequency).
    pub fn reset(&mut self) {
        (self.exponent, self.score) = (self.min, 0.0);
    }

    /// The exponent in force: below zero only for a reachable source with a round trip of at most 10 ms, and then so
    /// that the answer comes before the next request, which gives up waiting for it.
    pub fn effective(&self, reachable: bool, min_delay: Option<f64>) -> i32 {
        match min_delay.filter(|&delay| reachable && delay <= SUBSECOND_MAX_DELAY) {
            Some(delay) => {
                let path = libm::ceil(libm::log2(PATH_ROOM * delay.max(1e-9))) as i32;
                self.exponent.max(path.min(0))
            }
            None => self.exponent.max(0),
        }
    }

    /// Seconds until the next request, without the random share.
    pub fn interval(&mut self, reachable: bool, min_delay: Option<f64>) -> f64 {
        let poll = libm::exp2(f64::from(self.effective(reachable, min_delay)));
        let base = if self.in_burst() {
            let path = PATH_ROOM * min_delay.unwrap_or(0.0);
            BURST_INTERVAL.min(poll / 4.0).max(path.min(BURST_INTERVAL))
        } else {
            match self.ramp.take() {
                Some(step) if step < poll && reachable => {
                    self.ramp = Some(step * RAMP_GROWTH);
                    step
                }
                Some(_) => {
                    self.out_of_step = true;
                    poll
                }
                None => poll,
            }
        };
        let extra = core::mem::take(&mut self.penalty);
        base + f64::from(extra) * poll
    }

    /// True once, when the first regular interval after an initial burst begins: the caller shortens it by a random
    /// share, so that sources that began together spread over the interval and the clock is corrected more evenly.
    pub fn take_out_of_step(&mut self) -> bool {
        core::mem::take(&mut self.out_of_step)
    }

    /// Least distance in time to other sources' requests, s.
    pub fn spacing(&self) -> f64 {
        libm::exp2(f64::from(self.exponent - 3)).clamp(0.002, 0.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceKind;

    fn source(f: impl FnOnce(&mut SourceConfig)) -> (SourceConfig, Poll) {
        let mut config = SourceConfig::new(SourceKind::Server, "a");
        f(&mut config);
        let poll = Poll::new(&config);
        (config, poll)
    }

    #[test]
    fn iburst_ends_after_four_good_answers_or_eight_requests() {
        let (config, mut poll) = source(|c| c.iburst = true);
        poll.go_online(&config);
        for i in 0..4 {
            assert!(poll.in_burst() && poll.interval(false, None) == 2.0, "{i}");
            poll.on_sent(&config);
            poll.on_good(3, 8, 0.0);
        }
        assert_eq!(poll.line, Line::Online);
        let ramp = [(); 9].map(|()| poll.interval(true, None));
        assert_eq!(ramp, [4.0, 6.0, 9.0, 13.5, 20.25, 30.375, 45.5625, 64.0, 64.0]);

        let (config, mut poll) = source(|c| c.iburst = true);
        poll.go_online(&config);
        for _ in 0..7 {
            poll.on_sent(&config);
            assert!(poll.in_burst());
        }
        poll.on_sent(&config);
        assert_eq!(poll.line, Line::Online);
    }

    #[test]
    fn a_burst_from_offline_ends_offline() {
        let (config, mut poll) = source(|_| ());
        poll.start_burst(2, 10);
        poll.on_sent(&config);
        poll.on_good(1, 8, 0.0);
        poll.on_sent(&config);
        poll.on_good(1, 8, 0.0);
        assert_eq!(poll.line, Line::Offline);
    }

    #[test]
    fn many_samples_slow_polling_down_few_speed_it_up_twice_as_fast() {
        let (config, mut poll) = source(|_| ());
        poll.go_online(&config);
        for _ in 0..4 {
            poll.on_good(12, 8, 0.1);
        }
        assert_eq!(poll.exponent, 8);
        for _ in 0..2 {
            poll.on_good(4, 8, 0.1);
        }
        assert_eq!(poll.exponent, 6);
        for _ in 0..100 {
            poll.on_good(64, 8, 0.1);
        }
        assert_eq!(poll.exponent, 10);
    }

    #[test]
    fn silence_slows_polling_down_from_the_second_miss() {
        let (config, mut poll) = source(|_| ());
        poll.go_online(&config);
        for _ in 0..6 {
            poll.on_missed(false);
            poll.on_sent(&config);
        }
        assert_eq!(poll.exponent, 7);
    }

    #[test]
    fn rate_waits_four_intervals_once() {
        let (config, mut poll) = source(|c| c.iburst = true);
        poll.go_online(&config);
        poll.on_rate();
        assert_eq!(
            (poll.in_burst(), poll.interval(true, None), poll.interval(true, None)),
            (false, 320.0, 64.0)
        );
    }

    #[test]
    fn faster_than_a_second_only_nearby() {
        let (config, mut poll) = source(|c| c.minpoll = -4);
        poll.go_online(&config);
        assert_eq!(poll.interval(true, Some(0.001)), 0.0625);
        assert_eq!(poll.interval(true, Some(0.02)), 1.0);
        assert_eq!(poll.interval(false, Some(0.001)), 1.0);
    }
}
