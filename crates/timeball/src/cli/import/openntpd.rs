//! openntpd.conf (ntpd.conf of OpenBSD).

use super::{Refusal, Translation, without};
use std::net::IpAddr;

/// What `name`, a file of openntpd's, says, in our language.
pub fn translate(name: &str, text: &str) -> Translation {
    let mut out = Translation::default();
    out.remark(&format!("From {name} of openntpd."));
    let everywhere = text.lines().any(|line| line.split_whitespace().take(3).eq(["listen", "on", "*"]));
    for (index, line) in text.lines().enumerate() {
        let bare = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = bare.split_whitespace().map(|word| word.trim_matches('"')).collect();
        let done = match words.as_slice() {
            ["listen", "on", address] if everywhere && address.parse::<IpAddr>().is_ok() => Ok(()),
            words => one(&mut out, words),
        };
        if let Err(why) = done {
            out.refuse(index + 1, line, &why);
        }
    }
    if everywhere {
        out.lines.retain(|line| !line.starts_with("bindaddress "));
    }
    out.remark("openntpd steps at the start (option -s) only:");
    out.say("makestep 1 3");
    out.say("rtcsync");
    out
}

fn one(out: &mut Translation, words: &[&str]) -> Refusal {
    let refused = match words {
        [] => return Ok(()),
        [kind @ ("server" | "servers"), host, options @ ..] => {
            let kind = if *kind == "server" { "server" } else { "pool" };
            let trust = if options.contains(&"trusted") { " trust" } else { "" };
            out.say(format!("{kind} {host} iburst{trust}"));
            let lost: Vec<&str> = options.iter().filter(|word| **word != "trusted").copied().collect();
            return without(&lost);
        }
        ["listen", "on", "*", rest @ ..] => {
            out.say("allow");
            return without(rest);
        }
        ["listen", "on", address, rest @ ..] => match address.parse::<IpAddr>() {
            Ok(address) => {
                out.say("allow");
                out.bind(address)?;
                return without(rest);
            }
            Err(_) => "give the address of this host",
        },
        ["query", "from", address] => match address.parse::<IpAddr>() {
            Ok(address) => {
                out.say(format!("bindacqaddress {address}"));
                return Ok(());
            }
            Err(_) => "it is no address",
        },
        ["sensor", ..] => {
            "the kernel here has no sensors; a receiver is read by gpsd, and named with refclock SHM, SOCK or PPS, with refid and offset"
        }
        ["constraint" | "constraints", ..] => {
            "times of web servers are not asked; several sources keep each other honest"
        }
        _ => "it is not known here",
    };
    Err(refused.to_owned())
}
