//! Configuration by variables, by a file, and by serde: one table of keys, one kind of error.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use kymo::{Config, ConfigError, ConfigErrorKind, Logger};

/// One logger at a time.
static TURN: Mutex<()> = Mutex::new(());

fn vars(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_vars(pairs.iter().map(|(name, value)| (OsString::from(name), value.into())))
}

/// The text of the error of a file with this content. The name of the directory is left out.
fn file_error(content: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kymo.toml");
    std::fs::write(&path, content).unwrap();
    let text = Config::from_file(&path).unwrap_err().to_string();
    text.replace(&format!("{}/", dir.path().display()), "")
}

/// The value that the table gives as an example for a key, or the last word of a list.
fn example(possible: &str) -> &str {
    match possible.split_once("such as ") {
        Some((_, examples)) => examples.split([' ']).next().unwrap().trim_end_matches(','),
        None => possible.rsplit(' ').next().unwrap(),
    }
}

/// Each key takes what its error offers, by a variable, in a file, and from serde.
#[test]
fn each_key_takes_what_its_error_offers() {
    assert!(Config::keys().len() >= 25);
    for key in Config::keys() {
        let value = match key.name() {
            "file" | "dir" => "/tmp/log",
            "keep.files" => "3",
            "consumer_core" => "0",
            "keep.free" => "5%",
            "console.zone" | "rotate.zone" => "+05:30",
            _ => example(key.possible()),
        };
        Config::new().set(key.name(), value).unwrap();
        drop(vars(&[(key.variable(), value)]).unwrap());
        let json = format!("{{{:?}: {value:?}}}", key.name());
        drop(serde_json::from_str::<Config>(&json).unwrap());
        if let Some((table, name)) = key.name().split_once('.') {
            let json = format!("{{{table:?}: {{{name:?}: {value:?}}}}}");
            drop(serde_json::from_str::<Config>(&json).unwrap());
        }
        if !["filter", "file", "dir", "crash_proof"].contains(&key.name()) {
            let error = Config::new().set(key.name(), "?").unwrap_err();
            assert!(error.to_string().contains("choose "), "{error}");
            assert!(matches!(error.kind(), ConfigErrorKind::Value { .. }));
        }
    }
}

/// The table in the documents has a row for each key.
#[test]
fn each_key_is_in_the_documents() {
    let page = include_str!("../docs/operating.md");
    for key in Config::keys() {
        let row = format!("| `{}` | `{}` |", key.name(), key.variable());
        assert!(page.contains(&row), "docs/operating.md lacks {row}");
    }
}

#[test]
fn a_misspelt_variable_is_an_error() {
    let error = vars(&[("KYMO_KEEP_AGES", "30d")]).unwrap_err();
    let text = "KYMO_KEEP_AGES: there is no such key: do you mean `KYMO_KEEP_AGE`?";
    assert_eq!(error.to_string(), text);
    let ConfigErrorKind::UnknownKey { nearest } = error.kind() else { panic!("{error}") };
    assert_eq!(nearest.as_deref(), Some("KYMO_KEEP_AGE"));
    // Not kymo's, and empty ones, are none.
    let others = [("KYMO_DATABASE_URL", "x"), ("PATH", "y"), ("KYMO_COMPRESS", "")];
    drop(vars(&others).unwrap());
}

