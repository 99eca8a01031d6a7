//! Two processes and one path.

use super::Named;
use super::process::{Dir, assert_code, assert_signal, read, run, send, spawn, until_ready, wait};

pub const TESTS: &[Named] = &[
    ("a_file_belongs_to_one_process", one_file),
    ("a_pid_in_the_name_keeps_processes_apart", pid_in_name),
];

fn one_file() {
    let dir = Dir::new();
    let mut first = spawn(&dir, "idle", false);
    until_ready(&mut first);
    let second = run(&dir, "refused");
    assert_code(&second, 5);
    let said = String::from_utf8(second.stdout).unwrap();
    let expected =
        format!("{}: another logger writes to this file: choose another path", dir.log().display());
    assert_eq!(said, expected);
    send(&first, libc::SIGTERM);
    assert_signal(&wait(first), libc::SIGTERM);
    read(&dir.log()).assert_closed();
}

fn pid_in_name() {
    let dir = Dir::new();
    let children = [(); 2].map(|()| spawn(&dir, "pid_in_name", false));
    for child in children {
        let path = dir.0.join(format!("log.{}.kymo", child.id()));
        let output = wait(child);
        assert_code(&output, 0);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), path.display().to_string());
        read(&path).assert_counts(&[("main", 1_000)]);
    }
}
