use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const KEY: Key = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

fn v4(number: u32) -> IpAddr {
    Ipv4Addr::from_bits(number).into()
}

fn see(table: &mut ClientTable, address: IpAddr, now: u32) {
    let slot = table.touch(address, Tick(now));
    let mut client = table.client(slot);
    client.count(Tick(now));
    table.put(slot, &client);
}

/// Everybody in the table, with hits.
fn everybody(table: &ClientTable) -> BTreeMap<IpAddr, u32> {
    let all = (0..table.len()).filter_map(|index| table.entry(index));
    all.map(|(_, address, client)| (address, client.hits)).collect()
}

#[test]
fn an_entry_is_48_bytes_and_groups_begin_on_lines_of_the_cache() {
    assert_eq!(ENTRY_BYTES, 48);
    let table = ClientTable::new(1 << 20, KEY, 64);
    assert_eq!(table.words[table.first..].as_ptr() as usize % ALIGNMENT, 0);
    assert_eq!(table.capacity(), (1 << 20) / GROUP_BYTES * WAYS);
    assert!(size_of_val(table.words.as_slice()) <= (1 << 20) + ALIGNMENT);
    // The last group there is room for is inside.
    assert!(
        table.group(table.groups.capacity() - 1).is_some()
            && table.range(table.groups.capacity() - 1).end <= table.words.len()
    );
}

#[test]
fn everybody_is_remembered_while_there_is_room() {
    let mut table = ClientTable::new(2000 * GROUP_BYTES, KEY, 64);
    for round in 1..=3 {
        for number in 0..8000 {
            see(&mut table, v4(number * 77), round * 1000);
        }
        assert_eq!((table.clients(), table.forgotten()), (8000, 0), "{table:?}");
    }
    let all = everybody(&table);
    assert!(all.len() == 8000 && all.values().all(|&hits| hits == 3));
    assert!((0..8000).all(|number| table.find(v4(number * 77)).is_some()));
    let mut few = ClientTable::new(2000 * GROUP_BYTES, KEY, 64);
    (0..500).for_each(|number| see(&mut few, v4(number), 1));
    assert_eq!((few.clients(), few.forgotten()), (500, 0));
    assert!(few.len() <= 500 * 2, "few clients touch few pages: {few:?}");
}

/// 48 bytes of entry at three quarters full are 64 bytes a client; while groups are being divided, a little more.
#[test]
fn memory_follows_the_number_of_clients_and_nearly_all_of_it_can_be_used() {
    let mut table = ClientTable::new(20_000 * GROUP_BYTES, KEY, 64);
    for number in 1..=130_000u32 {
        see(&mut table, v4(number.wrapping_mul(2_654_435_769)), number >> 4);
        let room = table.len() * ENTRY_BYTES;
        assert!(number < 1000 || room <= number as usize * 72, "{number} clients: {room} bytes");
    }
    // Of 160 000 entries.
    assert!(table.forgotten() < 30, "{table:?}");
}

#[test]
fn looking_ahead_changes_nothing_but_when_memory_is_read() {
    let mut table = ClientTable::new(60 * GROUP_BYTES, KEY, 64);
    let (mut plain, mut ahead) = (table.clone(), Ahead::default());
    let mut known = 0;
    for round in 0..300u32 {
        // More than there is room for, so that some move and some are forgotten within the batch.
        let batch: Vec<IpAddr> = (0..round % 40).map(|n| v4((round * 31 + n * n) % 600)).collect();
        let fetched = std::cell::Cell::new(0);
        ahead.look(&table, batch.iter().copied(), |_| fetched.set(fetched.get() + 1));
        assert!(fetched.get() >= batch.len().min(32) * 2, "{round}: {}", fetched.get());
        for &address in &batch {
            let expected = ahead.turn();
            let slot = table.touch_expected(expected, address, Tick(round));
            known += u32::from(slot == expected);
            let mut client = table.client(slot);
            client.count(Tick(round));
            table.put(slot, &client);
            see(&mut plain, address, round);
        }
    }
    assert!(known > 2000, "{known}");
    assert_eq!((everybody(&table), table.forgotten()), (everybody(&plain), plain.forgotten()));
}

#[test]
fn the_client_silent_for_longest_makes_room() {
    let mut table = ClientTable::new(GROUP_BYTES, KEY, 64);
    // Across the end of the counter of ticks.
    let start = u32::MAX - 3;
    (0..8).for_each(|i| see(&mut table, v4(i), start.wrapping_add(i)));
    see(&mut table, v4(0), start.wrapping_add(8));
    see(&mut table, v4(100), start.wrapping_add(9));
    assert_eq!((table.clients(), table.forgotten()), (8, 1));
    let left: BTreeSet<IpAddr> = everybody(&table).into_keys().collect();
    assert_eq!(left, [0, 2, 3, 4, 5, 6, 7, 100].map(v4).into());
}

