//! When to ask a source: poll interval, bursts, and what answers and silence do to them.

use super::company::{Company, noise_of};
use crate::config::SourceConfig;
use crate::estimator::Estimate;

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

/// What silence has added to the exponent when it was long.
const LONG_SILENCE: f64 = 1.0;

/// Samples below which the poll interval stays as it is: deviations learned from fewer are guesses.
const SETTLED: usize = 12;
/// Growth of the prediction's deviation over one interval that is allowed, in units of one measurement's noise, at the
/// default of `polltarget`; of n equal sources less, by n to this power, because one interval brings n measurements. (√n is what
/// their mean is better by, n² what would keep the error at the same multiple of one interval's noise whatever n is.)
const ALLOWED_GROWTH: f64 = 0.68;
const SHARING: f64 = 0.66;
const USUAL_TARGET: i32 = 8;
/// What is allowed at the first interval (s); at shorter ones it is more, by this power of how much shorter they are and up to so many
/// times: whoever asks often has to have a reason.
const DEAR: (f64, f64, f64) = (1024.0, 0.35, 2.0);
/// Shares of a doubling by which the interval grows for a good answer, of one of several sources and of a lone one that has been calm.
const GROWTH: (f64, f64) = (0.1, 0.2);
/// Good answers since the last surprise that make a source calm, and that many more after a step, when all that is known of
/// the time is newer than that.
const CALM: i32 = 16;
const CALM_AFTER_STEP: i32 = 48;

