//! Serving time to others.

use super::access::add_rule;
use super::prelude::*;

/// Options of `local`.
pub(super) const LOCAL_OPTIONS: &[OptionDef<LocalConfig>] = &[
    OptionDef::new(
        "activate",
        "SECONDS",
        "0",
        "Root distance that must have been reached once before.",
        |l, w| w.option_number().map(|v| l.activate = v),
    ),
    OptionDef::new(
        "distance",
        "SECONDS",
        "1",
        "Root distance of the clock from which on it is used.",
        |l, w| w.option_number().map(|v| l.distance = v),
    ),
    OptionDef::new("orphan", FLAG, "off", "Servers with the same stratum follow one of them.", |l, _| {
        l.orphan = true;
        Ok(())
    }),
    OptionDef::new("stratum", "STRATUM", "10", "Stratum that is served, 1 to 15.", |l, w| {
        w.option_int(1, 15).map(|v| l.stratum = v as u8)
    }),
    OptionDef::new("waitsynced", "SECONDS", "0", "Wait since the last update of the clock.", |l, w| {
        w.option_number().map(|v| l.wait_synced = v)
    }),
    OptionDef::new(
        "waitunsynced",
        "SECONDS",
        "0, with orphan 300",
        "Wait while never synchronised.",
        |l, w| w.option_number().map(|v| l.wait_unsynced = v),
    ),
];

