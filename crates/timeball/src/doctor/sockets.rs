//! Who listens where: `/proc/net/udp` and its kin.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::system::System;

/// A socket that waits for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Datagrams the kernel has dropped because nobody fetched them.
    pub drops: u64,
    /// Number and name of the process; `None`: not known.
    pub owner: Option<(u32, String)>,
}

/// State of a TCP socket that listens, and of a UDP socket without a peer.
const LISTENS: &str = "0A";
const UNCONNECTED: &str = "07";

/// The listening sockets of `protocol` (`udp` or `tcp`) that are `wanted`.
pub fn listeners(system: &dyn System, protocol: &str, wanted: impl Fn(&Listener) -> bool) -> Vec<Listener> {
    let mut found = Vec::new();
    for file in [protocol.to_owned(), format!("{protocol}6")] {
        let text = system.text(&format!("/proc/net/{file}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            if let Some((listener, inode)) = socket(line, protocol)
                && wanted(&listener)
            {
                found.push((listener, inode));
            }
        }
    }
    let inodes: BTreeSet<String> = found.iter().map(|(_, inode)| format!("socket:[{inode}]")).collect();
    let owners = owners(system, &inodes);
    let with_owner = |(mut listener, inode): (Listener, String)| {
        let link = format!("socket:[{inode}]");
        listener.owner =
            owners.iter().find(|(held, _, _)| *held == link).map(|(_, pid, name)| (*pid, name.clone()));
        listener
    };
    found.into_iter().map(with_owner).collect()
}

/// One line, if it is of a socket that listens; and its inode.
fn socket(line: &str, protocol: &str) -> Option<(Listener, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let state = if protocol == "tcp" { LISTENS } else { UNCONNECTED };
    if words.get(3) != Some(&state) {
        return None;
    }
    let address = address(words.get(1)?)?;
    let drops = if protocol == "udp" { words.last()?.parse().unwrap_or(0) } else { 0 };
    Some((Listener { address, drops, owner: None }, (*words.get(9)?).to_owned()))
}

/// `0100007F:007B`: words of 32 bits in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Option<Vec<[u8; 4]>> = (0..host.len() / 8)
        .map(|at| Some(u32::from_str_radix(host.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes()))
        .collect();
    let bytes = words?.concat();
    let ip: IpAddr = if bytes.len() == 4 {
        Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()
    };
    Some(SocketAddr::new(ip, port))
}

/// Which process holds which of these sockets.
fn owners(system: &dyn System, inodes: &BTreeSet<String>) -> Vec<(String, u32, String)> {
    let mut found = Vec::new();
    if inodes.is_empty() {
        return found;
    }
    for pid in system.list("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok()) {
        let folder = format!("/proc/{pid}/fd");
        for descriptor in system.list(&folder) {
            if let Some(link) = system.link(&format!("{folder}/{descriptor}"))
                && inodes.contains(&link)
            {
                let name = system.text(&format!("/proc/{pid}/comm")).unwrap_or_default();
                found.push((link, pid, name.trim().to_owned()));
            }
        }
    }
    found.sort_by_key(|(_, pid, _)| *pid); // a parent before its children
    found
}

/// How many followed connections are requests for time to this machine.
pub fn tracked(system: &dyn System) -> Option<usize> {
    let text = system.text("/proc/net/nf_conntrack")?;
    let own: BTreeSet<String> =
        system.addresses().into_iter().map(|(_, address)| address.ip().to_string()).collect();
    let of_ntp = |line: &&str| {
        let mut words = line.split_whitespace();
        let udp = words.any(|word| word == "udp");
        // The first of each is of the request.
        let first = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name));
        let to = first("dst=").and_then(|text| text.parse::<IpAddr>().ok()).map(|ip| ip.to_string());
        udp && first("dport=") == Some("123") && to.is_some_and(|to| own.contains(&to))
    };
    Some(text.lines().filter(of_ntp).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses_of_proc_are_read() {
        for (text, expected) in [
            ("0100007F:007B", "127.0.0.1:123"),
            ("00000000:1FBB", "0.0.0.0:8123"),
            ("00000000000000000000000001000000:007B", "[::1]:123"),
            ("B80D0120000000000000000001000000:007B", "[2001:db8::1]:123"),
        ] {
            assert_eq!(address(text), expected.parse().ok(), "{text}");
        }
        assert_eq!(address("xyz"), None);
    }
}
