//! Linear hashing (Litwin 1980): a table that grows by one group at a time, in memory that was taken once.
//!
//! Few entries touch few pages, and no moment is spent on moving everything: when group `to` is opened, those entries of one other
//! group move to it that would have been in it from the start.

/// Which groups are in use, and which of them a hash leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    /// Groups there is room for.
    capacity: usize,
    /// Groups in use.
    open: usize,
    /// The largest power of two not above `open`.
    power: usize,
}

impl Linear {
    /// Room for `capacity` groups, of which `first` are in use.
    pub fn new(capacity: usize, first: usize) -> Self {
        let open = capacity.min(first);
        Self { capacity, open, power: open.checked_ilog2().map_or(0, |bits| 1 << bits) }
    }

    /// Groups there is room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Groups in use.
    pub fn open(&self) -> usize {
        self.open
    }

    /// The group of a hash. Without any: 0, which is none.
    pub fn place(&self, hash: u64) -> usize {
        let hash = hash as usize;
        let wide = hash & self.power.wrapping_mul(2).wrapping_sub(1);
        if wide < self.open { wide } else { hash & self.power.wrapping_sub(1) }
    }

    /// Opens one more group: the one whose entries are to be looked through, and the new one, where some of them belong now. `None`:
    /// all are in use.
    pub fn grow(&mut self) -> Option<(usize, usize)> {
        if self.open == self.capacity {
            return None;
        }
        let (from, to) = (self.open.wrapping_sub(self.power), self.open);
        self.open = self.open.saturating_add(1);
        if self.open == self.power.saturating_mul(2) {
            self.power = self.open;
        }
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_groups_there_is_no_place() {
        let mut none = Linear::new(0, 4);
        assert_eq!((none.open(), none.grow()), (0, None));
    }

    proptest! {
        /// Whatever moves when a group is opened moves there, and only from the group that was named.
        #[test]
        fn hashes_move_only_to_the_new_group(
            capacity in 1usize..100, first in 1usize..20, hashes in prop::collection::vec(any::<u64>(), 1..50),
        ) {
            let mut linear = Linear::new(capacity, first);
            loop {
                let before: Vec<usize> = hashes.iter().map(|&hash| linear.place(hash)).collect();
                prop_assert!(before.iter().all(|&place| place < linear.open()));
                let Some((from, to)) = linear.grow() else { break };
                prop_assert!(from < to && to + 1 == linear.open());
                for (&hash, before) in hashes.iter().zip(before) {
                    let after = linear.place(hash);
                    prop_assert!(after == before || (before, after) == (from, to));
                }
            }
            prop_assert_eq!(linear.open(), capacity);
        }
    }
}
