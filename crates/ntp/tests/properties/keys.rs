//! What holds for any text taken as a key file.

use ntp::auth::file::parse;
use ntp::ids::KeyId;

/// Panics if a property does not hold for `data`.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (keys, faults) = parse(&text);
    assert!(keys.len() + faults.len() <= 2 * text.lines().count(), "more than was written");
    for line in text.lines() {
        let Some(id) = line.split_whitespace().next().and_then(|word| word.parse().ok()).map(KeyId) else {
            continue;
        };
        let Some(key) = keys.get(id) else { continue };
        let mac = key.sign(4, &[7; 48]);
        assert_eq!(mac.as_bytes().len(), key.mac_len(4));
        let digest = mac.as_bytes().get(4..).expect("number and digest");
        assert!(key.verify(4, &[7; 48], digest), "our own digest");
        assert!(!key.verify(4, &[8; 48], digest), "another packet's");
    }
}
