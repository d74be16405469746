//! Which servers are to be measured: names, addresses, and files that list them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use ntp::config::{Family, SourceKind};

use crate::cli::client::resolve;
use crate::daemon::files;
use crate::operators;

/// Most servers measured at once: each is asked several times a minute.
pub const MOST: usize = 64;
/// Longest list that is read, bytes.
const LONGEST_FILE: u64 = 1 << 20;

/// A server to be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As it was called: a name, or an address.
    pub name: String,
    /// What a configuration should call it: its address when the name stands for others each time.
    pub host: String,
    /// Where it is.
    pub address: SocketAddr,
}

/// A host as it was named, before anything is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    port: u16,
    pool: bool,
}

/// The servers that the words mean (files or hosts), each address once; and the names that have no address.
pub fn find(words: &[&str], family: Family) -> Result<(Vec<Candidate>, Vec<String>), String> {
    let (mut found, mut missing) = (Vec::<Candidate>::new(), Vec::new());
    for named in words.iter().map(|word| named(word)).collect::<Result<Vec<_>, _>>()?.concat() {
        let mut addresses = resolve(&named.name, family);
        if !named.pool {
            addresses.truncate(1);
        }
        if addresses.is_empty() {
            missing.push(named.name.clone());
        }
        for address in addresses {
            let candidate = candidate(&named, address);
            if found.iter().all(|known| known.address != candidate.address) {
                found.push(candidate);
            }
        }
    }
    if found.len() > MOST {
        return Err(format!(
            "{} servers are too many at once; {MOST} can be measured side by side",
            found.len()
        ));
    }
    Ok((found, missing))
}

fn candidate(named: &Named, address: IpAddr) -> Candidate {
    let host = if named.pool { address.to_string() } else { named.name.clone() };
    Candidate { name: named.name.clone(), host, address: SocketAddr::new(address, named.port) }
}

/// The hosts of a file, or one host.
fn named(word: &str) -> Result<Vec<Named>, String> {
    let path = Path::new(word);
    if word.contains('/') || path.is_file() {
        let text = files::read(path, LONGEST_FILE).map_err(|failure| failure.to_string())?;
        let text = text.ok_or_else(|| format!("There is no file {word}"))?;
        let list = list(&text);
        return if list.is_empty() { Err(format!("{word} names no server")) } else { Ok(list) };
    }
    host(word).map(|host| vec![host]).ok_or_else(|| format!("\"{word}\" is neither a host nor a file"))
}

/// Lines `server|pool|peer NAME …` of a configuration, or a host each; everything else is passed over.
fn list(text: &str) -> Vec<Named> {
    let line = |line: &str| {
        let mut words = line.split('#').next()?.split_whitespace();
        let first = words.next()?;
        let kind = match first.to_ascii_lowercase().as_str() {
            "server" => Some(SourceKind::Server),
            "peer" => Some(SourceKind::Peer),
            "pool" => Some(SourceKind::Pool),
            _ => None,
        };
        match (kind, words.next()) {
            (Some(kind), Some(name)) => {
                let mut named = host(name)?;
                let options: Vec<&str> = words.collect();
                let port = options.windows(2).find(|pair| pair[0].eq_ignore_ascii_case("port"));
                named.port = port.and_then(|pair| pair[1].parse().ok()).unwrap_or(named.port);
                named.pool |= kind == SourceKind::Pool;
                Some(named)
            }
            // A word alone is a host; a directive has arguments.
            (None, None) if !first.starts_with(['!', ';', '%']) => host(first),
            _ => None,
        }
    };
    text.lines().filter_map(line).collect()
}

/// `NAME`, `ADDRESS`, `NAME:PORT` or `[ADDRESS]:PORT`.
fn host(word: &str) -> Option<Named> {
    let good = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c))
    };
    let (name, port) = match word.parse::<IpAddr>() {
        Ok(_) => (word, 123),
        Err(_) => match word.rsplit_once(':') {
            Some((name, port)) => (name.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?),
            None => (word, 123),
        },
    };
    good(name).then(|| Named { name: name.to_owned(), port, pool: operators::is_pool_name(name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_configurations_or_a_host_a_line() {
        let text = "# mine\nserver ntp.example.org iburst port 1123\n  pool 2.pool.ntp.org\npeer b.example # near\n\
                    plain.example\n192.0.2.1\ndriftfile /x\nmakestep 1 3\n! no\nrtcsync?\n";
        let names: Vec<(String, u16, bool)> =
            list(text).into_iter().map(|named| (named.name, named.port, named.pool)).collect();
        let expected = [
            ("ntp.example.org", 1123, false),
            ("2.pool.ntp.org", 123, true),
            ("b.example", 123, false),
            ("plain.example", 123, false),
            ("192.0.2.1", 123, false),
        ];
        assert_eq!(names, expected.map(|(name, port, pool)| (name.to_owned(), port, pool)));
    }

    #[test]
    fn hosts_may_have_ports_and_addresses_are_taken_once() {
        let (found, missing) =
            find(&["127.0.0.1", "127.0.0.1:123", "[::1]:1123", "no-such-name.invalid"], Family::Any)
                .expect("good");
        let addresses: Vec<String> = found.iter().map(|candidate| candidate.address.to_string()).collect();
        assert_eq!(addresses, ["127.0.0.1:123", "[::1]:1123"]);
        assert_eq!(missing, ["no-such-name.invalid"]);
        for bad in ["/no/such/list", "a b", "-x!"] {
            assert!(find(&[bad], Family::Any).is_err(), "{bad}");
        }
    }
}
