//! Tasks of tokio that move between threads. A record's thread is the worker; the task is a field.
//!
//! `cargo run -p kymo-frameworks --bin tasks -- tasks.kymo`, then `kymo cat tasks.kymo --where 'task == 7'`

use kymo::{Logger, info};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};

/// Each step may run in another thread.
async fn work(task: u32) {
    for step in 0..20 {
        info!("task {task} at step {step}");
        yield_now().await;
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "tasks.kymo".to_owned());
    let logger = Logger::builder(path).start()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(4)
        .thread_name("worker")
        // Makes the worker's ring before its first task runs.
        .on_thread_start(|| _ = kymo::prepare_thread())
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        (0..100).for_each(|task| drop(tasks.spawn(work(task))));
        tasks.join_all().await;
    });
    // Workers that have ended have handed over what they logged.
    drop(runtime);
    println!("{} records", logger.shutdown().written);
    Ok(())
}
