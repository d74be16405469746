//! Which source is meant: any name a source has had counts, and where several things have it that is shown, not guessed.
//!
//! A word is tried as number in the list, address, name in the configuration or in a command, and identifier of a
//! reference clock; then, by the resolver, as the name of an address (reverse), as the canonical name of a configured
//! one, and as another name of the same address. This works with every daemon; ours also knows the addresses that a
//! source had before.

use std::net::IpAddr;

use ntp::config::Family;
use ntp::control::client::Argument;
use ntp::control::sourcename::{NameReport, SOURCENAME};
use ntp::control::sources::SourceMode;
use ntp::report::Address;

use super::Name;
use super::arguments;
use super::client::resolve;
use super::commands::{source, source_count};
use super::session::{Failure, Session};

/// A source of the daemon's list.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// Its place in the list, from 1 on.
    pub number: u32,
    /// Its address, or its number while it has none; of a reference clock its identifier.
    pub address: Address,
    /// The name it was added with; what a report calls it where it has none.
    pub name: String,
    /// It is a reference clock.
    pub refclock: bool,
}

impl Known {
    fn ip(&self) -> Option<IpAddr> {
        self.address.ip().filter(|_| !self.refclock)
    }

    fn line(&self) -> String {
        let address = if self.refclock { "reference clock".to_owned() } else { self.address.to_string() };
        if address == self.name {
            format!("  {:>3}  {}", self.number, self.name)
        } else {
            format!("  {:>3}  {}  {address}", self.number, self.name)
        }
    }
}

/// Every source, in the daemon's order.
pub fn all(session: &mut Session<'_>) -> Result<Vec<Known>, Failure> {
    let mut known = Vec::new();
    for index in 0..source_count(session)? {
        let data = source(session, index)?;
        let refclock = data.mode == SourceMode::Refclock;
        let mut name = data.label();
        if !refclock
            && let Ok(report) = session.fetch::<NameReport>(&SOURCENAME, Argument::Address(data.address))
        {
            name = report.configured_name.0;
        }
        known.push(Known { number: index.saturating_add(1), address: data.address, name, refclock });
    }
    Ok(known)
}

/// What `word` may mean among `sources` without the resolver.
fn by_list<'a>(sources: &'a [Known], word: &str) -> Vec<&'a Known> {
    let number = word.strip_prefix('#').unwrap_or(word);
    let is_number = number.len() < 9 && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number = if is_number { number.parse::<u32>().ok() } else { None };
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let address = match arguments::source_address(word, Family::Any) {
        Ok(address @ Address::Id(_)) => Some(address),
        _ => word.parse::<IpAddr>().ok().map(Address::from),
    };
    let tests: [&dyn Fn(&Known) -> bool; 3] = [
        &|source| address == Some(source.address) && !source.refclock,
        &|source| bare(&source.name) == bare(word),
        &|source| number == Some(source.number),
    ];
    for test in tests {
        let found: Vec<&Known> = sources.iter().filter(|source| test(source)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// … and with it.
fn by_resolver<'a>(sources: &'a [Known], word: &str, family: Family) -> Vec<&'a Known> {
    let same = |name: &str| name.trim_end_matches('.').eq_ignore_ascii_case(word.trim_end_matches('.'));
    let addresses = resolve(word, family);
    let is_meant = |source: &&Known| {
        let ip = source.ip();
        ip.is_some_and(|ip| addresses.contains(&ip))
            || ip.and_then(sys::names::host_of).is_some_and(|host| same(&host))
            || (!source.refclock && source.name.parse::<IpAddr>().is_err())
                && sys::names::canonical_name(&source.name).is_some_and(|canonical| same(&canonical))
    };
    sources.iter().filter(is_meant).collect()
}

