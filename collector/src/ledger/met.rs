//! Which connections an hour may have among those told alone, so that the store is asked only where it may know one.

use foldhash::{HashSet, HashSetExt as _, quality::RandomState};
use portolan_proto::Connection;
use std::hash::BuildHasher as _;

/// The most that is remembered of an hour, which takes 16 MiB; beyond it the store is asked.
const MOST: usize = 1 << 20;

/// The tuples of connections, hashed.
pub(super) type Tuples = HashSet<u64>;

/// What is remembered of an hour.
#[derive(Debug)]
pub(super) enum Met {
    /// All connections of the hour.
    Only(Tuples, RandomState),
    /// Those that this run met; those that an earlier one wrote down are being learnt.
    Learning(Tuples, RandomState),
    /// There are too many, or nobody knows.
    Unknown,
}

impl Met {
    /// Nothing yet.
    pub(super) fn nothing() -> Self {
        Self::Only(HashSet::new(), RandomState::default())
    }

    /// Begins to learn so many that an earlier run wrote down. The hasher is for who reads them; None where they are too
    /// many.
    pub(super) fn begin_to_learn(&mut self, rows: u64) -> Option<RandomState> {
        if rows >= MOST as u64 {
            return None;
        }
        let state = RandomState::default();
        *self = Self::Learning(HashSet::new(), state.clone());
        Some(state)
    }

    /// Has learnt what an earlier run wrote down.
    pub(super) fn learn(&mut self, mut learnt: Tuples) {
        if let Self::Learning(met, state) = self {
            learnt.extend(met.drain());
            let known = learnt.len() < MOST;
            *self = if known { Self::Only(learnt, state.clone()) } else { Self::Unknown };
        }
    }

    /// Remembers a connection.
    pub(super) fn meet(&mut self, connection: &Connection) {
        let (Self::Only(tuples, state) | Self::Learning(tuples, state)) = self else { return };
        tuples.insert(hash(state, connection));
        if tuples.len() >= MOST {
            *self = Self::Unknown;
        }
    }

    /// Whether there may be one with the same tuple; false is certain.
    pub(super) fn may_have(&self, connection: &Connection) -> bool {
        match self {
            Self::Only(tuples, state) => tuples.contains(&hash(state, connection)),
            Self::Learning(..) | Self::Unknown => true,
        }
    }
}

/// The tuple of a connection.
pub(super) fn hash(state: &RandomState, connection: &Connection) -> u64 {
    let Connection { protocol, source, destination, tcp_isn, start: _ } = connection;
    state.hash_one((protocol, source, destination, tcp_isn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{at, connection, web_to_db};

    #[test]
    fn what_is_learnt_and_what_is_met_meanwhile_is_known_and_nothing_else() {
        let numbered = |number: u32| connection(&web_to_db(), number);
        let mut met = Met::Unknown;
        assert!(met.begin_to_learn(MOST as u64).is_none());
        let state = met.begin_to_learn(1).unwrap();
        met.meet(&numbered(2));
        assert!(met.may_have(&numbered(3)), "nobody knows yet");
        met.learn([hash(&state, &numbered(1))].into_iter().collect());
        assert_eq!([1, 2, 3].map(|number| met.may_have(&numbered(number))), [true, true, false]);
    }

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
