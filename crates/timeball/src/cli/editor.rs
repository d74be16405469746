//! One line typed at a terminal: moving, erasing, history, completion.
//!
//! A library for this is larger than the whole command line. [`Editor::read`] takes bytes and shows what they make;
//! everything else is about text.

use super::past;
use std::io::{BufRead, Write};

/// What a person is asked with.
pub const PROMPT: &str = "chronyc> ";

/// What came of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Edited {
    /// It is complete.
    Line(String),
    /// No more will come.
    End,
    /// There is no terminal to take over.
    NoTerminal,
}

/// Gives the words that may stand in place of the last one.
pub type Complete<'a> = &'a dyn Fn(&str) -> Vec<String>;

/// The lines of earlier.
#[derive(Debug, Default)]
pub struct Editor {
    history: Vec<String>,
}

/// A line being typed.
#[derive(Debug, Default)]
struct Typed {
    text: Vec<char>,
    /// Characters before the cursor.
    at: usize,
    /// Which line of the history is shown; its length: the new one.
    shown: usize,
    /// The new line, while an old one is shown.
    kept: Vec<char>,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Letter(char),
    Enter,
    Tab,
    Erase,
    EraseNext,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    KillRest,
    KillLine,
    KillWord,
    Interrupt,
    EndOfInput,
    Clear,
    Unknown,
}

impl Editor {
    /// With these lines behind it.
    pub fn remembering(history: Vec<String>) -> Self {
        Self { history }
    }

    /// Reads a line; the prompt is already there.
    pub fn read(&mut self, input: &mut dyn BufRead, out: &mut dyn Write, complete: Complete<'_>) -> Edited {
        let Some(raw) = sys::terminal::raw(&std::io::stdin()) else { return Edited::NoTerminal };
        let width = sys::terminal::columns(&std::io::stdout()).unwrap_or(80);
        let edited = self.edit(input, out, complete, width);
        drop(raw);
        edited
    }

    fn edit(
        &mut self,
        input: &mut dyn BufRead,
        out: &mut dyn Write,
        complete: Complete<'_>,
        width: usize,
    ) -> Edited {
        let mut typed = Typed { shown: self.history.len(), ..Typed::default() };
        loop {
            let Some(key) = key(input) else { return Edited::End };
            match key {
                Key::Enter => {
                    let line: String = typed.text.iter().collect();
                    let _ = write!(out, "\r\n"); // the command's output will tell
                    self.remember(&line);
                    return Edited::Line(line);
                }
                Key::EndOfInput if typed.text.is_empty() => {
                    let _ = write!(out, "\r\n");
                    return Edited::End;
                }
                Key::Interrupt => {
                    typed = Typed { shown: self.history.len(), ..Typed::default() };
                    let _ = write!(out, "^C\r\n");
                }
                Key::Clear => drop(write!(out, "\x1b[H\x1b[2J")),
                Key::Tab => {
                    let before: String = typed.text.iter().take(typed.at).collect();
                    let words = complete(&before);
                    if let Some(list) = typed.complete(&before, &words) {
                        let _ = write!(out, "\r\n{list}\r\n");
                    }
                }
                Key::Up => typed.show(&self.history, typed.shown.checked_sub(1)),
                Key::Down => typed.show(&self.history, Some(typed.shown + 1)),
                key => typed.press(key),
            }
            let _ = write!(out, "{}", typed.picture(width)).and_then(|()| out.flush());
        }
    }

    /// Empty lines and repetitions are not worth it.
    fn remember(&mut self, line: &str) {
        if !line.trim().is_empty() && self.history.last().is_none_or(|last| last != line) {
            self.history.push(line.to_owned());
        }
        if self.history.len() > past::LINES {
            self.history.remove(0);
        }
    }
}

