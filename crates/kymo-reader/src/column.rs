//! An argument of many records, looked up once for each call site.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::dictionary::CallSite;
use super::record::Record;
use super::value::{FromValue, ValueError};

/// Reads the argument with one name from many records. The name is looked up once for each call site,
/// and not for each record. Records may come from several readers.
///
/// ```
/// use kymo_reader::{Column, Reader};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = kymo::Logger::builder(&path).start()?;
/// # kymo::info!("sold {qty} at {px:?}", qty = 3_u64, px = Some(99.5));
/// # kymo::info!("sold {qty} at {px:?}", qty = 4_u64, px = None::<f64>);
/// # kymo::info!("closed");
/// # logger.shutdown();
/// let (mut px, mut qty) = (Column::new("px"), Column::new("qty"));
/// let (mut turnover, mut reader) = (0.0, Reader::open(&path)?);
/// while let Some(record) = reader.next_record()? {
///     // A record of another statement has no price.
///     if px.is_in(&record) && let Some(px) = px.get::<Option<f64>>(&record)? {
///         turnover += px * qty.get::<f64>(&record)?;
///     }
/// }
/// assert_eq!(turnover, 298.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Column {
    name: Box<str>,
    /// By [`CallSite::index`]: the identity of the call site, and where the argument is.
    found: Vec<(u64, Option<Place>)>,
}

/// The position of an argument, and where in the name the path of a field within it begins: at the end, if there is
/// none.
type Place = (u16, u32);

/// An argument of a record is missing or of another type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The call site has no argument with this name.
    Missing {
        /// The name that was asked for.
        name: Box<str>,
        /// The call site: file, line and column.
        at: Box<str>,
    },
    /// Its value is of another type.
    Value {
        /// The name that was asked for.
        name: Box<str>,
        /// What was expected and found.
        error: ValueError,
    },
}

impl Column {
    /// The argument with this name, or the field of an argument: `order.px`. See [`CallSite::find`].
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), found: Vec::new() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the record's call site has it.
    pub fn is_in(&mut self, record: &Record<'_>) -> bool {
        self.place(record.call_site()).is_some()
    }

    /// The value in a record.
    ///
    /// # Errors
    /// If the record's call site has no argument with this name, or its value is of another type;
    /// see [`FromValue`].
    pub fn get<'r, T: FromValue<'r>>(&mut self, record: &Record<'r>) -> Result<T, ArgumentError> {
        let place = self.place(record.call_site());
        let value = place.and_then(|(position, path)| {
            record.argument_at(position.into())?.at_path(self.name.get(path as usize..)?)
        });
        let value = value.ok_or_else(|| ArgumentError::missing(&self.name, record.call_site()))?;
        T::from_value(value)
            .map_err(|error| ArgumentError::Value { name: self.name.clone(), error })
    }

    #[inline]
    fn place(&mut self, site: &CallSite) -> Option<Place> {
        match self.found.get(site.index()) {
            Some(&(id, place)) if id == site.id => place,
            _ => self.find(site),
        }
    }

    #[cold]
    fn find(&mut self, site: &CallSite) -> Option<Place> {
        let place = site.find(&self.name).and_then(|(position, path)| {
            let path = self.name.len() - path.len();
            Some((position.try_into().ok()?, path.try_into().ok()?))
        });
        if self.found.len() <= site.index() {
            self.found.resize(site.index() + 1, (0, None));
        }
        self.found[site.index()] = (site.id, place);
        place
    }
}

impl ArgumentError {
    pub(super) fn missing(name: &str, site: &CallSite) -> Self {
        let at = format!("{}:{}:{}", site.file(), site.line(), site.column());
        Self::Missing { name: name.into(), at: at.into() }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, at } => {
                write!(f, "the statement at {at} has no argument {name}")
            }
            Self::Value { name, error } => write!(f, "argument {name}: {error}"),
        }
    }
}

impl std::error::Error for ArgumentError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing { .. } => None,
            Self::Value { error, .. } => Some(error),
        }
    }
}

/// Returns a number that no other call site in this process has, in any reader; never 0.
pub(super) fn new_id() -> u64 {
    // Relaxed: the numbers need to be different, and order nothing.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
