//! Sinks that kymo has itself, before doubles of the services that they are for.

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use kymo::sink::{Journald, Json, Syslog};
use kymo::{Level, Overflow, error, info, warn};
use kymo_testing::logged::Turn;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{assert_settled, at};

/// A service that takes datagrams.
struct Double {
    socket: UnixDatagram,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

/// What it got in one datagram: bytes, and whether they came as a file.
struct Datagram {
    bytes: Vec<u8>,
    is_file: bool,
}

impl Double {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        Self { socket: UnixDatagram::bind(&path).unwrap(), path, _dir: dir }
    }

    fn next(&self) -> Datagram {
        let mut bytes = vec![0; 1 << 20];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut into = [IoSliceMut::new(&mut bytes)];
        let got = recvmsg(&self.socket, &mut into, &mut control, RecvFlags::empty()).unwrap();
        bytes.truncate(got.bytes);
        let mut is_file = false;
        for message in control.drain() {
            let RecvAncillaryMessage::ScmRights(files) = message else { continue };
            for file in files {
                assert!(bytes.is_empty() && !is_file);
                let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
                let all = rustix::fs::SealFlags::all();
                assert!(seals.contains(rustix::fs::SealFlags::WRITE & all), "{seals:?}");
                let mut file = std::fs::File::from(file);
                file.rewind().unwrap();
                file.read_to_end(&mut bytes).unwrap();
                is_file = true;
            }
        }
        Datagram { bytes, is_file }
    }
}

/// Message and field of 30,000 bytes, as text.
const LARGE_BYTES: usize = 300_000;

/// How long a datagram may be, about.
fn datagram_bytes() -> usize {
    let bytes = std::fs::read_to_string("/proc/sys/net/core/wmem_default").unwrap();
    bytes.trim().parse().unwrap()
}

/// The fields of an entry, by the rules of the native protocol.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| matches!(byte, b'=' | b'\n')).expect("a field");
        let name = std::str::from_utf8(&entry[..end]).unwrap().to_owned();
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(is_name));
        let is_binary = entry[end] == b'\n';
        entry = &entry[end + 1..];
        let len = if is_binary {
            let (len, rest) = entry.split_first_chunk::<8>().expect("a length");
            entry = rest;
            u64::from_le_bytes(*len) as usize
        } else {
            entry.iter().position(|byte| *byte == b'\n').expect("a line's end")
        };
        let value = String::from_utf8(entry[..len].to_vec()).unwrap();
        assert_eq!(entry[len], b'\n');
        entry = &entry[len + 1..];
        assert!(fields.insert(name, value).is_none());
    }
    fields
}

/// Fields have types' text, lines' ends are kept, and what is too large comes as a sealed file.
#[test]
fn journald_gets_fields() {
    let turn = Turn::take();
    let double = Double::new();
    let sink = Journald::at(&double.path, "shop").unwrap();
    let logger = turn.builder().sink(at(Level::Info), sink).start().unwrap();
    warn!(target: "risk", "position {} of {book}", -7, book = "f\nx=1");
    let line = line!() - 1;
    let large = vec![255_u8; 30_000];
    error!("{large:?}");
    info!("last");
    let entry = double.next();
    assert!(!entry.is_file);
    let entry = fields(&entry.bytes);
    let of = |name: &str| entry.get(name).map(String::as_str);
    assert_eq!(of("MESSAGE"), Some("position -7 of f\nx=1"));
    assert_eq!((of("PRIORITY"), of("SYSLOG_IDENTIFIER")), (Some("4"), Some("shop")));
    assert_eq!((of("TARGET"), of("F_BOOK")), (Some("risk"), Some("f\nx=1")));
    assert_eq!(of("CODE_LINE"), Some(&*line.to_string()));
    assert!(of("CODE_FILE").unwrap().ends_with("services.rs"));
    assert!(of("TIME_NS").unwrap().parse::<i64>().unwrap() > 1_600_000_000_000_000_000);
    assert!(of("TID").unwrap().parse::<u64>().is_ok());
    let entry = double.next();
    assert!(entry.is_file || datagram_bytes() > LARGE_BYTES);
    let entry = fields(&entry.bytes);
    assert_eq!((&entry["MESSAGE"], &*entry["PRIORITY"]), (&format!("{large:?}"), "3"));
    assert_eq!(fields(&double.next().bytes)["MESSAGE"], "last");
    let report = logger.shutdown();
    assert_eq!((report.sinks[0].delivered, report.sinks[0].errors), (3, 0), "{report:?}");
}

/// A service that is away costs records of the sink, and is used again when it is back.
#[test]
fn a_service_that_is_away_is_counted() {
    let turn = Turn::take();
    let double = Double::new();
    let sink = Journald::at(&double.path, "shop").unwrap();
    let syslog = Syslog::at(&double.path, "shop").unwrap();
    let builder = turn.builder().sink(at(Level::Info), sink).sink(at(Level::Warn), syslog);
    let logger = builder.start().unwrap();
    std::fs::remove_file(&double.path).unwrap();
    warn!("nobody hears this");
    while logger.stats().sinks.iter().any(|sink| sink.failed == 0) {
        std::thread::yield_now();
    }
    let again = UnixDatagram::bind(&double.path).unwrap();
    let double = Double { socket: again, ..double };
    info!("somebody hears this");
    assert_eq!(fields(&double.next().bytes)["MESSAGE"], "somebody hears this");
    let report = logger.shutdown();
    let [sink, syslog] = &report.sinks[..] else { panic!("{report:?}") };
    assert_eq!((sink.delivered, sink.failed), (1, 1), "{sink:?}");
    assert_eq!((syslog.delivered, syslog.failed), (0, 1), "{syslog:?}");
    assert!(sink.error.as_ref().unwrap().contains("No such file"), "{sink:?}");
    assert_settled(sink, &report);
}

