//! ntp.conf of ntpd and NTPsec.

use super::Translation;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// What `fudge` says of a reference clock, by its address.
type Fudges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// What `name`, a file of ntpd's, says, in our language.
pub fn translate(name: &str, text: &str) -> Translation {
    let mut out = Translation::default();
    out.remark(&format!("From {name} of ntpd."));
    let lines: Vec<Vec<&str>> = text.lines().map(words).collect();
    let mut fudges = Fudges::new();
    for line in &lines {
        if let ["fudge", address, rest @ ..] = line.as_slice() {
            fudges.entry(address).or_default().extend(rest);
        }
    }
    for (index, (line, words)) in text.lines().zip(&lines).enumerate() {
        if let Err(why) = one(&mut out, words, &fudges) {
            out.refuse(index + 1, line, why);
        }
    }
    if out.says("noclientlog") && out.says("ratelimit") {
        out.lines.retain(|line| line != "noclientlog");
        out.remark("\"disable monitor\" is not carried over: limits need the list of clients");
    }
    if !lines.iter().any(|line| matches!(line.as_slice(), ["restrict", ..])) {
        out.remark("ntpd serves everybody unless it is told otherwise:");
        out.say("allow");
    }
    if !out.says("makestep") {
        out.remark("ntpd steps beyond 0.128 s at any time; this steps at the start only:");
        out.say("makestep 1 3");
    }
    out.say("rtcsync");
    out
}

fn words(line: &str) -> Vec<&str> {
    line.split('#').next().unwrap_or_default().split_whitespace().collect()
}

fn one(out: &mut Translation, words: &[&str], fudges: &Fudges<'_>) -> Result<(), &'static str> {
    match words {
        [] | ["fudge", ..] => {}
        [kind @ ("server" | "peer" | "pool"), rest @ ..] => source(out, kind, rest, fudges)?,
        ["driftfile", file, ..] => out.say(format!("driftfile {file}")),
        ["leapfile", file, ..] => out.say(format!("leapseclist {file}")),
        ["keys" | "keysdir", file] => {
            out.remark("In the key file write the type before each key, as in: 7 SHA1 HEX:...");
            out.say(format!("keyfile {file}"));
        }
        ["statsdir", folder] => out.say(format!("logdir {folder}")),
        ["statistics", kinds @ ..] => {
            for kind in kinds {
                out.say(match *kind {
                    "loopstats" => "log tracking",
                    "peerstats" => "log statistics",
                    "rawstats" => "log measurements",
                    "clockstats" => "log refclocks",
                    _ => return Err("there is no such log"),
                });
            }
        }
        ["pidfile", file] => out.say(format!("pidfile {file}")),
        ["restrict", rest @ ..] => restrict(out, rest)?,
        ["broadcast", address, ..] => out.say(format!("broadcast 64 {address}")),
        ["broadcastclient" | "multicastclient" | "manycastclient" | "manycastserver", ..] => {
            return Err("whoever sends a broadcast cannot be measured; name the server");
        }
        ["interface" | "nic", "listen", address] if address.parse::<IpAddr>().is_ok() => {
            out.say(format!("bindaddress {address}"));
        }
        ["tinker", rest @ ..] => tinker(out, rest)?,
        ["tos", rest @ ..] => tos(out, rest)?,
        ["disable", "monitor"] => out.say("noclientlog"),
        ["trustedkey" | "requestkey" | "controlkey", ..] => {
            return Err("every key of the key file is trusted, commands need none");
        }
        ["includefile", file] => {
            let _ = file;
            return Err("import that file too, and include what comes of it");
        }
        ["nts", "cert", file] => out.say(format!("ntsservercert {file}")),
        ["nts", "key", file] => out.say(format!("ntsserverkey {file}")),
        ["crypto" | "autokey" | "ntpsigndsocket", ..] => return Err("Autokey is broken; use nts or a key"),
        ["filegen" | "logconfig" | "logfile" | "setvar" | "mru" | "rlimit" | "enable" | "disable", ..] => {
            return Err("it has no counterpart");
        }
        _ => return Err("it is not known here"),
    }
    Ok(())
}

fn source(
    out: &mut Translation,
    kind: &str,
    words: &[&str],
    fudges: &Fudges<'_>,
) -> Result<(), &'static str> {
    let (family, words) = match words {
        ["-4", rest @ ..] => (" ipv4", rest),
        ["-6", rest @ ..] => (" ipv6", rest),
        rest => ("", rest),
    };
    let [host, options @ ..] = words else { return Err("it names nobody") };
    if let Some(unit) = host.strip_prefix("127.127.") {
        return refclock(out, unit, options, fudges.get(host).map_or(&[], Vec::as_slice));
    }
    let mut line = format!("{kind} {host}{family}");
    let mut odd = false;
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "iburst" | "burst" | "prefer" | "noselect" | "xleave" | "nts" => {
                line.push_str(&format!(" {option}"));
            }
            "true" => line.push_str(" trust"),
            "minpoll" | "maxpoll" | "key" | "version" => {
                let value = rest
                    .next()
                    .and_then(|value| value.parse::<u32>().ok())
                    .ok_or("an option has no value")?;
                let value = if option.ends_with("poll") { value.min(24) } else { value };
                line.push_str(&format!(" {option} {value}"));
            }
            "ttl" | "mode" | "bias" | "ca" | "cert" => {
                rest.next();
                odd = true;
            }
            _ => odd = true,
        }
    }
    out.say(line);
    if odd { Err("without some of its options") } else { Ok(()) }
}

