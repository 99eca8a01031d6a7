//! Scopes and metrics that are none.

fn main() {
    let (id, px, name) = (7, 101.25, "match");
    let _scope = kymo::scope!(name, id);
    let _scope = kymo::scope!("", id);
    let _scope = kymo::scope!();
    let _scope = kymo::scope!("match" id);
    let _scope = kymo::scope!("match", "{id}");
    let _scope = kymo::scope!("match", id:?);
    let _scope = kymo::scope!("match", duration = 1);
    let _scope = kymo::scope!(begin_end: "match", end = 1);
    let _scope = kymo::scope!("match", id:hex);
    kymo::count!("orders");
    kymo::count!("orders", venue = px);
    kymo::count!("orders", 1, value = 2);
    kymo::gauge!(1, "depth");
}
