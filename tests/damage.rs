//! A file that a logger wrote, cut off at every byte and flipped in every byte: the reader goes on,
//! and loses nothing before the damage.

use kymo_testing::logged;

use kymo_reader::{Options, Order, Reader};
use logged::Turn;

/// A record's message, and where in the file the block that holds it begins and ends.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    begin: usize,
    end: usize,
    message: String,
}

/// A small file with all kinds of frames, and what is in it.
fn small_file() -> (Vec<u8>, Vec<Found>) {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    for round in 0..6 {
        kymo::info!("round {round} of {}", kymo::as_display("six"));
        let log = move || kymo::warn!("thread {round}: {:?} {:?}", [1.5, 2.5], Some("x"));
        std::thread::spawn(log).join().unwrap();
        logger.flush();
    }
    assert_eq!(logger.shutdown().written, 12);
    let bytes = std::fs::read(&turn.path).unwrap();
    let records = read(&bytes);
    assert_eq!(records.len(), 12);
    (bytes, records)
}

fn read(bytes: &[u8]) -> Vec<Found> {
    let Ok(mut reader) = Options::new().order(Order::Written).from_slice(bytes) else {
        return Vec::new();
    };
    let mut records = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        let mut message = String::new();
        record.message(&mut message);
        let begin = record.block_offset() as usize;
        let word = u32::from_le_bytes(bytes[begin + 4..begin + 8].try_into().unwrap());
        records.push(Found { begin, end: begin + 8 + (word >> 8) as usize, message });
    }
    records
}

/// A file that was cut off reads up to there.
#[test]
fn a_truncated_file_reads_to_its_end() {
    let (bytes, records) = small_file();
    for len in 0..bytes.len() {
        let complete = records.iter().filter(|record| record.end <= len).count();
        assert_eq!(read(&bytes[..len]), records[..complete], "cut to {len} bytes");
    }
}

/// A flipped byte loses nothing that precedes it.
#[test]
fn a_flipped_byte_loses_nothing_before_it() {
    let (bytes, records) = small_file();
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for bits in [0x01, 0x80, 0xFF] {
            damaged[at] = bytes[at] ^ bits;
            let found = read(&damaged);
            let before = records.iter().filter(|record| record.end <= at).count();
            assert!(found.len() >= before, "byte {at}: {} of {before}", found.len());
            assert_eq!(found[..before], records[..before], "byte {at}");
            assert!(
                found.iter().all(|record| records.contains(record)),
                "byte {at}: an invented record"
            );
        }
        damaged[at] = bytes[at];
    }
}

#[test]
fn damage_is_reported() {
    let (bytes, records) = small_file();
    let mut damaged = bytes.clone();
    let block = records[6].begin;
    damaged[block + 10] ^= 0x10;
    let mut reader = Reader::from_slice(&damaged).unwrap();
    let mut found = 0;
    while reader.next_record().unwrap().is_some() {
        found += 1;
    }
    let report = reader.report();
    assert_eq!(report.damage[0].offset, block as u64);
    assert_eq!(found + report.missing, 12);
    assert!(!report.is_whole());
}
