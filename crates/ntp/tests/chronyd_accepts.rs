//! The foreign judge: chronyd itself says which lines are right (`chronyd -p -f FILE` reads and checks a file and
//! does nothing else, without any privilege). We accept and refuse the same ones.

use ntp::config::{Loader, parse};
use std::path::Path;
use std::process::{Command, Stdio};

/// Lines that both must take alike.
const LINES: &[&str] = &[
    "",
    "# comment",
    "   ! comment",
    "; comment",
    "% comment",
    "port 123 # no comment",
    "\\ port 123",
    "PORT 123",
    "port\t123",
    "port",
    "port 1 2",
    "port 0",
    "port 65535",
    "prot 123",
    "makestep 1.0 3",
    "makestep 1.0 3.5",
    "makestep 1.0s 3",
    "makestep .5 -1",
    "makestep 1 x",
    "makestep x 3",
    "makestep 1",
    "makestep 1 2 3",
    "maxchange 1000 1 2",
    "maxchange 1000 1 -1",
    "maxchange 1 2x 3",
    "maxchange 1 2",
    "maxchange 1 2 3 4",
    "driftfile /var/lib/chrony/drift",
    "driftfile",
    "fallbackdrift 16 19",
    "fallbackdrift 1.5 2",
    "fallbackdrift 16",
    "clientloglimit 100000000",
    "clientloglimit -1",
    "clientloglimit 1x",
    "clientloglimit x",
    "maxdistance 0.5s",
    "maxdistance inf",
    "maxdistance 1e",
    "maxdistance -1",
    "maxdistance .",
    "maxdistance x",
    "maxdistance",
    "maxjitter 1",
    "combinelimit 0",
    "reselectdist 1e-4",
    "stratumweight 0.001",
    "minsources 2",
    "minsources",
    "maxslewrate 500",
    "maxupdateskew 100.0",
    "maxclockerror 1",
    "maxdrift 500",
    "corrtimeratio 3",
    "clockprecision 1e-9",
    "rtcsync",
    "rtcsync yes",
    "leapsecmode STEP",
    "leapsecmode jump",
    "leapsecmode",
    "leapsectz right/UTC",
    "leapsectz",
    "authselectmode require",
    "authselectmode Prefer",
    "authselectmode mix",
    "authselectmode ignore",
    "authselectmode maybe",
    "authselectmode",
    "smoothtime 400 0.01",
    "smoothtime 400 0.01 leaponly",
    "smoothtime 400 0.01 always",
    "smoothtime 400 0.01 leaponly x",
    "smoothtime 400",
    "smoothtime x 1",
    "tempcomp /sys/temp 30 26.0 0.0 0.000183 0.0",
    "tempcomp /sys/temp 30 /etc/points",
    "tempcomp /sys/temp 30",
    "tempcomp f 1 2 3 4",
    "tempcomp f 1 2 3 4 5 6",
    "tempcomp f x p",
    "allow",
    "allow all",
    "allow 10",
    "allow 1.2",
    "allow 1.2.3",
    "allow 1.2.3.4",
    "allow 1.2/16",
    "allow 1.2.3.4/33",
    "allow 0/0",
    "allow ::/0",
    "allow 2001:db8::/32",
    "allow fe80::1",
    "allow ::1/129",
    "allow all 10/8",
    "allow localhost",
    "allow ALL 10/8",
    "allow 1.2.3.4/",
    "allow 1.2.3.4/x",
    "allow 1.2.3.4/8x",
    "allow 1.2.3.4/-1",
    "allow 256.1",
    "allow 1.2.3.",
    "allow 1.2.3.4.5",
    "allow /8",
    "allow 1::/x",
    "allow 1:2",
    "allow 10/8/8",
    "allow 1.2.3.4 /8",
    "allow 1.2.3.4 5.6.7.8",
    "allow all 10/8 x",
    "deny",
    "deny 10.1/16",
    "cmdallow all",
    "cmdallow 10/8",
    "cmddeny 10/8 x",
    "bindaddress 192.0.2.1",
    "bindaddress ::1",
    "bindaddress localhost",
    "bindacqaddress 0.0.0.0",
    "bindacqaddress x",
    "bindcmdaddress /run/x.sock",
    "bindcmdaddress /",
    "bindcmdaddress 127.0.0.1",
    "bindcmdaddress x",
    "bindcmdaddress /x y",
    "binddevice eth0",
    "bindacqdevice eth0",
    "bindcmddevice eth0",
    "broadcast 60 192.0.2.255",
    "broadcast 60 192.0.2.255 12123",
    "broadcast 60 192.0.2.255 99999",
    "broadcast 60 x",
    "broadcast x 192.0.2.255",
    "broadcast 60",
    "broadcast 60 192.0.2.255 5 6",
    "local",
    "local stratum 5 orphan distance 0.5",
    "LOCAL STRATUM 5 ORPHAN",
    "local distance -1",
    "local stratum 0",
    "local stratum 16",
    "local stratum 5x",
    "local stratum",
    "local distance 0.5s",
    "local forever",
    "ratelimit",
    "ratelimit interval 3 burst 4 leak 2",
    "ratelimit Interval -4",
    "ratelimit interval 3x",
    "ratelimit interval",
    "ratelimit often 3",
    "ntsratelimit interval 6",
    "ntsratelimit kod 1",
    "cmdratelimit leak 1",
    "cmdratelimit kod 1",
    "noclientlog",
    "noclientlog x",
    "cmdport 0",
    "acquisitionport 1123",
    "refclock PPS /dev/pps0 lock NMEA refid GPS",
    "refclock SHM 0 offset 0.5 delay 0.1 refid NMEA noselect",
    "refclock SHM 0 tai local pps",
    "refclock PHC /dev/ptp0:extpps:pin=1 width 0.2 poll 2 dpoll -2 filter 4 prefer",
    "refclock FOO bar",
    "refclock PPS",
    "refclock",
    "refclock SHM 0 refid LONGER",
    "refclock SHM 0 refid",
    "refclock SHM 0 offset 0.1ms",
    "refclock SHM 0 stratum 16",
    "refclock SHM 0 often",
    "server ntp.example.net iburst",
    "server ntp.example.net IBURST MINPOLL 4 MaxPoll 10",
    "server a minpoll 6iburst",
    "server a minpoll 1.5",
    "server a minpoll x",
    "server a minpoll",
    "server a key -1",
    "server a key 0",
    "server a key 4294967296",
    "server a certset 4294967296",
    "server a extfield F323",
    "server a extfield 1",
    "server a extfield F323g",
    "server a maxdelay 0.1 maxdelayratio 2 maxdelaydevratio 5 mindelay 1e-3 asymmetry 0.7 offset -1e-3",
    "server a maxdelay 1.5s",
    "server a maxdelay",
    "server a polltarget 10 filter 5 presend 9 version 3 minstratum 2 port 1123 minsamples 6 maxsamples 32",
    "server a nts ntsport 4461 xleave copy burst auto_offline offline prefer noselect trust require",
    "server a ibrust",
    "server",
    "pool pool.example.net iburst maxsources 3",
    "pool",
    "peer a minpoll 8 key 3",
    "peer",
    "initstepslew 30",
    "initstepslew 30 localhost",
    "initstepslew",
    "initstepslew x",
    "manual",
    "log measurements rawmeasurements statistics tracking rtc refclocks tempcomp",
    "log selection",
    "log",
    "log TRACKING",
    "log everything",
    "logbanner 0",
    "logchange 0.5",
    "logchange x",
    "logdir /var/log/chrony",
    "mailonchange root@localhost 0.5",
    "mailonchange root@localhost",
    "mailonchange root@localhost x",
    "hwtimestamp *",
    "hwtimestamp eth0 minpoll 1 rxfilter ntp nocrossts txcomp 3e-7 rxcomp 6e-7 minsamples 3 maxsamples 9",
    "hwtimestamp",
    "hwtimestamp eth0 rxfilter some",
    "hwtimestamp eth0 rxfilter",
    "hwtimestamp eth0 often",
    "hwtimestamp eth0 precision 1x",
    "ptpport 319",
    "sched_priority 50",
    "lock_all",
    "user nobody",
    "user",
    "pidfile /",
    "keyfile /etc/chrony.keys",
    "keyfile a b",
    "dumpdir /run/chrony",
    "dumponexit",
    "dumponexit whatever it says",
    "linux_hz 100",
    "linux_freq_scale 0.99",
    "commandkey 1",
    "generatecommandkey",
    "ntsdumpdir /var/lib/chrony",
    "ntscachedir /var/lib/chrony",
    "ntscachedir",
    "ntstrustedcerts /etc/ca.pem",
    "ntstrustedcerts 1 /etc/ca.pem",
    "ntstrustedcerts x /etc/ca.pem",
    "ntstrustedcerts 1 2 3",
    "ntstrustedcerts",
    "nosystemcert",
    "nocerttimecheck 1",
    "ntsport 4460",
    "ntsservercert /etc/cert.pem",
    "ntsserverkey /etc/key.pem",
    "ntsprocesses 4",
    "maxntsconnections 50",
    "ntsntpserver ntp.example.net",
    "ntsrotate 0",
    "ntsrefresh 3600",
    "dscp 46",
    "maxsamples 32",
    "minsamples 4",
    "rtcfile /var/lib/chrony/rtc",
    "rtcdevice /dev/rtc0",
    "rtcautotrim 30",
    "rtconutc",
    "hwclockfile /etc/adjtime",
    "ntpsigndsocket /var/lib/samba/ntp_signd",
    "sourcedir",
    "sourcedir /run/a /run/b",
    "confdir",
    "confdir /nowhere",
    "confdir a b c d e f g h i j",
    "confdir a b c d e f g h i j k",
    "include /nowhere",
    "include /nowhere/*",
    "include /*.nowhere",
    "include",
    "include a b",
];

