//! Work on all processors, results in order.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Threads that run at once unless somebody says otherwise: as many as there are processors.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does `work(0)` … `work(count − 1)` on `jobs` threads and gives each result to `take` in the order of the numbers,
/// as soon as all before it are there. The order does not depend on who was faster.
pub fn run<T: Send>(
    jobs: usize,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut take: impl FnMut(usize, T),
) {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, count.max(1)) {
            let (sender, next, work) = (sender.clone(), &next, &work);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count || sender.send((index, work(index))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut wanted) = (BTreeMap::new(), 0);
        for (index, result) in results {
            waiting.insert(index, result);
            while let Some(result) = waiting.remove(&wanted) {
                take(wanted, result);
                wanted += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_once_each_and_in_order() {
        for (jobs, count) in [(1, 5), (4, 1000), (8, 3), (3, 0)] {
            let mut seen = Vec::new();
            run(jobs, count, |i| (i * 7919) % 101, |i, result| seen.push((i, result)));
            assert_eq!(seen, (0..count).map(|i| (i, (i * 7919) % 101)).collect::<Vec<_>>());
        }
    }
}
