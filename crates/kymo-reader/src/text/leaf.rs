//! The text of a value that has no others inside.
//!
//! Sign, `#`, precision and the zeros of the `0` flag are left to `core::fmt`, which takes the
//! first two only as literals: hence one arm for each combination. Padding with a fill character is
//! added after that.

use std::fmt::{Binary, Debug, Display, LowerExp, LowerHex, Octal, UpperExp, UpperHex, Write};

use super::number::{write_f32, write_f64, write_f64_debug, write_fixed};
use super::{Align, Spec, Style, write_text_plain};
use crate::value::{Text, Value};

/// Appends `value`, which is none of the compound ones.
pub(super) fn write_leaf(value: &Value<'_>, spec: &Spec, out: &mut String) {
    match *value {
        Value::Bool(value) => write_str(if value { "true" } else { "false" }, spec, out),
        Value::Char(value) => write_char(value, spec, out),
        Value::U8(value) => write_integer(value, spec, out),
        Value::U16(value) => write_integer(value, spec, out),
        Value::U32(value) => write_integer(value, spec, out),
        Value::U64(value) => write_integer(value, spec, out),
        Value::U128(value) => write_integer(value, spec, out),
        Value::I8(value) => write_integer(value, spec, out),
        Value::I16(value) => write_integer(value, spec, out),
        Value::I32(value) => write_integer(value, spec, out),
        Value::I64(value) => write_integer(value, spec, out),
        Value::I128(value) => write_integer(value, spec, out),
        Value::F32(value) => write_float32(value, spec, out),
        Value::F64(value) => write_float64(value, spec, out),
        Value::Str(text) if spec.style.is_debug() => write_quoted(&text, out),
        Value::Str(text) | Value::Text(text) => write_text(&text, spec, out),
        Value::Formatted(texts) => write_text_plain(&texts.get(0), out),
        Value::OsStr(text) if spec.style.is_debug() => write_os_str(&text, out),
        Value::OsStr(text) => write_text(&text, spec, out),
        Value::Ordering(ordering) => {
            let _ = write!(out, "{ordering:?}");
        }
        Value::Pointer(value) => write_pointer(value, spec, out),
        Value::Duration(value) => {
            let start = out.len();
            write_with_std!(out, &value as &dyn Debug, Spec { zero: false, ..*spec }, "?");
            pad(out, start, spec, Align::Left);
        }
        Value::Ipv4Addr(address) => write_displayed(&address, spec, out),
        Value::Ipv6Addr(address) => write_displayed(&address, spec, out),
        Value::IpAddr(address) => write_displayed(&address, spec, out),
        Value::SocketAddrV4(address) => write_displayed(&address, spec, out),
        Value::SocketAddrV6(address) => write_displayed(&address, spec, out),
        Value::SocketAddr(address) => write_displayed(&address, spec, out),
        Value::Option(_) => out.push_str("None"),
        Value::Redacted => out.push_str("***"),
        // An empty tuple: the others have values inside.
        _ => write_str("()", spec, out),
    }
}

/// Appends `$value` under the trait that `$suffix` names, as `core::fmt` does without a fill
/// character: with a width only where the `0` flag is set.
macro_rules! write_with_std {
    ($out:expr, $value:expr, $spec:expr, $suffix:literal) => {{
        let (out, value, spec): (&mut String, _, Spec) = ($out, $value, $spec);
        let w = usize::from(spec.width.unwrap_or(0));
        let p = usize::from(spec.precision.unwrap_or(0));
        let flags = (spec.plus, spec.alternate, spec.zero, spec.precision.is_some());
        let written = write_with_std!(@arms out, value, flags, w, p, $suffix);
        debug_assert!(written.is_ok(), "writing to a string succeeds");
    }};
    (@arms $out:ident, $v:ident, $flags:ident, $w:ident, $p:ident, $suffix:literal) => {
        match $flags {
            (false, false, false, false) => write!($out, concat!("{:", $suffix, "}"), $v),
            (true, false, false, false) => write!($out, concat!("{:+", $suffix, "}"), $v),
            (false, true, false, false) => write!($out, concat!("{:#", $suffix, "}"), $v),
            (true, true, false, false) => write!($out, concat!("{:+#", $suffix, "}"), $v),
            (false, false, true, false) => write!($out, concat!("{:01$", $suffix, "}"), $v, $w),
            (true, false, true, false) => write!($out, concat!("{:+01$", $suffix, "}"), $v, $w),
            (false, true, true, false) => write!($out, concat!("{:#01$", $suffix, "}"), $v, $w),
            (true, true, true, false) => write!($out, concat!("{:+#01$", $suffix, "}"), $v, $w),
            (false, false, false, true) => write!($out, concat!("{:.1$", $suffix, "}"), $v, $p),
            (true, false, false, true) => write!($out, concat!("{:+.1$", $suffix, "}"), $v, $p),
            (false, true, false, true) => write!($out, concat!("{:#.1$", $suffix, "}"), $v, $p),
            (true, true, false, true) => write!($out, concat!("{:+#.1$", $suffix, "}"), $v, $p),
            (false, false, true, true) => {
                write!($out, concat!("{:01$.2$", $suffix, "}"), $v, $w, $p)
            }
            (true, false, true, true) => {
                write!($out, concat!("{:+01$.2$", $suffix, "}"), $v, $w, $p)
            }
            (false, true, true, true) => {
                write!($out, concat!("{:#01$.2$", $suffix, "}"), $v, $w, $p)
            }
            (true, true, true, true) => {
                write!($out, concat!("{:+#01$.2$", $suffix, "}"), $v, $w, $p)
            }
        }
    };
}
use write_with_std;

