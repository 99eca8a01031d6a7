//! Tests: what is printed of a hostile file is lines of text, and nothing that controls a terminal.
//! Longer: `PROPTEST_CASES=1000000 cargo test --release -p kymo-cli --bin kymo hostile`.
//!
//! Also the bodies of fuzz targets, which are in `fuzz`.

#[path = "../../../fuzz/src/command.rs"]
mod command;
#[path = "../../../fuzz/src/frames.rs"]
#[allow(dead_code, reason = "other targets use the rest")]
mod frames;
#[path = "../../../fuzz/src/segment.rs"]
mod segment;

use arbitrary::Unstructured;
use proptest::collection::vec;
use proptest::prelude::*;

/// As many cases as are done in a few seconds, or as many as `PROPTEST_CASES` says.
fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn whatever_is_printed_is_lines(data in vec(any::<u8>(), 0..800)) {
        command::print(&segment::hostile(&mut Unstructured::new(&data)));
    }

    #[test]
    fn whatever_is_asked_has_an_answer(
        data in vec(any::<u8>(), 0..800),
        expression in r#"(a|b|arg0|\[1\]|message|line|thread|none|true|[0-9]{1,40}(\.[0-9])?(e[0-9]{1,4})?| ?(==|!=|<|>=|contains|matches) ?|"[a-z.*é]{0,3}"| and | or |not |\(|\)){0,12}"#,
    ) {
        command::ask(&expression, &segment::hostile(&mut Unstructured::new(&data)));
    }
}