/// The sources that `word` means: one thing, which is a pool if there are several.
fn found(sources: &[Known], word: &str, family: Family) -> Result<Vec<Known>, Failure> {
    let mut meant = by_list(sources, word);
    if meant.is_empty() && word.parse::<IpAddr>().is_err() {
        meant = by_resolver(sources, word, family);
    }
    let list = |sources: &[&Known]| sources.iter().map(|s| s.line()).collect::<Vec<_>>().join("\n");
    match meant.first() {
        None => {
            let every: Vec<&Known> = sources.iter().collect();
            let there = if every.is_empty() { "there are none".to_owned() } else { list(&every) };
            Err(Failure::usage(format!("There is no source \"{word}\". The sources:\n{there}")))
        }
        Some(first) if meant.iter().any(|source| source.name != first.name) => Err(Failure::usage(format!(
            "\"{word}\" may mean several sources; say which by number or address:\n{}",
            list(&meant)
        ))),
        Some(_) => Ok(meant.into_iter().cloned().collect()),
    }
}

/// The addresses of the sources that a word means. As chronyc, a name is what the resolver says of it, and nothing else is
/// asked; our daemon then knows the source by any address of its name.
pub fn addresses(session: &mut Session<'_>, word: &str) -> Result<Vec<Address>, Failure> {
    let family = session.options.family;
    // Of addresses the daemon knows best; ours remembers those that a source had before.
    let literal = word.parse::<IpAddr>().is_ok() || word.starts_with("ID#");
    if literal || session.name == Name::Chronyc {
        let address = arguments::source_address(word, family)
            .map_err(|_| Failure::usage("Could not get address for hostname"))?;
        return Ok(vec![address]);
    }
    let sources = all(session)?;
    Ok(found(&sources, word, family)?.iter().map(|source| source.address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> Vec<Known> {
        let source = |number, address: &str, name: &str| Known {
            number,
            address: address.parse::<IpAddr>().map_or(Address::Id(7), Address::from),
            name: name.to_owned(),
            refclock: name == "PPS0",
        };
        vec![
            source(1, "192.0.2.1", "pool.example"),
            source(2, "192.0.2.2", "pool.example"),
            source(3, "192.0.2.3", "192.0.2.3"),
            source(4, "80.80.83.48", "PPS0"),
            source(5, "unresolved", "later.example"),
        ]
    }

    #[test]
    fn a_source_is_found_by_each_of_its_names() {
        let sources = sources();
        for (word, numbers) in [
            ("192.0.2.2", &[2][..]),
            ("3", &[3]),
            ("#1", &[1]),
            ("POOL.example.", &[1, 2]),
            ("pps0", &[4]),
            ("80.80.83.48", &[]),
            ("later.example", &[5]),
            ("ID#0000000007", &[5]),
            ("6", &[]),
            ("0", &[]),
            ("", &[]),
        ] {
            let found: Vec<u32> = by_list(&sources, word).iter().map(|source| source.number).collect();
            assert_eq!(found, numbers, "{word}");
        }
    }

    #[test]
    fn what_is_not_there_and_what_is_several_things_is_shown() {
        let said = |word: &str, sources: &[Known]| match found(sources, word, Family::Any) {
            Err(Failure::Usage(text)) => text,
            other => panic!("{other:?}"),
        };
        let mut sources = sources();
        let text = said("192.0.2.9", &sources);
        assert!(
            text.starts_with("There is no source \"192.0.2.9\"") && text.contains("pool.example  192.0.2.1"),
            "{text}"
        );
        assert_eq!(
            found(&sources, "pool.example", Family::Any).map(|s| s.len()).ok(),
            Some(2),
            "a pool is one thing"
        );
        // Two lines of the configuration lead to this machine.
        sources[2].address = Address::from(IpAddr::from([127, 0, 0, 1]));
        sources[0].address = sources[2].address;
        if resolve("localhost", Family::Any).contains(&IpAddr::from([127, 0, 0, 1])) {
            let text = said("localhost", &sources);
            assert!(
                text.contains("several") && text.contains("    1  pool.example") && text.contains("    3  "),
                "{text}"
            );
        } else {
            eprintln!("SKIPPED ambiguity: localhost is not 127.0.0.1 here");
        }
    }
}
