//! Compressed segments are read as the original: all of it, parts of it, from any source, with damage.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use kymo_reader::{Ending, Error, Files, Options, Order};
use kymo_testing::segment::{Arg, Outcome, Rec, Segment, drain};

/// A segment of some mebibytes with an index.
fn segment() -> Vec<u8> {
    let mut segment = Segment::new(0x5EED);
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random
    };
    segment.clock(1_000_000_000).thread(1, "one").thread(2, "two");
    for site in 0..3 {
        segment.site(site, 3, "value {}", &[("n", kymo_format::types::Type::U64)]);
    }
    for block in 0..300_u64 {
        if block % 40 == 0 {
            segment.clock_at(block * 1_000_000, 1_000_000_000 + block as i64 * 1_000_000);
        }
        let values: Vec<[Arg<'_>; 1]> = (0..1_000).map(|_| [Arg::Unsigned(noise())]).collect();
        let records: Vec<Rec<'_>> = (0..)
            .zip(&values)
            .map(|(n, value)| Rec(n % 3, block * 1_000_000 + n * 10, &value[..]))
            .collect();
        segment.last_block(1 + block % 2, &records, block * 1_000_000 + 10_000);
    }
    segment.close_with_index(30);
    segment.bytes
}

fn compressed(segment: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    kymo_zstd::write(segment, &mut file, 3, |_| true).unwrap();
    file
}

struct Place {
    dir: tempfile::TempDir,
    segment: Vec<u8>,
    file: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let segment = segment();
        let file = compressed(&segment);
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("app.kymo.zst"), &file).unwrap();
        Self { dir, segment, file }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.kymo.zst")
    }

    fn original(&self, options: Options<'static>) -> Outcome {
        drain(&mut options.from_slice(&self.segment).unwrap())
    }

    fn compressed(&self, options: Options<'static>) -> Outcome {
        drain(&mut options.open(self.path()).unwrap())
    }
}

/// Bytes that come in small pieces, as from a pipe.
struct Pipe<'a>(&'a [u8]);

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(3);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn all_sources_give_all_records() {
    let place = Place::new();
    assert!(place.segment.len() > 2 << 20);
    for order in [Order::Written, Order::Time, Order::Exact] {
        let options = || Options::new().order(order);
        let expected = place.original(options());
        assert_eq!(expected.records.len(), 300_000);
        let snapshot = options().snapshot(true);
        for reader in [
            options().open(place.path()),
            snapshot.open(place.path()),
            options().from_file(File::open(place.path()).unwrap()),
            options().from_slice(&place.file),
            options().from_read(Pipe(&place.file)),
        ] {
            assert!(drain(&mut reader.unwrap()) == expected, "{order:?}");
        }
    }
}

#[test]
fn ranges_are_those_of_the_original() {
    let place = Place::new();
    let time_of = |block: i64| 1_000_000_000 + 2 * block * 1_000_000;
    for (since, until) in [(0, 10), (3, 4), (100, 140), (299, 400), (600, 700), (0, 600)] {
        for order in [Order::Written, Order::Time] {
            let options =
                || Options::new().order(order).since(time_of(since)).until(time_of(until));
            let (expected, found) = (place.original(options()), place.compressed(options()));
            assert!(expected == found, "{since} to {until}");
        }
    }
}

/// What is not wanted is not decompressed: here it could not be.
#[test]
fn only_what_is_wanted_is_decompressed() {
    let mut place = Place::new();
    let time_ns = place.original(Options::new()).records.last().unwrap().time_ns - 3_000_000;
    let options = || Options::new().order(Order::Time).since(time_ns);
    let expected = place.original(options());
    assert!((100..100_000).contains(&expected.records.len()));
    // From the second block to the middle of the file.
    let middle = place.file.len() / 2;
    place.file[2_000..middle].fill(0);
    fs::write(place.path(), &place.file).unwrap();
    assert!(place.compressed(options()) == expected);
    assert!(place.compressed(Options::new()).report.damaged_bytes > 1 << 20);
}

