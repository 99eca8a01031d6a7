//! An allocator that does something at a chosen allocation of the first thread that asks for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Interrupting;

#[global_allocator]
static ALLOCATOR: Interrupting = Interrupting;

thread_local! {
    /// How many calls of this thread's are still to come; 0: nothing is to be done.
    static LEFT: Cell<u64> = const { Cell::new(0) };
}

static ACTION: OnceLock<fn()> = OnceLock::new();
static DONE: AtomicU64 = AtomicU64::new(0);

/// The action is done in the `number`th call of the allocator, from 1, that this thread makes in
/// `work`. Whether there were so many.
pub fn at_call(number: u64, action: fn(), work: impl FnOnce()) -> bool {
    ACTION.set(action).unwrap();
    LEFT.set(number);
    work();
    LEFT.set(0);
    DONE.load(Ordering::Relaxed) > 0
}

fn count() {
    let left = LEFT.get();
    if left == 0 {
        return;
    }
    LEFT.set(left - 1);
    if left == 1 {
        DONE.fetch_add(1, Ordering::Relaxed);
        ACTION.get().unwrap()();
    }
}

// SAFETY: all of it is the system's.
unsafe impl GlobalAlloc for Interrupting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}
