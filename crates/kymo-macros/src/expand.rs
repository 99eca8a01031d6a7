//! The code that a log statement becomes.
//!
//! `info!("order {id} filled at {:.2}", px)` becomes this code, with `kymo` for the path of the
//! crate:
//!
//! ```text
//! const __TARGET: &str = module_path!();
//! static __SITE: kymo::export::FilterSite = kymo::export::FilterSite::new(kymo::Level::Info, __TARGET);
//! if kymo::export::passes::<{ kymo::Level::Info as u8 }>(&__SITE) {
//!     use kymo::export as __kymo;
//!     match (&px, &id) { (__a0, __a1) => {
//!         struct __Here;
//!         impl __kymo::Statement for __Here { /* level, location, format string, names */ }
//!         if false { let _ = ::core::format_args!("order {id} filled at {:.2}", px); }
//!         __kymo::log2::log(
//!             __Here,
//!             __kymo::capture_formatted(__a0, [(); 1], |_, __value, __out| {
//!                 __out.write_fmt(::core::format_args!("{0:.2}", __value))
//!             }),
//!             __kymo::capture(__a1),
//!         );
//!     }}
//! }
//! ```
//!
//! With a rate, the body of the `if` is inside of another one: the arguments of what is suppressed are not evaluated.
//!
//! ```text
//!     struct __Here; // …
//!     static __RATE: __kymo::RateSite = __kymo::RateSite::new();
//!     if let Some(__suppressed) = __kymo::every_n(&__RATE, { const __N: u64 = … 1000 …; __N }, …) {
//!         match (&px, &id) { (__a0, __a1) => { /* logs them, and `__suppressed` as the last argument */ }}
//!     }
//! ```
//!
//! The `match` keeps temporaries alive, as that of `format_args!` does. In the branch that is never
//! taken, the compiler checks the format string against the arguments' types, and blames its own
//! spans. If the format string is malformed or does not match its arguments, the statement becomes
//! this check alone, so that there is one error and not three.

use std::slice;

use proc_macro::{Ident, Literal, Span, TokenStream, TokenTree};

use crate::captured::{Captured, Message, Origin, Way, captured};
use crate::fields::Kind;
use crate::input::{Input, Level, Misuse, is_punct};
use crate::literal::string_value;
use crate::measured::Measured;
use crate::rates::{Rate, RateKind};
use crate::template::{Hole, code, punct};

/// The most arguments that a statement may have; a limit of the file format.
const MAX_ARGUMENTS: usize = 64;

/// The most arguments for which there is a module `logN`.
const MAX_SEPARATE: usize = 6;

/// What the records of a statement have after its arguments.
struct Extra {
    /// The name of the purpose; empty for none.
    purpose: &'static str,
    /// The names of the further arguments, and the variables that have them.
    arguments: &'static [(&'static str, &'static str)],
}

impl Extra {
    const NONE: Self = Self { purpose: "", arguments: &[] };
    const LIMITED: Self = Self { purpose: "Limited", arguments: &[("suppressed", "__suppressed")] };
    const SCOPE: Self = Self { purpose: "Scope", arguments: &[("duration", "__duration")] };
    const BEGIN: Self = Self { purpose: "ScopeBegin", arguments: &[("begin", "__number")] };
    const END: Self =
        Self { purpose: "ScopeEnd", arguments: &[("end", "__number"), ("duration", "__duration")] };

    /// Whether the statement has room for them, and no argument of one of the names.
    fn checked(&self, input: &Input<'_>, captured: &[Captured]) -> Result<(), Misuse> {
        let count = captured.len() + self.arguments.len();
        if count > MAX_ARGUMENTS {
            let message = match self.purpose {
                "" => "a log statement can have at most 64 arguments",
                _ => {
                    "a log statement can have at most 64 arguments, and kymo adds one or two to these"
                }
            };
            return Err(Misuse::new(input.format.span(), message));
        }
        let clash = |(name, _): &(&str, &str)| captured.iter().any(|it| it.name == *name);
        if self.arguments.iter().any(clash) {
            let message = match self.purpose {
                "Limited" => {
                    "the records of a statement with a rate have an argument `suppressed` already"
                }
                "Scope" => "the records of a scope have an argument `duration` already",
                _ => "the records of a scope have arguments `begin`, `end` and `duration` already",
            };
            return Err(Misuse::new(input.format.span(), message));
        }
        Ok(())
    }
}

