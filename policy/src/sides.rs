//! The policies that speak about one direction of a pod, with what their rules need side by side.

use crate::{
    gate::{Gates, Sought},
    network_policy::{Direction, NetworkPolicy},
    tier_policy::TierPolicy,
    truth::Fact,
};
use smallvec::SmallVec;
use std::sync::Arc;

/// A NetworkPolicy that isolates a pod in one direction.
#[derive(Clone, Debug)]
pub(crate) struct Isolating {
    pub(crate) policy: Arc<NetworkPolicy>,
    /// The fact that this hangs on.
    pub(crate) unless: Option<Fact>,
}

/// The NetworkPolicies that isolate a pod in one direction, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkSide {
    gates: Gates,
    policies: SmallVec<[Isolating; 4]>,
    /// One isolates for certain.
    pub(crate) isolates: bool,
    /// One may or may not isolate.
    pub(crate) doubtful: bool,
}

/// A cluster-wide policy whose subject a pod is, with rules of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Selecting {
    pub(crate) policy: Arc<TierPolicy>,
    /// The fact that this hangs on.
    pub(crate) unless: Option<Fact>,
}

/// The cluster-wide policies of a tier whose subject a pod is and that speak about one direction, in
/// the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct TierSide {
    gates: Gates,
    pub(crate) policies: Vec<Selecting>,
}

impl NetworkSide {
    /// Of these policies, which are in order.
    pub(crate) fn new(policies: SmallVec<[Isolating; 4]>, direction: Direction) -> Self {
        let gates: Vec<_> = policies.iter().map(|isolating| isolating.policy.gates(direction)).collect();
        Self {
            gates: Gates::of_list(&gates),
            isolates: policies.iter().any(|isolating| isolating.unless.is_none()),
            doubtful: policies.iter().any(|isolating| isolating.unless.is_some()),
            policies,
        }
    }

    /// The policies by name.
    pub(crate) fn policies(&self) -> &[Isolating] {
        &self.policies
    }

    /// Asks the rules that may match, each by its policy and its place in that.
    pub(crate) fn each_open<'a>(&'a self, sought: Sought, mut ask: impl FnMut(&'a Isolating, u32)) {
        self.gates.any_open(sought, |policy, rule| {
            ask(&self.policies[policy], rule);
            false
        });
    }
}

impl TierSide {
    /// Of these policies, which are in order.
    pub(crate) fn new(policies: Vec<Selecting>, direction: Direction) -> Self {
        let gates: Vec<_> = policies.iter().map(|selecting| selecting.policy.gates(direction)).collect();
        Self { gates: Gates::of_list(&gates), policies }
    }

    /// Asks the rules that may match, each by its policy and its place in that, until the answer is
    /// yes.
    pub(crate) fn any_open<'a>(
        &'a self,
        sought: Sought,
        mut ask: impl FnMut(&'a TierPolicy, u32) -> bool,
    ) -> bool {
        self.gates.any_open(sought, |policy, rule| ask(&self.policies[policy].policy, rule))
    }
}
