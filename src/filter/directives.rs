//! Directives such as `info,my_crate::engine=trace,net=off`, as env_logger and `RUST_LOG` have them.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::level::Level;

/// What is logged: the least urgent level, for all targets and for some.
///
/// It is written as directives, with commas between them:
///
/// | directive | logs |
/// | --- | --- |
/// | `info` | `info` and more urgent records of all targets that no other directive names |
/// | `my_crate::engine=trace` | everything of this module and of the modules in it |
/// | `net=off` | nothing of the target `net` |
/// | `my_crate` | everything of this crate |
///
/// The levels are `off`, `error`, `warn` (or `warning`), `info`, `debug` and `trace`, in upper or lower case. A
/// statement's target is its module, or what it says with `target:`.
///
/// - The longest target that fits decides, wherever it stands. `net` fits `net` and `net::http`, not `network`.
/// - In names, `-` and `_` are one character: `my-crate` is the crate `my_crate`.
/// - Of two directives for one target, the last counts.
/// - Without a directive for all targets, the others log nothing.
///
/// ```
/// use kymo::{Filter, Level};
///
/// let filter: Filter = "info,my_crate::engine=trace,net=off".parse()?;
/// assert!(filter.allows(Level::Trace, "my_crate::engine::book"));
/// assert!(!filter.allows(Level::Debug, "my_crate"));
/// assert!(!filter.allows(Level::Error, "net"));
/// assert!(filter.allows(Level::Info, "network"));
/// # Ok::<(), kymo::ParseFilterError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// For targets that no directive names. `None`: nothing.
    others: Option<Level>,
    /// Those by target, the longest first.
    by_target: Vec<Directive>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Directive {
    target: String,
    /// The least urgent level that is logged. `None`: nothing.
    max: Option<Level>,
}

impl Filter {
    /// Logs everything.
    pub const fn all() -> Self {
        Self { others: Some(Level::Trace), by_target: Vec::new() }
    }

    /// Logs nothing.
    pub const fn off() -> Self {
        Self { others: None, by_target: Vec::new() }
    }

    /// Adds a directive for a target, in place of one that there was.
    ///
    /// ```
    /// use kymo::{Filter, Level};
    ///
    /// let filter = Filter::from(Level::Info).with("net", Level::Trace).with("net::http", None);
    /// assert_eq!(filter.to_string(), "info,net::http=off,net=trace");
    /// ```
    pub fn with(mut self, target: impl Into<String>, max: impl Into<Option<Level>>) -> Self {
        self.add(Directive { target: target.into(), max: max.into() });
        self
    }

    fn add(&mut self, directive: Directive) {
        self.by_target.retain(|it| !is_same(&it.target, &directive.target));
        let at = self.by_target.partition_point(|it| it.target.len() >= directive.target.len());
        self.by_target.insert(at, directive);
    }

    /// Returns whether a record of this level and target is logged.
    pub fn allows(&self, level: Level, target: &str) -> bool {
        let found = self.by_target.iter().find(|it| fits(&it.target, target));
        found.map_or(self.others, |it| it.max) >= Some(level)
    }

    /// Returns the least urgent level that is logged for any target; `None` if nothing is.
    pub fn max_level(&self) -> Option<Level> {
        self.by_target.iter().map(|it| it.max).max().flatten().max(self.others)
    }

    /// What this filter logs of this level and of more urgent ones.
    pub(crate) fn capped(mut self, max: Level) -> Self {
        let maxima = self.by_target.iter_mut().map(|it| &mut it.max).chain([&mut self.others]);
        maxima.for_each(|it| *it = (*it).min(Some(max)));
        self
    }

    /// Returns the least urgent level that is logged, if that is one for all targets.
    pub(crate) fn for_all(&self) -> Option<Option<Level>> {
        self.by_target.is_empty().then_some(self.others)
    }

    /// Reads directives, and leaves out those that are wrong. For text from an environment, whose mistakes are not to
    /// keep a program from its work.
    pub(crate) fn parse_lossy(text: &str) -> (Option<Self>, Vec<ParseFilterError>) {
        let mut errors = Vec::new();
        let filter = parse(text, |error| {
            errors.push(error);
            Ok(())
        });
        (filter.ok().flatten(), errors)
    }
}

/// Logs this level and more urgent ones of all targets.
impl From<Level> for Filter {
    fn from(level: Level) -> Self {
        Self { others: Some(level), by_target: Vec::new() }
    }
}

/// The directives, so that they can be read again.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |level: Option<Level>| level.map_or("off", Level::name);
        f.write_str(name(self.others))?;
        self.by_target.iter().try_for_each(|it| write!(f, ",{}={}", it.target, name(it.max)))
    }
}

impl FromStr for Filter {
    type Err = ParseFilterError;

