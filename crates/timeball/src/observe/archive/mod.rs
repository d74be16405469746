//! The archive: one file of fixed size that remembers years.
//!
//! Four rings of rows, each row one stretch of time with mean, least and most of every column. Where a row is follows from
//! its time alone, and each carries its time and a check sum: there is no pointer to keep, so a power cut at any byte
//! can only spoil the row being written, which then reads as unknown. Rows wait in memory and are written together, at the
//! interval that the operator chose for the sake of the flash. After a restart the unfinished coarse rows are gathered
//! again from the finest ring.

pub mod layout;
mod query;
pub mod row;
pub mod storage;

pub use layout::{Column, Layout, Ring, Slot};
pub use query::{Answer, Points};
pub use row::{Cell, Row};
pub use storage::Storage;

use row::Gathering;
use std::collections::BTreeMap;
use std::io;

/// Rows that wait for a disk that takes nothing; the oldest are given up beyond.
const MOST_WAITING: usize = 4000;
/// A page of the file system, for counting what writing costs.
const PAGE: u64 = 4096;

/// An open archive.
#[derive(Debug)]
pub struct Archive<S> {
    storage: S,
    layout: Layout,
    /// The header's number; the next goes to the other copy.
    number: u64,
    /// Rows not yet written, by ring and index.
    waiting: BTreeMap<(usize, u32), Vec<u8>>,
    /// The row of each ring that is not complete yet.
    open: Vec<Option<Unfinished>>,
    /// The end of what was pushed or found, s since 1970.
    newest: f64,
    /// When each slot's source was seen last.
    seen: Vec<f64>,
    /// Bytes written, whole pages.
    written: u64,
}

#[derive(Clone, Debug)]
struct Unfinished {
    index: u32,
    seconds: f64,
    cells: Vec<Gathering>,
}

impl Unfinished {
    fn new(index: u32, columns: usize) -> Self {
        Self { index, seconds: 0.0, cells: vec![Gathering::default(); columns] }
    }

    fn add(&mut self, cells: &[Cell], seconds: f64) {
        self.seconds += seconds;
        self.cells.iter_mut().zip(cells).for_each(|(gathering, cell)| gathering.add(cell, seconds));
    }

    fn row(&self, columns: &[Column]) -> Row {
        let cells = self.cells.iter().zip(columns).map(|(cell, column)| cell.cell(column.state)).collect();
        Row { index: self.index, seconds: self.seconds as f32, cells }
    }
}

impl<S: Storage> Archive<S> {
    /// Makes an empty one in `storage`, whatever was there.
    pub fn create(mut storage: S, layout: Layout) -> io::Result<Self> {
        let header = layout.header(1).ok_or_else(|| io::Error::other("too many columns for the header"))?;
        storage.set_length(0)?;
        storage.set_length(layout.size())?;
        storage.write_at(layout::HEADER, &header)?;
        storage.sync()?;
        Ok(Self::over(storage, layout, 1))
    }

    /// Opens what is in `storage`. `None`: nothing that could be read is there. `now` is the time from which unfinished rows
    /// go on, s since 1970.
    pub fn open(storage: S, now: f64) -> io::Result<Option<Self>> {
        let mut best: Option<(u64, Layout)> = None;
        for copy in 0..2 {
            let mut bytes = vec![0; layout::HEADER as usize];
            let length = storage.read_at(copy * layout::HEADER, &mut bytes)?;
            let found = Layout::parse(&bytes[..length]);
            best = best.into_iter().chain(found).max_by_key(|(number, _)| *number);
        }
        let Some((number, layout)) = best else { return Ok(None) };
        let mut archive = Self::over(storage, layout, number);
        archive.find_newest(now)?;
        archive.complete(now)?;
        archive.resume(now)?;
        Ok(Some(archive))
    }

    fn over(storage: S, layout: Layout, number: u64) -> Self {
        let open = vec![None; layout.rings.len()];
        let seen = layout.slots.iter().map(|slot| slot.since).collect();
        Self { storage, layout, number, waiting: BTreeMap::new(), open, newest: 0.0, seen, written: 0 }
    }

    /// What is where.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The end of what is known, s since 1970; 0: nothing.
    pub fn newest(&self) -> f64 {
        self.newest
    }

