//! Requests come fast: waiting in the call that takes them, and letting several gather.
//!
//! To wait for all descriptors and then to take from one is two calls for each request. So while requests come fast, a loop waits at
//! the socket where most come, and looks at everything else every [`LOOK`]. And to be woken costs more than to answer: where enough
//! come within the time that they may be left to gather, the loop sleeps after each batch and is woken by no request.
//! What a client measures stays as it is: the kernel stamps its request when it comes, its reply is stamped when it leaves, and what
//! lies between is subtracted.

use std::time::Duration;
use sys::batch::Wait;

/// Requests a second from which on it pays, and from which on nothing else waits for long.
const LEAST_RATE: i64 = 1000;
/// Where as many gather, a wake-up costs little beside answering them: they are not left to gather for longer.
const MANY: i64 = 12;
/// So many pay for the timer, which may cost a virtual machine as much as to be woken three times.
const ENOUGH: i64 = 5;
/// Who would sleep less (ns) is so busy that they gather by themselves.
const LEAST_SLEEP: i64 = 100_000;
/// How long the load is watched before something is decided, ns.
const WINDOW: i64 = 1 << 26;
/// A window that took so long (or ended before it began: the clock was stepped) says nothing, ns.
const STALE: i64 = 1 << 30;
/// When fewer come while they are left to gather, those who ask wait for our reply first: they are answered at once during so many
/// windows, then during twice as many, and so on.
const CAUTION: u32 = 2;
/// … but at most during so many: a minute.
const MOST_CAUTION: u32 = 1024;

/// So long (ns) nobody looks at anything but the socket where most requests come.
pub const LOOK: i64 = 5_000_000;
/// So long (ns) at most requests are waited for there.
pub const PATIENCE: i64 = 4_000_000;

/// Where requests come fast, of two sockets, and whether they are left to gather.
#[derive(Clone, Copy, Debug)]
pub struct Rush {
    /// How long requests may gather at most, ns.
    most: i64,
    at: Option<usize>,
    /// How long they gather now, ns; 0: each is answered as soon as it comes.
    time: i64,
    began: i64,
    requests: [i64; 2],
    /// Requests a second at the busier socket in the window before.
    rate: i64,
    /// Windows until they are left to gather again, and how many after the next disappointment.
    hold: u32,
    caution: u32,
}

impl Rush {
    /// None yet. Requests may gather for `most` µs.
    pub fn new(most: u16) -> Self {
        let most = i64::from(most) * 1000;
        Self { most, at: None, time: 0, began: 0, requests: [0; 2], rate: 0, hold: 0, caution: CAUTION }
    }

    /// The number of the socket to wait at.
    pub fn at(&self) -> Option<usize> {
        self.at
    }

    /// Lets requests gather if they should, and says how to wait for the first.
    pub fn gather(&self) -> Wait {
        if self.time == 0 {
            return Wait::ForOne;
        }
        std::thread::sleep(Duration::from_nanos(self.time.cast_unsigned()));
        Wait::ForSome
    }

    /// None came for so long that there is a look at everything.
    pub fn end(&mut self) {
        self.at = None;
    }

