//! What a window comes to, edge by edge. Nothing is spelled out before somebody wants it: names are compared once for
//! each party, then numbers.

use super::{
    answer::{Count, Decided, Direction, Edge, EdgeAnswer, Party},
    latencies::Latencies,
    log::{Log, Place},
    pile::{Histograms, Pile},
    sum::Figures,
    sums::Sums,
    words::{CellRow, EdgeRow, Kind, Service, Words},
};
use jiff::Timestamp;
use portolan_policy::{Outcome, SideDecision, Verdict};
use smallvec::SmallVec;
use std::ops::Range;

/// The edges of a window, sorted by name.
#[derive(Debug)]
pub(crate) struct Survey {
    words: Words,
    /// By cell.
    figures: Vec<Figures>,
    latencies: Pile,
    /// Those of an edge beside each other, edges in their order.
    cells: Vec<Place>,
    /// Where the cells of each edge end.
    ends: Vec<usize>,
    /// What is covered.
    pub(crate) scope: Scope,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Where what is really covered begins: buckets are counted whole.
    pub(crate) from: Timestamp,
    /// Where it ends.
    pub(crate) to: Timestamp,
    /// How many chunks could not be read.
    pub(crate) damaged: u64,
    /// How many flows are kept and not counted yet.
    pub(crate) behind: u64,
}

impl Survey {
    pub(super) fn new(words: Words, sums: Sums, scope: Scope) -> Self {
        let (figures, latencies) = sums.into_parts();
        let keys = keys(&words);
        let some = figures.iter().zip(0..).filter(|(figures, _)| !figures.is_empty());
        let key = |cell: Place| keys[words.cells[cell].edge as usize];
        let mut order: Vec<_> = some.map(|(_, cell)| (key(cell), cell)).collect();
        order.sort_unstable();
        let edges = order.chunk_by(|(one, _), (next, _)| one == next);
        let ends = edges.scan(0, |end, cells| {
            *end += cells.len();
            Some(*end)
        });
        let ends = ends.collect();
        let cells = order.into_iter().map(|(_, cell)| cell).collect();
        Self { words, figures, latencies, cells, ends, scope }
    }

    /// How many edges there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All edges, in order.
    pub(crate) fn edges(&self) -> impl Iterator<Item = Seen<'_>> {
        (0..self.len()).map(|number| self.edge(number))
    }

    /// The edge at a place in the order.
    pub(crate) fn edge(&self, number: usize) -> Seen<'_> {
        let cells = &self.cells[self.range(number)];
        let row = self.words.edges[self.words.cells[cells[0]].edge];
        Seen { survey: self, cells, row }
    }

    /// The latencies of some edges, in the order in which they are given.
    pub(crate) fn latencies(&self, edges: &[usize]) -> Histograms {
        let mut owners = vec![u32::MAX; self.figures.len()];
        for (owner, edge) in (0..).zip(edges) {
            for cell in &self.cells[self.range(*edge)] {
                owners[*cell as usize] = owner;
            }
        }
        let owner = |cell: Place| owners.get(cell as usize).filter(|owner| **owner != u32::MAX);
        self.latencies.of_owners(edges.len(), |cell| owner(cell).map(|owner| *owner as usize))
    }

    fn range(&self, edge: usize) -> Range<usize> {
        edge.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[edge]
    }
}

/// A number for each edge; they sort as the edges do, and those of one name have the same.
fn keys(words: &Words) -> Vec<u128> {
    let (parties, services) = (ranks(&words.parties), ranks(&words.services));
    let key = |EdgeRow { source, destination, service, port, protocol }: &EdgeRow| {
        let [source, destination] = [source, destination].map(|party| u128::from(parties[*party as usize]));
        let service = service.map_or(0, |service| u128::from(services[service as usize]) + 1);
        let port = port.map_or(0, |port| u128::from(port) + 1);
        (source << 96) | (destination << 64) | (service << 31) | (port << 8) | u128::from(*protocol as u8)
    };
    words.edges.iter().map(key).collect()
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

/// An edge with what was seen on it. Names are borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    survey: &'a Survey,
    cells: &'a [Place],
    /// Which edge.
    row: EdgeRow,
}

