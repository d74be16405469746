//! Requests come fast: waiting in the call that takes them, and for several at a time.
//!
//! To wait for all descriptors and then to take from one is two calls for each request. So while requests come fast, a loop waits at
//! the socket where most come, and looks at everything else every [`LOOK`]. And to be woken costs more than to answer: when more than one
//! comes within the time that they may be left to gather, it is woken for several. What a client measures stays as it is: the
//! kernel stamps its request when it comes, its reply is stamped when it leaves, and what lies between is subtracted.

/// Requests a second from which on it pays, and from which on nothing else waits for long.
const LEAST_RATE: i64 = 1000;
/// As many as are waited for: enough for the price of a wake-up to be small beside theirs.
const MOST: i64 = 16;
/// How long the load is watched before something is decided, ns.
const WINDOW: i64 = 1 << 26;
/// A window that took so long (or ended before it began: the clock was stepped) says nothing, ns.
const STALE: i64 = 1 << 30;
/// When fewer came than were waited for (who asks waits for our reply first, or it was the end of a crowd), one at a time is
/// waited for during so many windows, then during twice as many, and so on.
const CAUTION: u32 = 2;
/// … but at most during so many: a minute.
const MOST_CAUTION: u32 = 1024;

/// So long (ns) nobody looks at anything but the socket where most requests come.
pub const LOOK: i64 = 5_000_000;
/// So long (ns) at most requests are waited for there.
pub const PATIENCE: i64 = 4_000_000;

/// Where requests come fast, of two sockets, and how many to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Rush {
    /// How long requests may gather, ns.
    gathering: i64,
    at: Option<usize>,
    several: usize,
    began: i64,
    requests: [i64; 2],
    /// Windows until several are waited for again, and how many after the next disappointment.
    hold: u32,
    caution: u32,
}

impl Rush {
    /// None yet. Requests may gather for `gathering` µs; 0: each is answered as soon as it comes.
    pub fn new(gathering: u16) -> Self {
        let gathering = i64::from(gathering) * 1000;
        Self { gathering, at: None, several: 1, began: 0, requests: [0; 2], hold: 0, caution: CAUTION }
    }

    /// The number of the socket to wait at, and how many requests to wait for.
    pub fn at(&self) -> Option<(usize, usize)> {
        self.at.map(|at| (at, self.several))
    }

    /// `asked` requests were waited for, and `came` before patience ended.
    pub fn waited(&mut self, asked: usize, came: usize) {
        if came == 0 {
            self.at = None;
        }
        if came < asked {
            (self.several, self.hold) = (1, self.caution);
            self.caution = self.caution.saturating_mul(2).min(MOST_CAUTION);
        }
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
        if !(0..STALE).contains(&elapsed) || came < LEAST_RATE.saturating_mul(elapsed) / 1_000_000_000 {
            return;
        }
        self.at = Some(busiest);
        if self.hold > 0 {
            self.hold -= 1;
            return;
        }
        if self.several > 1 {
            self.caution = CAUTION;
        }
        // Those that come while the first waits.
        let gather = came.saturating_mul(self.gathering) / elapsed;
        self.several = if gather < MOST { 1 + gather as usize } else { 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    /// A quarter of a second with so many requests a second at each socket.
    fn run(rush: &mut Rush, now: &mut i64, rates: [i64; 2]) -> Option<(usize, usize)> {
        let end = *now + SECOND / 4;
        while *now < end {
            for (index, rate) in rates.into_iter().enumerate() {
                rush.count(index, (rate / 100) as usize, *now);
            }
            *now += SECOND / 100;
        }
        rush.at()
    }

    #[test]
    fn the_busiest_socket_is_waited_at_if_it_is_busy_enough() {
        let (mut rush, mut alone, mut now) = (Rush::new(300), Rush::new(0), 1000 * SECOND);
        for (rates, at) in [
            ([100, 0], None),
            ([900, 900], None),
            ([2000, 0], Some((0, 1))),
            ([2000, 4000], Some((1, 2))),
            ([0, 1500], Some((1, 1))),
            ([200, 300], None),
            ([20_000, 0], Some((0, 7))),
            ([50_000, 0], Some((0, 16))),
            // The server is busy, and they gather by themselves.
            ([300_000, 200_000], Some((0, 1))),
        ] {
            assert_eq!(run(&mut rush, &mut { now }, rates), at, "{rates:?}");
            assert_eq!(run(&mut alone, &mut now, rates), at.map(|(at, _)| (at, 1)), "{rates:?}");
        }
        rush.waited(1, 0);
        assert_eq!(rush.at(), None);
    }

    #[test]
    fn a_pause_or_a_stepped_clock_ends_it() {
        for step in [-3600 * SECOND, 3600 * SECOND, 2 * SECOND] {
            let (mut rush, mut now) = (Rush::new(300), 1000 * SECOND);
            assert_eq!(run(&mut rush, &mut now, [4000, 0]), Some((0, 2)));
            now += step;
            rush.count(0, 10, now);
            assert_eq!(rush.at(), None, "{step}");
            assert_eq!(run(&mut rush, &mut now, [4000, 0]), Some((0, 2)));
        }
    }

    /// Who waits for our reply before asking again is answered at once, but for trials that become rarer.
    #[test]
    fn those_who_wait_for_us_lose_next_to_nothing() {
        let (mut rush, mut now) = (Rush::new(300), 1000 * SECOND);
        let (mut replies, mut stalls, began) = (0, 0, now);
        while now < began + 60 * SECOND {
            // One at a time, 100 µs after the last reply.
            let several = rush.at().map_or(1, |(_, several)| several);
            let stall = several > 1;
            now += if stall { 2 * PATIENCE } else { SECOND / 10_000 };
            (replies, stalls) = (replies + 1, stalls + i32::from(stall));
            rush.count(0, 1, now);
            rush.waited(several, 1);
        }
        assert!((1..10).contains(&stalls) && replies > 595_000, "{stalls} {replies}");
        // Others have come, who do not wait: it is tried again within a minute or so.
        let mut tried = 0;
        while rush.at().is_none_or(|(_, several)| several == 1) {
            run(&mut rush, &mut now, [4000, 0]);
            tried += 1;
        }
        assert!(tried < 300, "{tried} quarters of a second");
        run(&mut rush, &mut now, [4000, 0]);
        assert_eq!(rush.caution, CAUTION, "trust is restored");
    }
}
