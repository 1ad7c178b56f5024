//! Lists of policies that many templates have in common: changed once, they stay in common.

use crate::truth::Truth;
use std::{collections::HashMap, sync::Arc};

/// What one change made of the lists that it met: by the place of the list before, and by whether the
/// changed policy selects the template.
pub(super) struct Changed<T>(HashMap<(*const T, Truth), Outcome<T>>);

struct Outcome<T> {
    /// Held so that nothing else comes to lie in its place.
    _before: Arc<T>,
    /// Absent where nothing changes.
    after: Option<Arc<T>>,
}

impl<T> Default for Changed<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Changed<T> {
    /// What becomes of a list; `None` where it stays as it is.
    pub(super) fn of(
        &mut self,
        before: &Arc<T>,
        selects: Truth,
        change: impl FnOnce(&T) -> Option<T>,
    ) -> Option<Arc<T>> {
        let key = (Arc::as_ptr(before), selects);
        let outcome = self
            .0
            .entry(key)
            .or_insert_with(|| Outcome { _before: Arc::clone(before), after: change(before).map(Arc::new) });
        outcome.after.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_changed_once_for_all_that_have_it() {
        let (one, other) = (Arc::new(1), Arc::new(1));
        let mut changed = Changed::default();
        let mut calls = 0;
        let mut change = |before: &Arc<i32>, selects| {
            changed.of(before, selects, |number| {
                calls += 1;
                (selects == Truth::Yes).then_some(number + 1)
            })
        };
        let first = change(&one, Truth::Yes).unwrap();
        assert!(Arc::ptr_eq(&first, &change(&one, Truth::Yes).unwrap()));
        assert!(!Arc::ptr_eq(&first, &change(&other, Truth::Yes).unwrap()));
        assert_eq!((change(&one, Truth::No), change(&one, Truth::No)), (None, None));
        assert_eq!((*first, calls), (2, 3));
    }
}
