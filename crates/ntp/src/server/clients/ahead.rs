//! A whole batch of requests is looked up before any of them is answered, so that what must be read from memory far away comes at the
//! same time and not one after the other.

use super::{ADDRESS_WORDS, ClientTable, Slot, WAYS, Wanted, clients};
use core::net::IpAddr;

/// Requests of a batch that are looked up ahead.
const SIZE: usize = 32;
/// Words of a line of the processor's cache.
const LINE: usize = 8;

/// Where the clients of the next requests are, as far as they are known.
#[derive(Clone, Debug)]
pub struct Ahead {
    slots: [Slot; SIZE],
    len: usize,
    next: usize,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { slots: [Slot::default(); SIZE], len: 0, next: 0 }
    }
}

impl Ahead {
    /// Requests from these `addresses` come next, in this order. `fetch` has a word's line read without waiting for it: first those
    /// to be looked through, then those found.
    pub fn look(
        &mut self,
        table: &ClientTable,
        addresses: impl Iterator<Item = IpAddr> + Clone,
        fetch: impl Fn(&u64),
    ) {
        let mut places = [[0; 2]; SIZE];
        let mut count = 0usize;
        for (places, address) in places.iter_mut().zip(addresses.clone()) {
            count = count.saturating_add(1);
            *places = table.places(Wanted::new(address, table.prefix).hash(table.key));
            for group in places.iter().filter_map(|&place| table.group(place)) {
                group.iter().take(WAYS * ADDRESS_WORDS).step_by(LINE).for_each(&fetch);
            }
        }
        (self.len, self.next) = (0, 0);
        if count < 2 {
            return; // nothing else is there to be done until its own turn
        }
        for ((slot, places), address) in self.slots.iter_mut().zip(places).zip(addresses) {
            *slot = table.search(places, &Wanted::new(address, table.prefix)).unwrap_or_default();
            let found = table.group(slot.group).and_then(|group| clients(group).0.get(slot.way)?.first());
            found.into_iter().for_each(&fetch);
            self.len = self.len.saturating_add(1);
        }
    }

    /// Where the next one's client probably is: it may have moved since, or be unknown.
    pub fn turn(&mut self) -> Slot {
        let slot = self.slots.get(self.next).filter(|_| self.next < self.len).copied().unwrap_or_default();
        self.next = self.next.saturating_add(1);
        slot
    }
}
