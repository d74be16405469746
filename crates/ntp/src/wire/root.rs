//! The extension field F323: root delay and dispersion finer than the header has them, and a receive time on a clock
//! that is never stepped (chrony's EXP_MONO_ROOT; experimental, so it has a magic number).
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use crate::time::NtpTime;

/// Field type.
pub const KIND: u16 = 0xF323;
/// Length of the field, type and length included, bytes.
pub const LEN: usize = 28;
const MAGIC: u32 = 0xF5BE_DD9A;
/// 4.28 fixed point: units in a second.
const SCALE: f64 = (1u32 << 28) as f64;

/// What the field says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Root {
    /// Root delay, s, below 16.
    pub delay: f64,
    /// Root dispersion, s, below 16.
    pub dispersion: f64,
    /// When the request came, on a clock that nobody steps.
    pub receive: NtpTime,
    /// Another value means another such clock.
    pub epoch: u32,
}

impl Root {
    /// The content of a field of type [`KIND`]; `None`: it is another one.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (magic, rest) = body.split_first_chunk::<4>()?;
        let (delay, rest) = rest.split_first_chunk::<4>()?;
        let (dispersion, rest) = rest.split_first_chunk::<4>()?;
        let (receive, rest) = rest.split_first_chunk::<8>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let seconds = |bytes: &[u8; 4]| f64::from(u32::from_be_bytes(*bytes)) / SCALE;
        (u32::from_be_bytes(*magic) == MAGIC && rest.is_empty()).then(|| Self {
            delay: seconds(delay),
            dispersion: seconds(dispersion),
            receive: NtpTime(u64::from_be_bytes(*receive)),
            epoch: u32::from_be_bytes(*epoch),
        })
    }

    /// The whole field. Bounds are rounded up.
    pub fn emit(&self) -> [u8; LEN] {
        let fixed =
            |seconds: f64| if seconds.is_nan() { u32::MAX } else { libm::ceil(seconds * SCALE) as u32 };
        let parts = KIND
            .to_be_bytes()
            .into_iter()
            .chain((LEN as u16).to_be_bytes())
            .chain(MAGIC.to_be_bytes())
            .chain(fixed(self.delay).to_be_bytes())
            .chain(fixed(self.dispersion).to_be_bytes())
            .chain(self.receive.0.to_be_bytes())
            .chain(self.epoch.to_be_bytes());
        let mut bytes = [0; LEN];
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_and_bounds_are_rounded_up() {
        let root = Root { delay: 1.23e-6, dispersion: 4.5e-7, receive: NtpTime(77 << 32 | 5), epoch: 9 };
        let bytes = root.emit();
        assert_eq!(bytes[..8], [0xF3, 0x23, 0, 28, 0xF5, 0xBE, 0xDD, 0x9A]);
        let again = Root::parse(&bytes[4..]).expect("the field");
        assert!(again.delay >= root.delay && again.delay - root.delay < 4e-9, "{again:?}");
        assert_eq!((again.receive, again.epoch), (root.receive, root.epoch));
        assert_eq!(Root::parse(&bytes[4..27]), None);
        let mut other = bytes;
        other[5] ^= 1;
        assert_eq!(Root::parse(&other[4..]), None, "the magic number");
        assert_eq!(Root { delay: 99.0, ..root }.emit()[8..12], [0xff; 4], "16 s at most");
    }
}
