//! Randomness of the kernel: `getrandom(2)`, which a simulator can seed.

use crate::cvt;
use std::io;

/// Fills `buffer` with random bytes. Waits, early after boot, until the kernel has gathered enough.
pub fn fill(buffer: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        // SAFETY: pointer and length describe the live, exclusive slice `rest`.
        match cvt(unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) }) {
            Ok(count) => filled += count.cast_unsigned(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A random seed for a generator.
pub fn seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    fill(&mut seed).map(|()| seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_seeds_differ() {
        assert_ne!(seed().expect("randomness"), seed().expect("randomness"));
        fill(&mut []).expect("nothing to do");
    }
}
