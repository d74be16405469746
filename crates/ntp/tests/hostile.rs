//! Six hundred thousand hostile datagrams: none of them gets more than it may.

#[path = "properties/respond.rs"]
mod respond;
#[path = "properties/serve.rs"]
#[allow(dead_code, reason = "another test reads inputs with it")]
mod serve;

use ntp::rng::Rng;
use respond::Bench;

const DATAGRAMS: usize = 600_000;

/// One datagram: random bytes, or a request bent in one of the ways attackers bend them.
fn datagram(rng: &mut Rng, buffer: &mut [u8; 1500]) -> usize {
    for chunk in buffer[..64].chunks_exact_mut(8) {
        chunk.copy_from_slice(&rng.bits().to_ne_bytes());
    }
    // Every version and mode in turn, two times of three a plausible request.
    if rng.below(3) > 0 {
        buffer[0] = [0o43, 0o33, 0o23, 0o13, 0o41, 0o10, 0o343][rng.below(7)];
    }
    match rng.below(6) {
        0 => rng.below(buffer.len() + 1),
        1 => rng.below(52),
        2 => 48,
        3 => {
            // One field to the end, or what may be taken for a MAC.
            let len = [52, 60, 64, 68, 72, 76, 80, 1140, 1144][rng.below(9)];
            let told = (len as u16 - 48).wrapping_mul(rng.below(2) as u16);
            buffer[50..52].copy_from_slice(&told.to_be_bytes());
            len
        }
        _ => {
            // A chain of extension fields, some of whose lengths lie.
            let mut at = 48;
            for _ in 0..=rng.below(4) {
                let len = 4 * (3 + rng.below(12));
                let told = if rng.below(4) == 0 { rng.bits() as u16 } else { len as u16 };
                buffer[at..at + 4]
                    .copy_from_slice(&[[0x01, 0x04 - rng.below(4) as u8], told.to_be_bytes()].concat());
                at += len;
            }
            at - if rng.below(4) == 0 { rng.below(8) } else { 0 }
        }
    }
}

#[test]
fn no_datagram_gets_more_than_it_may() {
    let mut rng = Rng::from_number(20_260_101);
    let mut benches: Vec<Bench> = (0..128).map(Bench::new).collect();
    let mut buffer = [0; 1500];
    let mut replies = 0;
    for i in 0..DATAGRAMS {
        let len = datagram(&mut rng, &mut buffer);
        replies += usize::from(benches[i % 128].check(&buffer[..len]));
    }
    // Both ways must have been walked often, or the test proves nothing.
    assert!(replies > DATAGRAMS / 20 && replies < DATAGRAMS / 2, "{replies} replies");
}

/// Conversations with a server that does everything, step by step from clients who may know its key and its last reply.
#[test]
fn no_conversation_gets_more_than_it_may() {
    let mut rng = Rng::from_number(20_260_202);
    let mut buffer = [0; 1500];
    let mut replies = 0;
    for scenario in 0..=u8::MAX {
        let mut server = serve::Server::new(scenario);
        for _ in 0..800 {
            let len = datagram(&mut rng, &mut buffer);
            let len = if rng.below(2) == 0 { 48 } else { len };
            // A step of the clock is rare.
            let how = rng.bits() as u8;
            let how = if how & 7 == 7 && rng.below(8) > 0 { how & !1 } else { how };
            replies += usize::from(server.step(how, &buffer[..len]));
        }
    }
    assert!((20_000..150_000).contains(&replies), "{replies} replies");
}

#[test]
fn every_first_byte_is_judged_at_every_length_and_in_every_scenario() {
    let mut input = [0; 1201];
    for first in 0..=255 {
        (input[0], input[1]) = (first ^ 0x55, first);
        for len in (0..1200).step_by(7).chain([48, 68, 72, 76, 1140, 1144]) {
            respond::check(&input[..=len]);
        }
    }
}
