//! Variable-length integers.
//!
//! The number of zero bits below the lowest set bit of the first byte is the number of bytes that
//! follow it; the bits above that set bit, little-endian over all bytes, are the value. A first
//! byte of zero announces eight bytes that hold the value as they are. So 7 bits take one byte, 14
//! bits two, …, 56 bits eight, and anything larger nine. Unlike LEB128 the length is known from the
//! first byte, so neither direction has a loop.
//!
//! The scheme is the "prefix varint" of WebAssembly's design discussions and of the crate `vu64`,
//! with the prefix in the low bits. SQLite and Google's implementations have it in the high ones.

/// The longest encoding in bytes.
pub const MAX_BYTES: usize = 9;

/// The bytes of an encoding in which so many follow the first.
const MASKS: [u64; 8] = {
    let mut masks = [u64::MAX; 8];
    let mut following = 0;
    while following < 7 {
        masks[following] = (1 << (8 * (following + 1))) - 1;
        following += 1;
    }
    masks
};

/// The length of the encoding, by the place of a value's highest bit.
const LENGTHS: [u8; 64] = {
    let mut lengths = [MAX_BYTES as u8; 64];
    let mut place = 0;
    while place < 56 {
        lengths[place] = place as u8 / 7 + 1;
        place += 1;
    }
    lengths
};

/// How many bytes `value` takes.
#[inline]
pub fn len(value: u64) -> usize {
    LENGTHS[(value | 1).ilog2() as usize].into()
}

/// The encoding of a value that takes `len` bytes, at most 8, in the low bytes of a word.
#[inline]
pub fn word(value: u64, len: usize) -> u64 {
    ((value << 1) | 1) << (len - 1)
}

/// Appends `value` to `out`.
#[inline]
pub fn put(out: &mut Vec<u8>, value: u64) {
    let len = len(value);
    if len == MAX_BYTES {
        out.push(0);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        out.extend_from_slice(&word(value, len).to_le_bytes()[..len]);
    }
}

/// Reads a value from the beginning of `bytes`: the value and the number of bytes it took, or
/// `None` where `bytes` ends before the value does.
#[inline]
pub fn get(bytes: &[u8]) -> Option<(u64, usize)> {
    if let Some(word) = bytes.first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        let following = (word as u8).trailing_zeros() as usize;
        if let Some(mask) = MASKS.get(following) {
            return Some(((word & mask) >> (following + 1), following + 1));
        }
    }
    get_near_end(bytes)
}

#[cold]
fn get_near_end(bytes: &[u8]) -> Option<(u64, usize)> {
    let len = bytes.first()?.trailing_zeros() as usize + 1;
    let bytes = bytes.get(..len)?;
    let mut word = [0; 8];
    if len == 9 {
        word.copy_from_slice(&bytes[1..]);
        return Some((u64::from_le_bytes(word), 9));
    }
    word[..len].copy_from_slice(bytes);
    Some((u64::from_le_bytes(word) >> len, len))
}

/// Maps a signed integer to an unsigned one such that small magnitudes stay small: 0, -1, 1, -2
/// become 0, 1, 2, 3.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, value);
        out
    }

    #[test]
    fn the_worked_examples_of_the_specification() {
        assert_eq!(bytes_of(0), [0b0000_0001]);
        assert_eq!(bytes_of(1), [0b0000_0011]);
        assert_eq!(bytes_of(127), [0xFF]);
        assert_eq!(bytes_of(128), [0b0000_0010, 0b0000_0010]);
        assert_eq!(bytes_of(300), [0xB2, 0x04]);
        assert_eq!(bytes_of(u64::MAX), [0, 255, 255, 255, 255, 255, 255, 255, 255]);
    }

    /// Every length round-trips, with and without bytes after it.
    #[test]
    fn every_length_round_trips() {
        for shift in 0..64 {
            for value in
                [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift, 0x5555_5555_5555_5555 >> shift]
            {
                let mut bytes = bytes_of(value);
                assert_eq!(bytes.len(), len(value));
                assert_eq!(get(&bytes), Some((value, bytes.len())));
                for cut in 0..bytes.len() {
                    assert_eq!(get(&bytes[..cut]), None, "{value} cut to {cut} bytes");
                }
                let len = bytes.len();
                bytes.extend_from_slice(&[0xAA; 9]);
                assert_eq!(get(&bytes), Some((value, len)));
            }
        }
    }

    #[test]
    fn zigzag_is_a_bijection_at_the_edges() {
        for value in [0, -1, 1, i64::MIN, i64::MAX, -12345] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!(zigzag(-2), 3);
    }
}
