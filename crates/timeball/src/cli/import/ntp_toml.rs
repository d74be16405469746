//! ntp.toml of ntpd-rs.
//!
//! Only as much of TOML is read as such files have: tables, strings, numbers, flags, arrays (over several lines if they
//! like) and inline tables. Whatever else there is becomes a comment. (A whole reader would be a tenth of the program.)

use super::{Translation, rate};
use std::net::SocketAddr;

/// A table: its name, and its lines: number, key, value as written. What tables in it say is part of it, `inner.key`.
struct Table<'a> {
    name: &'a str,
    lines: Vec<(usize, String, String)>,
}

impl<'a> Table<'a> {
    fn value(&self, key: &str) -> Option<&str> {
        self.lines.iter().find(|(_, known, _)| known == key).map(|(_, _, value)| value.as_str())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.value(key).map(|value| value.trim_matches(['"', '\'']))
    }

    fn number(&self, key: &str) -> Option<u32> {
        self.value(key)?.parse().ok()
    }
}

/// What `name`, a file of ntpd-rs's, says, in our language.
pub fn translate(name: &str, text: &str) -> Translation {
    let mut out = Translation::default();
    out.remark(&format!("From {name} of ntpd-rs."));
    let tables = tables(&mut out, text);
    let defaults =
        tables.iter().find(|table| table.name == "source-defaults").map_or_else(String::new, polls);
    for table in &tables {
        let known: &[&str] = match table.name {
            "source" => source(&mut out, table, &defaults),
            "source-defaults" => &["poll-interval-limits"],
            "server" => server(&mut out, table),
            "synchronization" => synchronization(&mut out, table),
            "nts-ke-server" | "nts-ke" => key_exchange(&mut out, table),
            "observability" => observability(&mut out, table),
            _ => &[],
        };
        for (number, key, value) in table.lines.iter().filter(|(_, key, _)| !known.contains(&key.as_str())) {
            out.refuse(*number, &format!("{key} = {value}"), why(key));
        }
    }
    out.remark("ntpd-rs steps at the start; this does the same:");
    out.say("makestep 1 3");
    out.say("rtcsync");
    out
}

/// Why a line is not carried over.
fn why(key: &str) -> &'static str {
    match key {
        "log-level" => "start the daemon with -L LEVEL",
        "observation-path" => "commands have a socket of their own, see bindcmdaddress",
        "metrics-exporter-listen" => "see web and its option public",
        "startup-step-panic-threshold" => {
            "what it finds at the start is believed; see makestep and maxchange"
        }
        "mode" => "there is no such kind of source",
        _ => "it has no counterpart",
    }
}

fn tables<'a>(out: &mut Translation, text: &'a str) -> Vec<Table<'a>> {
    let mut tables = vec![Table { name: "", lines: Vec::new() }];
    let mut inner = String::new();
    let mut rest = text.lines().enumerate();
    while let Some((index, line)) = rest.next() {
        let bare = without_comment(line).trim();
        if let Some(name) = bare.strip_prefix('[') {
            let name = name.trim_matches(['[', ']', ' ']);
            match name.split_once('.') {
                Some((outer, part)) if tables.last().is_some_and(|table| table.name == outer) => {
                    inner = format!("{part}.");
                }
                _ => {
                    inner.clear();
                    tables.push(Table { name, lines: Vec::new() });
                }
            }
        } else if let Some((key, value)) = bare.split_once('=') {
            let mut value = value.trim().to_owned();
            while is_open(&value)
                && let Some((_, more)) = rest.next()
            {
                value.push_str(without_comment(more).trim());
            }
            if let Some(table) = tables.last_mut() {
                let key = format!("{inner}{}", key.trim().trim_matches(['"', '\'']));
                table.lines.push((index + 1, key, value));
            }
        } else if !bare.is_empty() {
            out.refuse(index + 1, line, "it is not understood");
        }
    }
    tables
}

/// Letters outside strings, and where they are.
fn outside_strings(line: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quote = None;
    line.char_indices().filter(move |&(_, letter)| {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            (_, open) => return open.is_none(),
        }
        false
    })
}

/// The line up to a `#` outside strings.
fn without_comment(line: &str) -> &str {
    let end = outside_strings(line).find(|(_, letter)| *letter == '#').map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or_default()
}

/// Does an array or inline table go on in the next line?
fn is_open(value: &str) -> bool {
    let depth = |depth, (_, letter)| match letter {
        '[' | '{' => depth + 1,
        ']' | '}' => depth - 1,
        _ => depth,
    };
    outside_strings(value).fold(0, depth) > 0
}

