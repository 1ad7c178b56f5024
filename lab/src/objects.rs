//! The cluster as Kubernetes objects: what an API server would serve and `--manifests` reads. Pure, and the same
//! cluster always gives the same objects.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::cluster::{Cluster, Node, Pod, Service};
use crate::net::addresses;
use crate::spec::{Labels, PodSpec, Target};

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
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": metadata("Namespace", None, name, &labels),
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
    let ready = if spec.phase == "Running" { "True" } else { "False" };
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

/// The labels the API shows: the given ones and the template's hash, as a Deployment sets it.
fn pod_labels(spec: &PodSpec) -> Labels {
    let mut labels = spec.labels.clone();
    if let Some(owner) = spec.owner.as_ref().filter(|owner| owner.kind == "Deployment") {
        labels.insert("pod-template-hash".to_owned(), template_hash(&spec.namespace, &owner.name));
    }
    labels
}

/// The pod's direct owner: API version, kind, name.
fn controller(spec: &PodSpec) -> Option<(&'static str, &str, String)> {
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
fn workloads(cluster: &Cluster) -> Vec<Value> {
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

fn service(service: &Service) -> Value {
    let spec = &service.spec;
    let ports: Vec<Value> = spec
        .ports
        .iter()
        .map(|port| {
            let target = match &port.target {
                Target::Number(number) => json!(number),
                Target::Name(name) => json!(name),
            };
            let mut value = json!({
                "name": port.name(), "port": port.port, "protocol": port.protocol.as_str(), "targetPort": target,
            });
            if let Some(node_port) = port.node_port {
                value["nodePort"] = json!(node_port);
            }
            value
        })
        .collect();
    let ips: Vec<String> = if spec.headless {
        vec!["None".to_owned()]
    } else {
        service.addresses.iter().map(IpAddr::to_string).collect()
    };
    let kind = if spec.ports.iter().any(|port| port.node_port.is_some()) { "NodePort" } else { "ClusterIP" };
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata("Service", Some(&spec.namespace), &spec.name, &Labels::new()),
        "spec": {
            "type": kind, "clusterIP": ips.first(), "clusterIPs": ips, "ipFamilies": ["IPv4", "IPv6"],
            "ipFamilyPolicy": "PreferDualStack", "selector": spec.selector, "ports": ports,
        },
        "status": {"loadBalancer": {}},
    })
}

fn endpoint_slices(cluster: &Cluster, service: &Service) -> Vec<Value> {
    let spec = &service.spec;
    let families = [("IPv4", true), ("IPv6", false)];
    let slice = |(family, is_v4): (&str, bool)| {
        let endpoints: Vec<Value> = cluster
            .backends(service)
            .filter_map(|pod| {
                let address = pod.addresses.iter().find(|address| address.is_ipv4() == is_v4)?;
                let (namespace, name) = (&pod.spec.namespace, &pod.spec.name);
                Some(json!({
                    "addresses": [address],
                    "conditions": {"ready": true, "serving": true, "terminating": false},
                    "nodeName": pod.node,
                    "targetRef": {"kind": "Pod", "namespace": namespace, "name": name,
                                  "uid": uid("Pod", Some(namespace), name)},
                }))
            })
            .collect();
        let ports: Vec<Value> = spec
            .ports
            .iter()
            .filter_map(|port| {
                let number =
                    cluster.backends(service).find_map(|pod| pod.resolve(&port.target, port.protocol))?;
                Some(json!({"name": port.name(), "port": number, "protocol": port.protocol.as_str()}))
            })
            .collect();
        let name = format!("{}-{}", spec.name, family.to_ascii_lowercase());
        let labels = BTreeMap::from([("kubernetes.io/service-name".to_owned(), spec.name.clone())]);
        let mut metadata = metadata("EndpointSlice", Some(&spec.namespace), &name, &labels);
        metadata.insert(
            "ownerReferences".to_owned(),
            owner_references(&spec.namespace, "v1", "Service", &spec.name),
        );
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": family, "endpoints": endpoints, "ports": ports,
        })
    };
    families.map(slice).into()
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

