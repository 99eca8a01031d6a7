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
    let recovery = recover(&log).unwrap();
    assert_eq!(recovery.file, Some(dir.path().join("app.kymo.recovered.1")));
    assert_all(&log, &now);
    assert_all(&dir.path().join("old.kymo"), &before);
}

/// A start with `overwrite` removed what had been recovered of a log, and its side file, if that log
/// had been moved away; and so did one that found no log.
#[test]
fn files_of_a_moved_log_stay() {
    for overwrite in [true, false] {
        let dir = scratch();
        let (log, old) = (dir.path().join("app.kymo"), dir.path().join("old.kymo"));
        let before = dead_process(dir.path());
        assert!(recover(&log).unwrap().records() > 0);
        fs::rename(&log, &old).unwrap();
        for _ in 0..2 {
            let _turn = turn();
            Logger::builder(&log).overwrite(overwrite).start().unwrap().shutdown();
        }
        assert_all(&old, &before);
        // And what belongs to a log that is written over goes with it.
        fs::remove_file(&log).unwrap();
        fs::rename(&old, &log).unwrap();
        let _turn = turn();
        Logger::builder(&log).overwrite(overwrite).start().unwrap().shutdown();
        let is_recovered = |path: &PathBuf| path.to_string_lossy().contains(".recovered");
        let found: Vec<_> = files_in(dir.path()).into_iter().filter(is_recovered).collect();
        let expected = dir.path().join("app.2.kymo.recovered");
        assert_eq!(found, if overwrite { vec![] } else { vec![expected] });
    }
}

/// Whether a process runs was judged by the boot id in its log's header, which anybody can write:
/// `kymo recover` of such a log removed the rings of a running process.
#[test]
fn a_forged_log_takes_no_live_rings() {
    use kymo_format::header::Header;
    let dir = scratch();
    let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
    let counters = Counters::map(&dir.path().join("counters"));
    let mut child = spawn("stopped", dir.path());
    wait_for_full_rings(&mut child, &counters);
    let before = files_in(&rings);
    let mut page = fs::read(&log).unwrap();
    page.truncate(4096);
    let header = Header::from_copy(&page).unwrap();
    let other_boot = Header { boot: [1; 16], ..header.clone() };
    for header in [other_boot.clone(), Header { segment: [2; 16], ..other_boot }, header] {
        let hostile = dir.path().join("hostile.kymo");
        let mut bytes = header.to_page();
        bytes[3072..].copy_from_slice(&page[3072..]);
        fs::write(&hostile, bytes).unwrap();
        assert!(matches!(kymo::recover(&hostile), Err(RecoverError::InUse(_))));
        assert_eq!(kymo::recoverable(&hostile).records, 0);
        let start = || Logger::builder(&hostile).overwrite(true).start();
        let _turn = turn();
        start().unwrap().shutdown();
        assert_eq!(files_in(&rings), before);
        assert!(!dir.path().join("hostile.kymo.recovered").exists());
    }
    kill(child);
    recover_whole(&log, "stopped");
    assert_all(&log, &counters);
}

/// After `exec`, the process has the number and the start time of the one that had logged, and what that had left
/// could not be recovered as long as it ran.
#[test]
fn a_process_that_has_become_another_program() {
    for then in ["idle", "recovering"] {
        let dir = scratch();
        let (log, rings) = (dir.path().join("app.kymo"), dir.path().join("rings"));
        let counters = dir.path().join("counters");
        let before = Counters::map(&counters);
        let mut child = spawn(&format!("becoming {then}"), dir.path());
        let renamed = dir.path().join("counters before");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !renamed.exists() {
            assert!(child.try_wait().unwrap().is_none(), "the child has ended");
            assert!(Instant::now() < deadline, "it does not become another program");
            std::thread::yield_now();
        }
        let after = Counters::map(&counters);
        wait_for(&mut child, &after, 1);
        if then == "idle" {
            assert!(recoverable(&log).records > 0);
            recover_whole(&log, then);
            assert_all(&log, &before);
            assert!(files_in(&rings).is_empty());
            kill(child);
        } else {
            assert_all(&dir.path().join("app.1.kymo"), &before);
            assert!(matches!(kymo::recover(&log), Err(RecoverError::InUse(_))));
            kill(child);
            recover_whole(&log, then);
            assert_all(&log, &after);
        }
    }
}

/// Files that were left half made stayed for ever. Who makes one has it locked.
#[test]
fn unfinished_files_are_removed() {
    let dir = scratch();
    let log = dir.path().join("app.kymo");
    let left = [
        ".app.kymo.4000000.new",
        ".app.kymo.recovered.4000000.new",
        "app.kymo.rescue",
        "rings/kymo-4000000-1-7.kymosites",
    ];
    // Files of other processes, or of one whose ring was left.
    let stays = [
        ".other.kymo.4000000.new",
        ".app.kymo.new",
        "app.kymo.rescue.txt",
        "rings/kymo-4000001-1-7.kymosites",
        "rings/kymo-4000001-1-8.kymoring.damaged",
    ];
    let own = format!("rings/kymo-{}-1-7.kymosites", std::process::id());
    for by_recovery in [false, true] {
        let turn = turn();
        Logger::builder(&log).crash_proof(dir.path().join("rings")).start().unwrap().shutdown();
        drop(turn);
        for name in left.iter().chain(&stays).copied().chain([&*own]) {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let lives_in = |name: &str| dir.path().join(name).exists();
        let act = || {
            if by_recovery {
                recover(&log).unwrap();
                return;
            }
            let _turn = self::turn();
            let builder = Logger::builder(&log).crash_proof(dir.path().join("rings"));
            builder.overwrite(true).start().unwrap().shutdown();
        };
        let in_use = left.map(|name| {
            let file = fs::File::open(dir.path().join(name)).unwrap();
            file.try_lock().unwrap();
            file
        });
        act();
        for name in left {
            assert!(lives_in(name), "{name} is in use");
        }
        drop(in_use);
        // While another test makes a child, that holds all that is open here for a moment.
        let deadline = Instant::now() + Duration::from_secs(60);
        while left.iter().any(|name| lives_in(name)) && Instant::now() < deadline {
            act();
        }
        act();
        for name in left {
            assert!(!lives_in(name), "{name}");
        }
        for name in stays {
            assert!(lives_in(name), "{name}");
        }
    }
}

/// Somebody who looks at a log all the time does not keep a logger from starting.
#[test]
fn looking_at_a_log_does_not_lock_it() {
    let dir = scratch();
    // In a process that starts no others: these have its files, and the locks on them, for a moment.
    let mut child = spawn("looking", dir.path());
    assert!(child.wait().unwrap().success());
}
