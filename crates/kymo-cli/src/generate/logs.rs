//! Completes log files: the scripts of `clap_complete` offer all files, or options alone.
//!
//! What is added offers files named `*.kymo`, and directories, wherever a command takes a log. Other
//! files are offered if there are none of these. PowerShell and Elvish complete options only.

use std::fmt::Write;

use clap::{Arg, Command};
use clap_complete::Shell;

/// What the help calls an argument that is a log.
const NAMES: [&str; 8] =
    ["FILE|DIR", "FILE|LOG|DIR", "FILE|LOG", "LOG|FILE", "LOG|DIR", "FILE", "LOG", "IN"];

/// Completes the script of a shell.
pub fn complete(shell: Shell, kymo: &Command, script: &mut String) {
    match shell {
        Shell::Bash => bash(kymo, script),
        Shell::Zsh => zsh(kymo, script),
        Shell::Fish => fish(kymo, script),
        _ => {}
    }
}

/// The commands that take logs.
fn commands(kymo: &Command) -> impl Iterator<Item = &Command> {
    kymo.get_subcommands().filter(|command| command.get_positionals().any(is_log))
}

fn is_log(argument: &Arg) -> bool {
    argument
        .get_value_names()
        .is_some_and(|names| names.iter().any(|name| NAMES.contains(&&**name)))
}

/// A function around the script's own, which knows options and their values.
fn bash(kymo: &Command, script: &mut String) {
    let mut due = String::new();
    for command in commands(kymo) {
        let options = command.get_opts().filter(|option| option.get_action().takes_values());
        let mut words = vec!["=".to_owned()];
        for option in options {
            words.extend(option.get_long().map(|long| format!("--{long}")));
            words.extend(option.get_short().map(|short| format!("-{short}")));
        }
        let (name, words) = (command.get_name(), words.join("|"));
        let _ = writeln!(due, "        {name}) case \"$3\" in {words}) return 0 ;; esac ;;");
    }
    let _ = write!(
        script,
        "
_kymo_logs() {{
    _kymo \"$@\"
    [[ \"$2\" == -* || $COMP_CWORD -lt 2 ]] && return 0
    # The value of an option is due.
    case \"${{COMP_WORDS[1]}}\" in
{due}        *) return 0 ;;
    esac
    local IFS=$'\\n'
    COMPREPLY=( $(compgen -f -X '!*.kymo' -- \"$2\") $(compgen -d -- \"$2\") )
    if [[ \"${{BASH_VERSINFO[0]}}\" -ge 4 ]]; then
        compopt -o filenames 2>/dev/null
    fi
    return 0
}}
complete -F _kymo_logs -o bashdefault -o default kymo
"
    );
}

/// Each argument of the script has a line of its own.
fn zsh(kymo: &Command, script: &mut String) {
    let ids: Vec<&str> = commands(kymo)
        .flat_map(Command::get_positionals)
        .filter(|argument| is_log(argument))
        .map(|argument| argument.get_id().as_str())
        .collect();
    let is_log = |line: &str| {
        let line = line.trim_start_matches(['\'', '*', ':']);
        ids.iter().any(|id| line.strip_prefix(id).is_some_and(|rest| rest.starts_with(" -- ")))
    };
    let lines = script.lines().map(|line| match line.strip_suffix(":_files' \\") {
        Some(argument) if is_log(line) => format!("{argument}:_files -g \"*.kymo\"' \\\n"),
        _ => format!("{line}\n"),
    });
    *script = lines.collect();
}

fn fish(kymo: &Command, script: &mut String) {
    for command in commands(kymo) {
        let name = command.get_name();
        let _ = writeln!(
            script,
            "complete -c kymo -n \"__fish_kymo_using_subcommand {name}\" \
             -k -f -a \"(__fish_complete_suffix .kymo)\""
        );
    }
}
