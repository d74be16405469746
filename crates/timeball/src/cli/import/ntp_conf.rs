//! ntp.conf of ntpd and NTPsec. Its clocks are in [`super::ntp_clocks`].

use super::ntp_clocks::{self, Fudges};
use super::{Refusal, Translation, rate, without};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Lines that include others at most, however deep, and the longest file, bytes.
const INCLUDES: usize = 100;
const LONGEST: u64 = 1 << 20;

/// A line, and where it stands.
struct Line {
    place: String,
    text: String,
}

/// What `name`, a file of ntpd's, says, in our language.
pub fn translate(name: &str, text: &str) -> Translation {
    let mut out = Translation::default();
    out.remark(&format!("From {name} of ntpd."));
    let (mut all, mut left) = (Vec::new(), INCLUDES);
    collect(Path::new(name), text, "", &mut left, &mut all);
    let lines: Vec<Vec<&str>> = all.iter().map(|line| words(&line.text)).collect();
    let mut fudges = Fudges::new();
    for line in &lines {
        if let ["fudge", address, rest @ ..] = line.as_slice() {
            fudges.entry(address).or_default().extend(rest);
        }
    }
    let has = |address: &str| {
        let named = |line: &[&str]| matches!(line, ["server" | "peer", clock, ..] if *clock == address);
        lines.iter().any(|line| named(line))
    };
    for (line, words) in all.iter().zip(&lines) {
        let done = match words.as_slice() {
            ["fudge", address, ..] if has(address) => Ok(()),
            words => one(&mut out, words, &fudges),
        };
        if let Err(why) = done {
            out.refuse(&line.place, &line.text, &why);
        }
    }
    limits(&mut out, &lines);
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

/// All lines, those of included files in their places. A file that cannot be read leaves the line that names it.
fn collect(name: &Path, text: &str, of: &str, left: &mut usize, lines: &mut Vec<Line>) {
    for (index, line) in text.lines().enumerate() {
        if let ["includefile", file] = words(line).as_slice()
            && *left > 0
            && let Some(files) = included(&name.parent().unwrap_or(Path::new("")).join(file))
        {
            *left -= 1;
            for (file, text) in files {
                collect(&file, &text, &format!(" of {}", file.display()), left, lines);
            }
            continue;
        }
        lines.push(Line { place: format!("{}{of}", index + 1), text: line.to_owned() });
    }
}

/// A file with its text, or those of a folder that end in `.conf`, by name.
fn included(path: &Path) -> Option<Vec<(PathBuf, String)>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        files = entries.filter(|file| file.extension().is_some_and(|end| end == "conf")).collect();
        files.sort();
    }
    let read = |file: PathBuf| {
        let known = std::fs::metadata(&file).ok()?;
        let bytes = std::fs::read(&file).ok().filter(|_| known.is_file() && known.len() <= LONGEST)?;
        Some((file, String::from_utf8_lossy(&bytes).into_owned()))
    };
    files.into_iter().map(read).collect()
}

fn words(line: &str) -> Vec<&str> {
    let words = line.split('#').next().unwrap_or_default().split_whitespace();
    words.map(|word| word.trim_matches('"')).collect()
}

/// `discard` and `disable monitor` have their say in limits that other lines ask for.
fn limits(out: &mut Translation, lines: &[Vec<&str>]) {
    if !out.says("ratelimit") {
        return;
    }
    let average = lines.iter().find_map(|line| match line.as_slice() {
        ["discard", rest @ ..] => number(rest, "average"),
        _ => None,
    });
    if let Some(average) = average {
        out.lines.retain(|line| line != "ratelimit");
        out.say(rate(average.clamp(-19.0, 12.0).exp2()));
    }
    if out.says("noclientlog") {
        out.lines.retain(|line| line != "noclientlog");
        out.remark("\"disable monitor\" is not carried over: limits need the list of clients");
    }
}

