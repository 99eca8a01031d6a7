//! The spans of a log: what there is to know of each, from the records that say so.
//!
//! In come records in the order in which they are handed out; out goes, for each, the chain of the spans that it was
//! logged in. A record names one span by its id, and a span names its parent. So records that are missing make a chain
//! shorter, never wrong.
//!
//! - INV-1: memory is bounded, whatever the file says: at most [`MAX_SPANS`] spans, of at most [`MAX_BYTES`] in all.
//!   Beyond that, the oldest are forgotten.
//! - INV-2: a span that has ended is kept while a span within it goes on.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use kymo_format::types::SpanRole;

use super::record::Record;
use super::template::write_field;
use super::types::Type;
use super::value::Value;
use super::value::decode::validated;
use crate::Level;

/// How many spans are known at a time.
const MAX_SPANS: usize = 1 << 18;

/// How many bytes their names and fields may have.
const MAX_BYTES: usize = 64 << 20;

/// How many spans a chain has at most, the innermost ones.
const MAX_DEPTH: usize = 64;

/// A span of `tracing`: a part of the work of a program, in which records were logged.
#[derive(Clone)]
pub struct Span {
    id: u64,
    parent: Option<u64>,
    level: Level,
    name: Box<str>,
    target: Box<str>,
    fields: Vec<Field>,
}

#[derive(Clone)]
struct Field {
    name: Box<str>,
    ty: Type,
    bytes: Box<[u8]>,
}

/// The spans that a record was logged in, the outermost first.
pub(super) type SpanChain = Arc<[Arc<Span>]>;

impl Span {
    /// Its id. Spans of one process have different ones.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The id of the span in which it is, if it is in one.
    pub fn parent_id(&self) -> Option<u64> {
        self.parent
    }

    /// Its level.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its target: the module path, unless the program named another.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Its fields, by what was known of them when the record was logged.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&str, Value<'_>)> {
        self.fields.iter().map(|field| (&*field.name, validated(&field.ty, &mut &*field.bytes)))
    }

    /// Appends its name and fields: `request{id=7 user=ann}`.
    pub fn write_text(&self, out: &mut String) {
        out.push_str(&self.name);
        for (at, (name, value)) in self.fields().enumerate() {
            out.push(if at == 0 { '{' } else { ' ' });
            out.push_str(name);
            out.push('=');
            write_field(&value, out);
        }
        out.push_str(if self.fields.is_empty() { "" } else { "}" });
    }

    fn bytes(&self) -> usize {
        let fields =
            self.fields.iter().map(|it| size_of::<Field>() + it.name.len() + it.bytes.len());
        size_of::<Entry>() + self.name.len() + self.target.len() + fields.sum::<usize>()
    }

    fn set_fields(&mut self, record: &Record<'_>) {
        let mut rest = record.arguments;
        for (name, ty) in record.site.names().iter().zip(record.site.types()) {
            let whole = rest;
            // The record was checked when it was found, so that this does not fail.
            if ty.skip(&mut rest).is_err() {
                break;
            }
            let bytes = whole[..whole.len() - rest.len()].into();
            let field = Field { name: name.clone(), ty: ty.clone(), bytes };
            match self.fields.iter_mut().find(|known| known.name == *name) {
                Some(known) => *known = field,
                None => self.fields.push(field),
            }
        }
    }
}

/// Shows [`Span::write_text`].
impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_text(&mut text);
        write!(f, "#{} {text}", self.id)
    }
}

struct Entry {
    span: Arc<Span>,
    /// Which of all spans it was.
    serial: u64,
    /// How many spans within it are known.
    children: u32,
    closed: bool,
    /// Its chain, and how often fields had been changed when that was made.
    chain: Option<(u64, SpanChain)>,
}

/// The spans that are known.
#[derive(Default)]
pub(super) struct Spans {
    known: HashMap<u64, Entry>,
    /// Those that are known, and others, in the order in which they began.
    order: VecDeque<(u64, u64)>,
    bytes: usize,
    /// How many spans there were.
    serial: u64,
    /// How often fields of known spans were changed.
    changes: u64,
    /// The chain of the record at hand.
    pub(super) at_hand: Option<SpanChain>,
}

