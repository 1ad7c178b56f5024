//! The rules of a NetworkPolicy as they were written, beside what they were compiled to.

use crate::{
    network_policy::{Direction, NetworkPolicy},
    rule::Rule,
    truth::Truth,
};
use k8s_openapi::api::networking::v1::{NetworkPolicyPeer, NetworkPolicyPort};

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
    let directions =
        Direction::BOTH.into_iter().filter(|direction| policy.is_about(*direction) == Truth::Yes);
    directions.flat_map(|direction| rules_of(policy, direction))
}

/// The rules of one direction.
pub(super) fn rules_of(policy: &NetworkPolicy, direction: Direction) -> Vec<RuleView<'_>> {
    let compiled = policy.rules(direction).iter();
    let written = policy.written(direction);
    compiled
        .zip(written)
        .enumerate()
        .map(|(index, (compiled, (peers, ports)))| RuleView { direction, index, peers, ports, compiled })
        .collect()
}

impl RuleView<'_> {
    /// `spec.ingress[0]`.
    pub(super) fn field(&self) -> String {
        self.direction.rule_field(self.index)
    }

    /// `spec.ingress[0].from[1]`.
    pub(super) fn peer_field(&self, peer: usize) -> String {
        format!("{}.{}[{peer}]", self.field(), self.direction.peers_field())
    }

    /// `spec.ingress[0].ports[1]`.
    pub(super) fn port_field(&self, port: usize) -> String {
        format!("{}.ports[{port}]", self.field())
    }
}
