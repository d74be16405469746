//! What follows the header: extension fields and the message authentication code (RFC 7822, RFC 5905 §7.5).
//!
//! Read [`Tail::parse`] first: it decides once where the fields end and whether a MAC follows; after it, walking
//! the fields cannot fail.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use super::header::HEADER_LEN;
use crate::ids::KeyId;

/// Longest packet understood, bytes (as chrony: a header and 1092 bytes of fields).
pub const MAX_PACKET_LEN: usize = 1140;

/// Shortest extension field, bytes, its type and length included (RFC 7822 §3).
pub const MIN_FIELD_LEN: usize = 16;

/// Shortest last field of a packet without MAC: anything shorter could be a MAC (RFC 7822 §3).
pub const MIN_LAST_FIELD_LEN: usize = 28;

/// Field types of network time security: unique identifier, cookie, cookie placeholder, authenticator (RFC 8915 §7.5).
pub const NTS_KINDS: [u16; 4] = [0x0104, 0x0204, 0x0304, 0x0404];

/// Shortest and longest MAC of NTPv4: four bytes of key identifier, 16 to 20 of digest (longer ones are cut).
const MAC_LENS: core::ops::RangeInclusive<usize> = 20..=24;

/// A crypto-NAK is a key identifier alone (RFC 5905 §7.3).
const CRYPTO_NAK_LEN: usize = 4;

/// Fields or MAC that do not add up to the packet's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Everything after a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail<'a> {
    fields: &'a [u8],
    /// How the packet ends.
    pub mac: Mac<'a>,
}

/// How a packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mac<'a> {
    /// Without authentication.
    Absent,
    /// With a key identifier alone: the other side could not verify us.
    CryptoNak,
    /// With a key and the digest of all before it.
    Present {
        /// Which key.
        key: KeyId,
        /// What it made of the packet; never empty.
        digest: &'a [u8],
    },
}

impl<'a> Tail<'a> {
    /// The tail of `packet`, whose header says `version`.
    ///
    /// Before NTPv4 everything after the header is the MAC. In NTPv4 what remains decides, field after field:
    /// 20 to 24 bytes are a MAC, 4 a crypto-NAK, else a field starts here.
    pub fn parse(version: u8, packet: &'a [u8]) -> Result<Self, Malformed> {
        let (_, tail) = packet.split_at_checked(HEADER_LEN).ok_or(Malformed)?;
        if version < 4 {
            return Ok(Self { fields: &[], mac: Mac::parse(tail)? });
        }
        let mut rest = tail;
        while !(rest.is_empty() || rest.len() == CRYPTO_NAK_LEN || MAC_LENS.contains(&rest.len())) {
            let last = rest.len();
            (_, rest) = Field::split(rest).ok_or(Malformed)?;
            if rest.is_empty() && last < MIN_LAST_FIELD_LEN {
                return Err(Malformed);
            }
        }
        let fields = tail.get(..tail.len().saturating_sub(rest.len())).ok_or(Malformed)?;
        Ok(Self { fields, mac: Mac::parse(rest)? })
    }

    /// The extension fields, in order.
    pub fn fields(&self) -> Fields<'a> {
        Fields(self.fields)
    }

    /// Bytes from the start of the packet that a MAC covers: header and fields.
    pub fn authenticated_len(&self) -> usize {
        self.fields.len().saturating_add(HEADER_LEN)
    }
}

impl<'a> Mac<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.is_empty() {
            return Ok(Self::Absent);
        }
        let (key, digest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
        match digest {
            [] => Ok(Self::CryptoNak),
            _ => Ok(Self::Present { key: KeyId(u32::from_be_bytes(*key)), digest }),
        }
    }
}

/// One extension field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field type.
    pub kind: u16,
    /// Its content, padding included: at least 12 bytes, a multiple of four.
    pub body: &'a [u8],
}

impl<'a> Field<'a> {
    /// Takes one field off the front of `bytes`; `None` when its length is too small, not a multiple of four or
    /// beyond the end.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[k0, k1, l0, l1], _) = bytes.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if len < MIN_FIELD_LEN || !len.is_multiple_of(4) {
            return None;
        }
        let (field, rest) = bytes.split_at_checked(len)?;
        Some((Self { kind: u16::from_be_bytes([k0, k1]), body: field.get(4..)? }, rest))
    }
}