#[test]
fn damage_is_local_and_told() {
    let mut place = Place::new();
    let middle = place.file.len() / 2;
    place.file[middle] ^= 1;
    fs::write(place.path(), &place.file).unwrap();
    let (whole, found) = (place.original(Options::new()), place.compressed(Options::new()));
    let report = &found.report;
    assert!(report.damaged_bytes > 500_000 && report.damaged_bytes < 3 << 19, "{report:?}");
    assert_eq!(report.ending, Ending::Closed);
    assert_eq!(report.lost(), (whole.records.len() - found.records.len()) as u64);
    let mut rest = whole.records.iter();
    assert!(found.records.iter().all(|record| rest.any(|it| it == record)));
}

#[test]
fn files_without_a_seek_table_are_read_from_front_to_back() {
    let place = Place::new();
    let expected = place.original(Options::new());
    let whole = zstd::encode_all(&place.segment[..], 3).unwrap();
    fs::write(place.path(), &whole).unwrap();
    assert!(place.compressed(Options::new()) == expected);
    let since = expected.records[200_000].time_ns;
    let range = || Options::new().order(Order::Time).since(since);
    assert!(place.compressed(range()).records == place.original(range()).records);
    // One that was cut.
    for file in [&whole, &place.file] {
        fs::write(place.path(), &file[..file.len() / 2]).unwrap();
        let found = place.compressed(Options::new());
        assert_eq!(found.report.ending, Ending::Truncated);
        assert!(found.records.len() > 50_000);
        assert!(found.records[..] == expected.records[..found.records.len()]);
    }
}

#[test]
fn no_log_is_found_in_other_compressed_files() {
    let place = Place::new();
    for content in [&b"no log"[..], b"", &[0; 10_000]] {
        let file = zstd::encode_all(content, 3).unwrap();
        for reader in [Options::new().from_slice(&file), Options::new().from_read(&file[..])] {
            let error = reader.map(|_| ()).unwrap_err();
            assert!(
                matches!(error, Error::Foreign | Error::Empty | Error::Incomplete { .. }),
                "{error:?}"
            );
        }
    }
    fs::write(place.path(), &place.file[..100]).unwrap();
    assert!(Options::new().open(place.path()).is_err());
}

/// A side file is found by the segment's id, whatever became of the segment. It is not decompressed itself: it could
/// be longer than a side file may be.
#[test]
fn side_files_of_compressed_segments_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let mut log = Segment::of(7, 0);
    log.clock(1_000_000).site(0, 3, "log", &[]).thread(1, "one").block(1, &[Rec(0, 10, &[])]);
    log.close();
    let mut side = Segment::of(8, 7);
    side.clock(1_000_000).site(0, 3, "side", &[]).thread(1, "one").block(1, &[Rec(0, 20, &[])]);
    side.close();
    fs::write(at("app.kymo.zst"), compressed(&log.bytes)).unwrap();
    fs::write(at("app.kymo.rescue"), &side.bytes).unwrap();
    let messages = || {
        let mut files =
            Files::open([at("app.kymo.zst")], || Options::new().order(Order::Time)).unwrap();
        let (mut messages, mut failed) = (Vec::new(), 0);
        loop {
            match files.next_event() {
                Ok(Some((_, kymo_reader::Event::Record(record)))) => {
                    let mut message = String::new();
                    record.message(&mut message);
                    messages.push(message);
                }
                Ok(Some(_)) => {}
                Ok(None) => return (messages, failed),
                Err(_) => failed += 1,
            }
        }
    };
    assert_eq!(messages(), (vec!["log".to_owned(), "side".to_owned()], 0));
    fs::write(at("app.kymo.rescue"), compressed(&side.bytes)).unwrap();
    assert_eq!(messages(), (vec!["log".to_owned()], 1));
}
