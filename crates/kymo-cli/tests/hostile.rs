//! The command itself on hostile files, and on what is no file.

use kymo_testing::hostile::segment;

mod common;

use std::process::Stdio;

use arbitrary::Unstructured;
use common::{Turn, kymo, run};
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    /// It ends, with an exit code of its own, and what it prints is UTF-8.
    #[test]
    fn the_command_survives(data in vec(any::<u8>(), 0..800)) {
        let turn = Turn::take();
        let log = turn.file("hostile.kymo", &segment::hostile(&mut Unstructured::new(&data)));
        for order in ["time", "exact"] {
            let ran = run(&[&"cat", &"--order", &order, &log]);
            prop_assert!(matches!(ran.code, Some(0..=2)), "{ran:?}");
            let is_plain = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
            prop_assert!(is_plain(&ran.out) && is_plain(&ran.err), "{ran:?}");
        }
    }
}

/// What is no regular file is refused at once: nothing waits for a pipe's other end, or reads a
/// device. A symbolic link to a file is that file.
#[cfg(unix)]
#[test]
fn special_files_are_refused() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let turn = Turn::take();
    let log = turn.logged("good.kymo", || kymo::info!("good"));
    let (pipe, socket, link) = (turn.path("pipe"), turn.path("socket"), turn.path("link"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (name, target) in [("to-pipe", &pipe), ("nowhere", &turn.path("missing")), ("link", &log)] {
        std::os::unix::fs::symlink(target, turn.path(name)).unwrap();
    }
    std::os::unix::fs::symlink(turn.path("loop"), turn.path("loop")).unwrap();
    for path in [&pipe, &socket, &turn.path("to-pipe"), &"/dev/zero".into(), &"/dev/full".into()] {
        let ran = run(&[&"cat", path]);
        ran.complains(2, &["is not a regular file", "- "]);
        assert_eq!(ran.out, "");
    }
    for name in ["nowhere", "loop"] {
        run(&[&"cat", &turn.path(name)]).complains(2, &[name, "cannot open"]);
    }
    assert!(run(&[&"cat", &link]).fine().ends_with(": good\n"));
    // A pipe is read where it is asked for.
    let input = std::fs::File::open(&log).unwrap();
    let mut cat =
        std::process::Command::new("cat").stdin(input).stdout(Stdio::piped()).spawn().unwrap();
    let output = kymo(&[&"cat", &"-"]).stdin(cat.stdout.take().unwrap()).output().unwrap();
    assert!(cat.wait().unwrap().success());
    assert!(common::finished(output).fine().ends_with(": good\n"));
}
