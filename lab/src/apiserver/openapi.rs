//! OpenAPI v3, as much as kubectl reads: which kinds take which parameters on PATCH.
//!
//! kubectl looks there for `fieldValidation` and `dryRun` before it trusts the server with them. Schemas stay
//! open; kubectl then merges by the types it has built in.

use serde_json::{Map, Value, json};

use super::discovery::group_versions;
use super::kinds::KindRef;

/// The document at an OpenAPI path, if it is one.
pub(super) fn document(segments: &[String]) -> Option<Value> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["openapi", "v3"] => Some(index()),
        ["openapi", "v3", "api", "v1"] => group_version("", "v1"),
        ["openapi", "v3", "apis", group, version] => group_version(group, version),
        ["openapi", "v2"] => Some(json!({
            "swagger": "2.0",
            "info": {"title": "Portolan lab", "version": "v1.33.0"},
            "paths": {},
        })),
        _ => None,
    }
}

fn path_of(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn index() -> Value {
    let paths: Map<String, Value> = group_versions()
        .into_iter()
        .map(|(group, version)| {
            let path = path_of(group, version);
            let url = format!("/openapi/v3/{path}?hash=1");
            (path, json!({"serverRelativeURL": url}))
        })
        .collect();
    json!({"paths": paths})
}

fn group_version(group: &str, version: &str) -> Option<Value> {
    let mut kinds = KindRef::all().filter(|kind| kind.group == group && kind.version == version).peekable();
    kinds.peek()?;
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for kind in kinds {
        let scope = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
        let path = format!("/{}/{scope}{}/{{name}}", path_of(group, version), kind.plural);
        paths.insert(path, json!({"patch": patch_operation(kind)}));
        schemas.insert(schema_name(kind), schema(kind));
    }
    Some(json!({
        "openapi": "3.0.0",
        "info": {"title": "Portolan lab", "version": "v1.33.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }))
}

fn group_version_kind(kind: KindRef) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

fn schema_name(kind: KindRef) -> String {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    format!("io.k8s.{group}.{}.{}", kind.version, kind.kind)
}

fn schema(kind: KindRef) -> Value {
    json!({
        "type": "object",
        "description": format!("{} of {}", kind.kind, kind.api_version()),
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-group-version-kind": [group_version_kind(kind)],
    })
}

fn patch_operation(kind: KindRef) -> Value {
    let parameters: Vec<Value> = ["dryRun", "fieldManager", "fieldValidation", "force"]
        .into_iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string"}}))
        .collect();
    let schema = json!({"schema": {"type": "object"}});
    json!({
        "operationId": format!("patch{}", kind.kind),
        "parameters": parameters,
        // Strategic merge is left out on purpose: kubectl would then look for merge keys in the schemas.
        "requestBody": {"content": {
            "application/apply-patch+yaml": schema,
            "application/json-patch+json": schema,
            "application/merge-patch+json": schema,
        }},
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": group_version_kind(kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::request::segments;

    #[test]
    fn every_document_of_the_index_exists() {
        let index = document(&segments("/openapi/v3")).unwrap();
        let paths = index["paths"].as_object().unwrap();
        assert_eq!(paths.len(), group_versions().len());
        for path in paths.keys() {
            let found = document(&segments(&format!("/openapi/v3/{path}"))).unwrap();
            assert!(!found["paths"].as_object().unwrap().is_empty(), "{path}");
        }
    }

    #[test]
    fn patch_takes_field_validation() {
        let document = document(&segments("/openapi/v3/api/v1")).unwrap();
        let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
        let names: Vec<&str> =
            patch["parameters"].as_array().unwrap().iter().filter_map(|it| it["name"].as_str()).collect();
        assert!(names.contains(&"fieldValidation") && names.contains(&"dryRun"), "{names:?}");
    }
}
