//! Meanings of fields: each fixes its form on the wire, its text and whether it is a number.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use super::text;
use super::wire::{Reader, Writer};
use crate::control::float;
use crate::ids::RefId;
use crate::time::{LocalTime, NANOS};
use crate::wire::Leap;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a renderer sees of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A count.
    Unsigned(u64),
    /// A whole number with a sign.
    Signed(i64),
    /// A measured number, in the unit of its column.
    Real(f64),
    /// An instant.
    Time(Time),
    /// Yes or no.
    Flag(bool),
    /// A name.
    Text(String),
    /// Some of a fixed set of words.
    Words(Vec<&'static str>),
    /// Unknown, or never.
    Absent,
}

/// The meaning of a field.
pub trait Value {
    /// Appends the wire form.
    fn write(&self, out: &mut Writer<'_>);
    /// Takes the wire form.
    fn read(&mut self, input: &mut Reader<'_>);
    /// What JSON and other structured renderers show.
    fn cell(&self) -> Cell;
    /// The field or fields (separated by commas) of a CSV record; `None` leaves them out.
    fn csv(&self, digits: usize) -> Option<String> {
        Some(match self.cell() {
            Cell::Unsigned(number) => number.to_string(),
            Cell::Signed(number) => number.to_string(),
            Cell::Real(number) => format!("{number:.digits$}"),
            Cell::Time(time) => time.to_string(),
            Cell::Flag(flag) => text::yes_no(flag).to_owned(),
            Cell::Text(text) => text,
            Cell::Words(words) => words.join(" "),
            Cell::Absent => return None,
        })
    }
}

macro_rules! whole_number {
    ($($number:ty => $cell:ident),*) => { $(
        impl Value for $number {
            fn write(&self, out: &mut Writer<'_>) {
                out.put(&self.to_be_bytes());
            }
            fn read(&mut self, input: &mut Reader<'_>) {
                *self = Self::from_be_bytes(input.take());
            }
            fn cell(&self) -> Cell {
                Cell::$cell((*self).into())
            }
        }
    )* };
}
whole_number!(u8 => Unsigned, u16 => Unsigned, u32 => Unsigned, u64 => Unsigned, i8 => Signed, i16 => Signed, i32 => Signed);

/// A counter that older daemons do not have: all bits one on the wire.
impl Value for Option<u64> {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.unwrap_or(u64::MAX));
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = Some(input.value()).filter(|&number| number != u64::MAX);
    }
    fn cell(&self) -> Cell {
        self.map_or(Cell::Absent, Cell::Unsigned)
    }
}

/// A counter that older daemons do not have: all bits one on the wire.
impl Value for Option<u32> {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.unwrap_or(u32::MAX));
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = Some(input.value()).filter(|&number| number != u32::MAX);
    }
    fn cell(&self) -> Cell {
        self.map_or(Cell::Absent, |number| Cell::Unsigned(number.into()))
    }
}

/// Yes or no, one byte on the wire.
impl Value for bool {
    fn write(&self, out: &mut Writer<'_>) {
        out.put(&[u8::from(*self)]);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = input.take::<1>() != [0];
    }
    fn cell(&self) -> Cell {
        Cell::Flag(*self)
    }
}

/// Bytes that mean nothing.
impl<const N: usize> Value for [u8; N] {
    fn write(&self, out: &mut Writer<'_>) {
        out.put(self);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        *self = input.take();
    }
    fn cell(&self) -> Cell {
        Cell::Absent
    }
}

/// A value that is only rendered, never sent, and whose CSV differs from its cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    cell: Cell,
    csv: String,
}

impl Shown {
    /// `cell` for structured renderers, `csv` for the record.
    pub fn new(cell: Cell, csv: impl Into<String>) -> Self {
        Self { cell, csv: csv.into() }
    }
    /// The same text everywhere.
    pub fn text(text: String) -> Self {
        Self { cell: Cell::Text(text.clone()), csv: text }
    }
}

