//! The word that was probably meant.

/// The candidate nearest to `word`, if it is near enough to be worth asking.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words cannot be near any candidate, and the distance's cost is the product of the lengths.
    const LONGEST: usize = 40;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "X"?`, if something is near.
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean \"{near}\"?"))
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from `a` to `b` (restricted
/// Damerau–Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = core::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_mistakes_are_recognised() {
        for (a, b, steps) in [
            ("", "abc", 3),
            ("same", "same", 0),
            ("mkaestep", "makestep", 1),
            ("sever", "server", 1),
            ("ab", "cd", 2),
        ] {
            assert_eq!(distance(a, b), steps, "{a} {b}");
            assert_eq!(distance(b, a), steps, "{b} {a}");
        }
        let words = ["makestep", "server", "pool", "port"];
        assert_eq!(nearest("MAKSETEP", words), Some("makestep"));
        assert_eq!(nearest("sever", words), Some("server"));
        assert_eq!(nearest("prot", words), Some("port"));
        assert_eq!(nearest("frobnicate", words), None);
        assert_eq!(nearest(&"x".repeat(4000), words), None);
        assert_eq!(did_you_mean("poll", words).as_deref(), Some("did you mean \"pool\"?"));
    }
}
