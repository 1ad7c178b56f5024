//! What is in a cluster, for those who look at all of it: namespaces with their pods, policies, and
//! which of them speak about a pod.

use super::{Cluster, plans::Plan};
use crate::{
    Pod, Tier,
    labels::{LabelSet, Labels},
    network_policy::{Direction, NetworkPolicy},
    sides::{Isolating, Selecting},
    tier_policy::TierPolicy,
};
use std::collections::BTreeMap;

/// One namespace of a survey, known by its object or by what lives in it.
pub(crate) struct Surveyed<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Labels<'a>,
    /// The same to read, where they are known.
    pub(crate) text: Option<&'a BTreeMap<String, String>>,
    /// Its pods by name, finished and host-network ones too.
    pub(crate) pods: Vec<&'a Pod>,
    /// Its policies by name.
    pub(crate) policies: Vec<&'a NetworkPolicy>,
}

impl Cluster {
    /// All namespaces by name.
    pub(crate) fn survey(&self) -> impl Iterator<Item = Surveyed<'_>> {
        self.scopes.iter().map(|(name, scope)| Surveyed {
            name,
            labels: scope.labels.ask(),
            text: scope.labels.labels.as_ref().map(LabelSet::text),
            pods: scope.pods.values().map(AsRef::as_ref).collect(),
            policies: scope.policies.values().map(AsRef::as_ref).collect(),
        })
    }

    /// The labels of the nodes whose objects are known, by name.
    pub(crate) fn node_labels(&self) -> impl Iterator<Item = &LabelSet> {
        self.nodes.values().filter_map(|node| node.labels.as_deref())
    }

    /// The cluster-wide policies that say anything, by kind and name.
    pub(crate) fn tier_policies(&self) -> impl Iterator<Item = &TierPolicy> {
        self.tiers.policies.values().map(AsRef::as_ref)
    }

    /// The NetworkPolicies that isolate a pod of the cluster in a direction, by name.
    pub(crate) fn isolating(&self, pod: &Pod, direction: Direction) -> &[Isolating] {
        self.plan_of(pod).map_or(&[], |plan| plan.network(direction).policies())
    }

    /// The cluster-wide policies of a tier that speak about a pod of the cluster, in their order.
    pub(crate) fn selecting(&self, pod: &Pod, tier: Tier, direction: Direction) -> &[Selecting] {
        let Some(plan) = self.plan_of(pod) else { return &[] };
        let tiers = self.tiers.list(plan.tiers());
        match tier {
            Tier::Admin => &tiers.admin.of(direction).policies,
            Tier::Baseline => &tiers.baseline.of(direction).policies,
            Tier::NetworkPolicy => &[],
        }
    }

    fn plan_of(&self, pod: &Pod) -> Option<&Plan> {
        let scope = self.scopes.get(pod.namespace())?;
        self.plans.get(scope.templates.get(&pod.template)?.plan)
    }
}
