//! A range of time: the records are those that reading everything finds, whether the index helps,
//! is damaged, lies, or is missing.

use kymo_testing::segment;

use std::io::Write;

use kymo_format::types::Type;
use kymo_reader::{Ending, Options, Order, Reader};
use proptest::prelude::*;
use segment::{Arg, Outcome, Read, Rec, Segment, drain, read, read_with};

/// What a log is made of, frame by frame.
#[derive(Clone, Debug)]
enum Part {
    Block(u64, Vec<u64>, bool),
    Site(u64),
    Thread(u64),
    Clock(i64),
    Watermark(u64),
    Drops(u64, u64),
    Signal(u64),
    /// A part of the index.
    Index(usize),
    /// A dump of a flight recorder, with records that are so much older.
    Dump(u64, u64),
}

fn part() -> impl Strategy<Value = Part> {
    let near = || 0u64..100;
    prop_oneof![
        8 => (0u64..4, prop::collection::vec(near(), 1..5), any::<bool>())
            .prop_map(|(thread, ticks, last)| Part::Block(thread, ticks, last)),
        1 => (0u64..3).prop_map(Part::Site),
        1 => (0u64..4).prop_map(Part::Thread),
        1 => (-50i64..50).prop_map(Part::Clock),
        1 => near().prop_map(Part::Watermark),
        1 => (near(), near()).prop_map(|(first, last)| Part::Drops(first.min(last), last)),
        1 => near().prop_map(Part::Signal),
        1 => (1usize..9).prop_map(Part::Index),
    ]
}

/// A log whose time goes on by 10 with each part, give or take 100: many records are late.
fn unclosed(parts: &[Part]) -> Segment {
    let mut file = Segment::new(9);
    file.clock(1_000).site(0, 3, "a {n}", &[("n", Type::U64)]);
    for (n, part) in (0..).zip(parts) {
        let now = 10 * n;
        match part {
            Part::Block(thread, ticks, last) => {
                let args: Vec<_> = ticks.iter().map(|at| [Arg::Unsigned(*at)]).collect();
                let records: Vec<_> =
                    ticks.iter().zip(&args).map(|(at, args)| Rec(0, now + at, args)).collect();
                match last {
                    true => file.last_block(*thread, &records, now),
                    false => file.block(*thread, &records),
                }
            }
            Part::Site(format) => {
                file.site(0, 3, ["a {n}", "b {n}", "c {n}"][*format as usize], &[("n", Type::U64)])
            }
            Part::Thread(number) => file.thread(*number, "name"),
            Part::Clock(by) => file.clock_at(now, 1_000 + now as i64 + by),
            Part::Watermark(at) => file.watermark(now + at),
            Part::Drops(first, last) => file.drops(1, now + first, now + last, 1),
            Part::Signal(at) => file.signal(1_000, 11, now + at),
            Part::Index(every) => file.index_part(*every),
            Part::Dump(thread, ago) => {
                file.dump(*thread, &[&[Rec(0, now.saturating_sub(*ago), &[Arg::Unsigned(*ago)])]])
            }
        };
    }
    file
}

/// That log, closed, with an index or without one.
fn log(parts: &[Part], index: Option<usize>) -> Segment {
    let mut file = unclosed(parts);
    match index {
        Some(every) => file.close_with_index(every),
        None => file.close(),
    };
    file
}

fn within(range: (i64, i64)) -> Options<'static> {
    Options::new().since(range.0).until(range.1)
}

/// What of a whole reading is in the range. (Lateness is compared apart.)
fn filtered(whole: &Outcome, range: (i64, i64)) -> Vec<Read> {
    let inside = |record: &&Read| (range.0..range.1).contains(&record.time_ns);
    whole.records.iter().filter(inside).cloned().collect()
}

/// The marks that have a time.
fn timed(outcome: &Outcome) -> Vec<&String> {
    outcome.marks.iter().filter(|it| it.contains("dropped") || it.contains("SIG")).collect()
}

/// Reads all of a file from the disk.
fn from_disk(bytes: &[u8], options: Options<'static>) -> Outcome {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for it");
    drain(&mut options.open(file.path()).expect("a kymo file"))
}

