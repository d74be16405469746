//! NTP messages inside PTP event messages (`ptpport`): some network cards stamp nothing else (IEEE 1588-2019 §13.3,
//! §14.3; the organisation's TLV is the experimental one of chrony).
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

/// Bytes in front of the NTP message.
pub const PREFIX: usize = 56;
/// Delay_Req, and Sync, which is understood too.
const DELAY_REQ: u8 = 1;
/// Version 2.
const VERSION: u8 = 2;
/// The flag "unicast".
const UNICAST: [u8; 2] = [0x04, 0x00];
/// TLV types: ORGANIZATION_EXTENSION, and its form that is not forwarded.
const TLVS: [u16; 2] = [0x0003, 0x8000];
/// Organisation and kind: IANA's, NTP.
const NTP: [u8; 6] = [0x00, 0x00, 0x5E, 0x00, 0x00, 0x01];
/// Bytes of the TLV's value before the NTP message.
const VALUE: u16 = 8;

/// What stands in front of an NTP message of `len` bytes; `None`: it is too long for a PTP message.
pub fn prefix(domain: u8, sequence: u16, len: usize) -> Option<[u8; PREFIX]> {
    let len = u16::try_from(len).ok()?;
    let total = len.checked_add(PREFIX as u16)?;
    let value = len.checked_add(VALUE)?;
    let parts = [DELAY_REQ, VERSION]
        .into_iter()
        .chain(total.to_be_bytes())
        .chain([domain, 0])
        .chain(UNICAST)
        .chain([0; 22])
        .chain(sequence.to_be_bytes())
        .chain([0; 12])
        .chain(TLVS[0].to_be_bytes())
        .chain(value.to_be_bytes())
        .chain(NTP)
        .chain([0; 2]);
    let mut bytes = [0; PREFIX];
    for (to, from) in bytes.iter_mut().zip(parts) {
        *to = from;
    }
    Some(bytes)
}

/// The NTP message in a PTP message of this domain, and the sequence number; `None`: there is none.
pub fn unwrap(domain: u8, bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (prefix, message) = bytes.split_first_chunk::<PREFIX>()?;
    let two = |at: usize| Some(u16::from_be_bytes([*prefix.get(at)?, *prefix.get(at.checked_add(1)?)?]));
    let byte = |at: usize| prefix.get(at).copied();
    let fits = byte(0)? <= DELAY_REQ
        && byte(1)? & 0x0f == VERSION
        && usize::from(two(2)?) == bytes.len()
        && byte(4)? == domain
        && prefix.get(6..8)? == UNICAST
        && TLVS.contains(&two(44)?)
        && usize::from(two(46)?) == message.len().checked_add(usize::from(VALUE))?
        && prefix.get(48..54)? == NTP;
    fits.then_some((two(30)?, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_and_others_are_none() {
        let ntp = [7; 48];
        let whole = [&prefix(123, 515, ntp.len()).expect("short")[..], &ntp].concat();
        assert_eq!((whole.len(), whole[0], whole[1], whole[2], whole[3]), (104, 1, 2, 0, 104));
        assert_eq!((whole[4], &whole[6..8], &whole[30..32]), (123, &[4, 0][..], &[2, 3][..]));
        assert_eq!((&whole[44..48], &whole[48..54]), (&[0, 3, 0, 56][..], &[0, 0, 0x5E, 0, 0, 1][..]));
        assert_eq!(unwrap(123, &whole), Some((515, &ntp[..])));
        assert_eq!(unwrap(0, &whole), None, "another domain");
        for (at, value) in [(0, 2), (1, 1), (3, 103), (44, 9), (47, 55), (53, 2)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(unwrap(123, &other), None, "byte {at}");
        }
        assert_eq!(unwrap(123, &whole[..40]), None);
        assert!(prefix(0, 0, 70_000).is_none());
    }
}
