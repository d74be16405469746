//! The key file: one key a line, `ID [TYPE] KEY`.

use super::{Algorithm, Key, Keys};
use crate::ids::KeyId;
use core::fmt;

/// Longest line read, bytes; what is beyond is cut off.
const LINE_MAX: usize = 2047;

/// Why a line gives no key, or is doubtful. Nothing in it tells a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Not `ID [TYPE] KEY` with a number first.
    Line(usize),
    /// No such type.
    Type(u32),
    /// HEX: that is not hexadecimal, or nothing at all.
    Undecodable(u32),
    /// A cipher's key has one length only, bits.
    Length(u32, Algorithm, usize),
    /// The number is taken; the first key with it holds.
    Duplicate(u32),
}

/// A fault as the log says it.
#[derive(Clone, Copy, Debug)]
pub struct Described<'a> {
    fault: KeyFault,
    file: &'a str,
}

impl KeyFault {
    /// Words for it; `file` is the key file's name.
    pub fn of<'a>(&self, file: &'a str) -> Described<'a> {
        Described { fault: *self, file }
    }
}

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            KeyFault::Line(line) => write!(f, "Could not parse key at line {line} in file {}", self.file),
            KeyFault::Type(id) => {
                write!(f, "Invalid type in key {id}")?;
                f.write_str("; known are")?;
                Algorithm::names().try_for_each(|name| write!(f, " {name}"))
            }
            KeyFault::Undecodable(id) => write!(f, "Could not decode key {id}"),
            KeyFault::Length(id, algorithm, bits) => {
                write!(f, "Invalid length of {} key {id} (expected {bits} bits)", algorithm.name())
            }
            KeyFault::Duplicate(id) => write!(f, "Detected duplicate key {id}"),
        }
    }
}

/// Reads the text of a key file. Lines with faults are left out, the others hold.
pub fn parse(text: &str) -> (Keys, Vec<KeyFault>) {
    let (mut keys, mut faults) = (Keys::default(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        match parse_line(line, number.saturating_add(1)) {
            Ok(None) => {}
            Ok(Some(key)) => {
                let id = key.id().0;
                if keys.insert(key).is_none() {
                    faults.push(KeyFault::Duplicate(id));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    (keys, faults)
}

/// The key of one line; `None` for an empty line or a comment.
fn parse_line(line: &str, number: usize) -> Result<Option<Key>, KeyFault> {
    let line = line.get(..LINE_MAX).unwrap_or(line).trim_start();
    if line.is_empty() || line.starts_with(['!', ';', '#', '%']) {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace();
    let (id, kind, secret) = match (words.next(), words.next(), words.next(), words.next()) {
        (Some(id), Some(secret), None, None) => (id, "MD5", secret),
        (Some(id), Some(kind), Some(secret), None) => (id, kind, secret),
        _ => return Err(KeyFault::Line(number)),
    };
    let id = key_number(id).ok_or(KeyFault::Line(number))?;
    let algorithm = Algorithm::named(kind).ok_or(KeyFault::Type(id))?;
    let secret = decode(secret).filter(|secret| !secret.is_empty()).ok_or(KeyFault::Undecodable(id))?;
    let wrong_length = || KeyFault::Length(id, algorithm, algorithm.key_len().unwrap_or(0).saturating_mul(8));
    Key::new(KeyId(id), algorithm, &secret).map(Some).ok_or_else(wrong_length)
}

/// The leading digits of `word`, modulo 2³² (chrony's reading); `None` without any.
fn key_number(word: &str) -> Option<u32> {
    let (negative, digits) = match word.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, word.strip_prefix('+').unwrap_or(word)),
    };
    let mut digits =
        digits.bytes().take_while(u8::is_ascii_digit).map(|digit| u32::from(digit & 0x0f)).peekable();
    digits.peek()?;
    let number = digits.fold(0u32, |number, digit| number.wrapping_mul(10).wrapping_add(digit));
    Some(if negative { number.wrapping_neg() } else { number })
}

fn decode(word: &str) -> Option<Vec<u8>> {
    if let Some(hex) = word.strip_prefix("HEX:") {
        let nibble = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
        return pairs.iter().map(|&[high, low]| Some(nibble(high)? << 4 | nibble(low)?)).collect();
    }
    Some(word.strip_prefix("ASCII:").unwrap_or(word).as_bytes().to_vec())
}

/// A line for the key file: what `keygen` prints.
pub fn line(id: u32, algorithm: Algorithm, secret: &[u8]) -> String {
    let hex: String = secret.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{id} {} HEX:{hex}", algorithm.name())
}
