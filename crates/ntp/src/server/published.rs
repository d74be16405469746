//! One writer, many readers, no lock: how the state reaches the serving threads.
//!
//! A sequence lock over words of 32 bits (there are processors without wider atomics). A reader that is disturbed
//! too often, because the writer was interrupted in the middle, gives up and goes on with what it knew: a thread of
//! high priority must never wait for one of low priority.

use super::state::{ServerState, WORDS};
use core::sync::atomic::{AtomicU32, Ordering, fence};

/// Attempts of one read.
const ATTEMPTS: usize = 32;

/// The latest [`ServerState`].
#[derive(Debug)]
pub struct Published {
    /// Odd while the words are being written.
    sequence: AtomicU32,
    words: [AtomicU32; WORDS],
}

/// The right to publish: there is one, so there is one writer.
#[derive(Debug)]
pub struct Publisher(std::sync::Arc<Published>);

impl Publisher {
    /// Publishes `state`, the first one.
    pub fn new(state: &ServerState) -> Self {
        let words = state.to_words().map(AtomicU32::new);
        Self(std::sync::Arc::new(Published { sequence: AtomicU32::new(0), words }))
    }

    /// For a reader.
    pub fn published(&self) -> std::sync::Arc<Published> {
        std::sync::Arc::clone(&self.0)
    }

    /// From now on readers see `state`.
    pub fn publish(&mut self, state: &ServerState) {
        let Published { sequence, words } = &*self.0;
        let before = sequence.load(Ordering::Relaxed);
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        // No word is written before the number is odd, …
        fence(Ordering::Release);
        for (to, from) in words.iter().zip(state.to_words()) {
            to.store(from, Ordering::Relaxed);
        }
        // … and all are when it is even again.
        sequence.store(before.wrapping_add(2), Ordering::Release);
    }
}

impl Published {
    /// Reads the latest state into `known`, unless it is the one that was read when this returned `seen`. Returns
    /// what to pass the next time. `known` stays as it is when the writer is in the way for too long.
    pub fn read(&self, known: &mut ServerState, seen: Option<u32>) -> Option<u32> {
        for _ in 0..ATTEMPTS {
            let before = self.sequence.load(Ordering::Acquire);
            if seen == Some(before) {
                return seen;
            }
            let mut copy = [0; WORDS];
            for (to, from) in copy.iter_mut().zip(&self.words) {
                *to = from.load(Ordering::Relaxed);
            }
            // The words were read before the number is looked at again.
            fence(Ordering::Acquire);
            if before & 1 == 0 && self.sequence.load(Ordering::Relaxed) == before {
                *known = ServerState::from_words(&copy);
                return Some(before);
            }
            core::hint::spin_loop();
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    /// A state all of whose words tell its number.
    fn numbered(number: u32) -> ServerState {
        ServerState::from_words(&[number & 0x03ff_ff00; WORDS])
    }

    #[test]
    fn what_was_read_once_is_not_read_again() {
        let mut publisher = Publisher::new(&numbered(0x100));
        let published = publisher.published();
        let mut known = ServerState::default();
        let first = published.read(&mut known, None);
        assert_eq!(known, numbered(0x100));
        known = ServerState::default();
        assert_eq!(published.read(&mut known, first), first);
        assert_eq!(known, ServerState::default());
        publisher.publish(&numbered(0x200));
        assert_ne!(published.read(&mut known, first), first);
        assert_eq!(known, numbered(0x200));
    }

    #[test]
    fn a_writer_that_does_not_finish_stops_nobody() {
        let publisher = Publisher::new(&numbered(0x100));
        let published = publisher.published();
        let mut known = numbered(0x700);
        published.sequence.store(1, Ordering::Relaxed);
        assert_eq!(published.read(&mut known, Some(0)), Some(0));
        assert_eq!(known, numbered(0x700), "what was known before");
    }

    #[test]
    fn nobody_sees_half_a_state() {
        const WRITES: u32 = 200_000;
        let mut publisher = Publisher::new(&numbered(0));
        let done = AtomicBool::new(false);
        let reads: Vec<(u64, u32)> = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let published = publisher.published();
                    let done = &done;
                    scope.spawn(move || {
                        let (mut known, mut seen, mut changes, mut last) = (numbered(0), None, 0, 0);
                        loop {
                            let finished = done.load(Ordering::Relaxed);
                            let now = published.read(&mut known, seen);
                            changes += u64::from(now != seen);
                            seen = now;
                            let words = known.to_words();
                            assert!(words.iter().all(|word| *word == words[0]), "torn: {words:x?}");
                            assert!(words[0] >= last, "back in time");
                            last = words[0];
                            if finished {
                                return (changes, last);
                            }
                        }
                    })
                })
                .collect();
            for number in 1..=WRITES {
                publisher.publish(&numbered(number << 8 & 0x03ff_ff00));
                if number.is_multiple_of(1024) {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Relaxed);
            readers.into_iter().map(|reader| reader.join().expect("no torn state")).collect()
        });
        for (changes, last) in reads {
            assert!(changes >= 1 && last == numbered(WRITES << 8).to_words()[0], "{changes} {last:x}");
        }
    }
}
