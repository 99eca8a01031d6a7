//! Knows whether the calling thread is inside the logger, and may hold one of its locks.
//!
//! Code of the program can run there: an allocator, or a signal handler. If it logs and needs the
//! slow path, it would wait for a lock of its own thread, or begin again what is under way. So such
//! a call is counted and does nothing else.
//!
//! INV-1: a lock is held as [`Locked`] if a log call may take it, or if the consumer may wait for it. (A log call with
//! a lock of the second kind could wait for the consumer.)

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::process::statics::INSIDE;

/// Marks the calling thread as inside the logger, until dropped.
pub(crate) struct Inside(PhantomData<*const ()>);

impl Inside {
    /// Enters the logger.
    pub(crate) fn enter() -> Self {
        INSIDE.set(INSIDE.get() + 1);
        Self(PhantomData)
    }

    /// Returns whether the calling thread is inside the logger.
    pub(crate) fn is_here() -> bool {
        INSIDE.get() > 0
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(INSIDE.get() - 1);
    }
}

/// A held lock, whose thread counts as inside the logger.
pub(crate) struct Locked<G> {
    // The first field, so that the lock is released before the thread is outside.
    guard: G,
    inside: Inside,
}

impl<G> Locked<G> {
    /// Takes a lock.
    pub(crate) fn by(lock: impl FnOnce() -> G) -> Self {
        let inside = Inside::enter();
        Self { guard: lock(), inside }
    }

    /// Releases the lock for a while (a wait on a condition variable), and takes it again.
    pub(crate) fn map(self, wait: impl FnOnce(G) -> G) -> Self {
        Self { guard: wait(self.guard), inside: self.inside }
    }
}

impl<G: Deref> Deref for Locked<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Locked<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}