/// A message of syslog, taken apart by the grammar of RFC 5424.
struct Message {
    priority: u8,
    program: String,
    data: BTreeMap<String, BTreeMap<String, String>>,
    text: String,
}

fn parse(bytes: &[u8]) -> Message {
    let text = std::str::from_utf8(bytes).unwrap();
    let rest = text.strip_prefix('<').unwrap();
    let (priority, rest) = rest.split_once(">1 ").unwrap();
    let mut words = rest.splitn(6, ' ');
    let time = words.next().unwrap();
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000000Z");
    let host = words.next().unwrap();
    assert!(!host.is_empty() && host.chars().all(|c| c.is_ascii_graphic()), "{host:?}");
    let program = words.next().unwrap().to_owned();
    assert_eq!(words.next().unwrap(), std::process::id().to_string());
    assert_eq!(words.next().unwrap(), "-");
    let mut chars = words.next().unwrap().chars().peekable();
    let mut data = BTreeMap::new();
    while chars.next_if_eq(&'[').is_some() {
        let word = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>, ends: &str| {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| !ends.contains(*c)) {
                word.push(c);
            }
            word
        };
        let id = word(&mut chars, " ]");
        let mut parameters = BTreeMap::new();
        while chars.next_if_eq(&' ').is_some() {
            let name = word(&mut chars, "=");
            assert!(name.len() <= 32 && name.chars().all(|c| c.is_ascii_graphic()));
            assert_eq!((chars.next(), chars.next()), (Some('='), Some('"')));
            let mut value = String::new();
            loop {
                match chars.next().unwrap() {
                    '"' => break,
                    '\\' => value.push(chars.next().filter(|c| "\"\\]".contains(*c)).unwrap()),
                    ']' => panic!("not escaped"),
                    c => value.push(c),
                }
            }
            assert!(parameters.insert(name, value).is_none());
        }
        assert_eq!(chars.next(), Some(']'));
        assert!(data.insert(id, parameters).is_none());
    }
    assert_eq!(chars.next(), Some(' '));
    Message { priority: priority.parse().unwrap(), program, data, text: chars.collect() }
}

/// Messages are of RFC 5424, with the arguments as structured data; nothing in them ends a line.
#[test]
fn syslog_gets_structured_data() {
    let turn = Turn::take();
    let double = Double::new();
    let sink = Syslog::at(&double.path, "my shop").unwrap().facility(16);
    let logger = turn.builder().sink(at(Level::Info), sink).start().unwrap();
    warn!(target: "ri]sk", "position {} of {book}", -7, book = "f\"x\\]\n\u{1b}");
    let large = vec![255_u8; 30_000];
    info!("{}{large:?}", "x".repeat(100));
    let large_two = vec!["ü".repeat(100); 100];
    error!("{large_two:?}");
    let message = parse(&double.next().bytes);
    assert_eq!((message.priority, &*message.program), (16 * 8 + 4, "my_shop"));
    assert_eq!(message.data["kymo@32473"]["target"], "ri]sk");
    assert!(message.data["kymo@32473"]["at"].contains("services.rs:"));
    assert!(message.data["fields@32473"]["book"].starts_with("f\"x\\]"));
    assert!(message.text.starts_with("position -7 of f\"x\\]"), "{}", message.text);
    assert!(!message.text.contains(char::is_control));
    // Too large for a datagram, or not: what arrives is a message.
    for priority in [16 * 8 + 6, 16 * 8 + 3] {
        let Datagram { bytes, .. } = double.next();
        let message = parse(&bytes);
        assert_eq!(message.priority, priority);
        let is_cut = message.text.ends_with(" [cut]");
        assert!(is_cut == (priority == 134) || datagram_bytes() > LARGE_BYTES, "{}", bytes.len());
    }
    let report = logger.shutdown();
    let sink = &report.sinks[0];
    assert_eq!((sink.delivered + sink.failed, sink.unseen), (3, 0), "{sink:?}");
    assert_eq!(sink.failed, 0, "{sink:?}");
}

/// Lines of JSON, through segments, with what was dropped.
#[test]
fn json_goes_anywhere() {
    let turn = Turn::take();
    let (mut reads, writes) = std::io::pipe().unwrap();
    let builder = turn.builder().ring_capacity(4 << 10).overflow(Overflow::DropNewest);
    let logger = builder.sink(at(Level::Info).backlog(u64::MAX), Json::new(writes)).start();
    let logger = logger.unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        reads.read_to_string(&mut text).unwrap();
        text
    });
    for number in 0..20_000_u64 {
        info!("record {number}", number = number);
    }
    let report = logger.shutdown();
    let text = reader.join().unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records = lines.iter().filter(|line| line["fields"]["number"].is_u64()).count();
    assert_eq!(records as u64, report.written);
    let drops = lines.iter().filter(|line| line["event"] == "drops");
    let dropped: u64 = drops.map(|line| line["records"].as_u64().unwrap()).sum();
    assert_eq!(dropped, report.dropped);
    assert_settled(&report.sinks[0], &report);
}
