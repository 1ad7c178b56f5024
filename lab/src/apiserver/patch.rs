//! Patches: JSON merge patch, JSON patch and strategic merge patch, applied to the live object. Pure.
//!
//! Server-side apply is in [`super::managed`]; here it is only carried.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::error::ApiError;
use super::fields::key_step;
use super::kinds::KindRef;
use super::shape::{Shape, list_shape};

/// A patch as its content type says.
#[derive(Debug, Clone)]
pub(super) enum Patch {
    /// `application/json-patch+json`
    Json(json_patch::Patch),
    /// `application/merge-patch+json`
    Merge(Value),
    /// `application/strategic-merge-patch+json`
    Strategic(Value),
    /// `application/apply-patch+yaml`
    Apply { config: Value, force: bool },
}

/// The object after a patch.
pub(super) fn patched(kind: KindRef, live: &Value, patch: &Patch) -> Result<Value, ApiError> {
    let mut object = live.clone();
    match patch {
        Patch::Json(operations) => {
            json_patch::patch(&mut object, operations).map_err(|err| {
                let mut refused = ApiError::bad_request(format!("the JSON patch cannot be applied: {err}"));
                (refused.code, refused.reason) = (422, "Invalid");
                refused
            })?;
        }
        Patch::Merge(change) => json_patch::merge(&mut object, change),
        Patch::Strategic(change) => {
            if kind.is_custom() {
                let supported =
                    "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
                return Err(ApiError::unsupported_media("application/strategic-merge-patch+json", supported));
            }
            strategic_merge(kind, &mut object, change, &mut Vec::new());
        }
        Patch::Apply { config, .. } => object.clone_from(config),
    }
    Ok(object)
}

const DIRECTIVE: &str = "$patch";
const DELETE_VALUES: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";
const RETAIN: &str = "$retainKeys";

fn strategic_merge(kind: KindRef, live: &mut Value, change: &Value, path: &mut Vec<String>) {
    let Some(change) = change.as_object() else {
        live.clone_from(change);
        return;
    };
    let replace = change.get(DIRECTIVE).is_some_and(|directive| directive == "replace");
    if replace || !live.is_object() {
        *live = Value::Object(Map::new());
    }
    let Some(map) = live.as_object_mut() else { return };
    if let Some(retained) = change.get(RETAIN).and_then(Value::as_array) {
        map.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, value) in change.iter().filter(|(name, _)| !name.starts_with('$')) {
        path.push(name.clone());
        merge_field(kind, map, name, value, path);
        path.pop();
    }
    apply_list_directives(kind, map, change, path);
}

fn merge_field(
    kind: KindRef,
    map: &mut Map<String, Value>,
    name: &str,
    value: &Value,
    path: &mut Vec<String>,
) {
    match value {
        Value::Null => drop(map.remove(name)),
        Value::Object(inner) if inner.get(DIRECTIVE).is_some_and(|directive| directive == "delete") => {
            map.remove(name);
        }
        Value::Object(_) => {
            let live = map.entry(name).or_insert_with(|| Value::Object(Map::new()));
            strategic_merge(kind, live, value, path);
        }
        Value::Array(items) => {
            let live = map.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            merge_list(kind, live, items, path);
        }
        _ => drop(map.insert(name.to_owned(), value.clone())),
    }
}

fn shape_at(kind: KindRef, path: &[String]) -> Shape {
    let mut names = path.iter().rev();
    let field = names.next().map_or("", String::as_str);
    list_shape(kind, names.next().map_or("", String::as_str), field)
}

fn merge_list(kind: KindRef, live: &mut Value, items: &[Value], path: &mut Vec<String>) {
    let shape = shape_at(kind, path);
    let Some(list) = live.as_array_mut() else {
        *live = Value::Array(items.to_vec());
        return;
    };
    match shape {
        Shape::Atomic => *list = items.to_vec(),
        Shape::Set => {
            let new: Vec<Value> = items.iter().filter(|item| !list.contains(item)).cloned().collect();
            list.extend(new);
        }
        Shape::Keyed(keys) => merge_keyed(kind, list, items, &keys[..1], path),
    }
}

