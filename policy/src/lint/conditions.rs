//! The conditions of a selector one by one, and which of them imply which.

use crate::{
    fingerprint::Fingerprint,
    selector::{Requirement, Selector},
};
use std::collections::HashSet;

/// One condition of a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Condition<'a> {
    In {
        key: Fingerprint,
        pairs: &'a [Fingerprint],
    },
    NotIn {
        key: Fingerprint,
        pairs: &'a [Fingerprint],
    },
    Exists(Fingerprint),
    DoesNotExist(Fingerprint),
    /// It cannot be read (§8).
    Invalid,
}

/// All conditions of a selector; none where it matches everything.
pub(super) fn conditions(selector: &Selector) -> impl Iterator<Item = Condition<'_>> + Clone {
    let (label, rest) = match selector {
        Selector::All => (None, &[][..]),
        Selector::Label { key, pair } => {
            (Some(Condition::In { key: *key, pairs: std::slice::from_ref(pair) }), &[][..])
        }
        Selector::Requirements(requirements) => (None, &requirements[..]),
    };
    label.into_iter().chain(rest.iter().map(Condition::from))
}

/// Whether the selector holds no condition that cannot be read.
pub(super) fn is_readable(selector: &Selector) -> bool {
    !conditions(selector).any(|condition| matches!(condition, Condition::Invalid))
}

/// Whether the selector matches everything.
pub(super) fn is_empty(selector: &Selector) -> bool {
    conditions(selector).next().is_none()
}

impl<'a> From<&'a Requirement> for Condition<'a> {
    fn from(requirement: &'a Requirement) -> Self {
        match requirement {
            Requirement::In { key, pairs } => Self::In { key: *key, pairs },
            Requirement::NotIn { key, pairs } => Self::NotIn { key: *key, pairs },
            Requirement::Exists(key) => Self::Exists(*key),
            Requirement::DoesNotExist(key) => Self::DoesNotExist(*key),
            Requirement::Invalid => Self::Invalid,
        }
    }
}

impl<'a> Condition<'a> {
    /// The values with their key.
    pub(super) const fn pairs(self) -> &'a [Fingerprint] {
        match self {
            Self::In { pairs, .. } | Self::NotIn { pairs, .. } => pairs,
            Self::Exists(_) | Self::DoesNotExist(_) | Self::Invalid => &[],
        }
    }

    /// Whether labels that fulfil this one fulfil `other` too (N9).
    pub(super) fn implies(self, other: Condition<'_>) -> bool {
        use Condition::{DoesNotExist, Exists, In, Invalid, NotIn};
        match (self, other) {
            (In { pairs, .. }, In { pairs: wanted, .. }) => are_among(pairs, wanted),
            (In { key, pairs }, NotIn { key: other, pairs: unwanted }) => {
                key == other && !pairs.iter().any(|pair| unwanted.contains(pair))
            }
            (In { key, .. } | Exists(key), Exists(other))
            | (DoesNotExist(key), DoesNotExist(other) | NotIn { key: other, .. }) => key == other,
            (NotIn { pairs, .. }, NotIn { pairs: unwanted, .. }) => are_among(unwanted, pairs),
            (In { .. } | NotIn { .. } | Exists(_) | DoesNotExist(_) | Invalid, _) => false,
        }
    }
}

/// Whether all of some are among others; there may be thousands of both.
fn are_among(some: &[Fingerprint], others: &[Fingerprint]) -> bool {
    if others.len() <= FEW {
        return some.iter().all(|one| others.contains(one));
    }
    let others: HashSet<_> = others.iter().collect();
    some.iter().all(|one| others.contains(one))
}

/// Values that are looked through one by one, at most.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::{LabelSet, Labels},
        lint::selections::{Selection, Selections},
        truth::Truth,
    };
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
    use proptest::{collection::vec, prelude::*, sample::select};

    fn selector() -> impl Strategy<Value = Selector> {
        let operator = select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
        let values = vec(select(vec!["x", "y", "z"]), 1..3);
        let expression = (select(vec!["a", "b"]), operator, values).prop_map(|(key, operator, values)| {
            let values = if operator.ends_with("In") { values } else { Vec::new() };
            LabelSelectorRequirement {
                key: key.to_owned(),
                operator: operator.to_owned(),
                values: Some(values.into_iter().map(str::to_owned).collect()),
            }
        });
        vec(expression, 0..3).prop_map(|expressions| {
            Selector::compile(&LabelSelector { match_labels: None, match_expressions: Some(expressions) })
        })
    }

    fn label_sets() -> Vec<LabelSet> {
        let values = [None, Some("x"), Some("y"), Some("z"), Some("w")];
        let pair = |key: &str, value: Option<&str>| value.map(|value| (key.to_owned(), value.to_owned()));
        let sets = values
            .iter()
            .flat_map(|a| values.iter().map(move |b| pair("a", *a).into_iter().chain(pair("b", *b))));
        sets.map(|labels| LabelSet::new(labels.collect())).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_selector_that_is_covered_matches_nothing_of_its_own(outer in selector(), inner in selector()) {
            let matches = |selector: &Selector, labels: &LabelSet| {
                selector.admits(Labels::Known(labels.prints())) == Truth::Yes
            };
            let (around, within) = (Selection::of(&outer), Selection::of(&inner));
            let found = Selections::new([(0, around.clone())].into_iter()).around(&within).count();
            prop_assert_eq!(found == 1, within.implies(&around));
            if found == 1 {
                for labels in label_sets() {
                    prop_assert!(!matches(&inner, &labels) || matches(&outer, &labels), "{:?}", labels.text());
                }
            }
        }
    }
}
