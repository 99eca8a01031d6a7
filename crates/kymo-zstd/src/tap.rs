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
    {
        let step = step();
        AFTER.with_borrow(|after| after.iter().for_each(|after| after(&step)));
        STEPS.with_borrow_mut(|steps| steps.push(step));
    }
    #[cfg(not(test))]
    let _ = step;
}

/// What is done after each step.
#[cfg(test)]
type After = Box<dyn Fn(&Step)>;

#[cfg(test)]
thread_local! {
    static AFTER: std::cell::RefCell<Option<After>> = const { std::cell::RefCell::new(None) };
    static STEPS: std::cell::RefCell<Vec<Step>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Takes the steps of this thread so far.
#[cfg(test)]
pub(crate) fn take() -> Vec<Step> {
    STEPS.take()
}

/// Has this done after each step of this thread.
#[cfg(test)]
pub(crate) fn after_each(what: impl Fn(&Step) + 'static) {
    AFTER.set(Some(Box::new(what)));
}