/// Returns the code of a statement, as an expression.
pub fn expand(input: &Input<'_>) -> Result<TokenStream, Misuse> {
    let source = input.format.to_string();
    let text = string_value(&source).unwrap_or_default();
    let Some(Message { arguments: captured, format }) = captured(input, &text)? else {
        return Ok(refused(input).into_iter().collect());
    };
    let format = format.map_or_else(|| input.format.clone(), |format| Literal::string(&format));
    let extra = if input.rate.is_some() { Extra::LIMITED } else { Extra::NONE };
    extra.checked(input, &captured)?;
    if captured.iter().any(|argument| argument.uses.pointer && argument.uses.printed) {
        let message = "`{:p}` prints the address and `{}` the value: pass the argument twice";
        return Err(Misuse::new(input.format.span(), message));
    }
    let level = level(input);
    let here = here(input, &captured, &level, &format, &extra);
    let captures = captured.iter().map(|it| capture(it, &captured)).collect();
    let body = [check(input, &captured), body(input, captures, &extra)].concat();
    let body = match &input.rate {
        None => bound(&captured, [here, body].concat()),
        // What describes the statement is needed before the arguments are evaluated.
        Some(rate) => limited(rate, &level, here, bound(&captured, body)),
    };
    Ok(statement(input, &level, &body, &[]).into_iter().collect())
}

/// Returns the code of a scope or a metric, as an expression.
pub fn expand_measured(measured: Measured, input: &Input<'_>) -> Result<TokenStream, Misuse> {
    let source = input.format.to_string();
    let text = string_value(&source).unwrap_or_default();
    let Some(Message { arguments: captured, format }) = captured(input, &text)? else {
        return Ok(refused(input).into_iter().collect());
    };
    let format = format.map_or_else(|| input.format.clone(), |format| Literal::string(&format));
    let text_of_name = &*text;
    let level = level(input);
    let logs = |extra: &Extra, captures: Vec<_>| {
        let has_duration = extra.arguments.iter().any(|(name, _)| *name == "duration");
        let took = Literal::string(&format!("{text_of_name} took {{duration:?}}"));
        let format = if has_duration { &took } else { &format };
        let here = here(input, &captured, &level, format, extra);
        [here, body(input, captures, extra)].concat()
    };
    let purpose = match measured {
        Measured::Metric(purpose) => purpose,
        Measured::Scope | Measured::BeginEnd => {
            let body = scope(measured, input, &captured, logs)?;
            let kymo = [("kymo", slice::from_ref(input.kymo))];
            let disabled = hygienic("else { $kymo::export::disabled_scope() }", &kymo);
            let code = statement(input, &level, &bound(&captured, body), &disabled);
            return Ok(code.into_iter().collect());
        }
    };
    let extra = Extra { purpose, arguments: &[] };
    extra.checked(input, &captured)?;
    let captures = captured.iter().map(|it| capture(it, &captured)).collect();
    let body = bound(&captured, logs(&extra, captures));
    Ok(statement(input, &level, &body, &[]).into_iter().collect())
}

/// Returns the guard of a scope that is logged. `logs` returns what logs a record of it.
fn scope(
    measured: Measured,
    input: &Input<'_>,
    captured: &[Captured],
    logs: impl Fn(&Extra, Vec<Vec<TokenTree>>) -> Vec<TokenTree>,
) -> Result<Vec<TokenTree>, Misuse> {
    let (mut kept, mut names) = (Vec::new(), Vec::new());
    for (index, argument) in captured.iter().enumerate() {
        let name = [Ident::new(&format!("__c{index}"), Span::mixed_site()).into()];
        let value = argument.local.capture("__kymo::capture_kept", &[]);
        kept.extend(hygienic("let $name = $value;", &[("name", &name), ("value", &value)]));
        names.push(name.to_vec());
    }
    let (begins, end) = match measured {
        Measured::BeginEnd => {
            Extra::BEGIN.checked(input, captured)?;
            let begin = logs(&Extra::BEGIN, names.clone());
            let begins = "let __number = __kymo::scope_number(); { $begin }";
            (hygienic(begins, &[("begin", &begin)]), Extra::END)
        }
        _ => (Vec::new(), Extra::SCOPE),
    };
    end.checked(input, captured)?;
    let holes = [("kept", &kept[..]), ("begins", &begins), ("end", &logs(&end, names))];
    let guard =
        "$kept $begins __kymo::begin_scope(move |__duration: ::core::time::Duration| { $end })";
    Ok(hygienic(guard, &holes))
}

