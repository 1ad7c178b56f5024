//! What batches name, kept so that the same thing is one in all of them: flows then share it, and whoever tells
//! flows apart can do so by where it is kept.
//!
//! Bounded by what it takes: things are in two halves, the young and the old. A thing that is named is young; when
//! the young half is full it becomes the old one, and what nobody named since the last time is let go of.

use foldhash::quality::RandomState;
use portolan_policy::{Enforcer, ServiceRef, SideDecision, Who};
use portolan_proto::{Labels, Share};
use std::{
    collections::HashSet,
    hash::Hash,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What the ends in memory may take, in bytes; of the rest each a quarter. Flows that are in memory anyhow hold
/// most of it.
const ENDS: usize = 128 << 20;

/// What a place in a half takes beside the thing.
const PLACE: usize = 32;

/// Everything that is named.
#[derive(Debug)]
pub(crate) struct Names {
    ends: Kept<Who>,
    labels: Kept<Labels>,
    services: Kept<ServiceRef>,
    sides: Kept<SideDecision>,
    enforcers: Kept<Enforcer>,
    texts: Kept<str>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            ends: Kept::of(ENDS),
            labels: Kept::of(ENDS / 4),
            services: Kept::of(ENDS / 4),
            sides: Kept::of(ENDS / 4),
            enforcers: Kept::of(ENDS / 4),
            texts: Kept::of(ENDS / 4),
        }
    }
}

impl Share for Names {
    fn who(&self, who: Who, weight: usize) -> Arc<Who> {
        self.ends.same(who, weight)
    }

    fn labels(&self, labels: Labels, weight: usize) -> Arc<Labels> {
        self.labels.same(labels, weight)
    }

    fn service(&self, service: ServiceRef, weight: usize) -> Arc<ServiceRef> {
        self.services.same(service, weight)
    }

    fn side(&self, side: SideDecision, weight: usize) -> Arc<SideDecision> {
        self.sides.same(side, weight)
    }

    fn enforcer(&self, enforcer: Enforcer, weight: usize) -> Arc<Enforcer> {
        self.enforcers.same(enforcer, weight)
    }

    fn text(&self, text: &str) -> Arc<str> {
        self.texts.same_text(text)
    }
}

/// Things of one sort, each once.
#[derive(Debug)]
struct Kept<T: ?Sized + Eq + Hash> {
    halves: Mutex<Halves<T>>,
    /// What both halves may take.
    most: usize,
}

/// The things are for agents to choose: the hash is drawn at random.
type Half<T> = HashSet<Arc<T>, RandomState>;

#[derive(Debug)]
struct Halves<T: ?Sized> {
    young: Half<T>,
    old: Half<T>,
    /// What the young ones take.
    weight: usize,
}

impl<T: ?Sized + Eq + Hash> Kept<T> {
    fn of(most: usize) -> Self {
        let halves = Halves { young: Half::default(), old: Half::default(), weight: 0 };
        Self { halves: Mutex::new(halves), most }
    }

    /// The one that is kept, or `make` it.
    fn find(&self, thing: &T, weight: usize) -> Result<Arc<T>, MutexGuard<'_, Halves<T>>> {
        // What panicked elsewhere left whole halves.
        let mut halves = self.halves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = halves.young.get(thing) {
            return Ok(Arc::clone(known));
        }
        let Some(known) = halves.old.take(thing) else { return Err(halves) };
        self.keep(halves, &known, weight);
        Ok(known)
    }

    /// Takes a thing among the young ones. What is let go of goes without the lock.
    fn keep(&self, mut halves: MutexGuard<'_, Halves<T>>, thing: &Arc<T>, weight: usize) {
        let mut gone = Half::default();
        if halves.weight >= self.most / 2 {
            halves.weight = 0;
            let young = mem::take(&mut halves.young);
            gone = mem::replace(&mut halves.old, young);
        }
        halves.weight = halves.weight.saturating_add(weight).saturating_add(PLACE);
        halves.young.insert(Arc::clone(thing));
        drop(halves);
        drop(gone);
    }
}

impl<T: Eq + Hash> Kept<T> {
    /// The thing that is the same as this, for all who name it.
    fn same(&self, thing: T, weight: usize) -> Arc<T> {
        self.find(&thing, weight).unwrap_or_else(|halves| {
            let thing = Arc::new(thing);
            self.keep(halves, &thing, weight);
            thing
        })
    }
}

impl Kept<str> {
    /// The text that is the same as this.
    fn same_text(&self, text: &str) -> Arc<str> {
        self.find(text, text.len()).unwrap_or_else(|halves| {
            let kept = Arc::from(text);
            self.keep(halves, &kept, text.len());
            kept
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::web_to_db;
    use portolan_policy::{SideVerdict, Who};
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn what_is_named_twice_is_kept_once() {
        let names = Names::default();
        let who = || names.who(web_to_db().source.who().clone(), 100);
        assert!(Arc::ptr_eq(&who(), &who()));
        let other = Who::External { ip: [192, 0, 2, 1].into() };
        assert_eq!(*names.who(other.clone(), 10), other);
        let side = || names.side(SideDecision::undecidable("why"), 10);
        assert!(Arc::ptr_eq(&side(), &side()));
        assert_eq!(names.side(SideDecision::plain(SideVerdict::Denied), 10).verdict, SideVerdict::Denied);
        assert!(Arc::ptr_eq(&names.text("netfilter"), &names.text("netfilter")));
    }

    #[test]
    fn what_is_named_again_and_again_stays_whatever_else_comes() {
        let kept = Kept::of(10 * (PLACE + 68));
        let first = kept.same(0, 68);
        for number in 1..10_000 {
            kept.same(number, 68);
            assert!(Arc::ptr_eq(&kept.same(0, 68), &first));
        }
    }

    proptest! {
        #[test]
        fn a_thing_is_always_the_same_as_what_was_asked_and_never_too_many_are_kept(
            things in vec((0..100_u32, 1..50_usize), 0..500),
        ) {
            let kept = Kept::of(1000);
            for (thing, weight) in things {
                prop_assert_eq!(*kept.same(thing, weight), thing);
                let halves = kept.halves.lock().unwrap();
                prop_assert!(halves.weight < 500 + 50 + PLACE);
                prop_assert!((halves.young.len() + halves.old.len()) * PLACE <= 2 * (500 + 50 + PLACE));
                prop_assert!(halves.young.is_disjoint(&halves.old));
            }
        }
    }
}
