//! Where tests see the steps that matter to a disk that loses power, in their order.
//!
//! In the crate that ships, this does nothing.

use std::path::PathBuf;

/// What was done to a file or a directory.
#[cfg_attr(not(test), allow(dead_code, reason = "for tests"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// An empty file was made, which is being written from now on.
    Created(PathBuf),
    /// The disk has what is in the file.
    Synced(PathBuf),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    /// The disk has the names.
    SyncedNames,
}

#[inline]
pub(crate) fn note(step: impl FnOnce() -> Step) {
    #[cfg(test)]
    STEPS.with_borrow_mut(|steps| steps.push(step()));
    #[cfg(not(test))]
    let _ = step;
}

#[cfg(test)]
thread_local! {
    static STEPS: std::cell::RefCell<Vec<Step>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Takes the steps of this thread so far.
#[cfg(test)]
pub(crate) fn take() -> Vec<Step> {
    STEPS.take()
}
