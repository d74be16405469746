//! Between the kernel's socket addresses and Rust's.

use std::ffi::OsStr;
use std::io;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Room for any address the kernel may give.
pub(crate) struct Storage {
    raw: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl Storage {
    /// Empty, to be filled by the kernel.
    pub fn new() -> Self {
        // SAFETY: sockaddr_storage is made of integers; all zeroes is a valid value (family AF_UNSPEC).
        let raw = unsafe { std::mem::zeroed() };
        Self { raw, len: size_of::<libc::sockaddr_storage>() as libc::socklen_t }
    }

    /// Copies `address`, of `len` bytes that count.
    fn of<T: Copy>(address: T, len: usize) -> Self {
        const { assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>()) };
        assert!(len <= size_of::<T>(), "an address is no longer than its structure");
        let mut storage = Self::new();
        // SAFETY: the destination is as large as the source (asserted above) and aligned for every sockaddr.
        unsafe { (&raw mut storage.raw).cast::<T>().write(address) };
        storage.len = len as libc::socklen_t;
        storage
    }

    /// A copy of an address of either family of the Internet; `None`: it is of another.
    ///
    /// # Safety
    /// `address` points to an address that is as long as those of its family are.
    pub unsafe fn copied(address: *const libc::sockaddr) -> Option<Self> {
        // SAFETY: every address begins with its family; the caller vouches for the rest.
        match i32::from(unsafe { (*address).sa_family }) {
            libc::AF_INET => {
                // SAFETY: as the caller says; it may lie anywhere.
                let raw = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
                Some(Self::of(raw, size_of_val(&raw)))
            }
            libc::AF_INET6 => {
                // SAFETY: as the caller says; it may lie anywhere.
                let raw = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
                Some(Self::of(raw, size_of_val(&raw)))
            }
            _ => None,
        }
    }

    pub fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.raw).cast()
    }

    pub fn pointer_mut(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.raw).cast()
    }

    pub fn len(&self) -> libc::socklen_t {
        self.len
    }

    pub fn len_mut(&mut self) -> &mut libc::socklen_t {
        &mut self.len
    }

    /// The kernel filled `len` bytes.
    pub fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len.min(size_of::<libc::sockaddr_storage>() as libc::socklen_t);
    }

    /// The Internet address inside, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        inet(&self.raw, self.len)
    }

    /// The Unix address inside; nameless if it is none.
    pub fn unix(&self) -> UnixAddress {
        let start = offset_of!(libc::sockaddr_un, sun_path);
        let len = self.len as usize;
        if i32::from(self.raw.ss_family) != libc::AF_UNIX || len <= start {
            return UnixAddress { path: Vec::new() };
        }
        // SAFETY: `start..len` lies within the storage (set_len, and `len` is never set larger), which is
        // initialised throughout.
        let bytes =
            unsafe { std::slice::from_raw_parts((&raw const self.raw).cast::<u8>().add(start), len - start) };
        let path = if bytes.first() == Some(&0) {
            bytes.to_vec() // an abstract name: zero bytes count
        } else {
            bytes.iter().copied().take_while(|&b| b != 0).collect()
        };
        UnixAddress { path }
    }
}

impl From<SocketAddr> for Storage {
    fn from(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(v4) => {
                let raw = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: in_addr(*v4.ip()),
                    sin_zero: [0; 8],
                };
                Self::of(raw, size_of_val(&raw))
            }
            SocketAddr::V6(v6) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo().to_be(),
                    sin6_addr: in6_addr(*v6.ip()),
                    sin6_scope_id: v6.scope_id(),
                };
                Self::of(raw, size_of_val(&raw))
            }
        }
    }
}

impl From<&UnixAddress> for Storage {
    fn from(address: &UnixAddress) -> Self {
        let mut raw =
            libc::sockaddr_un { sun_family: libc::AF_UNIX as libc::sa_family_t, sun_path: [0; 108] };
        for (to, from) in raw.sun_path.iter_mut().zip(&address.path) {
            *to = from.cast_signed() as libc::c_char;
        }
        // A path ends with a zero byte, an abstract name (which begins with one) with its length.
        let terminator = usize::from(address.path.first().is_some_and(|&b| b != 0));
        Self::of(raw, offset_of!(libc::sockaddr_un, sun_path) + address.path.len() + terminator)
    }
}

