//! Lists the arguments, threads, targets and places in files, to give hints about misspelt names.
//!
//! The dictionary of a closed file is found by its index, without reading the records. A short file
//! without an index is read to its end; of a longer one, only the part that was read is known.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use kymo_reader::{CallSite, Ending, Options, Reader, Type};

use crate::argument::Argument;
use crate::filter::{Place, Statement};

/// How many names a hint lists.
const LISTED: usize = 8;

/// The longest name of a field within an argument, with the names before it.
const MAX_KEY_BYTES: usize = 256;

/// The names in files.
#[derive(Default)]
pub struct Catalog {
    /// The arguments of statements by name, or by position if they have none. Fields of structs are by their paths.
    pub arguments: BTreeMap<String, Described>,
    /// Arguments with members: names and types.
    compound: HashSet<(String, Type)>,
    /// The most arguments of a statement.
    pub most_arguments: usize,
    /// The kinds of arguments at each position, with or without names.
    positions: Vec<BTreeSet<Kind>>,
    /// What text calls the threads: names, or where there is none numbers.
    pub threads: BTreeSet<String>,
    thread_numbers: BTreeSet<u64>,
    /// The statements' targets.
    pub targets: BTreeSet<String>,
    /// The fields of spans.
    pub span_fields: BTreeSet<String>,
    /// The statements, by place.
    pub places: BTreeSet<Statement>,
    /// Parts of the files were not read.
    pub is_partial: bool,
}

/// The arguments with one name.
#[derive(Default)]
pub struct Described {
    /// Their types, in words.
    pub types: BTreeSet<String>,
    kinds: BTreeSet<Kind>,
    /// The statements that have one: place and format string.
    pub statements: BTreeSet<(String, String)>,
}

/// The kind of a value: values of one kind can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// True or false.
    Bool,
    /// An integer or a float.
    Number,
    /// A string, a character, or an address.
    String,
    /// A span of time.
    Duration,
    /// A sequence or a tuple.
    Compound,
    /// Any of them, from record to record.
    Any,
}

