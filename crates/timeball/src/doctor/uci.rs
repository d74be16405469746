//! Looking something up in OpenWrt's configuration (UCI). Only reads.

use crate::setup::uci::{self, Document, truth};

/// `config KIND [NAME]` and what is said below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// What it is: `zone`, `rule`, `dhcp`.
    pub kind: String,
    /// Its name, or empty.
    pub name: String,
    /// Options and elements of lists, in order.
    pub options: Vec<(String, String)>,
}

impl Section {
    /// The value of an option, or empty.
    pub fn get(&self, name: &str) -> &str {
        let named = self.options.iter().rfind(|(known, _)| known == name);
        named.map_or("", |(_, value)| value.as_str())
    }

    /// The values of a list; an option with several words is one, too.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All words of an option or list.
    pub fn words<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(str::split_whitespace)
    }

    /// Is an option set to a word that means yes?
    pub fn is_on(&self, name: &str) -> bool {
        truth(self.get(name)) == Some(true)
    }
}

/// The sections of a file; `None` when it is not UCI's.
pub fn read(text: &str) -> Option<Vec<Section>> {
    let document = Document::parse(text).ok()?;
    let owned = |section: uci::Section<'_>| Section {
        kind: section.kind.to_owned(),
        name: section.name.unwrap_or_default().to_owned(),
        options: section.entries().map(|entry| (entry.key.to_owned(), entry.value.to_owned())).collect(),
    };
    Some(document.sections().map(owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_options_lists_and_comments() {
        let text = "# a comment\nconfig rule 'x'\n\toption name\t\"Allow \\\"NTP\\\"\"\n\tlist proto 'udp'\n\
                    \tlist proto tcp # both\n#\toption target DROP\n\toption empty ''\nconfig zone\n\toption enabled 1\n";
        let sections = read(text).expect("UCI");
        assert_eq!(sections.len(), 2);
        assert_eq!((sections[0].kind.as_str(), sections[0].name.as_str()), ("rule", "x"));
        assert_eq!(sections[0].get("name"), "Allow \"NTP\"");
        assert_eq!(sections[0].words("proto").collect::<Vec<_>>(), ["udp", "tcp"]);
        assert_eq!((sections[0].get("target"), sections[0].get("empty")), ("", ""));
        assert!(sections[1].is_on("enabled") && !sections[0].is_on("enabled"));
    }
}
