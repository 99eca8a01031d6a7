//! Files in a notation without checksums: kind, length (16 bits, little-endian), payload.

use kymo_format::frame::{self, FrameHeader, Kind};
use kymo_format::header::{COMMITTED_OFFSET, ClockSource, Header, LAST_INDEX_OFFSET};
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES, HEADER_BYTES};

/// The file with these frames.
pub fn sealed(mut data: &[u8]) -> Vec<u8> {
    let mut file = Header { salt: 0, ..Header::new(ClockSource::Counter) }.to_page();
    while let Some((&[kind, low, high], rest)) = data.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(rest.len());
        append(&mut file, kind, &rest[..length], 0);
        data = &rest[length..];
    }
    commit(&mut file);
    file
}

/// The notation of a good file.
pub fn unsealed(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, payload) in split(file) {
        out.push(kind);
        out.extend_from_slice(&(payload.len() as u16).to_le_bytes());
        out.extend_from_slice(&payload);
    }
    out
}

/// The frames of a good file: kind and payload.
pub fn split(file: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut rest = &file[HEADER_BYTES..];
    while let Some(header) = rest.first_chunk() {
        let header = FrameHeader::from_bytes(header);
        if header.kind == 0 {
            break;
        }
        let payload = &rest[FRAME_HEADER_BYTES..][..header.payload_bytes];
        frames.push((header.kind, payload.to_vec()));
        rest = &rest[header.frame_bytes().min(rest.len())..];
    }
    frames
}

/// Appends a frame with the right checksum, of any kind. An index ends with where it begins, and the header
/// names the last part of one: that is filled in, or hardly a hostile one would be found.
pub fn append(file: &mut Vec<u8>, kind: u8, payload: &[u8], salt: u32) {
    let start = frame::begin(file);
    file.extend_from_slice(payload);
    if matches!(Kind::from_code(kind), Some(Kind::Index | Kind::IndexPart))
        && let Some(offset) = file[start + FRAME_HEADER_BYTES..].last_chunk_mut()
    {
        *offset = (start as u64).to_le_bytes();
    }
    if kind == Kind::IndexPart as u8 {
        file[LAST_INDEX_OFFSET..LAST_INDEX_OFFSET + 8]
            .copy_from_slice(&(start as u64).to_le_bytes());
    }
    let word = u32::from(kind) | (payload.len() as u32) << 8;
    file[start + 4..start + 8].copy_from_slice(&word.to_le_bytes());
    let checksum = frame::checksum_of(&file[start..], salt);
    file[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
}

/// Says that the file is complete up to here.
pub fn commit(file: &mut [u8]) {
    let length = file.len() as u64;
    file[COMMITTED_OFFSET..COMMITTED_OFFSET + 8].copy_from_slice(&length.to_le_bytes());
}
