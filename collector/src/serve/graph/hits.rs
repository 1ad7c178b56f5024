//! What each policy did: the decisions of many edges, rolled up by policy, direction and rule.

use super::tell::direction;
use crate::{
    filter::EdgeFilters,
    graph::{Figures, Survey, answer::Direction},
};
use jiff::Timestamp;
use portolan_policy::{PolicyKind, PolicyRef, SideDecision, SideVerdict};
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
pub(super) fn roll_up(survey: &Survey, edges: &[usize], filters: &EdgeFilters) -> Vec<PolicyHit> {
    let mut hits: BTreeMap<Key<'_>, Hit> = BTreeMap::new();
    for place in edges.iter().copied() {
        let edge = survey.edge(place);
        for (direction, side, figures) in edge.decided() {
            for policy in side.policies.iter().filter(|policy| filters.want_policy(&edge, policy)) {
                let hit = hits.entry(key(direction, policy)).or_insert_with(|| Hit::new(figures, place));
                hit.add(side, figures, place);
            }
        }
    }
    hits.into_iter().map(told).collect()
}

impl Hit {
    fn new(figures: &Figures, edge: usize) -> Self {
        Self { admitted: 0, denied: 0, edges: 1, edge, first: figures.first(), last: figures.last() }
    }

    fn add(&mut self, side: &SideDecision, figures: &Figures, edge: usize) {
        match side.verdict {
            SideVerdict::Admitted => self.admitted = self.admitted.saturating_add(figures.attempts),
            SideVerdict::Denied => self.denied = self.denied.saturating_add(figures.attempts),
            // No policy takes part in these.
            SideVerdict::NotIsolated | SideVerdict::NotApplicable | SideVerdict::Undecidable => {}
        }
        self.edges += u64::from(self.edge != edge);
        self.edge = edge;
        self.first = self.first.min(figures.first());
        self.last = self.last.max(figures.last());
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
