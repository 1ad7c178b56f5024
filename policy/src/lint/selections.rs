//! Selectors as sets of conditions, and an index of those that another one implies.

use super::conditions::{Condition, conditions};
use crate::{fingerprint::Fingerprint, selector::Selector};
use std::collections::{BTreeSet, HashMap};

/// Whose labels a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Whose {
    Namespace,
    Pod,
}

/// Conditions that must all hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Selection<'a>(Vec<(Whose, Condition<'a>)>);

/// What an implied condition and the one that implies it have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Anchor {
    Label(Whose, Fingerprint),
    NotLabel(Whose, Fingerprint),
    Present(Whose, Fingerprint),
    Absent(Whose, Fingerprint),
    /// A key that may be absent, or have any value but some.
    Unlike(Whose, Fingerprint),
}

impl<'a> Selection<'a> {
    /// Of pods, or of whatever else has labels of its own.
    pub(super) fn of(selector: &'a Selector) -> Self {
        Self::sorted(conditions(selector).map(|condition| (Whose::Pod, condition)))
    }

    /// Of pods of some namespaces.
    pub(super) fn of_pods(namespaces: &'a Selector, pods: &'a Selector) -> Self {
        let of_namespaces = conditions(namespaces).map(|condition| (Whose::Namespace, condition));
        Self::sorted(of_namespaces.chain(conditions(pods).map(|condition| (Whose::Pod, condition))))
    }

    fn sorted(conditions: impl Iterator<Item = (Whose, Condition<'a>)>) -> Self {
        let each_once: BTreeSet<_> = conditions.collect();
        Self(each_once.into_iter().collect())
    }

    /// Whether all that this one selects, `outer` selects.
    pub(super) fn implies(&self, outer: &Self) -> bool {
        outer.0.iter().all(|(whose, wanted)| {
            let mut of_same = self.0.iter().filter(|(other, _)| other == whose);
            of_same.any(|(_, known)| known.implies(*wanted))
        })
    }

    fn is_readable(&self) -> bool {
        !self.0.iter().any(|(_, condition)| matches!(condition, Condition::Invalid))
    }

    /// Where it is looked for when it may be implied: at all anchors of its rarest condition.
    fn rarest(&self, counts: &HashMap<Anchor, usize>) -> Vec<Option<Anchor>> {
        let count =
            |anchors: &Vec<Anchor>| -> usize { anchors.iter().filter_map(|anchor| counts.get(anchor)).sum() };
        let anchors = self.0.iter().map(|(whose, condition)| anchors(*whose, *condition));
        match anchors.min_by_key(count) {
            Some(anchors) => anchors.into_iter().map(Some).collect(),
            None => vec![None],
        }
    }
}

/// A condition that implies this one has one of these among its [`implied`].
fn anchors(whose: Whose, condition: Condition<'_>) -> Vec<Anchor> {
    match condition {
        Condition::In { pairs, .. } => pairs.iter().map(|pair| Anchor::Label(whose, *pair)).collect(),
        Condition::NotIn { key, pairs } => {
            let first = pairs.iter().min().map(|pair| Anchor::NotLabel(whose, *pair));
            first.into_iter().chain([Anchor::Unlike(whose, key)]).collect()
        }
        Condition::Exists(key) => vec![Anchor::Present(whose, key)],
        Condition::DoesNotExist(key) => vec![Anchor::Absent(whose, key)],
        Condition::Invalid => Vec::new(),
    }
}

/// The anchors of conditions that this one may imply.
fn implied(whose: Whose, condition: Condition<'_>) -> Vec<Anchor> {
    match condition {
        Condition::In { key, pairs } => {
            let first = pairs.first().map(|pair| Anchor::Label(whose, *pair));
            first.into_iter().chain([Anchor::Unlike(whose, key), Anchor::Present(whose, key)]).collect()
        }
        Condition::NotIn { pairs, .. } => pairs.iter().map(|pair| Anchor::NotLabel(whose, *pair)).collect(),
        Condition::Exists(key) => vec![Anchor::Present(whose, key)],
        Condition::DoesNotExist(key) => vec![Anchor::Absent(whose, key), Anchor::Unlike(whose, key)],
        Condition::Invalid => Vec::new(),
    }
}

/// Numbered selections, to be found by what implies them.
pub(super) struct Selections<'a> {
    known: HashMap<usize, Selection<'a>>,
    by_anchor: HashMap<Option<Anchor>, Vec<usize>>,
}

impl<'a> Selections<'a> {
    /// Takes in selections; one that cannot be read is implied by nothing.
    pub(super) fn new(known: impl Iterator<Item = (usize, Selection<'a>)>) -> Self {
        let known: HashMap<_, _> = known.filter(|(_, selection)| selection.is_readable()).collect();
        let mut counts: HashMap<Anchor, usize> = HashMap::new();
        let conditions = known.values().flat_map(|selection| &selection.0);
        for anchor in conditions.flat_map(|(whose, condition)| anchors(*whose, *condition)) {
            *counts.entry(anchor).or_default() += 1;
        }
        let mut by_anchor: HashMap<_, Vec<usize>> = HashMap::new();
        for (id, selection) in &known {
            for anchor in selection.rarest(&counts) {
                by_anchor.entry(anchor).or_default().push(*id);
            }
        }
        Self { known, by_anchor }
    }

    /// Those that select all that `inner` selects, in order of their numbers.
    pub(super) fn around(&self, inner: &Selection<'_>) -> impl Iterator<Item = usize> {
        let anchors = inner.0.iter().flat_map(|(whose, condition)| implied(*whose, *condition));
        let anchors = anchors.map(Some).chain([None]);
        let candidates: BTreeSet<usize> =
            anchors.filter_map(|anchor| self.by_anchor.get(&anchor)).flatten().copied().collect();
        let covers = |id: &usize| self.known.get(id).is_some_and(|outer| inner.implies(outer));
        let around: Vec<usize> = candidates.into_iter().filter(covers).collect();
        around.into_iter()
    }

    /// The selection of a number.
    pub(super) fn get(&self, id: usize) -> Option<&Selection<'a>> {
        self.known.get(&id)
    }
}
