//! Properties of expressions, and the messages about wrong ones.

use kymo_format::types::Type;
use kymo_reader::Reader;
use num_rational::BigRational;
use proptest::prelude::*;

use kymo_testing::segment;

use super::*;
use segment::{Arg, Rec, Segment};

fn error(text: &str) -> String {
    text.parse::<Expression>().expect_err(text).to_string()
}

#[test]
fn an_error_says_what_and_shows_where() {
    for (text, expected) in [
        ("px >", "expected a value: a field, a number or a string\n  px >\n      ^"),
        ("px > 1 5", "expected `and` or `or`\n  px > 1 5\n         ^"),
        ("px = 1", "write `==` for `=`\n  px = 1\n     ^"),
        ("px > 1 && py", "write `and` for `&&`\n  px > 1 && py\n         ^^"),
        ("(a or b", "this is not closed\n  (a or b\n  ^"),
        ("a or b)", "this parenthesis was not opened\n  a or b)\n        ^"),
        ("a == \"x", "this string has no end\n  a == \"x\n       ^^"),
        ("a matches 5", "expected a regular expression, as a string\n  a matches 5\n            ^"),
        (
            "a matches \"(\"",
            "not a regular expression: unclosed group\n  a matches \"(\"\n            ^^^",
        ),
        (
            "level > 3",
            "not a level: expected error, warn, info, debug or trace\n  level > 3\n          ^",
        ),
        ("took > 5parsecs", "expected a unit after the number: ns, us, ms, s, m, h or d\n"),
        ("took > 0.0000000001s", "finer than a nanosecond\n"),
        ("1 < x < 5", "a comparison has two sides; to combine two, write `x > 1 and x < 5`\n"),
        ("5", "this alone is neither true nor false: compare it with something\n  5\n  ^"),
        ("", "expected an expression, such as `px > 100`\n"),
        ("x > 340282366920938463463374607431768211456", "beyond 128 bits\n"),
        ("x > 1e999", "beyond the range of f64\n"),
        ("time > 5", "a time is compared with a string: "),
        ("time > \"noon\"", "not a point in time: "),
        ("[x] > 5", "expected the position of an argument, such as [0]\n"),
        ("arg99999999999999999999 > 5", "there are not so many arguments\n"),
        ("a == \"\\d\"", "expected \\n, \\r, \\t, \\0, \\\\, \\\", \\' or \\u{…}; for a backslash"),
        ("a == \"\\u{d800}\"", "expected a character such as \\u{1b}\n"),
        ("and > 5", "expected a value; the argument is `arg.and`\n"),
        ("px => 5", "write `>=` for `=>`\n  px => 5\n     ^^"),
        ("px =< 5", "write `<=` for `=<`\n"),
        ("px <> 5", "write `!=` for `<>`\n  px <> 5\n     ^^"),
        ("px === 5", "write `==` for `===`\n"),
        ("px in (1, 2)", "there is no `in`: write `x == 1 or x == 2`, or `list contains x`\n"),
        ("a and px in [1]", "there is no `in`: "),
        ("px > 1 in x", "there is no `in`: "),
        ("name like \"a%\"", "write `matches` with a regular expression\n"),
        ("a > 1 AND b > 2", "write `and` in lower case\n"),
        ("px == none", "nothing is equal to none: write `x is none` or `x is not none`\n"),
        ("px == null", "write `x is none`; the argument of this name is `arg.null`\n"),
        ("px is null", "write `none` for `null`\n  px is null\n        ^^^^"),
        ("px is not NULL", "write `none` for `NULL`\n"),
        ("px is 5", "expected `none`; else write `==`\n  px is 5\n        ^"),
        ("px is not 5", "expected `none`; else write `!=`\n"),
        (
            "target is none",
            "every record has this: only an argument or a span can be none\n  target is none\n  ^^^^^^",
        ),
        (
            "a or spans == \"x\"",
            "these are the names of all spans: write `spans contains \"request\"`\n  a or spans",
        ),
        ("spans is none", "these are the names of all spans: "),
        ("spans matches \"x\"", "these are the names of all spans: "),
        ("spans", "these are the names of all spans: "),
        ("\"x\" contains spans", "these are the names of all spans: "),
        ("5 is none", "expected a field before `is`\n"),
        ("order.id == #", "this character has no meaning here\n  order.id == #\n              ^"),
        ("order. == 1", "this character has no meaning here\n  order. == 1\n       ^"),
        ("a == #", "this character has no meaning here\n  a == #\n       ^"),
    ] {
        assert!(error(text).starts_with(expected), "{text}:\n{}", error(text));
    }
}

