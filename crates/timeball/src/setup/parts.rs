//! The parts of the set-up: each can be made and undone alone.

use std::fmt;

/// A part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Other programs that keep the time.
    Daemons,
    /// The service that starts ours.
    Service,
    /// The configuration.
    Config,
    /// Where the state is kept.
    Storage,
    /// The real-time priority.
    Priority,
    /// Who may reach UDP port 123.
    Firewall,
    /// NTP past the table of connections.
    Notrack,
    /// A larger table of connections, where it cannot be passed by.
    Conntrack,
    /// Time servers that DHCP names.
    Dhcp,
    /// Who is told of the first synchronisation.
    Hotplug,
    /// What an upgrade of the system keeps.
    Keep,
    /// Networks that come and go.
    Network,
}

impl Part {
    /// All, in the order in which they are made.
    pub const ALL: [Self; 12] = [
        Self::Daemons,
        Self::Service,
        Self::Config,
        Self::Storage,
        Self::Priority,
        Self::Firewall,
        Self::Notrack,
        Self::Conntrack,
        Self::Dhcp,
        Self::Hotplug,
        Self::Keep,
        Self::Network,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Daemons => "daemons",
            Self::Service => "service",
            Self::Config => "config",
            Self::Storage => "storage",
            Self::Priority => "priority",
            Self::Firewall => "firewall",
            Self::Notrack => "notrack",
            Self::Conntrack => "conntrack",
            Self::Dhcp => "dhcp",
            Self::Hotplug => "hotplug",
            Self::Keep => "keep",
            Self::Network => "network",
        }
    }

    /// The part of that name.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == word)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
