//! NetworkPolicy v1, compiled once: whom it isolates and what its rules admit (N1–N25, §8).
//!
//! A part that the API would reject becomes a part that matches nothing, never one that admits.

use crate::{
    Pod, PolicyKind, PolicyRef, Protocol,
    ip_block::IpBlock,
    port::{read_number, read_protocol},
    selector::{Labels, Selector},
    truth::{Fact, Truth},
};
use k8s_openapi::api::networking::v1 as k8s;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::{net::IpAddr, ops::RangeInclusive};

/// The direction of a connection as its subject sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The subject opens it.
    Egress,
    /// The subject is its destination.
    Ingress,
}

/// What a rule is asked: who is at the other end, and which port of the destination is dialled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The address at the other end.
    pub(crate) peer_ip: IpAddr,
    /// The pod at the other end and the labels of its namespace, where a pod holds that address.
    pub(crate) peer: Option<(&'a Pod, Labels<'a>)>,
    /// The pod whose container ports give names their meaning (N18).
    pub(crate) destination: Option<&'a Pod>,
    /// The port at the destination.
    pub(crate) port: Option<u16>,
    /// The protocol.
    pub(crate) protocol: Protocol,
}

/// A compiled NetworkPolicy.
#[derive(Clone, Debug)]
pub(crate) struct NetworkPolicy {
    namespace: String,
    name: String,
    subject: Selector,
    egress: Section,
    ingress: Section,
}

/// One direction of a policy.
#[derive(Clone, Debug)]
struct Section {
    /// Whether the direction is among the policy's types.
    isolates: Truth,
    rules: Vec<Rule>,
}

/// Admits what one of its peers and one of its ports match; an empty list restricts nothing (N14).
#[derive(Clone, Debug)]
struct Rule {
    peers: Vec<Peer>,
    ports: Vec<Port>,
}

#[derive(Clone, Debug)]
enum Peer {
    /// Pods of the policy's own namespace.
    Pods(Selector),
    /// Pods of the selected namespaces.
    PodsOf {
        namespaces: Selector,
        pods: Selector,
    },
    Block(IpBlock),
    /// What the API would reject (§8).
    Nothing,
}

#[derive(Clone, Debug)]
enum Port {
    All(Protocol),
    Range(Protocol, RangeInclusive<u16>),
    Named(Protocol, String),
    /// What the API would reject (§8).
    Nothing,
}

impl NetworkPolicy {
    /// Compiles a policy, filling in what the API server would (N1–N6).
    pub(crate) fn compile(namespace: &str, name: &str, spec: Option<k8s::NetworkPolicySpec>) -> Self {
        let k8s::NetworkPolicySpec { egress, ingress, pod_selector, policy_types } = spec.unwrap_or_default();
        let egress = egress.unwrap_or_default();
        let ingress = ingress.unwrap_or_default();
        let types = PolicyTypes::new(policy_types.unwrap_or_default(), !egress.is_empty());
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subject: pod_selector.as_ref().map(Selector::compile).unwrap_or_default(),
            egress: Section {
                isolates: types.holds("Egress"),
                rules: egress.into_iter().map(|rule| Rule::compile(rule.to, rule.ports)).collect(),
            },
            ingress: Section {
                isolates: types.holds("Ingress"),
                rules: ingress.into_iter().map(|rule| Rule::compile(rule.from, rule.ports)).collect(),
            },
        }
    }

    /// Whether the policy isolates `subject`, a pod of its own namespace, in that direction (N26).
    pub(crate) fn isolates(&self, subject: &Pod, direction: Direction) -> Truth {
        let isolates = self.section(direction).isolates;
        isolates.and(|| self.subject.selects(Labels::Known(&subject.labels)))
    }

    /// What each rule of a direction says, by its index.
    pub(crate) fn rules<'a>(
        &'a self,
        direction: Direction,
        question: Question<'a>,
    ) -> impl Iterator<Item = (u32, Truth)> + 'a {
        let rules = &self.section(direction).rules;
        (0..).zip(rules.iter().map(move |rule| rule.admits(&self.namespace, &question)))
    }

    /// The policy's name as a decision gives it.
    pub(crate) fn reference(&self, rule: Option<u32>) -> PolicyRef {
        PolicyRef {
            kind: PolicyKind::NetworkPolicy,
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            rule,
        }
    }

    /// The policy as an operator names it.
    pub(crate) fn title(&self) -> String {
        format!("NetworkPolicy {}/{}", self.namespace, self.name)
    }

    const fn section(&self, direction: Direction) -> &Section {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }
}

/// The directions that a policy is about.
struct PolicyTypes(Vec<String>);

impl PolicyTypes {
    /// Absent or empty means Ingress, and Egress where there are egress rules (N2).
    fn new(types: Vec<String>, has_egress_rules: bool) -> Self {
        match (types.is_empty(), has_egress_rules) {
            (false, _) => Self(types),
            (true, false) => Self(vec!["Ingress".to_owned()]),
            (true, true) => Self(vec!["Ingress".to_owned(), "Egress".to_owned()]),
        }
    }