impl Spans {
    /// Forgets all: another process has other spans.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes what a record says of spans, and finds those that it was logged in.
    pub(super) fn note(&mut self, record: &Record<'_>) {
        let (mut within, mut of) = (None, None);
        for (role, id) in record.site.span_ids(record.arguments) {
            match role {
                SpanRole::In => within = Some(id),
                role => of = Some((role, id)),
            }
        }
        self.at_hand = match of {
            None => within.and_then(|id| self.chain(id)),
            Some((SpanRole::New, id)) => {
                self.begin(id, within.filter(|it| ![0, id].contains(it)), record);
                within.and_then(|id| self.chain(id))
            }
            Some((role, id)) => {
                if role == SpanRole::Record {
                    self.change(id, record);
                }
                let chain = self.chain(id);
                if role == SpanRole::Close {
                    self.close(id);
                }
                chain
            }
        };
    }

    fn begin(&mut self, id: u64, parent: Option<u64>, record: &Record<'_>) {
        if id == 0 {
            // The program had too many spans to give this one an id.
            return;
        }
        self.forget(id);
        let site = record.site;
        let mut span = Span {
            id,
            parent,
            level: site.level(),
            name: site.format().replace("{{", "{").replace("}}", "}").into(),
            target: site.target().into(),
            fields: Vec::new(),
        };
        span.set_fields(record);
        self.bytes += span.bytes();
        self.serial += 1;
        if let Some(parent) = parent.and_then(|id| self.known.get_mut(&id)) {
            parent.children += 1;
        }
        let serial = self.serial;
        self.order.push_back((id, serial));
        let span = Arc::new(span);
        self.known.insert(id, Entry { span, serial, children: 0, closed: false, chain: None });
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.known.len() > MAX_SPANS || self.bytes > MAX_BYTES {
            let Some((id, serial)) = self.order.pop_front() else { break };
            if self.known.get(&id).is_some_and(|entry| entry.serial == serial) {
                self.forget(id);
            }
        }
        if self.order.len() > 2 * self.known.len() + 64 {
            let known = &self.known;
            self.order.retain(|(id, at)| known.get(id).is_some_and(|it| it.serial == *at));
        }
    }

    fn change(&mut self, id: u64, record: &Record<'_>) {
        let Some(entry) = self.known.get_mut(&id) else { return };
        let mut span = Span::clone(&entry.span);
        self.bytes -= span.bytes();
        span.set_fields(record);
        self.bytes += span.bytes();
        entry.span = Arc::new(span);
        self.changes += 1;
        self.make_room();
    }

    fn close(&mut self, id: u64) {
        let mut next = Some(id);
        if let Some(entry) = self.known.get_mut(&id) {
            entry.closed = true;
        }
        // A span that has ended goes with the last one within it.
        while let Some(id) = next {
            let gone = self.known.get(&id).is_some_and(|it| it.closed && it.children == 0);
            next = if gone { self.forget(id) } else { None };
        }
    }

    /// Forgets a span; returns the id of its parent.
    fn forget(&mut self, id: u64) -> Option<u64> {
        let entry = self.known.remove(&id)?;
        self.bytes -= entry.span.bytes();
        let parent = self.known.get_mut(&entry.span.parent?)?;
        parent.children = parent.children.saturating_sub(1);
        entry.span.parent
    }

    fn chain(&mut self, id: u64) -> Option<SpanChain> {
        let entry = self.known.get(&id)?;
        if let Some((changes, chain)) = &entry.chain
            && *changes == self.changes
        {
            return Some(Arc::clone(chain));
        }
        let mut spans = vec![Arc::clone(&entry.span)];
        let mut parent = entry.span.parent;
        while let Some(entry) = parent.and_then(|id| self.known.get(&id))
            && spans.len() < MAX_DEPTH
        {
            spans.push(Arc::clone(&entry.span));
            parent = entry.span.parent;
        }
        spans.reverse();
        let chain = SpanChain::from(spans);
        self.known.get_mut(&id)?.chain = Some((self.changes, Arc::clone(&chain)));
        Some(chain)
    }
}
