//! From OpenWrt's files to a configuration: `/etc/config/timeball`, `/etc/config/chrony` and the servers of
//! `/etc/config/system`; hand-written directives of `/etc/chrony/chrony.conf` come before, those of
//! `/etc/timeball/timeball.conf` after, so that the more deliberate word is the last one.
//!
//! Every line remembers where it comes from, so that a mistake is told with the place where it was made. Start at
//! [`translate`].

mod sections;

use super::interfaces::Interface;
use super::tree::Tree;
use super::uci::{Document, Section, truth};
use ntp::config::{Loader, check, parse};
use sections::SECTIONS;
use std::path::Path;

/// The folder in which files with DHCP's servers are put.
pub const DHCP_FOLDER: &str = "/var/run/timeball-dhcp";
/// The name under which errors speak of the generated text.
const GENERATED: &str = "the generated configuration";
/// Where chrony's package keeps what is hand-written, and ours.
const CHRONY_CONF: &str = "/etc/chrony/chrony.conf";
/// See [`CHRONY_CONF`].
const OWN_CONF: &str = "/etc/timeball/timeball.conf";

/// What came of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// Directives, each with where it comes from.
    pub lines: Vec<Line>,
    /// What is wrong: nothing may be started with this.
    pub errors: Vec<String>,
    /// What was left out, and why.
    pub notes: Vec<String>,
    /// Are servers wanted that DHCP names, and with which options?
    pub dhcp_options: Option<String>,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The directive.
    pub text: String,
    /// `/etc/config/chrony:12`; empty for what nobody wrote.
    pub from: String,
}

impl Translated {
    fn push(&mut self, text: impl Into<String>, from: &str) {
        self.lines.push(Line { text: text.into(), from: from.to_owned() });
    }

    /// The file for the daemon.
    pub fn text(&self) -> String {
        let head = "# Made by \"timeball uci\" from /etc/config; changes here are lost.\n".to_owned();
        self.lines.iter().fold(head, |out, line| out + &line.text + "\n")
    }

    /// The folders in which the daemon will write: of the drift file, of dumps and of what is recorded.
    pub fn folders(&self, tree: &Tree) -> Vec<String> {
        let lines: Vec<&str> = self.lines.iter().map(|line| line.text.as_str()).collect();
        let Ok(parsed) = parse(&lines.join("\n"), GENERATED, &Files(tree)) else { return Vec::new() };
        let config = parsed.config;
        let drift = config.clock.drift_file.as_deref().and_then(Path::parent).map(Path::to_owned);
        let all = [drift, config.process.dump_dir, config.observe.folder, config.log.dir];
        let mut folders: Vec<String> =
            all.into_iter().flatten().map(|path| path.to_string_lossy().into_owned()).collect();
        folders.sort_unstable();
        folders.dedup();
        folders
    }

    /// Files of a source folder, by name: the servers that DHCP named on each interface, if they are wanted.
    pub fn dhcp_files(&self, interfaces: &[Interface]) -> Vec<(String, String)> {
        let Some(options) = &self.dhcp_options else { return Vec::new() };
        let with = interfaces.iter().filter(|interface| !interface.time_servers.is_empty());
        let is_word =
            |server: &&String| server.chars().all(|c| c.is_ascii_alphanumeric() || ".:-_%".contains(c));
        with.map(|interface| {
            let servers = interface.time_servers.iter().filter(is_word);
            let text = servers.map(|server| format!("server {server}{options}\n")).collect();
            (format!("uci-{}.sources", interface.name), text)
        })
        .collect()
    }
}

