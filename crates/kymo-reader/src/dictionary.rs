//! The call sites and the threads that a segment has named so far.
//!
//! INV-1: entries are never removed or changed once a record can refer to them, so that an index
//! stays right for records that are held back. An entry that replaces another gets an index of its
//! own.
//!
//! INV-2: memory is proportional to the bytes of the entries, not to the numbers that they name.
//!
//! A rotated log has one dictionary for all its segments, each of which names its call sites and threads
//! anew, under numbers of its own ([`Earlier`]). An entry that an earlier segment had keeps its index.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use super::column;
use super::event::DropCount;
use super::fields::Fields;
use super::json;
use super::measured;
use super::template::{Template, TemplateError};
use super::text::line::Literal;
use super::types::Type;
use super::value::Malformed;
use crate::Level;
use kymo_format::types::SpanRole;
use kymo_format::{MAX_ARGUMENTS, Purpose, frame, varint};

/// Numbers below this are looked up in a table.
const MAX_DIRECT: u64 = 1 << 16;

/// The end of the format string of a scope.
const TOOK: &str = " took {duration:?}";

/// A call site: the constant of a statement that logs records.
#[derive(Clone, Debug)]
pub struct CallSite {
    pub(super) index: u32,
    /// Unique among the call sites of all readers in this process.
    pub(super) id: u64,
    number: u64,
    level: Level,
    line: u64,
    column: u64,
    target: Box<str>,
    module: Box<str>,
    file: Box<str>,
    format: Box<str>,
    names: Box<[Box<str>]>,
    /// The names as keys of JSON, each with the separator before it, without that of the message.
    pub(super) keys: Box<[Literal]>,
    /// The first argument is the message.
    pub(super) has_message_argument: bool,
    types: Box<[Type]>,
    /// The code of what its records are for.
    purpose: u8,
    /// What the ids of spans say that follow the arguments.
    pub(super) roles: Box<[SpanRole]>,
    /// The types of the arguments that take bytes, and of what follows them. Where some take none, a record of those
    /// alone takes two bytes, and may not take the time of a thousand.
    measured: Option<Box<[Type]>>,
    template: Template,
    template_error: Option<TemplateError>,
    /// Whether the filter lets its records through.
    pub(super) selected: bool,
    /// Whether its records are read, even if they are not wanted: they say what spans there are.
    pub(super) tells_of_spans: bool,
}

/// A thread that logged.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    pub(super) index: u32,
    number: u64,
    os_id: u64,
    name: Box<str>,
    /// How many threads of this name had been named, this one included.
    namesakes: u64,
    /// How often it was named.
    pub(super) version: u32,
    /// How many of its records have been written, by the frames read so far.
    pub(super) written: u64,
    /// `written` is not known: earlier frames were not read.
    uncounted: bool,
    /// The last segment of the log that named it, counted from 0.
    segment: u32,
}

/// The call sites and threads that a segment has named so far.
#[derive(Default)]
pub(super) struct Dictionary {
    sites: Vec<CallSite>,
    numbers: Numbers,
    /// While a part of a dump is read ahead: the numbers as they are in the main reading.
    outside: Option<Numbers>,
    /// The index of the call site that has the number where something was read ahead.
    ahead: HashMap<u64, u32>,
    threads: Vec<Thread>,
    thread_numbers: HashMap<u64, u32>,
    /// The index of the thread that was last named with an id of the operating system.
    os_threads: HashMap<u64, u32>,
    /// How many threads have been given a name.
    namesakes: HashMap<Box<str>, u64>,
    last_thread: Option<(u64, u32)>,
    /// Frames were skipped. For a thread that has not been met, the number of its earlier records is
    /// unknown.
    uncounted: bool,
    /// Of a log of several segments: how an entry of another segment is found.
    earlier: Option<Box<Earlier>>,
    /// Whether a call site has ids of spans.
    pub(super) has_spans: bool,
    /// Whether nothing is to be known of spans.
    pub(super) ignores_spans: bool,
}

/// The entries of all segments of a log, to find one again.
#[derive(Default)]
struct Earlier {
    /// Which segment is read, counted from 0.
    segment: u32,
    keys: [RandomState; 2],
    /// The index of each call site, by a hash of its entry without the number. With random keys, and so
    /// long that no two are equal by chance.
    sites: HashMap<[u64; 2], u32>,
    /// The index of the thread that was last named so, by its id of the operating system and its name;
    /// of the process that wrote the segment.
    threads: HashMap<(u64, Box<str>), u32>,
    /// The numbers that threads of this process have, and one past the greatest.
    numbers: HashSet<u64>,
    next_number: u64,
}