/// Lines on which we follow later versions of chrony than 4.3, which know more words and check ranges, or which are
/// refused on purpose; with what we say of them.
const NEWER: &[(&str, bool)] = &[
    ("hwtstimeout 0.01", true),
    ("refresh 3600", true),
    ("opencommands tracking sources", true),
    ("opencommands", true),
    ("ntsaeads 30 15", true),
    ("leapseclist /usr/share/zoneinfo/leap-seconds.list", true),
    ("driftfile /x interval 600", true),
    ("maxtxbuffers 10", true),
    ("ptpdomain 123", true),
    ("maxstratum 4", true),
    ("minstratum 1", true),
    ("server a ipv4", true),
    ("server a maxunreach 100", true),
    ("server a maxdelayquant 0.1", true),
    ("ratelimit kod 2", true),
    ("local activate 1 waitsynced 10 waitunsynced 20", true),
    ("port 99999", false),
    ("port 12x", false),
    ("server a maxpoll 50", false),
    ("server a port -1", false),
    ("pool a maxsources 0", false),
    ("refclock SHM 0 rate 0", false),
    ("sched_priority 101", false),
    ("nocerttimecheck -1", false),
    // scanf reads these; nobody means them.
    ("maxdistance nan", false),
    ("maxdistance 0x10", false),
];