/// Length, nesting and patterns of an expression are limited.
#[test]
fn expressions_have_limits() {
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(nested(MAX_DEPTH).parse::<Expression>().is_ok());
    assert!(error(&nested(MAX_DEPTH + 1)).starts_with("nested deeper than 64 levels"));
    assert!(error(&"not ".repeat(1_000)).starts_with("nested deeper than 64 levels"));
    assert!(error(&"(".repeat(4_000)).starts_with("nested deeper than 64 levels"));
    assert!(error(&"a or ".repeat(2_000)).starts_with("an expression has at most 4096 bytes"));
    let patterns = |count| vec!["a matches \"x\""; count].join(" or ");
    assert!(patterns(MAX_PATTERNS).parse::<Expression>().is_ok());
    assert!(error(&patterns(MAX_PATTERNS + 1)).starts_with("more than 16 regular expressions"));
    let large = error(r#"a matches "((\\w{100}){100}){100}""#);
    assert!(large.starts_with("not a regular expression: "), "{large}");
}

#[test]
fn words_bind_as_in_other_languages() {
    let written = |text: &str| text.parse::<Expression>().unwrap().to_string();
    for text in [
        "a or b and c",
        "(a or b) and not c",
        "not (a and b) or not not c",
        "a and (b and c) and d",
        "arg.level == \"x\" and [2] >= -1.5 and level >= warn",
        "target contains \"\\u{1b}\\\\\\\"\" or message matches \"\\\\d+\"",
        "span == \"request\" and not spans contains \"query\" or span.order.id > 5",
        "span is none and span.x is none and arg.span == 1 and arg.span.x == 1",
        "time < \"-PT5M\" and took >= 5000000ns and x is none",
    ] {
        assert_eq!(written(text), text);
    }
    assert_eq!(written("not a == 1"), "not a == 1");
    assert_eq!(written("a is not none"), "not a is none");
    assert_eq!(written("arg0 > 1_000 and arg.1 == 0xFF"), "[0] > 1000 and [1] == 255");
    assert_eq!(written("warn <= level"), "level >= warn");
    assert_eq!(
        written("took > 1m30s or took < 2d"),
        "took > 90000000000ns or took < 172800000000000ns"
    );
    assert_eq!(written("a == 'it''s'".replace("''", "\\'").as_str()), "a == \"it's\"");
}

fn names() -> impl Strategy<Value = Box<str>> {
    let odd = prop::sample::select(vec!["not", "level", "arg", "arg0", "none", "größe", "true"]);
    prop_oneof![
        6 => "[a-d]".prop_map(Into::into),
        1 => "[a-z_][a-z0-9_]{0,8}".prop_map(Into::into),
        1 => "[a-d]\\.[a-d0-9]{1,2}(\\.[a-d])?".prop_map(Into::into),
        1 => odd.prop_map(Into::into),
    ]
}

fn fields() -> impl Strategy<Value = Field> {
    let fixed =
        [Field::Target, Field::Thread, Field::File, Field::Line, Field::Message, Field::Span];
    prop_oneof![
        1 => prop::sample::select(fixed.to_vec()),
        1 => "[a-d](\\.[a-d0-9]{1,2})?".prop_map(|name| Field::OfSpan(name.into())),
        2 => (0_usize..9).prop_map(|at| Field::Argument(Argument::At(at))),
        5 => names().prop_map(|name| Field::Argument(Argument::Named(name))),
    ]
}

/// Mostly such as are equal now and then.
fn literals() -> impl Strategy<Value = Operand> {
    prop_oneof![
        2 => any::<bool>().prop_map(Operand::Bool),
        4 => (-2_i128..3).prop_map(|value| Operand::Integer(value.into())),
        4 => prop::sample::select(vec![0.0, -2.0, 1.0, 2.5]).prop_map(Operand::Decimal),
        4 => "[ab]{0,2}".prop_map(|text| Operand::String(text.into())),
        1 => any::<i128>().prop_map(|value| Operand::Integer(value.into())),
        1 => any::<u128>().prop_map(|value| Operand::Integer(value.into())),
        1 => prop::num::f64::NORMAL.prop_map(Operand::Decimal),
        1 => any::<String>().prop_map(|text| Operand::String(text.into())),
        1 => any::<u128>().prop_map(|nanoseconds| Operand::Duration { nanoseconds }),
    ]
}

fn comparisons() -> impl Strategy<Value = Comparison> {
    prop::sample::select(Comparison::ALL.map(|(_, comparison)| comparison).to_vec())
}

fn expressions() -> impl Strategy<Value = Expression> {
    let operand = || prop_oneof![fields().prop_map(Operand::Field), literals()];
    let patterns = prop::sample::select(vec!["a", r"\d+", "[\"\\\\]", "a|b", "\u{1b}"]);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(|value| Expression::Constant(Some(value))),
        2 => fields().prop_map(Expression::Truth),
        2 => names().prop_map(|name| Expression::IsNone(Field::Argument(Argument::Named(name)))),
        9 => (operand(), comparisons(), operand())
            .prop_map(|(left, comparison, right)| Expression::Compare(left, comparison, right)),
        2 => (operand(), operand()).prop_map(|(left, right)| Expression::Contains(left, right)),
        1 => (fields(), patterns)
            .prop_map(|(field, text)| Expression::Matches(field, Pattern(Regex::new(text).unwrap()))),
        1 => (comparisons(), prop::sample::select(Level::ALL.to_vec()))
            .prop_map(|(comparison, level)| Expression::Level(comparison, level)),
        1 => (comparisons(), any::<i64>()).prop_map(|(comparison, time)| {
            let point = Point::Absolute(jiff::Timestamp::from_nanosecond(time.into()).unwrap());
            Expression::Time(comparison, Moment { point, time_ns: 0 })
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|part| Expression::Not(Box::new(part))),
        ]
    })
}

