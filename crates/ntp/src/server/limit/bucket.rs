//! An explicit limit, with chrony's meaning: a bucket of tokens for each client.

use crate::config::RateLimit;
use crate::server::clients::{Client, MeanInterval, Tick};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It is answered.
    Answer,
    /// The client is told to ask less.
    Kiss,
    /// It gets no answer.
    Drop,
}

/// One response costs 2^interval s of credit; a client may save up `burst` of them, and has them all at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    credit: Credit,
    /// Tokens of one response.
    cost: u16,
    /// Tokens a client can have.
    full: u16,
    /// One of 2^leak requests over the limit is answered.
    leak: u32,
    /// One of 2^kod of the others is told so; 0: none.
    kod: u32,
}

/// Tokens for time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credit {
    /// One token in 2^n ticks.
    Slow(u32),
    /// 2^n tokens in one tick.
    Fast(u32),
}

/// A class is quiet when it has sent less than 1/2^this of what the loudest has.
const QUIET: u32 = 3;
/// … of requests not yet forgotten, at this many a second and class …
const FORGET_PER_SECOND: u32 = 1;
/// … and counted up to this many.
const REMEMBERED: u8 = 64;
/// One answer, in the unit of [`Client::debt`]: the smallest leak is one of sixteen.
const ANSWER: u8 = 16;

impl Bucket {
    /// The limit as it was said; what is out of range is brought into it, as chrony does.
    pub fn new(limit: &RateLimit) -> Self {
        let interval = limit.interval.clamp(-19, 12);
        let burst = limit.burst.clamp(1, 255).unsigned_abs();
        // log2 of the ticks one response costs.
        let ticks = interval.saturating_add(Tick::LOG2 as i32);
        let (credit, cost, full) = if ticks >= 0 {
            // As coarse as needed for the whole burst to fit sixteen bits.
            let bits = 32u32.saturating_sub(burst.leading_zeros()).saturating_add(ticks.unsigned_abs());
            let coarse = bits.saturating_sub(16);
            let cost = 1u32 << ticks.unsigned_abs().saturating_sub(coarse);
            (Credit::Slow(coarse), cost, burst.saturating_mul(cost))
        } else {
            let per_tick = ticks.unsigned_abs();
            (Credit::Fast(per_tick), 1, burst.max(1 << per_tick))
        };
        let narrow = |tokens: u32| u16::try_from(tokens).unwrap_or(u16::MAX);
        Self {
            credit,
            cost: narrow(cost),
            full: narrow(full),
            leak: limit.leak.clamp(1, 4).unsigned_abs(),
            kod: limit.kod.clamp(0, 4).unsigned_abs(),
        }
    }

    /// Decides about a request of `client` that came at `now` and has not been counted yet; `chance` are random bits.
    ///
    /// The number of answers is chrony's. Which requests of an address over its limit get those of the leak is not left to
    /// chance alone: while one class of them is loud, those of the quiet ones do, so that whoever forges requests
    /// of a client cannot take most of its answers. The loud class gets as many fewer.
    pub fn admit(&self, client: &mut Client, class: usize, now: Tick, chance: u32) -> Admission {
        let tokens = self.refill(client, now);
        let quiet = self.hear(client, class, now);
        if let Some(left) = tokens.checked_sub(self.cost) {
            client.tokens = left;
            return Admission::Answer;
        }
        client.tokens = tokens;
        let luck = chance & (1u32 << self.leak).wrapping_sub(1);
        let lucky = (luck == 0) != self.is_driven(client);
        let excess = ANSWER.saturating_sub(ANSWER >> self.leak);
        if quiet && let Some(debt) = client.debt.checked_add(excess) {
            client.debt = debt;
        } else if lucky && client.debt >= ANSWER {
            client.debt = client.debt.wrapping_sub(ANSWER);
            return Admission::Drop;
        } else if !lucky {
            let told = self.kod > 0 && (chance >> 16) & (1u32 << self.kod).wrapping_sub(1) == 0;
            return if told { Admission::Kiss } else { Admission::Drop };
        }
        client.tokens = 0;
        Admission::Answer
    }

    /// Does the client ask more than twice as often when it gets no answer? Then limiting makes more traffic than it
    /// saves, and luck is turned round.
    fn is_driven(&self, client: &Client) -> bool {
        let (usual, limited) = (client.interval.units(), client.limited_interval.units());
        // Below a tick nobody can tell.
        limited > 0 && usual >= MeanInterval::TICK && limited.saturating_mul(2) < usual
    }

