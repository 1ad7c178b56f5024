//! Field ownership: keeps `managedFields` on every write and decides server-side apply.
//!
//! Pure; the state is the object's own `metadata.managedFields`.

use serde_json::{Value, json};

use super::error::ApiError;
use super::fields::{
    FieldSet, Path, fields_of, from_fields_v1, is_key_field, key_step, printed, remove_at, to_fields_v1,
    value_at,
};
use super::kinds::KindRef;
use super::meta;
use super::shape::{Shape, is_atomic_map, list_shape};

/// One manager and its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    manager: String,
    operation: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

/// Who writes: name, way, and part of the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) manager: &'a str,
    pub(super) subresource: &'a str,
    /// Time of the write as it is printed.
    pub(super) time: &'a str,
}

impl Owner {
    fn new(writer: Writer<'_>, operation: &str, fields: FieldSet) -> Self {
        Self {
            manager: writer.manager.to_owned(),
            operation: operation.to_owned(),
            subresource: writer.subresource.to_owned(),
            time: writer.time.to_owned(),
            fields,
        }
    }

    fn is(&self, writer: Writer<'_>, operation: &str) -> bool {
        self.manager == writer.manager
            && self.operation == operation
            && self.subresource == writer.subresource
    }

    fn read(entry: &Value) -> Self {
        let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            manager: text("manager"),
            operation: text("operation"),
            subresource: text("subresource"),
            time: text("time"),
            fields: entry.get("fieldsV1").map(from_fields_v1).unwrap_or_default(),
        }
    }

    fn write(&self, api_version: &str) -> Value {
        let mut entry = json!({
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": to_fields_v1(&self.fields),
        });
        if !self.subresource.is_empty() {
            entry["subresource"] = json!(self.subresource);
        }
        entry
    }
}

fn owners(object: &Value) -> Vec<Owner> {
    let entries = object.get("metadata").and_then(|metadata| metadata.get("managedFields"));
    entries.and_then(Value::as_array).into_iter().flatten().map(Owner::read).collect()
}

fn set_owners(kind: KindRef, object: &mut Value, owners: &[Owner]) {
    let api_version = kind.api_version();
    let entries: Vec<Value> = owners
        .iter()
        .filter(|owner| !owner.fields.is_empty())
        .map(|owner| owner.write(&api_version))
        .collect();
    if let Some(metadata) = meta::of(object) {
        metadata.insert("managedFields".to_owned(), Value::Array(entries));
    }
}

/// Records an update or patch: what changed belongs to the writer now, what is gone to nobody.
pub(super) fn record_update(kind: KindRef, live: Option<&Value>, object: &mut Value, writer: Writer<'_>) {
    let present = fields_of(kind, object);
    let changed: FieldSet = present
        .iter()
        .filter(|path| live.and_then(|live| value_at(live, path)) != value_at(object, path))
        .filter(|path| !is_item(path) || live.is_none_or(|live| value_at(live, path).is_none()))
        .cloned()
        .collect();
    // A writer that brings the entries along may have edited them; one that does not keeps the live ones.
    let mut owners = match owners(object) {
        brought if brought.is_empty() => live.map(owners).unwrap_or_default(),
        brought => brought,
    };
    for owner in &mut owners {
        let own = owner.is(writer, "Update");
        owner
            .fields
            .retain(|path| present.contains(path) && (own || is_item(path) || !changed.contains(path)));
    }
    if !changed.is_empty() {
        claim(&mut owners, writer, "Update", changed, true);
    }
    set_owners(kind, object, &owners);
}

/// Gives fields to the writer's entry; the time moves only when the entry changes.
fn claim(owners: &mut Vec<Owner>, writer: Writer<'_>, operation: &str, fields: FieldSet, add: bool) {
    match owners.iter_mut().find(|owner| owner.is(writer, operation)) {
        Some(owner) => {
            let fields = if add { owner.fields.union(&fields).cloned().collect() } else { fields };
            if owner.fields != fields {
                owner.fields = fields;
                writer.time.clone_into(&mut owner.time);
            }
        }
        None => owners.push(Owner::new(writer, operation, fields)),
    }
}

fn is_item(path: &Path) -> bool {
    path.last().is_some_and(|step| !step.starts_with("f:"))
}

/// Server-side apply: merges the configuration into the live object, takes out what the manager applied
/// before and leaves out now, and refuses to overwrite other managers' fields unless forced. Whether a field
/// would change is judged with the defaults in (`defaulted`), or every list of ports would be contested.
pub(super) fn apply(
    kind: KindRef,
    live: Option<&Value>,
    config: &Value,
    defaulted: &Value,
    force: bool,
    writer: Writer<'_>,
) -> Result<Value, ApiError> {
    let applied = fields_of(kind, config);
    let mut owners = live.map(owners).unwrap_or_default();
    if let Some(live) = live {
        settle_conflicts(&mut owners, live, defaulted, &applied, force, writer)?;
    }
    let before = owners.iter().find(|owner| owner.is(writer, "Apply")).map(|owner| owner.fields.clone());
    let mut object = match live {
        Some(live) => merge(kind, live, config, &mut Vec::new()),
        None => config.clone(),
    };
    // Items come before what is in them, so that they are still found by their key.
    for path in before.unwrap_or_default().difference(&applied).filter(|path| !is_key_field(path)) {
        let others = owners.iter().filter(|owner| !owner.is(writer, "Apply"));
        // An item stays while anyone owns something inside it.
        if others.flat_map(|owner| &owner.fields).all(|other| !other.starts_with(path)) {
            remove_at(&mut object, path);
        }
    }
    claim(&mut owners, writer, "Apply", applied, false);
    let present = fields_of(kind, &object);
    for owner in &mut owners {
        owner.fields.retain(|path| present.contains(path));
    }
    set_owners(kind, &mut object, &owners);
    Ok(object)
}

