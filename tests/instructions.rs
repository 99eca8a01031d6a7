//! The instructions of a log call, against the budget in `benches/assembly/budget.txt`. So a review
//! shows what a change costs the hot path.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A line of the budget.
#[derive(Debug)]
struct Budget {
    message: String,
    /// By one call, with the hardware counter.
    executed: u64,
    /// By one call with the coarse clock, with the hardware counter.
    coarse: u64,
    /// By one call with the hardware counter and a filter that has directives by target.
    filtered: u64,
    /// In the committed machine code.
    listed: u64,
}

fn assembly() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/assembly")
}

fn budgets() -> Vec<Budget> {
    let text = fs::read_to_string(assembly().join("budget.txt")).expect("the budget");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let budgets = lines.map(|line| {
        let fields = line.split_whitespace().collect::<Vec<_>>();
        let [message, executed, coarse, filtered, listed] = fields[..] else {
            panic!("the budget has five columns, not as in {line:?}");
        };
        let number = |field: &str| field.parse().unwrap_or_else(|_| panic!("a number in {line:?}"));
        Budget {
            message: message.to_owned(),
            executed: number(executed),
            coarse: number(coarse),
            filtered: number(filtered),
            listed: number(listed),
        }
    });
    budgets.collect()
}

/// The committed machine code of a message's call.
fn listing(message: &str) -> String {
    let path = assembly().join(format!("{message}.x86-64.s"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn compare(message: &str, what: &str, found: u64, budget: u64) {
    assert!(
        found <= budget,
        "{message}: {found} instructions {what}, and a budget of {budget}. If they are worth it, \
         raise the budget in benches/assembly/budget.txt, and say why."
    );
    assert!(
        found == budget,
        "{message}: only {found} instructions {what}, and a budget of {budget}. Lower it in \
         benches/assembly/budget.txt, so that they do not come back."
    );
}

/// The committed machine code has the instructions of the budget.
#[test]
fn machine_code_is_within_budget() {
    for Budget { message, executed, listed, .. } in budgets() {
        let text = listing(&message);
        let header = text.lines().next().unwrap_or_default();
        let counted = header.strip_prefix("# ").and_then(|rest| rest.split(' ').next());
        let counted = counted.and_then(|number| number.parse().ok());
        let counted = counted.unwrap_or_else(|| panic!("{message}: no number in {header:?}"));
        compare(&message, "executed when the listing was made", counted, executed);
        // Labels and comments begin at the margin.
        let instructions = text.lines().filter(|line| line.starts_with('\t')).count();
        compare(&message, "in the listing", instructions as u64, listed);
    }
}

/// A statement costs what it costs without routes, whether or not a route leads it somewhere, and with `logger:`.
#[test]
fn routes_cost_no_instruction() {
    if let Some(reason) = not_comparable() {
        eprintln!("skipped: {reason}");
        return;
    }
    let output = Command::new(assembly().join("../instructions.sh"))
        .args(["mixed", "mixed routed", "named", "named routed"])
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "benches/instructions.sh: {}: {said}", output.status);
    let counted = String::from_utf8(output.stdout).expect("numbers");
    let counted = counted.lines().collect::<Vec<_>>();
    let mixed = budgets().into_iter().find(|it| it.message == "mixed").expect("a budget").executed;
    assert_eq!(counted, [mixed.to_string().as_str(); 4]);
}

#[test]
fn every_listing_has_a_budget() {
    let budgets = budgets();
    for entry in fs::read_dir(assembly()).expect("the folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        if let Some(message) = name.strip_suffix(".x86-64.s") {
            let found = budgets.iter().any(|budget| budget.message == message);
            assert!(found, "{message} has no line in benches/assembly/budget.txt");
        }
    }
}

/// Counts what is executed now. Builds the bench `calls` as `cargo bench` does.
#[test]
fn executed_instructions_match_budget() {
    if let Some(reason) = not_comparable() {
        eprintln!("skipped: {reason}");
        return;
    }
    let budgets = budgets();
    let counter = budgets.iter().map(|budget| budget.message.clone());
    let coarse = budgets.iter().map(|budget| format!("{} coarse", budget.message));
    let filtered = budgets.iter().map(|budget| format!("{} filtered", budget.message));
    let output = Command::new(assembly().join("../instructions.sh"))
        .args(counter.chain(coarse).chain(filtered))
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "benches/instructions.sh: {}: {said}", output.status);
    let counted = String::from_utf8(output.stdout).expect("numbers");
    let counted = counted
        .lines()
        .map(|line| line.parse().unwrap_or_else(|_| panic!("{line:?} instructions a call")))
        .collect::<Vec<u64>>();
    assert_eq!(counted.len(), 3 * budgets.len(), "a number for each");
    for (at, budget) in budgets.iter().enumerate() {
        let [counter, coarse, filtered] = [0, 1, 2].map(|way| counted[way * budgets.len() + at]);
        compare(&budget.message, "executed", counter, budget.executed);
        compare(&budget.message, "executed with the coarse clock", coarse, budget.coarse);
        compare(&budget.message, "executed with a filter by target", filtered, budget.filtered);
    }
}