proptest! {
    /// The records are those of reading everything and comparing times.
    #[test]
    fn ranges_match_reading_everything(
        parts in prop::collection::vec(part(), 0..60),
        every in prop_oneof![Just(None), (1usize..20).prop_map(Some)],
        since in 900i64..2_000,
        length in 0i64..400,
    ) {
        let (file, range) = (log(&parts, every), (since, since + length));
        let whole = read(&file.bytes);
        prop_assert!(whole.report.is_whole());
        let part = read_with(within(range), &file.bytes);
        prop_assert_eq!(&part.records, &filtered(&whole, range));
        prop_assert!(part.report.is_whole(), "{:?}", part.report);
        prop_assert_eq!(part.report.ending, Ending::Closed);
        prop_assert_eq!(part.report.totals, whole.report.totals);
        prop_assert!(part.marks.iter().all(|mark| !mark.contains("misses")));
        let is_indexed = every.is_some() || parts.iter().any(|it| matches!(it, Part::Index(_)));
        prop_assert!(is_indexed || part.report.skipped_bytes == 0);

        // Without the index the same, and the same events.
        let forward = drain(&mut within(range).from_read(&file.bytes[..]).expect("a kymo file"));
        prop_assert_eq!(&forward.records, &part.records);
        prop_assert_eq!(timed(&forward), timed(&part));
        prop_assert_eq!(forward.report.skipped_bytes, 0);
        let disk = from_disk(&file.bytes, within(range));
        prop_assert_eq!(&disk, &part);

        // By time the same, in an order that keeps each thread's.
        for order in [Order::Time, Order::Exact] {
            let merged = read_with(within(range).order(order), &file.bytes);
            let mut ids = merged.ids();
            let mut expected = part.ids();
            ids.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(ids, expected);
            prop_assert_eq!(timed(&merged).len(), timed(&part).len());
        }
    }

    /// An index with a wrong byte, in a frame whose checksum is wrong or was made right again: no
    /// panic, and with the wrong checksum no difference.
    #[test]
    fn an_index_that_is_damaged_is_not_used(
        parts in prop::collection::vec(part(), 20..60),
        every in 1usize..20,
        since in 900i64..2_000,
        at in any::<prop::sample::Index>(),
        value in 1u8..,
    ) {
        let mut file = log(&parts, Some(every));
        let range = (since, since + 100);
        let whole = read(&file.bytes);
        // Without the parts, nothing else helps.
        file.set_last_index(0);
        let (start, end) = file.frames[file.frames.len() - 2];
        let at = start + 8 + at.index(end - start - 8);
        file.bytes[at] ^= value;
        let part = read_with(within(range), &file.bytes);
        prop_assert_eq!(&part.records, &filtered(&whole, range));
        prop_assert_eq!(part.report.skipped_bytes, 0);

        let checksum = kymo_format::frame::checksum_of(&file.bytes[start..end], 9);
        file.bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
        let lied_to = read_with(within(range), &file.bytes);
        let ids = whole.ids();
        prop_assert!(lied_to.ids().iter().all(|id| ids.contains(id)));
        let disk = from_disk(&file.bytes, within(range));
        prop_assert_eq!(&disk, &lied_to);
    }
}

/// What the program did, and how its log came to an end that is none: with damage there, cut here.
#[derive(Clone, Debug)]
struct Killed {
    parts: Vec<Part>,
    /// Where a byte is changed, if it is, and by what.
    damage: Option<(prop::sample::Index, u8)>,
    /// How many bytes are cut off.
    cut: usize,
    /// How many frames at the end are not committed.
    uncommitted: usize,
}

fn killed() -> impl Strategy<Value = Killed> {
    let part = prop_oneof![
        20 => part(),
        1 => (0u64..4, 0u64..400).prop_map(|(thread, ago)| Part::Dump(thread, ago)),
    ];
    let cut = prop_oneof![2 => Just(0), 1 => 0usize..200, 1 => 0usize..4_000];
    let damage = prop::option::of((any::<prop::sample::Index>(), 1u8..));
    let parts = prop::collection::vec(part, 1..80);
    (parts, damage, cut, 0usize..3).prop_map(|(parts, damage, cut, uncommitted)| Killed {
        parts,
        damage,
        cut,
        uncommitted,
    })
}

