//! One JSON object a report; names of numbers end with their unit, what is unknown is `null`.

use super::{Cell, Column, Report, Value, Visitor};
use core::fmt::Write;

struct Json(String);

impl Json {
    fn member(&mut self, column: &Column, cell: &Cell) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        string(&mut self.0, &[column.name, column.unit.suffix()].concat());
        self.0.push(':');
        value(&mut self.0, cell);
    }
}

impl Visitor for Json {
    fn field<T: Value>(&mut self, column: &Column, value: &mut T) {
        self.member(column, &value.cell());
    }
    fn derived<T: Value>(&mut self, column: &Column, value: T) {
        self.member(column, &value.cell());
    }
}

/// The object; `name` is its first member unless it is empty.
pub fn json<R: Report>(report: &R, name: &str) -> String {
    let mut json = Json("{".to_owned());
    if !name.is_empty() {
        json.member(&super::col("name", super::Unit::None, ""), &Cell::Text(name.to_owned()));
    }
    report.clone().fields(&mut json);
    json.0.push('}');
    json.0
}

/// Appends `cell` as a JSON value.
pub fn value(out: &mut String, cell: &Cell) {
    // Writing to a String cannot fail.
    let _ = match cell {
        Cell::Unsigned(number) => write!(out, "{number}"),
        Cell::Signed(number) => write!(out, "{number}"),
        Cell::Real(number) if number.is_finite() => write!(out, "{number:?}"),
        Cell::Time(time) => write!(out, "{time}"),
        Cell::Flag(flag) => write!(out, "{flag}"),
        Cell::Real(_) | Cell::Absent => write!(out, "null"),
        Cell::Text(text) => {
            string(out, text);
            Ok(())
        }
        Cell::Words(words) => {
            out.push('[');
            for (index, word) in words.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(out, word);
            }
            out.push(']');
            Ok(())
        }
    };
}

/// Appends `text` as a JSON string (RFC 8259 §7).
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_valid_json() {
        let cases = [
            (Cell::Real(1e-9), "1e-9"),
            (Cell::Real(f64::NAN), "null"),
            (Cell::Real(f64::INFINITY), "null"),
            (Cell::Real(-0.25), "-0.25"),
            (Cell::Absent, "null"),
            (Cell::Flag(true), "true"),
            (Cell::Words(vec!["prefer", "trust"]), r#"["prefer","trust"]"#),
            (Cell::Text("a\"b\\c\u{1}\n".into()), r#""a\"b\\c\u0001\n""#),
        ];
        for (cell, expected) in cases {
            let mut out = String::new();
            value(&mut out, &cell);
            assert_eq!(out, expected);
        }
    }
}
