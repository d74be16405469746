//! NTP on the wire (RFC 5905 §7.3, RFC 7822): start with [`header`].

pub mod correction;
pub mod extension;
pub mod header;
pub mod ptp;
pub mod root;

pub use header::{Leap, Mode, Packet};
