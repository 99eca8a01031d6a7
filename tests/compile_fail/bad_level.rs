use std::cmp::Ordering;

fn main() {
    let id = 7;
    kymo::log!("order {id}");
    kymo::log!(kymo::Level::Information, "order {id}");
    kymo::log!(3, "order {id}");
    kymo::log!(Ordering::Less, "order {id}");
    kymo::log!(elsewhere::Info, "order {id}");
}

mod elsewhere {
    pub struct Info;
}
