//! A record: its call site, time, thread and arguments.

use std::fmt::{self, Write};
use std::sync::Arc;

use kymo_format::types::SpanRole;

use super::column::ArgumentError;
use super::dictionary::{CallSite, Thread};
use super::spans::{Span, SpanChain};
use super::timeline::Timeline;
use super::types::Type;
use super::value::decode::take_bytes;
use super::value::{FromValue, Value};
use crate::Level;

/// A record. It borrows from the reader, and is cheap to copy.
///
/// Its arguments were checked when it was read, and are decoded when they are asked for.
#[derive(Clone, Copy)]
pub struct Record<'r> {
    pub(super) site: &'r CallSite,
    pub(super) thread: &'r Thread,
    pub(super) time: Time<'r>,
    pub(super) ticks: u64,
    pub(super) sequence: u64,
    pub(super) arguments: &'r [u8],
    pub(super) block_offset: u64,
    pub(super) head_bytes: u8,
    pub(super) late: bool,
    /// Whether it is read for what it says of spans only.
    pub(super) for_spans: bool,
    pub(super) spans: Option<&'r SpanChain>,
    /// `None` if nothing was passed over.
    pub(super) passed_over: Option<&'r PassedOver>,
}

/// Counts of events that were passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PassedOver {
    /// Records that the program dropped, by [`Event::Drops`](crate::Event::Drops).
    pub dropped: u64,
    /// Records that are missing, by [`Event::Gap`](crate::Event::Gap).
    pub missing: u64,
    /// Bytes that could not be read, by [`Event::Damage`](crate::Event::Damage). Records in them count
    /// as missing if the numbering shows it.
    pub damaged_bytes: u64,
}

impl PassedOver {
    /// Whether there was neither a drop nor a gap nor damage.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// When a record was logged.
#[derive(Clone, Copy)]
pub(super) enum Time<'r> {
    /// The time is computed from the record's ticks by this.
    Of(&'r Timeline),
    Known(i64),
}

impl<'r> Record<'r> {
    /// When it was logged, in nanoseconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub fn time_ns(&self) -> i64 {
        match self.time {
            Time::Of(timeline) => timeline.time_of(self.ticks),
            Time::Known(time_ns) => time_ns,
        }
    }

