//! How much processor time a thread of this process has used.

use std::fs;
use std::path::Path;

/// The processor time of the thread with this name, in seconds; `None` if there is none, or the
/// system does not tell.
pub fn seconds_of(thread: &str) -> Option<f64> {
    // The kernel keeps 15 bytes of a name.
    let kept = &thread[..thread.len().min(15)];
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if name.trim_end() == kept {
            return on_cpu_seconds(&task.path()).or_else(|| ticked_seconds(&task.path()));
        }
    }
    None
}

/// To the nanosecond, where the kernel was built to say so.
fn on_cpu_seconds(task: &Path) -> Option<f64> {
    let text = fs::read_to_string(task.join("schedstat")).ok()?;
    let on_cpu_ns = text.split(' ').next()?.parse::<u64>().ok()?;
    Some(on_cpu_ns as f64 * 1e-9)
}

/// In hundredths of a second.
fn ticked_seconds(task: &Path) -> Option<f64> {
    /// `USER_HZ`, which is 100 on all common systems.
    const TICKS_PER_SECOND: f64 = 100.0;
    let text = fs::read_to_string(task.join("stat")).ok()?;
    // The name is in parentheses and may contain anything; after it follow the state, and 10 fields
    // on the times.
    let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>().ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}
