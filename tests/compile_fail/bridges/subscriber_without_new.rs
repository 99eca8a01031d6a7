//! A subscriber or an error that nobody made.
fn main() {
    let _ = kymo::bridge::tracing::Subscriber(());
    let _ = kymo::bridge::log::InitError(());
}
