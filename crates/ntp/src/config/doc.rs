//! The manual page timeball.conf(5) and the plain help, both from the table of directives.

use super::directives::{DIRECTIVES, Directive, OptionDef, REFCLOCK_OPTIONS, SOURCE_OPTIONS, Status, find};

/// How the file is written, in paragraphs.
const SYNTAX: &[&str] = &[
    "One directive a line: its name and its arguments, separated by blanks. Names of directives and options may be \
     written in capitals; file names, log categories and the word all are taken as they are.",
    "A line whose first character is one of ! ; # % is a comment. There are no comments behind a directive, no \
     quotes and no continued lines; a line has at most 2046 characters.",
    "The format is that of chrony.conf: existing files can be used as they are. Directives that have no effect in \
     this version are checked all the same, and each gives one warning at the start.",
    "Of a directive that is given again the last one holds, except where it adds up (sources, access, included \
     files, log).",
];

/// Columns of the plain help.
const WIDTH: usize = 79;
/// How far descriptions are indented in it.
const INDENT: usize = 8;

/// The manual page in section 5, as roff with man(7)'s macros.
pub fn man_page() -> String {
    let mut page = String::from(
        ".TH TIMEBALL.CONF 5 \"\" Timeball \"File Formats\"\n\
         .SH NAME\ntimeball.conf \\- configuration of Timeball\n\
         .SH DESCRIPTION\n",
    );
    page.push_str(&SYNTAX.iter().map(|text| roff(text)).collect::<Vec<_>>().join("\n.PP\n"));
    page.push('\n');
    for section in DIRECTIVES {
        page.push_str(&format!(".SH {}\n", roff(&section.title.to_uppercase())));
        for directive in section.directives {
            roff_entry(&mut page, directive.name, directive.usage, &description(directive));
        }
        if section.directives.iter().any(|directive| directive.name == "server") {
            roff_options(&mut page, "Options of server, pool and peer", SOURCE_OPTIONS);
            roff_options(&mut page, "Options of refclock", REFCLOCK_OPTIONS);
        }
    }
    page.push_str(".SH SEE ALSO\n.BR timeball (1)\n");
    page
}

/// All of it as plain text.
pub fn help() -> String {
    let mut text = String::new();
    for paragraph in SYNTAX {
        wrap(&mut text, 0, paragraph);
        text.push('\n');
    }
    for section in DIRECTIVES {
        text.push_str(&format!("{}\n\n", section.title.to_uppercase()));
        section.directives.iter().for_each(|directive| text.push_str(&entry(directive)));
        text.push('\n');
    }
    text.push_str(&options("OPTIONS OF SERVER, POOL AND PEER", SOURCE_OPTIONS));
    text.push('\n');
    text.push_str(&options("OPTIONS OF REFCLOCK", REFCLOCK_OPTIONS));
    text
}

/// What there is to say about one directive, with its options; `None` if there is no such directive.
pub fn help_for(name: &str) -> Option<String> {
    let directive = find(name)?;
    let more = match directive.name {
        "server" | "pool" | "peer" => options("\nOPTIONS", SOURCE_OPTIONS),
        "refclock" => options("\nOPTIONS", REFCLOCK_OPTIONS),
        _ => String::new(),
    };
    Some(entry(directive) + &more)
}

fn entry(directive: &Directive) -> String {
    let mut text = String::new();
    wrap(&mut text, 4, format!("{} {}", directive.name, directive.usage).trim_end());
    wrap(&mut text, INDENT, &description(directive));
    text
}

fn options<T>(title: &str, table: &[OptionDef<T>]) -> String {
    let mut text = format!("{title}\n\n");
    for option in table {
        wrap(&mut text, 4, format!("{} {}", option.name, option.usage).trim_end());
        wrap(&mut text, INDENT, &option_description(option));
    }
    text
}

fn description(directive: &Directive) -> String {
    let effect = match directive.status {
        Status::Effective => "",
        Status::NotYet => " No effect in this version.",
        Status::Removed | Status::Silent => " Ignored.",
    };
    let default = match directive.default {
        "" => String::new(),
        default => format!(" Default: {default}."),
    };
    format!("{}{default}{effect}", directive.doc)
}

fn option_description<T>(option: &OptionDef<T>) -> String {
    let effect = if option.status == Status::NotYet { " No effect in this version." } else { "" };
    format!("{} Default: {}.{effect}", option.doc, option.default)
}

fn roff_options<T>(page: &mut String, title: &str, table: &[OptionDef<T>]) {
    page.push_str(&format!(".SS \"{}\"\n", roff(title)));
    for option in table {
        roff_entry(page, option.name, option.usage, &option_description(option));
    }
}

fn roff_entry(page: &mut String, name: &str, usage: &str, text: &str) {
    let usage = if usage.is_empty() { String::new() } else { format!(" \\fI{}\\fR", roff(usage)) };
    page.push_str(&format!(".TP\n\\fB{}\\fR{usage}\n{}\n", roff(name), roff(text)));
}

/// Text that roff prints as it is: backslashes and hyphens are escaped, and no line begins with a command.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

/// Appends `text` in lines of at most [`WIDTH`] columns, each indented.
fn wrap(out: &mut String, indent: usize, text: &str) {
    let mut column = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if column > 0 && column + 1 + word.len() > WIDTH {
            out.push('\n');
            column = 0;
        }
        if column == 0 {
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::directives::all;

    #[test]
    fn everything_in_the_table_is_in_the_page_and_in_the_help() {
        let (page, help) = (man_page(), help());
        for directive in all() {
            assert!(page.contains(&format!("\n.TP\n\\fB{}\\fR", roff(directive.name))), "{}", directive.name);
            assert!(
                help.lines().any(|l| l.trim().split(' ').next() == Some(directive.name)),
                "{}",
                directive.name
            );
            assert!(help_for(directive.name).is_some());
        }
        for option in SOURCE_OPTIONS {
            assert!(page.contains(&format!("\\fB{}\\fR", option.name)), "{}", option.name);
        }
        assert!(help.lines().all(|line| line.len() <= WIDTH && line == line.trim_end()));
        assert!(help_for("frobnicate").is_none());
    }

    #[test]
    fn an_entry_of_the_help_reads_well() {
        insta::assert_snapshot!(help_for("makestep").expect("there"), @r"
            makestep THRESHOLD LIMIT
                Steps the clock when it is wrong by more than THRESHOLD seconds, in the
                first LIMIT updates only; a negative LIMIT is always. Default: off.
        ");
        insta::assert_snapshot!(help_for("nosystemcert").expect("there"), @r"
            nosystemcert
                The system's certificate authorities are not trusted. Default: they are
                trusted. No effect in this version.
        ");
    }

    #[test]
    fn the_page_is_plain_roff() {
        let page = man_page();
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line.split(' ').next().expect("never empty");
            assert!([".TH", ".SH", ".SS", ".TP", ".PP", ".BR"].contains(&request), "{line}");
        }
        assert!(page.is_ascii());
        assert_eq!(roff(".a-b\\c"), "\\&.a\\-b\\ec");
    }
}
