fn main() {
    kymo::info!();
    kymo::info!(target: "fills");
    kymo::info!(target: "fills",);
    kymo::log!(kymo::Level::Info);
    kymo::log!();
}
