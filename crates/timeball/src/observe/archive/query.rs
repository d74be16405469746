//! Questions: so many points of some columns between two instants.

use super::row::Gathering;
use super::{Archive, Cell, Ring, Row, Storage};
use std::io;

/// Rows read in one piece.
const PIECE: u32 = 64;

/// The answer to a question: point *i* stands for the time from `start + i·step` to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where the first point begins, s since 1970.
    pub start: u64,
    /// Seconds from point to point.
    pub step: u32,
    /// Seconds of each point in which anything was recorded.
    pub covered: Vec<f32>,
    /// The columns, in the order they were asked for.
    pub columns: Vec<Points>,
}

/// The points of one column; NaN: unknown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Means, or last states.
    pub mean: Vec<f32>,
    /// The least.
    pub min: Vec<f32>,
    /// The most.
    pub max: Vec<f32>,
}

impl<S: Storage> Archive<S> {
    /// `points` at most of `columns` between `from` and `to` (s since 1970).
    pub fn query(&self, columns: &[usize], from: f64, to: f64, points: usize) -> io::Result<Answer> {
        let (from, to) = (from.max(0.0), to.clamp(1.0, f64::from(u32::MAX)));
        let from = from.min(to - 1.0);
        let points = points.max(1) as u64;
        let ring = self.choose(from, to, points);
        let unit = u64::from(self.layout.rings[ring].step);
        let mut times = ((to - from) / points as f64 / unit as f64).ceil().max(1.0) as u64;
        let (start, step, count) = loop {
            let step = unit * times;
            let start = from as u64 / step * step;
            let count = (to.ceil() as u64 - start).div_ceil(step);
            if count <= points {
                break (start, step, count as usize);
            }
            times += 1;
        };
        let mut gathered = vec![Gathering::default(); count * columns.len()];
        let mut covered = vec![0.0; count];
        // What a slot held before it was given to its source is another's.
        let since: Vec<f64> = columns.iter().map(|column| self.since(*column)).collect();
        let mut take = |index: u32, seconds: f64, cell: &dyn Fn(usize) -> Cell| {
            let time = u64::from(index) * unit;
            let Some(at) = time.checked_sub(start).map(|late| (late / step) as usize) else { return };
            if at >= count {
                return;
            }
            covered[at] += seconds as f32;
            let row = &mut gathered[at * columns.len()..(at + 1) * columns.len()];
            for ((gathering, column), since) in row.iter_mut().zip(columns).zip(&since) {
                if (time + unit) as f64 > *since {
                    gathering.add(&cell(*column), seconds);
                }
            }
        };
        let first = (start / unit) as u32;
        let last = ((to.ceil() as u64).div_ceil(unit).max(1) - 1) as u32;
        self.rows(ring, first, last, |index, bytes| {
            take(index, Row::seconds(bytes), &|column| Row::cell(bytes, column));
        })?;
        if let Some(open) = self.open[ring].as_ref().filter(|open| (first..=last).contains(&open.index)) {
            let cell = |column: usize| open.cells[column].cell(self.layout.columns[column].state);
            take(open.index, open.seconds, &cell);
        }
        let mut answer = Answer { start, step: step as u32, covered, columns: Vec::new() };
        for (at, column) in columns.iter().enumerate() {
            let mut points = Points::default();
            for row in gathered.chunks_exact(columns.len()) {
                let cell = row[at].cell(self.layout.columns[*column].state);
                points.mean.push(cell.mean);
                points.min.push(cell.min);
                points.max.push(cell.max);
            }
            answer.columns.push(points);
        }
        Ok(answer)
    }

    /// The coarsest ring that is fine enough, of those that reach back far enough; else the one that reaches furthest.
    fn choose(&self, from: f64, to: f64, points: u64) -> usize {
        let newest = self.newest.max(to.min(self.newest + 1.0));
        let wanted = (to - from) / points as f64;
        let reach = |ring: &Ring| newest - (f64::from(ring.rows) - 1.0) * f64::from(ring.step);
        let rings = &self.layout.rings;
        let enough = |at: &usize| reach(&rings[*at]) <= from;
        let fitting = (0..rings.len()).filter(enough);
        let fine = fitting
            .clone()
            .filter(|at| f64::from(rings[*at].step) <= wanted)
            .max_by_key(|at| rings[*at].step);
        let nearest = fine.or_else(|| fitting.min_by_key(|at| rings[*at].step));
        let furthest = || (0..rings.len()).min_by(|a, b| reach(&rings[*a]).total_cmp(&reach(&rings[*b])));
        nearest.or_else(furthest).unwrap_or(0)
    }

    fn since(&self, column: usize) -> f64 {
        let slot = self.layout.slot_of(column).and_then(|slot| self.layout.slots.get(slot));
        slot.map_or(f64::NEG_INFINITY, |slot| if slot.name.is_empty() { f64::INFINITY } else { slot.since })
    }

    /// Shows every whole row of `ring` from `first` to `last`, in order of time but for those that wait.
    fn rows(&self, ring: usize, first: u32, last: u32, mut show: impl FnMut(u32, &[u8])) -> io::Result<()> {
        let (length, row) = (self.layout.rings[ring].rows, self.layout.row());
        let newest = (self.newest / f64::from(self.layout.rings[ring].step)).floor() as u32;
        let last = last.min(newest);
        let mut index = first.max(newest.saturating_sub(length - 1));
        let mut buffer = vec![0; row * PIECE as usize];
        while index <= last {
            let to_the_end = length - index % length;
            let count = PIECE.min(to_the_end).min(last - index + 1);
            let wanted = row * count as usize;
            let got = self.storage.read_at(self.layout.place(ring, index), &mut buffer[..wanted])?;
            buffer[got..wanted].fill(0);
            for (at, bytes) in (index..).zip(buffer[..wanted].chunks_exact(row)) {
                match self.waiting.get(&(ring, at)) {
                    Some(waiting) => show(at, waiting),
                    // The row that is being gathered shows itself.
                    None if self.open[ring].as_ref().is_some_and(|open| open.index == at) => {}
                    None if Row::is_of(bytes, at) => show(at, bytes),
                    None => {}
                }
            }
            index += count;
        }
        Ok(())
    }
}
