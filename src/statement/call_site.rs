//! Call sites: what is known of a log statement before it runs.
//!
//! A call site is a constant that the compiler makes from the statement's location and the types of
//! its arguments. Nothing registers it: a record carries its address, and the consumer writes it
//! into the dictionary when it first meets the address. A statement in a generic function has one
//! call site for each set of argument types. The compiler may put one call site at several
//! addresses, which does no harm.
//!
//! Not taken: a static in a linker section (as `linkme` and `defmt` have it). It cannot hold types
//! that inference finds, and foreign linkers may drop it.

use crate::format::types::{Hint, Members, Struct, Type, Variants};
use crate::format::{MAX_TEXT_BYTES, MAX_TYPE_BYTES, MAX_TYPE_DEPTH, MAX_TYPE_MEMBERS, Purpose};
use crate::level::Level;
use crate::statement::named_log::NamedLog;

/// The location and the text of a log statement.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "written by the macros only")]
pub struct Location {
    pub target: &'static str,
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub column: u32,
    pub format: &'static str,
    /// The arguments' names, empty for positional ones.
    pub names: &'static [&'static str],
}

/// A log statement. The macros implement this for a type that each statement defines.
pub trait Statement {
    /// The level as a type, for statements whose level is known when they are compiled.
    type At: AtLevel;
    /// The level as a constant.
    const LEVEL: Level;
    /// Location, format string and names of the arguments.
    const LOCATION: Location;
    /// What its records are for.
    const PURPOSE: Purpose = Purpose::Text;
    /// The log that the statement names with `logger:`.
    const LOG: NamedLog = NamedLog::NONE;
}

/// A level as a type. It gives each level a path of its own through a log call, on which the fields
/// of the level are at known addresses.
pub trait AtLevel {
    /// The level's index in arrays by level.
    fn index(site: &CallSite) -> usize;
}

/// The level with this number.
#[derive(Clone, Copy, Debug)]
pub struct At<const LEVEL: u8>;

impl<const LEVEL: u8> AtLevel for At<LEVEL> {
    #[inline(always)]
    fn index(_: &CallSite) -> usize {
        const { LEVEL as usize - 1 }
    }
}

/// A level that is known only at run time, from the call site.
#[derive(Clone, Copy, Debug)]
pub struct AtAny;

impl AtLevel for AtAny {
    #[inline(always)]
    fn index(site: &CallSite) -> usize {
        site.level.index()
    }
}

/// The types of a statement's arguments, first to last.
#[derive(Debug)]
pub struct TypeList {
    /// The type of the first argument.
    pub first: Type,
    /// The types of the others.
    pub rest: Option<&'static TypeList>,
}

/// A call site. Records refer to it by its address.
#[derive(Debug)]
#[repr(C)]
pub struct CallSite {
    /// A hash of the fields below. It tells whether the address still means what it meant: a
    /// dynamic library may have been unloaded, and another one loaded there.
    pub(crate) fingerprint: u64,
    pub(crate) level: Level,
    pub(crate) location: Location,
    pub(crate) types: Option<&'static TypeList>,
    pub(crate) purpose: Purpose,
    /// The log that the statement names, or none. Routes go by it.
    pub(crate) log: NamedLog,
}

impl CallSite {
    pub(crate) const fn new(
        level: Level,
        location: Location,
        types: Option<&'static TypeList>,
    ) -> Self {
        // Evaluated when the statement is compiled.
        assert!(location.format.len() <= MAX_TEXT_BYTES, "the format string is too long");
        let mut hash = FNV_OFFSET;
        hash = hash_bytes(hash, location.file.as_bytes());
        hash = hash_bytes(hash, location.format.as_bytes());
        hash = hash_bytes(hash, location.target.as_bytes());
        hash = hash_word(hash, (location.line as u64) << 32 | location.column as u64);
        hash = hash_word(hash, level as u64);
        let (mut list, mut type_bytes) = (types, 0);
        while let Some(types) = list {
            let size = types.first.size();
            assert!(size.depth <= MAX_TYPE_DEPTH, "an argument's type is nested too deep");
            assert!(size.members <= MAX_TYPE_MEMBERS, "an argument's type is too large");
            type_bytes += size.bytes;
            assert!(type_bytes <= MAX_TYPE_BYTES, "the names in the arguments' types are too long");
            hash = hash_type(hash, &types.first);
            list = types.rest;
        }
        Self {
            fingerprint: hash,
            level,
            location,
            types,
            purpose: Purpose::Text,
            log: NamedLog::NONE,
        }
    }

    /// The call site, with records for this purpose.
    pub(crate) const fn with_purpose(mut self, purpose: Purpose) -> Self {
        if purpose as u8 != Purpose::Text as u8 {
            self.fingerprint = hash_word(self.fingerprint, purpose as u64);
            self.purpose = purpose;
        }
        self
    }

    /// The call site of a statement that names a log.
    pub(crate) const fn in_log(self, log: NamedLog) -> Self {
        if log.is_none() {
            return self;
        }
        let fingerprint = hash_bytes(self.fingerprint, log.name().as_bytes());
        Self { fingerprint, log, ..self }
    }

    /// The call sites of a statement whose level is known only when it runs: one for each level.
    #[cfg(any(feature = "log", feature = "tracing"))]
    pub(crate) const fn at_each_level(
        location: Location,
        types: Option<&'static TypeList>,
    ) -> [Self; 5] {
        Self::at_each_level_for(location, types, Purpose::Text)
    }

