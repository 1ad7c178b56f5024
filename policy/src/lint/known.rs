//! The labels that are there, and the one of them that was perhaps meant.

use crate::{nearest::nearest, shown::short};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::{BTreeMap, BTreeSet};

/// Labels that are compared with a wanted one, at most.
const COMPARED: usize = 1000;

/// The labels that some objects have, each once.
#[derive(Debug, Default)]
pub(super) struct Known<'a>(BTreeSet<(&'a str, &'a str)>);

impl<'a> Known<'a> {
    /// Collects the labels of pods or namespaces.
    pub(super) fn new(labels: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Self {
        Self(labels.flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect())
    }
}

/// Says which of the wanted labels none of the objects has, and what comes nearest to it.
pub(super) fn explain<'a>(known: &[&'a Known<'a>], wanted: &'a LabelSelector, who: &str) -> String {
    let missing = pairs(wanted).find(|pair| !known.iter().any(|known| known.0.contains(pair)));
    let Some((key, value)) = missing else { return format!("no {who} has all the labels that it asks for") };
    let missing = format!("no {who} has the label `{}`", label(key, value));
    match nearest_label(known, key, value) {
        Some((near_key, near_value)) => format!("{missing}; nearest is `{}`", label(near_key, near_value)),
        None => missing,
    }
}

/// A label with the same key, else one with the same value, each nearly the same.
fn nearest_label<'a>(known: &[&'a Known<'a>], key: &'a str, value: &str) -> Option<(&'a str, &'a str)> {
    let same_key = known.iter().flat_map(|known| known.0.range((key, "")..).take_while(|pair| pair.0 == key));
    let of_key = nearest(value, same_key.take(COMPARED).map(|pair| (pair.1, *pair)));
    let all = known.iter().flat_map(|known| known.0.iter()).take(COMPARED);
    of_key.or_else(|| nearest(key, all.filter(|pair| pair.1 == value).map(|pair| (pair.0, *pair))))
}

/// The labels that a selector asks for one by one.
fn pairs(selector: &LabelSelector) -> impl Iterator<Item = (&str, &str)> {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    let expressions = selector.match_expressions.iter().flatten();
    let single = expressions.filter_map(|expression| match expression.values.as_deref() {
        Some([value]) if expression.operator == "In" => Some((expression.key.as_str(), value.as_str())),
        _ => None,
    });
    labels.chain(single)
}

fn label(key: &str, value: &str) -> String {
    format!("{}={}", short(key), short(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(wanted: (&str, &str), known: &[(&str, &str)]) -> String {
        let labels: Vec<_> = known
            .iter()
            .map(|(key, value)| BTreeMap::from([((*key).to_owned(), (*value).to_owned())]))
            .collect();
        let selector = LabelSelector {
            match_labels: Some(BTreeMap::from([(wanted.0.to_owned(), wanted.1.to_owned())])),
            match_expressions: None,
        };
        super::explain(&[&Known::new(labels.iter())], &selector, "pod")
    }

    #[test]
    fn the_nearest_value_of_the_key_comes_first() {
        assert_eq!(
            explain(("app", "frontend"), &[("app", "front-end"), ("app", "backend"), ("tier", "frontend")]),
            "no pod has the label `app=frontend`; nearest is `app=front-end`"
        );
    }

    #[test]
    fn else_the_nearest_key_with_the_value() {
        assert_eq!(
            explain(("App", "web"), &[("app", "web"), ("team", "web")]),
            "no pod has the label `App=web`; nearest is `app=web`"
        );
    }

    #[test]
    fn what_is_not_alike_is_not_offered() {
        assert_eq!(explain(("app", "web"), &[("app", "database")]), "no pod has the label `app=web`");
    }

    #[test]
    fn huge_labels_are_not_compared() {
        let huge = "x".repeat(1_000_000);
        assert!(explain(("app", &huge), &[("app", &huge[1..])]).len() < 200);
    }
}
