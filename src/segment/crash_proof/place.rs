//! Where the files of a crash-proof logger are, as the header page of its log says it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::format::HEADER_BYTES;
use crate::format::header::{COPY_BYTES, COPY_OFFSETS};
use crate::ring::storage::file::process_start;

/// The offset of the place in the header page.
pub(crate) const OFFSET: usize = 3072;

/// How long the directory's name may be, in bytes.
const MAX_BYTES: usize = HEADER_BYTES - OFFSET - NAME - 4;

/// Where in that the name begins.
const NAME: usize = 8 + 16 + 2;

const _: () = assert!(COPY_OFFSETS[1] + COPY_BYTES <= OFFSET);

/// Where the files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RingPlace {
    /// Absolute.
    pub(crate) directory: PathBuf,
    /// When the process was started: see `ring::storage::layout::RingIdentity`.
    pub(crate) process_start: u64,
    /// The id of the logger: that of its file of call sites. Its rings name it too.
    pub(crate) logger: [u8; 16],
}

impl RingPlace {
    /// Of the files of a logger of this process in a directory.
    pub(crate) fn new(directory: &Path, logger: [u8; 16]) -> io::Result<Self> {
        let directory = std::path::absolute(directory)?;
        if directory.as_os_str().len() > MAX_BYTES {
            let text = format!("the name is too long: it may have {MAX_BYTES} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let process_start = process_start(std::process::id()).unwrap_or_default();
        Ok(Self { directory, process_start, logger })
    }

    /// Writes it into a header page.
    pub(crate) fn put(&self, page: &mut [u8]) {
        let name = self.directory.as_os_str().as_bytes();
        let part = &mut page[OFFSET..HEADER_BYTES];
        part[..8].copy_from_slice(&self.process_start.to_le_bytes());
        part[8..24].copy_from_slice(&self.logger);
        part[24..NAME].copy_from_slice(&(name.len() as u16).to_le_bytes());
        part[NAME..NAME + name.len()].copy_from_slice(name);
        let (body, checksum) = part.split_at_mut(HEADER_BYTES - OFFSET - 4);
        checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
    }

    /// What a header page says; `None` if it says nothing, or that is damaged.
    pub(crate) fn from_page(page: &[u8]) -> Option<Self> {
        let part = page.get(OFFSET..HEADER_BYTES)?;
        let (body, checksum) = part.split_at(part.len() - 4);
        let bytes = usize::from(u16::from_le_bytes(*body[24..].first_chunk()?));
        if bytes == 0 || crc32c::crc32c(body).to_le_bytes() != checksum {
            return None;
        }
        let name = body.get(NAME..NAME + bytes)?;
        Some(Self {
            directory: OsStr::from_bytes(name).into(),
            process_start: u64::from_le_bytes(*body.first_chunk()?),
            logger: *body[8..].first_chunk()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_is_what_was_written_and_damage_is_noticed() {
        let mut page = vec![0; HEADER_BYTES];
        assert_eq!(RingPlace::from_page(&page), None);
        let place = RingPlace::new(Path::new("/dev/shm"), [7; 16]).unwrap();
        place.put(&mut page);
        assert_eq!(RingPlace::from_page(&page), Some(place));
        for at in OFFSET..HEADER_BYTES {
            page[at] ^= 1;
            assert_eq!(RingPlace::from_page(&page), None, "byte {at}");
            page[at] ^= 1;
        }
        assert_eq!(RingPlace::from_page(&page[..OFFSET + NAME]), None);
    }

    #[test]
    fn a_name_that_is_too_long_is_refused() {
        assert!(
            RingPlace::new(Path::new(&format!("/{}", "d".repeat(MAX_BYTES))), [7; 16]).is_err()
        );
    }
}
