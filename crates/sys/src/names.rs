//! Names of addresses, from the system's resolver. Blocks as long as that does: for the command line only.

use crate::address::Storage;
use std::ffi::{CStr, CString};
use std::net::{IpAddr, SocketAddr};

/// The host name of `address`; `None` when it has none or nobody knows.
pub fn host_of(address: IpAddr) -> Option<String> {
    let storage = Storage::from(SocketAddr::new(address, 0));
    let mut buffer = [0u8; 1025]; // NI_MAXHOST
    // SAFETY: the address is live for its length, `buffer` is exclusive for its length, no service is asked for.
    let error = unsafe {
        libc::getnameinfo(
            storage.pointer(),
            storage.len(),
            buffer.as_mut_ptr().cast(),
            buffer.len() as libc::socklen_t,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    let name = buffer.split(|byte| *byte == 0).next()?;
    (error == 0).then(|| String::from_utf8_lossy(name).into_owned())
}

/// The canonical name of `name`, as the resolver tells it; `None` when it has no address.
pub fn canonical_name(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: all zero bytes are an `addrinfo` without a wish.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_socktype = libc::SOCK_DGRAM;
    let mut list: *mut libc::addrinfo = std::ptr::null_mut();
    // SAFETY: both are live, no service is asked for, and `list` takes what is found.
    let error =
        unsafe { libc::getaddrinfo(name.as_ptr(), std::ptr::null(), &raw const hints, &raw mut list) };
    if error != 0 || list.is_null() {
        return None;
    }
    // SAFETY: `list` is what getaddrinfo has just made.
    let canonical = unsafe { (*list).ai_canonname };
    let text = (!canonical.is_null()).then(|| {
        // SAFETY: a string of the list, which is still there.
        unsafe { CStr::from_ptr(canonical) }.to_string_lossy().into_owned()
    });
    // SAFETY: freed once, and not used any more.
    unsafe { libc::freeaddrinfo(list) };
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_documentation_has_no_name() {
        assert_eq!(host_of(IpAddr::from([192, 0, 2, 77])), None);
    }

    #[test]
    fn an_address_is_its_own_canonical_name_and_nonsense_has_none() {
        assert_eq!(canonical_name("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(canonical_name("no such name"), None);
        assert_eq!(canonical_name("a\0b"), None);
    }

    #[test]
    fn the_loopback_address_has_the_name_of_the_hosts_file() {
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let first = hosts
            .lines()
            .filter_map(|line| {
                line.split('#').next()?.split_whitespace().collect::<Vec<_>>().get(..2).map(<[_]>::to_vec)
            })
            .find(|words| words[0] == "127.0.0.1");
        match first {
            Some(words) => assert_eq!(host_of(IpAddr::from([127, 0, 0, 1])), Some(words[1].to_owned())),
            None => eprintln!("SKIPPED: /etc/hosts does not name 127.0.0.1"),
        }
    }
}
