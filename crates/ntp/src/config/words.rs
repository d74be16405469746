//! The words of one line, and the numbers in them.
//!
//! chrony reads numbers in two ways, and existing files depend on both: the last argument may carry junk behind a
//! number (`0.5s` is 0.5), while inside an option list the text behind the number is the next word (`minpoll 1.5`
//! is an unknown option `.5`). [`Words`] knows both; what is ignored is noted as a warning.

/// Why a line was refused. The wording belongs to [`mod@super::parse`], which knows the directive and the place.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    /// What kind of mistake it is.
    pub kind: WrongKind,
    /// What to do about it; without one the directive's usage is shown.
    pub hint: Option<String>,
}

/// Kinds of mistakes, each with its own wording in chrony's messages.
#[derive(Clone, Debug, PartialEq)]
pub enum WrongKind {
    /// `Missing arguments for X directive`
    Missing,
    /// `Too many arguments for X directive`
    TooMany,
    /// `Could not parse X directive`
    Unparsable,
    /// `Invalid syntax for X directive`
    Syntax,
    /// `Invalid option in X directive`
    Option,
    /// `Invalid value in X directive`
    Value,
    /// `Invalid value V in X directive (min A, max B)`
    Range {
        /// The value as written.
        value: String,
        /// Smallest accepted value.
        min: i32,
        /// Largest accepted value.
        max: i32,
    },
    /// `Invalid log parameter`
    LogWord,
}

impl WrongKind {
    /// Adds what to do about it.
    pub fn hint(self, hint: impl Into<String>) -> Wrong {
        Wrong { kind: self, hint: Some(hint.into()) }
    }
}

impl From<WrongKind> for Wrong {
    fn from(kind: WrongKind) -> Self {
        Self { kind, hint: None }
    }
}

/// Largest number read: thirty thousand million years in seconds, and products of two stay finite.
pub const HUGE: f64 = 1e18;

/// What is still unread of a line, and what was noticed on the way.
#[derive(Debug)]
pub struct Words<'a> {
    rest: &'a str,
    /// Remarks for the operator: text that was ignored, options that have no effect.
    pub notes: Vec<String>,
}

