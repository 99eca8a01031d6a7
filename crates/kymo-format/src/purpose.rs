//! What the records of a call site are for, beyond their text.
//!
//! A call site with a purpose has one argument more, the last one that is a value: a number of records, a time, a
//! measured value. It is an ordinary argument with a name and a type: a reader that does not know purposes shows it.

/// What the records of a call site are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Purpose {
    /// To be read.
    #[default]
    Text = 0,
    /// The statement is logged at a limited rate. The last argument is the number of its records that were suppressed
    /// since the record before.
    Limited = 1,
    /// The logger says how many records of a statement were suppressed, which no record of that statement has said. The
    /// last argument is their number.
    Outstanding = 2,
    /// A scope has ended. The last argument is its duration.
    Scope = 3,
    /// A scope has begun. The last argument is its number, which the record of its end has, too.
    ScopeBegin = 4,
    /// A scope has ended whose beginning is in the log. The last two arguments are its number and its duration.
    ScopeEnd = 5,
    /// The last argument is to be added to a sum.
    Counter = 6,
    /// The last argument is the value that something has now.
    Gauge = 7,
    /// The last argument is one of the values of a distribution.
    Histogram = 8,
}

impl Purpose {
    /// All purposes, by code.
    pub const ALL: [Self; 9] = [
        Self::Text,
        Self::Limited,
        Self::Outstanding,
        Self::Scope,
        Self::ScopeBegin,
        Self::ScopeEnd,
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
    ];

    /// The purpose with this code. One that this version does not know counts as text.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or_default()
    }

    /// Its code.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Whether the last argument is a number of suppressed records.
    pub fn tells_suppressed(self) -> bool {
        matches!(self, Self::Limited | Self::Outstanding)
    }

    /// What a metric is called; `None` if it is no metric.
    pub fn metric(self) -> Option<&'static str> {
        match self {
            Self::Counter => Some("count"),
            Self::Gauge => Some("gauge"),
            Self::Histogram => Some("histogram"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose;

    #[test]
    fn codes_name_purposes() {
        for (code, purpose) in (0..).zip(Purpose::ALL) {
            assert_eq!((purpose.code(), Purpose::from_code(code)), (code, purpose));
        }
        assert_eq!(Purpose::from_code(200), Purpose::Text);
    }
}
