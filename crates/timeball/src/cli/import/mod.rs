//! `import`: what other programs have, for ours: rrdtool's records, and the configurations of ntpd, ntpd-rs and openntpd.
//!
//! A configuration becomes text on standard output (or a new file). Each line that cannot be carried over stands in it as
//! a comment with its number and the reason; nothing is left out silently.

mod ntp_conf;
mod ntp_toml;
mod openntpd;

use std::io::Write;
use std::path::Path;

use super::commands::{Command, Group, form};
use super::session::{Failure, Outcome, Session};

/// What this file adds to the table.
pub const COMMAND: Command = Command {
    name: "import",
    forms: &[
        form("ntp.conf|ntp.toml|openntpd.conf [-o FILE]", "print the same as a configuration of ours"),
        #[cfg(feature = "web")]
        form("FILE.xml [--archive FILE]", "take over what rrdtool has recorded"),
    ],
    doc: "Reads the configuration of ntpd (ntp.conf), ntpd-rs (ntp.toml) or openntpd (openntpd.conf) and prints what it says in our \
          language; each line that cannot be carried over is in it as a comment that says why. With -o it goes into a new file. \
          The output of rrdtool dump goes into the archive (--archive FILE) where that knows nothing yet: series of the same \
          names, or the seventeen of the rrdtool page; the daemon must not run meanwhile.",
    example: "import /etc/ntp.conf -o timeball.conf",
    group: Group::Own,
    run: import,
};

/// The configuration under construction.
#[derive(Debug, Default)]
pub struct Translation {
    lines: Vec<String>,
}

impl Translation {
    /// A directive of ours.
    fn say(&mut self, line: impl Into<String>) {
        let line = line.into();
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }

    /// A remark of ours.
    fn remark(&mut self, text: &str) {
        self.lines.push(format!("# {text}"));
    }

    /// A line that is not carried over, and why.
    fn refuse(&mut self, number: usize, line: &str, why: &str) {
        self.lines.push(format!("# line {number} is not carried over ({why}): {}", line.trim()));
    }

    fn says(&self, directive: &str) -> bool {
        self.lines.iter().any(|line| line.split(' ').next() == Some(directive))
    }

    fn text(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// Whose configuration it is, by its name, else by what is in it.
fn translate(name: &str, text: &str) -> String {
    let begins = |words: &[&str]| {
        text.lines().any(|line| {
            let line = line.trim_start();
            words.iter().any(|word| line.starts_with(word))
        })
    };
    let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if file.ends_with(".toml") || begins(&["[[source]]", "[source-defaults]", "[synchronization]"]) {
        return ntp_toml::translate(name, text).text();
    }
    let open = begins(&["servers ", "listen on ", "sensor ", "constraint ", "constraints ", "query from "]);
    if open || file.contains("openntpd") || file == "ntpd.conf" {
        return openntpd::translate(name, text).text();
    }
    ntp_conf::translate(name, text).text()
}

fn import(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let bad = || Failure::usage("Usage: import FILE [-o FILE]; import --help has an example");
    let (name, output) = match words {
        [name] | [name, "--archive", _] | ["--archive", _, name] => (*name, None),
        [name, "-o", file] | ["-o", file, name] => (*name, Some(*file)),
        _ => return Err(bad()),
    };
    let bytes = std::fs::read(name).map_err(|error| Failure::usage(format!("{name} : {error}")))?;
    let text = String::from_utf8_lossy(&bytes);
    if text.trim_start().starts_with('<') {
        return records(session, words);
    }
    let translated = translate(name, &text);
    let Some(file) = output else {
        write!(session.out, "{translated}")?;
        return Ok(());
    };
    // The operator's own files are never overwritten.
    let created = std::fs::OpenOptions::new().write(true).create_new(true).open(file);
    created
        .and_then(|mut file| file.write_all(translated.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::usage(format!("{file} : {error}")))?;
    writeln!(session.out, "Written to {file}. Look at it with: timeball check-config {file}")?;
    Ok(())
}

#[cfg(feature = "web")]
fn records(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    super::history::import(session, words)
}

#[cfg(not(feature = "web"))]
fn records(_: &mut Session<'_>, _: &[&str]) -> Outcome {
    Err(Failure::usage("This build has no archive to put records into"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::configuration::Disk;
    use ntp::config::parse_lines;

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

    const OPENNTPD: &str = "\
# openntpd
listen on *
listen on 192.0.2.1
servers pool.ntp.org weight 5
server ntp1.example.net trusted
query from 192.0.2.2
sensor *
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

[source-defaults]
poll-interval-limits = { min = 5, max = 9 }

[[server]]
listen = \"192.0.2.1:123\"
allowlist = { filter = [\"10.0.0.0/8\", \"::1/128\"], action = \"ignore\" }
rate-limiting-cache-size = 1024

[synchronization]
minimum-agreeing-sources = 2
local-stratum = 9
single-step-panic-threshold = 1000

[observability]
log-level = \"info\"
";

    /// Everything that is said is right in our language, and every line is accounted for.
    fn right(name: &str, text: &str) -> String {
        let ours = translate(name, text);
        let lines: Vec<&str> = ours.lines().filter(|line| !line.starts_with('#')).collect();
        let parsed = parse_lines(&lines, &Disk).unwrap_or_else(|refused| panic!("{refused:?}\n{ours}"));
        assert_eq!(ntp::config::check(&parsed.config), [], "{ours}");
        ours
    }

    #[test]
    fn configurations_of_others_are_carried_over() {
        insta::assert_snapshot!("ntp_conf", right("/etc/ntp.conf", NTP_CONF));
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
    fn nothing_is_left_out_silently() {
        let ours = translate("/etc/ntp.conf", NTP_CONF);
        for word in
            ["filegen", "autokey", "crypto", "frobnicate", "includefile", "broadcastclient", "trustedkey"]
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
        ] {
            for name in ["ntp.conf", "ntp.toml", "openntpd.conf"] {
                let _ = translate(name, hostile);
            }
        }
    }
}
