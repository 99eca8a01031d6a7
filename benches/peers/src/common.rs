//! What kymo's own benches use, too: the same messages, the same timing code, the same floor.
#![allow(dead_code, reason = "kymo's own benches use the rest")]

#[path = "../../common/bare.rs"]
pub mod bare;
#[path = "../../common/counter.rs"]
pub mod counter;
#[path = "../../common/floor.rs"]
pub mod floor;
#[path = "../../common/machine.rs"]
pub mod machine;
#[path = "../../common/messages.rs"]
pub mod messages;
#[path = "../../common/place.rs"]
pub mod place;
#[path = "../../common/statistics.rs"]
pub mod statistics;
#[path = "../../common/table.rs"]
pub mod table;
#[path = "../../common/timing.rs"]
pub mod timing;
#[path = "../../common/values.rs"]
pub mod values;
