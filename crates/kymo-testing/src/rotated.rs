//! Puts segments of a rotated log into a directory, for tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::segment::Segment;

/// The name of the segment with this number of the log `app.kymo`.
pub fn segment_name(sequence: u64) -> String {
    // One a minute, so that names are in the order of numbers.
    let minutes = sequence % (24 * 60);
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("app.20261130T{hour:02}{minute:02}00Z.{sequence:06}.kymo")
}

/// Writes the segments with the numbers from 1 on, and the link `app.kymo` to the last one. Returns its path.
pub fn write_log(directory: &Path, segments: &[Segment]) -> PathBuf {
    for (segment, sequence) in segments.iter().zip(1..) {
        fs::write(directory.join(segment_name(sequence)), &segment.bytes).expect("room");
    }
    let link = directory.join("app.kymo");
    set_link(&link, segments.len() as u64);
    link
}

/// Makes the link lead to the segment with this number.
pub fn set_link(link: &Path, sequence: u64) {
    let temporary = link.with_extension("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(segment_name(sequence), &temporary).expect("room");
    #[cfg(unix)]
    fs::rename(&temporary, link).expect("a link in place of another");
    #[cfg(not(unix))]
    let _ = (link, sequence, temporary);
}
