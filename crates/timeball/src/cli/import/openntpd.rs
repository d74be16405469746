//! openntpd.conf (ntpd.conf of OpenBSD).

use super::Translation;
use std::net::IpAddr;

/// What `name`, a file of openntpd's, says, in our language.
pub fn translate(name: &str, text: &str) -> Translation {
    let mut out = Translation::default();
    out.remark(&format!("From {name} of openntpd."));
    for (index, line) in text.lines().enumerate() {
        let bare = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = bare.split_whitespace().map(|word| word.trim_matches('"')).collect();
        if let Err(why) = one(&mut out, &words) {
            out.refuse(index + 1, line, why);
        }
    }
    out.remark("openntpd steps at the start (option -s) only:");
    out.say("makestep 1 3");
    out.say("rtcsync");
    out
}

fn one(out: &mut Translation, words: &[&str]) -> Result<(), &'static str> {
    match words {
        [] => {}
        [kind @ ("server" | "servers"), host, options @ ..] => {
            let kind = if *kind == "server" { "server" } else { "pool" };
            let trust = if options.contains(&"trusted") { " trust" } else { "" };
            out.say(format!("{kind} {host} iburst{trust}"));
            if options.contains(&"weight") {
                return Err("without the weight: sources weigh as much as they are good");
            }
        }
        ["listen", "on", "*", ..] => out.say("allow"),
        ["listen", "on", address, ..] if address.parse::<IpAddr>().is_ok() => {
            out.say("allow");
            out.say(format!("bindaddress {address}"));
        }
        ["query", "from", address] if address.parse::<IpAddr>().is_ok() => {
            out.say(format!("bindacqaddress {address}"));
        }
        ["sensor", ..] => return Err("sensors of OpenBSD are none here; see refclock"),
        ["constraint" | "constraints", ..] => {
            return Err("times of web servers are not asked; several sources keep each other honest");
        }
        _ => return Err("it is not known here"),
    }
    Ok(())
}
