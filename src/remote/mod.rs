//! Control of a running process: commands that come by a socket beside the log (`NAME.ctl`).
//!
//! In: requests of one line, from processes of this user or of root. Out: one line of JSON each.
//!
//! ```text
//!  kymo ctl ══ "kymo1 status\n" ══▶ thread kymo-control ── reads counters ──▶ {"ok":true,…}
//!                                      │ at most 32 connections, each at most 4 KiB and a second
//!                                      └─ what may wait (filter, flush, rotate, dump): a thread for it, at most 4
//! ```
//!
//! The thread never waits for anything but its sockets. So it answers while the consumer waits for the disk, and a
//! client that is slow, huge or one of many costs its own connection. The consumer is asked as by calls of
//! [`Logger`]; it knows nothing of sockets.
//!
//! [`Logger`]: crate::Logger

mod answer;
mod request;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use kymo_files::socket::{Listening, Place, SocketError, listen, path_of};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use crate::clock::{monotonic_ns, nanoseconds};
use crate::process::fork::Private;
use crate::process::own_thread;
use crate::process::thread_info::be_ordinary;
use crate::remote::answer::{Failure, Kind};
use crate::remote::request::Request;
use crate::shared::Shared;
use crate::sync::Arc;

/// How many connections there are at a time. The oldest makes room for the next.
const CONNECTIONS: usize = 32;

/// How long a request may be, in bytes.
const REQUEST_BYTES: usize = 4 << 10;

/// How long a client may take to send it.
const REQUEST_TIME: Duration = Duration::from_secs(1);

/// How many requests may wait for the consumer at a time.
const WORKERS: usize = 4;

/// How long the thread waits if there is no descriptor for another connection.
const SHORTAGE: Duration = Duration::from_millis(100);

/// The thread that answers. When this is dropped, it ends, and its socket goes.
pub(crate) struct Remote {
    wake: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    place: Place,
}

/// What answers need to know beside the counters.
#[derive(Clone)]
pub(crate) struct Facts {
    /// The path of the log.
    pub(crate) log: Arc<Path>,
    pub(crate) is_rotated: bool,
}

