//! The arguments of a statement, in the order in which `format_args!` numbers them, and what each
//! is used for.
//!
//! Explicit arguments come first, as they are written. Then follow the variables that the format
//! string names, in order of first appearance. An argument is captured once, however often it is
//! printed.

use crate::format::{Placeholder, Position};

/// The arguments of a statement.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments<'a> {
    /// One for each argument, explicit ones first.
    pub uses: Vec<Use>,
    /// The variables that the format string captures, in order.
    pub captures: Vec<&'a str>,
    /// For each placeholder its value, width and precision, as numbers of arguments.
    pub placed: Vec<Placed>,
}

/// The numbers of the arguments that a placeholder names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub value: usize,
    pub width: Option<usize>,
    pub precision: Option<usize>,
}

/// What the placeholders do with an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// It is printed, other than as an address.
    pub printed: bool,
    /// Its address is printed.
    pub pointer: bool,
    /// It is a width or a precision.
    pub count: bool,
}

/// Matches placeholders with explicit arguments, whose names are `names` (`None`: positional).
///
/// The last names are those of so many `fields`, which need not be in the format string.
///
/// Returns `None` if `format_args!` would refuse the statement: an argument is missing, is never
/// used, is named twice, or is positional after a named one.
pub fn number<'a>(
    placeholders: &[Placeholder<'a>],
    names: &[Option<&'a str>],
    fields: usize,
) -> Option<Arguments<'a>> {
    let positional = names.iter().take_while(|name| name.is_none()).count();
    let named = &names[positional..];
    if named.iter().enumerate().any(|(at, name)| name.is_none() || named[..at].contains(name)) {
        return None;
    }
    let mut arguments = Arguments {
        uses: vec![Use::default(); names.len()],
        captures: Vec::new(),
        placed: Vec::new(),
    };
    for placeholder in placeholders {
        let value = arguments.find(names, placeholder.value)?;
        let uses = &mut arguments.uses[value];
        uses.pointer |= placeholder.pointer;
        uses.printed |= !placeholder.pointer;
        let mut counts = [None; 2];
        for (at, count) in [placeholder.width, placeholder.precision].into_iter().enumerate() {
            if let Some(count) = count {
                let index = arguments.find(names, count)?;
                arguments.uses[index].count = true;
                counts[at] = Some(index);
            }
        }
        let [width, precision] = counts;
        arguments.placed.push(Placed { value, width, precision });
    }
    for uses in &mut arguments.uses[names.len() - fields..names.len()] {
        // The reader prints it at the end.
        uses.printed |= *uses == Use::default();
    }
    let unused = arguments.uses.contains(&Use::default());
    (!unused).then_some(arguments)
}

impl<'a> Arguments<'a> {
    /// Returns the number of the argument at `position`. A variable that was not met before becomes
    /// the last one.
    fn find(&mut self, names: &[Option<&'a str>], position: Position<'a>) -> Option<usize> {
        match position {
            Position::Index(index) => (index < names.len()).then_some(index),
            Position::Name(name) => {
                let mut all = names.iter().copied().chain(self.captures.iter().copied().map(Some));
                Some(all.position(|known| known == Some(name)).unwrap_or_else(|| {
                    self.captures.push(name);
                    self.uses.push(Use::default());
                    self.uses.len() - 1
                }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::placeholders;

    const PRINTED: Use = Use { printed: true, pointer: false, count: false };
    const POINTER: Use = Use { printed: false, pointer: true, count: false };
    const COUNT: Use = Use { printed: false, pointer: false, count: true };

    fn check(text: &str, names: &[Option<&str>], expected: Option<(&[Use], &[&str])>) {
        let found = number(&placeholders(text).unwrap(), names, 0);
        let found = found.as_ref().map(|found| (&found.uses[..], &found.captures[..]));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn explicit_arguments_before_captures() {
        check(
            "order {id} filled at {px:.2} {}",
            &[None, Some("id")],
            Some((&[PRINTED; 3], &["px"])),
        );
        check("{a} {b} {a:?} {0}", &[Some("b")], Some((&[PRINTED; 2], &["a"])));
        check("{x:w$.p$}", &[], Some((&[PRINTED, COUNT, COUNT], &["x", "w", "p"])));
        check("{x:w$.w$}", &[Some("w")], Some((&[COUNT, PRINTED], &["x"])));
        check("{:.*}", &[None, None], Some((&[COUNT, PRINTED], &[])));
        check("{0:0$}", &[None], Some((&[Use { count: true, ..PRINTED }], &[])));
        check("{:p} {1}", &[None, None], Some((&[POINTER, PRINTED], &[])));
        check("{0:p} {0}", &[None], Some((&[Use { pointer: true, ..PRINTED }], &[])));
        check("", &[], Some((&[], &[])));
    }

    #[test]
    fn what_format_args_refuses() {
        check("{}", &[], None);
        check("{1}", &[None], None);
        check("", &[None], None);
        check("{}", &[None, None], None);
        check("{}", &[None, Some("x")], None);
        check("{x}", &[Some("x"), Some("x")], None);
        check("{x}{0}", &[Some("x"), None], None);
        check("{:.*}", &[None], None);
        check("{x:.*}", &[Some("x"), Some("y")], None);
    }
}