/// The value of an argument in the test of evaluation.
#[derive(Clone, Debug)]
enum Given {
    None,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(String),
}

fn given() -> impl Strategy<Value = Given> {
    prop_oneof![
        Just(Given::None),
        any::<bool>().prop_map(Given::Bool),
        prop_oneof![4 => 0..3_u64, 1 => any::<u64>()].prop_map(Given::Unsigned),
        prop_oneof![4 => -2..3_i64, 1 => any::<i64>()].prop_map(Given::Signed),
        prop_oneof![
            4 => prop::sample::select(vec![-0.0, -2.0, 1.0, 2.5, f64::NAN]),
            1 => any::<f64>(),
        ]
        .prop_map(Given::Float),
        prop_oneof![4 => "[ab]{0,2}", 1 => any::<String>()].prop_map(Given::String),
    ]
}

/// A record with arguments `a`, `b`…, at level warn, in a file.
fn file(given: &[Given]) -> Vec<u8> {
    let typed = |value: &Given| match value {
        Given::None => (Type::Option(&Type::U64), Arg::Byte(0)),
        Given::Bool(value) => (Type::Bool, Arg::Bool(*value)),
        Given::Unsigned(value) => (Type::U64, Arg::Unsigned(*value)),
        Given::Signed(value) => (Type::I64, Arg::Signed(*value)),
        Given::Float(value) => (Type::F64, Arg::Float(*value)),
        // Its bytes live as long as `given`; the segment copies them.
        Given::String(_) => (Type::Str, Arg::Str(b"")),
    };
    let names = ["a", "b", "c", "d"];
    let types: Vec<(&str, Type)> =
        given.iter().zip(names).map(|(value, name)| (name, typed(value).0)).collect();
    let args: Vec<Arg<'_>> = given
        .iter()
        .map(|value| match value {
            Given::String(text) => Arg::Str(text.as_bytes()),
            value => typed(value).1,
        })
        .collect();
    let mut segment = Segment::new(7);
    segment.clock(1_000).thread(0, "a").site(0, 2, "ab", &types);
    segment.block(0, &[Rec(0, 5, &args)]).close();
    segment.bytes
}

