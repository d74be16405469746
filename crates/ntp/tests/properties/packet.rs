//! What holds for any bytes taken as an NTP packet.

use ntp::time::NtpTime;
use ntp::wire::Packet;
use ntp::wire::extension::{MIN_FIELD_LEN, Mac, Tail};
use ntp::wire::header::HEADER_LEN;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let Some(packet) = Packet::parse(data) else {
        assert!(data.len() < HEADER_LEN, "only short packets have no header");
        assert!((0..8).all(|version| Tail::parse(version, data).is_err()));
        return;
    };
    assert_eq!(packet.emit(), data[..HEADER_LEN], "emit(parse(x)) == x");
    for time in [packet.reference, packet.origin, packet.receive, packet.transmit] {
        let lost = NtpTime::from(time.to_local()).0.wrapping_sub(time.0).cast_signed();
        assert!((-5..=5).contains(&lost), "{time:?} loses more than a nanosecond as local time");
    }
    for version in 0..8 {
        check_tail(version, data);
    }
}

/// Header, fields and MAC are the whole packet, in this order, without gaps.
fn check_tail(version: u8, data: &[u8]) {
    let Ok(tail) = Tail::parse(version, data) else {
        assert!(
            version >= 4 || (1..4).contains(&(data.len() - HEADER_LEN)),
            "any key and digest are well-formed"
        );
        return;
    };
    let mut again = data[..HEADER_LEN].to_vec();
    for field in tail.fields() {
        assert!(field.body.len() + 4 >= MIN_FIELD_LEN && field.body.len() % 4 == 0);
        again.extend(field.kind.to_be_bytes());
        again.extend((field.body.len() as u16 + 4).to_be_bytes());
        again.extend(field.body);
    }
    assert_eq!(again.len(), tail.authenticated_len());
    match tail.mac {
        Mac::Absent => {}
        Mac::CryptoNak => again.extend(&data[data.len() - 4..]),
        Mac::Present { key, digest } => {
            assert!(!digest.is_empty() && (version < 4 || (16..=20).contains(&digest.len())));
            again.extend(key.0.to_be_bytes());
            again.extend(digest);
        }
    }
    assert_eq!(again, data, "version {version}");
}
