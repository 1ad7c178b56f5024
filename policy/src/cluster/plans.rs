//! Which policies speak about the pods of each template: worked out when something changes, so that
//! a decision asks rules only.
//!
//! ```text
//! template -> [ Plan ] -> NetworkPolicies that isolate, by direction
//!                      -> cluster-wide policies that select, by tier and direction (shared)
//! ```

use crate::{
    PolicyKind,
    fingerprint::Fingerprint,
    labels::{LabelSet, Labels, NAMESPACE_NAME_LABEL, Prints},
    network_policy::{Direction, NetworkPolicy},
    peer::PeerPod,
    policy_id::Tier,
    template::Template,
    tier_policy::TierPolicy,
    tiers::{Isolating, Selecting, TierSide},
    truth::Truth,
};
use imbl::{HashMap, OrdMap};
use std::{collections::BTreeMap, sync::Arc};

/// The cluster-wide policies, and the lists that templates have of them.
#[derive(Clone, Debug, Default)]
pub(super) struct TierLists {
    pub(super) policies: OrdMap<(PolicyKind, Arc<str>), Arc<TierPolicy>>,
    /// By which of the policies select.
    lists: HashMap<Box<[Truth]>, Arc<Tiers>>,
}

impl TierLists {
    /// Takes a policy in or forgets it; gives the one that it replaces.
    pub(super) fn set(
        &mut self,
        kind: PolicyKind,
        name: &str,
        policy: Option<&Arc<TierPolicy>>,
    ) -> Option<Arc<TierPolicy>> {
        self.lists = HashMap::new();
        let key = (kind, Arc::from(name));
        match policy {
            Some(policy) => self.policies.insert(key, Arc::clone(policy)),
            None => self.policies.remove(&key),
        }
    }

    /// The policy of this kind and name, where it says anything.
    pub(super) fn get(&self, kind: PolicyKind, name: &str) -> Option<&TierPolicy> {
        self.policies.get(&(kind, Arc::from(name))).map(AsRef::as_ref)
    }

    /// The list of a template, the same for all that the same policies select.
    fn of(&mut self, template: &Template, namespace: Labels<'_>) -> Arc<Tiers> {
        let selects: Box<[Truth]> =
            self.policies.values().map(|policy| policy.selects(template, namespace)).collect();
        if let Some(known) = self.lists.get(&selects) {
            return Arc::clone(known);
        }
        let mut tiers = Tiers::default();
        for (policy, selects) in self.policies.values().zip(&selects) {
            tiers.insert(policy, *selects);
        }
        let tiers = Arc::new(tiers);
        self.lists.insert(selects, Arc::clone(&tiers));
        tiers
    }
}

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

/// What a decision about the pods of one template needs, close together and in the order of use.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Plan {
    tiers: Arc<Tiers>,
    egress: Box<[Isolating]>,
    ingress: Box<[Isolating]>,
    pub(super) template: Arc<Template>,
    namespace: Fingerprint,
    /// Those of the template.
    labels: Prints,
    /// Those of the namespace; absent while its object is not known.
    namespace_labels: Option<Prints>,
    of_namespace: Arc<NamespaceLabels>,
}

/// The cluster-wide policies that select the pods of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiers {
    admin: Sides,
    baseline: Sides,
}

#[derive(Clone, Debug, Default)]
struct Sides {
    egress: TierSide,
    ingress: TierSide,
}

