//! Starts a logger whose log is rotated.
//!
//! In: the builder's options. Out: the first segment of this logger, with its name, and the housekeeper that prepares
//! the next. After an error nothing is left that was not there.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

#[cfg(feature = "compress")]
use kymo_zstd::DEFAULT_LEVEL;

use crate::clock::{TickSource, wall_ns};
use crate::crash::recover::{
    RecoverError, Recovery, clean, close, discard_rings, is_closed, recover_segment,
};
use crate::format::rotated::Deleted;
use crate::keep::{Keep, KeepError, Space};
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::process::allocate::UNIT_BYTES;
use crate::process::own_thread;
use crate::process::thread_info::be_ordinary;
use crate::rotation::Rotation;
use crate::rotation::chores::Files;
#[cfg(feature = "compress")]
use crate::rotation::compress::Compressor;
use crate::rotation::housekeeper::{ANSWERS, House, TASKS, nap};
use crate::rotation::limits::{Limits, Retained};
use crate::rotation::link::{self, AtLink};
use crate::rotation::log::Log;
use crate::rotation::predecessors::Predecessors;
use crate::rotation::queue::queue;
use crate::rotation::rotator::{Current, Ends, Rotator, give_name, path_of};
use crate::segment::Target;
use crate::segment::guard;
use crate::segment::mapped::{MakesRoom, Making, MappedFile};
use crate::sync::Arc;

/// How much longer than its size a segment may become: by a sweep, its index and its end.
const SLACK_BYTES: u64 = 1 << 20;

/// The share of the file system that stays free by default.
const DEFAULT_FREE: f64 = 0.05;

/// What rotates a log that has begun.
pub(super) struct Rotated {
    pub(super) rotator: Rotator<MappedFile>,
    pub(super) housekeeper: JoinHandle<()>,
    /// What the start has done that is to be told.
    pub(super) told: Told,
}

/// What a start has done that is to be told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The limit in bytes, if nobody has chosen one.
    pub(super) default_bytes: Option<u64>,
    pub(super) deleted: Vec<Deleted>,
    /// How many records went with rings of dead processes.
    pub(super) discarded: u64,
    pub(super) failed: Vec<io::Error>,
    /// Why there is no link to the current segment.
    pub(super) no_link: Option<io::Error>,
}

impl Builder {
    /// Keeps the log within its limits, before anything is made. `unclosed`: how many segments are going to be closed.
    fn limit(
        &self,
        mut limits: Limits,
        first: u64,
        unclosed: u64,
    ) -> Result<(Limits, Told), StartError> {
        let mut told = Told::default();
        match limits.check() {
            Ok(()) => {}
            // Nobody has asked for less than a log takes.
            Err(KeepError::Bytes { needed, .. }) if self.keep.is_none() => {
                limits.keep = Keep::bytes(needed).free(DEFAULT_FREE);
            }
            Err(error) => return Err(StartErrorKind::Keep(error).into()),
        }
        if self.keep.is_none() {
            let space = Space::of(limits.log.directory()).unwrap_or_default();
            told.default_bytes = limits.keep.most_bytes(space);
        }
        limits.set_unclosed(unclosed);
        let Retained { deleted, failed, discarded, .. } = limits.retain(first, limits.full_bytes);
        (told.deleted, told.failed, told.discarded) = (deleted, failed, discarded);
        Ok((limits, told))
    }

    /// Recovers what dead processes left of the log's last segments, if the program asked for it.
    pub(super) fn recover_segments(&self, log: &Log) -> Result<Option<Recovery>, StartError> {
        if !self.recover {
            // What was allocated and never written is cut off: that of the last one, and of the one before if a process
            // was killed between the two.
            log.last_segments().take(2).for_each(|segment| clean(&segment.path));
            return Ok(None);
        }
        let mut all: Option<Recovery> = None;
        // Rings belong to one segment. Others of dead processes may precede it, whose starts did not ask for recovery.
        let is_unclosed = |path: &Path| is_closed(path, log.owner).is_ok_and(|closed| !closed);
        // Of the last one they may be left although it has its end.
        let may_have_rings = log.last_segments().enumerate();
        let may_have_rings = may_have_rings.filter(|(age, it)| *age == 0 || is_unclosed(&it.path));
        for (_, segment) in may_have_rings {
            let found = match recover_segment(&segment.path) {
                Ok(found) => found,
                Err(RecoverError::NotALog(_) | RecoverError::InUse(_)) => continue,
                Err(RecoverError::File(path, error)) => return Err(StartError::file(&path, error)),
            };
            match &mut all {
                Some(all) => all.add(found),
                None => all = Some(found),
            }
        }
        Ok(all)
    }