/// The text of the message: "ab", and the arguments, which it does not print.
fn message(given: &[Given]) -> String {
    let bytes = file(given);
    let mut text = String::new();
    Reader::from_slice(&bytes)
        .unwrap()
        .next_record()
        .unwrap()
        .expect("a record")
        .message(&mut text);
    text
}

/// The obvious way to evaluate an expression: every value in its plainest form.
mod naive {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    pub enum Meaning {
        None,
        Bool(bool),
        /// Not for what is no number or has no end.
        Number(BigRational),
        Odd(f64),
        String(String),
        Duration(u128),
    }

    pub fn field(field: &Field, given: &[Given]) -> Option<Meaning> {
        let argument = |position: usize| {
            Some(match given.get(position)? {
                Given::None => Meaning::None,
                Given::Bool(value) => Meaning::Bool(*value),
                Given::Unsigned(value) => {
                    Meaning::Number(BigRational::from_integer((*value).into()))
                }
                Given::Signed(value) => Meaning::Number(BigRational::from_integer((*value).into())),
                Given::Float(value) => float(*value),
                Given::String(text) => Meaning::String(text.clone()),
            })
        };
        match field {
            Field::Target => Some(Meaning::String("target".into())),
            Field::Thread => Some(Meaning::String("a".into())),
            Field::File => Some(Meaning::String("src/main.rs".into())),
            Field::Line => Some(Meaning::Number(BigRational::from_integer(10.into()))),
            Field::Message => Some(Meaning::String(message(given))),
            Field::Span | Field::OfSpan(_) => Some(Meaning::None),
            Field::Spans => None,
            Field::Argument(Argument::At(at)) => argument(*at),
            Field::Argument(Argument::Named(name)) => {
                argument(["a", "b", "c", "d"].iter().position(|known| **known == **name)?)
            }
        }
    }

    fn float(value: f64) -> Meaning {
        BigRational::from_float(value).map_or(Meaning::Odd(value), Meaning::Number)
    }

    fn operand(operand: &Operand, given: &[Given]) -> Option<Meaning> {
        Some(match operand {
            Operand::Field(of) => return field(of, given),
            Operand::Bool(value) => Meaning::Bool(*value),
            Operand::Integer(value) => {
                let magnitude = BigRational::from_integer(value.magnitude.into());
                Meaning::Number(if value.is_negative { -magnitude } else { magnitude })
            }
            Operand::Decimal(value) => float(*value),
            Operand::String(text) => Meaning::String(text.to_string()),
            Operand::Duration { nanoseconds } => Meaning::Duration(*nanoseconds),
        })
    }

    fn order(left: &Meaning, right: &Meaning) -> Option<std::cmp::Ordering> {
        match (left, right) {
            (Meaning::Bool(left), Meaning::Bool(right)) => Some(left.cmp(right)),
            (Meaning::Number(left), Meaning::Number(right)) => Some(left.cmp(right)),
            (Meaning::String(left), Meaning::String(right)) => Some(left.cmp(right)),
            (Meaning::Duration(left), Meaning::Duration(right)) => Some(left.cmp(right)),
            (Meaning::Odd(left), Meaning::Odd(right)) => left.partial_cmp(right),
            (Meaning::Odd(left), Meaning::Number(_)) => left.partial_cmp(&0.0),
            (Meaning::Number(_), Meaning::Odd(right)) => 0.0.partial_cmp(right),
            _ => None,
        }
    }

    fn compare(left: &Meaning, comparison: Comparison, right: &Meaning) -> bool {
        let order = order(left, right);
        match comparison {
            Comparison::Equal => order.is_some_and(|order| order.is_eq()),
            Comparison::Unequal => !order.is_some_and(|order| order.is_eq()),
            Comparison::Less => order.is_some_and(|order| order.is_lt()),
            Comparison::LessOrEqual => order.is_some_and(|order| order.is_le()),
            Comparison::Greater => order.is_some_and(|order| order.is_gt()),
            Comparison::GreaterOrEqual => order.is_some_and(|order| order.is_ge()),
        }
    }

