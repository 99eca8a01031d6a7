//! Types that cannot be described.

struct Foreign;

#[derive(kymo::Value)]
struct HasForeign {
    id: u64,
    foreign: Foreign,
}

#[derive(kymo::Value)]
struct NotDebug {
    #[kymo(debug)]
    foreign: Foreign,
}

#[derive(kymo::Value)]
struct List {
    value: u64,
    next: Option<Box<List>>,
}

#[derive(kymo::Value)]
enum Tree {
    Leaf,
    Node(Vec<Self>),
}

#[derive(kymo::Value)]
union Either {
    one: u32,
    other: f32,
}

#[derive(kymo::Value)]
struct Generic<T>(T);

fn main() {
    kymo::info!(generic = Generic(Foreign); "");
}
