//! What is logged: the values differ from call to call, and none of them is known to the compiler.

/// Calls in a batch. The longest message takes 80 bytes in a ring: a batch needs a third of the
/// default ring.
pub const BATCH: u64 = 4_096;

/// Strings of 8 characters.
static NAMES: [&str; 16] = [
    "ACME-IDX", "BOLT-EQ1", "CRUX-FUT", "DELTA-07", "ECHO-IDX", "FLUX-EQ2", "GRID-FUT", "HALO-011",
    "IRIS-IDX", "JADE-EQ3", "KITE-FUT", "LYRA-013", "MESA-IDX", "NOVA-EQ4", "ONYX-FUT", "PIKE-017",
];

/// Strings of 64 characters.
static TEXTS: [&str; 2] = [
    "the quick brown fox jumps over the lazy dog, and then once again",
    "sphinx of black quartz, judge my vow: sixty-four letters in all.",
];

const _: () = assert!(TEXTS[0].len() == 64 && TEXTS[1].len() == 64);

static PRICES: [f64; 256] = {
    let mut prices = [0.0; 256];
    let mut index = 0;
    while index < prices.len() {
        prices[index] = 100.0 + index as f64 * 0.25;
        index += 1;
    }
    prices
};

/// A string of 8 characters.
#[inline(always)]
pub fn name(number: u64) -> &'static str {
    NAMES[number as usize % NAMES.len()]
}

/// A price.
#[inline(always)]
pub fn price(number: u64) -> f64 {
    PRICES[number as usize % PRICES.len()]
}

/// A string of 64 characters.
#[inline(always)]
pub fn text(number: u64) -> &'static str {
    TEXTS[number as usize % TEXTS.len()]
}
