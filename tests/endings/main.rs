//! The ways in which a process ends: what it had logged is in the file, exactly.
//!
//! Each test runs this program again, as a process that ends in one way, looks at how it ended, and
//! reads its file. So the program has a `main` of its own: a return from `main` is one of the ways.

mod allocator;
mod children;
mod crash;
mod exit;
mod fork;
mod panics;
mod paths;
mod process;
mod recorded;
mod termination;
mod threads;

/// A test, or what the process of one does, by its name.
type Named = (&'static str, fn());

fn main() {
    if let Ok(name) = std::env::var(process::CHILD) {
        let mut all = children::ALL.iter().chain(panics::CHILDREN);
        let (_, child) = *all.find(|(known, _)| *known == name).expect("a child");
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
        panics::TESTS,
    ];
    let chosen = Chosen::from_command_line();
    let mut failed = Vec::new();
    for &(name, test) in tests.concat().iter() {
        if !chosen.includes(name) {
            continue;
        }
        if chosen.listing {
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

/// The part of libtest's command line that chooses tests.
#[derive(Default)]
struct Chosen {
    /// Parts of names; empty: all tests.
    wanted: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    listing: bool,
}

impl Chosen {
    fn from_command_line() -> Self {
        let mut chosen = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--skip" => chosen.skipped.extend(arguments.next()),
                "--test-threads" => drop(arguments.next()),
                "--exact" => chosen.exact = true,
                "--list" => chosen.listing = true,
                option if option.starts_with('-') => {}
                _ => chosen.wanted.push(argument),
            }
        }
        chosen
    }

    fn includes(&self, name: &str) -> bool {
        let fits = |part: &String| if self.exact { name == part } else { name.contains(part) };
        let wanted = self.wanted.is_empty() || self.wanted.iter().any(fits);
        wanted && !self.skipped.iter().any(fits)
    }
}
