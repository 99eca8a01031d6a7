//! Keeps text that a format makes once for each call site of a file, and not for each record.

use kymo_reader::CallSite;

/// One value for each call site met so far, by [`CallSite::index`].
pub struct Sites<S>(Vec<Option<S>>);

impl<S> Default for Sites<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Sites<S> {
    /// Returns an empty table.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Returns the value of a call site, made by `make` when it is met first.
    #[inline]
    pub fn get(&mut self, site: &CallSite, make: impl FnOnce(&CallSite) -> S) -> &S {
        let index = site.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index].get_or_insert_with(|| make(site))
    }
}
