//! Whom we have answered: a table of fixed size with one entry per client.
//!
//! A client is an IPv4 address or an IPv6 prefix. All memory is taken once, at the start, and in it the table grows
//! by one group of eight entries at a time, whenever those there are have become too full. A client can be in two groups; a new one
//! goes to the first while that has room to spare, else to the emptier one, and where both are full somebody there moves to the other of
//! his: so groups can be three quarters full and none overflows. When the last group is in use, a new client takes the place of the one in both groups that has been silent for longest.
//! An entry is 48 bytes, all told.

mod ahead;
mod hash;
mod record;

pub use ahead::Ahead;
pub use hash::Key;
pub use record::{Client, MeanInterval};

use super::linear::Linear;
use crate::time::MonoTime;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use record::WORDS as CLIENT_WORDS;

/// Kinds of requests that are told apart behind one address.
pub const CLASSES: usize = 8;

/// Monotonic time in 1/16 s, modulo eight years: as fine as averages of intervals need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick(pub u32);

impl Tick {
    /// log₂ of the ticks in a second.
    pub const LOG2: u32 = 4;
    /// Ticks in a second.
    pub const PER_SECOND: u32 = 1 << Self::LOG2;

    /// Ticks from `earlier` to this one. A difference of more than four years is taken for one backwards: none.
    pub fn since(self, earlier: Self) -> u32 {
        let elapsed = self.0.wrapping_sub(earlier.0);
        if elapsed > u32::MAX / 2 { 0 } else { elapsed }
    }
}

impl From<MonoTime> for Tick {
    fn from(time: MonoTime) -> Self {
        const NANOS: i64 = crate::time::NANOS >> Tick::LOG2;
        Self(time.nanos().div_euclid(NANOS) as u32)
    }
}

/// Entries of a group: the places where one client can be.
const WAYS: usize = 8;
/// Words of an address.
const ADDRESS_WORDS: usize = 2;
/// Words of a group: its addresses, then what is remembered of them. Addresses that are not looked for cost two lines
/// of the processor's cache, the one that is found one more.
const GROUP: usize = WAYS * (ADDRESS_WORDS + CLIENT_WORDS);
const GROUP_BYTES: usize = GROUP * size_of::<u64>();
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = GROUP_BYTES / WAYS;
/// Entries in use per group, on average, at which another group is opened. Groups not divided yet have up to a third more than
/// the average.
const FULL: usize = 6;
/// … from which on nobody is moved to make room.
const CROWDED: usize = 7;
/// A new client goes to its first group while that has fewer entries.
const SPARSE: usize = 5;
/// Groups that are opened at most when both of a new client are full: some 30 µs of work.
const PATIENCE: usize = 256;
/// Groups in use from the start.
const FIRST_GROUPS: usize = 32;
/// Groups begin at multiples of this, so that they share no line of the cache.
const ALIGNMENT: usize = 128;
/// Words that are passed over for that at most.
const SPARE: usize = ALIGNMENT / size_of::<u64>();

/// Names an entry until another client is new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    group: usize,
    way: usize,
}

/// The table.
#[derive(Clone)]
pub struct ClientTable {
    /// `first` words of nothing, then the groups.
    words: Vec<u64>,
    first: usize,
    groups: Linear,
    /// Entries in use.
    used: usize,
    /// Clients forgotten for lack of room.
    forgotten: u64,
    key: Key,
    /// The bits of an IPv6 address that make a client.
    prefix: u128,
}

impl ClientTable {
    /// A table that takes `bytes` of memory, but room for one group of clients at least. `key` is random, `prefix`
    /// the length of IPv6 prefixes that are one client.
    pub fn new(bytes: usize, key: Key, prefix: u8) -> Self {
        let capacity = (bytes / GROUP_BYTES).max(1);
        // Zeroed memory of this size comes from the kernel untouched: pages are taken as groups are.
        let words = vec![0u64; capacity.saturating_mul(GROUP).saturating_add(SPARE)];
        let first = words.as_ptr().align_offset(ALIGNMENT).min(SPARE);
        let prefix = u128::MAX.checked_shl(128u32.saturating_sub(prefix.into())).unwrap_or(0);
        let groups = Linear::new(capacity, FIRST_GROUPS);
        Self { words, first, groups, used: 0, forgotten: 0, key, prefix }
    }

    /// Entries that exist at the moment, used or not: [`Self::entry`] has something to say of lower numbers only.
    pub fn len(&self) -> usize {
        self.groups.open().saturating_mul(WAYS)
    }

    /// Has nobody been seen?
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Clients remembered.
    pub fn clients(&self) -> usize {
        self.used
    }

    /// Clients that can be remembered.
    pub fn capacity(&self) -> usize {
        self.groups.capacity().saturating_mul(WAYS)
    }

