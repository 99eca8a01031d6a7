//! The header page of a segment that is being written: mapped if that is possible, with a copy to write it again.
//!
//! In: lengths and places in the segment. Out: words of the page, for readers that follow the file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::format::HEADER_BYTES;
use crate::format::header::{COMMITTED_OFFSET, COPY_BYTES, COPY_OFFSETS, ClockSource, Header};
use crate::segment::crash_proof::place::RingPlace;
use crate::segment::guard::Mapping;
use crate::segment::{Identity, open, tap};
use crate::sync::statics::{AtomicU64, Ordering};

/// A header page.
#[derive(Debug)]
pub(super) struct HeaderPage {
    /// `None`: it is written by system calls.
    map: Option<Mapping>,
    /// What is in it, but for the committed length.
    bytes: Vec<u8>,
    salt: u32,
    /// The segment id.
    id: [u8; 16],
}

impl HeaderPage {
    /// A page that is not mapped yet. `rings`: where the rings are, if they are in files. The page has to be
    /// [written](Self::write) then.
    pub(super) fn new(clock: ClockSource, rings: Option<&RingPlace>) -> Self {
        let header = open::header(clock);
        let mut bytes = header.to_page();
        if let Some(rings) = rings {
            rings.put(&mut bytes);
        }
        Self { map: None, bytes, salt: header.salt, id: header.segment }
    }

    /// Maps the page.
    pub(super) fn map(&mut self, file: &File) -> io::Result<()> {
        self.map = Some(Mapping::new(file, 0, HEADER_BYTES)?);
        Ok(())
    }

    /// Says which segment of its log this is. The page has to be [written](Self::write) then.
    pub(super) fn identify(&mut self, identity: &Identity<'_>) {
        let Identity { log, previous, sequence, opened_ns, run, .. } = *identity;
        let header = Header::from_copy(&self.bytes).unwrap_or_default();
        let page = Header { log, previous, sequence, opened_ns, run, ..header }.to_page();
        for at in COPY_OFFSETS {
            self.bytes[at..at + COPY_BYTES].copy_from_slice(&page[at..at + COPY_BYTES]);
        }
    }

    /// Makes the page ready to be written.
    pub(super) fn populate(&self) {
        if let Some(map) = &self.map {
            map.populate(0, HEADER_BYTES);
        }
    }

    /// The segment id.
    pub(super) fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The segment's salt, a part of all its checksums.
    pub(super) fn salt(&self) -> u32 {
        self.salt
    }

    /// Writes all of the page, with this committed length.
    pub(super) fn write(&mut self, file: &File, committed: u64) -> io::Result<()> {
        self.put(COMMITTED_OFFSET, committed);
        file.write_all_at(&self.bytes, 0)?;
        tap::write(self.id, 0, &self.bytes);
        Ok(())
    }

    /// Writes all of the page, and maps it again, because the file was cut.
    pub(super) fn renew(&mut self, file: &File, committed: u64) -> io::Result<()> {
        self.write(file, committed)?;
        if self.map.is_some() { self.map(file) } else { Ok(()) }
    }

    /// Stores the committed length.
    pub(super) fn commit(&self, file: &File, committed: u64) -> io::Result<()> {
        // Release: pairs with the acquire of each reader, in this process or another: the frames before it are there
        // (INV-2 of `mapped`).
        match self.word(COMMITTED_OFFSET) {
            Some(word) => word.store(committed.to_le(), Ordering::Release),
            None => file.write_all_at(&committed.to_le_bytes(), COMMITTED_OFFSET as u64)?,
        }
        tap::write(self.id, COMMITTED_OFFSET as u64, &committed.to_le_bytes());
        Ok(())
    }

    /// Stores a word that says where a dump mark or a part of the index is.
    pub(super) fn set_hint(&mut self, file: &File, at: usize, offset: u64) {
        self.put(at, offset);
        // Release: keeps the program's order with the committed length, for a reader when this process is killed in
        // between. Pairs with nothing else: a reader that follows the hint checks that the frame is there.
        match self.word(at) {
            Some(word) => word.store(offset.to_le(), Ordering::Release),
            // Without a hint, dumps are found later, and more is read.
            None => drop(file.write_all_at(&offset.to_le_bytes(), at as u64)),
        }
        tap::write(self.id, at as u64, &offset.to_le_bytes());
    }

    /// Whether the page is as it was written.
    pub(super) fn is_intact(&self, file: &File) -> bool {
        let mut copy = [0; COPY_BYTES];
        let is_read = match &self.map {
            // SAFETY: the page is mapped, is longer than this, and is only copied.
            Some(map) => unsafe {
                map.as_mut_ptr().copy_to_nonoverlapping(copy.as_mut_ptr(), COPY_BYTES);
                true
            },
            None => file.read_exact_at(&mut copy, 0).is_ok(),
        };
        is_read && !self.is_cut() && copy == self.bytes[..COPY_BYTES]
    }

    /// Whether something that was written here did not get into the file.
    pub(super) fn is_cut(&self) -> bool {
        self.map.as_ref().is_some_and(Mapping::is_cut)
    }

    fn put(&mut self, at: usize, word: u64) {
        self.bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// The word of the page at this offset, a multiple of 8, if the page is mapped.
    fn word(&self, at: usize) -> Option<&AtomicU64> {
        assert!(at.is_multiple_of(8) && at < HEADER_BYTES);
        let word = self.map.as_ref()?.as_mut_ptr().wrapping_add(at).cast::<AtomicU64>();
        // SAFETY: the page is mapped as long as `self` lives, the assertion says that the word is
        // within it and aligned, and other processes only read there.
        Some(unsafe { &*word })
    }
}

#[cfg(test)]
impl HeaderPage {
    /// What is in the page.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
