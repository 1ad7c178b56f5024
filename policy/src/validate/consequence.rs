//! What a policy says without a key that is no field, where that is not what was meant.

use super::fields::Type;
use serde_json::{Map, Value};

/// The consequence of leaving a field out of an object of this type; `None` where it is there as well,
/// or where only less is admitted.
pub(super) fn without(of: &Type, object: &Map<String, Value>, field: &str) -> Option<&'static str> {
    let says = |field: &str| object.get(field).is_some_and(|value| !is_empty(value));
    let knows = |field: &str| of.get(field).is_some();
    let field = turned(of, field);
    if !knows(field) || says(field) {
        return None;
    }
    match field {
        "spec" if of.holders_of("policyTypes") == ["spec"] => {
            Some("the policy selects every pod of the namespace")
        }
        "from" | "to" if !knows("action") => Some("the rule admits anybody"),
        "from" | "to" => Some("the rule matches nobody"),
        "ports" | "protocols" => Some("the rule is for every port"),
        "port" if knows("endPort") => Some("the entry is for every port"),
        "except" => Some("no address is excepted"),
        "podSelector" if knows("policyTypes") => Some("the policy selects every pod of the namespace"),
        "podSelector" if object.contains_key("namespaceSelector") => {
            Some("the peer matches every pod of the namespaces")
        }
        "matchLabels" | "matchExpressions" if !says("matchLabels") && !says("matchExpressions") => {
            Some("the selector matches everything")
        }
        "matchLabels" | "matchExpressions" => Some("the selector matches more than was meant"),
        "egress" if knows("podSelector") && !says("policyTypes") => {
            Some("the policy does not isolate egress")
        }
        _ => None,
    }
}

/// The peers of the other direction stand for those of this one.
fn turned<'a>(of: &Type, field: &'a str) -> &'a str {
    match field {
        "from" if of.get("to").is_some() => "to",
        "to" if of.get("from").is_some() => "from",
        field => field,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(entries) => entries.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
