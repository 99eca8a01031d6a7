//! Gathers short pieces of text, and appends them to a `String` together.
//!
//! A message is made of a dozen pieces of a few bytes each. Appended one by one, each of them costs
//! a check for room, checks for whole characters, and a call that copies a length known only now.
//! Here a piece costs a store or two, and all that was gathered is checked to be UTF-8 and copied
//! once.
//!
//! INV-1: gathered text is UTF-8: whole literals and ASCII. All else goes to the `String`
//! itself, after what was gathered before.
//!
//! INV-2: no more than `MOST_BYTES` are gathered.

use kymo_format::boundary;

/// When this much has been gathered, it is appended.
const FULL_BYTES: usize = 96;

/// How much is checked, and of a literal copied, at a time.
const CHUNK_BYTES: usize = 16;

const MOST_BYTES: usize = FULL_BYTES + CHUNK_BYTES;

/// The longest number, with all bytes that are written after it.
const NUMBER_BYTES: usize = 40;

/// Floats with at most so many decimals are recognised.
const DECIMALS: u32 = 6;
const SCALE: i64 = 10i64.pow(DECIMALS);

const EIGHT_DIGITS: u64 = 100_000_000;

/// Text on its way to the end of a `String`. [`Line::finish`] has to be called.
pub(crate) struct Line<'o> {
    out: &'o mut String,
    gathered: Gathered,
    len: usize,
}

/// What was gathered, and room for a chunk of zeros. Aligned, for that is how the standard library
/// is fastest at checking it.
#[repr(align(16))]
struct Gathered([u8; MOST_BYTES + CHUNK_BYTES]);

/// Text that is known before the records are: cut at characters into pieces that are copied whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Literal(Box<[Chunk]>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    bytes: [u8; CHUNK_BYTES],
    len: u8,
}

impl Literal {
    pub(crate) fn new(mut text: &str) -> Self {
        let mut chunks = Vec::with_capacity(text.len().div_ceil(CHUNK_BYTES - 3));
        while !text.is_empty() {
            let len = boundary(text, CHUNK_BYTES);
            let mut bytes = [0; CHUNK_BYTES];
            bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
            chunks.push(Chunk { bytes, len: len as u8 });
            text = &text[len..];
        }
        Self(chunks.into())
    }

    pub(crate) fn append_to(&self, out: &mut String) {
        for Chunk { bytes, len } in &self.0 {
            // They end between two characters.
            out.push_str(std::str::from_utf8(&bytes[..usize::from(*len)]).unwrap_or_default());
        }
    }
}

/// How a float without decimals is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// `1`, as `format!` does.
    Bare,
    /// `1.0`, as in JSON.
    WithZero,
}

impl<'o> Line<'o> {
    #[inline(always)]
    pub(crate) fn new(out: &'o mut String) -> Self {
        Self { out, gathered: Gathered([0; MOST_BYTES + CHUNK_BYTES]), len: 0 }
    }

