//! What goes to the wire comes back, and every cell is right.

use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;

fn wire<T: Value>(value: &T) -> Vec<u8> {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    writer.value(value);
    let length = writer.finish().unwrap();
    buffer[..length].to_vec()
}

fn back<T: Value + Default>(value: &T) -> T {
    Reader::new(&wire(value)).value()
}

#[test]
fn addresses_have_twenty_bytes() {
    let v4 = wire(&Address::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(v4, [192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(wire(&Address::Id(7))[..4], [0, 0, 0, 7]);
    assert_eq!(wire(&Address::Id(7))[16..], [0, 3, 0, 0]);
    assert_eq!(Address::Id(7).to_string(), "ID#0000000007");
    assert_eq!(Address::Unspecified.to_string(), "[UNSPEC]");
}

#[test]
fn times_of_32_bit_senders_are_read() {
    let bytes = [0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff];
    let time: Time = Reader::new(&bytes).value();
    assert_eq!(time, Time { seconds: 5, nanos: 999_999_999 });
    assert_eq!(time.to_string(), "5.999999999");
}

#[test]
fn intervals_are_whole_seconds_or_never() {
    assert_eq!(wire(&Interval::NEVER), [0xff; 4]);
    assert_eq!(Interval::from_seconds(-3.0), Interval(Some(0)));
    assert_eq!(Interval::from_seconds(63.9), Interval(Some(63)));
    assert_eq!(Interval::from_seconds(1e300), Interval(Some(u32::MAX - 1)));
    assert_eq!(Interval::from_seconds(f64::NAN), Interval::NEVER);
    assert_eq!(Interval::NEVER.csv(0).unwrap(), "4294967295");
}

#[test]
fn a_long_name_is_cut_and_ends_in_zero() {
    let bytes = wire(&SourceName("n".repeat(300)));
    assert_eq!((bytes.len(), bytes[254], bytes[255]), (256, b'n', 0));
    let bytes = wire(&SourceName("n".repeat(254) + "é"));
    assert_eq!((bytes[253], bytes[254]), (b'n', 0));
}

#[test]
fn a_name_cannot_command_the_terminal() {
    let read = |name: &[u8]| {
        let mut bytes = [0; SourceName::WIRE];
        bytes[..name.len()].copy_from_slice(name);
        Reader::new(&bytes).value::<SourceName>().0
    };
    assert_eq!(read(b"a\x1b[2Jb\nc"), "a?[2Jb?c");
    assert_eq!(read("zeit.exämple".as_bytes()), "zeit.exämple");
    assert_eq!(read(b"\xffa\xe9"), "?a?");
}

proptest! {
    #[test]
    fn values_come_back(seconds in any::<i64>(), nanos in 0u32..1_000_000_000, v6 in any::<u128>(), id in any::<u32>(), bits in 0u16..16) {
        prop_assume!((seconds >> 32) as u32 != Time::NO_HIGH);
        let time = Time { seconds, nanos };
        prop_assert_eq!(back(&time), time);
        for address in [Address::V6(Ipv6Addr::from_bits(v6)), Address::V4(Ipv4Addr::from_bits(id)), Address::Id(id)] {
            prop_assert_eq!(back(&address), address);
        }
        let options = SelectOptions::from_report_bits(bits);
        prop_assert_eq!(back(&options), options);
        prop_assert_eq!(SelectOptions::from_request_bits(options.request_bits()), options);
    }
}
