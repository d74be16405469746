//! How busy a thread that serves is: what it moved in batches, and what was lost on the way.

/// Totals of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Batches of datagrams taken from sockets.
    pub taken: u64,
    /// Of these, full ones: more was waiting.
    pub full: u64,
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub kernel_drops: u64,
    /// Replies that were written and did not leave: no route, no room, or the clock was stepped meanwhile.
    pub unsent: u64,
}

impl Batches {
    /// Every counter, for sums.
    fn all_mut(&mut self) -> [&mut u64; 4] {
        let Self { taken, full, kernel_drops, unsent } = self;
        [taken, full, kernel_drops, unsent]
    }

    /// Adds another thread's totals.
    pub fn add(&mut self, mut other: Self) {
        for (mine, theirs) in self.all_mut().into_iter().zip(other.all_mut()) {
            *mine = mine.wrapping_add(*theirs);
        }
    }

    /// A batch came, and before it `drops` datagrams were lost by the kernel.
    pub fn count(&mut self, full: bool, drops: u32) {
        self.taken = self.taken.wrapping_add(1);
        self.full = self.full.wrapping_add(u64::from(full));
        self.kernel_drops = self.kernel_drops.wrapping_add(drops.into());
    }

    /// So many replies did not leave.
    pub fn count_unsent(&mut self, replies: usize) {
        self.unsent = self.unsent.wrapping_add(replies as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_contain_every_counter() {
        let mut one = Batches::default();
        one.count(true, 7);
        one.count(false, 0);
        one.count_unsent(3);
        assert_eq!(one, Batches { taken: 2, full: 1, kernel_drops: 7, unsent: 3 });
        let mut sum = one;
        sum.add(one);
        assert_eq!(sum, Batches { taken: 4, full: 2, kernel_drops: 14, unsent: 6 });
    }
}
