//! A list that only grows. A copy is cheap and stays as it is: readers take one, the writer goes on.

use std::{ops::Index, sync::Arc};

/// How many entries are shared at a time.
const PART: usize = 512;

/// The place of an entry.
pub(super) type Place = u32;

/// Entries by their place.
#[derive(Clone, Debug)]
pub(super) struct Log<T> {
    full: Vec<Arc<[T]>>,
    tail: Vec<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { full: Vec::new(), tail: Vec::new() }
    }
}

impl<T> Log<T> {
    pub(super) fn len(&self) -> usize {
        self.full.len() * PART + self.tail.len()
    }

    pub(super) fn push(&mut self, entry: T) {
        self.tail.push(entry);
        if self.tail.len() == PART {
            self.full.push(std::mem::take(&mut self.tail).into());
        }
    }

    /// The entries from a place on.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = &T> {
        let parts = self.full.iter().skip(first / PART).map(AsRef::as_ref);
        let skipped = first.min(self.full.len() * PART) / PART * PART;
        parts.chain([self.tail.as_slice()]).flatten().skip(first - skipped)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.from(0)
    }
}

impl<T> Extend<T> for Log<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, entries: I) {
        for entry in entries {
            self.push(entry);
        }
    }
}

impl<T> Index<Place> for Log<T> {
    type Output = T;

    fn index(&self, place: Place) -> &T {
        let (part, index) = (place as usize / PART, place as usize % PART);
        match self.full.get(part) {
            Some(part) => &part[index],
            None => &self.tail[index],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_are_found_at_their_place(count in 0_usize..3 * PART, from in 0_usize..3 * PART) {
            let mut log = Log::default();
            log.extend(0..count);
            let before = log.clone();
            log.push(count);
            prop_assert_eq!((before.len(), log.len()), (count, count + 1));
            prop_assert!((0..=count).all(|place| log[place as Place] == place));
            let after: Vec<usize> = before.from(from).copied().collect();
            prop_assert_eq!(after, (from..count).collect::<Vec<_>>());
        }
    }
}
