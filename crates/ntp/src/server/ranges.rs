//! An access list as a sorted list of the addresses at which the answer changes.
//!
//! A tree is good to change and slow to ask: each level is another line of memory. This is made anew from it with each change. The
//! first bits in which the list's addresses differ lead to a few neighbouring entries, so that a list of ten thousand networks
//! costs two lines of memory a question.

/// An address as a number.
pub trait Address: Copy + Ord {
    /// Bits of an address.
    const WIDTH: u32;

    /// The `count` bits (at most `MOST_BITS`) after the first `skip`, which with `count` are at most the width.
    fn bits(self, skip: u32, count: u32) -> usize;

    /// How many of the first bits both have in common.
    fn common(self, other: Self) -> u32;
}

impl Address for u32 {
    const WIDTH: u32 = u32::BITS;

    fn bits(self, skip: u32, count: u32) -> usize {
        let rest = self.checked_shl(skip).unwrap_or(0);
        rest.checked_shr(Self::WIDTH.wrapping_sub(count)).unwrap_or(0) as usize
    }

    fn common(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }
}

impl Address for u128 {
    const WIDTH: u32 = u128::BITS;

    fn bits(self, skip: u32, count: u32) -> usize {
        let rest = self.checked_shl(skip).unwrap_or(0);
        rest.checked_shr(Self::WIDTH.wrapping_sub(count)).unwrap_or(0) as usize
    }

    fn common(self, other: Self) -> u32 {
        (self ^ other).leading_zeros()
    }
}

/// Bits of the index at most: 64 KiB.
const MOST_BITS: u32 = 14;

/// Which addresses are allowed.
#[derive(Clone, Debug)]
pub struct Ranges<A> {
    /// The answer for the lowest address.
    first: bool,
    /// Where it changes, ascending.
    changes: Vec<A>,
    /// All in `changes` have so many first bits in common …
    skip: u32,
    /// … and are sorted by the next so many into `index`.
    count: u32,
    /// Changes before each value of those bits; one more at the end.
    index: Vec<u32>,
}

impl<A> Default for Ranges<A> {
    /// Nobody is allowed.
    fn default() -> Self {
        Self { first: false, changes: Vec::new(), skip: 0, count: 0, index: Vec::new() }
    }
}

impl<A: Address> Ranges<A> {
    /// From ranges in ascending order without gaps, each by its first address and its answer; the first begins at the lowest.
    pub fn new(ranges: impl IntoIterator<Item = (A, bool)>) -> Self {
        let mut ranges = ranges.into_iter();
        let Some((_, first)) = ranges.next() else { return Self::default() };
        let (mut changes, mut answer) = (Vec::new(), first);
        for (begin, allowed) in ranges {
            if allowed != answer {
                changes.push(begin);
                answer = allowed;
            }
        }
        let (Some(&low), Some(&high)) = (changes.first(), changes.last()) else {
            return Self { first, ..Self::default() };
        };
        let skip = low.common(high);
        let wanted = changes.len().checked_ilog2().unwrap_or(0).saturating_add(1);
        let count = wanted.min(MOST_BITS).min(A::WIDTH.saturating_sub(skip));
        let mut index = vec![0u32; (1usize << count).saturating_add(1)];
        for change in &changes {
            if let Some(after) = index.get_mut(change.bits(skip, count).saturating_add(1)) {
                *after = after.saturating_add(1);
            }
        }
        let mut sum = 0u32;
        for number in &mut index {
            sum = sum.saturating_add(*number);
            *number = sum;
        }
        Self { first, changes, skip, count, index }
    }

    /// Is `address` allowed?
    pub fn check(&self, address: A) -> bool {
        let Some(&low) = self.changes.first() else { return self.first };
        let before = if low.common(address) < self.skip {
            // Not among them: below or above all.
            if address < low { 0 } else { self.changes.len() }
        } else {
            let at = address.bits(self.skip, self.count);
            let number = |at: usize| self.index.get(at).map_or(0, |&number| number as usize);
            let (begin, end) = (number(at), number(at.wrapping_add(1)));
            let few = self.changes.get(begin..end).unwrap_or(&[]);
            begin.wrapping_add(few.partition_point(|change| *change <= address))
        };
        self.first ^ (before & 1 == 1)
    }

    /// Is any address allowed?
    pub fn any_allowed(&self) -> bool {
        self.first || !self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_address_and_all_of_them() {
        let one = Ranges::new([(0u32, false), (7, true), (8, false)]);
        assert_eq!([0, 6, 7, 8, u32::MAX].map(|a| one.check(a)), [false, false, true, false, false]);
        let last = Ranges::new([(0u128, true), (u128::MAX, false)]);
        assert!(last.check(0) && last.check(u128::MAX - 1) && !last.check(u128::MAX) && last.any_allowed());
        let all = Ranges::new([(0u128, true), (5, true)]);
        assert!(all.check(0) && all.check(9) && all.check(u128::MAX) && all.changes.is_empty());
        assert!(!Ranges::<u32>::default().any_allowed() && !Ranges::new([(0u32, false)]).any_allowed());
    }

    fn the_last_that_begins_before<A: Address + core::fmt::Debug>(
        mut begins: Vec<(A, bool)>,
        asked: &[A],
        zero: A,
    ) {
        begins.push((zero, false));
        begins.sort_by_key(|range| range.0);
        begins.dedup_by_key(|range| range.0);
        let ranges = Ranges::new(begins.iter().copied());
        for address in begins.iter().map(|range| range.0).chain(asked.iter().copied()) {
            let expected = begins.iter().rev().find(|range| range.0 <= address).expect("zero is first").1;
            assert_eq!(ranges.check(address), expected, "{address:?} {begins:?}");
        }
    }

    proptest! {
        #[test]
        fn ranges_are_found(
            begins in prop::collection::vec((any::<u32>(), any::<bool>()), 0..100), shift in 0u32..32, asked: [u32; 30],
        ) {
            let near = |address: u32| 0x5000_0000 | address >> shift;
            let all: Vec<_> = begins.iter().map(|&(begin, allowed)| (near(begin), allowed)).collect();
            let asked = [asked, asked.map(near)].concat();
            the_last_that_begins_before(all, &asked, 0);
        }

        #[test]
        fn long_ranges_are_found(
            begins in prop::collection::vec((any::<u128>(), any::<bool>()), 0..100), shift in 0u32..128, asked: [u128; 30],
        ) {
            let near = |address: u128| 0x2001 << 112 | address >> shift;
            let all: Vec<_> = begins.iter().map(|&(begin, allowed)| (near(begin), allowed)).collect();
            let asked = [asked, asked.map(near)].concat();
            the_last_that_begins_before(all, &asked, 0);
        }
    }
}
