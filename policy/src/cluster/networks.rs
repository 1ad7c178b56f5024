//! Which NetworkPolicies isolate the pods of a template: lists that the templates of a namespace that
//! the same policies select have in common.

use crate::{
    network_policy::{Direction, NetworkPolicy},
    sides::{Isolating, NetworkSide},
    template::Template,
    truth::Truth,
};
use std::sync::Arc;

/// A NetworkPolicy that selects the pods of a template, or may.
type Selected = (Arc<NetworkPolicy>, Truth);

/// The NetworkPolicies that isolate the pods of a template.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    egress: NetworkSide,
    ingress: NetworkSide,
    /// Those that select them, by name: all that the two sides are made from.
    selected: Box<[Selected]>,
}

impl Network {
    fn new(selected: Vec<Selected>) -> Self {
        let side = |direction| {
            let isolating = selected.iter().filter_map(|selected| isolating(selected, direction));
            NetworkSide::new(isolating.collect(), direction)
        };
        Self { egress: side(Direction::Egress), ingress: side(Direction::Ingress), selected: selected.into() }
    }

    /// Of a template among these policies, which are in order; one of those that are known where it
    /// is the same.
    pub(super) fn of<'a>(
        template: &Template,
        policies: impl Iterator<Item = &'a Arc<NetworkPolicy>>,
        mut known: impl Iterator<Item = &'a Arc<Self>>,
    ) -> Arc<Self> {
        let selected = policies.map(|policy| (Arc::clone(policy), policy.selects(template)));
        let selected: Vec<Selected> = selected.filter(|(_, selects)| *selects != Truth::No).collect();
        match known.find(|known| known.is_made_from(&selected)) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Self::new(selected)),
        }
    }

    fn is_made_from(&self, selected: &[Selected]) -> bool {
        let is_same =
            |(one, other): (&Selected, &Selected)| Arc::ptr_eq(&one.0, &other.0) && one.1 == other.1;
        self.selected.len() == selected.len() && self.selected.iter().zip(selected).all(is_same)
    }

    pub(super) const fn of_direction(&self, direction: Direction) -> &NetworkSide {
        match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        }
    }

    /// The list with a policy in place of the one of that name, or without that; `None` where it has
    /// neither.
    pub(super) fn with(
        &self,
        name: &str,
        policy: Option<&Arc<NetworkPolicy>>,
        selects: Truth,
    ) -> Option<Self> {
        let at = self.selected.binary_search_by(|(other, _)| other.id.name.as_ref().cmp(name));
        let new = policy.filter(|_| selects != Truth::No).map(|policy| (Arc::clone(policy), selects));
        if at.is_err() && new.is_none() {
            return None;
        }
        let (place, old) = at.map_or_else(|place| (place, 0), |place| (place, 1));
        let mut selected = self.selected.to_vec();
        selected.splice(place..place + old, new);
        Some(Self::new(selected))
    }
}

/// How a policy isolates pods that it selects, if it may (N26).
fn isolating((policy, selects): &Selected, direction: Direction) -> Option<Isolating> {
    let unless = match policy.is_about(direction).and(|| *selects) {
        Truth::No => return None,
        Truth::Yes => None,
        Truth::Unknown(fact) => Some(fact),
    };
    Some(Isolating { policy: Arc::clone(policy), unless })
}
