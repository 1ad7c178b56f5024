//! Workloads: who owns a pod, and the objects in between.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value, json};

use super::{metadata, owner_references, template_spec};
use crate::cluster::Cluster;
use crate::spec::{Labels, PodSpec};

/// The labels the API shows: the given ones and the template's hash, as a Deployment sets it.
pub(super) fn pod_labels(spec: &PodSpec) -> Labels {
    let mut labels = spec.labels.clone();
    if let Some(owner) = spec.owner.as_ref().filter(|owner| owner.kind == "Deployment") {
        labels.insert("pod-template-hash".to_owned(), template_hash(&spec.namespace, &owner.name));
    }
    labels
}

/// The pod's direct owner: API version, kind, name.
pub(super) fn controller(spec: &PodSpec) -> Option<(&'static str, &str, String)> {
    let owner = spec.owner.as_ref()?;
    let hash = template_hash(&spec.namespace, &owner.name);
    Some(match owner.kind.as_str() {
        "Deployment" => ("apps/v1", "ReplicaSet", format!("{}-{hash}", owner.name)),
        "CronJob" => ("batch/v1", "Job", format!("{}-28000000", owner.name)),
        "Job" => ("batch/v1", "Job", owner.name.clone()),
        kind => ("apps/v1", kind, owner.name.clone()),
    })
}

/// One object per workload, and the one in between for Deployments and CronJobs; the first pod is its template.
pub(super) fn workloads(cluster: &Cluster) -> Vec<Value> {
    let mut templates: BTreeMap<(&str, &str, &str), Vec<&PodSpec>> = BTreeMap::new();
    for pod in cluster.pods.values() {
        if let Some(owner) = &pod.spec.owner {
            templates.entry((&pod.spec.namespace, &owner.kind, &owner.name)).or_default().push(&pod.spec);
        }
    }
    let mut objects = Vec::new();
    for ((namespace, kind, name), pods) in templates {
        objects.push(workload(namespace, kind, name, pods[0], pods.len()));
        if matches!(kind, "Deployment" | "CronJob") {
            objects.push(between(namespace, kind, name, pods[0], pods.len()));
        }
    }
    objects
}

fn workload(namespace: &str, kind: &str, name: &str, pod: &PodSpec, replicas: usize) -> Value {
    let metadata = metadata(kind, Some(namespace), name, &pod.labels);
    let template = json!({"metadata": {"labels": pod.labels}, "spec": template_spec(pod)});
    let selector = json!({"matchLabels": pod.labels});
    match kind {
        "CronJob" => json!({
            "apiVersion": "batch/v1", "kind": kind, "metadata": metadata,
            "spec": {"schedule": "@hourly", "jobTemplate": {"spec": {"template": template}}},
        }),
        "Job" => json!({
            "apiVersion": "batch/v1", "kind": kind, "metadata": metadata, "spec": {"template": template},
        }),
        "DaemonSet" => json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": {"selector": selector, "template": template},
        }),
        "StatefulSet" => json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": {"replicas": replicas, "selector": selector, "template": template, "serviceName": name},
        }),
        _ => json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }),
    }
}

fn between(namespace: &str, kind: &str, name: &str, pod: &PodSpec, replicas: usize) -> Value {
    let (api, own_kind, own_name) =
        controller(pod).expect("workloads are collected from pods that have an owner");
    let owner_api = if kind == "CronJob" { "batch/v1" } else { "apps/v1" };
    let labels = pod_labels(pod);
    let mut metadata = metadata(own_kind, Some(namespace), &own_name, &labels);
    metadata.insert("ownerReferences".to_owned(), owner_references(namespace, owner_api, kind, name));
    let template = json!({"metadata": {"labels": labels}, "spec": template_spec(pod)});
    let spec = if own_kind == "Job" {
        json!({"template": template})
    } else {
        json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template})
    };
    json!({"apiVersion": api, "kind": own_kind, "metadata": metadata, "spec": spec})
}

fn template_hash(namespace: &str, workload: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (namespace, workload).hash(&mut hasher);
    format!("{:010x}", hasher.finish() >> 24)
}
