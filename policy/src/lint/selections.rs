//! Selectors as sets of conditions, and an index of those that another one implies.

use super::conditions::{Condition, conditions};
use crate::{fingerprint::Fingerprint, selector::Selector};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{Hash, Hasher},
};

/// Those that are looked through for one, at most: thousands of them would be asked thousands of times.
pub(super) const ASKED: usize = 256;

/// Whose labels a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Whose {
    Namespace,
    Pod,
}

/// Conditions that must all hold; in which order they are written makes no difference.
#[derive(Clone, Debug)]
pub(super) struct Selection<'a> {
    /// Sorted, each once.
    conditions: Vec<(Whose, Condition<'a>)>,
    /// As written. The sorted order hangs on fingerprints, so it is another one in each run.
    written: Vec<(Whose, Condition<'a>)>,
}

impl PartialEq for Selection<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.conditions == other.conditions
    }
}

impl Eq for Selection<'_> {}

impl Hash for Selection<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.conditions.hash(state);
    }
}

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
        Self::read(conditions(selector).map(|condition| (Whose::Pod, condition)).collect())
    }

    /// Of pods of some namespaces.
    pub(super) fn of_pods(namespaces: &'a Selector, pods: &'a Selector) -> Self {
        let of_namespaces = conditions(namespaces).map(|condition| (Whose::Namespace, condition));
        let of_pods = conditions(pods).map(|condition| (Whose::Pod, condition));
        Self::read(of_namespaces.chain(of_pods).collect())
    }

    fn read(written: Vec<(Whose, Condition<'a>)>) -> Self {
        let mut conditions = written.clone();
        conditions.sort_unstable();
        conditions.dedup();
        Self { conditions, written }
    }

    /// Whether all that this one selects, `outer` selects.
    pub(super) fn implies(&self, outer: &Self) -> bool {
        outer.conditions.iter().all(|(whose, wanted)| {
            let mut of_same = self.conditions.iter().filter(|(other, _)| other == whose);
            of_same.any(|(_, known)| known.implies(*wanted))
        })
    }

    /// How much there is to compare: conditions and their values.
    pub(super) fn size(&self) -> usize {
        self.conditions.iter().map(|(_, condition)| 1 + condition.pairs().len()).sum()
    }

    fn is_readable(&self) -> bool {
        !self.conditions.iter().any(|(_, condition)| matches!(condition, Condition::Invalid))
    }

    /// Where it is looked for when it may be implied: at all anchors of its rarest condition, of
    /// equally rare ones the first that is written.
    fn rarest(&self, counts: &HashMap<Anchor, usize>) -> Vec<Option<Anchor>> {
        let count =
            |anchors: &Vec<Anchor>| -> usize { anchors.iter().filter_map(|anchor| counts.get(anchor)).sum() };
        let anchors = self.written.iter().map(|(whose, condition)| anchors(*whose, *condition));
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
            let first = pairs.first().map(|pair| Anchor::NotLabel(whose, *pair));
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
    known: BTreeMap<usize, Selection<'a>>,
    numbers: HashMap<Selection<'a>, usize>,
    /// The numbers in their order.
    by_anchor: HashMap<Option<Anchor>, Vec<usize>>,
}

impl<'a> Selections<'a> {
    /// Takes in different selections; one that cannot be read is implied by nothing.
    pub(super) fn new(known: impl Iterator<Item = (usize, Selection<'a>)>) -> Self {
        let known: BTreeMap<_, _> = known.filter(|(_, selection)| selection.is_readable()).collect();
        let mut counts: HashMap<Anchor, usize> = HashMap::new();
        let conditions = known.values().flat_map(|selection| &selection.conditions);
        for anchor in conditions.flat_map(|(whose, condition)| anchors(*whose, *condition)) {
            *counts.entry(anchor).or_default() += 1;
        }
        let mut by_anchor: HashMap<_, Vec<usize>> = HashMap::new();
        for (id, selection) in &known {
            for anchor in selection.rarest(&counts) {
                by_anchor.entry(anchor).or_default().push(*id);
            }
        }
        let numbers = known.iter().map(|(id, selection)| (selection.clone(), *id)).collect();
        Self { known, numbers, by_anchor }
    }

    /// Those that select all that `inner` selects, in order of their numbers: its like, and others
    /// among the first that are looked through.
    pub(super) fn around(&self, inner: &Selection<'_>) -> impl Iterator<Item = usize> {
        let anchors = inner.conditions.iter().flat_map(|(whose, condition)| implied(*whose, *condition));
        let lists = anchors.map(Some).chain([None]).filter_map(|anchor| self.by_anchor.get(&anchor));
        // The first of all lists are among the first of each.
        let candidates: BTreeSet<usize> = lists.flat_map(|list| list.iter().take(ASKED)).copied().collect();
        let covers = |id: &usize| self.known.get(id).is_some_and(|outer| inner.implies(outer));
        let mut around: BTreeSet<usize> = candidates.into_iter().take(ASKED).filter(covers).collect();
        around.extend(self.number(inner));
        around.into_iter()
    }

    fn number(&self, selection: &Selection<'_>) -> Option<usize> {
        self.numbers.get(selection).copied()
    }

    /// The selection of a number.
    pub(super) fn get(&self, id: usize) -> Option<&Selection<'a>> {
        self.known.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

    fn unlike(values: &[String]) -> Selector {
        let expression = LabelSelectorRequirement {
            key: "app".to_owned(),
            operator: "NotIn".to_owned(),
            values: Some(values.to_vec()),
        };
        Selector::compile(&LabelSelector { match_labels: None, match_expressions: Some(vec![expression]) })
    }

    #[test]
    fn of_very_many_the_first_and_the_like_are_found() {
        let all: Vec<Selector> = (0..ASKED + 50).map(|at| unlike(&[format!("a{at}")])).collect();
        let selections = Selections::new(all.iter().map(Selection::of).enumerate());
        let label = LabelSelector {
            match_labels: Some(BTreeMap::from([("app".to_owned(), "web".to_owned())])),
            match_expressions: None,
        };
        let label = Selector::compile(&label);
        let found: Vec<usize> = selections.around(&Selection::of(&label)).collect();
        assert_eq!(found, (0..ASKED).collect::<Vec<_>>());
        let last = ASKED + 49;
        assert_eq!(selections.around(&Selection::of(&all[last])).collect::<Vec<_>>(), [last]);
    }

    #[test]
    fn its_like_is_found_behind_all_that_are_looked_through() {
        let shunning = |at: usize| unlike(&["a".to_owned(), format!("b{at}")]);
        let all: Vec<Selector> = (0..ASKED + 50).map(shunning).collect();
        let selections = Selections::new(all.iter().map(Selection::of).enumerate());
        let last = ASKED + 49;
        assert_eq!(selections.around(&Selection::of(&all[last])).collect::<Vec<_>>(), [last]);
    }
}
