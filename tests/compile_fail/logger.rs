const AUDIT: kymo::NamedLog = kymo::NamedLog::new("audit");

fn main() {
    let id = 7;
    let log = AUDIT;
    kymo::info!("order {id}", logger: AUDIT);
    kymo::log!(kymo::Level::Info, logger: AUDIT, "order {id}");
    kymo::info!(logger:, "order {id}");
    kymo::info!(logger: AUDIT, logger: AUDIT, "order {id}");
    kymo::info!(logger: log, "order {id}");
    kymo::info!(logger: "audit", "order {id}");
}
