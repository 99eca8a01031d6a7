//! The loggers: how each is built and set up, where its authors recommend that, and what it does
//! not do. Data, so that a wrong claim is one line to correct.

/// A logger, or a program that is compared with the loggers.
pub struct Entry {
    /// What it is called in the tables.
    pub name: &'static str,
    /// The program, and the feature that it needs.
    pub program: &'static str,
    /// One of several ways to set it up; empty for the usual one.
    pub variant: &'static str,
    /// The crates whose versions matter.
    pub crates: &'static [&'static str],
    /// Built with `RUSTC_BOOTSTRAP=1`, in a folder of its own.
    pub nightly: bool,
    /// How many threads may log at the same time.
    pub most_producers: u64,
    /// Messages end to end, as a multiple: what is fast is measured for long enough.
    pub multiple: u64,
    /// How it is set up.
    pub configuration: &'static str,
    /// Where its authors say so.
    pub recommended: &'static str,
    /// What it does not do, and where that is written.
    pub lacks: &'static [Lack],
}

/// Something that a logger does not do.
pub struct Lack {
    pub claim: &'static str,
    pub source: &'static str,
}

const fn lack(claim: &'static str, source: &'static str) -> Lack {
    Lack { claim, source }
}

/// What most entries have in common.
const USUAL: Entry = Entry {
    name: "",
    program: "",
    variant: "",
    crates: &[],
    nightly: false,
    most_producers: u64::MAX,
    multiple: 1,
    configuration: "",
    recommended: "",
    lacks: &[],
};

