//! Who may ask: one prefix tree per address family, four address bits a level.
//!
//! The deepest entry on the way to an address decides, and without any the answer is no. What that comes to is kept as
//! [`Ranges`], which [`AccessTable::check`] asks. The rules are chrony's, so that its configurations mean the same here; the visible consequence is
//! that prefixes are grouped by level: lengths 5 to 8 share one, and there the later directive wins.

use super::ranges::Ranges;
use crate::config::{AccessRule, Subnet};
use core::net::IpAddr;

/// Address bits a level.
const BITS: u8 = 4;
/// Entries a node.
const FAN: usize = 1 << BITS;

/// Allowed and denied addresses of both families.
#[derive(Clone, Debug, Default)]
pub struct AccessTable {
    v4: Tree,
    v6: Tree,
    ranges_v4: Ranges<u32>,
    ranges_v6: Ranges<u128>,
}

impl AccessTable {
    /// Applies `rules` in order to a table that denies everything.
    pub fn new(rules: &[AccessRule]) -> Self {
        let mut table = Self::default();
        for rule in rules {
            table.apply(rule);
        }
        table.sum_up();
        table
    }

    /// Applies one more rule. A prefix longer than the address means the whole address.
    pub fn set(&mut self, rule: &AccessRule) {
        self.apply(rule);
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let v4 = self.v4.parts().into_iter().map(|(begin, allowed)| ((begin >> 96) as u32, allowed));
        self.ranges_v4 = Ranges::new(v4);
        self.ranges_v6 = Ranges::new(self.v6.parts());
    }

    fn apply(&mut self, rule: &AccessRule) {
        let value = if rule.allow { Entry::ALLOW } else { Entry::DENY };
        let Some(subnet) = rule.subnet else {
            self.v4.set(0, 0, value, rule.all);
            self.v6.set(0, 0, value, rule.all);
            return;
        };
        match canonical(subnet) {
            (IpAddr::V4(address), prefix) => {
                self.v4.set(left_aligned(address.into()), prefix.min(32), value, rule.all);
            }
            (IpAddr::V6(address), prefix) => self.v6.set(address.to_bits(), prefix.min(128), value, rule.all),
        }
    }

    /// May `address` ask? IPv4 addresses mapped into IPv6 are IPv4 addresses.
    pub fn check(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(address) => self.ranges_v4.check(address.into()),
            IpAddr::V6(address) => self.ranges_v6.check(address.to_bits()),
        }
    }

    /// May any IPv4 address ask? (Else its port need not be open.)
    pub fn any_v4_allowed(&self) -> bool {
        self.ranges_v4.any_allowed()
    }

    /// May any IPv6 address ask?
    pub fn any_v6_allowed(&self) -> bool {
        self.ranges_v6.any_allowed()
    }
}

/// Rules about IPv4-mapped networks are rules about IPv4, as are the addresses.
fn canonical(subnet: Subnet) -> (IpAddr, u8) {
    match subnet.address.to_canonical() {
        IpAddr::V4(address) if subnet.address.is_ipv4() => (address.into(), subnet.prefix),
        IpAddr::V4(address) if subnet.prefix >= 96 => (address.into(), subnet.prefix.saturating_sub(96)),
        _ => (subnet.address, subnet.prefix),
    }
}

/// An IPv4 address in the upper bits, where the tree starts.
fn left_aligned(address: u32) -> u128 {
    u128::from(address) << 96
}

/// What one entry says, and which node is below it: two bits and the node's number (0: none).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    /// Nothing is said here: what is above holds.
    const INHERIT: u32 = 0;
    const ALLOW: u32 = 1;
    const DENY: u32 = 2;

    const fn new(value: u32, child: u32) -> Self {
        Self(child << 2 | value)
    }
    const fn value(self) -> u32 {
        self.0 & 3
    }
    const fn child(self) -> usize {
        (self.0 >> 2) as usize
    }
}

/// One level below an entry; one cache line.
type Node = [Entry; FAN];

