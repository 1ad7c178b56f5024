//! A bounded memory of answers: what was not asked for since the bound was last reached is forgotten.

use foldhash::quality::RandomState;
use std::{collections::HashMap, hash::Hash};

/// Answers by their questions, in two generations of at most `bound` each.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    bound: usize,
    /// The questions are for anyone to choose: the hash is drawn at random.
    young: HashMap<K, V, RandomState>,
    old: HashMap<K, V, RandomState>,
}

impl<K: Hash + Eq, V> Kept<K, V> {
    /// An empty memory.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, young: HashMap::default(), old: HashMap::default() }
    }

    /// The answer to a question that was asked not long ago.
    pub(super) fn get(&mut self, key: &K) -> Option<&V>
    where
        K: Clone,
    {
        if !self.young.contains_key(key)
            && let Some(answer) = self.old.remove(key)
        {
            self.insert(key.clone(), answer);
        }
        self.young.get(key)
    }

    /// Keeps an answer; where there is no room, those of the generation before go.
    pub(super) fn insert(&mut self, key: K, answer: V) {
        if self.young.len() >= self.bound {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_forgotten_within_bounds() {
        let mut kept = Kept::new(10);
        kept.insert(0, 0);
        for number in 1..1000 {
            kept.insert(number, number);
            assert_eq!(kept.get(&0), Some(&0), "after {number}");
            assert_eq!(kept.get(&number), Some(&number));
            assert!(kept.young.len() <= 10 && kept.old.len() <= 10);
        }
        assert_eq!(kept.get(&900), None);
    }
}
