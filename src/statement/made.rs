//! Call sites that are made at run time, for statements that are not kymo's own.
//!
//! In comes what one record says of its statement; out goes a call site that lives as long as the process. The basic
//! idea: a call site is found by its content, in a small table of the thread and then in the table of the process.
//! Only the first record of a statement makes anything.
//!
//! ```text
//!  the thread's table:   one place for a statement     found ──> the call site
//!      │ not there
//!  the process's table:  see `table`                   found ──> the call site, which takes that place
//!      │ not there
//!  room for one more?  ── no ──> `None`: the caller has a call site for such records
//!      │ yes
//!  made, and published by one compare-and-swap
//! ```
//!
//! - INV-1: memory is bounded: at most `SITES` call sites, with at most [`MAX_BYTES`] bytes of text each.
//! - INV-2: texts are copied and compared by content. Addresses say nothing: a library may have been unloaded, and
//!   another one loaded there.

use std::cell::Cell;
use std::ops::{BitOr, BitXor};
use std::ptr;

use crate::format::types::code;
use crate::level::Level;
use crate::process::inside::Inside;
use crate::statement::call_site::{CallSite, FNV_OFFSET, Location, hash_bytes, hash_word};
use crate::statement::run_time::{as_format, list_of};
use crate::statement::table::Table;

/// How many call sites can be made.
const SITES: usize = 4096;

/// The places of the table: twice as many, so that searches are short.
const PLACES: usize = 2 * SITES;

/// The most bytes of text that a call site may have.
const MAX_BYTES: usize = 4 << 10;

/// How many call sites there can be that differ in nothing but types. Further records state their types themselves.
const SHAPES: usize = 16;

/// How many codes, or other bytes, are in the number that [`mix`] makes.
pub(crate) const MIXED: usize = 8;

/// Returns the number of the last eight bytes, with one more.
#[inline(always)]
pub(crate) const fn mix(mixed: u64, byte: u8) -> u64 {
    mixed << 8 | byte as u64
}

/// How many call sites a thread remembers.
const REMEMBERED: usize = 128;

#[cfg(not(kymo_loom))]
static TABLE: Table<Made, PLACES> = Table::new();
/// In which models have no part.
#[cfg(kymo_loom)]
static TABLE: std::sync::LazyLock<Table<Made, PLACES>> = std::sync::LazyLock::new(Table::new);

/// The hashes of statements that have [`SHAPES`] call sites. If there is no room here, they are counted each time.
#[cfg(not(kymo_loom))]
static ALTERNATING: Table<u64, 512> = Table::new();
/// In which models have no part.
#[cfg(kymo_loom)]
static ALTERNATING: std::sync::LazyLock<Table<u64, 512>> = std::sync::LazyLock::new(Table::new);

thread_local! {
    /// Without a destructor, so that it can be used by what other destructors log.
    static RECENT: [Cell<Option<&'static Made>>; REMEMBERED] =
        const { [const { Cell::new(None) }; REMEMBERED] };
}

/// What one record says of its statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SiteKey<'a> {
    pub(crate) level: Level,
    pub(crate) line: u32,
    pub(crate) target: &'a str,
    pub(crate) module: &'a str,
    pub(crate) file: &'a str,
    /// The message, if the statement has no other. `None`: the first argument is the message.
    pub(crate) message: Option<&'a str>,
    /// The names of the arguments.
    pub(crate) names: &'a [&'a str],
    /// The codes of the arguments' types; [`code::OPTION`] for no value.
    pub(crate) codes: &'a [u8],
    /// The number of the last eight codes: see [`mix`].
    pub(crate) mixed_codes: u64,
}

/// A call site, and what finds it.
#[derive(Debug)]
struct Made {
    site: CallSite,
    hash: u64,
    message: Option<Box<str>>,
    codes: Box<[u8]>,
    /// The last eight codes, a byte each.
    mixed_codes: u64,
    /// Whether the target is the module, as it mostly is.
    target_is_module: bool,
}

