use super::*;

const NTP_CONF: &str = "\
# Debian's
driftfile /var/lib/ntp/ntp.drift
leapfile /usr/share/zoneinfo/leap-seconds.list
statsdir /var/log/ntpstats/
statistics loopstats peerstats clockstats
filegen loopstats file loopstats type day enable
pool 0.debian.pool.ntp.org iburst
server -4 ntp1.example.net iburst minpoll 4 maxpoll 20 prefer key 7
server ntp2.example.net autokey burst true
peer 192.0.2.9 xleave noselect # a comment
server 127.127.28.0 minpoll 4
fudge 127.127.28.0 time1 0.140 refid GPS stratum 1
server 127.127.22.1
server 127.127.1.0
fudge 127.127.1.0 stratum 10
restrict default kod nomodify notrap nopeer noquery limited
restrict -6 default ignore
restrict 127.0.0.1
restrict 192.168.7.0 mask 255.255.255.0 nomodify
restrict 192.0.2.66 ignore
restrict source notrap
broadcast 192.168.7.255
broadcastclient
keys /etc/ntp.keys
trustedkey 7 8
interface listen 192.168.7.1
tinker panic 0 step 0.5
tos minsane 2 orphan 6 maxdist 2.5
disable monitor
includefile /etc/ntp/more.conf
crypto pw secret
frobnicate 1
";

/// What else ntpd and NTPsec know.
const NTP_CONF_MORE: &str = "\
restrict -4 default nomodify limited kod
restrict 2001:db8:: mask ffff:ffff:: ntpport
restrict 10.0.0.0/8 noserve
restrict 10.7.0.0 mask 255.255.0.0 notrust
restrict 10.0.0.0 mask 255.0.255.0
restrict ntp.example.net nomodify
discard average 4 minimum 2
server [2001:db8::1] bias -0.0025 burst preempt mode 7
server --ipv6 ntp3.example.net nts noval ca /etc/ca.pem ask ke.example.net
refclock shm unit 2 time1 0.1 refid GPS prefer flag4 1
refclock pps unit 1 ppspath /dev/pps7 flag2 1 time2 0.5
refclock nmea baud 9600
server 127.127.28.9 minpoll 3
fudge 127.127.28.9 time2 0.2
fudge 127.127.28.8 time1 0.2
driftfile \"/var/lib/ntp/drift\" 60
keys /etc/ntp.keys
nts cert /etc/cert.pem key /etc/key.pem mintls TLS1.3
nts enable
statistics protostats loopstats rawstats
broadcast 224.0.1.1 key 4 minpoll 5 ttl 3
interface listen eth0
interface ignore wildcard
nic listen 2001:db8::7
nic listen 2001:db8::8
tinker panic 500 dispersion 10 allan 7
tos ceiling 12 floor 2 orphan 5 orphanwait 60 minclock 4 maxclock 11
leapsmearinterval 86400
dscp 46
mru maxmem 2048 maxdepth 9
enable stats kernel
disable auth ntp
logfile /var/log/ntp.log
unpeer 192.0.2.9
server ntp4.example.net version 9
";

const OPENNTPD: &str = "\
# openntpd
listen on *
listen on 192.0.2.1
listen on 192.0.2.9
listen on ::1 rtable 4
listen on ntp.example.net
servers pool.ntp.org weight 5
server ntp1.example.net trusted
server 2001:db8::1 weight 2 trusted
query from 192.0.2.2
query from 2001:db8::2
sensor *
sensor nmea0 correction 70000 weight 3 refid GPS stratum 2
constraint from \"https://9.9.9.9\" \"2620:fe::fe\"
constraints from \"https://www.example.net\"
";

const NTP_TOML: &str = "\
[[source]]
mode = \"pool\"
address = \"ntpd-rs.pool.ntp.org\" # a comment
count = 4

[[source]]
mode = \"server\"
address = \"ntp.example.net:1123\"

[[source]]
mode = \"nts\"
address = \"time.example.com\"

[[source]]
mode = \"pps\"
path = \"/dev/pps0\"
precision = 1e-7

