//! Why an entry of a list of peers does not match.

use super::{
    Condition, EndpointKind, Unmet, Via,
    case::Case,
    selectors::{self, Bearer},
    written::{SelectorAt, WrittenPeer},
};
use crate::{
    address::parse_cidr,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL},
    network_policy::Direction,
    peer::{PeerMatch, PeerPod},
};
use k8s_openapi::api::networking::v1::IPBlock;
use std::net::IpAddr;

/// By what an entry matches.
pub(super) const fn via(peer: &PeerMatch) -> Via {
    match peer {
        PeerMatch::PodsIn { .. } | PeerMatch::PodsOf { .. } | PeerMatch::Nothing => Via::Selector,
        PeerMatch::Block(_) | PeerMatch::Networks(_) => Via::IpBlock,
        PeerMatch::Nodes(_) => Via::Node,
        PeerMatch::Names(_) => Via::DomainName,
    }
}

/// The conditions of an entry that do not hold; `field` is where it is written.
pub(super) fn unmet(case: &Case<'_, '_>, peer: &WrittenPeer<'_>, namespace: &str, field: &str) -> Vec<Unmet> {
    match peer {
        WrittenPeer::Own(pods) => own_namespace(case, pods, namespace),
        WrittenPeer::Pods { namespaces, pods } => of_pods(case, namespaces.as_ref(), pods.as_ref(), field),
        WrittenPeer::Block(block) => vec![of_block(case, block, field)],
        WrittenPeer::Networks(networks) => vec![of_networks(case, networks, field)],
        WrittenPeer::Nodes(nodes) => vec![of_nodes(case, nodes)],
        WrittenPeer::Names(names) => {
            let text =
                format!("no DNS answer for {} leads to {}", names.join(", "), case.connection.destination);
            vec![Unmet::new(Condition::DomainName, format!("{field}.domainNames"), text)]
        }
        WrittenPeer::Invalid => {
            let text = "the entry is not valid, so it matches nothing".to_owned();
            vec![Unmet::new(Condition::Invalid, field.to_owned(), text)]
        }
    }
}

/// A `podSelector` alone is about the policy's own namespace.
fn own_namespace(case: &Case<'_, '_>, pods: &SelectorAt<'_>, namespace: &str) -> Vec<Unmet> {
    let Some(of_peer) = case.peer_namespace() else { return vec![no_pod(case, &pods.field)] };
    let mut unmet = of_labels(case, pods);
    if of_peer != namespace {
        let text =
            format!("the peer is in namespace {of_peer}, podSelector alone means namespace {namespace}");
        let hint = format!("add namespaceSelector {NAMESPACE_NAME_LABEL}={of_peer} to the entry");
        let wrong = Unmet {
            has: Some(format!("namespace {of_peer}")),
            wants: Some(format!("namespace {namespace}")),
            hint: Some(hint),
            ..Unmet::new(Condition::Namespace, pods.field.clone(), text)
        };
        unmet.insert(0, wrong);
    }
    unmet
}

fn of_pods(
    case: &Case<'_, '_>,
    namespaces: Option<&SelectorAt<'_>>,
    pods: Option<&SelectorAt<'_>>,
    field: &str,
) -> Vec<Unmet> {
    let Some(peer) = case.laid.question.peer.pod else { return vec![no_pod(case, field)] };
    let namespace = peer.template.namespace.name.as_ref();
    let mut unmet = Vec::new();
    if let Some(at) = namespaces {
        let bearer = Bearer {
            condition: Condition::Namespace,
            name: &format!("namespace {namespace}"),
            labels: peer.namespace_labels,
            text: case.cluster.namespace_labels(namespace).map(LabelSet::text),
            wanted_by: "rule",
            field: &at.field,
        };
        unmet.extend(selectors::unmet(&at.selector, &bearer));
    }
    unmet.extend(pods.map(|at| of_labels(case, at)).unwrap_or_default());
    if let Some(first) = unmet.first_mut() {
        first.hint = namespaces.zip(pods).and_then(|halves| alone(case, peer, halves));
    }
    unmet
}

/// One entry wants both halves; two entries would take either (N11).
fn alone(
    case: &Case<'_, '_>,
    peer: PeerPod<'_>,
    (namespaces, pods): (&SelectorAt<'_>, &SelectorAt<'_>),
) -> Option<String> {
    // The other kinds of policy write both halves into one field.
    if pods.field.contains(".pods.") {
        return None;
    }
    let is_own = case.peer_namespace() == Some(case.laid.subject.namespace());
    let would = if selectors::holds(&namespaces.selector, peer.namespace_labels) {
        "namespaceSelector"
    } else if is_own && selectors::holds(&pods.selector, Labels::Known(peer.labels)) {
        "podSelector"
    } else {
        return None;
    };
    Some(format!("both halves of this entry must hold; as an entry of its own, {would} would match"))
}

