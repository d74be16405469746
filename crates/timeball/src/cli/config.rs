//! Options that commands share with directives, read by the configuration's own parser.

use ntp::config::{self, Config, LocalConfig, SourceConfig, SourceKind};

/// What one line of configuration says; `None` when it is not a good one.
fn line(line: &str) -> Option<Config> {
    config::parse_line(line).ok()
}

/// The options of `local`.
pub fn local(words: &[&str]) -> Option<LocalConfig> {
    line(&format!("local {}", words.join(" ")))?.server.local
}

/// `server`, `pool` or `peer`, in any case.
pub fn source_kind(word: &str) -> Option<SourceKind> {
    Some(match word.to_ascii_lowercase().as_str() {
        "server" => SourceKind::Server,
        "pool" => SourceKind::Pool,
        "peer" => SourceKind::Peer,
        _ => return None,
    })
}

/// The source that `server NAME options` and the like describe.
pub fn source(words: &[&str]) -> Option<SourceConfig> {
    line(&words.join(" "))?.sources.pop()
}
