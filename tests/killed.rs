//! A process that is killed: what was flushed is in its file, which reads without complaint.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use kymo_reader::{Ending, Reader};

/// Set for the child process: the path to log to.
const CHILD: &str = "KYMO_KILLED_CHILD";

/// So many records the child flushes before it says so.
const FLUSHED: u64 = 10_000;

/// Records that a killed process had flushed can be read.
#[test]
fn flushed_records_survive_a_kill() {
    for round in 0..5 {
        let name = format!("kymo-killed-{}-{round}.kymo", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map(Result::unwrap).any(|line| line.ends_with("flushed")));
        // It goes on logging as fast as it can.
        child.kill().unwrap();
        child.wait().unwrap();

        // What was allocated for it and never written stayed for ever: 64 MiB. The next start gives it
        // back, or a recovery.
        let killed = if round % 2 == 0 {
            assert!(kymo::recover(&path).unwrap().file.is_none());
            path.clone()
        } else {
            kymo::Logger::builder(&path).start().unwrap().shutdown();
            std::fs::remove_file(&path).unwrap();
            path.with_extension("1.kymo")
        };
        let mut reader = Reader::open(&killed).unwrap();
        let committed = reader.report().committed_bytes;
        let length = std::fs::metadata(&killed).unwrap().len();
        assert!(length < committed + (1 << 20), "{length} of {committed}");
        let (mut next, mut message) = (0, String::new());
        while let Some(record) = reader.next_record().unwrap() {
            if record.target() == "kymo" {
                // A warning that a ring is nearly full.
                continue;
            }
            message.clear();
            record.message(&mut message);
            assert_eq!(message, format!("record {next} of {path:?}"));
            next += 1;
        }
        std::fs::remove_file(&killed).unwrap();
        assert!(next >= FLUSHED, "{next}");
        let report = reader.report();
        assert!(matches!(report.ending, Ending::Open | Ending::Torn), "{report:?}");
        assert_eq!((report.missing, report.damages), (0, 0), "{report:?}");
    }
}

#[test]
#[ignore = "run by the other test, in a process of its own"]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let logger = kymo::Logger::builder(&path).start().unwrap();
    let path = kymo::as_debug(&path);
    for record in 0_u64.. {
        kymo::info!("record {record} of {path}");
        if record + 1 == FLUSHED {
            assert!(logger.flush());
            println!("flushed");
        }
    }
}
