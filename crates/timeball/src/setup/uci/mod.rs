//! OpenWrt's configuration files (UCI), read and edited without disturbing what is not meant.
//!
//! A [`Document`] keeps every byte: comments, order, spacing, quotes. What is written back differs from what was read
//! only in the statements that were changed. The syntax is that of OpenWrt's manual: `config TYPE [NAME]`, `option KEY
//! VALUE`, `list KEY VALUE`; words bare, in single quotes (raw) or in double quotes (with `\`), pieces joined when they
//! touch; a `#` where a word could begin starts a comment.

mod edit;
mod words;

use std::fmt;
use std::ops::Range;
use words::{Statement as Lexed, Word};

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    statements: Vec<Statement>,
}

/// A line, or several if a quoted word has line ends in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// As written, with its end.
    text: String,
    /// Number of its first line, from 1; 0 if it was added.
    line: usize,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    /// Nothing, a comment, or `package`.
    Nothing,
    Section {
        kind: String,
        name: Option<String>,
    },
    Value {
        key: String,
        value: String,
        list: bool,
        /// Where the value stands in the text.
        span: Range<usize>,
    },
}

/// Why a file is none of UCI's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// From 1.
    pub line: usize,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Which section is meant, as long as the document is not changed before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionId(usize);

/// One section. Sections of one name are one for OpenWrt, too; here each is by itself.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// To change it.
    pub id: SectionId,
    /// The word after `config`.
    pub kind: &'a str,
    /// The name, unless it is anonymous.
    pub name: Option<&'a str>,
    /// Number of its line.
    pub line: usize,
    body: &'a [Statement],
}

/// One `option` or `list` of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The first word.
    pub key: &'a str,
    /// The second, without quotes.
    pub value: &'a str,
    /// Is it `list`?
    pub list: bool,
    /// Number of its line.
    pub line: usize,
}

impl Document {
    /// Reads a file.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let mut statements: Vec<Statement> = Vec::new();
        let mut inside = false;
        for Lexed { text, line, words } in words::split(text)? {
            let what = meaning(&words).map_err(|message| SyntaxError { line, message })?;
            match what {
                What::Section { .. } => inside = true,
                What::Value { .. } if !inside => {
                    let message =
                        "this belongs to no section: a line \"config TYPE\" must come before".to_owned();
                    return Err(SyntaxError { line, message });
                }
                _ => {}
            }
            statements.push(Statement { text, line, what });
        }
        Ok(Self { statements })
    }

    /// All sections, in order.
    pub fn sections(&self) -> impl Iterator<Item = Section<'_>> {
        self.statements.iter().enumerate().filter_map(|(at, statement)| {
            let What::Section { kind, name } = &statement.what else { return None };
            let body = &self.statements[at + 1..self.end(SectionId(at))];
            Some(Section { id: SectionId(at), kind, name: name.as_deref(), line: statement.line, body })
        })
    }

    /// Those of one type.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = Section<'a>> {
        self.sections().filter(move |section| section.kind == kind)
    }

    /// The last one of that type and name.
    pub fn named(&self, kind: &str, name: &str) -> Option<Section<'_>> {
        self.sections().filter(|section| section.kind == kind && section.name == Some(name)).last()
    }

    /// One past the last statement of a section.
    fn end(&self, id: SectionId) -> usize {
        let body = &self.statements[id.0 + 1..];
        let length = body.iter().position(|statement| matches!(statement.what, What::Section { .. }));
        length.map_or(self.statements.len(), |length| id.0 + 1 + length)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.statements.iter().try_for_each(|statement| f.write_str(&statement.text))
    }
}

impl<'a> Section<'a> {
    /// Its options and list entries, in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.body.iter().filter_map(|statement| match &statement.what {
            What::Value { key, value, list, .. } => {
                Some(Entry { key, value, list: *list, line: statement.line })
            }
            _ => None,
        })
    }

    /// The value of an option, the last one if it is given twice.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.entries().filter(|entry| entry.key == key && !entry.list).last().map(|entry| entry.value)
    }

    /// Everything under one key: the entries of a list, or the words of an option.
    pub fn list(&self, key: &str) -> Vec<&'a str> {
        let entries = || self.entries().filter(|entry| entry.key == key);
        if entries().any(|entry| entry.list) {
            return entries().map(|entry| entry.value).collect();
        }
        self.get(key).map(|value| value.split_whitespace().collect()).unwrap_or_default()
    }

    /// Is an option on? `absent` if it is not given, or neither yes nor no.
    pub fn is_on(&self, key: &str, absent: bool) -> bool {
        self.get(key).and_then(truth).unwrap_or(absent)
    }
}