[[source]]
mode = \"nts-pool\"
address = \"ntspool.example.net\"
certificate-authority = \"/etc/ca.pem\"
ignore = [\"192.0.2.7\"]

[[source]]
mode = \"server\"
address = \"[2001:db8::5]:123\"
ntp-version = 4
poll-interval-limits = { min = 7, max = 8 }

[[source]]
mode = \"csptp\"
address = \"192.0.2.8\"

[source-defaults]
poll-interval-limits = { min = 5, max = 9 }
initial-poll-interval = 4

[[server]]
listen = \"192.0.2.1:123\"
allowlist = { filter = [\"10.0.0.0/8\", \"::1/128\"], action = \"ignore\" }
rate-limiting-cache-size = 1024
rate-limiting-cutoff-ms = 1000
require-nts = false

[[nts-ke-server]]
listen = \"[::]:4461\"
certificate-chain-path = \"/etc/cert.pem\"
private-key-path = \"/etc/key.pem\"
key-exchange-timeout-ms = 1000

[keyset]
key-storage-path = \"/var/lib/keys\"

[synchronization]
minimum-agreeing-sources = 2
local-stratum = 9
single-step-panic-threshold = 1000
startup-step-panic-threshold = { forward = \"inf\", backward = 86400 }
accumulated-step-panic-threshold = 1800

[synchronization.algorithm]
precision-low-probability = 0.3

[observability]
log-level = \"info\"
observation-path = \"/run/observe\"
metrics-exporter-listen = \"127.0.0.1:9975\"
";

/// Everything that is said is right in our language, and every line is accounted for.
fn right(name: &str, text: &str) -> String {
    let ours = translate(name, text);
    let lines: Vec<&str> = ours.lines().filter(|line| !line.starts_with('#')).collect();
    let parsed = parse_lines(&lines, &Disk).unwrap_or_else(|refused| panic!("{refused:?}\n{ours}"));
    assert_eq!(ntp::config::check(&parsed), [], "{ours}");
    ours
}

#[test]
fn configurations_of_others_are_carried_over() {
    insta::assert_snapshot!("ntp_conf", right("/etc/ntp.conf", NTP_CONF));
    insta::assert_snapshot!("ntp_conf_more", right("ntp.conf", NTP_CONF_MORE));
    insta::assert_snapshot!("openntpd", right("/etc/openntpd/ntpd.conf", OPENNTPD));
    insta::assert_snapshot!("ntp_toml", right("/etc/ntpd-rs/ntp.toml", NTP_TOML));
}

#[test]
fn the_kind_is_told_by_the_text_where_the_name_says_nothing() {
    assert!(translate("copy", OPENNTPD).contains("pool pool.ntp.org"));
    assert!(translate("copy", NTP_TOML).contains("pool ntpd-rs.pool.ntp.org"));
    assert!(translate("copy", NTP_CONF).contains("pool 0.debian.pool.ntp.org"));
    assert!(translate("ntp.conf", "").contains("makestep"));
}

#[test]
fn included_files_are_read_in_their_places() {
    let folder = crate::daemon::files::tests::Folder::new("import-include");
    let write = |name: &str, text: &str| std::fs::write(folder.file(name), text).expect("ours");
    std::fs::create_dir(folder.file("more.d")).expect("ours");
    write("more.d/2.conf", "server ntp3.example.net\n");
    write("more.d/1.conf", "server ntp2.example.net autokey\nincludefile ../own.conf\n");
    write("more.d/3.old", "server ntp9.example.net\n");
    // A file that includes itself, twice, and so without end.
    write("own.conf", "includefile own.conf\nincludefile own.conf\n");
    let name = folder.file("ntp.conf").to_string_lossy().into_owned();
    let ours = right(&name, "server ntp1.example.net\nincludefile more.d\nserver ntp4.example.net\n");
    let servers: Vec<&str> = ours.lines().filter(|line| line.starts_with("server ")).collect();
    let expected = [1, 2, 3, 4].map(|number| format!("server ntp{number}.example.net"));
    assert_eq!(servers, expected);
    let place =
        format!("# line 1 of {} is carried over without autokey", folder.file("more.d/1.conf").display());
    assert!(ours.contains(&place), "{ours}");
    assert!(ours.contains("cannot be read"), "what is left of the file in itself\n{ours}");
}

#[test]
fn nothing_is_left_out_silently() {
    let ours = translate("/etc/ntp.conf", NTP_CONF);
    for word in ["filegen", "autokey", "crypto", "frobnicate", "includefile", "broadcastclient", "trustedkey"]
    {
        assert!(
            ours.lines().any(|line| line.starts_with("# line ") && line.contains(word)),
            "{word}\n{ours}"
        );
    }
    for hostile in [
        "server",
        "[[source",
        "key = [",
        "restrict 1 mask",
        "fudge",
        "listen on",
        "\u{0}",
        "server a\u{1b}[2J b",
        "server a minpoll 30 maxpoll 4294967295 key 4294967295",
        "server a bias inf\npool -4\nserver a version 0",
        "statsdir\nstatistics\nlogfile\nkeys \"\"\ndriftfile a b c d",
        "interface listen\ninterface listen ..\ninterface listen a/b",
        "discard average 1e300\nrestrict default limited\ndisable monitor\nmru maxmem 99999999999",
        "tos minsane 99999 orphan 99 ceiling 0 floor 77 maxdist nan\ntinker panic nan step inf dispersion -1",
        "broadcast a\nbroadcast 192.0.2.255 minpoll 99\nrefclock\nrefclock shm unit -1\nserver 127.127.28",
        "nts key a cert\nnts cert a\nfudge 127.127.1.0 stratum 99\nserver 127.127.1.0",
        "[[source]]\nmode = \"server\"\naddress = \"a b\"\n[[server]]\nlisten = \"0.0.0.0:0\"\nallowlist = [\"::x\"]",
        "[[source]]\nmode = \"sock\"\npath = \"\"\nprecision = -1\n[observability]\nmetrics-exporter-listen = \"[::]:0\"",
        "[synchronization]\nsingle-step-panic-threshold = -1\n[[nts-ke-server]]\nlisten = \"x\"",
        "server a weight\nservers\nlisten on\nquery from *\nlisten on 0.0.0.0\nlisten on 224.0.0.1",
    ] {
        for name in ["ntp.conf", "ntp.toml", "openntpd.conf"] {
            right(name, hostile);
        }
    }
}
