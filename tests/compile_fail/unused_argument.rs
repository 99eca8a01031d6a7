fn main() {
    let (id, px) = (7, 101.25);
    kymo::info!("order {id}", px);
    kymo::info!("order {}", id, px = px);
}
