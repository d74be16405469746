//! What holds for any text taken as a configuration.

use ntp::config::{AccessRule, Config, ConfigError, Loader, Parsed, parse, parse_lines, parse_sources_file};
use ntp::server::AccessTable;
use std::cell::Cell;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let files = Files::new(&text);
    match parse(&text, "/etc/main.conf", &files) {
        Ok(parsed) => check_meaning(&parsed),
        Err(refused) => {
            assert!(!refused.errors.is_empty(), "a refusal without reason");
            check_errors(&refused.errors);
        }
    }
    for source in parse_sources_file(&text) {
        assert!(!source.name.is_empty());
        assert_finite(&format!("{source:?}"));
    }
}

/// A disk with a few files, one of which is the text itself: including it again must end.
struct Files<'a> {
    text: &'a str,
    /// How often a file may still be opened: the parser's own limit is higher than a fuzzer has patience for.
    left: Cell<usize>,
}

impl<'a> Files<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, left: Cell::new(30) }
    }
}

impl Loader for Files<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        if self.left.get() == 0 {
            return Err("Too many open files".to_owned());
        }
        self.left.set(self.left.get() - 1);
        match path {
            "/etc/main.conf" => Ok(self.text.to_owned()),
            "/etc/conf.d/a.conf" => Ok("server 192.0.2.1 iburst\n".to_owned()),
            "/etc/conf.d/b.conf" => Ok("allow 10.0.0.0/8\nport 0".to_owned()),
            _ => Err("No such file or directory".to_owned()),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        match folder.trim_end_matches('/') {
            "/etc/conf.d" => Ok(["b.conf", "a.conf", "a.sources", ".conf"].map(str::to_owned).to_vec()),
            _ => Err("No such file or directory".to_owned()),
        }
    }
}

fn check_meaning(parsed: &Parsed) {
    let config = &parsed.config;
    assert_finite(&format!("{config:?}"));
    let objections = ntp::config::check(parsed);
    check_errors(&objections);
    for rules in [&config.server.access, &config.control.access] {
        assert!(!objections.is_empty() || rules.iter().all(prefix_fits));
        let _ = AccessTable::new(rules); // takes any prefix
    }
    // What `-p` prints means the same: nothing is lost, nothing depends on the files any more.
    let again = parse_lines(&parsed.lines, &Files::new("")).expect("printed lines are right");
    assert_eq!(again.lines, parsed.lines);
    assert_same(&again.config, config);
}

fn assert_same(a: &Config, b: &Config) {
    assert!(a == b, "the printed configuration means something else:\n{a:#?}\n{b:#?}");
}

fn prefix_fits(rule: &AccessRule) -> bool {
    rule.subnet.is_none_or(|net| net.prefix <= if net.address.is_ipv4() { 32 } else { 128 })
}

fn check_errors(errors: &[ConfigError]) {
    assert!(errors.len() <= 1000, "a flood of {} errors", errors.len());
    for error in errors {
        assert!(!error.message.is_empty());
        assert!(error.origin.as_ref().is_none_or(|origin| origin.line >= 1));
    }
}

/// No number is NaN or infinite: `debug` is searched outside its quoted strings.
fn assert_finite(debug: &str) {
    let (mut outside, mut quoted, mut escaped) = (String::new(), false, false);
    for c in debug.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted => outside.push(c),
            _ => {}
        }
    }
    for word in outside.split(|c: char| !c.is_ascii_alphanumeric()) {
        assert!(!matches!(word, "NaN" | "inf"), "{debug}");
    }
}
