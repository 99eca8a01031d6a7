//! Text made by several threads is that which one makes, in the same order.

use kymo_testing::segment;

use std::convert::Infallible;
use std::fmt::Write;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use kymo_format::types::Type;
use kymo_reader::{Event, Files, Options, Order, Reader};
use segment::{Arg, Rec, Segment, sample};

/// A file with many records, threads, call sites and drops, and some damage.
fn large(records: u64) -> Vec<u8> {
    let mut file = Segment::new(5);
    file.clock(1_000);
    for n in 0..records / 10 {
        if n % 50 == 0 {
            file.site(
                n / 50,
                3,
                &format!("site {n}: {{n}} {{s}}"),
                &[("n", Type::U64), ("s", Type::Str)],
            );
        }
        if n % 70 == 0 {
            file.thread(n / 70 % 5, &format!("thread {}", n / 70 % 5));
        }
        let thread = n % 5;
        let args: Vec<_> = (0..10u64).map(|k| [Arg::Unsigned(n * k), Arg::Str(b"text")]).collect();
        let each = (0..).zip(&args);
        let block: Vec<_> =
            each.map(|(k, args)| Rec((n / 50) % 40, n * 10 + (k * 7) % 13, args)).collect();
        match n % 20 {
            0 => file.last_block(thread, &block, n * 10),
            7 => file.block(thread, &block).drops(thread, n * 10, n * 10 + 5, n),
            _ => file.block(thread, &block),
        };
    }
    file.close();
    let damaged = file.frames[file.frames.len() / 2].0 + 20;
    file.bytes[damaged] ^= 1;
    file.bytes
}

/// Everything that can be asked of an event.
fn describe(file: usize, event: &Event<'_>, out: &mut String) {
    let _ = match event {
        Event::Record(record) => writeln!(
            out,
            "{file} {record:?} {} {} {} {:?} {:?}",
            record.ticks(),
            record.block_offset(),
            record.is_late(),
            record.call_site().index(),
            record.arguments().collect::<Vec<_>>(),
        ),
        Event::Drops(drops) => writeln!(
            out,
            "{file} {} {} {} {:?} {}",
            drops.thread.name(),
            drops.first_ns,
            drops.last_ns,
            drops.counts,
            drops.offset,
        ),
        Event::Gap(gap) => {
            let thread = gap.thread.map(|thread| (thread.index(), thread.os_id()));
            writeln!(out, "{file} {thread:?} {} {}", gap.records, gap.offset)
        }
        Event::ThreadEnd(end) => {
            writeln!(out, "{file} {} {} {}", end.thread.number(), end.written, end.offset)
        }
        event => writeln!(out, "{file} {event:?}"),
    };
}

fn rendered(threads: usize, open: impl Fn() -> Vec<Reader<'static>>) -> String {
    let mut files = Files::new(open());
    let mut text = String::new();
    let end: ControlFlow<Infallible> = files
        .render(
            threads,
            || describe,
            |piece| {
                assert!(piece.ends_with('\n'), "a piece ends with an event");
                text.push_str(piece);
                ControlFlow::Continue(())
            },
        )
        .expect("no failure");
    assert!(end.is_continue());
    text
}

/// The text is equal for any number of threads.
#[test]
fn threads_do_not_change_the_text() {
    let bytes: &'static [u8] = large(12_000).leak();
    let other: &'static [u8] = sample().bytes.leak();
    for order in [Order::Written, Order::Time, Order::Exact] {
        let open = || {
            let options = || Options::new().order(order);
            [options().from_slice(bytes), options().from_read(other), options().from_slice(other)]
                .map(|reader| reader.expect("a kymo file"))
                .into()
        };
        let mut files = Files::new(open());
        let mut expected = String::new();
        while let Some((file, event)) = files.next_event().expect("no failure") {
            describe(file, &event, &mut expected);
        }
        assert!(expected.len() > 1 << 20);
        for threads in [0, 1, 2, 5] {
            // Not by assert_eq, which would print megabytes.
            assert!(rendered(threads, open) == expected, "{threads} threads, {order:?}");
        }
    }
}

/// Nothing is read past where the sink breaks.
#[test]
fn a_breaking_sink_ends_reading() {
    let bytes = large(100_000);
    for threads in [0, 1, 3] {
        let mut files = Files::new([Reader::from_slice(&bytes).expect("a kymo file")]);
        let mut pieces = 0;
        let end = files.render(
            threads,
            || describe,
            |_| {
                pieces += 1;
                if pieces == 2 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
            },
        );
        assert_eq!((end.expect("no failure"), pieces), (ControlFlow::Break("enough"), 2));
        assert!(files.readers()[0].offset() < bytes.len() as u64 / 2);
    }
}

/// Fails once.
struct Flaky<'a> {
    bytes: &'a [u8],
    fails_at: usize,
}

impl Read for Flaky<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.bytes.len() <= self.fails_at {
            return Err(io::Error::other("the cable was pulled"));
        }
        let most = into.len().min(self.bytes.len() - self.fails_at);
        self.bytes.read(&mut into[..most])
    }
}

/// Text before a failure is passed on, and the other files continue.
#[test]
fn a_failed_file_keeps_earlier_text() {
    let bytes = large(20_000);
    let whole = {
        let mut reader = Reader::from_slice(&bytes).expect("a kymo file");
        segment::drain(&mut reader).records.len()
    };
    for threads in [0, 2] {
        let flaky = Flaky { bytes: &bytes, fails_at: bytes.len() / 2 };
        let readers = [Reader::from_read(flaky), Reader::from_slice(&bytes)];
        let mut files = Files::new(readers.map(|reader| reader.expect("a kymo file")));
        let count = || {
            |file: usize, event: &Event<'_>, out: &mut String| {
                if let Event::Record(_) = event {
                    out.push(if file == 0 { '0' } else { '1' });
                }
            }
        };
        let mut text = String::new();
        let mut failures = 0;
        loop {
            let end: Result<ControlFlow<Infallible>, _> = files.render(threads, count, |piece| {
                text.push_str(piece);
                ControlFlow::Continue(())
            });
            match end {
                Ok(_) => break,
                Err(error) => {
                    assert_eq!(error.file, 0);
                    failures += 1;
                }
            }
        }
        assert_eq!((failures, text.matches('1').count()), (1, whole));
        let of_first = text.matches('0').count();
        assert!(of_first > whole / 3 && of_first < whole);
    }
}

#[test]
fn text_that_is_ahead_of_its_turn_waits() {
    // Pieces of a quarter of a mebibyte, and no more of them at once than threads can hold.
    let bytes = large(40_000);
    let mut files = Files::new([Reader::from_slice(&bytes).expect("a kymo file")]);
    let (made, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let renderer = || {
        |_: usize, _: &Event<'_>, out: &mut String| {
            made.fetch_add(1000, Ordering::Relaxed);
            out.extend(std::iter::repeat_n('x', 1000));
        }
    };
    let threads = 3;
    let mut most = 0;
    let _: ControlFlow<Infallible> = files
        .render(threads, renderer, |piece| {
            most = most.max(made.load(Ordering::Relaxed) - taken.load(Ordering::Relaxed));
            taken.fetch_add(piece.len(), Ordering::Relaxed);
            ControlFlow::Continue(())
        })
        .expect("no failure");
    let piece = (256 << 10) + 1000;
    // Each thread has one in the making and one made for each batch that it has begun.
    assert!(most <= (2 * threads + 2 * threads + 2) * piece, "{most}");
    assert!(taken.into_inner() > 40_000_000);
}