/// Few things, without an allocation.
type Few<T> = SmallVec<[T; 4]>;

impl<'a> Seen<'a> {
    /// Who opens connections.
    pub(crate) fn source(&self) -> &'a Party {
        &self.survey.words.parties[self.row.source]
    }

    /// Whom they reach or would reach.
    pub(crate) fn destination(&self) -> &'a Party {
        &self.survey.words.parties[self.row.destination]
    }

    /// The port after destination NAT.
    pub(crate) const fn port(&self) -> Option<u16> {
        self.row.port
    }

    /// The transport protocol.
    pub(crate) const fn protocol(&self) -> portolan_policy::Protocol {
        self.row.protocol
    }

    /// What all its attempts come to.
    pub(crate) fn figures(&self) -> Figures {
        let mut all = Figures::default();
        self.cells().for_each(|(_, figures)| all.add(figures));
        all
    }

    /// How its attempts ended, and how many; one way may come more than once.
    pub(crate) fn ended(&self) -> impl Iterator<Item = (Outcome, Verdict, u64)> {
        let kind = |row: &CellRow| &self.survey.words.kinds[row.kind];
        self.cells().map(move |(row, figures)| (kind(row).outcome, kind(row).verdict, figures.attempts))
    }

    /// What the policies said, and of what; the same may come more than once.
    pub(crate) fn decided(&self) -> impl Iterator<Item = (Direction, &'a SideDecision, &'a Figures)> {
        let sides = &self.survey.words.sides;
        self.cells().flat_map(move |(row, figures)| {
            let (egress, ingress) = (&sides[row.egress], &sides[row.ingress]);
            [(Direction::Egress, egress, figures), (Direction::Ingress, ingress, figures)]
        })
    }

    /// Everything, spelled out.
    pub(crate) fn answer(&self, latencies: Latencies) -> EdgeAnswer {
        EdgeAnswer {
            edge: self.edge(),
            tally: self.figures().into_tally(latencies),
            counts: self.counts(),
            decisions: self.decisions(),
        }
    }

    fn cells(&self) -> impl Iterator<Item = (&'a CellRow, &'a Figures)> + use<'a> {
        let Self { survey, cells, .. } = *self;
        cells.iter().map(|cell| (&survey.words.cells[*cell], &survey.figures[*cell as usize]))
    }

    fn edge(&self) -> Edge {
        let service = self.row.service.map(|service| {
            let Service(namespace, name) = &self.survey.words.services[service];
            (namespace.clone(), name.clone())
        });
        Edge {
            source: self.source().clone(),
            destination: self.destination().clone(),
            service,
            port: self.row.port,
            protocol: self.row.protocol,
        }
    }

    fn counts(&self) -> Vec<Count> {
        let counts = self.cells().map(|(row, figures)| {
            let Kind { outcome, verdict, drop_reason } = &self.survey.words.kinds[row.kind];
            ((*outcome, *verdict, drop_reason.as_deref()), *figures)
        });
        let count = |((outcome, verdict, drop_reason), figures): ((_, _, Option<&str>), Figures)| {
            let drop_reason = drop_reason.map(ToOwned::to_owned);
            Count { outcome, verdict, drop_reason, attempts: figures.attempts }
        };
        grouped(counts).into_iter().map(count).collect()
    }

    fn decisions(&self) -> Vec<Decided> {
        let sides = self.decided().map(|(direction, side, figures)| ((direction, side), *figures));
        let decided = |((direction, decision), figures): ((_, &SideDecision), Figures)| Decided {
            direction,
            decision: decision.clone(),
            attempts: figures.attempts,
            first: figures.first(),
            last: figures.last(),
        };
        grouped(sides).into_iter().map(decided).collect()
    }
}

/// Sorted, those of one key as one.
fn grouped<K: Ord>(parts: impl Iterator<Item = (K, Figures)>) -> Few<(K, Figures)> {
    let mut parts: Few<_> = parts.collect();
    parts.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    parts.dedup_by(|(next, more), (kept, figures)| {
        let is_same = next == kept;
        if is_same {
            figures.add(more);
        }
        is_same
    });
    parts
}
