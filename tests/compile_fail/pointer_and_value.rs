fn main() {
    let order = &7;
    kymo::info!("{order:p}: {order}");
    kymo::info!("{0:p}: {0}", order);
    // How it is meant.
    kymo::info!("{:p}: {order}", order);
}
