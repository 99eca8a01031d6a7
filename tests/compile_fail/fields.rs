//! Fields that are none, or that cannot be logged as they are written.

struct Foreign;

#[derive(Clone, Copy)]
struct Order {
    id: u64,
}

fn main() {
    let (id, px, foreign, order) = (7, 101.25, Foreign, Order { id: 1 });
    // Another expression has no name.
    kymo::info!(id + 1; "filled");
    kymo::info!(7; "filled");
    kymo::info!(order.max(px); "filled");
    // No kind of value.
    kymo::info!(px:usd; "filled");
    kymo::info!(?px:hex; "filled");
    // Twice.
    kymo::info!(id, id = 8; "filled");
    kymo::info!(id; "filled {id}", id = 8);
    // No value.
    kymo::info!(id = ; "filled");
    kymo::info!("order id"; "filled");
    // Not separated.
    kymo::info!(id px; "filled");
    // What cannot be logged as it is.
    kymo::info!(foreign; "filled");
    kymo::info!(foreign:?; "filled");
    // The message is still checked.
    kymo::info!(id; "filled {}");
    kymo::info!(id; "filled {px:x}");
    kymo::info!(order.id; id);
}
