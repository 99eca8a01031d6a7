//! The parts of call sites that are made at run time.

use crate::format::types::{SpanRole, Type, code};
use crate::statement::call_site::TypeList;

/// Returns the list of the types with these codes, which are those of `argument::gathered`. It is never freed.
pub(crate) fn list_of(codes: &[u8]) -> Option<&'static TypeList> {
    codes.iter().rev().fold(None, |rest, code| {
        Some(&*Box::leak(Box::new(TypeList { first: type_of(*code), rest })))
    })
}

fn type_of(code: u8) -> Type {
    match code {
        code::BOOL => Type::Bool,
        code::CHAR => Type::Char,
        code::U64 => Type::U64,
        code::I64 => Type::I64,
        code::U128 => Type::U128,
        code::I128 => Type::I128,
        code::F64 => Type::F64,
        code::TEXT => Type::Text,
        code::ANY => Type::Any,
        code::SEQUENCE => Type::Sequence(&Type::U8),
        // No value, of whatever type.
        code::OPTION => Type::Option(&Type::Bool),
        code => Type::Span(SpanRole::from_code(code).unwrap_or(SpanRole::In)),
    }
}

/// Returns the format string that prints this text.
pub(crate) fn as_format(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