    fn from_str(text: &str) -> Result<Self, ParseFilterError> {
        parse(text, Err)?.ok_or_else(|| ParseFilterError::new(text, Mistake::Empty))
    }
}

impl TryFrom<&str> for Filter {
    type Error = ParseFilterError;

    fn try_from(text: &str) -> Result<Self, ParseFilterError> {
        text.parse()
    }
}

impl TryFrom<String> for Filter {
    type Error = ParseFilterError;

    fn try_from(text: String) -> Result<Self, ParseFilterError> {
        text.parse()
    }
}

/// Text that is no [`Filter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFilterError {
    directive: String,
    mistake: Mistake,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Empty,
    NotALevel,
    TwoLevels,
    NotATarget,
    Text,
    NotUtf8,
}

impl ParseFilterError {
    fn new(directive: &str, mistake: Mistake) -> Self {
        Self { directive: directive.to_owned(), mistake }
    }

    /// The error of a filter that is not UTF-8: this is what can be shown of it.
    pub(crate) fn not_utf8(text: &str) -> Self {
        Self::new(text, Mistake::NotUtf8)
    }
}

impl fmt::Display for ParseFilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directive, mistake } = self;
        let directive = directive.escape_debug();
        match mistake {
            Mistake::Empty => {
                f.write_str("the filter is empty: write a level, `info` for instance")
            }
            Mistake::NotUtf8 => {
                write!(f, "`{directive}`: the filter is not UTF-8, and is left out as a whole")
            }
            Mistake::NotALevel => write!(
                f,
                "`{directive}`: after `=` comes a level: off, error, warn, info, debug or trace"
            ),
            Mistake::TwoLevels => {
                write!(f, "`{directive}`: a directive has one `=`: separate directives by commas")
            }
            Mistake::NotATarget => write!(
                f,
                "`{directive}`: a target is a name such as `my_crate::engine`: it has no spaces, brackets or `*`"
            ),
            Mistake::Text => write!(
                f,
                "`/{directive}`: a logger does not format, so it cannot filter by text: use `kymo cat --grep`"
            ),
        }
    }
}

impl Error for ParseFilterError {}

/// Reads directives. `None` if there are none.
fn parse(
    text: &str,
    mut wrong: impl FnMut(ParseFilterError) -> Result<(), ParseFilterError>,
) -> Result<Option<Filter>, ParseFilterError> {
    let (directives, regex) = match text.split_once('/') {
        Some((directives, regex)) => (directives, Some(regex)),
        None => (text, None),
    };
    let mut filter = Filter::off();
    let mut is_empty = true;
    for directive in directives.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        match parse_directive(directive) {
            Ok((None, max)) => filter.others = max,
            Ok((Some(target), max)) => filter.add(Directive { target: target.to_owned(), max }),
            Err(mistake) => {
                wrong(ParseFilterError::new(directive, mistake))?;
                continue;
            }
        }
        is_empty = false;
    }
    if let Some(regex) = regex {
        wrong(ParseFilterError::new(regex, Mistake::Text))?;
    }
    Ok((!is_empty).then_some(filter))
}

/// The target and the least urgent level of a directive.
fn parse_directive(directive: &str) -> Result<(Option<&str>, Option<Level>), Mistake> {
    let level = |text: &str| match text.eq_ignore_ascii_case("off") {
        true => Some(None),
        false => text.parse().ok().map(Some),
    };
    let mut parts = directive.split('=').map(str::trim);
    let (first, second, third) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if third.is_some() {
        return Err(Mistake::TwoLevels);
    }
    let max = match second {
        None => match level(first) {
            Some(level) => return Ok((None, level)),
            None => Some(Level::Trace),
        },
        Some("") => Some(Level::Trace),
        Some(text) => level(text).ok_or(Mistake::NotALevel)?,
    };
    let is_target = !first.is_empty()
        && !first.contains(|c: char| c.is_whitespace() || c.is_control() || "*[]{}\"".contains(c));
    if is_target { Ok((Some(first), max)) } else { Err(Mistake::NotATarget) }
}

/// Whether a directive or a route for `name` is one for `target`.
pub(crate) fn fits(name: &str, target: &str) -> bool {
    let Some((start, rest)) = target.as_bytes().split_at_checked(name.len()) else { return false };
    (rest.is_empty() || rest.starts_with(b"::")) && is_same_bytes(name.as_bytes(), start)
}

fn is_same(one: &str, other: &str) -> bool {
    is_same_bytes(one.as_bytes(), other.as_bytes())
}

/// Whether names are one, where `-` is as good as `_`.
fn is_same_bytes(one: &[u8], other: &[u8]) -> bool {
    let plain = |byte: &u8| if *byte == b'-' { b'_' } else { *byte };
    one.iter().map(plain).eq(other.iter().map(plain))
}