    /// Clients forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// All memory it has. What is used of it grows from the front.
    pub fn memory(&self) -> &[u64] {
        &self.words
    }

    /// Length of the IPv6 prefixes that are one client, bits.
    pub fn prefix(&self) -> u8 {
        self.prefix.leading_ones() as u8
    }

    /// The entry of `address`, if it has one.
    pub fn find(&self, address: IpAddr) -> Option<Slot> {
        let wanted = Wanted::new(address, self.prefix);
        self.search(self.places(wanted.hash(self.key)), &wanted)
    }

    /// The entry of `address`, made if there is none: then it is empty, but for `last`, which is `now`.
    pub fn touch(&mut self, address: IpAddr, now: Tick) -> Slot {
        self.touch_expected(Slot::default(), address, now)
    }

    /// The same, if the entry is probably the one at `expected`.
    pub fn touch_expected(&mut self, expected: Slot, address: IpAddr, now: Tick) -> Slot {
        let wanted = Wanted::new(address, self.prefix);
        if self.address(expected) == Some(wanted.whole) {
            return expected;
        }
        let hash = wanted.hash(self.key);
        if let Some(slot) = self.search(self.places(hash), &wanted) {
            if self.address(slot) != Some(wanted.whole) {
                let mut client = self.client(slot);
                client.set(Client::SEVERAL, true);
                self.put(slot, &client);
            }
            return slot;
        }
        if self.used >= self.groups.open().saturating_mul(FULL) {
            self.open_group();
        }
        let mut slot = self.room(hash);
        for _ in 0..PATIENCE {
            if slot.is_some() || !self.open_group() {
                break;
            }
            slot = self.room(hash);
        }
        let slot = slot.unwrap_or_else(|| self.give_up_oldest(self.places(hash), now));
        self.write_address(slot, wanted.whole);
        self.put(slot, &Client { last: now, ..Client::default() });
        slot
    }

    /// The bits that make `address` one client with its neighbours.
    pub fn group_of(&self, address: IpAddr) -> u128 {
        let wanted = Wanted::new(address, self.prefix);
        wanted.whole & wanted.mask
    }

    /// What is remembered of the client there.
    pub fn client(&self, slot: Slot) -> Client {
        self.group(slot.group)
            .and_then(|group| clients(group).0.get(slot.way))
            .map_or(Client::default(), Client::unpack)
    }

    /// Remembers something else of it.
    pub fn put(&mut self, slot: Slot, client: &Client) {
        let range = self.range(slot.group);
        let Some(group) = self.words.get_mut(range) else { return };
        let (_, memory) = group.split_at_mut(WAYS * ADDRESS_WORDS);
        if let Some(words) = memory.as_chunks_mut::<CLIENT_WORDS>().0.get_mut(slot.way) {
            *words = client.pack();
        }
    }

    /// The client with number `index` below [`Self::len`]; `None`: nobody. Numbers stay while the table does not
    /// grow and nobody is forgotten. For IPv6 the address is the one seen, or that of the prefix if several were.
    pub fn entry(&self, index: usize) -> Option<(Slot, IpAddr, Client)> {
        let slot = Slot { group: index / WAYS, way: index % WAYS };
        if slot.group >= self.groups.open() {
            return None;
        }
        let address = self.address(slot)?;
        let client = self.client(slot);
        let shown = if client.has(Client::SEVERAL) { address & mask(address, self.prefix) } else { address };
        Some((slot, from_bits(shown), client))
    }

    /// The two groups of a hash; they may be the same.
    fn places(&self, hash: u64) -> [usize; 2] {
        [self.groups.place(hash), self.groups.place(hash.rotate_left(32))]
    }

    /// Opens one more group: those who do not belong to their old one any more move there. False: all are in use.
    fn open_group(&mut self) -> bool {
        let Some((from, to)) = self.groups.grow() else { return false };
        let mut free = 0;
        for way in 0..WAYS {
            let old = Slot { group: from, way };
            let Some(address) = self.address(old) else { continue };
            let hash = Wanted { whole: address, mask: mask(address, self.prefix) }.hash(self.key);
            if !self.places(hash).contains(&from) {
                let (new, client) = (Slot { group: to, way: free }, self.client(old));
                self.write_address(new, address);
                self.put(new, &client);
                self.write_address(old, 0);
                free = free.saturating_add(1);
            }
        }
        true
    }

    /// An entry for a hash, if one of those there can move away.
    fn room(&mut self, hash: u64) -> Option<Slot> {
        let places = self.places(hash);
        // In a table that is full it would be a long search for nothing, at the mercy of whoever forges addresses.
        let hopeful = self.used < self.groups.open().saturating_mul(CROWDED);
        self.free(places).or_else(|| if hopeful { self.make_room(places) } else { None })
    }

