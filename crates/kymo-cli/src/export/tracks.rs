//! The numbers by which a trace knows processes and threads.
//!
//! They are those of the operating system where these are known and tell the threads apart. They do
//! not where it gave the number of a thread that had ended to another one, or where the files come
//! from several machines. Then they are made up, from beyond the highest that Linux gives.

use std::collections::{HashMap, HashSet};

use kymo_reader::{Header, Thread};

/// Linux gives no number as high as this to a process or a thread.
const FIRST_MADE_UP: u32 = 1 << 22;

/// Gives numbers to processes and threads.
#[derive(Default)]
pub struct Tracks {
    processes: HashMap<ProcessKey, u32>,
    threads: HashMap<ThreadKey, u32>,
    taken_processes: HashSet<u32>,
    taken_threads: HashSet<u32>,
    made_up: u32,
}

/// What tells processes apart.
#[derive(PartialEq, Eq, Hash)]
enum ProcessKey {
    Known {
        host: String,
        boot: [u8; 16],
        process: u32,
    },
    /// The header of this file was lost.
    OfFile(usize),
}

/// What tells the threads of a process apart.
#[derive(PartialEq, Eq, Hash)]
enum ThreadKey {
    Known { process: u32, os_id: u64, name: String },
    OfFile { file: usize, number: u64 },
}

impl Tracks {
    /// The number of the process that wrote file number `file`, and whether it is new.
    pub fn process(&mut self, file: usize, header: &Header) -> (u32, bool) {
        let key = match header.process {
            0 => ProcessKey::OfFile(file),
            process => ProcessKey::Known { host: header.host.clone(), boot: header.boot, process },
        };
        if let Some(&number) = self.processes.get(&key) {
            return (number, false);
        }
        let wanted = u64::from(header.process);
        let number = choose(wanted, &mut self.taken_processes, &mut self.made_up);
        self.processes.insert(key, number);
        (number, true)
    }

    /// The number of a thread of file number `file`, which `process` wrote, and whether it is new.
    pub fn thread(&mut self, file: usize, process: u32, thread: &Thread) -> (u32, bool) {
        let key = match thread.os_id() {
            Some(os_id) => ThreadKey::Known { process, os_id, name: thread.name().to_owned() },
            None => ThreadKey::OfFile { file, number: thread.number() },
        };
        if let Some(&number) = self.threads.get(&key) {
            return (number, false);
        }
        let wanted = thread.os_id().unwrap_or(0);
        let number = choose(wanted, &mut self.taken_threads, &mut self.made_up);
        self.threads.insert(key, number);
        (number, true)
    }
}

/// The number that is wanted, if it is one and nobody has it.
fn choose(wanted: u64, taken: &mut HashSet<u32>, made_up: &mut u32) -> u32 {
    match u32::try_from(wanted) {
        Ok(wanted) if (1..FIRST_MADE_UP).contains(&wanted) && taken.insert(wanted) => wanted,
        _ => {
            *made_up = made_up.wrapping_add(1);
            FIRST_MADE_UP.wrapping_add(*made_up)
        }
    }
}
