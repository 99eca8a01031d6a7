const FORMAT: &str = "order";

fn main() {
    let id = 7;
    kymo::info!(concat!("order ", "{}"), id);
    kymo::info!(FORMAT);
    kymo::info!(id, "order {}");
    kymo::info!(b"order");
    kymo::info!(c"order");
    kymo::info!(7);
}
