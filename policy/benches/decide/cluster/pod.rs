//! Pods with the labels, ports, owners and addresses that their controllers give them, and the services before them.

use super::{
    namespace,
    role::{Controller, Role},
};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A pod as the questions need it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed {
    pub(crate) v4: IpAddr,
    pub(crate) v6: Option<IpAddr>,
    pub(crate) node: usize,
}

/// A workload with its pods.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) namespace: usize,
    pub(crate) role: Role,
    pub(crate) pods: Vec<Placed>,
}

/// The address of a node.
pub(crate) fn node_ip(node: usize) -> IpAddr {
    Ipv4Addr::new(172, 20, (node / 250) as u8, (node % 250 + 1) as u8).into()
}

/// The name of a node.
pub(crate) fn node_name(node: usize) -> String {
    format!("node-{node:04}")
}

/// The addresses of the `host`th pod of a node.
pub(crate) fn pod_ips(node: usize, host: u16) -> (IpAddr, IpAddr) {
    let v4 = Ipv4Addr::new(10, (node / 250) as u8, (node % 250) as u8, host as u8);
    (v4.into(), Ipv6Addr::new(0xfd00, 0x10, 0, node as u16, 0, 0, 0, host).into())
}

/// The address of a workload's service.
pub(crate) fn service_ip(namespace: usize, role: Role) -> IpAddr {
    let number = (namespace * 16 + role as usize) as u32;
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 96, 0, 10).to_bits() + number).into()
}

/// The name of the ReplicaSet or of the controller itself.
fn owner(workload: &Workload) -> (&'static str, String) {
    let name = workload.role.name();
    match workload.role.controller() {
        Controller::Deployment => ("ReplicaSet", format!("{name}-{}", template_hash(workload))),
        Controller::StatefulSet => ("StatefulSet", name.to_owned()),
        Controller::DaemonSet => ("DaemonSet", name.to_owned()),
    }
}

fn template_hash(workload: &Workload) -> String {
    format!("{:08x}", (workload.namespace * 31 + workload.role as usize + 1).wrapping_mul(2_654_435_761))
}

/// What a controller calls its `index`th pod.
fn pod_name(workload: &Workload, index: usize) -> String {
    let (kind, owner) = owner(workload);
    if kind == "StatefulSet" { format!("{owner}-{index}") } else { format!("{owner}-{index:05x}") }
}

fn labels(workload: &Workload, index: usize) -> Map<String, Value> {
    let name = workload.role.name();
    let mut labels = Map::from_iter([
        ("app.kubernetes.io/name".to_owned(), json!(name)),
        (
            "app.kubernetes.io/instance".to_owned(),
            json!(format!("{}-{name}", namespace::name(workload.namespace))),
        ),
        ("tier".to_owned(), json!(workload.role.tier())),
    ]);
    let mut add = |key: &str, value: String| labels.insert(key.to_owned(), Value::String(value));
    match workload.role.controller() {
        Controller::Deployment => {
            add("pod-template-hash", template_hash(workload));
        }
        Controller::StatefulSet => {
            add("statefulset.kubernetes.io/pod-name", pod_name(workload, index));
            add("apps.kubernetes.io/pod-index", index.to_string());
            add("controller-revision-hash", template_hash(workload));
        }
        Controller::DaemonSet => {
            add("controller-revision-hash", template_hash(workload));
            add("pod-template-generation", "3".to_owned());
        }
    }
    if workload.role == Role::Dns {
        add("k8s-app", "kube-dns".to_owned());
    }
    if workload.role == Role::Api {
        add("version", format!("v{}", 1 + index % 2));
    }
    labels
}

/// The `index`th pod of a workload.
pub(crate) fn object(workload: &Workload, index: usize) -> Value {
    let placed = &workload.pods[index];
    let (kind, owner) = owner(workload);
    let ports = workload
        .role
        .ports(workload.namespace)
        .into_iter()
        .map(|port| json!({"name": port.name, "containerPort": port.number, "protocol": port.protocol}));
    let ips = std::iter::once(placed.v4).chain(placed.v6).map(|ip| json!({"ip": ip}));
    json!({
        "metadata": {
            "namespace": namespace::name(workload.namespace),
            "name": pod_name(workload, index),
            "labels": labels(workload, index),
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "u", "controller": true}],
        },
        "spec": {
            "nodeName": node_name(placed.node),
            "hostNetwork": namespace::is_host_network(workload.namespace, workload.role),
            "containers": [{"name": "main", "image": "registry.example/app:1", "ports": ports.collect::<Vec<_>>()}],
        },
        "status": {"phase": "Running", "podIP": placed.v4, "podIPs": ips.collect::<Vec<_>>()},
    })
}

/// The ReplicaSet of a Deployment's pods.
pub(crate) fn replica_set(workload: &Workload) -> Option<Value> {
    let (kind, name) = owner(workload);
    let deployment = workload.role.name();
    (kind == "ReplicaSet").then(|| {
        json!({"metadata": {
            "namespace": namespace::name(workload.namespace),
            "name": name,
            "ownerReferences":
                [{"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment, "uid": "u", "controller": true}],
        }})
    })
}

/// The service of a workload.
pub(crate) fn service(workload: &Workload) -> Value {
    let (ip, name) = (service_ip(workload.namespace, workload.role), workload.role.name());
    let ports = workload.role.ports(workload.namespace).into_iter().map(|port| {
        json!({"name": port.name, "port": port.number, "targetPort": port.name, "protocol": port.protocol})
    });
    json!({
        "metadata": {"namespace": namespace::name(workload.namespace), "name": name},
        "spec": {
            "clusterIP": ip,
            "clusterIPs": [ip],
            "selector": {"app.kubernetes.io/name": name},
            "ports": ports.collect::<Vec<_>>(),
        },
    })
}

/// The endpoints of that service, one slice for each hundred.
pub(crate) fn slices(workload: &Workload) -> Vec<Value> {
    let ports = workload.role.ports(workload.namespace).into_iter();
    let ports: Vec<Value> = ports
        .map(|port| json!({"name": port.name, "port": port.number, "protocol": port.protocol}))
        .collect();
    let service = workload.role.name();
    let slice = |(number, pods): (usize, &[Placed])| {
        let endpoints = pods.iter().map(|pod| json!({"addresses": [pod.v4], "conditions": {"ready": true}}));
        json!({
            "metadata": {
                "namespace": namespace::name(workload.namespace),
                "name": format!("{service}-{number}"),
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": endpoints.collect::<Vec<_>>(),
            "ports": ports,
        })
    };
    workload.pods.chunks(100).enumerate().map(slice).collect()
}
