//! Takes the values of a statement of `tracing`.

use std::error::Error;
use std::fmt::{self, Write};

use ::tracing_core::field::{Field, Visit};

use crate::argument::error::ErrorChain;
use crate::argument::gathered::Gathered;
use crate::bridge::tracing::sites::MESSAGE;
use crate::format::MAX_ARGUMENTS;

/// How many fields keep their types: there is room for one text of all others, and for two ids of spans.
const MAX_FIELDS: usize = MAX_ARGUMENTS - 3;

/// Gathers fields.
pub(super) struct Fields<'g> {
    pub(super) gathered: &'g mut Gathered<'static>,
    /// Whether there are more of them than keep their types.
    has_more: bool,
    /// The index of the first field that may come next. Past all of them if `which` does not say it all.
    next: usize,
    /// Which of the statement's fields there were: a bit for each, by its index.
    which: u64,
}

/// The bit of `which` that is always set. No field has it.
const ALWAYS: u32 = u64::BITS - 1;

impl<'g> Fields<'g> {
    #[inline(always)]
    pub(super) fn new(gathered: &'g mut Gathered<'static>) -> Self {
        Self { gathered, has_more: false, next: 0, which: 1 << ALWAYS }
    }

    /// Notes that this field comes next. Returns whether it keeps its type.
    #[inline(always)]
    fn note(&mut self, field: &Field) -> bool {
        let index = field.index();
        // In the order of the statement, each has an index that is higher than those before.
        let is_next = index >= self.next && index < ALWAYS as usize;
        self.which |= 1 << (index as u32 % u64::BITS);
        self.next = if is_next { index + 1 } else { usize::MAX };
        let has_room = self.gathered.count() < MAX_FIELDS;
        self.has_more |= !has_room;
        has_room
    }

    /// Adds the fields for which there was no room, as one text. `visit` shows all fields once more. Returns which
    /// fields there were, for [`Known::site`](super::sites::Known::site).
    #[inline(always)]
    pub(super) fn finish(self, visit: impl FnOnce(&mut dyn Visit)) -> u64 {
        if self.has_more {
            self.gathered.push_text("more", |out| {
                visit(&mut FieldsText {
                    out,
                    skipped: MAX_FIELDS,
                    separator: "",
                    with_message: true,
                });
                Ok(())
            });
            return 0;
        }
        if self.next > ALWAYS as usize { 0 } else { self.which }
    }
}

macro_rules! record {
    ($($record:ident: $ty:ty => $push:ident;)*) => {$(
        #[inline]
        fn $record(&mut self, field: &Field, value: $ty) {
            if self.note(field) {
                self.gathered.$push(field.name(), value);
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
            self.gathered.push_text(field.name(), |out| write!(out, "{value:?}"));
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
