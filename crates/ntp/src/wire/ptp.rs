//! NTP messages inside PTP event messages (`ptpport`): some network cards stamp nothing else (IEEE 1588-2019 §13.3,
//! §14.3; both TLVs are experimental ones of chrony's).
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

/// Bytes in front of the NTP message at most.
pub const PREFIX: usize = 56;
/// Delay_Req, and Sync, which is understood too.
const DELAY_REQ: u8 = 1;
/// Version 2.
const VERSION: u8 = 2;
/// The flag "unicast".
const UNICAST: [u8; 2] = [0x04, 0x00];
/// TLV types: ORGANIZATION_EXTENSION, and its form that is not forwarded.
const TLVS: [u16; 2] = [0x0003, 0x8000];
/// Type of the TLV of [`Form::Early`].
const EARLY: u16 = 0x2023;
/// Bytes up to the TLV's value.
const VALUE: usize = 48;
/// Organisation and kind: IANA's, NTP.
const NTP: [u8; 8] = [0x00, 0x00, 0x5E, 0x00, 0x00, 0x01, 0, 0];

/// How the NTP message stands in the PTP message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// In a TLV of an organisation: chronyd after 4.6.
    #[default]
    Organisation,
    /// In a TLV of its own type: chronyd 4.2 to 4.6.
    Early,
}

impl Form {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Organisation => Self::Early,
            Self::Early => Self::Organisation,
        }
    }

    /// Type of the TLV, and what its value begins with.
    fn start(self) -> (u16, &'static [u8]) {
        match self {
            Self::Organisation => (TLVS[0], &NTP),
            Self::Early => (EARLY, &[]),
        }
    }
}

/// A PTP message with an NTP message in it; `None`: that is too long.
pub fn wrap(form: Form, domain: u8, sequence: u16, message: &[u8]) -> Option<Vec<u8>> {
    let (tlv, start) = form.start();
    let value = u16::try_from(message.len()).ok()?.checked_add(start.len() as u16)?;
    let total = value.checked_add(VALUE as u16)?;
    let mut bytes = Vec::with_capacity(usize::from(total));
    bytes.extend([DELAY_REQ, VERSION]);
    bytes.extend(total.to_be_bytes());
    bytes.extend([domain, 0]);
    bytes.extend(UNICAST);
    bytes.extend([0; 22]);
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0; 12]);
    bytes.extend(tlv.to_be_bytes());
    bytes.extend(value.to_be_bytes());
    bytes.extend(start);
    bytes.extend(message);
    Some(bytes)
}

/// The NTP message in a PTP message of this domain, how it stands there, and the sequence number; `None`: there is none.
pub fn unwrap(domain: u8, bytes: &[u8]) -> Option<(Form, u16, &[u8])> {
    let (prefix, value) = bytes.split_first_chunk::<VALUE>()?;
    let two = |at: usize| Some(u16::from_be_bytes([*prefix.get(at)?, *prefix.get(at.checked_add(1)?)?]));
    let byte = |at: usize| prefix.get(at).copied();
    let fits = byte(0)? <= DELAY_REQ
        && byte(1)? & 0x0f == VERSION
        && usize::from(two(2)?) == bytes.len()
        && byte(4)? == domain
        && prefix.get(6..8)? == UNICAST
        && usize::from(two(46)?) == value.len();
    let tlv = two(44).filter(|_| fits)?;
    let (form, message) = if tlv == EARLY {
        (Form::Early, value)
    } else if TLVS.contains(&tlv) {
        let (start, message) = value.split_first_chunk::<8>()?;
        (Form::Organisation, Some(message).filter(|_| start.get(..6) == NTP.get(..6))?)
    } else {
        return None;
    };
    Some((form, two(30)?, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_and_others_are_none() {
        let ntp = [7; 48];
        let whole = wrap(Form::Organisation, 123, 515, &ntp).expect("short");
        assert_eq!((whole.len(), whole[0], whole[1], whole[2], whole[3]), (104, 1, 2, 0, 104));
        assert_eq!((whole[4], &whole[6..8], &whole[30..32]), (123, &[4, 0][..], &[2, 3][..]));
        assert_eq!((&whole[44..48], &whole[48..54]), (&[0, 3, 0, 56][..], &[0, 0, 0x5E, 0, 0, 1][..]));
        assert_eq!(unwrap(123, &whole), Some((Form::Organisation, 515, &ntp[..])));
        assert_eq!(unwrap(0, &whole), None, "another domain");
        for (at, value) in [(0, 2), (1, 1), (3, 103), (44, 9), (47, 55), (53, 2)] {
            let mut other = whole.clone();
            other[at] = value;
            assert_eq!(unwrap(123, &other), None, "byte {at}");
        }
        assert_eq!(unwrap(123, &whole[..40]), None);
        assert!(wrap(Form::Early, 0, 0, &[0; 70_000]).is_none());
    }

    /// As Debian's chronyd 4.3 and 4.6 send it.
    #[test]
    fn the_early_form_is_another() {
        let ntp = [7; 48];
        let whole = wrap(Form::Early, 123, 2, &ntp).expect("short");
        let expected = [
            1, 2, 0, 0x60, 0x7b, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x23, 0, 0x30,
        ];
        assert_eq!((&whole[..48], &whole[48..]), (&expected[..], &ntp[..]));
        assert_eq!(unwrap(123, &whole), Some((Form::Early, 2, &ntp[..])));
    }
}
