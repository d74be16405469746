//! `clients` in Timeball's own way: the loudest first, with what chrony's protocol has no words for.

use std::fmt::Write as _;
use std::net::IpAddr;

use ntp::config::suggest::nearest;
use ntp::engine::client_list::{LONGEST_LIST, Order};
use ntp::report::json_read::Value;

use super::super::arguments::scan_integer;
use super::super::options::Format;
use super::super::own::Own;
use super::super::session::{Failure, Outcome, Session};

/// Clients shown when no number is given.
const USUAL: usize = 20;
/// Whoever asks more often than this in a second, or is over its limit, is an offender.
const OFFENCE: f64 = 1.0;
/// How long an exported element stays in a set of nftables.
const SENTENCE: &str = "1h";

/// What is wanted.
#[derive(Debug, PartialEq)]
struct Wish {
    top: usize,
    order: &'static str,
    nft: bool,
}

/// The words that mean this list rather than chronyc's.
pub fn is_own(words: &[&str]) -> bool {
    words.iter().any(|word| ["--top", "--sort", "--nft-set"].iter().any(|own| word.starts_with(own)))
}

/// Prints the list.
pub fn run(session: &mut Session<'_>, words: &[&str]) -> Outcome {
    let wish = read(words)?;
    if session.options.format == Format::Csv {
        return Err(Failure::usage("This list has no CSV; --json is for programs"));
    }
    let clients = fetch(session, &wish)?;
    if wish.nft {
        write!(session.out, "{}", nft_set(&clients))?;
    } else if session.options.format == Format::Json {
        let list: Vec<String> = clients.iter().map(Value::to_string).collect();
        writeln!(session.out, "[{}]", list.join(",\n "))?;
    } else {
        write!(session.out, "{}", table(&clients))?;
    }
    Ok(())
}

fn read(words: &[&str]) -> Result<Wish, Failure> {
    let nft = words.contains(&"--nft-set");
    let mut wish = Wish { top: USUAL, order: if nft { "rate" } else { "hits" }, nft };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (option, glued) = word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
        let mut value = || glued.or_else(|| words.next().copied());
        match option {
            "--top" => {
                let number = value().and_then(scan_integer).and_then(|n| usize::try_from(n).ok());
                let range = 1..=LONGEST_LIST;
                wish.top = number.filter(|n| range.contains(n)).ok_or_else(|| {
                    Failure::usage(format!("--top needs a number from 1 to {LONGEST_LIST}"))
                })?;
            }
            "--sort" => {
                let (names, word) = (Order::ALL.map(|(name, _)| name), value().unwrap_or_default());
                wish.order = names.into_iter().find(|name| *name == word).ok_or_else(|| {
                    let near = nearest(word, names)
                        .map(|name| format!("; did you mean \"{name}\"?"))
                        .unwrap_or_default();
                    Failure::usage(format!("--sort needs one of {}{near}", names.join(", ")))
                })?;
            }
            "--nft-set" => {}
            other => {
                return Err(Failure::usage(format!(
                    "clients has no option \"{other}\" beside --top, --sort, --nft-set"
                )));
            }
        }
    }
    Ok(wish)
}

