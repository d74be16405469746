//! The process: who it runs as, whether others live, going into the background, priority, memory.

use crate::cvt;
use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io::{self, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;

/// A user of the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Its main group.
    pub gid: u32,
}

/// The effective user id; 0: root.
pub fn effective_uid() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// This process's id.
pub fn id() -> u32 {
    std::process::id()
}

/// Looks a user up by name. `None`: there is no such user.
pub fn user(name: &str) -> io::Result<Option<User>> {
    let c_name = CString::new(name)?;
    let mut buffer = vec![0; 1024];
    loop {
        // SAFETY: passwd is made of integers and pointers; zeroes are a valid value.
        let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
        let mut found = std::ptr::null_mut();
        let (text, len) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: all pointers are live and exclusive, `text` for `len` bytes; `c_name` ends with a zero.
        let error = unsafe { libc::getpwnam_r(c_name.as_ptr(), &raw mut entry, text, len, &raw mut found) };
        match error {
            0 if found.is_null() => return Ok(None),
            0 => return Ok(Some(User { name: name.to_owned(), uid: entry.pw_uid, gid: entry.pw_gid })),
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 2, 0),
            libc::EINTR => {}
            // What C libraries say instead of "not found" when a database is missing.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Is there a process `pid` (which may belong to somebody else)?
pub fn alive(pid: i32) -> bool {
    if pid <= 0 {
        return false; // these mean groups of processes
    }
    // SAFETY: signal 0 is not sent; the call only checks.
    match cvt(unsafe { libc::kill(pid, 0) }) {
        Ok(_) => true,
        Err(error) => error.raw_os_error() == Some(libc::EPERM),
    }
}

/// Asks process `pid` to end (SIGTERM).
pub fn terminate(pid: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    // SAFETY: kill only reads its arguments.
    cvt(unsafe { libc::kill(pid, libc::SIGTERM) }).map(drop)
}

/// Sets the bits that new files do not get; returns the former ones.
pub fn set_umask(mask: u32) -> u32 {
    // SAFETY: umask only reads its argument and cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) }
}

/// Runs this thread before all ordinary ones (SCHED_FIFO, `priority` 1 … 99). EPERM without CAP_SYS_NICE.
pub fn set_realtime_priority(priority: i32) -> io::Result<()> {
    // SAFETY: sched_param is made of integers; zeroes are a valid value.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority;
    // Not sched_setscheduler, which musl does not have.
    // SAFETY: the thread is the calling one; `parameter` is live and only read.
    let error =
        unsafe { libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const parameter) };
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Keeps all memory of the process in RAM, now and later (mlockall), after lifting the limit on that: otherwise
/// allocations would fail once the rights of root are gone. EPERM or ENOMEM without the right to either; then nothing
/// is locked.
pub fn lock_memory() -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is live and only read.
    cvt(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) })?;
    // SAFETY: mlockall only reads its argument.
    cvt(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) }).map(drop)
}

/// The background process's line to the one that started it, which waits for [`Self::ready`].
#[derive(Debug)]
#[must_use = "the parent waits until this is used or dropped; dropping it means failure"]
pub struct Detached {
    report: PipeWriter,
}

/// Goes into the background: in a child process, with a session of its own and `/` as its folder. The parent waits
/// for [`Detached::ready`] and exits with status 0; if that never comes, with 1 and the message of
/// [`Detached::failed`] on standard error.
///
/// Only before the first thread is started: a child has just the one that called.
pub fn daemonise() -> io::Result<Detached> {
    let (mut reader, report) = io::pipe()?;
    match fork()? {
        0 => {
            drop(reader);
            // SAFETY: setsid takes nothing; it fails only for the leader of a group, which a new child is not.
            cvt(unsafe { libc::setsid() })?;
            std::env::set_current_dir("/")?;
            Ok(Detached { report })
        }
        _ => {
            drop(report);
            let mut message = Vec::new();
            let _ = reader.read_to_end(&mut message);
            if message.first() == Some(&READY) {
                std::process::exit(0);
            }
            let _ = io::stderr().write_all(&message);
            std::process::exit(1);
        }
    }
}

/// The byte that says "the daemon runs"; messages never begin with it.
const READY: u8 = 0;

/// `fork(2)`, refused with more than one thread: the child could then wait for ever for a lock of another's.
fn fork() -> io::Result<libc::pid_t> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(io::Error::other(format!("cannot divide a process with {threads} threads")));
    }
    // SAFETY: there is one thread, so the child may run anything its parent might.
    cvt(unsafe { libc::fork() })
}

/// Runs `child` in a new process, which ends with the status that it returns; gives that process's id. What both have
/// in memory then belongs to each alone. Only before the first thread is started.
pub fn spawn(child: impl FnOnce() -> i32) -> io::Result<i32> {
    match fork()? {
        0 => std::process::exit(child()),
        pid => Ok(pid),
    }
}

/// Has the child process `pid` ended? Then it is gone for good, and this is its status (`None`: ended by a signal).
pub fn reap(pid: i32) -> io::Result<Option<Option<i32>>> {
    let mut status = 0;
    // SAFETY: `status` is live and writable; the call does not wait.
    match cvt(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })? {
        0 => Ok(None),
        _ => Ok(Some(libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)))),
    }
}

/// The name of this process in lists of processes, at most 15 bytes.
pub fn set_name(name: &CStr) {
    // SAFETY: this option reads a string that ends with a zero. Failure changes nothing but a name.
    let _ = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// May open as many files as the hard limit says.
pub fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is live and writable.
    cvt(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is live and only read.
    cvt(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// Standard input, output and error lead nowhere from now on.
pub fn silence() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for standard in 0..=2 {
        // SAFETY: both descriptors are open; the standard three belong to the process, not to an owner.
        cvt(unsafe { libc::dup2(null.as_raw_fd(), standard) })?;
    }
    Ok(())
}

impl Detached {
    /// Lets the parent exit with success; standard input, output and error lead nowhere from now on.
    pub fn ready(mut self) -> io::Result<()> {
        silence()?;
        self.report.write_all(&[READY])
    }

    /// Lets the parent say `message` and exit with failure.
    pub fn failed(mut self, message: &str) -> io::Result<()> {
        self.report.write_all(message.as_bytes())?;
        self.report.write_all(b"\n")
    }
}

/// What the machine calls itself (gethostname).
pub fn host_name() -> io::Result<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: pointer and length describe the live buffer, less the last byte, which stays zero.
    cvt(unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) })?;
    let name = CStr::from_bytes_until_nul(&buffer).map_err(io::Error::other)?;
    Ok(name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_and_nobody_else_is_invented() {
        let root = user("root").expect("a user database").expect("root");
        assert_eq!(root, User { name: "root".to_owned(), uid: 0, gid: 0 });
        assert_eq!(user("no-such-user-here").expect("a user database"), None);
        assert!(user("a\0b").is_err());
    }

    #[test]
    fn only_real_processes_live() {
        assert!(alive(id().cast_signed()) && alive(1));
        assert!(!alive(0) && !alive(-1) && !alive(i32::MAX));
        assert!(terminate(-1).is_err() && terminate(0).is_err());
    }

    #[test]
    fn the_host_has_a_name() {
        assert!(!host_name().expect("a name").is_empty());
    }
}
