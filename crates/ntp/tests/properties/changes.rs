//! What holds for any text taken as the file of changes that last.

use ntp::lasting::{Lasting, format, parse};

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(change) = Lasting::parse(&text) {
        assert_eq!(Lasting::parse(&change.to_string()), Some(change), "our own line");
    }
    let Some((changes, _)) = parse(&text) else { return };
    assert!(changes.len() <= text.lines().count());
    assert!(changes.is_sorted_by(|a, b| a.number < b.number));
    let ours = format(changes.iter().map(|saved| (saved.number, saved.at, &saved.change)));
    assert_eq!(parse(&ours), Some((changes, 0)), "our own text");
}
