//! The least that answers, for comparison: what it costs is what the kernel takes for a request and its reply, and no server that uses the
//! kernel's sockets, its stamps and the address that was asked can save any of it.

use crate::wire::{NTP, PORT, TRANSMIT};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use sys::batch::{Batch, Reply, Wait};
use sys::socket::{Family, Socket, Stamping};

/// How long it waits at a time, ns: less than a second, by the rules of the option.
const PATIENCE: i64 = 500_000_000;
/// Seconds from 1900, when NTP's era begins, to the Unix epoch.
const ERA: i64 = 2_208_988_800;

/// Answers whoever asks, until it is ended.
pub fn serve() -> io::Result<()> {
    let mut socket = Socket::udp(Family::Inet)?;
    socket.set_waiting(PATIENCE)?;
    socket.set_packet_info()?;
    socket.set_stamping(Stamping::Receive)?;
    socket.set_dont_fragment()?;
    socket.set_receive_buffer(2 << 20)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
    let mut batch = Batch::default();
    loop {
        let count = batch.receive(&socket, Wait::ForOne);
        for index in 0..count {
            let received = batch.received(index);
            let Some(request) = batch.bytes(index).first_chunk::<NTP>() else { continue };
            let stamp = received.stamp.unwrap_or_else(sys::clock::realtime);
            let bytes = reply(request, stamp, sys::clock::realtime());
            let reply = Reply { bytes: &bytes, from: received.reply_from, interface: 0, stamp: false };
            batch.reply(index, &socket, &reply)?;
        }
        batch.send(&socket);
    }
}

/// Version 4, mode 4, stratum 1; the request's transmit time as the origin.
fn reply(request: &[u8; NTP], received: i64, transmitted: i64) -> [u8; NTP] {
    let mut reply = *request;
    (reply[0], reply[1]) = (0b00_100_100, 1);
    reply[24..32].copy_from_slice(&request[TRANSMIT..]);
    reply[32..TRANSMIT].copy_from_slice(&time(received));
    reply[TRANSMIT..].copy_from_slice(&time(transmitted));
    reply
}

/// A time stamp of NTP from ns since the Unix epoch.
fn time(nanos: i64) -> [u8; 8] {
    let (seconds, rest) = (nanos.div_euclid(1_000_000_000) + ERA, nanos.rem_euclid(1_000_000_000));
    ((seconds.cast_unsigned() << 32) + (rest.cast_unsigned() << 32) / 1_000_000_000).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_repeats_the_request_s_time_and_tells_both_of_its_own() {
        let mut request = [0; NTP];
        request[0] = 0b00_100_011;
        request[TRANSMIT..].copy_from_slice(&[7; 8]);
        let reply = reply(&request, 1_500_000_000, 2_250_000_000);
        assert_eq!((reply[0], reply[1], &reply[24..32]), (0x24, 1, &[7; 8][..]));
        let stamp = |at: usize| u64::from_be_bytes(reply[at..at + 8].try_into().unwrap());
        assert_eq!(stamp(32), (2_208_988_801 << 32) + (1 << 31));
        assert_eq!(stamp(40), (2_208_988_802 << 32) + (1 << 30));
    }
}
