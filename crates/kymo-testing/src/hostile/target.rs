//! The targets: from any bytes to something hostile, and what must hold of it.

use arbitrary::Unstructured;
use kymo_format::MAX_TEXT_BYTES;
use kymo_reader::{Template, Text, Type, Value};

use super::{check, frames, ring, segment};

/// The longest text of one message: where the reader stops, and one placeholder of the greatest
/// width, of the widest characters, after that.
const MAX_MESSAGE_BYTES: usize = (16 << 20) + 4 * 65_536;

/// The bytes are a file.
pub fn bytes(data: &[u8]) {
    check::read_in_every_way(data);
}

/// The bytes are frames, without checksums. So their content is reached by mutations that know
/// nothing of files.
pub fn frames(data: &[u8]) {
    check::read_in_every_way(&frames::sealed(data));
}

/// The bytes choose the content of a valid file, and the damage that is then done to it.
pub fn segment(data: &[u8]) {
    let file = segment::hostile(&mut Unstructured::new(data));
    check::read_in_every_way(&file);
    if data.first().is_some_and(|byte| byte % 16 == 0) {
        check::follow(&file);
    }
}

/// The bytes choose the content of the file of a ring whose process died.
pub fn ring(data: &[u8]) {
    let (ring, committed) = ring::hostile(&mut Unstructured::new(data));
    // From the other end: where there are few bytes, they choose both.
    let back: Vec<u8> = data.iter().rev().copied().collect();
    let sites = ring::hostile_sites(&mut Unstructured::new(&back));
    check::recover(&ring, &sites, committed);
}

/// The bytes are a format string.
pub fn format_string(data: &[u8]) {
    let format = String::from_utf8_lossy(&data[..data.len().min(MAX_TEXT_BYTES)]);
    let names = ["", "", "a", "b", "é"];
    let template = match Template::parse(&format, &names) {
        Ok(template) => template,
        Err(error) => {
            assert!(format.is_char_boundary(error.offset()), "{error}");
            Template::unparsed(&format, &names)
        }
    };
    let text = Value::Str(Text::new("t\u{1b}x"));
    for values in [
        [Value::U64(u64::MAX), Value::F64(-1e300), text, Value::U16(65_535), Value::Char('é')],
        [Value::I128(i128::MIN), Value::F32(f32::NAN), Value::U8(3), text, Value::Bool(true)],
    ] {
        for values in [&values[..], &values[..2]] {
            let mut out = String::from("before");
            template.render(values, &mut out);
            assert!(out.starts_with("before"), "earlier text was changed");
            assert!(out.len() <= MAX_MESSAGE_BYTES + format.len(), "{} bytes of text", out.len());
        }
    }
}

/// The bytes are a type and a value.
pub fn value(data: &[u8]) {
    let Some((&length, data)) = data.split_first() else { return };
    let (ty, data) = data.split_at(data.len().min(length.into()));
    let Some(ty) = Type::parse(ty) else { return };
    let (mut skipped, mut decoded) = (data, data);
    let skip = ty.skip(&mut skipped);
    let value = ty.decode(&mut decoded);
    assert_eq!(skip.as_ref().err(), value.as_ref().err(), "{ty}");
    if let Ok(value) = value {
        assert_eq!(skipped.len(), decoded.len(), "{ty} ends elsewhere");
        check::value(&value);
    }
}
