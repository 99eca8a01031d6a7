//! What the bridge knows of the statements of `tracing`: what the filter says of them, and their call sites.
//!
//! A statement is known by the address of its metadata. `tracing` keeps a reference to each for ever, so that a library
//! with such statements cannot be unloaded: the address identifies. What types its values have is known only when it
//! runs, so a statement has a call site for each sequence of fields and types that it was met with, up to [`SHAPES`].
//! Further records have call sites for their sequences of fields, up to as many, and state their types themselves.

use std::ptr;

use ::tracing_core::Metadata;

use crate::argument::Arguments;
use crate::bridge::tracing::fields::{FieldIndex, GatheredFields, MAX_INDICES};
use crate::bridge::tracing::from_log::is_from_log;
use crate::call::gathered;
use crate::filter::gate::FilterSite;
use crate::format::types::{SpanRole, Type};
use crate::level::Level;
use crate::process::inside::Inside;
use crate::statement::call_site::{CallSite, Location, TypeList};
use crate::statement::made::MIXED;
use crate::statement::run_time::{as_format, list_of};
use crate::statement::table::Table;
use crate::sync::statics::{AtomicPtr, Ordering};

/// How many statements can be known.
const STATEMENTS: usize = 4096;

/// How many call sites a statement can have whose types are known, and how many of the others.
const SHAPES: usize = 16;

static TABLE: Table<Known, { 2 * STATEMENTS }> = Table::new();

/// What is known of a statement.
pub(super) struct Known {
    pub(super) metadata: &'static Metadata<'static>,
    pub(super) filter: FilterSite,
    /// Of a span, the call sites of its moments.
    moments: Option<Box<[CallSite; 5]>>,
    typed: Shapes,
    /// Of records that state their types themselves.
    stating: Shapes,
}

/// Call sites of a statement. Filled from the front; never emptied.
struct Shapes([AtomicPtr<Shape>; SHAPES]);

/// A call site, and the names and types of the values that it is for.
struct Shape {
    site: CallSite,
    indices: u64,
    mixed_codes: u64,
    names: Box<[FieldIndex]>,
    codes: Box<[u8]>,
}

/// What happens to a span, without fields.
#[derive(Clone, Copy)]
pub(super) enum Moment {
    /// It begins, and its fields are elsewhere.
    Begun,
    Entered,
    Left,
    Closed,
    /// It follows from another one, whose id comes second.
    Follows,
}

/// The types of the moments' arguments.
const MOMENTS: [TypeList; 5] = [
    TypeList { first: Type::Span(SpanRole::New), rest: None },
    TypeList { first: Type::Span(SpanRole::Enter), rest: None },
    TypeList { first: Type::Span(SpanRole::Exit), rest: None },
    TypeList { first: Type::Span(SpanRole::Close), rest: None },
    TypeList {
        first: Type::Span(SpanRole::Follows),
        rest: Some(&TypeList { first: Type::Span(SpanRole::In), rest: None }),
    },
];

/// The level of kymo's.
pub(super) fn level_of(level: ::tracing_core::Level) -> Level {
    match level {
        ::tracing_core::Level::ERROR => Level::Error,
        ::tracing_core::Level::WARN => Level::Warn,
        ::tracing_core::Level::INFO => Level::Info,
        ::tracing_core::Level::DEBUG => Level::Debug,
        _ => Level::Trace,
    }
}

/// Returns what is known of a statement. `None` if there is no room, if the calling thread is inside the logger, if the
/// statement has more than [`MAX_INDICES`] fields, or if it stands for records of the crate `log`.
#[inline(always)]
pub(super) fn known(metadata: &'static Metadata<'static>) -> Option<&'static Known> {
    TABLE
        .find(hash(metadata), |known| ptr::eq(known.metadata, metadata))
        .or_else(|| learn(metadata))
}

fn hash(metadata: &'static Metadata<'static>) -> u64 {
    (ptr::from_ref(metadata).addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32
}

#[cold]
#[inline(never)]
fn learn(metadata: &'static Metadata<'static>) -> Option<&'static Known> {
    let is_indexed = metadata.fields().len() <= MAX_INDICES;
    if Inside::is_here() || !is_indexed || is_from_log(metadata) {
        return None;
    }
    let _inside = Inside::enter();
    let is = |known: &Known| ptr::eq(known.metadata, metadata);
    TABLE.find_or_make(hash(metadata), is, || Known {
        metadata,
        filter: FilterSite::new(level_of(*metadata.level()), metadata.target()),
        moments: metadata.is_span().then(|| Box::new(moments_of(metadata))),
        typed: Shapes::new(),
        stating: Shapes::new(),
    })
}

fn moments_of(metadata: &'static Metadata<'static>) -> [CallSite; 5] {
    static TYPES: [TypeList; 5] = MOMENTS;
    let format: &str = as_format(metadata.name()).leak();
    std::array::from_fn(|at| {
        let names: &[&str] = if at == Moment::Follows as usize { &["", ""] } else { &[""] };
        let location = location_of(metadata, format, names);
        CallSite::new(level_of(*metadata.level()), location, Some(&TYPES[at]))
    })
}

