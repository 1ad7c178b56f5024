//! Whether two objects of one name say the same: a manifest and what an API server made of it.

use crate::{Object, Policy, labels::NAMESPACE_NAME_LABEL};
use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use std::collections::BTreeMap;

/// Whether it makes no difference which of two objects of one name counts: metadata but labels and
/// owners is not compared, nor what an API server fills in.
pub fn say_the_same(one: &Object, other: &Object) -> bool {
    match (one, other) {
        (Object::NetworkPolicy(one), Object::NetworkPolicy(other)) => {
            one.unknown() == other.unknown() && filled(one) == filled(other)
        }
        (Object::ClusterNetworkPolicy(one), Object::ClusterNetworkPolicy(other)) => {
            are_same(one, other, |policy| &policy.spec)
        }
        (Object::AdminNetworkPolicy(one), Object::AdminNetworkPolicy(other)) => {
            are_same(one, other, |policy| &policy.spec)
        }
        (Object::BaselineAdminNetworkPolicy(one), Object::BaselineAdminNetworkPolicy(other)) => {
            are_same(one, other, |policy| &policy.spec)
        }
        // An API server adds the name as a label, a finalizer and a phase: none of them is asked for.
        (Object::Namespace(one), Object::Namespace(other)) => {
            labels(&one.metadata) == labels(&other.metadata)
        }
        _ => bare(one) == bare(other),
    }
}

fn are_same<T, S: PartialEq>(one: &Policy<T>, other: &Policy<T>, spec: impl Fn(&T) -> &S) -> bool {
    one.unknown() == other.unknown() && spec(one) == spec(other)
}

fn labels(metadata: &ObjectMeta) -> BTreeMap<&str, &str> {
    let labels = metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    labels.filter(|(key, _)| *key != NAMESPACE_NAME_LABEL).collect()
}

/// The object with that part of its metadata that says something about connections.
fn bare(object: &Object) -> Object {
    let mut object = object.clone();
    let metadata = object.metadata_mut();
    let ObjectMeta { labels, owner_references, .. } = std::mem::take(metadata);
    *metadata = ObjectMeta { labels, owner_references, ..ObjectMeta::default() };
    object
}

/// The spec with all that an API server fills in (N1–N4), and nothing empty.
fn filled(policy: &NetworkPolicy) -> NetworkPolicySpec {
    let mut spec = policy.spec.clone().unwrap_or_default();
    let mut types = drop_empty(spec.policy_types.take()).unwrap_or_else(|| default_types(&spec));
    types.sort_unstable();
    types.dedup();
    spec.policy_types = Some(types);
    spec.pod_selector = Some(spec.pod_selector.map(shortened).unwrap_or_default());
    spec.ingress = drop_empty(spec.ingress);
    for rule in spec.ingress.iter_mut().flatten() {
        (rule.from, rule.ports) = (peers(rule.from.take()), ports(rule.ports.take()));
    }
    spec.egress = drop_empty(spec.egress);
    for rule in spec.egress.iter_mut().flatten() {
        (rule.to, rule.ports) = (peers(rule.to.take()), ports(rule.ports.take()));
    }
    spec
}

fn default_types(spec: &NetworkPolicySpec) -> Vec<String> {
    let has_egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
    let egress = has_egress.then(|| "Egress".to_owned());
    ["Ingress".to_owned()].into_iter().chain(egress).collect()
}

fn peers(peers: Option<Vec<NetworkPolicyPeer>>) -> Option<Vec<NetworkPolicyPeer>> {
    let mut peers = drop_empty(peers);
    for peer in peers.iter_mut().flatten() {
        peer.namespace_selector = peer.namespace_selector.take().map(shortened);
        peer.pod_selector = peer.pod_selector.take().map(shortened);
        if let Some(block) = &mut peer.ip_block {
            block.except = drop_empty(block.except.take());
        }
    }
    peers
}

fn ports(ports: Option<Vec<NetworkPolicyPort>>) -> Option<Vec<NetworkPolicyPort>> {
    let mut ports = drop_empty(ports);
    for port in ports.iter_mut().flatten() {
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
    ports
}

fn shortened(selector: LabelSelector) -> LabelSelector {
    LabelSelector {
        match_labels: selector.match_labels.filter(|labels| !labels.is_empty()),
        match_expressions: drop_empty(selector.match_expressions),
    }
}

fn drop_empty<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}