    /// Bytes written so far, as whole pages.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The file below.
    pub fn storage(&self) -> &S {
        &self.storage
    }

    /// The finest ring that has anything knows the end. Rows of days to come are of a clock that was wrong.
    fn find_newest(&mut self, now: f64) -> io::Result<()> {
        let (row, limit) = (self.layout.row(), now + 86_400.0);
        for ring in 0..self.layout.rings.len() {
            if self.newest > 0.0 {
                break;
            }
            let Ring { step, rows } = self.layout.rings[ring];
            let mut buffer = vec![0; row * 64];
            for first in (0..rows).step_by(64) {
                let wanted = row * (rows - first).min(64) as usize;
                let length = self.storage.read_at(self.layout.place(ring, first), &mut buffer[..wanted])?;
                for bytes in buffer[..length].chunks_exact(row) {
                    let index = Row::claimed(bytes);
                    let end = (f64::from(index) + 1.0) * f64::from(step);
                    if end > self.newest && end <= limit && Row::is_of(bytes, index) {
                        self.newest = end.min(now.max(f64::from(index) * f64::from(step)));
                    }
                }
            }
        }
        Ok(())
    }

    /// The coarse rows that were in hand when the last run ended without a word and are over by `now`: from the finest ones.
    fn complete(&mut self, now: f64) -> io::Result<()> {
        let (finest, columns) = (self.layout.rings[0], self.layout.columns.len());
        let last = (self.newest / f64::from(finest.step)).ceil() as u32;
        let Some(last) = last.checked_sub(1) else { return Ok(()) };
        for ring in 1..self.layout.rings.len() {
            let step = self.layout.rings[ring].step;
            let index = (u64::from(last) * u64::from(finest.step) / u64::from(step)) as u32;
            if index >= (now / f64::from(step)).floor() as u32 {
                continue;
            }
            let mut gathered = Unfinished::new(index, columns);
            let begin = (u64::from(index) * u64::from(step)).div_ceil(u64::from(finest.step)) as u32;
            let first = begin.max(last.saturating_sub(finest.rows - 1));
            for at in first..=last {
                let Some(row) = self.read_row(0, at)? else { continue };
                let cells: Vec<Cell> = (0..columns).map(|column| Row::cell(&row, column)).collect();
                gathered.add(&cells, Row::seconds(&row));
            }
            // A clean end has written it, but another run may have gone on.
            let known = self.read_row(ring, index)?.map_or(0.0, |row| Row::seconds(&row));
            if gathered.seconds > known {
                self.finish(ring, &gathered);
            }
        }
        Ok(())
    }

    /// Gathers again what was unfinished at `now`: the coarse rows from the finest ones, the finest from its own row.
    fn resume(&mut self, now: f64) -> io::Result<()> {
        let finest = self.layout.rings[0];
        let coarsest = self.layout.rings.iter().map(|ring| ring.step).max().unwrap_or(finest.step);
        let index = |step: u32| (now / f64::from(step)).floor() as u32;
        let begin = u64::from(index(coarsest)) * u64::from(coarsest) / u64::from(finest.step);
        let last = index(finest.step);
        let first = (begin as u32).max(last.saturating_sub(finest.rows - 1));
        for at in first..=last {
            let Some(row) = self.read_row(0, at)? else { continue };
            let seconds = Row::seconds(&row);
            let cells: Vec<Cell> =
                (0..self.layout.columns.len()).map(|column| Row::cell(&row, column)).collect();
            let time = f64::from(at) * f64::from(finest.step);
            for ring in 0..self.layout.rings.len() {
                let current = index(self.layout.rings[ring].step);
                let own = (time / f64::from(self.layout.rings[ring].step)).floor() as u32;
                // The finest row of now goes into the others once it is complete.
                if own == current && (ring == 0) == (at == last) {
                    let columns = self.layout.columns.len();
                    self.open[ring].get_or_insert_with(|| Unfinished::new(own, columns)).add(&cells, seconds);
                }
            }
        }
        Ok(())
    }

