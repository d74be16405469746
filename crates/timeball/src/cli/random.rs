//! Randomness from the kernel: sequence numbers, socket names, keys.

/// `N` random bytes.
///
/// # Panics
/// When the kernel gives none: without it neither keys nor sequence numbers would be worth anything.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Fills `bytes` with randomness; panics as [`bytes`] does.
pub fn fill(bytes: &mut [u8]) {
    sys::random::fill(bytes).expect("the kernel gives randomness");
}

/// 16 random letters and digits.
pub fn word() -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    bytes::<16>().iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
