//! Reading the words of a command as chronyc reads them.
//!
//! Numbers are taken from the front of a word, as scanf does: `5x` is 5. That is not what we would choose, but
//! scripts that work with chronyc must keep working.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ntp::config::Family;
use ntp::control::actions::SourceFilter;
use ntp::report::Address;

use super::client::resolve;

/// The decimal integer at the front of `word`, wrapped to 32 bits; `None` when there is none.
pub fn scan_integer(word: &str) -> Option<i32> {
    let unsigned = word.strip_prefix(['-', '+']).unwrap_or(word);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return None;
    }
    let value = unsigned[..digits]
        .bytes()
        .fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    Some(if word.starts_with('-') { value.saturating_neg() } else { value } as i32)
}

/// The number at the front of `word`; `None` when there is none. Knows `inf` and `nan`.
pub fn scan_float(word: &str) -> Option<f64> {
    // The longest prefix that is a number; the words are short, so trying them all is cheap enough.
    word.char_indices()
        .map(|(start, letter)| start + letter.len_utf8())
        .rev()
        .find_map(|end| word[..end].parse().ok())
}

/// `ID#` and digits: the number of an unresolved source.
fn source_id(word: &str) -> Option<u32> {
    scan_integer(word.strip_prefix("ID#")?).map(|id| id as u32)
}

/// A source given by address, `ID#…` or name; names are looked up here, the first address counts.
pub fn source_address(word: &str, family: Family) -> Result<Address, NoAddress> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Address::from(address));
    }
    if let Some(id) = source_id(word) {
        return Ok(Address::Id(id));
    }
    resolve(word, family).first().map(|address| Address::from(*address)).ok_or(NoAddress::Unresolved)
}

/// The forms that `online`, `offline` and `burst` accept.
pub fn selected(word: &str, family: Family) -> Result<SourceFilter, NoAddress> {
    if word.is_empty() {
        return Ok(SourceFilter::ALL);
    }
    let Some((left, right)) = word.split_once('/') else {
        return source_address(word, family).map(SourceFilter::one);
    };
    let left: IpAddr = left.parse().map_err(|_| NoAddress::BadMask)?;
    // Either mask/address or address/bits.
    let (address, mask) = match right.parse::<IpAddr>() {
        Ok(address) => (address, left),
        Err(_) => {
            let bits = scan_integer(right).ok_or(NoAddress::BadMask)?;
            (left, prefix_mask(left, bits))
        }
    };
    if address.is_ipv4() != mask.is_ipv4() {
        return Err(NoAddress::BadMask);
    }
    Ok(SourceFilter { address: address.into(), mask: mask.into() })
}

/// The mask with `bits` leading ones in the family of `address`; a number out of range means all ones.
fn prefix_mask(address: IpAddr, bits: i32) -> IpAddr {
    let bits = u32::try_from(bits).unwrap_or(u32::MAX);
    match address {
        IpAddr::V4(_) => {
            Ipv4Addr::from_bits(u32::MAX.checked_shr(bits).map_or(u32::MAX, |rest| !rest)).into()
        }
        IpAddr::V6(_) => {
            Ipv6Addr::from_bits(u128::MAX.checked_shr(bits).map_or(u128::MAX, |rest| !rest)).into()
        }
    }
}

/// Why a word is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// The name does not resolve.
    Unresolved,
    /// Neither mask/address nor address/bits.
    BadMask,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn integers_are_read_as_scanf_reads_them() {
        for (word, value) in [
            ("5", Some(5)),
            ("-6", Some(-6)),
            ("+6", Some(6)),
            ("5x", Some(5)),
            ("0x10", Some(0)),
            ("1.5", Some(1)),
            ("2147483648", Some(i32::MIN)),
            ("x", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(scan_integer(word), value, "{word}");
        }
    }

    #[test]
    fn floats_are_read_from_the_front() {
        for (word, value) in [
            ("0.5s", Some(0.5)),
            ("1e", Some(1.0)),
            ("-1e-3", Some(-1e-3)),
            (".5", Some(0.5)),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(scan_float(word), value, "{word}");
        }
        assert_eq!(scan_float("inf"), Some(f64::INFINITY));
        assert!(scan_float("nan").is_some_and(f64::is_nan));
        assert_eq!(scan_float("0.5é"), Some(0.5));
    }

    #[test]
    fn sources_are_found_by_address_id_and_network() {
        let one = |word| source_address(word, Family::Any);
        assert_eq!(one("1.2.3.4"), Ok(Address::from(ip("1.2.3.4"))));
        assert_eq!(one("ID#0000000012"), Ok(Address::Id(12)));
        assert_eq!(one("ID#-1"), Ok(Address::Id(u32::MAX)));
        assert_eq!(one("no such name"), Err(NoAddress::Unresolved));

        let masked = |word: &str| match selected(word, Family::Any) {
            Ok(SourceFilter { address, mask }) => Some((address.ip()?, mask.ip()?)),
            _ => None,
        };
        let all = Some((ip("1.2.3.4"), ip("255.255.255.255")));
        assert_eq!(selected("", Family::Any), Ok(SourceFilter::ALL));
        assert_eq!(masked("1.2.3.4"), all);
        assert_eq!(masked("1.2.3.4/33"), all);
        assert_eq!(masked("1.2.3.4/-1"), all);
        assert_eq!(masked("1.2.3.4/0"), Some((ip("1.2.3.4"), ip("0.0.0.0"))));
        assert_eq!(masked("1.2.3.4/24/3"), Some((ip("1.2.3.4"), ip("255.255.255.0"))));
        assert_eq!(masked("255.255.0.0/1.2.3.4"), Some((ip("1.2.3.4"), ip("255.255.0.0"))));
        assert_eq!(masked("::1/64"), Some((ip("::1"), ip("ffff:ffff:ffff:ffff::"))));
        for bad in ["1.2.3.4/x", "255.0.0.0/::1", "1.2/16", "0/0", "ID#5/24", "localhost/8"] {
            assert_eq!(selected(bad, Family::Any), Err(NoAddress::BadMask), "{bad}");
        }
        assert_eq!(
            selected("ID#5", Family::Any),
            Ok(SourceFilter { address: Address::Id(5), mask: Address::Unspecified })
        );
    }
}
