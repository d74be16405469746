//! File name patterns of `include`: `*`, `?` and `[…]` within one component of a path, as POSIX glob() has them.

use super::parse::Loader;

/// Has `pattern` any wildcard?
pub(super) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The paths that match, in byte order. `Err` when a folder that was named without wildcard cannot be searched.
pub(super) fn expand(pattern: &str, loader: &dyn Loader) -> Result<Vec<String>, String> {
    let mut found = vec![String::new()];
    let mut guessed = false;
    for (index, component) in pattern.split('/').enumerate() {
        if index > 0 {
            found.iter_mut().for_each(|path| path.push('/'));
        }
        let wild = has_wildcard(component);
        // What stands before the first wildcard is taken as written; behind it, a path must be there to match.
        if !wild && (!guessed || matches!(component, "" | "." | "..")) {
            found.iter_mut().for_each(|path| path.push_str(component));
            continue;
        }
        let mut next = Vec::new();
        for parent in &found {
            let entries = match loader.list(if parent.is_empty() { "." } else { parent }) {
                Ok(entries) => entries,
                Err(_) if guessed => continue,
                Err(reason) => return Err(reason),
            };
            let fitting =
                entries.iter().filter(|e| if wild { matches(component, e) } else { *e == component });
            next.extend(fitting.map(|entry| format!("{parent}{entry}")));
        }
        found = next;
        guessed |= wild;
    }
    found.sort_unstable();
    Ok(found)
}

/// Does `name` match `pattern`? A leading dot must be written.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Only the last star can need more text, so this is at worst the product of the lengths.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if let Some(used) = pattern.get(p..).and_then(|rest| matches_one(rest, name[n])) {
            p += used;
            n += 1;
        } else if let Some((star_p, star_n)) = star {
            star = Some((star_p, star_n + 1));
            p = star_p + 1;
            n = star_n + 1;
        } else {
            return false;
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|c| *c == '*')
}

/// How many characters of `pattern` stand for `c`, if its first unit matches it.
fn matches_one(pattern: &[char], c: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '[' => match bracket_length(&pattern[1..]) {
            Some(length) => bracket_contains(&pattern[1..length], c).then_some(length + 1),
            None => (c == '[').then_some(1),
        },
        literal => (literal == c).then_some(1),
    }
}

/// Length of a bracket expression behind its `[`, with the `]`; in the first place that stands for itself.
fn bracket_length(text: &[char]) -> Option<usize> {
    let first = usize::from(matches!(text.first(), Some('!' | '^')));
    Some(text.iter().enumerate().position(|(i, c)| *c == ']' && i > first)? + 1)
}

/// Is `c` in the set between the brackets?
fn bracket_contains(inside: &[char], c: char) -> bool {
    let negated = matches!(inside.first(), Some('!' | '^'));
    let mut set = &inside[usize::from(negated)..];
    let mut found = false;
    while let [low, rest @ ..] = set {
        (found, set) = match rest {
            ['-', high, rest @ ..] => (found || (*low..=*high).contains(&c), rest),
            _ => (found || *low == c, rest),
        };
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*.conf", "a.conf~", false),
            ("a*b*c", "axxbyybzc", true),
            ("a*b*c", "axxbyybz", false),
            ("?.conf", "B.conf", true),
            ("?.conf", "BB.conf", false),
            ("[0-9]*", "10-uci.conf", true),
            ("[0-9]*", "uci", false),
            ("[!0-9]*", "uci", true),
            ("[]x]", "]", true),
            ("[abc", "[abc", true),
            ("", "", true),
            ("*", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_pattern_panics_and_a_star_matches_anything(pattern in "[a\\[\\]*?!-]{0,12}", name in "[a\\[b-]{0,12}") {
            let _ = matches(&pattern, &name);
            prop_assert!(matches("*", &name));
            let begins = format!("{name}*").replace('[', "?");
            prop_assert!(matches(&begins, &name), "{} {}", begins, name);
        }
    }
}
