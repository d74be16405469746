//! Whether words may be coloured.

use std::io::IsTerminal;

/// May what goes to `stream` have colours? Only on a terminal that can show them, and not if the user wants none
/// (<https://no-color.org>).
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && wanted(|name| std::env::var(name).ok())
}

fn wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("NO_COLOR").is_none_or(|value| value.is_empty()) && variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_can_be_refused() {
        let with = |name: &'static str, value: &'static str| {
            wanted(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(with("TERM", "xterm") && with("NO_COLOR", ""));
        assert!(!with("NO_COLOR", "1") && !with("TERM", "dumb"));
        assert!(!has_colours(&std::fs::File::open("/dev/null").expect("on every system")));
    }
}
