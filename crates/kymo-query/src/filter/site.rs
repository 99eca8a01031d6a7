//! The conditions on call sites.

use kymo_reader::CallSite;
use kymo_reader::Level;

use super::Verdict;
use super::place::{Place, Statement};
use crate::catalog::Catalog;
use crate::expression::Expression;

/// Decides which call sites are wanted.
pub struct Sites {
    /// The least urgent level.
    level: Option<Level>,
    /// Any of these; none is all.
    targets: Vec<String>,
    places: Vec<Place>,
    expression: Option<Expression>,
    /// Records that tell of spans are not wanted.
    hides_spans: bool,
}

impl Sites {
    pub fn new(
        level: Option<Level>,
        targets: Vec<String>,
        places: Vec<Place>,
        expression: Option<Expression>,
        hides_spans: bool,
    ) -> Self {
        Self { level, targets, places, expression, hides_spans }
    }

    /// Adds the hints about names in it that do not exist.
    pub fn hints(&self, catalog: &Catalog, hints: &mut Vec<String>) {
        let targets = self.targets.iter().map(|it| ("--target", catalog.hint_of_target(it)));
        let places = self.places.iter().map(|place| ("--at", catalog.hint_of_place(place)));
        let mut say = |option: &str, hint: Option<String>| {
            let hint = hint.map(|hint| format!("{option}: {hint}"));
            hints.extend(hint.filter(|hint| !hints.contains(hint)));
        };
        targets.chain(places).for_each(|(option, hint)| say(option, hint));
        if let Some(expression) = &self.expression {
            expression
                .arguments(&mut |argument| say("--where", catalog.hint_of_argument(argument)));
            expression.span_fields(&mut |name| say("--where", catalog.hint_of_span_field(name)));
            expression.kinds(&mut |argument, kinds| {
                say("--where", catalog.hint_of_kind(argument, kinds));
            });
        }
    }

    pub fn expression(&self) -> Option<&Expression> {
        self.expression.as_ref()
    }

    /// Whether every call site is wanted.
    pub fn is_everything(&self) -> bool {
        self.level.is_none()
            && !self.hides_spans
            && self.targets.is_empty()
            && self.places.is_empty()
            && self.expression.is_none()
    }

    /// Whether any of its records can be wanted.
    pub fn admits(&self, site: &CallSite) -> bool {
        !matches!(self.verdict(site), Verdict::Unwanted)
    }

    /// The decision about its records.
    pub fn verdict(&self, site: &CallSite) -> Verdict {
        if !self.admits_place(site) {
            return Verdict::Unwanted;
        }
        match self.expression.as_ref().map(|expression| expression.specialize(site)) {
            None => Verdict::If(Expression::Constant(Some(true))),
            Some(expression) if expression.can_be_true() => Verdict::If(expression),
            Some(_) => Verdict::Unwanted,
        }
    }

    fn admits_place(&self, site: &CallSite) -> bool {
        let Self { level, targets, places, .. } = self;
        !(self.hides_spans && site.span_role().is_some())
            && level.is_none_or(|level| site.level() <= level)
            && (targets.is_empty()
                || targets.iter().any(|target| site.target().starts_with(target)))
            && (places.is_empty() || {
                let statement = Statement::of(site);
                places.iter().any(|place| place.is(&statement))
            })
    }

    /// Whether records of a level are wanted; `None` is one that is not known.
    pub fn admits_level(&self, level: Option<Level>) -> bool {
        self.level.is_none_or(|most| level.is_none_or(|level| level <= most))
    }
}
