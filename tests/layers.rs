//! Tests of the sources in `src/`: imports point down only, from each folder to those below it; threads are made at one
//! place.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders, bottom first. A folder may know those before it.
const LAYERS: &[&str] = &[
    "sync",
    "mutant",
    "clock",
    "process",
    "filter",
    "statement",
    "argument",
    "ring",
    "segment",
    "rotation",
    "shared",
    "consumer",
    "following",
    "console",
    "sink",
    "remote",
    "crash",
    "thread",
    "call",
    "bridge",
    "logger",
    "testing",
    "config",
    "init",
];

/// Arrows that run up all the same: from, to, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("clock/mod.rs", "process", "a custom clock is code of the program, which may log or panic"),
    ("process/statics.rs", "filter", "names the types of statics"),
    ("process/statics.rs", "ring", "names the type of a static"),
    ("process/statics.rs", "shared", "names the types of statics"),
    ("process/statics.rs", "crash", "names the types of statics"),
    ("process/statics.rs", "thread", "names the type of a static"),
];

/// What an import names that is no folder.
fn folder(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|it| it == "rs") {
            into.push(path);
        }
    }
}

/// The folders that a source file names by `crate::`, outside of comments and tests.
fn imports(text: &str) -> Vec<&str> {
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    let names = code.flat_map(|line| line.split("crate::").skip(1));
    names
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .collect()
}

#[test]
fn imports_point_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 60, "{files:?}");
    let mut up = BTreeMap::new();
    let mut unused: Vec<_> = ALLOWED.iter().collect();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        // What joins everything: the crate's face, and what the models and the unit tests see.
        let joins = ["lib.rs", "loom_export.rs"].contains(&&*name)
            || ["/tests.rs", "/faults.rs", "/power.rs", "/several.rs", "/stepped.rs"]
                .iter()
                .any(|end| name.ends_with(end));
        if joins {
            continue;
        }
        let own = name.split('/').next().unwrap().trim_end_matches(".rs");
        let own = folder(own).unwrap_or_else(|| panic!("{own} has no layer: add it to LAYERS"));
        let text = fs::read_to_string(&file).unwrap();
        for import in imports(&text) {
            let Some(other) = folder(import).filter(|other| *other > own) else { continue };
            match ALLOWED.iter().find(|it| it.0 == name && it.1 == LAYERS[other]) {
                Some(allowed) => unused.retain(|it| *it != allowed),
                None => drop(up.insert((name.clone(), import.to_owned()), ())),
            }
        }
    }
    let up: Vec<_> = up.into_keys().map(|(file, to)| format!("src/{file} -> {to}")).collect();
    assert!(up.is_empty(), "these imports run up: {up:#?}");
    assert!(unused.is_empty(), "these exceptions are not needed any more: {unused:#?}");
}

/// A thread that is made elsewhere takes the program's signals, whose handlers end the process if they log there.
#[test]
fn one_module_makes_threads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut makers = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        // Up to the unit tests.
        let code = text.lines().take_while(|line| !line.ends_with("mod tests {"));
        let code = code.filter(|line| !line.trim_start().starts_with("//"));
        let makes = |line: &str| line.contains(".spawn(") || line.contains("thread::spawn(");
        if code.into_iter().any(|line| makes(line) && !line.contains("own_thread::spawn")) {
            makers.push(name);
        }
    }
    let is_of_tests = |name: &String| name.ends_with("/tests.rs") || name.ends_with("/stepped.rs");
    makers.retain(|name| !is_of_tests(name));
    makers.sort();
    // The first one is for models, in which there are no signals.
    assert_eq!(makers, ["loom_export.rs", "process/own_thread.rs"]);
}
