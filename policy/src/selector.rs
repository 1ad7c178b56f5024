//! Label selectors, compiled once: which labels they match (N7–N10).

use crate::{
    fingerprint::Fingerprint,
    labels::Labels,
    marks::Marks,
    truth::{Fact, Truth},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeSet;

/// A compiled label selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Selector {
    /// Without requirements it matches everything (N7).
    #[default]
    All,
    /// One label with one value: what most selectors are.
    Label { key: Fingerprint, pair: Fingerprint },
    /// All of these must hold (N8).
    Requirements(Box<[Requirement]>),
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// The key has one of these values.
    In { key: Fingerprint, pairs: Box<[Fingerprint]> },
    /// The key is absent or has none of these values.
    NotIn { key: Fingerprint, pairs: Box<[Fingerprint]> },
    /// The key is present.
    Exists(Fingerprint),
    /// The key is absent.
    DoesNotExist(Fingerprint),
    /// An unknown operator, or one whose values the API rejects (§8).
    Invalid,
}

impl Selector {
    /// Compiles `matchLabels` and `matchExpressions`.
    pub(crate) fn compile(selector: &LabelSelector) -> Self {
        let labels = selector.match_labels.iter().flatten();
        let labels = labels.map(|(key, value)| Requirement::equals(key, value));
        let expressions = selector.match_expressions.iter().flatten().map(Requirement::compile);
        labels.chain(expressions).collect()
    }

    /// Whether the labels are matched in a place that admits: an invalid condition matches nothing (§8).
    pub(crate) fn admits(&self, labels: Labels<'_>) -> Truth {
        self.matches(labels, Truth::No)
    }

    /// Whether the labels are matched in a place that selects whom a policy is about: an invalid
    /// condition leaves that unknown (§8).
    pub(crate) fn selects(&self, labels: Labels<'_>) -> Truth {
        self.matches(labels, Truth::Unknown(Fact::Subject))
    }

    /// The marks of the labels that whoever it matches has.
    pub(crate) fn needs(&self) -> Marks {
        match self {
            Self::All => Marks::NONE,
            Self::Label { pair, .. } => Marks::of(*pair),
            Self::Requirements(requirements) => requirements.iter().map(Requirement::needs).collect(),
        }
    }

    fn matches(&self, labels: Labels<'_>, invalid: Truth) -> Truth {
        match self {
            Self::All => Truth::Yes,
            Self::Label { key, pair } => labels.is_one_of(*key, std::slice::from_ref(pair)),
            Self::Requirements(requirements) => {
                Truth::all(requirements.iter().map(|requirement| requirement.matches(labels, invalid)))
            }
        }
    }
}

impl FromIterator<Requirement> for Selector {
    fn from_iter<I: IntoIterator<Item = Requirement>>(requirements: I) -> Self {
        let requirements: Box<[Requirement]> = requirements.into_iter().collect();
        match &*requirements {
            [] => Self::All,
            [Requirement::In { key, pairs }] if pairs.len() == 1 => Self::Label { key: *key, pair: pairs[0] },
            _ => Self::Requirements(requirements),
        }
    }
}

impl Requirement {
    fn needs(&self) -> Marks {
        match self {
            Self::In { pairs, .. } if pairs.len() == 1 => Marks::of(pairs[0]),
            _ => Marks::NONE,
        }
    }

    /// A label of `matchLabels`; the empty value is a value (N8).
    pub(crate) fn equals(key: &str, value: &str) -> Self {
        Self::In { key: Fingerprint::of(key), pairs: Box::new([Fingerprint::of_pair(key, value)]) }
    }

    /// An expression of `matchExpressions`.
    pub(crate) fn compile(requirement: &LabelSelectorRequirement) -> Self {
        let name = requirement.key.as_str();
        let key = Fingerprint::of(name);
        let values = requirement.values.as_deref().unwrap_or_default();
        let pairs = || {
            let each_once: BTreeSet<&String> = values.iter().collect();
            each_once.into_iter().map(|value| Fingerprint::of_pair(name, value)).collect()
        };
        match (requirement.operator.as_str(), values.is_empty()) {
            _ if name.is_empty() => Self::Invalid,
            ("In", false) => Self::In { key, pairs: pairs() },
            ("NotIn", false) => Self::NotIn { key, pairs: pairs() },
            ("Exists", true) => Self::Exists(key),
            ("DoesNotExist", true) => Self::DoesNotExist(key),
            _ => Self::Invalid,
        }
    }

    /// N9: `NotIn` holds for an absent key, `In` does not. `invalid` is what an invalid one says.
    pub(crate) fn matches(&self, labels: Labels<'_>, invalid: Truth) -> Truth {
        match self {
            Self::In { key, pairs } => labels.is_one_of(*key, pairs),
            Self::NotIn { key, pairs } => labels.is_one_of(*key, pairs).not(),
            Self::Exists(key) => labels.has(*key),
            Self::DoesNotExist(key) => labels.has(*key).not(),
            Self::Invalid => invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::{LabelSet, NAMESPACE_NAME_LABEL};

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
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
        assert_eq!(Selector::default().admits(Labels::Known(labels(&[]).prints())), Truth::Yes);
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
            assert_eq!(selector.admits(Labels::Known(web.prints())), expected, "{key} {operator} {values:?}");
            assert_eq!(
                selector.selects(Labels::Known(web.prints())),
                expected,
                "{key} {operator} {values:?}"
            );
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
            let known = Labels::Known(web.prints());
            assert_eq!(selector.admits(known), Truth::No, "{key} {operator} {values:?}");
            assert_eq!(selector.selects(known), Truth::Unknown(Fact::Subject), "{operator}");
        }
    }

    #[test]
    fn of_an_unknown_namespace_only_the_name_is_known() {
        let shop = Labels::NamespaceNamed(Fingerprint::of_pair(NAMESPACE_NAME_LABEL, "shop"));
        assert_eq!(expression(NAMESPACE_NAME_LABEL, "In", &["shop"]).admits(shop), Truth::Yes);
        assert_eq!(expression(NAMESPACE_NAME_LABEL, "In", &["dev"]).admits(shop), Truth::No);
        assert_eq!(expression(NAMESPACE_NAME_LABEL, "Exists", &[]).admits(shop), Truth::Yes);
        let unknown = Truth::Unknown(Fact::PeerNamespaceLabels);
        assert_eq!(expression("team", "DoesNotExist", &[]).admits(shop), unknown);
        assert_eq!(expression("team", "NotIn", &["a"]).admits(shop), unknown);
        assert_eq!(Selector::default().admits(shop), Truth::Yes);
    }
}
