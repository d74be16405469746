//! What is where in the file: rings of rows of columns, and which source has which columns.
//!
//! The file begins with two copies of the header, written in turn, so that one is always whole. A header is text, made to be
//! read by people too; its number and its check sum decide which copy holds. Rows follow, ring by ring.

use std::fmt::Write;

/// Bytes for one copy of the header.
pub const HEADER: u64 = 16 * 1024;
/// Where the rows begin.
pub const ROWS: u64 = 2 * HEADER;
/// The first words of an archive.
const MAGIC: &str = "timeball archive 1";
/// Bytes of a row beside its values: index, seconds covered, check sum.
const FRAME: usize = 12;

/// Rows of one resolution, oldest overwritten first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Seconds a row stands for.
    pub step: u32,
    /// How many rows there are.
    pub rows: u32,
}

/// One series: mean, least and most in every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; with `@s…` for the source of that slot.
    pub name: String,
    /// The last value is kept in place of the mean.
    pub state: bool,
}

/// The place of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    /// Who has it; empty: nobody.
    pub name: String,
    /// Since when, s since 1970: what is older belongs to somebody else.
    pub since: f64,
}

/// The whole layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    /// Finest first; each step is a multiple of the first.
    pub rings: Vec<Ring>,
    /// In the order of the rows.
    pub columns: Vec<Column>,
    /// Places for sources.
    pub slots: Vec<Slot>,
}

impl Layout {
    /// Bytes of a row.
    pub fn row(&self) -> usize {
        FRAME + 12 * self.columns.len()
    }

    /// Where a row is.
    pub fn place(&self, ring: usize, index: u32) -> u64 {
        let before: u64 = self.rings[..ring].iter().map(|ring| u64::from(ring.rows)).sum();
        let slot = u64::from(index % self.rings[ring].rows);
        ROWS + (before + slot) * self.row() as u64
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        let rows: u64 = self.rings.iter().map(|ring| u64::from(ring.rows)).sum();
        ROWS + rows * self.row() as u64
    }

    /// The number of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The slot a column belongs to.
    pub fn slot_of(&self, column: usize) -> Option<usize> {
        self.columns.get(column)?.name.split_once("@s")?.1.parse().ok()
    }

    /// Are the rows in the same places, with the same meaning?
    pub fn same_rows(&self, other: &Self) -> bool {
        (&self.rings, &self.columns) == (&other.rings, &other.columns)
    }

    /// One copy of the header; `None`: it does not fit.
    pub fn header(&self, number: u64) -> Option<Vec<u8>> {
        let mut text = format!("{MAGIC}\nnumber {number}\n");
        for ring in &self.rings {
            let _ = writeln!(text, "ring {} {}", ring.step, ring.rows);
        }
        for column in &self.columns {
            let kind = if column.state { "state" } else { "mean" };
            let _ = writeln!(text, "column {kind} {}", column.name);
        }
        for slot in &self.slots {
            let name: String = slot.name.chars().filter(|c| !c.is_control()).take(200).collect();
            let _ = writeln!(text, "slot {} {name}", slot.since);
        }
        let sum = crc32(text.as_bytes());
        let _ = writeln!(text, "sum {sum:08x}");
        let mut bytes = text.into_bytes();
        (bytes.len() as u64 <= HEADER).then(|| {
            bytes.resize(HEADER as usize, b'\n');
            bytes
        })
    }

    /// Reads one copy; `None`: it is torn, or none.
    pub fn parse(bytes: &[u8]) -> Option<(u64, Self)> {
        let end = bytes.windows(5).position(|window| window == b"\nsum ")? + 1;
        let sum = std::str::from_utf8(bytes.get(end + 4..end + 12)?).ok()?;
        if u32::from_str_radix(sum, 16).ok()? != crc32(&bytes[..end]) {
            return None;
        }
        let mut lines = std::str::from_utf8(&bytes[..end]).ok()?.lines();
        if lines.next()? != MAGIC {
            return None;
        }
        let mut layout = Self { rings: Vec::new(), columns: Vec::new(), slots: Vec::new() };
        let mut number = 0;
        for line in lines {
            let (word, rest) = line.split_once(' ')?;
            match (word, rest.split_once(' ')) {
                ("number", None) => number = rest.parse().ok()?,
                ("ring", Some((step, rows))) => {
                    let ring = Ring { step: step.parse().ok()?, rows: rows.parse().ok()? };
                    (ring.step > 0 && ring.rows > 0).then(|| layout.rings.push(ring))?;
                }
                ("column", Some((kind, name))) => {
                    layout.columns.push(Column { name: name.to_owned(), state: kind == "state" });
                }
                ("slot", Some((since, name))) => {
                    layout.slots.push(Slot { name: name.to_owned(), since: since.parse().ok()? });
                }
                _ => return None,
            }
        }
        (!layout.rings.is_empty()).then_some((number, layout))
    }
}

/// The check sum of gzip and Ethernet (CRC-32, reflected, polynomial 0xedb88320).
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ sum >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Layout {
        Layout {
            rings: vec![Ring { step: 10, rows: 7 }, Ring { step: 60, rows: 5 }],
            columns: vec![
                Column { name: "offset".into(), state: false },
                Column { name: "source_state@s1".into(), state: true },
            ],
            slots: vec![Slot::default(), Slot { name: "a b.example".into(), since: 1.5e9 }],
        }
    }

    #[test]
    fn the_check_sum_is_the_usual_one() {
        assert_eq!((crc32(b""), crc32(b"123456789")), (0, 0xcbf4_3926));
    }

    #[test]
    fn a_header_is_read_as_written_and_no_torn_one() {
        let layout = example();
        let bytes = layout.header(17).expect("room");
        assert_eq!(bytes.len() as u64, HEADER);
        assert_eq!(Layout::parse(&bytes), Some((17, layout.clone())));
        for cut in 0..300 {
            let mut torn = vec![0; HEADER as usize];
            torn[..cut].copy_from_slice(&bytes[..cut]);
            if let Some(read) = Layout::parse(&torn) {
                assert_eq!(read, (17, layout.clone()), "cut at {cut}");
            }
        }
        let crowded = Layout { columns: vec![layout.columns[0].clone(); 2000], ..layout };
        assert_eq!(crowded.header(1), None);
    }

    #[test]
    fn rows_do_not_overlap_and_fill_the_file() {
        let layout = example();
        assert_eq!(layout.row(), 36);
        let mut places: Vec<u64> = (0..7).map(|index| layout.place(0, index)).collect();
        places.extend((0..5).map(|index| layout.place(1, index)));
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] == 36), "{places:?}");
        assert_eq!((places[0], places[11] + 36), (ROWS, layout.size()));
        assert_eq!(layout.place(1, 12), layout.place(1, 2));
        assert_eq!((layout.slot_of(0), layout.slot_of(1)), (None, Some(1)));
    }
}
