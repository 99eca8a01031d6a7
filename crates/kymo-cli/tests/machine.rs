//! Output for machines is as safe to show as text.

mod common;
use kymo_testing::segment;

use common::{Turn, run};
use kymo_format::types::Type;
use segment::{Arg, Rec, Segment};

/// What controls a terminal, or turns the direction of writing.
const HOSTILE: &str = "a\u{202E}b\u{7F}c\u{1b}[2Jd\u{9b}e\u{2067}f\u{2028}g\u{200F}";

fn is_safe(text: &str) -> bool {
    let is_unsafe = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{61C}' | '\u{200E}' | '\u{200F}')
            || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    !text.chars().any(is_unsafe)
}

/// `stats --json` and `verify --json` printed the names of threads, call sites and files as they
/// were: U+202E and U+007F among them.
#[test]
fn machine_output_is_never_hostile() {
    let turn = Turn::take();
    let mut file = Segment::new(7);
    file.clock(1_000).site(0, 3, &format!("{HOSTILE} {{x}}"), &[("x", Type::Str)]);
    file.thread(0, HOSTILE).block(0, &[Rec(0, 10, &[Arg::Str(HOSTILE.as_bytes())])]);
    file.drops(0, 11, 12, 4).thread(1, HOSTILE);
    file.block(1, &[Rec(0, 20, &[Arg::Str(HOSTILE.as_bytes())])]).close();
    // A damaged block, which `verify` names with its file.
    let (start, _) = file.frames[3];
    file.bytes[start + 20] ^= 1;
    let path = turn.file(&format!("{HOSTILE}.kymo").replace('/', ""), &file.bytes);
    let by = HOSTILE.replace(',', "");
    let between = format!("{by}:1,main.rs:10");
    let commands: [&[&str]; 11] = [
        &["cat"],
        &["cat", "--format", "json"],
        &["cat", "--format", "logfmt"],
        &["cat", "--format", "csv"],
        &["cat", "--format", "{arg.x}{thread}{log}{fields}"],
        &["export", "--to", "json", "-"],
        &["export", "--to", "csv", "-"],
        &["export", "--to", "perfetto", "-"],
        &["stats"],
        &["stats", "--json", "--between", &between, "--by", HOSTILE],
        &["verify", "--json"],
    ];
    for command in commands {
        let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = Vec::new();
        command.iter().for_each(|arg| args.push(arg));
        args.push(&path);
        let ran = run(&args);
        assert!(!ran.out.is_empty(), "{command:?}: {ran:?}");
        assert!(is_safe(&ran.out) && is_safe(&ran.err), "{command:?}: {ran:?}");
        if command.contains(&"--json") {
            let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            let name = match command[0] {
                "stats" => &json["threads"][0]["name"],
                _ => &json["file"],
            };
            assert!(name.as_str().unwrap().contains(HOSTILE), "{name:?}");
        }
    }
}

/// What is said about a command line quotes it, and so printed what was in it: a name of a file that
/// a shell had found, say.
#[test]
fn refused_arguments_are_escaped() {
    let option = format!("--{HOSTILE}");
    let commands: [&[&str]; 10] = [
        &[HOSTILE],
        &["cat", &option],
        &["cat", "--level", HOSTILE, "log.kymo"],
        &["cat", "--head", HOSTILE, "log.kymo"],
        &["cat", "--where", HOSTILE, "log.kymo"],
        &["cat", "--format", &format!("{{{HOSTILE}}}"), "log.kymo"],
        &["cat", "--grep", &format!("({HOSTILE}"), "log.kymo"],
        &["cat", "--at", &format!("a.rs?{HOSTILE}"), "log.kymo"],
        &["stats", "--between", HOSTILE, "log.kymo"],
        &["tail", "--tz", HOSTILE, "log.kymo"],
    ];
    for command in commands {
        for color in [false, true] {
            let args: Vec<&dyn AsRef<std::ffi::OsStr>> =
                command.iter().map(|arg| arg as &dyn AsRef<std::ffi::OsStr>).collect();
            let mut kymo = common::kymo(&args);
            if color {
                kymo.env("CLICOLOR_FORCE", "1");
            }
            let ran = common::finished(kymo.output().unwrap());
            assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{command:?}");
            assert!(is_safe(&ran.err) && ran.err.contains("b"), "{command:?}: {ran:?}");
        }
    }
    let escaped = run(&[&"cat", &option]);
    assert!(escaped.err.contains(r"--a\u{202e}b\u{7f}c\u{1b}[2Jd"), "{escaped:?}");
}
