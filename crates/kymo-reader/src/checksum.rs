//! Checks the checksums of frames, in time linear in the length of the file, for any content.
//!
//! After damage, a frame may begin at every multiple of 8. Hostile bytes can claim a frame of a
//! mebibyte at each of them. Checking each claim by itself would cost 131,072 mebibytes for one of
//! file.
//!
//! So after damage the checker keeps the CRC of all bytes *up to* each multiple of 8 (512 KiB at
//! most). The CRC of the bytes between two places follows from these two in constant time: a CRC is a
//! remainder of polynomials, so crc(ab) = crc(a)·x^(8·len b) + crc(b). The bound costs no accuracy.
//!
//! INV-1: no byte takes part in more than one CRC that was computed directly, and in one of the
//! running ones.

use std::collections::VecDeque;

use kymo_format::frame::{self, FrameHeader};
use kymo_format::{ALIGNMENT, FRAME_HEADER_BYTES};

/// The polynomial of CRC-32C, its bits reflected: the highest bit is the coefficient of x^0.
const POLYNOMIAL: u32 = 0x82F6_3B78;

const ONE: u32 = 1 << 31;

/// The powers of x^8 are looked up in two steps of this many.
const TABLE_LEN: usize = 2048;

/// Checks frames in the order in which they are met.
#[derive(Default)]
pub(super) struct Checker {
    salt: u32,
    /// The offset in the file to which the first of `running` belongs.
    base: u64,
    /// The CRC of all bytes from some fixed place up to `base`, `base + 8`, and so on. Empty away
    /// from damage.
    running: VecDeque<u32>,
    /// x^(8·i), then x^(8·i·TABLE_LEN). Empty until the first damage.
    powers: Vec<u32>,
}

impl Checker {
    pub(super) fn new(salt: u32) -> Self {
        Self { salt, ..Self::default() }
    }

    /// Forgets the bytes met so far, because reading continues elsewhere.
    pub(super) fn forget(&mut self) {
        self.running.clear();
    }

    /// Whether the frame at the beginning of `window`, which is at `offset` in the file, bears the
    /// right checksum. The window must hold its header and payload.
    #[inline]
    pub(super) fn check(&mut self, header: FrameHeader, window: &[u8], offset: u64) -> bool {
        let frame = &window[..FRAME_HEADER_BYTES + header.payload_bytes];
        if !self.running.is_empty() {
            return self.check_behind_damage(header, frame, offset);
        }
        let right = frame::checksum_of(frame, self.salt) == header.checksum;
        if !right {
            self.start(frame, offset);
        }
        right
    }

    #[cold]
    fn start(&mut self, frame: &[u8], offset: u64) {
        if self.powers.is_empty() {
            self.powers = powers();
        }
        self.base = offset;
        self.running.push_back(0);
        self.extend(frame, offset);
    }

    #[cold]
    fn check_behind_damage(&mut self, header: FrameHeader, frame: &[u8], offset: u64) -> bool {
        let passed = ((offset - self.base) / ALIGNMENT as u64) as usize;
        if passed + 1 >= self.running.len() {
            self.running.clear();
            return self.check(header, frame, offset);
        }
        self.running.drain(..passed);
        self.base = offset;
        self.extend(frame, offset);

        let before = crc32c::crc32c_append(self.running[0], &frame[..4]);
        let whole = frame.len() / ALIGNMENT;
        let through = crc32c::crc32c_append(self.running[whole], &frame[whole * ALIGNMENT..]);
        let crc = through ^ self.shift(before, frame.len() - 4);
        crc ^ self.salt == header.checksum
    }

    /// Sees to it that `running` reaches to the last multiple of 8 in `frame`, at the offset where
    /// it begins.
    fn extend(&mut self, frame: &[u8], offset: u64) {
        debug_assert_eq!(self.base, offset);
        let from = (self.running.len() - 1) * ALIGNMENT;
        let mut crc = self.running.back().copied().unwrap_or_default();
        for word in frame.get(from..).unwrap_or_default().chunks_exact(ALIGNMENT) {
            crc = crc32c::crc32c_append(crc, word);
            self.running.push_back(crc);
        }
    }

    /// The contribution of `crc`, the CRC of some bytes, to the CRC of these and `bytes` bytes more.
    fn shift(&self, crc: u32, bytes: usize) -> u32 {
        let low = multiply(crc, self.powers[bytes % TABLE_LEN]);
        multiply(low, self.powers[TABLE_LEN + bytes / TABLE_LEN])
    }
}

/// The product of two polynomials modulo the CRC's.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        product ^= b & 0u32.wrapping_sub((a >> bit) & 1);
        b = (b >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(b & 1));
    }
    product
}

fn powers() -> Vec<u32> {
    let mut powers = Vec::with_capacity(2 * TABLE_LEN);
    for mut step in [ONE >> 8, ONE] {
        if step == ONE {
            step = multiply(powers[TABLE_LEN - 1], powers[1]);
        }
        let mut power = ONE;
        for _ in 0..TABLE_LEN {
            powers.push(power);
            power = multiply(power, step);
        }
    }
    powers
}

const _: () = assert!(TABLE_LEN * TABLE_LEN > kymo_format::MAX_PAYLOAD_BYTES + 8);

#[cfg(test)]
mod tests {
    use super::*;
    use kymo_format::frame::{Kind, begin, finish};

    fn header_at(bytes: &[u8], offset: usize) -> FrameHeader {
        FrameHeader::from_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn behind_damage_the_verdicts_are_the_same() {
        let salt = 0x1234_5678;
        let mut bytes = vec![0xFF; 8];
        for len in [0usize, 1, 7, 8, 9, 500, 4000, 70_000] {
            let start = begin(&mut bytes);
            bytes.extend((0..len).map(|i| (i * 7 + len) as u8));
            finish(&mut bytes, start, Kind::Records, salt);
        }
        let mut checker = Checker::new(salt);
        checker.base = 0;
        checker.start(&bytes[..8], 0);
        let mut found = 0;
        for offset in (0..bytes.len() - 8).step_by(8) {
            let header = header_at(&bytes, offset);
            let end = offset + 8 + header.payload_bytes;
            if end <= bytes.len() {
                let right = frame::checksum_of(&bytes[offset..end], salt) == header.checksum;
                assert_eq!(checker.check(header, &bytes[offset..], offset as u64), right);
                found += usize::from(right);
            }
        }
        assert_eq!(found, 8);
    }

    /// Claims of a mebibyte at every word are checked in linear time.
    #[test]
    fn hostile_claims_take_linear_time() {
        let word = 1u64 | (Kind::Records as u64) << 32 | (1 << 20) << 40;
        let bytes: Vec<u8> = std::iter::repeat_n(word.to_le_bytes(), 1 << 18).flatten().collect();
        let mut checker = Checker::new(0);
        for offset in (0..1 << 20).step_by(8) {
            let header = header_at(&bytes, offset);
            assert!(!checker.check(header, &bytes[offset..], offset as u64));
            assert!(checker.running.len() <= (1 << 17) + 2);
        }
    }
}
