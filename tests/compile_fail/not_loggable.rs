use std::fmt;

struct Order {
    id: u32,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

fn order(id: u32) -> Order {
    Order { id }
}

fn main() {
    let last = order(7);
    kymo::info!("{} filled", order(3));
    kymo::info!("{last} filled");
    kymo::info!("order {:p}", last.id);
    // How it is meant.
    kymo::info!("{} filled", kymo::as_display(&last));
}
