//! Reference clocks of ntpd (`server 127.127.TYPE.UNIT` with `fudge`) and of NTPsec (`refclock DRIVER unit UNIT ...`).

use super::{Refusal, Translation, without};
use std::collections::BTreeMap;

/// What `fudge` says of a reference clock, by its address.
pub type Fudges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// A clock of this machine: its driver by number or name, and all that is said of it.
pub fn clock(out: &mut Translation, driver: &str, unit: u32, words: &[&str]) -> Refusal {
    let value_of =
        |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1)).copied();
    let stratum = value_of("stratum").and_then(|word| word.parse::<u32>().ok());
    let mut used = vec!["unit", "stratum"];
    let mut line = match driver {
        "1" | "local" => {
            out.say(format!("local stratum {}", stratum.unwrap_or(5).clamp(1, 15)));
            return lost(words, &used);
        }
        "28" | "shm" => format!("refclock SHM {unit}"),
        "22" | "pps" => {
            used.extend(["ppspath", "flag2"]);
            let edge = if value_of("flag2") == Some("1") { ":clear" } else { "" };
            let path = value_of("ppspath").map_or_else(|| format!("/dev/pps{unit}"), str::to_owned);
            format!("refclock PPS {path}{edge}")
        }
        "20" | "nmea" | "46" | "gpsd" => {
            return Err("let gpsd read the receiver, and name it: refclock SHM 0 or SOCK".to_owned());
        }
        _ => return Err("there is no driver for this clock".to_owned()),
    };
    used.extend(["minpoll", "prefer", "noselect", "true", "time1", "refid"]);
    if let Some(poll) = value_of("minpoll").and_then(|word| word.parse::<u32>().ok()) {
        line.push_str(&format!(" poll {}", poll.min(24)));
    }
    for (theirs, ours) in [("prefer", "prefer"), ("noselect", "noselect"), ("true", "trust")] {
        if words.contains(&theirs) {
            line.push_str(&format!(" {ours}"));
        }
    }
    if let Some(offset) =
        value_of("time1").and_then(|word| word.parse::<f64>().ok()).filter(|time| time.is_finite())
    {
        line.push_str(&format!(" offset {offset}"));
    }
    if let Some(refid) = value_of("refid").filter(|word| (1..=4).contains(&word.len())) {
        line.push_str(&format!(" refid {refid}"));
    }
    if let Some(stratum) = stratum {
        // ntpd names the stratum served, we the clock's.
        line.push_str(&format!(" stratum {}", stratum.saturating_sub(1).min(14)));
    }
    out.say(line);
    lost(words, &used)
}

/// All words but the used ones and their values.
fn lost(words: &[&str], used: &[&str]) -> Refusal {
    let flags = ["prefer", "noselect", "true", "iburst", "burst"];
    let mut lost = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let value = if flags.contains(word) { None } else { rest.next() };
        if !used.contains(word) {
            lost.push(*word);
            lost.extend(value);
        }
    }
    without(&lost)
}
