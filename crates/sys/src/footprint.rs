//! Memory that a long-running process need not hold.

use std::ffi::{c_int, c_void};

/// Gives back the pages of program text that the start has touched and the loop will not: the parser, the table of directives,
/// the help. They stay in the system's cache of files, and what is used again is mapped again.
///
/// Only segments that are never written to, relocations included, are let go, so nothing is lost. Locked memory stays.
pub fn forget_start() {
    // SAFETY: the callback has the expected signature, does not unwind, and is given no data.
    unsafe { libc::dl_iterate_phdr(Some(forget_object), std::ptr::null_mut()) };
}

/// Lets the kernel use huge pages for the whole pages of `memory`, if it has any. Best before they are touched; then touching one may take
/// memory for 2 MB.
pub fn allow_huge_pages(memory: &[u64]) {
    let range = memory.as_ptr_range();
    let (start, end) = (range.start.addr().next_multiple_of(page()), range.end.addr() & !(page() - 1));
    if start < end {
        // SAFETY: advice about live memory, which does not change what is in it. A refusal (an old kernel) changes nothing.
        unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_HUGEPAGE) };
    }
}

/// Bytes of a page.
fn page() -> usize {
    // SAFETY: sysconf only reads.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) }.max(1).cast_unsigned() as usize
}

unsafe extern "C" fn forget_object(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the loader hands over a live structure whose dlpi_phdr points at dlpi_phnum program headers.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let page = page();
    // The kernel's own page of code belongs to no file and has no data segment.
    let writes = |flags: u32| flags & libc::PF_W != 0;
    let is_file = headers.iter().any(|header| header.p_type == libc::PT_LOAD && writes(header.p_flags));
    for header in
        headers.iter().filter(|header| is_file && header.p_type == libc::PT_LOAD && !writes(header.p_flags))
    {
        let start = base + header.p_vaddr as usize;
        let end = start + header.p_memsz as usize;
        // The first page is the segment's own; the last may be shared with what follows, so only whole pages go.
        let (start, end) = (start & !(page - 1), end & !(page - 1));
        if start < end {
            // SAFETY: the pages are a private, never modified mapping of a file: those that are touched again are read from it.
            // A refusal (locked memory) changes nothing.
            unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_it_was_after_advice() {
        let memory = vec![7u64; 1 << 20];
        [&memory[..], &memory[1..3], &[]].into_iter().for_each(allow_huge_pages);
        assert!(memory.iter().all(|&word| word == 7));
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        let advised = smaps.lines().any(|line| line.starts_with("VmFlags:") && line.contains(" hg"));
        if !advised {
            eprintln!("SKIPPED: this kernel has no huge pages, or does not tell");
        }
    }

    #[test]
    fn the_program_goes_on_and_its_constants_are_what_they_were() {
        static TABLE: [u64; 4096] = {
            let mut table = [0; 4096];
            let mut index = 0;
            while index < table.len() {
                table[index] = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                index += 1;
            }
            table
        };
        static NAMES: [&str; 3] = ["relocated", "pointers", "stay"];
        let file_kb = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).map(str::trim);
            line.and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        };
        let sum = || TABLE.iter().fold(0u64, |sum, value| sum.wrapping_add(*value));
        let (before, held) = (sum(), file_kb());
        forget_start();
        let kept = file_kb();
        assert_eq!(sum(), before);
        assert_eq!(NAMES.concat(), "relocatedpointersstay");
        if let (Some(held), Some(kept)) = (held, kept) {
            assert!(kept < held, "{held} kB of files in memory, then {kept}");
        }
    }
}