/// How often the estimate wants to be fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The interval may grow fast.
    MuchLess,
    /// It may grow.
    Less,
    /// It suits.
    Same,
    /// It should shrink.
    More,
    /// The oscillator is not where it was thought to be: look again soon.
    MuchMore,
}

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
    /// Good answers since the last surprise; less than none after a step.
    calm: i32,
    /// What silence adds to the exponent until the next answer.
    silence: f64,
    /// Requests since the last answer.
    pub unanswered: u32,
    /// Extra intervals to wait once (kiss code RATE).
    penalty: u32,
    /// Interval of the next poll while an initial burst fades into regular polling, s.
    ramp: Option<f64>,
    /// The ramp has just ended: sources that began together should part now.
    out_of_step: bool,
    /// The interval in force, s.
    current: f64,
    /// Requests sent ahead of the next one that measures, to warm up the path (`presend`).
    pub sent_ahead: u8,
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
            calm: 0,
            silence: 0.0,
            unanswered: 0,
            penalty: 0,
            ramp: None,
            out_of_step: false,
            current: BURST_INTERVAL,
            sent_ahead: 0,
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
        } else if config.burst && self.exponent > self.min {
            let total = 1u32 << (self.exponent - self.min).clamp(0, 2);
            self.start_burst(1, total);
            self.burst_total -= 1;
            if self.burst_total == 0 {
                self.end_burst();
            }
        }
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// The previous request got no answer: ask less often until one comes, the selected source a little more
    /// patiently.
    pub fn on_missed(&mut self, selected: bool) {
        if self.unanswered > 1 && !self.in_burst() {
            let most = f64::from(self.max - self.exponent);
            self.silence = (self.silence + if selected { 0.1 } else { 0.25 }).min(most.max(0.0));
        }
    }

    /// An answer came: what silence had added to the interval is taken back.
    fn on_answer(&mut self) {
        self.unanswered = 0;
        self.silence = 0.0;
    }

    /// An answer came but could not be used; `delay_only`: only the delay tests refused it.
    pub fn on_refused(&mut self, delay_only: bool) {
        self.on_answer();
        if !self.in_burst() {
            self.add(if delay_only { 0.02 } else { 0.1 });
        }
    }

    /// A good answer came; `need` says whether the estimate wants to be fed more often.
    pub fn on_good(&mut self, need: Need) {
        // After a long silence the oscillator is where nobody has seen it go.
        let need = if self.silence >= LONG_SILENCE { Need::MuchMore } else { need };
        self.on_answer();
        if self.in_burst() {
            self.burst_good = self.burst_good.saturating_sub(1);
            if self.burst_good == 0 {
                self.end_burst();
            }
            return;
        }
        self.calm = if need == Need::MuchMore { 0 } else { self.calm.saturating_add(1) };
        self.add(match need {
            Need::MuchLess => GROWTH.1,
            Need::Less => GROWTH.0,
            Need::Same => 0.0,
            Need::More => -0.3,
            Need::MuchMore => -2.0,
        });
    }

    /// What the estimate wants: its prediction should not grow, over one interval, by more than a
    /// share of the noise of one measurement. Asking more often than that measures noise, less often lets the
    /// oscillator wander unseen. How much is allowed is a matter of the interval too (`DEAR`).
    pub fn need(
        &self,
        estimate: &Estimate,
        growth: impl Fn(f64) -> f64,
        poll_target: i32,
        company: Company,
    ) -> Need {
        if estimate.samples < SETTLED {
            return Need::Same;
        }
        let interval = libm::exp2(f64::from(self.exponent));
        let noise = noise_of(estimate);
        let usual = ALLOWED_GROWTH / libm::pow(company.number().max(1.0), SHARING) * f64::from(USUAL_TARGET)
            / f64::from(poll_target.max(1))
            * noise
            * company.patience(noise);
        let allowed = |interval: f64| usual * libm::pow(DEAR.0 / interval, DEAR.1).clamp(1.0, DEAR.2);
        if growth(2.0 * interval) < allowed(2.0 * interval) {
            let fast = company.number() < 2.0 && self.calm >= CALM;
            if fast { Need::MuchLess } else { Need::Less }
        } else if growth(interval) > allowed(interval) {
            Need::More
        } else {
            Need::Same
        }
    }

    /// The source told us to slow down (kiss code RATE): no burst, and four intervals without a request, once.
    pub fn on_rate(&mut self) {
        self.on_answer();
        self.end_burst();
        self.ramp = None;
        self.sent_ahead = 0;
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

    /// Time between the last request and the next, s: bursts and their fading included.
    pub fn current_interval(&self) -> f64 {
        self.current
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
        (self.exponent, self.score, self.silence) = (self.min, 0.0, 0.0);
        self.calm = -CALM_AFTER_STEP;
    }

    /// The exponent in force: below zero only for a reachable source with a round trip of at most 10 ms, and then so
    /// that the answer comes before the next request, which gives up waiting for it.
    pub fn effective(&self, reachable: bool, min_delay: Option<f64>) -> i32 {
        let exponent = (self.exponent + self.silence as i32).min(self.max);
        match min_delay.filter(|&delay| reachable && delay <= SUBSECOND_MAX_DELAY) {
            Some(delay) => {
                let path = libm::ceil(libm::log2(PATH_ROOM * delay.max(1e-9))) as i32;
                exponent.max(path.min(0))
            }
            None => exponent.max(0),
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
        self.current = base;
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
            poll.on_good(Need::Same);
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
        poll.on_good(Need::Same);
        poll.on_sent(&config);
        poll.on_good(Need::Same);
        assert_eq!(poll.line, Line::Offline);
    }

    fn estimate(std_dev: f64, frequency_sd: f64, wander: f64) -> Estimate {
        Estimate {
            v: crate::time::OscTime::from_nanos(0),
            theta: crate::estimator::Theta::default(),
            offset_sd: std_dev / 4.0,
            frequency: 0.0,
            frequency_sd,
            covariance: 0.0,
            wander,
            skew: 2.0 * frequency_sd,
            std_dev,
            noise: std_dev,
            delay: 0.02,
            samples: 20,
        }
    }

    #[test]
    fn the_interval_follows_noise_and_wander() {
        let settle_together = |estimate: &Estimate, target: i32, sources: usize| {
            let (_, mut poll) = source(|c| c.maxpoll = 12);
            poll.line = Line::Online;
            for _ in 0..100 {
                let company = Company::new(core::iter::repeat_n(estimate.noise, sources));
                let need = poll.need(estimate, |t| estimate.growth(t), target, company);
                poll.on_good(need);
            }
            poll.exponent
        };
        let settle = |estimate: &Estimate, target: i32| settle_together(estimate, target, 1);
        let noisy = estimate(1e-3, 1e-9, 1e-9);
        assert_eq!(settle(&noisy, 8), 12, "a quiet oscillator behind a noisy path");
        let wandering = estimate(1e-4, 1e-8, 4e-7);
        assert_eq!(settle(&wandering, 8), 6, "it wanders by a hundredth of the round trip in 91 s");
        let between = estimate(1e-3, 1e-8, 1e-7);
        assert_eq!([16, 8, 2].map(|target| settle(&between, target)), [8, 9, 10], "polltarget");
        assert_eq!([1, 4, 16].map(|n| settle_together(&between, 8, n)), [9, 8, 7], "many sources");
    }

    #[test]
    fn a_lone_source_may_be_left_alone_soon_but_not_after_a_step() {
        let noisy = estimate(1e-3, 1e-9, 1e-9);
        let answers_for_a_doubling = |sources: usize, before: fn(&mut Poll)| {
            let (_, mut poll) = source(|c| c.maxpoll = 12);
            poll.line = Line::Online;
            for _ in 0..CALM {
                poll.on_good(Need::Same);
            }
            before(&mut poll);
            let company = Company::new(core::iter::repeat_n(noisy.noise, sources));
            (1..).find(|_| {
                let need = poll.need(&noisy, |t| noisy.growth(t), 8, company);
                poll.on_good(need);
                poll.exponent > 6
            })
        };
        let surprised = |poll: &mut Poll| {
            poll.exponent = 8;
            poll.on_good(Need::MuchMore);
        };
        assert_eq!(answers_for_a_doubling(1, |_| ()), Some(5), "calm");
        // Ten tenths are less than one by a hair.
        assert_eq!(answers_for_a_doubling(2, |_| ()), Some(11), "two bring twice as many answers");
        assert_eq!(answers_for_a_doubling(1, surprised), Some(11), "a surprise");
        assert_eq!(answers_for_a_doubling(1, Poll::reset), Some(11), "a step");
        let long_after = |answers: i32| {
            let (_, mut poll) = source(|c| c.maxpoll = 12);
            poll.reset();
            (0..answers).for_each(|_| poll.on_good(Need::Same));
            poll.need(&noisy, |t| noisy.growth(t), 8, Company::new([noisy.noise].into_iter()))
        };
        assert_eq!(
            [CALM, 63, 64].map(long_after),
            [Need::Less, Need::Less, Need::MuchLess],
            "a step, answers later"
        );
    }

    #[test]
    fn whoever_asks_often_has_to_have_a_reason() {
        // Of what grows by the same share of the noise over an interval, the short one is long enough.
        let need = |exponent: i32| {
            let (_, mut poll) = source(|c| (c.minpoll, c.maxpoll) = (-4, 12));
            poll.exponent = exponent;
            let interval = libm::exp2(f64::from(exponent));
            let quiet = estimate(1e-3, 0.0, 0.0);
            poll.need(&quiet, |t| 0.8e-3 * t / interval, 8, Company::new([1e-3].into_iter()))
        };
        assert_eq!(
            [12, 11, 10, 9, 7, 0].map(need),
            [Need::More, Need::More, Need::More, Need::Same, Need::Same, Need::Same]
        );
    }

    #[test]
    fn the_first_answer_after_a_long_silence_brings_more_questions() {
        let after = |misses: u32| {
            let (config, mut poll) = source(|c| c.maxpoll = 12);
            poll.line = Line::Online;
            poll.exponent = 9;
            for _ in 0..=misses {
                poll.on_sent(&config);
                poll.on_missed(false);
            }
            poll.on_good(Need::Same);
            poll.exponent
        };
        assert_eq!([2, 5].map(after), [9, 7]);
    }

    #[test]
    fn silence_slows_polling_down_from_the_second_miss() {
        let (config, mut poll) = source(|_| ());
        poll.go_online(&config);
        for _ in 0..6 {
            poll.on_missed(false);
            poll.on_sent(&config);
        }
        assert_eq!((poll.exponent, poll.interval(false, None)), (6, 128.0));
        poll.on_good(Need::Same);
        assert_eq!(poll.interval(true, None), 64.0, "an answer takes it back");
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
