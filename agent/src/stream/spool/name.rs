//! The name of a spooled batch: all that is known of it without reading it.
//!
//! Names sort in the order of making. A run has a number, not a time: a clock that jumps reorders nothing.

use jiff::Timestamp;
use std::{fmt, str::FromStr, sync::Arc};

const SUFFIX: &str = ".batch";
/// Longer than any boot id.
const MAX_BOOT: usize = 64;

/// A batch's place in the order of making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Which run of the agent on this spool.
    pub run: u64,
    /// Which batch of that run.
    pub sequence: u64,
}

/// What is known of a batch without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Its place.
    pub id: Id,
    /// How many records it holds.
    pub records: u32,
    /// When the first of its attempts was made.
    pub from: Timestamp,
    /// The run that made it, as the collector knows it.
    pub boot: Arc<str>,
}

/// This is not how a batch is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not the name of a batch")]
pub struct NameError;

impl Name {
    /// Whether a file of this name says that it is a batch, rightly or not.
    pub fn is_claimed(text: &str) -> bool {
        text.ends_with(SUFFIX)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: Id { run, sequence }, records, from, boot } = self;
        write!(f, "{run:010}_{sequence:012}_{records}_{}_{boot}{SUFFIX}", from.as_microsecond())
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let name = parse(text).ok_or(NameError)?;
        // One batch has one name: no second spelling of a number.
        if name.to_string() == text { Ok(name) } else { Err(NameError) }
    }
}

fn parse(text: &str) -> Option<Name> {
    let mut words = text.strip_suffix(SUFFIX)?.splitn(5, '_');
    let id = Id { run: words.next()?.parse().ok()?, sequence: words.next()?.parse().ok()? };
    let records = words.next()?.parse().ok()?;
    let from = Timestamp::from_microsecond(words.next()?.parse().ok()?).ok()?;
    let boot = words.next()?;
    let is_plain = boot.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_plain && (1..=MAX_BOOT).contains(&boot.len())).then(|| Name { id, records, from, boot: boot.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = Name> {
        let from = -1_000_000_000_000_000_i64..4_000_000_000_000_000;
        (any::<u64>(), any::<u64>(), any::<u32>(), from, "[0-9a-z-]{1,64}").prop_map(
            |(run, sequence, records, from, boot)| Name {
                id: Id { run, sequence },
                records,
                from: Timestamp::from_microsecond(from).unwrap(),
                boot: boot.into(),
            },
        )
    }

    #[test]
    fn a_name_says_order_content_and_run() {
        let name = Name {
            id: Id { run: 7, sequence: 42 },
            records: 512,
            from: Timestamp::from_microsecond(1_700_000_000_000_000).unwrap(),
            boot: "5b1e-0c".into(),
        };
        assert_eq!(name.to_string(), "0000000007_000000000042_512_1700000000000000_5b1e-0c.batch");
    }

    proptest! {
        #[test]
        fn a_name_comes_back_as_it_was(name in name()) {
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn any_text_is_one_name_or_none(text in "([0-9]{1,12}_){0,4}[0-9a-z_./-]{0,12}(\\.batch)?") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
