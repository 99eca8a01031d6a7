//! Segments that end anywhere, and what closing makes of them.

use std::fs;
use std::path::Path;

use super::*;
use crate::format::types::Type;
use crate::segment::tap::disk::{self, Disk, Left, Operation};
use kymo_reader::{Ending, Options};
use kymo_testing::segment::{Arg, Outcome, Rec, Segment, read, read_with, sample};

/// A sample without its end, as a log that was written up to there.
fn unclosed(frames: usize) -> (Vec<u8>, Vec<(usize, usize)>) {
    let file = sample();
    let end = file.frames[frames].0;
    (file.bytes[..end].to_vec(), file.frames[..frames].to_vec())
}

/// How many frames of the sample precede the ends of its threads.
fn frames_of_sample() -> usize {
    sample().frames.len() - 4
}

fn set_committed(bytes: &mut [u8], committed: usize) {
    bytes[COMMITTED_OFFSET..][..8].copy_from_slice(&(committed as u64).to_le_bytes());
}

fn header_of(bytes: &[u8]) -> Header {
    Header::from_copy(bytes).unwrap()
}

/// Closes a file of these bytes. Returns what is in it then.
fn close_bytes(path: &Path, bytes: &[u8]) -> (Result<bool, NotClosed>, Vec<u8>) {
    fs::write(path, bytes).unwrap();
    let file = File::options().read(true).write(true).open(path).unwrap();
    let closed = close(&file, &header_of(bytes), false, &|| true);
    (closed, fs::read(path).unwrap())
}

/// The records, in no order.
fn contents(outcome: &Outcome) -> Vec<(u64, u64, &str)> {
    let mut contents = outcome.contents();
    contents.sort_unstable();
    contents
}

/// Checks that a file is closed, whole, and has what it had.
fn assert_closed(bytes: &[u8], before: &Outcome, told: &str) {
    let after = read(bytes);
    assert_eq!(contents(&after), contents(before), "{told}");
    assert!(after.report.is_whole(), "{told}: {:?}", after.report);
    assert_eq!(after.report.ending, Ending::Closed, "{told}");
    assert_eq!(after.report.committed_bytes, bytes.len() as u64, "{told}");
    assert_eq!(after.report.unknown_frames, before.report.unknown_frames, "{told}");
    let killed = after.marks.iter().filter(|mark| mark.contains("SIGKILL")).count();
    assert_eq!(killed, 1, "{told}: {:?}", after.marks);
    assert_eq!(after.report.totals.unwrap().dropped, after.report.dropped, "{told}");
}

/// Whatever the byte at which the writer died, and whatever it had committed.
#[test]
fn a_segment_that_ends_anywhere_is_closed() {
    // Where a sync costs nothing.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("a.kymo");
    let (all, frames) = unclosed(frames_of_sample());
    for cut in (4096..=all.len()).step_by(7).chain([all.len()]) {
        let mut borders: Vec<_> = frames.iter().map(|frame| frame.0).chain([all.len()]).collect();
        borders.retain(|border| *border <= cut);
        for committed in [4096, borders[borders.len() / 2], *borders.last().unwrap()] {
            let mut bytes = all[..cut].to_vec();
            set_committed(&mut bytes, committed);
            let before = read(&bytes);
            // What was allocated.
            bytes.resize(cut + (cut % 2) * 70_000, 0);
            let told = format!("{cut} bytes, {committed} committed");
            let (closed, after) = close_bytes(&path, &bytes);
            assert!(closed.unwrap(), "{told}");
            assert_closed(&after, &before, &told);
            let (again, same) = close_bytes(&path, &after);
            assert!(!again.unwrap() && same == after, "{told}: closed twice");
        }
    }
}

#[test]
fn damage_stays_as_it_is() {
    // Where a sync costs nothing.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("a.kymo");
    let (mut bytes, frames) = unclosed(frames_of_sample());
    let committed = bytes.len();
    set_committed(&mut bytes, committed);
    for (start, end) in frames {
        for at in [start, start + 5, end - 1] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x40;
            let (closed, after) = close_bytes(&path, &bytes);
            assert!(matches!(closed, Err(NotClosed::Damaged(_))), "{at}: {closed:?}");
            assert!(after == bytes, "{at}: it was changed");
        }
    }
    let mut later = header_of(&bytes);
    later.version = VERSION + 1;
    bytes[..4096].copy_from_slice(&later.to_page());
    set_committed(&mut bytes, committed);
    fs::write(&path, &bytes).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    assert!(matches!(close(&file, &later, false, &|| true), Err(NotClosed::Version(_))));
    assert!(fs::read(&path).unwrap() == bytes);
}

