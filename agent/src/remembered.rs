//! What is remembered for a while, and no more than so much of it.

use crate::event::Nanos;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// Values by key; the oldest go first, when they have had their time or when room is needed.
#[derive(Debug)]
pub(crate) struct Remembered<K, V> {
    most: usize,
    longest: Nanos,
    known: HashMap<K, (Nanos, V)>,
    order: VecDeque<(Nanos, K)>,
    forgotten: u64,
}

impl<K: Copy + Eq + Hash, V> Remembered<K, V> {
    /// At most so many, each for so long.
    pub(crate) fn new(most: usize, longest: Nanos) -> Self {
        Self { most, longest, known: HashMap::new(), order: VecDeque::new(), forgotten: 0 }
    }

    /// What is known under a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.known.get(key).map(|(_, value)| value)
    }

    /// The same to be changed, made new where there was nothing.
    pub(crate) fn entry(&mut self, now: Nanos, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.known.contains_key(&key) {
            self.make_room(now);
            self.order.push_back((now, key));
        }
        &mut self.known.entry(key).or_insert_with(|| (now, new())).1
    }

    /// Forgets one thing on purpose.
    pub(crate) fn remove(&mut self, key: &K) {
        self.known.remove(key);
    }

    /// How many were forgotten before their time since this was last asked.
    pub(crate) fn take_forgotten(&mut self) -> u64 {
        std::mem::take(&mut self.forgotten)
    }

    fn make_room(&mut self, now: Nanos) {
        while let Some(&(at, key)) = self.order.front() {
            let is_old = at.saturating_add(self.longest) < now;
            if !is_old && self.order.len() < self.most {
                break;
            }
            self.order.pop_front();
            if self.known.get(&key).is_some_and(|(since, _)| *since == at) {
                self.known.remove(&key);
                self.forgotten += u64::from(!is_old);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_room_and_what_goes_too_early_is_counted() {
        let mut some = Remembered::new(3, 100);
        for key in 0..5_u64 {
            *some.entry(key, key, || 0) += key;
        }
        assert_eq!([1, 2, 3, 4].map(|key| some.get(&key).copied()), [None, Some(2), Some(3), Some(4)]);
        assert_eq!((some.take_forgotten(), some.take_forgotten()), (2, 0));
        some.entry(200, 9, || 9);
        assert_eq!(
            (some.known.len(), some.order.len(), some.take_forgotten()),
            (1, 1, 0),
            "they had their time"
        );
    }

    #[test]
    fn what_was_removed_and_came_again_is_as_young_as_it_is() {
        let mut some = Remembered::new(2, 100);
        some.entry(0, 'a', || 1);
        some.remove(&'a');
        some.entry(1, 'a', || 2);
        some.entry(2, 'b', || 3);
        assert_eq!((some.get(&'a'), some.get(&'b')), (Some(&2), Some(&3)));
        assert_eq!(some.take_forgotten(), 0);
    }
}
