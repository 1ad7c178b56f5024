//! The places of what flows share, by where it is kept: most name what one before them named, and nobody looks at
//! names again.

use super::log::Place;
use foldhash::fast::RandomState;
use std::{collections::HashMap, fmt, sync::Arc};

/// So many are known again; then all are met anew.
const MOST: usize = 1 << 16;

/// What was met. It is held, so that nothing else can come to be kept where it is.
pub(super) struct Met<T>(HashMap<usize, (Arc<T>, Place), RandomState>);

impl<T> Default for Met<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T> fmt::Debug for Met<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Met").field(&self.0.len()).finish()
    }
}

impl<T> Met<T> {
    /// The place of what is kept just there.
    pub(super) fn find(&self, thing: &Arc<T>) -> Option<Place> {
        self.0.get(&Arc::as_ptr(thing).addr()).map(|(_, place)| *place)
    }

    /// Remembers the place of a thing.
    pub(super) fn meet(&mut self, thing: &Arc<T>, place: Place) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(Arc::as_ptr(thing).addr(), (Arc::clone(thing), place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_known_by_where_it_is_kept_and_not_by_what_it_says() {
        let (one, same) = (Arc::new(7), Arc::new(7));
        let mut met = Met::default();
        met.meet(&one, 3);
        assert_eq!((met.find(&one), met.find(&same)), (Some(3), None));
    }

    #[test]
    fn what_is_met_outlives_those_who_named_it_and_there_is_an_end() {
        let mut met = Met::default();
        let first = Arc::new(0);
        met.meet(&first, 0);
        for number in 1..=MOST as Place {
            assert_eq!(Arc::strong_count(&first), 2);
            met.meet(&Arc::new(number), number);
        }
        assert_eq!((Arc::strong_count(&first), met.find(&first)), (1, None));
    }
}
