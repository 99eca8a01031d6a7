#![no_main]

#[path = "../../crates/kymo-cli/src/argument.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod argument;
#[path = "../../crates/kymo-cli/src/caret.rs"]
mod caret;
#[path = "../src/command.rs"]
#[allow(dead_code, reason = "another target uses the rest")]
mod command;
#[path = "../../crates/kymo-cli/src/expression/mod.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod expression;
#[path = "../../crates/kymo-cli/src/format/mod.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod format;
#[path = "../../crates/kymo-cli/src/point.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod point;
#[path = "../../crates/kymo-cli/src/time.rs"]
#[allow(dead_code, reason = "the command uses the rest")]
mod time;

/// A file with one of everything, from the first version.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/v1.kymo");

libfuzzer_sys::fuzz_target!(|text: &str| command::ask(text, GOLDEN));
