//! The addresses that names had when they were last looked up.
//!
//! After a power cut the name servers may not be there yet, or the clock may be so wrong that no signature of DNSSEC holds;
//! then nobody could ever set it. So a source whose name cannot be looked up is asked where it was last.

use crate::learned::crc32;
use core::fmt::Write;
use core::net::IpAddr;

/// Most names kept; the one looked up longest ago makes room.
const MOST_NAMES: usize = 64;
/// Most addresses kept of a name.
const MOST_ADDRESSES: usize = 16;
/// First line of the file.
const HEADING: &str = "# Addresses that the names of sources had.";

/// Names with their addresses, the one looked up last at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastAddresses {
    names: Vec<(String, Vec<IpAddr>)>,
}

/// What a look-up changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Nothing.
    None,
    /// Other addresses of a name that is known.
    Addresses,
    /// A name that was not known.
    Name,
}

impl LastAddresses {
    /// Remembers what a look-up of `name` found. An address is its own name and not remembered.
    pub fn note(&mut self, name: &str, found: &[IpAddr]) -> News {
        let is_word = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control());
        if found.is_empty() || !is_word || name.parse::<IpAddr>().is_ok() {
            return News::None;
        }
        let mut addresses = found.get(..MOST_ADDRESSES).unwrap_or(found).to_vec();
        addresses.sort_unstable();
        let old = self.names.iter().position(|(known, _)| known == name).map(|at| self.names.remove(at));
        let news = match &old {
            None => News::Name,
            Some((_, known)) if *known == addresses => News::None,
            Some(_) => News::Addresses,
        };
        if self.names.len() >= MOST_NAMES {
            self.names.remove(0);
        }
        self.names.push((name.to_owned(), addresses));
        news
    }

    /// Where `name` was when it was last looked up.
    pub fn of(&self, name: &str) -> &[IpAddr] {
        self.names.iter().find(|(known, _)| known == name).map_or(&[], |(_, addresses)| addresses)
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The text of the file.
    pub fn format(&self) -> String {
        let mut text = format!("{HEADING}\n");
        for (name, addresses) in &self.names {
            text.push_str(name);
            for address in addresses {
                let _ = write!(text, " {address}");
            }
            text.push('\n');
        }
        let sum = crc32(text.as_bytes());
        let _ = writeln!(text, "crc32 {sum:08x}");
        text
    }

    /// Reads the text of the file; `None`: it is not whole, or not ours.
    pub fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.rsplit_once("crc32 ")?;
        if u32::from_str_radix(sum.trim_end(), 16) != Ok(crc32(body.as_bytes())) {
            return None;
        }
        let mut all = Self::default();
        for line in body.strip_prefix(HEADING)?.lines().filter(|line| !line.is_empty()) {
            let (name, addresses) = line.split_once(' ')?;
            let addresses: Result<Vec<IpAddr>, _> = addresses.split(' ').map(str::parse).collect();
            all.note(name, &addresses.ok()?);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn what_was_found_last_is_kept_and_comes_back_from_the_file() {
        let mut all = LastAddresses::default();
        assert_eq!(all.note("192.0.2.1", &addresses(&["192.0.2.1"])), News::None);
        assert_eq!(all.note("a.example", &[]), News::None);
        assert!(all.is_empty());
        assert_eq!(all.note("a.example", &addresses(&["192.0.2.2", "192.0.2.1"])), News::Name);
        assert_eq!(
            all.note("a.example", &addresses(&["192.0.2.1", "192.0.2.2"])),
            News::None,
            "another order"
        );
        assert_eq!(all.note("b.example", &addresses(&["2001:db8::1"])), News::Name);
        assert_eq!(all.note("a.example", &addresses(&["192.0.2.3"])), News::Addresses);
        assert_eq!(all.of("a.example"), addresses(&["192.0.2.3"]));
        assert!(all.of("c.example").is_empty());
        let text = all.format();
        assert_eq!(LastAddresses::parse(&text), Some(all));
        for end in 0..text.len() - 1 {
            assert_eq!(LastAddresses::parse(&text[..end]), None, "torn at {end}");
        }
        assert_eq!(LastAddresses::parse(&text.replace("192.0.2.3", "192.0.2.4")), None);
    }

    #[test]
    fn it_never_grows_beyond_its_room() {
        let mut all = LastAddresses::default();
        let many: Vec<IpAddr> = (0..40u8).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        for number in 0..200 {
            all.note(&format!("host{number}.example"), &many);
        }
        assert_eq!(all.names.len(), MOST_NAMES);
        assert_eq!(all.of("host199.example").len(), MOST_ADDRESSES);
        assert!(all.of("host0.example").is_empty());
    }
}
