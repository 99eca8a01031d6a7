//! Where tests see each write to a segment's file, each change of its length, and each sync, in their order.
//!
//! In the crate that ships, these functions do nothing.

#[cfg(all(test, not(kymo_loom)))]
pub(crate) mod disk;

/// What a file system may not be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Blocks for a part of a file.
    Allocate,
    /// Files that are mapped and written.
    Map,
    /// Several names for one file.
    HardLink,
    SymbolicLink,
}

/// To be asked before the system is: tests have a file system without this ability.
#[inline]
pub(crate) fn ask(ability: Ability) -> std::io::Result<()> {
    #[cfg(all(test, not(kymo_loom)))]
    disk::refusal(ability).map_or(Ok(()), Err)?;
    let _ = ability;
    Ok(())
}

/// Bytes were written.
#[inline]
pub(super) fn write(segment: [u8; 16], offset: u64, bytes: &[u8]) {
    #[cfg(all(test, not(kymo_loom)))]
    disk::note(|| disk::Operation::Write { segment, offset, bytes: bytes.to_vec() });
    let _ = (segment, offset, bytes);
}

/// The file was made longer, with zeros, or shorter.
#[inline]
pub(super) fn length(segment: [u8; 16], bytes: u64) {
    #[cfg(all(test, not(kymo_loom)))]
    disk::note(|| disk::Operation::Length { segment, bytes });
    let _ = (segment, bytes);
}

/// The file got its name in the log.
#[inline]
pub(super) fn name(segment: [u8; 16], path: &std::path::Path) {
    #[cfg(all(test, not(kymo_loom)))]
    disk::note(|| disk::Operation::Name { segment, path: path.to_owned() });
    let _ = (segment, path);
}

/// The disk has what was written before.
#[inline]
pub(super) fn sync(segment: [u8; 16]) {
    #[cfg(all(test, not(kymo_loom)))]
    disk::note(|| disk::Operation::Sync { segment });
    let _ = segment;
}

/// The disk has the name of the file.
#[inline]
pub(super) fn sync_name(segment: [u8; 16]) {
    #[cfg(all(test, not(kymo_loom)))]
    disk::note(|| disk::Operation::SyncName { segment });
    let _ = segment;
}
