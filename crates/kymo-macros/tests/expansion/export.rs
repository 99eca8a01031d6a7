//! The stand-in for `kymo::export`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display, Write};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

pub struct Location {
    pub target: &'static str,
    pub module: &'static str,
    pub file: &'static str,
    pub line: u32,
    pub column: u32,
    pub format: &'static str,
    pub names: &'static [&'static str],
}

pub struct At<const LEVEL: u8>;

pub trait Statement {
    type At;
    const LEVEL: Level;
    const LOCATION: Location;
}

/// What a statement logged.
pub struct Record {
    pub level: Level,
    pub location: Location,
    /// `pointer` for an argument that was captured as one.
    pub values: Vec<String>,
}

thread_local! {
    static ENABLED: Cell<Level> = const { Cell::new(Level::Info) };
    static RECORDS: RefCell<Vec<Record>> = const { RefCell::new(Vec::new()) };
}

/// The records that `run` logs while levels up to `most` are enabled.
pub fn logged(most: Level, run: impl FnOnce()) -> Vec<Record> {
    ENABLED.set(most);
    run();
    RECORDS.take()
}

/// What the statement says of itself before its arguments are evaluated.
pub struct FilterSite {
    level: Level,
    target: &'static str,
}

pub type FilterSites = [FilterSite; 5];

impl FilterSite {
    pub const fn new(level: Level, target: &'static str) -> Self {
        Self { level, target }
    }
}

pub const fn filter_sites(target: &'static str) -> FilterSites {
    [
        FilterSite::new(Level::Error, target),
        FilterSite::new(Level::Warn, target),
        FilterSite::new(Level::Info, target),
        FilterSite::new(Level::Debug, target),
        FilterSite::new(Level::Trace, target),
    ]
}

pub fn passes<const LEVEL: u8>(site: &'static FilterSite) -> bool {
    assert_eq!(site.level as u8, LEVEL);
    assert!(!site.target.is_empty());
    site.level <= ENABLED.get()
}

pub fn passes_at(level: Level, sites: &'static FilterSites) -> bool {
    let site = sites.iter().find(|site| site.level == level);
    site.is_some_and(|site| site.level <= ENABLED.get())
}

pub fn capture<T: Display + ?Sized>(value: &T) -> String {
    value.to_string()
}

/// What each placeholder prints, with a bar between.
pub fn capture_formatted<T: Display + ?Sized, const N: usize>(
    value: &T,
    _: [(); N],
    format: impl Fn(usize, &dyn Display, &mut dyn Write) -> fmt::Result,
) -> String {
    let text = |way| {
        let mut text = String::new();
        // A reference to a reference has a size.
        format(way, &value, &mut text).unwrap();
        text
    };
    (0..N).map(text).collect::<Vec<_>>().join("|")
}

pub fn capture_pointer<T>(_: &*const T) -> String {
    "pointer".to_owned()
}

/// Arguments as nested pairs.
pub trait List {
    fn append(self, values: &mut Vec<String>);
}

impl List for () {
    fn append(self, _: &mut Vec<String>) {}
}

impl<T: List> List for (String, T) {
    fn append(self, values: &mut Vec<String>) {
        values.push(self.0);
        self.1.append(values);
    }
}

/// Notes a record with many arguments.
pub mod log_many {
    use super::*;

    pub fn log_at<S: Statement>(_: S, level: Level, list: impl List) {
        let mut values = Vec::new();
        list.append(&mut values);
        let record = Record { level, location: S::LOCATION, values };
        RECORDS.with_borrow_mut(|records| records.push(record));
    }

    pub fn log<S: Statement>(here: S, list: impl List) {
        log_at(here, S::LEVEL, list);
    }
}

macro_rules! log_functions {
    ($($module:ident ($($value:ident)*))*) => {$(
        pub mod $module {
            use super::*;

            pub fn log<S: Statement>(here: S $(, $value: String)*) {
                log_at(here, S::LEVEL $(, $value)*);
            }

            #[allow(clippy::too_many_arguments, reason = "as the real one")]
            pub fn log_at<S: Statement>(here: S, level: Level $(, $value: String)*) {
                log_many::log_at(here, level, pairs!($($value)*));
            }
        }
    )*};
}
macro_rules! pairs {
    () => { () };
    ($first:ident $($rest:ident)*) => { ($first, pairs!($($rest)*)) };
}
log_functions! {
    log0 ()
    log1 (a)
    log2 (a b)
    log3 (a b c)
    log4 (a b c d)
    log5 (a b c d e)
    log6 (a b c d e f)
}