/// A tree of entries; nodes are numbered in one vector, number 0 is never a child.
#[derive(Clone, Debug)]
struct Tree {
    root: Entry,
    nodes: Vec<Node>,
    /// Nodes given back, to be used again.
    free: Vec<usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { root: Entry::default(), nodes: vec![Node::default()], free: Vec::new() }
    }
}

/// The four bits of `address` below `depth` levels.
fn nibble(address: u128, depth: u8) -> usize {
    let shift = 124u32.saturating_sub(u32::from(depth).wrapping_mul(u32::from(BITS)));
    (address >> shift) as usize % FAN
}

impl Tree {
    fn entry(&self, node: usize, index: usize) -> Entry {
        self.nodes.get(node).and_then(|n| n.get(index)).copied().unwrap_or_default()
    }

    /// Sets the entries of the level of `prefix` whose addresses begin with the first `prefix` bits of `address`.
    fn set(&mut self, address: u128, prefix: u8, value: u32, all: bool) {
        if prefix == 0 {
            self.root = self.overwritten(self.root, value, all);
            return;
        }
        let levels = prefix.div_ceil(BITS);
        let mut node = self.child_of_root();
        for depth in 0..levels.saturating_sub(1) {
            node = self.child_of(node, nibble(address, depth));
        }
        let last = levels.saturating_sub(1);
        // A prefix that ends inside the nibble stands for 2, 4 or 8 entries side by side.
        let width = 1usize << levels.wrapping_mul(BITS).wrapping_sub(prefix);
        let first = nibble(address, last) & !width.wrapping_sub(1);
        for index in first..first.wrapping_add(width) {
            let entry = self.overwritten(self.entry(node, index), value, all);
            self.store(node, index, entry);
        }
    }

    /// `entry` with a new value; with `all`, what was below it is forgotten.
    fn overwritten(&mut self, entry: Entry, value: u32, all: bool) -> Entry {
        if all && entry.child() != 0 {
            self.release(entry.child());
            return Entry::new(value, 0);
        }
        Entry::new(value, entry.child() as u32)
    }

    fn store(&mut self, node: usize, index: usize, entry: Entry) {
        if let Some(place) = self.nodes.get_mut(node).and_then(|n| n.get_mut(index)) {
            *place = entry;
        }
    }

    fn child_of_root(&mut self) -> usize {
        if self.root.child() == 0 {
            self.root = Entry::new(self.root.value(), self.allocate() as u32);
        }
        self.root.child()
    }

    fn child_of(&mut self, node: usize, index: usize) -> usize {
        let entry = self.entry(node, index);
        if entry.child() != 0 {
            return entry.child();
        }
        let child = self.allocate();
        self.store(node, index, Entry::new(entry.value(), child as u32));
        child
    }

