//! Requests: a line of words, beginning with the version `kymo1`.
//!
//! | request | does |
//! | --- | --- |
//! | `kymo1 status` | says what the logger does |
//! | `kymo1 filter` | says which filter is in force |
//! | `kymo1 filter - net=trace` | sets the filter for good |
//! | `kymo1 filter 300000 net=trace` | sets it for so many milliseconds |
//! | `kymo1 filter - +net=trace` | adds directives to the filter in force |
//! | `kymo1 flush` | waits until all that was logged before is in the file |
//! | `kymo1 rotate` | goes on in the next segment |
//! | `kymo1 dump` | dumps the flight recorder |

use std::time::Duration;

use crate::clock::{monotonic_ns, nanoseconds};
use crate::filter::Filter;
use crate::remote::Facts;
use crate::remote::answer::{self, Failure, Kind, Object};
use crate::shared::Shared;

/// How long a flush may take.
const FLUSH_TIME: Duration = Duration::from_secs(10);

/// What is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Status,
    ShowFilter,
    SetFilter { directives: String, duration: Option<Duration> },
    Flush,
    Rotate,
    Dump,
}

fn bad(text: impl Into<String>) -> Failure {
    Failure::new(Kind::BadRequest, text)
}

impl Request {
    pub(super) fn parse(line: &[u8]) -> Result<Self, Failure> {
        let line = std::str::from_utf8(line).map_err(|_| bad("a request is UTF-8"))?;
        let Some(rest) = line.strip_prefix("kymo1 ") else {
            return Err(bad("a request begins with `kymo1`: use a `kymo` of this version"));
        };
        let (command, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let request = match command {
            "filter" if rest.is_empty() => return Ok(Self::ShowFilter),
            "filter" => return Self::parse_filter(rest),
            "status" => Self::Status,
            "flush" => Self::Flush,
            "rotate" => Self::Rotate,
            "dump" => Self::Dump,
            _ => {
                return Err(bad("there is no such command: status, filter, flush, rotate or dump"));
            }
        };
        if rest.is_empty() { Ok(request) } else { Err(bad("this command takes nothing more")) }
    }

    fn parse_filter(rest: &str) -> Result<Self, Failure> {
        let (duration, directives) = rest
            .split_once(' ')
            .ok_or_else(|| bad("a filter has a time, or `-`, and directives"))?;
        let duration = match duration {
            "-" => None,
            text => Some(Duration::from_millis(
                text.parse().map_err(|_| bad("a time is a number of milliseconds, or `-`"))?,
            )),
        };
        parse_directives(directives.strip_prefix('+').unwrap_or(directives))?;
        Ok(Self::SetFilter { directives: directives.to_owned(), duration })
    }

    /// Whether the answer may take its time.
    pub(super) fn may_wait(&self) -> bool {
        !matches!(self, Self::Status | Self::ShowFilter)
    }

    /// Does it, and returns the line that says so.
    pub(super) fn answer(self, shared: &Shared, facts: &Facts) -> String {
        let now_ns = monotonic_ns();
        let result = match self {
            Self::Status => Ok(answer::status(shared, facts, now_ns)),
            Self::ShowFilter => Ok(answer::filter(shared, now_ns).end()),
            Self::SetFilter { directives, duration } => set_filter(shared, &directives, duration),
            Self::Flush => flush(shared, now_ns),
            Self::Rotate => rotate(shared, facts),
            Self::Dump => dump(shared),
        };
        result.map_or_else(|failure| failure.to_line(), answer::done)
    }
}

fn parse_directives(text: &str) -> Result<Filter, Failure> {
    text.parse::<Filter>().map_err(|error| bad(error.to_string()))
}

/// Sets a filter, or adds to it.
fn set_filter(
    shared: &Shared,
    directives: &str,
    duration: Option<Duration>,
) -> Result<String, Failure> {
    let filter = match directives.strip_prefix('+') {
        // Of two directives for a target, the last one counts.
        Some(more) => parse_directives(&format!("{},{more}", shared.filter.filter()))?,
        None => parse_directives(directives)?,
    };
    shared.filter.command(filter, duration, monotonic_ns());
    Ok(answer::filter(shared, monotonic_ns()).end())
}

/// Waits until all that was logged before is in the file.
fn flush(shared: &Shared, now_ns: u64) -> Result<String, Failure> {
    let deadline_ns = now_ns.saturating_add(nanoseconds(FLUSH_TIME));
    let failures = shared.counters.log.output_errors.get();
    let as_of = shared.clock.now();
    // A sweep takes a part of what is there.
    loop {
        if !shared.control.request_sweep(Some(deadline_ns)) {
            let text = "the consumer did not answer: it waits for the disk, or has ended";
            return Err(Failure::new(Kind::Failed, text));
        }
        if shared.counters.complete.get() > as_of {
            break;
        }
    }
    if shared.counters.log.output_errors.get() > failures {
        let text = "the log could not be written meanwhile: what was lost is counted as dropped";
        return Err(Failure::new(Kind::Failed, text));
    }
    let stats = shared.counters.stats();
    let object = Object::new().raw("written", stats.total.written());
    Ok(object.raw("dropped", stats.total.dropped()).raw("file_bytes", stats.file_bytes).end())
}

fn rotate(shared: &Shared, facts: &Facts) -> Result<String, Failure> {
    if !facts.is_rotated {
        let text = "the log is one file: the program has to use `Builder::rotate`";
        return Err(Failure::new(Kind::Unsupported, text));
    }
    shared.rotate().map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
    Ok(Object::new().raw("segments", shared.counters.log.segments.get()).end())
}

fn dump(shared: &Shared) -> Result<String, Failure> {
    if shared.policies.flight.is_none() {
        let text = "there is no flight recorder: the program has to use `Builder::flight_recorder`";
        return Err(Failure::new(Kind::Unsupported, text));
    }
    Ok(Object::new().raw("records", shared.dump_flight_recorder()).end())
}
