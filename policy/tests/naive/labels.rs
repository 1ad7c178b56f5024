//! Labels and the selectors over them (N7–N10).

use crate::naive::truth::{Truth, all};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

/// The labels of an object; where they are not all known, the fact that is missing.
pub(crate) struct Labels {
    pub(crate) known: BTreeMap<String, String>,
    pub(crate) missing: Option<String>,
}

impl Labels {
    /// Those of nobody knows whom.
    pub(crate) fn hidden(fact: &str) -> Self {
        Self { known: BTreeMap::new(), missing: Some(fact.to_owned()) }
    }

    /// The value of a label, `None` where it is absent; the missing fact where that is not known.
    fn get(&self, key: &str) -> Result<Option<&str>, Truth> {
        match (self.known.get(key), &self.missing) {
            (Some(value), _) => Ok(Some(value)),
            (None, None) => Ok(None),
            (None, Some(fact)) => Err(Truth::missing(fact)),
        }
    }
}

/// Whether an operator is known and has the values that it needs.
fn is_valid(requirement: &LabelSelectorRequirement) -> bool {
    let values = requirement.values.iter().flatten().count();
    match requirement.operator.as_str() {
        "In" | "NotIn" => values > 0,
        "Exists" | "DoesNotExist" => values == 0,
        _ => false,
    }
}

fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> Truth {
    let value = match labels.get(&requirement.key) {
        Ok(value) => value,
        Err(unknown) => return unknown,
    };
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
    Truth::from(match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        _ => value.is_none(),
    })
}

/// Whether the selector matches; an invalid condition counts as `invalid`.
fn matches(selector: &LabelSelector, labels: &Labels, invalid: &Truth) -> Truth {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| match labels.get(key) {
        Ok(found) => Truth::from(found == Some(value)),
        Err(unknown) => unknown,
    });
    let conditions =
        selector.match_expressions.iter().flatten().map(|requirement| {
            if is_valid(requirement) { holds(requirement, labels) } else { invalid.clone() }
        });
    all(equal.chain(conditions))
}

/// A selector of a peer: what is invalid matches nothing (§8).
pub(crate) fn peer_matches(selector: &LabelSelector, labels: &Labels) -> Truth {
    matches(selector, labels, &Truth::No)
}

/// A selector of a subject: what is invalid leaves open whether it selects (§8).
pub(crate) fn subject_matches(selector: &LabelSelector, labels: &Labels, whose: &str) -> Truth {
    matches(selector, labels, &Truth::missing(format!("the selector of {whose} is not valid")))
}
