//! Where somebody stands who takes flows, as a text that only the collector must understand.
//!
//! ```text
//! store.end                     has everything that was made before the ordinal `end`
//! store.end.begin               of that, has nothing yet
//! store.end.time.ordinal        of that, has what is not later than this flow
//! ```

use crate::{ledger::StoreName, query::Place};
use jiff::Timestamp;
use std::{fmt, str::FromStr};

/// Why a text is no cursor.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("field `after` is no cursor: give one that an answer had, as it was")]
pub(crate) struct CursorError;

/// A place in all that is made on a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Where ordinals are what they are.
    pub(crate) store: StoreName,
    /// The ordinal at which what is kept ends, and what is made in order begins.
    pub(crate) end: u64,
    /// How much of what is kept was taken.
    pub(crate) past: Past,
}

/// How much was taken of what was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nothing.
    Begun,
    /// What is not later than this.
    After(Place),
    /// All that was wanted.
    Done,
}

const BEGIN: &str = "begin";

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, end, past } = self;
        write!(f, "{store}.{end}")?;
        match past {
            Past::Begun => write!(f, ".{BEGIN}"),
            Past::After(Place { time, ordinal }) => write!(f, ".{}.{ordinal}", time.as_nanosecond()),
            Past::Done => Ok(()),
        }
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let parts: Vec<&str> = text.splitn(5, '.').collect();
        let (store, end, past) = match *parts.as_slice() {
            [store, end] => (store, end, Past::Done),
            [store, end, BEGIN] => (store, end, Past::Begun),
            [store, end, time, ordinal] => (store, end, Past::After(place(time, ordinal)?)),
            _ => return Err(CursorError),
        };
        let store = store.parse().map_err(|_| CursorError)?;
        Ok(Self { store, end: number(end)?, past })
    }
}

fn place(time: &str, ordinal: &str) -> Result<Place, CursorError> {
    let time = Timestamp::from_nanosecond(number(time)?).map_err(|_| CursorError)?;
    Ok(Place { time, ordinal: number(ordinal)? })
}

fn number<T: FromStr>(text: &str) -> Result<T, CursorError> {
    text.parse().map_err(|_| CursorError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn past() -> impl Strategy<Value = Past> {
        let times = Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond();
        let place = (times, any::<u64>()).prop_map(|(nanos, ordinal)| {
            Past::After(Place { time: Timestamp::from_nanosecond(nanos).unwrap(), ordinal })
        });
        prop_oneof![Just(Past::Begun), Just(Past::Done), place]
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(name in any::<u64>(), end in any::<u64>(), past in past()) {
            let cursor = Cursor { store: StoreName::from(name), end, past };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f.begin-]{0,60}", other in ".{0,40}") {
            for text in [text, other] {
                if let Ok(cursor) = text.parse::<Cursor>() {
                    prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
                }
            }
        }
    }
}
