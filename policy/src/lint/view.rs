//! The rules of a NetworkPolicy as they were written, beside what they were compiled to.

use crate::{
    network_policy::{Direction, NetworkPolicy},
    rule::Rule,
    truth::Truth,
};
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};

/// Both directions, in the order in which they are talked about.
pub(super) const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// One rule of a NetworkPolicy.
#[derive(Clone, Copy)]
pub(super) struct RuleView<'a> {
    pub(super) direction: Direction,
    pub(super) index: usize,
    pub(super) peers: &'a [NetworkPolicyPeer],
    pub(super) ports: &'a [NetworkPolicyPort],
    pub(super) compiled: &'a Rule,
}

/// The rules that count: those of directions that the policy is about for certain.
pub(super) fn rules(policy: &NetworkPolicy) -> impl Iterator<Item = RuleView<'_>> {
    let directions = DIRECTIONS.into_iter().filter(|direction| policy.is_about(*direction) == Truth::Yes);
    directions.flat_map(|direction| rules_of(policy, direction))
}

/// The rules of one direction.
pub(super) fn rules_of(policy: &NetworkPolicy, direction: Direction) -> Vec<RuleView<'_>> {
    let compiled = policy.rules(direction).iter();
    let written = written(policy, direction);
    compiled
        .zip(written)
        .enumerate()
        .map(|(index, (compiled, (peers, ports)))| RuleView { direction, index, peers, ports, compiled })
        .collect()
}

/// The peers and ports of each rule.
fn written(
    policy: &NetworkPolicy,
    direction: Direction,
) -> Vec<(&[NetworkPolicyPeer], &[NetworkPolicyPort])> {
    match direction {
        Direction::Ingress => {
            let rules = policy.spec.ingress.iter().flatten();
            rules.map(|rule| (list(rule.from.as_ref()), list(rule.ports.as_ref()))).collect()
        }
        Direction::Egress => {
            let rules = policy.spec.egress.iter().flatten();
            rules.map(|rule| (list(rule.to.as_ref()), list(rule.ports.as_ref()))).collect()
        }
    }
}

fn list<T>(list: Option<&Vec<T>>) -> &[T] {
    list.map_or(&[], Vec::as_slice)
}

impl RuleView<'_> {
    /// `spec.ingress[0]`.
    pub(super) fn field(&self) -> String {
        rule_field(self.direction, self.index)
    }

    /// `spec.ingress[0].from[1]`.
    pub(super) fn peer_field(&self, peer: usize) -> String {
        format!("{}.{}[{peer}]", self.field(), peers_word(self.direction))
    }

    /// `spec.ingress[0].ports[1]`.
    pub(super) fn port_field(&self, port: usize) -> String {
        format!("{}.ports[{port}]", self.field())
    }
}

/// `spec.ingress[0]`.
pub(super) fn rule_field(direction: Direction, index: usize) -> String {
    format!("spec.{}[{index}]", direction_word(direction))
}

/// `ingress` or `egress`.
pub(super) const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// `from` or `to`.
pub(super) const fn peers_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}
