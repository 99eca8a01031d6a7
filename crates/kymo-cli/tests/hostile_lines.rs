//! Tests: what is printed of a hostile file is lines of text, and nothing that controls a terminal.
//! Longer: `PROPTEST_CASES=1000000 cargo test --release -p kymo-cli --test hostile_lines`.

use kymo_testing::hostile::command;
use kymo_testing::hostile::segment;

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
