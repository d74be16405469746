//! Where time comes from: `server`, `pool`, `peer` and what holds for all of them.

use super::prelude::*;
use core::fmt;
use core::net::SocketAddr;

type Opt = OptionDef<SourceConfig>;

/// Options of `server`, `pool` and `peer`.
pub const SOURCE_OPTIONS: &[OptionDef<SourceConfig>] = &[
    Opt::new(
        "asymmetry",
        "RATIO",
        "measured",
        "Asymmetry of the jitter on the path, from -0.5 (all of it on the way there) to 0.5; anything larger means measured.",
        |s, w| w.option_number().map(|v| s.asymmetry = v),
    ),
    Opt::new("auto_offline", FLAG, "off", "The source goes offline when sending a request fails.", |s, _| {
        s.auto_offline = true;
        Ok(())
    }),
    Opt::new(
        "burst",
        FLAG,
        "off",
        "Up to four requests per poll until one good response came, when the poll interval is above minpoll.",
        |s, _| {
            s.burst = true;
            Ok(())
        },
    ),
    Opt::new("certset", "ID", "0", "Set of trusted certificates for NTS, see ntstrustedcerts.", |s, w| {
        w.option_unsigned().map(|v| s.cert_set = v)
    })
    .not_yet(),
    Opt::new(
        "copy",
        FLAG,
        "off",
        "Takes over the stratum and reference identifier of the server; for several servers of one house.",
        |s, _| {
            s.copy = true;
            Ok(())
        },
    ),
    Opt::new(
        "extfield",
        "HEX",
        "none",
        "Extension field to send: F323 asks the server for its root delay and dispersion in nanoseconds; 10A (network correction) is for PTP messages (ptpport); what is answered to it is not applied.",
        |s, w| {
            s.ext_fields |= match w.option_hex()? {
                0xF323 => 1,
                0x10A | 0xF324 => 2,
                other => return Err(WrongKind::Value.hint(format!("{other:X} is neither F323 nor 10A"))),
            };
            Ok(())
        },
    ),
    Opt::new(
        "filter",
        "SAMPLES",
        "0",
        "Combines this many measurements into one by a median filter; 0 is off.",
        |s, w| w.option_int(0, MAX).map(|v| s.filter = v),
    ),
    Opt::new(
        "iburst",
        FLAG,
        "off",
        "The first requests go out two seconds apart, for a quick start.",
        |s, _| {
            s.iburst = true;
            Ok(())
        },
    ),
    Opt::new("ipv4", FLAG, "either", "Uses only IPv4 addresses of the name.", |s, _| {
        s.family = Family::V4;
        Ok(())
    }),
    Opt::new("ipv6", FLAG, "either", "Uses only IPv6 addresses of the name.", |s, _| {
        s.family = Family::V6;
        Ok(())
    }),
    Opt::new("key", "ID", "none", "Authenticates with this key of the key file.", |s, w| {
        match w.option_unsigned()? {
            0 => Err(WrongKind::Value.hint("key numbers are 1 to 4294967295")),
            key => {
                s.key = key;
                Ok(())
            }
        }
    }),
    Opt::new("maxdelay", "SECONDS", "3", "Ignores measurements with a longer round trip.", |s, w| {
        w.option_number().map(|v| s.max_delay = v)
    }),
    Opt::new(
        "maxdelaydevratio",
        "RATIO",
        "10",
        "Ignores measurements whose round trip exceeds the shortest one by more than this many standard deviations.",
        |s, w| w.option_number().map(|v| s.max_delay_dev_ratio = v),
    ),
    Opt::new(
        "maxdelayquant",
        "P",
        "0",
        "Ignores measurements above this quantile of the round trips (0.05 to 0.95), in place of maxdelaydevratio; 0 is off.",
        |s, w| w.option_number().map(|v| s.max_delay_quant = v),
    ),
    Opt::new(
        "maxdelayratio",
        "RATIO",
        "0",
        "Ignores measurements whose round trip is longer than this multiple of the shortest; below 1 is off.",
        |s, w| w.option_number().map(|v| s.max_delay_ratio = v),
    ),
    Opt::new(
        "maxpoll",
        "POLL",
        "10",
        "Longest interval between requests, as a power of two of seconds.",
        |s, w| w.option_int(-32, 32).map(|v| s.maxpoll = v),
    ),
    Opt::new("maxsamples", "SAMPLES", "the directive's", "Most measurements kept of this source.", |s, w| {
        w.option_int(0, MAX).map(|v| s.max_samples = v)
    }),
    Opt::new("maxsources", "N", "4", "How many servers of a pool are used, at most 16.", |s, w| {
        w.option_int(1, MAX).map(|v| s.max_sources = v)
    }),
    Opt::new(
        "maxunreach",
        "POLLS",
        "100000",
        "How many polls an unreachable source may stay selected.",
        |s, w| w.option_int(0, MAX).map(|v| s.max_unreach = v),
    ),
    Opt::new("mindelay", "SECONDS", "measured", "Round trip of an idle path, when it is known.", |s, w| {
        w.option_number().map(|v| s.min_delay = v)
    }),
    Opt::new(
        "minpoll",
        "POLL",
        "6",
        "Shortest interval between requests, as a power of two of seconds.",
        |s, w| w.option_int(i32::MIN, MAX).map(|v| s.minpoll = v),
    ),
    Opt::new(
        "minsamples",
        "SAMPLES",
        "the directive's",
        "Fewest measurements kept of this source.",
        |s, w| w.option_int(0, MAX).map(|v| s.min_samples = v),
    ),
    Opt::new(
        "minstratum",
        "STRATUM",
        "0",
        "Treats the source as if its stratum were at least this.",
        |s, w| w.option_int(0, 16).map(|v| s.min_stratum = v),
    ),
    Opt::new("noselect", FLAG, "off", "Measures the source but never follows it.", |s, _| {
        s.noselect = true;
        Ok(())
    }),
    Opt::new(
        "nts",
        FLAG,
        "off",
        "Authenticates with Network Time Security; the name is that of the key server.",
        |s, _| {
            s.nts = true;
            Ok(())
        },
    )
    .not_yet(),
    Opt::new("ntsport", "PORT", "4460", "TCP port of the key server.", |s, w| {
        w.option_int(0, 65535).map(|v| s.nts_port = v as u16)
    })
    .not_yet(),
    Opt::new("offline", FLAG, "online", "The source waits until it is told to go online.", |s, _| {
        s.online = false;
        Ok(())
    }),
    Opt::new(
        "offset",
        "SECONDS",
        "0",
        "Correction added to every offset measured, for a path whose asymmetry is known.",
        |s, w| w.option_number().map(|v| s.offset = v),
    ),
    Opt::new(
        "polltarget",
        "SAMPLES",
        "8",
        "How many measurements the choice of the poll interval aims at.",
        |s, w| w.option_int(1, MAX).map(|v| s.poll_target = v),
    ),
    Opt::new("port", "PORT", "123", "UDP port of the server.", |s, w| {
        w.option_int(0, 65535).map(|v| s.port = v as u16)
    }),
    Opt::new("prefer", FLAG, "off", "Is preferred to sources without this option.", |s, _| {
        s.prefer = true;
        Ok(())
    }),
    Opt::new(
        "presend",
        "POLL",
        "off",
        "Sends an extra packet two seconds before each measurement from this poll interval on, so that the path is awake; two with xleave.",
        |s, w| w.option_int(-32, 32).map(|v| s.presend = v),
    ),
    Opt::new("require", FLAG, "off", "Nothing is selected unless one such source can be.", |s, _| {
        s.require = true;
        Ok(())
    }),
    Opt::new("trust", FLAG, "off", "Sources that contradict the trusted ones are not believed.", |s, _| {
        s.trust = true;
        Ok(())
    }),
    Opt::new("version", "N", "chosen", "Version of the protocol, 1 to 4.", |s, w| {
        w.option_int(1, 4).map(|v| s.version = v as u8)
    }),
    Opt::new(
        "xleave",
        FLAG,
        "off",
        "Asks for interleaved mode: each answer tells when the one before really left, so that its exchange is known exactly. Servers that cannot are used in basic mode; of peers, both need the option.",
        |s, _| {
            s.xleave = true;
            Ok(())
        },
    ),
];

