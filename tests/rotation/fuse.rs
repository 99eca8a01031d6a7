//! A file system that can map no files, allocate no blocks, and has no links: `no_mapping.py`, by FUSE. It needs
//! `/dev/fuse`, the right to mount, and Python's module fusepy (Debian: python3-fusepy).

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kymo::{Keep, Logger, Notice, Overflow, Rotation, info};
use kymo_testing::logged::Turn;

use crate::log::{Segment, assert_finished, files, numbers};

/// The file system, as long as it is mounted.
struct Mounted {
    process: Child,
    place: tempfile::TempDir,
}

impl Mounted {
    /// `Err`: why it cannot be mounted here.
    fn new() -> Result<Self, String> {
        let has_fuse = |python: &&str| {
            let mut command = Command::new(python);
            let imports = "try: import fusepy\nexcept ImportError: import fuse; fuse.FUSE";
            command.args(["-c", imports]).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let Some(python) = ["/usr/bin/python3", "python3"].into_iter().find(has_fuse) else {
            return Err("there is no Python with the module fusepy".to_owned());
        };
        let place = tempfile::tempdir().unwrap();
        for name in ["below", "mount"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rotation/no_mapping.py");
        let mut command = Command::new(python);
        command.arg(script).args(["below", "mount"].map(|name| place.path().join(name)));
        let mut process = command.stderr(Stdio::piped()).spawn().map_err(|it| it.to_string())?;
        let mount = place.path().join("mount");
        let begun = Instant::now();
        let device = |path: &Path| std::os::unix::fs::MetadataExt::dev(&path.metadata().unwrap());
        while device(&mount) == device(place.path()) {
            if process.try_wait().unwrap().is_some() {
                let output = process.wait_with_output().map_err(|it| it.to_string())?;
                return Err(String::from_utf8_lossy(&output.stderr).into_owned());
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "it is not mounted");
            std::thread::yield_now();
        }
        Ok(Self { process, place })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join("mount").join(name)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mount = self.place.path().join("mount");
        let _ = Command::new("umount").arg("-l").arg(mount).stderr(Stdio::null()).status();
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn plain_writes_take_over() {
    let _turn = Turn::take();
    let mounted = match Mounted::new() {
        Ok(mounted) => mounted,
        Err(why) => return eprintln!("skipped: no FUSE here: {why}"),
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let hook = move |notice: &Notice<'_>| match notice {
        Notice::NotMapped { .. } => noted.lock().unwrap().push("not mapped"),
        Notice::NoLink { .. } => noted.lock().unwrap().push("no link"),
        _ => {}
    };
    let path = mounted.path("app.kymo");
    let builder = Logger::builder(&path).overflow(Overflow::Wait { timeout: None });
    let builder = builder.rotate(Rotation::on_request()).keep(Keep::unlimited()).on_notice(hook);
    let mut logged = 0;
    for _ in 0..2 {
        let logger = builder.clone().start().unwrap();
        for _ in 0..4 {
            for _ in 0..2_000 {
                info!("record {number}", number = logged as u64);
                logged += 1;
            }
            logger.rotate().unwrap();
        }
        let stats = logger.stats();
        assert_eq!((stats.rotation_errors, stats.output_errors), (0, 0), "{stats:?}");
        let report = logger.shutdown();
        assert_eq!((report.written, report.dropped), (8_000, 0), "{report:?}");
        assert!(report.error.is_none(), "{report:?}");
    }
    let mut told = told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, ["no link", "no link", "not mapped", "not mapped"], "once for each start");
    assert!(fs::symlink_metadata(&path).is_err(), "there is no link");
    let segments: Vec<_> = files(&path).iter().map(|file| Segment::read(&file.path)).collect();
    assert_finished(&segments);
    let expected: Vec<u64> = (0..logged as u64).collect();
    assert_eq!(numbers(&segments).into_values().flatten().collect::<Vec<_>>(), expected);
    // It is found by its name nevertheless.
    assert_eq!(kymo_reader::Log::find(&path).unwrap().segments().len(), segments.len());
    // A log in one file.
    let one = mounted.path("one.kymo");
    let logger = Logger::builder(&one).start().unwrap();
    (0..1_000_u64).for_each(|number| info!("record {number}"));
    assert_eq!(logger.shutdown().written, 1_000);
    assert_eq!(Segment::read(&one).records(), 1_000);
}
