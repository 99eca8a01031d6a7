//! What a reader of the figures has to know about the machine and the run.

use std::fs;
use std::process::Command;

use crate::common::counter;
use crate::options::Options;
use crate::statistics::median;

/// Names and values, in the order in which they are shown.
pub fn collect(options: &Options) -> Vec<(&'static str, String)> {
    let arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let command = arguments.fold("cargo bench --bench latency --".to_owned(), |mut line, next| {
        line.push(' ');
        line.push_str(&next);
        line
    });
    vec![
        ("command", command),
        ("processor", cpu_field("model name").unwrap_or_else(unknown)),
        ("virtual", is_virtual()),
        ("cores", format!("{:?}", options.cores)),
        ("isolated cores", read("/sys/devices/system/cpu/isolated", "none")),
        ("producer core", options.producer_core.to_string()),
        ("consumer core", options.consumer_core.map_or("none".to_owned(), |core| core.to_string())),
        ("load before", read("/proc/loadavg", "unknown")),
        ("governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "unknown")),
        ("kernel", read("/proc/sys/kernel/osrelease", std::env::consts::OS)),
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("counter", format!("{:.1} MHz, steps of {:.1} ns", counter::ticks_per_ns() * 1e3, step())),
        ("kymo", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", first_line("git", &["describe", "--always", "--dirty"])),
        ("rustc", first_line("rustc", &["--version"])),
        ("rounds", options.rounds.to_string()),
        ("ring", options.ring_bytes.map_or("default".to_owned(), |bytes| format!("{bytes} bytes"))),
        ("poll interval", format!("{:?}", options.poll_interval)),
        (
            "file system",
            first_line("stat", &["-f", "-c", "%T", &options.directory.to_string_lossy()]),
        ),
    ]
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn read(path: &str, absent: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { absent.to_owned() } else { text.to_owned() }
}

fn cpu_field(name: &str) -> Option<String> {
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn is_virtual() -> String {
    match cpu_field("flags") {
        Some(flags) if flags.split(' ').any(|flag| flag == "hypervisor") => {
            let vendor = read("/sys/class/dmi/id/sys_vendor", "");
            format!("yes {vendor}").trim_end().to_owned()
        }
        Some(_) => "no".to_owned(),
        None => unknown(),
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let line = text.ok().and_then(|text| text.lines().next().map(str::to_owned));
    line.filter(|line| !line.is_empty()).unwrap_or_else(unknown)
}

/// The usual difference between two reads of the counter that differ: it may count in larger steps
/// than one.
fn step() -> f64 {
    let differences = (0..100_000).filter_map(|_| {
        let before = counter::read();
        match counter::read().wrapping_sub(before) {
            0 => None,
            ticks => Some(counter::ns(ticks as f64)),
        }
    });
    median(differences)
}
