//! The daemon: the operating system's side of the engine.

pub mod args;
pub mod files;
pub mod folders;
pub mod logger;
pub mod resolver;
pub mod sockets;
pub mod system_clock;
pub mod virtual_clock;

/// The name the program was called by, which sets the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `chronyd`: chrony's places, rules and texts.
    Chronyd,
    /// `timeball run`.
    Timeball,
}
