const NAMELESS: kymo::NamedLog = kymo::NamedLog::new("");

fn main() {
    kymo::info!(logger: NAMELESS, "order");
}