#[test]
fn a_wrong_value_says_what_is_possible() {
    let error = vars(&[("KYMO_RING_CAPACITY", "much")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "KYMO_RING_CAPACITY: \"much\": choose a size from 4KiB to 4GiB, such as 1MiB"
    );
    let error = vars(&[("KYMO_ROTATE_SIZE", "1KiB")]).unwrap_err();
    let text = "KYMO_ROTATE_SIZE: \"1KiB\": choose a size of at least 64KiB, such as 256MiB";
    assert_eq!(error.to_string(), text);
}

/// Errors of a file name the file and the line.
#[test]
fn a_file_error_names_the_line() {
    let text = file_error("filter = \"info\"\n\n[rotate]\nsise = \"1GiB\"\n");
    assert_eq!(text, "kymo.toml:4: rotate.sise: there is no such key: do you mean `rotate.size`?");
    let text = file_error("filter = \"info\"\nring_capacity = \"much\"\n");
    assert_eq!(
        text,
        "kymo.toml:2: ring_capacity: \"much\": choose a size from 4KiB to 4GiB, such as 1MiB"
    );
    let text = file_error("filter = \"info,net=loud\"\n");
    assert!(text.starts_with("kymo.toml:1: filter: \"info,net=loud\": "), "{text}");
    let text = file_error("a = \n");
    assert!(text.starts_with("kymo.toml:1: "), "{text}");
    let error = Config::from_file("/nowhere/kymo.toml").unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/kymo.toml: "), "{error}");
}

/// A path is taken as it is; other values have to be UTF-8.
#[test]
fn paths_need_not_be_utf8() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let latin = dir.path().join(OsStr::from_bytes(b"caf\xE9"));
    std::fs::create_dir(&latin).unwrap();
    let one = |name: &str, value: &OsStr| Config::from_vars([(name.into(), value.into())]);
    for (variable, value) in [("KYMO_DIR", latin.clone()), ("KYMO_FILE", latin.join("app.kymo"))] {
        let config = one(variable, value.as_os_str()).unwrap();
        let logger = Logger::builder("app.kymo").configure(&config).start().unwrap();
        assert_eq!(logger.path(), latin.join("app.kymo"));
    }
    let error = one("KYMO_RECOVER", OsStr::from_bytes(b"tru\xE9")).unwrap_err().to_string();
    let text = "KYMO_RECOVER: \"tru\u{FFFD}\": this is not UTF-8: choose true or false, yes or no, on or off, 1 or 0";
    assert_eq!(error, text);
}

/// A file is a regular one of some size: nothing is waited for, and memory is bounded.
#[test]
fn a_file_is_a_regular_one() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let status = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(status.success());
    for special in [pipe.as_path(), Path::new("/dev/zero"), dir.path()] {
        let error = Config::from_file(special).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: this is not a regular file", special.display()));
        assert!(matches!(error.kind(), ConfigErrorKind::File(_)));
    }
    let file = dir.path().join("kymo.toml");
    std::fs::write(&file, "# ".repeat(1 << 19)).unwrap();
    drop(Config::from_file(&file).unwrap());
    std::fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    let error = Config::from_file(&file).unwrap_err().to_string();
    assert!(
        error.ends_with("kymo.toml: this has more than 1 MiB, which no configuration has"),
        "{error}"
    );
    // A link is the user's own.
    std::fs::write(&file, "recover = true").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    drop(Config::from_file(&link).unwrap());
}

/// What a key, a value or a path holds does not reach a terminal as it is.
#[test]
fn errors_hold_no_control_characters() {
    let foreign = ["\u{1b}[31m", "\u{9b}31m", "\u{202e}", "\r"];
    for c in foreign {
        let mut texts = vec![
            Config::new().set(&format!("ri{c}ng"), "1").unwrap_err().to_string(),
            Config::new().set("recover", c).unwrap_err().to_string(),
            Config::new().set("filter", &format!("a=lo{c}d")).unwrap_err().to_string(),
            vars(&[(&format!("KYMO_DIR{c}"), "1"), ("KYMO_MODE", c)]).unwrap_err().to_string(),
            Config::from_file(format!("/nowhere/{c}")).unwrap_err().to_string(),
        ];
        let quoted: String = c.chars().map(|c| format!("\\U{:08x}", u32::from(c))).collect();
        texts.push(file_error(&format!("\"ri{quoted}ng\" = 1")));
        texts.push(file_error(&format!("mode = \"{quoted}\"")));
        for text in texts {
            assert!(!text.contains(c), "{text:?}");
        }
    }
}

