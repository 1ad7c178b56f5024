//! Field validation: an object must decode as its kind; fields that the kind does not know are named.

use serde_json::Value;

use super::admission::Strictness;
use super::error::ApiError;
use super::kinds::KindRef;

/// Removes nulls, which Kubernetes reads as absent.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, inner| !inner.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Checks an object against its type. The answer is warnings about unknown fields.
pub(super) fn check(kind: KindRef, object: &Value, strictness: Strictness) -> Result<Vec<String>, ApiError> {
    let refused = |why: &str| {
        ApiError::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {why}",
            kind.kind, kind.version, kind.kind
        ))
    };
    let Some(decoded) = kind.round_trip(object) else { return Ok(Vec::new()) };
    let decoded = decoded.map_err(|why| refused(&why))?;
    if strictness == Strictness::Ignore {
        return Ok(Vec::new());
    }
    let mut unknown = Vec::new();
    find_unknown(object, &decoded, "", &mut unknown);
    let named: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    if strictness == Strictness::Strict && !named.is_empty() {
        return Err(refused(&format!("strict decoding error: {}", named.join(", "))));
    }
    Ok(named)
}

fn find_unknown(given: &Value, decoded: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, decoded) {
        (Value::Object(given), Value::Object(decoded)) => {
            for (name, value) in given {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match decoded.get(name) {
                    Some(known) => find_unknown(value, known, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(decoded)) => {
            for (index, (value, known)) in given.iter().zip(decoded).enumerate() {
                find_unknown(value, known, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policies() -> KindRef {
        KindRef::by_name("netpol").unwrap()
    }

    #[test]
    fn unknown_fields_are_named_with_their_path() {
        let policy = json!({"spec": {"podSelector": {}, "ingress": [{"form": []}]}});
        let warnings = check(policies(), &policy, Strictness::Warn).unwrap();
        assert_eq!(warnings, ["unknown field \"spec.ingress[0].form\""]);
        let refused = check(policies(), &policy, Strictness::Strict).unwrap_err();
        assert_eq!(refused.code, 400);
        assert!(refused.message.contains("strict decoding error"), "{refused}");
    }

    #[test]
    fn a_wrong_type_is_refused_with_its_path() {
        let policy = json!({"spec": {"podSelector": {}, "ingress": "all"}});
        let refused = check(policies(), &policy, Strictness::Ignore).unwrap_err();
        assert!(refused.message.contains("spec.ingress"), "{refused}");
    }

    #[test]
    fn nulls_are_absent() {
        let mut value = json!({"a": null, "b": [{"c": null, "d": 1}]});
        drop_nulls(&mut value);
        assert_eq!(value, json!({"b": [{"d": 1}]}));
    }
}
