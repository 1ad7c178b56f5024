//! Rules as they were written, of all kinds in one form: for words, never for a verdict.

use crate::{
    PolicyKind, Protocol, api,
    api::{v1alpha1, v1alpha2},
    network_policy::{Direction, NetworkPolicy},
    port::PortMatch,
    rule::Rule,
    tier_policy::{Action, Matched, TierPolicy, TierRule, Written},
};
use k8s_openapi::{
    api::networking::v1 as k8s,
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use std::borrow::Cow;

/// A selector with the place where it is written.
pub(super) struct SelectorAt<'a> {
    pub(super) selector: Cow<'a, LabelSelector>,
    pub(super) field: String,
}

/// One entry of a list of peers.
pub(super) enum WrittenPeer<'a> {
    /// Pods of the policy's own namespace.
    Own(SelectorAt<'a>),
    /// Pods by their namespaces and their labels.
    Pods {
        namespaces: Option<SelectorAt<'a>>,
        pods: Option<SelectorAt<'a>>,
    },
    /// An `ipBlock`.
    Block(&'a k8s::IPBlock),
    Networks(&'a [String]),
    Nodes(SelectorAt<'a>),
    Names(&'a [String]),
    /// An entry that the API would reject.
    Invalid,
}

/// One entry of a list of ports.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum WrittenPort {
    All(Protocol),
    Range(Protocol, u16, u16),
    Named(Option<Protocol>, String),
    Invalid,
}

/// One rule as it was written, with its compiled form.
pub(super) struct WrittenRule<'a> {
    /// Where it is written, such as `spec.ingress[0]`.
    pub(super) field: String,
    /// `from` or `to`.
    pub(super) peers_field: &'static str,
    pub(super) name: Option<&'a str>,
    /// What it does to what it matches, and the word for it; a rule of a NetworkPolicy admits.
    pub(super) action: Option<(Action, &'static str)>,
    pub(super) peers: Vec<WrittenPeer<'a>>,
    /// `ports` or `protocols`.
    pub(super) ports_field: &'static str,
    pub(super) ports: Vec<WrittenPort>,
    pub(super) compiled: Compiled<'a>,
}

/// What the evaluator makes of a rule.
#[derive(Clone, Copy)]
pub(super) enum Compiled<'a> {
    Rule(&'a Rule),
    Tier(&'a TierRule),
}

impl<'a> Compiled<'a> {
    /// The rule; `None` where it fails closed.
    pub(super) const fn rule(self) -> Option<&'a Rule> {
        match self {
            Self::Rule(rule) => Some(rule),
            Self::Tier(tier) => match tier.matched() {
                Matched::Rule(rule) => Some(rule),
                Matched::All | Matched::Nothing => None,
            },
        }
    }
}

/// The rules of one direction of a NetworkPolicy.
pub(super) fn of_network_policy(policy: &NetworkPolicy, direction: Direction) -> Vec<WrittenRule<'_>> {
    let compiled = policy.rules(direction).iter();
    let rules = policy.written(direction).into_iter().zip(compiled).enumerate();
    rules
        .map(|(index, ((peers, ports), compiled))| {
            let field = direction.rule_field(index);
            let peers_field = direction.peers_field();
            let peers = peers.iter().enumerate();
            let at = |peer| format!("{field}.{peers_field}[{peer}]");
            WrittenRule {
                peers: peers.map(|(index, peer)| of_v1_peer(peer, &at(index))).collect(),
                ports: zip_ports(compiled, ports.iter().map(v1_name)),
                peers_field,
                ports_field: "ports",
                name: None,
                action: None,
                compiled: Compiled::Rule(compiled),
                field,
            }
        })
        .collect()
}

fn of_v1_peer<'a>(peer: &'a k8s::NetworkPolicyPeer, field: &str) -> WrittenPeer<'a> {
    let at = |selector: &'a LabelSelector, name: &str| SelectorAt {
        selector: Cow::Borrowed(selector),
        field: format!("{field}.{name}"),
    };
    match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(block), None, None) => WrittenPeer::Block(block),
        (None, None, Some(pods)) => WrittenPeer::Own(at(pods, "podSelector")),
        (None, Some(namespaces), pods) => WrittenPeer::Pods {
            namespaces: Some(at(namespaces, "namespaceSelector")),
            pods: pods.as_ref().map(|pods| at(pods, "podSelector")),
        },
        _ => WrittenPeer::Invalid,
    }
}

fn v1_name(port: &k8s::NetworkPolicyPort) -> Option<String> {
    match &port.port {
        Some(IntOrString::String(name)) => Some(name.clone()),
        _ => None,
    }
}

