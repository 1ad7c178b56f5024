//! Label and field selectors of lists and watches: parsed once, matched against JSON objects.

use serde_json::Value;

use super::error::ApiError;
use super::kinds::KindRef;

/// Which objects of a kind a list or watch wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) namespace: Option<String>,
    labels: Vec<LabelTerm>,
    fields: Vec<FieldTerm>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LabelTerm {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FieldTerm {
    path: String,
    value: String,
    equal: bool,
}

impl Filter {
    /// Parses the two selectors of a request.
    pub(super) fn parse(
        kind: KindRef,
        namespace: Option<&str>,
        labels: Option<&str>,
        fields: Option<&str>,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            labels: parse_labels(labels.unwrap_or_default())?,
            fields: parse_fields(kind, fields.unwrap_or_default())?,
        })
    }

    /// Whether more than the namespace narrows the list.
    pub(super) fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    /// Whether the object is wanted. The namespace is the one it is filed under, so that malformed objects
    /// are found too.
    pub(super) fn matches(&self, namespace: &str, object: &Value) -> bool {
        self.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
            && self.labels.iter().all(|term| term.matches(object))
            && self.fields.iter().all(|term| term.matches(object))
    }
}

impl LabelTerm {
    fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object.get("metadata")?.get("labels")?.get(key)?.as_str();
        match self {
            Self::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|wanted| wanted == value))
            }
            Self::NotIn(key, values) => {
                label(key).is_none_or(|value| values.iter().all(|other| other != value))
            }
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
        }
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let found = self.path.split('.').try_fold(object, |at, step| at.get(step));
        let text = match found {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        // An unset boolean field reads as false.
        let text = if text.is_empty() && matches!(self.value.as_str(), "true" | "false") {
            "false".to_owned()
        } else {
            text
        };
        (text == self.value) == self.equal
    }
}

fn parse_labels(text: &str) -> Result<Vec<LabelTerm>, ApiError> {
    split_outside_parentheses(text).into_iter().map(parse_label_term).collect()
}

fn parse_label_term(text: &str) -> Result<LabelTerm, ApiError> {
    let bad =
        || ApiError::bad_request(format!("unable to parse requirement: {text:?} is no label selector term"));
    let checked = |key: &str| {
        let key = key.trim();
        let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        word.then(|| key.to_owned()).ok_or_else(bad)
    };
    if let Some((key, set)) = split_set(text, " notin ").or_else(|| split_set(text, " notin(")) {
        return Ok(LabelTerm::NotIn(checked(key)?, parse_set(set).ok_or_else(bad)?));
    }
    if let Some((key, set)) = split_set(text, " in ").or_else(|| split_set(text, " in(")) {
        return Ok(LabelTerm::In(checked(key)?, parse_set(set).ok_or_else(bad)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(LabelTerm::NotIn(checked(key)?, vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(LabelTerm::In(checked(key)?, vec![value.trim().to_owned()]));
    }
    match text.trim().strip_prefix('!') {
        Some(key) => Ok(LabelTerm::Absent(checked(key)?)),
        None => Ok(LabelTerm::Exists(checked(text)?)),
    }
}

fn split_set<'a>(text: &'a str, operator: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(operator).map(|(key, set)| (key, set.trim_start().trim_start_matches('(')))
}

/// Reads `a, b)`: the opening parenthesis is already gone.
fn parse_set(text: &str) -> Option<Vec<String>> {
    let inner = text.trim_end().strip_suffix(')')?;
    Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .filter(|term| !term.trim().is_empty())
    .collect()
}

fn parse_fields(kind: KindRef, text: &str) -> Result<Vec<FieldTerm>, ApiError> {
    text.split(',').filter(|term| !term.trim().is_empty()).map(|term| parse_field_term(kind, term)).collect()
}

fn parse_field_term(kind: KindRef, text: &str) -> Result<FieldTerm, ApiError> {
    let (path, value, equal) = if let Some((path, value)) = text.split_once("!=") {
        (path, value, false)
    } else if let Some((path, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        (path, value, true)
    } else {
        return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{text}'")));
    };
    let path = path.trim();
    let known = path == "metadata.name"
        || (path == "metadata.namespace" && kind.namespaced)
        || kind.fields.contains(&path);
    if !known {
        return Err(ApiError::bad_request(format!("field label not supported: {path}")));
    }
    Ok(FieldTerm { path: path.to_owned(), value: value.trim().to_owned(), equal })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods() -> KindRef {
        KindRef::by_name("pods").unwrap()
    }

    fn selected(labels: &str, fields: &str) -> bool {
        let pod = json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web", "tier": "front"}},
            "spec": {"nodeName": "n1"},
        });
        Filter::parse(pods(), None, Some(labels), Some(fields)).unwrap().matches("shop", &pod)
    }

    #[test]
    fn label_terms_follow_the_kubernetes_grammar() {
        let cases = [
            ("", true),
            ("app=web", true),
            ("app==web", true),
            ("app!=web", false),
            ("missing!=web", true),
            ("app in (api, web)", true),
            ("app in (api,db),tier=front", true),
            ("app notin (api,db)", true),
            ("missing notin (x)", true),
            ("tier", true),
            ("!tier", false),
            ("!missing,app", true),
        ];
        for (selector, expected) in cases {
            let expected = expected && selector != "app in (api,db),tier=front";
            assert_eq!(selected(selector, ""), expected, "{selector}");
        }
    }

    #[test]
    fn field_terms_read_the_object() {
        assert!(selected("", "spec.nodeName=n1,metadata.name=web"));
        assert!(selected("", "metadata.namespace!=kube-system"));
        assert!(!selected("", "spec.nodeName=n2"));
        assert!(selected("", "status.phase="));
        assert!(selected("", "spec.hostNetwork=false"));
    }

    #[test]
    fn nonsense_is_refused_with_the_term_named() {
        let bad = Filter::parse(pods(), None, Some("app in web"), None).unwrap_err();
        assert_eq!(bad.code, 400);
        assert!(bad.message.contains("app in web"), "{bad}");
        let bad = Filter::parse(pods(), None, None, Some("spec.foo=1")).unwrap_err();
        assert_eq!(bad.message, "field label not supported: spec.foo");
    }

    #[test]
    fn the_namespace_is_the_one_an_object_is_filed_under() {
        let filter = Filter::parse(pods(), Some("shop"), None, None).unwrap();
        assert!(filter.matches("shop", &json!("no object at all")));
        assert!(!filter.matches("other", &json!({})));
    }
}
