//! What `timeball run` says about itself at the start, for somebody who runs it for the first time: whom it follows,
//! whether it sets the clock, whom it serves, where its things are, how to look. chronyd says none of this.

use crate::places;
use ntp::config::Config;
use std::net::SocketAddr;
use std::path::Path;

/// What there is to tell.
pub struct Welcome<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Nobody wrote it.
    pub built_in: bool,
    /// Where time is served.
    pub served: &'a [SocketAddr],
    /// The command socket, if it could be opened.
    pub socket: Option<&'a Path>,
}

/// A configuration to begin with: what the built-in one does, but with the clock set.
const STARTER: [&str; 4] =
    ["pool pool.ntp.org iburst", "makestep 1 3", "driftfile /var/lib/timeball/drift", "allow 192.168.0.0/16"];

impl Welcome<'_> {
    /// Lines for the log.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.built_in {
            lines.push(format!("No configuration in {}, so the built-in one holds", places::CONFIG_FILE));
        }
        lines.push(self.following());
        if self.built_in {
            let file = places::CONFIG_FILE;
            lines.push(format!(
                "The system clock is watched, not set; to let Timeball set it, write {file} and run it as root, \
                 for example with:"
            ));
            lines.extend(STARTER.iter().map(|line| format!("    {line}")));
        }
        lines.push(self.serving());
        if let Some(state) = self.config.clock.drift_file.as_deref().and_then(Path::parent) {
            lines.push(format!("State is kept in {}", state.display()));
        }
        if self.socket.is_some_and(|socket| places::sockets(places::variable).iter().any(|p| p == socket)) {
            lines.push("To see how the clock is, type in another terminal: timeball".to_owned());
        } else if let Some(socket) = self.socket {
            let socket = socket.display();
            lines.push(format!("To see how the clock is, type in another terminal: timeball -h {socket}"));
        }
        lines
    }

    fn following(&self) -> String {
        let names: Vec<&str> = self.config.sources.iter().map(|source| source.name.as_str()).collect();
        match names.as_slice() {
            [] if self.config.source_dirs.is_empty() => {
                "Following no time source: none is configured".to_owned()
            }
            [] => "Following the sources of the sourcedir folders".to_owned(),
            few if few.len() <= 4 => format!("Following {}", few.join(", ")),
            [first, ..] => format!("Following {first} and {} more", names.len() - 1),
        }
    }

    fn serving(&self) -> String {
        match self.served {
            [] => "Serving time to nobody (see the directives allow and port)".to_owned(),
            [first, ..]
                if self.served.iter().all(|a| a.ip().is_unspecified() && a.port() == first.port()) =>
            {
                let families = match self.served {
                    [_, _, ..] => "every address",
                    [only] if only.is_ipv4() => "every IPv4 address",
                    _ => "every IPv6 address",
                };
                let whom = if self.built_in { " to this machine and private networks" } else { "" };
                format!("Serving time{whom} on UDP port {} of {families}", first.port())
            }
            some => {
                let list: Vec<String> = some.iter().map(ToString::to_string).collect();
                format!("Serving time on {}", list.join(" and "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntp::config::{SourceConfig, SourceKind};

    fn config(sources: &[&str]) -> Config {
        let sources = sources.iter().map(|name| SourceConfig::new(SourceKind::Pool, name)).collect();
        Config { sources, ..Config::default() }
    }

    #[test]
    fn a_newcomer_learns_what_goes_on() {
        let mut config = config(&["pool.ntp.org"]);
        config.clock.drift_file = Some("/home/u/.local/state/timeball/drift".into());
        let served = ["0.0.0.0:11123", "[::]:11123"].map(|address| address.parse().unwrap());
        let socket = Some(Path::new(places::SYSTEM_SOCKET));
        let welcome = Welcome { config: &config, built_in: true, served: &served, socket };
        insta::assert_snapshot!("newcomer", welcome.lines().join("\n"));
    }

    #[test]
    fn a_configured_daemon_says_less() {
        let config = config(&["a", "b", "c", "d", "e"]);
        let served = ["192.0.2.1:123", "[2001:db8::1]:123"].map(|address| address.parse().unwrap());
        let socket = Some(Path::new("/x/t.sock"));
        let welcome = Welcome { config: &config, built_in: false, served: &served, socket };
        insta::assert_snapshot!("configured", welcome.lines().join("\n"));
        let only_v4 = ["0.0.0.0:123".parse().unwrap()];
        let welcome = Welcome { served: &only_v4, socket: None, ..welcome };
        assert_eq!(welcome.serving(), "Serving time on UDP port 123 of every IPv4 address");
        let config = Config::default();
        let nothing = Welcome { config: &config, built_in: false, served: &[], socket: None };
        insta::assert_snapshot!("nothing", nothing.lines().join("\n"));
    }
}
