//! What is written is what is read, from a slice and from anything that can be read.

use kymo_testing::segment;

use std::io::{self, Read};

use kymo::Level;
use kymo_format::header::Header;
use kymo_format::types::Type;
use kymo_reader::{Ending, Error, Event, HeaderState, Options, Order, Reader};
use segment::{Arg, Outcome, Rec, Segment, drain, read, read_with, sample};

/// Gives out 1 to `most` bytes at a time, and is interrupted now and then.
struct Dribble<'a> {
    bytes: &'a [u8],
    most: usize,
    calls: usize,
}

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        if self.calls.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = (self.calls % self.most + 1).min(into.len());
        self.bytes.read(&mut into[..len])
    }
}

fn dribbled(options: Options<'static>, bytes: &[u8], most: usize) -> Outcome {
    let mut reader = options.from_read(Dribble { bytes, most, calls: 0 }).expect("a kymo file");
    drain(&mut reader)
}

#[test]
fn everything_in_a_record_comes_back() -> Result<(), Error> {
    let file = sample();
    let mut reader = Reader::from_slice(&file.bytes)?;
    assert_eq!((reader.header().process, &*reader.header().host), (4711, "host"));
    let first = reader.next_record()?.expect("a first record");
    assert_eq!((first.time_ns(), first.ticks(), first.sequence()), (1_000_010, 10, 0));

    let second = reader.next_record()?.expect("a second record");
    assert_eq!(second.level(), Level::Warn);
    assert_eq!((second.target(), second.module()), ("target", "krate::module"));
    assert_eq!((second.file(), second.line(), second.column()), ("src/main.rs", 11, 5));
    assert_eq!((second.thread().name(), second.thread().os_id()), ("main", Some(1000)));
    assert_eq!((second.sequence(), second.call_site().index()), (1, 1));
    let mut message = String::new();
    second.message(&mut message);
    assert_eq!(message, "order 7 at 1.5");
    assert_eq!(second.argument("px"), second.argument_at(1));
    assert!(second.argument("px").is_some() && second.argument("qty").is_none());
    let names: Vec<_> = second.arguments().map(|(name, _)| name).collect();
    assert_eq!(names, ["id", "px"]);
    assert!(format!("{second:?}").contains("order 7 at 1.5"));
    Ok(())
}

/// In the order of the file, every mark is in its place.
#[test]
fn written_order_keeps_marks_in_place() {
    let outcome = read(&sample().bytes);
    assert_eq!(
        outcome.ids(),
        [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (0, 2), (0, 3), (2, 1), (1, 3)]
    );
    assert_eq!(outcome.records[5].message, "bob says true");
    assert_eq!(
        outcome.marks,
        [
            "feed dropped 9: the ring was full",
            "main ends after 4",
            "feed ends after 4",
            "late ends after 2",
            "end after 10"
        ]
    );
    let report = outcome.report;
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.ending, Ending::Closed);
    assert_eq!((report.records, report.late, report.dropped), (10, 1, 9));
    assert_eq!((report.lost(), report.unmarked_drops(), report.uncommitted_bytes), (0, 0, 0));
}

/// A slice and a slow stream give equal events.
#[test]
fn slices_and_slow_streams_agree() {
    let mut file = sample();
    for order in [Order::Written, Order::Time, Order::Exact] {
        for damage in [None, Some(4200), Some(4500)] {
            if let Some(at) = damage {
                file.bytes[at] ^= 0x10;
            }
            let whole = read_with(Options::new().order(order), &file.bytes);
            for most in [1, 2, 3, 7, 8, 9, 100, 4096, 1 << 20] {
                let options = Options::new().order(order);
                assert_eq!(dribbled(options, &file.bytes, most), whole, "{most} bytes at a time");
            }
        }
        file = sample();
    }
}

/// Fails at every other call.
struct Flaky<'a>(Dribble<'a>, bool);

impl Read for Flaky<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 { self.0.read(into) } else { Err(io::ErrorKind::WouldBlock.into()) }
    }
}