    /// When it was logged, in ticks of the program's clock.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// The call site of its statement.
    pub fn call_site(&self) -> &'r CallSite {
        self.site
    }

    /// Its level.
    pub fn level(&self) -> Level {
        self.site.level()
    }

    /// Its target: the module path, unless the statement names another.
    pub fn target(&self) -> &'r str {
        self.site.target()
    }

    /// The path of the module that logged it.
    pub fn module(&self) -> &'r str {
        self.site.module()
    }

    /// The source file of its statement.
    pub fn file(&self) -> &'r str {
        self.site.file()
    }

    /// The line of its statement.
    pub fn line(&self) -> u64 {
        self.site.line()
    }

    /// The column of its statement.
    pub fn column(&self) -> u64 {
        self.site.column()
    }

    /// The thread that logged it.
    pub fn thread(&self) -> &'r Thread {
        self.thread
    }

    /// How many records of its thread were written to the segment before it.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The number of bytes that it takes in the file: its call site's number, its ticks, and its
    /// arguments. The rest of a file is frames, the dictionary, and marks.
    pub fn encoded_bytes(&self) -> usize {
        usize::from(self.head_bytes) + self.arguments.len()
    }

    /// The byte offset of its frame in the file.
    pub fn block_offset(&self) -> u64 {
        self.block_offset
    }

    /// Whether it is older than a watermark that precedes it.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// Appends the message to `out`: the format string with the arguments in their places. If this
    /// version cannot parse the format string, it is appended as it is, followed by the arguments.
    #[inline]
    pub fn message(&self, out: &mut String) {
        let rendered =
            self.site.template().render_encoded(self.site.shown(), &mut { self.arguments }, out);
        debug_assert!(rendered.is_ok(), "a record was checked when it was found");
        if self.site.tells_suppressed() {
            self.write_suppressed(out);
        }
    }

    /// Appends how many records of its statement were suppressed, if any were.
    #[cold]
    fn write_suppressed(&self, out: &mut String) {
        if let Some(records) = self.suppressed().filter(|records| *records > 0) {
            let separator = if out.is_empty() { "" } else { " " };
            let _ = write!(out, "{separator}(suppressed {records})");
        }
    }

    /// How many records of its statement were suppressed since the one before, if the statement has a rate, such as
    /// `warn!(every_n: 1000; "…")`. `None` if it has none.
    ///
    /// A record of the logger itself says how many were suppressed when the statement is silent, and at the end. So the
    /// sum over all records is the number of all suppressed ones. The value is the last argument, too.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).start()?;
    /// for tick in 0..5 {
    ///     kymo::warn!(every_n: 4; "tick {tick}");
    /// }
    /// logger.shutdown();
    ///
    /// let mut reader = Reader::open(&path)?;
    /// let mut messages = Vec::new();
    /// while let Some(record) = reader.next_record()? {
    ///     let mut message = String::new();
    ///     record.message(&mut message);
    ///     messages.push((message, record.suppressed()));
    /// }
    /// assert_eq!(messages[0], ("tick 0".to_owned(), Some(0)));
    /// assert_eq!(messages[1], ("tick 4 (suppressed 3)".to_owned(), Some(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn suppressed(&self) -> Option<u64> {
        let last = self.site.types().len().wrapping_sub(1);
        match self.site.tells_suppressed().then(|| self.argument_at(last))? {
            Some(Value::U64(records)) => Some(records),
            _ => None,
        }
    }

    /// The names and values of the arguments, in order. An argument without a name has an empty one.
    #[inline]
    pub fn arguments(&self) -> Arguments<'r> {
        Arguments { names: self.site.names(), types: self.site.types(), bytes: self.arguments }
    }

    /// The value of the argument with this name, as a Rust type. For the same argument of many
    /// records, a [`Column`](crate::Column) looks for the name once for each call site.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// # let logger = kymo::Logger::builder(&path).start()?;
    /// # kymo::info!("{user} paid {fee:?}", user = "ann", fee = Some(1.5));
    /// # logger.shutdown();
    /// let mut reader = Reader::open(&path)?;
    /// let record = reader.next_record()?.expect("a record");
    /// assert_eq!(record.get::<&str>("user")?, "ann");
    /// assert_eq!(record.get::<Option<f64>>("fee")?, Some(1.5));
    /// let error = record.get::<u8>("user").unwrap_err();
    /// assert_eq!(error.to_string(), "argument user: expected u8, found a string");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If its call site has no argument with this name, or the value is of another type; see
    /// [`FromValue`].
    pub fn get<T: FromValue<'r>>(&self, name: &str) -> Result<T, ArgumentError> {
        let value = self.argument(name).ok_or_else(|| ArgumentError::missing(name, self.site))?;
        T::from_value(value).map_err(|error| ArgumentError::Value { name: name.into(), error })
    }

    /// Counts the drops, gaps and damage that
    /// [`Reader::next_record`](crate::Reader::next_record) passed over before this record. Nothing, if
    /// the record was returned as an event.
    pub fn passed_over(&self) -> PassedOver {
        self.passed_over.copied().unwrap_or_default()
    }

    /// The value of the argument with this name. `order.px` is the field `px` of the argument `order`, if there is no
    /// argument of the whole name: see [`CallSite::find`].
    pub fn argument(&self, name: &str) -> Option<Value<'r>> {
        let found = self.arguments().find(|(given, _)| *given == name).map(|(_, value)| value);
        found.or_else(|| self.argument_within(name))
    }

    /// The value of a field of an argument.
    #[cold]
    fn argument_within(&self, name: &str) -> Option<Value<'r>> {
        let (position, path) = self.site.find(name)?;
        self.argument_at(position)?.at_path(path)
    }

    /// The value of the argument at this position, from 0. Arguments before it are skipped without
    /// being decoded.
    pub fn argument_at(&self, position: usize) -> Option<Value<'r>> {
        let mut bytes = self.arguments;
        let (before, rest) = self.site.types().split_at_checked(position)?;
        // The record was checked when it was found, so that this does not fail.
        before.iter().try_for_each(|ty| ty.skip(&mut bytes)).ok()?;
        rest.first()?.decode(&mut bytes).ok()
    }

    /// The spans that it was logged in, the outermost first; empty if there is none, or nothing is known of them. A
    /// record that says that a span changes, is entered, left or closed counts as logged in that span.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).bridge_tracing(true).start()?;
    /// tracing::info_span!("request", id = 7).in_scope(|| tracing::info!("answered"));
    /// logger.shutdown();
    ///
    /// let mut reader = Reader::open(&path)?;
    /// while let Some(record) = reader.next_record()? {
    ///     if record.span_role().is_none() {
    ///         assert_eq!(record.spans()[0].name(), "request");
    ///         assert_eq!(record.spans()[0].fields().next().unwrap().1.to_string(), "7");
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn spans(&self) -> &'r [Arc<Span>] {
        self.spans.map_or(&[], |chain| chain)
    }

    /// The value of the field with this name of the innermost span that has one.
    ///
    /// ```
    /// use kymo_reader::Reader;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("app.kymo");
    /// let logger = kymo::Logger::builder(&path).bridge_tracing(true).start()?;
    /// tracing::info_span!("request", id = 7).in_scope(|| {
    ///     tracing::info_span!("query").in_scope(|| tracing::info!("answered"));
    /// });
    /// logger.shutdown();
    ///
    /// let mut reader = Reader::open(&path)?;
    /// while let Some(record) = reader.next_record()? {
    ///     if record.span_role().is_none() {
    ///         assert_eq!(record.span_field("id").unwrap().to_string(), "7");
    ///         assert!(record.span_field("user").is_none());
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn span_field(&self, name: &str) -> Option<Value<'r>> {
        let field = |span: &'r Arc<Span>| span.fields().find(|(given, _)| *given == name);
        self.spans().iter().rev().find_map(field).map(|(_, value)| value)
    }

    /// The id of the span that it was logged in, or that it tells of. `None` if there is none, or the span has no id,
    /// because the program had too many. What else is known of that span is the last of [`Record::spans`], unless this
    /// record begins it.
    pub fn span_id(&self) -> Option<u64> {
        let ids = || self.site.span_ids(self.arguments);
        let of = ids().find(|(role, _)| *role != SpanRole::In);
        of.or_else(|| ids().next()).map(|(_, id)| id).filter(|id| *id != 0)
    }

    /// What it tells of a span: its beginning, a change, its end. `None` if it is a record of another kind.
    pub fn span_role(&self) -> Option<SpanRole> {
        self.site.span_role()
    }

    /// Appends the text of the spans that it was logged in, which precedes its message: `request{id=7}: query: `, or
    /// `#12: ` if only the id is known. For a record that tells of a span, that follows: `request{id=7}: enter `.
    pub fn write_spans(&self, out: &mut String) {
        if self.site.roles.is_empty() {
            return;
        }
        for span in self.spans() {
            span.write_text(out);
            out.push_str(": ");
        }
        let role = self.span_role();
        if let Some(id) =
            self.span_id().filter(|_| self.spans.is_none() && role != Some(SpanRole::New))
        {
            let _ = write!(out, "#{id}: ");
        }
        if let Some(role) = role {
            out.push_str(role.name());
            out.push(' ');
        }
    }

    /// The encoded bytes of its arguments.
    pub fn argument_bytes(&self) -> &'r [u8] {
        let mut rest = self.arguments;
        let skipped = self.site.skip(&mut rest);
        debug_assert!(skipped.is_ok(), "a record was checked when it was found");
        &self.arguments[..self.arguments.len() - rest.len()]
    }

    /// Whether one of its strings or sequences was cut to fit.
    pub fn is_cut(&self) -> bool {
        let mut bytes = self.arguments;
        self.site.types().iter().any(|ty| match ty {
            Type::Str | Type::Text | Type::OsStr => {
                take_bytes(&mut bytes).is_ok_and(|(_, cut)| cut)
            }
            // The record was checked when it was found.
            _ => ty.decode(&mut bytes).is_ok_and(|value| is_cut(&value)),
        })
    }
}

