//! What stands between a request and the state: shape checks, defaults, validation, system fields.
//!
//! ```text
//! object -> check_identity -> strict -> keep what the writer may not touch -> defaults -> validate -> owners
//! ```
//!
//! Pure functions of the live object, the new one and the options.

use serde_json::{Value, json};

use super::defaults;
use super::error::ApiError;
use super::kinds::KindRef;
use super::managed::{self, Writer};
use super::meta;
use super::store::{Key, WriteOptions};
use super::strict;
use super::validate;

/// Which part of an object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Everything but the status, where the status has a path of its own.
    Main,
    /// The status alone.
    Status,
    /// Everything: for test code that plays controllers and kubelets.
    All,
}

/// What happens to fields that the kind does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    Ignore,
    Warn,
    Strict,
}

/// An object that may be filed.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) object: Value,
    pub(super) warnings: Vec<String>,
}

/// Metadata that only the server changes.
const SYSTEM_METADATA: [&str; 6] =
    ["uid", "creationTimestamp", "generation", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Admits an object that replaces the live one, or a new one.
pub(super) fn write(
    kind: KindRef,
    key: &Key,
    live: Option<&Value>,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Admitted, ApiError> {
    let warnings = check_shape(kind, key, &mut object, options.strictness)?;
    if let Some(live) = live {
        check_freshness(kind, key, live, &object)?;
    }
    let mut object = settle(kind, live, object, options)?;
    let time = meta::printed_time(options.now);
    managed::record_update(kind, live, &mut object, writer(options, &time));
    finish(kind, live, &mut object);
    Ok(Admitted { object, warnings })
}

/// Admits the result of a server-side apply.
pub(super) fn apply(
    kind: KindRef,
    key: &Key,
    live: Option<&Value>,
    config: &Value,
    force: bool,
    options: &WriteOptions,
) -> Result<Admitted, ApiError> {
    if config
        .get("metadata")
        .and_then(|metadata| metadata.get("managedFields"))
        .is_some_and(|it| !it.is_null())
    {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let mut config = config.clone();
    let warnings = check_shape(kind, key, &mut config, options.strictness)?;
    if let Some(live) = live {
        check_freshness(kind, key, live, &config)?;
    }
    keep_part(kind, &mut config, options.part);
    let time = meta::printed_time(options.now);
    let mut defaulted = config.clone();
    defaults::fill(kind, &mut defaulted);
    let merged = managed::apply(kind, live, &config, &defaulted, force, writer(options, &time))?;
    let owners = merged["metadata"]["managedFields"].clone();
    let mut object = settle(kind, live, merged, options)?;
    object["metadata"]["managedFields"] = owners;
    finish(kind, live, &mut object);
    Ok(Admitted { object, warnings })
}

fn writer<'a>(options: &'a WriteOptions, time: &'a str) -> Writer<'a> {
    let subresource = if options.part == Part::Status { "status" } else { "" };
    Writer { manager: &options.manager, subresource, time }
}

/// Checks that the body is an object of this kind under this key, as its type knows it.
fn check_shape(
    kind: KindRef,
    key: &Key,
    object: &mut Value,
    strictness: Strictness,
) -> Result<Vec<String>, ApiError> {
    check_identity(kind, key, object)?;
    strict::drop_nulls(object);
    let warnings = strict::check(kind, object, strictness)?;
    Ok(warnings)
}

fn check_identity(kind: KindRef, key: &Key, object: &mut Value) -> Result<(), ApiError> {
    let Some(map) = object.as_object_mut() else {
        return Err(ApiError::bad_request(format!("the body is no {} but {object}", kind.kind)));
    };
    for (field, wanted) in [("apiVersion", kind.api_version()), ("kind", kind.kind.to_owned())] {
        match map.get(field).and_then(Value::as_str) {
            Some(found) if found != wanted => {
                return Err(ApiError::bad_request(format!(
                    "the {field} in the data ({found}) does not match the expected {field} ({wanted})"
                )));
            }
            _ => map.insert(field.to_owned(), json!(wanted)),
        };
    }
    meta::check_namespace(object, &key.namespace)?;
    let Some(metadata) = meta::of(object) else {
        return Err(ApiError::bad_request("metadata must be an object"));
    };
    match metadata.get("name").and_then(Value::as_str) {
        Some(name) if name != key.name => {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                key.name
            )));
        }
        _ => metadata.insert("name".to_owned(), json!(key.name)),
    };
    if kind.namespaced {
        metadata.insert("namespace".to_owned(), json!(key.namespace));
    }
    Ok(())
}

