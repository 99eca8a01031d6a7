fn main() {
    let id = 7;
    let target = String::from("fills");
    kymo::info!("order {id}", target: "fills");
    kymo::log!(kymo::Level::Info, target: "fills", "order {id}");
    kymo::info!(target:, "order {id}");
    kymo::info!(target: target, "order {id}");
    kymo::info!(target: 3, "order {id}");
}
