//! How much memory a thread holds, so that what runs on it within limits can be held to one.
//!
//! The program's allocator counts for each thread what it takes and gives back: an addition in memory of the thread's own,
//! next to the work of an allocator. Where another allocator is in use, in tests inside of the library, nothing is counted.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    // Without a destructor and with a constant to begin with, so that it can be used inside of an allocator.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// What this thread has taken less what it has given back, in bytes. Alone it means nothing, since threads give back what
/// others took; what it grows by during some work is what the work holds.
pub fn held() -> isize {
    HELD.get()
}

/// An allocator that counts.
pub struct Counted<A>(
    /// The one that does the work.
    pub A,
);

// A message takes and gives back memory more than a hundred times. Of the ways to a thread's own value only this one is made
// part of where it is used, so that nothing is left but the addition. It never fails, as there is no destructor.
#[inline(always)]
fn count(bytes: isize) {
    let _ = HELD.try_with(|held| held.set(held.get().wrapping_add(bytes)));
}

#[inline(always)]
fn size(layout: Layout) -> isize {
    layout.size().cast_signed()
}

// SAFETY: every call goes to the allocator within as it is, and what that gives is given back as it is.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: the caller keeps the promises of this function, which are those of the one within; so below.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(size(layout));
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size.cast_signed().wrapping_sub(size(layout)));
        // SAFETY: as above.
        unsafe { self.0.realloc(pointer, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(size(layout).wrapping_neg());
        // SAFETY: as above.
        unsafe { self.0.dealloc(pointer, layout) }
    }
}
