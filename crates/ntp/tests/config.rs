//! The configuration as an operator meets it: files that include files, mistakes, and what is found in the wild.

use ntp::config::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Files in memory.
struct Files(BTreeMap<String, String>);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

impl Loader for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.get(path).cloned().ok_or_else(|| "No such file or directory".to_owned())
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let prefix = format!("{}/", folder.trim_end_matches('/'));
        let inside = self.0.keys().filter_map(|path| path.strip_prefix(&prefix)?.split('/').next());
        let names: BTreeSet<String> = inside.map(str::to_owned).collect();
        if names.is_empty() {
            Err("No such file or directory".into())
        } else {
            Ok(names.into_iter().collect())
        }
    }
}

fn read(text: &str) -> Result<Parsed, Vec<ConfigError>> {
    parse(text, "/etc/timeball.conf", &Files::new(&[])).map_err(|refused| refused.errors)
}

fn good(text: &str) -> Parsed {
    read(text).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

/// The first error, whole.
fn wrong(text: &str) -> String {
    read(text).expect_err(text)[0].to_string()
}

#[test]
fn errors_speak_chronys_language_and_say_what_to_do() {
    for (text, expected) in [
        (
            "mkaestep 1 3",
            "Invalid directive mkaestep at line 1 in file /etc/timeball.conf: did you mean \"makestep\"?",
        ),
        (
            "\n\nfrobnicate",
            "Invalid directive frobnicate at line 3 in file /etc/timeball.conf: there is no such directive",
        ),
        (
            "makestep 1",
            "Missing arguments for makestep directive at line 1 in file /etc/timeball.conf: usage: makestep THRESHOLD LIMIT",
        ),
        (
            "makestep 1 2 3",
            "Too many arguments for makestep directive at line 1 in file /etc/timeball.conf: usage: makestep THRESHOLD LIMIT",
        ),
        (
            "rtcsync # comment",
            "Too many arguments for rtcsync directive at line 1 in file /etc/timeball.conf: usage: rtcsync, without arguments",
        ),
        (
            "makestep x 3",
            "Could not parse makestep directive at line 1 in file /etc/timeball.conf: \"x\" is not a number",
        ),
        (
            "maxdistance nan",
            "Could not parse maxdistance directive at line 1 in file /etc/timeball.conf: \"nan\" is not a number",
        ),
        (
            "port 99999",
            "Invalid value 99999 in port directive (min 0, max 65535) at line 1 in file /etc/timeball.conf: usage: port PORT",
        ),
        (
            "minsources 0",
            "Invalid value 0 in minsources directive (min 1, max 2147483647) at line 1 in file /etc/timeball.conf: usage: minsources SOURCES",
        ),
        (
            "dscp 64",
            "Invalid value 64 in dscp directive (min 0, max 63) at line 1 in file /etc/timeball.conf: usage: dscp POINT",
        ),
        (
            "port 12x",
            "Could not parse port directive at line 1 in file /etc/timeball.conf: \"12x\" is not a whole number in decimal",
        ),
        (
            "server",
            "Invalid syntax for server directive at line 1 in file /etc/timeball.conf: no name or address is given",
        ),
        (
            "server a ibrust",
            "Invalid option in server directive at line 1 in file /etc/timeball.conf: there is no option \"ibrust\", did you mean \"iburst\"?",
        ),
        (
            "pool a minpoll 1.5",
            "Invalid option in pool directive at line 1 in file /etc/timeball.conf: there is no option \".5\"",
        ),
        (
            "peer a version 9",
            "Invalid value in peer directive at line 1 in file /etc/timeball.conf: option version N: 9 is not between 1 and 4",
        ),
        (
            "refclock PPS",
            "Could not parse refclock directive at line 1 in file /etc/timeball.conf: usage: refclock DRIVER PARAMETER[:OPTION...] [OPTION...]",
        ),
        (
            "refclock SHM 0 refid LONGER",
            "Invalid value in refclock directive at line 1 in file /etc/timeball.conf: option refid REFID: \"LONGER\" has more than four characters",
        ),
        (
            "local stratum 16",
            "Invalid value in local directive at line 1 in file /etc/timeball.conf: option stratum STRATUM: 16 is not between 1 and 15",
        ),
        (
            "log Tracking",
            "Invalid log parameter at line 1 in file /etc/timeball.conf: \"Tracking\" is none of measurements, rawmeasurements, refclocks, rtc, selection, statistics, tempcomp, tracking",
        ),
        (
            "leapsecmode jump",
            "Could not parse leapsecmode directive at line 1 in file /etc/timeball.conf: \"jump\" is none of system, step, slew, ignore",
        ),
        (
            "allow 10.0.0.0/x",
            "Could not parse allow directive at line 1 in file /etc/timeball.conf: \"10.0.0.0/x\" is neither a subnet such as 192.0.2.0/24 or 2001:db8::/32 nor a host name",
        ),
        (
            "bindaddress here",
            "Could not parse bindaddress directive at line 1 in file /etc/timeball.conf: \"here\" is not an IP address",
        ),
        (
            "ratelimit interval",
            "Could not parse ratelimit directive at line 1 in file /etc/timeball.conf: its value is missing",
        ),
        (
            "cmdratelimit kod 1",
            "Could not parse cmdratelimit directive at line 1 in file /etc/timeball.conf: there is no option \"kod\"",
        ),
        (
            "hwtimestamp eth0 rxfilter x",
            "Could not parse hwtimestamp directive at line 1 in file /etc/timeball.conf: \"x\" is none of all, ntp, ptp, none",
        ),
        (
            "confdir",
            "Could not parse confdir directive at line 1 in file /etc/timeball.conf: one to 10 folders",
        ),
        (
            "include /nowhere",
            "Could not open /nowhere : No such file or directory: included at line 1 in file /etc/timeball.conf",
        ),
        (
            "include /nowhere/*",
            "Could not search for files matching /nowhere/*: No such file or directory, included at line 1 in file /etc/timeball.conf",
        ),
    ] {
        assert_eq!(wrong(text), expected);
    }
    assert_eq!(
        wrong(&format!("# {}", "x".repeat(2045))),
        "String too long at line 1 in file /etc/timeball.conf: a line has at most 2046 characters"
    );
    assert!(read(&format!("# {}", "x".repeat(2044))).is_ok());
    assert!(!wrong("\u{1b}[2J").contains('\u{1b}'), "what a terminal would obey is not repeated");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = read("port x\nmakestep 1 3\nsever a\nserver b foo\n").unwrap_err();
    let lines: Vec<usize> = errors.iter().filter_map(|e| e.origin.as_ref()).map(|o| o.line).collect();
    assert_eq!(lines, [1, 3, 4]);
    assert_eq!(read(&"junk\n".repeat(10_000)).unwrap_err().len(), 50, "but not without end");
}

#[test]
fn arguments_of_the_command_line_are_lines_without_a_file() {
    let files = Files::new(&[("/a.conf", "port x")]);
    let parsed = parse_lines(&["server a  iburst", "# nothing", "", "port 1123"], &files).expect("right");
    assert_eq!(parsed.lines, ["server a iburst", "port 1123"]);
    assert_eq!((parsed.config.server.port, parsed.config.server.port_set), (1123, true));
    let errors = parse_lines(&["port 5", "", "foo", "include /a.conf"], &files).unwrap_err().errors;
    assert_eq!(errors[0].message, "Invalid directive foo at line 3");
    assert_eq!(errors[1].message, "Could not parse port directive at line 1 in file /a.conf");
    let warned = parse_lines(&["nosystemcert"], &files).expect("right").warnings;
    assert_eq!(warned[0].to_string(), "argument 1: nosystemcert has no effect yet");
}

#[test]
fn what_has_no_effect_gives_one_warning_a_line() {
    for (text, expected) in [
        ("nosystemcert", "/etc/timeball.conf:1: nosystemcert has no effect yet"),
        ("logchange 0.1ms", "/etc/timeball.conf:1: \"0.1ms\" is read as 0.1, \"ms\" is ignored"),
        (
            "server a nts certset 3 iburst",
            "/etc/timeball.conf:1: nts, certset of a has no effect yet; unauthenticated, the source is not used",
        ),
        ("linux_hz 100", "/etc/timeball.conf:1: linux_hz directive is no longer supported"),
    ] {
        let warnings: Vec<String> = good(text).warnings.iter().map(Warning::to_string).collect();
        assert_eq!(warnings, [expected]);
    }
    for text in [
        "dumponexit really",
        "server a iburst xleave",
        "log tracking",
        "! hi",
        "  ; hi\r",
        "% hi",
        "#",
        "",
        "\t \r",
    ] {
        assert_eq!(good(text).warnings, [], "{text}");
    }
}

#[test]
fn numbers_become_si_units() {
    let text = "maxslewrate 500\nmaxupdateskew -100.0\nmaxclockerror 2\nmaxdrift 1000\nmakestep 0.5 -1\nmaxchange 1 2 -1\n\
                driftfile /d interval 7200\nlogchange 0.1\nrefresh 60\nclientloglimit -1";
    let config = good(text).config;
    let near = |a: f64, b: f64| (a - b).abs() < 1e-15;
    assert!(near(config.clock.max_slew_rate, 500e-6) && near(config.clock.max_update_skew, 100e-6));
    assert!(near(config.clock.max_clock_error, 2e-6) && near(config.clock.max_drift, 1e-3));
    assert_eq!((config.clock.makestep, config.clock.maxchange), (Some((0.5, -1)), Some((1.0, 2, -1))));
    assert_eq!((config.clock.drift_file, config.clock.drift_interval), (Some(PathBuf::from("/d")), 7200.0));
    assert_eq!((config.clock.log_change, config.client.refresh), (0.1, 60.0));
    assert_eq!(config.server.client_log_limit, u64::MAX);
}

#[test]
fn the_last_line_wins_or_lines_add_up() {
    let config = good(
        "server a\nserver b\nport 1\nport 2\nbindaddress 192.0.2.1\nbindaddress ::1\nbindaddress 192.0.2.2\n\
         bindcmdaddress /run/x\nbindcmdaddress 0.0.0.0\nbindcmdaddress /\nlocal stratum 5 orphan\nlocal\n\
         opencommands Tracking SOURCES tracking\nlog tracking\nlog statistics\npidfile /x\npidfile /\nsourcedir /a /b\nsourcedir /c\n\
         leapsecmode STEP\nauthselectmode Ignore",
    )
    .config;
    assert_eq!(config.sources.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(config.server.port, 2);
    assert_eq!(config.server.bind.iter().map(ToString::to_string).collect::<Vec<_>>(), ["::1", "192.0.2.2"]);
    assert_eq!(config.control.bind.iter().map(ToString::to_string).collect::<Vec<_>>(), ["::1", "0.0.0.0"]);
    assert_eq!((config.control.socket, config.process.pid_file), (Some(None), Some(None)));
    assert_eq!(config.server.local, Some(LocalConfig::default()));
    assert_eq!(config.control.open, [OpenCommand::Tracking, OpenCommand::Sources]);
    assert!(config.log.tracking && config.log.statistics && !config.log.measurements);
    assert_eq!(config.source_dirs, [PathBuf::from("/a"), "/b".into(), "/c".into()]);
    assert_eq!(
        (config.clock.leap_mode, config.selection.auth_mode),
        (LeapMode::Step, AuthSelectMode::Ignore)
    );
}

#[test]
fn included_files_stand_in_place_of_their_line() {
    let files = Files::new(&[
        ("/c/a.conf", "port 1\nbad"),
        ("/c/b.conf", "port 2"),
        ("/c/.hidden.conf", "junk"),
        ("/c/b.conf~", "junk"),
        ("/d/b.conf", "junk"),
        ("/d/B.conf", "port 3"),
        ("/d/z.txt", "junk"),
    ]);
    let lines =
        |text: &str| parse(text, "main", &files).map(|p| p.lines).map_err(|e| e.errors[0].to_string());
    assert_eq!(
        lines("port 9\nconfdir /c /d /missing\nport 8").unwrap_err(),
        "Invalid directive bad at line 2 in file /c/a.conf: there is no such directive"
    );
    assert_eq!(
        lines("port 9\ninclude /[cd]/[bB].conf\nport 8").unwrap_err().split(" at").next(),
        Some("Invalid directive junk")
    );
    assert_eq!(lines("port 9\ninclude /?/B.conf\nport   8").unwrap(), ["port 9", "port 3", "port 8"]);
    assert_eq!(lines("include /c/*.nothing"), Ok(vec![]), "a pattern need not match");
    let files = Files::new(&[
        ("/c/b.conf", "port 2"),
        ("/d/b.conf", "junk"),
        ("/d/B.conf", "port 3"),
        ("/d/.conf", "junk"),
    ]);
    let parsed = parse("confdir /c/ /d", "main", &files).expect("right");
    assert_eq!(parsed.lines, ["port 3", "port 2"], "in the byte order of names, each name once");
}

#[test]
fn included_files_nest_ten_deep() {
    let chain = |depth: usize| {
        let files: Vec<(String, String)> =
            (2..=depth).map(|n| (format!("/{n}"), format!("include /{}", n + 1))).collect();
        let mut files = Files(files.into_iter().collect());
        files.0.insert(format!("/{}", depth + 1), "port 1".into());
        parse("include /2", "/1", &files).map(|p| p.config.server.port)
    };
    assert_eq!(chain(9), Ok(1));
    assert_eq!(chain(10).unwrap_err().errors[0].message, "Maximum include level reached");
    let own = Files::new(&[("/a", &"include /a\n".repeat(100))]);
    assert_eq!(parse("include /a", "/main", &own).unwrap_err().errors.len(), 1, "a loop ends at once");
    let wide: Vec<(String, String)> =
        (1..9).map(|n| (format!("/{n}"), format!("include /{}\n", n + 1).repeat(100))).collect();
    let mut wide = Files(wide.into_iter().collect());
    wide.0.insert("/9".into(), String::new());
    assert_eq!(parse("include /1", "/main", &wide).unwrap_err().errors[0].message, "Too many files");
}

/// Configurations that machines have today. `warned` directives have no effect yet.
const IN_THE_WILD: &[(&str, &str, usize)] = &[
    (
        "upstream's example",
        "pool pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n#hwtimestamp *\n#minsources 2\n\
         #allow 192.168.0.0/16\n#local stratum 10\n#authselectmode require\n#keyfile /etc/chrony.keys\n\
         ntsdumpdir /var/lib/chrony\n#leapseclist /usr/share/zoneinfo/leap-seconds.list\n#leapsecmode slew\n\
         logdir /var/log/chrony\n#log measurements statistics tracking\n",
        1,
    ),
    (
        "OpenWrt",
        "# Load UCI configuration\nconfdir /var/etc/chrony.d\n\n# Load NTP servers from DHCP if enabled in UCI\n\
         sourcedir /var/run/chrony-dhcp\n\n# Log clock errors above 0.5 seconds\nlogchange 0.5\n\n# Don't log client accesses\n\
         noclientlog\n\n# set the system clock else the kernel will always stay in UNSYNC state\nrtcsync\n\n\
         # Record the rate at which the system clock gains/losses time\ndriftfile /var/run/chrony/drift\n\n\
         # Save NTS keys and cookies\nntsdumpdir /var/run/chrony\n",
        1,
    ),
    (
        "OpenWrt's generated part",
        "pool 2.openwrt.pool.ntp.org maxpoll 12 iburst\nserver ntp.example.net minpoll 4 iburst nts prefer xleave\n\
         peer 192.0.2.7\nallow 192.168.1.0/24\nallow fd00:1234:5678::/60\nmakestep 1.0 3\nnocerttimecheck 1\nnosystemcert\n\
         ntstrustedcerts /etc/ssl/ntp.pem\nsmoothtime 400 0.01\nclockprecision 1e-7\nleapsecmode slew\nlogchange 0.5\n\
         refclock SHM 0 refid NMEA offset 0.1 delay 0.2 noselect\nrefclock PPS /dev/pps0 lock NMEA refid GPS prefer stratum 0 poll 3\n\
         refclock PHC /dev/ptp0 refid PHC\n",
        4,
    ),
    (
        "Debian",
        "confdir /etc/chrony/conf.d\n\npool 2.debian.pool.ntp.org iburst\n\nsourcedir /run/chrony-dhcp\nsourcedir /etc/chrony/sources.d\n\n\
         keyfile /etc/chrony/chrony.keys\ndriftfile /var/lib/chrony/chrony.drift\nntsdumpdir /var/lib/chrony\n\
         #log tracking measurements statistics\nlogdir /var/log/chrony\nmaxupdateskew 100.0\nrtcsync\nmakestep 1 3\nleapsectz right/UTC\n",
        1,
    ),
    (
        "Ubuntu",
        "confdir /etc/chrony/conf.d\npool 1.ntp.ubuntu.com iburst maxsources 1 nts prefer\npool ntp-bootstrap.ubuntu.com iburst maxsources 1 nts certset 1\n\
         ntstrustedcerts 1 /etc/ssl/certs/nts-bootstrap-ubuntu.crt\nsourcedir /run/chrony-dhcp\nsourcedir /etc/chrony/sources.d\n\
         keyfile /etc/chrony/chrony.keys\ndriftfile /var/lib/chrony/chrony.drift\nntsdumpdir /var/lib/chrony\nlogdir /var/log/chrony\n\
         maxupdateskew 100.0\nrtcsync\nmakestep 1 3\nleapseclist /usr/share/zoneinfo/leap-seconds.list\n",
        4,
    ),
    (
        "Fedora and RHEL",
        "pool 2.fedora.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n\
         keyfile /etc/chrony.keys\nntsdumpdir /var/lib/chrony\nleapseclist /usr/share/zoneinfo/leap-seconds.list\nlogdir /var/log/chrony\n",
        1,
    ),
    (
        "a public server",
        "server ntp1.example.net iburst\nserver ntp2.example.net iburst\nserver ntp3.example.net iburst\nserver ntp4.example.net iburst\n\
         makestep 1.0 3\nrtcsync\nallow\nclientloglimit 100000000\nleapsectz right/UTC\ndriftfile /var/lib/chrony/drift\n\
         dumpdir /run/chrony\n",
        0,
    ),
];

#[test]
fn configurations_in_the_wild_load() {
    let files = Files::new(&[
        ("/etc/chrony/conf.d/README", "not read"),
        ("/var/etc/chrony.d/10-uci.conf", "port 0\n"),
    ]);
    for (origin, text, warned) in IN_THE_WILD {
        let parsed =
            parse(text, "chrony.conf", &files).unwrap_or_else(|errors| panic!("{origin}: {errors:?}"));
        assert_eq!(parsed.warnings.len(), *warned, "{origin}: {:#?}", parsed.warnings);
        assert_eq!(check(&parsed), [], "{origin}");
        assert!(origin.contains("OpenWrt") || !parsed.config.sources.is_empty());
    }
    let openwrt = parse(IN_THE_WILD[1].1, "chrony.conf", &files).expect("checked above").config;
    assert_eq!((openwrt.server.port, openwrt.server.no_client_log, openwrt.clock.log_change), (0, true, 0.5));
}

/// A line that may or may not be right.
fn any_line() -> impl Strategy<Value = String> {
    let names: Vec<&'static str> = directives::all().map(|d| d.name).chain(["sever", "#"]).collect();
    let word = prop_oneof![
        Just("1".to_owned()),
        Just("0.5".to_owned()),
        Just("-3".to_owned()),
        Just("10.0.0.0/8".to_owned()),
        Just("iburst".to_owned()),
        Just("minpoll".to_owned()),
        Just("all".to_owned()),
        Just("interval".to_owned()),
        Just("stratum".to_owned()),
        Just("/x".to_owned()),
        Just("tracking".to_owned()),
        Just("1.2.3.4".to_owned()),
        Just("mix".to_owned()),
        "[a-z]{1,8}",
        "[0-9.:/e+-]{1,10}",
        "\\PC{1,6}",
    ];
    (prop::sample::select(names), prop::collection::vec(word, 0..5), "[ \t]{0,3}").prop_map(
        |(name, words, blanks)| {
            format!("{blanks}{name} {blanks}{}{blanks}", words.join(&format!(" {blanks}")))
        },
    )
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(\\PC|\n|\t|\r){0,200}") {
        let _ = read(&text);
        let _ = parse_sources_file(&text);
    }

    #[test]
    fn what_was_normalised_means_the_same(lines in prop::collection::vec(any_line(), 0..12)) {
        // Lines that are wrong are left out: the law is about what can be read.
        let text: String = lines.iter().filter(|line| read(line).is_ok()).map(|line| format!("{line}\n")).collect();
        if let Ok(parsed) = read(&text) {
            let again = read(&parsed.lines.join("\n")).expect("it could be read before");
            prop_assert_eq!(&again.config, &parsed.config);
            prop_assert_eq!(&again.lines, &parsed.lines);
            prop_assert_eq!(again.warnings.len(), parsed.warnings.len());
        }
    }
}

#[test]
fn statistics_and_page() {
    let config =
        good("stats interval 60 folder /var/lib/x profile router\nweb public [::]:80 host time.example")
            .config;
    let observe = &config.observe;
    assert_eq!((observe.stats, observe.interval, observe.router), (Some(true), Some(60), true));
    assert_eq!((observe.web, observe.public, observe.listen.len()), (Some(true), true, 1));
    assert_eq!(observe.hosts, ["time.example"]);
    let off = good("stats off\nweb off").config.observe;
    assert_eq!((off.stats, off.web), (Some(false), Some(false)));
    assert_eq!(good("").config.observe, ntp::config::ObserveConfig::default());
}

/// A bound that shrinks while the error grows would be served.
#[test]
fn an_error_is_not_negative() {
    assert_eq!(good("maxclockerror 0").config.clock.max_clock_error, 0.0);
    let errors = read("port 0\nmaxclockerror -5000").unwrap_err();
    assert!(errors.len() == 1 && errors[0].to_string().contains("an error is not negative"), "{errors:?}");
}
