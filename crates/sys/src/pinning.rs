//! Which of several sockets a sender comes to: classic BPF for [`crate::socket::Socket::set_pinning`].
//!
//! Without it the kernel goes by address and port, and a client's requests are spread over all threads.

use libc::sock_filter;

/// Offsets from here on are into the IP header (linux/filter.h).
const NETWORK: u32 = (-0x10_0000_i32).cast_unsigned();
/// Where IPv4 and IPv6 have the sender's address.
const SOURCE_V4: u32 = 12;
const SOURCE_V6: u32 = 8;

/// A multiplier that spreads neighbouring numbers (2³² divided by the golden ratio).
const SPREAD: u32 = 0x9e37_79b1;

const LOAD: u16 = 0x20; // A = the word at k
const TAX: u16 = 0x07; // X = A
const AND: u16 = 0x54; // A &= k
const XOR_X: u16 = 0xac; // A ^= X
const MULTIPLY: u16 = 0x24; // A *= k
const SHIFT_RIGHT: u16 = 0x74; // A >>= k
const MODULO: u16 = 0x94; // A %= k
const RETURN: u16 = 0x16; // the answer is A

fn instruction(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// From a number in A to that of a socket.
fn choose(count: u32) -> [sock_filter; 4] {
    [
        instruction(MULTIPLY, SPREAD),
        instruction(SHIFT_RIGHT, 16),
        instruction(MODULO, count.max(1)),
        instruction(RETURN, 0),
    ]
}

/// By the whole IPv4 address.
pub fn by_address(count: u32) -> Vec<sock_filter> {
    let mut program = vec![instruction(LOAD, NETWORK.wrapping_add(SOURCE_V4))];
    program.extend(choose(count));
    program
}

/// By the first `prefix` bits of the IPv6 address, at most 64.
pub fn by_prefix(count: u32, prefix: u8) -> Vec<sock_filter> {
    let mask = |bits: u8| u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
    let mut program = vec![
        instruction(LOAD, NETWORK.wrapping_add(SOURCE_V6)),
        instruction(AND, mask(prefix)),
        instruction(TAX, 0),
        instruction(LOAD, NETWORK.wrapping_add(SOURCE_V6 + 4)),
        instruction(AND, mask(prefix.saturating_sub(32))),
        instruction(XOR_X, 0),
    ];
    program.extend(choose(count));
    program
}

#[cfg(test)]
mod tests {
    use crate::message::{receive, send};
    use crate::poll::{Entry, poll};
    use crate::socket::{Family, Socket};
    use std::collections::BTreeMap;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};
    use std::os::fd::AsRawFd;

    #[test]
    fn an_address_always_comes_to_the_same_socket_and_every_socket_has_some() {
        const SOCKETS: usize = 4;
        let mut to = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let mut sockets = Vec::new();
        for _ in 0..SOCKETS {
            let socket = Socket::udp(Family::Inet).expect("a socket");
            socket.set_reuse_port().expect("to share");
            socket.bind(to).expect("the same port");
            to = socket.local_addr().expect("bound");
            sockets.push(socket);
        }
        sockets[0].set_pinning(SOCKETS as u32, 64).expect("a kernel that can");
        let mut homes: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
        for (client, round) in (0..32u8).flat_map(|client| (0..5).map(move |round| (client, round))) {
            let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, round / 9, 10 + client)), 0);
            let asker = Socket::udp(Family::Inet).expect("a socket");
            asker.bind(from).expect("loopback");
            send(&asker, b"where?", Some(to), None, 0).expect("room");
            let mut entries: Vec<Entry> = sockets.iter().map(|s| Entry::new(s.as_raw_fd())).collect();
            assert_eq!(poll(&mut entries, Some(2_000_000_000)).expect("poll"), 1);
            let home = entries.iter().position(Entry::readable).expect("one is ready");
            let got = receive(&sockets[home], &mut [0; 64]).expect("receive").expect("a datagram");
            homes.entry(got.from.expect("a sender").ip()).or_default().push(home);
        }
        assert!(homes.len() == 32 && homes.values().all(|all| all.iter().all(|home| *home == all[0])));
        let used: std::collections::BTreeSet<usize> = homes.values().map(|all| all[0]).collect();
        assert_eq!(used.len(), SOCKETS, "{homes:?}");
    }

    /// Runs a program over an IPv6 header; only the instructions that are used.
    fn run(program: &[libc::sock_filter], header: &[u8]) -> u32 {
        let (mut a, mut x) = (0u32, 0u32);
        for i in program {
            match i.code {
                super::LOAD => {
                    let at = i.k.wrapping_sub(super::NETWORK) as usize;
                    a = u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
                }
                super::TAX => x = a,
                super::AND => a &= i.k,
                super::XOR_X => a ^= x,
                super::MULTIPLY => a = a.wrapping_mul(i.k),
                super::SHIFT_RIGHT => a >>= i.k,
                super::MODULO => a %= i.k,
                super::RETURN => return a,
                code => panic!("{code:#x}"),
            }
        }
        panic!("no answer")
    }

    #[test]
    fn a_prefix_of_ipv6_is_one_sender() {
        let header = |address: &str| {
            let mut header = [0; 40];
            let address: std::net::Ipv6Addr = address.parse().expect("an address");
            header[8..24].copy_from_slice(&address.octets());
            header
        };
        let home = |prefix, address: &str| run(&super::by_prefix(5, prefix), &header(address));
        assert_eq!(home(64, "2001:db8:1:2::1"), home(64, "2001:db8:1:2:ffff::9"));
        assert_eq!(home(48, "2001:db8:1:2::1"), home(48, "2001:db8:1:ffff::1"));
        assert_eq!(home(20, "2001:db8:1:2::1"), home(20, "2001:dff:fff::1"));
        assert_eq!(home(128, "2001:db8:1:2::1"), home(64, "2001:db8:1:2::1"));
        let homes: Vec<u32> = (0..64).map(|n| home(64, &format!("2001:db8:1:{n:x}::1"))).collect();
        assert!((0..5).all(|socket| homes.contains(&socket)), "{homes:?}");
        let socket = Socket::udp(Family::Inet6).and_then(|socket| {
            socket.set_reuse_port()?;
            socket.bind("[::1]:0".parse().expect("an address"))?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => socket.set_pinning(5, 56).expect("the kernel accepts the program"),
            Err(error) => eprintln!("SKIPPED: no IPv6 here: {error}"),
        }
    }
}
