//! Routes: which records go to other logs, and what these are.
//!
//! In: the program's choices. Out: the table of conditions for `shared`, and a [`Builder`] for each log, by which it is
//! locked and opened as the main one is.

use std::path::{Path, PathBuf};

use crate::keep::Keep;
use crate::level::Level;
use crate::logger::builder::Builder;
use crate::logger::error::{StartError, StartErrorKind};
use crate::logger::join::numbered;
use crate::rotation::Rotation;
use crate::segment::with_infix;
use crate::shared::RoutedLog;
use crate::shared::disk::{Disk, Durability};
use crate::shared::routes::{Condition, MAX_LOGS, RouteRule, Routes};
use crate::statement::named_log::NamedLog;

/// Leads records to another log, beside the one at the logger's path: see [`Builder::route`].
///
/// A route has a condition, and a log that it leads to:
///
/// | condition | its records |
/// | --- | --- |
/// | [`Route::level`] | of this level and more urgent ones |
/// | [`Route::target`] | of this target, and of those in it: `net` has `net` and `net::http`, not `network` |
/// | [`Route::logger`] | of statements with `logger:` and this name |
/// | [`at`](Route::at) | of these, the ones of this level and more urgent |
///
/// ```
/// use std::time::Duration;
/// use kymo::{Durability, Keep, Level, Logger, NamedLog, Rotation, Route};
///
/// const AUDIT: NamedLog = NamedLog::new("audit");
///
/// let builder = Logger::builder("app.kymo")
///     .route(Route::level(Level::Error).to("critical.kymo").write_through())
///     .route(Route::target("net").at(Level::Info).to("net.kymo").rotate(Rotation::size(64 << 20)))
///     .route(
///         Route::logger(AUDIT)
///             .to("audit.kymo")
///             .only()
///             .durability(Durability::Every(Duration::from_secs(1))),
///     );
/// ```
#[derive(Clone, Debug)]
#[must_use = "give it to `Builder::route`"]
pub struct Route {
    condition: Condition,
    path: Option<PathBuf>,
    only: bool,
    write_through: bool,
    options: LogOptions,
}

/// The options of a log that a route leads to.
#[derive(Clone, Debug, Default)]
struct LogOptions {
    rotation: Option<Rotation>,
    keep: Option<Keep>,
    durability: Option<Durability>,
    mode: Option<u32>,
    overwrite: bool,
}

impl LogOptions {
    fn is_default(&self) -> bool {
        let Self { rotation, keep, durability, mode, overwrite } = self;
        rotation.is_none() && keep.is_none() && durability.is_none() && mode.is_none() && !overwrite
    }
}

impl Route {
    fn new(condition: Condition) -> Self {
        let (path, only, write_through) = (None, false, false);
        Self { condition, path, only, write_through, options: LogOptions::default() }
    }

    /// Leads records of this level and more urgent ones.
    pub fn level(level: Level) -> Self {
        Self::new(Condition { level: Some(level), ..Condition::default() })
    }

    /// Leads records of this target, and of those in it, separated by `::`.
    pub fn target(target: impl Into<String>) -> Self {
        let target = Some(target.into().into_boxed_str());
        Self::new(Condition { target, ..Condition::default() })
    }

    /// Leads records of statements that name this log: `info!(logger: AUDIT, …)`.
    pub fn logger(log: NamedLog) -> Self {
        Self::new(Condition { log: Some(log), ..Condition::default() })
    }

    /// Leads only those of its records that are of this level, or more urgent.
    pub fn at(mut self, level: Level) -> Self {
        self.condition.level = Some(self.condition.level.map_or(level, |old| old.min(level)));
        self
    }

    /// Sets the path of the log that it leads to. It has to be set.
    ///
    /// Several routes may lead to one log. A record that several of them lead there is there once. The first of these
    /// routes has the options of the log.
    pub fn to(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Keeps its records out of the log at the logger's path. Default: they are in both.
    ///
    /// Other routes still lead them to their logs.
    pub fn only(mut self) -> Self {
        self.only = true;
        self
    }

    /// Makes its records critical: a call that logs one returns when it is in all of its logs. Default: no.
    ///
    /// That is [`Builder::write_through`] with this level, and what that says of failures holds: a record that a log
    /// cannot take in time goes to the side file of the log at the logger's path.
    ///
    /// It is for a route of [`Route::level`] alone. The caller has to wait before anybody knows the route.
    pub fn write_through(mut self) -> Self {
        self.write_through = true;
        self
    }

    /// Rotates the log that it leads to: see [`Builder::rotate`]. Default: it is one file, whatever the main log is.
    pub fn rotate(mut self, rotation: Rotation) -> Self {
        self.options.rotation = Some(rotation);
        self
    }

    /// Limits how much of the rotated log is kept: see [`Builder::keep`], which has the default.
    pub fn keep(mut self, keep: Keep) -> Self {
        self.options.keep = Some(keep);
        self
    }

    /// Sets when the log is brought to the disk: see [`Builder::durability`]. Default: [`Durability::Kernel`].
    ///
    /// Each log with another durability has a thread of its own for that, so that no log waits for another one's disk.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options.durability = Some(durability);
        self
    }

    /// Sets who may read and write the log's files: see [`Builder::mode`]. Default: that of the builder.
    pub fn mode(mut self, mode: u32) -> Self {
        self.options.mode = Some(mode & 0o777);
        self
    }

    /// Overwrites a file that is already at the path: see [`Builder::overwrite`]. Default: it is renamed.
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.options.overwrite = overwrite;
        self
    }

    /// Whether its level alone decides.
    fn is_by_level(&self) -> bool {
        self.condition.target.is_none() && self.condition.log.is_none()
    }
}

/// A route that cannot be.
fn refuse(reason: &'static str) -> StartError {
    StartErrorKind::Option { name: "route", reason }.into()
}

