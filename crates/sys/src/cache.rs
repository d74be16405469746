//! The processor's cache.

/// Has the line of memory around `word` read, without waiting for it.
#[inline]
pub fn fetch(word: &u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which changes nothing but the time that reading will take.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>((&raw const *word).cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!("prfm pldl1keep, [{}]", in(reg) word, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    std::hint::black_box(*word);
}