fn is_cut(value: &Value<'_>) -> bool {
    match value {
        Value::Str(text) | Value::Text(text) | Value::OsStr(text) => text.is_cut(),
        Value::Formatted(texts) => texts.iter().any(|text| text.is_cut()),
        Value::Map(map) => {
            map.is_cut() || map.iter().any(|(key, value)| is_cut(&key) || is_cut(&value))
        }
        Value::Result(Ok(inner) | Err(inner)) => is_cut(&inner.get()),
        Value::Range(range) => range.bounds().iter().any(is_cut),
        Value::Option(Some(inner)) => is_cut(&inner.get()),
        Value::Sequence(sequence) | Value::Set(sequence) => {
            sequence.is_cut() || sequence.iter().any(|element| is_cut(&element))
        }
        Value::Tuple(tuple) => tuple.iter().any(|member| is_cut(&member)),
        Value::Struct(inner) => inner.iter().any(|field| is_cut(&field)),
        Value::Enum(inner) => inner.variant().iter().any(|field| is_cut(&field)),
        _ => false,
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut message = String::new();
        self.message(&mut message);
        f.debug_struct("Record")
            .field("time_ns", &self.time_ns())
            .field("level", &self.level())
            .field("target", &self.target())
            .field("thread", &self.thread.number())
            .field("sequence", &self.sequence)
            .field("message", &message)
            .finish()
    }
}

/// The names and values of a record's arguments, in order.
#[derive(Clone, Debug)]
pub struct Arguments<'r> {
    names: &'r [Box<str>],
    types: &'r [Type],
    bytes: &'r [u8],
}

impl Arguments<'_> {
    /// The first so many of them.
    pub(super) fn first(self, count: usize) -> Self {
        Self { names: &self.names[..count], types: &self.types[..count], ..self }
    }
}

impl<'r> Iterator for Arguments<'r> {
    type Item = (&'r str, Value<'r>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (ty, types) = self.types.split_first()?;
        let (name, names) = self.names.split_first()?;
        (self.types, self.names) = (types, names);
        // The record was checked when it was found, so that this does not fail.
        let value = ty.decode(&mut self.bytes).ok()?;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.names.len(), Some(self.names.len()))
    }
}

impl ExactSizeIterator for Arguments<'_> {}
