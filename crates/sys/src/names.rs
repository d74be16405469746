//! Names of addresses, from the system's resolver. Blocks as long as that does: for the command line only.

use crate::address::Storage;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_documentation_has_no_name() {
        assert_eq!(host_of(IpAddr::from([192, 0, 2, 77])), None);
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
