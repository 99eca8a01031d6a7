//! A thousand log statements, for the measure `first`: each with its own code and its own call
//! site.

use kymo_bench::values::{name, price};

/// A function that runs one log statement.
pub type Statement = fn(u64);

/// Calls a macro with the given tokens followed by each digit from 0 to 9.
macro_rules! digits {
    ($each:ident $($given:tt)*) => {
        [
            $each!($($given)* 0),
            $each!($($given)* 1),
            $each!($($given)* 2),
            $each!($($given)* 3),
            $each!($($given)* 4),
            $each!($($given)* 5),
            $each!($($given)* 6),
            $each!($($given)* 7),
            $each!($($given)* 8),
            $each!($($given)* 9),
        ]
    };
}

macro_rules! hundred {
    ($a:literal) => {
        digits!(ten $a)
    };
}

macro_rules! ten {
    ($a:literal $b:literal) => {
        digits!(statement $a $b)
    };
}

/// The target makes the call sites differ: the place in the source is the same for all.
macro_rules! statement {
    ($a:literal $b:literal $c:literal) => {
        (|id| {
            kymo::info!(
                target: concat!("site", $a, $b, $c),
                "order {} filled at {} for {}", id, price(id), name(id)
            )
        }) as Statement
    };
}

static STATEMENTS: [[[Statement; 10]; 10]; 10] = digits!(hundred);

/// All of them.
pub fn statements() -> impl Iterator<Item = Statement> {
    STATEMENTS.iter().flatten().flatten().copied()
}