/// Seconds an orphan waits for the others before it declares itself the reference.
const ORPHAN_WAIT: f64 = 300.0;

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "allow",
        "[all] [SUBNET|HOST]",
        "nobody is served",
        "Serves time to these addresses; without argument to all. The longest matching prefix of all allow and deny lines decides; with all, what was said about parts of the subnet before is forgotten.",
        Own,
        |c, w| add_rule(&mut c.server.access, &mut c.server.access_names, true, w),
    ),
    Directive::new(
        "bindaddress",
        "ADDRESS",
        "any",
        "Local address at which requests are received; one of each family, the last one named holds.",
        Exactly(1),
        |c, w| address(w).map(|v| set_of_family(&mut c.server.bind, v)),
    ),
    Directive::new(
        "binddevice",
        "INTERFACE",
        "any",
        "Requests are received by this network interface only.",
        Exactly(1),
        |c, w| w.word().map(|v| c.server.device = Some(v.to_owned())),
    ),
    Directive::new(
        "broadcast",
        "INTERVAL ADDRESS [PORT]",
        "none; port 123",
        "Sends the time to this broadcast address every INTERVAL seconds.",
        Own,
        broadcast,
    ),
    Directive::new(
        "clientloglimit",
        "BYTES",
        "524288; as timeball by the free memory",
        "Memory for what is remembered of clients (their number of requests, interleaved mode, rate limits): 55 bytes for each. It is taken at the start and never grows; when it is full, the client silent for longest is forgotten. All serving threads together have so much. Without it, Timeball takes the 32nd part of the memory that is free at the start, 512 KiB to 64 MiB.",
        Exactly(1),
        |c, w| {
            let word = w.word()?;
            let value = word.bytes().skip_while(|b| b"+-".contains(b)).take_while(u8::is_ascii_digit);
            let (digits, total) = value.fold((0, 0u64), |(n, total), digit| {
                (n + 1, total.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
            });
            if digits == 0 {
                return Err(WrongKind::Unparsable.hint(format!("\"{word}\" is not a number")));
            }
            // A negative number is an enormous one to chrony: no limit.
            c.server.client_log_limit = if word.starts_with('-') { u64::MAX } else { total };
            c.server.client_log_set = true;
            Ok(())
        },
    ),
    Directive::new(
        "clientprefix",
        "BITS",
        "64",
        "Length of the IPv6 prefixes that are one client for the rate limit and in reports, 32 to 128: whoever has a prefix has more addresses than any table can remember. 128 is chronyd's way.",
        Exactly(1),
        |c, w| w.int(32, 128).map(|v| c.server.client_prefix = v as u8),
    ),
    Directive::new(
        "deny",
        "[all] [SUBNET|HOST]",
        "",
        "Refuses time to these addresses, see allow.",
        Own,
        |c, w| add_rule(&mut c.server.access, &mut c.server.access_names, false, w),
    ),
    Directive::new(
        "local",
        "[stratum STRATUM] [orphan] [distance SECONDS] [activate SECONDS] [waitsynced SECONDS] [waitunsynced SECONDS]",
        "off; stratum 10, distance 1",
        "Serves the time of this machine's clock even when it is not synchronised.",
        Own,
        |c, w| {
            let mut local = LocalConfig { wait_unsynced: f64::NAN, ..LocalConfig::default() };
            read_options(&mut local, w, LOCAL_OPTIONS)?;
            if local.wait_unsynced.is_nan() {
                local.wait_unsynced = if local.orphan { ORPHAN_WAIT } else { 0.0 };
            }
            c.server.local = Some(local);
            Ok(())
        },
    ),
    Directive::new(
        "noclientlog",
        "",
        "clients are remembered",
        "Nothing is remembered of clients: no reports on them, no interleaved mode, no rate limits.",
        Exactly(0),
        |c, _| {
            c.server.no_client_log = true;
            Ok(())
        },
    ),
    Directive::new(
        "ntpsigndsocket",
        "FOLDER",
        "off",
        "Folder of the socket at which Samba signs responses for Windows clients.",
        Exactly(1),
        |c, w| path(w).map(|v| c.server.signd_dir = Some(v)),
    )
    .not_yet(),
    Directive::new(
        "port",
        "PORT",
        "123",
        "UDP port at which time is served; 0 serves nobody.",
        Exactly(1),
        |c, w| {
            c.server.port = port(w)?;
            c.server.port_set = true;
            Ok(())
        },
    ),
    Directive::new(
        "ratelimit",
        "[interval POLL] [burst N] [leak POLL] [kod POLL] | auto",
        "off; 3, 8, 2, 0",
        "Limits how often one address is answered: one request in 2^interval seconds in the mean, burst of them at once; one in 2^leak of the others is answered all the same, and one in 2^kod of the rest is told to send less. With auto, nobody is limited but whoever sends more than any honest client does (256 requests a second from one kind of source ports), and while there is more to answer than can be, the loudest.",
        Own,
        super::ratelimit::ntp,
    ),
    Directive::new(
        "requestlog",
        "BYTES [FILE]",
        "off; as timeball 262144",
        "Memory for a log of when requests came, from which ratelimit replay tells what another ratelimit would have dropped; 0: none. Requests at a steady pace take 16 bytes, however many they are; where a day does not fit, fewer clients are logged. No addresses are kept. FILE is written every hour and at the end; without it, requests in dumpdir at the end. The next start takes over what is not older than a day.",
        Own,
        |c, w| {
            c.server.request_log = Some(w.int(0, MAX)?.unsigned_abs().into());
            c.server.request_log_file = w.next_word().map(PathBuf::from);
            match w.is_empty() {
                true => Ok(()),
                false => Err(WrongKind::TooMany.into()),
            }
        },
    ),
    Directive::new(
        "trafficlimit",
        "AMOUNT",
        "off",
        "Limits the traffic: 500GB is an amount a calendar month (UTC), requests and replies together, and 2000kbit a rate of replies, each with the headers of IP and UDP; MB, GB, TB, kbit, Mbit, Gbit are known. When the budget is short, whoever asks most loses first; the probes of pool.ntp.org are always answered, so that a budget too small for the quiet clients alone is exceeded. What a month has used is remembered over a restart.",
        Exactly(1),
        super::ratelimit::traffic,
    ),
];

fn broadcast(config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    if !(2..=3).contains(&words.left()) {
        return Err(WrongKind::Unparsable.into());
    }
    let (interval, address) = (words.loose_int()?, address(words)?);
    let port = if words.is_empty() { 123 } else { words.loose_int()? };
    config.server.broadcasts.push(BroadcastConfig { interval, address, port });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(line: &str) -> Result<LocalConfig, Wrong> {
        let mut config = Config::default();
        let Apply::Set(apply) = super::super::find("local").expect("in the table").apply else {
            panic!("local sets");
        };
        apply(&mut config, &mut Words::new(line))?;
        Ok(config.server.local.expect("set"))
    }

    #[test]
    fn local_forgets_what_an_earlier_line_said() {
        assert_eq!(local(""), Ok(LocalConfig::default()));
        let orphan = local("STRATUM 5 Orphan distance 0.5").expect("right");
        assert_eq!(
            (orphan.stratum, orphan.orphan, orphan.distance, orphan.wait_unsynced),
            (5, true, 0.5, 300.0)
        );
        assert_eq!(local("waitunsynced 7 orphan").map(|l| l.wait_unsynced), Ok(7.0));
        assert_eq!(local("stratum 0").unwrap_err().kind, WrongKind::Value);
        assert_eq!(local("stratum 5x").unwrap_err().kind, WrongKind::Option);
    }
}
