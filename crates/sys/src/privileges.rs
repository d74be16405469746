//! From root to a user that may still steer the clock.
//!
//! `capset` is the C library's function (glibc and musl have it, if in no header), not a raw system call: a
//! preloaded simulator ends a process that makes one, and under it root drops to a user as anywhere else.

use crate::cvt;
use crate::process::User;
use std::ffi::c_int;
use std::io;

/// Rights of root that can be kept one by one; the values are the kernel's (linux/capability.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Capability {
    /// Bind ports below 1024.
    NetBindService = 10,
    /// Bind to an interface by name, on old kernels.
    NetRaw = 13,
    /// Steer the clock.
    SysTime = 25,
}

impl Capability {
    fn bit(self) -> u64 {
        1 << (self as u8)
    }
}

/// May this process steer the clock? False also where that cannot be told (no /proc): try it then.
pub fn have_cap_sys_time() -> bool {
    capabilities("CapEff:").is_some_and(|set| set & Capability::SysTime.bit() != 0)
}

/// One set of capabilities of this thread, from /proc.
fn capabilities(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/thread-self/status").ok()?;
    let set = status.lines().find_map(|text| text.strip_prefix(line))?;
    u64::from_str_radix(set.trim(), 16).ok()
}

/// Becomes `user` for good, with no group but its main one, keeping of `keep` what the process had.
/// Do it before the first thread is started: others would keep their capabilities.
pub fn drop_to(user: &User, keep: &[Capability]) -> io::Result<()> {
    let permitted = capabilities("CapPrm:").unwrap_or(u64::MAX);
    let kept = keep.iter().fold(0, |set, capability| set | capability.bit()) & permitted;
    // SAFETY: this option takes one number.
    cvt(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1 as libc::c_ulong) })?;
    // SAFETY: no groups: the null pointer is not read.
    cvt(unsafe { libc::setgroups(0, std::ptr::null()) })?;
    // SAFETY: setgid only reads its argument.
    cvt(unsafe { libc::setgid(user.gid) })?;
    // SAFETY: setuid only reads its argument.
    cvt(unsafe { libc::setuid(user.uid) })?;
    set_capabilities(kept)?;
    // SAFETY: this option takes one number.
    cvt(unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 0 as libc::c_ulong) }).map(drop)
}

/// Neither this process nor its children gain rights by running a program (set-user-id and the like).
pub fn set_no_new_privileges() -> io::Result<()> {
    let zero: libc::c_ulong = 0;
    // SAFETY: this option takes the numbers 1, 0, 0, 0.
    cvt(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1 as libc::c_ulong, zero, zero, zero) }).map(drop)
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`: half of each set.
#[repr(C)]
#[derive(Clone, Copy)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two halves.
const CAP_VERSION_3: u32 = 0x2008_0522;

unsafe extern "C" {
    /// capset(2). The C libraries declare the pointers differently; these are the kernel's.
    fn capset(header: *const CapHeader, data: *const CapData) -> c_int;
}

pub(crate) fn set_capabilities(set: u64) -> io::Result<()> {
    let half = |bits: u64| {
        let bits = (bits & 0xffff_ffff) as u32;
        CapData { effective: bits, permitted: bits, inheritable: 0 }
    };
    let header = CapHeader { version: CAP_VERSION_3, pid: 0 };
    let data = [half(set), half(set >> 32)];
    // SAFETY: version 3 reads one header and two data structures, both live; pid 0 is this thread.
    cvt(unsafe { capset(&raw const header, data.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_of_this_process_can_be_read() {
        assert!(capabilities("CapEff:").is_some(), "no /proc/self/status?");
        assert_eq!(capabilities("NoSuchLine:"), None);
        let bounding = capabilities("CapBnd:").expect("a bounding set");
        assert!(!have_cap_sys_time() || bounding & Capability::SysTime.bit() != 0);
    }
}