/// After a failed read, reading continues at its offset.
#[test]
fn reading_continues_after_a_failure() {
    let mut file = sample();
    file.bytes[file.frames[7].0] ^= 1;
    let (header, frames) = file.bytes.split_at(4096);
    let whole = read(&file.bytes);
    for order in [Order::Written, Order::Time, Order::Exact] {
        let flaky = Flaky(Dribble { bytes: frames, most: 50, calls: 0 }, true);
        let options = Options::new().order(order);
        let mut reader = options.from_read(header.chain(flaky)).expect("a kymo file");
        let (mut records, mut failures) = (0, 0);
        loop {
            match reader.next_record() {
                Ok(Some(_)) => records += 1,
                Ok(None) => break,
                Err(Error::Io { offset, .. }) => {
                    failures += 1;
                    assert!(offset >= 4096);
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(records, whole.records.len());
        assert!(failures > 5);
        assert_eq!(reader.report().damage, whole.report.damage);
    }
}

#[test]
fn what_was_cut_says_so() -> Result<(), Error> {
    let mut file = Segment::new(3);
    let ty = Type::Option(&Type::Tuple(&[Type::Str]));
    file.clock(0).site(0, 3, "{}", &[("", ty)]);
    let args = |text| [Arg::Bool(true), text];
    let (cut, whole) = (args(Arg::Cut("lon")), args(Arg::Str(b"long")));
    file.block(0, &[Rec(0, 1, &cut), Rec(0, 2, &whole)]).close();
    let mut reader = Reader::from_slice(&file.bytes)?;
    assert!(reader.next_record()?.expect("a record").is_cut());
    assert!(!reader.next_record()?.expect("a record").is_cut());
    Ok(())
}

#[test]
fn many_threads_many_records_large_frames() {
    let mut file = Segment::new(99);
    file.clock(0).site(0, 3, "{n} {pad}", &[("n", Type::U64), ("pad", Type::Str)]);
    let pad = vec![b'x'; 1000];
    let mut expected = 0;
    for sweep in 0..3u64 {
        for thread in 0..50u64 {
            let args: Vec<[Arg<'_>; 2]> = (0..sweep * 400 + thread)
                .map(|n| [Arg::Unsigned(n << (thread % 50)), Arg::Str(&pad[..n as usize % 1000])])
                .collect();
            let base = sweep * 100_000;
            let records: Vec<_> =
                args.iter().zip(base..).map(|(args, at)| Rec(0, at, args)).collect();
            file.block(thread, &records);
            expected += records.len();
        }
        file.watermark((sweep + 1) * 100_000);
    }
    file.close();
    let written = read(&file.bytes);
    assert_eq!(written.records.len(), expected);
    assert!(written.report.is_whole());
    assert_eq!(dribbled(Options::new(), &file.bytes, 65_537), written);

    let merged = read_with(Options::new().order(Order::Time), &file.bytes);
    assert_eq!(merged.records.len(), expected);
    assert!(merged.records.is_sorted_by_key(|record| record.time_ns));
    assert_eq!(merged.report.late, 0);
}

/// A filter keeps records back and counts them.
#[test]
fn filters_count_excluded_records() {
    let file = sample();
    for order in [Order::Written, Order::Time, Order::Exact] {
        let mut asked = 0;
        let options = Options::new().order(order).filter(|site| {
            asked += 1;
            site.level() == Level::Warn
        });
        let outcome = read_with(options, &file.bytes);
        assert_eq!(outcome.messages(), "order 7 at 1.5, order 8 at -2.25");
        assert_eq!(outcome.ids(), [(0, 1), (1, 3)]);
        assert_eq!((outcome.report.records, outcome.report.filtered), (10, 8));
        assert!(outcome.report.is_whole());
        assert_eq!(asked, 3);
    }
}

/// A call site that replaces another applies to later records.
#[test]
fn replaced_call_sites_apply_afterwards() {
    let mut file = Segment::new(1);
    file.clock(0).site(0, 3, "old", &[]).block(0, &[Rec(0, 9, &[])]);
    file.site(0, 3, "old", &[]).block(0, &[Rec(0, 10, &[])]);
    file.site(0, 3, "new {}", &[("", Type::U64)]).block(0, &[Rec(0, 11, &[Arg::Unsigned(1)])]);
    file.site(9_999_999, 3, "far", &[]).block(0, &[Rec(9_999_999, 12, &[])]);
    file.site(u64::MAX, 3, "farther", &[]).block(0, &[Rec(u64::MAX, 13, &[])]);
    file.close();
    for order in [Order::Written, Order::Time, Order::Exact] {
        let mut reader = Options::new().order(order).from_slice(&file.bytes).expect("a kymo file");
        assert_eq!(drain(&mut reader).messages(), "old, old, new 1, far, farther");
        assert_eq!(reader.call_sites().len(), 4);
    }
}

/// Frames and fields of later versions are skipped.
#[test]
fn later_versions_are_skipped() {
    let mut file = Segment::new(3);
    file.frame(77, b"what is this").clock(5).frame(255, &[]).site(0, 3, "tick", &[]);
    file.frame(7, &[1, 0, 0, 0, 0, 0, 0, 0, 99, 99]).block(0, &[Rec(0, 1, &[])]).close();
    let outcome = read(&file.bytes);
    assert_eq!(outcome.messages(), "tick");
    assert!(outcome.report.is_whole());
    assert_eq!(outcome.report.unknown_frames, 2);
}

/// The mark of a fatal signal has thread and time.
#[test]
fn signals_have_thread_and_time() {
    let mut file = Segment::new(3);
    file.clock(0).site(0, 3, "tick", &[]).thread(0, "first").thread(1, "second");
    file.block(0, &[Rec(0, 5, &[])]).block(1, &[Rec(0, 10, &[]), Rec(0, 30, &[])]).watermark(15);
    // The helper names a thread 1000 and its number.
    file.signal(1000, 11, 20).signal(77, 250, 41).signal(0, 6, 42).close();
    for order in [Order::Written, Order::Time, Order::Exact] {
        let outcome = read_with(Options::new().order(order), &file.bytes);
        let signals: Vec<_> = outcome.marks.iter().filter(|it| it.contains(" in ")).collect();
        assert_eq!(
            signals,
            ["SIGSEGV in Some(\"first\")", "signal 250 in None", "SIGABRT in None"]
        );
        assert!(outcome.report.is_whole());
    }
    let mut reader = Options::new().order(Order::Time).from_slice(&file.bytes).expect("a file");
    let mut times = Vec::new();
    while let Some(event) = reader.next_event().expect("no failure") {
        match event {
            Event::Record(record) => times.push(record.time_ns()),
            Event::Signal(signal) => {
                times.push(signal.time_ns);
                assert!(signal.offset > 4096 && signal.thread.is_none_or(|it| it.number() == 0));
            }
            _ => {}
        }
    }
    assert_eq!(times, [5, 10, 20, 30, 41, 42]);

    let mut short = Segment::new(3);
    short.frame(11, &[1, 11, 0]).close();
    assert_eq!(read(&short.bytes).report.damages, 1);
}

/// A side file names the segment that it belongs to.
#[test]
fn a_side_file_names_its_segment() {
    let mut header = Header::new(kymo_reader::ClockSource::Counter);
    header.host = "h".repeat(200);
    header.side_of = *b"the log's number";
    let page = header.to_page();
    assert_eq!(&page[132..148], b"the log's number");
    let reader = Reader::from_slice(&page).expect("a kymo file");
    assert_eq!(reader.header().side_of, *b"the log's number");
    assert_eq!(reader.header().host.len(), 64);
}

/// Records before any clock frame are read, and counted as untimed.
#[test]
fn records_before_any_clock_are_untimed() {
    let mut file = Segment::new(3);
    file.site(0, 3, "tick", &[]).block(0, &[Rec(0, 777, &[]), Rec(0, 778, &[])]).close();
    let outcome = read(&file.bytes);
    assert_eq!(outcome.records[1].time_ns, 1_001);
    assert_eq!(outcome.report.untimed, 2);
}

#[test]
fn what_is_no_kymo_file_says_so() {
    let error = |bytes: &[u8]| Reader::from_slice(bytes).err().expect("an error");
    assert!(matches!(error(b""), Error::Empty));
    assert!(matches!(error(b"\x7FELF"), Error::Foreign));
    assert!(matches!(error(&b"hello, world\n".repeat(1000)), Error::Foreign));
    assert!(matches!(error(b"\x89KY"), Error::Incomplete { offset: 3 }));
    assert!(matches!(error(&[0; 100]), Error::Incomplete { offset: 100 }));
    assert!(matches!(error(&[0; 100_000]), Error::Incomplete { offset: 0 }));

    let mut header = Header::new(kymo_reader::ClockSource::Counter);
    header.version = 3;
    let error = error(&header.to_page());
    assert!(matches!(error, Error::UnsupportedVersion { found: 3, supported: 2 }));
    assert_eq!(error.offset(), 8);
    assert_eq!(
        error.to_string(),
        "the file has version 3 of the format, at byte 8; this reader knows those up to 2: \
         take that of a later release"
    );
}

/// A damaged header is replaced by its second copy, or derived from the frames.
#[test]
fn headers_are_recovered() {
    let whole = read(&sample().bytes);
    let mut file = sample().bytes;
    file[9] ^= 1;
    let outcome = read(&file);
    assert_eq!(outcome.report.header, HeaderState::FirstDamaged);
    assert_eq!(outcome.contents(), whole.contents());

    file[2048 + 17] ^= 1;
    let outcome = read(&file);
    assert_eq!(outcome.report.header, HeaderState::Recovered);
    assert_eq!(outcome.contents(), whole.contents());

    file[..4096].fill(0xAA);
    file[4096 + 20] ^= 1;
    let outcome = read(&file);
    assert_eq!(outcome.records.len(), whole.records.len());
    assert_eq!(outcome.report.untimed, 8, "the first clock frame is gone, the second is not");

    let mut file = sample().bytes;
    file[2050] ^= 1;
    assert_eq!(read(&file).report.header, HeaderState::SecondDamaged);
}
