//! The two ends of the scale: a call that does nothing, and one that reads the counter and does
//! nothing else.

use std::hint::black_box;

use crate::counter;
use crate::messages::Producer;

/// Does nothing: what remains is what measuring costs.
pub struct Empty;

/// Reads the counter.
pub struct CounterRead;

macro_rules! bare {
    ($producer:ty: $call:expr) => {
        impl Producer for $producer {
            #[inline(always)]
            fn mixed(&mut self, _id: u64, _px: f64, _who: &str) {
                $call
            }

            #[inline(always)]
            fn ints(&mut self, _a: u64, _b: u64, _c: u64) {
                $call
            }

            #[inline(always)]
            fn without_arguments(&mut self) {
                $call
            }

            #[inline(always)]
            fn str64(&mut self, _text: &str) {
                $call
            }

            #[inline(always)]
            fn disabled(&mut self, _id: u64, _px: f64, _who: &str) {
                $call
            }
        }
    };
}

bare!(Empty: ());
bare!(CounterRead: {
    black_box(counter::read());
});
