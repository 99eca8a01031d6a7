//! Whatever the bytes, types, values and format strings are refused or accepted, without panic and
//! in bounded time.

use kymo_reader::{Malformed, Template, Type, Value, json, write_escaped};
use proptest::prelude::*;

/// Looks at everything in a value. That nothing inside is damaged is asserted by the reader itself.
fn visit(value: &Value<'_>) -> usize {
    match value {
        Value::Option(Some(inner)) => 1 + visit(&inner.get()),
        Value::Sequence(sequence) => 1 + sequence.iter().map(|value| visit(&value)).sum::<usize>(),
        Value::Tuple(tuple) => 1 + tuple.iter().map(|value| visit(&value)).sum::<usize>(),
        Value::Struct(inner) => 1 + inner.iter().map(|value| visit(&value)).sum::<usize>(),
        Value::Enum(inner) => 1 + inner.variant().iter().map(|value| visit(&value)).sum::<usize>(),
        _ => 1,
    }
}

/// A struct or a variant with these fields, whatever its kind.
fn shape(kind: u8, format: &str, types: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![3, b'S', kind & 7];
    if kind & 4 != 0 {
        kymo_format::frame::put_str(&mut bytes, format);
    }
    let types = if kind & 3 == 0 { &[] } else { types };
    bytes.push((types.len() as u8) << 1 | 1);
    for ty in types {
        bytes.extend_from_slice(if kind & 3 == 2 { &[3, b'f'] } else { &[] });
        bytes.extend_from_slice([&[0][..], &[1], b"\x02\x05ns"][usize::from(kind >> 4) % 3]);
        bytes.extend_from_slice(ty);
    }
    bytes
}

/// Types in prefix notation, deeper ones included.
fn any_type() -> impl Strategy<Value = Vec<u8>> {
    let codes = (0..0x80_u8).filter(|&code| Type::parse(&[code]).is_some());
    // Ids of spans are in no other value.
    let (scalars, alone): (Vec<u8>, Vec<u8>) =
        codes.partition(|&code| Type::parse(&[0x80, code]).is_some());
    let one_of = |codes| prop::sample::select(codes).prop_map(|code: u8| vec![code]);
    let nested = one_of(scalars).prop_recursive(5, 20, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| [vec![0x80], ty].concat()),
            inner.clone().prop_map(|ty| [vec![0x81], ty].concat()),
            prop::collection::vec(inner.clone(), 0..4).prop_map(|types| [
                vec![0x82, types.len() as u8],
                types.concat()
            ]
            .concat()),
            (kind(), any_format(), prop::collection::vec(inner.clone(), 0..4)).prop_map(
                |(kind, format, types)| [vec![0x88], shape(kind, &format, &types)].concat()
            ),
            prop::collection::vec((kind(), any_format(), prop::collection::vec(inner, 0..3)), 0..4)
                .prop_map(|variants| {
                    let head = vec![0x89, 3, b'E', (variants.len() as u8) << 1 | 1];
                    let variants =
                        variants.iter().map(|(kind, format, types)| shape(*kind, format, types));
                    [vec![head], variants.collect()].concat().concat()
                }),
        ]
    });
    prop_oneof![9 => nested, 1 => one_of(alone)]
}

/// A kind of struct that is one: see [`shape`].
fn kind() -> impl Strategy<Value = u8> {
    any::<u8>().prop_map(|kind| if kind & 3 == 3 { kind & !1 } else { kind })
}

/// Bytes, many of them small numbers: bools, counts, lengths.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(1), Just(0), Just(5), Just(9), 0..8u8, any::<u8>()];
    prop::collection::vec(byte, 0..200)
}