/// The rules of one direction of a cluster-wide policy.
pub(super) fn of_tier_policy(policy: &TierPolicy, direction: Direction) -> Vec<WrittenRule<'_>> {
    let rules = policy.rules(direction).iter().enumerate();
    rules
        .map(|(index, compiled)| {
            let (peers, names) = tier_lists(&policy.written, direction, index);
            let field = direction.rule_field(index);
            let peers_field = direction.peers_field();
            let at = |peer| format!("{field}.{peers_field}[{peer}]");
            let ports = match compiled.matched() {
                Matched::Rule(rule) => zip_ports(rule, names.into_iter()),
                Matched::All | Matched::Nothing => Vec::new(),
            };
            WrittenRule {
                peers: peers.iter().enumerate().map(|(index, peer)| of_peer(peer, &at(index))).collect(),
                ports,
                peers_field,
                ports_field: match policy.id.kind {
                    PolicyKind::ClusterNetworkPolicy => "protocols",
                    _ => "ports",
                },
                name: compiled.name.as_deref(),
                action: Some((compiled.action, action_word(policy.id.kind, compiled.action))),
                compiled: Compiled::Tier(compiled),
                field,
            }
        })
        .collect()
}

/// The peers of a rule and, for each port, the name that it holds.
fn tier_lists(written: &Written, direction: Direction, rule: usize) -> (&[api::Peer], Vec<Option<String>>) {
    fn cnp(entries: Option<&[v1alpha2::ProtocolMatch]>) -> Vec<Option<String>> {
        entries.unwrap_or_default().iter().map(|entry| entry.destination_named_port.clone()).collect()
    }
    fn anp(entries: Option<&[v1alpha1::Port]>) -> Vec<Option<String>> {
        entries.unwrap_or_default().iter().map(|entry| entry.named_port.clone()).collect()
    }
    let found = match (written, direction) {
        (Written::Cluster(spec), Direction::Egress) => {
            let rule = spec.egress.iter().flatten().nth(rule);
            rule.map(|rule| (rule.to.as_deref(), cnp(rule.protocols.as_deref())))
        }
        (Written::Cluster(spec), Direction::Ingress) => {
            let rule = spec.ingress.iter().flatten().nth(rule);
            rule.map(|rule| (rule.from.as_deref(), cnp(rule.protocols.as_deref())))
        }
        (Written::Admin(spec), Direction::Egress) => {
            let rule = spec.egress.iter().flatten().nth(rule);
            rule.map(|rule| (rule.to.as_deref(), anp(rule.ports.as_deref())))
        }
        (Written::Admin(spec), Direction::Ingress) => {
            let rule = spec.ingress.iter().flatten().nth(rule);
            rule.map(|rule| (rule.from.as_deref(), anp(rule.ports.as_deref())))
        }
    };
    let (peers, names) = found.unwrap_or_default();
    (peers.unwrap_or_default(), names)
}

fn of_peer<'a>(peer: &'a api::Peer, field: &str) -> WrittenPeer<'a> {
    let at = |selector: &api::LabelSelector, name: &str| SelectorAt {
        selector: Cow::Owned(selector.known()),
        field: format!("{field}.{name}"),
    };
    let api::Peer { namespaces, pods, nodes, networks, domain_names, unknown: _ } = peer;
    match (namespaces, pods, nodes, networks, domain_names) {
        (Some(namespaces), None, None, None, None) => {
            WrittenPeer::Pods { namespaces: Some(at(namespaces, "namespaces")), pods: None }
        }
        (None, Some(pods), None, None, None) => WrittenPeer::Pods {
            namespaces: pods.namespace_selector.as_ref().map(|s| at(s, "pods.namespaceSelector")),
            pods: pods.pod_selector.as_ref().map(|s| at(s, "pods.podSelector")),
        },
        (None, None, Some(nodes), None, None) => WrittenPeer::Nodes(at(nodes, "nodes")),
        (None, None, None, Some(networks), None) => WrittenPeer::Networks(networks),
        (None, None, None, None, Some(names)) => WrittenPeer::Names(names),
        _ => WrittenPeer::Invalid,
    }
}

/// The ports as they are evaluated, with the names that they were given.
fn zip_ports(rule: &Rule, names: impl Iterator<Item = Option<String>>) -> Vec<WrittenPort> {
    let ports = rule.ports.iter().zip(names);
    ports
        .map(|(port, name)| match port {
            PortMatch::All(protocol) => WrittenPort::All(*protocol),
            PortMatch::Range(protocol, range) => WrittenPort::Range(*protocol, *range.start(), *range.end()),
            PortMatch::Named(protocol, _) => WrittenPort::Named(*protocol, name.unwrap_or_default()),
            PortMatch::Nothing => WrittenPort::Invalid,
        })
        .collect()
}

/// The word of the kind for an action.
pub(super) const fn action_word(kind: PolicyKind, action: Action) -> &'static str {
    match (action, kind) {
        (Action::Accept, PolicyKind::ClusterNetworkPolicy) => "Accept",
        (Action::Accept, _) => "Allow",
        (Action::Deny, _) => "Deny",
        (Action::Pass, _) => "Pass",
    }
}

impl WrittenRule<'_> {
    /// Whether it lets through what it matches.
    pub(super) fn admits(&self) -> bool {
        self.action.is_none_or(|(action, _)| action == Action::Accept)
    }
}
