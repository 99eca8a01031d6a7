//! How a program with tokio or rayon tests what it logs.

use kymo::testing::capture;
use kymo::{info, warn};
use rayon::prelude::*;
use tokio::task::yield_now;

async fn check(order: u32, px: f64) {
    info!("order {order} at {px}");
    yield_now().await;
    // Perhaps in another thread.
    if px > 100.0 {
        warn!(target: "risk", "order {order} beyond limit: {px}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_beyond_the_limit_are_warned_of() {
    let log = capture();
    let check = |order| tokio::spawn(log.scope_future(check(order, 95.0 + f64::from(order))));
    let tasks: Vec<_> = (0..10).map(check).collect();
    for task in tasks {
        task.await.unwrap();
    }
    log.assert_count(10, "level == info");
    log.assert_count(4, r#"level == warn and target == "risk" and px > 100"#);
    log.assert_not_contains("level == warn and order < 6");
}

/// Beside the other test, in threads that are not the test's.
#[test]
fn a_loop_over_all_cores_is_captured() {
    let log = capture();
    (0..100_u32).into_par_iter().for_each(|number| log.scope(|| info!("number {number}")));
    log.assert_count(100, "number < 100");
    log.assert_count(100, "true");
}
