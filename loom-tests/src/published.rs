//! A thread looks for the running logger while the logger ends.

use super::{check, must_fail};
use kymo::loom_export::mutant::Mutant;
use kymo::loom_export::published::Published;
use kymo::loom_export::sync::atomic::{AtomicBool, Ordering};
use kymo::loom_export::sync::thread;
use std::sync::Arc;

/// A value that tells loom when it was dropped. Its memory is kept, unlike that of a freed logger.
struct Logger(&'static AtomicBool);

impl Drop for Logger {
    fn drop(&mut self) {
        // Release: pairs with the acquire of a thread that still has a handle.
        self.0.store(true, Ordering::Release);
    }
}

/// One thread gets a handle while another one withdraws the logger and drops it: a handle keeps the
/// logger alive.
fn end() {
    // Some bytes of each interleaving are left, so that a mutant that frees too early does no harm.
    let dropped: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
    let published: Arc<Published<Logger>> = Arc::default();
    let logger = Arc::new(Logger(dropped));
    std::mem::forget(Arc::downgrade(&logger));
    published.publish(logger);
    let reading = thread::spawn({
        let published = published.clone();
        move || {
            published.get().inspect(|_| {
                assert!(!dropped.load(Ordering::Acquire), "freed, and in use");
            })
        }
    });
    let withdrawn = published.withdraw().expect("it was published");
    drop(withdrawn);
    drop(reading.join().unwrap());
    assert!(published.get().is_none(), "still there");
}

#[test]
fn a_logger_that_was_found_is_there() {
    check("a_logger_that_was_found_is_there", end);
}

#[test]
fn a_logger_that_was_found_is_there_mutants() {
    const FREED: &str = "freed, and in use";
    let mutants = [(Mutant::PublishedFreed, FREED), (Mutant::PublishedReaders, FREED)];
    must_fail(a_logger_that_was_found_is_there_mutants, end, &mutants);
}
