//! Expressions of `--where` over captured records.

use std::fmt::Write;

use jiff::tz::TimeZone;
use kymo_query::{Expression, Reference, Scratch};

use crate::testing::records::Record;

/// An expression, and what is left of it for the records of each call site.
pub(super) struct Query {
    whole: Prepared,
    /// The parts that all have to be true.
    parts: Vec<Prepared>,
}

/// An expression, with its specialisations by the index of the call site.
struct Prepared {
    expression: Expression,
    by_site: Vec<Option<Expression>>,
    scratch: Scratch,
}

impl Query {
    /// Parses an expression.
    ///
    /// # Panics
    /// If it is wrong.
    #[track_caller]
    pub(super) fn new(text: &str) -> Self {
        let expression = match text.parse::<Expression>() {
            Ok(expression) => expression,
            Err(error) => panic!("{error}"),
        };
        let parts = match &expression {
            Expression::And(parts) => parts.iter().cloned().map(Prepared::new).collect(),
            whole => vec![Prepared::new(whole.clone())],
        };
        Self { whole: Prepared::new(expression), parts }
    }

    /// Whether it is true of a record. All records must come from one file.
    pub(super) fn is_true(&mut self, record: &kymo_reader::Record<'_>) -> bool {
        self.whole.is_true(record)
    }
}

impl Prepared {
    fn new(mut expression: Expression) -> Self {
        expression.resolve(&Reference::now(TimeZone::UTC));
        Self { expression, by_site: Vec::new(), scratch: Scratch::default() }
    }

    fn is_true(&mut self, record: &kymo_reader::Record<'_>) -> bool {
        let site = record.call_site();
        if self.by_site.len() <= site.index() {
            self.by_site.resize_with(site.index() + 1, || None);
        }
        let slot = &mut self.by_site[site.index()];
        let expression = slot.get_or_insert_with(|| self.expression.specialize(site));
        expression.is_true(record, &mut self.scratch)
    }
}

/// The records of which the most parts of an expression are true.
#[derive(Default)]
pub(super) struct Nearest {
    /// How many records there are.
    records: usize,
    best: usize,
    /// The first of them, with the numbers of the parts that are not true.
    nearest: Vec<(Record, Vec<usize>)>,
}

/// How many are kept.
const KEPT: usize = 8;

impl Nearest {
    /// Adds a record.
    pub(super) fn add(&mut self, query: &mut Query, record: &kymo_reader::Record<'_>) {
        self.records += 1;
        let parts = query.parts.iter_mut().enumerate();
        let wrong: Vec<usize> =
            parts.filter_map(|(at, part)| (!part.is_true(record)).then_some(at)).collect();
        let holds = query.parts.len() - wrong.len();
        if holds > self.best {
            self.best = holds;
            self.nearest.clear();
        }
        if holds == self.best && holds > 0 && self.nearest.len() < KEPT {
            self.nearest.push((Record::new(record), wrong));
        }
    }

    /// Says which they are, at most so many.
    pub(super) fn text(&self, query: &Query, shown: usize) -> String {
        let mut text = match (self.records, self.nearest.is_empty()) {
            (0, _) => return "nothing was captured".to_owned(),
            (records, true) => return format!("none of {records} records comes near it"),
            (records, false) => format!("the nearest of {records} records:"),
        };
        for (record, wrong) in self.nearest.iter().take(shown) {
            let wrong = wrong.iter().map(|at| query.parts[*at].expression.to_string());
            let wrong = wrong.collect::<Vec<_>>().join(", ");
            let _ = write!(text, "\n  {record}\n      not true: {wrong}");
        }
        text
    }
}