    /// A word that the API does not know may have meant any direction.
    fn holds(&self, direction: &str) -> Truth {
        let unknown = |word: &String| !matches!(word.as_str(), "Ingress" | "Egress");
        if self.0.iter().any(|word| word == direction) {
            Truth::Yes
        } else if self.0.iter().any(unknown) {
            Truth::Unknown(Fact::PolicyTypes)
        } else {
            Truth::No
        }
    }
}

impl Rule {
    fn compile(
        peers: Option<Vec<k8s::NetworkPolicyPeer>>,
        ports: Option<Vec<k8s::NetworkPolicyPort>>,
    ) -> Self {
        Self {
            peers: peers.unwrap_or_default().iter().map(Peer::compile).collect(),
            ports: ports.unwrap_or_default().into_iter().map(Port::compile).collect(),
        }
    }

    /// N12, N14, N16.
    fn admits(&self, namespace: &str, question: &Question<'_>) -> Truth {
        if self.peers.is_empty() {
            return self.admits_port(question);
        }
        let peer = Truth::any(self.peers.iter().map(|peer| peer.matches(namespace, question)));
        peer.and(|| self.admits_port(question))
    }

    fn admits_port(&self, question: &Question<'_>) -> Truth {
        if self.ports.is_empty() {
            return Truth::Yes;
        }
        Truth::any(self.ports.iter().map(|port| port.matches(question)))
    }
}

impl Peer {
    /// N11; an entry of no form or of two forms matches nothing (§8).
    fn compile(peer: &k8s::NetworkPolicyPeer) -> Self {
        let k8s::NetworkPolicyPeer { ip_block, namespace_selector, pod_selector } = peer;
        match (ip_block, namespace_selector, pod_selector) {
            (Some(block), None, None) => IpBlock::compile(block).map_or(Self::Nothing, Self::Block),
            (None, None, Some(pods)) => Self::Pods(Selector::compile(pods)),
            (None, Some(namespaces), pods) => Self::PodsOf {
                namespaces: Selector::compile(namespaces),
                pods: pods.as_ref().map(Selector::compile).unwrap_or_default(),
            },
            _ => Self::Nothing,
        }
    }

    /// Selectors match pods only (N13); a block matches whoever holds the address (N24).
    fn matches(&self, namespace: &str, question: &Question<'_>) -> Truth {
        match (self, question.peer) {
            (Self::Pods(selector), Some((pod, _))) if pod.namespace == namespace => {
                selector.admits(Labels::Known(&pod.labels))
            }
            (Self::PodsOf { namespaces, pods }, Some((pod, labels))) => {
                namespaces.admits(labels).and(|| pods.admits(Labels::Known(&pod.labels)))
            }
            (Self::Block(block), _) => block.contains(question.peer_ip).into(),
            (Self::Pods(_) | Self::PodsOf { .. } | Self::Nothing, _) => Truth::No,
        }
    }
}

impl Port {
    /// N16–N19; what the API would reject matches nothing, an end beyond 65535 is clamped (§8).
    fn compile(port: k8s::NetworkPolicyPort) -> Self {
        let k8s::NetworkPolicyPort { end_port, port, protocol } = port;
        let Some(protocol) = read_protocol(protocol.as_deref()) else { return Self::Nothing };
        match (port, end_port) {
            (None, None) => Self::All(protocol),
            (Some(IntOrString::String(name)), None) if !name.is_empty() => Self::Named(protocol, name),
            (Some(IntOrString::Int(start)), end) => match read_number(start) {
                Some(first) => Self::range(protocol, first, end.unwrap_or(start)),
                None => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }

    fn range(protocol: Protocol, first: u16, end: i32) -> Self {
        let last = u16::try_from(end.clamp(0, i32::from(u16::MAX))).unwrap_or(u16::MAX);
        if first <= last { Self::Range(protocol, first..=last) } else { Self::Nothing }
    }

    /// N15–N18, N20; without a port only "all ports of the protocol" is certain.
    fn matches(&self, question: &Question<'_>) -> Truth {
        match (self, question.port) {
            (Self::All(protocol), _) => (*protocol == question.protocol).into(),
            (Self::Range(protocol, _) | Self::Named(protocol, _), _) if *protocol != question.protocol => {
                Truth::No
            }
            (Self::Range(_, range), Some(port)) => range.contains(&port).into(),
            (Self::Named(protocol, name), Some(port)) => {
                question.destination.is_some_and(|pod| pod.serves(name, port, *protocol)).into()
            }
            (Self::Range(..) | Self::Named(..), None) => Truth::Unknown(Fact::Port),
            (Self::Nothing, _) => Truth::No,
        }
    }
}
