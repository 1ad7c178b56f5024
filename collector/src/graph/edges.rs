//! From cells to edges, in order: names are compared once for each party, then numbers.

use super::{
    answer::{Count, Decided, Direction, Edge, EdgeAnswer, Party},
    log::{Log, Place},
    sum::{Sum, Sums, time},
    words::{CellRow, EdgeRow, Kind, Service, Words},
};
use portolan_policy::{Outcome, Protocol, SideDecision, Verdict};
use std::collections::BTreeMap;

/// Sorts as an edge does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    source: u32,
    destination: u32,
    service: Option<u32>,
    port: Option<u16>,
    protocol: Protocol,
}

/// The edges with a sum that somebody wants.
pub(super) fn edges(words: &Words, mut sums: Sums, wanted: &dyn Fn(&Edge) -> bool) -> Vec<EdgeAnswer> {
    let (parties, services) = (ranks(&words.parties), ranks(&words.services));
    let rank = |cell: Place| {
        let edge = words.edges[words.cells[cell].edge];
        let EdgeRow { source, destination, service, port, protocol } = edge;
        let service = service.map(|service| services[service as usize]);
        let [source, destination] = [source, destination].map(|party| parties[party as usize]);
        Rank { source, destination, service, port, protocol }
    };
    let mut cells: Vec<_> = sums.cells().map(|cell| (rank(cell), cell)).collect();
    cells.sort_unstable();
    let edges = cells.chunk_by(|(one, _), (next, _)| one == next);
    edges.filter_map(|cells| answer(words, cells, &mut sums, wanted)).collect()
}

/// The place of each entry in the order of all; those that are equal have the same.
fn ranks<T: Ord>(entries: &Log<T>) -> Vec<u32> {
    let mut order: Vec<_> = entries.iter().zip(0_usize..).collect();
    order.sort_unstable();
    let mut ranks = vec![0; order.len()];
    let (mut rank, mut before) = (0, None);
    for (entry, place) in order {
        rank += u32::from(before.is_some_and(|before| before != entry));
        before = Some(entry);
        ranks[place] = rank;
    }
    ranks
}

/// The answer of one edge.
fn answer(
    words: &Words,
    cells: &[(Rank, Place)],
    sums: &mut Sums,
    wanted: &dyn Fn(&Edge) -> bool,
) -> Option<EdgeAnswer> {
    let (_, first) = cells.first()?;
    let edge = edge(words, words.edges[words.cells[*first].edge]);
    if !wanted(&edge) {
        return None;
    }
    let (mut all, mut counts, mut decisions) = (Sum::default(), Counts::new(), Decisions::new());
    for (_, cell) in cells {
        let sum = std::mem::take(sums.of(*cell));
        let CellRow { edge: _, kind, egress, ingress } = words.cells[*cell];
        let Kind { outcome, verdict, drop_reason } = &words.kinds[kind];
        let attempts = counts.entry((*outcome, *verdict, drop_reason.as_deref())).or_default();
        *attempts = attempts.saturating_add(sum.attempts);
        for (direction, side) in [(Direction::Egress, egress), (Direction::Ingress, ingress)] {
            decisions.entry((direction, &words.sides[side])).or_default().take(&sum);
        }
        all.absorb(sum);
    }
    let counts = counts.into_iter().map(count).collect();
    let decisions = decisions.into_iter().map(decided).collect();
    Some(EdgeAnswer { edge, tally: all.into_tally(), counts, decisions })
}

type Counts<'a> = BTreeMap<(Outcome, Verdict, Option<&'a str>), u64>;

type Decisions<'a> = BTreeMap<(Direction, &'a SideDecision), Part>;

/// What a decision was about.
#[derive(Clone, Copy, Debug)]
struct Part {
    attempts: u64,
    first: i64,
    last: i64,
}

impl Default for Part {
    fn default() -> Self {
        Self { attempts: 0, first: i64::MAX, last: i64::MIN }
    }
}

impl Part {
    fn take(&mut self, sum: &Sum) {
        self.attempts = self.attempts.saturating_add(sum.attempts);
        self.first = self.first.min(sum.first);
        self.last = self.last.max(sum.last);
    }
}

fn count(((outcome, verdict, drop_reason), attempts): ((Outcome, Verdict, Option<&str>), u64)) -> Count {
    Count { outcome, verdict, drop_reason: drop_reason.map(ToOwned::to_owned), attempts }
}

fn decided(((direction, decision), part): ((Direction, &SideDecision), Part)) -> Decided {
    let Part { attempts, first, last } = part;
    Decided { direction, decision: decision.clone(), attempts, first: time(first), last: time(last) }
}

fn edge(words: &Words, EdgeRow { source, destination, service, port, protocol }: EdgeRow) -> Edge {
    let [source, destination] = [source, destination].map(|party| -> Party { words.parties[party].clone() });
    let service = service.map(|service| {
        let Service(namespace, name) = &words.services[service];
        (namespace.clone(), name.clone())
    });
    Edge { source, destination, service, port, protocol }
}
