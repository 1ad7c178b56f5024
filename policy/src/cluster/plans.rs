//! Which policies speak about the pods of each template: worked out when something changes, so that
//! a decision asks rules only.
//!
//! ```text
//! template -> [ Plan ] -> NetworkPolicies that isolate, by direction
//!                      -> cluster-wide policies that select, by tier and direction (shared)
//! ```

use super::tier_lists::{ChangedTiers, TierLists, Tiers};
use crate::{
    fingerprint::Fingerprint,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL, Prints},
    network_policy::{Direction, NetworkPolicy},
    peer::PeerPod,
    template::Template,
    tier_policy::TierPolicy,
    tiers::{Isolating, TierSide},
    truth::Truth,
};
use smallvec::SmallVec;
use std::{collections::BTreeMap, sync::Arc};

/// What is known of a namespace's labels.
#[derive(Clone, Debug)]
pub(super) struct NamespaceLabels {
    /// The label with its own name.
    name: Fingerprint,
    /// All of them; absent while its object is not known.
    pub(super) labels: Option<LabelSet>,
}

impl NamespaceLabels {
    /// Of a namespace whose object is not known.
    pub(super) fn unknown(namespace: &str) -> Self {
        Self { name: Fingerprint::of_pair(NAMESPACE_NAME_LABEL, namespace), labels: None }
    }

    /// The labels of the Namespace object; its name is always among them (N10).
    pub(super) fn known(namespace: &str, mut labels: BTreeMap<String, String>) -> Self {
        labels.insert(NAMESPACE_NAME_LABEL.to_owned(), namespace.to_owned());
        Self { labels: Some(LabelSet::new(labels)), ..Self::unknown(namespace) }
    }

    /// As selectors ask for them.
    pub(super) fn ask(&self) -> Labels<'_> {
        self.labels
            .as_ref()
            .map_or(Labels::NamespaceNamed(self.name), |labels| Labels::Known(labels.prints()))
    }
}

/// What a decision about the pods of one template needs.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    local: Arc<Local>,
    tiers: Arc<Tiers>,
}

/// What comes from the pods themselves and from their namespace, close together and in the order of
/// use.
#[derive(Clone, Debug)]
#[repr(C)]
struct Local {
    /// The NetworkPolicies that isolate them, by name.
    egress: SmallVec<[Isolating; 3]>,
    ingress: SmallVec<[Isolating; 3]>,
    template: Arc<Template>,
    namespace: Fingerprint,
    /// Those of the template.
    labels: Prints,
    /// Those of the namespace; absent while its object is not known.
    namespace_labels: Option<Prints>,
    of_namespace: Arc<NamespaceLabels>,
}

impl Plan {
    /// The plan of a template that is new; no NetworkPolicy speaks about it yet.
    pub(super) fn new(
        template: Arc<Template>,
        namespace: Arc<NamespaceLabels>,
        lists: &mut TierLists,
    ) -> Self {
        let tiers = lists.of(&template, namespace.ask());
        let local = Local {
            namespace: template.namespace.print,
            labels: template.labels.prints().clone(),
            namespace_labels: namespace.labels.as_ref().map(|labels| labels.prints().clone()),
            of_namespace: namespace,
            egress: SmallVec::new(),
            ingress: SmallVec::new(),
            template,
        };
        Self { local: Arc::new(local), tiers }
    }

    /// The template itself.
    pub(super) fn template(&self) -> &Template {
        &self.local.template
    }

    /// A pod of the template as rules ask for their peers.
    pub(super) fn peer(&self) -> PeerPod<'_> {
        let Local { template, namespace, labels, namespace_labels, of_namespace, .. } = self.local.as_ref();
        PeerPod {
            namespace: *namespace,
            labels,
            namespace_labels: namespace_labels.as_ref().map_or_else(|| of_namespace.ask(), Labels::Known),
            template,
        }
    }

    /// The NetworkPolicies that isolate in a direction, by name.
    pub(super) fn isolating(&self, direction: Direction) -> &[Isolating] {
        match direction {
            Direction::Egress => &self.local.egress,
            Direction::Ingress => &self.local.ingress,
        }
    }

    /// The cluster-wide policies before NetworkPolicy.
    pub(super) fn admin(&self, direction: Direction) -> &TierSide {
        self.tiers.admin.of(direction)
    }

    /// The cluster-wide policies after NetworkPolicy.
    pub(super) fn baseline(&self, direction: Direction) -> &TierSide {
        self.tiers.baseline.of(direction)
    }

    /// Takes in new labels of the namespace.
    pub(super) fn set_namespace(&mut self, namespace: &Arc<NamespaceLabels>, lists: &mut TierLists) {
        let local = Arc::make_mut(&mut self.local);
        local.namespace_labels = namespace.labels.as_ref().map(|labels| labels.prints().clone());
        local.of_namespace = Arc::clone(namespace);
        self.tiers = lists.of(&self.local.template, namespace.ask());
    }

    /// Whether a NetworkPolicy of the namespace speaks about the template, or one of that name did.
    pub(super) fn is_touched_by(&self, name: &str, policy: Option<&Arc<NetworkPolicy>>) -> bool {
        let mut lists = [&self.local.egress, &self.local.ingress].into_iter();
        lists.any(|list| position(list, name).is_ok())
            || policy.is_some_and(|policy| policy.selects(&self.local.template) != Truth::No)
    }

    /// Takes in a NetworkPolicy of the namespace in place of the one of that name, or forgets it.
    pub(super) fn set_network_policy(&mut self, name: &str, policy: Option<&Arc<NetworkPolicy>>) {
        let Local { template, egress, ingress, .. } = Arc::make_mut(&mut self.local);
        for (list, direction) in [(egress, Direction::Egress), (ingress, Direction::Ingress)] {
            replace(list, name, policy.and_then(|policy| isolating(policy, template, direction)));
        }
    }

    /// The plan with a cluster-wide policy in place of `old`, or without `old`; `None` where neither
    /// speaks about the template.
    pub(super) fn with_tier_policy(
        &self,
        old: Option<&Arc<TierPolicy>>,
        new: Option<&Arc<TierPolicy>>,
        changed: &mut ChangedTiers,
    ) -> Option<Self> {
        let selects =
            new.map_or(Truth::No, |new| new.selects(&self.local.template, self.local.of_namespace.ask()));
        let tiers = changed.change(&self.tiers, old, new.zip(Some(selects)))?;
        Some(Self { local: Arc::clone(&self.local), tiers })
    }
}

/// How a policy isolates the pods of a template, if it may.
fn isolating(policy: &Arc<NetworkPolicy>, template: &Template, direction: Direction) -> Option<Isolating> {
    let unless = match policy.isolates(template, direction) {
        Truth::No => return None,
        Truth::Yes => None,
        Truth::Unknown(fact) => Some(fact),
    };
    let rules = policy.rules(direction).iter().cloned().collect();
    Some(Isolating { policy: Arc::clone(policy), unless, rules })
}

/// Puts a policy in the place of the one of that name.
fn replace(list: &mut SmallVec<[Isolating; 3]>, name: &str, new: Option<Isolating>) {
    let at = position(list, name);
    match (at, new) {
        (Ok(at), Some(new)) => list[at] = new,
        (Err(at), Some(new)) => list.insert(at, new),
        (Ok(at), None) => drop(list.remove(at)),
        (Err(_), None) => {}
    }
}

/// Where the policy of that name is, or would be.
fn position(list: &[Isolating], name: &str) -> Result<usize, usize> {
    list.binary_search_by(|other| other.policy.id.name.as_ref().cmp(name))
}
