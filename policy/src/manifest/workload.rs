//! Workloads that are no objects of a cluster state: only their pod templates are read, for those who
//! ask which pods there will be.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde_json::{Map, Value};
use std::fmt;

/// The pods of a workload as its manifest describes them.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadTemplate {
    /// The kind of the workload.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What its pods will be.
    pub template: PodTemplateSpec,
}

impl fmt::Display for WorkloadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Reads a workload; `None` for other kinds, and for a patch, which has no name or no pod labels.
pub(super) fn read(
    api_version: &str,
    kind: &str,
    object: &Map<String, Value>,
) -> Option<Result<WorkloadTemplate, String>> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let path = match (group, kind) {
        ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet") => "/template",
        ("batch", "CronJob") => "/jobTemplate/spec/template",
        _ => return None,
    };
    let metadata = object.get("metadata")?;
    let text = |field: &str| metadata.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (namespace, name) = (text("namespace").unwrap_or("default"), text("name")?);
    let template = object.get("spec")?.pointer(path)?;
    template.pointer("/metadata/labels")?;
    let template = serde_path_to_error::deserialize(template.clone()).map_err(|error| {
        let place = path.replace('/', ".");
        format!("spec{place}.{}: {}; compare with `kubectl explain pod`", error.path(), error.inner())
    });
    Some(template.map(|template| WorkloadTemplate {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        template,
    }))
}