/// Returns the call site of such records, and makes it if necessary. `None` if there is no room for another one, if the
/// types of the statement alternate too much, or if the calling thread is inside the logger.
#[inline]
pub(crate) fn find(key: &SiteKey<'_>) -> Option<&'static CallSite> {
    let recent = RECENT.with(|recent| recent[key.place()].get());
    match recent {
        Some(made) if made.is(key) => Some(&made.site),
        _ => find_slow(key),
    }
}

#[cold]
#[inline(never)]
fn find_slow(key: &SiteKey<'_>) -> Option<&'static CallSite> {
    if Inside::is_here() {
        return None;
    }
    let _inside = Inside::enter();
    let made = find_in(&TABLE, &ALTERNATING, key)?;
    RECENT.with(|recent| recent[key.place()].set(Some(made)));
    Some(&made.site)
}

impl SiteKey<'_> {
    /// The place in a thread's table. Addresses do: what is found there is compared.
    #[inline(always)]
    fn place(&self) -> usize {
        let line = u64::from(self.line) << 8 | self.level as u64;
        let word = self.file.as_ptr().addr() as u64 ^ line ^ self.mixed_codes;
        (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize % REMEMBERED
    }

    fn hash(&self) -> u64 {
        hash_bytes(self.hash_without_types(), self.codes)
    }

    fn hash_without_types(&self) -> u64 {
        let mut hash = hash_word(FNV_OFFSET, u64::from(self.line) << 8 | self.level as u64);
        let message = self.message.unwrap_or_default();
        for text in [self.target, self.module, self.file, message] {
            hash = hash_bytes(hash, text.as_bytes());
        }
        for name in self.names {
            hash = hash_bytes(hash, name.as_bytes());
        }
        hash
    }

    /// Whether its records state their types themselves.
    fn states_types(&self) -> bool {
        self.codes.contains(&code::ANY)
    }

    fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len()).sum();
        let message = self.message.map_or(0, str::len);
        self.target.len() + self.module.len() + self.file.len() + message + names
    }
}

impl Made {
    /// Makes a call site. Its texts are never freed.
    fn new(key: &SiteKey<'_>, hash: u64) -> Self {
        let names = key.names.iter().map(|name| leaked(name)).collect::<Vec<_>>();
        let module = leaked(key.module);
        let target_is_module = key.target == key.module;
        let location = Location {
            target: if target_is_module { module } else { leaked(key.target) },
            module,
            file: leaked(key.file),
            line: key.line,
            column: 0,
            format: key.message.map_or("{}", |message| leaked(&as_format(message))),
            names: names.leak(),
        };
        let site = CallSite::new(key.level, location, list_of(key.codes));
        let message = key.message.map(Into::into);
        let (codes, mixed_codes) = (key.codes.into(), key.mixed_codes);
        Self { site, hash, message, codes, mixed_codes, target_is_module }
    }

    /// Whether it is the call site of such records.
    #[inline]
    fn is(&self, key: &SiteKey<'_>) -> bool {
        self.mixed_codes == key.mixed_codes
            && self.codes.len() == key.codes.len()
            // The number has up to eight codes.
            && (self.codes.len() <= MIXED || *self.codes == *key.codes)
            && self.is_but_for_types(key)
    }

    /// Whether it differs from them in types at most. It has as many.
    #[inline(always)]
    fn is_but_for_types(&self, key: &SiteKey<'_>) -> bool {
        let location = &self.site.location;
        location.line == key.line
            && self.site.level == key.level
            && is_same(location.file, key.file)
            && is_same(location.module, key.module)
            && (self.target_is_module && ptr::eq(key.target, key.module)
                || is_same(location.target, key.target))
            && self.is_message(key)
            && are_same(location.names, key.names)
    }

    #[inline(always)]
    fn is_message(&self, key: &SiteKey<'_>) -> bool {
        match (&self.message, key.message) {
            (None, None) => true,
            (Some(own), Some(message)) => is_same(own, message),
            _ => false,
        }
    }
}

/// Whether two lists of names are the same. Their lengths are.
#[inline(always)]
fn are_same(own: &[&str], names: &[&str]) -> bool {
    for (own, name) in own.iter().zip(names) {
        if !is_same(own, name) {
            return false;
        }
    }
    true
}

fn leaked(text: &str) -> &'static str {
    String::from(text).leak()
}

#[inline(always)]
fn is_same(one: &str, other: &str) -> bool {
    is_same_bytes(one.as_bytes(), other.as_bytes())
}