    /// How long the `String` will be.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.out.len() + self.len
    }

    /// The `String`, with all that was gathered so far.
    #[inline]
    pub(crate) fn out(&mut self) -> &mut String {
        self.flush();
        self.out
    }

    #[inline(always)]
    pub(crate) fn finish(mut self) {
        self.flush();
    }

    #[inline]
    fn flush(&mut self) {
        let len = std::mem::take(&mut self.len).min(MOST_BYTES);
        self.gathered.0[len..][..CHUNK_BYTES].fill(0);
        let gathered = &self.gathered.0[..len.next_multiple_of(CHUNK_BYTES)];
        let text = std::str::from_utf8(gathered);
        debug_assert!(text.is_ok(), "only whole characters are gathered");
        self.out.push_str(text.ok().and_then(|text| text.get(..len)).unwrap_or_default());
    }

    #[inline(always)]
    pub(crate) fn literal(&mut self, text: &Literal) {
        for chunk in &text.0 {
            if self.len >= FULL_BYTES {
                self.flush();
            }
            self.put(chunk.bytes, chunk.len.into());
        }
    }

    /// Appends a character that is ASCII.
    #[inline(always)]
    pub(crate) fn ascii(&mut self, byte: u8) {
        debug_assert!(byte.is_ascii());
        self.make_room();
        self.put([byte], 1);
    }

    /// Appends text if it is short and `is_plain` of it, eight bytes at a time; else returns
    /// `false`. It must be wrong for words that are not ASCII.
    #[inline(always)]
    pub(crate) fn short(&mut self, text: &[u8], is_plain: impl Fn(u64) -> bool) -> bool {
        if text.len() > MOST_BYTES - self.len {
            return false;
        }
        let to = &mut self.gathered.0[self.len..][..text.len()];
        let plain = match text.len() {
            0 => true,
            1..8 => {
                let mut word = [b' '; 8];
                copy(text, &mut word[..text.len()]);
                copy(text, to);
                is_plain(u64::from_le_bytes(word))
            }
            _ => {
                copy(text, to);
                let last = text.last_chunk().map_or(0, |last| u64::from_le_bytes(*last));
                let mut words = text.as_chunks::<8>().0.iter();
                words.all(|&word| is_plain(u64::from_le_bytes(word))) && is_plain(last)
            }
        };
        self.len += if plain { text.len() } else { 0 };
        plain
    }

    #[inline(always)]
    pub(crate) fn unsigned(&mut self, value: u64) {
        self.make_room();
        self.digits(value);
    }

    #[inline(always)]
    pub(crate) fn signed(&mut self, value: i64) {
        self.make_room();
        self.sign(value < 0);
        self.digits(value.unsigned_abs());
    }

    /// Appends a float if it has up to 15 digits, at most [`DECIMALS`] of them after the point, and
    /// one of them not in the last three places; else returns `false`.
    ///
    /// Of all numbers with 15 digits or fewer, no two are the same `f64`. So where one of them is
    /// nearest to the value, there is no shorter one, and no other as short.
    #[inline(always)]
    pub(crate) fn float(&mut self, value: f64, whole: Whole) -> bool {
        let magnitude = value.abs();
        let scaled = (magnitude * SCALE as f64 + 0.5) as i64;
        let in_range = magnitude < 1e9 && (scaled >= 1000 || scaled == 0);
        if !in_range || scaled as f64 / SCALE as f64 != magnitude {
            return false;
        }
        self.make_room();
        self.sign(value.is_sign_negative());
        self.digits((scaled / SCALE) as u64);
        let fraction = (scaled % SCALE) as u64;
        if fraction != 0 || whole == Whole::WithZero {
            self.put([b'.'], 1);
            let digits = eight_digits(fraction * 10u64.pow(8 - DECIMALS));
            let len = 8 - digits.leading_zeros() as usize / 8;
            self.put(ascii(digits), len.max(1));
        }
        true
    }

    #[inline(always)]
    fn make_room(&mut self) {
        if self.len > FULL_BYTES - NUMBER_BYTES {
            self.flush();
        }
    }

    #[inline(always)]
    fn sign(&mut self, negative: bool) {
        self.put([b'-'], negative.into());
    }

    #[inline(always)]
    fn digits(&mut self, value: u64) {
        if value < EIGHT_DIGITS {
            self.first_digits(value);
        } else {
            self.many_digits(value);
        }
    }

    fn many_digits(&mut self, value: u64) {
        let (before, last) = (value / EIGHT_DIGITS, value % EIGHT_DIGITS);
        if before < EIGHT_DIGITS {
            self.first_digits(before);
        } else {
            self.first_digits(before / EIGHT_DIGITS);
            self.put(ascii(eight_digits(before % EIGHT_DIGITS)), 8);
        }
        self.put(ascii(eight_digits(last)), 8);
    }

    /// Appends a number of up to eight digits, without zeros before it.
    #[inline(always)]
    fn first_digits(&mut self, value: u64) {
        let digits = eight_digits(value);
        let zeros = (digits | (1 << 56)).trailing_zeros() & !7;
        self.put(ascii(digits >> zeros), 8 - zeros as usize / 8);
    }

    /// Appends the first `len` of up to [`CHUNK_BYTES`] bytes, where there is room for them.
    #[inline(always)]
    fn put<const N: usize>(&mut self, bytes: [u8; N], len: usize) {
        debug_assert!(self.len < FULL_BYTES && len <= N);
        // Changes nothing, but saves the check of the range.
        let at = self.len.min(FULL_BYTES);
        self.gathered.0[at..at + N].copy_from_slice(&bytes);
        self.len += len;
    }
}

/// The eight decimal digits of a number less than 10^8, each in a byte, the first in the lowest.
///
/// The number is halved three times, all parts of it at once; a division is a multiplication by a
/// reciprocal that is exact for numbers so small.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let hundreds = ((fours * 5243) >> 19) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - 100 * hundreds) << 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    tens | ((twos - 10 * tens) << 8)
}

