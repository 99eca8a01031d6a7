//! A logger is neither a subscriber nor a logger of `log`: the builder bridges them.
fn main() {
    let logger = kymo::Logger::builder("app.kymo").start().unwrap();
    let _ = tracing::subscriber::set_global_default(logger);
    let _ = log::set_boxed_logger(Box::new(kymo::Logger::builder("app.kymo").start().unwrap()));
}
