//! Values that a scope cannot keep, or that no metric has.

fn main() {
    let (id, px) = (7, 101.25);
    let _scope = kymo::scope!("match", book = kymo::as_debug(&id));
    kymo::count!("orders", "one");
    kymo::gauge!("price", Some(px));
}
