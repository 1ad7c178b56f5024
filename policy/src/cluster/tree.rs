//! An array that versions of the cluster share: one change copies one path.

use std::sync::Arc;

/// How many things a leaf holds, and how many leaves a branch.
const FAN: usize = 32;

type Leaf<T> = Arc<[T; FAN]>;
type Branch<T> = Arc<[Leaf<T>; FAN]>;

/// Things by index, as many as there is room for; a clone costs nothing.
///
/// A change of a shared array touches three short lists of counters. In a flat list of pages it
/// would touch the counter of every page, each somewhere else in memory.
#[derive(Clone, Debug)]
pub(super) struct Tree<T> {
    branches: Arc<Vec<Branch<T>>>,
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { branches: Arc::default() }
    }
}

impl<T: Clone + Default> Tree<T> {
    /// The thing at this index.
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        let branch = self.branches.get(at / (FAN * FAN))?;
        Some(&branch[at / FAN % FAN][at % FAN])
    }

    /// The thing at this index, to change.
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        let branch = Arc::make_mut(&mut self.branches).get_mut(at / (FAN * FAN))?;
        let leaf = &mut Arc::make_mut(branch)[at / FAN % FAN];
        Some(&mut Arc::make_mut(leaf)[at % FAN])
    }

    /// Makes room for an index; what is new is the default.
    pub(super) fn make_room(&mut self, at: usize) {
        while at / (FAN * FAN) >= self.branches.len() {
            let leaf: Leaf<T> = Arc::new(std::array::from_fn(|_| T::default()));
            let branch = Arc::new(std::array::from_fn(|_| Arc::clone(&leaf)));
            Arc::make_mut(&mut self.branches).push(branch);
        }
    }

    /// Everything in the order of the indices.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.branches.iter().flat_map(|branch| branch.iter()).flat_map(|leaf| leaf.iter())
    }

    /// Changes what `change` gives another value for.
    pub(super) fn update(&mut self, mut change: impl FnMut(&T) -> Option<T>) {
        let total = self.branches.len() * FAN * FAN;
        for at in 0..total {
            if let Some(new) = self.get(at).and_then(&mut change)
                && let Some(thing) = self.get_mut(at)
            {
                *thing = new;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stay_as_they_were() {
        let mut tree = Tree::default();
        tree.make_room(5000);
        for at in 0..5000 {
            *tree.get_mut(at).unwrap() = at;
        }
        let before = tree.clone();
        *tree.get_mut(4321).unwrap() = 1;
        tree.update(|thing| (*thing == 7).then_some(8));
        assert_eq!((tree.get(4321), tree.get(7)), (Some(&1), Some(&8)));
        assert_eq!((before.get(4321), before.get(7)), (Some(&4321), Some(&7)));
        assert_eq!(before.iter().sum::<usize>(), (0..5000).sum::<usize>());
        assert_eq!(tree.get(1_000_000), None);
    }
}
