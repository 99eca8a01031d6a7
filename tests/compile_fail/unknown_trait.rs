fn main() {
    let id = 7;
    kymo::info!("order {id:q}");
}
