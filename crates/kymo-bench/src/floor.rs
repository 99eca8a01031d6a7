//! The floor: the least that a logger of this kind has to do, and nothing else.
//!
//! A call reads the counter, writes a record into a ring of fixed slots (2 words without
//! arguments), and publishes it with a release store. A consumer looks at the rings at kymo's pace
//! and copies the records out, if asked to into a file. No levels, no call sites, no thread-local,
//! no lengths, no strings but those of 8 and of 64 bytes; where the ring is full it spins.
//!
//! A slot has 5 words, as a record of three arguments, unless it is told otherwise: 10 for a string of
//! 64 bytes, or 3 for one argument alone. (Of more only the first is copied: as much as kymo's records
//! take in the file.)
//!
//! What a call of kymo costs beyond this is the price of being a logger.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::messages::Producer;
use crate::{counter, place};

/// As many slots as fit into a ring of kymo's default capacity.
const fn slots(words: usize) -> usize {
    (1 << 20) / (words * 8)
}

/// Keeps what one thread writes off the cache lines that the other one writes.
#[repr(align(128))]
struct Padded(AtomicU64);

struct Ring<const WORDS: usize> {
    slots: Box<[[AtomicU64; WORDS]]>,
    /// How many records were published. Written by the producer.
    tail: Padded,
    /// How many were taken. Written by the consumer.
    head: Padded,
}

impl<const WORDS: usize> Ring<WORDS> {
    fn new() -> Self {
        // Ones, not zeros: the pages are touched here.
        let slot = || std::array::from_fn(|_| AtomicU64::new(1));
        Self {
            slots: std::iter::repeat_with(slot).take(slots(WORDS)).collect(),
            tail: Padded(AtomicU64::new(0)),
            head: Padded(AtomicU64::new(0)),
        }
    }
}

/// A running floor program.
pub struct Floor<const WORDS: usize = 5> {
    rings: Arc<Mutex<Vec<Arc<Ring<WORDS>>>>>,
    stop: Arc<AtomicBool>,
    consumer: JoinHandle<io::Result<Written>>,
}

/// What its consumer took out of the rings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Written {
    pub records: u64,
    pub file_bytes: u64,
}

impl<const WORDS: usize> Floor<WORDS> {
    /// The name of the consumer's thread.
    pub const CONSUMER: &str = "floor-consumer";

    /// Bytes of a record in the ring, and in the file.
    pub const RECORD_BYTES: u64 = WORDS as u64 * 8;

    /// Starts the consumer. Without a file it only empties the rings.
    pub fn start(
        core: Option<usize>,
        poll_interval: Duration,
        file: Option<&Path>,
    ) -> io::Result<Self> {
        let rings = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let mut consumer = Consumer {
            rings: rings.clone(),
            stop: stop.clone(),
            poll_interval,
            copied: Vec::with_capacity(slots(WORDS) * WORDS * 8),
            file: file.map(File::create).transpose()?,
            written: Written::default(),
        };
        let (ready, started) = mpsc::sync_channel(1);
        let run = move || {
            let _ = ready.send(core.map_or(Ok(()), place::pin));
            consumer.run()
        };
        let consumer = std::thread::Builder::new().name(Self::CONSUMER.to_owned()).spawn(run)?;
        started.recv().map_err(io::Error::other)??;
        Ok(Self { rings, stop, consumer })
    }

    pub fn producer(&self) -> FloorProducer<WORDS> {
        let ring = Arc::new(Ring::new());
        self.rings.lock().expect("nothing panics under it").push(ring.clone());
        FloorProducer { ring, index: 0, tail: 0, free_until: slots(WORDS) as u64 }
    }

    /// Ends the consumer when it has drained the rings.
    pub fn stop(self) -> io::Result<Written> {
        // Release: pairs with the consumer's acquire load: it drains what was published before.
        self.stop.store(true, Ordering::Release);
        self.consumer.join().map_err(|_| io::Error::other("the floor's consumer panicked"))?
    }
}