impl Builder {
    /// Leads some records to another log, too, or only there. Default: all records are in one log.
    ///
    /// There may be several routes, to up to 63 logs. A record is in each log that a route leads it to, once. It is
    /// in the log at the logger's path, the main one, unless one of its routes is [`Route::only`].
    ///
    /// Each log is complete in itself: it has its own file, rotation, limits, durability and accounts
    /// ([`Report::logs`](crate::Report::logs), [`Stats::logs`](crate::Stats::logs)). A log that cannot be written loses
    /// its own records, counts and marks them, and disturbs no other.
    ///
    /// A call costs what it costs without: the consumer decides once for each statement where its records go, and
    /// writes a record once for each of its logs. All logs share the rings. So a ring that is full, and what
    /// [`Builder::overflow`] says about it, concerns all of them.
    ///
    /// [`flush`](crate::flush), [`Logger::sync`](crate::Logger::sync), [`Logger::reopen`](crate::Logger::reopen) and
    /// [`Logger::rotate`](crate::Logger::rotate) act on all logs. The console and sinks have what is in the main log.
    ///
    /// [`Builder::start`] fails if a route has no path, if two logs have the same one, or with an option that knows one
    /// log only: [`crash_proof`](Builder::crash_proof), [`flight_recorder`](Builder::flight_recorder),
    /// [`Overflow::OverwriteOldest`](crate::Overflow::OverwriteOldest).
    ///
    /// [`Route`] has an example.
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// Returns an error if these routes cannot be.
    pub(super) fn check_routes(&self) -> Result<(), StartError> {
        if self.routes.is_empty() {
            return Ok(());
        }
        if self.crash_proof.is_some() {
            return Err(refuse(
                "crash-proof rings are of one log: choose `route` or `crash_proof`",
            ));
        }
        if self.policies.flight.is_some() {
            return Err(refuse(
                "a flight recorder is of one log: choose `route` or `flight_recorder`",
            ));
        }
        if self.policies.overwrites_any() {
            return Err(refuse(
                "nobody knows which log an overwritten record was for: choose `route` or `OverwriteOldest`",
            ));
        }
        let mut paths: Vec<&Path> = Vec::new();
        for route in &self.routes {
            let Some(path) = route.path.as_deref() else {
                return Err(refuse("it leads nowhere: give it a path with `Route::to`"));
            };
            if path == self.path {
                return Err(refuse("it leads to the logger's own log: choose another path"));
            }
            if route.write_through && !route.is_by_level() {
                return Err(refuse(
                    "`write_through` is for a route by level alone: the caller waits before the route is known",
                ));
            }
            if route.condition.target.as_deref() == Some("") {
                return Err(refuse("its target is empty: choose a name, or `Route::level`"));
            }
            if !paths.contains(&path) {
                paths.push(path);
            } else if !route.options.is_default() {
                return Err(refuse(
                    "another route leads to this path: give the options of the log to the first one",
                ));
            }
        }
        if paths.len() >= MAX_LOGS {
            return Err(refuse("there are at most 63 logs besides the logger's own: choose fewer"));
        }
        self.log_builders().iter().try_for_each(Self::check)
    }

    /// The options of each log that routes lead to.
    pub(super) fn log_builders(&self) -> Vec<Builder> {
        let mut builders: Vec<Builder> = Vec::new();
        for route in &self.routes {
            let Some(path) = route.path.clone() else { continue };
            if builders.iter().any(|it| it.path == path) {
                continue;
            }
            let LogOptions { rotation, keep, durability, mode, overwrite } = route.options.clone();
            let mut builder = Self::new(path);
            builder.clock = self.clock;
            builder.map_window = self.map_window;
            builder.make_directory = self.make_directory;
            builder.is_of_tests = self.is_of_tests;
            builder.ending.pid_in_name = self.ending.pid_in_name;
            (builder.rotation, builder.keep, builder.overwrite) = (rotation, keep, overwrite);
            builder.durability = durability.unwrap_or_default();
            builder.mode = mode.or(self.mode);
            builders.push(builder);
        }
        builders
    }

    /// The conditions of the routes, and the logs that they lead to, as threads and the consumer know them.
    ///
    /// `number`: of the process, among those that have joined.
    pub(super) fn route_table(
        &self,
        builders: &[Builder],
        number: u32,
    ) -> (Routes, Vec<RoutedLog>) {
        let rule = |route: &Route| {
            let is_its = |builder: &Builder| Some(&builder.path) == route.path.as_ref();
            let log = builders.iter().position(is_its)? + 1;
            Some(RouteRule { condition: route.condition.clone(), log, only: route.only })
        };
        let rules = self.routes.iter().filter_map(rule).collect();
        let log = |builder: &Builder| RoutedLog {
            path: builder.final_path(number),
            disk: Disk::new(builder.durability),
        };
        (Routes::new(rules, builders.len() + 1), builders.iter().map(log).collect())
    }

    /// The path of the log in the process with this number among those that have joined. It has the system's number of
    /// the process, too, if that was asked for.
    pub(super) fn final_path(&self, number: u32) -> PathBuf {
        let path = numbered(&self.path, number);
        if self.ending.pid_in_name { with_infix(&path, std::process::id()) } else { path }
    }

    /// Whether any log is rotated.
    pub(super) fn rotates_any(&self) -> bool {
        let mut routes = self.routes.iter();
        self.rotation.is_some() || routes.any(|route| route.options.rotation.is_some())
    }

    /// The least urgent level of which a route wants its records to be critical.
    pub(super) fn routed_write_through(&self) -> Option<Level> {
        let routes = self.routes.iter().filter(|route| route.write_through);
        routes.filter_map(|route| route.condition.level).max()
    }
}