impl Typed {
    fn press(&mut self, key: Key) {
        match key {
            Key::Letter(letter) => {
                self.text.insert(self.at, letter);
                self.at += 1;
            }
            Key::Erase if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.at);
            }
            Key::EraseNext | Key::EndOfInput if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.text.len()),
            Key::Home => self.at = 0,
            Key::End => self.at = self.text.len(),
            Key::KillRest => self.text.truncate(self.at),
            Key::KillLine => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            Key::KillWord => {
                let before = self.text.get(..self.at).unwrap_or_default();
                let end = before.iter().rposition(|letter| *letter != ' ').map_or(0, |at| at + 1);
                let word = before.get(..end).unwrap_or_default();
                let begin = word.iter().rposition(|letter| *letter == ' ').map_or(0, |at| at + 1);
                self.text.drain(begin..self.at);
                self.at = begin;
            }
            _ => {}
        }
    }

    /// Another line of the history, or the new one behind its end.
    fn show(&mut self, history: &[String], which: Option<usize>) {
        let Some(which) = which.filter(|which| *which <= history.len()) else { return };
        if self.shown == history.len() {
            self.kept.clone_from(&self.text);
        }
        self.text = history.get(which).map_or_else(|| self.kept.clone(), |line| line.chars().collect());
        (self.shown, self.at) = (which, self.text.len());
    }

    /// Puts in what all candidates begin with; several are listed when that is nothing new.
    fn complete(&mut self, before: &str, words: &[String]) -> Option<String> {
        let last = before.rsplit(' ').next().unwrap_or_default();
        let first = words.first()?;
        let common = words.iter().fold(first.len(), |common, word| {
            first.bytes().zip(word.bytes()).take(common).take_while(|(a, b)| a == b).count()
        });
        let new = first.get(last.len()..common).unwrap_or_default();
        let end = if words.len() == 1 { " " } else { "" };
        for letter in new.chars().chain(end.chars()) {
            self.press(Key::Letter(letter));
        }
        (words.len() > 1 && new.is_empty()).then(|| words.join("  "))
    }

    /// What makes the terminal show the line and the cursor, in one row.
    fn picture(&self, width: usize) -> String {
        let room = width.saturating_sub(PROMPT.len() + 1).max(8);
        let begin = (self.at + 1).saturating_sub(room);
        let visible: String = self.text.iter().skip(begin).take(room).collect();
        let back = visible.chars().count() - (self.at - begin);
        let moved = if back > 0 { format!("\x1b[{back}D") } else { String::new() };
        format!("\r\x1b[K{PROMPT}{visible}{moved}")
    }
}

/// The next key; `None` at the end of the input.
fn key(input: &mut dyn BufRead) -> Option<Key> {
    Some(match byte(input)? {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 8 => Key::Erase,
        1 => Key::Home,
        2 => Key::Left,
        3 => Key::Interrupt,
        4 => Key::EndOfInput,
        5 => Key::End,
        6 => Key::Right,
        11 => Key::KillRest,
        12 => Key::Clear,
        14 => Key::Down,
        16 => Key::Up,
        21 => Key::KillLine,
        23 => Key::KillWord,
        0x1b => return escape(input),
        first if first >= b' ' => Key::Letter(letter(input, first)?),
        _ => Key::Unknown,
    })
}

/// A key that sends several bytes.
fn escape(input: &mut dyn BufRead) -> Option<Key> {
    let kind = byte(input)?;
    if kind != b'[' && kind != b'O' {
        return Some(Key::Unknown);
    }
    let mut number = 0_u32;
    loop {
        match byte(input)? {
            digit @ b'0'..=b'9' => number = number.saturating_mul(10).saturating_add(u32::from(digit - b'0')),
            b';' => number = 0,
            b'A' => return Some(Key::Up),
            b'B' => return Some(Key::Down),
            b'C' => return Some(Key::Right),
            b'D' => return Some(Key::Left),
            b'H' => return Some(Key::Home),
            b'F' => return Some(Key::End),
            b'~' => {
                return Some(match number {
                    1 | 7 => Key::Home,
                    3 => Key::EraseNext,
                    4 | 8 => Key::End,
                    _ => Key::Unknown,
                });
            }
            _ => return Some(Key::Unknown),
        }
    }
}