/// Returns the level of a statement, where it is known.
fn level(input: &Input<'_>) -> Vec<TokenTree> {
    let kymo = slice::from_ref(input.kymo);
    match &input.level {
        Level::Named(name) => {
            let written = [TokenTree::from(name.clone())];
            hygienic("$kymo::Level::$written", &[("kymo", kymo), ("written", &written)])
        }
        Level::Path(_) => hygienic("__LEVEL", &[]),
        Level::Dynamic(_) => hygienic("__level", &[]),
    }
}

/// Returns the code that runs `body` if the statement is enabled, and `otherwise` if it is not.
fn statement(
    input: &Input<'_>,
    level: &[TokenTree],
    body: &[TokenTree],
    otherwise: &[TokenTree],
) -> Vec<TokenTree> {
    // A level that the user wrote is evaluated before all else, and once.
    let template = match &input.level {
        Level::Named(_) => "$tested",
        Level::Path(_) => "{ const __LEVEL: $kymo::Level = $written; $tested }",
        Level::Dynamic(_) => "{ let __level: $kymo::Level = $written; $tested }",
    };
    let written: &[TokenTree] = match &input.level {
        Level::Named(_) => &[],
        Level::Path(written) | Level::Dynamic(written) => written,
    };
    let kymo = slice::from_ref(input.kymo);
    let target = target(input);
    let test = match &input.level {
        Level::Dynamic(_) => {
            "{
                const __TARGET: &::core::primitive::str = $target;
                static __SITES: $kymo::export::FilterSites = $kymo::export::filter_sites(__TARGET);
                if $kymo::export::passes_at($level, &__SITES) {
                    use $kymo::export as __kymo;
                    $body
                } $otherwise
            }"
        }
        _ => {
            "{
                const __TARGET: &::core::primitive::str = $target;
                static __SITE: $kymo::export::FilterSite = $kymo::export::FilterSite::new($level, __TARGET);
                if $kymo::export::passes::<{ $level as u8 }>(&__SITE) {
                    use $kymo::export as __kymo;
                    $body
                } $otherwise
            }"
        }
    };
    let holes = [
        ("kymo", kymo),
        ("level", level),
        ("target", &target[..]),
        ("body", body),
        ("otherwise", otherwise),
    ];
    let tested = hygienic(test, &holes);
    hygienic(template, &[("kymo", kymo), ("written", written), ("tested", &tested)])
}

/// Returns the call that logs a record with these captures.
fn body(input: &Input<'_>, mut captures: Vec<Vec<TokenTree>>, extra: &Extra) -> Vec<TokenTree> {
    let (function, mut arguments) = match &input.level {
        Level::Dynamic(_) => ("log_at", hygienic("__level,", &[])),
        _ => ("log", Vec::new()),
    };
    for (_, variable) in extra.arguments {
        let variable = [Ident::new(variable, Span::mixed_site()).into()];
        captures.push(hygienic("__kymo::capture(&$variable)", &[("variable", &variable)]));
    }
    let separate = captures.len() <= MAX_SEPARATE;
    let count = if separate { captures.len().to_string() } else { "_many".to_owned() };
    let module = Ident::new(&format!("log{count}"), Span::mixed_site());
    let function = Ident::new(function, Span::mixed_site());
    arguments.extend(if separate { separately(captures) } else { nested(captures) });
    hygienic(
        "__kymo::$module::$function(__Here, $arguments);",
        &[
            ("module", &[module.into()]),
            ("function", &[function.into()]),
            ("arguments", &arguments),
        ],
    )
}

/// Returns what logs the records that the rate lets through.
fn limited(
    rate: &Rate<'_>,
    level: &[TokenTree],
    here: Vec<TokenTree>,
    body: Vec<TokenTree>,
) -> Vec<TokenTree> {
    let one = [Literal::u64_unsuffixed(1).into()];
    let (function, value) = match rate.kind {
        RateKind::EveryN => ("every_n", rate.value),
        RateKind::First => ("first", rate.value),
        RateKind::Once => ("first", &one[..]),
        RateKind::AtMost => ("at_most", rate.value),
        RateKind::EveryPow2 => ("every_pow2", rate.value),
    };
    // The compiler blames the value if it is none, or no constant.
    let at = value.first().map_or(rate.span, TokenTree::span);
    let span = Span::mixed_site().located_at(at);
    let function = [Ident::new(function, Span::mixed_site()).into()];
    let value = match rate.kind {
        RateKind::EveryPow2 => Vec::new(),
        RateKind::AtMost => code(
            "{ let __period: ::core::time::Duration = $value; __period },",
            span,
            &[("value", value)],
        ),
        _ => code(
            "{ const __N: ::core::primitive::u64 = __kymo::at_least_one($value); __N },",
            span,
            &[("value", value)],
        ),
    };
    hygienic(
        "$here
        static __RATE: __kymo::RateSite = __kymo::RateSite::new();
        if let ::core::option::Option::Some(__suppressed) = __kymo::$function(
            &__RATE, $value $level, &<__Here as __kymo::Statement>::LOCATION
        ) {
            $body
        }",
        &[
            ("here", &here),
            ("function", &function),
            ("value", &value),
            ("level", level),
            ("body", &body),
        ],
    )
}

