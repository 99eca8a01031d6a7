//! Lines that several threads make at one time, printed in their order.
//!
//! One thread reads; each of the others has a filter and a renderer of its own ([`Files::render`]).
//! This is used only if no line depends on another.
//!
//! [`Files::render`]: kymo_reader::Files::render

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use kymo_query::Filter;
use kymo_reader::Event;

use crate::format::FormatArguments;
use crate::input::Inputs;
use crate::interrupt;
use crate::outcome::Outcome;
use crate::output::{Closed, Output};
use crate::progress::Progress;
use kymo_lines::Lines;

/// Files of fewer bytes are printed by one thread: to start others takes longer than that.
const SHORT_BYTES: u64 = 1 << 20;

/// How many events are rendered before the others are told how far that has come.
const TOLD_EVENTS: u64 = 4096;

/// What each thread needs.
pub struct Parallel<'a> {
    filter: Mutex<Filter>,
    format: &'a FormatArguments,
    names: Vec<String>,
    /// The length of all files in bytes.
    bytes: u64,
}

impl<'a> Parallel<'a> {
    pub fn new(filter: &Filter, format: &'a FormatArguments, inputs: &Inputs) -> Self {
        let (names, bytes) = (inputs.names.clone(), inputs.bytes);
        Self { filter: Mutex::new(filter.fork()), format, names, bytes }
    }

    /// How many threads are worth their start for these files.
    pub fn threads_for(&self, paths: &[PathBuf]) -> usize {
        // What is typed or sent line by line is to be seen so.
        if paths.iter().any(|path| path.as_os_str() == "-") {
            return 0;
        }
        let cores = thread::available_parallelism().map_or(1, usize::from);
        match self.bytes {
            0..SHORT_BYTES => 0,
            _ if cores == 1 => 0,
            _ => cores,
        }
    }

    /// Prints all events that are wanted.
    pub fn print(
        &self,
        inputs: &mut Inputs,
        lines: Lines,
        threads: usize,
    ) -> Result<Outcome, Closed> {
        let mut outcome = Outcome::Nothing;
        let progress = Output::is_file().then(|| Progress::new("cat", inputs.bytes));
        let mut output = Output::new();
        lines.begin(output.buffer());
        // Relaxed, all: nothing else is read because of them, and the threads are joined before the end.
        let matches = AtomicBool::new(false);
        let reached: Vec<AtomicU64> = self.names.iter().map(|_| AtomicU64::new(0)).collect();
        loop {
            let renderer = || self.renderer(&matches, &reached);
            let result = inputs.files.render(threads, renderer, |piece| {
                output.buffer().push_str(piece);
                if let Err(closed) = output.line_done() {
                    return ControlFlow::Break(Some(closed));
                }
                if let Some(progress) = &progress {
                    progress.at(reached.iter().map(|it| it.load(Ordering::Relaxed)).sum());
                    if interrupt::requested() {
                        return ControlFlow::Break(None);
                    }
                }
                ControlFlow::Continue(())
            });
            match result {
                Ok(ControlFlow::Break(Some(closed))) => return Err(closed),
                Ok(_) => break,
                Err(error) => inputs.complain_about(&error, &mut outcome),
            }
        }
        drop(progress);
        if matches.load(Ordering::Relaxed) {
            outcome.add(Outcome::Found);
        }
        output.finish()?;
        Ok(outcome)
    }

    /// What one thread does with an event.
    fn renderer(
        &self,
        matches: &AtomicBool,
        reached: &[AtomicU64],
    ) -> impl FnMut(usize, &Event<'_>, &mut String) {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner).fork();
        // It was built before, so that it can be.
        let mut lines = self.format.build(self.names.len()).ok();
        let (mut events, mut has_match) = (0_u64, false);
        move |file, event, out| {
            let is_wanted = match event {
                Event::Record(record) => {
                    let is_match = filter.admits(file, record);
                    // Once: a cache line that all threads write would slow them down.
                    if is_match && !std::mem::replace(&mut has_match, true) {
                        matches.store(true, Ordering::Relaxed);
                    }
                    events += 1;
                    if events.is_multiple_of(TOLD_EVENTS) {
                        reached[file].fetch_max(record.block_offset(), Ordering::Relaxed);
                    }
                    is_match
                }
                mark => filter.admits_mark(mark),
            };
            if let (true, Some(lines)) = (is_wanted, &mut lines) {
                lines.write(file, &self.names[file], event, out);
            }
        }
    }
}
