use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Memory that remembers every write, and takes no more than it is told to.
#[derive(Clone, Debug, Default)]
struct Memory(Rc<RefCell<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    bytes: Vec<u8>,
    writes: Vec<(u64, Vec<u8>)>,
    full: bool,
}

impl Storage for Memory {
    fn read_at(&self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inner = self.0.borrow();
        let rest = inner.bytes.get(at as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.full {
            return Err(io::Error::from_raw_os_error(28));
        }
        inner.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
        inner.writes.push((at, bytes.to_vec()));
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.0.borrow_mut().bytes.resize(length as usize, 0);
        Ok(())
    }
}

fn layout() -> Layout {
    let column = |name: &str, state| Column { name: name.to_owned(), state };
    Layout {
        rings: vec![Ring { step: 10, rows: 100 }, Ring { step: 60, rows: 50 }, Ring { step: 600, rows: 40 }],
        columns: vec![column("load", false), column("stratum", true), column("source_offset@s0", false)],
        slots: vec![Slot::default()],
    }
}

/// Midnight of some day.
const DAY: f64 = 1_700_006_400.0;

fn push(archive: &mut Archive<Memory>, at: f64, load: f64) {
    archive.push(at, 1.0, &[Cell::of(load), Cell::of(2.0), Cell::UNKNOWN]);
}

/// Pushes one value a second, `seconds` long.
fn fill(archive: &mut Archive<Memory>, from: f64, seconds: u32, load: impl Fn(u32) -> f64) {
    (0..seconds).for_each(|second| push(archive, from + f64::from(second) + 1.0, load(second)));
}

fn sum(answer: &Answer) -> f64 {
    let points = answer.covered.iter().zip(&answer.columns[0].mean);
    points
        .filter(|(_, mean)| !mean.is_nan())
        .map(|(seconds, mean)| f64::from(*seconds) * f64::from(*mean))
        .sum()
}

#[test]
fn every_resolution_keeps_the_sum_and_the_extremes() {
    let mut archive = Archive::create(Memory::default(), layout()).unwrap();
    let load = |second: u32| if second == 400 { 5000.0 } else { f64::from(second % 7) };
    fill(&mut archive, DAY, 900, load);
    let truth: f64 = (0..900).map(load).sum();
    for (points, step) in [(90, 10), (30, 30), (15, 60), (5, 180)] {
        let answer = archive.query(&[0, 1], DAY, DAY + 900.0, points).unwrap();
        assert_eq!((answer.start, answer.step, answer.covered.len()), (DAY as u64, step, points));
        assert!((sum(&answer) / truth - 1.0).abs() < 0.01 || step >= 60, "{step}: {}", sum(&answer));
        let most = answer.columns[0].max.iter().copied().fold(0.0, f32::max);
        assert_eq!(most, 5000.0, "{step}");
        assert!(answer.columns[1].mean.iter().rev().skip(1).all(|state| *state == 2.0));
    }
    archive.close_rows();
    archive.flush().unwrap();
    for points in [90, 15, 5] {
        let answer = archive.query(&[0], DAY, DAY + 900.0, points).unwrap();
        assert!((sum(&answer) - truth).abs() < truth * 1e-5, "{points}: {} {truth}", sum(&answer));
    }
}

#[test]
fn old_rows_make_way_and_coarser_rings_remember() {
    let mut archive = Archive::create(Memory::default(), layout()).unwrap();
    fill(&mut archive, DAY, 6000, |_| 3.0);
    archive.flush().unwrap();
    let end = DAY + 6000.0;
    let near = archive.query(&[0], end - 500.0, end, 50).unwrap();
    assert_eq!(near.step, 10);
    let far = archive.query(&[0], DAY, end, 1000).unwrap();
    assert_eq!(far.step, 600, "the finer rings do not reach back so far");
    assert!(far.columns[0].mean.iter().all(|mean| *mean == 3.0), "{far:?}");
    let nothing = archive.query(&[0], DAY - 5e5, DAY - 4e5, 100).unwrap();
    assert!(
        nothing.columns[0].mean.iter().all(|mean| mean.is_nan()) && nothing.covered.iter().all(|c| *c == 0.0)
    );
}

#[test]
fn a_restart_goes_on_and_leaves_a_gap() {
    let memory = Memory::default();
    let mut archive = Archive::create(memory.clone(), layout()).unwrap();
    fill(&mut archive, DAY, 305, |_| 4.0);
    archive.close_rows();
    archive.flush().unwrap();
    drop(archive);
    let mut archive = Archive::open(memory, DAY + 400.0).unwrap().expect("an archive");
    assert_eq!(archive.newest(), DAY + 310.0);
    fill(&mut archive, DAY + 400.0, 250, |_| 4.0);
    let all = archive.query(&[0], DAY, DAY + 650.0, 65).unwrap();
    let known: Vec<bool> = all.columns[0].mean.iter().map(|mean| *mean == 4.0).collect();
    let expected: Vec<bool> = (0..65).map(|ten| !(31..40).contains(&ten)).collect();
    assert_eq!(known, expected);
    assert!(all.columns[0].max.iter().all(|max| max.is_nan() || *max == 4.0), "a spike");
    // The coarse row that the restart fell into has what was before it and what came after.
    let coarse = archive.query(&[0], DAY, DAY + 600.0, 1).unwrap();
    assert_eq!((coarse.step, coarse.covered[0]), (600, 505.0));
}

#[test]
fn a_source_has_its_slot_and_inherits_nothing() {
    let memory = Memory::default();
    let mut archive = Archive::create(memory.clone(), layout()).unwrap();
    let record = |archive: &mut Archive<Memory>, name: &str, from: f64, value: f64| {
        for second in 0..60 {
            let at = from + f64::from(second) + 1.0;
            if let Some(slot) = archive.slot(name, at) {
                assert_eq!(slot, 0);
                archive.push(at, 1.0, &[Cell::UNKNOWN, Cell::UNKNOWN, Cell::of(value)]);
            }
        }
    };
    record(&mut archive, "a.example", DAY, 1.0);
    record(&mut archive, "b.example", DAY + 60.0, 2.0);
    assert_eq!(archive.layout().slots[0].name, "a.example", "nobody is driven out who is there");
    record(&mut archive, "b.example", DAY + 1200.0, 2.0);
    archive.close_rows();
    archive.flush().unwrap();
    let archive = Archive::open(memory, DAY + 1300.0).unwrap().expect("an archive");
    assert_eq!(archive.layout().slots[0].name, "b.example");
    let answer = archive.query(&[2], DAY, DAY + 1260.0, 21).unwrap();
    let known: Vec<f32> = answer.columns[0].mean.iter().copied().filter(|mean| !mean.is_nan()).collect();
    assert_eq!(known, [2.0]);
}

#[test]
fn a_full_disk_loses_nothing_until_there_is_room() {
    let memory = Memory::default();
    let mut archive = Archive::create(memory.clone(), layout()).unwrap();
    memory.0.borrow_mut().full = true;
    fill(&mut archive, DAY, 600, |_| 1.0);
    assert_eq!(archive.flush().unwrap_err().raw_os_error(), Some(28));
    let before = archive.query(&[0], DAY, DAY + 600.0, 60).unwrap();
    memory.0.borrow_mut().full = false;
    archive.close_rows();
    archive.flush().unwrap();
    assert_eq!(archive.waiting(), 0);
    assert!(archive.written() > 0 && archive.written().is_multiple_of(4096));
    let after =
        Archive::open(memory, DAY + 600.0).unwrap().unwrap().query(&[0], DAY, DAY + 600.0, 60).unwrap();
    assert_eq!((sum(&before), sum(&after)), (600.0, 600.0));
}

#[test]
fn another_layout_takes_over_what_it_can() {
    let memory = Memory::default();
    let mut old = Archive::create(memory.clone(), layout()).unwrap();
    old.slot("a.example", DAY);
    fill(&mut old, DAY, 1800, f64::from);
    old.close_rows();
    old.flush().unwrap();
    let old = Archive::open(memory, DAY + 1800.0).unwrap().expect("an archive");
    let mut other = layout();
    other.columns.insert(0, Column { name: "new".into(), state: false });
    other.rings = vec![Ring { step: 60, rows: 200 }, Ring { step: 1200, rows: 10 }];
    other.slots.push(Slot::default());
    let mut new = Archive::create(Memory::default(), other).unwrap();
    new.copy_from(&old).unwrap();
    let load = |archive: &Archive<Memory>, column| {
        archive.query(&[column], DAY, DAY + 1800.0, 30).unwrap().columns[0].mean.clone()
    };
    assert_eq!(load(&new, 1), load(&old, 0));
    assert!(load(&new, 0).iter().all(|mean| mean.is_nan()));
    assert_eq!(new.layout().slots[0].name, "a.example");
    let coarse = new.query(&[1], DAY, DAY + 1200.0, 1).unwrap();
    assert_eq!((coarse.step, coarse.columns[0].mean[0]), (1200, 599.5));
}

/// A power cut at every byte of every write: what was flushed before is whole, what is read is true.
#[test]
fn a_power_cut_at_any_byte_costs_one_interval_at_most() {
    let memory = Memory::default();
    let mut archive = Archive::create(memory.clone(), layout()).unwrap();
    // The state of the file and how far it is complete, before each flush.
    let mut flushed = Vec::new();
    for interval in 0..4 {
        fill(&mut archive, DAY + f64::from(interval) * 100.0, 100, |_| 1.0);
        if interval == 2 {
            archive.slot("a.example", DAY + 300.0);
        }
        flushed.push((memory.0.borrow().writes.len(), memory.0.borrow().bytes.clone()));
        archive.flush().unwrap();
    }
    let writes = memory.0.borrow().writes.clone();
    flushed.push((writes.len(), memory.0.borrow().bytes.clone()));
    for (interval, pair) in flushed.windows(2).enumerate() {
        let now = DAY + (interval as f64 + 1.0) * 100.0;
        let mut bytes = pair[0].1.clone();
        for (at, write) in &writes[pair[0].0..pair[1].0] {
            for cut in (0..=write.len()).step_by(if write.len() > 2000 { 997 } else { 1 }) {
                bytes[*at as usize..*at as usize + cut].copy_from_slice(&write[..cut]);
                let torn = Memory(Rc::new(RefCell::new(Inner { bytes: bytes.clone(), ..Inner::default() })));
                let archive = Archive::open(torn, now).unwrap().expect("an archive");
                let answer = archive.query(&[0], DAY, now, 120).unwrap();
                assert!(answer.columns[0].max.iter().all(|max| max.is_nan() || *max == 1.0));
                // Complete until one interval (and the row in hand then) before.
                let safe = (now - 100.0 - 10.0).max(DAY);
                let whole = archive.query(&[0], (now - 900.0).max(DAY), safe.max(DAY + 1.0), 120).unwrap();
                let complete = whole.covered.iter().zip(0_u32..).all(|(covered, at)| {
                    let begin = whole.start as f64 + f64::from(at * whole.step);
                    *covered >= whole.step as f32 || begin + f64::from(whole.step) > safe
                });
                assert!(complete, "interval {interval}, cut {cut}: {:?}", whole.covered);
            }
            bytes[*at as usize..*at as usize + write.len()].copy_from_slice(write);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_opened_without_harm(damage in proptest::collection::vec((0_usize..60_000, any::<u8>()), 0..200)) {
        let memory = Memory::default();
        let mut archive = Archive::create(memory.clone(), layout()).unwrap();
        fill(&mut archive, DAY, 700, |_| 1.0);
        archive.flush().unwrap();
        for (at, byte) in damage {
            let mut inner = memory.0.borrow_mut();
            let length = inner.bytes.len();
            inner.bytes[at % length] = byte;
        }
        if let Some(archive) = Archive::open(memory, DAY + 700.0).unwrap() {
            let answer = archive.query(&[0], DAY, DAY + 700.0, 70).unwrap();
            prop_assert!(answer.columns[0].max.iter().all(|max| max.is_nan() || *max == 1.0));
        }
    }

    #[test]
    fn sums_survive_gaps_and_any_question(gaps in proptest::collection::vec((1_u32..400, 0_u32..300), 1..8), points in 1_usize..300) {
        let mut archive = Archive::create(Memory::default(), layout()).unwrap();
        let (mut at, mut truth) = (DAY, 0.0);
        for (length, pause) in gaps {
            fill(&mut archive, at, length, f64::from);
            truth += (0..length).map(f64::from).sum::<f64>();
            at += f64::from(length + pause);
        }
        archive.close_rows();
        let answer = archive.query(&[0], DAY, at, points).unwrap();
        prop_assert!(answer.covered.len() <= points);
        let reaches = archive.query(&[0], DAY, at, points).unwrap().step >= 60 || at - DAY < 990.0;
        prop_assume!(reaches);
        prop_assert!((sum(&answer) - truth).abs() <= truth * 1e-4 + 1e-6, "{} {truth}", sum(&answer));
    }
}