impl Catalog {
    /// Collects the dictionaries of these files. For files that were not read to their ends, they are
    /// found by the index.
    pub fn of<'r>(readers: impl IntoIterator<Item = &'r Reader<'static>>) -> Self {
        let mut catalog = Self::default();
        for reader in readers {
            catalog.add(reader);
            let report = reader.report();
            if report.ending != Ending::Unread && report.skipped_bytes == 0 {
                continue;
            }
            match reader.path().and_then(|path| dictionary(path).ok()).flatten() {
                Some(other) => catalog.add(&other),
                None => catalog.is_partial = true,
            }
        }
        catalog
    }

    /// Collects what these readers have met so far.
    pub fn met<'r>(readers: impl IntoIterator<Item = &'r Reader<'static>>) -> Self {
        let mut catalog = Self::default();
        readers.into_iter().for_each(|reader| catalog.add(reader));
        catalog
    }

    /// Adds what a reader has met.
    pub fn add(&mut self, reader: &Reader<'_>) {
        for thread in reader.threads() {
            self.thread_numbers.insert(thread.number());
            self.threads.insert(thread.label().to_string());
        }
        reader.call_sites().iter().for_each(|site| self.add_site(site));
    }

    fn add_site(&mut self, site: &CallSite) {
        self.targets.insert(site.target().to_owned());
        self.places.insert(Statement::of(site));
        self.most_arguments = self.most_arguments.max(site.names().len());
        if self.positions.len() < site.names().len() {
            self.positions.resize(site.names().len(), BTreeSet::new());
        }
        if site.span_role().is_some() {
            self.span_fields.extend(site.names().iter().map(|name| name.to_string()));
        }
        let arguments = site.names().iter().zip(site.types()).enumerate();
        for (position, (name, ty)) in arguments {
            self.positions[position].insert(Kind::of(ty));
            if position == 0 && site.has_message_argument() {
                continue;
            }
            let key = match &**name {
                "" => format!("[{position}]"),
                name => name.to_owned(),
            };
            let at = format!("{}:{}", site.file(), site.line());
            let format = if site.has_message_argument() { "…" } else { site.format() };
            let is_named = !name.is_empty();
            if is_named && matches!(Kind::of(ty), Kind::Compound | Kind::String) && ty != &Type::Str
            {
                self.compound.insert((key.clone(), ty.clone()));
            }
            self.add_argument(key, ty, &(at, format.to_owned()), is_named);
        }
    }

    /// Adds an argument; `with_fields`: the fields within it, too.
    fn add_argument(&mut self, key: String, ty: &Type, at: &(String, String), with_fields: bool) {
        if with_fields {
            self.add_fields(&key, ty, at);
        }
        let described = self.arguments.entry(key).or_default();
        described.types.insert(ty.to_string());
        described.kinds.insert(Kind::of(ty));
        described.statements.insert(at.clone());
    }

    fn add_fields(&mut self, key: &str, ty: &Type, at: &(String, String)) {
        let structs = match ty {
            Type::Option(inner) => return self.add_fields(key, inner, at),
            Type::Struct(inner) => std::slice::from_ref(&**inner),
            Type::Enum(inner) => inner.variants(),
            _ => return,
        };
        for (position, field) in structs.iter().flat_map(|it| it.fields().enumerate()) {
            let key = match field.name {
                "" => format!("{key}.{position}"),
                name => format!("{key}.{name}"),
            };
            // A longer one is nobody's wish.
            if key.len() <= MAX_KEY_BYTES {
                self.add_argument(key, field.ty, at, true);
            }
        }
    }

    /// The hint about an argument that no statement has.
    pub fn hint_of_argument(&self, argument: &Argument) -> Option<String> {
        match argument {
            Argument::At(position) if *position < self.most_arguments => None,
            Argument::At(_) => Some(format!(
                "no statement in {} has an argument {argument}; they have at most {}",
                self.extent(),
                self.most_arguments
            )),
            Argument::Named(name) if self.arguments.contains_key(&**name) => None,
            // A path through members without names, or variants.
            Argument::Named(name) if self.has_path(name) => None,
            Argument::Named(name) => {
                let named = self.arguments.keys().filter(|name| !name.starts_with('['));
                Some(format!(
                    "no statement in {} has an argument {name}{}",
                    self.extent(),
                    suggestion(name, named.map(|name| &**name))
                ))
            }
        }
    }

    /// The hint about a field that no span has.
    pub fn hint_of_span_field(&self, name: &str) -> Option<String> {
        if self.span_fields.contains(name) {
            return None;
        }
        let known = self.span_fields.iter().map(|name| &**name);
        let suggestion = suggestion(name, known);
        Some(format!("no span in {} has a field {name}{suggestion}", self.extent()))
    }

    /// Whether an argument has a field of such a path.
    fn has_path(&self, name: &str) -> bool {
        let mut paths = name.match_indices('.').map(|(dot, _)| (&name[..dot], &name[dot + 1..]));
        paths.any(|(name, path)| {
            self.compound.iter().any(|(given, ty)| given == name && ty.has_path(path))
        })
    }

    /// The hint about an argument that is of none of these kinds in any statement.
    pub fn hint_of_kind(&self, argument: &Argument, wanted: &[Kind]) -> Option<String> {
        let kinds = match argument {
            Argument::Named(name) => &self.arguments.get(&**name)?.kinds,
            Argument::At(position) => self.positions.get(*position)?,
        };
        if kinds.is_empty()
            || kinds.contains(&Kind::Any)
            || wanted.iter().any(|kind| kinds.contains(kind))
        {
            return None;
        }
        let names = |kinds: &mut dyn Iterator<Item = &Kind>| {
            kinds.map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
        };
        Some(format!(
            "{argument} is {} in {}, not {}",
            names(&mut kinds.iter()),
            self.extent(),
            names(&mut wanted.iter())
        ))
    }

    /// The hint about a thread that does not exist.
    pub fn hint_of_thread(&self, name: &str) -> Option<String> {
        let is_number = |number: &u64| name.parse::<u64>().is_ok_and(|parsed| parsed == *number);
        if self.threads.contains(name) || self.thread_numbers.iter().any(is_number) {
            return None;
        }
        let known = self.threads.iter().map(|name| &**name);
        Some(format!("no thread {name} in {}{}", self.extent(), suggestion(name, known)))
    }

    /// The hint about a prefix with which no target begins.
    pub fn hint_of_target(&self, prefix: &str) -> Option<String> {
        if self.targets.iter().any(|target| target.starts_with(prefix)) {
            return None;
        }
        let known = self.targets.iter().map(|target| &**target);
        let suggestion = suggestion(prefix, known);
        Some(format!("no target in {} begins with {prefix}{suggestion}", self.extent()))
    }

    /// The hint about a place without a statement. Where the conditions alone exclude what is there,
    /// it lists that.
    pub fn hint_of_place(&self, place: &Place) -> Option<String> {
        if self.places.iter().any(|statement| place.is(statement)) {
            return None;
        }
        let here: Vec<&Statement> =
            self.places.iter().filter(|statement| place.is_where(statement)).collect();
        let rest = if here.is_empty() {
            let at = |Statement { file, line, .. }: &Statement| format!("{file}:{line}");
            let mut known: Vec<String> = self.places.iter().map(at).collect();
            known.dedup();
            suggestion(&place.to_string(), known.iter().map(|place| &**place))
        } else {
            let listed = here.iter().take(LISTED).map(|statement| {
                let Statement { level, target, format, .. } = statement;
                format!("{} {target} {format:?}", level.name())
            });
            let listed = listed.collect::<Vec<_>>().join(", ");
            match here.len().saturating_sub(LISTED) {
                0 => format!("; there are {listed}"),
                more => format!("; there are {listed}, and {more} more"),
            }
        };
        Some(format!("no statement in {} is at {place}{rest}", self.extent()))
    }

    fn extent(&self) -> &'static str {
        if self.is_partial { "what was read of the input" } else { "the input" }
    }
}