    /// [`CallSite::at_each_level`], with records for this purpose.
    pub(crate) const fn at_each_level_for(
        location: Location,
        types: Option<&'static TypeList>,
        purpose: Purpose,
    ) -> [Self; 5] {
        let [error, warn, info, debug, trace] = Level::ALL;
        [
            Self::new(error, location, types).with_purpose(purpose),
            Self::new(warn, location, types).with_purpose(purpose),
            Self::new(info, location, types).with_purpose(purpose),
            Self::new(debug, location, types).with_purpose(purpose),
            Self::new(trace, location, types).with_purpose(purpose),
        ]
    }

    /// [`in_log`](Self::in_log) for those of each level.
    pub(crate) const fn each_in_log(sites: [Self; 5], log: NamedLog) -> [Self; 5] {
        let [error, warn, info, debug, trace] = sites;
        [
            error.in_log(log),
            warn.in_log(log),
            info.in_log(log),
            debug.in_log(log),
            trace.in_log(log),
        ]
    }

    /// The types of the arguments, in order.
    pub(crate) fn types(&self) -> impl Iterator<Item = &'static Type> + use<> {
        std::iter::successors(self.types, |list| list.rest).map(|list| &list.first)
    }
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo), taken eight bytes at a time: constant evaluation pays for
/// each step.
pub(super) const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

pub(super) const fn hash_word(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_mul(FNV_PRIME);
    hash ^ (hash >> 29)
}

pub(super) const fn hash_bytes(mut hash: u64, mut bytes: &[u8]) -> u64 {
    hash = hash_word(hash, bytes.len() as u64);
    while let Some((chunk, rest)) = bytes.split_first_chunk::<8>() {
        hash = hash_word(hash, u64::from_le_bytes(*chunk));
        bytes = rest;
    }
    while let Some((byte, rest)) = bytes.split_first() {
        hash = hash_word(hash, *byte as u64);
        bytes = rest;
    }
    hash
}

const fn hash_type(hash: u64, ty: &Type) -> u64 {
    let mut hash = hash_word(hash, ty.code() as u64);
    match ty {
        Type::Tuple(members) => hash = hash_word(hash, members.len() as u64),
        Type::Formatted(texts) => hash = hash_word(hash, *texts as u64),
        Type::Struct(inner) => return hash_struct(hash, inner),
        Type::Enum(inner) => {
            hash = hash_bytes(hash, inner.name.as_bytes());
            return hash_variants(hash, &inner.variants);
        }
        _ => {}
    }
    hash_types(hash, ty.inside())
}

const fn hash_types(mut hash: u64, mut types: &[Type]) -> u64 {
    while let Some((first, rest)) = types.split_first() {
        hash = hash_type(hash, first);
        types = rest;
    }
    hash
}

const fn hash_struct(mut hash: u64, of: &Struct) -> u64 {
    hash = hash_bytes(hash, of.name.as_bytes());
    hash = hash_word(hash, of.kind as u64);
    if let Some(format) = of.format {
        hash = hash_bytes(hash, format.as_bytes());
    }
    hash = hash_word(hash, of.fields.len() as u64);
    let mut fields = of.fields;
    while let Some((first, rest)) = fields.split_first() {
        hash = hash_bytes(hash, first.name.as_bytes());
        hash = match first.hint {
            Hint::None => hash,
            Hint::Hex => hash_word(hash, 1),
            Hint::Unit(unit) => hash_bytes(hash, unit.as_bytes()),
        };
        fields = rest;
    }
    hash_members(hash, &of.types)
}

const fn hash_members(hash: u64, members: &Members) -> u64 {
    match members {
        Members::Listed(types) => hash_types(hash, types),
        Members::Both(first, second) => hash_members(hash_members(hash, first), second),
    }
}

const fn hash_variants(mut hash: u64, variants: &Variants) -> u64 {
    match variants {
        Variants::Listed(variants) => {
            let mut variants = *variants;
            while let Some((first, rest)) = variants.split_first() {
                hash = hash_struct(hash, first);
                variants = rest;
            }
            hash
        }
        Variants::Both(first, second) => hash_variants(hash_variants(hash, first), second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCATION: Location = Location {
        target: "t",
        module: "m",
        file: "a.rs",
        line: 1,
        column: 2,
        format: "{} {}",
        names: &["", ""],
    };
    const TYPES: TypeList =
        TypeList { first: Type::U64, rest: Some(&TypeList { first: Type::Str, rest: None }) };

    #[test]
    fn the_fingerprint_tells_statements_apart() {
        let fingerprint =
            |level, location, types| CallSite::new(level, location, types).fingerprint;
        let base = fingerprint(Level::Info, LOCATION, Some(&TYPES));
        assert_eq!(base, fingerprint(Level::Info, LOCATION, Some(&TYPES)));
        assert_ne!(base, fingerprint(Level::Warn, LOCATION, Some(&TYPES)));
        assert_ne!(base, fingerprint(Level::Info, LOCATION, TYPES.rest));
        let elsewhere = Location { line: 2, ..LOCATION };
        assert_ne!(base, fingerprint(Level::Info, elsewhere, Some(&TYPES)));
        let renamed = Location { format: "{} {:?}", ..LOCATION };
        assert_ne!(base, fingerprint(Level::Info, renamed, Some(&TYPES)));
        let site = CallSite::new(Level::Info, LOCATION, Some(&TYPES)).with_purpose(Purpose::Gauge);
        assert_ne!(base, site.fingerprint);
    }

    #[test]
    fn the_types_come_in_order() {
        let site = CallSite::new(Level::Info, LOCATION, Some(&TYPES));
        assert_eq!(site.types().collect::<Vec<_>>(), [&Type::U64, &Type::Str]);
    }
}
