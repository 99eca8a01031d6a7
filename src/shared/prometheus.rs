//! The numbers of a running logger as Prometheus scrapes them.
//!
//! Text exposition format 0.0.4: for each metric a line `# HELP`, a line `# TYPE`, and its samples. Names have their
//! base unit, and `_total` if they are counters. Each pair of labels is in the text once, and counters are there from
//! 0 on: a rate sees the first drop.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};
use std::time::Duration;

use crate::drop_reason::DropReason;
use crate::level::Level;
use crate::shared::stats::{Account, LogStats, SinkStats, Stats, ThreadStats};

/// The media type of the text, for the header `Content-Type`.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Stats {
    /// What an HTTP server says in its header `Content-Type` when it answers with
    /// [`to_prometheus`](Self::to_prometheus).
    pub const PROMETHEUS_CONTENT_TYPE: &'static str = CONTENT_TYPE;

    /// Returns all numbers as text for Prometheus, in its text exposition format 0.0.4.
    ///
    /// Serve it over HTTP at `/metrics`; the program `examples/metrics.rs` does so. Seconds and bytes are the units.
    /// The metrics of a thread have the labels `thread`, its name, and `tid`, its number; they go with the thread. The
    /// sums do not.
    ///
    /// Counters begin at 0 when a logger starts, which Prometheus takes as a restart. So it does if the log is removed
    /// while the logger runs, because what was written counts as dropped then. The text takes some 10 kB, and 500 bytes
    /// for each thread.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("kymo-prometheus-{}.kymo", std::process::id()));
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::warn!("the gate is {}", "open");
    /// logger.flush();
    /// let text = logger.stats().to_prometheus();
    /// assert!(text.contains("\nkymo_written_records_total{level=\"warn\"} 1\n"));
    /// # drop(logger);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut page = Page::default();
        self.records(&mut page);
        self.consumer(&mut page);
        self.log(&mut page);
        self.console(&mut page);
        self.sinks(&mut page);
        self.rings(&mut page);
        self.routed_logs(&mut page);
        page.text
    }

    /// What became of records.
    fn records(&self, page: &mut Page) {
        page.begin(COUNTER, "written_records_total", "Records in the log.");
        for level in Level::ALL {
            page.sample(&[("level", level.name())], self.total.written_at(level));
        }
        page.begin(COUNTER, "dropped_records_total", "Records that were dropped, by reason.");
        let drops: BTreeMap<_, _> = self
            .total
            .drops()
            .map(|(reason, level, count)| ((reason.code(), level), count))
            .collect();
        for reason in DropReason::KNOWN {
            for level in Level::ALL {
                let labels =
                    [("reason", reason.name().unwrap_or_default()), ("level", level.name())];
                let count = drops.get(&(reason.code(), level)).copied();
                page.sample(&labels, count.unwrap_or_default());
            }
        }
        page.counter(
            "unlogged_calls_total",
            "Calls of the process that were not logged, from before the logger started, too.",
            self.unlogged,
        );
        page.counter(
            "written_bytes_total",
            "Bytes that the written records took in the rings.",
            self.total.bytes(),
        );
        page.counter(
            "rescued_records_total",
            "Critical records that their threads wrote into the side file.",
            self.rescued,
        );
        page.counter("dumps_total", "Dumps of the flight recorder.", self.dumps);
        page.counter("dumped_records_total", "Records that dumps wrote.", self.dumped);
    }

    /// What the consumer has done.
    fn consumer(&self, page: &mut Page) {
        page.counter("sweeps_total", "Sweeps over all rings.", self.sweeps);
        page.counter(
            "consumer_busy_seconds_total",
            "How long the consumer has worked.",
            Seconds(self.busy),
        );
        page.counter(
            "consumer_running_seconds_total",
            "How long the consumer has run.",
            Seconds(self.running),
        );
        page.gauge(
            "lag_seconds",
            "Age of the oldest record of the last sweep when it was written.",
            Seconds(self.lag),
        );
        page.gauge("max_lag_seconds", "The largest lag so far.", Seconds(self.max_lag));
    }

    /// What is in files, and what failed.
    fn log(&self, page: &mut Page) {
        page.counter(
            "suppressed_records_total",
            "Records that statements with a rate have suppressed.",
            self.suppressed,
        );
        page.gauge("file_bytes", "Length of the current file.", self.file_bytes);
        page.counter(
            "output_errors_total",
            "Sweeps that could not be written.",
            self.output_errors,
        );
        page.counter(
            "sync_errors_total",
            "Failures to bring the file to the disk.",
            self.sync_errors,
        );
        page.gauge(
            "synced_timestamp_seconds",
            "When the log was last brought to the disk, 0 if never.",
            Seconds(Duration::from_nanos(self.synced_ns.try_into().unwrap_or_default())),
        );
        page.counter(
            "ring_file_errors_total",
            "Rings and statements whose records do not survive SIGKILL.",
            self.ring_file_errors,
        );
        page.counter(
            "ring_errors_total",
            "Times that there was no memory for a ring.",
            self.ring_errors,
        );
        page.counter("segments_total", "Segments begun.", self.segments);
        page.counter(
            "late_segments_total",
            "Segments that exceeded their limits, because the next one was not ready.",
            self.segments_late,
        );
        page.counter(
            "limit_exceeded_total",
            "Times that the log may have exceeded its limit in bytes.",
            self.limit_exceeded,
        );
        page.counter(
            "deleted_segments_total",
            "Segments deleted by limits.",
            self.segments_deleted,
        );
        page.counter(
            "deleted_bytes_total",
            "Bytes that they took on the disk.",
            self.bytes_deleted,
        );
        page.counter("compressed_segments_total", "Segments compressed.", self.segments_compressed);
        page.counter("saved_bytes_total", "Bytes saved by compression.", self.bytes_saved);
        page.counter(
            "rotation_errors_total",
            "Failures to make, finish, compress or delete a segment.",
            self.rotation_errors,
        );
    }

    /// What the console has done.
    fn console(&self, page: &mut Page) {
        page.counter(
            "console_shown_records_total",
            "Records that the console has shown or hides by choice.",
            self.console_shown,
        );
        page.counter(
            "console_skipped_records_total",
            "Records that the console has skipped; the log has them.",
            self.console_skipped,
        );
        page.counter("console_errors_total", "Failures of the console.", self.console_errors);
    }

    /// The sinks. Their names are unique.
    fn sinks(&self, page: &mut Page) {
        let metrics: [SinkMetric; 6] = [
            ("sink_delivered_records_total", "Records that the sink has taken.", |it| it.delivered),
            ("sink_left_out_records_total", "Records not for the sink, by choice.", |it| {
                it.left_out
            }),
            ("sink_skipped_records_total", "Records skipped, as the sink was late.", |it| {
                it.skipped
            }),
            ("sink_failed_records_total", "Records that the sink failed to take.", |it| it.failed),
            ("sink_errors_total", "Failures of the sink, panics included.", |it| it.errors),
            ("sink_panics_total", "Panics of the sink.", |it| it.panics),
        ];
        for (name, help, value) in metrics {
            page.begin(COUNTER, name, help);
            for sink in &self.sinks {
                page.sample(&[("sink", &sink.name)], value(sink));
            }
        }
    }

    /// The logs that routes lead to.
    fn routed_logs(&self, page: &mut Page) {
        // Paths that are not UTF-8 may look the same: of these the last one is shown.
        let logs: BTreeMap<String, &LogStats> =
            self.logs.iter().map(|log| (log.path.display().to_string(), log)).collect();
        let by_level: [LevelMetric; 2] = [
            ("routed_written_records_total", "Records in the routed log.", |log, level| {
                log.total.written_at(level)
            }),
            ("routed_dropped_records_total", "Dropped records of the routed log.", |log, level| {
                log.total.dropped_at(level)
            }),
        ];
        for (name, help, value) in by_level {
            page.begin(COUNTER, name, help);
            for (path, log) in &logs {
                for level in Level::ALL {
                    page.sample(&[("log", path), ("level", level.name())], value(log, level));
                }
            }
        }
        let others: [LogMetric; 6] = [
            (GAUGE, "routed_file_bytes", "Length of the routed log's file.", |log| log.file_bytes),
            (
                COUNTER,
                "routed_output_errors_total",
                "Sweeps not written to the routed log.",
                |log| log.output_errors,
            ),
            (COUNTER, "routed_sync_errors_total", "Failures to sync the routed log.", |log| {
                log.sync_errors
            }),
            (COUNTER, "routed_segments_total", "Segments of the routed log.", |log| log.segments),
            (COUNTER, "routed_deleted_segments_total", "Deleted ones of these.", |log| {
                log.segments_deleted
            }),
            (
                COUNTER,
                "routed_rotation_errors_total",
                "Failures to rotate the routed log.",
                |log| log.rotation_errors,
            ),
        ];
        for (kind, name, help, value) in others {
            page.begin(kind, name, help);
            for (path, log) in &logs {
                page.sample(&[("log", path)], value(log));
            }
        }
    }

    /// The threads and their rings.
    fn rings(&self, page: &mut Page) {
        // A thread that has just ended may have the name and the number of another one. Two samples with the same
        // labels would make the text invalid, so they become one.
        let mut threads: BTreeMap<(&str, u64), Ring> = BTreeMap::new();
        for thread in &self.threads {
            threads.entry((&thread.name, thread.os_id)).or_default().add(thread);
        }
        let metrics: [Metric; 5] = [
            (GAUGE, "ring_used_bytes", "Bytes that the last sweep found in the ring.", |it| {
                it.used
            }),
            (GAUGE, "ring_high_water_bytes", "The most bytes found in the ring at once.", |it| {
                it.high_water
            }),
            (GAUGE, "ring_capacity_bytes", "Capacity of the ring.", |it| it.capacity),
            (COUNTER, "thread_written_records_total", "Records of the thread in the log.", |it| {
                it.account.written()
            }),
            (COUNTER, "thread_dropped_records_total", "Dropped records of the thread.", |it| {
                it.account.dropped()
            }),
        ];
        for (kind, name, help, value) in metrics {
            page.begin(kind, name, help);
            for ((thread, os_id), ring) in &threads {
                page.sample(&[("thread", thread), ("tid", &os_id.to_string())], value(ring));
            }
        }
    }
}

