//! The messages that are measured, and what has to be able to log them.

use crate::values::{name, price, text};

/// A thread's way to the logger.
pub trait Producer {
    fn mixed(&mut self, id: u64, px: f64, who: &str);
    fn ints(&mut self, a: u64, b: u64, c: u64);
    fn without_arguments(&mut self);
    fn str64(&mut self, text: &str);
    /// A message below the level in force.
    fn disabled(&mut self, id: u64, px: f64, who: &str);

    /// Waits until all that this thread logged has left the ring, and where there is a file, is in
    /// it. Does nothing if a logger has no such call.
    fn flush(&mut self) {}
}

/// A message, as a type: the loops are compiled for each.
pub trait Message {
    const NAME: &'static str;

    /// Logs it with values that go with the number.
    fn log<P: Producer>(producer: &mut P, number: u64);
}

pub struct Mixed;
pub struct Ints;
pub struct Static;
pub struct Str64;
pub struct Disabled;

impl Message for Mixed {
    const NAME: &'static str = "mixed";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.mixed(number, price(number), name(number));
    }
}

impl Message for Ints {
    const NAME: &'static str = "ints";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.ints(number, number + 7, number ^ 0x55);
    }
}

impl Message for Static {
    const NAME: &'static str = "static";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, _number: u64) {
        producer.without_arguments();
    }
}

impl Message for Str64 {
    const NAME: &'static str = "str64";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.str64(text(number));
    }
}

impl Message for Disabled {
    const NAME: &'static str = "disabled";

    #[inline(always)]
    fn log<P: Producer>(producer: &mut P, number: u64) {
        producer.disabled(number, price(number), name(number));
    }
}
