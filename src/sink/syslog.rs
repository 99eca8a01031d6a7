//! syslog, by RFC 5424: a datagram of text to the socket of the local daemon.
//!
//! Not the crate for it: it takes the time and the name of the host from more crates, and has no structured data of
//! records.

use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use kymo_reader::write_escaped;
use rustix::io::Errno;

use crate::level::Level;
use crate::segments::civil_from_days;
use crate::sink::{Mark, Outcome, Record, Sink, loss, priority};

/// Where the daemon listens.
const SOCKET: &str = "/dev/log";

/// How long a message is, at most, that was too long for the socket.
const CUT_BYTES: usize = 8 << 10;

/// The facility of programs of users.
const USER: u8 = 1;

/// How long the name of a parameter may be.
const NAME_BYTES: usize = 32;

/// Sends records to the local syslog daemon, as RFC 5424 has them. Needs the feature `syslog`.
///
/// ```text
/// <12>1 2026-11-30T05:57:00.123456Z host app 4711 - [kymo@32473 target="risk" thread="main" at="src/risk.rs:7"]
/// [fields@32473 book="fx"] position -7 of fx
/// ```
///
/// (On one line.) Arguments with names are in `fields@32473`, as `{}` prints them. Control characters are escaped. A
/// message that is too long for the socket is cut to 8 KiB, and ends with `[cut]`. Skipped records and drops are
/// messages, too. If the daemon is away, records fail and are counted
/// ([`SinkStats::failed`](crate::SinkStats::failed)).
///
/// ```no_run
/// use kymo::sink::Syslog;
/// use kymo::{Level, Logger};
///
/// // Facility 3: daemons.
/// let syslog = Syslog::new("app")?.facility(3);
/// let logger = Logger::builder("app.kymo").sink(Level::Warn, syslog).start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
    facility: u8,
    /// From after the time to before the structured data.
    head: String,
    line: String,
    text: String,
}

impl Syslog {
    /// Makes a sink for the daemon of this machine, at `/dev/log`. `program`: the name of the program.
    ///
    /// # Errors
    /// If nobody listens there, or no socket can be made.
    pub fn new(program: &str) -> io::Result<Self> {
        let sink = Self::at(SOCKET, program)?;
        // Whether somebody listens.
        UnixDatagram::unbound()?.connect(SOCKET)?;
        Ok(sink)
    }

    /// Makes a sink for a datagram socket at this path. Nobody need listen there yet.
    ///
    /// # Errors
    /// If no socket can be made.
    pub fn at(socket: impl Into<PathBuf>, program: &str) -> io::Result<Self> {
        let host = rustix::system::uname();
        let host = word(&host.nodename().to_string_lossy(), 255);
        let head = format!(" {host} {} {} - ", word(program, 48), std::process::id());
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path: socket.into(),
            facility: USER,
            head,
            line: String::new(),
            text: String::new(),
        })
    }

    /// Sets the facility, from 0 to 23: 3 for daemons, 16 to 23 for local use. Default: 1, for programs of users.
    pub fn facility(mut self, number: u8) -> Self {
        self.facility = number.min(23);
        self
    }

    /// Begins a line: priority, time, host, program.
    fn begin(&mut self, level: Level, time_ns: i64) {
        let (facility, severity) = (u16::from(self.facility), u16::from(priority(level)));
        self.line.clear();
        let _ = write!(self.line, "<{}>1 ", facility * 8 + severity);
        write_time(time_ns, &mut self.line);
        self.line.push_str(&self.head);
    }

    /// Appends the message, and sends the line.
    fn send(&mut self) -> io::Result<()> {
        self.line.push(' ');
        let begins_at = self.line.len();
        write_escaped(&self.text, &mut self.line);
        match self.try_send() {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {
                let end = self.line.len().min(begins_at + CUT_BYTES);
                let end = (begins_at..=end).rfind(|at| self.line.is_char_boundary(*at));
                self.line.truncate(end.unwrap_or(begins_at));
                self.line.push_str(" [cut]");
                self.try_send()
            }
            sent => sent,
        }
    }

    fn try_send(&self) -> io::Result<()> {
        loop {
            match self.socket.send_to(self.line.as_bytes(), &self.path) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

impl Sink for Syslog {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        self.begin(record.level(), record.time_ns());
        let line = &mut self.line;
        line.push_str("[kymo@32473");
        parameter(line, "target", record.target());
        parameter(line, "thread", record.thread().name());
        parameter(line, "at", &format!("{}:{}", record.file(), record.line()));
        line.push(']');
        let mut has_fields = false;
        for (name, value) in record.arguments().filter(|(name, _)| !name.is_empty()) {
            if !has_fields {
                line.push_str("[fields@32473");
                has_fields = true;
            }
            self.text.clear();
            let _ = write!(self.text, "{value}");
            parameter(line, name, &self.text);
        }
        if has_fields {
            line.push(']');
        }
        self.text.clear();
        record.message(&mut self.text);
        Ok(self.send()?)
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        let Some(text) = loss(mark) else { return Ok(()) };
        self.text = text;
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        self.begin(Level::Warn, now.as_nanos() as i64);
        self.line.push_str("[kymo@32473 target=\"kymo\"]");
        Ok(self.send()?)
    }
}

/// Appends a parameter of structured data.
fn parameter(line: &mut String, name: &str, value: &str) {
    line.push(' ');
    line.push_str(&word(name, NAME_BYTES));
    line.push_str("=\"");
    let mut escaped = String::with_capacity(value.len());
    write_escaped(value, &mut escaped);
    for char in escaped.chars() {
        if matches!(char, '"' | '\\' | ']') {
            line.push('\\');
        }
        line.push(char);
    }
    line.push('"');
}

/// A name, of printable ASCII without what ends one; `-` if nothing is left.
fn word(text: &str, most: usize) -> String {
    let plain = |char: char| match char {
        '=' | ']' | '"' => '_',
        _ if char.is_ascii_graphic() => char,
        _ => '_',
    };
    let word: String = text.chars().map(plain).take(most).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// Appends a time in UTC, to the microsecond.
fn write_time(time_ns: i64, line: &mut String) {
    const DAY_S: i64 = 86_400;
    let (seconds, ns) = (time_ns.div_euclid(1_000_000_000), time_ns.rem_euclid(1_000_000_000));
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let us = ns / 1_000;
    let _ =
        write!(line, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_rfc_3339() {
        let time = |time_ns| {
            let mut line = String::new();
            write_time(time_ns, &mut line);
            line
        };
        assert_eq!(time(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(1_785_477_600_123_456_789), "2026-07-31T06:00:00.123456Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59.999999Z");
    }

    #[test]
    fn names_are_printable() {
        assert_eq!(word("a b=\"]ü", 32), "a_b____");
        assert_eq!((word("", 32), word("abcdef", 3)), ("-".to_owned(), "abc".to_owned()));
    }
}