/// What every integer type can.
trait Integer: Display + Debug + LowerHex + UpperHex + Octal + Binary + LowerExp + UpperExp {}
impl<T> Integer for T where
    T: Display + Debug + LowerHex + UpperHex + Octal + Binary + LowerExp + UpperExp
{
}

/// What every float type can.
trait Float: Display + Debug + LowerExp + UpperExp {}
impl<T: Display + Debug + LowerExp + UpperExp> Float for T {}

#[inline]
fn write_integer<T: itoa::Integer + Integer>(value: T, spec: &Spec, out: &mut String) {
    let decimal = matches!(spec.style, Style::Display | Style::Debug);
    if decimal && !spec.plus && !spec.zero {
        let start = out.len();
        out.push_str(itoa::Buffer::new().format(value));
        pad(out, start, spec, Align::Right);
    } else {
        write_integer_with_std(&value, spec, out);
    }
}

fn write_integer_with_std(value: &dyn Integer, spec: &Spec, out: &mut String) {
    let start = out.len();
    match spec.style {
        Style::Display | Style::Pointer => write_with_std!(out, value, *spec, ""),
        Style::Debug => write_with_std!(out, value, *spec, "?"),
        Style::DebugLowerHex => write_with_std!(out, value, *spec, "x?"),
        Style::DebugUpperHex => write_with_std!(out, value, *spec, "X?"),
        Style::LowerHex => write_with_std!(out, value, *spec, "x"),
        Style::UpperHex => write_with_std!(out, value, *spec, "X"),
        Style::Octal => write_with_std!(out, value, *spec, "o"),
        Style::Binary => write_with_std!(out, value, *spec, "b"),
        Style::LowerExp => write_with_std!(out, value, *spec, "e"),
        Style::UpperExp => write_with_std!(out, value, *spec, "E"),
    }
    pad(out, start, spec, Align::Right);
}

fn write_float64(value: f64, spec: &Spec, out: &mut String) {
    let start = out.len();
    if !write_float_fast(value, spec, out) {
        if spec.style == Style::Display && spec.precision.is_none() && !spec.plus && !spec.zero {
            write_f64(value, out);
        } else if spec.style.is_debug() && spec.precision.is_none() && !spec.plus && !spec.zero {
            write_f64_debug(value, out);
        } else {
            write_float_with_std(&value, spec, out);
        }
    }
    pad(out, start, spec, Align::Right);
}

fn write_float32(value: f32, spec: &Spec, out: &mut String) {
    let start = out.len();
    if !write_float_fast(value.into(), spec, out) {
        if spec.style == Style::Display && spec.precision.is_none() && !spec.plus && !spec.zero {
            write_f32(value, out);
        } else {
            write_float_with_std(&value, spec, out);
        }
    }
    pad(out, start, spec, Align::Right);
}

/// Writes a number with a fixed number of decimals; `false` where this is not asked for, or not
/// done fast.
#[inline]
fn write_float_fast(value: f64, spec: &Spec, out: &mut String) -> bool {
    let fixed = matches!(spec.style, Style::Display) || spec.style.is_debug();
    match spec.precision {
        Some(precision) if fixed && !spec.plus && !spec.zero => write_fixed(value, precision, out),
        _ => false,
    }
}

