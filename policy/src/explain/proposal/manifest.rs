//! The objects and rules that a proposal adds, each as narrow as it can be.

use super::labels;
use crate::{
    Cluster, ObjectKind, Pod, PolicyKind, Protocol, explain::case::Case, labels::NAMESPACE_NAME_LABEL,
    network_policy::Direction,
};
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// No object of the API may have a longer name than fits a label.
const LONGEST_NAME: usize = 63;

/// An object of a policy kind.
pub(super) fn object(kind: PolicyKind, namespace: Option<&str>, name: &str, spec: &Value) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(name));
    if let Some(namespace) = namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    let version = ObjectKind::from_name(kind.as_str()).map(ObjectKind::api_version);
    json!({"apiVersion": version, "kind": kind.as_str(), "metadata": metadata, "spec": spec})
}

/// A name that says what a policy is for: `db-from-web`.
pub(super) fn name(case: &Case<'_, '_>) -> String {
    let workload = |pod: &Pod| case.cluster.workload(pod).name;
    let subject = workload(case.laid.subject);
    let peer = case.laid.peer.map_or_else(|| case.laid.question.peer.ip.to_string(), workload);
    let word = match case.direction {
        Direction::Egress => "to",
        Direction::Ingress => "from",
    };
    let fits = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let name: String = format!("{subject}-{word}-{peer}").chars().map(fits).take(LONGEST_NAME).collect();
    name.trim_matches('-').to_owned()
}

/// The name, or one that no policy has yet.
pub(super) fn free_name(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| !is_taken(name)).unwrap_or_default()
}

/// The namespace by its own label.
pub(super) fn namespace(name: &str) -> Value {
    json!({"matchLabels": {NAMESPACE_NAME_LABEL: name}})
}

/// The pods of a workload; `None` where they have no label to tell them by.
pub(super) fn pods(cluster: &Cluster, pod: &Pod) -> Option<Value> {
    labels::distinguishing(cluster, pod).map(|chosen| json!({"matchLabels": chosen.labels}))
}

/// One address as a block.
pub(super) fn block(ip: IpAddr) -> String {
    IpNet::from(ip).to_string()
}

/// A rule of a NetworkPolicy for this connection; `None` where its peer cannot be named.
pub(super) fn network_policy_rule(case: &Case<'_, '_>) -> Option<Value> {
    let peer = match case.laid.peer {
        Some(pod) if pod.namespace() == case.laid.subject.namespace() => {
            json!({"podSelector": pods(case.cluster, pod)?})
        }
        Some(pod) => json!({
            "namespaceSelector": namespace(pod.namespace()),
            "podSelector": pods(case.cluster, pod)?,
        }),
        None => json!({"ipBlock": {"cidr": block(case.laid.question.peer.ip)}}),
    };
    let ports = network_policy_port(case).map(|port| ("ports", json!([port])));
    let peers = (case.direction.peers_field(), json!([peer]));
    Some(in_order(ports.into_iter().chain([peers])))
}

/// An entry of `ports`; `None` for a protocol that has none.
pub(super) fn network_policy_port(case: &Case<'_, '_>) -> Option<Value> {
    let protocol = case.connection.protocol;
    match case.connection.port {
        _ if !protocol.has_ports() => None,
        Some(port) => Some(json!({"port": port, "protocol": protocol})),
        None => Some(json!({"protocol": protocol})),
    }
}

/// A rule of a cluster-wide policy that lets this connection through; `None` where its peer cannot be
/// named there.
pub(super) fn tier_rule(case: &Case<'_, '_>, kind: PolicyKind) -> Option<Value> {
    let peer = match (case.laid.peer, case.direction) {
        (Some(pod), _) => json!({"pods": {
            "namespaceSelector": namespace(pod.namespace()),
            "podSelector": pods(case.cluster, pod)?,
        }}),
        (None, Direction::Egress) => json!({"networks": [block(case.laid.question.peer.ip)]}),
        (None, Direction::Ingress) => return None,
    };
    let is_newer = kind == PolicyKind::ClusterNetworkPolicy;
    let action = ("action", json!(if is_newer { "Accept" } else { "Allow" }));
    let peers = (case.direction.peers_field(), json!([peer]));
    let protocol = case.connection.protocol;
    let port = case.connection.port.filter(|_| protocol.has_ports());
    let ports_field = if is_newer { "protocols" } else { "ports" };
    let ports = port.map(|port| (ports_field, json!([tier_port(kind, port, protocol)])));
    Some(in_order([action, peers].into_iter().chain(ports)))
}

/// An entry of `protocols`, in the older kinds of `ports`.
pub(super) fn tier_port(kind: PolicyKind, port: u16, protocol: Protocol) -> Value {
    if kind == PolicyKind::ClusterNetworkPolicy {
        json!({protocol.as_str().to_lowercase(): {"destinationPort": {"number": port}}})
    } else {
        json!({"portNumber": {"port": port, "protocol": protocol}})
    }
}

/// An object with its fields by name: the order must not hang on how `serde_json` was built.
pub(super) fn in_order(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    let mut fields: Vec<(&str, Value)> = fields.into_iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