/// Begins to listen beside the log, whose lock the caller holds.
///
/// # Errors
/// If there can be no socket: its path, and why. If there can be no thread.
pub(crate) fn start(shared: Arc<Shared>, facts: Facts) -> Result<Remote, (Box<Path>, io::Error)> {
    let failed = |error: io::Error| (path_of(&facts.log).into_boxed_path(), error);
    let listening = listen(&facts.log).map_err(|error: SocketError| failed(error.into()))?;
    let (socket, place) = Listening::into_parts(listening);
    // The child of a fork closes it. Otherwise it would seem to listen after its parent has ended.
    let socket = Private::new(File::from(socket));
    let started = eventfd(0, EventfdFlags::CLOEXEC).map_err(io::Error::from).and_then(|wake| {
        let wake = Arc::new(wake);
        let (slots, its_wake, facts) = (Arc::new(()), wake.clone(), facts.clone());
        let server = Server { socket, wake: its_wake, shared, facts, slots, connections: vec![] };
        Ok((wake, own_thread::spawn("kymo-control", move || server.run())?))
    });
    match started {
        Ok((wake, thread)) => Ok(Remote { wake, thread: Some(thread), place }),
        Err(error) => {
            place.remove();
            Err(failed(error))
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.place.remove();
        // It wakes up by this, and waits for nothing.
        let _ = rustix::io::write(&*self.wake, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // The panic hook has reported a panic.
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Server {
    socket: Private,
    wake: Arc<OwnedFd>,
    shared: Arc<Shared>,
    facts: Facts,
    /// Counts the requests that wait: each has a clone.
    slots: Arc<()>,
    /// The oldest first.
    connections: Vec<Connection>,
}

/// A client that has not sent its whole request.
struct Connection {
    stream: OwnedFd,
    bytes: Vec<u8>,
    deadline_ns: u64,
}

/// What became of a connection.
enum Heard {
    /// More is to come.
    Part,
    /// The request, a line.
    Line(Vec<u8>),
    TooLong,
    Gone,
}

impl Server {
    fn run(mut self) {
        be_ordinary();
        let mut is_short = false;
        loop {
            let Some(ready) = self.wait(is_short) else { return };
            let (has_new, readable) = ready;
            // From the last, so that numbers stay right.
            for index in (0..self.connections.len()).rev() {
                if readable[index] {
                    self.hear(index);
                }
            }
            self.end_late();
            is_short = has_new && !self.accept();
        }
    }

    /// Waits until a client connects or sends something, or has taken too long. Returns whether one connects, and
    /// which have sent something; `None`: this is the end.
    fn wait(&self, is_short: bool) -> Option<(bool, Vec<bool>)> {
        let now_ns = monotonic_ns();
        let deadline_ns = self.connections.iter().map(|it| it.deadline_ns).min();
        let mut limit_ns = deadline_ns.map(|deadline_ns| deadline_ns.saturating_sub(now_ns));
        if is_short {
            limit_ns = Some(limit_ns.unwrap_or(u64::MAX).min(nanoseconds(SHORTAGE)));
        }
        let limit = limit_ns.map(|limit_ns| Timespec {
            tv_sec: (limit_ns / 1_000_000_000) as i64,
            tv_nsec: (limit_ns % 1_000_000_000) as i64,
        });
        let new = if is_short { PollFlags::empty() } else { PollFlags::IN };
        let mut polled = vec![
            PollFd::new(&*self.wake, PollFlags::IN),
            PollFd::from_borrowed_fd(std::os::fd::AsFd::as_fd(&*self.socket), new),
        ];
        polled.extend(self.connections.iter().map(|it| PollFd::new(&it.stream, PollFlags::IN)));
        match poll(&mut polled, limit.as_ref()) {
            Ok(_) => {}
            // Nothing is ready then.
            Err(Errno::INTR) => return Some((false, vec![false; self.connections.len()])),
            // There is no memory; the next look may find some.
            Err(_) => {
                std::thread::sleep(SHORTAGE);
                return Some((false, vec![false; self.connections.len()]));
            }
        }
        let is_ready = |it: &PollFd<'_>| !it.revents().is_empty();
        let end = is_ready(&polled[0]);
        let ready = (is_short || is_ready(&polled[1]), polled[2..].iter().map(is_ready).collect());
        (!end).then_some(ready)
    }

    /// Takes the connections that wait. Returns false if there is no descriptor for another.
    fn accept(&mut self) -> bool {
        // No more than fit: the others keep their places in the system's queue.
        for _ in 0..CONNECTIONS {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let stream = match accept_with(&*self.socket, flags) {
                Ok(stream) => stream,
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => return false,
                // There is none, or it has gone.
                Err(_) => return true,
            };
            if !is_allowed(&stream) {
                let text = "this user may not control the process: ask as its user, or as root";
                say(&stream, &Failure::new(Kind::Denied, text).to_line());
                continue;
            }
            if self.connections.len() == CONNECTIONS {
                let oldest = self.connections.remove(0);
                say(&oldest.stream, &too_many("connections").to_line());
            }
            let deadline_ns = monotonic_ns().saturating_add(nanoseconds(REQUEST_TIME));
            self.connections.push(Connection { stream, bytes: Vec::new(), deadline_ns });
            // Most have sent their request at once.
            self.hear(self.connections.len() - 1);
        }
        true
    }

    /// Reads what a client has sent, and answers if that is its request.
    fn hear(&mut self, index: usize) {
        let line = match self.connections[index].hear() {
            Heard::Part => return,
            Heard::Gone => {
                self.connections.remove(index);
                return;
            }
            Heard::TooLong => Err(Failure::new(
                Kind::BadRequest,
                "a request is one line of at most 4096 bytes: send less",
            )),
            Heard::Line(line) => Ok(line),
        };
        let Connection { stream, .. } = self.connections.remove(index);
        match line.and_then(|line| Request::parse(&line)) {
            Ok(request) if request.may_wait() => self.answer_elsewhere(stream, request),
            Ok(request) => say(&stream, &request.answer(&self.shared, &self.facts)),
            Err(failure) => say(&stream, &failure.to_line()),
        }
    }

    /// Answers in a thread that may wait.
    fn answer_elsewhere(&self, stream: OwnedFd, request: Request) {
        let slot = self.slots.clone();
        // This thread alone makes clones, so that there are no more than it sees.
        if Arc::strong_count(&slot) > WORKERS + 1 {
            say(&stream, &too_many("requests").to_line());
            return;
        }
        let (shared, facts) = (self.shared.clone(), self.facts.clone());
        let run = move || {
            be_ordinary();
            say(&stream, &request.answer(&shared, &facts));
            drop(slot);
        };
        // If there is no thread to be had, the client sees the end of its connection.
        let _ = own_thread::spawn("kymo-command", run);
    }

    /// Ends connections that have taken too long.
    fn end_late(&mut self) {
        let now_ns = monotonic_ns();
        for late in self.connections.extract_if(.., |it| it.deadline_ns <= now_ns) {
            let text = "there was no whole line within a second: send one at once";
            say(&late.stream, &Failure::new(Kind::BadRequest, text).to_line());
        }
    }
}

impl Connection {
    fn hear(&mut self) -> Heard {
        let mut piece = [0; REQUEST_BYTES];
        let read = match recv(&self.stream, &mut piece, RecvFlags::DONTWAIT) {
            Ok((0, _)) => return Heard::Gone,
            Ok((read, _)) => read,
            Err(Errno::AGAIN | Errno::INTR) => return Heard::Part,
            Err(_) => return Heard::Gone,
        };
        self.bytes.extend_from_slice(&piece[..read]);
        match self.bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) if end < REQUEST_BYTES => {
                self.bytes.truncate(end);
                Heard::Line(std::mem::take(&mut self.bytes))
            }
            None if self.bytes.len() < REQUEST_BYTES => Heard::Part,
            _ => Heard::TooLong,
        }
    }
}

/// Whether a client is of this user, or of root.
fn is_allowed(stream: &OwnedFd) -> bool {
    let me = rustix::process::geteuid();
    let peer = rustix::net::sockopt::socket_peercred(stream);
    peer.is_ok_and(|peer| peer.uid == me || peer.uid.is_root())
}

/// There are as many as there may be.
fn too_many(what: &str) -> Failure {
    Failure::new(Kind::Busy, format!("there are too many {what}: try again later"))
}

/// Sends an answer, which fits into the socket's buffer, and waits for nothing.
fn say(stream: &OwnedFd, line: &str) {
    let mut rest = line.as_bytes();
    while let Ok(sent) = send(stream, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        rest = &rest[sent..];
        if rest.is_empty() || sent == 0 {
            return;
        }
    }
}