fn source(out: &mut Translation, table: &Table<'_>, defaults: &str) -> &'static [&'static str] {
    let own = polls(table);
    let polls = if own.is_empty() { defaults } else { &own };
    let address = table.text("address").map(host_and_port);
    let version = table.number("ntp-version").filter(|version| (1..=4).contains(version));
    let version = version.map_or_else(String::new, |version| format!(" version {version}"));
    let polls = &format!("{version}{polls}");
    let mode = table.text("mode").unwrap_or("server");
    match (mode, address, table.text("path")) {
        ("server" | "nts", Some((host, port)), _) => {
            let nts = if mode == "nts" { " nts" } else { "" };
            out.say(format!("server {host} iburst{port}{nts}{polls}"));
        }
        ("pool" | "nts-pool", Some((host, port)), _) => {
            let nts = if mode == "nts-pool" { " nts" } else { "" };
            let count =
                table.number("count").map_or_else(String::new, |n| format!(" maxsources {}", n.clamp(1, 16)));
            out.say(format!("pool {host} iburst{port}{nts}{count}{polls}"));
        }
        ("sock" | "pps", _, Some(path)) => {
            let precision = table.value("precision").filter(|text| text.parse::<f64>().is_ok());
            let precision = precision.map_or_else(String::new, |text| format!(" precision {text}"));
            out.say(format!("refclock {} {path}{precision}", mode.to_uppercase()));
        }
        _ => return &[],
    }
    if let Some(file) = table.text("certificate-authority") {
        out.say(format!("ntstrustedcerts {file}"));
    }
    let known = &[
        "mode",
        "address",
        "count",
        "path",
        "precision",
        "poll-interval-limits",
        "certificate-authority",
        "ntp-version",
    ];
    if version.is_empty() { &known[..7] } else { known }
}

/// ` port N` where it is not the usual one.
fn host_and_port(address: &str) -> (String, String) {
    match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse::<u16>().ok().filter(|port| !matches!(port, 123 | 4460));
            (
                host.trim_matches(['[', ']']).to_owned(),
                port.map_or_else(String::new, |port| format!(" port {port}")),
            )
        }
        _ => (address.to_owned(), String::new()),
    }
}

/// `{ min = 4, max = 10 }`
fn polls(table: &Table<'_>) -> String {
    let mut out = String::new();
    for part in
        table.value("poll-interval-limits").unwrap_or_default().trim_matches(['{', '}', ' ']).split(',')
    {
        if let Some((name @ ("min" | "max"), value)) = part.split_once('=').map(|(n, v)| (n.trim(), v.trim()))
            && let Ok(value) = value.parse::<u32>()
        {
            out.push_str(&format!(" {name}poll {}", value.min(24)));
        }
    }
    out
}

fn server(out: &mut Translation, table: &Table<'_>) -> &'static [&'static str] {
    const KNOWN: &[&str] = &[
        "rate-limiting-cutoff-ms",
        "rate-limiting-cache-size",
        "listen",
        "allowlist",
        "allowlist.filter",
        "allowlist.action",
        "denylist",
        "denylist.filter",
        "denylist.action",
    ];
    if let Some(listen) = table.text("listen").and_then(|text| text.parse::<SocketAddr>().ok()) {
        if !listen.ip().is_unspecified() {
            out.say(format!("bindaddress {}", listen.ip()));
        }
        if listen.port() != 123 {
            out.say(format!("port {}", listen.port()));
        }
    }
    // `{ filter = […] }` and `filter` in a table of its own are the same.
    let subnets = |key: &str| {
        let value = table.value(key).or_else(|| table.value(&format!("{key}.filter")))?;
        let list = value.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list)?;
        Some(list.split(',').map(|word| word.trim().trim_matches(['"', '\''])).collect::<Vec<_>>())
    };
    let is_subnet = |word: &&str| word.contains(['.', ':']) && !word.contains(' ');
    match subnets("allowlist") {
        Some(allowed) => allowed
            .iter()
            .filter(|word| is_subnet(word))
            .for_each(|subnet| out.say(format!("allow {subnet}"))),
        // A list that is not understood lets nobody in.
        None if table.lines.iter().any(|(_, key, _)| key.starts_with("allowlist")) => {
            return &["listen", "denylist", "denylist.filter", "denylist.action"];
        }
        None => out.say("allow"),
    }
    for subnet in subnets("denylist").unwrap_or_default().iter().filter(|word| is_subnet(word)) {
        out.say(format!("deny {subnet}"));
    }
    let Some(cutoff) = table
        .number("rate-limiting-cutoff-ms")
        .filter(|_| table.number("rate-limiting-cache-size") > Some(0))
    else {
        return &KNOWN[2..];
    };
    out.say(rate(f64::from(cutoff) * 1e-3));
    KNOWN
}

