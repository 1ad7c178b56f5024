//! Which policies speak about the pods of each template: worked out when something changes, so that
//! a decision asks rules only.
//!
//! ```text
//! template -> [ Plan ] -> NetworkPolicies that isolate, by direction
//!                      -> cluster-wide policies that select, by tier and direction (shared)
//! ```

use super::{
    in_common::Changed,
    networks::Network,
    slots::SlotId,
    tier_lists::{Joining, TierLists},
};
use crate::{
    fingerprint::Fingerprint,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL, Prints},
    marks::Marks,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerPod,
    sides::NetworkSide,
    template::Template,
    truth::Truth,
};
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
    /// What the pods carry.
    marks: Marks,
    local: Arc<Local>,
    network: Arc<Network>,
    tiers: SlotId,
}

/// What comes from the pods themselves and from their namespace, close together.
#[derive(Clone, Debug)]
struct Local {
    namespace: Fingerprint,
    /// Those of the template.
    labels: Prints,
    /// Those of the namespace, which all its templates have in common.
    of_namespace: Arc<NamespaceLabels>,
    template: Arc<Template>,
}

impl Local {
    fn new(template: Arc<Template>, namespace: Arc<NamespaceLabels>) -> Self {
        Self {
            namespace: template.namespace.print,
            labels: template.labels.prints().clone(),
            of_namespace: namespace,
            template,
        }
    }

    /// Labels that are not known may be any.
    fn marks(&self) -> Marks {
        let of_namespace =
            self.of_namespace.labels.as_ref().map_or(Marks::ANY, |labels| labels.prints().marks());
        Marks::POD | Marks::of(self.namespace) | self.labels.marks() | of_namespace
    }
}

impl Plan {
    /// The plan of a template that is new.
    pub(super) fn new(
        template: Arc<Template>,
        namespace: Arc<NamespaceLabels>,
        network: Arc<Network>,
        tiers: SlotId,
    ) -> Self {
        let local = Local::new(template, namespace);
        Self { marks: local.marks(), local: Arc::new(local), network, tiers }
    }

    /// The template itself.
    pub(super) fn template(&self) -> &Template {
        &self.local.template
    }

    /// What pods of the template carry.
    pub(super) const fn marks(&self) -> Marks {
        self.marks
    }

    /// A pod of the template as rules ask for their peers.
    pub(super) fn peer(&self) -> PeerPod<'_> {
        let Local { template, namespace, labels, of_namespace } = self.local.as_ref();
        PeerPod { namespace: *namespace, labels, namespace_labels: of_namespace.ask(), template }
    }

    /// Its NetworkPolicies, as templates have them in common.
    pub(super) const fn shared_network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The NetworkPolicies that isolate in a direction.
    pub(super) fn network(&self, direction: Direction) -> &NetworkSide {
        self.network.of_direction(direction)
    }

    /// Its list of cluster-wide policies.
    pub(super) const fn tiers(&self) -> SlotId {
        self.tiers
    }

    /// The plan with new labels of the namespace, and the list of cluster-wide policies that they make.
    pub(super) fn with_namespace(&self, namespace: &Arc<NamespaceLabels>, tiers: SlotId) -> Self {
        let template = Arc::clone(&self.local.template);
        Self::new(template, Arc::clone(namespace), Arc::clone(&self.network), tiers)
    }

    /// The plan with a NetworkPolicy of the namespace in place of the one of that name, or without
    /// that; `None` where neither speaks about the template.
    pub(super) fn with_network_policy(
        &self,
        name: &str,
        policy: Option<&Arc<NetworkPolicy>>,
        changed: &mut Changed<Network>,
    ) -> Option<Self> {
        let selects = policy.map_or(Truth::No, |policy| policy.selects(&self.local.template));
        let network = changed.of(&self.network, selects, |network| network.with(name, policy, selects))?;
        Some(Self { network, ..self.clone() })
    }

    /// The plan with a cluster-wide policy that is new; `None` where it does not speak about the
    /// template.
    pub(super) fn joined_by(&self, joining: &Joining, lists: &mut TierLists) -> Option<Self> {
        let Local { template, of_namespace, .. } = self.local.as_ref();
        let tiers = joining.join(lists, self.tiers, template, of_namespace.ask())?;
        Some(Self { tiers, ..self.clone() })
    }
}
