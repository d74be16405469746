//! A scenario's world as a file that another program can play: `sim streams`.
//!
//! Text: the line `streams 1`, some lines of a word and numbers each (`scenario`, `seed`, `length` and `warmup` in s,
//! `offset` of the client at the start in s, `polls`, `iburst`, `servers`, perhaps `step` with time and size of a step from
//! outside in s), then a line for each second: its number, the frequency error of the client's oscillator (s/s), and for each
//! server the delay there and back of a packet that leaves in that second (s; `NaN`: it is lost) and the server's own error
//! at its beginning (s). The preloaded world of the daemon's tests plays it (`WORLD_STREAMS`).

use crate::scenario::{Plan, Scenario};
use crate::time::Calendar;
use std::io::{self, Write};

/// What of a plan the file has no words for, if anything.
fn beyond_words(plan: &Plan) -> Option<&'static str> {
    let links = plan.servers.iter().flat_map(|(_, link)| [&link.there, &link.back]);
    let parts = links.filter_map(|way| way.beyond_seconds());
    let servers = plan.servers.iter().filter_map(|(server, _)| server.beyond_errors());
    match plan {
        Plan { servers, .. } if servers.is_empty() => Some("no server"),
        Plan { sleeps, .. } if !sleeps.is_empty() => Some("a machine that sleeps"),
        Plan { outside_frequencies, .. } if !outside_frequencies.is_empty() => {
            Some("another program that steers")
        }
        Plan { outside_steps, .. } if outside_steps.len() > 1 => Some("several steps from outside"),
        Plan { resolution, .. } if *resolution > 1e-9 => Some("a clock that is read coarsely"),
        Plan { calendar, .. } if *calendar != Calendar::default() => Some("a day of its own"),
        _ => parts.chain(servers).next(),
    }
}

/// Why the world of this scenario is no file of streams; `None`: it is one.
pub fn refusal(scenario: &Scenario) -> Option<String> {
    let what = beyond_words(&scenario.plan)?;
    Some(format!("{} has {what}; streams cannot say that", scenario.name))
}

/// Writes the world of this scenario and seed.
///
/// # Errors
/// What cannot be said ([`refusal`]) or written.
pub fn write(scenario: &Scenario, seed: u64, out: &mut impl Write) -> io::Result<()> {
    if let Some(refusal) = refusal(scenario) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, refusal));
    }
    let plan = &scenario.plan;
    writeln!(out, "streams 1\nscenario {}\nseed {seed}", scenario.name)?;
    writeln!(out, "length {}\nwarmup {}\noffset {}", scenario.length, scenario.warmup, plan.offset)?;
    writeln!(out, "polls {} {}", plan.source.minpoll, plan.source.maxpoll)?;
    writeln!(out, "iburst {}\nservers {}", u8::from(plan.source.iburst), plan.servers.len())?;
    for (at, offset) in &plan.outside_steps {
        writeln!(out, "step {at} {offset}")?;
    }
    let built = plan.build(seed);
    let seconds = scenario.length.ceil() as usize + 1; // the last is where errors go to in the one before
    for (number, second) in built.world.streams(built.client).take(seconds).enumerate() {
        write!(out, "{number} {:e}", second.oscillator)?;
        for way in &second.ways {
            let [there, back] = [way.there, way.back].map(|delay| delay.unwrap_or(f64::NAN));
            write!(out, " {there:.9} {back:.9} {}", way.error)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn the_oscillator_is_the_one_that_the_run_sees() {
        for name in ["outage_net1", "inet_real_p6", "w0_net1_p6"] {
            let scenario = scenario::find(name).unwrap();
            let mut built = scenario.plan.build(7);
            let streams = built.world.streams(built.client);
            for (number, second) in streams.take(300).enumerate() {
                built.world.run_until(number as f64);
                let host = built.world.host(built.client);
                assert_eq!(second.oscillator, host.clock().oscillator_error(), "{name}, second {number}");
            }
        }
    }

    #[test]
    fn delays_and_losses_follow_the_laws_of_the_links() {
        let streams = |name: &str| {
            let built = scenario::find(name).unwrap().plan.build(3);
            built.world.streams(built.client)
        };
        let seconds: Vec<_> = streams("outage_net1").take(40_000).collect();
        for (number, second) in seconds.iter().enumerate() {
            let lost = (15_000..=25_000).contains(&number);
            assert!(second.ways.iter().all(|w| w.there.is_none() == lost && w.back.is_none() == lost));
        }
        let waits: Vec<f64> = seconds.iter().filter_map(|s| Some(s.ways[0].back? - 0.02)).collect();
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        assert!((mean / 1e-3 - 1.0).abs() < 0.03, "{mean}");
        let bad = streams("srvbad_net5_p6").nth(20_002).unwrap();
        assert!((bad.ways[2].error - 0.05).abs() < 1e-9 && (bad.ways[3].error - 0.02).abs() < 1e-4);
    }

    #[test]
    fn what_the_file_cannot_say_is_refused() {
        let text = |name: &str| {
            let mut bytes = Vec::new();
            let scenario = scenario::find(name).unwrap();
            write(&Scenario { length: 3.0, ..scenario }, 1, &mut bytes)
                .map(|()| String::from_utf8(bytes).unwrap())
        };
        let file = text("t005_stepm1").unwrap();
        assert!(file.starts_with("streams 1\nscenario t005_stepm1\nseed 1\nlength 3\n"), "{file}");
        assert!(
            file.contains("\nstep 5000 -1\n0 ") && file.lines().last().unwrap().starts_with("3 "),
            "{file}"
        );
        let refusal = text("t014_20th").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "t014_20th has a delay that depends on the packets before; streams cannot say that"
        );
    }
}
