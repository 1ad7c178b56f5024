//! NetworkPolicy v1, compiled once: whom it isolates and what its rules admit (N1–N25, §8).
//!
//! A part that the API would reject becomes a part that matches nothing, never one that admits.

use crate::{
    PolicyKind,
    gate::{self, Gate},
    labels::Labels,
    peer::PeerMatch,
    policy_id::{PolicyId, Tier},
    port::PortMatch,
    rule::{Peers, Rule},
    selector::Selector,
    template::{Namespace, Template},
    truth::{Fact, Truth},
};
use k8s_openapi::api::networking::v1 as k8s;
use std::sync::Arc;

/// The direction of a connection as its subject sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// The subject opens it.
    Egress,
    /// The subject is its destination.
    Ingress,
}

impl Direction {
    /// Both, in the order in which objects list them.
    pub(crate) const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The field of its rules: `ingress` or `egress`.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }

    /// The word for it in `policyTypes`.
    pub(crate) const fn policy_type(self) -> &'static str {
        match self {
            Self::Egress => "Egress",
            Self::Ingress => "Ingress",
        }
    }

    /// The field of the peers of a rule: `from` or `to`.
    pub(crate) const fn peers_field(self) -> &'static str {
        match self {
            Self::Egress => "to",
            Self::Ingress => "from",
        }
    }

    /// Where a rule is written: `spec.ingress[0]`.
    pub(crate) fn rule_field(self, rule: usize) -> String {
        format!("spec.{}[{rule}]", self.field())
    }
}

/// A compiled NetworkPolicy.
#[derive(Debug)]
pub(crate) struct NetworkPolicy {
    pub(crate) id: PolicyId,
    /// As it was written.
    pub(crate) spec: k8s::NetworkPolicySpec,
    pub(crate) subject: Selector,
    egress: Section,
    ingress: Section,
}

/// The peers and the ports of a rule.
pub(crate) type WrittenRule<'a> = (&'a [k8s::NetworkPolicyPeer], &'a [k8s::NetworkPolicyPort]);

/// One direction of a policy.
#[derive(Debug)]
struct Section {
    /// Whether the direction is among the policy's types.
    isolates: Truth,
    rules: Box<[Rule]>,
    gates: Box<[Gate]>,
}

impl Section {
    fn new(isolates: Truth, rules: Box<[Rule]>) -> Self {
        Self { isolates, gates: gate::of_policy(rules.iter().map(Gate::of)), rules }
    }
}

impl NetworkPolicy {
    /// Compiles a policy, filling in what the API server would (N1–N6).
    pub(crate) fn compile(namespace: &Namespace, name: &str, spec: k8s::NetworkPolicySpec) -> Self {
        let k8s::NetworkPolicySpec { egress, ingress, pod_selector, policy_types } = &spec;
        let egress = egress.as_deref().unwrap_or_default();
        let ingress = ingress.as_deref().unwrap_or_default();
        let types = PolicyTypes::new(policy_types.as_deref().unwrap_or_default(), !egress.is_empty());
        let egress_rules =
            egress.iter().map(|rule| compile(namespace, rule.to.as_deref(), rule.ports.as_deref()));
        let ingress_rules =
            ingress.iter().map(|rule| compile(namespace, rule.from.as_deref(), rule.ports.as_deref()));
        Self {
            id: PolicyId {
                kind: PolicyKind::NetworkPolicy,
                namespace: Some(Arc::clone(&namespace.name)),
                name: Arc::from(name),
                tier: Tier::NetworkPolicy,
                priority: None,
            },
            subject: pod_selector.as_ref().map(Selector::compile).unwrap_or_default(),
            egress: Section::new(types.holds("Egress"), egress_rules.collect()),
            ingress: Section::new(types.holds("Ingress"), ingress_rules.collect()),
            spec,
        }
    }

    /// Whether the policy selects pods of its namespace that were made from this template.
    pub(crate) fn selects(&self, template: &Template) -> Truth {
        self.subject.selects(Labels::Known(template.labels.prints()))
    }

    /// Whether the direction is among its types (N2).
    pub(crate) const fn is_about(&self, direction: Direction) -> Truth {
        self.section(direction).isolates
    }

    /// The peers and the ports of each rule of a direction, as they were written.
    pub(crate) fn written(&self, direction: Direction) -> Vec<WrittenRule<'_>> {
        let k8s::NetworkPolicySpec { ingress, egress, .. } = &self.spec;
        match direction {
            Direction::Egress => egress
                .iter()
                .flatten()
                .map(|rule| (list(rule.to.as_ref()), list(rule.ports.as_ref())))
                .collect(),
            Direction::Ingress => ingress
                .iter()
                .flatten()
                .map(|rule| (list(rule.from.as_ref()), list(rule.ports.as_ref())))
                .collect(),
        }
    }

    /// The rules of a direction.
    pub(crate) const fn rules(&self, direction: Direction) -> &[Rule] {
        &self.section(direction).rules
    }

    /// What the rules of a direction need.
    pub(crate) const fn gates(&self, direction: Direction) -> &[Gate] {
        &self.section(direction).gates
    }

    const fn section(&self, direction: Direction) -> &Section {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }
}

/// N11–N16: an absent or empty list restricts nothing.
fn compile(
    namespace: &Namespace,
    peers: Option<&[k8s::NetworkPolicyPeer]>,
    ports: Option<&[k8s::NetworkPolicyPort]>,
) -> Rule {
    let peers = match peers.unwrap_or_default() {
        [] => Peers::Any,
        peers => Peers::Of(peers.iter().map(|peer| PeerMatch::of_network_policy(peer, namespace)).collect()),
    };
    let ports = ports.unwrap_or_default().iter().map(PortMatch::of_network_policy);
    Rule { peers, ports: ports.collect() }
}

/// The directions that a policy is about.
struct PolicyTypes<'a> {
    words: &'a [String],
    has_egress_rules: bool,
}

impl<'a> PolicyTypes<'a> {
    const fn new(words: &'a [String], has_egress_rules: bool) -> Self {
        Self { words, has_egress_rules }
    }

    /// Absent or empty means Ingress, and Egress where there are egress rules (N2); a word that the
    /// API does not know may have meant any direction.
    fn holds(&self, direction: &str) -> Truth {
        let unknown = |word: &String| !matches!(word.as_str(), "Ingress" | "Egress");
        if self.words.is_empty() {
            (direction == "Ingress" || self.has_egress_rules).into()
        } else if self.words.iter().any(|word| word == direction) {
            Truth::Yes
        } else if self.words.iter().any(unknown) {
            Truth::Unknown(Fact::PolicyTypes)
        } else {
            Truth::No
        }
    }
}

fn list<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map_or(&[], Vec::as_slice)
}
