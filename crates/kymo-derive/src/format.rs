//! Format strings that name fields.

use syn::{Error, LitStr, Result};

/// What a format string does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It prints it by the trait of this name.
    Printed(&'static str),
    /// It is a width or a precision.
    Counted,
}

/// The trait that a placeholder's spec names.
fn printed_by(spec: &str) -> Use {
    Use::Printed(match spec.trim_end().chars().next_back() {
        Some('?') => "Debug",
        Some('x') => "LowerHex",
        Some('X') => "UpperHex",
        Some('o') => "Octal",
        Some('b') => "Binary",
        Some('e') => "LowerExp",
        Some('E') => "UpperExp",
        _ => "Display",
    })
}

/// Returns the format string with another name in place of each that it has, for the values of arguments, widths and
/// precisions. `{}` has the name of its position. `rename` fails with what is wrong with a name.
pub fn renamed(
    format: &LitStr,
    mut rename: impl FnMut(&str, Use) -> std::result::Result<String, String>,
) -> Result<String> {
    let text = format.value();
    let wrong = |message: String| Error::new(format.span(), message);
    let (mut out, mut rest, mut next) = (String::new(), &*text, 0);
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, brace) = rest.split_at(at);
        out.push_str(literal);
        if brace.starts_with("{{") || brace.starts_with("}}") {
            out.push_str(&brace[..2]);
            rest = &brace[2..];
            continue;
        }
        let Some(inside) = brace.strip_prefix('{') else {
            return Err(wrong("a `}` without a `{`: write `}}` for the character".to_owned()));
        };
        let Some((inside, after)) = inside.split_once('}') else {
            return Err(wrong("a `{` without a `}`: write `{{` for the character".to_owned()));
        };
        rest = after;
        let (name, spec) = match inside.split_once(':') {
            Some((name, spec)) => (name.trim(), Some(spec)),
            None => (inside.trim(), None),
        };
        let name = match name {
            "" => {
                next += 1;
                (next - 1).to_string()
            }
            name => name.to_owned(),
        };
        out.push('{');
        out.push_str(&rename(&name, printed_by(spec.unwrap_or_default())).map_err(wrong)?);
        if let Some(spec) = spec {
            out.push(':');
            rename_counts(spec, &mut out, &mut rename).map_err(wrong)?;
        }
        out.push('}');
    }
    out.push_str(rest);
    Ok(out)
}

/// Renames the arguments that give width and precision: `name$`.
fn rename_counts(
    spec: &str,
    out: &mut String,
    rename: &mut impl FnMut(&str, Use) -> std::result::Result<String, String>,
) -> std::result::Result<(), String> {
    // A fill character may be a `$`, or the end of a name.
    let mut characters = spec.char_indices();
    let fill = match (characters.next(), characters.next()) {
        (Some(_), Some((at, '<' | '^' | '>'))) => at,
        _ => 0,
    };
    out.push_str(&spec[..fill]);
    let mut rest = &spec[fill..];
    if rest.contains(".*") {
        return Err("a precision of `*` is not possible here: name the field, `.0$`".to_owned());
    }
    while let Some((before, after)) = rest.split_once('$') {
        let is_name = |c: char| c == '_' || c.is_alphanumeric();
        let start = before
            .rfind(|c| !is_name(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(0, char::len_utf8));
        // A zero in front is a flag, not a part of a position.
        let flag = before[start..].len() > 1 && before[start..].starts_with('0');
        let start = start + usize::from(flag);
        out.push_str(&before[..start]);
        out.push_str(&rename(&before[start..], Use::Counted)?);
        out.push('$');
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    fn renamed_by_letter(format: &str) -> Option<String> {
        let format = LitStr::new(format, Span::call_site());
        renamed(&format, |name, _| match name {
            "id" | "0" => Ok("0".to_owned()),
            "px" | "1" => Ok("1".to_owned()),
            other => Err(other.to_owned()),
        })
        .ok()
    }

    #[test]
    fn names_become_positions() {
        for (format, expected) in [
            ("{id}@{px:.2}", "{0}@{1:.2}"),
            ("{} {{x}} {}", "{0} {{x}} {1}"),
            ("{px:>id$.px$}", "{1:>0$.1$}"),
            ("{px:$<1$}", "{1:$<1$}"),
            ("{id:00$x} {id:#?}", "{0:00$x} {0:#?}"),
            ("größe {px:ä>5}", "größe {1:ä>5}"),
            ("", ""),
        ] {
            assert_eq!(renamed_by_letter(format).as_deref(), Some(expected), "{format}");
        }
        for format in ["{", "}", "{other}", "{id:other$}", "{id:.*}", "{} {} {}"] {
            assert_eq!(renamed_by_letter(format), None, "{format}");
        }
    }
}
