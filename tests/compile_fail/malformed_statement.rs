fn main() {
    let (id, px) = (7, 101.25);
    kymo::info!("order {}" id);
    kymo::info!("order {} {}", id,, px);
    kymo::info!("order {id} {}", id = 1, px);
    kymo::info!("order {id}", id = 1, id = 2);
}
