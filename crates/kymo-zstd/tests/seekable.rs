//! What was compressed is read back byte for byte: as a whole, at any place, and by other decoders.

mod common;

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use common::{compressed, config, segment};
use kymo_format::HEADER_BYTES;
use kymo_format::compressed::{header_copy, is_zstd};
use kymo_format::header::Header;
use kymo_zstd::{Decoder, ReadAt, Seekable};
use proptest::prelude::*;

/// Reads `len` bytes at `offset`, or as many as there are.
fn read(reader: &mut Seekable<impl ReadAt>, offset: u64, len: usize) -> Vec<u8> {
    let (mut bytes, mut filled) = (vec![0; len], 0);
    while filled < len {
        match reader.read_at(offset + filled as u64, &mut bytes[filled..]).unwrap() {
            0 => break,
            read => filled += read,
        }
    }
    bytes.truncate(filled);
    bytes
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn all_is_given_back(shape in common::shapes()) {
        let segment = segment(&shape);
        let file = compressed(&segment, shape.level);
        prop_assert!(is_zstd(&file));
        let copy = header_copy(&file).and_then(Header::from_copy);
        prop_assert_eq!(copy, Header::from_copy(&segment));
        let mut reader = Seekable::open(&file[..]).unwrap();
        prop_assert_eq!(reader.len(), segment.len() as u64);
        prop_assert!(read(&mut reader, 0, segment.len() + 1) == segment);
        let mut whole = Vec::new();
        Decoder::new(&file[..]).unwrap().read_to_end(&mut whole).unwrap();
        prop_assert!(whole == segment);
        let mut other = zeekstd::Decoder::new(std::io::Cursor::new(&file)).unwrap();
        let mut whole = Vec::new();
        other.read_to_end(&mut whole).unwrap();
        prop_assert!(whole == segment);
    }

    #[test]
    fn any_place_is_read(shape in common::shapes(), places in prop::collection::vec((any::<u64>(), 0..100_000_usize), 1..30)) {
        let segment = segment(&shape);
        let file = compressed(&segment, shape.level);
        let mut reader = Seekable::open(&file[..]).unwrap();
        let mut other = zeekstd::Decoder::new(std::io::Cursor::new(&file)).unwrap();
        for (place, len) in places {
            let at = (place % (segment.len() as u64 + 10)) as usize;
            let expected = &segment[at.min(segment.len())..(at + len).min(segment.len())];
            prop_assert!(read(&mut reader, at as u64, len) == expected);
            if !expected.is_empty() {
                other.set_offset(at as u64).unwrap();
                other.set_offset_limit((at + expected.len()) as u64).unwrap();
                let mut found = Vec::new();
                other.read_to_end(&mut found).unwrap();
                prop_assert!(found == expected);
            }
        }
    }
}

/// Header page and tail are blocks of their own; the frames that the index lists need none.
#[test]
fn few_blocks_are_decompressed() {
    let mut segment = kymo_testing::segment::Segment::new(7);
    segment.clock(1_000_000).site(0, 3, "message", &[]).thread(1, "worker");
    let mut index = Vec::new();
    for ticks in 0..3_000_u64 {
        let noise: Vec<u8> = (0..3_000).map(|_| fastrand::u8(..)).collect();
        // Of a kind that no reader knows.
        segment.frame(77, &noise);
        if ticks % 500 == 0 {
            index.push(segment.bytes.len() as u64);
            segment.clock_at(ticks, 1_000_000 + ticks as i64);
        }
    }
    let tail = segment.bytes.len() as u64;
    segment.close_with_index(100);
    let segment = &segment.bytes;
    assert!(segment.len() > 8 << 20);
    let file = compressed(segment, 1);
    let mut reader = Seekable::open(&file[..]).unwrap();
    let check = |reader: &mut Seekable<_>, at: u64, len: usize, blocks: u64| {
        let expected = &segment[at as usize..][..len];
        assert!(read(reader, at, len) == expected);
        assert_eq!(reader.decompressed_blocks(), blocks, "at {at}");
    };
    check(&mut reader, 0, HEADER_BYTES, 1);
    let rest = segment.len() - tail as usize;
    check(&mut reader, tail, rest, 2);
    for at in index {
        check(&mut reader, at, 8 + 40, 2);
    }
    check(&mut reader, 5 << 20, 100, 3);
}

#[test]
fn the_command_decompresses() {
    let segment = segment(&common::Shape::long());
    let file = compressed(&segment, 3);
    let mut command = Command::new("zstd");
    let piped =
        command.args(["-d", "-c", "-q"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = piped else {
        eprintln!("skipped: there is no command zstd here");
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&file).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    assert!(output.stdout == segment);
}