impl Earlier {
    fn key(&self, entry: &[u8]) -> [u64; 2] {
        [self.keys[0].hash_one(entry), self.keys[1].hash_one(entry)]
    }

    /// The number of a new thread in the log: that in the segment, unless another has it.
    fn number(&mut self, in_segment: u64) -> u64 {
        let number = match self.numbers.insert(in_segment) {
            true => in_segment,
            false => {
                self.numbers.insert(self.next_number);
                self.next_number
            }
        };
        self.next_number = self.next_number.max(number.saturating_add(1));
        number
    }
}

/// The call site of each number.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Index plus one by number; zero if there is none.
    direct: Vec<u32>,
    others: HashMap<u64, u32>,
}

impl Numbers {
    /// The index plus one of the call site with this number, zero if there is none.
    #[inline]
    fn slot(&self, number: u64) -> u32 {
        match self.direct.get(usize::try_from(number).unwrap_or(usize::MAX)) {
            Some(&slot) if slot != 0 => slot,
            _ => self.other_slot(number),
        }
    }

    #[cold]
    fn other_slot(&self, number: u64) -> u32 {
        self.others.get(&number).copied().unwrap_or(0)
    }

    /// `known`: how many call sites were met.
    fn set_slot(&mut self, number: u64, slot: u32, known: usize) {
        // A table entry costs less than the frame that names it, so long as numbers are given from
        // 0 on.
        let direct = number < MAX_DIRECT && number <= 2 * known as u64 + 64;
        let place = usize::try_from(number).unwrap_or(usize::MAX);
        if direct && self.direct.len() <= place {
            self.direct.resize(place + 1, 0);
        }
        match self.direct.get_mut(place) {
            Some(direct) => {
                *direct = slot;
                self.others.remove(&number);
            }
            None => drop(self.others.insert(number, slot)),
        }
    }
}

impl Dictionary {
    /// That of a log of several segments.
    pub(super) fn of_log() -> Self {
        Self { earlier: Some(Box::default()), ..Self::default() }
    }

    /// Whether it is that of a log of several segments.
    pub(super) fn is_of_log(&self) -> bool {
        self.earlier.is_some()
    }

    /// Another segment of the log follows. `same_process`: which wrote the one before, too.
    pub(super) fn begin_segment(&mut self, same_process: bool) {
        let earlier = self.earlier.get_or_insert_default();
        earlier.segment += 1;
        if !same_process {
            earlier.threads.clear();
            (earlier.numbers, earlier.next_number) = (HashSet::new(), 0);
            self.namesakes.clear();
            self.os_threads.clear();
        }
        (self.numbers, self.outside) = (Numbers::default(), None);
        self.ahead.clear();
        self.thread_numbers.clear();
        (self.last_thread, self.uncounted) = (None, false);
    }

    #[inline]
    pub(super) fn site(&self, index: u32) -> &CallSite {
        &self.sites[index as usize]
    }

    pub(super) fn sites(&self) -> &[CallSite] {
        &self.sites
    }

    pub(super) fn threads(&self) -> &[Thread] {
        &self.threads
    }

    pub(super) fn thread(&self, index: u32) -> &Thread {
        &self.threads[index as usize]
    }

    pub(super) fn thread_mut(&mut self, index: u32) -> &mut Thread {
        &mut self.threads[index as usize]
    }

    /// The call site that has this number now.
    #[inline]
    pub(super) fn site_numbered(&self, number: u64) -> Option<&CallSite> {
        let slot = match self.numbers.slot(number) {
            0 => self.slot_outside(number),
            slot => slot,
        };
        self.sites.get((slot as usize).wrapping_sub(1))
    }

    /// The slot of a number that the part of a dump that is being read does not name, because its
    /// entry is damaged. Another part or the main reading may have named it. Zero if none has, and
    /// outside such a part.
    #[cold]
    fn slot_outside(&self, number: u64) -> u32 {
        let Some(outside) = &self.outside else { return 0 };
        self.ahead.get(&number).map_or_else(|| outside.slot(number), |index| index + 1)
    }

