//! Damaged and hostile files: an error or the right bytes, never a panic, and never much memory.

mod common;

use std::io::Read;

use common::{Shape, compressed, config, segment};
use kymo_testing::hostile::memory;
use kymo_zstd::{Decoder, Error, Seekable};
use proptest::prelude::*;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// What reading any file may take: two blocks and a frame of 8 MiB each, the aid, the table.
const MOST_BYTES: usize = 48 << 20;

/// Reads all that can be read; returns how many bytes that are, and in how many blocks.
fn read_all(file: &[u8], original: Option<&[u8]>) -> Result<u64, Error> {
    let mut reader = Seekable::open(file)?;
    let mut buffer = vec![0; 64 << 10];
    let (mut at, mut good) = (0, 0);
    while at < reader.len() && at < 64 << 20 {
        match reader.read_at(at, &mut buffer) {
            Ok(read) => {
                assert!(read > 0);
                if let Some(original) = original {
                    assert!(buffer[..read] == original[at as usize..][..read], "at {at}");
                }
                at += read as u64;
                good += read as u64;
            }
            Err(Error::Block { offset, bytes, .. }) => {
                assert!(offset <= at && at < offset + bytes);
                at = offset + bytes;
            }
            Err(error) => return Err(error),
        }
    }
    // Jumps, which take the copies of frames.
    for at in (0..reader.len().min(1 << 20)).step_by(4096 + 8) {
        let _ = reader.read_at(at, &mut buffer);
    }
    Ok(good)
}

fn check(file: &[u8], original: Option<&[u8]>) {
    let (_, peak) = memory::peak_of(|| read_all(file, original));
    assert!(peak < MOST_BYTES + 2 * file.len(), "{peak} bytes");
    let (_, peak) = memory::peak_of(|| {
        let mut some = vec![0; 1 << 20];
        Decoder::new(file)
            .map(|mut decoder| while decoder.read(&mut some).is_ok_and(|read| read > 0) {})
    });
    assert!(peak < MOST_BYTES, "{peak} bytes");
}

proptest! {
    #![proptest_config(config(64))]

    /// Bits that flip are found out by the checksums: what is read is right.
    #[test]
    fn flipped_bits_give_no_wrong_bytes(places in prop::collection::vec(any::<usize>(), 1..4)) {
        let segment = segment(&Shape::long());
        let mut file = compressed(&segment, 3);
        // The header copy and the copies of frames are not read here.
        for place in places {
            let bit = place % (file.len() * 8);
            file[bit / 8] ^= 1 << (bit % 8);
        }
        let (_, peak) = memory::peak_of(|| {
            let Ok(mut reader) = Seekable::open(&file[..]) else { return };
            let mut buffer = vec![0; 64 << 10];
            let mut at = 0;
            while at < reader.len() {
                match reader.read_at(at, &mut buffer) {
                    Ok(read) => {
                        assert!(segment.get(at as usize..).is_some_and(|it| it.starts_with(&buffer[..read])));
                        at += read as u64;
                    }
                    Err(Error::Block { offset, bytes, .. }) => at = offset + bytes,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        prop_assert!(peak < MOST_BYTES);
    }

    #[test]
    fn any_change_is_survived(
        changes in prop::collection::vec((0..5_u8, any::<usize>(), any::<usize>(), 1..64_usize, any::<u8>()), 1..8),
        from_end in any::<bool>(),
    ) {
        let mut bytes = compressed(&segment(&Shape { frames: vec![(3_000, 1); 40], ..Shape::long() }), 3);
        for (what, one, other, len, byte) in changes {
            if bytes.is_empty() {
                break;
            }
            // The seek table is short, and most is decided there.
            let place = |at: usize| match from_end {
                true => bytes.len() - 1 - at % bytes.len().min(100),
                false => at % bytes.len(),
            };
            let (one, other) = (place(one), place(other));
            let piece = bytes[one..(one + len).min(bytes.len())].to_vec();
            match what {
                0 => bytes[one] ^= 1 << (byte % 8),
                1 => bytes[one] = byte,
                2 => drop(bytes.splice(other..other, piece)),
                3 => drop(bytes.drain(one..one + piece.len())),
                _ => bytes.truncate(one + 1),
            }
        }
        check(&bytes, None);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&bytes, None);
    }
}

/// A damaged block loses its own bytes, and no others.
#[test]
fn damage_is_local() {
    let segment = segment(&Shape::long());
    let mut file = compressed(&segment, 3);
    let middle = file.len() / 2;
    file[middle] ^= 0x10;
    let lost = segment.len() as u64 - read_all(&file, Some(&segment)).unwrap();
    assert!(lost > 0 && lost <= (1 << 20) + 8, "{lost}");
}

/// A table of a few bytes claims blocks of 8 MiB each, and frames that are bombs.
#[test]
fn claims_are_not_believed() {
    let bomb = zstd_of(&vec![0; 8 << 20]);
    assert!(bomb.len() < 2_000);
    let table = |entries: &[(u32, u32)]| {
        let mut table = Vec::new();
        table.extend_from_slice(&0x184D_2A5E_u32.to_le_bytes());
        table.extend_from_slice(&(entries.len() as u32 * 8 + 9).to_le_bytes());
        for (compressed, decompressed) in entries {
            table.extend_from_slice(&compressed.to_le_bytes());
            table.extend_from_slice(&decompressed.to_le_bytes());
        }
        table.extend_from_slice(&(entries.len() as u32).to_le_bytes());
        table.push(0);
        table.extend_from_slice(&0x8F92_EAB1_u32.to_le_bytes());
        table
    };
    let len = bomb.len() as u32;
    // As it says: one block of 8 MiB is read.
    let file = [bomb.clone(), table(&[(len, 8 << 20)])].concat();
    assert_eq!(read_all(&file, Some(&vec![0; 8 << 20])).unwrap(), 8 << 20);
    check(&file, None);
    // It says less, or more.
    for claim in [1, 4096, (8 << 20) - 1] {
        let file = [bomb.clone(), table(&[(len, claim)])].concat();
        assert_eq!(read_all(&file, None).unwrap(), 0, "{claim}");
        check(&file, None);
    }
    let file = [bomb.clone(), table(&[(len, 9 << 20)])].concat();
    assert!(matches!(read_all(&file, None), Err(Error::SeekTable(_))));
    // Many frames of the largest length, of one byte each.
    let file = [vec![0; 100_000], table(&[(1, 8 << 20); 100_000])].concat();
    assert_eq!(read_all(&file, None).unwrap(), 0);
    check(&file, None);
    // A frame within a frame's length: two for one.
    let file = [bomb.clone(), bomb, table(&[(2 * len, 8 << 20)])].concat();
    assert_eq!(read_all(&file, None).unwrap(), 0);
}

/// A zstd frame of these bytes: the second frame of a compressed segment that has them.
fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}
