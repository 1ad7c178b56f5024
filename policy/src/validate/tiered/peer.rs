//! Peers and the selectors in them, fields of older APIs included (C7, C10, C11, C17, A5).

use super::{ALL_TAKEN, Report};
use crate::{
    ObjectKind,
    address::parse_cidr,
    api::{LabelSelector, NamespacedPods, Peer, Subject, UnknownFields},
    domain_name::DomainName,
    network_policy::Direction,
    object::UnknownKey,
    shown::{quote, short},
    validate::{Path, fields, ip_block, selector, syntax, unknown::meant},
};

/// The CIDRs and the names that a peer may list (C18).
const LIST_MAX: usize = 25;
/// Keys that versions of the API before v0.1.3 had (A5).
const OLD_KEYS: [&str; 6] = [
    "namespaceSelector",
    "sameLabels",
    "notSameLabels",
    "notSelf",
    "namespacedPods",
    "namespaceAndPodSelector",
];

/// Where a peer stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) kind: ObjectKind,
    pub(super) direction: Direction,
    pub(super) action: &'a str,
}

impl Place<'_> {
    /// What a peer that the API does not know makes of its rule (C17).
    fn effect(self) -> &'static str {
        match self.action {
            "Accept" | "Allow" => "the whole rule matches nothing",
            "Deny" | "Pass" => "the rule denies everything of its direction",
            _ => "the policy says nothing",
        }
    }

    /// The fields that a peer may have here.
    const fn fields(self) -> &'static str {
        match (self.direction, self.kind) {
            (Direction::Ingress, _) => "namespaces or pods",
            (Direction::Egress, ObjectKind::BaselineAdminNetworkPolicy) => {
                "namespaces, pods, nodes or networks"
            }
            (Direction::Egress, _) => "namespaces, pods, nodes, networks or domainNames",
        }
    }
}

/// One peer of a rule.
pub(super) fn check(report: &mut Report<'_>, at: &Path<'_>, place: Place<'_>, peer: &Peer) {
    let present = present(peer);
    let mend = || format!("write exactly one of {}", place.fields());
    match present.as_slice() {
        [] if peer.unknown.is_empty() => report.invalid(at, "the peer says nothing", mend(), place.effect()),
        [_, _, ..] => {
            report.invalid(at, format!("{} in one peer", present.join(" and ")), mend(), place.effect());
        }
        _ => {}
    }
    for field in present.iter().filter(|field| !is_allowed(field, place)) {
        let problem = format!("{field} {}", why_not(field, place));
        report.invalid(&at.field(field), problem, mend(), place.effect());
    }
    for UnknownKey { field, mend: meant, .. } in unknown_in_peer(peer) {
        let mend = if meant.is_empty() { mend() } else { meant };
        report.invalid(at, unknown_problem(&field), mend, place.effect());
    }
    contents(report, at, peer);
}

/// The known fields that are there.
fn present(peer: &Peer) -> Vec<&'static str> {
    let Peer { namespaces, pods, nodes, networks, domain_names, unknown: _ } = peer;
    let fields = [
        ("namespaces", namespaces.is_some()),
        ("pods", pods.is_some()),
        ("nodes", nodes.is_some()),
        ("networks", networks.is_some()),
        ("domainNames", domain_names.is_some()),
    ];
    fields.into_iter().filter_map(|(field, present)| present.then_some(field)).collect()
}

fn is_allowed(field: &str, place: Place<'_>) -> bool {
    match field {
        "nodes" | "networks" => place.direction == Direction::Egress,
        "domainNames" => {
            place.direction == Direction::Egress
                && place.kind != ObjectKind::BaselineAdminNetworkPolicy
                && !matches!(place.action, "Deny" | "Pass")
        }
        _ => true,
    }
}