/// Strings, more and less like format strings.
fn any_format() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        r"([{}:$.*?<^>+#0-9 xXeEpa_é-]|\{:){0,20}",
        r"\{(0|1|a)?:.?[<>^]?[+-]?#?0?[0-9]{0,6}(\.[0-9*a$]{0,3})?[?xe]?\}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_are_a_type_or_not(bytes in any_bytes()) {
        let _ = Type::parse(&bytes);
    }

    #[test]
    fn types_are_parsed_whole_or_not_at_all(bytes in any_type()) {
        prop_assert!(Type::parse(&bytes).is_some());
        for cut in 0..bytes.len() {
            prop_assert_eq!(Type::parse(&bytes[..cut]), None);
        }
    }

    /// Skipping and decoding agree on random bytes.
    #[test]
    fn skip_and_decode_agree_on_random_bytes(ty in any_type(), bytes in any_bytes()) {
        let ty = Type::parse(&ty).expect("a type");
        let (mut decoded, mut skipped) = (&bytes[..], &bytes[..]);
        let value = ty.decode(&mut decoded);
        prop_assert_eq!(ty.skip(&mut skipped), value.map(drop));
        let Ok(value) = value else { return Ok(()) };
        prop_assert_eq!(decoded, skipped);
        visit(&value);
        let mut out = String::new();
        json::write_value(&value, &mut out);
        let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&out);
        prop_assert!(parsed.is_ok(), "{}", out);
        let template = Template::parse("{} {0:?} {0:#?} {0:#012.3x?}", &["x"]).expect("a template");
        template.render(&[value], &mut out);
        // Without the bytes after the value it decodes all the same.
        let own = &bytes[..bytes.len() - decoded.len()];
        let again = ty.decode(&mut &own[..]);
        prop_assert!(again.is_ok());
        for cut in 0..own.len() {
            prop_assert!(ty.decode(&mut &own[..cut]).is_err());
        }
    }

    #[test]
    fn random_strings_are_format_strings_or_not(
        format in any_format(),
    ) {
        let arguments = [Value::U64(3), Value::F64(1.5), Value::Bool(true)];
        match Template::parse(&format, &["", "a", "é"]) {
            Ok(template) => template.render(&arguments, &mut String::new()),
            Err(error) => {
                prop_assert!(error.offset() <= format.len());
                let template = Template::unparsed(&format, &["", "a", "é"]);
                template.render(&arguments, &mut String::new());
            }
        }
    }

    #[test]
    fn escaping_leaves_no_control_character(text in any::<String>()) {
        let mut out = String::new();
        write_escaped(&text, &mut out);
        let controls = out.contains(char::is_control);
        prop_assert!(!controls);
    }
}

/// An error leaves bytes and text as they were.
#[test]
fn errors_leave_bytes_and_text_alone() {
    let template = Template::parse("{} {}", &["", ""]).expect("a template");
    for template in [template, Template::parse("{1} {0}", &["", ""]).expect("a template")] {
        let (mut bytes, mut out) = (&[1, 2][..], String::from("as it was"));
        let result = template.render_encoded(&[Type::U8, Type::Bool], &mut bytes, &mut out);
        assert_eq!(result, Err(Malformed::Invalid));
        assert_eq!((bytes, out.as_str()), (&[1, 2][..], "as it was"));
    }
}

/// Format strings that print each other, a hundred times at each depth, end soon all the same.
#[test]
fn formats_within_formats_are_bounded() {
    let mut ty = vec![0x34];
    for _ in 0..14 {
        ty = [vec![0x88], shape(1 | 4, &"{0}".repeat(100), &[ty])].concat();
    }
    let ty = Type::parse(&ty).expect("a type");
    let value = ty.decode(&mut &[][..]).expect("a value");
    let mut out = String::new();
    Template::parse("{}", &[""]).expect("a template").render(&[value], &mut out);
    assert!(out.len() < 1 << 20 && out.contains('…'), "{} bytes", out.len());
    // Without a text of its own, too.
    let wide = [vec![0x88], shape(1 | 4, &"{0:65535}".repeat(128), &[vec![0x01]])].concat();
    let ty = Type::parse(&wide).expect("a type");
    let value = ty.decode(&mut &[1][..]).expect("a value");
    out.clear();
    Template::parse("{}", &[""]).expect("a template").render(&[value], &mut out);
    assert!(out.len() < 17 << 20, "{} bytes", out.len());
}

/// Arguments that are missing are shown as such.
#[test]
fn missing_arguments_are_shown() {
    let mut out = String::new();
    Template::parse("{} {}", &["", ""]).expect("a template").render(&[Value::U8(1)], &mut out);
    assert_eq!(out, "1 {?}");
}
