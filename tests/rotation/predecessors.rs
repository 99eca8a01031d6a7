//! Segments of killed processes are closed by the next start, or by a recovery.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kymo::{Builder, Keep, Logger, Notice, Rotation, info};
use kymo_reader::{Ending, Event, Options};
use kymo_testing::logged::Turn;

use crate::log::{Segment, entries, files, numbers, read};

const PLACE: &str = "KYMO_PREDECESSOR";

/// A file that tells a process to leave its records in its ring.
const LAZY: &str = "lazy";

const HOUR: Duration = Duration::from_secs(3_600);

/// How many records a process logs before it is killed, half of them before a rotation.
const RECORDS: u64 = 2_000;

fn builder(place: &Path) -> Builder {
    let builder = Logger::builder(place.join("log/app.kymo")).rotate(Rotation::on_request());
    builder.keep(Keep::unlimited())
}

/// What is killed.
#[test]
#[ignore = "run by the other tests, as a process of its own"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let place = Path::new(&place);
    let rings = place.join("rings");
    let builder = match rings.exists() {
        true => builder(place).crash_proof(rings).ring_capacity(1 << 20),
        false => builder(place),
    };
    let builder = match place.join(LAZY).exists() {
        true => builder.idle_sleep(HOUR).poll_interval(HOUR),
        false => builder,
    };
    let logger = builder.start().unwrap();
    let number = |number: u64| info!("record {number} {}", "x".repeat(number as usize % 300));
    if place.join(LAZY).exists() {
        // After a sweep that finds something, the consumer pauses for an hour.
        let mut logged = 0;
        loop {
            if logged - logger.stats().total.written() < RECORDS / 2 {
                number(logged);
                logged += 1;
            } else {
                fs::write(place.join("done"), "").unwrap();
            }
        }
    }
    (0..RECORDS / 2).for_each(number);
    assert!(kymo::flush());
    logger.rotate().unwrap();
    (RECORDS / 2..RECORDS).for_each(number);
    assert!(kymo::flush());
    fs::write(place.join("done"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// A directory in which a process was killed while it logged. `is_crash_proof`: it has left rings.
fn with_killed(is_crash_proof: bool) -> tempfile::TempDir {
    let place = tempfile::Builder::new().prefix("kymo-killed-").tempdir_in("/dev/shm").unwrap();
    fs::create_dir(place.path().join("log")).unwrap();
    if is_crash_proof {
        fs::create_dir(place.path().join("rings")).unwrap();
    }
    run_until_killed(&place);
    place
}

fn run_until_killed(place: &tempfile::TempDir) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "predecessors::child", "--ignored", "--nocapture"]);
    let mut child = command.env(PLACE, place.path()).stdout(Stdio::null()).spawn().unwrap();
    while !place.path().join("done").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn log_of(place: &tempfile::TempDir) -> PathBuf {
    place.path().join("log/app.kymo")
}

/// The second segment: that of the killed process.
fn killed_segment(place: &tempfile::TempDir) -> Segment {
    Segment::read(&files(&log_of(place))[1].path)
}

/// Asks until it is so.
fn within_minutes(mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing changed for minutes");
        std::thread::yield_now();
    }
}

/// Checks that the segment of the killed process is closed as any other, and says that it was killed.
fn assert_closed(place: &tempfile::TempDir) {
    let segment = killed_segment(place);
    assert!(segment.report.is_whole(), "{:?}", segment.report);
    assert_eq!(segment.report.ending, Ending::Closed);
    let totals = segment.totals.unwrap();
    assert_eq!((totals.written - segment.warnings.len() as u64, totals.dropped), (RECORDS / 2, 0));
    let log = kymo_reader::Log::find(log_of(place)).unwrap();
    let found = log.segments().iter().find(|it| it.path == segment.path).unwrap();
    assert!(found.totals().is_some() && found.own_range().is_some(), "it has an index");
}

fn signals(path: &Path) -> usize {
    let mut reader = Options::new().open(path).unwrap();
    let mut signals = 0;
    while let Some(event) = reader.next_event().unwrap() {
        signals += usize::from(matches!(event, Event::Signal(signal) if signal.signal == 9));
    }
    signals
}

#[test]
fn the_next_start_closes_what_was_killed() {
    let _turn = Turn::take();
    let place = with_killed(false);
    assert_eq!(killed_segment(&place).report.ending, Ending::Open);
    let logger = builder(place.path()).start().unwrap();
    info!("record {number}", number = RECORDS);
    within_minutes(|| killed_segment(&place).report.ending == Ending::Closed);
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_closed(&place);
    let segments = read(&log_of(&place));
    assert_eq!(segments.len(), 3);
    assert_eq!(signals(&segments[1].path), 1);
    let expected: Vec<u64> = (0..=RECORDS).collect();
    assert_eq!(numbers(&segments).into_values().flatten().collect::<Vec<_>>(), expected);
    // Another start changes nothing any more.
    let before = fs::read(&segments[1].path).unwrap();
    builder(place.path()).start().unwrap().shutdown();
    assert!(fs::read(&segments[1].path).unwrap() == before);
}

