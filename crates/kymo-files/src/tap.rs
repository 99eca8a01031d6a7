//! Where tests see what is done to the files of a directory, in its order, for a double of a disk that loses power.
//!
//! Without the feature `tap`, which only tests have, this does nothing.

use std::path::PathBuf;

/// What was done to a file or a directory.
#[cfg_attr(not(any(test, feature = "tap")), allow(dead_code, reason = "for tests"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An empty file was made, which is being written from now on.
    Created(PathBuf),
    /// The disk has what is in the file.
    Synced(PathBuf),
    /// A file has another name.
    Renamed(PathBuf, PathBuf),
    /// A name is gone: the path, or the last part of it.
    Removed(PathBuf),
    /// The disk has the names.
    SyncedNames,
}

/// To be called after each step.
#[inline]
pub fn note(step: impl FnOnce() -> Step) {
    #[cfg(any(test, feature = "tap"))]
    seen::note(&step());
    #[cfg(not(any(test, feature = "tap")))]
    let _ = step;
}

#[cfg(any(test, feature = "tap"))]
pub use seen::{after_each, take};

#[cfg(any(test, feature = "tap"))]
mod seen {
    use std::cell::RefCell;

    use super::Step;

    /// What is done after each step.
    type After = Box<dyn Fn(&Step)>;

    thread_local! {
        static AFTER: RefCell<Option<After>> = const { RefCell::new(None) };
        /// `None` if nobody asks for them.
        static STEPS: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
    }

    pub(super) fn note(step: &Step) {
        // What is done after a step may have steps of its own.
        AFTER.with_borrow(|after| after.iter().for_each(|after| after(step)));
        STEPS.with_borrow_mut(|steps| steps.iter_mut().for_each(|it| it.push(step.clone())));
    }

    /// Takes the steps of this thread since the last call.
    pub fn take() -> Vec<Step> {
        STEPS.replace(Some(Vec::new())).unwrap_or_default()
    }

    /// Has this done after each step of this thread.
    pub fn after_each(what: impl Fn(&Step) + 'static) {
        AFTER.set(Some(Box::new(what)));
    }
}
