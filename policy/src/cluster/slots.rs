//! Things by small numbers, in pages that versions of the cluster share.

use std::sync::Arc;

/// How many things share a page: one change copies one page.
const PAGE: usize = 32;

/// The number of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId(u32);

/// Things by their numbers; a clone costs nothing and shares all pages until they change.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    pages: Arc<Vec<Page<T>>>,
    free: imbl::Vector<SlotId>,
    /// The first number that was never given.
    next: u32,
}

type Page<T> = Arc<[Option<T>; PAGE]>;

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { pages: Arc::default(), free: imbl::Vector::new(), next: 0 }
    }
}

impl<T: Clone> Slots<T> {
    /// The thing with this number.
    pub(super) fn get(&self, id: SlotId) -> Option<&T> {
        let at = id.0 as usize;
        self.pages.get(at / PAGE)?[at % PAGE].as_ref()
    }

    /// The thing with this number, to change.
    pub(super) fn get_mut(&mut self, id: SlotId) -> Option<&mut T> {
        self.slot(id)?.as_mut()
    }

    /// Takes a thing in and gives it a number, one that was given back where there is any.
    pub(super) fn insert(&mut self, thing: T) -> SlotId {
        let id = self.free.pop_back().unwrap_or_else(|| self.extend());
        if let Some(slot) = self.slot(id) {
            *slot = Some(thing);
        }
        id
    }

    /// Gives a number back.
    pub(super) fn remove(&mut self, id: SlotId) {
        if let Some(slot) = self.slot(id) {
            *slot = None;
            self.free.push_back(id);
        }
    }

    fn extend(&mut self) -> SlotId {
        let id = SlotId(self.next);
        self.next += 1;
        if id.0 as usize == self.pages.len() * PAGE {
            Arc::make_mut(&mut self.pages).push(Arc::new(std::array::from_fn(|_| None)));
        }
        id
    }

    fn slot(&mut self, id: SlotId) -> Option<&mut Option<T>> {
        let at = id.0 as usize;
        let page = Arc::make_mut(&mut self.pages).get_mut(at / PAGE)?;
        Arc::make_mut(page).get_mut(at % PAGE)
    }

    /// Every thing, to change; pages are copied where `change` says that it would.
    pub(super) fn change_all(&mut self, would: impl Fn(&T) -> bool, mut change: impl FnMut(&mut T)) {
        for page in Arc::make_mut(&mut self.pages) {
            if page.iter().flatten().any(&would) {
                Arc::make_mut(page).iter_mut().flatten().filter(|thing| would(thing)).for_each(&mut change);
            }
        }
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

    #[test]
    fn only_what_would_change_changes() {
        let mut slots = Slots::default();
        let ids: Vec<SlotId> = (0..100).map(|number| slots.insert(number)).collect();
        slots.change_all(|number| *number >= 98, |number| *number = 0);
        let sum: i32 = ids.iter().filter_map(|id| slots.get(*id)).sum();
        assert_eq!(sum, (0..98).sum::<i32>());
    }
}
