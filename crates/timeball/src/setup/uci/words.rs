//! Text to statements to words, with where each word stands.

use super::SyntaxError;
use std::ops::Range;

/// A statement's text with its end, and its words.
pub(super) struct Statement {
    pub text: String,
    /// Of its beginning, from 1.
    pub line: usize,
    pub words: Vec<Word>,
}

/// A word.
pub(super) struct Word {
    /// Without quotes and backslashes.
    pub value: String,
    /// Where it stands in the statement's text, quotes included.
    pub span: Range<usize>,
}

/// Cuts a file into statements. Together they are the file.
pub(super) fn split(text: &str) -> Result<Vec<Statement>, SyntaxError> {
    let mut statements = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while !rest.is_empty() {
        let (length, words) = statement(rest).map_err(|lines| SyntaxError {
            line: line + lines,
            message: "a quote is opened here and never closed".to_owned(),
        })?;
        let (text, left) = rest.split_at(length);
        statements.push(Statement { text: text.to_owned(), line, words });
        line += text.matches('\n').count();
        rest = left;
    }
    Ok(statements)
}

/// The length of the first statement of `text` and its words; `Err`: in which line below the first a quote is open.
fn statement(text: &str) -> Result<(usize, Vec<Word>), usize> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        match letter {
            '\n' => return Ok((at + 1, words)),
            '#' => {
                let end = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
                return Ok((end, words));
            }
            _ if letter.is_ascii_whitespace() => at += 1,
            _ => {
                let (length, value) =
                    word(&text[at..]).map_err(|within| text[..at + within].matches('\n').count())?;
                words.push(Word { value, span: at..at + length });
                at += length;
            }
        }
    }
    Ok((text.len(), words))
}

/// The length of the word at the beginning of `text` and its value; `Err`: where a quote is open.
fn word(text: &str) -> Result<(usize, String), usize> {
    let mut value = String::new();
    let mut quote: Option<(char, usize)> = None;
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match (letter, quote) {
            ('\'', None) | ('"', None) => quote = Some((letter, at)),
            (_, Some((open, _))) if letter == open => quote = None,
            ('\\', None | Some(('"', _))) => match letters.next() {
                // A line that is continued.
                Some((_, '\n')) | None => {}
                Some((_, next)) => value.push(next),
            },
            (_, None) if letter.is_ascii_whitespace() => return Ok((at, value)),
            _ => value.push(letter),
        }
    }
    match quote {
        Some((_, at)) => Err(at),
        None => Ok((text.len(), value)),
    }
}

/// A word as OpenWrt writes it.
pub(super) fn quote(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
