//! Which logs a record goes to: decided by its call site alone.
//!
//! In: the conditions of the routes, once. Out: a set of logs for each call site. The consumer asks once for each call
//! site. A thread asks when it drops a record, also in a signal handler: so nothing here has a lock, or allocates.

use crate::filter::fits;
use crate::level::Level;
use crate::statement::call_site::CallSite;
use crate::statement::named_log::NamedLog;

/// The log at the logger's path, among all logs.
pub(crate) const MAIN: usize = 0;

/// How many logs a logger may have, the one at its path included.
pub(crate) const MAX_LOGS: usize = 64;

/// A set of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogSet(u64);

impl LogSet {
    /// The log at the logger's path alone.
    pub(crate) const MAIN: Self = Self(1 << MAIN);

    /// Its logs, in order.
    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let log = left.trailing_zeros() as usize;
            left &= left.wrapping_sub(1);
            (log < MAX_LOGS).then_some(log)
        })
    }
}

/// Which records a route is for. All of its conditions have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// This level and more urgent ones.
    pub(crate) level: Option<Level>,
    /// This target, and those in it.
    pub(crate) target: Option<Box<str>>,
    pub(crate) log: Option<NamedLog>,
}

impl Condition {
    fn holds(&self, site: &CallSite) -> bool {
        self.level.is_none_or(|level| site.level <= level)
            && self.target.as_ref().is_none_or(|target| fits(target, site.location.target))
            && self.log.is_none_or(|log| log == site.log)
    }
}

/// A route, as the table has it.
#[derive(Debug)]
pub(crate) struct RouteRule {
    pub(crate) condition: Condition,
    /// The log that it leads to.
    pub(crate) log: usize,
    /// Whether its records are not for the log at the logger's path.
    pub(crate) only: bool,
}

/// All routes of a logger.
#[derive(Debug)]
pub(crate) struct Routes {
    rules: Box<[RouteRule]>,
    /// How many logs there are.
    logs: usize,
}

impl Default for Routes {
    fn default() -> Self {
        Self { rules: Box::default(), logs: 1 }
    }
}

impl Routes {
    /// `logs`: how many there are, at most [`MAX_LOGS`].
    pub(crate) fn new(rules: Vec<RouteRule>, logs: usize) -> Self {
        debug_assert!(logs <= MAX_LOGS);
        Self { rules: rules.into(), logs }
    }

    /// How many logs there are.
    pub(crate) fn logs(&self) -> usize {
        self.logs
    }

    /// The logs that records of a call site are for.
    pub(crate) fn of(&self, site: &CallSite) -> LogSet {
        let (mut set, mut is_for_main) = (0, true);
        for rule in self.rules.iter().filter(|rule| rule.condition.holds(site)) {
            set |= 1 << rule.log;
            is_for_main &= !rule.only;
        }
        LogSet(set | u64::from(is_for_main) << MAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::call_site::Location;

    const AUDIT: NamedLog = NamedLog::new("audit");

    fn site(level: Level, target: &'static str, log: NamedLog) -> CallSite {
        let location = Location {
            target,
            module: "m",
            file: "a.rs",
            line: 1,
            column: 2,
            format: "",
            names: &[],
        };
        CallSite::new(level, location, None).in_log(log)
    }

    fn rule(level: Option<Level>, target: &str, log: usize, only: bool) -> RouteRule {
        let target = Some(target).filter(|it| !it.is_empty()).map(Into::into);
        RouteRule { condition: Condition { level, target, log: None }, log, only }
    }

    #[test]
    fn a_record_goes_where_all_routes_say() {
        let named = Condition { log: Some(AUDIT), ..Condition::default() };
        let rules = vec![
            rule(Some(Level::Warn), "", 1, false),
            rule(None, "net", 2, true),
            rule(Some(Level::Error), "net::http", 3, false),
            RouteRule { condition: named, log: 63, only: true },
        ];
        let routes = Routes::new(rules, 64);
        let of =
            |level, target, log| routes.of(&site(level, target, log)).iter().collect::<Vec<_>>();
        assert_eq!(of(Level::Info, "app", NamedLog::NONE), [0]);
        assert_eq!(of(Level::Warn, "app", NamedLog::NONE), [0, 1]);
        assert_eq!(of(Level::Info, "net", NamedLog::NONE), [2]);
        assert_eq!(of(Level::Info, "network", NamedLog::NONE), [0]);
        assert_eq!(of(Level::Error, "net::http::h2", NamedLog::NONE), [1, 2, 3]);
        assert_eq!(of(Level::Trace, "app", AUDIT), [63]);
        assert_eq!(of(Level::Error, "net::http", AUDIT), [1, 2, 3, 63]);
        assert_eq!(of(Level::Trace, "app", NamedLog::new("other")), [0]);
    }

    #[test]
    fn without_routes_all_is_for_the_main_log() {
        let routes = Routes::default();
        assert_eq!(routes.of(&site(Level::Error, "net", AUDIT)), LogSet::MAIN);
        assert!(LogSet::MAIN.iter().eq([MAIN]));
    }
}
