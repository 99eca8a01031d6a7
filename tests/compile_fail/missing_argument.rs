fn main() {
    let id = 7;
    kymo::info!("order {} filled at {}", id);
    kymo::info!("order {} filled at {px}", px = 1.5);
    kymo::info!("order {order}");
}