    /// `requests` came at socket `index`; the system clock read `now`, ns.
    pub fn count(&mut self, index: usize, requests: usize, now: i64) {
        if let Some(count) = self.requests.get_mut(index) {
            *count = count.saturating_add(requests as i64);
        }
        let elapsed = now.saturating_sub(self.began);
        if (0..WINDOW).contains(&elapsed) {
            return;
        }
        let busiest = usize::from(self.requests[1] > self.requests[0]);
        let came = self.requests[busiest];
        (self.began, self.requests, self.at) = (now, [0; 2], None);
        let gathered = std::mem::take(&mut self.time) > 0;
        let before = std::mem::take(&mut self.rate);
        if !(0..STALE).contains(&elapsed) {
            return;
        }
        self.rate = came.saturating_mul(1_000_000_000) / elapsed.max(1);
        if gathered && self.rate < before / 4 * 3 {
            (self.hold, self.caution) = (self.caution, self.caution.saturating_mul(2).min(MOST_CAUTION));
        } else if gathered {
            self.caution = CAUTION;
        }
        if self.rate < LEAST_RATE {
            return;
        }
        self.at = Some(busiest);
        if self.hold > 0 {
            self.hold -= 1;
            return;
        }
        let time = self.most.min(MANY * 1_000_000_000 / self.rate);
        if time >= LEAST_SLEEP && self.rate.saturating_mul(time) >= ENOUGH * 1_000_000_000 {
            self.time = time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A quarter of a second with so many requests a second at each socket.
    fn run(rush: &mut Rush, now: &mut i64, rates: [i64; 2]) -> Option<(usize, i64)> {
        let end = *now + SECOND / 4;
        while *now < end {
            for (index, rate) in rates.into_iter().enumerate() {
                rush.count(index, (rate / 100) as usize, *now);
            }
            *now += SECOND / 100;
        }
        rush.at().map(|at| (at, rush.time / 1000))
    }

    #[test]
    fn the_busiest_socket_is_waited_at_if_it_is_busy_enough() {
        let (mut rush, mut alone, mut now) = (Rush::new(2000), Rush::new(0), 1000 * SECOND);
        for (rates, at) in [
            ([100, 0], None),
            ([900, 900], None),
            ([2000, 0], Some((0, 0))),
            ([2000, 4000], Some((1, 2000))),
            ([0, 1500], Some((1, 0))),
            ([200, 300], None),
            ([20_000, 0], Some((0, 600))),
            ([50_000, 0], Some((0, 240))),
            // The server is busy, and they gather by themselves.
            ([300_000, 200_000], Some((0, 0))),
        ] {
            let mut rush = rush;
            run(&mut rush, &mut { now }, rates);
            let (found, busiest) = (run(&mut rush, &mut { now + SECOND / 4 }, rates), at.map(|(at, _)| at));
            assert_eq!(found.map(|(at, _)| at), busiest, "{rates:?}");
            let (found, time) = (found.map_or(0, |(_, time)| time), at.map_or(0, |(_, time)| time));
            assert!((found - time).abs() <= time / 10, "{rates:?} {found}");
            assert_eq!(run(&mut alone, &mut now, rates), busiest.map(|at| (at, 0)), "{rates:?}");
        }
        run(&mut rush, &mut now, [4000, 0]);
        rush.end();
        assert_eq!(rush.at(), None);
    }

    #[test]
    fn a_pause_or_a_stepped_clock_ends_it() {
        for step in [-3600 * SECOND, 3600 * SECOND, 2 * SECOND] {
            let (mut rush, mut now) = (Rush::new(2000), 1000 * SECOND);
            assert_eq!(run(&mut rush, &mut now, [4000, 0]), Some((0, 2000)));
            now += step;
            rush.count(0, 10, now);
            assert_eq!((rush.at(), rush.gather()), (None, Wait::ForOne), "{step}");
            assert_eq!(run(&mut rush, &mut now, [4000, 0]), Some((0, 2000)));
        }
    }

    /// Who waits for our reply before asking again is answered at once, but for trials that become rarer.
    #[test]
    fn those_who_wait_for_us_lose_next_to_nothing() {
        let (mut rush, mut now) = (Rush::new(2000), 1000 * SECOND);
        let (mut replies, mut late, began) = (0, 0, now);
        while now < began + 60 * SECOND {
            // One at a time, 100 µs after the last reply.
            let wait = rush.at().map_or(0, |_| rush.time);
            now += SECOND / 10_000 + wait;
            (replies, late) = (replies + 1, late + i32::from(wait > 0));
            rush.count(0, 1, now);
        }
        assert!((100..1200).contains(&late) && replies > 592_000, "{late} {replies}");
        // Others have come, who do not wait: they are left to gather again within a minute or so, and from then on.
        let mut tried = 0;
        while rush.time == 0 {
            run(&mut rush, &mut now, [4000, 0]);
            tried += 1;
        }
        assert!(tried < 300, "{tried} quarters of a second");
        for _ in 0..100 {
            assert_eq!(run(&mut rush, &mut now, [4000, 0]), Some((0, 2000)));
        }
        assert_eq!(rush.caution, CAUTION, "trust is restored");
    }

    /// As many as come by chance, in windows of any length.
    #[test]
    fn chance_is_not_taken_for_disappointment() {
        let mut rng = ntp::rng::Rng::from_number(7);
        let (mut rush, mut now, mut at_once) = (Rush::new(2000), 1000 * SECOND, 0);
        for _ in 0..100_000 {
            now += rush.time.max(2_000_000);
            // Eight are expected in each, of eighty who may ask.
            let came = (0..80).filter(|_| rng.below(10) == 0).count();
            rush.count(0, came, now);
            at_once += i32::from(rush.time == 0);
        }
        assert!(at_once < 1500, "{at_once}");
    }
}
