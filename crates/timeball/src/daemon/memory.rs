//! How much memory the client table may take.

use super::Name;
use ntp::config::ServerConfig;
use std::fs;

/// Timeball's own choice lies between these, bytes: 9000 clients, and more than a million.
const LEAST: u64 = 512 * 1024;
const MOST: u64 = 64 * 1024 * 1024;
/// … and is this part of the memory that is free.
const PART: u64 = 32;
/// Larger than any table gets, so that "no limit" is no reason for a word.
const LARGEST: u64 = 800 * 1024 * 1024;

/// What there is, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What programs can still have.
    pub available: u64,
}

impl Memory {
    /// This machine's, or this container's if that has less; `None` where the kernel does not tell.
    pub fn read() -> Option<Self> {
        let memory = Self::parse(&fs::read_to_string("/proc/meminfo").ok()?)?;
        let file =
            |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok();
        Some(memory.within(file("memory.max"), file("memory.current")))
    }

    fn parse(text: &str) -> Option<Self> {
        let kilobytes = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
        };
        let total = kilobytes("MemTotal")?;
        // Kernels before 3.14 do not tell what is available.
        Some(Self {
            total,
            available: kilobytes("MemAvailable").or_else(|| kilobytes("MemFree")).unwrap_or(total),
        })
    }

    fn within(self, most: Option<u64>, used: Option<u64>) -> Self {
        let Some(most) = most else { return self };
        let left = most.saturating_sub(used.unwrap_or(0));
        Self { total: self.total.min(most), available: self.available.min(left) }
    }
}

/// Decides about `clientloglimit`. `Ok` with a text: the operator should know.
///
/// Timeball chooses for itself unless it was told, and refuses more than the machine has. chronyd's table grows until
/// there is no memory left, so its users may have any number in their files: as chronyd, what cannot be is not taken.
pub fn size_client_log(
    name: Name,
    server: &mut ServerConfig,
    memory: Option<Memory>,
) -> Result<Option<String>, String> {
    let Some(memory) = memory else { return Ok(None) };
    let limit = server.client_log_limit;
    match name {
        _ if server.no_client_log => Ok(None),
        Name::Timeball if !server.client_log_set => {
            server.client_log_limit = (memory.available / PART).clamp(LEAST, MOST);
            Ok(None)
        }
        Name::Timeball if limit > memory.total => Err(format!(
            "clientloglimit {limit} is more than this machine's memory of {} bytes (without it, {} would be taken)",
            memory.total,
            (memory.available / PART).clamp(LEAST, MOST)
        )),
        _ if limit.min(LARGEST) > memory.available / 2 => {
            server.client_log_limit = memory.available / 2;
            Ok(Some(format!(
                "clientloglimit is too large for this machine: {} bytes are taken, half of what is free",
                server.client_log_limit
            )))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_kernels_words_are_understood() {
        let text = "MemTotal:        2017080 kB\nMemFree:           51200 kB\nMemAvailable:    1048576 kB\n";
        let memory = Memory { total: 2_017_080 * 1024, available: GIB };
        assert_eq!(Memory::parse(text), Some(memory));
        assert_eq!(Memory::parse("MemTotal: 10 kB\n").map(|memory| memory.available), Some(10_240));
        assert_eq!(Memory::parse("nothing"), None);
        let small = memory.within(Some(GIB / 2), Some(GIB / 8));
        assert_eq!(small, Memory { total: GIB / 2, available: GIB / 8 * 3 });
        assert_eq!(memory.within(None, Some(7)), memory);
        assert!(Memory::read().is_some_and(|memory| memory.total >= memory.available), "/proc is there");
    }

    #[test]
    fn the_size_follows_the_memory_and_too_much_is_refused() {
        let size = |name, set: Option<u64>, available: u64| {
            let mut server = ServerConfig::default();
            if let Some(limit) = set {
                (server.client_log_limit, server.client_log_set) = (limit, true);
            }
            let memory = Memory { total: 2 * available, available };
            size_client_log(name, &mut server, Some(memory))
                .map(|said| (server.client_log_limit, said.is_some()))
        };
        use Name::{Chronyd, Timeball};
        assert_eq!(size(Timeball, None, 64 * GIB), Ok((MOST, false)));
        assert_eq!(size(Timeball, None, GIB / 4), Ok((8 << 20, false)));
        assert_eq!(size(Timeball, None, 1 << 20), Ok((LEAST, false)));
        assert_eq!(size(Chronyd, None, GIB), Ok((LEAST, false)), "chrony's own default");
        assert_eq!(size(Chronyd, Some(u64::MAX), 4 * GIB), Ok((u64::MAX, false)), "as large as it can get");
        assert_eq!(size(Chronyd, Some(u64::MAX), GIB), Ok((GIB / 2, true)));
        assert_eq!(size(Timeball, Some(GIB), GIB), Ok((GIB / 2, true)));
        assert_eq!(size(Timeball, Some(100_000_000), GIB), Ok((100_000_000, false)));
        let refused = size(Timeball, Some(3 * GIB), GIB).expect_err("more than there is");
        assert!(refused.contains("3221225472") && refused.contains("2147483648 bytes"), "{refused}");
    }
}
