//! Names that kymo derives and others can know are opened by one module, `kymo_files::derived`. This
//! searches the sources for any other way to open, read, make or look for a file by its name.

use std::fs;
use std::path::{Path, PathBuf};

/// What opens, reads, makes or looks for a file, follows links, and may wait.
const WAYS: &[&str] = &[
    "File::open(",
    "File::create(",
    "File::create_new(",
    "File::options(",
    "OpenOptions::new(",
    "fs::read(",
    "fs::read_to_string(",
    "fs::write(",
    "fs::copy(",
    "fs::metadata(",
    "fs::exists(",
    "canonicalize()",
    ".exists()",
    "try_exists()",
    "libc::open(",
];

/// The end of a file's path, a part of the line, and why that line may do so.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("kymo-files/src/derived.rs", "OpenOptions::new(", "this is the module"),
    ("kymo-reader/src/open.rs", "fs::metadata(path)", "a log that the user named"),
    ("kymo-reader/src/open.rs", "File::options()", "a log that the user named"),
    ("kymo-reader/src/log.rs", "path.canonicalize()", "the log that the user named"),
    ("kymo-reader/src/side.rs", "path.canonicalize()", "the log that the user named"),
    ("kymo-cli/src/input.rs", "path.canonicalize()", "a log that the user named"),
    ("kymo-cli/src/fresh.rs", ".canonicalize()", "two files that the user named: are they one?"),
    ("src/clock/mod.rs", "fs::read_to_string(", "/sys: the kernel's"),
    ("ring/storage/file.rs", "/proc/{process}/stat", "/proc: the kernel's"),
    ("kymo-cli/src/input.rs", "/dev/null", "the system's: takes a descriptor"),
    ("src/segment/open.rs", "/proc/sys/kernel/random/boot_id", "/proc: the kernel's"),
    ("src/crash/recover/log.rs", "File::options()", "the log that the user named"),
    ("src/segment/open.rs", "parent.try_exists()", "the directory that the user named"),
    ("src/segment/open.rs", "File::options()", "the log that the user named"),
    ("kymo-files/src/lock.rs", "fs::metadata(path)", "compared with an open file, and not opened"),
    ("src/config/file.rs", "fs::metadata(path)", "a file that the user named"),
    ("src/config/file.rs", "File::options()", "a file that the user named"),
    ("src/following/mod.rs", "/proc/self/fd", "/proc: a file that is open"),
    ("src/rotation/log.rs", "directory().try_exists()", "the directory that the user named"),
];

/// Crates that are for tests and benches only.
const NOT_SHIPPED: &[&str] = &["kymo-bench", "kymo-testing"];

#[test]
fn one_module_opens_files_by_derived_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    add_sources(&root.join("src"), &mut sources);
    for krate in fs::read_dir(root.join("crates")).unwrap() {
        let krate = krate.unwrap();
        if !NOT_SHIPPED.contains(&&*krate.file_name().to_string_lossy()) {
            add_sources(&krate.path().join("src"), &mut sources);
        }
    }
    assert!(sources.len() > 100, "{sources:?}");
    let mut unused: Vec<_> = ALLOWED.iter().collect();
    let mut found = Vec::new();
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        for (number, line) in
            text.lines().enumerate().take_while(|(_, line)| *line != "mod tests {")
        {
            if line.trim_start().starts_with("//") || !opens(line) {
                continue;
            }
            let is_allowed =
                |it: &(&str, &str, &str)| source.ends_with(it.0) && line.contains(it.1);
            if ALLOWED.iter().any(is_allowed) {
                unused.retain(|it| !is_allowed(it));
            } else {
                found.push(format!("{}:{}: {}", source.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "Is it a name that a user gives? Then it may be followed, and belongs in ALLOWED. If kymo \
         derives it, use `kymo_files::derived`:\n{}",
        found.join("\n")
    );
    assert!(unused.is_empty(), "nothing of this is in the sources any more: {unused:?}");
}

/// Whether a line has one of the ways, and not as the end of another name.
fn opens(line: &str) -> bool {
    let is_whole =
        |way: &str, at: usize| !line[..at].ends_with(char::is_alphanumeric) || way.starts_with('.');
    WAYS.iter().any(|way| line.match_indices(way).any(|(at, _)| is_whole(way, at)))
}

fn add_sources(directory: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            add_sources(&path, sources);
        } else if name.ends_with(".rs")
            && !["tests.rs", "stepped.rs", "faults.rs", "power.rs", "kept.rs"].contains(&&*name)
        {
            // Those are the tests of the module that they are in.
            sources.push(path);
        }
    }
}
