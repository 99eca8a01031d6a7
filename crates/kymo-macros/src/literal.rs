//! The value of a string literal, given as it is in the source.
//!
//! `proc_macro::Literal::str_value` does this, but is not stable.

use std::borrow::Cow;

/// Returns the value of a string literal, raw or not. `None` if `source` is another kind of
/// literal, or has an escape that Rust does not have.
pub fn string_value(source: &str) -> Option<Cow<'_, str>> {
    if let Some(raw) = source.strip_prefix('r') {
        let inside = raw.trim_start_matches('#');
        let fence = &raw[..raw.len() - inside.len()];
        return Some(Cow::Borrowed(
            inside.strip_suffix(fence)?.strip_prefix('"')?.strip_suffix('"')?,
        ));
    }
    let inside = source.strip_prefix('"')?.strip_suffix('"')?;
    if inside.contains('\\') {
        unescape(inside).map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inside))
    }
}

fn unescape(source: &str) -> Option<String> {
    let mut value = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once('\\') {
        value.push_str(before);
        let mut chars = behind.chars();
        let escaped = match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            plain @ ('\\' | '\'' | '"') => plain,
            'x' => {
                let code = u8::from_str_radix(behind.get(1..3)?, 16).ok()?;
                chars = behind[3..].chars();
                char::from(code)
            }
            'u' => {
                let (digits, after) = behind.strip_prefix("u{")?.split_once('}')?;
                chars = after.chars();
                char::from_u32(u32::from_str_radix(&digits.replace('_', ""), 16).ok()?)?
            }
            '\n' => {
                rest = chars.as_str().trim_start_matches([' ', '\t', '\n', '\r']);
                continue;
            }
            _ => return None,
        };
        value.push(escaped);
        rest = chars.as_str();
    }
    value.push_str(rest);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::string_value;

    #[test]
    fn agrees_with_the_compiler() {
        macro_rules! check {
            ($($literal:literal)*) => {$(
                assert_eq!(string_value(stringify!($literal)).as_deref(), Some($literal));
            )*};
        }
        check! {
            "" "plain" "ümlaut €" r"raw \n" r#"raw "quoted""# r##"a "# b"## r""
            "\n\r\t\0\\\'\"" "\x41\x7f" "\u{41}\u{1F6_00}\u{0000e9}" "{}\\{{\u{7b}" "\\x41"
            "a\
               b" "line
            break"
        }
        assert_eq!(string_value("\"a\\\n\r\n\t b\"").as_deref(), Some("ab"));
    }

    #[test]
    fn refuses_what_is_not_a_string() {
        for source in ["b\"x\"", "c\"x\"", "br\"x\"", "cr#\"x\"#", "1", "'x'", "1.5", "\"x\"suffix"]
        {
            assert_eq!(string_value(source), None, "{source}");
        }
        for source in
            [r#""\q""#, r#""\x4""#, r#""\u{}""#, r#""\u{110000}""#, r#""\u41""#, r#""\x4é""#]
        {
            assert_eq!(string_value(source), None, "{source}");
        }
    }
}
