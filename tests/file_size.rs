//! How many bytes of file a record takes, everything included, at a million records.

use kymo_testing::logged;

use logged::Turn;

const RECORDS: u64 = 1_000_000;

/// The file's length when `log` has logged each number up to a million, in bytes per record.
fn bytes_per_record(log: impl Fn(u64)) -> f64 {
    let turn = Turn::take();
    let logger = turn.builder().start().unwrap();
    (0..RECORDS).for_each(log);
    let report = logger.shutdown();
    assert_eq!((report.written, report.dropped), (RECORDS, 0));
    assert_eq!(report.file_bytes, std::fs::metadata(&turn.path).unwrap().len());
    let bytes = report.file_bytes as f64 / RECORDS as f64;
    println!("{bytes} bytes per record");
    bytes
}

/// A record of a number, a price and a name takes at most 28 bytes.
#[test]
fn mixed_record_takes_at_most_28_bytes() {
    let name = "ACME-IDX";
    let bytes = bytes_per_record(|id| {
        let price = 100.0 + id as f64 / 100.0;
        kymo::info!("order {} filled at {} for {}", id, price, name);
    });
    assert!(bytes <= 28.0, "{bytes}");
}

/// A record of three numbers takes at most 16 bytes.
#[test]
fn three_numbers_take_at_most_16_bytes() {
    let bytes = bytes_per_record(|id| kymo::info!("tick {} {} {}", id, 2 * id, 3 * id));
    assert!(bytes <= 16.0, "{bytes}");
}

/// A record without arguments takes at most 6 bytes.
#[test]
fn an_empty_record_takes_at_most_6_bytes() {
    let bytes = bytes_per_record(|_| kymo::info!("heartbeat"));
    assert!(bytes <= 6.0, "{bytes}");
}
