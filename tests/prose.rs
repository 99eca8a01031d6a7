//! Test: comments and documents keep the rules for prose that a machine can check (`CONTRIBUTING.md`,
//! "Names and prose"), and the map and the links lead to what is there.

use std::fs;
use std::path::{Path, PathBuf};

/// The longest line, in characters.
const COLUMNS: usize = 120;

/// The word that says neither time nor place, and the lines that may have it: a file, and a part of the line.
const VAGUE: &str = "behind";
const ALLOWED: &[(&str, &str)] =
    &[("docs/glossary.md", "order in time"), ("docs/glossary.md", "position in memory")];

/// Collects the sources and documents in a folder, without what is built or downloaded.
fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                collect(&path, into);
            }
        } else if name.ends_with(".rs") || name.ends_with(".md") {
            into.push(path);
        }
    }
}

/// Returns the prose in a line of source: a comment, whole or at the end of the line.
fn comment(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let at = if line.starts_with("//") { Some(0) } else { line.rfind(" // ").map(|at| at + 1) };
    let comment = &line[at?..];
    Some(comment.trim_start_matches(['/', '!']).trim_start())
}

/// Returns what a line of prose does wrong. `is_long`: its whole line has more than [`COLUMNS`] characters.
fn faults(prose: &str, is_long: bool) -> Vec<&'static str> {
    let mut faults = Vec::new();
    // A row of a table, a link and a picture cannot be broken.
    let is_picture = prose.contains(|char| ('─'..='╿').contains(&char));
    let is_free = is_picture || prose.starts_with(['|', '[']) || prose.contains("](");
    if is_long && !is_free {
        faults.push("more than 120 columns");
    }
    if prose.starts_with("The same") {
        faults.push("begins with \"The same\": name the thing, so that the line reads alone");
    }
    let mut words = prose.split(|char: char| !char.is_alphanumeric());
    if words.any(|word| word.eq_ignore_ascii_case(VAGUE)) {
        faults.push("says neither time nor place: write after, past or following");
    }
    faults
}

#[test]
fn prose_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, &mut files);
    let mut found = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a text");
        let name = path.strip_prefix(root).expect("in the root").display().to_string();
        let mut is_output = false;
        for (index, line) in text.lines().enumerate() {
            let prose = if name.ends_with(".md") { Some(line.trim_start()) } else { comment(line) };
            let is_allowed = |&(file, part): &(&str, &str)| name == file && line.contains(part);
            if ALLOWED.iter().any(is_allowed) {
                continue;
            }
            // What a program prints between fences is as long as it is.
            is_output ^= line.starts_with("```");
            let is_long = line.chars().count() > COLUMNS && !is_output;
            for fault in prose.map_or(Vec::new(), |prose| faults(prose, is_long)) {
                found.push(format!("{name}:{}: {fault}", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{} faults:\n{}", found.len(), found.join("\n"));
}

/// Each path on the map is there, and each folder of `src/` and each crate is on the map.
#[test]
fn the_map_is_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the map");
    let quoted = map.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2));
    for path in quoted.filter(|quoted| quoted.contains('/')) {
        assert!(root.join(path).exists(), "{path} is on the map, and not there");
    }
    for folder in ["src", "crates"] {
        for entry in fs::read_dir(root.join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("in the root").display().to_string();
            assert!(!path.is_dir() || map.contains(&name), "{name} is not on the map");
        }
    }
}

/// Links between documents lead to files that are there.
#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, &mut files);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    for path in files {
        let text = fs::read_to_string(&path).expect("a text");
        for link in text.split("](").skip(1) {
            let file = link.split([')', '#']).next().unwrap_or_default();
            let target = path.with_file_name("").join(file);
            assert!(file.contains("://") || target.exists(), "{}: {file}", path.display());
        }
    }
}

/// The checker finds what it is for, and lets pass what cannot be mended.
#[test]
fn faults_are_found() {
    let long = "word ".repeat(30);
    for (line, count) in [
        (format!("    /// {long}"), 1),
        (format!("/// | {long} |"), 0),
        (format!("//! see [there](https://example.org) {long}"), 0),
        (format!("let {VAGUE} = 1; // The words {VAGUE} it."), 1),
        ("    /// The same for a ring.".to_owned(), 1),
        ("    /// One of the same name.".to_owned(), 0),
    ] {
        let is_long = line.chars().count() > COLUMNS;
        let prose = comment(&line).expect("a comment");
        assert_eq!(faults(prose, is_long).len(), count, "{line}");
    }
}