    /// Begins to read in a part of a dump, whose call sites have these numbers.
    pub(super) fn enter_part(&mut self, numbers: &mut Numbers) {
        self.outside = Some(std::mem::replace(&mut self.numbers, std::mem::take(numbers)));
    }

    /// Ends reading in a part, and returns its numbers to it.
    pub(super) fn leave_part(&mut self, numbers: &mut Numbers) {
        if let Some(outside) = self.outside.take() {
            *numbers = std::mem::replace(&mut self.numbers, outside);
        }
    }

    /// The thread with this number, made up where no frame has named it.
    pub(super) fn thread_numbered(&mut self, number: u64) -> &mut Thread {
        let index = match self.last_thread {
            Some((last, index)) if last == number => index,
            _ => self.find_thread(number),
        };
        &mut self.threads[index as usize]
    }

    fn find_thread(&mut self, number: u64) -> u32 {
        let next = self.threads.len() as u32;
        let index = *self.thread_numbers.entry(number).or_insert(next);
        if index == next {
            let uncounted = self.uncounted;
            let (number, segment) = match &mut self.earlier {
                Some(earlier) => (earlier.number(number), earlier.segment),
                None => (number, 0),
            };
            self.threads.push(Thread { index, number, uncounted, segment, ..Thread::default() });
        }
        self.last_thread = Some((number, index));
        index
    }

    /// A thread that an earlier segment of the log named so has this number now, if there is one, and the
    /// number is new.
    fn find_earlier(&mut self, number: u64, os_id: u64, name: &str) {
        let Some(earlier) = &self.earlier else { return };
        if earlier.segment == 0 || self.thread_numbers.contains_key(&number) {
            return;
        }
        let Some(&index) = earlier.threads.get(&(os_id, name.into())) else { return };
        let thread = &mut self.threads[index as usize];
        if thread.segment == earlier.segment {
            // The segment has two threads that are called so.
            return;
        }
        (thread.segment, thread.written) = (earlier.segment, 0);
        thread.uncounted = self.uncounted;
        self.thread_numbers.insert(number, index);
    }

    /// Notes how many records of a thread have been written. Returns the thread's index, and how many
    /// of these records were not met.
    pub(super) fn count_to(&mut self, number: u64, written: u64) -> (u32, u64) {
        let thread = self.thread_numbered(number);
        let met = if std::mem::take(&mut thread.uncounted) { written } else { thread.written };
        thread.written = met.max(written);
        (thread.index, written.saturating_sub(met))
    }

    /// Forgets how many records threads have written, because frames are skipped.
    pub(super) fn forget_counts(&mut self) {
        self.uncounted = true;
        self.threads.iter_mut().for_each(|thread| thread.uncounted = true);
    }

    /// The index of the thread with this id of the operating system. Ids are reused: the last one named
    /// is returned.
    pub(super) fn thread_of_os(&self, os_id: u64) -> Option<u32> {
        self.os_threads.get(&os_id).copied().filter(|_| os_id != 0)
    }

    /// Takes the payload of a thread frame; `None` if it breaks the format.
    pub(super) fn add_thread(&mut self, payload: &[u8]) -> Option<()> {
        let mut fields = Fields(payload);
        let (number, os_id, name) = (fields.varint()?, fields.varint()?, fields.string()?);
        self.find_earlier(number, os_id, &name);
        let is_new = !name.is_empty() && *self.thread_numbered(number).name != *name;
        let namesakes = is_new.then(|| {
            let namesakes = self.namesakes.entry((&*name).into()).or_insert(0);
            *namesakes += 1;
            *namesakes
        });
        let thread = self.thread_numbered(number);
        thread.namesakes = namesakes.unwrap_or(thread.namesakes);
        thread.os_id = os_id;
        thread.name = name.into();
        thread.version = thread.version.wrapping_add(1);
        let index = thread.index;
        if let Some(earlier) = &mut self.earlier {
            earlier.threads.insert((os_id, self.threads[index as usize].name.clone()), index);
        }
        self.os_threads.insert(os_id, index);
        Some(())
    }

    /// Takes the payload of a call site frame; `None` if it breaks the format, or has a type
    /// that is not known. Then its number has no call site, because its records cannot be measured.
    pub(super) fn add_site(
        &mut self,
        payload: &[u8],
        filter: &mut dyn FnMut(&CallSite) -> bool,
    ) -> Option<()> {
        let mut numbers = std::mem::take(&mut self.numbers);
        let added = self.add_site_to(&mut numbers, payload, filter);
        self.numbers = numbers;
        added.map(drop)
    }

