//! Values that name something: addresses, identifiers, states, options.

use super::{Cell, Value};
use crate::ids::RefId;
use crate::report::wire::{Reader, Writer};
use crate::wire::Leap;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address of a source or client, or what stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// None: a reference clock, the local reference, all sources.
    #[default]
    Unspecified,
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
    /// The number of a source whose name is not resolved yet.
    Id(u32),
}

impl Address {
    /// The address, if it is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::V4(address) => Some(IpAddr::V4(address)),
            Self::V6(address) => Some(IpAddr::V6(address)),
            Self::Unspecified | Self::Id(_) => None,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("[UNSPEC]"),
            Self::V4(address) => address.fmt(f),
            Self::V6(address) => address.fmt(f),
            Self::Id(number) => write!(f, "ID#{number:010}"),
        }
    }
}

impl Value for Address {
    fn write(&self, out: &mut Writer<'_>) {
        let (family, bytes) = match *self {
            Self::Unspecified => (0u16, [0; 16]),
            Self::V4(address) => (1, (u128::from(address.to_bits()) << 96).to_be_bytes()),
            Self::V6(address) => (2, address.octets()),
            Self::Id(number) => (3, (u128::from(number) << 96).to_be_bytes()),
        };
        out.put(&bytes);
        out.value(&family);
        out.value(&0u16);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        let bytes = u128::from_be_bytes(input.take());
        let family: u16 = input.value();
        let _pad: u16 = input.value();
        let high = (bytes >> 96) as u32;
        *self = match family {
            1 => Self::V4(Ipv4Addr::from_bits(high)),
            2 => Self::V6(Ipv6Addr::from_bits(bytes)),
            3 => Self::Id(high),
            _ => Self::Unspecified,
        };
    }
    fn cell(&self) -> Cell {
        if *self == Self::Unspecified { Cell::Absent } else { Cell::Text(self.to_string()) }
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for RefId {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.0);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0 = input.value();
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.to_string())
    }
}

/// Leap status, one byte; a number above 3 is kept and called invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeapStatus(pub u8);

impl LeapStatus {
    /// No value that means something.
    pub const INVALID: Self = Self(0xff);

    /// `Normal` …
    pub const fn text(self) -> &'static str {
        match self.0 {
            0 => "Normal",
            1 => "Insert second",
            2 => "Delete second",
            3 => "Not synchronised",
            _ => "Invalid",
        }
    }

    /// One character: `N + - ?`
    pub const fn letter(self) -> char {
        match self.0 {
            0 => 'N',
            1 => '+',
            2 => '-',
            _ => '?',
        }
    }
}

impl From<Leap> for LeapStatus {
    fn from(leap: Leap) -> Self {
        Self(leap as u8)
    }
}

impl Value for LeapStatus {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.0);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0 = input.value();
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.text().to_owned())
    }
}

/// One ASCII character as a code; zero is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Char(pub u8);

impl Char {
    /// The character to print; unprintable ones are blanks.
    pub fn get(self) -> char {
        if self.0 == b' ' || self.0.is_ascii_graphic() { char::from(self.0) } else { ' ' }
    }
}

impl Value for Char {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.0);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0 = input.value();
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.get().to_string())
    }
}

/// Selection options of a source, two bytes in the bit order of `selectdata`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelectOptions {
    /// Never select it.
    pub noselect: bool,
    /// Prefer it to those without this option.
    pub prefer: bool,
    /// Assume it is a truechimer.
    pub trust: bool,
    /// Select only if one with this option is selectable.
    pub require: bool,
}

impl SelectOptions {
    /// `N`, `P`, `T`, `R` or `-` each, and a fifth that is not used yet.
    pub fn letters(self) -> [char; 5] {
        let or = |set, letter| if set { letter } else { '-' };
        [or(self.noselect, 'N'), or(self.prefer, 'P'), or(self.trust, 'T'), or(self.require, 'R'), '-']
    }

    /// Bits as in `selectdata` replies and in the mask of `selectopts`: 1 noselect, 2 prefer, 4 trust, 8 require.
    pub fn report_bits(self) -> u16 {
        u16::from(self.noselect)
            | u16::from(self.prefer) << 1
            | u16::from(self.trust) << 2
            | u16::from(self.require) << 3
    }

    /// From [`SelectOptions::report_bits`]; others are ignored.
    pub const fn from_report_bits(bits: u16) -> Self {
        Self { noselect: bits & 1 != 0, prefer: bits & 2 != 0, trust: bits & 4 != 0, require: bits & 8 != 0 }
    }

    /// Bits as in `add source` requests and in the options of `selectopts`: 8 prefer, 16 noselect, 32 trust,
    /// 64 require.
    pub fn request_bits(self) -> u32 {
        u32::from(self.prefer) << 3
            | u32::from(self.noselect) << 4
            | u32::from(self.trust) << 5
            | u32::from(self.require) << 6
    }

    /// From [`SelectOptions::request_bits`]; others are ignored.
    pub const fn from_request_bits(bits: u32) -> Self {
        Self {
            prefer: bits & 0x8 != 0,
            noselect: bits & 0x10 != 0,
            trust: bits & 0x20 != 0,
            require: bits & 0x40 != 0,
        }
    }
}

impl Value for SelectOptions {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.report_bits());
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = Self::from_report_bits(input.value());
    }
    fn cell(&self) -> Cell {
        let words = [
            (self.noselect, "noselect"),
            (self.prefer, "prefer"),
            (self.trust, "trust"),
            (self.require, "require"),
        ];
        Cell::Words(words.into_iter().filter(|word| word.0).map(|word| word.1).collect())
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.letters().map(String::from).join(","))
    }
}

/// A name of at most 255 bytes, 256 on the wire, padded with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceName(pub String);

impl SourceName {
    /// Room on the wire; the last byte is zero.
    pub const WIRE: usize = 256;
}

impl Value for SourceName {
    fn write(&self, out: &mut Writer<'_>) {
        let mut bytes = [0; Self::WIRE];
        let length = self.0.floor_char_boundary(Self::WIRE - 1);
        for (to, from) in bytes.iter_mut().zip(self.0.bytes().take(length)) {
            *to = from;
        }
        out.put(&bytes);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        let bytes = input.take::<{ Self::WIRE }>();
        let name: Vec<u8> = bytes.into_iter().take(Self::WIRE - 1).take_while(|&byte| byte != 0).collect();
        // The name goes to a terminal: what it must not get, or is no text at all, becomes a question mark.
        let text = String::from_utf8(name).unwrap_or_else(|wrong| {
            let bytes = wrong.into_bytes().into_iter();
            bytes.map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect()
        });
        self.0 = text.chars().map(|char| if char.is_control() { '?' } else { char }).collect();
    }
    fn cell(&self) -> Cell {
        Cell::Text(self.0.clone())
    }
}