/// Why the words of a source are refused.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceWrong(Wrong);

impl fmt::Display for SourceWrong {
    /// One line: `no name given`, `there is no option "ibrust", did you mean "iburst"?` …
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.hint.as_deref().unwrap_or("usage: NAME [OPTION...]"))
    }
}

impl std::error::Error for SourceWrong {}

/// A source from what follows `server`, `pool` or `peer`: its name and options.
pub fn source_from_words(kind: SourceKind, words: &str) -> Result<SourceConfig, SourceWrong> {
    read_source(kind, &mut Words::new(words)).map(|(source, _)| source).map_err(SourceWrong)
}

/// The words from which [`source_from_words`] makes this source: its name, and every option that is not at its default.
pub fn source_words(source: &SourceConfig) -> String {
    let usual = SourceConfig::new(source.kind, "");
    let mut words = vec![source.name.clone()];
    let mut say = |differs: bool, name: &str, value: &dyn fmt::Display| {
        if differs {
            words.push(format!("{name} {value}").trim_end().to_owned());
        }
    };
    macro_rules! values {
        ($($name:literal $field:ident),*) => {
            $(say(source.$field != usual.$field, $name, &source.$field);)*
        };
    }
    values!("port" port, "minpoll" minpoll, "maxpoll" maxpoll, "key" key, "ntsport" nts_port, "certset" cert_set);
    values!("maxdelay" max_delay, "maxdelayratio" max_delay_ratio, "maxdelaydevratio" max_delay_dev_ratio);
    values!("maxdelayquant" max_delay_quant, "mindelay" min_delay, "asymmetry" asymmetry, "offset" offset);
    values!("minsamples" min_samples, "maxsamples" max_samples, "maxunreach" max_unreach, "filter" filter);
    values!("polltarget" poll_target, "presend" presend, "minstratum" min_stratum, "version" version);
    values!("maxsources" max_sources);
    for (on, name) in [
        (source.iburst, "iburst"),
        (source.burst, "burst"),
        (source.nts, "nts"),
        (!source.online, "offline"),
        (source.auto_offline, "auto_offline"),
        (source.prefer, "prefer"),
        (source.noselect, "noselect"),
        (source.trust, "trust"),
        (source.require, "require"),
        (source.xleave, "xleave"),
        (source.copy, "copy"),
        (source.ext_fields & 1 != 0, "extfield F323"),
        (source.ext_fields & 2 != 0, "extfield 10A"),
        (source.family == Family::V4, "ipv4"),
        (source.family == Family::V6, "ipv6"),
    ] {
        say(on, name, &"");
    }
    words.join(" ")
}