#[test]
fn a_prefix_of_ipv6_is_one_client_and_a_single_address_is_told_whole() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut table = ClientTable::new(100 * GROUP_BYTES, KEY, 64);
    assert_eq!(table.prefix(), 64);
    for text in ["2001:db8::1", "2001:db8:0:1::5", "::1", "::2", "::ffff:192.0.2.1", "192.0.2.1", "fe80::1"] {
        let seen = match address(text) {
            IpAddr::V6(v6) => v6.to_canonical(),
            v4 => v4,
        };
        see(&mut table, seen, 1);
    }
    let expected = ["2001:db8::1", "2001:db8:0:1::5", "::1", "::2", "192.0.2.1", "fe80::1"];
    assert_eq!(everybody(&table).into_keys().collect::<BTreeSet<_>>(), expected.map(address).into());
    see(&mut table, address("2001:db8::2"), 2);
    see(&mut table, address("2001:db8::1"), 2);
    let all = everybody(&table);
    assert_eq!((all.len(), all[&address("2001:db8::")]), (6, 3));
    let whole = ClientTable::new(100 * GROUP_BYTES, KEY, 128);
    assert_eq!((whole.prefix(), whole.prefix), (128, u128::MAX));
}

#[test]
fn nobody_can_be_pushed_out_by_whoever_knows_only_the_addresses() {
    // 100 000 strangers, then those who were there first and asked in between.
    let mut table = ClientTable::new(1000 * GROUP_BYTES, KEY, 64);
    let friends = 0..400u32;
    let mut lost = 0;
    for number in 0..100_000u32 {
        if number % 250 == 0 {
            for friend in friends.clone() {
                lost += u32::from(number > 0 && table.find(v4(friend)).is_none());
                see(&mut table, v4(friend), number);
            }
        }
        see(&mut table, v4(0x0a00_0000 + number), number);
    }
    assert_eq!(table.capacity(), 8000);
    assert!(lost < 64, "of 160 000 looks for a friend {lost} found nobody");
}

#[test]
fn sixteen_million_forged_sources_take_no_byte_more() {
    let mut table = ClientTable::new(1 << 20, KEY, 64);
    let before = (table.words.as_ptr(), table.words.capacity());
    for number in 0..1 << 24 {
        see(&mut table, v4(number), number >> 10);
    }
    assert_eq!((table.words.as_ptr(), table.words.capacity()), before);
    assert_eq!(table.len(), table.capacity());
    assert!(table.clients() <= table.capacity());
    assert_eq!(table.forgotten() + table.clients() as u64, 1 << 24);
}

proptest! {
    /// Against a map that forgets nobody: what the table says of a client is true, and each client is there once.
    #[test]
    fn the_table_tells_the_truth_and_never_outgrows_its_room(
        bytes in 0..40 * GROUP_BYTES,
        key in any::<[u64; 2]>(),
        prefix in prop::sample::select(vec![32u8, 48, 56, 64, 128]),
        seen in prop::collection::vec((0..600u128, any::<bool>()), 1..800),
    ) {
        let mut table = ClientTable::new(bytes, key, prefix);
        let room = (bytes / GROUP_BYTES).max(1) * WAYS;
        prop_assert_eq!(table.capacity(), room);
        let mut truth: BTreeMap<u128, u32> = BTreeMap::new();
        for (now, &(number, six)) in seen.iter().enumerate() {
            let address = if six {
                IpAddr::V6(Ipv6Addr::from_bits(0x2001_0db8_u128 << 96 | number << 62))
            } else {
                v4(number as u32)
            };
            let slot = table.touch(address, Tick(now as u32));
            let mut client = table.client(slot);
            let wanted = Wanted::new(address, table.prefix);
            let hits = truth.entry(wanted.whole & wanted.mask).or_default();
            // A client that was forgotten begins again.
            prop_assert!(client.hits == *hits || client.hits == 0);
            client.count(Tick(now as u32));
            *hits = client.hits;
            table.put(slot, &client);
            prop_assert_eq!(table.find(address), Some(slot));
        }
        prop_assert!(table.len() <= room && table.clients() <= table.len());
        let mut found = BTreeSet::new();
        for index in 0..table.len() {
            let Some((slot, address, client)) = table.entry(index) else { continue };
            let wanted = Wanted::new(address, table.prefix);
            prop_assert!(found.insert(wanted.whole & wanted.mask), "{address} is there twice");
            prop_assert_eq!(table.find(address), Some(slot));
            prop_assert_eq!(truth.get(&(wanted.whole & wanted.mask)), Some(&client.hits));
        }
        prop_assert_eq!(found.len(), table.clients());
        prop_assert_eq!(found.len() as u64 + table.forgotten() >= truth.len() as u64, true);
        prop_assert!(table.entry(table.len()).is_none());
    }
}