/// The number after `name`.
fn number(words: &[&str], name: &str) -> Option<f64> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1)?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn one(out: &mut Translation, words: &[&str], fudges: &Fudges<'_>) -> Refusal {
    let refused = match words {
        [] => return Ok(()),
        ["fudge", ..] => "no line here names its clock",
        [kind @ ("server" | "peer" | "pool"), rest @ ..] => return source(out, kind, rest, fudges),
        ["refclock", driver, rest @ ..] => {
            return ntp_clocks::clock(out, driver, number(rest, "unit").map_or(0, |unit| unit as u32), rest);
        }
        ["driftfile", file, ..] => {
            out.remark("ntpd's holds one number, ours two: it is not read, but written anew");
            out.say(format!("driftfile {file}"));
            return Ok(());
        }
        ["keys", file] => {
            out.remark("In the key file write the type in full and HEX: before what is in hexadecimal, as in: 7 SHA1 HEX:...");
            out.say(format!("keyfile {file}"));
            return Ok(());
        }
        ["statistics", kinds @ ..] => return statistics(out, kinds),
        ["restrict", rest @ ..] => return restrict(out, rest),
        ["discard", rest @ ..] => return options(rest, |name, _| name == "average"),
        ["broadcast", address, rest @ ..] => {
            let interval = number(rest, "minpoll").map_or(64.0, |poll| poll.clamp(0.0, 17.0).exp2());
            out.say(format!("broadcast {interval} {address}"));
            return options(rest, |name, _| name == "minpoll");
        }
        ["interface" | "nic", action, what] => return interface(out, action, what),
        ["tinker", rest @ ..] => return options(rest, |name, value| tinker(out, name, value)),
        ["tos", rest @ ..] => return tos(out, rest),
        ["nts", rest @ ..] => return nts(out, rest),
        ["mru", rest @ ..] => {
            return options(rest, |name, value| {
                let memory = value.filter(|_| name == "maxmem").map(|kilobytes| (kilobytes * 1024.0) as u64);
                memory.map(|bytes| out.say(format!("clientloglimit {}", bytes.min(1 << 30)))).is_some()
            });
        }
        ["leapsmearinterval", ..] => {
            out.remark("A leap second is smeared as is usual, over 17 hours from midnight on:");
            out.say("leapsecmode slew");
            out.say("maxslewrate 1000");
            out.say("smoothtime 400 0.001024 leaponly");
            return Ok(());
        }
        ["disable", "monitor"] => {
            out.say("noclientlog");
            return Ok(());
        }
        ["enable", flags @ ..] => {
            let usual = ["stats", "kernel", "monitor", "ntp", "auth"];
            return without(&flags.iter().filter(|flag| !usual.contains(flag)).copied().collect::<Vec<_>>());
        }
        ["disable", flags @ ..] if flags.contains(&"ntp") => "start the daemon with -x",
        [name @ ("leapfile" | "statsdir" | "pidfile" | "dscp" | "ntpsigndsocket"), value] => {
            let ours = match *name {
                "leapfile" => "leapseclist",
                "statsdir" => "logdir",
                name => name,
            };
            out.say(format!("{ours} {value}"));
            return Ok(());
        }
        ["broadcastclient" | "multicastclient" | "manycastclient" | "manycastserver", ..] => {
            "whoever sends a broadcast cannot be measured; name the server"
        }
        ["trustedkey" | "requestkey" | "controlkey", ..] => {
            "every key of the key file is trusted, commands need none"
        }
        ["includefile", ..] => {
            "that file cannot be read, or too many are included; import it too, and include what comes of it"
        }
        ["logfile", ..] => "start the daemon with -l FILE",
        ["crypto" | "autokey" | "keysdir", ..] => "Autokey is broken; use nts or a key",
        [
            "filegen" | "logconfig" | "setvar" | "rlimit" | "disable" | "unpeer" | "ttl" | "phone" | "trap",
            ..,
        ] => "it has no counterpart",
        _ => "it is not known here",
    };
    Err(refused.to_owned())
}

