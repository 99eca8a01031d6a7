//! `kymo tail` of a rotated log: it goes on into the next segment.

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use common::{Turn, kymo, run};
use kymo_format::header::{COMMITTED_OFFSET, LAST_INDEX_OFFSET};
use kymo_format::types::Type;
use kymo_testing::rotated::{segment_name, set_link};
use kymo_testing::segment::{Arg, Rec, Segment};

/// A logger that rotates: it has the lock on its current segment.
struct Logger {
    directory: PathBuf,
    segment: Segment,
    sequence: u64,
    records: u64,
    file: File,
}

impl Logger {
    fn start(directory: &Path) -> Self {
        let mut this = Self {
            directory: directory.to_owned(),
            segment: Segment::of_log(9, 1),
            sequence: 1,
            records: 0,
            file: File::open("/dev/null").unwrap(),
        };
        this.begin();
        this
    }

    /// Makes the file of the current segment under its final name.
    fn begin(&mut self) {
        let temporary = self.directory.join(".next");
        let mut file = File::create_new(&temporary).unwrap();
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).unwrap();
        self.segment.clock(1_000).site(0, 3, "{n}", &[("n", Type::U64)]).thread(0, "main");
        file.write_all(&self.segment.bytes).unwrap();
        // Room beyond what is committed.
        file.set_len(1 << 20).unwrap();
        fs::rename(&temporary, self.path()).unwrap();
        self.file = file;
        set_link(&self.directory.join("app.kymo"), self.sequence);
        self.write();
    }

    fn path(&self) -> PathBuf {
        self.directory.join(segment_name(self.sequence))
    }

    fn log(&mut self, records: u64) {
        for _ in 0..records {
            self.records += 1;
            let at = 10 * self.records;
            self.segment.last_block(0, &[Rec(0, at, &[Arg::Unsigned(self.records)])], at);
        }
        self.write();
    }

    /// Commits what was added to the segment.
    fn write(&mut self) {
        write(&mut self.segment, &self.file);
    }

    /// Makes the next segment, then closes the old one, as the logger does.
    fn rotate(&mut self) {
        let (mut old, file) = self.begin_next(self.sequence + 1);
        old.close();
        write(&mut old, &file);
        file.set_len(old.bytes.len() as u64).unwrap();
    }

    /// Goes on in the segment with this number. Returns the old one.
    fn begin_next(&mut self, sequence: u64) -> (Segment, File) {
        let old = std::mem::replace(&mut self.segment, Segment::of_log(9, sequence));
        let file = self.file.try_clone().unwrap();
        self.sequence = sequence;
        self.begin();
        (old, file)
    }

    fn shut_down(mut self) {
        self.segment.close();
        self.write();
    }
}

/// Writes what a segment has, and then how much that is.
fn write(segment: &mut Segment, file: &File) {
    use std::os::unix::fs::FileExt;
    segment.commit();
    file.write_all_at(&segment.bytes[4096..], 4096).unwrap();
    let committed = &segment.bytes[COMMITTED_OFFSET..COMMITTED_OFFSET + 8];
    file.write_all_at(committed, COMMITTED_OFFSET as u64).unwrap();
}

struct Tail {
    child: Child,
    lines: Receiver<String>,
}

impl Tail {
    fn start(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Self {
        let mut child = kymo(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if sender.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    fn expect(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
            assert_eq!(line, number.to_string());
        }
    }

    fn end(mut self) -> String {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::INT,
        );
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.child.stderr.take().unwrap(), &mut said).unwrap();
        self.child.wait().unwrap();
        assert_eq!(self.lines.iter().collect::<Vec<_>>(), [""; 0]);
        said
    }
}

#[test]
fn tail_prints_the_last_records_of_a_log() {
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let mut logger = Logger::start(&directory);
    for _ in 0..5 {
        logger.log(3);
        logger.rotate();
    }
    logger.log(2);
    let link = directory.join("app.kymo");
    let out = run(&[&"tail", &"--format={message}", &"-n4", &link]).fine();
    assert_eq!(out, "14\n15\n16\n17\n");
    let out = run(&[&"tail", &"--format={message}", &"-n4", &directory]).fine();
    assert_eq!(out, "14\n15\n16\n17\n");
    let out = run(&[&"tail", &"--format={message}", &"-n100", &directory.join("app")]).fine();
    assert_eq!(out.lines().count(), 17);
    logger.shut_down();
}

/// No record is printed twice or not at all, while segments end, and are removed when they have.
#[test]
fn tail_goes_on_into_the_next_segments() {
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let mut logger = Logger::start(&directory);
    logger.log(5);
    logger.rotate();
    logger.log(5);
    let link = directory.join("app.kymo");
    let options = [&"tail" as &dyn AsRef<std::ffi::OsStr>, &"-F", &"--format={message}", &"-n3"];
    let tail = Tail::start(&[&options[..], &[&link]].concat());
    let of_directory = Tail::start(&[&options[..], &[&directory]].concat());
    tail.expect(8..=10);
    of_directory.expect(8..=10);
    for round in 0..30 {
        // Several segments between two looks, and empty ones.
        for _ in 0..round % 4 {
            logger.log(round % 3);
            logger.rotate();
        }
        logger.log(2);
        tail.expect(tail_from(&logger, round)..=logger.records);
        of_directory.expect(tail_from(&logger, round)..=logger.records);
        // All but the current one go.
        for sequence in 1..logger.sequence {
            let _ = fs::remove_file(directory.join(segment_name(sequence)));
        }
    }
    logger.shut_down();
    assert_eq!(tail.end(), "");
    assert_eq!(of_directory.end(), "");
}