    /// SQL's rules: false, unknown and true are 0, 1/2 and 1; `and` is the least of its parts, `or`
    /// the greatest, `not` the rest to 1. Twice that is returned.
    pub fn truth(expression: &Expression, given: &[Given]) -> u8 {
        let of = |value: Option<bool>| value.map_or(1, |value| 2 * u8::from(value));
        let known = |meaning: Option<Meaning>| meaning.filter(|it| *it != Meaning::None);
        match expression {
            Expression::Constant(value) => of(*value),
            Expression::Or(parts) => parts.iter().map(|part| truth(part, given)).max().unwrap(),
            Expression::And(parts) => parts.iter().map(|part| truth(part, given)).min().unwrap(),
            Expression::Not(part) => 2 - truth(part, given),
            Expression::Truth(name) => {
                of(known(field(name, given)).map(|value| value == Meaning::Bool(true)))
            }
            Expression::IsNone(name) => of(field(name, given).map(|value| value == Meaning::None)),
            Expression::Compare(left, comparison, right) => {
                let (left, right) = (known(operand(left, given)), known(operand(right, given)));
                of(left.zip(right).map(|(left, right)| compare(&left, *comparison, &right)))
            }
            Expression::Contains(left, right) => {
                let (left, right) = (known(operand(left, given)), known(operand(right, given)));
                of(left.zip(right).map(|both| match both {
                    (Meaning::String(whole), Meaning::String(part)) => whole.contains(&part),
                    _ => false,
                }))
            }
            Expression::Matches(name, pattern) => {
                of(known(field(name, given)).map(|value| match value {
                    Meaning::String(text) => pattern.0.is_match(&text),
                    _ => false,
                }))
            }
            Expression::Level(comparison, level) => {
                // The record's is warn; the more urgent, the greater.
                let rank = |level: Level| BigRational::from_integer((-(level as i64)).into());
                let [own, other] = [Level::Warn, *level].map(|level| Meaning::Number(rank(level)));
                of(Some(compare(&own, *comparison, &other)))
            }
            Expression::Time(comparison, moment) => {
                let [own, other] = [1_005, moment.time_ns]
                    .map(|time| Meaning::Number(BigRational::from_integer(time.into())));
                of(Some(compare(&own, *comparison, &other)))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_written_parses_to_the_same(expression in expressions()) {
        let text = expression.to_string();
        prop_assume!(text.len() <= MAX_BYTES && text.matches(" matches ").count() <= MAX_PATTERNS);
        match text.parse::<Expression>() {
            Ok(parsed) => prop_assert_eq!(parsed, expression, "{}", text),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn evaluation_is_that_of_the_obvious_model(
        expression in expressions(),
        given in prop::collection::vec(given(), 0..5),
    ) {
        let mut expression = expression;
        let given = &given[..given.len().min(4)];
        let zone = jiff::tz::TimeZone::UTC;
        expression.resolve(&Reference { zone, now: jiff::Timestamp::UNIX_EPOCH });
        let bytes = file(given);
        let mut reader = Reader::from_slice(&bytes).unwrap();
        let record = reader.next_record().unwrap().expect("a record");
        let special = expression.specialize(record.call_site());
        let expected = naive::truth(&expression, given);
        let mut scratch = Scratch::default();
        prop_assert_eq!(special.is_true(&record, &mut scratch), expected == 2, "{}", special);
        prop_assert!(special.can_be_true() || expected < 2, "{}", special);
        let inverse = Expression::Not(Box::new(expression.clone()));
        let inverse = inverse.specialize(record.call_site()).is_true(&record, &mut scratch);
        prop_assert_eq!(inverse, expected == 0, "{}", special);
        // Where nothing is left to ask a record, that is the answer.
        if let Expression::Constant(value) = special {
            prop_assert_eq!(value, [Some(false), None, Some(true)][usize::from(expected)]);
        }
    }

    #[test]
    fn no_text_is_too_odd(text in prop_oneof![
        any::<String>(),
        r#"([a-z]|[0-9_.]|["'\\(\[\])<>=!-]| and | or | not | matches | contains ){0,40}"#,
    ]) {
        if let Err(error) = text.parse::<Expression>() {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