    /// Both groups are full: somebody moves to the other of his groups.
    fn make_room(&mut self, places: [usize; 2]) -> Option<Slot> {
        for slot in places.into_iter().flat_map(|group| (0..WAYS).map(move |way| Slot { group, way })) {
            let Some(address) = self.address(slot) else { continue };
            let hash = Wanted { whole: address, mask: mask(address, self.prefix) }.hash(self.key);
            let [first, second] = self.places(hash);
            let other = if first == slot.group { second } else { first };
            if let Some(new) = self.free([other, other]) {
                let client = self.client(slot);
                self.write_address(new, address);
                self.put(new, &client);
                return Some(slot);
            }
        }
        None
    }

    /// An entry of the two groups that nobody has; it is counted as used.
    fn free(&mut self, [first, second]: [usize; 2]) -> Option<Slot> {
        let slots = |group| (0..WAYS).map(move |way| Slot { group, way });
        let used = |group| slots(group).filter(|&slot| self.address(slot).is_some()).count();
        let in_first = used(first);
        let group = if in_first < SPARSE || in_first <= used(second) { first } else { second };
        let slot = slots(group).find(|&slot| self.address(slot).is_none())?;
        self.used = self.used.saturating_add(1);
        Some(slot)
    }

    /// The entry of the two groups whose client has been silent for longest: it is forgotten.
    fn give_up_oldest(&mut self, places: [usize; 2], now: Tick) -> Slot {
        self.forgotten = self.forgotten.wrapping_add(1);
        let silent = |slot: &Slot| now.since(self.client(*slot).last);
        let [group, _] = places;
        let slots = places.into_iter().flat_map(|group| (0..WAYS).map(move |way| Slot { group, way }));
        slots.max_by_key(silent).unwrap_or(Slot { group, way: 0 })
    }

    fn search(&self, [first, second]: [usize; 2], wanted: &Wanted) -> Option<Slot> {
        self.search_group(first, wanted).or_else(|| self.search_group(second, wanted))
    }

    fn search_group(&self, group: usize, wanted: &Wanted) -> Option<Slot> {
        let (addresses, _) = self.group(group)?.split_at(WAYS * ADDRESS_WORDS);
        let way = addresses.as_chunks().0.iter().position(|&words| wanted.is(join(words)))?;
        Some(Slot { group, way })
    }

    fn address(&self, slot: Slot) -> Option<u128> {
        let words = self.group(slot.group)?.as_chunks().0.get(slot.way)?;
        Some(join(*words)).filter(|&address| address != 0)
    }

    fn write_address(&mut self, slot: Slot, address: u128) {
        let range = self.range(slot.group);
        let words = self.words.get_mut(range).unwrap_or_default().as_chunks_mut().0.get_mut(slot.way);
        if let Some(words) = words {
            *words = [(address >> 64) as u64, address as u64];
        }
    }

    fn group(&self, group: usize) -> Option<&[u64; GROUP]> {
        self.words.get(self.range(group))?.first_chunk()
    }

    fn range(&self, group: usize) -> core::ops::Range<usize> {
        let start = group.saturating_mul(GROUP).saturating_add(self.first);
        start..start.saturating_add(GROUP)
    }
}

impl core::fmt::Debug for ClientTable {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { used, forgotten, .. } = self;
        let (groups, capacity) = (self.groups.open(), self.groups.capacity());
        write!(f, "ClientTable({used} clients, {groups} of {capacity} groups, {forgotten} forgotten)")
    }
}

/// What is remembered of the clients of a group.
fn clients(group: &[u64; GROUP]) -> (&[[u64; CLIENT_WORDS]], &[u64]) {
    let (_, memory) = group.split_at(WAYS * ADDRESS_WORDS);
    memory.as_chunks()
}

/// An address that is looked for, and which of its bits matter.
struct Wanted {
    whole: u128,
    mask: u128,
}

impl Wanted {
    fn new(address: IpAddr, prefix: u128) -> Self {
        let whole = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        Self { whole, mask: mask(whole, prefix) }
    }

    fn hash(&self, key: Key) -> u64 {
        let bits = self.whole & self.mask;
        hash::hash(key, [(bits >> 64) as u64, bits as u64])
    }

    /// Nobody's address is zero, and where nothing is the address is.
    fn is(&self, address: u128) -> bool {
        (address ^ self.whole) & self.mask == 0 && address != 0
    }
}

/// The bits that make a client. Where the prefix is all zero, whole addresses do: there are the mapped IPv4 addresses,
/// the loopback address and nothing that is given to customers by the prefix.
fn mask(address: u128, prefix: u128) -> u128 {
    if address & prefix == 0 { u128::MAX } else { prefix }
}

fn join([high, low]: [u64; ADDRESS_WORDS]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

fn from_bits(bits: u128) -> IpAddr {
    let v6 = Ipv6Addr::from_bits(bits);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), |v4: Ipv4Addr| IpAddr::V4(v4))
}

#[cfg(test)]
mod tests;
