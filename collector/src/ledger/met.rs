//! Which connections an hour may have among those told alone, so that the store is asked only where it may know one.

use foldhash::{HashSet, HashSetExt as _, quality::RandomState};
use portolan_proto::Connection;
use std::hash::BuildHasher as _;

/// The most that is remembered of an hour, which takes 16 MiB; beyond it the store is asked.
const MOST: usize = 1 << 20;

/// What is remembered of an hour.
#[derive(Debug)]
pub(super) enum Met {
    /// The tuples of all connections of the hour, hashed.
    Only(HashSet<u64>, RandomState),
    /// There are too many, or an earlier run wrote them down.
    Unknown,
}

impl Met {
    /// Nothing yet.
    pub(super) fn nothing() -> Self {
        Self::Only(HashSet::new(), RandomState::default())
    }

    /// Remembers a connection.
    pub(super) fn meet(&mut self, connection: &Connection) {
        let Self::Only(hashes, state) = self else { return };
        hashes.insert(hash(state, connection));
        if hashes.len() >= MOST {
            *self = Self::Unknown;
        }
    }

    /// Whether there may be one with the same tuple; false is certain.
    pub(super) fn may_have(&self, connection: &Connection) -> bool {
        match self {
            Self::Only(hashes, state) => hashes.contains(&hash(state, connection)),
            Self::Unknown => true,
        }
    }
}

fn hash(state: &RandomState, connection: &Connection) -> u64 {
    let Connection { protocol, source, destination, tcp_isn, start: _ } = connection;
    state.hash_one((protocol, source, destination, tcp_isn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{at, connection, web_to_db};

    #[test]
    fn what_was_met_is_known_again_whenever_it_began_until_there_is_too_much() {
        let numbered = |number: u32| connection(&web_to_db(), number);
        let mut met = Met::nothing();
        assert!(!met.may_have(&numbered(7)));
        met.meet(&numbered(7));
        assert!(met.may_have(&Connection { start: at(9), ..numbered(7) }));
        assert!(!met.may_have(&numbered(8)));
        for number in 0..MOST as u32 {
            met.meet(&numbered(number));
        }
        assert!(met.may_have(&numbered(u32::MAX)), "nobody knows");
    }
}