/// A size that a ring cannot have is an error, and so is a feature that this build lacks.
#[test]
fn what_has_no_effect_is_an_error() {
    for size in ["0", "4095", "100GiB", "18446744073709551615", "1TiB"] {
        let error = vars(&[("KYMO_RING_CAPACITY", size)]).unwrap_err().to_string();
        let text = "choose a size from 4KiB to 4GiB, such as 1MiB";
        assert_eq!(error, format!("KYMO_RING_CAPACITY: {size:?}: {text}"));
    }
    for size in ["4KiB", "4GiB"] {
        drop(vars(&[("KYMO_RING_CAPACITY", size)]).unwrap());
    }
    let set = Config::new().set("compress", "true");
    let (variable, off) = (vars(&[("KYMO_COMPRESS", "true")]), vars(&[("KYMO_COMPRESS", "false")]));
    drop(off.unwrap());
    if cfg!(feature = "compress") {
        set.unwrap();
        drop(variable.unwrap());
    } else {
        let text = "\"true\": build the program with kymo's feature `compress`, or leave this out";
        assert_eq!(set.unwrap_err().to_string(), format!("compress: {text}"));
        assert_eq!(variable.unwrap_err().to_string(), format!("KYMO_COMPRESS: {text}"));
        let error = file_error("\ncompress = true");
        assert_eq!(error, format!("kymo.toml:2: compress: {text}"));
    }
}

/// Truth values have several words, in any case.
#[test]
fn truth_values_have_several_words() {
    for word in ["true", "TRUE", "yes", "On", "1", "false", "No", "OFF", "0"] {
        drop(vars(&[("KYMO_RECOVER", word)]).unwrap());
    }
}

/// Permissions are octal, with quotes and without.
#[test]
fn permissions_are_octal() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mode = |content: &str| {
        let dir = tempfile::tempdir().unwrap();
        let (file, path) = (dir.path().join("kymo.toml"), dir.path().join("app.kymo"));
        std::fs::write(&file, content).unwrap();
        let config = Config::from_file(&file).unwrap();
        drop(Logger::builder(&path).configure(&config).start().unwrap());
        std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions()) & 0o777
    };
    let both = [mode("mode = 0o600"), mode("mode = \"0600\"")];
    assert_eq!(both, [0o600; 2]);
    // 400 is 0o620: nobody means that. The text is what was written.
    for written in ["600", "400", "0o1200", "0x1A0", "-1"] {
        let text = file_error(&format!("recover = true\nmode = {written}"));
        assert!(text.starts_with(&format!("kymo.toml:2: mode: {written:?}: choose ")), "{text}");
    }
    let error = serde_json::from_str::<Config>(r#"{"mode": 640}"#).unwrap_err();
    assert!(error.to_string().starts_with("mode: \"640\": this is 0o1200"), "{error}");
}

/// The last configuration counts, key by key; an option that follows counts more.
#[test]
fn the_last_one_counts() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let first = vars(&[("KYMO_RING_CAPACITY", "4KiB"), ("KYMO_FILE", "other.kymo")]).unwrap();
    let mut second = Config::new();
    second.set("ring_capacity", "8KiB").unwrap();
    second.set("dir", dir.path().to_str().unwrap()).unwrap();
    let builder = Logger::builder("app.kymo").ring_capacity(1 << 20);
    let logger = builder.configure(&first).configure(&second).start().unwrap();
    assert_eq!(logger.path(), dir.path().join("other.kymo"));
    kymo::info!("a thread");
    assert_eq!(logger.stats().threads[0].ring_capacity, 8 << 10);
    drop(logger);
}

