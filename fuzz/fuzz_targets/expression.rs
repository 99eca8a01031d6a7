#![no_main]

use kymo_testing::hostile::command;

/// A file with one of everything, from the first version.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/v1.kymo");

libfuzzer_sys::fuzz_target!(|text: &str| command::ask(text, GOLDEN));
