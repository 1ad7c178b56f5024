//! POST, PUT, PATCH and DELETE: from bytes to writes of the core.

use axum::body::Bytes;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::admission::Part;
use super::error::ApiError;
use super::handle::Store;
use super::patch::Patch;
use super::read::select;
use super::request::view;
use super::routes::{Call, json_response};
use super::store::{Preconditions, WriteOptions, Written};

/// Media types that objects come in.
const BODIES: &str = "application/json, application/yaml";

/// Media types that patches come in.
const PATCHES: &str = "application/json-patch+json, application/merge-patch+json, \
                       application/strategic-merge-patch+json, application/apply-patch+yaml";

pub(super) fn write(store: &Store, method: &Method, call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let name = call.resource.name.as_deref();
    match (method.as_str(), name) {
        ("POST", _) => create(store, call, body),
        ("PUT", Some(name)) => update(store, call, name, body),
        ("PATCH", Some(name)) => patch(store, call, name, body),
        ("DELETE", Some(name)) => delete(store, call, name, body),
        ("DELETE", None) => delete_selected(store, call, body),
        _ => Err(ApiError::method_not_allowed()),
    }
}

fn create(store: &Store, call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let kind = call.resource.kind;
    if kind.namespaced && call.resource.namespace.is_none() {
        return Err(ApiError::method_not_allowed());
    }
    let object = object(call, body)?;
    let options = options(call)?;
    let namespace = call.resource.namespace.as_deref().unwrap_or_default();
    answer(call, &store.with_core(|core| core.create(kind, namespace, object, &options))?)
}

fn update(store: &Store, call: &Call, name: &str, body: &Bytes) -> Result<Response, ApiError> {
    let object = object(call, body)?;
    let options = options(call)?;
    let key = call.resource.key(name);
    answer(call, &store.with_core(|core| core.update(call.resource.kind, &key, object, &options))?)
}

fn patch(store: &Store, call: &Call, name: &str, body: &Bytes) -> Result<Response, ApiError> {
    let content_type = content_type(call);
    let patch = match content_type {
        "application/json-patch+json" => Patch::Json(
            serde_json::from_slice(body)
                .map_err(|err| ApiError::bad_request(format!("the body is no JSON patch: {err}")))?,
        ),
        "application/merge-patch+json" => Patch::Merge(parse(body)?),
        "application/strategic-merge-patch+json" => Patch::Strategic(parse(body)?),
        "application/apply-patch+yaml" => apply_patch(call, body)?,
        other => return Err(ApiError::unsupported_media(other, PATCHES)),
    };
    let options = options(call)?;
    let key = call.resource.key(name);
    answer(call, &store.with_core(|core| core.patch(call.resource.kind, &key, &patch, &options))?)
}

fn apply_patch(call: &Call, body: &Bytes) -> Result<Patch, ApiError> {
    if call.params.text("fieldManager").is_none() {
        let mut refused = ApiError::bad_request(
            "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
        );
        (refused.code, refused.reason) = (422, "Invalid");
        return Err(refused);
    }
    Ok(Patch::Apply { config: parse(body)?, force: call.params.flag("force") })
}

fn delete(store: &Store, call: &Call, name: &str, body: &Bytes) -> Result<Response, ApiError> {
    let kind = call.resource.kind;
    let (conditions, dry_run) = delete_options(call, body)?;
    let key = call.resource.key(name);
    let last = store.with_core(|core| core.delete(kind, &key, &conditions, Timestamp::now(), dry_run))?;
    if store.with_core(|core| core.find(kind, &key)).is_some() {
        return Ok(json_response(200, &last));
    }
    let details =
        json!({"name": name, "group": kind.group, "kind": kind.plural, "uid": last["metadata"]["uid"]});
    Ok(json_response(
        200,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
    ))
}

fn delete_selected(store: &Store, call: &Call, body: &Bytes) -> Result<Response, ApiError> {
    let kind = call.resource.kind;
    if kind.namespaced && call.resource.namespace.is_none() {
        return Err(ApiError::method_not_allowed());
    }
    let (conditions, dry_run) = delete_options(call, body)?;
    let listed = select(store, call)?;
    for (key, _) in &listed.items {
        match store.with_core(|core| core.delete(kind, key, &conditions, Timestamp::now(), dry_run)) {
            // Someone else was quicker.
            Err(error) if error.code == 404 => {}
            other => drop(other?),
        }
    }
    let view = view(call.header(header::ACCEPT), &call.params)?;
    let items: Vec<&Value> = listed.items.iter().map(|(_, object)| object.as_ref()).collect();
    Ok(json_response(200, &view.list(kind, &items, &json!({"resourceVersion": listed.revision.to_string()}))))
}

fn delete_options(call: &Call, body: &Bytes) -> Result<(Preconditions, bool), ApiError> {
    let options = if body.is_empty() { Value::Null } else { parse(body)? };
    let text = |field: &str| options["preconditions"][field].as_str().map(str::to_owned);
    let conditions = Preconditions { uid: text("uid"), revision: text("resourceVersion") };
    let dry_run = call.params.dry_run() || options["dryRun"].as_array().is_some_and(|list| !list.is_empty());
    Ok((conditions, dry_run))
}

fn answer(call: &Call, done: &Written) -> Result<Response, ApiError> {
    let view = view(call.header(header::ACCEPT), &call.params)?;
    let code = if done.created { 201 } else { 200 };
    let mut response = match view.object(call.resource.kind, &done.object) {
        Some(shown) => json_response(code, &shown),
        None => json_response(code, &done.object),
    };
    for warning in &done.warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
    Ok(response)
}

fn options(call: &Call) -> Result<WriteOptions, ApiError> {
    let agent = call.header(header::USER_AGENT).and_then(|agent| agent.split('/').next());
    let manager = call.params.text("fieldManager").or(agent).filter(|name| !name.is_empty());
    Ok(WriteOptions {
        now: Timestamp::now(),
        manager: manager.unwrap_or("unknown").to_owned(),
        part: if call.resource.subresource.is_some() { Part::Status } else { Part::Main },
        strictness: call.params.strictness()?,
        dry_run: call.params.dry_run(),
    })
}

fn content_type(call: &Call) -> &str {
    let header = call.header(header::CONTENT_TYPE).unwrap_or("application/json");
    header.split(';').next().unwrap_or_default().trim()
}

/// The object in the body of a POST or PUT.
fn object(call: &Call, body: &Bytes) -> Result<Value, ApiError> {
    match content_type(call) {
        "application/json" | "application/yaml" | "" => {}
        other => return Err(ApiError::unsupported_media(other, BODIES)),
    }
    parse(body)
}

/// JSON, or else YAML.
fn parse(body: &Bytes) -> Result<Value, ApiError> {
    let json_error = match serde_json::from_slice(body) {
        Ok(value) => return Ok(value),
        Err(err) => err,
    };
    let text = std::str::from_utf8(body)
        .map_err(|err| ApiError::bad_request(format!("the body is no text: {err}")))?;
    match serde_saphyr::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
        _ => Err(ApiError::bad_request(format!("the body is neither JSON nor YAML: {json_error}"))),
    }
}