/// Options of the builder that have no key, and why.
const WITHOUT_KEY: [(&str, &str); 17] = [
    ("bridge_log", "which crates are bridged is a matter of the program's dependencies"),
    ("bridge_tracing", "as `bridge_log`"),
    ("clock", "statements rely on it, and a custom one is code"),
    ("configure", "it takes the keys"),
    ("filter_env", "it names a variable; the filter has a key"),
    ("high_water", "for the hook of `on_notice` only"),
    ("make_directory", "what is written where it should not be is the program's concern"),
    ("max_level", "a filter without directives by target; that has a key"),
    ("on_notice", "code"),
    ("on_record", "code"),
    (
        "overflow_at",
        "a level that waits or not is part of how the program was built; `overflow` has a key",
    ),
    ("overwrite", "a typing error would cost a log"),
    ("panic_hook", "the program's panics are its own"),
    ("route", "which statements have a log of their own is part of how the program was built"),
    ("segment_size", "the former name of `map_window`"),
    ("sink", "code"),
    ("start", "no option"),
];

/// The options of the builder: its public methods that return it.
fn options() -> Vec<String> {
    fn sources(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, found),
                false => found.push(std::fs::read_to_string(&path).unwrap()),
            }
        }
    }

    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut options = Vec::new();
    for file in files {
        for block in file.split("\nimpl Builder {\n").skip(1) {
            let block = block.split("\n}\n").next().unwrap();
            let names = block.lines().filter_map(|line| line.strip_prefix("    pub fn "));
            options.extend(names.map(|rest| rest.split(['(', '<']).next().unwrap().to_owned()));
        }
    }
    options.sort();
    options.dedup();
    options
}

/// What an operator may want to change has a key.
#[test]
fn each_option_has_a_key_or_a_reason() {
    let keyed = |option: &str| {
        let name = match option {
            "console" => "console.format",
            "rotate" => "rotate.size",
            "keep" => "keep.size",
            "flight_recorder" => "flight_recorder.level",
            "dump_at" => "flight_recorder.dump_at",
            "join_others" => "join",
            name => name,
        };
        Config::keys().iter().any(|key| key.name() == name)
    };
    let options = options();
    assert!(options.len() > 30, "{options:?}");
    for option in &options {
        let excepted = WITHOUT_KEY.iter().any(|(name, _)| name == option);
        assert!(keyed(option) || excepted, "Builder::{option} has neither a key nor a reason");
        assert!(!keyed(option) || !excepted, "Builder::{option} has a key: no reason is needed");
    }
    for (name, _) in WITHOUT_KEY {
        assert!(options.iter().any(|option| option == name), "Builder::{name} is no more");
    }
}

/// A flight recorder by keys alone, and in part over that of the program.
#[test]
fn a_flight_recorder_is_set_by_keys() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dumped = |keys: &[(&str, &str)], of_program: bool| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.kymo");
        let mut builder = Logger::builder(&path).max_level(kymo::Level::Trace);
        if of_program {
            builder = builder.flight_recorder(kymo::Level::Debug, 64 << 10);
        }
        let logger = builder.configure(&vars(keys).unwrap()).start().unwrap();
        kymo::trace!("kept");
        kymo::warn!("not urgent enough by default");
        kymo::info!("after it");
        logger.shutdown().dumped
    };
    let level = ("KYMO_FLIGHT_RECORDER_LEVEL", "trace");
    let at = ("KYMO_FLIGHT_RECORDER_DUMP_AT", "warn");
    let every = ("KYMO_FLIGHT_RECORDER_DUMP_INTERVAL", "1ns");
    let size = ("KYMO_FLIGHT_RECORDER_SIZE", "16KiB");
    assert_eq!(dumped(&[level, at, every, size], false), 1);
    assert_eq!(dumped(&[level, every], false), 0);
    assert_eq!(dumped(&[at, every], true), 1);
    assert_eq!(dumped(&[size, at, every], true), 1);
    // Without a recorder, there is nothing to dump.
    assert_eq!(dumped(&[at, size, every], false), 0);
    assert_eq!(dumped(&[("KYMO_FLIGHT_RECORDER_LEVEL", "off"), at, every], true), 0);
}
