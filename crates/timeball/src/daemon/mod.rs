//! The daemon.

pub mod args;
pub mod files;
pub mod folders;
pub mod logger;
pub mod resolver;
pub mod sockets;

/// The name the program was called by, which sets the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `chronyd`: chrony's places, rules and texts.
    Chronyd,
    /// `timeball run`.
    Timeball,
}
