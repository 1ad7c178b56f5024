//! A table under construction: every thing once, known by its number.

use foldhash::quality::RandomState;
use std::{collections::HashMap, hash::Hash};

/// The numbers of things, from 1 in the order of their first use.
#[derive(Debug)]
pub(super) struct Table<K> {
    /// The things are for anyone to choose: the hash is drawn at random.
    numbers: HashMap<K, u32, RandomState>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { numbers: HashMap::default() }
    }
}

impl<K: Hash + Eq> Table<K> {
    /// The number of a thing, if it has one.
    pub(super) fn get(&self, key: &K) -> Option<u32> {
        self.numbers.get(key).copied()
    }

    /// Gives a thing the next number, or says that it had one.
    pub(super) fn number(&mut self, key: K) -> Numbered {
        let next = self.numbers.len() as u32 + 1;
        match *self.numbers.entry(key).or_insert(next) {
            number if number == next => Numbered::New(number),
            number => Numbered::Known(number),
        }
    }

    /// Remembers a number that was given elsewhere.
    pub(super) fn remember(&mut self, key: K, number: u32) {
        self.numbers.insert(key, number);
    }
}

/// The number of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    /// Given now: the thing is still to be written down.
    New(u32),
    /// Given before.
    Known(u32),
}

impl Numbered {
    /// The number; a thing that is new is written down first.
    pub(super) fn or_write(self, write: impl FnOnce()) -> u32 {
        match self {
            Self::New(number) => {
                write();
                number
            }
            Self::Known(number) => number,
        }
    }
}
