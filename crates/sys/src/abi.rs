//! Structures and numbers we declare ourselves, because time needs 64 bits everywhere.
//!
//! The libc crate still declares a 32-bit `time_t` for 32-bit musl and glibc. On such targets this module
//! declares the 64-bit structures and links the C library's 64-bit entry points; on 64-bit targets everything is
//! identical to libc's, which the assertions at the end prove at compile time.

use core::ffi::{c_int, c_uint};

/// The kernel's numbers that the libc crate does not have for every target (include/uapi/asm-generic/socket.h).
pub(crate) mod number {
    use core::ffi::c_int;

    /// `SO_TIMESTAMPING` whose messages carry 64-bit times: the old number where `long` has 64 bits.
    pub const SO_TIMESTAMPING: c_int = if cfg!(target_pointer_width = "64") { 37 } else { 65 };
    /// Time stamps in the error queue are announced by POLLPRI too.
    pub const SO_SELECT_ERR_QUEUE: c_int = 45;
    /// Each message tells how many were dropped before it.
    pub const SO_RXQ_OVFL: c_int = 40;

    /// A program chooses among the sockets of one address.
    pub const SO_ATTACH_REUSEPORT_CBPF: c_int = 51;

    /// Stamp outgoing packets just before the driver takes them (linux/net_tstamp.h).
    pub const SOF_TX_SOFTWARE: c_int = 1 << 1;
    /// Stamp outgoing packets by the card, received ones by the card, and report these stamps; and those by software too.
    pub const SOF_HARDWARE: c_int = 1 << 0 | 1 << 2 | 1 << 6 | 1 << 14;
    /// Stamp incoming packets when the driver hands them over.
    pub const SOF_RX_SOFTWARE: c_int = 1 << 3;
    /// Report the stamps taken by software.
    pub const SOF_SOFTWARE: c_int = 1 << 4;
    /// Number the outgoing packets of a socket.
    pub const SOF_OPT_ID: c_int = 1 << 7;

    /// Origin of an error queue entry: a time stamp (linux/errqueue.h).
    pub const SO_EE_ORIGIN_TIMESTAMPING: u8 = 4;
}

/// C's `long` as `struct timex` uses it: musl keeps it, the kernel and glibc's 64-bit time widen it.
#[cfg(all(target_pointer_width = "32", target_env = "musl"))]
pub type Long = i32;
/// C's `long` as `struct timex` uses it.
#[cfg(not(all(target_pointer_width = "32", target_env = "musl")))]
pub type Long = i64;

/// C's `long`, widened.
#[allow(clippy::useless_conversion, reason = "i32 on 32-bit musl")]
pub fn wide(value: Long) -> i64 {
    value.into()
}

/// To C's `long`; what is too large becomes the largest.
#[allow(clippy::useless_conversion, reason = "i32 on 32-bit musl")]
pub fn long(value: i64) -> Long {
    value.try_into().unwrap_or(if value < 0 { Long::MIN } else { Long::MAX })
}

/// Explicit padding words where the kernel's `struct __kernel_timex` has them.
const PAD: usize = if size_of::<Long>() == 8 { 1 } else { 0 };

/// Seconds and nanoseconds, 64 bits each.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timespec {
    /// Seconds.
    pub sec: i64,
    /// Nanoseconds, 0 … 999 999 999.
    pub nsec: i64,
}

impl Timespec {
    /// Splits nanoseconds since the Unix epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { sec: nanos.div_euclid(1_000_000_000), nsec: nanos.rem_euclid(1_000_000_000) }
    }

    /// Nanoseconds since the epoch; saturating (the years 1678 … 2262).
    pub const fn nanos(self) -> i64 {
        self.sec.saturating_mul(1_000_000_000).saturating_add(self.nsec)
    }
}

/// Seconds and micro- or nanoseconds, 64 bits each.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeval {
    /// Seconds.
    pub sec: i64,
    /// Microseconds; nanoseconds with [`timex::ADJ_NANO`](crate::clock::timex::ADJ_NANO).
    pub usec: i64,
}