    /// Makes the first segment, and starts the housekeeper.
    pub(super) fn begin_log(
        &self,
        rotation: &Rotation,
        log: Log,
        making: Making,
        clock: TickSource,
    ) -> Result<(MappedFile, Rotated), StartError> {
        let path = log.names.path();
        let fail = |error| StartError::file(&path, error);
        let size = rotation.size_limit().map(|size| size.saturating_add(SLACK_BYTES));
        let making = Making {
            window_bytes: making.window_bytes.min(size.unwrap_or(u64::MAX)),
            most_bytes: size.unwrap_or(u64::MAX),
            ..making
        };
        let is_unclosed = |path: &Path| is_closed(path, log.owner).is_ok_and(|closed| !closed);
        let plain = log.own_segments().filter(|file| !file.name.is_compressed);
        let unclosed = plain.map(|file| file.path.clone()).filter(|path| is_unclosed(path));
        let unclosed: Vec<_> = unclosed.collect();
        let Log { names, lock, owner, newest, at_link, .. } = log;
        let full_bytes = size.unwrap_or(making.window_bytes).next_multiple_of(UNIT_BYTES);
        let keep = self.keep.clone().unwrap_or_default();
        let limits =
            Limits::new(names.clone(), newest.log, owner, keep, full_bytes, self.compresses())
                .discarding(discard_rings);
        let current = newest.sequence.saturating_add(1);
        let (limits, mut told) = self.limit(limits, current, unclosed.len() as u64)?;
        let limits = Arc::new(limits);
        let room: Arc<dyn MakesRoom> = limits.clone();
        let mut files = Files {
            limits: limits.clone(),
            making: Making { room: Some(room), ..making },
            current,
            temporary: PathBuf::new(),
            has_links: true,
            look_at_ns: 0,
            predecessors: None,
            #[cfg(feature = "compress")]
            compressor: self.compress.then(|| Compressor::new(limits.clone(), DEFAULT_LEVEL)),
            _lock: lock,
        };
        let mut first = files.prepare_segment().map_err(fail)?;
        let now_ns = match clock.is_custom() {
            true => clock.now().cast_signed(),
            false => wall_ns(),
        };
        let named = give_name(&names, &newest, &mut first, now_ns);
        let current = match named {
            Ok(current) => current,
            Err(error) => {
                first.discard();
                return Err(fail(error));
            }
        };
        files.forget_temporary();
        files.current = current.sequence;
        match self.lead_to(&files, &current, at_link) {
            Ok(no_link) => (files.has_links, told.no_link) = (no_link.is_none(), no_link),
            Err(error) => {
                first.discard();
                return Err(error);
            }
        }
        let close = move |path: &Path, go_on: &dyn Fn() -> bool| close(path, owner, go_on);
        if !unclosed.is_empty() {
            match Predecessors::close(unclosed, Box::new(close)) {
                Ok(predecessors) => files.predecessors = Some(predecessors),
                Err(error) => told.failed.push(error),
            }
        }
        let (tasks, taken) = queue(TASKS);
        let (answered, answers) = queue(ANSWERS);
        let keep = move || {
            be_ordinary();
            guard::unblock_in_this_thread();
            let mut house = House::new(taken, answered);
            // A panic must not end rotation. The panic hook has reported it.
            while catch_unwind(AssertUnwindSafe(|| house.keep(&mut files, nap))).is_err() {
                house.note_panic();
                nap();
            }
            #[cfg(feature = "compress")]
            files.stop_compressing();
        };
        let housekeeper = match own_thread::spawn("kymo-housekeeper", keep) {
            Ok(housekeeper) => housekeeper,
            Err(error) => {
                first.discard();
                return Err(StartErrorKind::Thread(error).into());
            }
        };
        let thread = housekeeper.thread().clone();
        let wake = Box::new(move || thread.unpark());
        let ends = Ends { tasks, answers, wake, limits: Some(limits) };
        let rotator = Rotator::new(rotation, names, current, now_ns, ends);
        Ok((first, Rotated { rotator, housekeeper, told }))
    }

    /// Whether closed segments are compressed.
    fn compresses(&self) -> bool {
        #[cfg(feature = "compress")]
        return self.compress;
        #[cfg(not(feature = "compress"))]
        false
    }

    /// Has the log's path lead to its first segment. A file that is there gets another name. Returns the reason if the
    /// file system has no symbolic links.
    fn lead_to(
        &self,
        files: &Files,
        current: &Current,
        at_link: AtLink,
    ) -> Result<Option<io::Error>, StartError> {
        let log = &files.limits.log;
        let path = log.path();
        let fail = |error: io::Error| StartError::file(&path, error);
        let segment = path_of(log, current);
        if at_link != AtLink::File {
            return match link::point(log, &segment) {
                Ok(()) => Ok(None),
                Err(error) if link::is_without_links(&error) => Ok(Some(error)),
                Err(error) => Err(fail(error)),
            };
        }
        let target = Target::lock(&path, files.making.mode)?;
        let new = match link::make(log, &segment) {
            Ok(new) => new,
            // The file stays where it is.
            Err(error) if link::is_without_links(&error) => return Ok(Some(error)),
            Err(error) => return Err(fail(error)),
        };
        target.give_way_to(new.clone()).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })?;
        Ok(None)
    }
}