/// The address of a Unix datagram socket: a path, an abstract name, or nameless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress {
    /// At most 107 bytes, without the final zero; an abstract name begins with a zero byte.
    path: Vec<u8>,
}

impl UnixAddress {
    /// The address of the socket at `path`; an error if that has more than 107 bytes, none, or a zero byte.
    pub fn new(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        if bytes.is_empty() || bytes.len() > 107 || bytes.contains(&0) {
            let message = format!("{}: the path of a socket has 1 to 107 bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(Self { path: bytes.to_vec() })
    }

    /// The path, if it has one: a sender without one cannot be answered.
    pub fn path(&self) -> Option<PathBuf> {
        let named = self.path.first().is_some_and(|&b| b != 0);
        named.then(|| PathBuf::from(OsStr::from_bytes(&self.path)))
    }

    /// Can it be answered?
    pub fn is_nameless(&self) -> bool {
        self.path.is_empty()
    }
}

/// The Internet address of which the first `len` bytes of `raw` were filled, if it is one.
pub(crate) fn inet(raw: &libc::sockaddr_storage, len: libc::socklen_t) -> Option<SocketAddr> {
    let family = i32::from(raw.ss_family);
    if family == libc::AF_INET && len as usize >= size_of::<libc::sockaddr_in>() {
        // SAFETY: the family says that the storage, which is large and aligned enough, is a sockaddr_in.
        let v4: libc::sockaddr_in = unsafe { (&raw const *raw).cast::<libc::sockaddr_in>().read() };
        return Some(SocketAddrV4::new(ipv4(v4.sin_addr), u16::from_be(v4.sin_port)).into());
    }
    if family == libc::AF_INET6 && len as usize >= size_of::<libc::sockaddr_in6>() {
        // SAFETY: the family says that the storage, which is large and aligned enough, is a sockaddr_in6.
        let v6: libc::sockaddr_in6 = unsafe { (&raw const *raw).cast::<libc::sockaddr_in6>().read() };
        let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
        let port = u16::from_be(v6.sin6_port);
        return Some(SocketAddrV6::new(ip, port, u32::from_be(v6.sin6_flowinfo), v6.sin6_scope_id).into());
    }
    None
}

pub(crate) fn in_addr(ip: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) }
}

pub(crate) fn in6_addr(ip: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr { s6_addr: ip.octets() }
}

pub(crate) fn ipv4(address: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from(address.s_addr.to_ne_bytes())
}

/// Is this the address that stands for all of them?
pub(crate) fn specific(ip: IpAddr) -> Option<IpAddr> {
    (!ip.is_unspecified()).then_some(ip)
}

/// The address, unless it is nobody's, a group's or everybody's.
pub(crate) fn unicast(ip: IpAddr) -> Option<IpAddr> {
    specific(ip).filter(|ip| !ip.is_multicast() && *ip != IpAddr::V4(Ipv4Addr::BROADCAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internet_addresses_survive_the_kernel_s_form() {
        for text in ["0.0.0.0:0", "192.0.2.7:123", "[::1]:323", "[2001:db8::1]:65535"] {
            let address: SocketAddr = text.parse().expect("an address");
            assert_eq!(Storage::from(address).inet(), Some(address));
        }
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().expect("an address"), 123, 5, 2));
        assert_eq!(Storage::from(scoped).inet(), Some(scoped));
        assert_eq!(Storage::new().inet(), None);
    }

    #[test]
    fn paths_survive_and_long_ones_are_refused() {
        for length in [1, 50, 107] {
            let path = PathBuf::from("p".repeat(length));
            let address = UnixAddress::new(&path).expect("short enough");
            assert_eq!(Storage::from(&address).unix(), address);
            assert_eq!(address.path(), Some(path));
        }
        assert!(UnixAddress::new(Path::new(&"p".repeat(108))).is_err());
        assert!(UnixAddress::new(Path::new("")).is_err() && UnixAddress::new(Path::new("a\0b")).is_err());
        assert!(Storage::new().unix().is_nameless());
    }
}
