//! Help, made from the table of commands.

use std::fmt::Write;

use super::Name;
use super::commands::{self, Command, Form, Group};

/// Width of the column of commands in lists.
const COLUMN: usize = 30;
/// Longest line of running text.
const LINE: usize = 78;

/// An option letter and what it does; the letters of `timeball` first.
struct OptionHelp {
    letters: &'static str,
    what: &'static str,
    /// Only worth telling somebody who calls it chronyc.
    chronyc_only: bool,
}

const fn option(letters: &'static str, what: &'static str) -> OptionHelp {
    OptionHelp { letters, what, chronyc_only: false }
}

const fn chronyc_option(letters: &'static str, what: &'static str) -> OptionHelp {
    OptionHelp { letters, what, chronyc_only: true }
}

const OPTIONS: &[OptionHelp] = &[
    option("-n", "print addresses, do not look up host names"),
    option("-N", "print sources as they are named in the configuration"),
    option("-c", "print comma-separated values (implies -n)"),
    option("-w", "print wider name columns"),
    option("-e", "print a line with a dot after each command"),
    option("-m", "every argument is a whole command"),
    option("-h HOST[,HOST]...", "ask these: names, addresses, paths of sockets"),
    option("-p PORT", "UDP port, 323 if not given"),
    option("-4, -6", "look up names in IPv4 or IPv6 only"),
    option("-u USER", "as root, become this user first"),
    chronyc_option("-a, -f FILE", "accepted without effect"),
    chronyc_option("-v, --version", "print the version"),
    chronyc_option("--help", "print this"),
];

/// What `--json` does.
const JSON_HELP: &str = "print JSON; names of numbers end with their unit";

/// `chronyc --help`, and after a bad option.
pub fn chronyc_usage() -> String {
    let mut out = "Usage: chronyc [OPTION]... [COMMAND]...\n\nOptions:\n".to_owned();
    for option in OPTIONS {
        line(&mut out, option.letters, option.what, 20);
    }
    out.push_str("\n\"chronyc help\" lists the commands.\n");
    out
}

/// `timeball --help`: short enough for a screen.
pub fn timeball_usage(style: Style) -> String {
    let (strong, plain) = style.strong();
    let mut out = format!(
        "Timeball keeps the clock right, serves time, and shows how well.\n\n\
         {strong}Usage{plain}  timeball                       how is the clock? (a status in words)\n\
         \x20      timeball run [OPTION]...       run the daemon; timeball run --help\n\
         \x20      timeball demo                  a simulated day, in your browser\n\
         \x20      timeball [OPTION]... COMMAND   ask or order the daemon, ours or chronyd\n"
    );
    for group in Group::ALL {
        let names: Vec<&str> =
            commands::all().filter(|command| command.group == group).map(|c| c.name).collect();
        let _ = write!(out, "\n{strong}{}{plain}\n", group.title()); // writing to a string cannot fail
        wrapped(&mut out, &names.join("  "), 2);
    }
    let _ = write!(out, "\n{strong}Options{plain}\n");
    line(&mut out, "--json", JSON_HELP, 20);
    for option in OPTIONS.iter().filter(|option| !option.chronyc_only) {
        line(&mut out, option.letters, option.what, 20);
    }
    line(&mut out, "--version, --help", "print the version, or this", 20);
    out.push_str("\ntimeball COMMAND --help: a command and an example; timeball help: all of them.\n");
    out
}

/// `help`: every command with its forms.
pub fn commands(name: Name) -> String {
    let mut out = String::new();
    for group in Group::ALL.into_iter().filter(|group| name == Name::Timeball || !group.is_own()) {
        let _ = writeln!(out, "{}:", group.title());
        for command in commands::all().filter(|command| command.group == group) {
            // chronyc has no long options behind a command.
            let known = |form: &&Form| name == Name::Timeball || !form.arguments.starts_with("--");
            for form in command.forms.iter().filter(known) {
                line(&mut out, &usage(command, form), form.what, COLUMN);
            }
        }
        out.push('\n');
    }
    out
}

/// What one command does, with an example.
pub fn command(command: &Command, name: Name, style: Style) -> String {
    let program = name.text();
    let (strong, plain) = style.strong();
    let mut out = String::new();
    for (index, form) in command.forms.iter().enumerate() {
        let lead = if index == 0 { format!("{strong}Usage:{plain}") } else { " ".repeat(6) };
        let _ = writeln!(out, "{lead} {program} {}", usage(command, form));
        let _ = writeln!(out, "           {}", form.what);
    }
    out.push('\n');
    wrapped(&mut out, command.doc, 0);
    let _ = writeln!(out, "\n{strong}Example:{plain} {program} {}", command.example);
    out
}

