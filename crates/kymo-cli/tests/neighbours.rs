//! Names that kymo derives, and that others can know: what somebody else put there is not waited
//! for, not followed, not believed and not written to; the log is read, and written, all the same.
#![cfg(unix)]

mod common;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Ran, Turn, finished, run};
use kymo::internals::ring::storage::layout::{
    COPY_BYTES, COPY_OFFSETS, RingIdentity, SHARED_OFFSET,
};
use kymo::{Level, Logger, WriteThrough, error, info};
use kymo_format::header::{ClockSource, Header};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What hangs does so for ever.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command may have, in KiB of addresses: half of this is enough.
const MEMORY: usize = 1 << 20;

/// What the tests run again.
#[test]
#[ignore = "run by the others"]
fn child_process() {
    let Some(dir) = std::env::var_os("KYMO_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let builder = Logger::builder(dir.join("app.kymo")).crash_proof(dir.join("rings"));
    if std::env::var_os("KYMO_CHILD_RESTARTS").is_some() {
        let logger = builder.recover(true).start().unwrap();
        let recovery = logger.recovered().unwrap();
        assert!(recovery.records() >= 10 && recovery.damage.is_empty(), "{recovery:?}");
        info!("restarted");
        logger.shutdown();
        return;
    }
    let held = Held::default();
    let _logger = held.hold(builder).start().unwrap();
    info!("first");
    held.wait();
    (0..10).for_each(|number| info!("unwritten {number}"));
    fs::write(dir.join("done"), "").unwrap();
    loop {
        std::thread::park();
    }
}

/// A consumer that does not answer from when it has seen a ring.
struct Held(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Default for Held {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self(sender, receiver)
    }
}

impl Held {
    fn hold(&self, builder: kymo::Builder) -> kymo::Builder {
        let says = self.0.clone();
        builder.high_water(0.0).on_notice(move |_| {
            let _ = says.send(());
            loop {
                std::thread::park();
            }
        })
    }

    fn wait(&self) {
        self.1.recv_timeout(LIMIT).unwrap();
    }
}

fn child(turn: &Turn) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["child_process", "--exact", "--ignored"]).env("KYMO_CHILD_DIR", turn.path(""));
    child.stdout(Stdio::piped()).stderr(Stdio::piped());
    child
}