#[inline(always)]
fn ascii(digits: u64) -> [u8; 8] {
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// Whether eight bytes are ASCII.
#[inline(always)]
pub(crate) fn is_ascii(word: u64) -> bool {
    word & 0x8080_8080_8080_8080 == 0
}

/// Copies a few bytes to as many others, without a call where they are 32 or fewer.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    match from.len() {
        0 => {}
        1..4 => {
            let middle = from.len() / 2;
            (to[0], to[middle], to[from.len() - 1]) = (from[0], from[middle], from[from.len() - 1]);
        }
        4..8 => copy_ends::<4>(from, to),
        8..=16 => copy_ends::<8>(from, to),
        17..=32 => copy_ends::<16>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first and the last bytes, which may be the same in part.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut()) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut out = String::new();
        let mut line = Line::new(&mut out);
        write(&mut line);
        line.finish();
        out
    }

    #[test]
    fn integers_of_every_length() {
        for power in 0..20 {
            for value in [10u64.pow(power) - 1, 10u64.pow(power), 10u64.pow(power) + 1] {
                assert_eq!(written(|line| line.unsigned(value)), value.to_string());
                let value = value as i64;
                assert_eq!(written(|line| line.signed(value)), value.to_string());
            }
        }
        assert_eq!(written(|line| line.signed(i64::MIN)), i64::MIN.to_string());
    }

    /// A float on the fast path is written as on the slow path.
    #[test]
    fn fast_floats_match_slow_ones() {
        let mut recognised = 0;
        let edges = [0.0, -0.0, 1e9, 999_999_999.999_999, 0.001, 0.000_999, 1e-6, f64::NAN];
        let decimals = (0..6).flat_map(|decimals| {
            let scale = 10f64.powi(decimals);
            (0..2000u32).map(move |number| f64::from(number) * 7919.0 / scale)
        });
        let neighbours = decimals.flat_map(|value| [value, value.next_up(), -value]);
        for value in neighbours.chain(edges) {
            let text = written(|line| {
                recognised += u32::from(line.float(value, Whole::Bare));
            });
            assert!(text.is_empty() || text == value.to_string(), "{text} {value}");
            let text = written(|line| {
                let _ = line.float(value, Whole::WithZero);
            });
            assert!(text.is_empty() || text == zmij::Buffer::new().format(value), "{text}");
        }
        assert!(recognised > 20_000, "{recognised}");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9, 1e300] {
            assert!(!Line::new(&mut String::new()).float(value, Whole::Bare), "{value}");
        }
    }

    #[derive(Clone, Debug)]
    enum Append {
        Literal(String),
        Short(String),
        Number(i64),
        Float(f64),
        Quote,
        Direct(String),
    }

    fn pieces() -> impl Strategy<Value = Vec<Append>> {
        let text = || "[ -~]{0,40}|[aé…\u{1F600}]{0,40}|[a-z]{100,200}";
        let piece = prop_oneof![
            text().prop_map(Append::Literal),
            text().prop_map(Append::Short),
            any::<i64>().prop_map(Append::Number),
            (0..1_000_000i32).prop_map(|v| Append::Float(f64::from(v) / 1e3)),
            Just(Append::Quote),
            text().prop_map(Append::Direct),
        ];
        prop::collection::vec(piece, 0..30)
    }

    proptest! {
        /// Pieces keep their order and none is lost.
        #[test]
        fn pieces_keep_their_order(pieces in pieces()) {
            let mut expected = String::new();
            let text = written(|line| for piece in &pieces {
                match piece {
                    Append::Literal(text) => {
                        line.literal(&Literal::new(text));
                        expected.push_str(text);
                    }
                    Append::Short(text) => {
                        if !line.short(text.as_bytes(), is_ascii) {
                            line.out().push_str(text);
                        }
                        expected.push_str(text);
                    }
                    Append::Number(value) => {
                        line.signed(*value);
                        expected.push_str(&value.to_string());
                    }
                    Append::Float(value) => {
                        assert!(line.float(*value, Whole::Bare) || value.abs() < 0.001);
                        expected.push_str(&value.to_string());
                    }
                    Append::Quote => {
                        line.ascii(b'"');
                        expected.push('"');
                    }
                    Append::Direct(text) => {
                        line.out().push_str(text);
                        expected.push_str(text);
                    }
                }
                assert_eq!(line.len(), expected.len());
            });
            prop_assert_eq!(text, expected);
        }
    }
}