/// Compares texts, short ones without a call.
#[inline(always)]
fn is_same_bytes(one: &[u8], other: &[u8]) -> bool {
    /// Compares the first and the last `T`, which may overlap.
    ///
    /// # Safety
    /// Both are valid for reads of `len` bytes, and a `T` has no more.
    #[inline(always)]
    unsafe fn ends<T: Copy + BitXor<Output = T> + BitOr<Output = T> + PartialEq + Default>(
        one: *const u8,
        other: *const u8,
        len: usize,
    ) -> bool {
        let back = len - size_of::<T>();
        let read = |from: *const u8, at: usize| {
            // SAFETY: within `len`.
            let from = unsafe { from.add(at) };
            // SAFETY: `size_of::<T>()` bytes more are, too.
            unsafe { from.cast::<T>().read_unaligned() }
        };
        let first = read(one, 0) ^ read(other, 0);
        let last = read(one, back) ^ read(other, back);
        first | last == T::default()
    }

    let len = one.len();
    if len != other.len() {
        return false;
    }
    let (one_start, other_start) = (one.as_ptr(), other.as_ptr());
    // SAFETY (of each `ends`): both have `len` bytes, and the conditions are what it asks for.
    if len >= 8 {
        if len <= 16 {
            // SAFETY: see above.
            unsafe { ends::<u64>(one_start, other_start, len) }
        } else if len <= 32 {
            // SAFETY: see above.
            unsafe { ends::<u128>(one_start, other_start, len) }
        } else {
            one == other
        }
    } else if len >= 4 {
        // SAFETY: see above.
        unsafe { ends::<u32>(one_start, other_start, len) }
    } else if len >= 2 {
        // SAFETY: see above.
        unsafe { ends::<u16>(one_start, other_start, len) }
    } else {
        one == other
    }
}

/// Finds a call site by its content, or makes it.
fn find_in<const N: usize, const M: usize>(
    table: &Table<Made, N>,
    alternating: &Table<u64, M>,
    key: &SiteKey<'_>,
) -> Option<&'static Made> {
    if key.bytes() > MAX_BYTES {
        return None;
    }
    let hash = key.hash();
    let is = |made: &Made| made.hash == hash && made.is(key);
    let found = table.find(hash, is);
    if found.is_some() || !key.states_types() && alternates(table, alternating, key) {
        return found;
    }
    table.find_or_make(hash, is, || Made::new(key, hash))
}

