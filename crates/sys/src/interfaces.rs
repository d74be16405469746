//! The addresses of this machine's interfaces (getifaddrs). For the command line only.

use crate::address::Storage;
use crate::cvt;
use std::ffi::CStr;
use std::io;
use std::net::SocketAddr;

/// One address of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface: `eth0`.
    pub interface: String,
    /// The address, with port 0; a link-local one of IPv6 has its scope.
    pub address: SocketAddr,
}

/// Every IPv4 and IPv6 address of every interface that is up.
pub fn addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` is live and writable; what is put there is given back below.
    cvt(unsafe { libc::getifaddrs(&raw mut list) })?;
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: `next` is the list's head or a link of it, which stay valid until freeifaddrs.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        let up = entry.ifa_flags & libc::IFF_UP as libc::c_uint != 0;
        if !up || entry.ifa_addr.is_null() {
            continue;
        }
        // SAFETY: `ifa_addr` is not null, so it is an address of the family it names, as long as that family's are.
        let Some(address) = (unsafe { Storage::copied(entry.ifa_addr) }).and_then(|storage| storage.inet())
        else {
            continue;
        };
        // SAFETY: the name is a string that ends with a zero and lives as long as the list.
        let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        found.push(InterfaceAddress { interface, address });
    }
    // SAFETY: `list` came from getifaddrs, and nothing of it is kept.
    unsafe { libc::freeifaddrs(list) };
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_among_them() {
        let all = addresses().expect("a list");
        let lo = all.iter().find(|a| a.address.ip().is_loopback());
        match lo {
            Some(lo) => assert!(lo.interface.starts_with("lo"), "{lo:?}"),
            None => eprintln!("SKIPPED: the loopback interface is down here"),
        }
    }
}
