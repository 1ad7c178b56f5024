//! Sets of fields: who wrote what, as `managedFields` records it.
//!
//! A path is a list of `f:name`, `k:{"name":"x"}` and `v:"x"` steps; a set is the paths of its leaves and
//! of its list items. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::kinds::KindRef;
use super::shape::{Shape, is_atomic_map, key_default, list_shape};

/// Steps from the object to a field.
pub(super) type Path = Vec<String>;

/// Paths of leaves and list items.
pub(super) type FieldSet = BTreeSet<Path>;

/// Metadata that people write; the rest belongs to the server.
const OWNED_METADATA: [&str; 4] = ["labels", "annotations", "finalizers", "ownerReferences"];

/// Every field of an object that can have an owner.
pub(super) fn fields_of(kind: KindRef, object: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    let Some(map) = object.as_object() else { return set };
    for (name, value) in map {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if OWNED_METADATA.contains(&name.as_str()) {
                        collect(kind, value, vec!["f:metadata".to_owned(), format!("f:{name}")], &mut set);
                    }
                }
            }
            _ => collect(kind, value, vec![format!("f:{name}")], &mut set),
        }
    }
    set
}

fn collect(kind: KindRef, value: &Value, path: Path, set: &mut FieldSet) {
    let (parent, field) = names(&path);
    match value {
        Value::Object(map) if !map.is_empty() && !is_atomic_map(field) => {
            for (name, value) in map {
                collect(kind, value, step(&path, format!("f:{name}")), set);
            }
        }
        Value::Array(items) => match list_shape(kind, parent, field) {
            Shape::Keyed(keys) if !items.is_empty() => {
                for item in items {
                    let at = step(&path, key_step(keys, item));
                    set.insert(at.clone());
                    collect(kind, item, at, set);
                }
            }
            Shape::Set if !items.is_empty() => {
                set.extend(items.iter().map(|item| step(&path, format!("v:{item}"))));
            }
            _ => drop(set.insert(path)),
        },
        _ => drop(set.insert(path)),
    }
}

fn step(path: &Path, next: String) -> Path {
    let mut longer = path.clone();
    longer.push(next);
    longer
}

/// The names of the last two fields of a path; items count for their list.
fn names(path: &Path) -> (&str, &str) {
    let mut fields = path.iter().rev().filter_map(|step| step.strip_prefix("f:"));
    let field = fields.next().unwrap_or_default();
    (fields.next().unwrap_or_default(), field)
}

/// The `k:` step of a list item.
pub(super) fn key_step(keys: &[&str], item: &Value) -> String {
    let key: Map<String, Value> =
        keys.iter().filter_map(|key| Some(((*key).to_owned(), key_value(item, key)?))).collect();
    format!("k:{}", Value::Object(key))
}

fn key_value(item: &Value, key: &str) -> Option<Value> {
    item.get(key).cloned().or_else(|| key_default(key).map(|text| json!(text)))
}

fn item_index(items: &[Value], step: &str) -> Option<usize> {
    if let Some(value) = step.strip_prefix("v:") {
        let value: Value = serde_json::from_str(value).ok()?;
        return items.iter().position(|item| *item == value);
    }
    let key: Map<String, Value> = serde_json::from_str(step.strip_prefix("k:")?).ok()?;
    items
        .iter()
        .position(|item| key.iter().all(|(name, value)| key_value(item, name).as_ref() == Some(value)))
}

/// Whether a path is a field that its list item is known by.
pub(super) fn is_key_field(path: &Path) -> bool {
    let [.., item, field] = path.as_slice() else { return false };
    let key = item.strip_prefix("k:").and_then(|key| serde_json::from_str::<Map<String, Value>>(key).ok());
    field.strip_prefix("f:").is_some_and(|name| key.is_some_and(|key| key.contains_key(name)))
}

/// The value at a path.
pub(super) fn value_at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |at, step| match (at, step.strip_prefix("f:")) {
        (Value::Object(map), Some(name)) => map.get(name),
        (Value::Array(items), None) => items.get(item_index(items, step)?),
        _ => None,
    })
}

