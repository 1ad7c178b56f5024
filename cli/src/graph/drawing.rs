//! What every drawing of the graph shows: numbered nodes, namespaces around them, and links.

use super::{
    names::port,
    words::{verdicts, worst},
};
use crate::render::{Paint, count, micros};
use portolan_policy::Verdict;
use portolan_proto::graph::{Edge, Party};
use std::collections::BTreeMap;

/// A graph to draw.
#[derive(Debug)]
pub(super) struct Drawing<'edges> {
    /// A node's number is its place.
    pub(super) nodes: Vec<Node>,
    /// The nodes of each namespace; those that have none come first, under none.
    pub(super) groups: BTreeMap<Option<&'edges str>, Vec<usize>>,
    pub(super) links: Vec<Link>,
}

/// A party.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) lines: Vec<String>,
    /// Whether it is a workload or a service of the cluster.
    pub(super) inside: bool,
}

/// An edge.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) lines: Vec<String>,
    /// The one that most wants to be looked at.
    pub(super) verdict: Verdict,
    /// Drawn broken: nothing came through.
    pub(super) broken: bool,
}

impl<'edges> Drawing<'edges> {
    /// Of these edges.
    pub(super) fn new(edges: &'edges [Edge]) -> Self {
        let ends = edges.iter().flat_map(|edge| [&edge.source, &edge.destination]);
        let mut numbers: BTreeMap<&Party, usize> = ends.map(|party| (party, 0)).collect();
        for (number, place) in numbers.values_mut().enumerate() {
            *place = number;
        }
        let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (party, number) in &numbers {
            groups.entry(namespace(party)).or_default().push(*number);
        }
        let link = |edge: &Edge| Link {
            from: numbers[&edge.source],
            to: numbers[&edge.destination],
            lines: lines(edge),
            verdict: worst(edge),
            broken: is_broken(edge),
        };
        Self {
            nodes: numbers.keys().map(|party| node(party)).collect(),
            groups,
            links: edges.iter().map(link).collect(),
        }
    }
}

/// The colour of a verdict.
pub(super) const fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "#2e7d32",
        Verdict::Denied => "#c62828",
        Verdict::Unenforced => "#d500f9",
        Verdict::Blocked | Verdict::Failed => "#ef6c00",
        Verdict::Settling => "#00838f",
        Verdict::Undecided => "#757575",
    }
}

fn is_broken(edge: &Edge) -> bool {
    let came_through = |verdict| !matches!(verdict, Verdict::Denied | Verdict::Blocked | Verdict::Failed);
    !edge.outcomes.iter().any(|count| came_through(count.verdict))
}

fn namespace(party: &Party) -> Option<&str> {
    match party {
        Party::Workload { namespace, .. } | Party::Service { namespace, .. } => Some(namespace),
        Party::Node { .. } | Party::External { .. } | Party::Other => None,
    }
}

fn node(party: &Party) -> Node {
    let (name, kind) = match party {
        Party::Workload { workload, .. } => (workload.name.clone(), Some(workload.kind.clone())),
        Party::Node { node } => (node.clone(), Some("node".to_owned())),
        Party::Service { name, .. } => (name.clone(), Some("service".to_owned())),
        Party::External { ip } => (ip.to_string(), None),
        Party::Other => ("all others".to_owned(), None),
    };
    Node { lines: std::iter::once(name).chain(kind).collect(), inside: namespace(party).is_some() }
}

fn lines(edge: &Edge) -> Vec<String> {
    let latency = edge.latency_us.as_ref().map(|latency| format!(", p99 {}", micros(latency.p99)));
    let attempts = format!("{} attempts{}", count(edge.attempts), latency.unwrap_or_default());
    let notable = worst(edge) != Verdict::Allowed;
    let verdicts = notable.then(|| verdicts(edge, Paint::Plain));
    [port(edge), attempts].into_iter().chain(verdicts).collect()
}
