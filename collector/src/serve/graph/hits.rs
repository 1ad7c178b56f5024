//! What each policy did: the decisions of many edges, rolled up by policy, direction and rule.

use super::tell::direction;
use crate::{
    filter::EdgeFilters,
    graph::answer::{Decided, Direction, EdgeAnswer},
};
use jiff::Timestamp;
use portolan_policy::{PolicyKind, PolicyRef, SideVerdict};
use portolan_proto::graph::PolicyHit;
use std::collections::BTreeMap;

/// By policy, then direction, then rule.
type Key<'edges> = (PolicyKind, Option<&'edges str>, &'edges str, Direction, Option<u32>);

#[derive(Debug)]
struct Hit {
    admitted: u64,
    denied: u64,
    edges: u64,
    /// The place of the last edge that counts.
    edge: usize,
    first: Timestamp,
    last: Timestamp,
}

/// The hits of wanted policies on these edges.
pub(super) fn roll_up(edges: &[EdgeAnswer], filters: &EdgeFilters) -> Vec<PolicyHit> {
    let mut hits: BTreeMap<Key<'_>, Hit> = BTreeMap::new();
    for (place, edge) in edges.iter().enumerate() {
        for decided in &edge.decisions {
            for policy in decided.decision.policies.iter().filter(|policy| filters.want_policy(edge, policy))
            {
                let hit =
                    hits.entry(key(decided.direction, policy)).or_insert_with(|| Hit::new(decided, place));
                hit.add(decided, place);
            }
        }
    }
    hits.into_iter().map(told).collect()
}

impl Hit {
    fn new(Decided { first, last, .. }: &Decided, edge: usize) -> Self {
        Self { admitted: 0, denied: 0, edges: 1, edge, first: *first, last: *last }
    }

    fn add(&mut self, Decided { direction: _, decision, attempts, first, last }: &Decided, edge: usize) {
        match decision.verdict {
            SideVerdict::Admitted => self.admitted = self.admitted.saturating_add(*attempts),
            SideVerdict::Denied => self.denied = self.denied.saturating_add(*attempts),
            // No policy takes part in these.
            SideVerdict::NotIsolated | SideVerdict::NotApplicable | SideVerdict::Undecidable => {}
        }
        self.edges += u64::from(self.edge != edge);
        self.edge = edge;
        self.first = self.first.min(*first);
        self.last = self.last.max(*last);
    }
}

fn key(direction: Direction, PolicyRef { kind, namespace, name, rule }: &PolicyRef) -> Key<'_> {
    (*kind, namespace.as_deref(), name, direction, *rule)
}

fn told(((kind, namespace, name, side, rule), hit): (Key<'_>, Hit)) -> PolicyHit {
    let Hit { admitted, denied, edges, edge: _, first, last } = hit;
    let policy = PolicyRef { kind, namespace: namespace.map(str::to_owned), name: name.to_owned(), rule };
    PolicyHit { direction: direction(side), policy, admitted, denied, edges, first, last }
}