impl Value for Shown {
    fn write(&self, _out: &mut Writer<'_>) {}
    fn read(&mut self, _input: &mut Reader<'_>) {}
    fn cell(&self) -> Cell {
        self.cell.clone()
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.csv.clone())
    }
}

macro_rules! float_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
        pub struct $name(pub f64);

        impl Value for $name {
            fn write(&self, out: &mut Writer<'_>) {
                out.value(&float::encode(self.0));
            }
            fn read(&mut self, input: &mut Reader<'_>) {
                self.0 = float::decode(input.value());
            }
            fn cell(&self) -> Cell {
                Cell::Real(self.0)
            }
        }
    };
}

float_value!(
    /// Seconds; the sign is the column's.
    Seconds
);
float_value!(
    /// A number without unit: a ratio, a score.
    Number
);

/// A rate: s/s for everybody, ppm on the wire and in print.
///
/// Kept in ppm inside, so that a value passes from wire to print without a change in its last bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Frequency {
    ppm: f64,
}

impl Frequency {
    /// From s/s.
    pub fn new(frequency: f64) -> Self {
        Self { ppm: frequency * 1e6 }
    }
    /// From parts per million.
    pub const fn from_ppm(ppm: f64) -> Self {
        Self { ppm }
    }
    /// s/s.
    pub fn get(self) -> f64 {
        self.ppm / 1e6
    }
    /// Parts per million.
    pub const fn ppm(self) -> f64 {
        self.ppm
    }
}

impl Value for Frequency {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&float::encode(self.ppm));
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.ppm = float::decode(input.value());
    }
    fn cell(&self) -> Cell {
        Cell::Real(self.ppm)
    }
}

/// Whole seconds since something, or never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval(pub Option<u32>);

impl Interval {
    /// It has never been.
    pub const NEVER: Self = Self(None);

    /// From seconds, rounded down, limited to what fits; NaN is never.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((!seconds.is_nan()).then_some((seconds as u32).min(u32::MAX - 1)))
    }
}

impl Value for Interval {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        self.0.cell()
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.0.unwrap_or(u32::MAX).to_string())
    }
}

/// log₂ of an interval in seconds; 127 is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log2Interval(pub i8);

impl Log2Interval {
    /// Too few requests to tell.
    pub const UNKNOWN: Self = Self(127);
}

impl Default for Log2Interval {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Value for Log2Interval {
    fn write(&self, out: &mut Writer<'_>) {
        self.0.write(out);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        self.0.read(input);
    }
    fn cell(&self) -> Cell {
        if *self == Self::UNKNOWN { Cell::Absent } else { self.0.cell() }
    }
    fn csv(&self, _digits: usize) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// An instant, since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970, UTC without leap seconds.
    pub seconds: i64,
    /// Nanoseconds, 0–999 999 999.
    pub nanos: u32,
}

impl Time {
    /// A sender whose time_t has 32 bits puts this into the upper half of the seconds.
    const NO_HIGH: u32 = 0x7fff_ffff;

    /// The same as a local time, saturating.
    pub const fn local(self) -> LocalTime {
        LocalTime::from_nanos(self.seconds.saturating_mul(NANOS).saturating_add(self.nanos as i64))
    }

    /// Seconds since 1970, rounded to what an f64 holds.
    pub fn as_seconds(self) -> f64 {
        self.seconds as f64 + f64::from(self.nanos) * 1e-9
    }
}

impl From<LocalTime> for Time {
    fn from(time: LocalTime) -> Self {
        Self { seconds: time.nanos().div_euclid(NANOS), nanos: time.nanos().rem_euclid(NANOS) as u32 }
    }
}

impl fmt::Display for Time {
    /// `seconds.nnnnnnnnn`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.seconds, self.nanos)
    }
}