fn settle_conflicts(
    owners: &mut [Owner],
    live: &Value,
    defaulted: &Value,
    applied: &FieldSet,
    force: bool,
    writer: Writer<'_>,
) -> Result<(), ApiError> {
    let contested = |path: &Path| {
        !is_item(path) && applied.contains(path) && value_at(live, path) != value_at(defaulted, path)
    };
    let others = || |owner: &&mut Owner| !owner.is(writer, "Apply");
    let mut causes = Vec::new();
    for owner in owners.iter_mut().filter(others()) {
        for path in owner.fields.iter().filter(|path| contested(path)) {
            causes.push((
                printed(path),
                format!("conflict with \"{}\" using {}", owner.manager, owner.operation),
            ));
        }
        if force {
            owner.fields.retain(|path| !contested(path));
        }
    }
    if causes.is_empty() || force { Ok(()) } else { Err(ApiError::apply_conflict(&causes)) }
}

fn merge(kind: KindRef, live: &Value, config: &Value, path: &mut Vec<String>) -> Value {
    let field = path.last().map_or("", String::as_str);
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !is_atomic_map(field) => {
            let mut merged = live.clone();
            for (name, value) in config {
                path.push(name.clone());
                let value = live.get(name).map_or_else(|| value.clone(), |old| merge(kind, old, value, path));
                path.pop();
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) => {
            let parent = path.len().checked_sub(2).and_then(|at| path.get(at)).map_or("", String::as_str);
            match list_shape(kind, parent, field) {
                Shape::Atomic => Value::Array(config.clone()),
                Shape::Set => {
                    let new = config.iter().filter(|item| !live.contains(item));
                    Value::Array(live.iter().chain(new).cloned().collect())
                }
                Shape::Keyed(keys) => Value::Array(merge_items(kind, keys, live, config, path)),
            }
        }
        _ => config.clone(),
    }
}

fn merge_items(
    kind: KindRef,
    keys: &[&str],
    live: &[Value],
    config: &[Value],
    path: &mut Vec<String>,
) -> Vec<Value> {
    let mut items = live.to_vec();
    for item in config {
        let key = key_step(keys, item);
        match items.iter_mut().find(|old| key_step(keys, old) == key) {
            Some(old) => *old = merge(kind, old, item, path),
            None => items.push(item.clone()),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> KindRef {
        KindRef::by_name("deployments").unwrap()
    }

    fn writer(manager: &str) -> Writer<'_> {
        Writer { manager, subresource: "", time: "2026-01-01T00:00:00Z" }
    }

    fn deployment(replicas: u32, labels: &Value) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": labels},
            "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
        })
    }

    fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Value {
        apply(kind(), live, config, config, false, writer(manager)).unwrap()
    }

    #[test]
    fn what_a_manager_leaves_out_the_next_time_is_removed() {
        let first = applied(None, &deployment(1, &json!({"a": "1", "b": "2"})), "ci");
        let second = applied(Some(&first), &deployment(1, &json!({"b": "2"})), "ci");
        assert_eq!(second["metadata"]["labels"], json!({"b": "2"}));
    }

    #[test]
    fn what_another_manager_also_owns_stays() {
        let first = applied(None, &deployment(1, &json!({"a": "1", "b": "2"})), "ci");
        let both = applied(Some(&first), &json!({"metadata": {"labels": {"a": "1"}}}), "person");
        let last = applied(Some(&both), &deployment(1, &json!({})), "ci");
        assert_eq!(last["metadata"]["labels"], json!({"a": "1"}));
    }

    #[test]
    fn a_change_of_anothers_field_is_a_conflict_until_forced() {
        let live = applied(None, &deployment(1, &json!({})), "ci");
        let wanted = json!({"spec": {"replicas": 3}});
        let refused = apply(kind(), Some(&live), &wanted, &wanted, false, writer("person")).unwrap_err();
        assert_eq!(refused.code, 409);
        assert!(refused.message.contains("conflict with \"ci\" using Apply: .spec.replicas"), "{refused}");
        let forced = apply(kind(), Some(&live), &wanted, &wanted, true, writer("person")).unwrap();
        assert_eq!(forced["spec"]["replicas"], 3);
        assert_eq!(forced["spec"]["template"], live["spec"]["template"]);
    }

    #[test]
    fn containers_merge_by_name() {
        let live = applied(None, &deployment(1, &json!({})), "ci");
        let sidecar =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "p:1"}]}}}});
        let both = applied(Some(&live), &sidecar, "mesh");
        let names: Vec<&str> = both["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|container| container["name"].as_str())
            .collect();
        assert_eq!(names, ["web", "proxy"]);
        let alone = applied(Some(&both), &json!({}), "mesh");
        assert_eq!(alone["spec"], live["spec"]);
    }

    #[test]
    fn an_update_takes_over_the_fields_it_changes() {
        let live = applied(None, &deployment(1, &json!({"a": "1"})), "ci");
        let mut changed = live.clone();
        changed["spec"]["replicas"] = json!(2);
        record_update(kind(), Some(&live), &mut changed, writer("scaler"));
        let mine = deployment(1, &json!({}));
        let refused = apply(kind(), Some(&changed), &mine, &mine, false, writer("ci")).unwrap_err();
        assert!(
            refused.message.contains("conflict with \"scaler\" using Update: .spec.replicas"),
            "{refused}"
        );
    }
}
