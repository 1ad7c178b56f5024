//! Discovery documents: which groups, versions and resources exist. Generated from the table of kinds.

use serde_json::{Value, json};

use super::kinds::KindRef;

const OBJECT_VERBS: [&str; 8] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const STATUS_VERBS: [&str; 3] = ["get", "patch", "update"];

/// The document at a discovery path, if it is one.
pub(super) fn document(segments: &[String]) -> Option<Value> {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        })),
        ["apis"] => Some(json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": groups().into_iter().map(group_document).collect::<Vec<_>>(),
        })),
        ["apis", group] => groups().contains(group).then(|| group_document(group)),
        ["api", "v1"] => resources("", "v1"),
        ["apis", group, version] => resources(group, version),
        _ => None,
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "33",
        "gitVersion": "v1.33.0-portolan-lab",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "",
        "goVersion": "",
        "compiler": "rustc",
        "platform": concat!("linux/", "any"),
    })
}

/// Named groups, in table order.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> =
        KindRef::all().map(|kind| kind.group).filter(|group| !group.is_empty()).collect();
    let mut seen = Vec::new();
    groups.retain(|group| {
        !seen.contains(group) && {
            seen.push(group);
            true
        }
    });
    groups
}

/// Versions of a group, newest first as the table has them.
pub(super) fn versions(group: &str) -> Vec<&'static str> {
    let mut versions: Vec<&str> =
        KindRef::all().filter(|kind| kind.group == group).map(|kind| kind.version).collect();
    versions.dedup();
    versions
}

/// Every (group, version).
pub(super) fn group_versions() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("", "v1")];
    all.extend(
        groups()
            .into_iter()
            .flat_map(|group| versions(group).into_iter().map(move |version| (group, version))),
    );
    all
}

fn group_document(group: &str) -> Value {
    let versions: Vec<Value> = versions(group)
        .into_iter()
        .map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version}))
        .collect();
    json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": group,
        "preferredVersion": versions.first(),
        "versions": versions,
    })
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<KindRef> =
        KindRef::all().filter(|kind| kind.group == group && kind.version == version).collect();
    let api_version = kinds.first()?.api_version();
    let mut resources = Vec::new();
    for kind in kinds {
        resources.push(resource(kind));
        if kind.status {
            resources.push(json!({
                "name": format!("{}/status", kind.plural),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": STATUS_VERBS,
            }));
        }
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": api_version,
        "resources": resources,
    }))
}

fn resource(kind: KindRef) -> Value {
    let mut resource = json!({
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": OBJECT_VERBS,
    });
    if !kind.short.is_empty() {
        resource["shortNames"] = json!(kind.short);
    }
    if kind.in_all {
        resource["categories"] = json!(["all"]);
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apiserver::request::segments;

    #[test]
    fn every_kind_is_in_the_document_of_its_group_version() {
        for kind in KindRef::all() {
            let path = if kind.group.is_empty() {
                "/api/v1".to_owned()
            } else {
                format!("/apis/{}", kind.api_version())
            };
            let document = document(&segments(&path)).unwrap();
            let names: Vec<&str> = document["resources"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|row| row["name"].as_str())
                .collect();
            assert!(names.contains(&kind.plural), "{path}: {names:?}");
        }
    }

    #[test]
    fn groups_are_listed_once_with_all_versions() {
        let list = document(&segments("/apis")).unwrap();
        let policy: Vec<&Value> = list["groups"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|group| group["name"] == "policy.networking.k8s.io")
            .collect();
        assert_eq!(policy.len(), 1);
        assert_eq!(policy[0]["versions"].as_array().map(Vec::len), Some(2));
        assert_eq!(document(&segments("/apis/nowhere.io")), None);
    }
}
