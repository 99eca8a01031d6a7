//! A program loads a library that logs (`tests/plugin/library.rs`), and unloads it again: what the logger
//! installed in the process has its effect, and does not jump to where the library was.
//!
//! The program is this one, run again. It has nothing of kymo's itself.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::ptr;

use kymo_reader::{Ending, Reader};

/// Set for the program: what it does when it has unloaded the library.
const SCENE: &str = "KYMO_PLUGIN_SCENE";
/// Whether the logger runs on meanwhile.
const RUNS_ON: &str = "KYMO_PLUGIN_RUNS_ON";
/// Where it logs.
const PATH: &str = "KYMO_PLUGIN_PATH";
/// The library.
const LIBRARY: &str = "KYMO_PLUGIN_LIBRARY";

/// Builds the library as this program was built, which lies in `TARGET/PROFILE/deps`, or, built for
/// another system, in `TARGET/TRIPLE/PROFILE/deps`.
fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let of_profile = program.ancestors().nth(2).unwrap();
    let profile = if of_profile.ends_with("debug") { "dev" } else { "release" };
    let mut target = of_profile.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--example", "plugin", "--profile", profile]);
    cargo.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let triple = target.file_name().and_then(|name| name.to_str()).unwrap();
    if triple.contains("-linux-") {
        cargo.args(["--target", triple]);
        target = target.parent().unwrap();
    }
    assert!(cargo.arg("--target-dir").arg(target).status().unwrap().success());
    of_profile.join("examples/libplugin.so")
}

fn run(scene: &str, runs_on: bool, log: &Path) -> ExitStatus {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "the_program", "--ignored", "--nocapture"]);
    program.env(SCENE, scene).env(PATH, log).env(LIBRARY, library());
    if runs_on {
        program.env(RUNS_ON, "1");
    }
    program.status().unwrap()
}

/// The log is what the library had logged, and closed.
fn assert_whole(log: &Path, closed: bool) {
    let mut reader = Reader::open(log).unwrap();
    let mut count = 0;
    while reader.next_record().unwrap().is_some() {
        count += 1;
    }
    let report = reader.report();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((count, report.ending == Ending::Closed), (100, closed), "{report:?}");
}

/// A library that had logged and was unloaded left a handler of SIGBUS: a later one jumped to where it had
/// been, and the process died of SIGSEGV.
#[test]
fn faults_after_a_logger_that_has_ended() {
    for (scene, signal) in
        [("bus", libc::SIGBUS), ("abort", libc::SIGABRT), ("term", libc::SIGTERM)]
    {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        assert_eq!(run(scene, false, &log).signal(), Some(signal), "{scene}");
        assert_whole(&log, true);
    }
    for (scene, code) in [("own handler", 42), ("fork", 0), ("exit", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        assert_eq!(run(scene, false, &log).code(), Some(code), "{scene}");
        assert_whole(&log, true);
    }
}

/// The library is unloaded while its logger runs: that stays, and ends with the process.
#[test]
fn ends_of_a_process_whose_logger_runs_on() {
    let ends = [
        ("bus", Err(libc::SIGBUS), false),
        ("abort", Err(libc::SIGABRT), false),
        ("term", Err(libc::SIGTERM), true),
        ("hangup", Err(libc::SIGHUP), true),
        ("fork", Ok(0), true),
        ("exit", Ok(0), true),
    ];
    for (scene, end, closed) in ends {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("app.kymo");
        let status = run(scene, true, &log);
        assert_eq!(status.code().ok_or(status.signal().unwrap_or(0)), end, "{scene}");
        assert_whole(&log, closed);
    }
}

/// What the tests run again.
#[test]
#[ignore = "run by the others"]
fn the_program() {
    let Ok(scene) = std::env::var(SCENE) else { return };
    if scene == "own handler" {
        on_bus_error(own_handler);
    } else {
        // Not that of Rust's standard library.
        on_bus_error_default();
    }
    load_and_unload();
    match &*scene {
        "bus" | "own handler" => bus_error(),
        "abort" => std::process::abort(),
        "term" => send(libc::SIGTERM),
        "hangup" => send(libc::SIGHUP),
        "fork" => {
            // SAFETY: the child ends at once.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: a call without pointers.
                unsafe { libc::_exit(0) };
            }
            let mut status = -1;
            // SAFETY: valid for a write.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            std::process::exit(status);
        }
        _ => std::process::exit(0),
    }
}

extern "C" fn own_handler(_: libc::c_int) {
    // SAFETY: a call without pointers.
    unsafe { libc::_exit(42) };
}

fn on_bus_error(handler: extern "C" fn(libc::c_int)) {
    // SAFETY: a handler of the right kind.
    unsafe { libc::signal(libc::SIGBUS, handler as *const () as usize) };
}

fn on_bus_error_default() {
    // SAFETY: the default action is always valid.
    unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
}

/// In a thread that has ended: what a thread leaves to be done at its end keeps a library loaded as well.
fn load_and_unload() {
    let library = CString::new(std::env::var_os(LIBRARY).unwrap().as_bytes()).unwrap();
    let path = CString::new(std::env::var_os(PATH).unwrap().as_bytes()).unwrap();
    // SAFETY: a terminated string; the library does nothing when it is loaded.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    assert!(!handle.is_null(), "the library cannot be loaded");
    // SAFETY: the handle is open.
    let symbol = unsafe { libc::dlsym(handle, c"log_to".as_ptr()) };
    assert!(!symbol.is_null());
    // SAFETY: the library's function has this type.
    let log_to: unsafe extern "C" fn(*const libc::c_char, bool) =
        unsafe { std::mem::transmute(symbol) };
    let runs_on = std::env::var_os(RUNS_ON).is_some();
    // SAFETY: a terminated string.
    std::thread::spawn(move || unsafe { log_to(path.as_ptr(), runs_on) }).join().unwrap();
    // SAFETY: the handle is open, and not used any more.
    assert_eq!(unsafe { libc::dlclose(handle) }, 0);
}

/// Reads beyond the end of a file that is mapped.
fn bus_error() {
    let file = File::open("/proc/self/exe").unwrap();
    let pages = (file.metadata().unwrap().len() as usize).next_multiple_of(4096) + 4096;
    let (read, private) = (libc::PROT_READ, libc::MAP_PRIVATE);
    // SAFETY: a new mapping.
    let map = unsafe { libc::mmap(ptr::null_mut(), pages, read, private, file.as_raw_fd(), 0) };
    assert_ne!(map, libc::MAP_FAILED);
    let last = map.cast::<u8>().wrapping_add(pages - 1);
    // SAFETY: it is not safe: the page is beyond the end of the file, and the process gets a signal.
    let value = unsafe { last.read_volatile() };
    unreachable!("{value} was read beyond the end of a file");
}

/// Sends the process a signal as another process would, and waits for its effect.
fn send(signal: libc::c_int) {
    // SAFETY: a call without pointers.
    unsafe { libc::kill(std::process::id() as i32, signal) };
    loop {
        std::thread::park();
    }
}
