//! What a record says: a function of who logs it and of its number, so that who reads it knows.

use std::sync::LazyLock;

use fastrand::Rng;
use kymo::Level;

/// 8 KiB that cannot be cut.
pub type Massive = Eight<Eight<Eight<u128>>>;

type Eight<T> = (T, T, T, T, T, T, T, T);

/// The text of a record after its numbers.
#[derive(Clone, Debug)]
pub enum Payload {
    Nothing,
    Values {
        px: f64,
        text: &'static str,
        option: Option<u32>,
        list: Vec<i16>,
    },
    /// Formatted by the program.
    Eager {
        px: f64,
    },
    /// Fits into the smallest ring.
    Long {
        text: &'static str,
    },
    /// May be longer than the ring takes, and is cut then.
    Huge {
        text: &'static str,
    },
    /// May be longer than the ring takes, and is dropped then.
    Massive {
        seed: u64,
    },
}

impl Payload {
    /// What the record of this number says, of those that a thread logs at a level.
    pub fn new(seed: u64, thread: u64, level: Level, number: u64) -> Self {
        let mix = |sum: u64, part: u64| (sum ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seed = [thread, level as u64, number].into_iter().fold(seed, mix);
        let mut rng = Rng::with_seed(seed);
        match rng.u32(..10_000) {
            0..5_000 => Self::Nothing,
            5_000..8_990 => Self::Values {
                px: rng.f64() * 1e6,
                text: text(&mut rng, 0..40),
                option: rng.bool().then(|| rng.u32(..)),
                list: (0..rng.usize(..4)).map(|_| rng.i16(..)).collect(),
            },
            8_990..9_500 => Self::Eager { px: rng.f64() * 1e6 },
            9_500..9_990 => Self::Long { text: text(&mut rng, 0..1_200) },
            9_990..9_998 => Self::Huge { text: text(&mut rng, 1_200..60_000) },
            _ => Self::Massive { seed: rng.u64(..) },
        }
    }

    /// Whether a ring of so many bytes refuses it.
    pub fn is_too_large(&self, ring_bytes: usize) -> bool {
        matches!(self, Self::Massive { .. }) && ring_bytes / 2 < size_of::<Massive>() + 48
    }

    /// As it is in a message.
    pub fn render(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Values { px, text, option, list } => {
                format!(": {px:.3} {text:?} {option:?} {list:?}")
            }
            Self::Eager { px } => format!(": at {px:8.2}!"),
            Self::Long { text } | Self::Huge { text } => format!(": {text}"),
            Self::Massive { seed } => format!(": {:?}", massive(*seed)),
        }
    }
}

/// Of a seed.
pub fn massive(seed: u64) -> Massive {
    fn eight<T: Copy>(value: T) -> Eight<T> {
        (value, value, value, value, value, value, value, value)
    }
    eight(eight(eight(u128::from(seed) << 32)))
}

/// A text of about so many bytes.
fn text(rng: &mut Rng, bytes: std::ops::Range<usize>) -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        (0..8_000).map(|word| format!("{word} Trommel, straße \"€\"; ")).collect()
    });
    let boundary = |at: usize| (at..).find(|at| TEXT.is_char_boundary(*at)).unwrap_or(0);
    let begin = rng.usize(..100_000);
    &TEXT[boundary(begin)..boundary(begin + rng.usize(bytes))]
}