impl Sides {
    const fn of(&self, direction: Direction) -> &TierSide {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    fn change(&mut self, direction: Direction, change: impl FnOnce(&mut Vec<Selecting>)) {
        let side = match direction {
            Direction::Egress => &mut self.egress,
            Direction::Ingress => &mut self.ingress,
        };
        let mut policies = std::mem::take(&mut side.policies);
        change(&mut policies);
        *side = TierSide::new(policies, direction);
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::Egress, Direction::Ingress];

impl Plan {
    /// The plan of a template that is new; no policy speaks about it yet.
    pub(super) fn new(template: Arc<Template>, namespace: Arc<NamespaceLabels>) -> Self {
        Self {
            namespace: template.namespace.print,
            labels: template.labels.prints().clone(),
            namespace_labels: namespace.labels.as_ref().map(|labels| labels.prints().clone()),
            of_namespace: namespace,
            egress: Box::default(),
            ingress: Box::default(),
            tiers: Arc::default(),
            template,
        }
    }

    /// A pod of the template as rules ask for their peers.
    pub(super) fn peer(&self) -> PeerPod<'_> {
        PeerPod {
            namespace: self.namespace,
            labels: &self.labels,
            namespace_labels: match &self.namespace_labels {
                Some(labels) => Labels::Known(labels),
                None => self.of_namespace.ask(),
            },
            template: &self.template,
        }
    }

    /// Takes in new labels of the namespace.
    pub(super) fn set_namespace(&mut self, namespace: &Arc<NamespaceLabels>, lists: &mut TierLists) {
        self.namespace_labels = namespace.labels.as_ref().map(|labels| labels.prints().clone());
        self.of_namespace = Arc::clone(namespace);
        self.set_tiers(lists);
    }

    /// The NetworkPolicies that isolate in a direction, by name.
    pub(super) const fn isolating(&self, direction: Direction) -> &[Isolating] {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
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

    /// Takes in a NetworkPolicy of the namespace in place of the one of that name, or forgets it.
    pub(super) fn set_network_policy(&mut self, name: &str, policy: Option<&Arc<NetworkPolicy>>) {
        for direction in DIRECTIONS {
            let isolating = policy.and_then(|policy| isolating(policy, &self.template, direction));
            let list = match direction {
                Direction::Egress => &mut self.egress,
                Direction::Ingress => &mut self.ingress,
            };
            replace(list, name, isolating);
        }
    }

    /// Works out the cluster-wide policies anew.
    pub(super) fn set_tiers(&mut self, lists: &mut TierLists) {
        self.tiers = lists.of(&self.template, self.of_namespace.ask());
    }

    /// Takes in a cluster-wide policy in place of `old`, or forgets `old`.
    pub(super) fn change_tiers(
        &mut self,
        old: Option<&Arc<TierPolicy>>,
        new: Option<&Arc<TierPolicy>>,
        shared: &mut SharedTiers,
    ) {
        let selects = new.map_or(Truth::No, |policy| policy.selects(&self.template, self.of_namespace.ask()));
        self.tiers = shared.change(&self.tiers, old, new.zip(Some(selects)));
    }

    /// Whether a cluster-wide policy is among those that speak about it, or would be.
    pub(super) fn is_touched(&self, old: Option<&Arc<TierPolicy>>, new: Option<&Arc<TierPolicy>>) -> bool {
        old.is_some_and(|old| self.tiers.has(old))
            || new.is_some_and(|new| new.selects(&self.template, self.of_namespace.ask()) != Truth::No)
    }
}

/// Lists that many templates have in common are changed once and stay in common.
#[derive(Default)]
pub(super) struct SharedTiers(Vec<(Arc<Tiers>, Truth, Arc<Tiers>)>);

impl SharedTiers {
    fn change(
        &mut self,
        before: &Arc<Tiers>,
        old: Option<&Arc<TierPolicy>>,
        new: Option<(&Arc<TierPolicy>, Truth)>,
    ) -> Arc<Tiers> {
        let selects = new.map_or(Truth::No, |(_, selects)| selects);
        let known = self.0.iter().find(|(key, truth, _)| Arc::ptr_eq(key, before) && *truth == selects);
        if let Some((_, _, after)) = known {
            return Arc::clone(after);
        }
        let mut tiers = Tiers::clone(before);
        if let Some(old) = old {
            tiers.remove(old);
        }
        if let Some((new, selects)) = new {
            tiers.insert(new, selects);
        }
        let after = Arc::new(tiers);
        self.0.push((Arc::clone(before), selects, Arc::clone(&after)));
        after
    }
}

impl Tiers {
    fn sides_mut(&mut self, tier: Tier) -> Option<&mut Sides> {
        match tier {
            Tier::Admin => Some(&mut self.admin),
            Tier::Baseline => Some(&mut self.baseline),
            Tier::NetworkPolicy => None,
        }
    }

    fn insert(&mut self, policy: &Arc<TierPolicy>, selects: Truth) {
        let unless = match selects {
            Truth::No => return,
            Truth::Yes => None,
            Truth::Unknown(fact) => Some(fact),
        };
        let Some(sides) = self.sides_mut(policy.id.tier) else { return };
        for direction in DIRECTIONS.into_iter().filter(|direction| !policy.rules(*direction).is_empty()) {
            sides.change(direction, |list| {
                let at = list.partition_point(|other| other.policy.order() < policy.order());
                list.insert(at, Selecting { policy: Arc::clone(policy), unless });
            });
        }
    }

    fn remove(&mut self, policy: &Arc<TierPolicy>) {
        let Some(sides) = self.sides_mut(policy.id.tier) else { return };
        for direction in DIRECTIONS {
            sides.change(direction, |list| list.retain(|other| !Arc::ptr_eq(&other.policy, policy)));
        }
    }

    fn has(&self, policy: &Arc<TierPolicy>) -> bool {
        let sides = [&self.admin, &self.baseline];
        let mut lists = sides.into_iter().flat_map(|sides| [&sides.egress, &sides.ingress]);
        lists.any(|side| side.policies.iter().any(|other| Arc::ptr_eq(&other.policy, policy)))
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
fn replace(list: &mut Box<[Isolating]>, name: &str, new: Option<Isolating>) {
    let at = list.partition_point(|other| &*other.policy.id.name < name);
    let (before, rest) = list.split_at(at);
    let held = usize::from(rest.first().is_some_and(|other| &*other.policy.id.name == name));
    if held == 0 && new.is_none() {
        return;
    }
    let after = rest.iter().skip(held);
    *list = before.iter().cloned().chain(new).chain(after.cloned()).collect();
}