    /// What the client has now.
    fn refill(&self, client: &Client, now: Tick) -> u16 {
        if client.is_new() {
            return self.full;
        }
        let earned = match self.credit {
            // The difference of rounded times: nothing is lost however often somebody asks.
            Credit::Slow(coarse) if now.since(client.last) > 0 => {
                (now.0 >> coarse).wrapping_sub(client.last.0 >> coarse) & u32::MAX.wrapping_shr(coarse)
            }
            Credit::Slow(_) => 0,
            Credit::Fast(log2) => now.since(client.last).saturating_mul(1u32.wrapping_shl(log2)),
        };
        let tokens = u32::from(client.tokens).saturating_add(earned);
        u16::try_from(tokens).unwrap_or(u16::MAX).min(self.full)
    }

    /// Counts the request in its class; is that one of the quiet ones?
    fn hear(&self, client: &mut Client, class: usize, now: Tick) -> bool {
        super::share::forget(client, now, (FORGET_PER_SECOND << 16) >> Tick::LOG2);
        let loudest = client.levels.iter().copied().max().unwrap_or(0);
        let Some(level) = client.levels.get_mut(class) else { return false };
        let quiet = *level < loudest >> QUIET;
        *level = level.saturating_add(1).min(REMEMBERED);
        quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use proptest::prelude::*;

    fn limit(interval: i32, burst: i32, leak: i32, kod: i32) -> RateLimit {
        RateLimit { interval, burst, leak, kod }
    }

    /// Requests of one class each `gap` ticks, or several in one tick: answered, told, dropped.
    fn steady(limit: RateLimit, gap: u32, crowd: u32, requests: u32) -> [u32; 3] {
        let (bucket, mut client, mut rng) = (Bucket::new(&limit), Client::default(), Rng::from_number(3));
        let mut counts = [0; 3];
        let mut now = Tick(u32::MAX - 100);
        for number in 0..requests {
            if number % crowd == 0 {
                now = Tick(now.0.wrapping_add(gap));
            }
            let admission = bucket.admit(&mut client, 0, now, rng.bits() as u32);
            client.count(now);
            client.set(Client::UNANSWERED, admission == Admission::Drop);
            counts[admission as usize] += 1;
        }
        counts
    }

    #[test]
    fn a_client_has_its_burst_and_then_what_time_earns() {
        // interval 1, burst 4, one request a second: a 2 s credit each. chronyd 4.3 answered 9 of 10 and 14 of 20.
        let bucket = Bucket::new(&limit(1, 4, 2, 0));
        let mut client = Client::default();
        let mut answers = Vec::new();
        for second in 0..20 {
            let now = Tick(1000 + second * 16);
            answers.push(bucket.admit(&mut client, 0, now, 1) == Admission::Answer);
            client.count(now);
        }
        // Full: 64 ticks + 16 a second − 32 a response.
        let expected: Vec<bool> = (0..20).map(|n| n < 7 || n % 2 == 0).collect();
        assert_eq!(answers, expected);
    }

    #[test]
    fn beyond_the_limit_a_share_is_answered_and_a_share_of_the_rest_is_told() {
        // chronyd 4.3 with interval 1 burst 4 leak 2: 0.26 of 40/s and 0.25 of 200/s.
        for (leak, gap, crowd) in [(1, 1, 1), (2, 1, 1), (2, 1, 12), (4, 1, 3)] {
            let [answered, told, dropped] = steady(limit(1, 4, leak, 0), gap, crowd, 40_000);
            let share = f64::from(answered) / 40_000.0;
            let expected = 0.5_f64.powi(leak);
            assert!((share - expected).abs() < 0.02, "leak {leak}: {share}");
            assert_eq!((told, answered + dropped), (0, 40_000));
        }
        let [answered, told, dropped] = steady(limit(3, 8, 2, 2), 1, 4, 40_000);
        let share = f64::from(told) / f64::from(told + dropped);
        assert!((share - 0.25).abs() < 0.02 && answered < 10_600, "{share} {answered}");
    }

    #[test]
    fn below_a_sixteenth_of_a_second_responses_come_in_bursts() {
        // interval −8: 256 a second, 16 a tick.
        let bucket = Bucket::new(&limit(-8, 1, 4, 0));
        let mut client = Client::default();
        for (tick, expected) in [(0, 16), (1, 16), (2, 16)] {
            let admit = |client: &mut Client| {
                let admission = bucket.admit(client, 0, Tick(tick), 1);
                client.count(Tick(tick));
                admission == Admission::Answer
            };
            let answered = (0..100).filter(|_| admit(&mut client)).count();
            assert_eq!(answered, expected, "tick {tick}");
        }
    }

    #[test]
    fn a_client_that_asks_more_when_it_is_not_answered_is_answered() {
        let (bucket, mut rng) = (Bucket::new(&limit(3, 1, 2, 0)), Rng::from_number(5));
        let mut client = Client::default();
        let (mut now, mut answered, mut late) = (Tick(0), 0, 0);
        for number in 0..4000 {
            let admission = bucket.admit(&mut client, 0, now, rng.bits() as u32);
            client.count(now);
            client.set(Client::UNANSWERED, admission == Admission::Drop);
            answered += u32::from(number >= 2000 && admission == Admission::Answer);
            late += u32::from(number >= 2000);
            // Every two seconds when answered, at once when not.
            now.0 += if admission == Admission::Answer { 32 } else { 1 };
        }
        assert!(f64::from(answered) > 0.6 * f64::from(late), "{answered} of {late}");
    }

    /// A client asks every 8 s; somebody forges 20 requests a second in its name from one port. Share it gets.
    fn victim(leak: i32, class: impl Fn(u32) -> usize) -> (f64, f64) {
        let (bucket, mut client) = (Bucket::new(&limit(3, 8, leak, 0)), Client::default());
        let mut rng = Rng::from_number(9);
        let (mut own, mut got, mut all, mut answered) = (0, 0, 0, 0);
        for tick in 0..200_000u32 {
            let mut ask = |class: usize| {
                let admission = bucket.admit(&mut client, class, Tick(tick), rng.bits() as u32);
                client.count(Tick(tick));
                client.set(Client::UNANSWERED, admission == Admission::Drop);
                all += 1;
                answered += u32::from(admission == Admission::Answer);
                admission == Admission::Answer
            };
            (0..1 + u32::from(tick % 4 == 0)).for_each(|_| _ = ask(2));
            if tick % 128 == 77 {
                own += 1;
                got += u32::from(ask(class(tick / 128)));
            }
        }
        (f64::from(got) / f64::from(own), f64::from(answered) / f64::from(all))
    }

    #[test]
    fn forged_requests_from_one_port_do_not_take_the_victims_answers() {
        for leak in [1, 2, 4] {
            let share = 0.5_f64.powi(leak);
            let (own, all) = victim(leak, |_| 5);
            assert!(own > 0.99 && (all - share).abs() < 0.1 * share, "leak {leak}: {own} {all}");
            // A new port for each request: in one of four it looks like the forged ones.
            let (own, _) = victim(leak, |n| [5, 6, 7, 2][n as usize % 4]);
            assert!(own > 0.74, "leak {leak}: {own}");
        }
    }

    proptest! {
        #[test]
        fn tokens_stay_in_the_bucket(
            limit in (-32..40, -32..300, -32..32, -32..32),
            requests in prop::collection::vec((0..100_000u32, 0..8usize, any::<u32>()), 1..200),
        ) {
            let limit = super::super::bucket::tests::limit(limit.0, limit.1, limit.2, limit.3);
            let bucket = Bucket::new(&limit);
            prop_assert!(bucket.cost >= 1 && bucket.full >= bucket.cost);
            let mut client = Client::default();
            let mut now = Tick(u32::MAX - 1_000_000);
            for (gap, class, chance) in requests {
                now.0 = now.0.wrapping_add(gap);
                bucket.admit(&mut client, class, now, chance);
                client.count(now);
                prop_assert!(client.tokens <= bucket.full);
                prop_assert!(client.levels.iter().all(|&level| level <= REMEMBERED));
            }
        }

        /// In the long run nobody is answered more often than the limit and the leak allow.
        #[test]
        fn without_luck_the_limit_is_kept(interval in -4..6, burst in 1..32i32, gaps in prop::collection::vec(0..40u32, 300)) {
            let bucket = Bucket::new(&limit(interval, burst, 4, 0));
            let mut client = Client::default();
            let (mut now, mut answered) = (Tick(1 << 20), 0);
            for gap in &gaps {
                now.0 += gap;
                answered += u32::from(bucket.admit(&mut client, 0, now, 1) == Admission::Answer);
                client.count(now);
            }
            let earned = f64::from(now.0 - (1 << 20)) / 16.0 / f64::from(interval).exp2();
            prop_assert!(f64::from(answered) <= earned + f64::from(burst) + 1.0);
        }
    }
}
