//! What a record measures: the duration of a scope, or the value of a metric.

use std::fmt;
use std::time::Duration;

use kymo_format::Purpose;

use super::record::{Arguments, Record};
use super::types::Type;
use super::value::Value;

/// A metric: a record that has a value, such as those of `kymo::count!`.
#[derive(Clone, Debug)]
pub struct Metric<'r> {
    kind: &'static str,
    name: Box<str>,
    value: Value<'r>,
    labels: Arguments<'r>,
}

impl<'r> Metric<'r> {
    /// What is done with its values: `count`, `gauge` or `histogram`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value: an integer, a float or a duration.
    pub fn value(&self) -> Value<'r> {
        self.value
    }

    /// The value as a number; a duration in nanoseconds.
    pub fn number(&self) -> f64 {
        as_number(&self.value).unwrap_or(f64::NAN)
    }

    /// The names and values of its labels, in order.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&'r str, Value<'r>)> {
        self.labels.clone()
    }
}

/// What a record says of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeEvent {
    /// The scope with this number has begun.
    Begin(u64),
    /// A scope has ended, after this time. If its beginning is in the log, it has a number.
    End(Option<u64>, Duration),
}

impl<'r> Record<'r> {
    /// What it says of a scope of `kymo::scope!`. `None` if it is a record of another kind.
    ///
    /// ```
    /// use kymo_reader::{Reader, ScopeEvent};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).start()?;
    /// let took = kymo::scope!("match", book = 7).end().expect("a scope that is logged");
    /// logger.shutdown();
    ///
    /// let mut reader = Reader::open(&path)?;
    /// let record = reader.next_record()?.expect("a record");
    /// assert_eq!(record.scope(), Some(ScopeEvent::End(None, took)));
    /// assert_eq!(&*record.call_site().name(), "match");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scope(&self) -> Option<ScopeEvent> {
        let purpose = self.site.purpose();
        let count = self.site.types().len();
        let number = |at: usize| match self.argument_at(at)? {
            Value::U64(number) => Some(number),
            _ => None,
        };
        let duration = || match self.argument_at(count.checked_sub(1)?)? {
            Value::Duration(duration) => Some(duration),
            _ => None,
        };
        Some(match purpose {
            Purpose::Scope => ScopeEvent::End(None, duration()?),
            Purpose::ScopeEnd => ScopeEvent::End(Some(number(count.checked_sub(2)?)?), duration()?),
            Purpose::ScopeBegin => ScopeEvent::Begin(number(count.checked_sub(1)?)?),
            _ => return None,
        })
    }

    /// The duration of the scope that ended with it; `None` if it is a record of another kind.
    pub fn scope_duration(&self) -> Option<Duration> {
        match self.scope()? {
            ScopeEvent::End(_, duration) => Some(duration),
            ScopeEvent::Begin(_) => None,
        }
    }

    /// The metric that it is, if it is one: a record of `kymo::count!`, `gauge!` or `histogram!`.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// kymo::count!("orders", 3, venue = "XETRA");
    /// # logger.shutdown();
    /// let mut reader = Reader::open(&path)?;
    /// let record = reader.next_record()?.expect("a record");
    /// let metric = record.metric().expect("a metric");
    /// assert_eq!((metric.kind(), metric.name(), metric.number()), ("count", "orders", 3.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn metric(&self) -> Option<Metric<'r>> {
        let kind = self.site.metric()?;
        let last = self.site.types().len().checked_sub(1)?;
        let value = self.argument_at(last)?;
        as_number(&value)?;
        Some(Metric { kind, name: self.site.name(), value, labels: self.arguments().first(last) })
    }
}

/// The value of a metric, if it is one.
fn as_number(value: &Value<'_>) -> Option<f64> {
    let integer =
        value.as_i128().or_else(|| value.as_u128().and_then(|it| i128::try_from(it).ok()));
    Some(match (integer, value) {
        (Some(integer), _) => integer as f64,
        (None, Value::F32(value)) => f64::from(*value),
        (None, Value::F64(value)) => *value,
        (None, Value::Duration(value)) => value.as_nanos() as f64,
        _ => return None,
    })
}

/// Whether an argument of this type can be a metric's value.
pub(super) fn is_number(ty: &Type) -> bool {
    matches!(
        ty,
        Type::U8
            | Type::U16
            | Type::U32
            | Type::U64
            | Type::Usize
            | Type::I8
            | Type::I16
            | Type::I32
            | Type::I64
            | Type::Isize
            | Type::F32
            | Type::F64
            | Type::Duration
    )
}

/// Shows `count orders = 3`.
impl fmt::Display for Metric<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} = {}", self.kind, self.name, self.value)
    }
}