    fn allocate(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len().saturating_sub(1)
        })
    }

    /// Gives back a node and all below it (at most 32 levels deep).
    fn release(&mut self, node: usize) {
        let entries = self.nodes.get_mut(node).map(core::mem::take).unwrap_or_default();
        self.free.push(node);
        for entry in entries.iter().filter(|entry| entry.child() != 0) {
            self.release(entry.child());
        }
    }

    /// What it says, in ascending order of addresses: the first address (left aligned) of each part and its answer.
    fn parts(&self) -> Vec<(u128, bool)> {
        let mut parts = Vec::new();
        self.parts_below(self.root, Entry::DENY, (0, 0), &mut parts);
        parts
    }

    fn parts_below(
        &self,
        entry: Entry,
        above: u32,
        (begin, depth): (u128, u32),
        parts: &mut Vec<(u128, bool)>,
    ) {
        let value = if entry.value() == Entry::INHERIT { above } else { entry.value() };
        let node = if entry.child() == 0 { None } else { self.nodes.get(entry.child()) };
        let Some(node) = node else {
            let allowed = value == Entry::ALLOW;
            if parts.last().is_none_or(|&(_, before)| before != allowed) {
                parts.push((begin, allowed));
            }
            return;
        };
        let below = depth.saturating_add(BITS.into());
        for (index, &entry) in node.iter().enumerate() {
            let bits = (index as u128).checked_shl(128u32.saturating_sub(below)).unwrap_or(0);
            self.parts_below(entry, value, (begin | bits, below), parts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `allow 10.0.0.0/8`, `deny all`, …
    fn rule(text: &str) -> AccessRule {
        let mut words = text.split(' ').peekable();
        let allow = words.next() == Some("allow");
        let all = words.next_if_eq(&"all").is_some();
        let subnet = words.next().map(|word| {
            let (address, prefix) = word.split_once('/').unwrap_or((word, ""));
            let address: IpAddr = address.parse().unwrap();
            let whole = if address.is_ipv4() { 32 } else { 128 };
            Subnet { address, prefix: prefix.parse().unwrap_or(whole) }
        });
        AccessRule { allow, all, subnet }
    }

    fn table(rules: &[&str]) -> AccessTable {
        AccessTable::new(&rules.iter().map(|text| rule(text)).collect::<Vec<_>>())
    }

    fn allowed(rules: &[&str], address: &str) -> bool {
        table(rules).check(address.parse().unwrap())
    }

    #[test]
    fn everything_is_denied_unless_allowed() {
        assert!(!allowed(&[], "127.0.0.1") && !allowed(&[], "::1"));
        assert!(allowed(&["allow"], "127.0.0.1") && allowed(&["allow"], "2001:db8::1"));
        assert!(!allowed(&["allow", "deny all"], "192.0.2.1"));
    }

    #[test]
    fn prefixes_of_different_levels_are_independent_of_their_order() {
        let rules = ["allow 10.1.2.3", "deny 10.1.0.0/16", "allow 10.0.0.0/8"];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let table = table(&order.map(|i: usize| rules[i]));
            let check = |address: &str| table.check(address.parse().unwrap());
            assert!(check("10.1.2.3") && check("10.2.0.0") && check("10.255.255.255"), "{order:?}");
            assert!(!check("10.1.2.4") && !check("11.0.0.0"), "{order:?}");
        }
    }

    #[test]
    fn within_a_level_the_later_directive_wins() {
        assert!(allowed(&["deny 10.0.0.0/8", "allow 10.0.0.0/6"], "10.1.1.1"));
        assert!(!allowed(&["allow 10.0.0.0/6", "deny 10.0.0.0/8"], "10.1.1.1"));
        assert!(allowed(&["allow 10.0.0.0/6", "deny 10.0.0.0/8"], "9.1.1.1"));
    }

    #[test]
    fn all_forgets_what_is_below() {
        assert!(allowed(&["deny 10.1.0.0/16", "allow all 10.0.0.0/8"], "10.1.1.1"));
        assert!(!allowed(&["deny 10.1.0.0/16", "allow 10.0.0.0/8"], "10.1.1.1"));
        assert!(!allowed(&["allow all 10.0.0.0/8", "deny 10.1.0.0/16"], "10.1.1.1"));
        assert!(allowed(&["deny 2001:db8::/32", "allow all"], "2001:db8::1"));
    }

    #[test]
    fn ipv4_mapped_addresses_are_ipv4_addresses() {
        assert!(allowed(&["allow 192.0.2.0/24"], "::ffff:192.0.2.7"));
        assert!(allowed(&["allow ::ffff:192.0.2.0/120"], "192.0.2.7"));
        assert!(!allowed(&["allow ::ffff:192.0.2.0/120"], "192.0.3.7"));
        assert!(!allowed(&["allow ::/0"], "::ffff:192.0.2.7"));
    }

    #[test]
    fn families_that_nobody_may_use_are_known() {
        let families = |rules: &[&str]| (table(rules).any_v4_allowed(), table(rules).any_v6_allowed());
        assert_eq!(families(&[]), (false, false));
        assert_eq!(families(&["allow"]), (true, true));
        assert_eq!(families(&["allow 192.0.2.1"]), (true, false));
        assert_eq!(families(&["allow 2001:db8::/48", "deny 2001:db8::/32"]), (false, true));
        assert_eq!(families(&["allow 10.0.0.0/8", "deny 10.0.0.0/9", "deny 10.128.0.0/9"]), (false, false));
        assert_eq!(families(&["allow", "deny 10.0.0.0/8"]), (true, true));
    }

    #[test]
    fn memory_of_forgotten_networks_is_used_again() {
        let mut table = AccessTable::default();
        for i in 0..10_000u32 {
            let address = IpAddr::from((i << 8).to_be_bytes());
            table.set(&AccessRule { allow: true, all: false, subnet: Some(Subnet { address, prefix: 32 }) });
            assert!(table.check(address));
            table.set(&rule("deny all"));
            assert!(!table.check(address));
        }
        assert!(table.v4.nodes.len() <= 9, "{}", table.v4.nodes.len());
    }

    /// The same meaning as a list: among the matching rules the deepest level wins, then the last one.
    fn naive(rules: &[AccessRule], address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(a) => left_aligned(a.into()),
            IpAddr::V6(a) => a.to_bits(),
        };
        let mut heard: Vec<(u8, bool)> = Vec::new();
        for rule in rules {
            let level = match rule.subnet {
                None => 0,
                Some(net) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(net.prefix)).unwrap_or(0);
                    if net.address.is_ipv4() != address.is_ipv4()
                        || (bits(net.address) ^ bits(address)) & mask != 0
                    {
                        continue;
                    }
                    net.prefix.div_ceil(4)
                }
            };
            if rule.all {
                heard.retain(|(other, _)| *other <= level);
            }
            heard.push((level, rule.allow));
        }
        heard.iter().max_by_key(|(level, _)| *level).is_some_and(|(_, allow)| *allow)
    }

    /// Addresses close to each other, so that prefixes overlap.
    fn any_address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0u32..4, 0u32..64).prop_map(|(high, low)| IpAddr::from((high << 26 | low).to_be_bytes())),
            (0u128..4, 0u128..64)
                .prop_map(|(high, low)| IpAddr::from((1 << 125 | high << 68 | low).to_be_bytes())),
        ]
    }

    fn any_rule() -> impl Strategy<Value = AccessRule> {
        (any::<bool>(), prop::bool::weighted(0.2), prop::option::weighted(0.95, (any_address(), 0u8..=128)))
            .prop_map(|(allow, all, subnet)| AccessRule {
                allow,
                all,
                subnet: subnet.map(|(address, prefix)| Subnet {
                    address,
                    prefix: if address.is_ipv4() { prefix % 33 } else { prefix },
                }),
            })
    }

    #[test]
    fn ten_thousand_rules_are_the_list() {
        let mut rng = crate::rng::Rng::from_number(4);
        let mut address = |v6: bool| {
            let bits = rng.bits();
            let v6_address = 0x2001_u128 << 112 | u128::from(bits) << 32;
            if v6 {
                IpAddr::V6(v6_address.into())
            } else {
                IpAddr::from((bits as u32 & 0x0fff_ffff).to_be_bytes())
            }
        };
        let rules: Vec<AccessRule> = (0..10_000)
            .map(|index| {
                let v6 = index % 2 == 0;
                let prefix = if v6 { 24 + index % 100 } else { 12 + index % 21 } as u8;
                let subnet = Some(Subnet { address: address(v6), prefix });
                AccessRule { allow: index % 3 == 0, all: index % 97 == 0, subnet }
            })
            .collect();
        let table = AccessTable::new(&rules);
        let inside = rules.iter().step_by(13).filter_map(|rule| rule.subnet).map(|net| net.address);
        let asked: Vec<IpAddr> = (0..1000).map(|index| address(index % 2 == 0)).chain(inside).collect();
        let allowed = asked.iter().filter(|&&address| {
            assert_eq!(table.check(address), naive(&rules, address), "{address}");
            table.check(address)
        });
        let allowed = allowed.count();
        assert!((100..asked.len() - 100).contains(&allowed), "{allowed} of {}", asked.len());
    }

    proptest! {
        #[test]
        fn the_tree_is_the_list(
            rules in prop::collection::vec(any_rule(), 0..40), addresses in prop::collection::vec(any_address(), 30),
        ) {
            let table = AccessTable::new(&rules);
            for address in addresses {
                prop_assert_eq!(table.check(address), naive(&rules, address), "{}", address);
            }
        }
    }
}
