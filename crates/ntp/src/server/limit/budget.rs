//! The traffic limit: so many bytes a month, or so many bits a second.
//!
//! While the traffic is within its budget nobody is limited by it. Beyond, what each client may have sinks until the budget
//! is kept ([`Share`]): the loudest lose first. It never sinks so far that the pool's probes would fail, three in six
//! seconds and again some minutes later, so a budget too small for the quiet ones alone is exceeded.

use super::Share;
use super::level::CEILING;
use crate::calendar::civil_from_days;
use crate::config::TrafficLimit;
use crate::time::{LocalTime, MonoTime, NANOS};
use core::fmt::Write;

/// A class of a client's requests always gets one answer in 128 s, and eight at once.
pub const LAST_SHARE: Share = Share(32);
/// A rate may be exceeded for this long, s, before anybody is limited.
const RATE_SLACK: f64 = 2.0;
/// What a month allows is spread over it, but a day may use another day's part: evenings are busier than nights.
const MONTH_SLACK: f64 = DAY;
const DAY: f64 = 86_400.0;
/// Shares rise by this much a second while there is credit.
const RISE: f64 = 1.05;
/// Between two writes of the state, s.
const SAVE: f64 = 3600.0;

/// What has been used and what may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    limit: TrafficLimit,
    used: Used,
    /// Bytes that may be used at once; negative: too many have been.
    credit: f64,
    /// When it was last looked at, and the total of the counters then.
    last: Option<(MonoTime, u64)>,
    share: Option<Share>,
    saved: Option<MonoTime>,
}

/// What is remembered over a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// Months since the year 0; zero: not known yet.
    month: i64,
    /// Bytes of this month, both ways.
    bytes: u64,
    /// Bytes that may be used at once; negative: too many have been. `None`: a file that does not say so.
    credit: Option<i64>,
}

/// One look at the counters.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When.
    pub mono: MonoTime,
    /// True time, if it is known.
    pub time: Option<LocalTime>,
    /// Bytes that came and went since the start, with headers.
    pub both: u64,
    /// Bytes that went.
    pub sent: u64,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limit: TrafficLimit) -> Self {
        let credit = match limit {
            TrafficLimit::Rate(bits) => bits as f64 / 8.0 * RATE_SLACK,
            TrafficLimit::Month(bytes) => bytes as f64 / 31.0,
        };
        Self { limit, used: Used::default(), credit, last: None, share: None, saved: None }
    }

    /// Goes on where the last run stopped.
    pub fn restore(&mut self, used: Used) {
        self.used = used;
        // It is what may be saved up at most that bounds it, at the first look.
        if let Some(credit) = used.credit {
            self.credit = credit as f64;
        }
    }

    /// What should be remembered.
    pub fn used(&self) -> Used {
        Used { credit: Some(self.credit as i64), ..self.used }
    }

    /// Bytes of this month, both ways.
    pub fn month_bytes(&self) -> u64 {
        self.used.bytes
    }

    /// Is it time to write the state? To be asked after each look.
    pub fn is_save_due(&mut self, now: MonoTime) -> bool {
        let TrafficLimit::Month(_) = self.limit else { return false };
        let since = *self.saved.get_or_insert(now);
        let due = seconds(since, now) >= SAVE;
        if due {
            self.saved = Some(now);
        }
        due
    }

    /// What each may have from now on; `None`: the budget limits nobody.
    pub fn look(&mut self, look: Look) -> Option<Share> {
        let total = match self.limit {
            TrafficLimit::Month(_) => look.both,
            TrafficLimit::Rate(_) => look.sent,
        };
        let Some((then, before)) = self.last.replace((look.mono, total)) else {
            // What came before the first look counts, but says nothing of the rate.
            self.used.bytes = self.used.bytes.saturating_add(total);
            return self.share;
        };
        let (elapsed, used) = (seconds(then, look.mono), total.saturating_sub(before));
        if elapsed <= 0.0 {
            self.last = Some((then, before));
            return self.share;
        }
        self.used.bytes = self.used.bytes.saturating_add(used);
        let (rate, slack) = self.allowed(look.time);
        let credit = self.credit + rate * elapsed - used as f64;
        self.credit = credit.clamp(-rate * slack, rate * slack);
        self.steer(credit, used as f64 / elapsed, rate, elapsed);
        self.share
    }

    /// Bytes a second that are allowed, and for how many seconds they may be saved up.
    fn allowed(&mut self, time: Option<LocalTime>) -> (f64, f64) {
        let bytes = match self.limit {
            TrafficLimit::Rate(bits) => return (bits as f64 / 8.0, RATE_SLACK),
            TrafficLimit::Month(bytes) => bytes,
        };
        let Some(time) = time else {
            // At the start nobody knows the month; that of the last run is the best guess, and one not half over.
            return (bytes as f64 / (31.0 * DAY), MONTH_SLACK);
        };
        let (month, left) = month_of(time);
        if month != self.used.month {
            // What an unknown month has used belongs to this one.
            let bytes = if self.used.month == 0 { self.used.bytes } else { 0 };
            self.used = Used { month, bytes, credit: None };
        }
        (bytes.saturating_sub(self.used.bytes) as f64 / left.max(1.0), MONTH_SLACK)
    }

    /// Lowers or raises the shares. `use_rate` and `rate` in bytes a second.
    fn steer(&mut self, credit: f64, use_rate: f64, rate: f64, elapsed: f64) {
        let now = f64::from(self.share.unwrap_or(CEILING).0);
        if credit < 0.0 && use_rate > rate {
            // The loud make most of the traffic, so their part scales nearly with the share.
            let factor = (rate / use_rate).clamp(0.25, 0.95);
            self.share = Some(Share((now * factor) as u32).max(LAST_SHARE));
        } else if self.share.is_some() && credit >= 0.0 {
            let share = Share((now * libm::pow(RISE, elapsed.min(60.0)) + 1.0) as u32);
            self.share = (share < CEILING).then_some(share);
        }
    }
}

