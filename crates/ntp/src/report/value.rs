//! Meanings of fields: each fixes its form on the wire, its text and whether it is a number.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use super::text;
use super::wire::{Reader, Writer};

mod measures;
mod names;
#[cfg(test)]
mod tests;

pub use measures::{Frequency, Interval, Log2Interval, Number, Seconds, Time};
pub use names::{Address, Char, LeapStatus, SelectOptions, SourceName};

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
