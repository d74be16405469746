//! Ethernet frames with NTP requests in them, and what came back.

use sys::packets::{Captured, FRAME_MAX, Frame};

/// Headers in front of the payload: Ethernet, IPv4, UDP.
pub const HEADERS: usize = 14 + 20 + 8;
/// Longest payload a frame has room for.
pub const PAYLOAD_MAX: usize = FRAME_MAX - HEADERS;
/// An NTP header.
pub const NTP: usize = 48;
/// Where the header's transmit time stamp begins.
pub const TRANSMIT: usize = 40;
/// The server's address.
pub const SERVER: [u8; 4] = [10, 99, 0, 1];
/// The server's port.
pub const PORT: u16 = 123;
/// Link address of the server.
const SERVER_LINK: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Link address of the gateway all clients are behind. Nobody has it: the load's kernel drops the replies as soon as
/// the packet socket has seen them.
const GATEWAY_LINK: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

/// An address and a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// IPv4 address.
    pub address: u32,
    /// UDP port.
    pub port: u16,
}

/// Writes all headers of a request from `from` with the payload that is already in its place, `len` bytes.
pub fn seal(frame: &mut Frame, from: Endpoint, len: usize) {
    let f = &mut frame.bytes;
    f[0..6].copy_from_slice(&SERVER_LINK);
    f[6..12].copy_from_slice(&GATEWAY_LINK);
    f[12..20].copy_from_slice(&[8, 0, 0x45, 0, 0, 0, 0, 0]);
    f[16..18].copy_from_slice(&((len + 28) as u16).to_be_bytes());
    f[20..26].copy_from_slice(&[0x40, 0, 64, 17, 0, 0]);
    f[26..30].copy_from_slice(&from.address.to_be_bytes());
    f[30..34].copy_from_slice(&SERVER);
    let check = !folded(sum(&f[14..34]));
    f[24..26].copy_from_slice(&check.to_be_bytes());
    f[34..36].copy_from_slice(&from.port.to_be_bytes());
    f[36..38].copy_from_slice(&PORT.to_be_bytes());
    f[38..40].copy_from_slice(&((len + 8) as u16).to_be_bytes());
    f[40..42].copy_from_slice(&[0, 0]);
    let check = !folded(sum(&f[26..HEADERS + len]) + 17 + len as u32 + 8);
    f[40..42].copy_from_slice(&(if check == 0 { 0xffff } else { check }).to_be_bytes());
    frame.len = HEADERS + len;
}

/// A datagram from the server's port.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// Who it is for.
    pub to: Endpoint,
    /// Payload as announced by its headers, bytes.
    pub len: usize,
    /// As much of the payload as was kept.
    pub payload: &'a [u8],
    /// Headers and checksums are right.
    pub intact: bool,
}

impl Reply<'_> {
    /// The header's origin time stamp.
    pub fn origin(&self) -> Option<u64> {
        Some(u64::from_be_bytes(self.payload.get(24..32)?.try_into().ok()?))
    }
}

/// Takes a captured frame apart; `None`: it is not from the server's port.
pub fn parse<'a>(captured: &Captured<'a>) -> Option<Reply<'a>> {
    let f = captured.bytes;
    let word = |at: usize| Some(u16::from_be_bytes([*f.get(at)?, *f.get(at + 1)?]));
    if f.get(23) != Some(&17) || f.get(26..30)? != SERVER || word(34)? != PORT {
        return None;
    }
    let udp = usize::from(word(38)?);
    let len = udp.checked_sub(8)?;
    let end = 34 + udp;
    let pending = captured.checksum_pending || word(40)? == 0 || f.len() < end;
    let udp_right = pending || folded(sum(f.get(26..end)?) + 17 + udp as u32) == 0xffff;
    let ip_right = folded(sum(f.get(14..34)?)) == 0xffff && word(20)? & 0x3fff == 0;
    Some(Reply {
        to: Endpoint { address: u32::from_be_bytes(f.get(30..34)?.try_into().ok()?), port: word(36)? },
        len,
        payload: f.get(HEADERS..end.min(f.len()))?,
        intact: udp_right && ip_right && captured.len >= end,
    })
}

fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    let odd = words.remainder().first().map_or(0, |&byte| u32::from(byte) << 8);
    words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u32>() + odd
}

fn folded(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    ((once & 0xffff) + (once >> 16)) as u16
}

/// A number that looks random and follows from `seed` (the finaliser of splitmix64).
pub fn mixed(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(bytes: &[u8]) -> Captured<'_> {
        Captured { bytes, len: bytes.len(), stamp: 0, checksum_pending: false }
    }

    /// What the server would send back: the same bytes with the ends exchanged (the checksums stay right).
    fn returned(frame: &Frame) -> Vec<u8> {
        let mut bytes = frame.bytes[..frame.len].to_vec();
        for at in 0..4 {
            bytes.swap(26 + at, 30 + at);
        }
        bytes.swap(34, 36);
        bytes.swap(35, 37);
        bytes
    }

    #[test]
    fn a_sealed_frame_is_intact_and_a_changed_one_is_not() {
        for len in [0, 1, 47, 48, 100] {
            let mut frame = Frame::default();
            for (at, byte) in frame.bytes[HEADERS..HEADERS + len].iter_mut().enumerate() {
                *byte = at as u8 ^ 0x5a;
            }
            let from = Endpoint { address: 0x0a64_0001, port: 40_000 };
            seal(&mut frame, from, len);
            assert!(parse(&captured(&frame.bytes[..frame.len])).is_none(), "it is not from the server");
            let mut bytes = returned(&frame);
            let reply = parse(&captured(&bytes)).unwrap();
            assert!(reply.intact && reply.len == len && reply.to == from, "{len}: {reply:?}");
            for at in [16, 22, 39] {
                bytes[at] ^= 1;
                assert!(parse(&captured(&bytes)).is_none_or(|reply| !reply.intact), "{len}: {at}");
                bytes[at] ^= 1;
            }
            if len > 0 {
                bytes[HEADERS] ^= 1;
                assert!(!parse(&captured(&bytes)).unwrap().intact, "{len}");
            }
        }
    }

    #[test]
    fn short_and_torn_frames_are_no_replies() {
        let mut frame = Frame::default();
        seal(&mut frame, Endpoint { address: 1, port: 2 }, NTP);
        let bytes = returned(&frame);
        for len in 0..HEADERS {
            assert!(parse(&captured(&bytes[..len])).is_none(), "{len}");
        }
        for len in HEADERS..bytes.len() {
            assert!(parse(&captured(&bytes[..len])).is_some_and(|reply| !reply.intact), "{len}");
        }
    }
}
