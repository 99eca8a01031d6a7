//! What a start does with the rings of processes that died before.

use super::*;

/// Two processes die, one after the other; the next start recovers the first one's, the command's
/// function the second one's.
#[test]
fn rings_of_two_dead_processes() {
    let dir = scratch();
    let (counters, log) = (dir.path().join("counters"), dir.path().join("app.kymo"));
    let mut of_process = Vec::new();
    for number in 0..2 {
        let shared = Counters::map(&counters);
        let mut child = spawn("recovering", dir.path());
        wait_for(&mut child, &shared, 500);
        kill(child);
        fs::rename(&counters, dir.path().join(format!("counters {number}"))).unwrap();
        of_process.push(shared);
    }
    // The second one's start has renamed the first one's log, with what was recovered.
    let first = dir.path().join("app.1.kymo");
    assert!(dir.path().join("app.1.kymo.recovered").exists());
    assert_all(&first, &of_process[0]);
    assert_eq!(recover(&first).unwrap().records(), 0);
    recover(&log).unwrap();
    assert_all(&log, &of_process[1]);
    assert!(files_in(&dir.path().join("rings")).is_empty());
}

/// Two processes with logs of their own share a directory for their rings, and both are killed.
#[test]
fn two_logs_share_a_directory() {
    let dir = scratch();
    let mut of_process = Vec::new();
    for scene in ["stopped", "other"] {
        let shared = Counters::map(&dir.path().join("counters"));
        let mut child = spawn(scene, dir.path());
        if scene == "stopped" {
            wait_for_full_rings(&mut child, &shared);
        } else {
            wait_for(&mut child, &shared, 500);
        }
        fs::rename(dir.path().join("counters"), dir.path().join(format!("counters {scene}")))
            .unwrap();
        of_process.push((child, shared));
    }
    let mut logs = ["app.kymo", "other.kymo"].map(|name| dir.path().join(name)).into_iter();
    for (child, shared) in of_process {
        kill(child);
        let log = logs.next().unwrap();
        // The second one's process still runs when the first one's rings are recovered.
        assert!(recover(&log).unwrap().damage.is_empty());
        assert_all(&log, &shared);
    }
    assert!(files_in(&dir.path().join("rings")).is_empty());
}

/// Kills a process whose rings are full; returns what it had logged.
fn dead_process(dir: &Path) -> Counters {
    let counters = Counters::map(&dir.join("counters"));
    let mut child = spawn("stopped", dir);
    wait_for_full_rings(&mut child, &counters);
    kill(child);
    fs::remove_file(dir.join("counters")).unwrap();
    counters
}

/// Whether kymo's own records are in a log that is being written.
fn has_warning(log: &Path) -> bool {
    let mut reader = Options::new().snapshot(true).open(log).unwrap();
    while let Some(record) = reader.next_record().unwrap() {
        if record.thread().name() == "kymo" {
            return true;
        }
    }
    false
}

/// A log that is written over takes its rings along, and the new one says what that cost.
#[test]
fn what_is_written_over_is_counted() {
    let dir = scratch();
    dead_process(dir.path());
    let log = dir.path().join("app.kymo");
    let lost = recoverable(&log).records;
    assert!(lost > 1_000, "{lost}");
    let shared = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("overwriting", dir.path());
    wait_for(&mut child, &shared, 500);
    // kymo's own warnings are in no file before they are in the log.
    let deadline = Instant::now() + Duration::from_secs(60);
    while !has_warning(&log) {
        assert!(Instant::now() < deadline, "there is no warning");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill(child);
    recover(&log).unwrap();
    assert_all(&log, &shared);
    assert!(!dir.path().join("app.1.kymo").exists());
    assert!(files_in(&dir.path().join("rings")).is_empty());
    let warnings = messages(&log).remove("kymo").unwrap();
    let text = format!("{lost} records in its rings were discarded");
    assert!(warnings.iter().any(|warning| warning.contains(&text)), "{warnings:?}");
}

/// Who wants records recovered does not want them written over.
#[test]
fn what_is_recovered_is_not_written_over() {
    let dir = scratch();
    let before = dead_process(dir.path());
    let shared = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("keeping", dir.path());
    wait_for(&mut child, &shared, 500);
    kill(child);
    assert_all(&dir.path().join("app.1.kymo"), &before);
}

/// A log is moved away, and what was recovered of it is not: that is kept, also when the next
/// process dies.
#[test]
fn what_was_recovered_is_not_replaced() {
    let dir = scratch();
    let log = dir.path().join("app.kymo");
    let before = dead_process(dir.path());
    recover(&log).unwrap();
    fs::rename(&log, dir.path().join("old.kymo")).unwrap();
    let now = dead_process(dir.path());
    recover(&log).unwrap();
    assert_all(&log, &now);
    let [of, to] = ["app.kymo.recovered.1", "old.kymo.recovered"].map(|name| dir.path().join(name));
    fs::rename(of, to).unwrap();
    assert_all(&dir.path().join("old.kymo"), &before);
}

/// Somebody who looks at a log all the time does not keep a logger from starting.
#[test]
fn looking_at_a_log_does_not_lock_it() {
    let dir = scratch();
    // In a process that starts no others: these have its files, and the locks on them, for a moment.
    let mut child = spawn("looking", dir.path());
    assert!(child.wait().unwrap().success());
}
