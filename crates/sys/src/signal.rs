//! The signals that end the daemon.
//!
//! A handler only counts. It interrupts `poll(2)` (no SA_RESTART), after which the loop asks [`caught`]. A signal
//! that arrives just before `poll` is noticed at the next wake-up; whoever cannot wait sends a second one.

use crate::cvt;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// Number of the first signal caught; 0: none yet.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Catches SIGTERM, SIGINT, SIGQUIT and SIGHUP: the first is kept for [`caught`], the second ends the process at
/// once with exit status 1. Ignores SIGPIPE.
pub fn install() -> io::Result<()> {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        set(signal, catch as *const () as libc::sighandler_t)?;
    }
    set(libc::SIGPIPE, libc::SIG_IGN)
}

/// The signal that asks us to stop, if one came.
pub fn caught() -> Option<i32> {
    Some(CAUGHT.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

extern "C" fn catch(signal: i32) {
    if CAUGHT.swap(signal, Ordering::Relaxed) != 0 {
        // SAFETY: _exit is safe in a signal handler and does not return.
        unsafe { libc::_exit(1) };
    }
}

fn set(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: sigaction is made of integers, a set of bits and an optional pointer; zeroes are a valid value (an
    // empty mask, no flags).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: `action` is live and its handler, `catch` or SIG_IGN, takes one int and makes only
    // async-signal-safe calls.
    cvt(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_signal_is_kept() {
        install().expect("handlers");
        assert_eq!(caught(), None);
        // SAFETY: raise only sends a signal to this thread; the handler is installed.
        assert_eq!(unsafe { libc::raise(libc::SIGHUP) }, 0);
        assert_eq!(caught(), Some(libc::SIGHUP));
        CAUGHT.store(0, Ordering::Relaxed);
    }
}
