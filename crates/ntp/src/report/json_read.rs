//! Reads JSON (RFC 8259): what the JSON datagrams of the control socket are made of.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::arithmetic_side_effects))]

use core::fmt;
use core::iter::Peekable;
use core::str::CharIndices;

/// Deepest nesting that is read.
const DEEPEST: usize = 8;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Flag(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object, in the order in which it is written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads a whole text; `None` if it is not JSON, or nested too deep.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { text, chars: text.char_indices().peekable() };
        let value = reader.value(0)?;
        reader.skip_space();
        reader.chars.next().is_none().then_some(value)
    }

    /// The member of this name, of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The value of a number.
    pub fn number(&self) -> Option<f64> {
        if let Self::Number(number) = self { Some(*number) } else { None }
    }

    /// The elements of an array.
    pub fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

impl fmt::Display for Value {
    /// As JSON; whole numbers without a point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| {
            let mut out = String::new();
            super::json::string(&mut out, text);
            out
        };
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) if libm::trunc(*number) == *number && number.abs() < 1e15 => {
                write!(f, "{number:.0}")
            }
            Self::Number(number) => write!(f, "{number:?}"),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(list) => {
                f.write_str("[")?;
                for (index, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if index > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    write!(f, "{}{}:{value}", if index > 0 { "," } else { "" }, quoted(name))?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        while self.chars.next_if(|(_, c)| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    fn take(&mut self, wanted: char) -> Option<()> {
        self.skip_space();
        self.chars.next_if(|(_, c)| *c == wanted).map(|_| ())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_space();
        match self.chars.peek()?.1 {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Value::Text),
            't' => self.word("true", Value::Flag(true)),
            'f' => self.word("false", Value::Flag(false)),
            'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take('{')?;
        let mut members = Vec::new();
        if self.take('}').is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.skip_space();
            let name = self.string()?;
            self.take(':')?;
            members.push((name, self.value(depth.saturating_add(1))?));
            if self.take('}').is_some() {
                return Some(Value::Object(members));
            }
            self.take(',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.take('[')?;
        let mut list = Vec::new();
        if self.take(']').is_some() {
            return Some(Value::List(list));
        }
        loop {
            list.push(self.value(depth.saturating_add(1))?);
            if self.take(']').is_some() {
                return Some(Value::List(list));
            }
            self.take(',')?;
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        word.chars().try_for_each(|wanted| self.chars.next_if(|(_, c)| *c == wanted).map(|_| ()))?;
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let (start, _) = *self.chars.peek()?;
        let of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
        while self.chars.next_if(|(_, c)| of_number(*c)).is_some() {}
        let end = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        let text = self.text.get(start..end)?;
        // What Rust reads beyond JSON: a leading plus or point, a trailing point.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = digits.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with('.');
        text.parse().ok().filter(|number: &f64| plain && number.is_finite()).map(Value::Number)
    }

    fn string(&mut self) -> Option<String> {
        self.chars.next_if(|(_, c)| *c == '"')?;
        let mut out = String::new();
        loop {
            match self.chars.next()?.1 {
                '"' => return Some(out),
                '\\' => out.push(self.escape()?),
                control if control < ' ' => return None,
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.chars.next()?.1 {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => {
                let unit = self.hex()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit);
                }
                (self.chars.next()?.1 == '\\' && self.chars.next()?.1 == 'u').then_some(())?;
                let low = self.hex().filter(|low| (0xdc00..0xe000).contains(low))?;
                return char::from_u32(0x1_0000_u32.saturating_add((unit & 0x3ff) << 10 | low & 0x3ff));
            }
            same @ ('"' | '\\' | '/') => same,
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let mut value = 0;
        for _ in 0..4 {
            value = value << 4 | self.chars.next()?.1.to_digit(16)?;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_are_read() {
        let text = r#" {"a":[1,-2.5e-3 , true,null],"b":{"c":"x\"\\\n\u00e9\ud83d\ude00é"},"d":[],"e":{}} "#;
        let value = Value::parse(text).expect("JSON");
        let list = value.get("a").and_then(Value::list).expect("a list");
        assert_eq!(list, [Value::Number(1.0), Value::Number(-2.5e-3), Value::Flag(true), Value::Null]);
        let inner = value.get("b").and_then(|b| b.get("c")).and_then(Value::text);
        assert_eq!(inner, Some("x\"\\\né😀é"));
        assert_eq!(value.get("d").and_then(Value::list), Some(&[][..]));
        assert_eq!(value.get("x"), None);
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "+1",
            ".5",
            "1.",
            "nul",
            "\"\n\"",
            "\"\\x\"",
            "1 2",
            "inf",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "NaN",
            "1e999",
            "'a'",
        ] {
            assert_eq!(Value::parse(text), None, "{text}");
        }
        assert_eq!(Value::parse(&"[".repeat(100_000)), None, "too deep, and no stack is lost");
        let deep = |n: usize| ["[".repeat(n), "]".repeat(n)].concat();
        assert!(Value::parse(&deep(DEEPEST)).is_some() && Value::parse(&deep(DEEPEST + 2)).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[\\[\\]{}\":,0-9a-z\\\\ .eE+-]{0,60}", other in "\\PC{0,60}") {
            let _ = Value::parse(&text);
            let _ = Value::parse(&other);
        }

        #[test]
        fn our_own_strings_and_numbers_come_back(text in "\\PC{0,40}[\n\u{1}\"\\\\]{0,4}", number in -1e300f64..1e300) {
            let mut out = "[".to_owned();
            super::super::json::string(&mut out, &text);
            out.push(',');
            super::super::json::value(&mut out, &super::super::Cell::Real(number));
            out.push(']');
            let expected = Value::List(vec![Value::Text(text), Value::Number(number)]);
            prop_assert_eq!(Value::parse(&expected.to_string()), Some(expected.clone()));
            prop_assert_eq!(Value::parse(&out), Some(expected));
        }
    }
}