/// A segment of megabytes, with dumps, whose index must lead to everything.
fn long() -> Segment {
    let mut file = Segment::new(9);
    file.clock(1_000_000).site(0, 3, "{}", &[("", Type::Str)]).thread(1, "main");
    let text = "x".repeat(10_000);
    for n in 0..300_u64 {
        let records = [
            Rec(0, n * 100 + 5, &[Arg::Str(text.as_bytes())]),
            Rec(0, n * 100 + 60, &[Arg::Str(b"short")]),
        ];
        match n % 50 {
            7 => file.dump(1, &[&[Rec(0, n * 100 - 40, &[Arg::Str(b"old")])], &records]),
            _ => file.last_block(1, &records, n * 100 + 61),
        };
        if n % 9 == 0 {
            file.clock_at(n * 100 + 70, 1_000_000 + n as i64 * 100 + 70);
        }
    }
    file.commit();
    file
}

#[test]
fn the_index_leads_to_everything() {
    // Where a sync costs nothing.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let (closed, after) = close_bytes(&directory.path().join("a.kymo"), &long().bytes);
    assert!(closed.unwrap());
    let all = read(&after);
    assert!(all.report.is_whole() && all.records.len() > 600, "{:?}", all.report);
    let mut random = fastrand::Rng::with_seed(3);
    let mut skipped = 0;
    for _ in 0..60 {
        let since = 1_000_000 + random.i64(0..30_000);
        let until = since + random.i64(1..9_000);
        let part = read_with(Options::new().since(since).until(until), &after);
        let wanted = |outcome: &Outcome| {
            let records =
                outcome.records.iter().map(|it| (it.time_ns, it.sequence, it.message.len()));
            let mut wanted: Vec<_> = records.filter(|it| (since..=until).contains(&it.0)).collect();
            wanted.sort_unstable();
            wanted
        };
        assert_eq!(wanted(&part), wanted(&all), "{since} to {until}");
        skipped += part.report.skipped_bytes;
    }
    assert!(skipped > 0, "no part was skipped");
}

/// Killed, or without power, after each of its operations: the next attempt closes the segment, and nothing is lost.
#[test]
fn a_closing_that_is_cut_short_is_done_again() {
    // Where a sync costs nothing.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("a.kymo");
    let mut random = fastrand::Rng::with_seed(4);
    let (mut bytes, frames) = unclosed(frames_of_sample());
    set_committed(&mut bytes, frames[frames.len() / 2].0);
    let before = read(&bytes);
    bytes.resize(bytes.len() + 9_000, 0xEE);
    let id = header_of(&bytes).segment;
    let mut disk = Disk::default();
    disk.apply(&Operation::Length { segment: id, bytes: bytes.len() as u64 });
    disk.apply(&Operation::Write { segment: id, offset: 0, bytes: bytes.clone() });
    disk.apply(&Operation::Sync { segment: id });
    disk::record();
    let (closed, after) = close_bytes(&path, &bytes);
    assert!(closed.unwrap());
    let operations = disk::recorded();
    assert!(operations.len() >= 5, "{operations:?}");
    for (done, operation) in operations.iter().enumerate() {
        for left in Left::ALL.into_iter().chain([Left::Random; 20]) {
            let image = disk.files[&id].after_power_failure(left, &mut random);
            let told = format!("before operation {done}, {left:?}");
            let found = read(&image);
            assert_eq!(contents(&found), contents(&before), "{told}");
            let (closed, after) = close_bytes(&path, &image);
            closed.unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_closed(&after, &before, &told);
        }
        disk.apply(operation);
    }
    assert!(disk.files[&id].written == after, "an operation went past the double");
}

/// Frames whose checksums are right, and whose content is anything: nothing panics, and what is closed the reader finds
/// whole.
#[test]
fn hostile_frames_are_refused_or_closed() {
    // Where a sync costs nothing.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let path = directory.path().join("a.kymo");
    let mut random = fastrand::Rng::with_seed(6);
    let (mut bytes, frames) = unclosed(frames_of_sample());
    let committed = bytes.len();
    set_committed(&mut bytes, committed);
    let salt = header_of(&bytes).salt;
    let (mut refused, mut closed) = (0, 0);
    for _ in 0..800 {
        let mut bytes = bytes.clone();
        let (start, end) = frames[random.usize(..frames.len())];
        for _ in 0..random.usize(1..4) {
            let at = random.usize(start + 4..end);
            // Not the length, so that the other frames are found.
            if !(start + 5..start + 8).contains(&at) {
                bytes[at] =
                    if random.bool() { random.u8(..) } else { bytes[at] ^ 1 << random.u8(..8) };
            }
        }
        let checksum = crate::format::frame::checksum_of(&bytes[start..end], salt);
        bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let (outcome, after) = close_bytes(&path, &bytes);
        match outcome {
            Ok(true) => {
                let found = read(&after);
                assert!(found.report.is_whole(), "{start} to {end}: {:?}", found.report);
                closed += 1;
            }
            // An end frame before the end, or another kind.
            Ok(false) => {}
            Err(NotClosed::Damaged(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 100 && closed > 100, "{refused} refused, {closed} closed");
}