/// Pairs of a name and a number; those that are not `taken` are named.
fn options(words: &[&str], mut taken: impl FnMut(&str, Option<f64>) -> bool) -> Refusal {
    let mut lost = Vec::new();
    for pair in words.chunks(2) {
        let value = pair.get(1).and_then(|word| word.parse::<f64>().ok()).filter(|value| value.is_finite());
        if !taken(pair[0], value) {
            lost.extend(pair);
        }
    }
    without(&lost)
}

fn source(out: &mut Translation, kind: &str, words: &[&str], fudges: &Fudges<'_>) -> Refusal {
    let (family, words) = match words {
        ["-4" | "--ipv4", rest @ ..] => (" ipv4", rest),
        ["-6" | "--ipv6", rest @ ..] => (" ipv6", rest),
        rest => ("", rest),
    };
    let [host, options @ ..] = words else { return Err("it names nobody".to_owned()) };
    if let Some(unit) = host.strip_prefix("127.127.") {
        let all: Vec<&str> = options.iter().chain(fudges.get(host).into_iter().flatten()).copied().collect();
        let (kind, unit) = unit.split_once('.').unwrap_or(("", unit));
        return ntp_clocks::clock(out, kind, unit.parse().map_err(|_| "it is no reference clock")?, &all);
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut line = format!("{kind} {host}{family}");
    let mut lost = Vec::new();
    let mut rest = options.iter();
    while let Some(option) = rest.next() {
        match *option {
            "iburst" | "burst" | "prefer" | "noselect" | "xleave" | "nts" => {
                line.push_str(&format!(" {option}"));
            }
            "true" => line.push_str(" trust"),
            "minpoll" | "maxpoll" | "key" | "version" => {
                let value = rest.next().and_then(|value| value.parse::<u32>().ok());
                let value = value.ok_or("an option has no value")?;
                let value = if option.ends_with("poll") { value.min(24) } else { value };
                line.push_str(&format!(" {option} {value}"));
            }
            "bias" => {
                let value = rest.next().and_then(|value| value.parse::<f64>().ok());
                line.push_str(&format!(
                    " offset {}",
                    value.filter(|bias| bias.is_finite()).ok_or("an option has no value")?
                ));
            }
            "ttl" | "mode" | "ca" | "cert" | "ask" | "require" | "aead" | "mintls" | "maxtls" => {
                lost.push(*option);
                lost.extend(rest.next());
            }
            _ => lost.push(option),
        }
    }
    out.say(line);
    without(&lost)
}

fn statistics(out: &mut Translation, kinds: &[&str]) -> Refusal {
    let mut lost = Vec::new();
    for kind in kinds {
        match *kind {
            "loopstats" => out.say("log tracking"),
            "peerstats" => out.say("log statistics"),
            "rawstats" => out.say("log measurements"),
            "clockstats" => out.say("log refclocks"),
            _ => lost.push(*kind),
        }
    }
    without(&lost)
}

fn restrict(out: &mut Translation, words: &[&str]) -> Refusal {
    let (family, words) = match words {
        ["-4", rest @ ..] => ("0.0.0.0/0", rest),
        ["-6", rest @ ..] => ("::/0", rest),
        rest => ("", rest),
    };
    let [whom, flags @ ..] = words else { return Err("it names nobody".to_owned()) };
    let (subnet, flags) = match (*whom, flags) {
        ("default", flags) => (family.to_owned(), flags),
        ("source", _) => return Err("sources need no permission to answer".to_owned()),
        (address, ["mask", mask, flags @ ..]) => {
            let ends = (address.parse::<IpAddr>(), mask.parse::<IpAddr>());
            let bits = match ends {
                (Ok(IpAddr::V4(_)), Ok(IpAddr::V4(mask))) => prefix(u128::from(mask.to_bits()) << 96),
                (Ok(IpAddr::V6(_)), Ok(IpAddr::V6(mask))) => prefix(mask.to_bits()),
                _ => None,
            };
            (format!("{address}/{}", bits.ok_or("its mask is no prefix")?), flags)
        }
        (address, flags) => {
            let bare = address.split('/').next().unwrap_or_default();
            bare.parse::<IpAddr>().map_err(|_| "it is no address; name all addresses of this host")?;
            (address.to_owned(), flags)
        }
    };
    // Nobody may change or ask anything from afar here, so these flags are always in force.
    let usual = ["kod", "limited", "nomodify", "noquery", "nopeer", "noepeer", "notrap", "noserve", "ignore"];
    let lost: Vec<&str> = flags.iter().filter(|flag| !usual.contains(flag)).copied().collect();
    // Whom ntpd answers only with a key is not answered without one.
    let refused = flags.iter().any(|flag| matches!(*flag, "ignore" | "noserve" | "notrust"));
    out.say(format!("{} {subnet}", if refused { "deny" } else { "allow" }).trim_end().to_owned());
    if flags.contains(&"limited") {
        out.say("ratelimit");
    }
    without(&lost)
}

/// The length of a mask, if it is that of a prefix.
fn prefix(mask: u128) -> Option<u32> {
    let bits = mask.leading_ones();
    (mask.checked_shl(bits).unwrap_or(0) == 0).then_some(bits)
}

fn interface(out: &mut Translation, action: &str, what: &str) -> Refusal {
    match (action, what.parse::<IpAddr>()) {
        ("listen", Ok(address)) => out.bind(address),
        ("listen", _) if matches!(what, "all" | "wildcard") => Ok(()),
        ("listen", _) if !out.says("binddevice") && !what.contains('/') => {
            out.say(format!("binddevice {what}"));
            Ok(())
        }
        ("ignore" | "drop", _) if matches!(what, "all" | "wildcard") => Ok(()),
        _ => Err("name one address or interface to listen on: bindaddress, binddevice".to_owned()),
    }
}

fn tinker(out: &mut Translation, name: &str, value: Option<f64>) -> bool {
    let Some(value) = value.filter(|value| *value >= 0.0) else { return false };
    match name {
        // Never: so we are.
        "step" | "panic" if value == 0.0 => {}
        "step" => out.say(format!("makestep {value} -1")),
        "panic" => out.say(format!("maxchange {value} 1 0")),
        "dispersion" => out.say(format!("maxclockerror {value}")),
        _ => return false,
    }
    true
}

fn tos(out: &mut Translation, words: &[&str]) -> Refusal {
    let wait = number(words, "orphanwait").filter(|wait| *wait >= 0.0);
    options(words, |name, value| {
        let Some(value) = value.filter(|value| *value >= 0.0) else { return false };
        match name {
            "minsane" if value >= 1.0 => out.say(format!("minsources {}", value.min(64.0) as u32)),
            "orphan" if value >= 1.0 => {
                let wait = wait.map_or_else(String::new, |wait| format!(" waitunsynced {wait}"));
                out.say(format!("local stratum {} orphan{wait}", value.min(15.0) as u32));
            }
            "orphanwait" => return words.contains(&"orphan"),
            "maxdist" if value > 0.0 => out.say(format!("maxdistance {value}")),
            "ceiling" if value >= 1.0 => out.say(format!("maxstratum {}", (value.min(16.0) - 1.0) as u32)),
            "floor" => out.say(format!("minstratum {}", value.min(15.0) as u32)),
            _ => return false,
        }
        true
    })
}

fn nts(out: &mut Translation, words: &[&str]) -> Refusal {
    let mut lost = Vec::new();
    let mut rest = words.iter();
    while let Some(name) = rest.next() {
        let ours = match *name {
            "cert" => "ntsservercert",
            "key" => "ntsserverkey",
            "ca" => "ntstrustedcerts",
            // Whoever has a certificate is a server.
            "enable" => continue,
            "disable" => "",
            _ => {
                lost.push(*name);
                lost.extend(rest.next());
                continue;
            }
        };
        match rest.next().filter(|_| !ours.is_empty()) {
            Some(file) => out.say(format!("{ours} {file}")),
            None => lost.push(name),
        }
    }
    without(&lost)
}