/// Statements of other crates, through the bridges.
#[test]
fn bridges_are_within_budget() {
    check_bounds("bridges.txt");
}

/// Statements with a rate.
#[test]
fn rates_are_within_budget() {
    check_bounds("rates.txt");
}

/// A struct of the program costs its copy and the header.
#[test]
fn own_types_are_within_budget() {
    check_bounds("own.txt");
}

/// Counts what is executed now, and compares it with the bounds in a file.
fn check_bounds(file: &str) {
    if let Some(reason) = not_comparable() {
        eprintln!("skipped: {reason}");
        return;
    }
    let text = fs::read_to_string(assembly().join(file)).expect("the budget");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let budgets = lines.flat_map(|line| {
        let fields = line.split_whitespace().collect::<Vec<_>>();
        let [message, executed, filtered] = fields[..] else {
            panic!("the budget has three columns, not as in {line:?}");
        };
        let number = |field: &str| field.parse::<f64>().unwrap_or_else(|_| panic!("{line:?}"));
        [(message.to_owned(), number(executed)), (format!("{message} filtered"), number(filtered))]
    });
    let budgets = budgets.collect::<Vec<_>>();
    let output = Command::new(assembly().join("../instructions.sh"))
        .args(budgets.iter().map(|(message, _)| message))
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "benches/instructions.sh: {}: {said}", output.status);
    let counted = String::from_utf8(output.stdout).expect("numbers");
    let counted = counted.lines().map(|line| line.parse::<f64>().expect("a number"));
    let counted = counted.collect::<Vec<_>>();
    assert_eq!(counted.len(), budgets.len(), "a number for each");
    for ((message, budget), found) in budgets.into_iter().zip(counted) {
        // Tables by address, whose places depend on where the program is built, move it a little. So this is a bound,
        // and less is no fault.
        assert!(found <= budget * 1.05, "{message}: {found} instructions, a budget of {budget}");
    }
}

/// Why what is counted here cannot be compared with the budget, if it cannot.
fn not_comparable() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the budget is one of x86-64".to_owned());
    }
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        if std::env::var_os(name).is_some_and(|flags| !flags.is_empty()) {
            return Some(format!("{name} is set, and may change the machine code"));
        }
    }
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if version("valgrind").is_none() {
        return Some("there is no valgrind to count them".to_owned());
    }
    // As `update.sh` writes it into the second line: "# rustc 1.95.0, written by ...".
    let text = listing("mixed");
    let made_by = text.lines().nth(1).and_then(|line| line.strip_prefix("# "));
    let made_by = made_by.and_then(|line| line.split(',').next()).unwrap_or_default().to_owned();
    let rustc = version("rustc").unwrap_or_default();
    let rustc = rustc.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (rustc != made_by).then(|| format!("the budget is one of {made_by}, and this is {rustc}"))
}
