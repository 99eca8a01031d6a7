//! A name that statements give with `logger:`, by which routes find their records.

/// A log that statements name: `info!(logger: AUDIT, …)`.
///
/// It is a constant. A [route](crate::Route::logger) says which file it is. Without such a route, records go where they
/// would go without a name, so a library may name a log that the program does not have.
///
/// The name is part of the statement's description, like its target. A call costs what it costs without.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let (path, audit) = (dir.path().join("app.kymo"), dir.path().join("audit.kymo"));
/// use kymo::{Logger, NamedLog, Route, info};
///
/// const AUDIT: NamedLog = NamedLog::new("audit");
///
/// let logger = Logger::builder(&path).route(Route::logger(AUDIT).to(&audit).only()).start()?;
/// info!("this is in app.kymo");
/// info!(logger: AUDIT, "and this in audit.kymo: {} has logged in", "ann");
/// let report = logger.shutdown();
/// assert_eq!((report.written, report.logs[0].written), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedLog(&'static str);

impl NamedLog {
    /// What a statement has that names no log.
    pub(crate) const NONE: Self = Self("");

    /// Names a log.
    ///
    /// # Panics
    /// If the name is empty. In a constant, that is an error of the compiler.
    pub const fn new(name: &'static str) -> Self {
        assert!(!name.is_empty(), "the name of a log is empty");
        Self(name)
    }

    /// Returns the name.
    pub const fn name(self) -> &'static str {
        self.0
    }

    pub(crate) const fn is_none(self) -> bool {
        self.0.is_empty()
    }
}
