//! Bytes: a reader and a writer over slices that never panic, and the two wire visitors.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use super::{Column, Report, Value, Visitor};

/// Takes values off the front of a slice. After the end everything reads as zero, and [`Reader::is_short`] says so.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    short: bool,
}

impl<'a> Reader<'a> {
    /// From the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, short: false }
    }

    /// The next `N` bytes; zeros when there are fewer.
    pub fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk() {
            Some((head, rest)) => {
                self.rest = rest;
                *head
            }
            None => {
                self.rest = &[];
                self.short = true;
                [0; N]
            }
        }
    }

    /// The next value.
    pub fn value<T: Value + Default>(&mut self) -> T {
        let mut value = T::default();
        value.read(self);
        value
    }

    /// Was more asked for than there was?
    pub const fn is_short(&self) -> bool {
        self.short
    }
}

impl Visitor for Reader<'_> {
    fn field<T: Value>(&mut self, _column: &Column, value: &mut T) {
        value.read(self);
    }
    fn wire<T: Value>(&mut self, value: &mut T) {
        value.read(self);
    }
}

/// Appends values to a slice. What does not fit is left out, and [`Writer::finish`] says so.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Into the start of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0, overflow: false }
    }

    /// Appends `bytes`, or nothing if they do not fit.
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        match self.buffer.get_mut(self.length..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            None => self.overflow = true,
        }
    }

    /// Appends a value.
    pub fn value<T: Value>(&mut self, value: &T) {
        value.write(self);
    }

    /// How many bytes were written; `None` if something did not fit.
    pub const fn finish(&self) -> Option<usize> {
        if self.overflow { None } else { Some(self.length) }
    }
}

impl Visitor for Writer<'_> {
    fn field<T: Value>(&mut self, _column: &Column, value: &mut T) {
        value.write(self);
    }
    fn wire<T: Value>(&mut self, value: &mut T) {
        value.write(self);
    }
}

/// The report at the start of `bytes`; `None` when they are too few. More bytes are ignored.
pub fn decode<R: Report>(bytes: &[u8]) -> Option<R> {
    let mut reader = Reader::new(bytes);
    let mut report = R::default();
    report.fields(&mut reader);
    (!reader.is_short()).then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_slice_reads_as_zero_and_says_so() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.value::<u16>(), 0x0102);
        assert!(!reader.is_short());
        assert_eq!(reader.value::<u16>(), 0);
        assert_eq!(reader.value::<u8>(), 0);
        assert!(reader.is_short());
    }

    #[test]
    fn a_full_slice_takes_nothing_more_and_says_so() {
        let mut buffer = [0; 3];
        let mut writer = Writer::new(&mut buffer);
        writer.value(&0x0102u16);
        assert_eq!(writer.finish(), Some(2));
        writer.value(&0x0304u16);
        assert_eq!(writer.finish(), None);
        assert_eq!(buffer, [1, 2, 0]);
    }
}