impl Killed {
    fn bytes(&self) -> Vec<u8> {
        let mut file = unclosed(&self.parts);
        let last = file.frames.len().saturating_sub(self.uncommitted);
        let committed = file.frames.get(last).map_or(file.bytes.len(), |frame| frame.0);
        file.set_committed(committed as u64);
        if let Some((at, value)) = &self.damage {
            // Whoever reads everything knows less well what time it is without a clock frame.
            let is_clock = |frame: &&(usize, usize)| file.bytes[frame.0 + 4] == 5;
            let clocks: Vec<_> = file.frames.iter().filter(is_clock).copied().collect();
            let at = at.index(file.bytes.len() - 192) + 192;
            if clocks.iter().all(|&(start, end)| !(start..end.next_multiple_of(8)).contains(&at)) {
                file.bytes[at] ^= value;
            }
        }
        let length = file.bytes.len().saturating_sub(self.cut).max(4_096);
        file.bytes.truncate(length);
        file.bytes
    }
}

proptest! {
    /// A log that was not closed has its index in parts. Wherever it is cut or damaged, they find what reading
    /// everything finds. (A stream can only be read from its beginning to its end.)
    #[test]
    fn parts_of_an_index_find_what_reading_everything_finds(
        killed in killed(),
        since in 900i64..2_000,
        length in prop_oneof![0i64..400, Just(10_000)],
    ) {
        let (bytes, range) = (killed.bytes(), (since, since + length));
        for order in [Order::Written, Order::Time] {
            let options = || within(range).order(order);
            let whole = drain(&mut options().from_read(&bytes[..]).expect("a kymo file"));
            let part = read_with(options(), &bytes);
            prop_assert_eq!(by_thread(&part), by_thread(&whole));
            prop_assert_eq!(marks(&part), marks(&whole));
            let disk = from_disk(&bytes, options());
            prop_assert_eq!(by_thread(&disk), by_thread(&part));
        }
    }

    /// If only the end of such a log is read, nothing is left out of it, whether it is followed or not.
    #[test]
    fn the_end_of_a_log_is_found_by_parts_of_its_index(killed in killed(), since in 900i64..2_000) {
        let bytes = killed.bytes();
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(&bytes).expect("room for it");
        let stretches = Reader::open(file.path()).and_then(|mut it| it.stretches());
        let stretches = [stretches.expect("a kymo file")];
        for follow in [false, true] {
            let options = || Options::new().follow(follow);
            let end = options().skip_older(since).stretches(stretches.clone().into());
            let end = drain(&mut end.open(file.path()).expect("a kymo file"));
            let whole = drain(&mut options().open(file.path()).expect("a kymo file"));
            let range = (since, i64::MAX);
            prop_assert_eq!(filtered(&end, range), filtered(&whole, range));
            prop_assert!(end.ids().iter().all(|id| whole.ids().contains(id)));
        }
    }
}

/// The records, by thread. (How those of several threads are merged depends on where reading begins. And of a stream
/// no dump is read ahead.)
fn by_thread(outcome: &Outcome) -> Vec<Read> {
    let mut records = outcome.records.clone();
    records.sort_by_key(|record| (record.thread, record.sequence, record.block_offset));
    records
}

/// The marks that have a time, without the names of threads: a dump that is read ahead may name one before.
fn marks(outcome: &Outcome) -> Vec<String> {
    let nameless = |mark: &String| mark.split(" in ").next().map(|it| it.replace("name", ""));
    let mut marks: Vec<_> = timed(outcome).into_iter().filter_map(nameless).collect();
    marks.sort_unstable();
    marks
}

