//! Manual pages and completions know every command and every option of the help.

mod common;

use common::{Turn, run};

/// The commands that the help names, and the long options of each.
fn commands() -> Vec<(String, Vec<String>)> {
    let help = run(&[&"--help"]).fine();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let names = list.lines().take_while(|line| !line.is_empty());
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    let options = |name: &str| {
        let help = run(&[&name, &"--help"]).fine();
        let words = help.lines().filter(|line| line.trim_start().starts_with('-'));
        let option = |line: &str| {
            line.split_whitespace().find(|word| word.starts_with("--")).map(str::to_owned)
        };
        words.filter_map(option).collect::<Vec<_>>()
    };
    names.filter(|name| name != "help").map(|name| (name.clone(), options(&name))).collect()
}

/// There is a manual page for each command with each option.
#[test]
fn manual_pages_cover_all_options() {
    let turn = Turn::take();
    let directory = turn.path(".");
    assert_eq!(run(&[&"man", &directory]).fine(), "");
    let commands = commands();
    assert!(commands.len() >= 7, "{commands:?}");
    for (name, options) in &commands {
        let page = std::fs::read_to_string(turn.path(&format!("kymo-{name}.1"))).unwrap();
        let page = page.replace('\\', "");
        assert!(page.contains(&format!(".TH kymo-{name} 1")), "{name}");
        for option in options {
            assert!(page.contains(option), "no {option} in the page of {name}");
        }
    }
    let page = std::fs::read_to_string(turn.path("kymo.1")).unwrap();
    assert_eq!(run(&[&"man"]).fine(), page);
    for (name, _) in &commands {
        assert!(page.contains(&format!("kymo\\-{name}(1)")), "{name}");
    }
    run(&[&"man", &turn.path("missing")]).complains(2, &["cannot write", "missing/kymo.1"]);
}

/// Every command and option is completed in every shell.
#[test]
fn completions_cover_all_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&[&"completions", &shell]).fine();
        for (name, options) in commands() {
            assert!(script.contains(&name), "no {name} for {shell}");
            for option in options {
                let bare = option.trim_start_matches('-');
                assert!(script.contains(bare), "no {option} of {name} for {shell}");
            }
        }
    }
    assert_eq!(run(&[&"completions", &"none"]).code, Some(2));
}
