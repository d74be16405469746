//! The 48 bytes of every NTP packet (RFC 5905 §7.3, figure 8).

use crate::ids::RefId;
use crate::time::{NtpShort, NtpTime};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 48;

/// Leap indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
#[repr(u8)]
pub enum Leap {
    /// No warning.
    #[default]
    None = 0,
    /// The last minute of the day has 61 seconds.
    Insert = 1,
    /// The last minute of the day has 59 seconds.
    Delete = 2,
    /// The clock is not synchronised.
    Unsynchronised = 3,
}

impl Leap {
    /// From the two bits on the wire (higher bits are ignored).
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Insert,
            2 => Self::Delete,
            _ => Self::Unsynchronised,
        }
    }
}

/// Association mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Mode {
    /// Reserved; NTPv1 clients and servers.
    Reserved = 0,
    /// Symmetric active.
    Active = 1,
    /// Symmetric passive.
    Passive = 2,
    /// Client.
    Client = 3,
    /// Server.
    Server = 4,
    /// Broadcast.
    Broadcast = 5,
    /// Control message.
    Control = 6,
    /// Private use.
    Private = 7,
}

impl Mode {
    /// From the three bits on the wire (higher bits are ignored).
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Reserved,
            1 => Self::Active,
            2 => Self::Passive,
            3 => Self::Client,
            4 => Self::Server,
            5 => Self::Broadcast,
            6 => Self::Control,
            _ => Self::Private,
        }
    }
}

/// The header's meaning. Parsing never fails once there are 48 bytes; whether it makes sense is for the tests
/// of [`crate::source`] and [`crate::server`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Leap indicator.
    pub leap: Leap,
    /// Version number, 0–7.
    pub version: u8,
    /// Mode.
    pub mode: Mode,
    /// Stratum as sent; 0 means unspecified or a kiss code.
    pub stratum: u8,
    /// Poll exponent, log₂ s.
    pub poll: i8,
    /// Precision of the sender's clock, log₂ s.
    pub precision: i8,
    /// Root delay.
    pub root_delay: NtpShort,
    /// Root dispersion.
    pub root_dispersion: NtpShort,
    /// Reference identifier.
    pub refid: RefId,
    /// When the sender's clock was last set.
    pub reference: NtpTime,
    /// T1 as the sender received it.
    pub origin: NtpTime,
    /// T2.
    pub receive: NtpTime,
    /// T3.
    pub transmit: NtpTime,
}

impl Packet {
    /// The header at the start of `bytes`; `None` when there are fewer than 48.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head: &[u8; HEADER_LEN] = bytes.first_chunk()?;
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let long = |at: usize| NtpTime((u64::from(word(at)) << 32) | u64::from(word(at + 4)));
        Some(Self {
            leap: Leap::from_bits(head[0] >> 6),
            version: (head[0] >> 3) & 7,
            mode: Mode::from_bits(head[0]),
            stratum: head[1],
            poll: head[2] as i8,
            precision: head[3] as i8,
            root_delay: NtpShort(word(4)),
            root_dispersion: NtpShort(word(8)),
            refid: RefId(word(12)),
            reference: long(16),
            origin: long(24),
            receive: long(32),
            transmit: long(40),
        })
    }

    /// The 48 bytes.
    pub fn emit(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0] = (self.leap as u8) << 6 | (self.version & 7) << 3 | self.mode as u8;
        out[1] = self.stratum;
        out[2] = self.poll as u8;
        out[3] = self.precision as u8;
        out[4..8].copy_from_slice(&self.root_delay.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.root_dispersion.0.to_be_bytes());
        out[12..16].copy_from_slice(&self.refid.0.to_be_bytes());
        out[16..24].copy_from_slice(&self.reference.0.to_be_bytes());
        out[24..32].copy_from_slice(&self.origin.0.to_be_bytes());
        out[32..40].copy_from_slice(&self.receive.0.to_be_bytes());
        out[40..48].copy_from_slice(&self.transmit.0.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_parsed_is_emitted_again(bytes in prop::array::uniform32(any::<u8>()), more in prop::array::uniform16(any::<u8>())) {
            let mut packet = [0; HEADER_LEN];
            packet[..32].copy_from_slice(&bytes);
            packet[32..].copy_from_slice(&more);
            prop_assert_eq!(Packet::parse(&packet).unwrap().emit(), packet);
            prop_assert!(Packet::parse(&packet[..47]).is_none());
        }
    }
}
