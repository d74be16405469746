//! `-F`: from the end of the start on, the daemon makes no system calls but those it needs.
//!
//! Level 1 is a list of what it needs, level 2 one of what it certainly does not (starting programs, looking into them).
//! A call that is refused fails; chrony's daemon would be killed, but a kernel or C library newer than the list must not
//! end a clock. With a negative level it is killed after all (SIGSYS), to find out what is missing.

use super::files::reason;
use super::logger;
use sys::seccomp::{Otherwise, calls, forbid, restrict};

/// Loads the filter of this level. Errors: there is no such level. A kernel or a processor that cannot is only logged.
pub fn load(level: i32) -> Result<(), String> {
    let otherwise = if level < 0 { Otherwise::Signal } else { Otherwise::Fail };
    let loaded = match level.abs() {
        0 => return Ok(()),
        1 => restrict(
            &[
                calls::COMMON,
                calls::FILES,
                calls::LOOKING,
                calls::TALKING,
                calls::WAITING,
                calls::SYSTEM_LOG,
                calls::STEERING,
            ],
            otherwise,
        ),
        2 => forbid(calls::STARTING, otherwise),
        _ => return Err("Unsupported filter level".to_owned()),
    };
    match loaded {
        Ok(()) => logger::info(&format!("Loaded seccomp filter (level {level})")),
        Err(error) => logger::warning(&format!("No system call filter here : {}", reason(&error))),
    }
    Ok(())
}
