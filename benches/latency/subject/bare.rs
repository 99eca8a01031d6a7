//! The two ends of the scale, as subjects.

use super::{Outcome, Setup, Subject};
use crate::Result;
pub use kymo_bench::bare::{CounterRead, Empty};

macro_rules! bare {
    ($subject:ident) => {
        impl Subject for $subject {
            type Producer<'s> = Self;
            const CONSUMER: Option<&'static str> = None;

            fn start(_setup: &Setup) -> Result<Self> {
                Ok(Self)
            }

            fn producer(&self) -> Self {
                Self
            }

            fn stop(self) -> Result<Outcome> {
                Ok(Outcome::default())
            }
        }
    };
}

bare!(Empty);
bare!(CounterRead);