    /// Takes the payload of a call site frame. Returns whether records of the call site are wanted; `None`
    /// if it breaks the format.
    pub(super) fn select(
        &mut self,
        payload: &[u8],
        filter: &mut dyn FnMut(&CallSite) -> bool,
    ) -> Option<bool> {
        let mut numbers = std::mem::take(&mut self.numbers);
        let added = self.add_site_to(&mut numbers, payload, filter);
        self.numbers = numbers;
        let is_wanted = |site: &CallSite| site.selected || site.tells_of_spans;
        added.map(|(_, index)| is_wanted(self.site(index)))
    }

    /// Takes the payload of a call site frame in a part that is read ahead, whose numbers are
    /// `numbers`.
    pub(super) fn add_site_aside(
        &mut self,
        payload: &[u8],
        filter: &mut dyn FnMut(&CallSite) -> bool,
        numbers: &mut Numbers,
    ) -> Option<()> {
        let (number, index) = self.add_site_to(numbers, payload, filter)?;
        self.ahead.insert(number, index);
        Some(())
    }

    /// Returns the number and the index. A call site that was met under this number before, here or
    /// elsewhere, keeps its index.
    fn add_site_to(
        &mut self,
        numbers: &mut Numbers,
        payload: &[u8],
        filter: &mut dyn FnMut(&CallSite) -> bool,
    ) -> Option<(u64, u32)> {
        let mut fields = Fields(payload);
        let number = fields.varint()?;
        let known = self.sites.len();
        let key = self.earlier.as_ref().map(|earlier| earlier.key(fields.0));
        if let (Some(earlier), Some(key)) = (&self.earlier, key)
            && let Some(&index) = earlier.sites.get(&key)
        {
            numbers.set_slot(number, index + 1, known);
            return Some((number, index));
        }
        let Some(mut site) = CallSite::parse(number, fields) else {
            numbers.set_slot(number, 0, known);
            return None;
        };
        let ahead = self.ahead.get(&number).map_or(0, |index| index + 1);
        let slots = [numbers.slot(number), self.numbers.slot(number), ahead];
        let same = |slot: &u32| {
            let met = self.sites.get((*slot as usize).wrapping_sub(1));
            met.is_some_and(|met| met.identity() == site.identity())
        };
        if let Some(slot) = slots.into_iter().find(same) {
            numbers.set_slot(number, slot, known);
            return Some((number, slot - 1));
        }
        site.index = u32::try_from(known).ok()?;
        site.selected = filter(&site);
        // What is logged in a span says only its id.
        let tells = |role: &SpanRole| !matches!(role, SpanRole::In | SpanRole::Follows);
        self.has_spans |= !site.roles.is_empty();
        site.tells_of_spans = !self.ignores_spans && site.roles.iter().any(tells);
        let index = site.index;
        numbers.set_slot(number, index + 1, known);
        if let (Some(earlier), Some(key)) = (&mut self.earlier, key) {
            earlier.sites.insert(key, index);
        }
        self.sites.push(site);
        Some((number, index))
    }
}

/// Whether the last argument of a call site for this purpose is a number of suppressed records.
fn tells_suppressed(purpose: Purpose, types: &[Type]) -> bool {
    purpose.tells_suppressed() && matches!(types.last(), Some(Type::U64))
}

fn span_role(ty: &Type) -> Option<SpanRole> {
    match ty {
        Type::Span(role) => Some(*role),
        _ => None,
    }
}

