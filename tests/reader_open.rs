//! Files and directories: what is opened, what is refused, and what of a file that is being written
//! is read.

use kymo_testing::segment;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

use kymo_format::header::COMMITTED_OFFSET;
use kymo_reader::{Directory, Ending, Error, Event, Files, Options, Order, Reader};
use segment::{drain, read, sample};

/// An open file is read from its beginning, for any position of its handle.
#[test]
fn open_files_are_read_from_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.kymo");
    fs::write(&path, &sample().bytes).expect("room");
    let whole = read(&sample().bytes);
    let mut file = File::open(&path).expect("it is there");
    file.seek(SeekFrom::Start(4_500)).expect("it is that long");
    let mut reader = Options::new().from_file(file).expect("a kymo file");
    assert_eq!(drain(&mut reader), whole);
    assert_eq!(reader.path(), None);
    let reader = Reader::open(&path).expect("a kymo file");
    assert_eq!(reader.path(), Some(&*path));
}

/// An open file is followed and a pipe is read.
#[test]
fn open_files_follow_and_pipes_are_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.kymo");
    let (mut file, whole) = (sample(), read(&sample().bytes));
    file.set_committed(file.frames[7].0 as u64);
    fs::write(&path, &file.bytes).expect("room");
    let open = File::open(&path).expect("it is there");
    let mut reader = Options::new().follow(true).from_file(open).expect("a kymo file");
    let mut records = drain(&mut reader).records;
    assert_eq!(records.len(), 5);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut out| out.write_all(&file.commit().bytes))
        .expect("it can be written");
    records.extend(drain(&mut reader).records);
    assert_eq!(records, whole.records);
    assert_eq!(reader.report().ending, Ending::Closed);

    let mut child = std::process::Command::new("cat")
        .arg(&path)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("cat");
    let pipe = std::os::fd::OwnedFd::from(child.stdout.take().expect("a pipe"));
    let mut reader = Options::new().since(0).from_file(File::from(pipe)).expect("a kymo file");
    assert_eq!(drain(&mut reader).records, whole.records);
    child.wait().expect("it ends");
}

/// A snapshot of a live file ends at its committed length.
#[test]
fn snapshots_end_at_committed_length() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.kymo");
    let mut file = sample();
    file.set_committed(file.frames[7].0 as u64);
    // Past that, a write is unfinished.
    let half = file.frames[8].0 + 4;
    file.bytes[half] ^= 1;
    fs::write(&path, &file.bytes).expect("room");
    let snapshot = || Options::new().snapshot(true).since(0).open(&path).expect("a kymo file");

    // Nobody writes it: its writer has died.
    let dead = drain(&mut snapshot());
    assert!(!dead.report.live && dead.report.damages == 0 && dead.records.len() >= 5);
    assert_eq!(dead.report.ending, Ending::Torn);

    let writer = File::options().read(true).write(true).open(&path).expect("it is there");
    rustix::fs::flock(&writer, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    let mut reader = snapshot();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut out| out.write_all(&file.commit().bytes))
        .expect("it can be written");
    let live = drain(&mut reader);
    assert_eq!((live.records.len(), live.report.damages), (5, 0));
    assert!(live.report.live && live.report.is_whole());
    assert_eq!(live.report.ending, Ending::Open);

    // A file that was closed is not asked for its lock, and is whole anyway.
    fs::write(&path, &sample().bytes).expect("room");
    assert!(!drain(&mut snapshot()).report.live);
}

