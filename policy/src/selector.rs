//! Label selectors, compiled once: which labels they match (N7–N10).

use crate::truth::{Fact, Truth};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

/// The label that every namespace carries with its own name (N10).
pub(crate) const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The labels of a pod or namespace, as far as they are known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Labels<'a> {
    /// All of them.
    Known(&'a BTreeMap<String, String>),
    /// Only that a namespace of this name carries its own name; its object is not known.
    NamespaceNamed(&'a str),
}

impl<'a> Labels<'a> {
    /// Asks one thing about the value under `key`, which is `None` where the key is absent.
    fn ask(self, key: &str, question: impl FnOnce(Option<&'a str>) -> bool) -> Truth {
        match self {
            Self::Known(labels) => question(labels.get(key).map(String::as_str)).into(),
            Self::NamespaceNamed(name) if key == NAMESPACE_NAME_LABEL => question(Some(name)).into(),
            Self::NamespaceNamed(_) => Truth::Unknown(Fact::PeerNamespaceLabels),
        }
    }
}

/// A compiled label selector; without requirements it matches everything (N7).
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    requirements: Vec<Requirement>,
}

/// One condition on one label; all of a selector's must hold (N8).
#[derive(Clone, Debug)]
enum Requirement {
    In {
        key: String,
        values: Vec<String>,
    },
    NotIn {
        key: String,
        values: Vec<String>,
    },
    Exists {
        key: String,
    },
    DoesNotExist {
        key: String,
    },
    /// An unknown operator, or one whose values the API rejects (§8).
    Invalid,
}

impl Selector {
    /// Compiles `matchLabels` and `matchExpressions`.
    pub(crate) fn compile(selector: &LabelSelector) -> Self {
        let labels = selector.match_labels.iter().flatten().map(Requirement::equals);
        let expressions = selector.match_expressions.iter().flatten().map(Requirement::compile);
        Self { requirements: labels.chain(expressions).collect() }
    }

    /// Whether the labels are matched in a place that admits: an invalid condition matches nothing (§8).
    pub(crate) fn admits(&self, labels: Labels<'_>) -> Truth {
        self.matches(labels, Truth::No)
    }

    /// Whether the labels are matched in a place that selects whom a policy is about: an invalid
    /// condition leaves that unknown (§8).
    pub(crate) fn selects(&self, labels: Labels<'_>) -> Truth {
        self.matches(labels, Truth::Unknown(Fact::PodSelector))
    }

    fn matches(&self, labels: Labels<'_>, invalid: Truth) -> Truth {
        Truth::all(self.requirements.iter().map(|requirement| requirement.matches(labels, invalid)))
    }
}

impl Requirement {
    fn equals((key, value): (&String, &String)) -> Self {
        Self::In { key: key.clone(), values: vec![value.clone()] }
    }

    fn compile(requirement: &LabelSelectorRequirement) -> Self {
        let key = requirement.key.clone();
        let values = requirement.values.clone().unwrap_or_default();
        match (requirement.operator.as_str(), values.is_empty()) {
            _ if key.is_empty() => Self::Invalid,
            ("In", false) => Self::In { key, values },
            ("NotIn", false) => Self::NotIn { key, values },
            ("Exists", true) => Self::Exists { key },
            ("DoesNotExist", true) => Self::DoesNotExist { key },
            _ => Self::Invalid,
        }
    }

    /// N9: `NotIn` holds for an absent key, `In` does not.
    fn matches(&self, labels: Labels<'_>, invalid: Truth) -> Truth {
        let listed = |values: &[String], value: &str| values.iter().any(|listed| listed == value);
        match self {
            Self::In { key, values } => {
                labels.ask(key, |value| value.is_some_and(|value| listed(values, value)))
            }
            Self::NotIn { key, values } => {
                labels.ask(key, |value| !value.is_some_and(|value| listed(values, value)))
            }
            Self::Exists { key } => labels.ask(key, |value| value.is_some()),
            Self::DoesNotExist { key } => labels.ask(key, |value| value.is_none()),
            Self::Invalid => invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> Selector {
        Selector::compile(&LabelSelector {
            match_labels: None,
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: key.to_owned(),
                operator: operator.to_owned(),
                values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
            }]),
        })
    }

    #[test]
    fn an_empty_selector_matches_an_object_without_labels() {
        assert_eq!(Selector::default().admits(Labels::Known(&labels(&[]))), Truth::Yes);
    }

    #[test]
    fn operators_follow_n9() {
        let web = labels(&[("app", "web"), ("empty", "")]);
        let cases: [(&str, &str, &[&str], Truth); 12] = [
            ("app", "In", &["web", "api"], Truth::Yes),
            ("app", "In", &["api"], Truth::No),
            ("gone", "In", &["web"], Truth::No),
            ("app", "NotIn", &["web"], Truth::No),
            ("app", "NotIn", &["api"], Truth::Yes),
            ("gone", "NotIn", &["web"], Truth::Yes),
            ("app", "Exists", &[], Truth::Yes),
            ("gone", "Exists", &[], Truth::No),
            ("app", "DoesNotExist", &[], Truth::No),
            ("gone", "DoesNotExist", &[], Truth::Yes),
            ("empty", "In", &[""], Truth::Yes),
            ("gone", "In", &[""], Truth::No),
        ];
        for (key, operator, values, expected) in cases {
            let selector = expression(key, operator, values);
            assert_eq!(selector.admits(Labels::Known(&web)), expected, "{key} {operator} {values:?}");
            assert_eq!(selector.selects(Labels::Known(&web)), expected, "{key} {operator} {values:?}");
        }
    }

    #[test]
    fn an_invalid_condition_admits_nobody_and_leaves_the_subject_unknown() {
        let web = labels(&[("app", "web")]);
        let cases: [(&str, &str, &[&str]); 7] = [
            ("app", "Gt", &["1"]),
            ("app", "in", &["web"]),
            ("app", "In", &[]),
            ("app", "NotIn", &[]),
            ("app", "Exists", &["web"]),
            ("app", "DoesNotExist", &["web"]),
            ("", "Exists", &[]),
        ];
        for (key, operator, values) in cases {
            let selector = expression(key, operator, values);
            let known = Labels::Known(&web);
            assert_eq!(selector.admits(known), Truth::No, "{key} {operator} {values:?}");
            assert_eq!(selector.selects(known), Truth::Unknown(Fact::PodSelector), "{operator}");
        }
    }

    #[test]
    fn of_an_unknown_namespace_only_the_name_is_known() {
        let shop = Labels::NamespaceNamed("shop");
        assert_eq!(expression(NAMESPACE_NAME_LABEL, "In", &["shop"]).admits(shop), Truth::Yes);
        assert_eq!(expression(NAMESPACE_NAME_LABEL, "In", &["dev"]).admits(shop), Truth::No);
        let unknown = Truth::Unknown(Fact::PeerNamespaceLabels);
        assert_eq!(expression("team", "DoesNotExist", &[]).admits(shop), unknown);
        assert_eq!(Selector::default().admits(shop), Truth::Yes);
    }
}