fn why_not(field: &str, place: Place<'_>) -> &'static str {
    if place.direction == Direction::Ingress {
        "stands on egress only"
    } else if field == "domainNames" && place.kind == ObjectKind::BaselineAdminNetworkPolicy {
        "is no field of a BaselineAdminNetworkPolicy"
    } else {
        "stands in rules that accept only"
    }
}

fn unknown_problem(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    if OLD_KEYS.contains(&last) {
        format!("{} is of the old API, before v0.1.3", quote(key))
    } else {
        format!("no field of the API: {}", quote(key))
    }
}

/// What the fields hold.
fn contents(report: &mut Report<'_>, at: &Path<'_>, peer: &Peer) {
    if let Some(namespaces) = &peer.namespaces {
        selector::check_known(report, &at.field("namespaces"), namespaces, selector::Place::Peer);
    }
    if let Some(pods) = &peer.pods {
        namespaced_pods(report, &at.field("pods"), pods, selector::Place::Peer);
    }
    if let Some(nodes) = &peer.nodes {
        selector::check_known(report, &at.field("nodes"), nodes, selector::Place::Peer);
    }
    if let Some(networks) = &peer.networks {
        check_networks(report, &at.field("networks"), networks);
    }
    if let Some(names) = &peer.domain_names {
        check_domain_names(report, &at.field("domainNames"), names);
    }
}

/// Pods of namespaces, in a subject or a peer.
pub(super) fn namespaced_pods(
    report: &mut Report<'_>,
    at: &Path<'_>,
    pods: &NamespacedPods,
    place: selector::Place,
) {
    if let Some(namespaces) = &pods.namespace_selector {
        selector::check_known(report, &at.field("namespaceSelector"), namespaces, place);
    }
    let at = at.field("podSelector");
    if let Some(selector) = &pods.pod_selector {
        selector::check_known(report, &at, selector, place);
    } else {
        report.invalid(&at, "no podSelector", "write it, `{}` for all pods", "it selects all pods");
    }
}

fn check_networks(report: &mut Report<'_>, at: &Path<'_>, networks: &[String]) {
    list(report, at, networks.len(), "list at least one address block");
    for (index, text) in networks.iter().enumerate() {
        if parse_cidr(text).is_none() {
            let problem = format!("no address block: {}", quote(text));
            report.invalid(&at.index(index), problem, ip_block::CIDR_MEND, "that entry matches nothing");
        }
    }
}

fn check_domain_names(report: &mut Report<'_>, at: &Path<'_>, names: &[String]) {
    list(report, at, names.len(), "list at least one name");
    for (index, name) in names.iter().enumerate() {
        if let Err(problem) = syntax::domain_name(name) {
            let problem = format!("the name {} {problem}", quote(name));
            let mend = "write a name such as `kubernetes.io` or `*.kubernetes.io`";
            report.invalid(&at.index(index), problem, mend, effect(name));
        }
    }
}

/// A name that has no labels to compare matches nothing.
fn effect(name: &str) -> &'static str {
    if DomainName::read(name).is_some() { "it is compared as written" } else { "that name matches nothing" }
}

fn list(report: &mut Report<'_>, at: &Path<'_>, found: usize, mend: &str) {
    if found == 0 {
        report.invalid(at, "an empty list", mend, "the peer matches nobody");
    }
    report.at_most(at, found, LIST_MAX, ALL_TAKEN);
}

/// The keys in a peer that the API does not have, each with what was meant where that is plain.
pub(super) fn unknown_in_peer(peer: &Peer) -> Vec<UnknownKey> {
    let mut keys = Vec::new();
    push(&mut keys, "", &fields::PEER, &peer.unknown);
    push_selector(&mut keys, "namespaces.", peer.namespaces.as_ref());
    push_pods(&mut keys, peer.pods.as_ref());
    push_selector(&mut keys, "nodes.", peer.nodes.as_ref());
    keys
}

/// The keys in a subject that the API does not have.
pub(super) fn unknown_in_subject(subject: &Subject) -> Vec<UnknownKey> {
    let mut keys = Vec::new();
    push(&mut keys, "", &fields::SUBJECT, &subject.unknown);
    push_selector(&mut keys, "namespaces.", subject.namespaces.as_ref());
    push_pods(&mut keys, subject.pods.as_ref());
    keys
}

fn push_pods(keys: &mut Vec<UnknownKey>, pods: Option<&NamespacedPods>) {
    let Some(pods) = pods else { return };
    push(keys, "pods.", &fields::WIDE_PODS, &pods.unknown);
    push_selector(keys, "pods.namespaceSelector.", pods.namespace_selector.as_ref());
    push_selector(keys, "pods.podSelector.", pods.pod_selector.as_ref());
}

fn push_selector(keys: &mut Vec<UnknownKey>, place: &str, selector: Option<&LabelSelector>) {
    if let Some(selector) = selector {
        push(keys, place, &fields::WIDE_SELECTOR, &selector.unknown);
    }
}

fn push(keys: &mut Vec<UnknownKey>, place: &str, of: &fields::Type, unknown: &UnknownFields) {
    keys.extend(unknown.keys().map(|key| UnknownKey {
        field: format!("{place}{}", short(key)),
        mend: meant(of, key).unwrap_or_default(),
        consequence: None,
    }));
}
