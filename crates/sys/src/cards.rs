//! Network interfaces: their names, the clock on the card, and what the card stamps (linux/ethtool.h,
//! linux/net_tstamp.h).

use crate::cvt;
use crate::socket::{Family, Socket};
use std::ffi::{c_char, c_int};
use std::io;
use std::os::fd::AsRawFd;

/// What an interface can do about time stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampingAbility {
    /// `SOF_TIMESTAMPING_…` bits.
    pub flags: u32,
    /// Number of the card's clock, /dev/ptpN; `None` without one.
    pub clock: Option<u32>,
    /// Bit n: sent packets can be stamped in manner n (`HWTSTAMP_TX_…`).
    pub sent: u32,
    /// Bit n: received packets can be chosen by filter n (`HWTSTAMP_FILTER_…`).
    pub filters: u32,
}

impl StampingAbility {
    /// Are packets stamped by the card both ways, in its own time, and is there a clock to read it by?
    pub fn hardware(&self) -> bool {
        // TX_HARDWARE, RX_HARDWARE, RAW_HARDWARE
        const ALL: u32 = 1 | 4 | 64;
        self.flags & ALL == ALL && self.clock.is_some()
    }
}

#[repr(C)]
#[derive(Default)]
struct TimestampInfo {
    command: u32,
    stamping: u32,
    clock: i32,
    sent: u32,
    reserved: [u32; 3],
    filters: u32,
    more: [u32; 3],
}

/// What an interface is asked to stamp (`struct hwtstamp_config`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampingConfig {
    /// None are defined that matter here.
    pub flags: c_int,
    /// 1: sent packets are stamped.
    pub sent: c_int,
    /// Which received ones are (`HWTSTAMP_FILTER_…`).
    pub filter: c_int,
}

/// Filters of received packets.
pub mod filter {
    /// None is stamped.
    pub const NONE: i32 = 0;
    /// All.
    pub const ALL: i32 = 1;
    /// PTP version 2, all messages over UDP.
    pub const PTP: i32 = 12;
    /// NTP.
    pub const NTP: i32 = 15;
}

const ETHTOOL: u64 = 0x8946;
const SET_STAMPING: u64 = 0x89b0;
const GET_STAMPING: u64 = 0x89b1;
const GET_TIMESTAMP_INFO: u32 = 0x41;

/// `struct ifreq` with a pointer in its union.
#[repr(C)]
struct Request<T> {
    name: [c_char; libc::IFNAMSIZ],
    data: *mut T,
    rest: [usize; 2],
}

#[allow(clippy::cast_lossless, reason = "the C libraries differ in the type")]
fn ask<T>(name: &str, number: u64, data: &mut T) -> io::Result<()> {
    let mut request = Request { name: [0; libc::IFNAMSIZ], data: std::ptr::from_mut(data), rest: [0; 2] };
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::Error::from_raw_os_error(libc::ENODEV));
    }
    for (to, from) in request.name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    let socket = Socket::udp(Family::Inet).or_else(|_| Socket::udp(Family::Inet6))?;
    // SAFETY: the request is as long as the kernel's ifreq at least, and points to a live structure that is the one of
    // this number.
    cvt(unsafe { libc::ioctl(socket.as_raw_fd(), number as _, &raw mut request) }).map(drop)
}

/// What the interface can do. ENODEV: there is none of this name.
pub fn stamping_ability(name: &str) -> io::Result<StampingAbility> {
    let mut info = TimestampInfo { command: GET_TIMESTAMP_INFO, ..TimestampInfo::default() };
    ask(name, ETHTOOL, &mut info)?;
    Ok(StampingAbility {
        flags: info.stamping,
        clock: u32::try_from(info.clock).ok(),
        sent: info.sent,
        filters: info.filters,
    })
}

/// Number of the card's clock; `None`: it has none.
pub fn card_clock(name: &str) -> io::Result<Option<u32>> {
    Ok(stamping_ability(name)?.clock)
}

/// What the interface stamps now.
pub fn stamping(name: &str) -> io::Result<StampingConfig> {
    let mut config = StampingConfig::default();
    ask(name, GET_STAMPING, &mut config)?;
    Ok(config)
}

/// Has the interface stamp packets; what it really does comes back (it may stamp more).
pub fn set_stamping(name: &str, config: StampingConfig) -> io::Result<StampingConfig> {
    let mut config = config;
    ask(name, SET_STAMPING, &mut config)?;
    Ok(config)
}

/// The names of all interfaces with their numbers.
pub fn all() -> Vec<(u32, String)> {
    // SAFETY: if_nameindex allocates a list that ends with a zero index and a null name.
    let list = unsafe { libc::if_nameindex() };
    let mut out = Vec::new();
    if list.is_null() {
        return out;
    }
    let mut at = list;
    loop {
        // SAFETY: `at` is inside the list until its end is reached.
        let entry = unsafe { &*at };
        if entry.if_index == 0 || entry.if_name.is_null() {
            break;
        }
        // SAFETY: the names of the list are C strings.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.if_name) };
        out.push((entry.if_index, name.to_string_lossy().into_owned()));
        // SAFETY: this was not the last.
        at = unsafe { at.add(1) };
    }
    // SAFETY: the list is what if_nameindex gave; nobody uses it after this.
    unsafe { libc::if_freenameindex(list) };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_no_clock_and_what_is_not_there_is_refused() {
        let loopback = all().into_iter().find(|(_, name)| name == "lo");
        let Some((_, name)) = loopback else {
            eprintln!("SKIPPED: no loopback interface here");
            return;
        };
        match stamping_ability(&name) {
            Ok(ability) => assert!(!ability.hardware(), "{ability:?}"),
            Err(error) => eprintln!("SKIPPED: no ethtool requests here ({error})"),
        }
        assert_eq!(stamping_ability("none0").expect_err("none").raw_os_error(), Some(libc::ENODEV));
        assert!(stamping_ability("a-name-that-is-too-long").is_err());
    }
}