/// From one instant to another.
fn seconds(from: MonoTime, to: MonoTime) -> f64 {
    to.nanos_since(from) as f64 / NANOS as f64
}

/// Months since the year 0, and the seconds left of this one.
fn month_of(time: LocalTime) -> (i64, f64) {
    let seconds = time.seconds();
    let day = libm::floor(seconds / DAY);
    let number = |day: i64| {
        let (year, month, _) = civil_from_days(day);
        year.saturating_mul(12).saturating_add(i64::from(month))
    };
    let today = day as i64;
    let month = number(today);
    let next = (1..=31).map(|n| today.saturating_add(n)).find(|&day| number(day) != month).unwrap_or(today);
    (month, next as f64 * DAY - seconds)
}

impl Used {
    /// As a file.
    pub fn format(&self) -> String {
        let mut out = String::from("# What trafficlimit has counted: month, bytes, credit.\n");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "traffic 2 {} {} {}", self.month, self.bytes, self.credit.unwrap_or(0));
        out
    }

    /// From a file; `None`: not one of ours, or not whole.
    pub fn parse(text: &str) -> Option<Self> {
        let line = text.strip_suffix('\n')?.lines().find(|line| !line.starts_with('#'))?;
        // The first format had no credit.
        let (rest, credited) = match line.strip_prefix("traffic 2 ") {
            Some(rest) => (rest, true),
            None => (line.strip_prefix("traffic 1 ")?, false),
        };
        let mut words = rest.split(' ');
        let (month, bytes) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let credit = if credited { Some(words.next()?.parse().ok()?) } else { None };
        let used = Self { month, bytes, credit };
        (words.next().is_none() && used.month >= 0).then_some(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::clients::{Client, Tick};
    use proptest::prelude::*;

    /// 2026-11-25 00:00 UTC.
    const TIME: i64 = 1_795_564_800;

    fn look(second: u32, both: u64, sent: u64) -> Look {
        let time = LocalTime::from_seconds(TIME as f64 + f64::from(second));
        Look { mono: MonoTime::from_seconds(f64::from(second)), time: Some(time), both, sent }
    }

    #[test]
    fn months_end_when_they_end() {
        let at = |seconds: i64| month_of(LocalTime::from_seconds(seconds as f64));
        assert_eq!(at(TIME), (2026 * 12 + 11, 6.0 * DAY));
        assert_eq!(at(TIME + 6 * 86_400 - 1), (2026 * 12 + 11, 1.0));
        assert_eq!(at(TIME + 6 * 86_400), (2026 * 12 + 12, 31.0 * DAY));
    }

    /// Seconds of traffic of a few kinds of clients under a limit: requests asked and answered of each.
    struct World {
        clients: Vec<(f64, Client, u32, u32)>,
        sent: u64,
        both: u64,
    }

    impl World {
        /// `rates`: requests a second of each client.
        fn new(rates: &[f64]) -> Self {
            Self {
                clients: rates.iter().map(|&rate| (rate, Client::default(), 0, 0)).collect(),
                sent: 0,
                both: 0,
            }
        }

        fn second(&mut self, second: u32, share: Option<Share>) {
            for (rate, client, asked, answered) in &mut self.clients {
                for tick in second * 16..second * 16 + 16 {
                    let due = (f64::from(tick + 1) / 16.0 * *rate) as u32;
                    while *asked < due {
                        *asked += 1;
                        let admitted = share.is_none_or(|share| share.admit(client, 0, Tick(tick)));
                        client.count(Tick(tick));
                        *answered += u32::from(admitted);
                        self.both += 76 + 76 * u64::from(admitted);
                        self.sent += 76 * u64::from(admitted);
                    }
                }
            }
        }

        fn share_of(&self, index: usize) -> f64 {
            let (_, _, asked, answered) = self.clients[index];
            f64::from(answered) / f64::from(asked)
        }
    }

    #[test]
    fn a_rate_is_kept_by_shedding_the_loud() {
        // 300 kbit/s are 493 replies a second: the quiet ask for 100, one client for 2000, one for 200.
        let mut rates = vec![2000.0, 200.0];
        rates.extend([0.5; 200]);
        let mut world = World::new(&rates);
        let mut budget = Budget::new(TrafficLimit::Rate(300_000));
        let (mut share, mut before) = (None, 0);
        for second in 0..400 {
            if second == 200 {
                before = world.sent;
            }
            world.second(second, share);
            share = budget.look(look(second, world.both, world.sent));
        }
        let rate = (world.sent - before) as f64 * 8.0 / 200.0;
        assert!((200e3..=315e3).contains(&rate), "{rate} bit/s");
        assert!((2..202).all(|quiet| world.share_of(quiet) > 0.999), "a quiet one lost");
        assert!(world.share_of(0) < 0.2 && world.share_of(1) > world.share_of(0));
    }

    #[test]
    fn a_budget_that_is_gone_still_answers_the_pools_probes() {
        let mut budget = Budget::new(TrafficLimit::Month(1_000_000));
        let mut world = World::new(&[50.0, 1.0]);
        let mut probes = Client::default();
        let mut share = None;
        for second in 0..20_000u32 {
            world.second(second, share);
            if second % 540 < 6 && second % 2 == 0 {
                let tick = Tick(second * 16 + 9);
                assert!(share.is_none_or(|share| share.admit(&mut probes, 0, tick)), "second {second}");
                probes.count(tick);
            }
            share = budget.look(look(second, world.both, world.sent));
        }
        assert_eq!(share, Some(LAST_SHARE));
        assert!(world.share_of(0) < 0.01 && world.share_of(1) < 0.1);
    }

    #[test]
    fn a_month_is_spread_and_begins_anew() {
        // 31 GB for December: 1 GB a day, 11.6 kB a second. First twice that in the evening hours only.
        let mut budget = Budget::new(TrafficLimit::Month(31_000_000_000));
        budget.restore(Used { month: 2026 * 12 + 11, bytes: 77, credit: None });
        let start = 6 * 86_400;
        let mut total = 0;
        assert_eq!(budget.look(look(start, total, 0)), None);
        for second in 1..3 * 86_400 {
            total += if second % 86_400 > 61_200 { 30_000 } else { 4_000 };
            assert_eq!(budget.look(look(start + second, total, 0)), None, "second {second}");
        }
        assert_eq!(
            budget.month_bytes(),
            total - 4000,
            "what November used is forgotten, with its last second"
        );
        let mut limited = 0;
        for second in 3 * 86_400..9 * 86_400 {
            total += 30_000;
            limited += u32::from(budget.look(look(start + second, total, 0)).is_some());
        }
        assert!(limited > 4 * 86_400, "three times too much is limited after a day: {limited} s");
    }

    #[test]
    fn what_was_used_survives_a_restart() {
        let used = Used { month: 24_323, bytes: u64::MAX, credit: Some(-77) };
        assert_eq!(Used::parse(&used.format()), Some(used));
        assert_eq!(Used::parse("traffic 1 5 7\n"), Some(Used { month: 5, bytes: 7, credit: None }));
        for torn in [
            "",
            "traffic 1 5 7",
            "traffic 2 5 7\n",
            "traffic 2 5 7 x\n",
            "traffic 3 5 7 8\n",
            "traffic 2 5 7 8 9\n",
            "traffic 1 5\n",
            "traffic 1 -5 7\n",
            "traffic 1 5 7 8\n",
        ] {
            assert_eq!(Used::parse(torn), None, "{torn:?}");
        }
        let mut budget = Budget::new(TrafficLimit::Month(1000));
        budget.restore(used);
        assert!(!budget.is_save_due(MonoTime::from_seconds(5.0)));
        assert!(!budget.is_save_due(MonoTime::from_seconds(3604.0)));
        assert!(budget.is_save_due(MonoTime::from_seconds(3605.0)));
        assert!(!budget.is_save_due(MonoTime::from_seconds(3606.0)));
    }

    /// Otherwise each restart would be a fresh day's worth.
    #[test]
    fn a_restart_gives_no_credit_away() {
        // 31 GB for the six days that are left: 60 kB a second, and 1 GB to begin with.
        let limit = TrafficLimit::Month(31_000_000_000);
        let mut budget = Budget::new(limit);
        let (mut total, mut second) = (0, 0);
        while budget.look(look(second, total, 0)).is_none() {
            (second, total) = (second + 60, total + 6_000_000);
        }
        assert!((20_000..30_000).contains(&second), "a day's worth may be used at once: {second} s");
        let file = budget.used().format();
        let mut again = Budget::new(limit);
        again.restore(Used::parse(&file).expect("as it was written"));
        assert_eq!(again.look(look(second, 0, 0)), None, "nothing is known of the rate yet");
        assert!(again.look(look(second + 60, 6_000_000, 0)).is_some(), "{again:?}");
        // A file from elsewhere gives no more than can be saved up.
        let mut rich = Budget::new(limit);
        rich.restore(Used { credit: Some(i64::MAX), ..budget.used() });
        rich.look(look(second, 0, 0));
        rich.look(look(second + 60, 0, 0));
        assert!(rich.credit < 6e9, "{rich:?}");
    }

    proptest! {
        #[test]
        fn shares_never_sink_below_what_probes_need(
            looks in prop::collection::vec((0..100_000u32, 0..1u64 << 40, any::<bool>()), 1..100),
            limit in prop_oneof![(0..u64::MAX).prop_map(TrafficLimit::Rate), (0..u64::MAX).prop_map(TrafficLimit::Month)],
        ) {
            let mut budget = Budget::new(limit);
            let (mut second, mut total) = (0u32, 0u64);
            for (gap, bytes, known) in looks {
                second = second.saturating_add(gap);
                total = total.saturating_add(bytes);
                let look = Look { time: Some(LocalTime::from_seconds(f64::from(second))).filter(|_| known), ..look(second, total, total) };
                if let Some(share) = budget.look(look) {
                    prop_assert!(LAST_SHARE <= share && share <= CEILING);
                }
            }
        }
    }
}
