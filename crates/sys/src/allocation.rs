//! A global allocator that counts, for the tests that the paths of packets allocate nothing.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: sys::allocation::Counting = sys::allocation::Counting;
//!
//! let before = sys::allocation::count();
//! let boxed = std::hint::black_box(Box::new(1));
//! assert_eq!(sys::allocation::count(), before + 1);
//! drop(boxed);
//! assert_eq!(sys::allocation::count(), before + 1);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, with a count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Allocations (and enlargements) this thread has made so far.
pub fn count() -> u64 {
    COUNT.with(Cell::get)
}

fn increment() {
    // A thread that is ending may allocate after its counter is gone; nobody asks for that count.
    let _ = COUNT.try_with(|count| count.set(count.get().wrapping_add(1)));
}

// SAFETY: everything is passed on to the system's allocator unchanged; counting allocates nothing, because the
// counter is constant-initialised and needs no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        increment();
        // SAFETY: the caller's duties are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        increment();
        // SAFETY: the caller's duties are the same.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's duties are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}
