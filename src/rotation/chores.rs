//! What the housekeeper does with the files of a log.

use std::io;

use crate::rotation::housekeeper::{Chores, Switched};
use crate::rotation::link;
use crate::rotation::log::LogLock;
use crate::segment::Output;
use crate::segment::create_temporary;
use crate::segment::mapped::{Making, MappedFile};
use crate::segments::LogName;

/// The files of a log, for the housekeeper.
pub(crate) struct Files {
    pub(crate) log: LogName,
    pub(crate) making: Making,
    /// The lock on the log, which is held as long as anything is done here.
    pub(crate) _lock: LogLock,
}

impl Files {
    /// Makes a segment without a name.
    pub(crate) fn prepare_segment(&self) -> io::Result<MappedFile> {
        let (file, temporary) =
            create_temporary(&link::temporary(&self.log, "next"), self.making.mode)?;
        MappedFile::ahead(file, temporary.clone(), self.making.clone()).inspect_err(|_| {
            // Nobody else knows it.
            let _ = std::fs::remove_file(&temporary);
        })
    }
}

impl Files {
    /// Removes the temporary name of the segment that got its own.
    pub(crate) fn forget_temporary(&self) {
        // It may be removed already, or never have been there.
        let _ = std::fs::remove_file(link::temporary(&self.log, "next"));
    }
}

impl Chores for Files {
    type Segment = MappedFile;

    fn prepare(&mut self) -> io::Result<MappedFile> {
        self.prepare_segment()
    }

    fn finish(&mut self, switched: Switched<MappedFile>) -> Vec<io::Error> {
        let Switched { mut closed, is_removed, current } = switched;
        self.forget_temporary();
        let linked = link::point(&self.log, &current);
        let closed = if is_removed { Ok(()) } else { closed.close() };
        [linked, closed].into_iter().filter_map(Result::err).collect()
    }

    fn discard(&mut self, next: MappedFile) {
        next.discard();
    }
}