/// Reads the files of `tree` and makes a configuration of them, checked.
pub fn translate(tree: &Tree, interfaces: &[Interface]) -> Translated {
    let mut out = Translated::default();
    hand_written(tree, CHRONY_CONF, &mut out);
    let own = read(tree, "timeball", &mut out);
    let chrony = read(tree, "chrony", &mut out);
    let system = read(tree, "system", &mut out);
    for (document, name) in [(&own, "timeball"), (&chrony, "chrony")] {
        if let Some(document) = document {
            translate_file(tree, document, &format!("/etc/config/{name}"), interfaces, &mut out);
        }
    }
    if let Some(document) = &system {
        time_server(document, interfaces, &mut out);
    }
    defaults(&mut out);
    if out.dhcp_options.is_some() {
        out.push(format!("sourcedir {DHCP_FOLDER}"), "");
    }
    // What belongs to the program as a whole comes after what chrony's files say of it.
    for section in own.iter().flat_map(|document| document.of_kind("timeball")) {
        sections::main(&section, &mut out);
    }
    hand_written(tree, OWN_CONF, &mut out);
    validate(tree, &mut out);
    out
}

/// `/etc/timeball/timeball.conf` alone, checked: the configuration of all other systems.
pub fn own_file(tree: &Tree) -> Translated {
    let mut out = Translated::default();
    hand_written(tree, OWN_CONF, &mut out);
    validate(tree, &mut out);
    out
}

/// The directives of a text with all that it includes; the text itself if it has mistakes.
pub fn expanded(tree: &Tree, text: &str) -> String {
    parse(text, OWN_CONF, &Files(tree)).map_or_else(|_| text.to_owned(), |parsed| parsed.lines.join("\n"))
}

/// The lines of a file with directives; those by which chrony's package finds its own generated files are left out.
fn hand_written(tree: &Tree, path: &str, out: &mut Translated) {
    let Some(text) = tree.text(path) else { return };
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let folder = words.next().unwrap_or_default();
        let is_generated = matches!(
            (first, folder.trim_end_matches('/')),
            ("confdir", "/var/etc/chrony.d") | ("sourcedir", "/var/run/chrony-dhcp")
        );
        if !first.is_empty() && !first.starts_with(['!', ';', '#', '%']) && !is_generated {
            out.push(line.trim(), &format!("{path}:{}", index + 1));
        }
    }
}

fn read(tree: &Tree, name: &str, out: &mut Translated) -> Option<Document> {
    let path = format!("/etc/config/{name}");
    if !tree.exists(&path) {
        return None;
    }
    let text = tree.text(&path).ok_or_else(|| "it is no text, or too large".to_owned());
    match text.and_then(|text| Document::parse(&text).map_err(|error| error.to_string())) {
        Ok(document) => Some(document),
        Err(error) => {
            out.errors.push(format!("{path}: {error}"));
            None
        }
    }
}

fn translate_file(
    tree: &Tree,
    document: &Document,
    path: &str,
    interfaces: &[Interface],
    out: &mut Translated,
) {
    let has_rtc = tree.exists("/dev/rtc0");
    for section in document.sections() {
        match SECTIONS.iter().find(|known| known.kind == section.kind) {
            Some(known) => (known.translate)(&Found { section, path, interfaces, has_rtc }, out),
            None if section.kind == "timeball" => {}
            None => {
                let near =
                    ntp::config::suggest::nearest(section.kind, SECTIONS.iter().map(|known| known.kind));
                let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
                out.notes
                    .push(format!("{path}:{}: no section \"{}\" is known{near}", section.line, section.kind));
            }
        }
    }
}

/// A section, where it was found, and what it may need.
struct Found<'a> {
    section: Section<'a>,
    path: &'a str,
    interfaces: &'a [Interface],
    /// Is there a clock that runs without power?
    has_rtc: bool,
}

impl Found<'_> {
    fn from(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    /// Says so of options that are none of `known`.
    fn strangers(&self, known: &[&str], out: &mut Translated) {
        for entry in self.section.entries().filter(|entry| !known.contains(&entry.key)) {
            let near = ntp::config::suggest::nearest(entry.key, known.iter().copied());
            let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
            let place = self.from(entry.line);
            out.notes
                .push(format!("{place}: \"{}\" is no option of \"{}\"{near}", entry.key, self.section.kind));
        }
    }

    /// The value of an option, if it is one word.
    fn word(&self, key: &str, out: &mut Translated) -> Option<String> {
        let entry = self.section.entries().filter(|entry| entry.key == key).last()?;
        one_word(entry.value, key, &self.from(entry.line), out)
    }

    /// An option that is yes or no.
    fn flag(&self, key: &str, absent: bool, out: &mut Translated) -> bool {
        let Some(entry) = self.section.entries().filter(|entry| entry.key == key).last() else {
            return absent;
        };
        truth(entry.value).unwrap_or_else(|| {
            let place = self.from(entry.line);
            out.errors.push(format!("{place}: {key} '{}' is neither 1 nor 0", entry.value));
            absent
        })
    }
}

