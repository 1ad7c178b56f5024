//! Label selectors: operators, values and the syntax of keys.

use super::{Path, report::Report, syntax};
use crate::api;
use crate::shown::quote;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// What a selector is there for; an invalid condition means something else in each place (§8).
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// Whom a policy is about.
    Subject,
    /// Who may be at the other end.
    Peer,
}

impl Place {
    const fn effect(self) -> &'static str {
        match self {
            Self::Subject => "whom the policy selects is unknown",
            Self::Peer => "the selector matches nothing",
        }
    }
}

/// The effect of a key or value that no label can have.
const AS_WRITTEN: &str = "it is compared as written, and no valid label has it";

/// A selector of the Kubernetes API.
pub(super) fn check(report: &mut Report<'_>, at: &Path<'_>, selector: &LabelSelector, place: Place) {
    let labels = at.field("matchLabels");
    for (key, value) in selector.match_labels.iter().flatten() {
        check_key(report, &labels.key(key), key, AS_WRITTEN);
        check_value(report, &labels.key(key), value);
    }
    let expressions = at.field("matchExpressions");
    for (index, expression) in selector.match_expressions.iter().flatten().enumerate() {
        check_expression(report, &expressions.index(index), expression, place);
    }
}

/// A selector of the cluster-wide kinds; whoever calls it speaks of its unknown keys.
pub(super) fn check_known(
    report: &mut Report<'_>,
    at: &Path<'_>,
    selector: &api::LabelSelector,
    place: Place,
) {
    check(report, at, &selector.known(), place);
}

fn check_expression(
    report: &mut Report<'_>,
    at: &Path<'_>,
    expression: &LabelSelectorRequirement,
    place: Place,
) {
    let LabelSelectorRequirement { key, operator, values } = expression;
    let values = values.as_deref().unwrap_or_default();
    let key_effect = if key.is_empty() { place.effect() } else { AS_WRITTEN };
    check_key(report, &at.field("key"), key, key_effect);
    match (operator.as_str(), values.is_empty()) {
        ("In" | "NotIn", true) => {
            let problem = format!("operator {operator} without values");
            report.invalid(&at.field("values"), problem, "list at least one value", place.effect());
        }
        ("Exists" | "DoesNotExist", false) => {
            let problem = format!("operator {operator} with values such as {}", quote(&values[0]));
            let mend = "leave the values out, or write In or NotIn";
            report.invalid(&at.field("values"), problem, mend, place.effect());
        }
        ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
        _ => {
            let problem = format!("no operator: {}", quote(operator));
            let mend = "write In, NotIn, Exists or DoesNotExist";
            report.invalid(&at.field("operator"), problem, mend, place.effect());
        }
    }
    let list = at.field("values");
    for (index, value) in values.iter().enumerate() {
        check_value(report, &list.index(index), value);
    }
}

fn check_key(report: &mut Report<'_>, at: &Path<'_>, key: &str, effect: &str) {
    if let Err(problem) = syntax::label_key(key) {
        report.invalid(at, format!("label key {} {problem}", quote(key)), KEY_MEND, effect);
    }
}

fn check_value(report: &mut Report<'_>, at: &Path<'_>, value: &str) {
    if let Err(problem) = syntax::label_value(value) {
        report.invalid(at, format!("label value {} {problem}", quote(value)), VALUE_MEND, AS_WRITTEN);
    }
}

/// How to write a label key.
pub(super) const KEY_MEND: &str = "write a key such as `app` or `example.com/app`";
/// How to write a label value.
pub(super) const VALUE_MEND: &str = "write at most 63 letters, digits, `-`, `_` and `.`";
