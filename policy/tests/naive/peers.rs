//! Subjects and peers of the cluster-wide kinds (C6–C11, C17, A4, A5).

use crate::naive::{
    Facts,
    address::parse_block,
    labels::{Labels, peer_matches, subject_matches},
    side::Side,
    truth::{Truth, all, any},
    view::{View, pod_labels, pod_name},
};
use k8s_openapi::api::core::v1::Pod;
use portolan_policy::api::{LabelSelector, NamespacedPods, Peer, Subject};
use std::net::IpAddr;

/// Which fields a peer may have at its place.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// `networks` and `nodes`.
    pub(crate) addresses: bool,
    pub(crate) domain_names: bool,
}

/// Whether the policy is about the pod.
pub(crate) fn is_subject(subject: &Subject, pod: &Pod, view: View<'_>, whose: &str) -> Truth {
    let unknown = Truth::missing(format!("the subject of {whose} is not valid"));
    if !subject.unknown.is_empty() {
        return unknown;
    }
    let matches = |selector: &LabelSelector, labels| subject_matches(&selector.known(), &labels, whose);
    let namespace = || view.namespace_labels(&pod_name(pod).0);
    match (&subject.namespaces, &subject.pods) {
        (Some(selector), None) if selector.unknown.is_empty() => matches(selector, namespace()),
        (None, Some(pods)) if pods_are_known(pods) => {
            let namespaces = pods.namespace_selector.as_ref();
            let namespaces = namespaces.map_or(Truth::Yes, |selector| matches(selector, namespace()));
            let selector = pods.pod_selector.as_ref();
            all([namespaces, selector.map_or(Truth::Yes, |selector| matches(selector, pod_labels(pod)))])
        }
        _ => unknown,
    }
}

fn is_known(selector: Option<&LabelSelector>) -> bool {
    selector.is_none_or(|selector| selector.unknown.is_empty())
}

fn pods_are_known(pods: &NamespacedPods) -> bool {
    pods.unknown.is_empty()
        && is_known(pods.namespace_selector.as_ref())
        && is_known(pods.pod_selector.as_ref())
}

/// Whether the peer has exactly one field, one that its place allows, and none that nobody knows.
pub(crate) fn is_understood(peer: &Peer, place: Place) -> bool {
    let fields = [
        (peer.namespaces.is_some(), true),
        (peer.pods.is_some(), true),
        (peer.nodes.is_some(), place.addresses),
        (peer.networks.is_some(), place.addresses),
        (peer.domain_names.is_some(), place.domain_names),
    ];
    let given: Vec<bool> =
        fields.into_iter().filter(|(given, _)| *given).map(|(_, allowed)| allowed).collect();
    given == [true]
        && peer.unknown.is_empty()
        && is_known(peer.namespaces.as_ref())
        && is_known(peer.nodes.as_ref())
        && peer.pods.as_ref().is_none_or(pods_are_known)
}

/// Whether an understood peer is the other end.
pub(crate) fn is_peer(peer: &Peer, side: &Side<'_>) -> Truth {
    let view = side.view;
    if let Some(fact) = &side.peer.hidden {
        return is_hidden_peer(peer, side.peer.ip, fact);
    }
    let labels = |pod: &Pod| view.namespace_labels(&pod_name(pod).0);
    let claimants = side.peer.pods.iter();
    if let Some(selector) = &peer.namespaces {
        return any(claimants.map(|pod| peer_matches(&selector.known(), &labels(pod))));
    }
    if let Some(pods) = &peer.pods {
        return any(claimants.map(|pod| is_one_of(pods, pod, view)));
    }
    if let Some(selector) = &peer.nodes {
        return is_node(selector, side);
    }
    if let Some(networks) = &peer.networks {
        let blocks = networks.iter().filter_map(|text| parse_block(text));
        return any(blocks.map(|block| Truth::from(block.contains(side.peer.ip))));
    }
    peer.domain_names.as_ref().map_or(Truth::No, |names| has_name(names, side.peer.ip, view.facts))
}

/// The same where nobody knows who is at the other end.
fn is_hidden_peer(peer: &Peer, of_family: IpAddr, fact: &str) -> Truth {
    let selected = |selector: &LabelSelector| peer_matches(&selector.known(), &Labels::hidden(fact));
    let pods = peer.pods.iter().flat_map(|pods| [&pods.namespace_selector, &pods.pod_selector]).flatten();
    let selectors = peer.namespaces.iter().chain(&peer.nodes).chain(pods);
    let names = |names: &Vec<String>| if names.is_empty() { Truth::No } else { Truth::missing(fact) };
    match (&peer.networks, &peer.domain_names) {
        (Some(networks), _) => {
            let blocks = networks.iter().filter_map(|text| parse_block(text));
            any(blocks.map(|block| block.contains_hidden(of_family, fact)))
        }
        (None, Some(some)) => names(some),
        (None, None) => all(selectors.map(selected).chain([Truth::missing(fact)])),
    }
}

fn is_one_of(pods: &NamespacedPods, pod: &Pod, view: View<'_>) -> Truth {
    let namespaces = pods.namespace_selector.as_ref();
    let of_namespace = namespaces.map_or(Truth::Yes, |selector| {
        peer_matches(&selector.known(), &view.namespace_labels(&pod_name(pod).0))
    });
    let selector = pods.pod_selector.as_ref();
    let of_pod = selector.map_or(Truth::Yes, |it| peer_matches(&it.known(), &pod_labels(pod)));
    all([of_namespace, of_pod])
}

/// An address of a selected node, as a host-network pod's is; one that a pod holds is the pod's (C9).
fn is_node(selector: &LabelSelector, side: &Side<'_>) -> Truth {
    if !side.peer.pods.is_empty() {
        return Truth::No;
    }
    let nodes = side.view.nodes_reporting(side.peer.ip);
    any(nodes.iter().map(|node| peer_matches(&selector.known(), &side.view.node_labels(node))))
}

/// Whether the DNS answers lead from one of the names to the address (C11).
fn has_name(names: &[String], ip: IpAddr, facts: &Facts) -> Truth {
    if facts.dns.is_empty() {
        return any(names.iter().map(|_| Truth::missing("the DNS answers")));
    }
    any(facts.dns.iter().map(|(name, ips)| {
        let leads = ips.iter().any(|known| known.to_canonical() == ip);
        Truth::from(leads && names.iter().any(|pattern| covers(pattern, name)))
    }))
}

/// The name itself, or for `*.` one or more whole labels before the rest.
fn covers(pattern: &str, name: &str) -> bool {
    let plain = |text: &str| text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let (pattern, name) = (plain(pattern), plain(name));
    match pattern.strip_prefix("*.") {
        Some(rest) => name.strip_suffix(&format!(".{rest}")).is_some_and(|labels| !labels.is_empty()),
        None => pattern == name,
    }
}
