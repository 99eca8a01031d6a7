//! Configuration by variables, by a file, and by serde: one table of keys, one kind of error.

use std::ffi::OsString;

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
    assert_eq!(error.to_string(), "KYMO_RING_CAPACITY: \"much\": choose a size, such as 1MiB");
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
    assert_eq!(text, "kymo.toml:2: ring_capacity: \"much\": choose a size, such as 1MiB");
    let text = file_error("filter = \"info,net=loud\"\n");
    assert!(text.starts_with("kymo.toml:1: filter: \"info,net=loud\": "), "{text}");
    let text = file_error("a = \n");
    assert!(text.starts_with("kymo.toml:1: "), "{text}");
    let error = Config::from_file("/nowhere/kymo.toml").unwrap_err();
    assert!(error.to_string().starts_with("/nowhere/kymo.toml: "), "{error}");
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
    let text = file_error("mode = 600");
    assert!(text.starts_with("kymo.toml:1: mode: "), "{text}");
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