/// Refuses a write that was based on an older version, or on an object that has been made anew since.
fn check_freshness(kind: KindRef, key: &Key, live: &Value, object: &Value) -> Result<(), ApiError> {
    let differs =
        |field| meta::text(object, field).is_some_and(|given| Some(given) != meta::text(live, field));
    if differs("uid") {
        let why = "Precondition failed: the UID in the object differs from the UID of the live object";
        return Err(ApiError::conflict(kind, &key.name, why));
    }
    if differs("resourceVersion") { Err(ApiError::stale(kind, &key.name)) } else { Ok(()) }
}

/// Brings back what the writer may not change, fills in defaults and validates.
fn settle(
    kind: KindRef,
    live: Option<&Value>,
    object: Value,
    options: &WriteOptions,
) -> Result<Value, ApiError> {
    let mut object = object;
    if let Some(live) = live {
        object = keep_rest(kind, live, object, options.part);
    } else {
        keep_part(kind, &mut object, options.part);
    }
    defaults::fill(kind, &mut object);
    let errors = validate::check(kind, &object);
    if !errors.is_empty() {
        let name = meta::text(&object, "name").unwrap_or_default();
        return Err(ApiError::invalid(&kind, name, &errors));
    }
    Ok(object)
}

/// Leaves only what this part of an object may carry.
fn keep_part(kind: KindRef, object: &mut Value, part: Part) {
    let Some(map) = object.as_object_mut() else { return };
    match part {
        Part::Main if kind.status => drop(map.remove("status")),
        Part::Main | Part::All => {}
        Part::Status => {
            map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status"));
            if let Some(metadata) = meta::of(object) {
                metadata
                    .retain(|field, _| matches!(field.as_str(), "name" | "namespace" | "resourceVersion"));
            }
        }
    }
}

fn keep_rest(kind: KindRef, live: &Value, object: Value, part: Part) -> Value {
    if part == Part::Status {
        let mut kept = live.clone();
        if let Some(map) = kept.as_object_mut() {
            match object.get("status") {
                Some(status) => map.insert("status".to_owned(), status.clone()),
                None => map.remove("status"),
            };
        }
        return kept;
    }
    let mut object = object;
    if let Some(metadata) = meta::of(&mut object) {
        for field in SYSTEM_METADATA {
            if part == Part::All && metadata.contains_key(field) {
                continue;
            }
            match live.get("metadata").and_then(|live| live.get(field)) {
                Some(value) => metadata.insert(field.to_owned(), value.clone()),
                None => metadata.remove(field),
            };
        }
    }
    let keep_status = match part {
        Part::Main => kind.status,
        Part::All => object.get("status").is_none(),
        Part::Status => false,
    };
    if let (true, Some(map)) = (keep_status, object.as_object_mut()) {
        match live.get("status") {
            Some(status) => map.insert("status".to_owned(), status.clone()),
            None => map.remove("status"),
        };
    }
    object
}

/// Counts the generation and keeps the version, so that a write without effect leaves an equal object.
fn finish(kind: KindRef, live: Option<&Value>, object: &mut Value) {
    let Some(live) = live else { return };
    let changed = object.get("spec") != live.get("spec");
    let generation = live["metadata"]["generation"].as_u64();
    let version = live["metadata"]["resourceVersion"].clone();
    let Some(metadata) = meta::of(object) else { return };
    if let Some(generation) = generation.filter(|_| changed && kind.kind != "Node") {
        metadata.insert("generation".to_owned(), json!(generation + 1));
    }
    metadata.insert("resourceVersion".to_owned(), version);
}