/// Records outside the range are skipped, and do not count as missing.
#[test]
fn ranges_skip_without_missing_records() {
    let parts: Vec<_> = (0..300).map(|n| Part::Block(n % 4, vec![0, 5], n % 3 == 0)).collect();
    let mut file = log(&parts, Some(10));
    let range = (2_500, 2_600);
    let part = read_with(within(range), &file.bytes);
    assert_eq!(part.records.len(), 20);
    assert!(part.report.skipped_bytes > file.bytes.len() as u64 / 2);
    assert!(part.report.is_whole());
    assert_eq!((part.report.lost(), part.report.missing), (0, 0));
    assert_eq!(part.marks, ["end after 600"]);

    // Damage outside is not met, damage inside is, and what it took is known to be missing.
    let whole = read(&file.bytes);
    let block_of = |time_ns| {
        let record = whole.records.iter().find(|record| record.time_ns == time_ns);
        record.expect("a record of that time").block_offset as usize
    };
    file.bytes[block_of(1_500) + 12] ^= 1;
    assert!(read_with(within(range), &file.bytes).report.is_whole());
    file.bytes[block_of(2_550) + 12] ^= 1;
    let part = read_with(within(range), &file.bytes);
    assert_eq!((part.records.len(), part.report.damages, part.report.lost()), (18, 1, 2));

    // Nothing at all is in the range.
    let none = read_with(within((0, 10)), &file.bytes);
    assert_eq!((none.records.len(), none.report.frames), (0, 2), "the index and the end");
    let none = read_with(within((i64::MIN, i64::MIN)), &file.bytes);
    assert_eq!(none.records.len(), 0);
}

/// An index cannot make a reader check the same bytes over and over.
#[test]
fn hostile_indexes_take_linear_time() {
    // Each of 50,000 words claims to begin a frame that reaches to the end of them.
    let mut file = Segment::new(9);
    file.clock(0);
    let words: Vec<u8> = (0..50_000u64)
        .flat_map(|word| (1u64 << 32 | (8 * (49_999 - word)) << 40).to_le_bytes())
        .collect();
    file.frame(200, &words);
    let mut index = file.index(1);
    index.steps.truncate(1);
    let first = file.frames[1].0 as u64 + 8;
    index.frames = (0..50_000).map(|word| first + 8 * word).collect();
    let offset = file.bytes.len() as u64;
    index.steps.push(kymo_format::index::Step { offset: offset - 8, ..index.steps[0] });
    let mut payload = Vec::new();
    index.put(offset, &mut payload);
    file.frame(10, &payload).close();
    let part = read_with(within((0, 10)), &file.bytes);
    assert_eq!((part.report.skipped_bytes, part.report.unknown_frames), (0, 1));
}

/// A damaged committed length may be any number. One of 2^63 or more kept `stretches` from ending.
#[test]
fn stretches_of_any_committed_length_end() {
    for committed in [1 << 20, 1 << 62, (1 << 63) + 4_096, u64::MAX - 7, u64::MAX] {
        let mut file = log(&[Part::Block(0, vec![1], true)], None);
        file.set_committed(committed);
        let mut reader = Reader::from_slice(&file.bytes).expect("a kymo file");
        assert!(reader.stretches().expect("memory can be read").is_empty());
        assert_eq!(drain(&mut reader).records.len(), 1);
    }
}

/// Parts that name themselves or a later one, or stretches that do not fit, are not believed: everything is read.
#[test]
fn hostile_parts_are_not_believed() {
    use kymo_format::index::{Index, IndexPart, Step};
    let mut start = Segment::new(9);
    start.clock(1_000).site(0, 3, "a {n}", &[("n", Type::U64)]);
    start.block(0, &[Rec(0, 10, &[Arg::Unsigned(1)])]);
    let (one, two) = (start.bytes.len() as u64, start.bytes.len() as u64 + 72);
    let read = |first: u64, previous: u64, end: u64, next: u64| {
        let mut file = Segment::new(9);
        file.clock(1_000).site(0, 3, "a {n}", &[("n", Type::U64)]);
        file.block(0, &[Rec(0, 10, &[Arg::Unsigned(1)])]);
        let mut put = |first: u64, previous: u64, end: u64, frames: Vec<u64>, clocks: Vec<u64>| {
            let step = Step { offset: first, oldest_ns: 1_005, newest_ns: 1_020, watermark: 0 };
            let (offset, mut payload) = (file.bytes.len() as u64, Vec::new());
            let index = Index { steps: vec![step], frames };
            IndexPart { index, clocks, previous, end, watermark: 0 }.put(offset, &mut payload);
            // Both have one length.
            let own = payload.split_off(payload.len() - 8);
            payload.resize(56, 0);
            payload.extend(own);
            file.frame(17, &payload);
        };
        put(first, previous, end, vec![4_096 + 56], vec![4_096]);
        put(next, one, two, Vec::new(), Vec::new());
        assert_eq!(file.frames.last().map(|frame| frame.0 as u64), Some(two));
        file.block(0, &[Rec(0, 500, &[Arg::Unsigned(2)])]).set_last_index(two).commit();
        let part = read_with(within((1_400, 1_600)), &file.bytes);
        assert_eq!((part.records.len(), part.report.damages), (1, 0));
        part.report.skipped_bytes
    };
    assert!(read(4_096, 0, one, one) > 0, "what is right is believed");
    assert_eq!(read(4_096, one, one, one), 0);
    assert_eq!(read(4_096, two, one, one), 0);
    assert_eq!(read(4_096, 4_104, one, one), 0);
    assert_eq!(read(4_104, 0, one, one), 0);
    assert_eq!(read(4_096, 0, one - 8, one), 0);
    assert_eq!(read(4_096, 0, one, one + 8), 0);
}

