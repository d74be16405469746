//! One set-up or undoing at a time.

use super::tree::Tree;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;

/// Held while the system is changed; given back by the kernel when the process ends, however it does.
#[derive(Debug)]
pub struct Lock {
    _folder: Option<File>,
}

impl Lock {
    /// Locks the tree's `/etc`, which is there before the first set-up and after the last undoing. Says who has it.
    pub fn take(tree: &Tree) -> io::Result<Self> {
        let Ok(folder) = File::open(tree.real("/etc")) else { return Ok(Self { _folder: None }) };
        match folder.try_lock() {
            Ok(()) => Ok(Self { _folder: Some(folder) }),
            // Not every file system has locks.
            Err(TryLockError::Error(_)) => Ok(Self { _folder: None }),
            Err(TryLockError::WouldBlock) => {
                let who = holder(&folder).map_or_else(String::new, |pid| {
                    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                    let words = String::from_utf8_lossy(&words).trim_end_matches('\0').replace('\0', " ");
                    format!(": process {pid} ({words})")
                });
                Err(io::Error::other(format!(
                    "Another setup or undo is at work here{who}. Nothing was changed; try again when it has ended."
                )))
            }
        }
    }
}

/// Who has the lock of an open file, as the kernel lists it.
fn holder(file: &File) -> Option<u32> {
    let inode = format!(":{}", file.metadata().ok()?.ino());
    // 1: FLOCK  ADVISORY  WRITE 1234 08:01:131 0 EOF
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, "FLOCK", _, _, pid, place, ..] if place.ends_with(&inode) => pid.parse().ok(),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::Scratch;
    use super::*;

    #[test]
    fn the_second_is_told_who_is_first() {
        let scratch = Scratch::new("lock");
        let tree = scratch.tree(&[("/etc/a", "")]);
        let first = Lock::take(&tree).unwrap();
        let refused = Lock::take(&tree).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {} (", std::process::id())), "{refused}");
        drop(first);
        let _again = Lock::take(&tree).unwrap();
        assert_eq!(tree.list("/etc"), ["a"], "it leaves nothing");
    }
}
