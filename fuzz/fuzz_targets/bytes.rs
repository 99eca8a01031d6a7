#![no_main]

use kymo_testing::hostile::{memory, target};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::bytes(data));
