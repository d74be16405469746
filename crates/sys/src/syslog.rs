//! The system log: `syslog(3)`.

use std::ffi::{CStr, CString};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// LOG_DEBUG.
    Debug,
    /// LOG_INFO.
    Info,
    /// LOG_WARNING.
    Warning,
    /// LOG_ERR.
    Error,
    /// LOG_CRIT.
    Critical,
}

/// Opens the log as a daemon named `name`, with the process id in each line.
pub fn open(name: &'static CStr) {
    // SAFETY: the C library keeps the pointer, which lives for ever.
    unsafe { libc::openlog(name.as_ptr(), libc::LOG_PID, libc::LOG_DAEMON) };
}

/// Writes one line. What follows a zero byte is cut off.
pub fn log(priority: Priority, text: &str) {
    let line: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).collect();
    let line = CString::new(line).unwrap_or_default();
    let level = match priority {
        Priority::Debug => libc::LOG_DEBUG,
        Priority::Info => libc::LOG_INFO,
        Priority::Warning => libc::LOG_WARNING,
        Priority::Error => libc::LOG_ERR,
        Priority::Critical => libc::LOG_CRIT,
    };
    // SAFETY: both strings end with a zero; the format takes exactly one string.
    unsafe { libc::syslog(level, c"%s".as_ptr(), line.as_ptr()) };
}