impl CallSite {
    fn parse(number: u64, mut fields: Fields<'_>) -> Option<Self> {
        let level = Level::from_code(fields.u8()?)?;
        let (line, column) = (fields.varint()?, fields.varint()?);
        let target = fields.string()?.into();
        let module = fields.string()?.into();
        let file = fields.string()?.into();
        let format: Box<str> = fields.string()?.into();
        let count = usize::try_from(fields.varint()?).ok()?;
        if count > MAX_ARGUMENTS {
            return None;
        }
        let (mut names, mut types) = (Vec::<Box<str>>::new(), Vec::new());
        for _ in 0..count {
            names.push(fields.string()?.into());
            types.push(Type::parse(fields.bytes()?)?);
        }
        let purpose = fields.u8().unwrap_or(0);
        let spans = types.iter().rev().take_while(|ty| matches!(ty, Type::Span(_))).count();
        let spans = types.split_off(types.len() - spans);
        let roles: Box<[SpanRole]> = spans.iter().filter_map(span_role).collect();
        if types.iter().any(|ty| matches!(ty, Type::Span(_))) {
            return None;
        }
        names.truncate(types.len());
        // A number of suppressed records is no field of the message.
        let suppressed = tells_suppressed(Purpose::from_code(purpose), &types);
        let shown = &names[..names.len() - usize::from(suppressed)];
        let (template, template_error) = match Template::parse(&format, shown) {
            Ok(template) => (template, None),
            Err(error) => (Template::unparsed(&format, shown), Some(error)),
        };
        let sized = |ty: &&Type| !ty.is_zero_sized();
        let measured = match types.iter().all(|ty| sized(&ty)) && spans.is_empty() {
            true => None,
            false => Some(types.iter().chain(&spans).filter(sized).cloned().collect()),
        };
        // Made at run time, for a message that another crate has formatted.
        let is_text = matches!(types.first(), Some(Type::Str | Type::Text));
        let is_bare =
            matches!(&*format, "{}" | "{0}") && names.first().is_some_and(|it| it.is_empty());
        let has_message_argument = column == 0 && is_text && is_bare;
        Some(Self {
            index: 0,
            id: column::new_id(),
            number,
            level,
            line,
            column,
            target,
            module,
            file,
            format,
            keys: json::keys(&names, usize::from(has_message_argument)),
            has_message_argument,
            purpose,
            names: names.into(),
            types: types.into(),
            roles,
            measured,
            template,
            template_error,
            selected: true,
            tells_of_spans: false,
        })
    }

    /// All that the file says of it, but for its number.
    pub(super) fn identity(&self) -> impl Hash + PartialEq + Copy {
        let place = (&self.file, self.line, self.column);
        let topic = (self.level as u8, &self.target, &self.module);
        (place, topic, &self.format, &self.names, (&self.types, &self.roles, self.purpose))
    }

    /// Appends its entry in a dictionary, under this number.
    #[doc(hidden)]
    pub fn put_entry(&self, number: u64, out: &mut Vec<u8>) {
        varint::put(out, number);
        out.push(self.level as u8);
        varint::put(out, self.line);
        varint::put(out, self.column);
        for text in [&self.target, &self.module, &self.file, &self.format] {
            frame::put_str(out, text);
        }
        varint::put(out, (self.types.len() + self.roles.len()) as u64);
        let mut put = |name: &str, ty: &Type| {
            frame::put_str(out, name);
            let mut code = Vec::new();
            ty.put(&mut code);
            varint::put(out, code.len() as u64);
            out.append(&mut code);
        };
        self.names.iter().zip(&self.types).for_each(|(name, ty)| put(name, ty));
        self.roles.iter().for_each(|role| put("", &Type::Span(*role)));
        out.extend((self.purpose != 0).then_some(self.purpose));
    }

    /// The ids of spans in a record with these arguments, and what each says.
    pub(super) fn span_ids(&self, arguments: &[u8]) -> impl Iterator<Item = (SpanRole, u64)> {
        let mut rest = arguments;
        if !self.roles.is_empty() {
            // The record was checked when it was found, so that this does not fail.
            let _ = self.types.iter().try_for_each(|ty| ty.skip(&mut rest));
        }
        self.roles.iter().map_while(move |role| {
            let (id, bytes) = varint::get(rest)?;
            rest = rest.get(bytes..)?;
            Some((*role, id))
        })
    }

    /// Checks the arguments of a record, and advances `bytes` past them.
    #[inline]
    pub(super) fn skip(&self, bytes: &mut &[u8]) -> Result<(), Malformed> {
        let types = self.measured.as_deref().unwrap_or(&self.types);
        types.iter().try_for_each(|ty| ty.skip(bytes))
    }

    /// How many call sites the reader had met before this one. Unique within a reader, dense, and
    /// never reused, so it can index a table.
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Its number in the file. Another call site may have it later on.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The level of its records.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The target of its records: the module path, unless the statement names another.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path of its module.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Its source file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Its column, from 1.
    pub fn column(&self) -> u64 {
        self.column
    }