impl<'a> Words<'a> {
    /// The words of `text`, separated by C's blanks.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text.trim_matches(is_blank), notes: Vec::new() }
    }

    /// How many words are left.
    pub fn left(&self) -> usize {
        split(self.rest).count()
    }

    /// Is everything read?
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left, as written.
    pub fn rest(&self) -> &'a str {
        self.rest
    }

    /// The next word, if there is one.
    pub fn next_word(&mut self) -> Option<&'a str> {
        let end = self.rest.find(is_blank).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start_matches(is_blank);
        (!word.is_empty()).then_some(word)
    }

    /// The next word, which must be there.
    pub fn word(&mut self) -> Result<&'a str, Wrong> {
        self.next_word().ok_or_else(|| WrongKind::Missing.into())
    }

    /// A word that is entirely an integer of this range.
    pub fn int(&mut self, min: i32, max: i32) -> Result<i32, Wrong> {
        let word = self.word()?;
        let value: i64 = word.parse().map_err(|_| {
            WrongKind::Unparsable.hint(format!("\"{word}\" is not a whole number in decimal"))
        })?;
        i32::try_from(value)
            .ok()
            .filter(|v| (min..=max).contains(v))
            .ok_or_else(|| WrongKind::Range { value: word.to_owned(), min, max }.into())
    }

    /// A word that begins with an integer, of any range; if it is the last one, what follows in it is ignored (and
    /// noted).
    pub fn loose_int(&mut self) -> Result<i32, Wrong> {
        let value = self.loose(scan_int, "a whole number in decimal")?;
        Ok(value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    }

    /// A word that begins with a number; if it is the last one, what follows in it is ignored (and noted). Infinity
    /// is accepted and becomes ±[`HUGE`].
    pub fn number(&mut self) -> Result<f64, Wrong> {
        self.loose(scan_number, "a number").map(|value| value.clamp(-HUGE, HUGE))
    }

    /// Parts per million, as the plain ratio.
    pub fn ppm(&mut self) -> Result<f64, Wrong> {
        Ok(self.number()? * 1e-6)
    }

    /// An option's integer: its digits only, the next word begins behind them.
    pub fn option_int(&mut self, min: i32, max: i32) -> Result<i32, Wrong> {
        let value = self.prefix(scan_int)?;
        i32::try_from(value).ok().filter(|v| (min..=max).contains(v)).ok_or_else(|| {
            WrongKind::Value.hint(if (min, max) == (i32::MIN, i32::MAX) {
                format!("{value} is too large")
            } else if max == i32::MAX {
                format!("{value} is less than {min}")
            } else {
                format!("{value} is not between {min} and {max}")
            })
        })
    }

    /// An option's unsigned integer, modulo 2³² as chrony reads it.
    pub fn option_unsigned(&mut self) -> Result<u32, Wrong> {
        Ok(self.prefix(scan_int)? as u32)
    }

    /// An option's number, not infinite; the next word begins behind it.
    pub fn option_number(&mut self) -> Result<f64, Wrong> {
        let value = self.prefix(|text| scan_number(text).filter(|(value, _)| value.is_finite()))?;
        Ok(value.clamp(-HUGE, HUGE))
    }

    /// An option's hexadecimal number, without prefix; the next word begins behind it.
    pub fn option_hex(&mut self) -> Result<u32, Wrong> {
        self.prefix(|text| {
            let end = text.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(text.len());
            Some((u32::from_str_radix(&text[..end], 16).ok()?, end))
        })
    }

    fn prefix<T>(&mut self, scan: impl Fn(&str) -> Option<(T, usize)>) -> Result<T, Wrong> {
        let Some((value, used)) = scan(self.rest) else {
            return Err(match split(self.rest).next() {
                None => WrongKind::Value.hint("its value is missing"),
                Some(word) => WrongKind::Value.hint(format!("\"{word}\" is not a number")),
            });
        };
        self.rest = self.rest[used..].trim_start_matches(is_blank);
        Ok(value)
    }

    fn loose<T>(&mut self, scan: impl Fn(&str) -> Option<(T, usize)>, what: &str) -> Result<T, Wrong> {
        let word = self.word()?;
        // C goes on reading in the junk, where the next number does not begin.
        let (value, used) = scan(word)
            .filter(|(_, used)| *used == word.len() || self.is_empty())
            .ok_or_else(|| WrongKind::Unparsable.hint(format!("\"{word}\" is not {what}")))?;
        let (number, junk) = word.split_at(used);
        if !junk.is_empty() {
            self.notes.push(format!("\"{word}\" is read as {number}, \"{junk}\" is ignored"));
        }
        Ok(value)
    }
}

/// What C's isspace() takes for a blank.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// The words of a text.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_blank).filter(|word| !word.is_empty())
}

/// Sign and decimal digits at the start of `text`: the value (saturated) and their length.
fn scan_int(text: &str) -> Option<(i64, usize)> {
    let digits_at = usize::from(text.starts_with(['+', '-']));
    let digits = digit_count(&text[digits_at..]);
    let end = digits_at + digits;
    let magnitude = text[digits_at..end]
        .bytes()
        .fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')));
    (digits > 0).then_some((if text.starts_with('-') { -magnitude } else { magnitude }, end))
}

/// A decimal floating-point number, or `inf`, at the start of `text`: the value and its length.
///
/// C would also read `nan`, which means nothing here, and hexadecimal: refused instead of read as 0.
fn scan_number(text: &str) -> Option<(f64, usize)> {
    let sign = usize::from(text.starts_with(['+', '-']));
    let unsigned = &text[sign..];
    let begins =
        |word: &str| unsigned.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins("0x") {
        return None;
    }
    let infinity = ["infinity", "inf"].into_iter().find(|word| begins(word));
    let length = infinity.map(str::len).or_else(|| decimal_length(unsigned))?;
    Some((text[..sign + length].parse().ok()?, sign + length))
}