/// In the order in which they are shown.
pub const ALL: &[Entry] = &[
    Entry {
        name: "floor",
        program: "floor",
        multiple: 4,
        configuration: "kymo's poll interval of 5 µs, a ring of 1 MiB, `write` to the file",
        recommended: "crates/kymo-bench/src/floor.rs",
        lacks: &[lack(
            "is no logger: one kind of record, no levels, no call sites, no strings, no reader",
            "crates/kymo-bench/src/floor.rs",
        )],
        ..USUAL
    },
    Entry {
        name: "kymo",
        program: "kymo",
        crates: &["kymo"],
        multiple: 4,
        configuration: "default; waits where the ring is full; consumer awake, on a core of its own",
        recommended: "README.md",
        lacks: KYMO_LACKS,
        ..USUAL
    },
    Entry {
        name: "kymo, coarse clock",
        program: "kymo",
        variant: "coarse",
        crates: &["kymo"],
        multiple: 4,
        configuration: "as kymo, with Clock::Coarse",
        recommended: "docs/operating.md",
        lacks: &[lack(
            "no time stamp of its own for each call: the consumer advances the clock",
            "docs/operating.md",
        )],
        ..USUAL
    },
    Entry {
        name: "ferrilog",
        program: "ferrilog",
        crates: &["ferrilog", "zerolog-rs"],
        nightly: true,
        configuration: "QueueFullPolicy::Block, poller every 100 µs and pinned, buffer of 2 MiB",
        recommended: "README, \"Builder Configuration\"; examples/07_complete.rs",
        lacks: &[
            lack("text only", "README, \"Background poller\""),
            lack("needs nightly Rust", "README, \"Requires Rust nightly\""),
            lack(
                "drops by default; a counter for the program, nothing in the file",
                "zerolog-core src/builder.rs `QueueFullPolicy::Drop`, src/logger.rs \
                 `queue_full_count`",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "ticklog",
        program: "ticklog",
        crates: &["ticklog"],
        configuration: "Backpressure::Block, FileSink, drain pinned, ring of 1 MiB (fixed)",
        recommended: "README, \"Quick start\", \"Configuration\"",
        lacks: &[
            lack("text only", "README, \"Sinks\": \"formatted lines\""),
            lack(
                "drops by default, uncounted",
                "README, \"Configuration\"; src/guard.rs: \"records are discarded silently\"",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "insomnilog",
        program: "insomnilog",
        crates: &["insomnilog"],
        configuration: "default, ContinuousFileSink, queue of 1 MiB so that a batch fits",
        recommended: "docs/quick_start.md, docs/preallocating.md, docs/sinks.md",
        lacks: &[
            lack(
                "cannot wait: drops, and says how many only when it ends",
                "src/macros.rs `log_write`: \"Silently discards the write if the queue is full\"",
            ),
            lack("text only, in its own sinks", "docs/sinks.md"),
        ],
        ..USUAL
    },
    Entry {
        name: "kvlog",
        program: "kvlog",
        crates: &["kvlog"],
        multiple: 4,
        configuration: "init_file_logger: its binary format, one file",
        recommended: "README, \"Collector Configuration\"",
        lacks: &[
            lack(
                "no ring per thread: one buffer behind a mutex",
                "src/collector.rs `LOG_WRITER: Mutex<LogQueue>`",
            ),
            lack("no format strings: keys and values", "README, \"Basic Logging\""),
        ],
        ..USUAL
    },
    Entry {
        name: "inqjet",
        program: "inqjet",
        crates: &["inqjet"],
        configuration: "Backoff, buffer of 1 MiB, archiver spins, buffered file",
        recommended: "README, \"Ultra-Low Latency Mode\", \"Buffer Size\"; tests/bench_inqjet.rs",
        lacks: &[
            lack("text only", "README, \"Log Format\""),
            lack("no ring per thread: one for all", "README, \"Architecture\": \"CAS-based\""),
        ],
        ..USUAL
    },
    Entry {
        name: "low_latency_log",
        program: "low_latency_log",
        crates: &["low_latency_log"],
        configuration: "default queue, which waits; daily file; thread pinned",
        recommended: "README, \"Usage example\"",
        lacks: &[
            lack("text only", "README, \"TODOs\": \"fixed time and log formats\""),
            lack(
                "allocates in a call, and borrowed strings have to be cloned",
                "src/lib.rs `func: Box<dyn Fn() -> Cow<'static, str> + Send>`",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "quicklog",
        program: "quicklog",
        crates: &["quicklog"],
        most_producers: 1,
        configuration: "default queue of 1,000,000; flushed by a thread into a buffered file",
        recommended: "documentation, \"flush on separate thread\"; a Flush of one's own",
        lacks: &[
            lack("one thread logs", "README: \"single-threaded logging framework\""),
            lack("text only", "README, \"Utilising different flushing mechanisms\""),
            lack("drops when full, uncounted", "src/macros.rs `log!`: \"discards any errors\""),
            lack("allocates in a call", "src/lib.rs `Intermediate = (Instant, Box<dyn Display>)`"),
        ],
        ..USUAL
    },
    Entry {
        name: "spdlog-rs",
        program: "spdlog",
        crates: &["spdlog-rs"],
        configuration: "AsyncPoolSink, one thread, OverflowPolicy::Block, FileSink",
        recommended: "examples/07-async.rs",
        lacks: &[
            lack("text only", "README, \"sinks\""),
            lack("formats in the calling thread", "src/record.rs `payload: Cow<'a, str>`"),
        ],
        ..USUAL
    },
    Entry {
        name: "slog-async",
        program: "slog",
        crates: &["slog", "slog-async", "slog-term"],
        configuration: "OverflowStrategy::Block, channel of 8,192, FullFormat, buffered file",
        recommended: "documentation of slog-term, of AsyncBuilder",
        lacks: &[
            lack("text only", "slog-term"),
            lack(
                "formats in the calling thread",
                "lib.rs `AsyncRecord::from`: `fmt::format(*record.msg())`",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "tracing-appender",
        program: "tracing",
        crates: &["tracing", "tracing-subscriber", "tracing-appender"],
        configuration: "not lossy, default limit of lines, fmt subscriber without colours, \
                        buffered file",
        recommended: "README, \"Non-Blocking Writer\"",
        lacks: &[
            lack(
                "formats in the calling thread",
                "src/non_blocking.rs: sends `buf.to_vec()`, a formatted line",
            ),
            lack(
                "drops by default; a counter for the program, nothing in the file",
                "NonBlockingBuilder: \"By default, the built `NonBlocking` will be lossy\"",
            ),
            lack(
                "waits for at most a second when it ends",
                "src/non_blocking.rs `WorkerGuard::drop`",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "ftlog",
        program: "ftlog",
        crates: &["ftlog"],
        configuration: "feature tsc, bounded(100_000, true), UTC, FileAppender",
        recommended: "README, \"tsc\", \"Timezone\", the comments of its second example",
        lacks: &[
            lack("text only", "README, \"Default Log Format\""),
            lack(
                "drops by default",
                "src/lib.rs `bounded`: \"excessive log messages is discarded silently\"",
            ),
        ],
        ..USUAL
    },
    Entry {
        name: "flexi_logger",
        program: "flexi_logger",
        crates: &["flexi_logger"],
        configuration: "WriteMode::AsyncWith, pool of 8,192, detailed_format",
        recommended: "src/code_examples.md, \"Choose the write mode\"",
        lacks: &[
            lack("formats in the calling thread", "WriteMode::AsyncWith: \"Log lines are sent\""),
            lack("no bound on memory", "WriteMode::AsyncWith: \"through an unbounded channel\""),
        ],
        ..USUAL
    },
    Entry {
        name: "mutex + BufWriter",
        program: "mutex",
        configuration: "64 KiB, formatted in place",
        recommended: "what one writes without a logger",
        lacks: &[lack(
            "formats and writes in the calling thread, one at a time",
            "benches/peers/src/bin/mutex.rs",
        )],
        ..USUAL
    },
];

const KYMO_LACKS: &[Lack] = &[
    lack("needs its reader: the file is binary", "README, \"Why not kymo\""),
    lack("Linux only, 64-bit little-endian only", "README, \"Not guaranteed\""),
    lack("what the reader cannot render is formatted in place", "README, \"Why not kymo\""),
];

/// The version of a crate in this workspace's lock file.
pub fn version(name: &str) -> Option<&'static str> {
    let entry = format!("name = \"{name}\"\nversion = \"");
    let (_, rest) = LOCK.split_once(&entry)?;
    Some(rest.split_once('"')?.0)
}

const LOCK: &str = include_str!("../Cargo.lock");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ() {
        let mut names = ALL.iter().map(|entry| entry.name).collect::<Vec<_>>();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    /// Every crate has a version in the lock file.
    #[test]
    fn lock_file_has_a_version_per_crate() {
        for name in ALL.iter().flat_map(|entry| entry.crates) {
            assert!(version(name).is_some(), "{name}");
        }
    }

    /// Every entry says how it is set up and what it does not do.
    #[test]
    fn every_entry_is_complete() {
        for entry in ALL {
            assert!(!entry.configuration.is_empty(), "{}", entry.name);
            assert!(!entry.recommended.is_empty(), "{}", entry.name);
            assert!(!entry.lacks.is_empty(), "{}", entry.name);
            for Lack { claim, source } in entry.lacks {
                assert!(!claim.is_empty() && !source.is_empty(), "{}", entry.name);
            }
        }
    }
}
