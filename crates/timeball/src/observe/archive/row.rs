//! One row: what a stretch of time was like, for every column.

use super::layout::crc32;

/// A value over a stretch of time; NaN where nothing is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Mean, or the last value of a state.
    pub mean: f32,
    /// Least.
    pub min: f32,
    /// Most.
    pub max: f32,
}

impl Cell {
    /// Nothing known.
    pub const UNKNOWN: Self = Self { mean: f32::NAN, min: f32::NAN, max: f32::NAN };

    /// A single value.
    pub fn of(value: f64) -> Self {
        let value = value as f32;
        if value.is_finite() { Self { mean: value, min: value, max: value } } else { Self::UNKNOWN }
    }

    /// Is it known?
    pub fn is_known(&self) -> bool {
        !self.mean.is_nan()
    }
}

/// Cells that are being gathered into one.
#[derive(Clone, Copy, Debug)]
pub struct Gathering {
    seconds: f64,
    sum: f64,
    min: f32,
    max: f32,
    last: f32,
}

impl Default for Gathering {
    fn default() -> Self {
        Self { seconds: 0.0, sum: 0.0, min: f32::INFINITY, max: f32::NEG_INFINITY, last: f32::NAN }
    }
}

impl Gathering {
    /// Adds what `seconds` were like.
    pub fn add(&mut self, cell: &Cell, seconds: f64) {
        if cell.is_known() && seconds > 0.0 {
            self.seconds += seconds;
            self.sum += f64::from(cell.mean) * seconds;
            self.min = self.min.min(cell.min);
            self.max = self.max.max(cell.max);
            self.last = cell.mean;
        }
    }

    /// All of it as one cell.
    pub fn cell(&self, state: bool) -> Cell {
        if self.seconds <= 0.0 {
            return Cell::UNKNOWN;
        }
        let mean = if state { self.last } else { (self.sum / self.seconds) as f32 };
        Cell { mean, min: self.min, max: self.max }
    }
}

/// A row as it is in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its time, in steps of its ring since 1970.
    pub index: u32,
    /// How many seconds of it were seen.
    pub seconds: f32,
    /// Every column.
    pub cells: Vec<Cell>,
}

impl Row {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(12 + 12 * self.cells.len());
        bytes.extend(self.index.to_le_bytes());
        bytes.extend(self.seconds.to_le_bytes());
        for cell in &self.cells {
            for value in [cell.mean, cell.min, cell.max] {
                bytes.extend(value.to_le_bytes());
            }
        }
        bytes.extend(crc32(&bytes).to_le_bytes());
        bytes
    }

    /// Is this the whole row of this time?
    pub fn is_of(bytes: &[u8], index: u32) -> bool {
        let Some((rest, sum)) = bytes.split_last_chunk() else { return false };
        rest.first_chunk() == Some(&index.to_le_bytes()) && crc32(rest) == u32::from_le_bytes(*sum)
    }

    /// The index that a row claims; 0 in rows never written.
    pub fn claimed(bytes: &[u8]) -> u32 {
        bytes.first_chunk().map_or(0, |index| u32::from_le_bytes(*index))
    }

    /// Seconds seen, of bytes found whole.
    pub fn seconds(bytes: &[u8]) -> f64 {
        f64::from(float(bytes, 4))
    }

    /// One column, of bytes found whole.
    pub fn cell(bytes: &[u8], column: usize) -> Cell {
        let at = 8 + 12 * column;
        Cell { mean: float(bytes, at), min: float(bytes, at + 4), max: float(bytes, at + 8) }
    }
}

fn float(bytes: &[u8], at: usize) -> f32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(f32::NAN, |bytes| f32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_written_and_no_part_of_one() {
        let cells = vec![Cell { mean: 1.5, min: -1.0, max: 2.0 }, Cell::of(7.0)];
        let bytes = Row { index: 9, seconds: 8.5, cells: cells.clone() }.encode();
        assert!(Row::is_of(&bytes, 9) && !Row::is_of(&bytes, 8));
        assert_eq!((Row::claimed(&bytes), Row::seconds(&bytes)), (9, 8.5));
        assert_eq!([Row::cell(&bytes, 0), Row::cell(&bytes, 1)][..], cells);
        assert!(!Row::cell(&bytes, 3).is_known());
        for at in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[at] ^= 4;
            assert!(!Row::is_of(&wrong, 9), "byte {at}");
        }
        assert!(!Row::is_of(&[], 0) && !Row::is_of(&[0; 36], 0), "what was never written is no row");
    }

    #[test]
    fn gathering_keeps_sums_and_extremes() {
        let mut gathering = Gathering::default();
        assert!(!gathering.cell(false).is_known());
        gathering.add(&Cell { mean: 2.0, min: 1.0, max: 9.0 }, 10.0);
        gathering.add(&Cell::UNKNOWN, 5.0);
        gathering.add(&Cell::of(5.0), 5.0);
        assert_eq!(gathering.cell(false), Cell { mean: 3.0, min: 1.0, max: 9.0 });
        assert_eq!(gathering.cell(true), Cell { mean: 5.0, min: 1.0, max: 9.0 });
        assert!(!Cell::of(f64::INFINITY).is_known());
    }
}
