//! What a reader of the figures has to know about the machine.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::counter;
use crate::statistics::median;

/// Names and values, in the order in which they are shown.
pub fn describe(cores: &[usize], directory: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("processor", cpu_field("model name").unwrap_or_else(unknown)),
        ("virtual", is_virtual()),
        ("cores", format!("{cores:?}")),
        ("isolated cores", read("/sys/devices/system/cpu/isolated", "none")),
        ("load before", read("/proc/loadavg", "unknown")),
        ("governor", read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "unknown")),
        ("kernel", read("/proc/sys/kernel/osrelease", std::env::consts::OS)),
        ("architecture", std::env::consts::ARCH.to_owned()),
        ("counter", format!("{:.1} MHz, steps of {:.1} ns", counter::ticks_per_ns() * 1e3, step())),
        ("commit", first_line("git", &["describe", "--always", "--dirty"])),
        ("rustc", first_line("rustc", &["--version"])),
        ("file system", first_line("stat", &["-f", "-c", "%T", &directory.to_string_lossy()])),
    ]
}

/// What of this process is in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Resident {
    pub all: u64,
    /// Without files that are mapped.
    pub anonymous: u64,
}

/// As `/proc` says; `None` if there is no such file.
pub fn resident() -> Option<Resident> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    };
    Some(Resident { all: field("VmRSS:")?, anonymous: field("RssAnon:")? })
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
