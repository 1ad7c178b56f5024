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
    tier_lists::{TierLists, Tiers},
};
use crate::{
    fingerprint::Fingerprint,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL, Prints},
    marks::Marks,
    network_policy::{Direction, NetworkPolicy},
    peer::PeerPod,
    template::Template,
    tier_policy::TierPolicy,
    tiers::{NetworkSide, TierSide},
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
    tiers: Arc<Tiers>,
}

/// What comes from the pods themselves and from their namespace, close together.
#[derive(Clone, Debug)]
struct Local {
    namespace: Fingerprint,
    /// Those of the template.
    labels: Prints,
    /// Those of the namespace; absent while its object is not known.
    namespace_labels: Option<Prints>,
    of_namespace: Arc<NamespaceLabels>,
    template: Arc<Template>,
}

impl Local {
    fn new(template: Arc<Template>, namespace: Arc<NamespaceLabels>) -> Self {
        Self {
            namespace: template.namespace.print,
            labels: template.labels.prints().clone(),
            namespace_labels: namespace.labels.as_ref().map(|labels| labels.prints().clone()),
            of_namespace: namespace,
            template,
        }
    }

    /// Labels that are not known may be any.
    fn marks(&self) -> Marks {
        let of_namespace = self.namespace_labels.as_ref().map_or(Marks::ANY, Prints::marks);
        Marks::POD | Marks::of(self.namespace) | self.labels.marks() | of_namespace
    }
}

impl Plan {
    /// The plan of a template that is new.
    pub(super) fn new(
        template: Arc<Template>,
        namespace: Arc<NamespaceLabels>,
        network: Arc<Network>,
        lists: &mut TierLists,
    ) -> Self {
        let tiers = lists.of(&template, namespace.ask());
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
        let Local { template, namespace, labels, namespace_labels, of_namespace } = self.local.as_ref();
        PeerPod {
            namespace: *namespace,
            labels,
            namespace_labels: namespace_labels.as_ref().map_or_else(|| of_namespace.ask(), Labels::Known),
            template,
        }
    }

    /// Its NetworkPolicies, as templates have them in common.
    pub(super) const fn shared_network(&self) -> &Arc<Network> {
        &self.network
    }

    /// The NetworkPolicies that isolate in a direction.
    pub(super) fn network(&self, direction: Direction) -> &NetworkSide {
        self.network.of_direction(direction)
    }

    /// The cluster-wide policies before NetworkPolicy.
    pub(super) fn admin(&self, direction: Direction) -> &TierSide {
        self.tiers.admin.of(direction)
    }

    /// The cluster-wide policies after NetworkPolicy.
    pub(super) fn baseline(&self, direction: Direction) -> &TierSide {
        self.tiers.baseline.of(direction)
    }

    /// The plan with new labels of the namespace.
    pub(super) fn with_namespace(&self, namespace: &Arc<NamespaceLabels>, lists: &mut TierLists) -> Self {
        let template = Arc::clone(&self.local.template);
        Self::new(template, Arc::clone(namespace), Arc::clone(&self.network), lists)
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

    /// The plan with a cluster-wide policy in place of `old`, or without `old`; `None` where neither
    /// speaks about the template.
    pub(super) fn with_tier_policy(
        &self,
        old: Option<&Arc<TierPolicy>>,
        new: Option<&Arc<TierPolicy>>,
        changed: &mut Changed<Tiers>,
    ) -> Option<Self> {
        let selects =
            new.map_or(Truth::No, |new| new.selects(&self.local.template, self.local.of_namespace.ask()));
        let tiers = changed.of(&self.tiers, selects, |tiers| tiers.with(old, new, selects))?;
        Some(Self { tiers, ..self.clone() })
    }
}