/// So the segment can be compressed, by the logger itself.
#[test]
fn what_was_killed_is_closed_and_compressed() {
    let _turn = Turn::take();
    let place = with_killed(false);
    let logger = builder(place.path()).compress(true).start().unwrap();
    within_minutes(|| files(&log_of(&place))[..2].iter().all(|file| file.name.is_compressed));
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_closed(&place);
}

/// Rings of a dead process say by the committed length of its segment what is in it: nothing is written there until
/// they are recovered.
#[test]
fn a_segment_whose_rings_are_left_stays_and_is_told() {
    let _turn = Turn::take();
    let place = with_killed(true);
    let path = files(&log_of(&place))[1].path.clone();
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let hook = move |notice: &Notice<'_>| {
        if let Notice::SegmentUnclosed { segment, error } = notice {
            noted.lock().unwrap().push((segment.to_path_buf(), error.kind()));
        }
    };
    let logger = builder(place.path()).on_notice(hook).start().unwrap();
    within_minutes(|| !told.lock().unwrap().is_empty());
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(*told.lock().unwrap(), [(path.clone(), std::io::ErrorKind::ResourceBusy)]);
    assert_eq!(killed_segment(&place).report.ending, Ending::Open);
    assert!(!entries(&place.path().join("rings")).is_empty());
    // A later start that recovers.
    let logger = builder(place.path()).recover(true).start().unwrap();
    within_minutes(|| killed_segment(&place).report.ending == Ending::Closed);
    logger.shutdown();
    assert!(entries(&place.path().join("rings")).is_empty());
    assert_closed(&place);
    // What the rings held was in the log already. The recovered file says that the process was killed.
    let mut recovered = path.clone();
    recovered.as_mut_os_string().push(".recovered");
    assert_eq!((signals(&path), signals(&recovered)), (0, 1));
}

/// A recovery by hand, by the link: it closes what it recovers.
#[test]
fn a_recovery_closes_the_segment() {
    let _turn = Turn::take();
    let place = with_killed(true);
    let recovery = kymo::recover(log_of(&place)).unwrap();
    assert!(recovery.unclosed.is_empty(), "{recovery:?}");
    assert!(entries(&place.path().join("rings")).is_empty());
    assert_closed(&place);
    let before = fs::read(&files(&log_of(&place))[1].path).unwrap();
    kymo::recover(log_of(&place)).unwrap();
    assert!(fs::read(&files(&log_of(&place))[1].path).unwrap() == before);
}

#[test]
fn a_damaged_segment_stays_as_it_is() {
    let _turn = Turn::take();
    let place = with_killed(false);
    let path = files(&log_of(&place))[1].path.clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes[9_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let told = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&told);
    let hook = move |notice: &Notice<'_>| {
        if let Notice::SegmentUnclosed { .. } = notice {
            *noted.lock().unwrap() = notice.to_string();
        }
    };
    let logger = builder(place.path()).on_notice(hook).start().unwrap();
    within_minutes(|| !told.lock().unwrap().is_empty());
    logger.shutdown();
    assert!(told.lock().unwrap().contains("kymo repair"), "{told:?}");
    // It is cut to what was written, and nothing else.
    assert!(bytes.starts_with(&fs::read(&path).unwrap()));
}

/// A segment that the limits delete takes the rings of its process along, which nothing could recover any more. The
/// log says how many records that cost.
#[test]
fn rings_go_with_their_segment_and_are_counted() {
    let _turn = Turn::take();
    let place = tempfile::Builder::new().prefix("kymo-killed-").tempdir_in("/dev/shm").unwrap();
    for name in ["log", "rings"] {
        fs::create_dir(place.path().join(name)).unwrap();
    }
    fs::write(place.path().join(LAZY), "").unwrap();
    run_until_killed(&place);
    let first = files(&log_of(&place))[0].path.clone();
    let lost = kymo::recoverable(&first).records;
    assert!(lost > 0);
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let hook = move |notice: &Notice<'_>| {
        if let Notice::RecordsDiscarded { records } = notice {
            noted.lock().unwrap().push(*records);
        }
    };
    let builder = builder(place.path()).crash_proof(place.path().join("rings")).on_notice(hook);
    let logger = builder.keep(Keep::unlimited().files(3)).start().unwrap();
    assert!(first.exists(), "the limit leaves room for it");
    info!("record {number}", number = RECORDS);
    logger.rotate().unwrap();
    within_minutes(|| !told.lock().unwrap().is_empty());
    assert!(!first.exists());
    let report = logger.shutdown();
    assert!(report.error.is_none(), "{report:?}");
    assert_eq!(*told.lock().unwrap(), [lost]);
    assert!(entries(&place.path().join("rings")).is_empty());
    let segments = files(&log_of(&place)).into_iter();
    let warnings: Vec<_> = segments.flat_map(|it| Segment::read(&it.path).warnings).collect();
    let text = format!("{lost} records in its rings were discarded");
    assert!(warnings.iter().any(|warning| warning.contains(&text)), "{warnings:?}");
}