/// OpenWrt's words for yes and no.
pub fn truth(word: &str) -> Option<bool> {
    match word {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}

fn meaning(words: &[Word]) -> Result<What, String> {
    let text = |at: usize| words.get(at).map(|word| word.value.clone());
    let (Some(first), second, third) = (text(0), text(1), text(2)) else { return Ok(What::Nothing) };
    if words.len() > 3 {
        return Err(format!("too many words after \"{first}\": put the value in quotes"));
    }
    match (first.as_str(), second, third) {
        ("package", Some(_), None) => Ok(What::Nothing),
        ("config", Some(kind), name) => {
            Ok(What::Section { kind, name: name.filter(|name| !name.is_empty()) })
        }
        (word @ ("option" | "list"), Some(key), Some(value)) => {
            let span = words.get(2).map(|word| word.span.clone()).unwrap_or_default();
            Ok(What::Value { key, value, list: word == "list", span })
        }
        (word @ ("option" | "list"), ..) => Err(format!("\"{word}\" wants a name and a value")),
        ("config" | "package", ..) => Err(format!("\"{first}\" wants one word more, and at most two")),
        _ => Err(format!("\"{first}\" is neither config nor option nor list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "# head\n\npackage chrony\nconfig pool\n\toption hostname '2.pool.example'  # ours\n\toption maxsources\t4\n\
        \nconfig allow 'allow'\n\tlist interface 'lan'\n\tlist subnet \"10.0.0.0/8\"\n\t# list subnet 'x'\n\nconfig odd\n\
        \toption text 'it'\\''s\ntwo lines' \n\toption words 'a  b c'\n\toption last yes";

    #[test]
    fn everything_is_read_and_nothing_is_lost() {
        let document = Document::parse(FILE).unwrap();
        assert_eq!(document.to_string(), FILE);
        let kinds: Vec<_> = document.sections().map(|s| (s.kind, s.name, s.line)).collect();
        assert_eq!(kinds, [("pool", None, 4), ("allow", Some("allow"), 8), ("odd", None, 13)]);
        let pool = document.of_kind("pool").next().unwrap();
        assert_eq!((pool.get("hostname"), pool.get("maxsources")), (Some("2.pool.example"), Some("4")));
        let allow = document.named("allow", "allow").unwrap();
        assert_eq!((allow.list("interface"), allow.list("subnet")), (vec!["lan"], vec!["10.0.0.0/8"]));
        let odd = document.of_kind("odd").next().unwrap();
        assert_eq!(odd.get("text"), Some("it's\ntwo lines"));
        assert_eq!(odd.list("words"), ["a", "b", "c"]);
        assert!(odd.is_on("last", false) && odd.is_on("none", true) && !odd.is_on("none", false));
        assert_eq!(odd.entries().last().map(|entry| entry.line), Some(17));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, word) in [
            ("config a\n\toption x 'open\n\n", 2, "quote"),
            ("option x 1\n", 1, "no section"),
            ("config\n", 1, "config"),
            ("config a b c\n", 1, "too many"),
            ("config a b c d\n", 1, "too many"),
            ("config a\noption x\n", 2, "wants"),
            ("config a\noption x a b\n", 2, "too many"),
            ("\n\nserver a\n", 3, "server"),
        ] {
            let error = Document::parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.to_string().contains(word), "{text:?}: {error}");
        }
    }

    /// Text that is a file of UCI's more often than not.
    fn files() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("config a 'b'".to_owned()),
            Just("config server".to_owned()),
            "#[ -~]{0,8}",
            "[ \t]{0,3}",
            "[ \t]{0,2}option[ \t]{1,2}[a-z_]{1,5} [a-z0-9.]{1,6}( #.{0,4})?",
            "\tlist [a-z]{1,4} '[^']{0,6}'[ \t\r]{0,2}",
            "\toption [a-z]{1,4} \"[a-z #']{0,6}\"",
            "[ -~\\\\'\"]{0,12}",
        ];
        let end = prop_oneof![Just("\n"), Just("")];
        (prop::collection::vec(line, 0..12), end)
            .prop_map(|(lines, end)| format!("config first\n{}{end}", lines.join("\n")))
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_byte_for_byte(text in files()) {
            if let Ok(document) = Document::parse(&text) {
                prop_assert_eq!(document.to_string(), text);
            }
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,80}") {
            if let Ok(document) = Document::parse(&text) {
                prop_assert_eq!(document.to_string(), text);
            }
        }

        #[test]
        fn what_is_set_is_read_again_and_the_rest_stays(text in files(), value in ".{0,12}", key in "[a-z]{1,4}") {
            if let Ok(mut document) = Document::parse(&text) {
                let before: Vec<String> = document.sections().map(|s| format!("{:?}", (s.kind, s.name))).collect();
                let id = document.sections().next().expect("there is one").id;
                document.set(id, &key, &value);
                document.add_list(id, "extra", &value);
                let again = Document::parse(&document.to_string()).expect("what we write is UCI");
                let section = again.sections().next().expect("there is one");
                prop_assert_eq!(section.get(&key), Some(value.as_str()));
                prop_assert_eq!(section.list("extra").last().copied(), Some(value.as_str()));
                let after: Vec<String> = again.sections().map(|s| format!("{:?}", (s.kind, s.name))).collect();
                prop_assert_eq!(before, after);
                let text_again = document.to_string();
                document.set(id, &key, &value);
                prop_assert_eq!(document.to_string(), text_again, "setting what is set changes nothing");
            }
        }
    }
}
