//! `kymo cat` on files that are not as they should be, or not yet: one line of complaint, an exit
//! code that says how bad it is, and everything that can be decoded.

mod common;

use std::process::Stdio;

use common::{Turn, cat, finished, kymo, run};
use kymo::info;
use serde_json::Value;

const RECORDS: u64 = 1_000;

#[test]
fn what_is_no_log_file_is_named() {
    let turn = Turn::take();
    let good = turn.logged("good.kymo", || info!("good"));
    let empty = turn.file("empty.kymo", b"");
    let foreign = turn.file("foreign.kymo", &[b'x'; 10_000]);
    let short = turn.file("short.kymo", &std::fs::read(&good).unwrap()[..100]);
    let missing = turn.path("missing\n.kymo");
    let directory = turn.path("directory");
    std::fs::create_dir(&directory).unwrap();
    for (path, parts) in [
        (&empty, ["empty.kymo: ", "is empty", "byte 0"]),
        (&foreign, ["foreign.kymo: ", "not a kymo file", "byte 0"]),
        (&short, ["short.kymo: ", "ends inside the header", "byte 100"]),
        (&missing, [r"missing\n.kymo: ", "cannot open", "No such file"]),
        (&directory, ["directory: ", "is a directory without any file named", ""]),
        (&"/dev/null".into(), ["/dev/null: ", "not a regular file", ""]),
    ] {
        let ran = cat(path);
        ran.complains(2, &parts);
        assert_eq!(ran.out, "");
        // It keeps no other file from being printed.
        let ran = run(&[&"cat", path, &good]);
        ran.complains(2, &parts);
        assert!(ran.out.ends_with(": good\n"), "{ran:?}");
    }
    assert_eq!(run(&[&"cat"]).code, Some(2));
}

#[test]
fn a_truncated_file_is_printed_up_to_there() {
    let turn = Turn::take();
    let path = turn.path("whole.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    info!("record 0");
    // What follows is in another block.
    logger.flush();
    (1..RECORDS).for_each(|number| info!("record {number}"));
    logger.shutdown();
    let bytes = std::fs::read(path).unwrap();
    let length = bytes.len() - 1_000;
    let log = turn.file("cut.kymo", &bytes[..length]);
    let ran = cat(&log);
    ran.complains(2, &["cut.kymo: truncated at byte ", &length.to_string()]);
    let (marks, records): (Vec<&str>, _) =
        ran.out.lines().partition(|line: &&str| line.starts_with("-- "));
    assert!(marks[0].contains("cut.kymo: ") && marks[0].contains("cut off"), "{}", ran.out);
    for (number, line) in records.iter().enumerate() {
        assert!(line.ends_with(&format!(": record {number}")), "{line}");
    }
    assert!((1..RECORDS).contains(&(records.len() as u64)));
}

#[test]
fn damage_is_shown_in_its_place() {
    let turn = Turn::take();
    let path = turn.path("whole.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    for number in 0..10 {
        info!("record {number}");
        // A block of its own.
        logger.flush();
    }
    logger.shutdown();
    let mut bytes = std::fs::read(path).unwrap();
    let at = frame_of_block(&bytes, 5);
    bytes[at + 8] ^= 1;
    let log = turn.file("damaged.kymo", &bytes);

    let ran = cat(&log);
    ran.complains(2, &["damaged.kymo: ", &format!("at byte {at} are damaged"), "records lost: 1"]);
    let messages: Vec<&str> = ran.out.lines().map(|line| &line[line.len() - 8..]).collect();
    assert_eq!(ran.out.lines().count(), 9 + 2, "{}", ran.out);
    assert_eq!((messages[4], messages[7]), ("record 4", "record 6"), "{}", ran.out);
    // That there is damage, and what is therefore missing, in either order.
    let mut marks = ran.out.lines().filter(|line| line.starts_with("-- "));
    let damage = format!("bytes at byte {at} are damaged");
    assert!(marks.clone().any(|mark| mark.ends_with(&damage)), "{}", ran.out);
    assert!(marks.any(|mark| mark.contains(": 1 record of thread ")), "{}", ran.out);

    let ran = run(&[&"cat", &"--format=json", &log]);
    let events: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|object: &Value| object.get("event").is_some())
        .collect();
    let event = |name| events.iter().find(|event| event["event"] == name).unwrap();
    assert_eq!(event("damage")["kind"], "corrupt");
    assert_eq!(event("damage")["offset"], at);
    assert_eq!(event("gap")["records"], 1);
    assert_eq!(ran.code, Some(2));
}

/// Where the n-th block of records begins.
fn frame_of_block(bytes: &[u8], n: usize) -> usize {
    let mut offset = 4096;
    let mut blocks = 0;
    loop {
        let [_, _, _, _, kind, length @ ..] = *bytes[offset..].first_chunk::<8>().unwrap();
        if matches!(kind, 3 | 4) {
            if blocks == n {
                return offset;
            }
            blocks += 1;
        }
        let length = u32::from_le_bytes([length[0], length[1], length[2], 0]);
        offset = (offset + 8 + length as usize).next_multiple_of(8);
    }
}

/// A file that is being written is printed as far as it is.
#[test]
fn a_live_file_is_printed_so_far() {
    let turn = Turn::take();
    let path = turn.path("live.kymo");
    let logger = kymo::Logger::builder(&path).start().unwrap();
    info!("committed");
    assert!(logger.flush());
    let out = cat(&path).fine();
    assert!(out.ends_with(": committed\n") && out.lines().count() == 1, "{out}");

    // The reader ignores unfinished writes past the committed length.
    let copy = turn.path("torn.kymo");
    std::fs::copy(&path, &copy).unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let committed = u64::from_le_bytes(bytes[1024..1032].try_into().unwrap()) as usize;
    bytes[committed..committed + 40].fill(0xAB);
    std::fs::write(&copy, bytes).unwrap();
    cat(&copy).complains(2, &["torn.kymo: ends in the middle of a frame"]);
    let file = std::fs::File::open(&copy).unwrap();
    lock(&file);
    assert_eq!(cat(&copy).fine(), out);

    std::thread::scope(|scope| {
        let cats = scope.spawn(|| (0..10).map(|_| cat(&path).fine()).collect::<Vec<_>>());
        // At the consumer's heels, yet so slowly that the file stays small.
        while !cats.is_finished() {
            (0..20).for_each(|number| info!("more {number}"));
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        let lengths: Vec<usize> = cats.join().unwrap().iter().map(String::len).collect();
        assert!(lengths.is_sorted() && lengths[0] < lengths[9]);
    });
    drop(logger);
}

/// Locks a file as its writer does.
fn lock(file: &std::fs::File) {
    use rustix::fs::{FlockOperation, flock};
    flock(file, FlockOperation::NonBlockingLockExclusive).unwrap();
}

#[test]
fn standard_input_is_a_file_too() {
    let turn = Turn::take();
    let log = turn.logged("a.kymo", || (0..RECORDS).for_each(|number| info!("record {number}")));
    let file = std::fs::File::open(&log).unwrap();
    let piped = kymo(&[&"cat", &"-"]).stdin(Stdio::from(file)).output().unwrap();
    assert_eq!(finished(piped).fine(), cat(&log).fine());
}