/// `server 127.127.TYPE.UNIT`: a clock of this machine.
fn refclock(out: &mut Translation, unit: &str, options: &[&str], fudge: &[&str]) -> Result<(), &'static str> {
    let (kind, unit) = unit.split_once('.').ok_or("it is no reference clock")?;
    let unit: u32 = unit.parse().map_err(|_| "it is no reference clock")?;
    let of = |name: &str| fudge.iter().position(|word| *word == name).and_then(|at| fudge.get(at + 1));
    let mut line = match kind {
        "1" => {
            let stratum = of("stratum").and_then(|word| word.parse::<u32>().ok()).unwrap_or(5).clamp(1, 15);
            out.say(format!("local stratum {stratum}"));
            return Ok(());
        }
        "28" => format!("refclock SHM {unit}"),
        "22" => format!("refclock PPS /dev/pps{unit}"),
        "20" | "46" => return Err("let gpsd read the receiver, and name it: refclock SHM 0 or SOCK"),
        _ => return Err("there is no driver for this clock"),
    };
    if let Some(poll) = options.iter().position(|word| *word == "minpoll").and_then(|at| options.get(at + 1))
    {
        line.push_str(&format!(" poll {}", poll.parse::<u32>().unwrap_or(4).min(24)));
    }
    if options.contains(&"prefer") {
        line.push_str(" prefer");
    }
    if let Some(offset) =
        of("time1").and_then(|word| word.parse::<f64>().ok()).filter(|time| time.is_finite())
    {
        line.push_str(&format!(" offset {offset}"));
    }
    if let Some(refid) = of("refid").filter(|word| (1..=4).contains(&word.len())) {
        line.push_str(&format!(" refid {refid}"));
    }
    if let Some(stratum) = of("stratum").and_then(|word| word.parse::<u32>().ok()) {
        // ntpd names the stratum served, we the clock's.
        line.push_str(&format!(" stratum {}", stratum.saturating_sub(1).min(14)));
    }
    out.say(line);
    Ok(())
}

fn restrict(out: &mut Translation, words: &[&str]) -> Result<(), &'static str> {
    let (family, words) = match words {
        ["-4", rest @ ..] => ("0.0.0.0/0", rest),
        ["-6", rest @ ..] => ("::/0", rest),
        rest => ("", rest),
    };
    let [whom, flags @ ..] = words else { return Err("it names nobody") };
    let (subnet, flags) = match (*whom, flags) {
        ("default", flags) => (family.to_owned(), flags),
        ("source", _) => return Err("sources need no permission to answer"),
        (address, ["mask", mask, flags @ ..]) => {
            let (address, mask) = (address.parse::<Ipv4Addr>(), mask.parse::<Ipv4Addr>());
            let (Ok(address), Ok(mask)) = (address, mask) else { return Err("its mask is no prefix") };
            let bits = mask.to_bits().leading_ones();
            if mask.to_bits().checked_shl(bits).unwrap_or(0) != 0 {
                return Err("its mask is no prefix");
            }
            (format!("{address}/{bits}"), flags)
        }
        (address, flags) if address.parse::<IpAddr>().is_ok() => (address.to_owned(), flags),
        _ => return Err("it is no address"),
    };
    let refused = flags.iter().any(|flag| matches!(*flag, "ignore" | "noserve"));
    out.say(format!("{} {subnet}", if refused { "deny" } else { "allow" }).trim_end().to_owned());
    if flags.contains(&"limited") {
        out.say("ratelimit");
    }
    // Nobody may change or ask anything from afar here, so the other flags are always in force.
    Ok(())
}

fn tinker(out: &mut Translation, words: &[&str]) -> Result<(), &'static str> {
    let mut odd = false;
    for pair in words.chunks(2) {
        match pair {
            ["step", "0"] | ["panic", _] => {}
            ["step", seconds] => match seconds.parse::<f64>() {
                Ok(seconds) if seconds.is_finite() => out.say(format!("makestep {seconds} -1")),
                _ => odd = true,
            },
            _ => odd = true,
        }
    }
    if odd { Err("without what has no counterpart") } else { Ok(()) }
}

fn tos(out: &mut Translation, words: &[&str]) -> Result<(), &'static str> {
    let mut odd = false;
    for pair in words.chunks(2) {
        let number = pair.get(1).and_then(|word| word.parse::<f64>().ok()).filter(|n| n.is_finite());
        match (pair.first(), number) {
            (Some(&"minsane"), Some(n)) if n >= 1.0 => out.say(format!("minsources {}", n.min(64.0) as u32)),
            (Some(&"orphan"), Some(n)) if n >= 1.0 => {
                out.say(format!("local stratum {} orphan", n.min(15.0) as u32));
            }
            (Some(&"maxdist"), Some(n)) if n > 0.0 => out.say(format!("maxdistance {n}")),
            _ => odd = true,
        }
    }
    if odd { Err("without what has no counterpart") } else { Ok(()) }
}