/// The first record that was logged in a round.
fn tail_from(logger: &Logger, round: u64) -> u64 {
    logger.records - 2 - (round % 4) * (round % 3) + 1
}

#[test]
fn tail_ends_with_the_log() {
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let mut logger = Logger::start(&directory);
    logger.log(1);
    let tail = Tail::start(&[&"tail", &"-f", &"--format={message}", &directory.join("app.kymo")]);
    tail.expect([1]);
    logger.rotate();
    logger.log(1);
    tail.expect([2]);
    logger.shut_down();
    let mut tail = tail;
    assert!(tail.child.wait().unwrap().success());
}

#[test]
fn tail_waits_for_a_log_and_tells_what_is_gone() {
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let link = directory.join("app.kymo");
    let tail = Tail::start(&[&"tail", &"-F", &"--format={message}", &link]);
    let mut logger = Logger::start(&directory);
    logger.log(1);
    tail.expect([1]);
    // Two segments come and go before anybody can have looked: the first one has not ended.
    let (mut old, file) = logger.begin_next(4);
    logger.log(1);
    old.close();
    write(&mut old, &file);
    drop(file);
    tail.expect([2]);
    let said = tail.end();
    assert!(said.contains("app.kymo: the segments 2 to 3 are missing"), "{said}");
    logger.shut_down();
}

impl Tail {
    fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal)
            .unwrap();
    }
}

/// No record is printed twice or not at all, while the segment that is followed is compressed or removed, the next ones
/// are compressed before anybody has opened them, and the link leads to one that is gone.
#[test]
fn tail_goes_on_while_segments_are_compressed() {
    use rustix::process::Signal;
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let mut logger = Logger::start(&directory);
    let link = directory.join("app.kymo");
    let options = [&"tail" as &dyn AsRef<std::ffi::OsStr>, &"-F", &"--format={message}", &"-n3"];
    logger.log(3);
    let tails = [
        Tail::start(&[&options[..], &[&link]].concat()),
        Tail::start(&[&options[..], &[&directory]].concat()),
    ];
    tails.iter().for_each(|tail| tail.expect(1..=3));
    for round in 0..24 {
        // They have the current segment open. What is done next, they may see at any point, or all at once.
        let (from, followed) = (logger.records + 1, logger.sequence);
        if round % 2 == 0 {
            tails.iter().for_each(|tail| tail.signal(Signal::STOP));
        }
        logger.log(round % 3);
        for _ in 0..round % 5 {
            logger.rotate();
            logger.log(2);
        }
        if round % 3 > 0 {
            assert_eq!(run(&[&"compress", &link]).code, Some(0));
            assert!(logger.path().exists());
        }
        if round % 4 == 1 {
            // The link was not replaced yet, or is late.
            set_link(&link, followed);
        }
        for sequence in 1..followed + u64::from(followed < logger.sequence) {
            let path = directory.join(segment_name(sequence));
            let _ = fs::remove_file(path.with_extension("kymo.zst"));
            let _ = fs::remove_file(path);
        }
        tails.iter().for_each(|tail| tail.signal(Signal::CONT));
        set_link(&link, logger.sequence);
        logger.log(1);
        tails.iter().for_each(|tail| tail.expect(from..=logger.records));
    }
    logger.shut_down();
    for tail in tails {
        assert_eq!(tail.end(), "");
    }
}

/// What a writer had written when it died, and not committed, is printed once: also with a range of time, by which a
/// reader that does not follow skips what is older. Then the next process has a segment.
#[test]
fn tail_prints_what_a_dead_writer_left() {
    use std::os::unix::fs::FileExt;
    let turn = Turn::take();
    let directory = turn.path("log");
    fs::create_dir(&directory).unwrap();
    let mut logger = Logger::start(&directory);
    for _ in 0..10 {
        logger.log(10);
        logger.segment.drops(0, logger.records * 10, logger.records * 10, 1).index_part(1);
    }
    logger.write();
    let index = logger.segment.bytes[LAST_INDEX_OFFSET..LAST_INDEX_OFFSET + 8].to_owned();
    logger.file.write_all_at(&index, LAST_INDEX_OFFSET as u64).unwrap();
    let link = directory.join("app.kymo");
    let since = "--since=1970-01-01T00:00:00.000001951Z";
    let options = [&"tail" as &dyn AsRef<std::ffi::OsStr>, &"-F", &"--no-marks", &"-n100"];
    let tail = Tail::start(&[&options[..], &[&"--format={message}", &since, &link]].concat());
    tail.expect(96..=100);
    let committed = logger.segment.bytes.len();
    for n in 101..=102 {
        logger.segment.last_block(0, &[Rec(0, 10 * n, &[Arg::Unsigned(n)])], 10 * n);
    }
    logger.file.write_all_at(&logger.segment.bytes[committed..], committed as u64).unwrap();
    logger.records = 102;
    // The lock goes with the file.
    logger.file = File::open("/dev/null").unwrap();
    tail.expect(101..=102);
    let (old, _) = logger.begin_next(2);
    drop(old);
    logger.log(2);
    tail.expect(103..=104);
    logger.shut_down();
    let said = tail.end();
    assert!(said.ends_with("the writer has gone\n"), "{said}");
}