impl Kind {
    fn of(ty: &Type) -> Self {
        match ty {
            Type::Bool => Self::Bool,
            Type::Str | Type::Text | Type::Char => Self::String,
            Type::Duration => Self::Duration,
            Type::Any => Self::Any,
            Type::Option(inner) => Self::of(inner),
            Type::Sequence(_) | Type::Tuple(_) | Type::Struct(_) => Self::Compound,
            // The name of its variant.
            Type::Enum(_) => Self::String,
            ty if ty.to_string().contains("Addr") => Self::String,
            _ => Self::Number,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Duration => "a duration",
            Self::Compound => "a sequence",
            Self::Any => "of any type",
        }
    }
}

/// The longest file without an index that is read for its dictionary, in bytes.
const MAX_BYTES: u64 = 64 << 20;

/// A reader that has met the dictionary of a file; `None` if the file is long and has no index.
fn dictionary(path: &std::path::Path) -> Result<Option<Reader<'static>>, kymo_reader::Error> {
    let options = Options::new().snapshot(true).filter(|_| false);
    let mut reader = options.since(i64::MAX).open(path)?;
    if reader.report().skipped_bytes == 0 && path.metadata().is_ok_and(|it| it.len() > MAX_BYTES) {
        return Ok(None);
    }
    while reader.next_event()?.is_some() {}
    Ok(Some(reader))
}

/// Names to use in place of `name`: the nearest, or the first few.
fn suggestion<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> String {
    let mut known: Vec<(f64, &str)> = known.map(|known| (similarity(name, known), known)).collect();
    if known.is_empty() {
        return String::new();
    }
    known.sort_by(|one, other| other.0.total_cmp(&one.0));
    let (best, nearest) = known[0];
    let mut text = match best > 0.75 {
        true => format!("; did you mean {nearest}? There are "),
        false => String::from("; there are "),
    };
    let rest: Vec<&str> = known.iter().map(|(_, known)| *known).collect();
    text += &rest[..rest.len().min(LISTED)].join(", ");
    match rest.len().saturating_sub(LISTED) {
        0 => {}
        more => text += &format!(", and {more} more"),
    }
    text
}

/// The similarity of two names, from 0 (nothing in common) to 1 (equal).
fn similarity(one: &str, other: &str) -> f64 {
    // Texts far longer than names are not worth the time.
    if one.len() > 256 || other.len() > 256 {
        return 0.0;
    }
    strsim::jaro_winkler(&one.to_lowercase(), &other.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_first() {
        let known = ["carrier", "price", "qty"];
        let suggest = |name| suggestion(name, known.into_iter());
        assert!(suggest("carier").starts_with("; did you mean carrier? There are carrier, "));
        assert!(suggest("Price").starts_with("; did you mean price?"));
        assert!(suggest("zzz").starts_with("; there are "));
        assert_eq!(suggestion("x", [].into_iter()), "");
        let many: Vec<String> = (0..20).map(|number| format!("n{number}")).collect();
        let text = suggestion("n3", many.iter().map(|name| &**name));
        assert!(text.ends_with(", and 12 more") && text.contains("mean n3?"), "{text}");
    }
}
