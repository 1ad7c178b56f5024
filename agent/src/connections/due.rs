//! What is to be looked at when: a calendar of short leaves, since nearly all deadlines are some fixed
//! time away and most are overtaken by events.

use crate::event::Nanos;
use std::collections::BTreeMap;

/// A leaf of the calendar spans some sixteen milliseconds.
const LEAF_BITS: u32 = 24;

/// Things to be looked at, by their time.
#[derive(Debug)]
pub(super) struct Calendar<T> {
    leaves: BTreeMap<u64, Vec<(Nanos, T)>>,
}

impl<T: Ord> Calendar<T> {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self { leaves: BTreeMap::new() }
    }

    /// Notes a thing for a time.
    pub(super) fn note(&mut self, at: Nanos, thing: T) {
        self.leaves.entry(at >> LEAF_BITS).or_default().push((at, thing));
    }

    /// Takes out what is due at `now`, the earliest first.
    pub(super) fn take_due(&mut self, now: Nanos) -> Vec<(Nanos, T)> {
        let mut due = Vec::new();
        while let Some(mut leaf) = self.leaves.first_entry().filter(|leaf| *leaf.key() <= now >> LEAF_BITS) {
            if *leaf.key() < now >> LEAF_BITS {
                due.append(&mut leaf.remove());
                continue;
            }
            due.extend(leaf.get_mut().extract_if(.., |(at, _)| *at <= now));
            if leaf.get().is_empty() {
                leaf.remove();
            }
            break;
        }
        due.sort_unstable();
        due
    }

    /// How many things are noted.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.leaves.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn everything_comes_out_once_in_order_and_not_before_its_time(
            times in vec(0..200_000_000_u64, 0..60),
            mut looks in vec(0..200_000_000_u64, 0..20),
        ) {
            let mut calendar = Calendar::new();
            for (number, at) in times.iter().enumerate() {
                calendar.note(*at, number);
            }
            looks.sort_unstable();
            let mut left: Vec<(Nanos, usize)> = times.iter().copied().zip(0..).collect();
            left.sort_unstable();
            for now in looks {
                let expected: Vec<_> = left.extract_if(.., |(at, _)| *at <= now).collect();
                prop_assert_eq!(calendar.take_due(now), expected);
            }
            prop_assert_eq!(calendar.len(), left.len());
        }
    }
}
