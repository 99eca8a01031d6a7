//! Renders events with several threads, and hands the text out in order.
//!
//! The calling thread reads the files and copies records into *batches*, which is a small part of the
//! work. Other threads turn the batches into text. Each batch has a channel for the pieces of its
//! text, and the channels are emptied in the order of the batches. A channel holds one piece, so that
//! text waits for its turn.
//!
//! INV-1: batches are taken in order. So the first batch that is not handed out is with a thread, or
//! is the next to be taken, and the calling thread never waits in vain.
//!
//! INV-2: memory is bounded by the number of threads: each has a batch and two pieces of text, and as
//! many batches wait.

use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::dictionary::{CallSite, Thread};
use super::event::Event;
use super::files::{FileError, Files};
use super::mark::Mark;
use super::record::{Record, Time};
use super::spans::SpanChain;

/// A batch with this many records, or bytes of arguments, is full.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 256 << 10;

/// Text of this length in bytes is passed on.
const PIECE_BYTES: usize = 256 << 10;

impl Files<'_> {
    /// Turns all events into text with `threads` threads besides the calling one. Passes the text
    /// to `sink` piece by piece, in the order of [`Files::next_event`]. A piece ends where the text
    /// of an event does.
    ///
    /// `renderer` is called once for each thread. The function that it returns is called for each event,
    /// with the number of its file, the event, and the string to append to. `sink` is called by the
    /// calling thread; if it breaks, nothing more is read. Each thread uses a few MiB of memory.
    ///
    /// With 0 threads the calling thread does everything, which is fastest for a few thousand records.
    ///
    /// ```
    /// use std::convert::Infallible;
    /// use std::ops::ControlFlow;
    /// use kymo_reader::{Event, Files, Options, Order};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// # kymo::info!("hello");
    /// # logger.shutdown();
    /// let mut files = Files::open([&path], || Options::new().order(Order::Time))?;
    /// let renderer = || {
    ///     |_file: usize, event: &Event<'_>, out: &mut String| {
    ///         if let Event::Record(record) = event {
    ///             record.message(out);
    ///             out.push('\n');
    ///         }
    ///     }
    /// };
    /// let mut text = String::new();
    /// let _: ControlFlow<Infallible> = files.render(2, renderer, |piece| {
    ///     text.push_str(piece);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(text, "hello\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If reading a file fails. The text of all events before it was passed to `sink`. The file is given
    /// up, and another call continues with the others.
    ///
    /// # Panics
    /// If `renderer` or the function that it returns panics.
    pub fn render<R, B>(
        &mut self,
        threads: usize,
        renderer: impl Fn() -> R + Sync,
        mut sink: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FileError>
    where
        R: FnMut(usize, &Event<'_>, &mut String),
    {
        if threads == 0 {
            return self.render_here(renderer(), sink);
        }
        let spare = Spare::default();
        let (to_workers, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        thread::scope(|scope| {
            for _ in 0..threads {
                let jobs = Arc::clone(&jobs);
                let (renderer, spare) = (&renderer, &spare);
                scope.spawn(move || work(&jobs, renderer(), spare));
            }
            // So that a batch that no thread is left to take does not wait for one.
            drop(jobs);
            let mut pipeline = Pipeline { to_workers, waiting: VecDeque::new(), spare: &spare };
            let mut tables = Tables::default();
            loop {
                let mut batch = spare.batch();
                let filled = self.fill(&mut batch, &mut tables);
                let more = !batch.entries.is_empty();
                if more {
                    pipeline.send(batch);
                }
                let wait_for = if more && filled.is_ok() { 2 * threads } else { 0 };
                while pipeline.waiting.len() > wait_for {
                    if let ControlFlow::Break(end) = pipeline.hand_out(&mut sink) {
                        return Ok(ControlFlow::Break(end));
                    }
                }
                filled?;
                if !more {
                    return Ok(ControlFlow::Continue(()));
                }
            }
        })
    }

    fn render_here<R, B>(
        &mut self,
        mut renderer: R,
        mut sink: impl FnMut(&str) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FileError>
    where
        R: FnMut(usize, &Event<'_>, &mut String),
    {
        let mut text = String::new();
        loop {
            let more = self.next_event().map(|event| {
                event.map(|(file, event)| renderer(file, &event, &mut text)).is_some()
            });
            let ends = !matches!(more, Ok(true));
            if (ends && !text.is_empty()) || text.len() >= PIECE_BYTES {
                if let ControlFlow::Break(end) = sink(&text) {
                    return Ok(ControlFlow::Break(end));
                }
                text.clear();
            }
            if !more? {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// Fills a batch with the next events. It stays empty if there are none.
    fn fill(&mut self, batch: &mut Batch, tables: &mut Tables) -> Result<(), FileError> {
        tables.batch += 1;
        while batch.entries.len() < BATCH_RECORDS
            && batch.bytes.len() + batch.other_bytes < BATCH_BYTES
        {
            let Some(file) = self.go_on()? else { break };
            let reader = &self.readers()[file];
            if reader.is_record() {
                if let Some(record) = reader.record() {
                    batch.push_record(file, &record, tables);
                }
            } else if let Some(mut mark) = reader.mark().cloned() {
                if let Some(thread) = mark.thread_mut() {
                    *thread = batch.thread(file, &reader.threads()[*thread as usize], tables);
                }
                batch.other_bytes += mark.memory_bytes();
                batch.entries.push(BatchEntry { file, what: BatchEvent::Mark(mark) });
            }
        }
        Ok(())
    }
}

/// Events, with copies of all that they refer to.
#[derive(Default)]
struct Batch {
    entries: Vec<BatchEntry>,
    /// The arguments of all records.
    bytes: Vec<u8>,
    sites: Vec<Arc<CallSite>>,
    threads: Vec<Thread>,
    /// The number of bytes that marks and threads hold.
    other_bytes: usize,
}

struct BatchEntry {
    file: usize,
    what: BatchEvent,
}

enum BatchEvent {
    Record {
        /// Indices of the batch's own lists.
        site: u32,
        thread: u32,
        arguments: Range<u32>,
        time_ns: i64,
        ticks: u64,
        sequence: u64,
        block_offset: u64,
        head_bytes: u8,
        late: bool,
        spans: Option<SpanChain>,
    },
    /// Its thread is an index of the batch's own list.
    Mark(Mark),
}

/// For each file, the indices of its call sites and threads in the batch that is being filled.
#[derive(Default)]
struct Tables {
    /// The number of the batch.
    batch: u64,
    files: Vec<Table>,
}

#[derive(Default)]
struct Table {
    /// By index in the file, with the number of the batch for which the index in the batch is valid.
    sites: Vec<(Arc<CallSite>, u64, u32)>,
    threads: Vec<ThreadPlace>,
}

/// The index of a thread in a batch, and the version of its state.
#[derive(Clone, Copy, Default)]
struct ThreadPlace {
    batch: u64,
    version: u32,
    place: u32,
}

impl Tables {
    fn of(&mut self, file: usize) -> &mut Table {
        if self.files.len() <= file {
            self.files.resize_with(file + 1, Table::default);
        }
        &mut self.files[file]
    }
}

impl Batch {
    #[inline]
    fn push_record(&mut self, file: usize, record: &Record<'_>, tables: &mut Tables) {
        let site = self.site(file, record.site, tables);
        let thread = self.thread(file, record.thread, tables);
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(record.arguments);
        let what = BatchEvent::Record {
            site,
            thread,
            arguments: start..self.bytes.len() as u32,
            time_ns: record.time_ns(),
            ticks: record.ticks,
            sequence: record.sequence,
            block_offset: record.block_offset,
            head_bytes: record.head_bytes,
            late: record.late,
            spans: record.spans.cloned(),
        };
        self.entries.push(BatchEntry { file, what });
    }

    #[inline]
    fn site(&mut self, file: usize, site: &CallSite, tables: &mut Tables) -> u32 {
        let batch = tables.batch;
        let known = &mut tables.of(file).sites;
        let index = site.index();
        match known.get(index) {
            Some(&(_, at, place)) if at == batch => place,
            _ => self.add_site(site, known, batch),
        }
    }

    #[cold]
    fn add_site(
        &mut self,
        site: &CallSite,
        known: &mut Vec<(Arc<CallSite>, u64, u32)>,
        batch: u64,
    ) -> u32 {
        let place = self.sites.len() as u32;
        let index = site.index();
        if known.len() <= index {
            let none = Arc::new(site.clone());
            known.resize_with(index + 1, || (Arc::clone(&none), 0, 0));
        }
        let entry = &mut known[index];
        if entry.0.index() != index {
            entry.0 = Arc::new(site.clone());
        }
        (entry.1, entry.2) = (batch, place);
        self.sites.push(Arc::clone(&entry.0));
        place
    }

    #[inline(always)]
    fn thread(&mut self, file: usize, thread: &Thread, tables: &mut Tables) -> u32 {
        let batch = tables.batch;
        let known = &mut tables.of(file).threads;
        if known.len() <= thread.index() {
            known.resize(thread.index() + 1, ThreadPlace::default());
        }
        let entry = &mut known[thread.index()];
        if (entry.batch, entry.version) != (batch, thread.version) {
            let place = self.threads.len() as u32;
            *entry = ThreadPlace { batch, version: thread.version, place };
            self.other_bytes += thread.name().len();
            self.threads.push(thread.clone());
        }
        entry.place
    }

    fn event<'a>(&'a self, what: &'a BatchEvent) -> Event<'a> {
        match what {
            BatchEvent::Mark(mark) => mark.event(&self.threads),
            BatchEvent::Record {
                site,
                thread,
                arguments,
                time_ns,
                ticks,
                sequence,
                block_offset,
                head_bytes,
                late,
                spans,
            } => Event::Record(Record {
                site: &self.sites[*site as usize],
                thread: &self.threads[*thread as usize],
                time: Time::Known(*time_ns),
                ticks: *ticks,
                sequence: *sequence,
                arguments: &self.bytes[arguments.start as usize..arguments.end as usize],
                block_offset: *block_offset,
                head_bytes: *head_bytes,
                late: *late,
                for_spans: false,
                spans: spans.as_ref(),
                passed_over: None,
            }),
        }
    }
}

/// A batch, and where its text goes.
type Job = (Batch, SyncSender<String>);

/// Batches on their way to the threads, and text on its way back.
struct Pipeline<'s> {
    to_workers: Sender<Job>,
    /// For each batch that was not handed out, in order.
    waiting: VecDeque<Receiver<String>>,
    spare: &'s Spare,
}

impl Pipeline<'_> {
    fn send(&mut self, batch: Batch) {
        let (text, receiver) = mpsc::sync_channel(1);
        // It fails if all threads have panicked, which the scope reports.
        let _ = self.to_workers.send((batch, text));
        self.waiting.push_back(receiver);
    }

    /// Passes on the text of the first batch that was not handed out.
    fn hand_out<B>(&mut self, sink: &mut impl FnMut(&str) -> ControlFlow<B>) -> ControlFlow<B> {
        let Some(receiver) = self.waiting.pop_front() else { return ControlFlow::Continue(()) };
        for piece in receiver {
            sink(&piece)?;
            self.spare.keep_text(piece);
        }
        ControlFlow::Continue(())
    }
}

/// Turns batches into text until there are no more.
fn work<R>(jobs: &Mutex<Receiver<Job>>, mut renderer: R, spare: &Spare)
where
    R: FnMut(usize, &Event<'_>, &mut String),
{
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((batch, to)) = job else { return };
        let mut text = spare.text();
        for entry in &batch.entries {
            renderer(entry.file, &batch.event(&entry.what), &mut text);
            if text.len() >= PIECE_BYTES {
                let piece = std::mem::replace(&mut text, spare.text());
                if to.send(piece).is_err() {
                    // The receiver is gone: the rest is not wanted.
                    break;
                }
            }
        }
        if !text.is_empty() {
            let _ = to.send(text);
        }
        spare.keep_batch(batch);
    }
}

/// Emptied buffers.
#[derive(Default)]
struct Spare {
    texts: Mutex<Vec<String>>,
    batches: Mutex<Vec<Batch>>,
}

impl Spare {
    fn text(&self) -> String {
        let spare = self.texts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_default()
    }

    fn keep_text(&self, mut text: String) {
        /// A buffer that a long message has made larger than this is freed.
        const MOST_BYTES: usize = 4 * PIECE_BYTES;
        text.clear();
        if text.capacity() <= MOST_BYTES {
            self.texts.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }

    fn batch(&self) -> Batch {
        let spare = self.batches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_default()
    }

    fn keep_batch(&self, mut batch: Batch) {
        batch.entries.clear();
        batch.bytes.clear();
        batch.sites.clear();
        batch.threads.clear();
        batch.other_bytes = 0;
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
    }
}
