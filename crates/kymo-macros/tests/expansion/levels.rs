//! Levels and targets.

use crate::{Level, info, log, logged};

#[test]
fn a_level_that_is_spelled_out() {
    let mut evaluated = false;
    let records = logged(Level::Warn, || {
        info!("not enabled: {}", {
            evaluated = true;
            0
        });
        log!(Level::Warn, "one");
        log!(crate::export::Level::Error, "two {}", 2);
    });
    let levels: Vec<_> = records.iter().map(|record| record.level).collect();
    assert_eq!(levels, [Level::Warn, Level::Error]);
    assert!(!evaluated);
}

#[test]
fn a_level_known_at_run_time_is_evaluated_once() {
    let mut calls = 0;
    let mut level = |enabled| {
        calls += 1;
        if enabled { Level::Warn } else { Level::Info }
    };
    let __level = 3;
    let records = logged(Level::Warn, || {
        log!(level(true), "one {__level}");
        log!(level(false), "not enabled");
        log!({ level(true) }, "{} {} {} {} {} {} {}", 1, 2, 3, 4, 5, 6, 7);
    });
    assert_eq!(calls, 3);
    assert_eq!(records.len(), 2);
    assert!(records.iter().all(|record| record.level == Level::Warn));
    assert_eq!(records[0].values, ["3"]);
}

#[test]
fn targets() {
    const FILLS: &str = "fills";
    let level = Level::Error;
    let records = logged(Level::Info, || {
        info!("x");
        info!(target: "literal", "x");
        info!(target: FILLS, "{}", 1);
        info!(target: concat!("a", ",", "b"), "x",);
        log!(target: "static", Level::Warn, "x");
        log!(target: "dynamic", level, "x");
    });
    let targets: Vec<_> = records.iter().map(|record| record.location.target).collect();
    assert_eq!(targets, [module_path!(), "literal", "fills", "a,b", "static", "dynamic"]);
    assert!(records.iter().all(|record| record.location.module == module_path!()));
}