/// Removes what a path names, and the maps and lists that are empty after it.
pub(super) fn remove_at(object: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    match (object, first.strip_prefix("f:")) {
        (Value::Object(map), Some(name)) => {
            let Some(inner) = map.get_mut(name) else { return };
            remove_at(inner, rest);
            if rest.is_empty() || is_empty(inner) {
                map.remove(name);
            }
        }
        (Value::Array(items), None) => {
            let Some(index) = item_index(items, first) else { return };
            if rest.is_empty() {
                items.remove(index);
            } else {
                remove_at(&mut items[index], rest);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The nested form of a set, as `fieldsV1` carries it.
pub(super) fn to_fields_v1(set: &FieldSet) -> Value {
    let mut root = json!({});
    for path in set {
        let mut at = &mut root;
        for step in path {
            at = &mut at[step.as_str()];
            if at.is_null() {
                *at = json!({});
            }
        }
        if path.last().is_some_and(|step| step.starts_with("k:")) {
            at["."] = json!({});
        }
    }
    root
}

/// The set of a nested form.
pub(super) fn from_fields_v1(value: &Value) -> FieldSet {
    let mut set = FieldSet::new();
    flatten(value, &mut Vec::new(), &mut set);
    set
}

fn flatten(value: &Value, path: &mut Path, set: &mut FieldSet) {
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
        if !path.is_empty() {
            set.insert(path.clone());
        }
        return;
    };
    for (step, inner) in map {
        if step == "." {
            set.insert(path.clone());
            continue;
        }
        path.push(step.clone());
        flatten(inner, path, set);
        path.pop();
    }
}

/// A path as conflict messages print it: `.spec.containers[name="web"].image`.
pub(super) fn printed(path: &Path) -> String {
    path.iter().map(|step| printed_step(step)).collect()
}

fn printed_step(step: &str) -> String {
    if let Some(name) = step.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(Ok(Value::Object(key))) = step.strip_prefix("k:").map(serde_json::from_str) {
        let pairs: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
        return format!("[{}]", pairs.join(","));
    }
    format!("[={}]", step.trim_start_matches("v:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> (KindRef, Value) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "uid": "u", "labels": {"app": "web"}, "finalizers": ["x/y"]},
            "spec": {"nodeName": "n1", "containers": [
                {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]},
        });
        (KindRef::by_name("pods").unwrap(), pod)
    }

    #[test]
    fn fields_are_leaves_and_items_without_the_servers_own() {
        let (kind, pod) = pod();
        let printed: Vec<String> = fields_of(kind, &pod).iter().map(printed).collect();
        assert_eq!(
            printed,
            [
                ".metadata.finalizers[=\"x/y\"]",
                ".metadata.labels.app",
                ".spec.containers[name=\"web\"]",
                ".spec.containers[name=\"web\"].image",
                ".spec.containers[name=\"web\"].name",
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"]",
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
                ".spec.nodeName",
            ]
        );
    }

    #[test]
    fn the_nested_form_comes_back_as_the_same_set() {
        let (kind, pod) = pod();
        let set = fields_of(kind, &pod);
        assert_eq!(from_fields_v1(&to_fields_v1(&set)), set);
    }

    #[test]
    fn every_field_can_be_found_and_removed() {
        let (kind, mut pod) = pod();
        let set = fields_of(kind, &pod);
        for path in &set {
            assert!(value_at(&pod, path).is_some(), "{path:?}");
        }
        for path in &set {
            remove_at(&mut pod, path);
        }
        assert!(fields_of(kind, &pod).is_empty(), "{pod}");
    }

    #[test]
    fn the_name_of_a_container_is_a_key_field_and_its_image_not() {
        let (kind, pod) = pod();
        let keys: Vec<String> =
            fields_of(kind, &pod).iter().filter(|path| is_key_field(path)).map(printed).collect();
        assert_eq!(
            keys,
            [
                ".spec.containers[name=\"web\"].name",
                ".spec.containers[name=\"web\"].ports[containerPort=80,protocol=\"TCP\"].containerPort",
            ]
        );
    }

    #[test]
    fn a_network_policy_rule_list_is_one_field() {
        let kind = KindRef::by_name("netpol").unwrap();
        let policy = json!({"spec": {"podSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"from": []}]}});
        let printed: Vec<String> = fields_of(kind, &policy).iter().map(printed).collect();
        assert_eq!(printed, [".spec.ingress", ".spec.podSelector"]);
    }
}