fn merge_keyed(kind: KindRef, list: &mut Vec<Value>, items: &[Value], key: &[&str], path: &mut Vec<String>) {
    if items.iter().any(|item| item.get(DIRECTIVE).is_some_and(|directive| directive == "replace")) {
        list.clear();
    }
    for item in items {
        let directive = item.get(DIRECTIVE).and_then(Value::as_str);
        let wanted = key_step(key, item);
        let found = list.iter().position(|old| key_step(key, old) == wanted);
        match (directive, found) {
            (Some("replace"), _) if item.as_object().is_some_and(|map| map.len() == 1) => {}
            (Some("delete"), Some(index)) => drop(list.remove(index)),
            (Some("delete"), None) => {}
            (_, Some(index)) => strategic_merge(kind, &mut list[index], item, path),
            (_, None) => {
                let mut new = Value::Object(Map::new());
                strategic_merge(kind, &mut new, item, path);
                list.push(new);
            }
        }
    }
}

/// `$deleteFromPrimitiveList/x` and `$setElementOrder/x` speak of the neighbouring list `x`.
fn apply_list_directives(
    kind: KindRef,
    map: &mut Map<String, Value>,
    change: &Map<String, Value>,
    path: &mut Vec<String>,
) {
    for (name, value) in change {
        let Some(named) = value.as_array() else { continue };
        if let Some(list) = name.strip_prefix(DELETE_VALUES).and_then(|field| map.get_mut(field)) {
            if let Some(list) = list.as_array_mut() {
                list.retain(|item| !named.contains(item));
            }
        } else if let Some(field) = name.strip_prefix(ORDER) {
            path.push(field.to_owned());
            let shape = shape_at(kind, path);
            path.pop();
            if let Some(list) = map.get_mut(field).and_then(Value::as_array_mut) {
                order(list, named, shape);
            }
        }
    }
}

/// Puts the named items into the named order; the others keep their places behind them.
fn order(list: &mut [Value], named: &[Value], shape: Shape) {
    let rank = |item: &Value| match shape {
        Shape::Keyed(keys) => {
            named.iter().position(|other| key_step(&keys[..1], other) == key_step(&keys[..1], item))
        }
        _ => named.iter().position(|other| other == item),
    };
    list.sort_by(|a, b| match (rank(a), rank(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strategic(kind: &str, live: &Value, change: Value) -> Value {
        patched(KindRef::by_name(kind).unwrap(), live, &Patch::Strategic(change)).unwrap()
    }

    #[test]
    fn containers_merge_by_name_and_can_be_deleted() {
        let live =
            json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}});
        let change = json!({"spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "a:2"}, {"name": "b", "$patch": "delete"}, {"name": "c", "image": "c:1"}]}});
        assert_eq!(
            strategic("pods", &live, change),
            json!({"spec": {"containers": [{"name": "c", "image": "c:1"}, {"name": "a", "image": "a:2"}]}})
        );
    }

    #[test]
    fn policy_rules_are_replaced_as_one() {
        let live = json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}, {}]}});
        let change = json!({"spec": {"ingress": [{"ports": [{"port": 81}]}]}});
        assert_eq!(
            strategic("netpol", &live, change),
            json!({"spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 81}]}]}})
        );
    }

    #[test]
    fn service_ports_merge_by_number() {
        let live = json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}});
        let change = json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 443}]}});
        assert_eq!(
            strategic("svc", &live, change),
            json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}, {"port": 443}]}})
        );
    }

    #[test]
    fn nulls_delete_and_directives_replace() {
        let live = json!({"metadata": {"labels": {"a": "1", "b": "2"}, "finalizers": ["x/y", "x/z"]}});
        let change = json!({"metadata": {
            "labels": {"$patch": "replace", "c": "3"}, "$deleteFromPrimitiveList/finalizers": ["x/y"]}});
        assert_eq!(
            strategic("pods", &live, change),
            json!({"metadata": {"labels": {"c": "3"}, "finalizers": ["x/z"]}})
        );
        let change = json!({"metadata": {"labels": {"a": null}}});
        assert_eq!(strategic("pods", &live, change)["metadata"]["labels"], json!({"b": "2"}));
    }

    #[test]
    fn custom_kinds_know_no_strategic_merge() {
        let kind = KindRef::by_name("anp").unwrap();
        let refused = patched(kind, &json!({}), &Patch::Strategic(json!({}))).unwrap_err();
        assert_eq!(refused.code, 415);
    }

    #[test]
    fn a_json_patch_that_does_not_fit_is_invalid() {
        let patch: json_patch::Patch =
            serde_json::from_value(json!([{"op": "remove", "path": "/nowhere"}])).unwrap();
        let refused =
            patched(KindRef::by_name("pods").unwrap(), &json!({}), &Patch::Json(patch)).unwrap_err();
        assert_eq!((refused.code, refused.reason), (422, "Invalid"));
    }
}