    /// One row, wherever it is.
    fn read_row(&self, ring: usize, index: u32) -> io::Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.waiting.get(&(ring, index)) {
            return Ok(Some(bytes.clone()));
        }
        let mut bytes = vec![0; self.layout.row()];
        let length = self.storage.read_at(self.layout.place(ring, index), &mut bytes)?;
        Ok((length == bytes.len() && Row::is_of(&bytes, index)).then_some(bytes))
    }

    /// One row, if it is whole.
    pub fn row(&self, ring: usize, index: u32) -> io::Result<Option<Vec<u8>>> {
        self.read_row(ring, index)
    }

    /// What is known reaches to `newest`, s since 1970: before older things are inserted.
    pub fn set_newest(&mut self, newest: f64) {
        self.newest = newest;
    }

    /// Puts older rows into `ring` where nothing is known: when each begins, its seconds, its cells; in order of time.
    pub fn insert(&mut self, ring: usize, rows: Vec<(f64, f64, Vec<Cell>)>) -> io::Result<()> {
        let Ring { step, rows: length } = self.layout.rings[ring];
        let newest = (self.newest / f64::from(step)).floor() as u32;
        // The row in hand is not touched.
        let mine = self.open[ring].take();
        let mut gathered: Option<Unfinished> = None;
        let finish = |archive: &mut Self, complete: Option<Unfinished>| -> io::Result<()> {
            let Some(complete) = complete else { return Ok(()) };
            let own = mine.as_ref().is_some_and(|open| open.index == complete.index);
            let reached = complete.index + length > newest;
            if reached && !own && archive.read_row(ring, complete.index)?.is_none() {
                archive.finish(ring, &complete);
            }
            if archive.waiting.len() >= 256 { archive.write_waiting() } else { Ok(()) }
        };
        for (begin, seconds, cells) in rows {
            let index = (begin / f64::from(step)).floor() as u32;
            let complete = gathered.take_if(|open| open.index != index);
            finish(self, complete)?;
            gathered.get_or_insert_with(|| Unfinished::new(index, cells.len())).add(&cells, seconds);
        }
        finish(self, gathered)?;
        self.open[ring] = mine;
        self.write_waiting()
    }

    /// Adds what the `seconds` before `at` (s since 1970) were like.
    pub fn push(&mut self, at: f64, seconds: f64, cells: &[Cell]) {
        let middle = at - seconds / 2.0;
        if !(middle >= 0.0 && middle < f64::from(u32::MAX) && seconds > 0.0) {
            return;
        }
        self.newest = at;
        if let Some(row) = self.feed(0, middle, seconds, cells) {
            self.pass_on(row);
        }
    }

    /// A complete finest row goes into all the others.
    fn pass_on(&mut self, row: Row) {
        let step = f64::from(self.layout.rings[0].step);
        for ring in 1..self.layout.rings.len() {
            self.feed(ring, f64::from(row.index) * step, f64::from(row.seconds), &row.cells);
        }
    }

    /// Adds cells to the row of `ring` that `time` is in; the row that this completes, which waits to be written from now on.
    pub fn feed(&mut self, ring: usize, time: f64, seconds: f64, cells: &[Cell]) -> Option<Row> {
        let index = (time / f64::from(self.layout.rings[ring].step)).floor() as u32;
        let open = &mut self.open[ring];
        let complete = open.take_if(|open| open.index != index);
        open.get_or_insert_with(|| Unfinished::new(index, self.layout.columns.len())).add(cells, seconds);
        complete.map(|complete| self.finish(ring, &complete))
    }

    fn finish(&mut self, ring: usize, complete: &Unfinished) -> Row {
        let row = complete.row(&self.layout.columns);
        self.waiting.insert((ring, row.index), row.encode());
        row
    }

    /// Completes every row: the end of a run, or of an import.
    pub fn close_rows(&mut self) {
        if let Some(open) = self.open[0].take() {
            let row = self.finish(0, &open);
            self.pass_on(row);
        }
        for ring in 1..self.open.len() {
            if let Some(open) = self.open[ring].take() {
                self.finish(ring, &open);
            }
        }
    }

    /// How many rows wait to be written.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes what waits. After an error it waits on, and nothing but the oldest of too much is lost.
    pub fn flush(&mut self) -> io::Result<()> {
        let outcome = self.write_waiting();
        while self.waiting.len() > MOST_WAITING {
            self.waiting.pop_first();
        }
        outcome
    }

    fn write_waiting(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let row = self.layout.row() as u64;
        let rows: Vec<(u64, &Vec<u8>)> = self
            .waiting
            .iter()
            .map(|((ring, index), bytes)| (self.layout.place(*ring, *index), bytes))
            .collect();
        let mut at = 0;
        while at < rows.len() {
            // Neighbours go in one piece.
            let start = rows[at].0;
            let mut bytes = Vec::new();
            while at < rows.len() && rows[at].0 == start + bytes.len() as u64 {
                bytes.extend_from_slice(rows[at].1);
                at += 1;
            }
            debug_assert!(bytes.len() as u64 >= row);
            self.storage.write_at(start, &bytes)?;
            self.written += ((start + bytes.len() as u64).div_ceil(PAGE) - start / PAGE) * PAGE;
        }
        self.storage.sync()?;
        self.waiting.clear();
        Ok(())
    }

    /// The slot of the source `name`: the one it has, or a free one, or that of the one not seen for longest. `None`: all
    /// are in use. A change is written at once, after the rows of the former owner.
    pub fn slot(&mut self, name: &str, now: f64) -> Option<usize> {
        let known = self.layout.slots.iter().position(|slot| slot.name == name);
        let found = known.or_else(|| {
            let free = |slot: usize| self.layout.slots[slot].name.is_empty();
            let oldest = |a: &usize, b: &usize| self.seen[*a].total_cmp(&self.seen[*b]);
            (0..self.layout.slots.len()).find(|slot| free(*slot)).or_else(|| {
                (0..self.layout.slots.len()).filter(|slot| now - self.seen[*slot] > 600.0).min_by(oldest)
            })
        })?;
        self.seen[found] = now;
        if known.is_none() {
            self.layout.slots[found] = Slot { name: name.to_owned(), since: now };
            // Should it fail, the next start knows the former owner; the next change writes both.
            let _ = self.write_header();
        }
        Some(found)
    }

    /// The slots as they are.
    pub fn set_slots(&mut self, slots: &[Slot]) -> io::Result<()> {
        for (own, slot) in self.layout.slots.iter_mut().zip(slots) {
            own.clone_from(slot);
        }
        self.seen = self.layout.slots.iter().map(|slot| slot.since).collect();
        self.write_header()
    }

    fn write_header(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let header = self.layout.header(number).ok_or_else(|| io::Error::other("no room in the header"))?;
        self.storage.write_at(number % 2 * layout::HEADER, &header)?;
        self.storage.sync()?;
        self.number = number;
        self.written += layout::HEADER;
        Ok(())
    }

    /// Takes over everything that `old` has: columns of the same name, in rings of any step.
    pub fn copy_from<O: Storage>(&mut self, old: &Archive<O>) -> io::Result<()> {
        let from: Vec<Option<usize>> =
            self.layout.columns.iter().map(|column| old.layout.column(&column.name)).collect();
        for ring in 0..self.layout.rings.len() {
            let step = self.layout.rings[ring].step;
            let fits = |other: &&(usize, Ring)| step.is_multiple_of(other.1.step);
            let candidates: Vec<(usize, Ring)> = old.layout.rings.iter().copied().enumerate().collect();
            let Some(&(source, other)) = candidates.iter().filter(fits).max_by_key(|(_, ring)| ring.step)
            else {
                continue;
            };
            let last = (old.newest / f64::from(other.step)).floor() as u32;
            for index in last.saturating_sub(other.rows - 1)..=last {
                let Some(row) = old.read_row(source, index)? else { continue };
                let cell =
                    |column: &Option<usize>| column.map_or(Cell::UNKNOWN, |column| Row::cell(&row, column));
                let cells: Vec<Cell> = from.iter().map(cell).collect();
                self.feed(ring, f64::from(index) * f64::from(other.step), Row::seconds(&row), &cells);
                if self.waiting.len() >= 256 {
                    self.write_waiting()?;
                }
            }
            if let Some(open) = self.open[ring].take() {
                self.finish(ring, &open);
            }
        }
        self.newest = old.newest;
        let slots = old.layout.slots.clone();
        self.write_waiting()?;
        self.set_slots(&slots)
    }
}

#[cfg(test)]
mod tests;
