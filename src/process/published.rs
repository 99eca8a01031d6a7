//! An `Arc` that one thread publishes and withdraws. Any thread may get a handle without waiting.
//!
//! The reader may be a thread's first log call, an allocator inside `start`, or a signal handler
//! that interrupted `start` on the same thread. So it takes no lock:
//!
//! ```text
//! 1. reader:     readers += 1, reads the pointer, makes a handle, readers -= 1
//! 2. withdrawal: sets the pointer to null, or to another value; then reads readers
//! ```
//!
//! - INV-1: the published value has a handle of its own here, which is dropped only by a withdrawal
//!   that found no readers. Both sides change `readers` with read-modify-write operations, which
//!   are totally ordered. So a reader whose addition comes after the withdrawal's look finds null,
//!   or the other value, and one whose addition comes before is seen.
//! - A withdrawal that finds a reader leaks that handle, and the value is never freed. Waiting
//!   could deadlock: the withdrawal may run in a signal handler that interrupted the reader.

use crate::mutant::{self, Mutant};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// A published `Arc`, or none.
#[derive(Debug)]
pub struct Published<T> {
    pointer: AtomicPtr<T>,
    readers: AtomicU64,
}

impl<T> Published<T> {
    /// Nothing is published.
    #[cfg(not(kymo_loom))]
    pub const fn new() -> Self {
        Self { pointer: AtomicPtr::new(std::ptr::null_mut()), readers: AtomicU64::new(0) }
    }

    /// Nothing is published.
    #[cfg(kymo_loom)]
    pub fn new() -> Self {
        Self { pointer: AtomicPtr::new(std::ptr::null_mut()), readers: AtomicU64::new(0) }
    }

    /// Returns a handle, if a value is published. Never waits, never allocates.
    pub fn get(&self) -> Option<Arc<T>> {
        // Acquire: pairs with the release of the withdrawal's look, if that came first: then the
        // pointer is null.
        let acquire = mutant::ordering(Ordering::Acquire, Mutant::PublishedReaders);
        self.readers.fetch_add(1, acquire);
        // Acquire: pairs with the release in `publish`.
        let pointer = self.pointer.load(Ordering::Acquire);
        // Lets a model reach this point while other threads go on.
        #[cfg(kymo_loom)]
        self.readers.load(Ordering::Relaxed);
        let handle = (!pointer.is_null()).then(|| {
            // SAFETY: INV-1: its handle is not dropped while this thread is counted.
            unsafe { Arc::increment_strong_count(pointer) };
            // SAFETY: made by `Arc::into_raw`; the count is the one just added.
            unsafe { Arc::from_raw(pointer) }
        });
        // Release: pairs with the acquire of the withdrawal's look: the handle has been made.
        self.readers.fetch_sub(1, Ordering::Release);
        handle
    }

    /// Returns whether a value is published.
    pub fn is_some(&self) -> bool {
        // Relaxed: nothing is read through it.
        !self.pointer.load(Ordering::Relaxed).is_null()
    }

    /// Publishes a value. To be called by one thread at a time, while no value is published.
    pub fn publish(&self, value: Arc<T>) {
        // Release: pairs with the acquire in `get`.
        self.pointer.store(Arc::into_raw(value).cast_mut(), Ordering::Release);
    }

    /// Publishes a value in place of another, and returns a handle of that. To be called by one thread at a time.
    pub fn replace(&self, value: Arc<T>) -> Option<Arc<T>> {
        let value = Arc::into_raw(value).cast_mut();
        // Release: pairs with the acquire in `get`. Acquire: pairs with the release of an earlier `replace`.
        self.take(|| self.pointer.swap(value, Ordering::AcqRel))
    }

    /// Withdraws the published value, and returns a handle. Any thread may call it.
    pub fn withdraw(&self) -> Option<Arc<T>> {
        // Acquire: pairs with the release in `publish`.
        self.take(|| self.pointer.swap(std::ptr::null_mut(), Ordering::Acquire))
    }

    /// Withdraws this value, if it is the published one. Returns whether it was.
    pub fn withdraw_this(&self, value: &Arc<T>) -> bool {
        let this = Arc::as_ptr(value).cast_mut();
        let null = std::ptr::null_mut();
        let taken = self.take(|| {
            // Acquire: as above.
            let found =
                self.pointer.compare_exchange(this, null, Ordering::Acquire, Ordering::Relaxed);
            found.unwrap_or(null)
        });
        taken.is_some()
    }

    fn take(&self, swap: impl FnOnce() -> *mut T) -> Option<Arc<T>> {
        let pointer = swap();
        if pointer.is_null() {
            return None;
        }
        // Acquire: pairs with the release of a reader that has gone. Release: pairs with the
        // acquire of one that comes: it finds null.
        let readers = self.readers.fetch_add(0, Ordering::AcqRel);
        // SAFETY: made by `Arc::into_raw` in `publish`, and taken out once.
        let value = unsafe { Arc::from_raw(pointer) };
        if readers > 0 && !mutant::broken(Mutant::PublishedFreed) {
            // INV-1.
            std::mem::forget(value.clone());
        }
        Some(value)
    }

    /// Forgets the published value, and the readers, in the child of a fork: their threads do not
    /// exist there.
    pub fn forget(&self) {
        // Relaxed, both: there is no other thread. No destructor runs: threads that do not exist
        // here were using the value.
        self.pointer.store(std::ptr::null_mut(), Ordering::Relaxed);
        self.readers.store(0, Ordering::Relaxed);
    }
}

impl<T> Default for Published<T> {
    fn default() -> Self {
        Self::new()
    }
}