fn template_hash(namespace: &str, workload: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (namespace, workload).hash(&mut hasher);
    format!("{:010x}", hasher.finish() >> 24)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
    use k8s_openapi::api::batch::v1::{CronJob, Job};
    use k8s_openapi::api::core::v1 as core;
    use k8s_openapi::api::discovery::v1::EndpointSlice;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::spec::ServiceSpec;

    fn shop() -> Cluster {
        let mut cluster = Cluster::default();
        cluster.namespaces.insert("shop".to_owned(), Labels::new());
        cluster.nodes.push(Node { name: "n1".to_owned(), index: 1, addresses: addresses::node(1) });
        let pods = [
            PodSpec::new("shop/web-1").label("app", "web").owner("Deployment", "web"),
            PodSpec::new("shop/web-2").label("app", "web").owner("Deployment", "web"),
            PodSpec::new("shop/db-0").label("app", "db").owner("StatefulSet", "db").phase("Failed"),
            PodSpec::new("shop/sweep-x").label("app", "sweep").owner("CronJob", "sweep"),
        ];
        for (offset, spec) in pods.into_iter().enumerate() {
            let spec = spec.port("http", 8080, "TCP");
            let addresses = addresses::pod(1, offset as u16 + 2).unwrap().both().to_vec();
            cluster.pods.insert(spec.key(), Pod { spec, node: "n1".to_owned(), addresses });
        }
        for name in ["web", "db"] {
            let spec =
                ServiceSpec::new(&format!("shop/{name}")).port(80, "http", "TCP").selects([("app", name)]);
            let addresses = addresses::service(1).both().to_vec();
            cluster.services.insert(spec.key(), Service { spec, addresses });
        }
        cluster
    }

    /// Reads an object by its Kubernetes type and fails on any field that the type does not know.
    fn typed<T: DeserializeOwned + Serialize>(object: &Value) {
        let read: T = serde_json::from_value(object.clone()).unwrap();
        let again = serde_json::to_value(&read).unwrap();
        for (key, value) in object.as_object().unwrap() {
            // Times are written in another precision, empty lists are left out.
            if ["spec", "kind", "apiVersion"].contains(&key.as_str()) {
                assert_eq!(value, &again[key], "{key} of {object}");
            }
        }
    }

    #[test]
    fn every_object_is_one_of_its_kubernetes_type() {
        let mut kinds = BTreeSet::new();
        for object in all(&shop()) {
            let kind = object["kind"].as_str().unwrap().to_owned();
            match kind.as_str() {
                "Namespace" => typed::<core::Namespace>(&object),
                "Node" => typed::<core::Node>(&object),
                "Pod" => typed::<core::Pod>(&object),
                "Service" => typed::<core::Service>(&object),
                "EndpointSlice" => typed::<EndpointSlice>(&object),
                "Deployment" => typed::<Deployment>(&object),
                "ReplicaSet" => typed::<ReplicaSet>(&object),
                "StatefulSet" => typed::<StatefulSet>(&object),
                "CronJob" => typed::<CronJob>(&object),
                "Job" => typed::<Job>(&object),
                other => panic!("unexpected {other}"),
            }
            kinds.insert(kind);
        }
        assert_eq!(kinds.len(), 10);
    }

    #[test]
    fn owners_lead_from_the_pod_to_the_workload() {
        let objects = all(&shop());
        let find = |kind: &str, name: &str| {
            let found = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
            objects.iter().find(found).unwrap_or_else(|| panic!("no {kind} {name}"))
        };
        let pod = find("Pod", "web-1");
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!(owner["kind"], "ReplicaSet");
        let set = find("ReplicaSet", owner["name"].as_str().unwrap());
        assert_eq!(owner["uid"], set["metadata"]["uid"]);
        let deployment = find("Deployment", "web");
        assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], deployment["metadata"]["uid"]);
        assert_eq!(deployment["spec"]["replicas"], 2);
        assert_eq!(
            pod["metadata"]["labels"]["pod-template-hash"],
            set["metadata"]["labels"]["pod-template-hash"]
        );
        assert_eq!(find("Pod", "sweep-x")["metadata"]["ownerReferences"][0]["kind"], "Job");
    }

    #[test]
    fn a_service_counts_only_pods_that_run() {
        let objects = all(&shop());
        let endpoints = |service: &str| -> usize {
            let name = format!("{service}-ipv6");
            let slice = objects.iter().find(|object| object["metadata"]["name"] == *name).unwrap();
            slice["endpoints"].as_array().unwrap().len()
        };
        assert_eq!((endpoints("web"), endpoints("db")), (2, 0));
    }

    #[test]
    fn the_same_cluster_gives_the_same_manifests_and_they_can_be_read_again() {
        let text = to_yaml(&all(&shop())).unwrap();
        assert_eq!(text, to_yaml(&all(&shop())).unwrap());
        let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(read, all(&shop()));
    }

    #[test]
    fn identifiers_are_distinct_and_look_like_uuids() {
        let objects = all(&shop());
        let uids: BTreeSet<&str> =
            objects.iter().map(|object| object["metadata"]["uid"].as_str().unwrap()).collect();
        assert_eq!(uids.len(), objects.len());
        for uid in uids {
            let lengths: Vec<usize> = uid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uid}");
        }
    }
}
