struct Order {
    px: f64,
}

fn main() {
    let px = 101.25_f64;
    let order = Order { px };
    kymo::info!("filled at {:x}", px);
    kymo::info!("filled at {:x}", order.px * 2.0);
    kymo::info!("filled at {px:x}");
    kymo::info!("filled at {:>width$}", px, width = px);
}