/// Whether there are [`SHAPES`] call sites that differ from this one in types only.
fn alternates<const N: usize, const M: usize>(
    table: &Table<Made, N>,
    alternating: &Table<u64, M>,
    key: &SiteKey<'_>,
) -> bool {
    let hash = key.hash_without_types();
    if alternating.find(hash, |it| *it == hash).is_some() {
        return true;
    }
    let is = |made: &Made| made.codes.len() == key.codes.len() && made.is_but_for_types(key);
    let alternates = table.count(is) >= SHAPES;
    if alternates {
        // If there is no room, they are counted again.
        let _ = alternating.find_or_make(hash, |it| *it == hash, || hash);
    }
    alternates
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use crate::format::types::Type;

    const KEY: SiteKey<'static> = SiteKey {
        level: Level::Info,
        line: 7,
        target: "net::http",
        module: "net",
        file: "src/net.rs",
        message: None,
        names: &["", "id", "px"],
        codes: &[code::TEXT, code::U64, code::F64],
        mixed_codes: mixed(&[code::TEXT, code::U64, code::F64]),
    };

    const fn mixed(codes: &[u8]) -> u64 {
        let (mut mixed, mut at) = (0, 0);
        while at < codes.len() {
            mixed = mix(mixed, codes[at]);
            at += 1;
        }
        mixed
    }

    fn find<const N: usize>(table: &Table<Made, N>, key: &SiteKey<'_>) -> Option<&'static Made> {
        find_in(table, &Table::<u64, 8>::new(), key)
    }

    /// Keys each of which differs from `KEY` in one thing.
    fn others() -> Vec<SiteKey<'static>> {
        let keys = [
            SiteKey { level: Level::Warn, ..KEY },
            SiteKey { line: 8, ..KEY },
            SiteKey { target: "net", ..KEY },
            SiteKey { module: "nets", ..KEY },
            SiteKey { file: "src/nut.rs", ..KEY },
            SiteKey { message: Some(""), ..KEY },
            SiteKey { message: Some("{x}"), ..KEY },
            SiteKey { names: &["", "id", "py"], ..KEY },
            SiteKey { codes: &[code::TEXT, code::U64, code::I64], ..KEY },
            SiteKey { names: &["", "id"], codes: &[code::TEXT, code::U64], ..KEY },
        ];
        keys.map(|key| SiteKey { mixed_codes: mixed(key.codes), ..key }).to_vec()
    }

    #[test]
    fn a_call_site_is_found_by_all_of_its_content() {
        let table: Table<Made, 64> = Table::new();
        let made = find(&table, &KEY).unwrap();
        assert_eq!(made.site.types().collect::<Vec<_>>(), [&Type::Text, &Type::U64, &Type::F64]);
        for other in others() {
            let found = find(&table, &other).unwrap();
            assert!(!ptr::eq(found, made), "{other:?}");
            // Found again by a copy of its texts, which is elsewhere.
            let target = other.target.to_owned();
            let again = find(&table, &SiteKey { target: &target, ..other }).unwrap();
            assert!(ptr::eq(found, again), "{other:?}");
        }
        assert!(ptr::eq(find(&table, &KEY).unwrap(), made));
        assert_eq!(table.taken(), 1 + others().len() as u64);
    }

    /// A statement whose types alternate leaves room for others.
    #[test]
    fn types_that_alternate_have_one_call_site_more() {
        let table: Table<Made, 256> = Table::new();
        let alternating: Table<u64, 4> = Table::new();
        let kinds = [code::U64, code::I64, code::F64, code::BOOL, code::TEXT];
        let all = kinds.iter().flat_map(|one| kinds.map(|other| [code::TEXT, *one, other]));
        let all = all.collect::<Vec<_>>();
        let key = |codes| SiteKey { codes, mixed_codes: mixed(codes), ..KEY };
        for round in 0..2 {
            for (at, codes) in all.iter().enumerate() {
                let found = find_in(&table, &alternating, &key(codes));
                assert_eq!(found.is_some(), at < SHAPES, "{round} {at}");
            }
        }
        assert_eq!((table.taken(), alternating.taken()), (SHAPES as u64, 1));
        let stating = key(&[code::TEXT, code::ANY, code::ANY]);
        let made = find_in(&table, &alternating, &stating).unwrap();
        assert_eq!(made.site.types().collect::<Vec<_>>(), [&Type::Text, &Type::Any, &Type::Any]);
        // Others are not concerned.
        let other = SiteKey { line: 8, ..key(&all[20]) };
        assert!(find_in(&table, &alternating, &other).is_some());
    }

    #[test]
    fn a_message_prints_as_it_is() {
        let table: Table<Made, 4> = Table::new();
        let made = find(&table, &SiteKey { message: Some("a {b} }"), ..KEY }).unwrap();
        assert_eq!(made.site.location.format, "a {{b}} }}");
    }

    #[test]
    fn a_full_table_finds_what_it_has() {
        let table: Table<Made, 8> = Table::new();
        let targets = ["a", "b", "c", "d", "e", "f"];
        let keys = targets.map(|target| SiteKey { target, ..KEY });
        let made = keys.map(|key| find(&table, &key).map(ptr::from_ref));
        assert_eq!(made.map(|made| made.is_some()), [true, true, true, true, false, false]);
        assert_eq!(keys.map(|key| find(&table, &key).map(ptr::from_ref)), made);
        let long = "x".repeat(MAX_BYTES);
        let table: Table<Made, 8> = Table::new();
        assert!(find(&table, &SiteKey { target: &long, ..KEY }).is_none());
    }

    /// All threads find one call site for a key, and no place is lost to a race.
    #[test]
    fn threads_make_one_call_site() {
        static TABLE: Table<Made, 64> = Table::new();
        let keys = others();
        let find = || keys.iter().map(|key| find(&TABLE, key).unwrap() as *const Made as usize);
        let found = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(|| find().collect::<Vec<_>>()));
            threads.map(|thread| thread.join().unwrap())
        });
        assert!(found.iter().all(|it| *it == found[0]));
        assert_eq!(TABLE.taken(), keys.len() as u64);
    }

    #[test]
    fn texts_of_all_lengths_are_compared() {
        for len in 0..140 {
            let one = "abcdefghij".repeat(14)[..len].to_owned();
            assert!(is_same(&one, &one.clone()));
            assert!(!is_same(&one, &(one.clone() + "x")));
            for at in 0..len {
                let mut other = one.clone().into_bytes();
                other[at] = b'-';
                assert!(!is_same_bytes(one.as_bytes(), &other), "{len} {at}");
            }
        }
    }
}
