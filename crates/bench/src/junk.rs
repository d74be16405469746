//! Hostile datagrams: everything that is not, or only nearly, a request for time.

use crate::wire::{Endpoint, NTP, PAYLOAD_MAX, PORT, SERVER, TRANSMIT, mixed};

/// Writes hostile datagram `number` and returns whom it claims to be from (usually `from`) and its length.
///
/// From 48 bytes on, it has `tag` where a request has its transmit time, so that a reply to it can be recognised.
pub fn write(number: u32, tag: u64, from: Endpoint, payload: &mut [u8]) -> (Endpoint, usize) {
    let mut random = Random(mixed(u64::from(number) ^ 0x6a75_6e6b));
    let mut from = from;
    let shape = random.below(8);
    let len = match shape {
        // Noise of any length.
        0 => random.below(PAYLOAD_MAX as u64 + 1),
        // Short of a header, or just as long.
        1 => random.below(NTP as u64 + 1),
        // All versions and modes, in a header or a little more.
        2 | 3 => NTP + random.below(6),
        // A header and extension fields with wrong lengths, or a MAC nobody knows.
        4 | 5 => NTP + 4 * random.below(80),
        // Control and private requests: lists of peers and clients that amplify.
        6 => [12, 48, 192, 480][random.below(4)],
        // Answers, as if another server had been asked in our name.
        _ => NTP,
    };
    let payload = &mut payload[..len];
    for chunk in payload.chunks_mut(8) {
        chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
    }
    if let Some(first) = payload.first_mut() {
        match shape {
            4 | 5 => *first = 0b00_100_011,
            6 => *first = [0x16, 0x17, 0x1e, 0x97][random.below(4)],
            7 => *first = 0b00_100_100,
            _ => {}
        }
    }
    match shape {
        5 => fields(&mut random, payload),
        6 if len >= 4 => payload[1..4].copy_from_slice(&[[2, 0, 1], [0, 3, 42], [1, 3, 20]][random.below(3)]),
        7 => {
            // Another server's port, our own address (which a kernel drops), or no port at all.
            match random.below(3) {
                0 => from.port = PORT,
                1 => from = Endpoint { address: u32::from_be_bytes(SERVER), port: PORT },
                _ => from.port = 0,
            }
        }
        _ => {}
    }
    if len >= NTP {
        payload[TRANSMIT..NTP].copy_from_slice(&tag.to_be_bytes());
    }
    (from, len)
}

/// A chain of extension fields after the header, most of them wrong.
fn fields(random: &mut Random, payload: &mut [u8]) {
    const KINDS: [u16; 6] = [0x0104, 0x0204, 0x0304, 0x0404, 0x2005, 0xf323];
    let mut at = NTP;
    while let Some(head) = payload.get_mut(at..at + 4) {
        let len = match random.below(6) {
            0 => random.below(0x1_0000),
            1 => 0,
            2 => 4,
            _ => 16 + 4 * random.below(12),
        };
        head[..2].copy_from_slice(&KINDS[random.below(6)].to_be_bytes());
        head[2..].copy_from_slice(&(len as u16).to_be_bytes());
        at += len.max(4);
    }
}

/// May a server answer this? Only what is a request: long enough, of a known version, of mode client or symmetric
/// active (or of version 1, which had no modes).
pub fn may_be_answered(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else { return false };
    let (version, mode) = (first >> 3 & 7, first & 7);
    payload.len() >= NTP && matches!((version, mode), (1..=4, 1 | 3) | (1, 0))
}

/// A small generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mixed(self.0)
    }

    fn below(&mut self, bound: u64) -> usize {
        (self.next() % bound.max(1)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_is_of_every_kind_and_the_same_each_time() {
        let from = Endpoint { address: 7, port: 9 };
        let (mut one, mut two) = ([0; PAYLOAD_MAX], [1; PAYLOAD_MAX]);
        let (mut seen, mut answerable, mut longest) = ([false; 64], 0, 0);
        for number in 0..20_000 {
            let (source, len) = write(number, 42, from, &mut one);
            assert_eq!((source, len), write(number, 42, from, &mut two));
            assert_eq!(one[..len], two[..len]);
            longest = longest.max(len);
            if let Some(&first) = one[..len].first() {
                seen[usize::from(first & 63)] = true;
            }
            answerable += u32::from(may_be_answered(&one[..len]));
        }
        assert!(seen.iter().all(|&seen| seen), "all versions and modes");
        assert!(longest > 1400 && (4000..8000).contains(&answerable), "{longest} {answerable}");
    }
}
