//! The key file: read at the start, before root is given up, and again on `rekey`.

use super::files;
use super::logger;
use ntp::auth::{Keys, file};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Longest key file that is read, bytes: some ten thousand keys.
const LONGEST: u64 = 1024 * 1024;

/// Bits of the permissions that a file of secrets should not have, and how that is said.
const TOO_OPEN: [(u32, &str); 2] = [(0o004, "World-readable"), (0o002, "World-writable")];

/// What is in the key file at `path`; `Err`: why it cannot be read.
pub fn read(path: &Path) -> Result<String, String> {
    match files::read(path, LONGEST) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(format!("Could not open keyfile {} : No such file or directory", path.display())),
        Err(failure) => Err(failure.to_string().replacen("open ", "open keyfile ", 1)),
    }
}

/// The keys of the file at `path`, or `None` when it cannot be read, which is said: the keys known so far hold.
pub fn load(path: &Path) -> Option<Keys> {
    let text = match read(path) {
        Ok(text) => text,
        Err(why) => {
            logger::warning(&why);
            return None;
        }
    };
    if let Ok(metadata) = fs::metadata(path) {
        let mode = metadata.permissions().mode();
        for (_, word) in TOO_OPEN.iter().filter(|(bit, _)| mode & bit != 0) {
            logger::warning(&format!("{word} permissions on {}", path.display()));
        }
    }
    let (keys, faults) = file::parse(&text);
    let name = path.display().to_string();
    faults.iter().for_each(|fault| logger::warning(&fault.of(&name).to_string()));
    let count = keys.len();
    logger::info(&format!("Loaded {count} symmetric keys"));
    Some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_gives_nothing() {
        assert!(load(Path::new("/nonexistent/keys")).is_none());
    }

    #[test]
    fn good_lines_count_whatever_is_beside_them() {
        let path = std::env::temp_dir().join(format!("timeball-keys-{}", std::process::id()));
        fs::write(&path, "1 SHA1 HEX:1DC764e0791B11FA67EFC7ECBC4B0D73F68A070C\nnonsense\n").unwrap();
        let keys = load(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_eq!(keys.len(), 1);
    }
}