/// A process has one logger at a time.
static LOGGER: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn a_logger_writes_an_index_that_helps() {
    let _turn = LOGGER.lock();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("long.kymo");
    let logger = kymo::Logger::builder(&path)
        .overflow(kymo::Overflow::Wait { timeout: None })
        .start()
        .expect("a logger");
    let feed = std::thread::spawn(|| (0..100_000u64).for_each(|n| kymo::warn!("feed {n}")));
    (0..100_000u64).for_each(|n| kymo::info!("main {n} of {}", "many"));
    feed.join().expect("it ends");
    logger.shutdown();

    let bytes = std::fs::read(&path).expect("the file");
    let whole = read(&bytes);
    let mut times: Vec<_> = whole.records.iter().map(|record| record.time_ns).collect();
    times.sort_unstable();
    for (from, to) in [(0, 1_000), (90_000, 110_000), (150_000, 150_001), (199_000, 199_999)] {
        let range = (times[from], times[to]);
        let mut reader = within(range).open(&path).expect("the file");
        let part = drain(&mut reader);
        assert_eq!(part.records, filtered(&whole, range));
        assert!(part.report.is_whole());
        // How much depends on how the system let the threads run.
        assert!(part.report.skipped_bytes > bytes.len() as u64 / 8, "{:?}", part.report);
    }
    assert!(Reader::open(&path).expect("the file").header().side_of == [0; 16]);
}

/// A log that is being written, and one whose process was killed, have the parts of an index. So most of them is not
/// read.
#[test]
fn a_logger_writes_parts_of_an_index() {
    const LONG: u64 = 24 << 20;
    let _turn = LOGGER.lock();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("long.kymo");
    let wait = kymo::Overflow::Wait { timeout: None };
    let logger = kymo::Logger::builder(&path).overflow(wait).start().expect("a logger");
    let pad = "x".repeat(1_000);
    for n in 0..LONG / 1_000 {
        kymo::info!("{n} {pad}");
        if n == 20_000 {
            kymo::warn!("a call site that is new");
        }
    }
    kymo::flush();
    let bytes = std::fs::read(&path).expect("the file");
    let killed = dir.path().join("killed.kymo");
    std::fs::write(&killed, &bytes).expect("room for it");
    let whole = read(&bytes);
    let times: Vec<_> = whole.records.iter().map(|record| record.time_ns).collect();
    for path in [&path, &killed] {
        for (from, to) in [(100, 110), (10_000, 12_000), (times.len() - 10, times.len() - 1)] {
            let range = (times[from], times[to]);
            let options = within(range).snapshot(true);
            let part = drain(&mut options.open(path).expect("the file"));
            assert_eq!(part.records, filtered(&whole, range));
            assert!(part.report.is_whole(), "{:?}", part.report);
            assert!(part.report.skipped_bytes > LONG / 2, "{:?}", part.report);
        }
        let stretches = Reader::open(path).and_then(|mut it| it.stretches()).expect("the file");
        assert!(stretches.iter().count() > 50, "{stretches:?}");
        assert!(stretches.iter().last().is_some_and(|last| last.bytes < LONG / 2));
    }
    logger.shutdown();
    assert!(std::fs::metadata(&path).expect("the file").len() > LONG);
}