/// The options and the commands as sections of the manual page (roff).
pub fn manual_sections() -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('-', "\\-");
    let mut out = ".SH OPTIONS OF THE COMMAND LINE\n".to_owned();
    let json = option("--json", JSON_HELP);
    for option in [&json].into_iter().chain(OPTIONS) {
        let note = if option.chronyc_only { " (chronyc)" } else { "" };
        let (letters, what) = (escape(option.letters), escape(&sentence(option.what)));
        let _ = writeln!(out, ".TP\n.B {letters}\n{what}{note}.");
    }
    out.push_str(".SH COMMANDS\n");
    for group in Group::ALL {
        let _ = writeln!(out, ".SS {}", group.title());
        for command in commands::all().filter(|command| command.group == group) {
            for (index, form) in command.forms.iter().enumerate() {
                let tag = if index == 0 { ".TP" } else { ".TQ" };
                let _ = write!(out, "{tag}\n.B {}\n", escape(&usage(command, form)));
            }
            let _ = write!(
                out,
                "{}\n.br\nExample:\n.B timeball {}\n",
                escape(command.doc),
                escape(command.example)
            );
        }
    }
    out
}

/// What chronyc has, and how each is written: its options, its commands.
#[cfg(test)]
pub fn compatibility_rows() -> (Vec<&'static str>, Vec<(&'static str, String)>) {
    let options = OPTIONS.iter().map(|option| option.letters).collect();
    let of_chronyc = commands::all().filter(|command| !command.group.is_own());
    let rows = of_chronyc.flat_map(|command| {
        let forms = command.forms.iter().filter(|form| !form.arguments.starts_with("--"));
        forms.map(|form| (command.name, usage(command, form)))
    });
    (options, rows.collect())
}

/// `text` with a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// A command's name and the arguments of one form.
fn usage(command: &Command, form: &Form) -> String {
    [command.name, form.arguments].join(" ").trim_end().to_owned()
}

/// A line of a list with two columns; a long first one gets a line of its own.
fn line(out: &mut String, left: &str, right: &str, column: usize) {
    let _ = if left.chars().count() < column {
        writeln!(out, "  {left:<column$}{right}")
    } else {
        writeln!(out, "  {left}\n  {:column$}{right}", "")
    };
}

/// Running text in lines of at most [`LINE`] characters.
fn wrapped(out: &mut String, text: &str, indent: usize) {
    let double = text.contains("  ");
    let mut width = 0;
    for word in text.split_whitespace() {
        let gap = if double { 2 } else { 1 };
        if width > 0 && width + gap + word.chars().count() > LINE {
            out.push('\n');
            width = 0;
        }
        let space = if width == 0 { indent } else { gap };
        let _ = write!(out, "{:space$}{word}", "");
        width += space + word.chars().count();
    }
    out.push('\n');
}

/// Whether words may be emphasised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A file or a pipe reads it.
    Plain,
    /// A terminal shows it.
    Terminal,
}

impl Style {
    /// What begins and ends strong words.
    pub fn strong(self) -> (&'static str, &'static str) {
        self.escape("\x1b[1m")
    }

    /// What begins and ends words in green: all is well.
    pub fn good(self) -> (&'static str, &'static str) {
        self.escape("\x1b[1;32m")
    }

    /// What begins and ends words in red: something must be done.
    pub fn bad(self) -> (&'static str, &'static str) {
        self.escape("\x1b[1;31m")
    }

    fn escape(self, begin: &'static str) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("", ""),
            Self::Terminal => (begin, "\x1b[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usages() {
        insta::assert_snapshot!("timeball_help", timeball_usage(Style::Plain));
        insta::assert_snapshot!("chronyc_help", chronyc_usage());
        insta::assert_snapshot!("commands", commands(Name::Chronyc));
        assert!(timeball_usage(Style::Terminal).contains("\x1b[1m"));
    }

    #[test]
    fn every_command_explained() {
        let all: Vec<String> = commands::all().map(|c| command(c, Name::Timeball, Style::Plain)).collect();
        insta::assert_snapshot!("every_command", all.join("----\n"));
        insta::assert_snapshot!("manual_sections", manual_sections());
    }

    #[test]
    fn help_fits_a_terminal() {
        let pages = [timeball_usage(Style::Plain), chronyc_usage()];
        for line in pages.iter().flat_map(|page| page.lines()) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(timeball_usage(Style::Plain).lines().count() <= 50, "one screen");
    }
}