fn write_float_with_std(value: &dyn Float, spec: &Spec, out: &mut String) {
    match spec.style {
        Style::LowerExp => write_with_std!(out, value, *spec, "e"),
        Style::UpperExp => write_with_std!(out, value, *spec, "E"),
        style if style.is_debug() => write_with_std!(out, value, *spec, "?"),
        _ => write_with_std!(out, value, *spec, ""),
    }
}

/// As `core::fmt` does, but for 64 bits, whatever the machine that reads.
fn write_pointer(value: u64, spec: &Spec, out: &mut String) {
    let mut spec = Spec { style: Style::LowerHex, ..*spec };
    if spec.alternate {
        spec.zero = true;
        spec.width = spec.width.or(Some(2 + 16));
    }
    spec.alternate = true;
    write_integer_with_std(&value, &spec, out);
}

fn write_char(value: char, spec: &Spec, out: &mut String) {
    if spec.style.is_debug() {
        let _ = write!(out, "{value:?}");
    } else {
        write_str(value.encode_utf8(&mut [0; 4]), spec, out);
    }
}

/// A string in quotes, to which neither width nor precision applies.
fn write_quoted(text: &Text<'_>, out: &mut String) {
    let _ = match text.as_str() {
        Some(text) => write!(out, "{text:?}"),
        None => write!(out, "{:?}", text.to_str()),
    };
    out.push_str(if text.is_cut() { "…" } else { "" });
}

/// As a path is printed by `{:?}`: what is not UTF-8 in hexadecimal escapes.
fn write_os_str(text: &Text<'_>, out: &mut String) {
    out.push('"');
    for chunk in text.as_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\'' => out.push(char),
                _ => out.extend(char.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02X}");
        }
    }
    out.push_str(if text.is_cut() { "\"…" } else { "\"" });
}

fn write_text(text: &Text<'_>, spec: &Spec, out: &mut String) {
    let start = out.len();
    write_text_plain(text, out);
    pad_as_str(out, start, spec);
}

pub(super) fn write_str(text: &str, spec: &Spec, out: &mut String) {
    let start = out.len();
    out.push_str(text);
    pad_as_str(out, start, spec);
}

fn write_displayed(value: &dyn Display, spec: &Spec, out: &mut String) {
    let start = out.len();
    let _ = write!(out, "{value}");
    pad_as_str(out, start, spec);
}

/// Cuts the text from `start` on to the precision, in characters, and pads it.
#[inline]
fn pad_as_str(out: &mut String, start: usize, spec: &Spec) {
    if let Some(precision) = spec.precision {
        let cut = out[start..].char_indices().nth(precision.into());
        if let Some((len, _)) = cut {
            out.truncate(start + len);
        }
    }
    pad(out, start, spec, Align::Left);
}

/// Pads the text from `start` on to the width, in characters.
#[inline]
fn pad(out: &mut String, start: usize, spec: &Spec, default: Align) {
    if let Some(width) = spec.width {
        pad_to(out, start, width.into(), spec.fill, spec.align.unwrap_or(default));
    }
}

fn pad_to(out: &mut String, start: usize, width: usize, fill: char, align: Align) {
    let missing = width.saturating_sub(count_chars(&out[start..]));
    if missing == 0 {
        return;
    }
    let before = match align {
        Align::Left => 0,
        Align::Center => missing / 2,
        Align::Right => missing,
    };
    if fill == ' ' && missing <= SPACES.len() {
        out.insert_str(start, &SPACES[..before]);
        out.push_str(&SPACES[..missing - before]);
        return;
    }
    let end = out.len();
    out.extend(std::iter::repeat_n(fill, before));
    // Copies the text to after the fill, then drops the first copy: no other memory is needed.
    out.extend_from_within(start..end);
    out.drain(start..end);
    out.extend(std::iter::repeat_n(fill, missing - before));
}

/// As many spaces as most columns are wide.
const SPACES: &str = "                                                                ";

/// The number of characters; faster than the standard library's where there are few.
fn count_chars(text: &str) -> usize {
    if text.len() > 32 {
        return text.chars().count();
    }
    text.bytes().filter(|byte| (*byte as i8) >= -0x40).count()
}