/// The file system, as far as the lines above look at it.
struct Disk;

impl Loader for Disk {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|e| e.to_string())
    }
    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
        Ok(entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect())
    }
}

fn we_accept(line: &str) -> bool {
    parse(line, "x.conf", &Disk).is_ok()
}

/// What chronyd says: accepted, and its normalised line.
fn chronyd(program: &str, line: &str) -> (bool, String) {
    let file = std::env::temp_dir().join(format!("timeball-accepts-{}.conf", std::process::id()));
    std::fs::write(&file, format!("{line}\n")).expect("the folder for temporary files can be written");
    let output = without_the_clock(program)
        .args(["-x", "-p", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .expect("chronyd starts: it was found");
    std::fs::remove_file(&file).expect("it was just written");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The program without the right to set the clock. It only prints here, but no test starts a time daemon that could.
/// Who is not root has not that right, and may not take it away either.
fn without_the_clock(program: &str) -> Command {
    const DROP: [&str; 2] = ["--bounding-set=-sys_time", "--inh-caps=-sys_time"];
    let can_drop = Command::new("setpriv").args(DROP).arg("true").stderr(Stdio::null()).status();
    if can_drop.is_ok_and(|status| status.success()) {
        let mut command = Command::new("setpriv");
        command.args(DROP).arg(program);
        command
    } else {
        Command::new(program)
    }
}

#[test]
fn lines_of_later_versions_are_taken_as_they_take_them() {
    for (line, accepted) in NEWER {
        assert_eq!(we_accept(line), *accepted, "{line}");
    }
}

#[test]
fn chronyd_and_we_accept_the_same_lines() {
    let Some(program) = ["/usr/sbin/chronyd", "/usr/bin/chronyd"].into_iter().find(|p| Path::new(p).exists())
    else {
        eprintln!("SKIPPED: chronyd is not installed, acceptance of {} lines was not compared", LINES.len());
        return;
    };
    let mut different = Vec::new();
    for line in LINES {
        let (accepted, echoed) = chronyd(program, line);
        if accepted != we_accept(line) {
            different.push(format!("{line:?}: chronyd {}", if accepted { "accepts" } else { "refuses" }));
        } else if accepted {
            let ours = parse(line, "x.conf", &Disk).expect("just accepted").lines.join("\n");
            if ours != echoed {
                different.push(format!("{line:?}: chronyd prints {echoed:?}, we {ours:?}"));
            }
        }
    }
    assert_eq!(different, Vec::<String>::new());
}
