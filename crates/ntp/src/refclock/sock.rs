//! Samples of the driver SOCK: datagrams of a C structure, in the byte order of this machine.

use crate::time::seconds_to_nanos;
use crate::wire::Leap;

/// Ends every sample: "SOCK".
const MAGIC: i32 = 0x534F_434B;
/// A whole sample, and one of a program whose time is 32 bits wide.
const LENGTHS: (usize, usize) = (40, 32);
/// Longest datagram to be expected.
pub const MOST: usize = LENGTHS.0;

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SockSample {
    /// The system clock, ns since the Unix epoch.
    pub system: i64,
    /// True time minus system clock then, s.
    pub offset: f64,
    /// Only the second's beginning is known.
    pub pulse: bool,
    /// Leap indicator.
    pub leap: Leap,
}

impl SockSample {
    /// Reads a datagram; `None`: it is no sample.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let long = bytes.len() == LENGTHS.0;
        // A structure with 64-bit times does not exist where longs are 32 bits and the C library is old, and the reverse.
        if !long && (bytes.len() != LENGTHS.1 || cfg!(target_pointer_width = "64")) {
            return None;
        }
        let (seconds, micros, rest) = if long {
            let (seconds, rest) = bytes.split_first_chunk()?;
            let (micros, rest) = rest.split_first_chunk()?;
            (i64::from_ne_bytes(*seconds), i64::from_ne_bytes(*micros), rest)
        } else {
            let (seconds, rest) = bytes.split_first_chunk()?;
            let (micros, rest) = rest.split_first_chunk()?;
            (i64::from(i32::from_ne_bytes(*seconds)), i64::from(i32::from_ne_bytes(*micros)), rest)
        };
        let (offset, rest) = rest.split_first_chunk()?;
        let (offset, (words, _)) = (f64::from_ne_bytes(*offset), rest.as_chunks::<4>());
        let [pulse, leap, _, magic] = words else { return None };
        let leap = match i32::from_ne_bytes(*leap) {
            0 => Leap::None,
            1 => Leap::Insert,
            2 => Leap::Delete,
            _ => Leap::Unsynchronised,
        };
        let sane =
            offset.is_finite() && (0..1_000_000).contains(&micros) && i32::from_ne_bytes(*magic) == MAGIC;
        let system = seconds.checked_mul(1_000_000_000)?.checked_add(micros.checked_mul(1000)?)?;
        sane.then_some(Self { system, offset, pulse: i32::from_ne_bytes(*pulse) != 0, leap })
    }

    /// The datagram, of the long form: for tests and feeders.
    pub fn emit(&self) -> Vec<u8> {
        let seconds = self.system.div_euclid(1_000_000_000);
        let micros = self.system.rem_euclid(1_000_000_000) / 1000;
        let mut bytes = Vec::with_capacity(LENGTHS.0);
        bytes.extend(seconds.to_ne_bytes());
        bytes.extend(micros.to_ne_bytes());
        bytes.extend(self.offset.to_ne_bytes());
        for word in [i32::from(self.pulse), self.leap as i32, 0, MAGIC] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes
    }

    /// True time at the sample, ns since the Unix epoch.
    pub fn truth(&self) -> i64 {
        self.system.saturating_add(seconds_to_nanos(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: SockSample =
        SockSample { system: 1_700_000_000_123_456_000, offset: -0.25, pulse: false, leap: Leap::Insert };

    #[test]
    fn a_sample_survives_and_a_damaged_one_is_none() {
        let bytes = SAMPLE.emit();
        assert_eq!(SockSample::parse(&bytes), Some(SAMPLE));
        assert_eq!(SAMPLE.truth(), 1_699_999_999_873_456_000);
        assert_eq!(SockSample::parse(&bytes[..39]), None);
        let mut damaged = bytes.clone();
        damaged[36] ^= 1;
        assert_eq!(SockSample::parse(&damaged), None, "the magic number");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), magic in any::<bool>()) {
            let mut bytes = bytes;
            if magic {
                bytes.resize(40, 0);
                bytes[36..40].copy_from_slice(&MAGIC.to_ne_bytes());
            }
            if let Some(sample) = SockSample::parse(&bytes) {
                prop_assert!(sample.offset.is_finite());
                let _ = sample.truth();
            }
        }
    }
}