/// Stretch by stretch of the table; the best of all stretches.
fn fetch(session: &Session<'_>, wish: &Wish) -> Result<Vec<Value>, Failure> {
    let daemon = Own::find(session.client.endpoints(), "This list of clients")?;
    let (top, order) = (if wish.nft { LONGEST_LIST } else { wish.top }, wish.order);
    let (mut clients, mut from) = (Vec::<Value>::new(), 0_u64);
    loop {
        let page =
            daemon.ask(&format!(r#"{{"get":"clients","from":{from},"top":{top},"sort":"{order}"}}"#))?;
        clients.extend_from_slice(page.get("clients").and_then(Value::list).ok_or(Failure::BadReply)?);
        clients.sort_by(|a, b| weight(b, order).total_cmp(&weight(a, order)));
        clients.truncate(top);
        match page.get("next").and_then(Value::number) {
            // A daemon that sends us backwards would keep us here for ever.
            Some(next) if next as u64 > from => from = next as u64,
            _ => break,
        }
    }
    if wish.nft {
        clients.retain(|client| number(client, "drops") > 0.0 || number(client, "rate_per_s") > OFFENCE);
    }
    clients.truncate(wish.top);
    Ok(clients)
}

fn weight(client: &Value, order: &str) -> f64 {
    match order {
        "rate" => number(client, "rate_per_s"),
        "last" => -number(client, "last_s"),
        other => number(client, other),
    }
}

fn number(client: &Value, name: &str) -> f64 {
    client.get(name).and_then(Value::number).unwrap_or(0.0)
}

fn address(client: &Value) -> Option<IpAddr> {
    client.get("address").and_then(Value::text)?.parse().ok()
}

/// The address, with the length of the prefix where several addresses of one were seen.
fn who(client: &Value) -> String {
    let prefix = number(client, "prefix");
    match address(client) {
        Some(IpAddr::V6(v6)) if prefix < 128.0 => format!("{v6}/{prefix}"),
        Some(address) => address.to_string(),
        None => "?".to_owned(),
    }
}

fn table(clients: &[Value]) -> String {
    let mut out = format!(
        "{:<39} {:>10} {:>10} {:>9} {:>9} {:>7} {}\n",
        "Client", "Requests", "Dropped", "per s", "every s", "ago s", "Versions"
    );
    for client in clients {
        let interval = client.get("interval_s").and_then(Value::number);
        let versions = client.get("versions").and_then(Value::list).unwrap_or_default();
        let versions: Vec<String> = versions.iter().map(|version| format!("v{version}")).collect();
        let limited = matches!(client.get("limited"), Some(Value::Flag(true)));
        let _ = writeln!(
            out,
            "{:<39} {:>10} {:>10} {:>9} {:>9} {:>7} {}{}",
            who(client),
            number(client, "hits"),
            number(client, "drops"),
            short(number(client, "rate_per_s")),
            interval.map_or("-".to_owned(), short),
            number(client, "last_s").round(),
            versions.join(" "),
            if limited { " (limited)" } else { "" },
        );
    }
    out
}

/// Three digits that matter.
fn short(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

/// Commands for `nft -f -` that put the clients into two sets of a table of our own; what is done with the sets is
/// the operator's to say.
fn nft_set(clients: &[Value]) -> String {
    let elements = |v4: bool| -> Vec<String> {
        let list = clients.iter().filter(|client| address(client).is_some_and(|a| a.is_ipv4() == v4));
        list.map(who).collect()
    };
    let mut out = format!(
        "# The loudest clients of timeball: over their limit, or more than {OFFENCE} request a second.\n\
         # timeball clients --nft-set | nft -f -   puts them into sets for {SENTENCE}; a rule like\n\
         # ip saddr @loud4 udp dport 123 drop      uses them.\n\
         add table inet timeball\n"
    );
    for (set, kind, flags, v4) in
        [("loud4", "ipv4_addr", "timeout", true), ("loud6", "ipv6_addr", "interval, timeout", false)]
    {
        let _ = writeln!(
            out,
            "add set inet timeball {set} {{ type {kind}; flags {flags}; timeout {SENTENCE}; }}"
        );
        let elements = elements(v4);
        if !elements.is_empty() {
            let _ = writeln!(out, "add element inet timeball {set} {{ {} }}", elements.join(", "));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients() -> Vec<Value> {
        let text = r#"[
            {"address":"192.0.2.7","prefix":32,"hits":5000,"drops":4000,"rate_per_s":250.04,"interval_s":0.004,
             "limited_interval_s":0.004,"last_s":0.06,"limited":true,"versions":[3,4]},
            {"address":"2001:db8::","prefix":64,"hits":12,"drops":0,"rate_per_s":1.5,"interval_s":null,
             "limited_interval_s":null,"last_s":61.5,"limited":false,"versions":[]}]"#;
        let Some(Value::List(list)) = Value::parse(text) else { panic!("JSON") };
        list
    }

    #[test]
    fn wishes_are_read_and_wrong_ones_explained() {
        assert_eq!(read(&["--top", "5"]).ok(), Some(Wish { top: 5, order: "hits", nft: false }));
        assert_eq!(read(&["--nft-set", "--top=7"]).ok(), Some(Wish { top: 7, order: "rate", nft: true }));
        assert_eq!(read(&["--sort", "last"]).ok(), Some(Wish { top: 20, order: "last", nft: false }));
        for (words, expected) in [
            (&["--top", "0"] as &[&str], "1 to 250"),
            (&["--top"], "1 to 250"),
            (&["--sort", "hit"], "hits, drops, rate, last"),
            (&["--top", "3", "-p"], "\"-p\""),
        ] {
            let Err(Failure::Usage(text)) = read(words) else { panic!("{words:?}") };
            assert!(text.contains(expected), "{text}");
        }
        assert!(is_own(&["--top=3"]) && !is_own(&["-p", "3", "-k"]));
    }

    #[test]
    fn a_table_tells_versions_and_who_is_limited() {
        let table = table(&clients());
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[1].split_whitespace().collect::<Vec<_>>(),
            ["192.0.2.7", "5000", "4000", "250", "0.0040", "0", "v3", "v4", "(limited)"]
        );
        assert!(lines[2].starts_with("2001:db8::/64 ") && lines[2].contains(" 1.50 "), "{table}");
    }

    #[test]
    fn sets_of_nftables_hold_addresses_and_prefixes() {
        let text = nft_set(&clients());
        assert!(text.contains("add element inet timeball loud4 { 192.0.2.7 }\n"), "{text}");
        assert!(text.contains("add element inet timeball loud6 { 2001:db8::/64 }\n"), "{text}");
        assert!(!nft_set(&[]).contains("element"));
    }
}
