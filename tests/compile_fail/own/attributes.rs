//! Attributes that say nothing, or contradict each other.

#[derive(kymo::Value)]
struct Unknown {
    #[kymo(hidden)]
    id: u64,
}

#[derive(kymo::Value)]
struct Twice {
    #[kymo(rename = "a", rename = "b")]
    id: u64,
}

#[derive(kymo::Value)]
struct Contradiction {
    #[kymo(skip, redact)]
    id: u64,
}

#[derive(kymo::Value)]
struct NoForm {
    #[kymo(debug, hex)]
    id: u64,
}

#[derive(kymo::Value)]
struct NoName(#[kymo(rename = "a")] u64);

#[derive(kymo::Value)]
struct SameName {
    id: u64,
    #[kymo(rename = "id")]
    other: u64,
}

#[derive(kymo::Value)]
#[kymo(hex)]
struct OfField(u64);

#[derive(kymo::Value)]
struct NotText {
    #[kymo(unit = 5)]
    id: u64,
}

#[derive(kymo::Value)]
struct NotAnInteger {
    #[kymo(hex)]
    px: f64,
}

#[derive(kymo::Value)]
#[kymo(transparent)]
struct TwoFields(u64, u64);

#[derive(kymo::Value)]
#[kymo(transparent)]
enum OneOf {
    One(u64),
}

fn main() {}
