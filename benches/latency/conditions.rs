//! What a reader of the figures has to know about the machine and the run.

use crate::options::Options;
use kymo_bench::machine;

/// Names and values, in the order in which they are shown.
pub fn collect(options: &Options) -> Vec<(&'static str, String)> {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let command = arguments.fold("cargo bench --bench latency --".to_owned(), |mut line, next| {
        line.push(' ');
        line.push_str(&next);
        line
    });
    let mut conditions = vec![("command", command)];
    conditions.extend(machine::describe(&options.cores, &options.directory));
    conditions.extend([
        ("kymo", env!("CARGO_PKG_VERSION").to_owned()),
        ("producer core", options.producer_core.to_string()),
        ("consumer core", options.consumer_core.map_or("none".to_owned(), |core| core.to_string())),
        ("rounds", options.rounds.to_string()),
        ("ring", options.ring_bytes.map_or("default".to_owned(), |bytes| format!("{bytes} bytes"))),
        ("poll interval", format!("{:?}", options.poll_interval)),
    ]);
    conditions
}
