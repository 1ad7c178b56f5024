//! A log in which every entry is found by what it says.

use super::log::{Log, Place};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::{
    fmt,
    hash::{BuildHasher as _, Hash},
};

/// An entry that is looked up by a key which borrows: nothing is copied for what is known.
pub(super) trait Entry {
    type Key<'a>: Hash
    where
        Self: 'a;

    fn key(&self) -> Self::Key<'_>;

    fn is(&self, key: &Self::Key<'_>) -> bool;

    fn of(key: &Self::Key<'_>) -> Self;
}

/// Entries, each once.
pub(super) struct Table<T> {
    log: Log<T>,
    index: HashTable<Place>,
    hasher: RandomState,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { log: Log::default(), index: HashTable::new(), hasher: RandomState::default() }
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("entries", &self.log.len()).finish_non_exhaustive()
    }
}

impl<T: Entry> Table<T> {
    pub(super) fn log(&self) -> &Log<T> {
        &self.log
    }

    pub(super) fn len(&self) -> usize {
        self.log.len()
    }

    pub(super) fn find(&self, key: &T::Key<'_>) -> Option<Place> {
        self.index.find(self.hasher.hash_one(key), |place| self.log[*place].is(key)).copied()
    }

    /// The place of an entry, which is made if it is new.
    pub(super) fn place(&mut self, key: &T::Key<'_>) -> Place {
        if let Some(place) = self.find(key) {
            return place;
        }
        let place = self.log.len() as Place;
        self.log.push(T::of(key));
        self.note(place);
        place
    }

    fn note(&mut self, place: Place) {
        let Self { log, index, hasher } = self;
        let hash = |place: &Place| hasher.hash_one(log[*place].key());
        index.insert_unique(hash(&place), place, hash);
    }
}

impl<T: Entry> From<Log<T>> for Table<T> {
    fn from(log: Log<T>) -> Self {
        let places = log.len() as Place;
        let index = HashTable::with_capacity(log.len());
        let mut table = Self { log, index, hasher: RandomState::default() };
        (0..places).for_each(|place| table.note(place));
        table
    }
}
