//! Takes the values of a statement of `tracing`.

use std::error::Error;
use std::fmt::{self, Write};

use ::tracing_core::Metadata;
use ::tracing_core::field::{Field, Visit};

use crate::argument::error::ErrorChain;
use crate::argument::gathered::{Gathered, Name};
use crate::bridge::tracing::event::ShowFields;
use crate::bridge::tracing::sites::MESSAGE;
use crate::format::MAX_ARGUMENTS;
use crate::statement::made::mix;

/// How many fields keep their types: there is room for one text of all others, and for two ids of spans.
const MAX_FIELDS: usize = MAX_ARGUMENTS - 3;

/// The index of a field among those of its statement. It has a name there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldIndex(pub(super) u8);

/// How many fields a statement can have: each has an index.
pub(super) const MAX_INDICES: usize = FieldIndex::MORE.0 as usize;

impl FieldIndex {
    /// All fields for which there was no room.
    const MORE: Self = Self(u8::MAX - 1);

    #[inline(always)]
    fn of(field: &Field) -> Self {
        // No statement that is known has more of them: see `MAX_INDICES`.
        Self(field.index() as u8)
    }

    /// The name of an argument.
    pub(super) fn name(self, metadata: &'static Metadata<'static>) -> &'static str {
        match self {
            Self::MORE => "more",
            Self(index) => {
                let mut fields = metadata.fields().iter();
                fields.nth(index.into()).map_or("", |field| field.name())
            }
        }
    }
}

impl Name for FieldIndex {
    const NONE: Self = Self(u8::MAX);
}

/// The names and values of a record.
pub(super) type GatheredFields = Gathered<FieldIndex>;

/// Gathers fields.
pub(super) struct Fields<'g> {
    pub(super) gathered: &'g mut GatheredFields,
    /// The indices of the last eight fields, a byte each.
    indices: u64,
    /// Whether there are more of them than keep their types.
    has_more: bool,
}

impl<'g> Fields<'g> {
    #[inline(always)]
    pub(super) fn new(gathered: &'g mut GatheredFields) -> Self {
        Self { gathered, indices: 0, has_more: false }
    }

    /// Notes that this field comes next. Returns whether it keeps its type.
    #[inline(always)]
    fn note(&mut self, field: &Field) -> bool {
        if self.gathered.count() >= MAX_FIELDS {
            self.has_more = true;
            return false;
        }
        self.indices = mix(self.indices, FieldIndex::of(field).0);
        true
    }

    /// Adds the fields for which there was no room, as one text. `show` shows all fields once more. Returns the indices
    /// of the last eight fields, for [`Known::log`](super::sites::Known::log).
    #[inline(always)]
    pub(super) fn finish(self, show: ShowFields<'_>) -> u64 {
        if self.has_more {
            add_more(self.gathered, show);
        }
        self.indices
    }
}

#[cold]
#[inline(never)]
fn add_more(gathered: &mut GatheredFields, show: ShowFields<'_>) {
    gathered.push_text(FieldIndex::MORE, |out| {
        show(&mut FieldsText { out, skipped: MAX_FIELDS, separator: "", with_message: true });
        Ok(())
    });
}

macro_rules! record {
    ($($record:ident: $ty:ty => $push:ident;)*) => {$(
        #[inline]
        fn $record(&mut self, field: &Field, value: $ty) {
            if self.note(field) {
                self.gathered.$push(FieldIndex::of(field), value);
            }
        }
    )*};
}

impl Visit for Fields<'_> {
    record! {
        record_f64: f64 => push_f64;
        record_i64: i64 => push_i64;
        record_u64: u64 => push_u64;
        record_i128: i128 => push_i128;
        record_u128: u128 => push_u128;
        record_bool: bool => push_bool;
        record_str: &str => push_str;
        record_bytes: &[u8] => push_bytes;
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", ErrorChain(value)));
    }

    #[inline]
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.note(field) {
            self.gathered.push_text(FieldIndex::of(field), |out| write!(out, "{value:?}"));
        }
    }
}

/// Writes fields as one text: `id=7 name="ann"`.
pub(super) struct FieldsText<'o> {
    pub(super) out: &'o mut dyn Write,
    /// How many are left out at the beginning.
    pub(super) skipped: usize,
    pub(super) separator: &'static str,
    pub(super) with_message: bool,
}

impl Visit for FieldsText<'_> {
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", ErrorChain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.skipped > 0 {
            self.skipped -= 1;
        } else if self.with_message || field.name() != MESSAGE {
            let separator = std::mem::replace(&mut self.separator, " ");
            // The scratch buffer takes, or cuts, all that comes.
            let _ = write!(self.out, "{separator}{}={value:?}", field.name());
        }
    }
}

/// Writes the message alone.
pub(super) struct MessageText<'o>(pub(super) &'o mut dyn Write);

impl Visit for MessageText<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // As in `FieldsText`.
            let _ = write!(self.0, "{value:?}");
        }
    }
}
