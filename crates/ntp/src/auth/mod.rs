//! Symmetric keys: who sent a packet (RFC 5905 §7.3, RFC 8573).
//!
//! A message authentication code is a digest over the key and the packet, or AES-CMAC of the packet. Start with
//! [`Key::sign`] and [`Key::verify`]; [`Keys`] is the key file in memory, [`mod@file`] reads it.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

pub mod file;

use crate::ids::KeyId;
use cmac::{Cmac, KeyInit, Mac};
use core::fmt;
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use subtle::ConstantTimeEq;

/// Longest digest, bytes.
pub const DIGEST_MAX: usize = 64;

/// Longest MAC: key identifier and digest, bytes.
pub const MAC_MAX: usize = 4 + DIGEST_MAX;

/// NTPv4 cuts digests to this many bytes, so that a MAC and an extension field cannot be mistaken (RFC 7822 §3).
const NTPV4_DIGEST_MAX: usize = 20;

/// Fewer bits than this are guessable: such a key is accepted with a warning.
pub const SHORT_KEY_BITS: usize = 80;

/// How a key makes a digest of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5 of key and packet: understood by all, broken in theory (RFC 8573 advises against it).
    Md5,
    /// SHA-1 of key and packet.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
    /// AES-CMAC with a key of 128 bits (RFC 8573): the one to choose.
    Aes128,
    /// AES-CMAC with a key of 256 bits.
    Aes256,
}

impl Algorithm {
    /// All, as the key file and `keygen` name them, with the numbers of reports.
    const ALL: &'static [(Self, &'static str, u16)] = &[
        (Self::Md5, "MD5", 1),
        (Self::Sha1, "SHA1", 2),
        (Self::Sha256, "SHA256", 3),
        (Self::Sha384, "SHA384", 4),
        (Self::Sha512, "SHA512", 5),
        (Self::Sha3_224, "SHA3-224", 6),
        (Self::Sha3_256, "SHA3-256", 7),
        (Self::Sha3_384, "SHA3-384", 8),
        (Self::Sha3_512, "SHA3-512", 9),
        (Self::Aes128, "AES128", 13),
        (Self::Aes256, "AES256", 14),
    ];

    /// The one called `name`, in capitals.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(algorithm, ..)| *algorithm)
    }

    /// Every name, in order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(_, name, _)| *name)
    }

    /// Its name in key files.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Its number in `authdata` (chrony's).
    pub fn number(self) -> u16 {
        self.row().2
    }

    /// The key length it insists on, bytes.
    pub fn key_len(self) -> Option<usize> {
        match self {
            Self::Aes128 => Some(16),
            Self::Aes256 => Some(32),
            _ => None,
        }
    }

    /// Length of its digest, bytes.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 | Self::Aes128 | Self::Aes256 => 16,
            Self::Sha1 => 20,
            Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    fn row(self) -> (Self, &'static str, u16) {
        Self::ALL.iter().copied().find(|(algorithm, ..)| *algorithm == self).unwrap_or((self, "", 0))
    }
}

/// A shared secret. Its bytes are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    id: KeyId,
    algorithm: Algorithm,
    secret: Box<[u8]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} {} of {} bits)", self.id.0, self.algorithm.name(), self.bits())
    }
}

/// A message authentication code, key identifier first.
#[derive(Clone, Copy)]
pub struct MacBytes {
    bytes: [u8; MAC_MAX],
    len: usize,
}

impl MacBytes {
    /// The bytes to append to the packet.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Key {
    /// A key; `None` when `secret` is empty or has a length that `algorithm` cannot use.
    pub fn new(id: KeyId, algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        let fits = algorithm.key_len().map_or(!secret.is_empty(), |len| len == secret.len());
        fits.then(|| Self { id, algorithm, secret: secret.into() })
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// How it makes digests.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Length of the secret, bits.
    pub fn bits(&self) -> usize {
        self.secret.len().saturating_mul(8)
    }

    /// Length of the MAC in a packet of NTP version `version`, bytes.
    pub fn mac_len(&self, version: u8) -> usize {
        self.sent_len(version).saturating_add(4)
    }

    /// The MAC of `packet` (header and extension fields) in NTP version `version`.
    pub fn sign(&self, version: u8, packet: &[u8]) -> MacBytes {
        let mut mac = MacBytes { bytes: [0; MAC_MAX], len: self.mac_len(version) };
        let digest = self.digest(packet);
        let whole = self.id.0.to_be_bytes().into_iter().chain(digest);
        for (byte, value) in mac.bytes.iter_mut().zip(whole) {
            *byte = value;
        }
        mac
    }

    /// Was `digest` made of `packet` with this key? Takes the same time wherever they differ. A shortened digest
    /// is refused: its length has to be the one that `version` sends.
    pub fn verify(&self, version: u8, packet: &[u8], digest: &[u8]) -> bool {
        let expected = self.digest(packet);
        expected.get(..self.sent_len(version)).is_some_and(|expected| bool::from(expected.ct_eq(digest)))
    }

    fn sent_len(&self, version: u8) -> usize {
        let len = self.algorithm.digest_len();
        if version >= 4 { len.min(NTPV4_DIGEST_MAX) } else { len }
    }

    /// The whole digest, zeroes behind it.
    fn digest(&self, packet: &[u8]) -> [u8; DIGEST_MAX] {
        match self.algorithm {
            Algorithm::Md5 => self.hash::<Md5>(packet),
            Algorithm::Sha1 => self.hash::<Sha1>(packet),
            Algorithm::Sha256 => self.hash::<Sha256>(packet),
            Algorithm::Sha384 => self.hash::<Sha384>(packet),
            Algorithm::Sha512 => self.hash::<Sha512>(packet),
            Algorithm::Sha3_224 => self.hash::<Sha3_224>(packet),
            Algorithm::Sha3_256 => self.hash::<Sha3_256>(packet),
            Algorithm::Sha3_384 => self.hash::<Sha3_384>(packet),
            Algorithm::Sha3_512 => self.hash::<Sha3_512>(packet),
            Algorithm::Aes128 => self.cmac::<Cmac<aes::Aes128>>(packet),
            Algorithm::Aes256 => self.cmac::<Cmac<aes::Aes256>>(packet),
        }
    }

    fn hash<D: Digest>(&self, packet: &[u8]) -> [u8; DIGEST_MAX] {
        padded(&D::new().chain_update(&self.secret).chain_update(packet).finalize())
    }

    fn cmac<M: Mac + KeyInit>(&self, packet: &[u8]) -> [u8; DIGEST_MAX] {
        // The constructor has seen to the length.
        let Ok(mut mac) = M::new_from_slice(&self.secret) else { return [0; DIGEST_MAX] };
        mac.update(packet);
        padded(&mac.finalize().into_bytes())
    }
}

fn padded(digest: &[u8]) -> [u8; DIGEST_MAX] {
    let mut room = [0; DIGEST_MAX];
    for (byte, value) in room.iter_mut().zip(digest) {
        *byte = *value;
    }
    room
}

/// All keys of the key file, found by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// No more than one key a number: of duplicates the first stays, and `None` is said of the others.
    fn insert(&mut self, key: Key) -> Option<()> {
        match self.0.binary_search_by_key(&key.id.0, |known| known.id.0) {
            Ok(_) => None,
            Err(at) => {
                self.0.insert(at, key);
                Some(())
            }
        }
    }

    /// The key with this number; number 0 is none.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        let at = self.0.binary_search_by_key(&id.0, |known| known.id.0).ok()?;
        self.0.get(at).filter(|key| key.id.0 != 0)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
