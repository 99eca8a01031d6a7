//! What the compiler says about a log statement that is wrong.
//!
//! The expected messages are those of one release of the compiler. After a change of either, see
//! the difference in `TRYBUILD=overwrite cargo test --test compile_fail`, and judge whether a user
//! would understand it.

#[test]
fn misuse_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// What the compiler says about a bridge that is put together wrongly.
#[cfg(all(feature = "log", feature = "tracing-layer"))]
#[test]
fn misuse_of_bridges_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/bridges/*.rs");
}

/// What the compiler says about types and attributes that `#[derive(kymo::Value)]` does not take.
#[cfg(feature = "derive")]
#[test]
fn misuse_of_derive_is_explained() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/own/*.rs");
}
