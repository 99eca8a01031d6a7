//! The ways in which a process ends: what it had logged is in the file, exactly.
//!
//! Each test runs this program again, as a process that ends in one way, looks at how it ended, and
//! reads its file. So the program has a `main` of its own: a return from `main` is one of the ways.
#![cfg(target_os = "linux")]

mod allocator;
mod children;
mod crash;
mod exit;
mod fork;
mod paths;
mod process;
mod recorded;
mod termination;
mod threads;

/// A test, or what the process of one does, by its name.
type Named = (&'static str, fn());

fn main() {
    if let Ok(name) = std::env::var(process::CHILD) {
        let (_, child) = *children::ALL.iter().find(|(known, _)| *known == name).expect("a child");
        return child();
    }
    let tests = [
        exit::TESTS,
        termination::TESTS,
        crash::TESTS,
        recorded::TESTS,
        fork::TESTS,
        paths::TESTS,
        threads::TESTS,
    ];
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let listing = std::env::args().any(|arg| arg == "--list");
    let mut failed = Vec::new();
    for &(name, test) in tests.concat().iter() {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part)) {
            continue;
        }
        if listing {
            println!("{name}: test");
            continue;
        }
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "failed: {failed:?}");
}
