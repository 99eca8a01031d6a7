//! Starts a logger whose log is rotated.
//!
//! In: the builder's options. Out: the first segment of this logger, with its name, and the housekeeper that prepares
//! the next. After an error nothing is left that was not there.

use std::io;
use std::thread::JoinHandle;

use crate::clock::{TickSource, wall_ns};
use crate::crash::recover::{RecoverError, Recovery, recover};
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::process::signal_action;
use crate::process::thread_info::be_ordinary;
use crate::rotation::Rotation;
use crate::rotation::chores::Files;
use crate::rotation::housekeeper::{ANSWERS, TASKS, keep_house, nap};
use crate::rotation::link::{self, AtLink};
use crate::rotation::log::Log;
use crate::rotation::queue::queue;
use crate::rotation::rotator::{Current, Ends, Rotator, give_name, path_of};
use crate::segment::Target;
use crate::segment::guard;
use crate::segment::mapped::{Making, MappedFile};

/// How much longer than its size a segment may become: by a sweep, its index and its end.
const SLACK_BYTES: u64 = 1 << 20;

/// What rotates a log that has begun.
pub(super) struct Rotated {
    pub(super) rotator: Rotator<MappedFile>,
    pub(super) housekeeper: JoinHandle<()>,
}

impl Builder {
    /// Recovers what dead processes left of the log's last segments, if the program asked for it.
    pub(super) fn recover_segments(&self, log: &Log) -> Result<Option<Recovery>, StartError> {
        if !self.recover {
            return Ok(None);
        }
        let mut all: Option<Recovery> = None;
        for segment in log.last_segments() {
            let found = match recover(&segment.path) {
                Ok(found) => found,
                Err(RecoverError::NotALog(_) | RecoverError::InUse(_)) => continue,
                Err(RecoverError::File(path, error)) => return Err(StartError::file(&path, error)),
            };
            let has_rings = found.directory.is_some();
            match &mut all {
                Some(all) => all.add(found),
                None => all = Some(found),
            }
            // Rings belong to one segment, and to none before one that never had any.
            if !has_rings {
                break;
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
        let size = rotation.size_limit().unwrap_or(u64::MAX);
        let making = Making {
            window_bytes: making.window_bytes.min(size.saturating_add(SLACK_BYTES)),
            ..making
        };
        let Log { names, lock, newest, at_link, .. } = log;
        let mut files = Files { log: names.clone(), making, _lock: lock };
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
        if let Err(error) = self.lead_to(&files, &current, at_link) {
            first.discard();
            return Err(error);
        }
        let (tasks, taken) = queue(TASKS);
        let (answered, answers) = queue(ANSWERS);
        let keep = move || {
            signal_action::block_all_but_faults();
            be_ordinary();
            guard::unblock_in_this_thread();
            keep_house(&mut files, taken, answered, nap);
        };
        let housekeeper = std::thread::Builder::new().name("kymo-housekeeper".to_owned());
        let housekeeper = match housekeeper.spawn(keep) {
            Ok(housekeeper) => housekeeper,
            Err(error) => {
                first.discard();
                return Err(StartErrorKind::Thread(error).into());
            }
        };
        let thread = housekeeper.thread().clone();
        let ends = Ends { tasks, answers, wake: Box::new(move || thread.unpark()) };
        let rotator = Rotator::new(rotation, names, current, now_ns, ends);
        Ok((first, Rotated { rotator, housekeeper }))
    }

    /// Has the log's path lead to its first segment. A file that is there gets another name.
    fn lead_to(&self, files: &Files, current: &Current, at_link: AtLink) -> Result<(), StartError> {
        let path = files.log.path();
        let fail = |error: io::Error| StartError::file(&path, error);
        let segment = path_of(&files.log, current);
        if at_link != AtLink::File {
            return link::point(&files.log, &segment).map_err(fail);
        }
        let target = Target::lock(&path, files.making.mode)?;
        let new = link::make(&files.log, &segment).map_err(fail)?;
        target.give_way_to(new.clone()).inspect_err(|_| {
            let _ = std::fs::remove_file(&new);
        })?;
        Ok(())
    }
}
