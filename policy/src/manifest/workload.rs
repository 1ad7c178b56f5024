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

/// Where the pod template of a kind is.
fn place(kind: &str) -> &'static str {
    if kind == "CronJob" { "spec/jobTemplate/spec/template" } else { "spec/template" }
}

/// Whether a workload is more than a patch, which has no name or no pod labels.
pub(super) fn is_whole(kind: &str, object: &Map<String, Value>) -> bool {
    name(object).is_some()
        && template(kind, object).is_some_and(|template| template.pointer("/metadata/labels").is_some())
}

/// Whether an object of a kind that is not read has pods: its template is labelled, has no name, and
/// holds containers if it holds anything. A template of a Secret, or of a machine, is none.
pub(super) fn has_pods(object: &Map<String, Value>) -> bool {
    let Some(template) = template("", object).and_then(Value::as_object) else { return false };
    let metadata = template.get("metadata");
    let is_labelled = metadata.is_some_and(|metadata| {
        metadata.get("labels").is_some_and(Value::is_object) && metadata.get("name").is_none()
    });
    let is_of_pods = template.iter().all(|(field, value)| match field.as_str() {
        "metadata" => true,
        "spec" => value.get("containers").is_some_and(Value::is_array),
        _ => false,
    });
    name(object).is_some() && is_labelled && is_of_pods
}

/// Reads a workload that is whole.
pub(super) fn read(kind: &str, object: &Map<String, Value>) -> Result<WorkloadTemplate, String> {
    let template = template(kind, object).cloned().unwrap_or_default();
    let template = serde_path_to_error::deserialize(template).map_err(|error| {
        let place = place(kind).replace('/', ".");
        format!("{place}.{}: {}; compare with `kubectl explain pod`", error.path(), error.inner())
    })?;
    let text = |field| text(object, field).unwrap_or_default().to_owned();
    let namespace = Some(text("namespace")).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or_else(|| "default".to_owned());
    Ok(WorkloadTemplate { kind: kind.to_owned(), namespace, name: text("name"), template })
}

fn template<'a>(kind: &str, object: &'a Map<String, Value>) -> Option<&'a Value> {
    let (first, rest) = place(kind).split_once('/')?;
    object.get(first)?.pointer(&format!("/{rest}"))
}

fn name(object: &Map<String, Value>) -> Option<&str> {
    text(object, "name").filter(|name| !name.is_empty())
}

/// A field of the metadata.
fn text<'a>(object: &'a Map<String, Value>, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}
