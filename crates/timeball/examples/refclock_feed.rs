//! Feeds reference clocks, as gpsd does: `refclock_feed OFFSET NOISE SECONDS (shm UNIT | sock PATH | pulse PATH)...`
//!
//! Every second each gets a sample that says that true time is OFFSET seconds ahead of the system clock, give or take
//! NOISE (uniform); `pulse` tells only the beginning of the second. Units and paths may be given several times, so
//! that two daemons can be fed the same.

use ntp::refclock::sock::SockSample;
use ntp::wire::Leap;
use std::path::Path;
use std::time::Duration;
use sys::device::shm::{Segment, ShmReading};
use sys::{message, socket};

enum Feed {
    Shm(Segment),
    Sock(socket::Socket, socket::UnixAddress, bool),
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words[at].parse::<f64>().expect("a number");
    let (offset, noise, seconds) = (number(0), number(1), number(2) as u64);
    let mut feeds: Vec<Feed> = words[3..].chunks(2).map(open).collect();
    let mut random = 1_u64;
    for _ in 0..seconds {
        // A linear congruential generator will do.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let error = offset + noise * ((random >> 33) as f64 / f64::from(1 << 30) - 1.0);
        let system = sys::clock::realtime() / 1000 * 1000;
        for feed in &mut feeds {
            give(feed, system, error);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn open(words: &[String]) -> Feed {
    match words[0].as_str() {
        "shm" => {
            let unit = words[1].parse().expect("a unit");
            Feed::Shm(Segment::attach(unit, 0o600).expect("a segment"))
        }
        kind => {
            let address = socket::UnixAddress::new(Path::new(&words[1])).expect("a path");
            Feed::Sock(socket::Socket::unix().expect("a socket"), address, kind == "pulse")
        }
    }
}

fn give(feed: &mut Feed, system: i64, offset: f64) {
    match feed {
        Feed::Shm(segment) => {
            let clock = system + (offset * 1e9).round() as i64;
            segment.put(&ShmReading { clock, system, leap: 0 });
        }
        Feed::Sock(socket, address, pulse) => {
            let offset = if *pulse { offset - offset.round() } else { offset };
            let sample = SockSample { system, offset, pulse: *pulse, leap: Leap::None };
            // Nobody may listen yet.
            let _ = message::send_unix(socket, &sample.emit(), Some(address));
        }
    }
}