/// Returns the target, as a constant.
fn target(input: &Input<'_>) -> Vec<TokenTree> {
    match input.target {
        Some(target) => target.to_vec(),
        None => hygienic("::core::module_path!()", &[]),
    }
}

/// Returns the name of the statement's log, if it has one. A wrong type is blamed on what the user wrote.
fn named_log(input: &Input<'_>) -> Vec<TokenTree> {
    let Some(logger) = input.logger else { return Vec::new() };
    let holes = [("kymo", slice::from_ref(input.kymo)), ("logger", logger)];
    hygienic("const LOG: $kymo::NamedLog = $logger;", &holes)
}

/// Returns the items that describe the statement.
fn here(
    input: &Input<'_>,
    captured: &[Captured],
    level: &[TokenTree],
    format: &Literal,
    extra: &Extra,
) -> Vec<TokenTree> {
    let kymo = ("kymo", slice::from_ref(input.kymo));
    let placeholder = hygienic("$kymo::Level::Error", &[kymo]);
    let level = if let Level::Dynamic(_) = input.level { &placeholder } else { level };
    let mut names = Vec::new();
    let further = extra.arguments.iter().map(|(name, _)| *name);
    for name in captured.iter().map(|argument| &*argument.name).chain(further) {
        names.extend([Literal::string(name).into(), comma()]);
    }
    let purpose = match extra.purpose {
        "" => Vec::new(),
        name => {
            let name = [Ident::new(name, Span::mixed_site()).into()];
            let constant = "const PURPOSE: __kymo::Purpose = __kymo::Purpose::$name;";
            hygienic(constant, &[("name", &name)])
        }
    };
    hygienic(
        "struct __Here;
        impl __kymo::Statement for __Here {
            type At = __kymo::At<{ $level as u8 }>;
            const LEVEL: $kymo::Level = $level;
            $log
            const LOCATION: __kymo::Location = __kymo::Location {
                target: __TARGET,
                module: ::core::module_path!(),
                file: ::core::file!(),
                line: ::core::line!(),
                column: ::core::column!(),
                format: $format,
                names: &[$names],
            };
            $purpose
        }",
        &[
            kymo,
            ("purpose", &purpose),
            ("level", level),
            ("format", &[format.clone().into()]),
            ("names", &names),
            ("log", &named_log(input)),
        ],
    )
}

/// Returns the branch in which the compiler checks the format string. Without arguments there is
/// nothing to check.
fn check(input: &Input<'_>, captured: &[Captured]) -> Vec<TokenTree> {
    let captured = || captured.iter().filter(|argument| argument.is_written);
    if captured().next().is_none() {
        return Vec::new();
    }
    let mut arguments = vec![TokenTree::from(input.format.clone())];
    let written = captured().any(|argument| matches!(argument.origin, Origin::Variable(_)));
    for Captured { ident, origin, uses, local, .. } in captured() {
        // Clippy checks statements whose arguments are all as they were written.
        if written && matches!(origin, Origin::Named) {
            continue;
        }
        arguments.push(comma());
        if let Some(name) = ident {
            arguments.extend([name.clone().into(), punct('=', Span::mixed_site())]);
        }
        // It could be written in the braces, as Clippy will say. (An expression was evaluated
        // already.)
        if let Origin::Variable(variable) = origin {
            arguments.push(variable.clone().into());
            continue;
        }
        // `&T` can be printed wherever `T` can, and `T` may be unsized. But `&T` is always a
        // pointer, and never a width.
        let by_value = uses.pointer || uses.count;
        arguments.extend(if by_value { local.value() } else { local.reference() });
    }
    hygienic("if false { let _ = ::core::format_args!($arguments); }", &[("arguments", &arguments)])
}