/// Waits until the process has ended.
#[track_caller]
fn ended(mut child: Child) -> Ran {
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("hangs: {:?}", finished(child.wait_with_output().unwrap()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    finished(child.wait_with_output().unwrap())
}

/// Runs the command with little memory.
#[track_caller]
fn limited(args: &[&str]) -> Ran {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")]);
    shell.arg(env!("CARGO_BIN_EXE_kymo")).args(args).env_remove("NO_COLOR");
    ended(shell.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

/// The log of a killed process: one record is in it, or in a ring, ten are in the ring. Returns
/// with what the names of the process's files begin.
fn killed(turn: &Turn) -> String {
    fs::create_dir(turn.path("rings")).unwrap();
    let mut process = child(turn).spawn().unwrap();
    let deadline = Instant::now() + LIMIT;
    while !turn.path("done").exists() {
        assert!(Instant::now() < deadline && process.try_wait().unwrap().is_none(), "no child");
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let ring = ring(turn);
    let name = ring.file_name().unwrap().to_str().unwrap();
    name[..=name.rfind('-').unwrap()].to_owned()
}

/// The ring of the killed process.
fn ring(turn: &Turn) -> PathBuf {
    let files = fs::read_dir(turn.path("rings")).unwrap().map(|entry| entry.unwrap().path());
    files.into_iter().find(|path| path.extension().is_some_and(|it| it == "kymoring")).unwrap()
}

/// Puts something at a path.
type Maker<'m> = &'m dyn Fn(&Path);

fn fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A ring that is as long as one can be, and longer, and takes some kilobytes of the disk.
fn sparse_ring(ring: &Path, path: &Path, capacity_words: u64, length: u64) {
    let mut page = [0; 4096];
    File::open(ring).unwrap().read_exact(&mut page).unwrap();
    let copy: &[u8; COPY_BYTES] = page.first_chunk().unwrap();
    let identity = RingIdentity { capacity_words, ..RingIdentity::from_copy(copy).unwrap() };
    COPY_OFFSETS
        .iter()
        .for_each(|at| page[*at..][..COPY_BYTES].copy_from_slice(&identity.to_copy()));
    page[SHARED_OFFSET..][..8].copy_from_slice(&(capacity_words * 8).to_le_bytes());
    let mut file = File::create_new(path).unwrap();
    file.write_all(&page).unwrap();
    file.set_len(length).unwrap();
}

/// Puts something at names that the killed process's files could have. Returns the names.
fn plant(turn: &Turn, stem: &str) -> Vec<PathBuf> {
    let at = |name: &str| turn.path("rings").join(format!("{stem}{name}"));
    let ring = ring(turn);
    let mut planted = Vec::new();
    let mut add = |name: &str, make: Maker<'_>| {
        let path = at(name);
        make(&path);
        planted.push(path);
    };
    // Some come before the process's own, some after.
    for number in ["0", "7000"] {
        add(&format!("{number}1.kymoring"), &|path| fifo(path));
        add(&format!("{number}2.kymoring"), &|path| symlink("/dev/zero", path).unwrap());
        add(&format!("{number}3.kymoring"), &|path| fs::create_dir(path).unwrap());
        add(&format!("{number}4.kymoring"), &|path| sparse_ring(&ring, path, 1 << 29, 8 << 30));
        add(&format!("{number}5.kymoring"), &|path| {
            sparse_ring(&ring, path, 1 << 29, (4 << 30) + 4096);
        });
        add(&format!("{number}6.kymosites"), &|path| fifo(path));
        add(&format!("{number}7.kymosites"), &|path| symlink("/dev/zero", path).unwrap());
        add(&format!("{number}8.kymosites"), &|path| {
            let file = File::create_new(path).unwrap();
            file.set_len(8 << 30).unwrap();
        });
        if is_root() {
            add(&format!("{number}9.kymoring"), &|path| {
                fs::copy(&ring, path).unwrap();
                chown(path, Some(65_534), None).unwrap();
            });
        } else {
            eprintln!("not root: no file of another user is tried");
        }
    }
    planted
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

/// A pipe named like a ring, in a directory where everybody may make files, made `cat`, `stats` and
/// `recover` of somebody else's log wait for ever; a sparse file made them take as much memory as it
/// was long; a link was followed. Now they do what they did, and say what they left alone.
#[test]
fn what_is_named_like_a_ring_is_left_alone() {
    let turn = Turn::take();
    let stem = killed(&turn);
    let log = turn.path("app.kymo");
    let log = log.to_str().unwrap();
    let dir = turn.path("");
    let commands = [
        &["cat", log][..],
        &["cat", dir.to_str().unwrap()],
        &["stats", log],
        &["tail", log],
        &["verify", log],
    ];
    let alone = commands.map(limited);
    let planted = plant(&turn, &stem);
    for (command, alone) in commands.iter().zip(&alone) {
        let ran = limited(command);
        assert_eq!((&ran.out, ran.code), (&alone.out, alone.code), "{command:?}: {}", ran.err);
        for path in planted.iter().filter(|_| alone.err.contains("kymo recover")) {
            assert!(ran.err.contains(&*path.to_string_lossy()), "{}: {}", path.display(), ran.err);
        }
    }
    let recovered = limited(&["recover", log]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    assert!(recovered.err.contains(" records recovered"), "{}", recovered.err);
    for path in &planted {
        assert!(recovered.err.contains(&*path.to_string_lossy()), "{}", recovered.err);
        assert!(path.symlink_metadata().is_ok(), "{} was removed", path.display());
    }
    let shown = limited(&["cat", log]);
    assert_eq!(shown.out.matches("unwritten").count(), 10, "{}", shown.out);
}

/// A start that recovers waited for a pipe, too.
#[test]
fn files_named_like_rings_are_left_alone() {
    let turn = Turn::take();
    let stem = killed(&turn);
    plant(&turn, &stem);
    let restarted = ended(child(&turn).env("KYMO_CHILD_RESTARTS", "1").spawn().unwrap());
    assert_eq!(restarted.code, Some(0), "{}{}", restarted.out, restarted.err);
    let shown = limited(&["cat", turn.path("").to_str().unwrap()]);
    assert_eq!(shown.out.matches("unwritten").count(), 10, "{}", shown.out);
    assert_eq!(shown.out.matches("restarted").count(), 1, "{}", shown.out);
}

/// What lies beside a log under the name of a side file made every command wait, if it was a pipe,
/// and was followed, if it was a link. Now it is named, and the log is read.
#[test]
fn files_named_like_side_files_stay() {
    let turn = Turn::take();
    let log = turn.logged("app.kymo", || info!("in the log"));
    let log = log.to_str().unwrap();
    let commands =
        [&["cat", log][..], &["stats", log], &["tail", log], &["verify", log], &["recover", log]];
    let alone = commands.map(limited);
    let stranger = turn.logged("other.kymo", || info!("in another"));
    let mut page = [0; 256];
    File::open(log).unwrap().read_exact(&mut page).unwrap();
    let side_of = Header::from_copy(&page).unwrap().segment;
    let makers: [(&str, Maker<'_>); 7] = [
        ("of which only", &|path| File::create_new(path).unwrap().set_len(8 << 30).unwrap()),
        ("of which only", &|path| {
            // It is the log's, by its header, and would take hours to read.
            let header = Header { side_of, segment: [7; 16], ..Header::new(ClockSource::Counter) };
            let mut file = File::create_new(path).unwrap();
            file.write_all(&header.to_page()).unwrap();
            file.set_len(1 << 40).unwrap();
        }),
        ("not a regular file", &|path| fifo(path)),
        ("not a regular file", &|path| fs::create_dir(path).unwrap()),
        ("a symbolic link", &|path| symlink("/dev/zero", path).unwrap()),
        ("a symbolic link", &|path| symlink("/dev/stdin", path).unwrap()),
        ("it belongs to user 65534", &|path| {
            fs::copy(&stranger, path).unwrap();
            chown(path, Some(65_534), None).unwrap();
        }),
    ];
    let makers = &makers[..if is_root() { makers.len() } else { makers.len() - 1 }];
    for (why, make) in makers {
        for ending in ["rescue", "recovered"] {
            let path = turn.path(&format!("app.kymo.{ending}"));
            make(&path);
            for (command, alone) in commands.iter().zip(&alone) {
                let ran = limited(command);
                let same = (&ran.out, ran.code) == (&alone.out, alone.code);
                assert!(same, "{command:?} {}: {ran:?}", path.display());
                if matches!(command[0], "cat" | "stats") {
                    assert!(ran.err.contains(&*path.to_string_lossy()), "{}", ran.err);
                    assert!(ran.err.contains(why), "{}", ran.err);
                }
            }
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

/// A file that nobody may write to.
struct Target(PathBuf);

impl Target {
    fn new(turn: &Turn) -> Self {
        Self(turn.file("target", b"untouched"))
    }

    /// Puts a link to it at the path.
    fn link_at(&self, path: &Path) {
        symlink(&self.0, path).unwrap();
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(fs::read(&self.0).unwrap(), b"untouched");
    }
}

/// A recovery wrote what it recovered through a link at the name that its file has before it is
/// complete, or at the one that it gets.
#[test]
fn a_recovery_writes_through_no_link() {
    let turn = Turn::take();
    killed(&turn);
    let target = Target::new(&turn);
    let pid = std::process::id();
    for name in ["app.kymo.recovered", "app.kymo.recovered.1", ".app.kymo.recovered.new"] {
        target.link_at(&turn.path(name));
    }
    target.link_at(&turn.path(&format!(".app.kymo.recovered.{pid}.new")));
    let recovery = kymo::recover(turn.path("app.kymo")).unwrap();
    assert!(recovery.records() >= 10);
    target.assert_untouched();
    assert!(recovery.file.unwrap().symlink_metadata().unwrap().is_file());
    let shown = run(&[&"cat", &turn.path("app.kymo")]);
    assert_eq!(shown.out.matches("unwritten").count(), 10, "{}{}", shown.out, shown.err);
}

/// A start that keeps the log which is there opened whatever had the name that the new log has
/// before it gets its own.
#[test]
fn a_start_writes_through_no_link() {
    let turn = Turn::take();
    let log = turn.logged("app.kymo", || info!("old"));
    let target = Target::new(&turn);
    target.link_at(&turn.path(&format!(".app.kymo.{}.new", std::process::id())));
    symlink(turn.path("none"), turn.path("app.1.kymo")).unwrap();
    turn.logged("app.kymo", || info!("new"));
    target.assert_untouched();
    // A link that leads nowhere is somebody's, too.
    assert!(turn.path("app.1.kymo").is_symlink() && !turn.path("none").exists());
    assert!(run(&[&"cat", &log]).fine().contains("new"));
    assert!(run(&[&"cat", &turn.path("app.2.kymo")]).fine().contains("old"));
}

/// A critical record was written through a link at the name of the side file.
#[test]
fn a_side_file_is_written_through_no_link() {
    let turn = Turn::take();
    let target = Target::new(&turn);
    let mut logs = Vec::new();
    for (name, link) in [("linked", true), ("piped", false)] {
        let log = turn.path(&format!("{name}.kymo"));
        let (says, said) = mpsc::channel();
        let (go_on, waits) = mpsc::channel::<()>();
        let waits = std::sync::Mutex::new(waits);
        let hook = move |_: &kymo::Notice<'_>| {
            let _ = says.send(());
            let _ = waits.lock().unwrap().recv();
        };
        let policy = WriteThrough::at(Level::Error).timeout(Duration::from_millis(20));
        let builder = Logger::builder(&log).write_through(policy);
        let logger = builder.high_water(0.0).on_notice(hook).start().unwrap();
        info!("first");
        said.recv_timeout(LIMIT).unwrap();
        let side = turn.path(&format!("{name}.kymo.rescue"));
        if link {
            target.link_at(&side)
        } else {
            fifo(&side)
        }
        error!("critical");
        assert_eq!(logger.stats().rescued, 1);
        drop(go_on);
        logger.shutdown();
        target.assert_untouched();
        let kind = side.symlink_metadata().unwrap().file_type();
        assert!(kind.is_symlink() || kind.is_fifo());
        logs.push(log);
    }
    for log in logs {
        let shown = limited(&["cat", log.to_str().unwrap()]);
        assert_eq!((shown.out.matches("critical").count(), shown.code), (1, Some(0)), "{shown:?}");
    }
}

/// Whoever takes the next names of rings and call sites keeps no record from being safe, and nothing
/// of it is written to.
#[test]
fn taken_ring_names_are_passed_over() {
    let turn = Turn::take();
    let target = Target::new(&turn);
    fs::create_dir(turn.path("rings")).unwrap();
    let pid = std::process::id();
    let start = kymo::internals::ring::storage::file::process_start(pid).unwrap();
    for number in 0..100 {
        for extension in ["kymoring", "kymosites"] {
            let name = format!("kymo-{pid}-{start}-{number}.{extension}");
            target.link_at(&turn.path("rings").join(name));
        }
    }
    let builder = Logger::builder(turn.path("app.kymo")).crash_proof(turn.path("rings"));
    let logger = builder.start().unwrap();
    for thread in 0..3 {
        std::thread::spawn(move || info!("{thread}")).join().unwrap();
    }
    logger.flush();
    assert_eq!(logger.stats().ring_file_errors, 0);
    logger.shutdown();
    target.assert_untouched();
    assert_eq!(fs::read_dir(turn.path("rings")).unwrap().count(), 200);
}

/// Manual pages have names that everybody knows.
#[test]
fn manual_pages_are_written_through_no_link() {
    let turn = Turn::take();
    let target = Target::new(&turn);
    fs::create_dir(turn.path("man")).unwrap();
    target.link_at(&turn.path("man/kymo-cat.1"));
    let ran = run(&[&"man", &turn.path("man")]);
    target.assert_untouched();
    assert!(ran.code == Some(0) || ran.err.contains("kymo-cat.1"), "{ran:?}");
}
