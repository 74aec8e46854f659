//! The largest piece of memory that some work asked for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Bytes of the largest request of this thread since it was last set to 0.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Watching;

fn note(bytes: usize) {
    // A thread that ends may free and ask when its variables are gone.
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// A global allocator is unsafe by its signature; this one only looks and passes on. All four are
// here, because those that are not would ask by way of `alloc`, and touch what nobody touched.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(old, layout, size) }
    }
    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What `work` returns, and the bytes of its largest request, also of one that was refused. Only this
/// thread's requests count: the readers have no others.
pub(crate) fn largest<R>(work: impl FnOnce() -> R) -> (R, usize) {
    LARGEST.set(0);
    let result = work();
    (result, LARGEST.get())
}
