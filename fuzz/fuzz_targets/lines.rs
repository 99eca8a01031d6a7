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

use arbitrary::Unstructured;
use kymo_fuzz::segment;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    command::print(&segment::hostile(&mut Unstructured::new(data)));
});
