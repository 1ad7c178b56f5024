//! Label selectors in words, and their conditions that do not hold.

use super::{Condition, Unmet, likeness::close};
use crate::{
    labels::{Labels, NAMESPACE_NAME_LABEL},
    selector::Requirement,
    shown::listed,
    truth::Truth,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use std::{borrow::Cow, collections::BTreeMap};

/// Whose labels a selector is asked about.
pub(super) struct Bearer<'a> {
    pub(super) condition: Condition,
    /// `pod`, `namespace shop`, `node n1`.
    pub(super) name: &'a str,
    pub(super) labels: Labels<'a>,
    /// The labels as text, as far as they are known.
    pub(super) text: Option<&'a BTreeMap<String, String>>,
    /// Who wants the labels: `rule`, `podSelector`.
    pub(super) wanted_by: &'a str,
    /// Where the selector is written.
    pub(super) field: &'a str,
}

/// One condition as it was written.
struct Written<'a> {
    key: &'a str,
    operator: &'a str,
    values: Cow<'a, [String]>,
}

/// The conditions that do not hold, in the order in which they are written.
pub(super) fn unmet(selector: &LabelSelector, bearer: &Bearer<'_>) -> Vec<Unmet> {
    conditions(selector)
        .filter(|(_, compiled)| compiled.matches(bearer.labels, Truth::No) == Truth::No)
        .map(|(written, compiled)| match compiled {
            Requirement::Invalid => bearer.invalid(&written),
            _ => bearer.unmet(&written),
        })
        .collect()
}

/// Whether every condition holds for certain.
pub(super) fn holds(selector: &LabelSelector, labels: Labels<'_>) -> bool {
    conditions(selector).all(|(_, compiled)| compiled.matches(labels, Truth::No) == Truth::Yes)
}

/// How many conditions a selector has.
pub(super) fn count(selector: &LabelSelector) -> usize {
    conditions(selector).count()
}

/// `app=db, tier in (a, b)`; `None` for a selector without conditions.
pub(super) fn words(selector: Option<&LabelSelector>) -> Option<String> {
    let wants: Vec<String> =
        selector.into_iter().flat_map(conditions).map(|(written, _)| written.wants()).collect();
    (!wants.is_empty()).then(|| wants.join(", "))
}

/// Each condition as it was written and as it is evaluated.
fn conditions(selector: &LabelSelector) -> impl Iterator<Item = (Written<'_>, Requirement)> {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| {
        let values = Cow::Owned(vec![value.clone()]);
        (Written { key, operator: "In", values }, Requirement::equals(key, value))
    });
    let expressions = selector.match_expressions.iter().flatten();
    labels.chain(expressions.map(|expression| (Written::of(expression), Requirement::compile(expression))))
}

impl<'a> Written<'a> {
    fn of(expression: &'a LabelSelectorRequirement) -> Self {
        let values = Cow::Borrowed(expression.values.as_deref().unwrap_or_default());
        Self { key: &expression.key, operator: &expression.operator, values }
    }

    fn wants(&self) -> String {
        let key = self.key;
        match (self.operator, self.values.as_ref()) {
            ("In", [value]) => format!("{key}={value}"),
            ("NotIn", [value]) => format!("{key} other than {value}"),
            ("In", values) => format!("{key} in ({})", listed(values.iter())),
            ("NotIn", values) => format!("{key} not in ({})", listed(values.iter())),
            ("Exists", []) => format!("a label {key}"),
            ("DoesNotExist", []) => format!("no label {key}"),
            (operator, values) => format!("{key} {operator} ({})", listed(values.iter())),
        }
    }
}

impl Bearer<'_> {
    fn unmet(&self, written: &Written<'_>) -> Unmet {
        let value = self.text.and_then(|labels| labels.get(written.key));
        if written.key == NAMESPACE_NAME_LABEL && self.condition == Condition::Namespace {
            return self.wrong_namespace(written);
        }
        match value {
            Some(value) => self.wrong_value(written, value),
            None => self.absent(written),
        }
    }

    fn wrong_namespace(&self, written: &Written<'_>) -> Unmet {
        let name = self.name.strip_prefix("namespace ").unwrap_or(self.name);
        let close = if written.operator == "In" { closest(name, &written.values) } else { None };
        let words = match (written.operator, written.values.as_ref()) {
            ("In", [value]) => format!("namespace {value}"),
            ("In", values) => format!("a namespace of ({})", listed(values.iter())),
            _ => written.wants(),
        };
        let text = format!("the peer is in {}, {} wants {words}", self.name, self.wanted_by);
        self.build(Some(format!("{NAMESPACE_NAME_LABEL}={name}")), written.wants(), close, text)
    }

    fn wrong_value(&self, written: &Written<'_>, value: &str) -> Unmet {
        let has = format!("{}={value}", written.key);
        let close = if written.operator == "In" { closest(value, &written.values) } else { None };
        let wants = written.wants();
        let text = format!("{} label {has}, {} wants {wants}", self.name, self.wanted_by);
        self.build(Some(has), wants, close, text)
    }

    fn absent(&self, written: &Written<'_>) -> Unmet {
        let wants = written.wants();
        let text = format!("{} has no label {}, {} wants {wants}", self.name, written.key, self.wanted_by);
        let Some((key, value)) = self.text.and_then(|labels| similar(labels, written)) else {
            return self.build(None, wants, None, text);
        };
        let close = format!("it has {key}={value}");
        self.build(Some(format!("{key}={value}")), wants, Some(close), text)
    }

    fn invalid(&self, written: &Written<'_>) -> Unmet {
        let text = format!("the condition `{}` is not valid, so it matches nothing", written.wants());
        let unmet = self.build(None, written.wants(), None, text);
        Unmet { condition: Condition::Invalid, ..unmet }
    }

    fn build(&self, has: Option<String>, wants: String, close: Option<String>, text: String) -> Unmet {
        let text = match &close {
            Some(close) => format!("{text}: {close}"),
            None => text,
        };
        let field = self.field.to_owned();
        Unmet {
            condition: self.condition,
            field,
            has,
            wants: Some(wants),
            close,
            text,
            matches_nobody: false,
            hint: None,
        }
    }
}

/// How the wanted value that comes nearest differs.
fn closest(value: &str, wanted: &[String]) -> Option<String> {
    wanted.iter().find_map(|wanted| close(value, wanted))
}

/// A label that may be the wanted one under another key.
fn similar<'l>(
    labels: &'l BTreeMap<String, String>,
    written: &Written<'_>,
) -> Option<(&'l String, &'l String)> {
    let has_value = |value: &String| written.operator == "In" && written.values.contains(value);
    let alike = |key: &String| close(key, written.key).is_some();
    labels.iter().find(|(key, value)| alike(key) || has_value(value))
}
