//! Texts line by line: how two differ, and how two changes of one text go together.

use std::fmt::Write;
use std::ops::Range;

/// Largest product of two texts' line numbers that is compared line by line; beyond, one text replaces the other.
const LARGEST: usize = 4_000_000;
/// Lines around a change that are shown.
const CONTEXT: usize = 2;

/// Lines of a text that were replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hunk<'a> {
    old: Range<usize>,
    new: &'a [&'a str],
    /// Where `new` begins in the new text.
    at: usize,
}

fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// What was replaced on the way from `old` to `new`: the complement of a longest common subsequence.
fn hunks<'a>(old: &[&str], new: &'a [&'a str]) -> Vec<Hunk<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let left = &old[head..];
    let right = &new[head..];
    let tail = left.iter().rev().zip(right.iter().rev()).take_while(|(a, b)| a == b).count();
    let (left, right) = (&left[..left.len() - tail], &right[..right.len() - tail]);
    if left.is_empty() && right.is_empty() {
        return Vec::new();
    }
    let (rows, columns) = (left.len(), right.len());
    if rows.saturating_mul(columns) > LARGEST {
        return vec![Hunk { old: head..head + rows, new: &new[head..head + columns], at: head }];
    }
    // The length of a longest common subsequence of what follows (row, column).
    let width = columns + 1;
    let mut common = vec![0u32; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row * width + column] = if left[row] == right[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let mut found = Vec::new();
    let (mut row, mut column) = (0, 0);
    let (mut from_row, mut from_column) = (0, 0);
    loop {
        let is_end = row == rows && column == columns;
        let is_same = row < rows && column < columns && left[row] == right[column];
        if (is_end || is_same) && (row > from_row || column > from_column) {
            found.push(Hunk {
                old: head + from_row..head + row,
                new: &new[head + from_column..head + column],
                at: head + from_column,
            });
        }
        if is_end {
            return found;
        }
        if is_same {
            (row, column) = (row + 1, column + 1);
            (from_row, from_column) = (row, column);
        } else if column == columns
            || (row < rows && common[(row + 1) * width + column] >= common[row * width + column + 1])
        {
            row += 1;
        } else {
            column += 1;
        }
    }
}

/// The change from `old` to `new` as a unified diff without file names; empty if there is none.
pub fn diff(old: &str, new: &str) -> String {
    let (old, new) = (split(old), split(new));
    let hunks = hunks(&old, &new);
    let mut out = String::new();
    let mut put = |sign: char, line: &str| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let _ = writeln!(out, "{sign}{line}"); // writing to a string cannot fail
    };
    let mut rest = hunks.as_slice();
    while let Some(first) = rest.first() {
        // Changes with little between them are shown together.
        let mut count = 1;
        while rest.get(count).is_some_and(|next| next.old.start <= rest[count - 1].old.end + 2 * CONTEXT) {
            count += 1;
        }
        let (group, others) = rest.split_at(count);
        let start = first.old.start.saturating_sub(CONTEXT);
        let last = &group[group.len() - 1];
        let end = (last.old.end + CONTEXT).min(old.len());
        let new_start = first.at - (first.old.start - start);
        let new_length = last.at + last.new.len() + (end - last.old.end) - new_start;
        let from = |start: usize, length: usize| if length == 0 { start } else { start + 1 };
        put(
            '@',
            &format!(
                "@ -{},{} +{},{} @@",
                from(start, end - start),
                end - start,
                from(new_start, new_length),
                new_length
            ),
        );
        let mut at = start;
        for hunk in group {
            old[at..hunk.old.start].iter().for_each(|line| put(' ', line));
            old[hunk.old.clone()].iter().for_each(|line| put('-', line));
            hunk.new.iter().for_each(|line| put('+', line));
            at = hunk.old.end;
        }
        old[at..end].iter().for_each(|line| put(' ', line));
        rest = others;
    }
    out
}

/// `base` with both changes made, that to `ours` and that to `theirs`; `None` if they touch the same lines.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Option<String> {
    let (base, ours, theirs) = (split(base), split(ours), split(theirs));
    let mut all = hunks(&base, &ours);
    for hunk in hunks(&base, &theirs) {
        if all.iter().any(|other| other.old == hunk.old && other.new == hunk.new) {
            continue;
        }
        if all.iter().any(|other| overlaps(&other.old, &hunk.old)) {
            return None;
        }
        all.push(hunk);
    }
    // What is inserted before a line comes before what replaces it.
    all.sort_by_key(|hunk| (hunk.old.start, hunk.old.end));
    let mut out = String::new();
    let mut at = 0;
    for hunk in all {
        out.extend(base[at..hunk.old.start].iter().copied());
        out.extend(hunk.new.iter().copied());
        at = hunk.old.end;
    }
    out.extend(base[at..].iter().copied());
    Some(out)
}

fn overlaps(a: &Range<usize>, b: &Range<usize>) -> bool {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => a.start == b.start,
        (true, false) => b.start < a.start && a.start < b.end,
        (false, true) => a.start < b.start && b.start < a.end,
        (false, false) => a.start < b.end && b.start < a.end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_difference_is_shown_with_what_is_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n";
        let new = "a\nb\nc\nX\ne\nf\ng\nh\ni\nj\nk\nl\n";
        assert_eq!(
            diff(old, new),
            "@@ -2,5 +2,5 @@\n b\n c\n-d\n+X\n e\n f\n@@ -10,2 +10,3 @@\n j\n k\n+l\n"
        );
        assert_eq!(diff("", "a\n"), "@@ -0,0 +1,1 @@\n+a\n");
        assert_eq!(diff(old, old), "");
    }

    #[test]
    fn changes_of_other_lines_go_together_and_of_the_same_do_not() {
        let base = "a\nb\nours\nc\n";
        assert_eq!(merge(base, "A\nb\nours\nc\n", "a\nb\nc\n").as_deref(), Some("A\nb\nc\n"));
        assert_eq!(merge(base, "a\nb\nours\nnew\nc\n", "a\nb\nc\n").as_deref(), Some("a\nb\nnew\nc\n"));
        assert_eq!(merge(base, "a\nb\nOURS\nc\n", "a\nb\nc\n"), None);
        assert_eq!(merge("x\n", "x\na\n", "x\nb\n"), None);
        assert_eq!(merge("x\n", "x\na\n", "x\na\n").as_deref(), Some("x\na\n"));
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec("[abc]", 0..8).prop_map(|lines| lines.join("\n") + "\n")
    }

    proptest! {
        #[test]
        fn hunks_lead_from_one_text_to_the_other(old in text(), new in text()) {
            prop_assert_eq!(merge(&old, &new, &old), Some(new.clone()));
            prop_assert_eq!(merge(&old, &old, &new), Some(new.clone()));
            prop_assert_eq!(merge(&old, &new, &new), Some(new.clone()));
            prop_assert_eq!(diff(&old, &new).is_empty(), old == new);
        }
    }
}
