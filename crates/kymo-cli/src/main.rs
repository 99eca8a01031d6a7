//! The `kymo` command: see the crate `kymo-cli`.

fn main() -> std::process::ExitCode {
    kymo_cli::main()
}