/// A directory lists its logs, and refuses other things named like them.
#[test]
fn directories_list_and_refuse() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    for name in ["b.kymo", "a.kymo", "a.kymo.rescue", "notes.txt"] {
        fs::write(at(name), &sample().bytes).expect("room");
    }
    fs::create_dir(at("old")).expect("room");
    fs::write(at("old/c.kymo"), "").expect("room");
    let found = Directory::read(dir.path()).expect("it can be read");
    assert_eq!(found.logs, [at("a.kymo"), at("b.kymo")]);
    assert!(found.refused.is_empty());

    let by_time = || Options::new().order(Order::Time);
    let mut files = Files::open_dir(dir.path(), by_time).expect("two logs");
    let mut records = [0; 2];
    while let Some((file, event)) = files.next_event().expect("no failure") {
        records[file] += usize::from(matches!(event, Event::Record(_)));
    }
    assert_eq!(records, [10, 10]);
    let paths: Vec<_> = files.readers().iter().filter_map(Reader::path).collect();
    assert_eq!(paths, [at("a.kymo"), at("b.kymo")]);

    symlink(at("a.kymo"), at("link.kymo")).expect("room");
    fs::create_dir(at("dir.kymo")).expect("room");
    let pipe = rustix::fs::CWD;
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(pipe, at("pipe.kymo"), rustix::fs::FileType::Fifo, mode, 0).expect("room");
    let found = Directory::read(dir.path()).expect("it can be read");
    assert_eq!(found.logs.len(), 2);
    let refused: Vec<_> = found.refused.iter().map(ToString::to_string).collect();
    let expected = [
        ("dir.kymo", "is a directory; name the log files in it"),
        ("link.kymo", "is a symbolic link; name the log that it leads to"),
        ("pipe.kymo", "is not a regular file; copy what comes from it to one"),
    ];
    assert_eq!(refused, expected.map(|(name, why)| format!("{}: {why}", at(name).display())));
    let error = Files::open_dir(dir.path(), by_time).err().expect("an error");
    assert!(matches!(error.error, Error::Directory) && error.path == at("dir.kymo"));
    // By its own name a link is followed, and neither of the others waits for anything.
    assert!(Reader::open(at("link.kymo")).is_ok());
    assert!(matches!(Reader::open(at("pipe.kymo")), Err(Error::Special)));
    assert!(matches!(Reader::open(at("dir.kymo")), Err(Error::Directory)));

    fs::write(at("broken.kymo"), "no log").expect("room");
    fs::remove_dir(at("dir.kymo")).expect("it is empty");
    fs::remove_file(at("link.kymo")).expect("it is there");
    fs::remove_file(at("pipe.kymo")).expect("it is there");
    let error = Files::open_dir(dir.path(), by_time).err().expect("an error").to_string();
    assert!(error.starts_with(&format!("{}: not a kymo file", at("broken.kymo").display())));
}

#[test]
fn what_is_not_there_is_said_so() {
    let missing = Path::new("/nowhere/at/all");
    assert!(matches!(Reader::open(missing), Err(Error::Open(_))));
    let error = Directory::read(missing).expect_err("an error").to_string();
    assert!(error.starts_with("/nowhere/at/all: cannot open it: "), "{error}");
}

/// Fails once its bytes are read.
struct Failing(&'static [u8]);

impl Read for Failing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::Error::other("the cable was pulled")),
            read => Ok(read),
        }
    }
}

#[test]
fn a_failure_says_in_which_file() {
    let bytes: &'static [u8] = sample().bytes.leak();
    let reader = Reader::from_read(Failing(&bytes[..4_500])).expect("its header is there");
    let mut files = Files::new([reader]);
    let error = loop {
        match files.next_event() {
            Ok(event) => assert!(event.is_some()),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with("file 0: cannot read at byte "), "{error}");
    assert!(error.ends_with("the cable was pulled"));
}

/// A start that was killed before it wrote the header leaves zeros. A damaged header alone is damage.
#[test]
fn directories_pass_over_files_of_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("zeros.kymo"), vec![0; 100_000]).unwrap();
    // To read all of it would take minutes.
    fs::File::create(at("hole.kymo")).unwrap().set_len(1 << 40).unwrap();
    let mut bytes = vec![0; 100_000];
    bytes[70_000] = 1;
    fs::write(at("damaged.kymo"), bytes).unwrap();
    assert_eq!(Directory::read(dir.path()).unwrap().logs, [at("damaged.kymo")]);
}

/// A log whose length somebody has set to a tebibyte: what was never written is passed over, and not read. Where it is
/// in the middle, it is damage of that length.
#[test]
fn holes_are_passed_over() {
    const LONG: u64 = 1 << 40;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.kymo");
    for is_closed in [true, false] {
        let mut segment = segment::Segment::new(9);
        segment.clock(1_000).site(0, 3, "tick", &[]).thread(0, "main");
        segment.block(0, &[segment::Rec(0, 1, &[])]);
        if is_closed {
            segment.close()
        } else {
            segment.commit()
        };
        let end = segment.bytes.len() as u64;
        fs::write(&path, &segment.bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(LONG + 3).unwrap();
        let read = drain(&mut Options::new().open(&path).unwrap());
        assert_eq!((read.report.records, read.report.damages), (1, 0), "{:?}", read.report);
        // With the committed length in the hole. What follows the end of a closed one does not count.
        let file = File::options().read(true).write(true).open(&path).unwrap();
        let committed = LONG / 2;
        file.write_all_at(&committed.to_le_bytes(), COMMITTED_OFFSET as u64).unwrap();
        let report = drain(&mut Options::new().open(&path).unwrap()).report;
        let damaged = if is_closed { (0, 0) } else { (1, committed - end) };
        assert_eq!((report.damages, report.damaged_bytes), damaged, "{report:?}");
        assert_eq!(report.records, 1);
    }
}