fn key_exchange(out: &mut Translation, table: &Table<'_>) -> &'static [&'static str] {
    let listen = table.text("listen").and_then(|text| text.parse::<SocketAddr>().ok());
    if let Some(port) = listen.map(|listen| listen.port()).filter(|port| *port != 4460) {
        out.say(format!("ntsport {port}"));
    }
    for (theirs, ours) in [("certificate-chain-path", "ntsservercert"), ("private-key-path", "ntsserverkey")]
    {
        if let Some(file) = table.text(theirs) {
            out.say(format!("{ours} {file}"));
        }
    }
    &["listen", "certificate-chain-path", "private-key-path"]
}

/// What is measured is told by the page's own address.
fn observability(out: &mut Translation, table: &Table<'_>) -> &'static [&'static str] {
    let listen = table.text("metrics-exporter-listen").and_then(|text| text.parse::<SocketAddr>().ok());
    let Some(listen) = listen.filter(|listen| listen.ip().is_loopback()) else { return &[] };
    out.say(format!("web {listen}"));
    &["metrics-exporter-listen"]
}

fn synchronization(out: &mut Translation, table: &Table<'_>) -> &'static [&'static str] {
    if let Some(count) = table.number("minimum-agreeing-sources") {
        out.say(format!("minsources {}", count.clamp(1, 64)));
    }
    if let Some(stratum) = table.number("local-stratum").filter(|stratum| (1..=15).contains(stratum)) {
        out.say(format!("local stratum {stratum}"));
    }
    if let Some(seconds) = table.number("single-step-panic-threshold").filter(|seconds| *seconds > 0) {
        out.say(format!("maxchange {seconds} 1 0"));
        return &["minimum-agreeing-sources", "local-stratum", "single-step-panic-threshold"];
    }
    &["minimum-agreeing-sources", "local-stratum"]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_go_on_over_lines_and_what_is_not_understood_lets_nobody_in() {
        let said = |server: &str| {
            let text = format!("[[server]]\nlisten = \"0.0.0.0:123\"\n{server}\n");
            let said = translate("ntp.toml", &text).text();
            let lines =
                said.lines().filter(|line| !line.starts_with('#') || line.contains("not carried over"));
            let usual = ["makestep 1 3", "rtcsync"];
            lines.filter(|line| !usual.contains(line)).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(said(""), ["allow"]);
        assert_eq!(
            said(
                "allowlist = [\n  \"10.0.0.0/8\", # ours\n  'fd00::/8', # \"]\"\n]\ndenylist = [\"10.1.0.0/16\"]"
            ),
            ["allow 10.0.0.0/8", "allow fd00::/8", "deny 10.1.0.0/16"]
        );
        let dotted = "allowlist.filter = [\"10.0.0.0/8\"]\nallowlist.action = \"deny\"\ndenylist.filter = ['10.1.0.0/16']";
        let inner = "[server.allowlist]\nfilter = [\"10.0.0.0/8\"]\naction = \"deny\"\n[server.denylist]\nfilter = ['10.1.0.0/16']";
        for same in [dotted, inner] {
            assert_eq!(said(same), ["allow 10.0.0.0/8", "deny 10.1.0.0/16"], "{same}");
        }
        let none = said("[server.allowlist]\naction = \"deny\"");
        assert!(none.len() == 1 && none[0].contains("line 4 is not carried over"), "{none:?}");
        assert_eq!(said("allowlist = []"), [] as [&str; 0]);
        for wrong in ["allowlist = \"10.0.0.0/8\"", "allowlist = [\n  \"10.0.0.0/8\",\n"] {
            let none = said(wrong);
            assert!(none.len() == 1 && none[0].contains("line 3 is not carried over"), "{none:?}");
        }
    }

    #[test]
    fn clocks_keep_their_precision() {
        let text = "[[source]]\nmode = \"sock\"\npath = \"/run/gpsd.sock\"\nprecision = 1e-3\n";
        assert!(
            translate("ntp.toml", text).text().contains("\nrefclock SOCK /run/gpsd.sock precision 1e-3\n")
        );
    }
}
