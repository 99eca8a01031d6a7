//! Soak test: processes that log in all ways, and end in all ways; then their files are read, and
//! each record has to be accounted for.
//!
//! `cargo run --release --example soak -- [--seconds N] [--seed S] [--only I] [--delays]`: for a minute
//! unless told otherwise, for hours if that is wanted. Each process is one of the configurations that
//! the seed gives, by a number from 0; a failure says its seed and number, with which it can be run
//! alone, and keeps the files.
//!
//! With `--delays`, the consumer is held up at random moments, in system calls and between them. Without
//! `--release`, overflows are checked. Both find other things, and so does a single processor
//! (`taskset -c 0`).

mod child;
mod configuration;
mod delays;
mod log;
mod parent;
mod payload;
mod table;
mod verdict;
mod worker;

fn main() -> std::process::ExitCode {
    parent::main()
}
