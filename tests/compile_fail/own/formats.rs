//! Format strings that the compiler must refuse.

#[derive(kymo::Value)]
#[kymo(format = "{id}@{price}")]
struct NoSuchField {
    id: u64,
}

#[derive(kymo::Value)]
#[kymo(format = "{id")]
struct Unclosed {
    id: u64,
}

#[derive(kymo::Value)]
#[kymo(format = "{id}")]
struct Skipped {
    #[kymo(skip)]
    id: u64,
}

#[derive(kymo::Value)]
#[kymo(format = "{ids}")]
struct NotDisplay {
    ids: Vec<u64>,
}

#[derive(kymo::Value)]
enum OneWithout {
    #[kymo(format = "new {0}")]
    New(u64),
    Moved(u64),
}

fn main() {}
