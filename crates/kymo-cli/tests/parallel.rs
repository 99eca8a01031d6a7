//! What several threads print is what one prints.

mod common;

use std::ffi::OsStr;
use std::path::Path;

use common::{Ran, Turn, run};
use kymo_format::types::Type;
use kymo_testing::segment;
use proptest::prelude::*;
use segment::{Arg, Rec, Segment};

const START_NS: i64 = 1_700_000_000_000_000_000;

/// A block of a file: its thread, how many records, which call site every so many have, and how many
/// records are missing before it.
#[derive(Clone, Debug)]
struct Block {
    thread: u64,
    records: u64,
    every: u64,
    drops: u64,
}

fn block() -> impl Strategy<Value = Block> {
    (0..4_u64, 1..2_000_u64, 1..50_u64, prop_oneof![4 => Just(0), 1 => 1..9_u64])
        .prop_map(|(thread, records, every, drops)| Block { thread, records, every, drops })
}

fn file(id: u8, blocks: &[Block], damage: Option<prop::sample::Index>) -> Vec<u8> {
    let mut file = Segment::of(id, 0);
    file.clock(START_NS);
    (0..4).for_each(|thread| {
        file.thread(thread, ["main", "worker", "worker", ""][thread as usize]);
    });
    let types = [("n", Type::U64), ("text", Type::Str)];
    file.site(0, 3, "{n} {text}", &types).site(1, 2, "slow {n} {text:?}", &types);
    let (mut ticks, mut n) = (0, 0);
    for block in blocks {
        let mut args = Vec::new();
        for _ in 0..block.records {
            n += 1;
            let text = ["", "ä\u{202e}", "a longer \"text\", quoted"][n as usize % 3];
            args.push((n, ticks + n % 7, [Arg::Unsigned(n), Arg::Str(text.as_bytes())]));
            ticks += 10;
        }
        let records: Vec<Rec<'_>> = args
            .iter()
            .map(|(n, ticks, args)| Rec(u64::from(n % block.every == 0), *ticks, args))
            .collect();
        file.block(block.thread, &records);
        if block.drops > 0 {
            file.drops(block.thread, ticks, ticks + 5, block.drops);
        }
    }
    file.close();
    if let Some(damage) = damage {
        let at = 4096 + damage.index(file.bytes.len() - 4096);
        file.bytes[at] ^= 1;
    }
    file.bytes
}

fn cat(logs: &[&Path], threads: &str, args: &[&str]) -> Ran {
    let mut all: Vec<&dyn AsRef<OsStr>> = vec![&"cat", &"--threads", &threads];
    args.iter().for_each(|arg| all.push(arg));
    logs.iter().for_each(|log| all.push(log));
    run(&all)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// `kymo cat` made all lines on one core. The bytes, the messages and the exit code do not depend
    /// on how many do it.
    #[test]
    fn bytes_do_not_depend_on_threads(
        one in prop::collection::vec(block(), 1..12),
        other in prop::collection::vec(block(), 0..6),
        damage in prop::option::of(any::<prop::sample::Index>()),
        threads in 1..9_u8,
    ) {
        let turn = Turn::take();
        let logs = [
            turn.file("one.kymo", &file(1, &one, damage)),
            turn.file("other.kymo", &file(2, &other, None)),
        ];
        let logs: Vec<&Path> = logs.iter().map(|log| log.as_path()).collect();
        for args in [
            &["--format=text"][..],
            &["--format=json", "--level=warn"],
            &["--format=logfmt", "--where", "n > 100", "--no-marks"],
            &["--format=csv", "--thread=worker", "--order=written"],
            &["--format={time} {thread:>9} {arg.n:06} {message}", "--grep=7"],
            &["--grep=nothing has this"],
            // These depend on order.
            &["--format=text", "--relative"],
            &["-n", "50"],
            &["--last", "50", "-C1"],
        ] {
            let expected = cat(&logs, "0", args);
            let ran = cat(&logs, &threads.to_string(), args);
            prop_assert_eq!(ran.out, expected.out, "{:?}", args);
            prop_assert_eq!((ran.err, ran.code), (expected.err, expected.code), "{:?}", args);
        }
    }
}
