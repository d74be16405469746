//! Small identifiers that must not be mixed up.

use core::fmt;

/// One source (server, peer or reference clock) for the life of the process; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u32);

/// One socket as the engine names it; the event loop keeps the descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SocketId(pub u32);

/// One name look-up under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueryId(pub u32);

/// Reference identifier (RFC 5905 §7.3): four characters at stratum 0 and 1, else a hash of the source's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RefId(pub u32);

impl RefId {
    /// No reference.
    pub const NONE: Self = Self(0);
    /// The local reference clock, 127.127.1.1.
    pub const LOCAL: Self = Self(0x7f7f_0101);
    /// Time smoothing is under way, 127.127.1.255.
    pub const SMOOTHING: Self = Self(0x7f7f_01ff);

    /// Up to four characters, padded with zero bytes.
    pub fn from_text(text: &str) -> Self {
        let mut bytes = [0; 4];
        for (to, from) in bytes.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        Self(u32::from_be_bytes(bytes))
    }
}

impl fmt::Display for RefId {
    /// Eight upper-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// Identifier of a symmetric key; zero means none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyId(pub u32);
