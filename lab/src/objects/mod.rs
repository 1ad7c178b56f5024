//! The cluster as Kubernetes objects: what an API server would serve and `--manifests` reads. Pure, and the same
//! cluster always gives the same objects.

mod services;
#[cfg(test)]
mod tests;
mod workloads;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, Node, Pod};
use crate::net::addresses;
use crate::spec::{Labels, PodSpec};
use services::{endpoint_slices, service};
use workloads::{controller, pod_labels, workloads};

/// Every object was made at the same moment, long before any test.
const CREATED: &str = "2026-01-01T00:00:00Z";

/// All objects: namespaces, nodes, workloads, pods, services, endpoint slices, then what was added as text.
pub(crate) fn all(cluster: &Cluster) -> Vec<Value> {
    let mut objects: Vec<Value> =
        cluster.namespaces.iter().map(|(name, labels)| namespace(name, labels)).collect();
    objects.extend(cluster.nodes.iter().map(node));
    objects.extend(workloads(cluster));
    objects.extend(cluster.pods.values().map(|entry| pod(entry, cluster.node(&entry.node))));
    for entry in cluster.services.values() {
        objects.push(service(entry));
        objects.extend(endpoint_slices(cluster, entry));
    }
    objects.extend(cluster.extra.iter().cloned());
    objects
}

/// Objects as a YAML stream.
pub(crate) fn to_yaml(objects: &[Value]) -> Result<String, serde_saphyr::ser::Error> {
    let documents: Result<Vec<String>, _> = objects.iter().map(serde_saphyr::to_string).collect();
    Ok(documents?.join("\n---\n"))
}

fn namespace(name: &str, labels: &Labels) -> Value {
    let mut labels = labels.clone();
    labels.insert("kubernetes.io/metadata.name".to_owned(), name.to_owned());
    let mut metadata = metadata("Namespace", None, name, &labels);
    // A cluster begins with some namespaces, which have identifiers of their own.
    metadata.remove("uid");
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": metadata,
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

fn node(node: &Node) -> Value {
    let networks = addresses::pod_networks(node.index);
    let labels = BTreeMap::from([("kubernetes.io/hostname".to_owned(), node.name.clone())]);
    let [v4, v6] = node.addresses.both();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": metadata("Node", None, &node.name, &labels),
        "spec": {"podCIDR": networks[0], "podCIDRs": networks},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": v4},
                {"type": "InternalIP", "address": v6},
                {"type": "Hostname", "address": node.name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "lab",
                            "lastHeartbeatTime": CREATED, "lastTransitionTime": CREATED}],
        },
    })
}

fn pod(pod: &Pod, node: Option<&Node>) -> Value {
    let spec = &pod.spec;
    let mut metadata = metadata("Pod", Some(&spec.namespace), &spec.name, &pod_labels(spec));
    if let Some((api, kind, name)) = controller(spec) {
        metadata.insert("ownerReferences".to_owned(), owner_references(&spec.namespace, api, kind, &name));
    }
    let ips: Vec<Value> = pod.addresses.iter().map(|ip| json!({"ip": ip})).collect();
    let host_ips: Vec<IpAddr> = node.into_iter().flat_map(|node| node.addresses.both()).collect();
    let mut pod_spec = template_spec(spec);
    pod_spec["nodeName"] = json!(pod.node);
    let runs = spec.phase == "Running";
    let ready = if runs { "True" } else { "False" };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata,
        "spec": pod_spec,
        "status": {
            "phase": spec.phase,
            "podIP": pod.addresses.first(),
            "podIPs": ips,
            "hostIP": host_ips.first(),
            "hostIPs": host_ips.iter().map(|ip| json!({"ip": ip})).collect::<Vec<_>>(),
            "startTime": CREATED,
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": CREATED}],
            "containerStatuses": [{"name": "main", "image": "lab", "imageID": "", "ready": runs, "started": runs,
                                   "restartCount": 0}],
        },
    })
}

fn template_spec(spec: &PodSpec) -> Value {
    let ports: Vec<Value> = spec
        .ports
        .iter()
        .map(|port| {
            let mut value = json!({"containerPort": port.port, "protocol": port.protocol.as_str()});
            if !port.name.is_empty() {
                value["name"] = json!(port.name);
            }
            value
        })
        .collect();
    let mut value = json!({"containers": [{"name": "main", "image": "lab", "ports": ports}]});
    if spec.host_network {
        value["hostNetwork"] = json!(true);
    }
    value
}

fn metadata(kind: &str, namespace: Option<&str>, name: &str, labels: &Labels) -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    metadata.insert("uid".to_owned(), json!(uid(kind, namespace, name)));
    metadata.insert("creationTimestamp".to_owned(), json!(CREATED));
    if !labels.is_empty() {
        metadata.insert("labels".to_owned(), json!(labels));
    }
    metadata
}

fn owner_references(namespace: &str, api: &str, kind: &str, name: &str) -> Value {
    json!([{
        "apiVersion": api, "kind": kind, "name": name, "uid": uid(kind, Some(namespace), name), "controller": true,
    }])
}

/// A stable identifier in the shape of a UUID.
fn uid(kind: &str, namespace: Option<&str>, name: &str) -> String {
    let digest = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, kind, namespace, name).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    let (high, low) = (digest(0), digest(1));
    format!("{}-{}-4{}-a{}-{}", &high[..8], &high[8..12], &high[13..], &low[1..4], &low[4..])
}
