//! Values as JSON, and text made safe for a terminal.
//!
//! Logged text may hold anything, and printed text ends up on a terminal. Characters that control a
//! terminal, end a line or turn the direction of writing leave this module only as escapes.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use kymo_format::is_control;
use kymo_format::types::Fields;

use super::record::Record;
use super::text::line::{Line, Literal, Whole};
use super::types::Type;
use super::value::decode::{take, take_bytes, take_varint, take_zigzag};
use super::value::{Malformed, Map, Struct, Text, Value};

/// Appends a string in quotes.
///
/// ```
/// let mut out = String::new();
/// kymo_reader::json::write_string("say \"hi\"\u{1b}", &mut out);
/// assert_eq!(out, r#""say \"hi\"\u001b""#);
/// ```
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    write_string_body(text, out);
    out.push('"');
}

/// Appends a value.
///
/// Integers are written with all their digits, floats with the fewest that identify them; not a
/// number and the infinities are strings. A `Some` is its value and a `None` is null. A duration is
/// its number of nanoseconds. Addresses are strings. What was cut bears the mark `…`: a string at
/// its end, a sequence as an element of its own. A map is an object whose names are the texts of
/// the keys. A struct is an object, or an array if its fields have no names; an enum is tagged as serde tags it
/// externally. A `Result` is one with the member `Ok` or `Err`, a range one with `start` and `end`.
/// Of a value that the program formatted in several ways, the first text is written.
///
/// ```
/// use kymo_reader::{Value, json};
/// let mut out = String::new();
/// json::write_value(&Value::F64(1.5), &mut out);
/// assert_eq!(out, "1.5");
/// ```
pub fn write_value(value: &Value<'_>, out: &mut String) {
    match *value {
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Char(value) => write_string(value.encode_utf8(&mut [0; 4]), out),
        Value::U8(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::U16(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::U32(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::U64(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::U128(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::I8(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::I16(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::I32(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::I64(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::I128(value) => out.push_str(itoa::Buffer::new().format(value)),
        Value::F32(value) if value.is_finite() => {
            out.push_str(zmij::Buffer::new().format_finite(value));
        }
        Value::F64(value) if value.is_finite() => {
            out.push_str(zmij::Buffer::new().format_finite(value));
        }
        Value::Str(text) | Value::Text(text) | Value::OsStr(text) => write_text(&text, out),
        Value::Formatted(texts) => write_text(&texts.get(0), out),
        Value::Duration(value) => out.push_str(itoa::Buffer::new().format(value.as_nanos())),
        Value::Pointer(value) => {
            let _ = write!(out, "\"{value:#x}\"");
        }
        Value::Option(None) => out.push_str("null"),
        Value::Option(Some(inner)) => write_value(&inner.get(), out),
        Value::Map(map) => write_map(&map, out),
        Value::Result(Ok(inner)) => write_object([("Ok", inner.get())], out),
        Value::Result(Err(inner)) => write_object([("Err", inner.get())], out),
        Value::Range(range) => {
            let [start, end] = range.bounds();
            write_object([("start", start), ("end", end)], out);
        }
        Value::Sequence(sequence) | Value::Set(sequence) => {
            write_array(sequence.iter(), sequence.is_cut(), out)
        }
        Value::Tuple(tuple) => write_array(tuple.iter(), false, out),
        Value::Redacted => out.push_str("\"***\""),
        Value::Struct(inner) => write_struct(&inner, out),
        Value::Enum(inner) => {
            let variant = inner.variant();
            if variant.kind() == Fields::Unit {
                return write_string(variant.name(), out);
            }
            out.push('{');
            write_string(variant.name(), out);
            out.push(':');
            write_struct(&variant, out);
            out.push('}');
        }
        // Not finite, or an address: nothing to escape.
        _ => {
            let _ = write!(out, "\"{value}\"");
        }
    }
}

/// Appends the arguments of a record as an object. The key of one without a name is its position,
/// from 0. No key is there twice: of two arguments `k`, the second is `k_2`.
///
/// Faster than [`write_string`] and [`write_value`] for each argument, which append equal text.
///
/// ```
/// use kymo_reader::{Reader, json};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = kymo::Logger::builder(&path).start()?;
/// # let price = 99.5;
/// # kymo::info!("order {} at {price}", 17);
/// # logger.shutdown();
/// let mut reader = Reader::open(&path)?;
/// let record = reader.next_record()?.expect("a record");
/// let mut out = String::new();
/// json::write_fields(&record, &mut out);
/// assert_eq!(out, r#"{"0":17,"price":99.5}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_fields(record: &Record<'_>, out: &mut String) {
    let site = record.call_site();
    let mut line = Line::new(out);
    let mut bytes = record.arguments;
    let (message, types) = site.types().split_at(site.has_message_argument.into());
    // The message is at hand already.
    let is_whole = message.iter().all(|ty| ty.decode(&mut bytes).is_ok());
    let types = if is_whole { types } else { &[] };
    for (key, ty) in site.keys.iter().zip(types) {
        line.literal(key);
        // The record was checked when it was found, so that this does not fail.
        if write_encoded(ty, &mut bytes, &mut line).is_err() {
            break;
        }
    }
    if types.is_empty() {
        line.ascii(b'{');
    }
    line.ascii(b'}');
    line.finish();
}

/// Decodes a value of this type from the beginning of `bytes` and appends it: [`write_value`] after
/// [`Type::decode`], but for the commonest types nothing is stored in between.
#[inline(always)]
fn write_encoded<'a>(
    ty: &'a Type,
    bytes: &mut &'a [u8],
    line: &mut Line<'_>,
) -> Result<(), Malformed> {
    match ty {
        Type::U64 | Type::Usize => line.unsigned(take_varint(bytes)?),
        Type::I64 | Type::Isize => line.signed(take_zigzag(bytes)?),
        Type::F64 => {
            let value = f64::from_le_bytes(take(bytes)?);
            if !line.float(value, Whole::WithZero) {
                write_value(&Value::F64(value), line.out());
            }
        }
        Type::Str | Type::Text => {
            let (text, cut) = take_bytes(bytes)?;
            line.ascii(b'"');
            if cut || !line.short(text, is_plain) {
                write_text_body(&Text::from_bytes(text, cut), line.out());
            }
            line.ascii(b'"');
        }
        _ => write_value(&ty.decode(bytes)?, line.out()),
    }
    Ok(())
}

/// The names of a call site's arguments as keys, each with the separator before it. The first `left_out` have none.
pub(super) fn keys(names: &[impl AsRef<str>], left_out: usize) -> Box<[Literal]> {
    let literal = |(index, name): (usize, String)| {
        let mut key = String::from(if index == 0 { "{" } else { "," });
        write_string(&name, &mut key);
        Literal::new(&(key + ":"))
    };
    distinct(names).into_iter().skip(left_out).enumerate().map(literal).collect()
}

/// Names, no two of them equal: the second `k` is `k_2`. One without a name is its position.
fn distinct(names: &[impl AsRef<str>]) -> Vec<String> {
    let names = || names.iter().map(AsRef::as_ref).enumerate();
    let position = |(index, name): (usize, &str)| name.is_empty().then(|| index.to_string());
    let given: HashSet<&str> = names().map(|(_, name)| name).collect();
    let mut taken: HashSet<String> = names().filter_map(position).collect();
    // How far each name was counted, so that many equal ones do not all begin at 2.
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let key = |(index, name)| {
        if let Some(position) = position((index, name)) {
            return position;
        }
        if taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        let count = counts.entry(name).or_insert(1);
        loop {
            *count += 1;
            let key = format!("{name}_{count}");
            // Not the name of a later one, either.
            if !given.contains(&*key) && taken.insert(key.clone()) {
                return key;
            }
        }
    };
    names().map(key).collect()
}

/// Whether none of eight bytes has to be escaped. It is wrong for some that need not be, such as
/// those that are not ASCII.
///
/// A byte less than another has its highest bit set after a subtraction; what a byte borrows from
/// the next one it only does where it is less itself.
#[inline(always)]
fn is_plain(word: u64) -> bool {
    const EACH: u64 = u64::MAX / 0xFF;
    let controls = word.wrapping_sub(EACH * 0x20) | word.wrapping_add(EACH);
    let quotes = (word ^ (EACH * u64::from(b'"'))).wrapping_sub(EACH);
    let backslashes = (word ^ (EACH * u64::from(b'\\'))).wrapping_sub(EACH);
    (word | controls | quotes | backslashes) & (EACH << 7) == 0
}

fn write_object<'a>(
    members: impl IntoIterator<Item = (&'static str, Value<'a>)>,
    out: &mut String,
) {
    let mut separator = '{';
    for (name, value) in members {
        let _ = write!(out, "{separator}\"{name}\":");
        write_value(&value, out);
        separator = ',';
    }
    out.push('}');
}

/// As serde does: an object if the fields have names, the only field of a tuple struct, or an array.
fn write_struct(inner: &Struct<'_>, out: &mut String) {
    match (inner.kind(), inner.len()) {
        (Fields::Unit, _) => out.push_str("null"),
        (Fields::Tuple, 1) => inner.iter().for_each(|value| write_value(&value, out)),
        (Fields::Tuple, _) => write_array(inner.iter(), false, out),
        (Fields::Named, _) => {
            out.push('{');
            let mut separator = "";
            for (field, value) in inner.fields() {
                out.push_str(separator);
                write_string(field.name, out);
                out.push(':');
                write_value(&value, out);
                separator = ",";
            }
            out.push('}');
        }
    }
}

/// The text of a key that is no string is the name of the member.
fn write_map(map: &Map<'_>, out: &mut String) {
    let mut separator = "";
    out.push('{');
    for (key, value) in map.iter() {
        out.push_str(separator);
        write_string(&key.to_string(), out);
        out.push(':');
        write_value(&value, out);
        separator = ",";
    }
    if map.is_cut() {
        out.push_str(separator);
        out.push_str("\"…\":\"…\"");
    }
    out.push('}');
}

fn write_array<'a>(values: impl Iterator<Item = Value<'a>>, cut: bool, out: &mut String) {
    out.push('[');
    let mut separator = "";
    for value in values {
        out.push_str(separator);
        write_value(&value, out);
        separator = ",";
    }
    if cut {
        out.push_str(separator);
        out.push_str("\"…\"");
    }
    out.push(']');
}

fn write_text(text: &Text<'_>, out: &mut String) {
    out.push('"');
    write_text_body(text, out);
    out.push('"');
}

fn write_text_body(text: &Text<'_>, out: &mut String) {
    write_string_body(&text.to_str(), out);
    out.push_str(if text.is_cut() { "…" } else { "" });
}

fn write_string_body(text: &str, out: &mut String) {
    let is_special = |c| c == '"' || c == '\\' || is_control(c);
    write_replacing(text, is_special, out, |c, out| match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    });
}

/// Appends `text` with everything that controls a terminal, ends a line or turns the direction of
/// writing in Rust's escapes. Backslashes stay as they are, so that ordinary text does.
///
/// ```
/// let mut out = String::new();
/// kymo_reader::write_escaped("one\ntwo\u{1b}[2J", &mut out);
/// assert_eq!(out, r"one\ntwo\u{1b}[2J");
/// ```
pub fn write_escaped(text: &str, out: &mut String) {
    write_replacing(text, is_control, out, |c, out| match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
    });
}

/// Appends `text`, in which `replace` writes the characters that are special.
#[inline]
fn write_replacing(
    text: &str,
    is_special: impl Fn(char) -> bool,
    out: &mut String,
    replace: impl Fn(char, &mut String),
) {
    // Without branches, so that it is done 16 or more bytes at a time.
    let suspicious = |byte: u8| !(b' '..0x7F).contains(&byte) | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |found, byte| found | suspicious(byte)) {
        return out.push_str(text);
    }
    let mut copied = 0;
    for (at, c) in text.char_indices().filter(|&(_, c)| is_special(c)) {
        out.push_str(&text[copied..at]);
        replace(c, out);
        copied = at + c.len_utf8();
    }
    out.push_str(&text[copied..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The crate `log` takes one key twice.
    #[test]
    fn no_key_is_there_twice() {
        assert_eq!(distinct(&["k", "k", "k"]), ["k", "k_2", "k_3"]);
        assert_eq!(distinct(&["k", "k", "k_2"]), ["k", "k_3", "k_2"]);
        assert_eq!(distinct(&["k_2", "k_2", "k"]), ["k_2", "k_2_2", "k"]);
        assert_eq!(distinct(&["0", "", "1"]), ["0", "1", "1_2"]);
        assert_eq!(distinct(&["", "0"]), ["0", "0_2"]);
    }

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        write_escaped(text, &mut out);
        out
    }

    /// Characters that control a terminal are escaped.
    #[test]
    fn control_characters_are_escaped() {
        let text: String = (0..=0x10FFFF).filter_map(char::from_u32).collect();
        let mut json = String::new();
        write_string(&text, &mut json);
        for out in [escaped(&text), json] {
            assert!(!out.contains(is_control));
            assert!(!out.contains(|c: char| c.is_control()));
        }
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "plain", "C:\\logs \"x\"", "größe 大 …", "é"] {
            assert_eq!(escaped(text), text);
        }
        assert_eq!(escaped("\u{7f}\u{85}\u{202e}\0\t"), r"\u{7f}\u{85}\u{202e}\u{0}\t");
    }

    #[test]
    fn nothing_turns_the_direction_of_writing() {
        // Unicode's property Bidi_Control, by PropList.txt.
        let controls = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                        \u{2066}\u{2067}\u{2068}\u{2069}";
        let mut json = String::new();
        write_string(controls, &mut json);
        assert!(json.is_ascii() && escaped(controls).is_ascii(), "{json}");
    }

    /// Eight bytes are plain only if none of them has to be escaped.
    #[test]
    fn plain_words_need_no_escape() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                for others in [b' ', b'a', b'~', b'!'] {
                    let mut bytes = [others; 8];
                    bytes[place] = byte;
                    let text = escaped_body(&bytes);
                    let plain = is_plain(u64::from_le_bytes(bytes));
                    assert_eq!(plain, text.as_deref() == Some(&bytes[..]), "{bytes:?}");
                }
            }
        }
    }

    /// What eight bytes become; `None` if they are not ASCII.
    fn escaped_body(bytes: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?;
        let mut out = String::new();
        write_string_body(text, &mut out);
        Some(out.into())
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string() {
        let json = |value| {
            let mut out = String::new();
            write_value(&value, &mut out);
            out
        };
        assert_eq!(json(Value::F64(f64::NAN)), "\"NaN\"");
        assert_eq!(json(Value::F32(f32::NEG_INFINITY)), "\"-inf\"");
        assert_eq!(json(Value::Pointer(0x7f00)), "\"0x7f00\"");
        assert_eq!(json(Value::IpAddr([127, 0, 0, 1].into())), "\"127.0.0.1\"");
        assert_eq!(json(Value::F64(1.0)), "1.0");
        assert_eq!(json(Value::U128(u128::MAX)), "340282366920938463463374607431768211455");
    }
}