fn read_source(kind: SourceKind, words: &mut Words<'_>) -> Result<(SourceConfig, Vec<&'static str>), Wrong> {
    let name = words.next_word().ok_or_else(|| WrongKind::Syntax.hint("no name or address is given"))?;
    let mut source = SourceConfig::new(kind, name);
    let without_effect = read_options(&mut source, words, SOURCE_OPTIONS)?;
    Ok((source, without_effect))
}

fn add_source(kind: SourceKind, config: &mut Config, words: &mut Words<'_>) -> Result<(), Wrong> {
    let (source, without_effect) = read_source(kind, words)?;
    if !without_effect.is_empty() {
        // The engine refuses what it cannot verify: such a source never falls back to plain NTP.
        let refused = if source.nts { "; unauthenticated, the source is not used" } else { "" };
        let names = without_effect.join(", ");
        words.notes.push(format!("{names} of {} has no effect yet{refused}", source.name));
    }
    config.sources.push(source);
    Ok(())
}

pub(super) const DIRECTIVES: &[Directive] = &[
    Directive::new(
        "acquisitionport",
        "PORT",
        "a new random port for each request",
        "Local UDP port of all requests to servers. 0 is one random port for all of them; the port of the directive port shares the server's socket.",
        Exactly(1),
        |c, w| port(w).map(|v| c.client.acquisition_port = Some(v)),
    ),
    Directive::new(
        "bindacqaddress",
        "ADDRESS",
        "any",
        "Local address of requests to servers; one of each family, the last one named holds.",
        Exactly(1),
        |c, w| {
            let address = address(w)?;
            c.client.bind.retain(|old| old.is_ipv4() != address.is_ipv4());
            c.client.bind.push(SocketAddr::new(address, 0));
            Ok(())
        },
    ),
    Directive::new(
        "bindacqdevice",
        "INTERFACE",
        "any",
        "Requests to servers leave by this network interface only.",
        Exactly(1),
        |c, w| w.word().map(|v| c.client.device = Some(v.to_owned())),
    ),
    Directive::new(
        "dscp",
        "POINT",
        "0",
        "Differentiated services code point (0 to 63) of the NTP packets sent.",
        Exactly(1),
        |c, w| w.int(0, 63).map(|v| c.server.dscp = v as u8),
    ),
    Directive::new(
        "dumpdir",
        "FOLDER",
        "measurements are not kept",
        "Folder in which the measurements of each source are kept over a restart (see the option -r). It is made if it does not exist.",
        Exactly(1),
        |c, w| path(w).map(|v| c.process.dump_dir = Some(v)),
    ),
    Directive::new(
        "initstepslew",
        "THRESHOLD [HOST...]",
        "off",
        "Measures the hosts once at the start and steps the clock if it is wrong by THRESHOLD seconds or more. Better use makestep and iburst.",
        Own,
        |c, w| {
            if w.is_empty() {
                return Err(WrongKind::Unparsable.into());
            }
            let threshold = w.number()?;
            let hosts = core::iter::from_fn(|| w.next_word()).map(str::to_owned).collect();
            c.clock.initial_step = Some((threshold, hosts));
            Ok(())
        },
    ),
    Directive::new(
        "manual",
        "",
        "off",
        "Allows the time to be typed in with the command settime.",
        Exactly(0),
        |c, _| {
            c.clock.manual = true;
            Ok(())
        },
    ),
    Directive::new(
        "maxsamples",
        "SAMPLES",
        "0",
        "Most measurements kept of a source, where its line says nothing else; 0 is no limit.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.selection.max_samples = v),
    ),
    Directive::new(
        "minsamples",
        "SAMPLES",
        "6",
        "Fewest measurements kept of a source, where its line says nothing else.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.selection.min_samples = v),
    ),
    Directive::new(
        "peer",
        "NAME [OPTION...]",
        "",
        "A host with which time is exchanged in both directions (symmetric mode). Takes the options of server.",
        Own,
        |c, w| add_source(SourceKind::Peer, c, w),
    ),
    Directive::new(
        "pool",
        "NAME [OPTION...]",
        "",
        "A name behind which there are many servers; maxsources of them are used, and those that fail are replaced. Takes the options of server.",
        Own,
        |c, w| add_source(SourceKind::Pool, c, w),
    ),
    Directive::new(
        "refclock",
        "DRIVER PARAMETER[:OPTION...] [OPTION...]",
        "",
        "A reference clock at this machine: PPS DEVICE[:clear] (pulses), SHM UNIT[:perm=OCTAL] (shared memory, as gpsd writes it), SOCK PATH (datagrams), PHC DEVICE|INTERFACE[:nocrossts][:extpps][:pin=N][:channel=N][:clear] (the clock of a network card, or pulses that it stamps), RTC DEVICE[:utc] (the clock on the board). Pulses need another source, or lock, that knows the second.",
        Own,
        super::refclock::add,
    ),
    Directive::new(
        "refresh",
        "SECONDS",
        "1209600 (14 days)",
        "How often the names of servers are looked up again, at least this far apart; 0 is never.",
        Exactly(1),
        |c, w| w.int(0, MAX).map(|v| c.client.refresh = f64::from(v)),
    ),
    Directive::new(
        "server",
        "NAME [OPTION...]",
        "",
        "An NTP server to take time from. The options are listed below.",
        Own,
        |c, w| add_source(SourceKind::Server, c, w),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_options_are_documented_and_in_order() {
        assert!(SOURCE_OPTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(SOURCE_OPTIONS.iter().all(|o| o.doc.ends_with('.') && !o.default.is_empty()));
    }

    #[test]
    fn a_source_has_what_its_line_says() {
        let source = source_from_words(
            SourceKind::Pool,
            "pool.example.net IBURST minpoll 5 maxpoll 12 maxsources 6 ipv6 ipv4 offset -1e-3 key -1 xleave nts extfield F323 \
             extfield 10a offline version 3 presend 9",
        )
        .expect("all of it is right");
        let expected = SourceConfig {
            iburst: true,
            minpoll: 5,
            maxpoll: 12,
            max_sources: 6,
            family: Family::V4,
            offset: -1e-3,
            key: u32::MAX,
            xleave: true,
            nts: true,
            ext_fields: 3,
            online: false,
            version: 3,
            presend: 9,
            ..SourceConfig::new(SourceKind::Pool, "pool.example.net")
        };
        assert_eq!(source, expected);
        assert!(source.is_authenticated());
    }

    #[test]
    fn mistakes_are_named() {
        let wrong = |words| source_from_words(SourceKind::Server, words).unwrap_err().to_string();
        assert_eq!(wrong(""), "no name or address is given");
        assert_eq!(wrong("a ibrust"), "there is no option \"ibrust\", did you mean \"iburst\"?");
        assert_eq!(wrong("a key 0"), "option key ID: key numbers are 1 to 4294967295");
        assert_eq!(wrong("a minpoll 1.5"), "there is no option \".5\"");
        assert_eq!(wrong("a maxpoll 50"), "option maxpoll POLL: 50 is not between -32 and 32");
        assert_eq!(wrong("a maxsources 0"), "option maxsources N: 0 is less than 1");
        assert_eq!(wrong("a port x"), "option port PORT: \"x\" is not a number");
        assert_eq!(wrong("a offset"), "option offset SECONDS: its value is missing");
    }

    #[test]
    fn a_source_is_written_as_it_is_read() {
        for option in SOURCE_OPTIONS {
            let value = match option.usage {
                "" => "",
                "HEX" => "10A",
                "RATIO" | "P" => "0.25",
                "SECONDS" => "0.001",
                _ => "3",
            };
            let words = format!("a {} {value}", option.name).trim_end().to_owned();
            let source = source_from_words(SourceKind::Server, &words).expect(option.name);
            assert_ne!(source, SourceConfig::new(SourceKind::Server, "a"), "{words}: no effect");
            assert_eq!(source_words(&source), words);
        }
    }

    proptest! {
        #[test]
        fn any_words_are_refused_or_read(words in "(([a-z]{1,9}|-?[0-9.]{1,12}|minpoll|maxpoll|offset|key|port) ?){0,8}") {
            if let Ok(source) = source_from_words(SourceKind::Server, &words) {
                prop_assert!(source.offset.is_finite() && (-32..=32).contains(&source.maxpoll));
            }
        }
    }
}
