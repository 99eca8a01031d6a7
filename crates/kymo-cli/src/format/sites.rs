//! What a format makes once for each call site of a file, and not for each record.

use kymo_reader::CallSite;

/// What was made so far, by [`CallSite::index`].
pub struct Sites<S>(Vec<Option<S>>);

impl<S> Sites<S> {
    /// Nothing was made so far.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// What `make` makes of a call site, the first time that it is met.
    #[inline]
    pub fn get(&mut self, site: &CallSite, make: impl FnOnce(&CallSite) -> S) -> &S {
        let index = site.index();
        if self.0.len() <= index {
            self.0.resize_with(index + 1, || None);
        }
        self.0[index].get_or_insert_with(|| make(site))
    }
}