    /// Its format string.
    pub fn format(&self) -> &str {
        &self.format
    }

    /// Whether its first argument is the message, which another crate than kymo has formatted: what is logged through
    /// `log` or `tracing` with arguments. It is no field.
    pub fn has_message_argument(&self) -> bool {
        self.has_message_argument
    }

    /// The names of its arguments, in order; empty for an argument without a name.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The types of its arguments, in order.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// What its records are for, beyond their text.
    pub fn purpose(&self) -> Purpose {
        Purpose::from_code(self.purpose)
    }

    /// The name of a scope, a metric or a span: its format string, without escapes, and without the duration that that
    /// of a scope ends with.
    pub fn name(&self) -> Box<str> {
        let name = match self.purpose() {
            Purpose::Scope | Purpose::ScopeEnd => self.format.strip_suffix(TOOK),
            _ => None,
        };
        name.unwrap_or(&self.format).replace("{{", "{").replace("}}", "}").into()
    }

    /// The kind of the metric that its records are; `None` if they are none.
    pub fn metric(&self) -> Option<&'static str> {
        let kind = self.purpose().metric()?;
        self.types.last().is_some_and(measured::is_number).then_some(kind)
    }

    /// The types of the arguments that its template shows.
    #[inline]
    pub(super) fn shown(&self) -> &[Type] {
        &self.types[..self.types.len() - usize::from(self.tells_suppressed())]
    }

    /// Whether its last argument is the number of records that were suppressed.
    pub(super) fn tells_suppressed(&self) -> bool {
        tells_suppressed(self.purpose(), &self.types)
    }

    /// The position of the argument that a name leads to, and the path of fields within it. The path is empty for the
    /// name of an argument; `order.px` leads to the argument `order` with the path `px`, if no argument has the
    /// whole name and the type of `order` has such a field. See [`Value::at_path`](crate::Value::at_path).
    pub fn find<'n>(&self, name: &'n str) -> Option<(usize, &'n str)> {
        let position = |name: &str| self.names().iter().position(|given| **given == *name);
        if let Some(position) = position(name) {
            return Some((position, ""));
        }
        name.rmatch_indices('.').find_map(|(dot, _)| {
            let (name, path) = (&name[..dot], &name[dot + 1..]);
            let position = position(name)?;
            self.types.get(position)?.has_path(path).then_some((position, path))
        })
    }

    /// What its records tell of a span: its beginning, a change, its end. `None` for other records.
    pub fn span_role(&self) -> Option<SpanRole> {
        self.roles.iter().copied().find(|role| *role != SpanRole::In)
    }

    /// Its format string, parsed. If that fails, a template that shows the string and the arguments.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Why its format string could not be parsed.
    pub fn template_error(&self) -> Option<&TemplateError> {
        self.template_error.as_ref()
    }
}

impl Thread {
    /// How many threads the reader had met before this one.
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Its number in the file.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its name; empty if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 1 for the first thread of this name in the file, 2 for the next one, and so on, in the order in
    /// which the reader met them: programs name all threads of a pool alike.
    pub fn namesake(&self) -> u64 {
        self.namesakes
    }

    /// The name by which a reader of text can tell it from others in the file: its name, from the second
    /// thread of that name on with a number (`worker#2`), or its number in the file if it has no name.
    pub fn label(&self) -> impl fmt::Display + '_ {
        Label(self)
    }

    /// Its id in the operating system, if known.
    pub fn os_id(&self) -> Option<u64> {
        (self.os_id != 0).then_some(self.os_id)
    }
}

struct Label<'t>(&'t Thread);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Thread { name, number, namesakes, .. } = self.0;
        match (&**name, namesakes) {
            ("", _) => write!(f, "{number}"),
            (name, 0 | 1) => f.write_str(name),
            (name, namesakes) => write!(f, "{name}#{namesakes}"),
        }
    }
}

/// Takes the entries of a drop mark.
pub(super) fn drop_counts(fields: &mut Fields<'_>) -> Option<Box<[DropCount]>> {
    let count = fields.varint()?;
    let mut counts = Vec::new();
    for _ in 0..count {
        let reason = crate::DropReason::from_code(fields.u8()?);
        let level = Level::from_code(fields.u8()?);
        counts.push(DropCount { reason, level, count: fields.varint()? });
    }
    Some(counts.into())
}