/// Length of digits, point, digits, exponent at the start of `text`, if there is a digit.
fn decimal_length(text: &str) -> Option<usize> {
    let whole = digit_count(text);
    let fraction = text[whole..].strip_prefix('.').map(digit_count);
    if whole + fraction.unwrap_or(0) == 0 {
        return None;
    }
    let mantissa = whole + fraction.map_or(0, |n| n + 1);
    let exponent = text[mantissa..].strip_prefix(['e', 'E']).and_then(|rest| {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let digits = digit_count(&rest[sign..]);
        (digits > 0).then_some(1 + sign + digits)
    });
    Some(mantissa + exponent.unwrap_or(0))
}

fn digit_count(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("0.5s", Some((0.5, 3))),
            ("1e", Some((1.0, 1))),
            ("-1e-3x", Some((-1e-3, 5))),
            (".5", Some((0.5, 2))),
            ("5.", Some((5.0, 2))),
            ("+7", Some((7.0, 2))),
            ("inf", Some((f64::INFINITY, 3))),
            ("-Infinity", Some((f64::NEG_INFINITY, 9))),
            (".", None),
            ("-", None),
            ("nan", None),
            ("0x10", None),
            ("", None),
        ] {
            assert_eq!(scan_number(text), expected, "{text}");
        }
        assert_eq!(scan_int("-5x"), Some((-5, 2)));
        assert_eq!(scan_int("99999999999999999999"), Some((i64::MAX, 20)));
        assert_eq!(scan_int("x"), None);
        assert_eq!(scan_int("+"), None);
    }

    #[test]
    fn junk_behind_an_argument_is_noted_and_behind_an_option_is_the_next_word() {
        let mut words = Words::new(" 0.5\t3.5 ");
        assert_eq!((words.number(), words.loose_int()), (Ok(0.5), Ok(3)));
        assert_eq!(words.notes, ["\"3.5\" is read as 3, \".5\" is ignored"]);
        assert_eq!(Words::new("-inf").number(), Ok(-HUGE));
        assert_eq!(Words::new("inf").option_number().unwrap_err().kind, WrongKind::Value);
        assert_eq!(Words::new("0.5s 3").number().unwrap_err().kind, WrongKind::Unparsable);
        let mut words = Words::new("6iburst 1.5");
        assert_eq!(words.option_int(0, 10), Ok(6));
        assert_eq!(words.next_word(), Some("iburst"));
        assert_eq!(words.option_int(0, 10), Ok(1));
        assert_eq!(words.next_word(), Some(".5"));
        assert_eq!(words.next_word(), None);
    }

    #[test]
    fn unsigned_values_wrap() {
        assert_eq!(Words::new("-1").option_unsigned(), Ok(u32::MAX));
        assert_eq!(Words::new("4294967296").option_unsigned(), Ok(0));
    }

    #[test]
    fn ranges_are_kept() {
        assert_eq!(Words::new("65535").int(0, 65535), Ok(65535));
        assert_eq!(
            Words::new("65536").int(0, 65535),
            Err(WrongKind::Range { value: "65536".into(), min: 0, max: 65535 }.into())
        );
        assert_eq!(Words::new("12x").int(0, 65535).unwrap_err().kind, WrongKind::Unparsable);
        assert_eq!(Words::new("").int(0, 65535).unwrap_err().kind, WrongKind::Missing);
        assert_eq!(Words::new("33").option_int(-32, 32).unwrap_err().kind, WrongKind::Value);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC{0,20}") {
            if let Some((value, used)) = scan_number(&text) {
                prop_assert!(!value.is_nan() && used <= text.len());
            }
            let mut words = Words::new(&text);
            let _ = words.option_number();
            let _ = words.option_hex();
            let _ = words.loose_int();
            while words.next_word().is_some() {}
            prop_assert!(words.is_empty());
        }
    }
}
