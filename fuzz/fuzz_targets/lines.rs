#![no_main]

use arbitrary::Unstructured;
use kymo_testing::hostile::{command, segment};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    command::print(&segment::hostile(&mut Unstructured::new(data)));
});
