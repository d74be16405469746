//! Changes of a document. Each touches the statements it is about and no other.

use super::words::quote;
use super::{Document, SectionId, Statement, What};

impl Document {
    /// Gives an option this value: where it stands, else behind the section's last line.
    pub fn set(&mut self, id: SectionId, key: &str, value: &str) {
        let end = self.end(id);
        let last = self.statements[id.0 + 1..end]
            .iter_mut()
            .rev()
            .find(|statement| matches!(&statement.what, What::Value { key: k, list: false, .. } if k == key));
        match last {
            Some(statement) => statement.replace_value(value),
            None => self.insert(id, "option", key, value),
        }
    }

    /// Adds an entry to a list, unless it is there.
    pub fn add_list(&mut self, id: SectionId, key: &str, value: &str) {
        let there = self.statements[id.0 + 1..self.end(id)].iter().any(
            |statement| matches!(&statement.what, What::Value { key: k, value: v, list: true, .. } if k == key && v == value),
        );
        if !there {
            self.insert(id, "list", key, value);
        }
    }

    /// Adds a section at the end.
    pub fn add_section(&mut self, kind: &str, name: Option<&str>, options: &[(&str, &str)]) -> SectionId {
        let mut text = String::new();
        self.end_last_line();
        if self.statements.last().is_some_and(|last| !last.text.trim().is_empty()) {
            text.push('\n');
            self.statements.push(Statement { text: std::mem::take(&mut text), line: 0, what: What::Nothing });
        }
        text = match name {
            Some(name) => format!("config {kind} {}\n", quote(name)),
            None => format!("config {kind}\n"),
        };
        let id = SectionId(self.statements.len());
        let what = What::Section { kind: kind.to_owned(), name: name.map(str::to_owned) };
        self.statements.push(Statement { text, line: 0, what });
        for (key, value) in options {
            self.insert(id, "option", key, value);
        }
        id
    }

    /// A new line behind the last `option` or `list` of a section, indented like it.
    fn insert(&mut self, id: SectionId, word: &str, key: &str, value: &str) {
        let end = self.end(id);
        let is_value = |statement: &Statement| matches!(statement.what, What::Value { .. });
        let last = (id.0 + 1..end).rev().find(|&at| is_value(&self.statements[at])).unwrap_or(id.0);
        if last + 1 == self.statements.len() {
            self.end_last_line();
        }
        let like = &self.statements[last];
        let indent: String = match is_value(like) {
            true => like.text.chars().take_while(|c| matches!(c, ' ' | '\t')).collect(),
            false => "\t".to_owned(),
        };
        let head = format!("{indent}{word} {key} ");
        let quoted = quote(value);
        let span = head.len()..head.len() + quoted.len();
        let what = What::Value { key: key.to_owned(), value: value.to_owned(), list: word == "list", span };
        let text = format!("{head}{quoted}\n");
        self.statements.insert(last + 1, Statement { text, line: 0, what });
    }

    fn end_last_line(&mut self) {
        if let Some(last) = self.statements.last_mut().filter(|last| !last.text.ends_with('\n')) {
            last.text.push('\n');
        }
    }
}

impl Statement {
    fn replace_value(&mut self, new: &str) {
        let What::Value { value, span, .. } = &mut self.what else { return };
        if value == new {
            return;
        }
        let quoted = quote(new);
        self.text.replace_range(span.clone(), &quoted);
        *span = span.start..span.start + quoted.len();
        new.clone_into(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_touches_its_own_line_only() {
        let text = "config defaults\n  option input\tREJECT  # why\n\n# of lan\nconfig zone\n\toption name lan\n# end";
        let mut document = Document::parse(text).unwrap();
        let ids: Vec<_> = document.sections().map(|section| section.id).collect();
        document.set(ids[1], "name", "it's");
        document.set(ids[0], "input", "DROP");
        document.set(ids[0], "forward", "DROP");
        assert_eq!(
            document.to_string(),
            "config defaults\n  option input\t'DROP'  # why\n  option forward 'DROP'\n\n# of lan\nconfig zone\n\
             \toption name 'it'\\''s'\n# end"
        );
    }

    #[test]
    fn sections_and_lists_are_added_at_their_ends() {
        let mut document = Document::parse("config a").unwrap();
        let a = document.sections().next().unwrap().id;
        document.add_list(a, "x", "1");
        document.add_list(a, "x", "2");
        document.add_list(a, "x", "1");
        let rule = document.add_section("rule", Some("r"), &[("src", "wan")]);
        document.add_list(rule, "proto", "udp");
        assert_eq!(
            document.to_string(),
            "config a\n\tlist x '1'\n\tlist x '2'\n\nconfig rule 'r'\n\toption src 'wan'\n\tlist proto 'udp'\n"
        );
        let mut empty = Document::default();
        empty.add_section("a", None, &[]);
        assert_eq!(empty.to_string(), "config a\n");
    }
}
