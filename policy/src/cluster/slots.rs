//! Things by small numbers, which are given again.

use super::tree::Tree;
use std::num::NonZeroU32;

/// The number of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId(NonZeroU32);

impl SlotId {
    const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Things by their numbers; a clone costs nothing.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    things: Tree<Option<T>>,
    free: imbl::Vector<SlotId>,
    /// The last number that was given for the first time.
    last: u32,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { things: Tree::default(), free: imbl::Vector::new(), last: 0 }
    }
}

impl<T: Clone> Slots<T> {
    /// The thing with this number.
    pub(super) fn get(&self, id: SlotId) -> Option<&T> {
        self.things.get(id.index())?.as_ref()
    }

    /// The thing with this number, to change.
    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        self.things.get_mut(id.index())?.as_mut()
    }

    /// Takes a thing in and gives it a number, one that was given back where there is any.
    pub(super) fn insert(&mut self, thing: T) -> SlotId {
        let id = self.free.pop_back().unwrap_or_else(|| self.extend());
        if let Some(slot) = self.things.get_mut(id.index()) {
            *slot = Some(thing);
        }
        id
    }

    /// Gives a number back.
    pub(super) fn remove(&mut self, id: SlotId) {
        if let Some(slot) = self.things.get_mut(id.index()) {
            *slot = None;
            self.free.push_back(id);
        }
    }

    /// All of them with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, &T)> {
        let ids = (1..).map_while(|number| NonZeroU32::new(number).map(SlotId));
        ids.zip(self.things.iter()).filter_map(|(id, thing)| Some((id, thing.as_ref()?)))
    }

    /// Changes what `change` gives another value for.
    pub(super) fn update(&mut self, mut change: impl FnMut(&T) -> Option<T>) {
        self.things.update(|slot| slot.as_ref().and_then(&mut change).map(Some));
    }

    fn extend(&mut self) -> SlotId {
        self.last += 1;
        let id = SlotId(NonZeroU32::new(self.last).expect("it was just counted up"));
        self.things.make_room(id.index());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_again_and_versions_stay_as_they_were() {
        let mut slots = Slots::default();
        let ids: Vec<SlotId> = (0..100).map(|number| slots.insert(number)).collect();
        let before = slots.clone();
        slots.remove(ids[40]);
        assert_eq!(slots.get(ids[40]), None);
        assert_eq!(slots.insert(1000), ids[40]);
        *slots.get_mut(ids[99]).unwrap() += 1;
        assert_eq!(slots.get(ids[40]), Some(&1000));
        assert_eq!(slots.get(ids[99]), Some(&100));
        assert_eq!(before.get(ids[40]), Some(&40));
        assert_eq!(before.get(ids[99]), Some(&99));
    }
}