impl Value for Time {
    fn write(&self, out: &mut Writer<'_>) {
        out.value(&self.seconds.cast_unsigned());
        out.value(&self.nanos);
    }
    fn read(&mut self, input: &mut Reader<'_>) {
        let (high, low): (u32, u32) = (input.value(), input.value());
        let high = if high == Self::NO_HIGH { 0 } else { high };
        self.seconds = (u64::from(high) << 32 | u64::from(low)).cast_signed();
        self.nanos = input.value::<u32>().min(999_999_999);
    }
    fn cell(&self) -> Cell {
        Cell::Time(*self)
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire<T: Value>(value: &T) -> Vec<u8> {
        let mut buffer = [0; 256];
        let mut writer = Writer::new(&mut buffer);
        writer.value(value);
        let length = writer.finish().unwrap();
        buffer[..length].to_vec()
    }

    fn back<T: Value + Default>(value: &T) -> T {
        Reader::new(&wire(value)).value()
    }

    #[test]
    fn addresses_have_twenty_bytes() {
        let v4 = wire(&Address::V4(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(v4, [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(wire(&Address::Id(7))[..4], [0, 0, 0, 7]);
        assert_eq!(wire(&Address::Id(7))[16..], [0, 3, 0, 0]);
        assert_eq!(Address::Id(7).to_string(), "ID#0000000007");
        assert_eq!(Address::Unspecified.to_string(), "[UNSPEC]");
    }

    #[test]
    fn times_of_32_bit_senders_are_read() {
        let bytes = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff];
        let time: Time = Reader::new(&bytes).value();
        assert_eq!(time, Time { seconds: 5, nanos: 999_999_999 });
        assert_eq!(time.to_string(), "5.999999999");
    }

    #[test]
    fn intervals_are_whole_seconds_or_never() {
        assert_eq!(wire(&Interval::NEVER), [0xff; 4]);
        assert_eq!(Interval::from_seconds(-3.0), Interval(Some(0)));
        assert_eq!(Interval::from_seconds(63.9), Interval(Some(63)));
        assert_eq!(Interval::from_seconds(1e300), Interval(Some(u32::MAX - 1)));
        assert_eq!(Interval::from_seconds(f64::NAN), Interval::NEVER);
        assert_eq!(Interval::NEVER.csv(0).unwrap(), "4294967295");
    }

    #[test]
    fn a_long_name_is_cut_and_ends_in_zero() {
        let bytes = wire(&SourceName("n".repeat(300)));
        assert_eq!((bytes.len(), bytes[254], bytes[255]), (256, b'n', 0));
        let bytes = wire(&SourceName("n".repeat(254) + "é"));
        assert_eq!((bytes[253], bytes[254]), (b'n', 0));
    }

    #[test]
    fn a_name_cannot_command_the_terminal() {
        let read = |name: &[u8]| {
            let mut bytes = [0; SourceName::WIRE];
            bytes[..name.len()].copy_from_slice(name);
            Reader::new(&bytes).value::<SourceName>().0
        };
        assert_eq!(read(b"a\x1b[2Jb\nc"), "a?[2Jb?c");
        assert_eq!(read("zeit.exämple".as_bytes()), "zeit.exämple");
        assert_eq!(read(b"\xffa\xe9"), "?a?");
    }

    proptest! {
        #[test]
        fn values_come_back(seconds in any::<i64>(), nanos in 0u32..1_000_000_000, v6 in any::<u128>(), id in any::<u32>(), bits in 0u16..16) {
            prop_assume!((seconds >> 32) as u32 != Time::NO_HIGH);
            let time = Time { seconds, nanos };
            prop_assert_eq!(back(&time), time);
            for address in [Address::V6(Ipv6Addr::from_bits(v6)), Address::V4(Ipv4Addr::from_bits(id)), Address::Id(id)] {
                prop_assert_eq!(back(&address), address);
            }
            let options = SelectOptions::from_report_bits(bits);
            prop_assert_eq!(back(&options), options);
            prop_assert_eq!(SelectOptions::from_request_bits(options.request_bits()), options);
        }
    }
}
