//! `keygen`: a line for the key file, made without asking the daemon.

use super::arguments::scan_integer;
use super::random;
use ntp::auth::{Algorithm, file};

/// Shortest and longest digest key, bytes.
const KEY_LENGTH: std::ops::RangeInclusive<i32> = 10..=512;

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
    let algorithm = Algorithm::named(kind).ok_or_else(|| NoKey::UnknownType(kind.to_owned()))?;
    let bytes = bits.saturating_add(7) / 8;
    let any = || bytes.clamp(*KEY_LENGTH.start(), *KEY_LENGTH.end()) as usize;
    let length = algorithm.key_len().unwrap_or_else(any);
    let mut key = vec![0; length];
    random::fill(&mut key);
    Ok(file::line(id, algorithm, &key))
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