/// The letter that begins with this byte (UTF-8).
fn letter(input: &mut dyn BufRead, first: u8) -> Option<char> {
    let more = match first {
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf7 => 3,
        _ => 0,
    };
    let mut bytes = vec![first];
    for _ in 0..more {
        bytes.push(byte(input)?);
    }
    Some(String::from_utf8_lossy(&bytes).chars().next().unwrap_or('?'))
}

fn byte(input: &mut dyn BufRead) -> Option<u8> {
    let byte = *input.fill_buf().ok()?.first()?;
    input.consume(1);
    Some(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &str) -> Vec<String> {
        let last = before.rsplit(' ').next().unwrap_or_default();
        let known = ["tracking", "sources", "sourcestats"];
        known.iter().filter(|word| word.starts_with(last)).map(|word| (*word).to_owned()).collect()
    }

    /// What the keys make of lines, and all that was shown.
    fn typed(keys: &str) -> (Vec<Edited>, String) {
        let (mut editor, mut input, mut out) = (Editor::default(), keys.as_bytes(), Vec::new());
        let mut edited = Vec::new();
        while edited.last() != Some(&Edited::End) {
            edited.push(editor.edit(&mut input, &mut out, &words, 80));
        }
        edited.pop();
        (edited, String::from_utf8(out).expect("text"))
    }

    fn lines(keys: &str) -> Vec<String> {
        let line = |edited| if let Edited::Line(line) = edited { line } else { panic!("{edited:?}") };
        typed(keys).0.into_iter().map(line).collect()
    }

    #[test]
    fn keys_move_and_erase() {
        assert_eq!(lines("abc\r"), ["abc"]);
        assert_eq!(lines("abd\x7fc\r"), ["abc"]);
        assert_eq!(lines("bc\x01a\x05d\r"), ["abcd"]);
        assert_eq!(lines("ac\x1b[Db\r"), ["abc"]);
        assert_eq!(lines("xabc\x1b[H\x1b[3~\r"), ["abc"]);
        assert_eq!(lines("abc def\x17ghi\r"), ["abc ghi"]);
        assert_eq!(lines("abc\x02\x02\x0b\r"), ["a"]);
        assert_eq!(lines("abc\x15d\r"), ["d"]);
        assert_eq!(lines("gr\u{fc}n\x7f\x7f\u{df}\r"), ["gr\u{df}"]);
        assert_eq!(lines("junk\x03abc\r"), ["abc"], "^C begins anew");
        assert_eq!(lines("\x1b[99;5Xab\x1bz\r"), ["ab"], "unknown keys do nothing");
    }

    #[test]
    fn lines_of_before_come_back() {
        assert_eq!(lines("one\rtwo\r\x1b[A\x1b[A\r"), ["one", "two", "one"]);
        assert_eq!(lines("one\rtwo\r\x10\x10\x10\x0e\r"), ["one", "two", "two"]);
        assert_eq!(lines("one\rnew\x1b[A\x1b[B\r"), ["one", "new"], "the new line is kept");
    }

    #[test]
    fn words_are_completed_and_shown() {
        assert_eq!(lines("tr\t\r"), ["tracking "]);
        assert_eq!(lines("so\tt\t\r"), ["sourcestats "]);
        let (_, shown) = typed("source\t\ts\r");
        assert!(shown.contains("sources  sourcestats"), "{shown:?}");
        assert_eq!(lines("x\ty\r"), ["xy"]);
    }

    #[test]
    fn a_long_line_stays_in_its_row() {
        let long = "word ".repeat(60);
        let typed = Typed { text: long.chars().collect(), at: 150, shown: 0, kept: Vec::new() };
        let shown = typed.picture(80);
        let visible =
            shown.trim_start_matches("\r\x1b[K").split('\x1b').next().expect("text").chars().count();
        assert!(visible < 80, "{visible}");
        assert_eq!(Typed::default().picture(80), format!("\r\x1b[K{PROMPT}"));
    }
}
