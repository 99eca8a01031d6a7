fn main() {
    let id = 7;
    kymo::info!("order {id");
    kymo::info!("order {id:");
    kymo::info!("order id}");
    kymo::info!("order {id + 1}");
    kymo::info!("order {r#id}");
}