/// A value that may stand in a directive: several words could be another directive's.
fn one_word(value: &str, key: &str, place: &str, out: &mut Translated) -> Option<String> {
    if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c.is_control()) {
        out.errors.push(format!("{place}: {key} '{}' must be one word", value.escape_debug()));
        return None;
    }
    Some(value.to_owned())
}

/// `/etc/config/system`: what users of the built-in client have configured there.
fn time_server(document: &Document, interfaces: &[Interface], out: &mut Translated) {
    let path = "/etc/config/system";
    let Some(section) = document.of_kind("timeserver").last() else { return };
    let found = Found { section, path, interfaces, has_rtc: true };
    if !found.flag("use_dhcp", true, out) {
        out.dhcp_options = None;
    }
    if found.flag("enable_server", false, out) {
        let place = found.from(section.line);
        let interface = found.word("interface", out).unwrap_or_else(|| "lan".to_owned());
        sections::allow_interface(&interface, interfaces, &place, out);
    }
    if !found.flag("enabled", true, out) {
        return;
    }
    let has_others = out.lines.iter().any(is_source);
    for entry in section.entries().filter(|entry| entry.key == "server") {
        let place = found.from(entry.line);
        // The servers that every OpenWrt comes with are no choice of anybody's.
        let is_default = entry.value.ends_with(".openwrt.pool.ntp.org");
        let is_known =
            |line: &Line| is_source(line) && line.text.split_whitespace().nth(1) == Some(entry.value);
        if (is_default && has_others) || out.lines.iter().any(is_known) {
            continue;
        }
        if let Some(name) = one_word(entry.value, "server", &place, out) {
            out.push(format!("server {name} iburst"), &place);
        }
    }
}

fn is_source(line: &Line) -> bool {
    line.text
        .split_whitespace()
        .next()
        .is_some_and(|word| ["server", "pool", "peer"].iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// What a router needs and nobody wrote.
fn defaults(out: &mut Translated) {
    let has = |out: &Translated, name: &str| {
        out.lines.iter().any(|line| {
            line.text.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(name))
        })
    };
    if !out.lines.iter().any(is_source) {
        out.notes.push("no time source is configured, so pool.ntp.org is followed".to_owned());
        out.push("pool pool.ntp.org iburst maxsources 4", "");
    }
    // Most routers have no clock that runs without power.
    if !has(out, "makestep") {
        out.push("makestep 1 3", "");
    }
}

/// Lets the daemon's own parser judge, and tells its words with the places where the mistakes were made.
fn validate(tree: &Tree, out: &mut Translated) {
    let lines: Vec<&str> = out.lines.iter().map(|line| line.text.as_str()).collect();
    let errors = match parse(&lines.join("\n"), GENERATED, &Files(tree)) {
        Ok(parsed) => check(&parsed),
        Err(refused) => refused.errors,
    };
    for error in errors {
        let origin = error.origin.as_ref().filter(|origin| origin.file.as_deref() == Some(GENERATED));
        let line = origin.and_then(|origin| out.lines.get(origin.line.checked_sub(1)?));
        let text = error.to_string();
        out.errors.push(match line {
            Some(line) => {
                let place = error.origin.as_ref().map(ToString::to_string).unwrap_or_default();
                format!("{}: {} in \"{}\"", line.from, text.replace(&place, ""), line.text)
            }
            None => text,
        });
    }
}

/// Files of a tree for the parser.
struct Files<'a>(&'a Tree);

impl Loader for Files<'_> {
    fn read(&self, path: &str) -> Result<String, String> {
        self.0.text(path).ok_or_else(|| "No such file or directory".to_owned())
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, String> {
        Ok(self.0.list(folder))
    }
}

#[cfg(test)]
mod tests;
