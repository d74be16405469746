//! What a thread does to itself: where it runs, which rights it gives up, which signals it leaves to others.

use crate::cvt;
use std::io;

/// Runs this thread on processor `cpu` only. EINVAL: there is none of that number, or it may not be used.
pub fn run_on(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    // SAFETY: cpu_set_t is an array of integers; zeroes are a valid value (no processor).
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is within the set (checked above).
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: 0 is the calling thread; the set is live, of the size told, and only read.
    cvt(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) }).map(drop)
}

/// While this lives, this thread takes none of the signals that end the daemon, nor do threads it starts, for good.
#[derive(Debug)]
#[must_use = "signals come again when it is dropped"]
pub struct SignalsElsewhere(libc::sigset_t);

/// Leaves the signals of [`crate::signal::install`] to other threads.
pub fn leave_signals() -> io::Result<SignalsElsewhere> {
    // SAFETY: sigset_t is made of integers; zeroes are a valid value (an empty set).
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
        // SAFETY: the set is live and the signal a real one.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: both sets are live; the first is only read.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
    if error == 0 { Ok(SignalsElsewhere(before)) } else { Err(io::Error::from_raw_os_error(error)) }
}

impl Drop for SignalsElsewhere {
    fn drop(&mut self) {
        // SAFETY: the set is live and only read.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}

/// Gives up all capabilities of this thread; the others keep theirs.
pub fn drop_capabilities() -> io::Result<()> {
    crate::privileges::set_capabilities(0)
}

/// May something stand between us and the kernel (a preloaded library)? It wants to see each datagram, and to be
/// called by one thread.
pub fn simulated() -> bool {
    std::env::var_os("LD_PRELOAD").is_some_and(|libraries| !libraries.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_runs_where_it_is_told() {
        let thread = std::thread::spawn(|| {
            assert_eq!(run_on(100_000).expect_err("no such processor").raw_os_error(), Some(libc::EINVAL));
            let first = (0..1024).find(|&cpu| run_on(cpu).is_ok()).expect("one at least");
            // SAFETY: sched_getcpu takes nothing.
            let now = unsafe { libc::sched_getcpu() };
            assert_eq!(usize::try_from(now), Ok(first));
            assert_eq!(std::thread::available_parallelism().map(usize::from).ok(), Some(1));
        });
        thread.join().expect("as told");
    }

    #[test]
    fn signals_wait_until_they_may_come_again() {
        let blocked = || {
            // SAFETY: zeroes are a valid set; nothing is set, the present mask is written to it.
            unsafe {
                let mut now: libc::sigset_t = std::mem::zeroed();
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut now);
                libc::sigismember(&raw const now, libc::SIGTERM) == 1
            }
        };
        assert!(!blocked());
        let elsewhere = leave_signals().expect("a mask");
        assert!(blocked() && std::thread::spawn(blocked).join().expect("a thread"));
        drop(elsewhere);
        assert!(!blocked());
    }
}
