//! `keygen`: a line for the key file, made without asking the daemon.

use std::fmt::Write;

use super::arguments::scan_integer;
use super::random;

/// Shortest and longest digest key, bytes.
const KEY_LENGTH: std::ops::RangeInclusive<i32> = 10..=512;

/// Hash functions: any length of key will do.
const HASHES: [&str; 9] =
    ["MD5", "SHA1", "SHA256", "SHA384", "SHA512", "SHA3-224", "SHA3-256", "SHA3-384", "SHA3-512"];

/// Ciphers, whose keys have one length in bytes.
const CIPHERS: [(&str, usize); 2] = [("AES128", 16), ("AES256", 32)];

/// Why there is no key.
#[derive(Debug, PartialEq, Eq)]
pub enum NoKey {
    /// Not `[id [type [bits]]]`.
    BadSyntax,
    /// A type that is neither hash function nor cipher.
    UnknownType(String),
}

/// The line of the key file for the arguments `[id [type [bits]]]`.
pub fn line(words: &[&str]) -> Result<String, NoKey> {
    let number = |at: usize, default: i32| match words.get(at) {
        Some(word) => scan_integer(word).ok_or(NoKey::BadSyntax),
        None => Ok(default),
    };
    if words.len() > 3 {
        return Err(NoKey::BadSyntax);
    }
    let id = number(0, 1)? as u32;
    let kind = words.get(1).copied().unwrap_or("SHA1");
    let bits = number(2, 160)?;
    let length = if let Some((_, length)) = CIPHERS.iter().find(|(name, _)| *name == kind) {
        *length
    } else if HASHES.contains(&kind) {
        let bytes = bits.saturating_add(7) / 8;
        bytes.clamp(*KEY_LENGTH.start(), *KEY_LENGTH.end()) as usize
    } else {
        return Err(NoKey::UnknownType(kind.to_owned()));
    };
    let mut key = vec![0; length];
    random::fill(&mut key);
    let hex = key.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}"); // writing to a string cannot fail
        hex
    });
    Ok(format!("{id} {kind} HEX:{hex}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_length_asked_for() {
        for (words, start, bytes) in [
            (&[][..], "1 SHA1 HEX:", 20),
            (&["7", "MD5", "8"], "7 MD5 HEX:", 10),
            (&["1", "MD5", "99999"], "1 MD5 HEX:", 512),
            (&["1", "SHA1", "85"], "1 SHA1 HEX:", 11),
            (&["-1", "SHA3-512", "512"], "4294967295 SHA3-512 HEX:", 64),
            (&["3", "AES128", "8"], "3 AES128 HEX:", 16),
            (&["3", "AES256"], "3 AES256 HEX:", 32),
        ] {
            let line = line(words).expect("good arguments");
            let hex = line.strip_prefix(start).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(hex.len(), 2 * bytes, "{line}");
            assert!(hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "{line}");
        }
        assert_ne!(line(&[]), line(&[]));
    }

    #[test]
    fn bad_arguments_are_told_apart() {
        assert_eq!(line(&["x"]), Err(NoKey::BadSyntax));
        assert_eq!(line(&["1", "SHA1", "x"]), Err(NoKey::BadSyntax));
        assert_eq!(line(&["1", "SHA1", "160", "x"]), Err(NoKey::BadSyntax));
        assert_eq!(line(&["1", "sha1"]), Err(NoKey::UnknownType("sha1".to_owned())));
    }
}