/// Iterator over the fields of a [`Tail`].
#[derive(Clone, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let (field, rest) = Field::split(self.0)?;
        self.0 = rest;
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A packet with fields of the given lengths and `mac` more bytes.
    fn packet(fields: &[u16], mac: usize) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        for (kind, &len) in fields.iter().enumerate() {
            packet.extend((kind as u16).to_be_bytes());
            packet.extend(len.to_be_bytes());
            packet.extend(core::iter::repeat_n(0xee, usize::from(len).saturating_sub(4)));
        }
        packet.extend((1..=mac).map(|i| i as u8));
        packet
    }

    #[test]
    fn fields_without_mac() {
        for (fields, good) in [
            (&[][..], true),
            (&[12], false),
            (&[16], false),
            (&[28], true),
            (&[32], true),
            (&[1092], true),
            (&[16, 28], true),
            (&[28, 16], false),
            (&[16, 16], false),
            (&[16, 16, 16, 28], true),
            (&[12, 28], false),
            (&[30], false),
            (&[8, 28], false),
        ] {
            let packet = packet(fields, 0);
            let tail = Tail::parse(4, &packet);
            assert_eq!(tail.is_ok(), good, "{fields:?}");
            if let Ok(tail) = tail {
                assert_eq!(tail.mac, Mac::Absent);
                let lens: Vec<u16> = tail.fields().map(|f| f.body.len() as u16 + 4).collect();
                assert_eq!(lens, fields);
                assert_eq!(tail.authenticated_len(), packet.len());
            }
        }
    }

    #[test]
    fn lone_fields_of_20_or_24_bytes_look_like_a_mac() {
        for len in [20, 24] {
            let packet = packet(&[len], 0);
            assert!(
                matches!(Tail::parse(4, &packet).unwrap().mac, Mac::Present { key: KeyId(k), .. } if k == len.into())
            );
        }
    }

    #[test]
    fn a_mac_is_what_remains() {
        for (fields, mac) in [(&[][..], 20), (&[], 24), (&[16], 20), (&[28], 24), (&[16, 400], 20)] {
            let packet = packet(fields, mac);
            let tail = Tail::parse(4, &packet).unwrap();
            let digest: Vec<u8> = (5..=mac as u8).collect();
            assert_eq!(tail.mac, Mac::Present { key: KeyId(0x0102_0304), digest: &digest });
            assert_eq!(tail.fields().count(), fields.len());
            assert_eq!(tail.authenticated_len(), packet.len() - mac);
        }
        assert_eq!(Tail::parse(4, &packet(&[], 4)).unwrap().mac, Mac::CryptoNak);
        assert_eq!(Tail::parse(4, &packet(&[28], 4)).unwrap().mac, Mac::CryptoNak);
    }

    #[test]
    fn before_version_4_all_is_mac() {
        for version in 0..4 {
            assert_eq!(Tail::parse(version, &packet(&[], 0)).unwrap().mac, Mac::Absent);
            assert_eq!(Tail::parse(version, &packet(&[], 4)).unwrap().mac, Mac::CryptoNak);
            let packet = packet(&[28], 0);
            let tail = Tail::parse(version, &packet).unwrap();
            assert!(matches!(tail.mac, Mac::Present { key: KeyId(28), digest } if digest.len() == 24));
            assert_eq!(tail.fields().count(), 0);
        }
    }

    #[test]
    fn lengths_beyond_the_packet_are_malformed() {
        let mut bytes = packet(&[28], 0);
        for wrong in [0u16, 4, 12, 15, 27, 29, 30, 32, 65_532, 65_535] {
            bytes[50..52].copy_from_slice(&wrong.to_be_bytes());
            assert_eq!(Tail::parse(4, &bytes), Err(Malformed), "{wrong}");
        }
        assert_eq!(Tail::parse(4, &bytes[..47]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn fields_tile_the_authenticated_part(version in 0u8..8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(tail) = Tail::parse(version, &bytes) {
                let covered: usize = tail.fields().map(|f| f.body.len() + 4).sum();
                prop_assert_eq!(HEADER_LEN + covered, tail.authenticated_len());
                let mac = match tail.mac {
                    Mac::Absent => 0,
                    Mac::CryptoNak => 4,
                    Mac::Present { digest, .. } => 4 + digest.len(),
                };
                prop_assert_eq!(tail.authenticated_len() + mac, bytes.len());
            }
        }

        #[test]
        fn well_formed_fields_come_back(
            lens in prop::collection::vec((4u16..40).prop_map(|n| n * 4), 0..6), last in (7u16..50).prop_map(|n| n * 4),
        ) {
            let mut lens = lens;
            lens.push(last);
            let packet = packet(&lens, 0);
            let tail = Tail::parse(4, &packet).unwrap();
            prop_assert_eq!(tail.mac, Mac::Absent);
            prop_assert_eq!(tail.fields().map(|f| f.body.len() as u16 + 4).collect::<Vec<_>>(), lens);
            prop_assert!(tail.fields().enumerate().all(|(i, f)| usize::from(f.kind) == i));
        }
    }
}