/// A metric of threads: kind, name, help, value.
type Metric = (&'static str, &'static str, &'static str, fn(&Ring) -> u64);

/// A counter of routed logs by level: name, help, value.
type LevelMetric = (&'static str, &'static str, fn(&LogStats, Level) -> u64);

/// A metric of routed logs: kind, name, help, value.
type LogMetric = (&'static str, &'static str, &'static str, fn(&LogStats) -> u64);

/// A counter of sinks: name, help, value.
type SinkMetric = (&'static str, &'static str, fn(&SinkStats) -> u64);

/// The numbers of the threads with one name and one number.
#[derive(Default)]
struct Ring {
    used: u64,
    high_water: u64,
    capacity: u64,
    account: Account,
}

impl Ring {
    fn add(&mut self, thread: &ThreadStats) {
        self.used += thread.ring_used as u64;
        self.high_water += thread.ring_high_water as u64;
        self.capacity += thread.ring_capacity as u64;
        self.account.add(&thread.account);
    }
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// The text, while it is written.
#[derive(Default)]
struct Page {
    text: String,
    /// The metric that was begun last.
    name: &'static str,
}

impl Page {
    /// Begins a metric. `help` needs no escapes: it is kymo's own.
    fn begin(&mut self, kind: &str, name: &'static str, help: &str) {
        self.write(format_args!("# HELP kymo_{name} {help}\n# TYPE kymo_{name} {kind}\n"));
        self.name = name;
    }

    /// Writes a sample of the metric that was begun last.
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let name = self.name;
        self.write(format_args!("kymo_{name}"));
        let mut before = '{';
        for (label, text) in labels {
            self.write(format_args!("{before}{label}=\"{}\"", Escaped(text)));
            before = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        self.write(format_args!("{end} {value}\n"));
    }

    fn counter(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.begin(COUNTER, name, help);
        self.sample(&[], value);
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.begin(GAUGE, name, help);
        self.sample(&[], value);
    }

    /// Writes text. A string takes all.
    fn write(&mut self, text: fmt::Arguments<'_>) {
        let _ = self.text.write_fmt(text);
    }
}

/// A value of a label, as the format writes it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// A duration in seconds, exact.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}
