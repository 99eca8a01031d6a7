//! Fits text into a column, as Rust's `{:>8.3}` does.

/// The position of text within its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Center,
    Right,
}

/// The least width of a text, and the most characters of it that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub fill: char,
    pub align: Align,
    pub width: usize,
    pub most: Option<usize>,
}

impl Layout {
    /// As it is.
    pub const NONE: Self = Self { fill: ' ', align: Align::Left, width: 0, most: None };

    /// At the right of a column so wide.
    pub const fn right(width: usize) -> Self {
        Self { align: Align::Right, width, ..Self::NONE }
    }

    /// Appends `text`, fitted.
    pub fn write(&self, text: &str, out: &mut String) {
        self.pad(self.cut(text), out);
    }

    /// What is taken of `text`.
    pub fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = |most| text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
        &text[..self.most.map_or(text.len(), end)]
    }

    /// Appends all of `text`, made as wide as the column.
    pub fn pad(&self, text: &str, out: &mut String) {
        if self.width == 0 {
            return out.push_str(text);
        }
        let missing = self.width.saturating_sub(text.chars().count());
        let before = match self.align {
            Align::Left => 0,
            Align::Center => missing / 2,
            Align::Right => missing,
        };
        let fill = |count| std::iter::repeat_n(self.fill, count);
        out.extend(fill(before));
        out.push_str(text);
        out.extend(fill(missing - before));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_as_rust_does() {
        let fitted = |layout: Layout, text| {
            let mut out = String::new();
            layout.write(text, &mut out);
            out
        };
        for text in ["", "ä", "abc", "abcdefgh"] {
            assert_eq!(fitted(Layout::NONE, text), text);
            assert_eq!(fitted(Layout::right(5), text), format!("{text:>5}"));
            let layout = Layout { fill: '*', align: Align::Center, width: 6, most: Some(2) };
            assert_eq!(fitted(layout, text), format!("{text:*^6.2}"));
            let layout = Layout { align: Align::Left, ..layout };
            assert_eq!(fitted(layout, text), format!("{text:*<6.2}"));
        }
    }
}