/// Returns `capture, capture,`.
fn separately(captures: Vec<Vec<TokenTree>>) -> Vec<TokenTree> {
    captures.into_iter().flat_map(|capture| [capture, vec![comma()]].concat()).collect()
}

/// Returns `(capture, (capture, ()))`.
fn nested(captures: Vec<Vec<TokenTree>>) -> Vec<TokenTree> {
    captures.into_iter().rev().fold(hygienic("()", &[]), |rest, capture| {
        hygienic("($capture, $rest)", &[("capture", &capture), ("rest", &rest)])
    })
}

/// Returns `__kymo::capture(__a0)`. If a placeholder has flags, a width or a precision, returns
/// `__kymo::capture_formatted(__a0, [(); 1], |__way, __value, __out| …)`, whose closure formats
/// `__value` as each placeholder asks. That function calls the closure only for a value that the
/// reader cannot format.
fn capture(argument: &Captured, captured: &[Captured]) -> Vec<TokenTree> {
    let Captured { local, uses, ways, .. } = argument;
    if uses.pointer {
        return local.capture("__kymo::capture_pointer", &[]);
    }
    let Some((last, others)) = ways.split_last() else {
        return local.capture("__kymo::capture", &[]);
    };
    let written = |way: &Way| {
        let mut arguments = vec![Literal::string(&way.format).into(), comma()];
        arguments.extend(hygienic("__value,", &[]));
        for &count in &way.counts {
            arguments.extend(captured[count].local.value());
            arguments.push(comma());
        }
        hygienic("__out.write_fmt(::core::format_args!($arguments))", &[("arguments", &arguments)])
    };
    let mut arms = Vec::new();
    for (index, way) in others.iter().enumerate() {
        let number = [Literal::usize_unsuffixed(index).into()];
        let holes = [("number", &number[..]), ("written", &written(way))];
        arms.extend(hygienic("$number => $written,", &holes));
    }
    let number = [Literal::usize_unsuffixed(ways.len()).into()];
    let holes = [("number", &number[..]), ("arms", &arms), ("written", &written(last))];
    let further = if others.is_empty() {
        hygienic(", [(); $number], |_, __value, __out| $written", &holes)
    } else {
        hygienic(
            ", [(); $number], |__way, __value, __out| match __way { $arms _ => $written }",
            &holes,
        )
    };
    local.capture("__kymo::capture_formatted", &further)
}

/// Returns `body` with the arguments' locals in scope.
fn bound(captured: &[Captured], body: Vec<TokenTree>) -> Vec<TokenTree> {
    if captured.is_empty() {
        return body;
    }
    let mut values = Vec::new();
    let mut locals = Vec::new();
    for argument in captured {
        values.extend(argument.value.iter().cloned().chain([comma()]));
        locals.extend([argument.local.pattern(), comma()]);
    }
    hygienic(
        "match ($values) { ($locals) => { $body } }",
        &[("values", &values), ("locals", &locals), ("body", &body)],
    )
}

/// Returns a statement that the compiler refuses with the error of `format_args!`. If that has
/// none, a second error refuses it. The second comes so late that it does not show up beside the
/// first.
fn refused(input: &Input<'_>) -> Vec<TokenTree> {
    let mut all = input.format_args.to_vec();
    if is_punct(all.last(), ',') {
        all.pop();
    }
    let text = input.format.to_string();
    for field in &input.fields {
        // (If it is not in the text, there would be a second error.)
        let Some(ident) = &field.ident else { continue };
        if text.contains(&format!("{{{}", field.name)) {
            all.extend([comma(), ident.clone().into(), punct('=', Span::mixed_site())]);
            match field.kind {
                // What makes a text of it is not in scope here.
                Kind::Eager(_) => all.push(Literal::string("").into()),
                _ => all.extend_from_slice(&field.value),
            }
        }
    }
    let message = Literal::string("kymo cannot read this format string, although it is valid");
    code(
        "{ let _ = ::core::format_args!($all); let () = const { ::core::panic!($message) }; }",
        Span::mixed_site().located_at(input.format.span()),
        &[("all", &all), ("message", &[message.into()])],
    )
}

/// Returns code whose local variables the user's code neither sees nor hides.
fn hygienic(template: &str, holes: &[Hole<'_>]) -> Vec<TokenTree> {
    code(template, Span::mixed_site(), holes)
}

fn comma() -> TokenTree {
    punct(',', Span::mixed_site())
}