/// The place of a statement.
fn location_of(
    metadata: &'static Metadata<'static>,
    format: &'static str,
    names: &'static [&'static str],
) -> Location {
    Location {
        target: metadata.target(),
        module: metadata.module_path().unwrap_or_default(),
        file: metadata.file().unwrap_or_default(),
        line: metadata.line().unwrap_or(0),
        column: 0,
        format,
        names,
    }
}

impl Known {
    /// The call site of what happens to a span. Only spans have slots, and are asked for theirs.
    #[inline(always)]
    pub(super) fn moment(&'static self, moment: Moment) -> &'static CallSite {
        let moments = self.moments.as_ref().expect("a span has them");
        &moments[moment as usize]
    }

    /// Logs these values. `indices`: which of the statement's fields the last eight are, a byte each. Returns whether
    /// they are logged. They are released, and are not, if there is no room for their call site, or if the calling
    /// thread is inside the logger.
    #[inline(always)]
    pub(super) fn log(&self, indices: u64, values: &GatheredFields) -> bool {
        match self.typed.find(indices, values) {
            Some(site) => {
                gathered::log_to(site, values);
                true
            }
            None => self.log_new(indices, values),
        }
    }

    #[cold]
    #[inline(never)]
    fn log_new(&self, indices: u64, values: &GatheredFields) -> bool {
        if let Some(site) = self.typed.add(self.metadata, indices, values) {
            gathered::log_to(site, values);
            return true;
        }
        let stating = values.stating_types();
        let found = self.stating.find(indices, &stating);
        match found.or_else(|| self.stating.add(self.metadata, indices, &stating)) {
            Some(site) => gathered::log_to(site, &stating),
            None => {
                values.values().release();
                return false;
            }
        }
        true
    }
}

impl Shapes {
    const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; SHAPES])
    }

    /// Returns the call site for these values.
    #[inline(always)]
    fn find(&self, indices: u64, values: &GatheredFields) -> Option<&'static CallSite> {
        for place in &self.0 {
            // Acquire: pairs with the release in `add`. Who finds the pointer finds what is there.
            let found = place.load(Ordering::Acquire);
            if found.is_null() {
                break;
            }
            // SAFETY: made by `Box::into_raw` in `add`, and never freed.
            let shape = unsafe { &*found };
            if shape.is(indices, values) {
                return Some(&shape.site);
            }
        }
        None
    }

    /// As [`Self::find`], and makes the call site if it is not there.
    #[cold]
    fn add(
        &self,
        metadata: &'static Metadata<'static>,
        indices: u64,
        values: &GatheredFields,
    ) -> Option<&'static CallSite> {
        // Acquire: as in `find`.
        if Inside::is_here() || !self.0[SHAPES - 1].load(Ordering::Acquire).is_null() {
            return None;
        }
        let _inside = Inside::enter();
        let own = Box::into_raw(Box::new(Shape::new(metadata, indices, values)));
        for place in &self.0 {
            // Release: pairs with the acquire in `find`. Acquire: what another thread has put there is looked at.
            let put =
                place.compare_exchange(ptr::null_mut(), own, Ordering::Release, Ordering::Acquire);
            let found = put.err().unwrap_or(own);
            // SAFETY: made by `Box::into_raw`, and never freed once it is published.
            let shape = unsafe { &*found };
            if shape.is(indices, values) {
                if found != own {
                    // Another thread was faster. The list of types stays: once for a thread and a call site.
                    // SAFETY: made above, and published nowhere.
                    drop(unsafe { Box::from_raw(own) });
                }
                return Some(&shape.site);
            }
        }
        // Others have taken the last place. SAFETY: made above, and published nowhere.
        drop(unsafe { Box::from_raw(own) });
        None
    }
}

impl Shape {
    fn new(metadata: &'static Metadata<'static>, indices: u64, values: &GatheredFields) -> Self {
        let codes = values.codes();
        let names = values.names().iter().map(|name| name.name(metadata)).collect::<Vec<_>>();
        // The message is printed where the format says, and has no name.
        let message = names.iter().position(|name| *name == MESSAGE);
        let format = match message {
            Some(at) => format!("{{{at}}}").leak(),
            None if metadata.is_span() => as_format(metadata.name()).leak(),
            None => "",
        };
        let named = names.iter().map(|name| if *name == MESSAGE { "" } else { *name });
        let named = named.collect::<Vec<_>>().leak();
        let location = location_of(metadata, format, named);
        let site = CallSite::new(level_of(*metadata.level()), location, list_of(codes));
        let mixed_codes = values.mixed_codes();
        Self { site, indices, mixed_codes, names: values.names().into(), codes: codes.into() }
    }

    /// Whether it is for these values.
    #[inline(always)]
    fn is(&self, indices: u64, values: &GatheredFields) -> bool {
        let codes = values.codes();
        self.indices == indices
            && self.mixed_codes == values.mixed_codes()
            && self.codes.len() == codes.len()
            // The two numbers have all codes and all indices.
            && (codes.len() <= MIXED || self.is_slow(values))
    }

    /// Compares all names and codes.
    #[cold]
    #[inline(never)]
    fn is_slow(&self, values: &GatheredFields) -> bool {
        *self.names == *values.names() && *self.codes == *values.codes()
    }
}

/// The name of the field that is the message.
pub(super) const MESSAGE: &str = "message";
