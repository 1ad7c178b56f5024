//! Which cluster-wide policies select the pods of a template: lists that most templates have in
//! common.
//!
//! ```text
//! template -> which policies select it -> [ Tiers ], one for all templates that the same select
//! ```

use super::slots::{SlotId, Slots};
use crate::{
    PolicyKind,
    labels::Labels,
    network_policy::Direction,
    policy_id::Tier,
    sides::{Selecting, TierSide},
    template::Template,
    tier_policy::TierPolicy,
    truth::Truth,
};
use imbl::{HashMap, OrdMap};
use std::sync::Arc;

/// A cluster-wide policy by kind and name.
type Key = (PolicyKind, Arc<str>);

type Policies = OrdMap<Key, Arc<TierPolicy>>;

/// The policies that select the pods of a template, or may, by kind and name.
type Selection = Box<[(Key, Truth)]>;

/// The cluster-wide policies, and the lists that templates have of them.
#[derive(Clone, Debug, Default)]
pub(super) struct TierLists {
    pub(super) policies: Policies,
    lists: Slots<Listed>,
    known: HashMap<Selection, SlotId>,
    /// What a template has whose list is not known.
    none: Arc<Tiers>,
}

/// A list, and how many templates have it.
#[derive(Clone, Debug)]
struct Listed {
    tiers: Arc<Tiers>,
    users: usize,
}

impl TierLists {
    /// The policy of this kind and name, where it says anything.
    pub(super) fn get(&self, kind: PolicyKind, name: &str) -> Option<&TierPolicy> {
        self.policies.get(&(kind, Arc::from(name))).map(AsRef::as_ref)
    }

    /// The list of this number.
    pub(super) fn list(&self, id: SlotId) -> &Tiers {
        self.lists.get(id).map_or(&self.none, |listed| &listed.tiers)
    }

    /// Takes the list of a template, to be given back with [`TierLists::give`].
    pub(super) fn take(&mut self, template: &Template, namespace: Labels<'_>) -> SlotId {
        let selects =
            self.policies.iter().map(|(key, policy)| (key.clone(), policy.selects(template, namespace)));
        let selection = selects.filter(|(_, selects)| *selects != Truth::No).collect();
        self.take_selection(selection)
    }

    fn take_selection(&mut self, selection: Selection) -> SlotId {
        if let Some(id) = self.known.get(&selection).copied()
            && let Some(listed) = self.lists.get_mut(id)
        {
            listed.users += 1;
            return id;
        }
        let tiers = Arc::new(Tiers::new(&self.policies, selection.clone()));
        let id = self.lists.insert(Listed { tiers, users: 1 });
        self.known.insert(selection, id);
        id
    }

    /// Gives a list back; nobody has it any more after the last.
    pub(super) fn give(&mut self, id: SlotId) {
        let Some(listed) = self.lists.get_mut(id) else { return };
        listed.users -= 1;
        if listed.users > 0 {
            return;
        }
        if self.known.get(&listed.tiers.selection) == Some(&id) {
            self.known.remove(&listed.tiers.selection);
        }
        self.lists.remove(id);
    }

    /// Forgets a policy: all lists follow at once, whoever has them.
    pub(super) fn forget(&mut self, kind: PolicyKind, name: &str) {
        let key = (kind, Arc::from(name));
        if self.policies.remove(&key).is_some() {
            self.remake(&key);
        }
    }

    /// Takes a policy in; what remains to be asked of each template, unless it selects as the one of
    /// that name did.
    pub(super) fn set(&mut self, kind: PolicyKind, name: &str, policy: TierPolicy) -> Option<Joining> {
        let key = (kind, Arc::from(name));
        let policy = Arc::new(policy);
        let old = self.policies.insert(key.clone(), Arc::clone(&policy));
        let selects_alike = old.as_ref().is_some_and(|old| old.subject == policy.subject);
        if old.is_some() && !selects_alike {
            self.policies.remove(&key);
            self.remake(&key);
            self.policies.insert(key.clone(), Arc::clone(&policy));
        } else {
            self.remake(&key);
        }
        (!selects_alike).then_some(Joining { key, policy })
    }

    /// Makes the lists anew that have a policy, which has changed or is gone.
    fn remake(&mut self, key: &Key) {
        let policies = &self.policies;
        self.lists.update(|Listed { tiers, users }| {
            let has = tiers.selection.iter().any(|(other, _)| other == key);
            let is_left = |(key, _): &&(Key, Truth)| policies.contains_key(key);
            let selection = || tiers.selection.iter().filter(is_left).cloned().collect();
            has.then(|| Listed { tiers: Arc::new(Tiers::new(policies, selection())), users: *users })
        });
        self.known = self.lists.iter().map(|(id, listed)| (listed.tiers.selection.clone(), id)).collect();
    }
}

/// A policy that is to join the lists of the templates that it selects.
pub(super) struct Joining {
    key: Key,
    policy: Arc<TierPolicy>,
}

impl Joining {
    /// Takes the list of a template that the policy joins, in place of the one that it has; `None`
    /// where it does not select the template.
    pub(super) fn join(
        &self,
        lists: &mut TierLists,
        before: SlotId,
        template: &Template,
        namespace: Labels<'_>,
    ) -> Option<SlotId> {
        let selects = self.policy.selects(template, namespace);
        if selects == Truth::No {
            return None;
        }
        let mut selection = lists.list(before).selection.to_vec();
        let at = selection.partition_point(|(other, _)| *other < self.key);
        selection.insert(at, (self.key.clone(), selects));
        let id = lists.take_selection(selection.into());
        lists.give(before);
        Some(id)
    }
}

/// The cluster-wide policies that select the pods of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Tiers {
    pub(super) admin: Sides,
    pub(super) baseline: Sides,
    /// All that the two are made from.
    selection: Selection,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    egress: TierSide,
    ingress: TierSide,
}

impl Tiers {
    fn new(policies: &Policies, selection: Selection) -> Self {
        let sides = |tier| Sides {
            egress: side(policies, &selection, tier, Direction::Egress),
            ingress: side(policies, &selection, tier, Direction::Ingress),
        };
        Self { admin: sides(Tier::Admin), baseline: sides(Tier::Baseline), selection }
    }
}

impl Sides {
    pub(super) const fn of(&self, direction: Direction) -> &TierSide {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }
}

/// Those of a tier with rules of a direction, in the order in which they are asked (C3).
fn side(policies: &Policies, selection: &Selection, tier: Tier, direction: Direction) -> TierSide {
    let selected = selection.iter().filter_map(|(key, selects)| Some((policies.get(key)?, *selects)));
    let speaking =
        selected.filter(|(policy, _)| policy.id.tier == tier && !policy.rules(direction).is_empty());
    let mut list: Vec<Selecting> =
        speaking.filter_map(|(policy, selects)| selecting(policy, selects)).collect();
    list.sort_by(|one, other| one.policy.order().cmp(&other.policy.order()));
    TierSide::new(list, direction)
}

fn selecting(policy: &Arc<TierPolicy>, selects: Truth) -> Option<Selecting> {
    let unless = match selects {
        Truth::No => return None,
        Truth::Yes => None,
        Truth::Unknown(fact) => Some(fact),
    };
    Some(Selecting { policy: Arc::clone(policy), unless })
}