fn of_labels(case: &Case<'_, '_>, at: &SelectorAt<'_>) -> Vec<Unmet> {
    let Some(peer) = case.laid.question.peer.pod else { return Vec::new() };
    let bearer = Bearer {
        condition: Condition::Pod,
        name: "pod",
        labels: Labels::Known(peer.labels),
        text: Some(peer.template.labels.text()),
        wanted_by: "rule",
        field: &at.field,
    };
    selectors::unmet(&at.selector, &bearer)
}

fn no_pod(case: &Case<'_, '_>, field: &str) -> Unmet {
    let text = format!("{}, and the entry is about pods only", case.no_pod());
    let hint = match (case.peer.kind, case.direction) {
        (EndpointKind::Service, _) => None,
        (_, Direction::Egress) => Some("a block of addresses can name it"),
        (_, Direction::Ingress) => Some("an ipBlock of a NetworkPolicy can name it"),
    };
    Unmet { hint: hint.map(str::to_owned), ..Unmet::new(Condition::PeerKind, field.to_owned(), text) }
}

fn of_block(case: &Case<'_, '_>, block: &IPBlock, field: &str) -> Unmet {
    let ip = case.laid.question.peer.ip;
    let cidr = block.cidr.as_str();
    let field = format!("{field}.ipBlock");
    let except = block.except.iter().flatten();
    let unreadable = [cidr].into_iter().chain(except.clone().map(String::as_str));
    if let Some(text) = unreadable.into_iter().find(|text| parse_cidr(text).is_none()) {
        let text = format!("`{text}` is no block of addresses, so the entry matches nothing");
        return Unmet::new(Condition::Invalid, field.clone(), text);
    }
    let holds = |text: &str| parse_cidr(text).is_some_and(|net| net.contains(&ip));
    let hole = except.map(String::as_str).find(|except| holds(except)).filter(|_| holds(cidr));
    let text = match hole {
        Some(hole) => format!("{ip} is in the exception {hole} of {cidr}"),
        None => outside(ip, &[cidr]),
    };
    Unmet {
        has: Some(ip.to_string()),
        wants: Some(cidr.to_owned()),
        hint: block_hint(case, &[cidr]),
        ..Unmet::new(Condition::Address, field.clone(), text)
    }
}

fn of_networks(case: &Case<'_, '_>, networks: &[String], field: &str) -> Unmet {
    let ip = case.laid.question.peer.ip;
    let networks: Vec<&str> = networks.iter().map(String::as_str).collect();
    Unmet {
        has: Some(ip.to_string()),
        wants: Some(networks.join(", ")),
        hint: block_hint(case, &networks),
        ..Unmet::new(Condition::Address, format!("{field}.networks"), outside(ip, &networks))
    }
}

fn outside(ip: IpAddr, blocks: &[&str]) -> String {
    let is_v4 = |text: &str| parse_cidr(text).map(|net| net.addr().is_ipv4());
    let told = blocks.join(", ");
    match blocks {
        [] => format!("{ip} is in none of no networks"),
        _ if blocks.iter().all(|block| is_v4(block) == Some(!ip.is_ipv4())) => {
            let family = |is_v4| if is_v4 { "IPv4" } else { "IPv6" };
            format!("{ip} is {}, {told} is {}", family(ip.is_ipv4()), family(!ip.is_ipv4()))
        }
        _ => format!("{ip} is not in {told}"),
    }
}

fn block_hint(case: &Case<'_, '_>, blocks: &[&str]) -> Option<String> {
    let service = case.service.as_ref().filter(|_| case.direction == Direction::Egress);
    let holds =
        |ip: IpAddr| blocks.iter().any(|block| parse_cidr(block).is_some_and(|net| net.contains(&ip)));
    let dialled = service.and_then(|service| Some((&service.name, service.ip?)));
    match (dialled, case.laid.peer) {
        (Some((name, ip)), _) if holds(ip) => {
            Some(format!("{ip} is service {name}; policies see its endpoint"))
        }
        (_, Some(pod)) => Some(format!("the address is that of pod {}: prefer a selector", pod.title())),
        _ => None,
    }
}

fn of_nodes(case: &Case<'_, '_>, nodes: &SelectorAt<'_>) -> Unmet {
    let wants = selectors::words(Some(&nodes.selector));
    let wants = wants.map_or_else(|| "any node".to_owned(), |wants| format!("a node with {wants}"));
    let ip = case.laid.question.peer.ip;
    let text = format!("{ip} is no address of {wants}");
    Unmet { wants: Some(wants), ..Unmet::new(Condition::Node, nodes.field.clone(), text) }
}