pub struct FloorProducer<const WORDS: usize = 5> {
    ring: Arc<Ring<WORDS>>,
    /// The next slot.
    index: usize,
    /// How many records were published.
    tail: u64,
    /// How many may be, as far as is known.
    free_until: u64,
}

impl<const WORDS: usize> FloorProducer<WORDS> {
    #[inline(always)]
    fn log<const ARGUMENTS: usize>(&mut self, arguments: [u64; ARGUMENTS]) {
        let ticks = counter::read();
        if self.tail == self.free_until {
            self.wait_for_room();
        }
        let slot = match self.ring.slots.get(self.index) {
            Some(slot) => slot,
            None => {
                self.index = 0;
                &self.ring.slots[0]
            }
        };
        // Relaxed: published by the store of the tail.
        slot[0].store(SITE, Ordering::Relaxed);
        slot[1].store(ticks, Ordering::Relaxed);
        for (word, value) in slot[2..].iter().zip(arguments) {
            word.store(value, Ordering::Relaxed);
        }
        self.index += 1;
        self.tail += 1;
        // Release: pairs with the consumer's acquire load: the slot's words are seen.
        self.ring.tail.0.store(self.tail, Ordering::Release);
    }

    #[cold]
    #[inline(never)]
    fn wait_for_room(&mut self) {
        loop {
            // Acquire: pairs with the consumer's release store: it has read the slots.
            self.free_until = self.ring.head.0.load(Ordering::Acquire) + slots(WORDS) as u64;
            if self.free_until != self.tail {
                return;
            }
            std::hint::spin_loop();
        }
    }
}

/// Stands for the address of a call site.
const SITE: u64 = 0x5555_1234_5678;

impl<const WORDS: usize> Producer for FloorProducer<WORDS> {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        let who = who.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        self.log([id, px.to_bits(), who]);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        self.log([a, b, c]);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        self.log([]);
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        assert!(WORDS >= 10, "the slots are too short");
        let (words, _) = text.as_bytes().as_chunks::<8>();
        let words = words.first_chunk::<8>().expect("64 bytes");
        self.log(words.map(u64::from_le_bytes));
    }

    #[inline(always)]
    fn disabled(&mut self, _id: u64, _px: f64, _who: &str) {}

    fn flush(&mut self) {
        // Acquire: so that what the consumer did with the records has happened.
        while self.ring.head.0.load(Ordering::Acquire) != self.tail {
            std::thread::yield_now();
        }
    }
}

struct Consumer<const WORDS: usize> {
    rings: Arc<Mutex<Vec<Arc<Ring<WORDS>>>>>,
    stop: Arc<AtomicBool>,
    poll_interval: Duration,
    copied: Vec<u8>,
    file: Option<File>,
    written: Written,
}

impl<const WORDS: usize> Consumer<WORDS> {
    fn run(&mut self) -> io::Result<Written> {
        loop {
            // Acquire: pairs with the release store in `stop`.
            let stop = self.stop.load(Ordering::Acquire);
            let rings = self.rings.lock().expect("nothing panics under it").clone();
            for ring in rings {
                self.drain(&ring)?;
            }
            if stop {
                return Ok(self.written);
            }
            let swept = Instant::now();
            while swept.elapsed() < self.poll_interval {
                std::hint::spin_loop();
            }
        }
    }

    fn drain(&mut self, ring: &Ring<WORDS>) -> io::Result<()> {
        let head = ring.head.0.load(Ordering::Relaxed);
        // Acquire: pairs with the producer's release store.
        let tail = ring.tail.0.load(Ordering::Acquire);
        if head == tail {
            return Ok(());
        }
        self.copied.clear();
        let mut index = (head % slots(WORDS) as u64) as usize;
        for _ in head..tail {
            for word in &ring.slots[index] {
                self.copied.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
            }
            index = if index + 1 == slots(WORDS) { 0 } else { index + 1 };
        }
        if let Some(file) = &mut self.file {
            file.write_all(&self.copied)?;
            self.written.file_bytes += self.copied.len() as u64;
        }
        self.written.records += tail - head;
        // Release: pairs with the producer's acquire load: its slots have been read.
        ring.head.0.store(tail, Ordering::Release);
        Ok(())
    }
}
