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

/// Each page has the exit codes and examples, as the long help does.
#[test]
fn pages_have_exit_codes_and_examples() {
    let turn = Turn::take();
    assert_eq!(run(&[&"man", &turn.path(".")]).fine(), "");
    let names = commands().into_iter().map(|(name, _)| format!("kymo-{name}"));
    for name in names.chain(["kymo".to_owned()]) {
        let page = std::fs::read_to_string(turn.path(&format!("{name}.1"))).unwrap();
        let page = page.replace('\\', "");
        let (_, codes) = page.split_once("\n.SH \"EXIT STATUS\"\n").expect(&name);
        let (codes, examples) = codes.split_once("\n.SH EXAMPLES\n").expect(&name);
        assert!(codes.contains("\n0  ") && codes.contains("\n2  "), "{name}: {codes}");
        let line = format!("\n  {} ", name.replace('-', " "));
        assert!(examples.contains(&line), "{name}: {examples}");
        assert!(!page.contains(".SH EXTRA"), "{name}");
    }
    for (name, _) in commands() {
        let help = run(&[&name, &"--help"]).fine();
        for part in ["Examples:\n", &format!("    kymo {name} "), "Exit codes:\n  0  "] {
            assert!(help.contains(part), "no {part:?} in the help of {name}");
        }
        let short = run(&[&name, &"-h"]).fine();
        assert!(!short.contains("Examples:") && short.contains("Exit codes:"), "{name}: {short}");
    }
}

/// What bash offers for a line that ends where it completes.
fn completed(turn: &Turn, line: &str) -> Vec<String> {
    let script = run(&[&"completions", &"bash"]).fine();
    std::fs::write(turn.path("completions"), script).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    // What the shell does when the key is pressed.
    let commands = format!(
        "source ./completions
        COMP_WORDS=({})
        COMP_CWORD={}
        $(complete -p kymo | sed 's/.* -F \\([^ ]*\\) .*/\\1/') kymo '{}' '{}'
        printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        words[words.len() - 1],
        words[words.len() - 2],
    );
    let mut bash = std::process::Command::new("bash");
    let output = bash.args(["--norc", "-c", &commands]).current_dir(turn.path(".")).output();
    let ran = common::finished(output.unwrap());
    let mut offered: Vec<String> = ran.fine().lines().map(str::to_owned).collect();
    offered.retain(|offer| !offer.is_empty());
    offered.sort();
    offered
}

/// Where a log is due, bash offers logs and directories, and else what was offered before.
#[test]
fn bash_completes_logs() {
    let turn = Turn::take();
    for name in ["app.kymo", "two words.kymo", "app.txt", "other"] {
        std::fs::write(turn.path(name), "").unwrap();
    }
    std::fs::create_dir(turn.path("app-logs")).unwrap();
    for command in [
        "cat", "tail", "stats", "fields", "verify", "repair", "recover", "prune", "ls", "cut",
        "compress",
    ] {
        let offered = completed(&turn, &format!("kymo {command} "));
        assert_eq!(offered, ["app-logs", "app.kymo", "two words.kymo"], "{command}");
        let offered = completed(&turn, &format!("kymo {command} app"));
        assert_eq!(offered, ["app-logs", "app.kymo"], "{command}");
    }
    assert_eq!(completed(&turn, "kymo cat --no-marks app."), ["app.kymo"]);
    assert_eq!(completed(&turn, "kymo export --to json out.json app."), ["app.kymo"]);
    let levels = ["debug", "error", "info", "off", "trace", "warn"];
    assert_eq!(completed(&turn, "kymo cat --level "), levels);
    assert_eq!(completed(&turn, "kymo cat app.kymo --le"), ["--level"]);
    assert_eq!(completed(&turn, "kymo ta"), ["tail"]);
    assert_eq!(completed(&turn, "kymo completions f"), ["fish"]);
}

/// The scripts of the other shells that can complete some files only do so for logs.
#[test]
fn zsh_and_fish_complete_logs() {
    let script = run(&[&"completions", &"zsh"]).fine();
    // All but `completions` and `man`.
    let commands = commands().len() - 2;
    assert_eq!(script.matches(":_files -g \"*.kymo\"' \\\n").count(), commands, "{script}");
    // What `export`, `repair` and `man` make, and `cut`, by `-o` and `--output`.
    assert_eq!(script.matches(":_files' \\\n").count(), 5, "{script}");
    let script = run(&[&"completions", &"fish"]).fine();
    assert_eq!(script.matches("(__fish_complete_suffix .kymo)").count(), commands, "{script}");
}
