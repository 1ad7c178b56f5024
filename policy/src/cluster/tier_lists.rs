//! Which cluster-wide policies select the pods of a template: lists that most templates have in
//! common.

use crate::{
    PolicyKind,
    labels::Labels,
    network_policy::Direction,
    policy_id::Tier,
    template::Template,
    tier_policy::TierPolicy,
    tiers::{Selecting, TierSide},
    truth::Truth,
};
use imbl::{HashMap, OrdMap};
use std::sync::Arc;

/// How many lists are remembered: templates come and go, and few lists are in use at a time.
const MOST_LISTS: usize = 1024;

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
    pub(super) fn of(&mut self, template: &Template, namespace: Labels<'_>) -> Arc<Tiers> {
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
        if self.lists.len() >= MOST_LISTS {
            self.lists = HashMap::new();
        }
        self.lists.insert(selects, Arc::clone(&tiers));
        tiers
    }
}

/// The cluster-wide policies that select the pods of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiers {
    pub(super) admin: Sides,
    pub(super) baseline: Sides,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    egress: TierSide,
    ingress: TierSide,
}

impl Sides {
    pub(super) const fn of(&self, direction: Direction) -> &TierSide {
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

impl Tiers {
    /// The list with a policy in place of another; `None` where it has neither.
    pub(super) fn with(
        &self,
        old: Option<&Arc<TierPolicy>>,
        new: Option<&Arc<TierPolicy>>,
        selects: Truth,
    ) -> Option<Self> {
        if selects == Truth::No && !old.is_some_and(|old| self.has(old)) {
            return None;
        }
        let mut tiers = self.clone();
        if let Some(old) = old {
            tiers.remove(old);
        }
        if let Some(new) = new {
            tiers.insert(new, selects);
        }
        Some(tiers)
    }

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
        for direction in Direction::BOTH.into_iter().filter(|direction| !policy.rules(*direction).is_empty())
        {
            sides.change(direction, |list| {
                let at = list.partition_point(|other| other.policy.order() < policy.order());
                list.insert(at, Selecting { policy: Arc::clone(policy), unless });
            });
        }
    }

    fn remove(&mut self, policy: &Arc<TierPolicy>) {
        let Some(sides) = self.sides_mut(policy.id.tier) else { return };
        for direction in Direction::BOTH {
            sides.change(direction, |list| list.retain(|other| !Arc::ptr_eq(&other.policy, policy)));
        }
    }

    fn has(&self, policy: &Arc<TierPolicy>) -> bool {
        let sides = [&self.admin, &self.baseline];
        let mut lists = sides.into_iter().flat_map(|sides| [&sides.egress, &sides.ingress]);
        lists.any(|side| side.policies.iter().any(|other| Arc::ptr_eq(&other.policy, policy)))
    }
}
