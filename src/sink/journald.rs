//! journald, by its native protocol: a datagram of fields to its socket.
//!
//! A field is `NAME=value\n`; or `NAME\n`, the length in 8 bytes and the value, if that has a line's end. What does not
//! fit into a datagram goes as a sealed file in memory, whose descriptor is sent.
//!
//! Not one of the crates for it: they take records of the crate `log`, or text, and none takes another socket.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix};

use crate::level::Level;
use crate::sink::{Mark, Outcome, Record, Sink, loss, priority};

/// Where journald listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long the name of a field may be.
const NAME_BYTES: usize = 64;

/// Sends records to journald, with their arguments as fields. Needs the feature `journald`.
///
/// | field | has |
/// | --- | --- |
/// | `MESSAGE` | the message |
/// | `PRIORITY` | 3 for errors, 4 for warnings, 6 for information, 7 for the rest |
/// | `SYSLOG_IDENTIFIER` | the name of the program |
/// | `TARGET`, `CODE_MODULE`, `CODE_FILE`, `CODE_LINE` | target and place of the statement |
/// | `THREAD`, `TID` | name and number of the thread |
/// | `TIME_NS` | when it was logged, in nanoseconds since 1970 |
/// | `SPAN` | the names of the spans that it was logged in |
/// | `F_NAME` | the argument `name`, as `{}` prints it |
///
/// Skipped records and drops are entries, too. If journald is away, records fail and are counted
/// ([`SinkStats::failed`](crate::SinkStats::failed)), until it is back. If it is slow, the sink is.
///
/// ```no_run
/// use kymo::sink::Journald;
/// use kymo::{Level, Logger};
///
/// let logger = Logger::builder("app.kymo").sink(Level::Info, Journald::new("app")?).start()?;
/// kymo::warn!(target: "risk", "position {} of {book}", -7, book = "fx");
/// // journalctl -t app F_BOOK=fx
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Journald {
    socket: UnixDatagram,
    path: PathBuf,
    identifier: String,
    entry: Vec<u8>,
    text: String,
}

impl Journald {
    /// Makes a sink for the journald of this machine. `identifier`: the name of the program.
    ///
    /// # Errors
    /// If there is no journald, or no socket can be made.
    pub fn new(identifier: impl Into<String>) -> io::Result<Self> {
        let sink = Self::at(SOCKET, identifier)?;
        // An empty entry is ignored: it says whether somebody listens.
        sink.socket.send_to(b"", SOCKET)?;
        Ok(sink)
    }

    /// Makes a sink for a socket at this path. Nobody need listen there yet.
    ///
    /// # Errors
    /// If no socket can be made.
    pub fn at(socket: impl Into<PathBuf>, identifier: impl Into<String>) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::unbound()?,
            path: socket.into(),
            identifier: identifier.into(),
            entry: Vec::new(),
            text: String::new(),
        })
    }

    /// Begins an entry with the message that is in `text`.
    fn begin(&mut self, priority: u8) {
        self.entry.clear();
        put(&mut self.entry, "MESSAGE", &self.text);
        put(&mut self.entry, "PRIORITY", &priority.to_string());
        put(&mut self.entry, "SYSLOG_IDENTIFIER", &self.identifier);
    }

    /// Sends the entry.
    fn send(&self) -> io::Result<()> {
        loop {
            match self.socket.send_to(&self.entry, &self.path) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::MSGSIZE | Errno::NOBUFS) => return self.send_file(),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Sends the entry as a file in memory.
    fn send_file(&self) -> io::Result<()> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let mut file = File::from(memfd_create("kymo-journal", flags)?);
        file.write_all(&self.entry)?;
        // journald takes no file that could still change.
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Errno::NOBUFS.into());
        }
        let to = SocketAddrUnix::new(&*self.path)?;
        let flags = SendFlags::NOSIGNAL;
        rustix::net::sendmsg_addr(&self.socket, &to, &[], &mut control, flags)?;
        Ok(())
    }
}

impl Sink for Journald {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        self.text.clear();
        record.message(&mut self.text);
        self.begin(priority(record.level()));
        let entry = &mut self.entry;
        put(entry, "TARGET", record.target());
        put(entry, "CODE_MODULE", record.module());
        put(entry, "CODE_FILE", record.file());
        put(entry, "CODE_LINE", &record.line().to_string());
        put(entry, "THREAD", record.thread().name());
        if let Some(os_id) = record.thread().os_id() {
            put(entry, "TID", &os_id.to_string());
        }
        put(entry, "TIME_NS", &record.time_ns().to_string());
        if !record.spans().is_empty() {
            let names: Vec<_> = record.spans().iter().map(|span| span.name()).collect();
            put(entry, "SPAN", &names.join(":"));
        }
        for (name, value) in record.arguments().filter(|(name, _)| !name.is_empty()) {
            self.text.clear();
            let _ = write!(self.text, "{value}");
            put(entry, &field_name(name), &self.text);
        }
        Ok(self.send()?)
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        let Some(text) = loss(mark) else { return Ok(()) };
        self.text = text;
        self.begin(priority(Level::Warn));
        put(&mut self.entry, "TARGET", "kymo");
        Ok(self.send()?)
    }
}

/// Appends a field.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

/// The name of the field for an argument: capitals, digits and underscores.
fn field_name(name: &str) -> String {
    let plain =
        |char: char| if char.is_ascii_alphanumeric() { char.to_ascii_uppercase() } else { '_' };
    "F_".chars().chain(name.chars().map(plain)).take(NAME_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_journald_takes() {
        assert_eq!(field_name("book"), "F_BOOK");
        assert_eq!(field_name("a.b-ü"), "F_A_B__");
        assert_eq!(field_name(&"x".repeat(100)).len(), 64);
    }
}