#[cfg(all(test, not(kymo_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filter(text: &str) -> Filter {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_target_decides() {
        for text in ["info,a=warn,a::b=trace,a::b::c=off", "a::b::c=off,a=warn,a::b=trace,info"] {
            let filter = filter(text);
            for (target, max) in [
                ("x", Some(Level::Info)),
                ("a", Some(Level::Warn)),
                ("a::x", Some(Level::Warn)),
                ("a::b", Some(Level::Trace)),
                ("a::b::x", Some(Level::Trace)),
                ("a::b::c", None),
                ("a::b::c::x", None),
                ("a::bc", Some(Level::Warn)),
                ("ab", Some(Level::Info)),
                ("", Some(Level::Info)),
            ] {
                for level in Level::ALL {
                    assert_eq!(
                        filter.allows(level, target),
                        Some(level) <= max,
                        "{target} {level}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_name_ends_where_a_module_ends() {
        let filter = filter("off,net=info,my-crate=debug");
        assert!(filter.allows(Level::Info, "net"));
        assert!(filter.allows(Level::Info, "net::http"));
        assert!(!filter.allows(Level::Info, "network"));
        assert!(!filter.allows(Level::Info, "net:"));
        assert!(filter.allows(Level::Debug, "my_crate::a"));
        assert!(filter.allows(Level::Debug, "my-crate"));
    }

    #[test]
    fn mistakes_are_said() {
        for (text, expected) in [
            ("", "the filter is empty: write a level, `info` for instance"),
            (" , ", "the filter is empty: write a level, `info` for instance"),
            ("a=loud", "`a=loud`: after `=` comes a level: off, error, warn, info, debug or trace"),
            ("a=info=b", "`a=info=b`: a directive has one `=`: separate directives by commas"),
            (
                "info/x",
                "`/x`: a logger does not format, so it cannot filter by text: use `kymo cat --grep`",
            ),
            (
                "a b=info",
                "`a b=info`: a target is a name such as `my_crate::engine`: it has no spaces, brackets or `*`",
            ),
            (
                "=info",
                "`=info`: a target is a name such as `my_crate::engine`: it has no spaces, brackets or `*`",
            ),
        ] {
            let error = text.parse::<Filter>().unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        let (filter, errors) = Filter::parse_lossy("info,a=loud,b=trace/x");
        assert_eq!(filter.unwrap().to_string(), "info,b=trace");
        assert_eq!(errors.len(), 2);
        assert_eq!(Filter::parse_lossy("a=loud").0, None);
    }

    #[test]
    fn text_is_read_again() {
        for text in ["off", "info,a::b=off,a=trace", "warn,x=error"] {
            assert_eq!(filter(text).to_string(), text);
        }
        assert_eq!(filter("Info, a , a=DEBUG,b=").to_string(), "info,a=debug,b=trace");
        assert_eq!(filter("a-b=info,a_b=warn").to_string(), "off,a_b=warn");
    }

    #[test]
    fn the_greatest_level_is_known() {
        assert_eq!(filter("off,a=off").max_level(), None);
        assert_eq!(filter("info,a=off").max_level(), Some(Level::Info));
        assert_eq!(filter("info,a=debug").max_level(), Some(Level::Debug));
        assert_eq!(filter("info").for_all(), Some(Some(Level::Info)));
        assert_eq!(filter("info,a=info").for_all(), None);
    }

    /// Names of which none begins another, because env_filter takes any beginning for a fit.
    fn name() -> impl Strategy<Value = String> {
        let part = prop::sample::select(&["net", "io", "db_x", "q"][..]);
        prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("::"))
    }

    fn directive() -> impl Strategy<Value = String> {
        let level =
            prop::sample::select(&["off", "error", "WARN", "Info", "debug", "trace", ""][..]);
        prop_oneof![
            name(),
            level.clone().prop_map(str::to_owned),
            (name(), level).prop_map(|(name, level)| format!("{name}={level}")),
        ]
    }

    proptest! {
        /// What env_filter logs is logged, and nothing else.
        #[test]
        fn directives_are_those_of_env_filter(
            directives in prop::collection::vec(directive(), 1..6),
            targets in prop::collection::vec(name(), 1..20),
        ) {
            let text = directives.join(",");
            let Ok(filter) = text.parse::<Filter>() else {
                prop_assert!(directives.iter().all(String::is_empty), "{text}");
                return Ok(());
            };
            let oracle = env_filter::Builder::new().try_parse(&text).unwrap().build();
            for target in targets {
                for (level, other) in Level::ALL.into_iter().zip([
                    log::Level::Error,
                    log::Level::Warn,
                    log::Level::Info,
                    log::Level::Debug,
                    log::Level::Trace,
                ]) {
                    let metadata = log::Metadata::builder().level(other).target(&target).build();
                    let expected = oracle.enabled(&metadata);
                    prop_assert_eq!(filter.allows(level, &target), expected, "{} {} {}", text, target, level);
                }
            }
        }
    }
}