/// `struct timex` of adjtimex(2). Field names and units are the manual page's.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are those of adjtimex(2)")]
pub struct Timex {
    /// What to set: `ADJ_*`; 0 only reads.
    pub modes: c_uint,
    #[doc(hidden)]
    pub pad1: [c_int; PAD],
    pub offset: Long,
    /// Frequency, 2⁻¹⁶ ppm; positive: faster.
    pub freq: Long,
    /// Maximal error, µs.
    pub maxerror: Long,
    /// Estimated error, µs.
    pub esterror: Long,
    /// `STA_*`.
    pub status: c_int,
    #[doc(hidden)]
    pub pad2: [c_int; PAD],
    /// PLL time constant; with `ADJ_TAI` the TAI offset, s.
    pub constant: Long,
    pub precision: Long,
    pub tolerance: Long,
    /// The time; with `ADJ_SETOFFSET` the offset to add.
    pub time: Timeval,
    /// Microseconds between ticks of USER_HZ.
    pub tick: Long,
    pub ppsfreq: Long,
    pub jitter: Long,
    pub shift: c_int,
    #[doc(hidden)]
    pub pad3: [c_int; PAD],
    pub stabil: Long,
    pub jitcnt: Long,
    pub calcnt: Long,
    pub errcnt: Long,
    pub stbcnt: Long,
    /// TAI − UTC, s.
    pub tai: c_int,
    #[doc(hidden)]
    pub pad4: [c_int; 11],
}

/// The time calls with 64-bit structures: plain names where `long` has 64 bits.
pub(crate) mod call {
    use super::{Timespec, Timex};
    use core::ffi::c_int;

    #[allow(clashing_extern_declarations, reason = "libc's declarations name its own, equal structures")]
    unsafe extern "C" {
        #[cfg_attr(target_pointer_width = "32", link_name = "__clock_gettime64")]
        pub fn clock_gettime(clock: libc::clockid_t, time: *mut Timespec) -> c_int;
        #[cfg_attr(target_pointer_width = "32", link_name = "__clock_settime64")]
        pub fn clock_settime(clock: libc::clockid_t, time: *const Timespec) -> c_int;
        #[cfg_attr(
            all(target_pointer_width = "32", target_env = "musl"),
            link_name = "__clock_getres_time64"
        )]
        #[cfg_attr(
            all(target_pointer_width = "32", not(target_env = "musl")),
            link_name = "__clock_getres64"
        )]
        pub fn clock_getres(clock: libc::clockid_t, resolution: *mut Timespec) -> c_int;
        #[cfg_attr(target_pointer_width = "32", link_name = "__clock_adjtime64")]
        pub fn clock_adjtime(clock: libc::clockid_t, timex: *mut Timex) -> c_int;
        #[cfg_attr(all(target_pointer_width = "32", target_env = "musl"), link_name = "__adjtimex_time64")]
        #[cfg_attr(all(target_pointer_width = "32", not(target_env = "musl")), link_name = "___adjtimex64")]
        pub fn adjtimex(timex: *mut Timex) -> c_int;
    }
}

const _: () = {
    assert!(size_of::<Timespec>() == 16 && size_of::<Timeval>() == 16);
    // struct __kernel_timex has 208 bytes everywhere; musl's 32-bit one is shorter (its longs stay 32 bits).
    assert!(size_of::<Timex>() == 208 || size_of::<Long>() == 4);
    assert!(core::mem::offset_of!(Timex, time) == 72 || size_of::<Long>() == 4);
};

#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::{align_of, offset_of};
    assert!(size_of::<Timespec>() == size_of::<libc::timespec>());
    assert!(size_of::<Timeval>() == size_of::<libc::timeval>());
    assert!(
        size_of::<Timex>() == size_of::<libc::timex>() && align_of::<Timex>() == align_of::<libc::timex>()
    );
    assert!(offset_of!(Timex, freq) == offset_of!(libc::timex, freq));
    assert!(offset_of!(Timex, status) == offset_of!(libc::timex, status));
    assert!(offset_of!(Timex, constant) == offset_of!(libc::timex, constant));
    assert!(offset_of!(Timex, time) == offset_of!(libc::timex, time));
    assert!(offset_of!(Timex, tick) == offset_of!(libc::timex, tick));
    assert!(offset_of!(Timex, shift) == offset_of!(libc::timex, shift));
    assert!(offset_of!(Timex, tai) == offset_of!(libc::timex, tai));
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nanoseconds_survive_the_split() {
        for nanos in [0, 1, -1, 999_999_999, -1_000_000_001, i64::MAX / 2] {
            assert_eq!(Timespec::from_nanos(nanos).nanos(), nanos);
        }
        assert_eq!(Timespec::from_nanos(-1), Timespec { sec: -1, nsec: 999_999_999 });
        assert_eq!(Timespec { sec: i64::MAX, nsec: 5 }.nanos(), i64::MAX);
    }
}
